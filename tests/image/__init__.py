"""The images, built and run for real, without Docker and without a registry."""
