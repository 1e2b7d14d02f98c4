"""The rules that bring events home."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.operator.doctor import rules
from tests.support import whole_deployment as given
from tests.support.examining import PUT_RIGHT, Look, Said, assert_said
from tests.support.names import CLUSTER_ARN
from tests.support.scripted_aws import Json


def pattern(name: str, **changed: Any) -> Json:
    """The rule's fields with a pattern that has other fields, or details."""
    detail = {**given.PATTERNS[name]["detail"], **changed.pop("detail", {})}
    return {"EventPattern": json.dumps({**given.PATTERNS[name], **changed, "detail": detail})}


ELSEWHERE: Json = {"Id": "other", "Arn": f"{given.QUEUE_ARN}:other"}
RULES: dict[str, tuple[Look, str, Json, Said]] = {
    "tasks: whole": (rules.task_rule, "tasks", {}, []),
    "executions: whole": (rules.execution_rule, "executions", {}, []),
    "off": (
        rules.task_rule,
        "tasks",
        {"State": "DISABLED"},
        [("the rule tasks is DISABLED", "aws events enable-rule --name tasks")],
    ),
    "rewritten by a path": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**given.TARGET, "InputPath": "$.detail"}]},
        [("the rule tasks rewrites", "input transformation")],
    ),
    "rewritten by a constant": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**given.TARGET, "Input": "{}"}]},
        [("the rule tasks rewrites", "input transformation")],
    ),
    "rewritten by a template": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**given.TARGET, "InputTransformer": {"InputTemplate": "<a>"}}]},
        [("the rule tasks rewrites", "input transformation")],
    ),
    "dropped": (
        rules.task_rule,
        "tasks",
        {"Targets": [{"Id": "queue", "Arn": given.TARGET["Arn"]}]},
        [("what the rule tasks cannot deliver is dropped", "DLQ")],
    ),
    "another target's business": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**ELSEWHERE, "Input": "{}"}, given.TARGET]},
        [],
    ),
    "elsewhere": (
        rules.task_rule,
        "tasks",
        {"Targets": [ELSEWHERE]},
        [("the rule tasks has no target that is the event queue", "Add the target")],
    ),
    "of another cluster": (
        rules.task_rule,
        "tasks",
        pattern("tasks", detail={"clusterArn": ["arn:aws:ecs:eu-central-1:123456789012:cluster/other"]}),
        [(f"no rule of the default event bus passes on aws.ecs events of {CLUSTER_ARN}", PUT_RIGHT)],
    ),
    "of another source": (
        rules.task_rule,
        "tasks",
        pattern("tasks", source=["aws.batch"]),
        [(f"no rule of the default event bus passes on aws.ecs events of {CLUSTER_ARN}", PUT_RIGHT)],
    ),
    "without a pattern": (
        rules.task_rule,
        "tasks",
        {"EventPattern": None},
        [(f"no rule of the default event bus passes on aws.ecs events of {CLUSTER_ARN}", PUT_RIGHT)],
    ),
    "of another kind": (
        rules.task_rule,
        "tasks",
        pattern("tasks", **{"detail-type": ["ECS Container Instance State Change"]}),
        [("the rule tasks leaves out STOPPED", "Widen its pattern")],
    ),
    "of one status": (
        rules.task_rule,
        "tasks",
        pattern("tasks", detail={"lastStatus": ["RUNNING"]}),
        [("the rule tasks leaves out STOPPED", "Widen its pattern")],
    ),
    "of other groups": (
        rules.task_rule,
        "tasks",
        pattern("tasks", detail={"group": [{"prefix": "service:"}]}),
        [("the rule tasks leaves out STOPPED", "Widen its pattern")],
    ),
    "executions: of ends alone": (
        rules.execution_rule,
        "executions",
        pattern("executions", detail={"status": ["SUCCEEDED", "FAILED"]}),
        [("the rule executions leaves out RUNNING, TIMED_OUT, ABORTED", "Widen its pattern")],
    ),
    "executions: of starts alone": (
        rules.execution_rule,
        "executions",
        pattern("executions", detail={"status": ["RUNNING", "TIMED_OUT", "ABORTED"]}),
        [("the rule executions leaves out SUCCEEDED, FAILED", "Widen its pattern")],
    ),
    "executions: of another kind": (
        rules.execution_rule,
        "executions",
        pattern("executions", **{"detail-type": ["Other"]}),
        [("leaves out RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED", "Widen its pattern")],
    ),
}


@pytest.mark.parametrize(("look", "name", "changed", "said"), RULES.values(), ids=RULES)
def test_a_rule_is_looked_at(look: Look, name: str, changed: Json, said: Said) -> None:
    """Enabled, passing on every event as it is, to the event queue; what another rule does is no matter."""
    assert_said(look(given.deployment(given.rules({name: changed}))), said)
