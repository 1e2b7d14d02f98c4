"""What readers ask of jobs: records, steps, logs, lists and reasons, each read from AWS as seldom as can be."""
