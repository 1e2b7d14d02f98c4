"""Which stage runs next, on what, and with which command and environment: what the planner's Lambda runs."""
