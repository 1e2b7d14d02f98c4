"""Step Functions as AWS runs it: executions and redrives, states, task tokens, and the integration with ECS."""
