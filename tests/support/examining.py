"""To hold what the doctor says of a deployment to what it should say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from botocore.exceptions import ClientError

from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Problem
from tests.support import whole_deployment as given
from tests.support.scripted_aws import Answer

Changed = Mapping[str, Answer]
Said = list[tuple[str, str]]
"""A part of each problem, and of its remedy."""
Look = Callable[[Deployment], Iterable[Problem]]

PUT_RIGHT = "`make deploy` puts it right."
REQUESTS_DEAD, EVENTS_DEAD = f"{given.SQS}/requests-dead", f"{given.SQS}/events-dead"


def refusal(code: str, operation: str = "Any") -> ClientError:
    """An answer of AWS's that is an error."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def assert_said(problems: Iterable[Problem], said: Said) -> None:
    """These problems and no others, each with its remedy in its place."""
    found = list(problems)
    assert len(found) == len(said), found
    for problem, (detail, remedy) in zip(found, said, strict=True):
        assert detail in problem.detail
        assert remedy in problem.remedy


def changed_queue(url: str, **attributes: str | None) -> Changed:
    """One queue with other attributes; without one, where that is None."""
    return {"sqs.GetQueueAttributes": given.queues({url: attributes})}
