"""The emulator as a process of its own: every fill installed, nothing of the caller's about it."""
