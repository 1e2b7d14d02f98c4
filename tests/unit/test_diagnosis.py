"""What the diagnosis makes of the ends that AWS tells of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.diagnosis.diagnosis import (
    Budget,
    Ending,
    budget_of,
    budget_of_class,
    diagnose,
    diagnose_as_classified,
    is_account_wide,
    retryable,
)
from service.core.diagnosis.table import ROWS
from tests.support.endings import ASM, ECR, INIT, OOM, PULL, SHAPES, exits, not_started, refused, timed_out

CLASSES = [
    "application_exit",
    "bad_run_task_request",
    "callback_failure",
    "cancelled",
    "capacity",
    "container_cannot_start",
    "data_limit",
    "disk_full",
    "health_check",
    "heartbeat",
    "history_limit",
    "image_denied",
    "image_missing",
    "image_pull_failed",
    "image_pull_timeout",
    "image_rate_limited",
    "infrastructure",
    "job_timeout",
    "lost",
    "network_interface",
    "never_reported",
    "never_started",
    "out_of_memory",
    "permission",
    "planner_failed",
    "quota_used_up",
    "secret_missing",
    "sidecar_failed",
    "spot_interruption",
    "stage_timeout",
    "start_refused",
    "state_machine_bug",
    "stopped_by_deployment",
    "stopped_by_person",
    "throttled",
    "unknown",
]


@pytest.mark.parametrize(("ending", "expected"), [(s[1], s[2:]) for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_a_shape_gets_its_class_confidence_and_remedy(ending: Ending, expected: tuple[str, str, str]) -> None:
    """Every shape of ending that is known is told by its class, how sure that is, and what may be done."""
    found = diagnose(ending)
    assert (found.failure_class, found.confidence, found.remedy) == expected


def test_every_class_of_the_table_is_shown_by_a_shape() -> None:
    """No class can be added, renamed or lost unseen: subscribers filter by them."""
    assert sorted({row.failure_class for row in ROWS}) == CLASSES
    assert sorted({shape[2] for shape in SHAPES}) == CLASSES


def test_every_row_is_reached_by_a_shape() -> None:
    """A row that a row above it always hides would be a lie about the policy."""
    reached = {next(row for row in ROWS if row.evidence(shape[1]) is not None) for shape in SHAPES}
    rare = {"exit code 2", "exit code 125", "exit code 130", "exit code 132", "exit code 135", "exit code 136"}
    hidden = [row for row in ROWS if row not in reached]
    shown = {(row.evidence(Ending(exit_code=code)) or "").split(":")[0] for row in hidden for code in range(256)}
    assert shown - {""} <= rare | {"exit code 141"}
    assert [row for row in hidden if not any(row.evidence(Ending(exit_code=code)) for code in range(256))] == []


def test_every_class_is_paid_for_by_one_budget() -> None:
    """So that an attempt on the record, which has its class alone, is counted where it belongs.

    One that waited for capacity says so itself, and is paid for by none.
    """
    found: dict[str, set[Budget | None]] = {}
    for row in ROWS:
        if row.remedy not in ("none", "wait"):
            found.setdefault(row.failure_class, set()).add(budget_of(row.remedy))
    assert {name: budgets for name, budgets in found.items() if len(budgets) != 1} == {}
    assert all(budget_of_class(name) in budgets for name, budgets in found.items())


EXITS = [
    (126, "could not be executed", "chmod +x"),
    (127, "not found", "PATH"),
    (134, "SIGABRT", "assertion"),
    (137, "SIGKILL", "2048 MiB"),
    (139, "SIGSEGV", "native code"),
    (140, "signal 12 (SIGUSR2)", "log"),
    (143, "SIGTERM", "another container"),
    (42, "42", "Exit code 42"),
]


@pytest.mark.parametrize(("code", "evidence", "action"), EXITS, ids=[str(item[0]) for item in EXITS])
def test_an_exit_code_is_read_right(code: int, evidence: str, action: str) -> None:
    """The evidence says what the code means, and the next action what to look at."""
    found = diagnose(exits(code, memory=2048))
    assert evidence in found.evidence
    assert action in found.next_action


FILLED_IN = [
    (not_started(f"{PULL} {ECR}:v9: not found"), f"{ECR}:v9"),
    (
        refused("ECS.AccessDeniedException", "User: x is not authorized to perform: iam:PassRole on resource: y"),
        "iam:PassRole",
    ),
    (not_started("Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled "
                 "in subnet 'subnet-0a1b2c3d'"), "subnet-0a1b2c3d"),
    (not_started(ASM + "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf: AccessDeniedException: denied"),
     "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf"),
    (exits(1, container_reason=OOM, memory=512), "512 MiB"),
    (timed_out(callback=True, timeout_seconds=600, heartbeat_seconds=60, duration_seconds=130.5), "after 130.5 s"),
    (timed_out(timeout_seconds=90), "90 s"),
]  # fmt: skip


def test_a_platform_is_not_taken_for_an_image() -> None:
    """Though it stands where an image's name does; and what is not named begins the sentence all the same."""
    found = diagnose(not_started("CannotPullContainerError: no matching manifest for linux/arm64/v8 in the list"))
    assert found.next_action.startswith("The image was not built for the task's CPU")


