"""The processes: the worker with its two consumers and its sweeper, and the planner's Lambda."""
