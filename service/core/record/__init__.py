"""What we are told of a job, what we hold of it, and how the one becomes the other."""
