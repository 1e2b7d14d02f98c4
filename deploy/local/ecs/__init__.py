"""ECS tasks as local processes: their start, their events, their logs and their end."""
