"""What runs Jobferry: the template and what brings it to AWS, and the same on this machine."""
