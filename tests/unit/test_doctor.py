"""What the doctor concludes, where no deployment is needed to conclude it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from schemas.catalog import Image
from service.operator.doctor import caller, images
from service.operator.doctor.checks import CHECKS
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Check, Finding, Problem, examine
from service.operator.doctor.machine import differences
from service.operator.doctor.policies import allowed
from service.operator.shipped import SHIPPED
from tests.support.deployment import properties

MACHINE = json.loads((SHIPPED / "state_machine.asl.json").read_text())
ANY = cast(Deployment, SimpleNamespace())


def answering(at: datetime | None, error: ClientError | None = None) -> Deployment:
    """A deployment whose AWS has this time; where there is an error, that is its answer."""

    def get_caller_identity() -> dict[str, Any]:
        if error is not None:
            raise error
        return {"ResponseMetadata": {"HTTPHeaders": {"date": _http_date(at or datetime.now(UTC))}}}

    return cast(Deployment, SimpleNamespace(client=lambda _: SimpleNamespace(get_caller_identity=get_caller_identity)))


def _http_date(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT")


def refusal(code: str, headers: dict[str, str] | None = None) -> ClientError:
    """An error as AWS answers it."""
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPHeaders": headers or {}}}
    return ClientError(answer, "DescribeTable")


@pytest.mark.parametrize(("seconds", "said"), [(0, []), (20, []), (-120, ["ahead of"]), (120, ["behind"])])
def test_a_clock_that_is_off_is_named(seconds: int, said: list[str]) -> None:
    """Before AWS refuses, and with the direction: what is written ahead of AWS is to be set back."""
    problems = list(caller.clock(answering(datetime.now(UTC) + timedelta(seconds=seconds))))
    assert len(problems) == len(said)
    assert all(word in problem.detail for word, problem in zip(said, problems, strict=True))


def test_a_clock_that_is_refused_is_measured_by_the_refusal() -> None:
    """The answer that refuses a signature bears AWS's time too."""
    late = {"date": _http_date(datetime.now(UTC) + timedelta(hours=1))}
    [problem] = caller.clock(answering(None, refusal("SignatureDoesNotMatch", late)))
    assert "behind" in problem.detail


@pytest.mark.parametrize(("minutes", "count"), [(5, 1), (60, 0), (None, 0)])
def test_credentials_that_are_about_to_end_are_named(minutes: int | None, count: int) -> None:
    """Those of a role have an end, static ones none."""
    now = datetime.now(UTC)
    held = SimpleNamespace() if minutes is None else SimpleNamespace(_expiry_time=now + timedelta(minutes=minutes))
    session = SimpleNamespace(get_credentials=lambda: held)
    assert len(list(caller._expiry(cast(Deployment, SimpleNamespace(session=session)), now))) == count


def raising(error: Exception) -> Check:
    """A check that meets this error after its first problem."""

    def look(_: Deployment) -> Iterator[Problem]:
        yield Problem("one", "mend it")
        raise error

    return Check("table", "all well", look)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "AuthorizationError", "403"])
def test_what_may_not_be_looked_at_is_neither_good_nor_bad(code: str) -> None:
    """The remedy is to be allowed; the status of the command does not suffer."""
    [finding] = examine(ANY, [raising(refusal(code))])
    assert finding.ok is None
    assert "DescribeTable" in finding.remedy


@pytest.mark.parametrize("error", [refusal("ResourceNotFoundException"), EndpointConnectionError(endpoint_url="x")])
def test_what_is_not_there_is_bad(error: Exception) -> None:
    """Whatever else AWS, or the way to it, answers."""
    [finding] = examine(ANY, [raising(error)])
    assert finding.ok is False
    assert finding.remedy


def test_each_problem_is_a_finding() -> None:
    """And where there is none, what holds is said."""
    problems = [Problem("one", "mend one"), Problem("two", "mend two")]
    checks = [Check("queue", "fine", lambda _: problems), Check("table", "fine", lambda _: [])]
    assert list(examine(ANY, checks)) == [
        Finding("queue", False, "one", "mend one"),
        Finding("queue", False, "two", "mend two"),
        Finding("table", True, "fine"),
    ]


