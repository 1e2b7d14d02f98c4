"""The page in a browser: lists of jobs, and a job at a glance, made on the server from what the tracker tells."""
