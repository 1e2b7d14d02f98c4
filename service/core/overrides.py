"""What a container is told: its environment, and how long that makes RunTask's overrides."""

from __future__ import annotations

import json

from schemas.plan import Stage
from schemas.trace import Trace
from service.core.log_layout import s3_uri, stage_prefix
from service.core.tracing import LONGEST_TRACE

# In a container's environment: by it a task tells which redrive it is of.
REDRIVE_VARIABLE = "JOBFERRY_REDRIVE"
# "A total of 8192 characters are allowed for overrides. This limit includes the JSON formatting characters of the
# override structure." [botocore, RunTask]
MAX_OVERRIDES_CHARACTERS = 8192
_LONGEST_TASK_TOKEN = "t" * 2048  # [botocore, TaskToken]
_LONGEST_ARN = "a" * 256
_LONGEST_BUCKET = "b" * 63
_LONGEST_REDRIVE = "9" * 4
_MARK = "@"

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
    Which redrive it is of is not here: what is planned repeats in a redrive, and only the state machine knows better.
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


def environment_texts(variables: list[Pair], *, with_token: bool) -> tuple[str, str, str]:
    """The JSON of an environment, cut where the redrive count belongs, and where the task token does, if there is one.

    The state machine puts `$$.Execution.RedriveCount` and `$$.Task.Token` between the parts: what is known only when a
    state is entered cannot be planned, and JSONPath has no other way to append to a list.
    """
    known_later = [REDRIVE_VARIABLE, "TASK_TOKEN"] if with_token else [REDRIVE_VARIABLE]
    marked = [{"Name": name, "Value": _MARK} for name in known_later]
    text = json.dumps([*variables, *marked], separators=(",", ":"))
    # From the right, since what a request gave may hold the mark too.
    before_redrive, after_redrive, *after_token = text.rsplit(_MARK, len(marked))
    return before_redrive, after_redrive, "".join(after_token)


def longest_overrides(stage: Stage, job_id: str, input_file: str | None, user: str | None) -> int:
    """How many characters the overrides of this stage make at most, its later attempts included.

    A trace is always allowed for: whether a request is admitted depends on its body alone.
    """
    variables = environment(stage, 100, 100, job_id, _LONGEST_ARN, _LONGEST_BUCKET, input_file, user, LONGEST_TRACE)
    variables.append({"Name": REDRIVE_VARIABLE, "Value": _LONGEST_REDRIVE})
    if stage.integration == "callback":
        variables.append({"Name": "TASK_TOKEN", "Value": _LONGEST_TASK_TOKEN})
    lowered = [{"name": pair["Name"], "value": pair["Value"]} for pair in variables]
    container = {"name": stage.container, "command": list(stage.command), "environment": lowered}
    overrides = {"containerOverrides": [container], "cpu": str(stage.cpu), "memory": str(stage.max_memory)}
    return len(json.dumps(overrides))
