"""The commands `jobferry doctor` and `jobferry catalog check`, as they are seen in a terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from service.operator import cli
from service.operator.doctor import command, queues
from tests.support import whole_deployment as given
from tests.support.examining import EVENTS_DEAD, Changed, changed_queue, refusal
from tests.support.scripted_aws import ScriptedAws

REPORT = """\
ok   credentials: accepted, of the right account and region
ok   clock: agrees with AWS's
ok   request queue: encrypted, with a dead-letter queue
ok   event queue: encrypted, with a dead-letter queue, and lets the rules in
ok   control queue: encrypted, with a dead-letter queue
ok   execution rule: enabled; every change of an execution reaches the event queue
ok   task rule: enabled; every task of a job reaches the event queue
ok   dead requests: none
ok   dead events: none
ok   dead control: none
ok   undelivered events: none
ok   topic: has subscribers, whose filters can match
ok   bucket: encrypted, shut to the public
ok   table: active, with its index and its time to live
ok   state machine: active, and defined as in this version
ok   planner: its function is active
ok   cluster: active, with the catalogue's capacity providers
ok   quotas: Fargate has room for the largest image
ok   image one: its task definition is as the catalogue says, and the state machine may run it
All well.
"""


@pytest.fixture
def jobferry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Types a command with these answers of AWS; answers with its exit status."""

    def typed(*arguments: str, changed: Changed | None = None) -> int:
        aws = ScriptedAws({**given.whole(), **(changed or {})})
        monkeypatch.setattr(command, "session_of", lambda _: aws.session)
        return cli.main(arguments)

    return typed


def test_a_whole_deployment_is_told_of_item_by_item(
    jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each item, what holds of it, and at last that all is well."""
    assert jobferry("doctor", "--stack", "jobferry") == 0
    assert capsys.readouterr().out == REPORT


def test_what_is_wrong_and_what_could_not_be_seen_are_counted(
    jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its mark, the remedy on a line of its own; only what is wrong makes the status 1."""
    unseen: Changed = {"service-quotas.GetServiceQuota": refusal("AccessDeniedException", "GetServiceQuota")}
    wrong = changed_queue(EVENTS_DEAD, ApproximateNumberOfMessages="1")
    for changed, status, last in (
        (unseen, 0, "0 wrong. 1 could not be looked at."),
        (wrong, 1, "1 wrong."),
        ({**unseen, **wrong}, 1, "1 wrong. 1 could not be looked at."),
    ):
        assert jobferry("doctor", "--stack", "jobferry", changed=changed) == status
        printed = capsys.readouterr().out.splitlines()
        assert printed[-1] == last
        if changed is not wrong:
            line = printed.index("?    quotas: GetServiceQuota: no")
            assert printed[line + 1].startswith("       Allow the caller GetServiceQuota")
        if changed is not unseen:
            line = printed.index("BAD  dead events: 1 lie in events-dead")
            assert printed[line + 1] == f"       {queues.REPLAY}"


def test_the_catalogue_is_checked_by_itself(jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """The images alone; here one that is in nobody's account."""
    missing: Changed = {"ecs.DescribeTaskDefinition": refusal("ClientException")}
    assert jobferry("catalog", "check", "--stack", "jobferry") == 0
    assert capsys.readouterr().out.splitlines() == REPORT.splitlines()[-2:]
    assert jobferry("catalog", "check", "--stack", "jobferry", changed=missing) == 1
    assert capsys.readouterr().out.splitlines() == [
        "BAD  image one: there is no task definition jobferry-one",
        "       Register it. See deploy/IMAGES.md.",
        "1 wrong.",
    ]


@pytest.mark.parametrize("arguments", [("doctor",), ("catalog", "check")])
def test_a_stack_that_cannot_be_read_ends_the_command(
    arguments: tuple[str, ...], jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """With 2 and a sentence on standard error."""
    nowhere: Changed = {"cloudformation.DescribeStacks": refusal("ValidationError", "DescribeStacks")}
    assert jobferry(*arguments, "--stack", "jobferry", changed=nowhere) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.startswith("The stack jobferry cannot be read: ")) == ("", True)
