"""Step Functions as AWS runs it: executions, the states language, and the ECS integrations."""
