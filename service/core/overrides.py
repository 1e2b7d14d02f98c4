"""What a container is told: its environment, and how long that makes RunTask's overrides."""

from __future__ import annotations

import json

from schemas.plan import Stage
from schemas.trace import Trace
from service.core.log_layout import s3_uri, stage_prefix
from service.core.tracing import LONGEST_TRACE

# "A total of 8192 characters are allowed for overrides. This limit includes the JSON formatting characters of the
# override structure." [botocore, RunTask]
MAX_OVERRIDES_CHARACTERS = 8192
_LONGEST_TASK_TOKEN = "t" * 2048  # [botocore, TaskToken]
_LONGEST_ARN = "a" * 256
_LONGEST_BUCKET = "b" * 63

Pair = dict[str, str]


def environment(
    stage: Stage,
    number: int,
    attempt: int,
    job_id: str,
    execution_arn: str,
    bucket: str,
    input_file: str | None,
    user: str | None,
    trace: Trace | None,
) -> list[Pair]:
    """The variables of one attempt: what the request gave, and who the container is.

    JOBFERRY_INPUT is the first stage's input file, or what the stage before wrote; JOBFERRY_OUTPUT is where to write.
    TRACEPARENT is what OpenTelemetry's tools read [OpenTelemetry, environment variables as context propagation
    carriers], _X_AMZN_TRACE_ID what X-Ray's do, as in a Lambda function [Lambda, runtime environment variables].
    """
    trace = trace or Trace()
    ours = {
        "JOBFERRY_JOB_ID": job_id,
        "JOBFERRY_STAGE": str(number),
        "JOBFERRY_ATTEMPT": str(attempt),
        "JOBFERRY_EXECUTION_ARN": execution_arn,
        "JOBFERRY_INPUT_FILE": s3_uri(bucket, input_file),
        "JOBFERRY_INPUT": s3_uri(bucket, input_file if number == 1 else stage_prefix(job_id, number - 1)),
        "JOBFERRY_OUTPUT": s3_uri(bucket, stage_prefix(job_id, number)),
        "JOBFERRY_USER": user or "",
        "TRACEPARENT": trace.traceparent or "",
        "_X_AMZN_TRACE_ID": trace.aws_trace_header or "",
    }
    return [{"Name": name, "Value": value} for name, value in {**stage.environment, **ours}.items() if value]


def around_token(variables: list[Pair]) -> tuple[str, str]:
    """The JSON of an environment with TASK_TOKEN in it, cut where the token belongs.

    The state machine joins the two with `$$.Task.Token`: JSONPath has no other way to append to a list.
    """
    marker = "@"
    text = json.dumps([*variables, {"Name": "TASK_TOKEN", "Value": marker}], separators=(",", ":"))
    before, after = text.rsplit(marker, 1)
    return before, after


def longest_overrides(stage: Stage, job_id: str, input_file: str | None, user: str | None) -> int:
    """How many characters the overrides of this stage make at most, its later attempts included.

    A trace is always allowed for: whether a request is admitted depends on its body alone.
    """
    variables = environment(stage, 100, 100, job_id, _LONGEST_ARN, _LONGEST_BUCKET, input_file, user, LONGEST_TRACE)
    if stage.integration == "callback":
        variables.append({"Name": "TASK_TOKEN", "Value": _LONGEST_TASK_TOKEN})
    lowered = [{"name": pair["Name"], "value": pair["Value"]} for pair in variables]
    container = {"name": stage.container, "command": list(stage.command), "environment": lowered}
    overrides = {"containerOverrides": [container], "cpu": str(stage.cpu), "memory": str(stage.max_memory)}
    return len(json.dumps(overrides))
