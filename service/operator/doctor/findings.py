"""A check, what it finds, and how one is turned into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from service.operator.doctor.deployment import Deployment

# What is answered to who may not look; each service has its own word for it, HEAD of S3 only the status.
FORBIDDEN = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
# An endpoint that has no such service at all answers without a word.
NO_SERVICE = {"400", "501"}


@dataclass(frozen=True)
class Problem:
    """One thing that is missing or wrong, and the remedy."""

    detail: str
    remedy: str


@dataclass(frozen=True)
class Check:
    """One item of a deployment: what holds where `look` finds no problem."""

    item: str
    holds: str
    look: Callable[[Deployment], Iterable[Problem]]


@dataclass(frozen=True)
class Finding:
    """What is to be said of an item; `ok` is None where these credentials could not look."""

    item: str
    ok: bool | None
    detail: str
    remedy: str = ""


def examine(deployment: Deployment, checks: Iterable[Check]) -> Iterator[Finding]:
    """The findings, item by item: one that all is well, or one for each problem."""
    for check in checks:
        yield from _findings(check, deployment)


def _findings(check: Check, deployment: Deployment) -> list[Finding]:
    try:
        problems = list(check.look(deployment))
    except ClientError as error:
        return [_refused(check.item, error)]
    except BotoCoreError as error:
        return [Finding(check.item, False, str(error), "Check the region, the endpoint and the credentials.")]
    if not problems:
        return [Finding(check.item, True, check.holds)]
    return [Finding(check.item, False, problem.detail, problem.remedy) for problem in problems]


def _refused(item: str, error: ClientError) -> Finding:
    """AWS's own answer: that we may not look says nothing of the item, anything else says that it is not there."""
    said = f"{error.operation_name}: {error.response['Error'].get('Message') or error.response['Error']['Code']}"
    if error.response["Error"]["Code"] in FORBIDDEN | NO_SERVICE:
        return Finding(item, None, said, f"Allow the caller {error.operation_name} to have this looked at.")
    return Finding(item, False, said, "Is it the right account, region and name? `make deploy` makes what is missing.")
