"""The name that a producer gives a stage: from the request to the state machine and to the notification."""

from __future__ import annotations

import pytest

from service.aws.queue import Message
from service.core.record.facts import StageBrief
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose
from tests.support.builders import admitted, attempt, body, catalog, execution, receipt, record, requested, task
from tests.support.machine import Machine, ok, stage
from tests.support.whole_path import Path

NAMED = {"image": "echo", "command": ["echo", "hi"], "name": "resize"}
NAMELESS = {"image": "echo", "command": ["echo", "hi"]}


@pytest.mark.parametrize(("given", "name"), [(NAMED, "resize"), (NAMELESS, "echo")])
def test_a_stage_is_called_what_the_producer_calls_it(given: dict[str, object], name: str) -> None:
    """Only one without a name has its image's."""
    assert [item.name for item in admitted(body(stages=[given])).stages] == [name]


def test_a_stage_of_a_job_type_is_called_what_the_catalogue_calls_it() -> None:
    """A producer of that type names no stages at all."""
    named = catalog(job_types={"thumbnails": {"stages": [NAMED, NAMELESS]}})
    assert [item.name for item in admitted(body(job_type="thumbnails"), named).stages] == ["resize", "echo"]


async def test_the_record_and_the_execution_know_the_name() -> None:
    """Neither looks at the request again."""
    path = await Path.laid()
    job = await path.hear(Message("m1", body(job_id="job-1", stages=[NAMED]), "receipt"))
    assert job.request is not None
    assert [item.name for item in job.request.stages] == ["resize"]
    assert '"name":"resize"' in job.request.execution_input


def test_the_state_machine_is_told_the_name() -> None:
    """A person who looks at an execution knows which of ten stages of one image it was."""
    machine = Machine([stage(name="resize")])
    machine.run(ok())
    assert [item.name for item in machine.ran] == ["resize"]


def test_the_notification_tells_the_name() -> None:
    """In its JSON and in the letter, though no task and no attempt has it."""
    named = StageBrief(name="resize", image="echo", container="main", integration="sync")
    asked = requested().model_copy(update={"stages": (named,)})
    notification = compose(
        record(asked, execution(attempts=(attempt(),)), task(), receipt()), Links({}), {}, Redaction.of()
    )
    assert [item.name for item in notification.stages] == ["resize"]
    assert "resize" in notification.text