@pytest.mark.parametrize(("ending", "name"), FILLED_IN, ids=[item[1] for item in FILLED_IN])
def test_a_next_action_names_what_to_look_at(ending: Ending, name: str) -> None:
    """Names and numbers out of AWS's words stand in the sentence that a colleague reads."""
    assert name in diagnose(ending).next_action


@pytest.mark.parametrize("code", [0xC0000005, 0xC0000005 - 2**32])
def test_a_windows_code_is_read_with_and_without_its_sign(code: int) -> None:
    """People look it up by its hexadecimal form."""
    assert diagnose(exits(code)).evidence == f"exit code {code} (0xC0000005): access violation"


@pytest.mark.parametrize("ending", [shape[1] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_our_own_words_are_not_redacted(ending: Ending) -> None:
    """What we say to do must not look like a secret to ourselves."""
    assert "[redacted]" not in diagnose(ending).next_action


def test_the_evidence_is_the_line_that_shows_it() -> None:
    """An error that our planner's evidence begins with is not said twice, and lines are joined."""
    cause = "ECS.ServerException: Service\n  Unavailable"
    assert diagnose(refused("ECS.ServerException", cause)).evidence == "ECS.ServerException: Service Unavailable"


PROSE = {
    '{"Failures":[{"Arn":"arn:aws:ecs:eu-west-1:1:container-instance/a","Reason":"RESOURCE:MEMORY"}],"Tasks":[]}':
        "AmazonECS.Unknown: RESOURCE:MEMORY, arn:aws:ecs:eu-west-1:1:container-instance/a",
    '{"Failures":[{"Reason":"AGENT","Detail":"it is away"},{"Reason":"AGENT"},7]}':
        "AmazonECS.Unknown: AGENT, it is away; AGENT",
    '{"Failures":[]}': 'AmazonECS.Unknown: {"Failures":[]}',
    "[1]": "AmazonECS.Unknown: [1]",
}  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "evidence"),
    [
        (Ending(error="States.TaskFailed", cause="error States.TaskFailed"), "error States.TaskFailed"),
        (
            Ending(error="States.TaskFailed", cause="error States.TaskFailed; stop code Y", stop_code="Y", exit_code=0),
            "error States.TaskFailed; stop code Y; exit code 0",
        ),
        (Ending(error="States.TaskFailed", cause="odd"), "error States.TaskFailed; cause odd"),
        (Ending(cause="odd"), "cause odd"),
        (
            Ending(error="", callback=True, cause="the container reported a failure without a name"),
            "the container reported a failure without a name",
        ),
        (
            Ending(error="", callback=True, cause="too dark"),
            "the container reported a failure without a name: too dark",
        ),
    ],
)
def test_evidence_says_each_thing_once(ending: Ending, evidence: str) -> None:
    """Of what the planner gave up on, the cause is the planner's own evidence."""
    assert diagnose(ending).evidence == evidence


@pytest.mark.parametrize(("cause", "evidence"), PROSE.items())
def test_evidence_is_prose_where_the_cause_is_JSON_that_is_known(cause: str, evidence: str) -> None:
    """A person reads it, in an e-mail."""
    assert diagnose(refused("AmazonECS.Unknown", cause)).evidence == evidence


def test_the_planners_error_is_told_by_its_message() -> None:
    """Not by the JSON that Lambda wraps it in."""
    cause = '{"errorMessage":"no such stage","errorType":"KeyError","stackTrace":[]}'
    assert diagnose(refused("KeyError", cause)).evidence == "KeyError: no such stage"


def test_a_reason_that_no_row_knows_is_shown_beside_the_exit_code() -> None:
    """It may be the only word on why."""
    found = diagnose(exits(255, container_reason="exec /app: exec format error"))
    assert found.evidence.startswith("exit code 255: ")
    assert found.evidence.endswith("; exec /app: exec format error")


