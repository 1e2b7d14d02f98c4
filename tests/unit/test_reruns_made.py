"""Of what a rerun is made: the request as it was kept, or why there is none; trouble of S3's is no end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from schemas.control import ControlMessage
from schemas.notification import Problem
from service.aws.errors import AwsError
from service.core.admission.admission import Refused
from service.core.admission.request_body import MAX_BODY_BYTES
from service.core.record.record import Record
from tests.support.builders import JOB, rejected, requested
from workers.reruns import Reruns

SEND_IT = "Send the request itself again."
ASKED = ControlMessage.model_validate({"verb": "rerun", "tenant": "web", "job_id": JOB})


@dataclass
class Kept:
    """S3 with one object, and a reader of requests who finds what it points to."""

    body: bytes | Exception = b"{}"
    resolved_to: str | Refused | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def get(self, bucket: str, key: str, at_most: int) -> bytes:
        self.asked.append((bucket, key, at_most))
        if isinstance(self.body, Exception):
            raise self.body
        return self.body

    async def resolved(self, body: str) -> str | Refused:
        return body if self.resolved_to is None else self.resolved_to


async def request_of(kept: Kept, old: Record | None) -> dict[str, Any] | Problem:
    """The request that a rerun of this one would be made of."""
    it = cast(Any, kept)

    async def find(_tenant: str | None, _job_id: str) -> Record:
        raise AssertionError("it is found already")

    return await Reruns(find, it, it, it)._request_of(ASKED, old)


def of(*facts: Any) -> Record:
    """A record of these."""
    made = Record(facts[0].record_key)
    for fact in facts:
        made = made.holding(fact)
    return made


def gone(why: str) -> Problem:
    """There is no request any more."""
    return Problem(field="job_id", message=why, remedy=SEND_IT)


REJECTED = of(rejected(body_s3_uri="s3://logs/rejected/m.txt"))
AWAY = of(requested(asked_s3_key="jobs/a/request.json"))


async def test_a_rejected_request_is_read_where_it_was_kept() -> None:
    """All of it, whatever of it is no UTF-8 by itself; by its pointer, where it was one."""
    kept = Kept(b'{"tenant": "web"}')
    assert await request_of(kept, REJECTED) == {"tenant": "web"}
    assert kept.asked == [("logs", "rejected/m.txt", MAX_BODY_BYTES)]
    assert await request_of(Kept(b"{}", resolved_to='{"user": "ann"}'), REJECTED) == {"user": "ann"}


async def test_what_the_pointer_or_the_body_is_refused_for_is_said() -> None:
    """With its own field and remedy."""
    problem = Problem(field="s3.key", message="there is no such object", remedy="Send it.")
    assert await request_of(Kept(resolved_to=Refused((problem,))), REJECTED) == problem
    refused = await request_of(Kept(b"[]"), REJECTED)
    assert isinstance(refused, Problem) and refused.message and refused.remedy != SEND_IT


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
@pytest.mark.parametrize("old", [REJECTED, AWAY], ids=["a rejection", "a job"])
async def test_what_was_deleted_with_time_is_gone(code: str, old: Record) -> None:
    """As S3 says it to who may not list."""
    kept = Kept(AwsError("no", code, 404))
    assert await request_of(kept, old) == gone("the request was kept, and was deleted when its time was over")


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "NoSuchBucket"])
@pytest.mark.parametrize("old", [REJECTED, AWAY], ids=["a rejection", "a job"])
async def test_trouble_of_s3_is_tried_again(code: str, old: Record) -> None:
    """Nobody is told that the request is gone."""
    with pytest.raises(AwsError, match="no"):
        await request_of(Kept(AwsError("no", code, 500)), old)


async def test_without_a_record_or_a_copy_there_is_nothing_to_make_it_of() -> None:
    """Each said as it is."""
    nobody = f"the tenant web has no job {JOB}, or its record was deleted with time"
    assert await request_of(Kept(), None) == gone(nobody)
    before = f"the job {JOB} was admitted before requests were kept"
    assert await request_of(Kept(), of(requested(asked="", asked_s3_key=""))) == gone(before)
    control = await request_of(Kept(), of(rejected(was_control=True)))
    assert control == Problem(
        field="job_id",
        message=f"{JOB} was no request",
        remedy="It came by the control queue: mend what it asks for, and send that again.",
    )
    not_kept = of(rejected(body_s3_uri="nowhere"))
    assert await request_of(Kept(), not_kept) == gone("the body of the rejected request was not kept")
