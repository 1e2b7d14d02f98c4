"""The matchers under the table of failures, each by itself, at the edges of what it matches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.core.diagnosis import evidence
from service.core.diagnosis.ending import Ending

TIMEOUT = {"error": "States.Timeout"}
CALLBACK = {**TIMEOUT, "callback": True, "timeout_seconds": 1000.0}
ITSELF = "EssentialContainerExited"

Condition = Callable[[Ending], bool]
CONDITIONS: tuple[tuple[Condition, dict[str, Any], bool], ...] = (
    (evidence.ran_out_of_time, TIMEOUT, True),
    (evidence.ran_out_of_time, {"error": "States.HeartbeatTimeout"}, True),
    (evidence.ran_out_of_time, {"error": "States.TaskFailed"}, False),
    (evidence.ran_out_of_time, {**TIMEOUT, "stop_code": ITSELF, "exit_code": 1}, False),
    (evidence.ran_out_of_time, {**TIMEOUT, "stop_code": ITSELF, "exit_code": 0}, True),
    (evidence.ran_out_of_time, {**TIMEOUT, "stop_code": "UserInitiated", "exit_code": 143}, True),
    (evidence.never_reported, {**CALLBACK, "exit_code": 0}, True),
    (evidence.never_reported, {**TIMEOUT, "exit_code": 0}, False),
    (evidence.never_reported, {**CALLBACK, "exit_code": 143}, False),
    (evidence.never_reported, {"callback": True, "exit_code": 0}, False),
    (evidence.missed_a_heartbeat, {**CALLBACK, "duration_seconds": 979.9}, True),
    (evidence.missed_a_heartbeat, {**CALLBACK, "duration_seconds": 980.0}, False),
    (evidence.missed_a_heartbeat, {**CALLBACK, "timeout_seconds": 100.0, "duration_seconds": 94.9}, True),
    (evidence.missed_a_heartbeat, {**CALLBACK, "timeout_seconds": 100.0, "duration_seconds": 95.0}, False),
    (evidence.missed_a_heartbeat, {**CALLBACK, "duration_seconds": None}, False),
    (evidence.missed_a_heartbeat, {**CALLBACK, "timeout_seconds": None, "duration_seconds": 1.0}, False),
    (evidence.missed_a_heartbeat, {**CALLBACK, "callback": False, "duration_seconds": 1.0}, False),
    (evidence.missed_a_heartbeat, {**CALLBACK, "error": None, "duration_seconds": 1.0}, False),
    (evidence.may_have_missed_a_heartbeat, CALLBACK, True),
    (evidence.may_have_missed_a_heartbeat, {**CALLBACK, "duration_seconds": 5.0}, False),
    (evidence.may_have_missed_a_heartbeat, TIMEOUT, False),
    (evidence.may_have_missed_a_heartbeat, {"callback": True}, False),
    (evidence.used_up_its_timeout, {**TIMEOUT, "timeout_seconds": 5.0}, True),
    (evidence.used_up_its_timeout, TIMEOUT, False),
    (evidence.used_up_its_timeout, CALLBACK, False),
    (evidence.used_up_its_timeout, {"timeout_seconds": 5.0}, False),
    (evidence.stopped_with_the_task, {"exit_code": 143, "other_exit_codes": (1,)}, True),
    (evidence.stopped_with_the_task, {"exit_code": 137, "other_exit_codes": (0, 1), "stop_code": ITSELF}, True),
    (evidence.stopped_with_the_task, {"exit_code": 1, "other_exit_codes": (1,)}, False),
    (evidence.stopped_with_the_task, {"exit_code": 143, "other_exit_codes": (0,)}, False),
    (evidence.stopped_with_the_task, {"exit_code": 143, "other_exit_codes": (137, 143)}, False),
    (evidence.stopped_with_the_task, {"exit_code": 143, "other_exit_codes": ()}, False),
    (evidence.stopped_with_the_task, {"exit_code": 143, "other_exit_codes": (1,), "stop_code": "UserInitiated"}, False),
    (evidence.never_ran, {"exit_code": None, "other_exit_codes": (1,)}, True),
    (evidence.never_ran, {"exit_code": None, "other_exit_codes": ()}, False),
    (evidence.never_ran, {"exit_code": 0, "other_exit_codes": (1,)}, False),
    (evidence.never_ran, {"exit_code": None, "started": False}, True),
    (evidence.failed_to_start, {"exit_code": None, "started": False}, True),
    (evidence.failed_to_start, {"exit_code": None, "stop_code": "TaskFailedToStart"}, True),
    (evidence.failed_to_start, {"exit_code": None, "stop_code": ITSELF}, False),
    (evidence.failed_to_start, {"exit_code": 1, "started": False}, False),
    (evidence.was_a_task, {}, False),
    (evidence.was_a_task, {"error": "States.TaskFailed", "exit_code": 1}, False),
    (evidence.was_a_task, {"stop_code": "x"}, True),
    (evidence.was_a_task, {"stopped_reason": "x"}, True),
    (evidence.was_a_task, {"container_reason": "x"}, True),
    (evidence.was_a_task, {"launch_type": "FARGATE"}, True),
    (evidence.is_ours_to_name, {"error": "OutOfInk"}, True),
    (evidence.is_ours_to_name, {"error": None}, False),
    (evidence.is_ours_to_name, {"error": "  "}, False),
    (evidence.is_ours_to_name, {"error": " States.TaskFailed"}, False),
    (evidence.is_ours_to_name, {"error": "ECS.ClientException"}, False),
    (evidence.is_ours_to_name, {"error": "AmazonECS.Unknown"}, False),
    (evidence.is_ours_to_name, {"error": "Lambda.Unknown"}, False),
    (evidence.is_ours_to_name, {"error": "Jobferry.UnknownDecision"}, False),
    (evidence.is_ours_to_name, {"error": "Execution.ABORTED"}, False),
    (evidence.is_ours_to_name, {"error": "My.States.Error"}, True),
    (evidence.reported_back, {"error": "OutOfInk"}, False),
    (evidence.reported_back, {"error": "OutOfInk", "callback": True}, True),
    (evidence.reported_back, {"error": "OutOfInk", "exit_code": 0}, True),
    (evidence.reported_back, {"error": "OutOfInk", "launch_type": "EC2"}, True),
    (evidence.reported_back, {"error": "States.TaskFailed", "callback": True}, False),
)


@pytest.mark.parametrize(("condition", "ending", "holds"), CONDITIONS)
def test_a_condition_of_the_table(condition: Condition, ending: dict[str, Any], holds: bool) -> None:
    """Each part of it by itself."""
    assert condition(Ending(**ending)) is holds


SHOWN: tuple[tuple[evidence.Evidence, dict[str, Any], str | None], ...] = (
    (evidence.signalled, {"exit_code": 128}, None),
    (evidence.signalled, {"exit_code": 129}, "exit code 129: ended by signal 1 (SIGHUP)"),
    (evidence.signalled, {"exit_code": 192}, "exit code 192: ended by signal 64 (SIGRTMAX)"),
    (evidence.signalled, {"exit_code": 160}, "exit code 160: ended by signal 32"),
    (evidence.signalled, {"exit_code": 193}, None),
    (evidence.signalled, {"exit_code": None}, None),
    (evidence.exited(3, "odd"), {"exit_code": 3}, "exit code 3: odd"),
    (evidence.exited(3, "odd"), {"exit_code": 4}, None),
    (
        evidence.exited_on_windows(0xC0000005, "fault"),
        {"exit_code": -1073741819},
        "exit code -1073741819 (0xC0000005): fault",
    ),
    (
        evidence.exited_on_windows(0xC0000005, "fault"),
        {"exit_code": 3221225477},
        "exit code 3221225477 (0xC0000005): fault",
    ),
    (evidence.exited_on_windows(0xC0000005, "fault"), {"exit_code": 5}, None),
    (evidence.exited_on_windows(0, "fault"), {"exit_code": None}, None),
    (evidence.stop_code("A", "B"), {"stop_code": "b"}, "b"),
    (evidence.stop_code("A", "B"), {"stop_code": "B", "stopped_reason": "why"}, "B: why"),
    (evidence.stop_code("A", "B"), {"stop_code": "C"}, None),
    (evidence.stop_code("A"), {"stop_code": None, "stopped_reason": "why"}, None),
    (evidence.with_its_reason(evidence.exited(3, "odd")), {"exit_code": 3}, "exit code 3: odd"),
    (
        evidence.with_its_reason(evidence.exited(3, "odd")),
        {"exit_code": 3, "container_reason": "so"},
        "exit code 3: odd; so",
    ),
    (evidence.with_its_reason(evidence.exited(3, "odd")), {"exit_code": 4, "container_reason": "so"}, None),
    (evidence.any_of(evidence.exited(3, "a"), evidence.exited(3, "b")), {"exit_code": 3}, "exit code 3: a"),
    (evidence.any_of(evidence.exited(2, "a"), evidence.exited(3, "b")), {"exit_code": 3}, "exit code 3: b"),
    (evidence.any_of(evidence.exited(2, "a")), {"exit_code": 3}, None),
    (evidence.when(evidence.was_a_task, evidence.exited(3, "a")), {"exit_code": 3}, None),
    (evidence.when(evidence.was_a_task, evidence.exited(3, "a")), {"exit_code": 3, "stop_code": "x"}, "exit code 3: a"),
    (evidence.others_failed, {}, None),
    (evidence.others_failed, {"other_exit_codes": (0, 0)}, None),
    (
        evidence.others_failed,
        {"other_exit_codes": (0, 2, 3), "exit_code": 0},
        "own exit code 0; another container's exit code 2, another container's exit code 3",
    ),
    (
        evidence.others_failed,
        {"other_exit_codes": (2,), "other_reasons": ("proxy: exit code 2", "b: gone")},
        "its own container has no exit code; proxy: exit code 2; b: gone",
    ),
    (evidence.said("^Full"), {"stopped_reason": "full house"}, "full house"),
    (evidence.said("Full"), {"stopped_reason": "x" * 296 + "full"}, "x" * 296 + "full"),
    (evidence.said("Full"), {"stopped_reason": "x" * 297 + "full"}, None),
    (evidence.said("Full", "house"), {"stopped_reason": "full tent"}, None),
    (
        evidence.said("Full", "house"),
        {"stopped_reason": "full " + "x" * 400 + " House"},
        "full " + "x" * 400 + " House",
    ),
    (evidence.said("Full", "house"), {"stopped_reason": "full: https://house.example/x"}, None),
    (evidence.said("Full"), {"stopped_reason": "full", "stop_code": "UserInitiated"}, None),
    (evidence.said("Full"), {"stopped_reason": "full", "container_reason": "Full too"}, "Full too"),
    (evidence.said("Full"), {"other_reasons": ("full",)}, None),
    (evidence.said("Full"), {"other_reasons": ("full",), "started": False}, "full"),
    (evidence.said("full"), {"error": "States.TaskFailed", "cause": "full"}, "States.TaskFailed: full"),
    (evidence.said("full"), {"error": "States.TaskFailed", "cause": ' {"of": "full"}'}, None),
    (evidence.said("full"), {"error": "States.TaskFailed", "cause": "full", "callback": True}, None),
    (evidence.said("full"), {"error": "States.TaskFailed", "cause": "full", "stop_code": "x"}, None),
    (evidence.said("full"), {"error": "States.Runtime", "cause": "full", "stop_code": "x"}, "States.Runtime: full"),
    (evidence.said("full"), {"error": "OutOfInk", "cause": "full"}, None),
    (evidence.said_of_own("Full"), {"other_reasons": ("full",), "started": False}, None),
    (evidence.others_said("Full"), {"other_reasons": ("empty", "FULL")}, "FULL"),
    (evidence.failed_with("Odd"), {"error": "Odd.One"}, "Odd.One"),
    (evidence.failed_with("Odd"), {"error": "odd"}, None),
    (evidence.failed_with("Odd"), {"error": "Not.Odd"}, None),
    (evidence.failed_with("Odd", "why"), {"error": "Odd", "cause": "WHY not"}, "Odd: WHY not"),
    (evidence.failed_with("Odd", "why"), {"error": "Odd", "cause": None}, None),
    (evidence.failed_with("Odd"), {"error": "Odd", "cause": "Odd is odd"}, "Odd is odd"),
    (evidence.failed_with("Odd"), {"error": "Odd", "cause": '{"errorMessage": "so it is"}'}, "Odd: so it is"),
    (evidence.failed_with("Odd"), {"error": "Odd", "cause": '{"Failures": [7]}'}, 'Odd: {"Failures": [7]}'),
    (evidence.failed_with("Odd"), {"error": "Odd", "cause": '{"Failures": 7}'}, 'Odd: {"Failures": 7}'),
    (
        evidence.failed_with("Odd"),
        {"error": "Odd", "cause": '{"Failures": [{"Reason": "R", "Detail": "D", "Arn": "A"}, {"Reason": "S"}]}'},
        "Odd: R, D, A; S",
    ),
    (
        evidence.nothing_better,
        {
            "error": "e",
            "cause": "c",
            "stop_code": "s",
            "stopped_reason": "r",
            "container_reason": "k",
            "exit_code": 0,
            "other_reasons": ("o", "p"),
        },
        "error e; cause c; stop code s; stopped reason r; container reason k; exit code 0; other containers o; p",
    ),
    (evidence.nothing_better, {}, "nothing was said: no error, no stop code, no reason, no exit code"),
    (evidence.out_of_time, TIMEOUT, "States.Timeout"),
    (
        evidence.out_of_time,
        {**TIMEOUT, "duration_seconds": 5.04, "timeout_seconds": 5, "heartbeat_seconds": 0.26, "cause": "late"},
        "States.Timeout (after 5 s, timeout 5 s, heartbeat every 0.3 s) late",
    ),
    (evidence.out_of_time, {**TIMEOUT, "cause": "States.Timeout (after 3 s)"}, "States.Timeout"),
)


@pytest.mark.parametrize(("matcher", "ending", "shown"), SHOWN)
def test_what_shows_a_failure(matcher: evidence.Evidence, ending: dict[str, Any], shown: str | None) -> None:
    """The words that show it, whole, or nothing."""
    assert matcher(Ending(**ending)) == shown


NAMED: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
    (
        {},
        {
            "image": "the image",
            "secret": "the secret or parameter",
            "subnet": "the task's subnets",
            "action": "the action that the message names",
            "role": "the role",
            "exit_code": "None",
            "memory": "the memory it had",
            "timeout": "its timeout",
            "heartbeat": "its heartbeat interval",
            "duration": "an unknown time",
            "error": "no error",
        },
    ),
    (
        {"exit_code": 7, "memory": 512, "timeout_seconds": 60.0, "heartbeat_seconds": 30.04, "duration_seconds": 1.26},
        {"exit_code": "7", "memory": "512 MiB", "timeout": "60 s", "heartbeat": "30 s", "duration": "1.3 s"},
    ),
    ({"duration_seconds": float("inf"), "error": "Odd"}, {"duration": "inf s", "error": "Odd"}),
    (
        {"stopped_reason": "failed to resolve ref docker.io/library/busybox:1: not found in subnet-0a1b"},
        {"image": "docker.io/library/busybox:1", "subnet": "subnet-0a1b"},
    ),
    ({"stopped_reason": "no manifest for linux/amd64"}, {"image": "the image"}),
    (
        {"container_reason": "failed to resolve ref registry.example/team/a:1", "stopped_reason": "Task failed"},
        {"image": "registry.example/team/a:1"},
    ),
    (
        {"container_reason": "arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:GetAuthorizationToken"},
        {"action": "ecr:GetAuthorizationToken"},
    ),
    (
        {"other_reasons": ("arn:aws-cn:ssm:cn-north-1:1:parameter/db for arn:aws:iam::123456789012:role/jobs/run",)},
        {"secret": "arn:aws-cn:ssm:cn-north-1:1:parameter/db", "role": "arn:aws:iam::123456789012:role/jobs/run"},
    ),
)


@pytest.mark.parametrize(("ending", "named"), NAMED)
def test_what_a_next_action_may_name(ending: dict[str, Any], named: dict[str, str]) -> None:
    """From what AWS said, or else by words that fit into the sentence."""
    found = evidence.names_in(Ending(**ending))
    assert {name: found[name] for name in named} == named
    assert set(found) == set(NAMED[0][1])