RESENDING = [
    (Ending(stop_code="SpotInterruption"), True),
    (Ending(stop_code="UserInitiated"), True),
    (Ending(error="Execution.ABORTED"), True),
    (exits(1), False),
    (exits(137, container_reason=OOM), False),
    (Ending(), False),
]


@pytest.mark.parametrize(("ending", "helps"), RESENDING, ids=[diagnose(item[0]).failure_class for item in RESENDING])
def test_whether_sending_it_again_may_help(ending: Ending, helps: bool) -> None:
    """What passes by itself, or was nobody's fault, may be sent again; a bug or too little memory stays."""
    assert retryable(diagnose(ending)) is helps


# Redaction.


def test_a_signed_url_is_redacted_in_evidence_and_action() -> None:
    """Both sentences of a diagnosis are safe to send."""
    signature = "5e" * 32
    ref = f"https://b.s3.amazonaws.com/layer?X-Amz-Signature={signature}"
    found = diagnose(not_started(f"CannotPullContainerError: ref {ref}: 403 Forbidden"))
    assert signature not in found.evidence + found.next_action


# Whatever is said.

KNOWN_WORDS = sorted(
    {
        word
        for _, ending, *_ in SHAPES
        for word in (ending.error, ending.cause, ending.stopped_reason, ending.container_reason, ending.stop_code)
        if word is not None
    }
)
WORDS = st.one_of(st.none(), st.text(max_size=60), st.sampled_from(KNOWN_WORDS))
NUMBERS = st.one_of(st.none(), st.integers(-(2**40), 2**40))
SECONDS = st.one_of(st.none(), st.floats(allow_nan=True))


@given(
    st.builds(
        Ending,
        stop_code=WORDS,
        stopped_reason=WORDS,
        exit_code=st.one_of(NUMBERS, st.integers(0, 255)),
        container_reason=WORDS,
        other_reasons=st.lists(st.text(max_size=40), max_size=3).map(tuple),
        other_exit_codes=st.lists(st.integers(0, 255), max_size=3).map(tuple),
        started=st.booleans(),
        error=WORDS,
        cause=WORDS,
        callback=st.booleans(),
        memory=NUMBERS,
        timeout_seconds=SECONDS,
        heartbeat_seconds=SECONDS,
        duration_seconds=SECONDS,
    )
)
def test_a_diagnosis_always_says_something(ending: Ending) -> None:
    """Whatever AWS says, the diagnosis is one of the known classes, on one line that is not empty."""
    found = diagnose(ending)
    assert found.failure_class in CLASSES
    assert found.evidence.strip() and found.next_action.strip()
    assert "\n" not in found.evidence + found.next_action
    assert found == diagnose(replace(ending))


def test_a_class_that_no_row_has_is_judged_anew() -> None:
    """A newer planner may know one more; what this table sees is better than nothing."""
    ending = Ending(exit_code=3)
    assert diagnose_as_classified(ending, "of_tomorrow", "x") == diagnose(ending)


def test_a_class_that_the_table_finds_too_keeps_its_own_words() -> None:
    """Nothing was known that the ending does not tell."""
    ending = Ending(exit_code=3)
    assert diagnose_as_classified(ending, diagnose(ending).failure_class, "x") == diagnose(ending)


def test_who_knew_more_of_an_ending_is_believed() -> None:
    """His class and his evidence hold; what to do supposes the least that the class knows."""
    found = diagnose_as_classified(Ending(exit_code=1), "spot_interruption", "Your Spot Task was interrupted.")
    assert (found.failure_class, found.evidence) == ("spot_interruption", "Your Spot Task was interrupted.")
    assert found.confidence == "likely"
    assert diagnose_as_classified(Ending(exit_code=1), "unknown", "x").confidence == "guess"


@pytest.mark.parametrize(
    ("failure_class", "wide"), [("throttled", True), ("quota_used_up", True), ("capacity", False), ("unknown", False)]
)
def test_which_refusals_meet_every_start_of_the_account(failure_class: str, wide: bool) -> None:
    """All others concern one image, one kind of host or some subnets."""
    assert is_account_wide(failure_class) is wide


