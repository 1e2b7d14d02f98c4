"""What is owed to a job, by its record alone."""
