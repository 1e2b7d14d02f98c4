"""Chaos: many jobs through several worker processes on the local AWS, which stalls and breaks, while workers die."""
