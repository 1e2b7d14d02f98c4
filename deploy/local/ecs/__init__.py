"""ECS tasks as local processes: RunTask and StopTask, containers, their logs and limits, and the events of it all."""