# Longer than the beginning in which a name must stand.
AND_SO_ON = " and so on" * 40
START, LOGGING = "CannotStartContainerError: OCI runtime create failed", "failed to initialize logging driver"
PULLED = "CannotPullContainerError: it failed"
FAR_AWAY: dict[str, tuple[str, str, tuple[str, str, str]]] = {
    "a key of a secret": (INIT, "json key", ("secret_missing", "certain", "none")),
    "a full disk": (PULLED, "no space left on device", ("disk_full", "certain", "none")),
    "a registry out of reach": (PULLED, "dial: i/o timeout", ("image_pull_timeout", "certain", "again")),
    "an image that may not exist": (
        PULLED,
        "access denied for it, it does not exist or may require login",
        ("image_denied", "likely", "none"),
    ),
    "another platform": (PULLED, "no match for platform", ("image_missing", "certain", "none")),
    "an unknown manifest": (PULLED, "manifest unknown", ("image_missing", "certain", "none")),
    "an odd layer": (PULLED, "unsupported media type", ("image_pull_failed", "certain", "none")),
    "an unknown authority": (PULLED, "x509: signed by nobody", ("image_pull_failed", "certain", "none")),
    "an untrusted certificate": (PULLED, "a certificate of nobody", ("image_pull_failed", "certain", "none")),
    "a throttle": ("Error retrieving subnet", "request limit exceeded", ("throttled", "certain", "wait")),
    "a tag policy": ("network interface", "TagPolicyViolation", ("network_interface", "certain", "none")),
    "no address": ("network interface", "not enough free addresses", ("network_interface", "certain", "wait")),
    "a log out of reach": (LOGGING, "i/o timeout", ("container_cannot_start", "likely", "again")),
    "no log group": (LOGGING, "the log group is not there", ("container_cannot_start", "certain", "none")),
    "a volume that is late": ("the EBS volume", "timed out", ("infrastructure", "likely", "again")),
    "no program": (START, "executable file not found", ("container_cannot_start", "certain", "none")),
    "no command": (START, "no command specified", ("container_cannot_start", "certain", "none")),
    "no user": (START, "unable to find user ann", ("container_cannot_start", "certain", "none")),
    "no folder": (START, "working directory", ("container_cannot_start", "certain", "none")),
    "another format": (START, "exec format error", ("container_cannot_start", "certain", "none")),
}


@pytest.mark.parametrize(("name", "detail", "expected"), FAR_AWAY.values(), ids=FAR_AWAY)
def test_a_detail_may_stand_far_behind_the_name(name: str, detail: str, expected: tuple[str, str, str]) -> None:
    """A name stands near the beginning, or it is not what failed: further on, a reason quotes others."""
    found = diagnose(not_started(f"{name}{AND_SO_ON} {detail}"))
    assert (found.failure_class, found.confidence, found.remedy) == expected
    other = diagnose(not_started(f"{detail}{AND_SO_ON} {name}"))
    assert (other.failure_class, other.confidence, other.remedy) != expected


ALONE: dict[str, tuple[Ending, str]] = {
    "a file system": (not_started("EFS utils are missing"), "container_cannot_start"),
    "too much data, by its name": (refused("States.DataLimitExceeded", "too much"), "data_limit"),
    "too much data, by its cause": (
        refused("States.Runtime", "returned a result with a size exceeding the maximum number of bytes"),
        "data_limit",
    ),
    "a sidecar out of memory, and a SIGKILL": (exits(137, other_reasons=(OOM,)), "out_of_memory"),
    "a sidecar out of memory, and a SIGTERM": (exits(143, other_reasons=(OOM,)), "out_of_memory"),
    "a sidecar out of memory, and no exit code": (exits(None, other_reasons=(OOM,)), "out_of_memory"),
}


@pytest.mark.parametrize(("ending", "failure_class"), ALONE.values(), ids=ALONE)
def test_one_word_is_enough(ending: Ending, failure_class: str) -> None:
    """Of several that show the same."""
    assert diagnose(ending).failure_class == failure_class


@pytest.mark.parametrize("code", [1, 3, 144])
def test_a_sidecar_out_of_memory_is_not_why_a_program_failed_by_itself(code: int) -> None:
    """Its own exit code says more."""
    assert diagnose(exits(code, other_reasons=(OOM,))).failure_class == "application_exit"


def test_a_stop_by_a_person_is_shown_with_its_code() -> None:
    """Which says more than the reason alone."""
    found = diagnose(Ending(stop_code="UserInitiated", stopped_reason="Task stopped by ann"))
    assert (found.failure_class, found.evidence) == ("stopped_by_person", "UserInitiated: Task stopped by ann")
