"""Chaos: many jobs through several worker processes on the local AWS, which lies, stalls and breaks, while workers die."""
