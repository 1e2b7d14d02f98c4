"""A job as one file: what is put into it, how it is read, and what is decided of it when it is replayed."""
