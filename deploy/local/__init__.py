"""AWS on this machine: the emulator with its gaps filled, the stack on it, and a worker beside it."""