def test_every_item_has_a_name_of_its_own() -> None:
    """One looks for it by that name."""
    assert len({check.item for check in CHECKS}) == len(CHECKS)


def deployed() -> dict[str, Any]:
    """The definition with its substitutions filled in, as CloudFormation does."""
    text = json.dumps(MACHINE)
    for name in properties("StateMachine")["DefinitionSubstitutions"]:
        text = text.replace("${" + name + "}", "arn:aws:anything:subnet-1,subnet-2")
    return dict(json.loads(text))


def test_a_definition_with_its_substitutions_is_the_same() -> None:
    """Nor does a comment make a difference."""
    assert list(differences(MACHINE, {**deployed(), "Comment": "another"})) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("States", "wait_before_retry", "SecondsPath"), "$.other"),
        (("States", "run_stage", "Parameters", "Group.$"), "$.other"),
        (("TimeoutSeconds",), 60),
        (("States", "a_new_state"), {"Type": "Succeed"}),
        (("States", "job_succeeded", "InputPath"), None),
    ],
)
def test_a_changed_definition_differs_where_it_was_changed(path: tuple[str, ...], value: object) -> None:
    """The first place is enough to find it."""
    changed = deployed()
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert list(differences(MACHINE, changed)) == [".".join(path)]


def registered(**definition: Any) -> Deployment:
    """A deployment whose ECS has this task definition, and whose stack registered revision 3 of it."""
    arn = f"arn:task-definition/jobferry-x:{definition['revision']}"
    found = {"family": "jobferry-x", "taskDefinitionArn": arn, "containerDefinitions": [], **definition}
    ecs = SimpleNamespace(describe_task_definition=lambda taskDefinition: {"taskDefinition": found})
    own = {"jobferry-x": "arn:task-definition/jobferry-x:3"}
    return cast(Deployment, SimpleNamespace(client=lambda _: ecs, own_task_definitions=own))


def first_problem(named: str, deployment: Deployment) -> Problem:
    """What is said first of an image whose task definition the catalogue names like this."""
    image = Image.model_validate({"task_definition": named, "container": "x"})
    return next(images._look(images.Catalogued("x", image), deployment))


def test_a_revision_that_was_withdrawn_is_named_as_such() -> None:
    """It is there, but cannot be run; that is another matter than one that was never registered."""
    problem = first_problem("jobferry-x:2", registered(status="INACTIVE", revision=2))
    assert "jobferry-x:2 is INACTIVE" in problem.detail
    assert "UpdateReplacePolicy" in problem.remedy


@pytest.mark.parametrize(("named", "said"), [("jobferry-x", True), ("jobferry-x:4", False)])
def test_a_family_that_another_stack_registers_too_is_named(named: str, said: bool) -> None:
    """By its family alone the other's revision would run; a revision that is named is what its owner wants."""
    problem = first_problem(named, registered(status="ACTIVE", revision=4))
    assert ("the stack did not register" in problem.detail) is said


RUN = {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "arn:task-definition/jobferry-*"}


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([RUN], True),
        ([{**RUN, "Action": ["ecs:*"]}], True),
        ([{**RUN, "Action": "ECS:runtask"}], True),
        ([{**RUN, "Resource": "arn:task-definition/other-*"}], False),
        ([RUN, {**RUN, "Effect": "Deny", "Resource": "*"}], False),
        ([], False),
    ],
)
def test_a_policy_allows_what_it_names_and_does_not_deny(statements: list[dict[str, Any]], verdict: bool) -> None:
    """Wildcards count, letter case of an action does not, a denial wins [IAM policy evaluation]."""
    assert allowed(statements, "ecs:RunTask", "arn:task-definition/jobferry-x:1") is verdict
