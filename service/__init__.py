"""Jobferry: what is decided (`core`), and how it is done (`aws`, `perform`, `runtime`)."""
