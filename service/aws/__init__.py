"""One AWS service a file, one place an operation, no policy."""
