"""A fake AWS in a process of its own, fast enough not to be the limit: just what a worker asks for, answered truly."""
