"""Names and times of the simulated account."""

from __future__ import annotations

from datetime import UTC, datetime

REGION = "eu-central-1"
ACCOUNT = "123456789012"
_HERE = f"{REGION}:{ACCOUNT}"
STATE_MACHINE_ARN = f"arn:aws:states:{_HERE}:stateMachine:jobferry"
EXECUTION_ARN = f"arn:aws:states:{_HERE}:execution:jobferry:"
CLUSTER_ARN = f"arn:aws:ecs:{_HERE}:cluster/jobferry"
TASK_ARN = f"arn:aws:ecs:{_HERE}:task/jobferry/"
TASK_DEFINITION_ARN = f"arn:aws:ecs:{_HERE}:task-definition/"
TOPIC_ARN = f"arn:aws:sns:{_HERE}:jobferry"
BUCKET = "jobferry-logs"
REQUESTS_URL = "https://sqs.sim/requests"
EVENTS_URL = "https://sqs.sim/events"
CONTROL_URL = "https://sqs.sim/control"

# When virtual time is 0.
EPOCH = 1_700_000_000.0


def moment(at: float) -> datetime:
    """A virtual time as boto3 gives times."""
    return datetime.fromtimestamp(EPOCH + at, UTC)


def iso(at: float) -> str:
    """A virtual time as AWS writes it, with none to three digits of a second."""
    text = moment(at).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return text.rstrip("0").removesuffix(".") + "Z"
