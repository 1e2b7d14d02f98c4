"""What leads through a case, whole; how deep its JSON is; and an image as it is put together from its stages."""

from __future__ import annotations

import pytest

from schemas.casefile import CaseManifest, CaseMember, CaseSettings, NotKnown
from schemas.catalog import Image
from service.core.casefile.collecting import Gathered, Wanted, manifest_of
from service.core.casefile.files import depth_of
from service.core.casefile.requests import _rebuilt_image
from service.core.record.facts import Fact
from tests.support.builders import JOB, MESSAGE, NOW, execution, record, rejected, requested
from tests.support.machine import stage

SETTINGS = CaseSettings(task_grace_seconds=29, log_deadline_seconds=899, secret_patterns=2)
MEMBER, LOST = CaseMember(name="job.json", what="the job"), NotKnown(what="its history", why="it is gone")


def manifest(*facts: Fact) -> CaseManifest:
    """The manifest of a case with one member, which lacks one thing."""
    case = Gathered(
        record=record(*facts),
        made_at=NOW,
        made_by="1.2.3",
        wanted=Wanted("whole", "shown"),
        settings=SETTINGS,
    )
    return manifest_of(case, [MEMBER], [LOST])


def test_a_manifest_says_all_that_is_known_of_its_case() -> None:
    """Of a job; the two that lead through it come first."""
    told = manifest(requested(), execution("RUNNING"))
    readme, itself, member = told.members
    assert (readme.name, itself.name, member) == ("README.txt", "manifest.json", MEMBER)
    assert told.model_dump(exclude={"members"}) == {
        "format": "jobferry-case",
        "schema_version": "1",
        "made_at": "2023-11-14T22:13:20.000Z",
        "made_by": "1.2.3",
        "kind": "job",
        "job_id": JOB,
        "message_id": MESSAGE,
        "tenant": "web",
        "status": "QUEUED",
        "values": "shown",
        "logs": "whole",
        "settings": SETTINGS.model_dump(),
        "not_known": (LOST.model_dump(),),
    }


def test_a_manifest_of_a_rejection_says_what_the_request_claimed() -> None:
    """There may be no job of that id."""
    told = manifest(rejected(claimed_job_id="odd", claimed_tenant="shop"))
    assert (told.kind, told.job_id, told.tenant, told.message_id, told.status) == (
        "rejection",
        "odd",
        "shop",
        MESSAGE,
        "REJECTED",
    )


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"", 0),
        (b"7", 0),
        (b"[]", 1),
        (b'{"a": [1, {"b": []}], "c": []}', 4),
        (b"[[],[[]]]", 3),
        (b"[],[[]],[]", 2),
        (b'["[[[", "\\"[["]', 1),
    ],
)
def test_depth_is_what_is_open_at_once(text: bytes, depth: int) -> None:
    """Brackets in texts are none."""
    assert depth_of(text) == depth


def test_an_image_is_put_together_from_all_that_its_stages_say() -> None:
    """The first says what it is; what each was told may be told, and the longest may take as long."""
    first = stage(cpu=512, memory=1024, max_memory=4096, timeout_seconds=60, environment={"B": "x"}, command=("a", "*"))
    second = stage(timeout_seconds=90, environment={"A": "y"}, command=())
    usual = {"task_definition": "echo", "container": "main", "integration": "sync", "launch_type": "FARGATE"}
    image = _rebuilt_image([first, second])
    told = image.model_dump(include={*usual, "cpu", "memory", "max_memory", "timeout_seconds", "heartbeat_seconds"})
    assert told == {
        **usual,
        "cpu": 512,
        "memory": 1024,
        "max_memory": 4096,
        "timeout_seconds": 90,
        "heartbeat_seconds": Image.model_fields["heartbeat_seconds"].default,
    }
    assert (image.environment, len(image.commands), image.retries) == (("A", "B"), 1, first.retries)
    waits = _rebuilt_image([stage(integration="callback", heartbeat_seconds=77)])
    assert (waits.integration, waits.heartbeat_seconds) == ("callback", 77)
