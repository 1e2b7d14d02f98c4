"""What a check that was refused, or found something, says."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from service.operator.doctor import command, images
from service.operator.doctor.checks import checks_of
from service.operator.doctor.findings import Finding, examine
from tests.support import whole_deployment as given
from tests.support.examining import refusal

FORBIDDEN = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
    "403",
    "400",
    "501",
)


@pytest.mark.parametrize("code", FORBIDDEN)
def test_what_may_not_be_looked_at_is_left_open(code: str) -> None:
    """With what AWS said, or its code where it said nothing, and which call must be allowed."""
    silent = ClientError({"Error": {"Code": code}}, "HeadBucket")
    deployment = given.deployment({"s3.HeadBucket": silent})
    [found] = [item for item in examine(deployment, checks_of(deployment)) if item.item == "bucket"]
    assert found == Finding(
        "bucket", None, f"HeadBucket: {code}", "Allow the caller HeadBucket to have this looked at."
    )


def test_what_is_refused_otherwise_is_bad() -> None:
    """With AWS's words first, and what may be the matter."""
    deployment = given.deployment({"s3.HeadBucket": refusal("404", "HeadBucket")})
    [found] = [item for item in examine(deployment, checks_of(deployment)) if item.item == "bucket"]
    assert (found.ok, found.detail) == (False, "HeadBucket: no")
    assert "`make deploy` makes what is missing" in found.remedy


def test_one_image_is_one_check() -> None:
    """In the order of the catalogue."""
    deployment = given.deployment(images={"b": given.IMAGE, "a": given.IMAGE})
    assert [check.item for check in images.image_checks(deployment)] == ["image b", "image a"]


class Pipe(io.StringIO):
    """Standard output of which nothing is seen before it is flushed."""

    seen = ""

    def flush(self) -> None:
        """What was written until now is seen."""
        self.seen = self.getvalue()


def test_each_finding_is_seen_before_the_next_thing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes its time, and the output may be a pipe."""
    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)

    def findings() -> Iterator[Finding]:
        yield Finding("one", True, "fine")
        assert pipe.seen == "ok   one: fine\n"
        yield Finding("two", True, "fine")

    assert command._tell(findings(), as_contract=False) == 0
