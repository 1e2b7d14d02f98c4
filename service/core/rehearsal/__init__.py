"""What a job would be, before it is sent: what would run, how long that may take, and what it may cost."""
