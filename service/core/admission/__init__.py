"""Whether a request becomes a job: its body read, its stages resolved, every reason against it told."""
