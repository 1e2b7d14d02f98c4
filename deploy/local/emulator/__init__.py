"""How the emulator starts: in a process of its own, with every fill installed and nothing of the caller's about it."""
