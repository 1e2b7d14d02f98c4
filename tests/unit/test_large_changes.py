"""How large the changes of a rerun may be, of one job or of many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.control import MOST_CHANGED_BYTES
from service.core.admission.admission import Refused
from service.core.admission.control_message import read_control

ONE: dict[str, Any] = {"verb": "rerun", "tenant": "web", "job_id": "old"}
MANY: dict[str, Any] = {"verb": "rerun", "tenant": "web", "jobs": {"status": "FAILED"}}


def changed(asked: dict[str, Any], size: int) -> str:
    """A message whose changes are JSON of so many bytes."""
    changes = {"user": ""}
    return json.dumps({**asked, "changes": {"user": "x" * (size - len(json.dumps(changes)))}})


@pytest.mark.parametrize("asked", [ONE, MANY], ids=["one", "many"])
def test_changes_that_no_record_has_room_for_are_refused(asked: dict[str, Any]) -> None:
    """With the field, both sizes and what to do."""
    assert not isinstance(read_control(changed(asked, MOST_CHANGED_BYTES)), Refused)
    refused = read_control(changed(asked, MOST_CHANGED_BYTES + 1))
    assert isinstance(refused, Refused)
    [problem] = refused.problems
    assert (problem.field, problem.message) == ("changes", "the changes are 16,385 bytes of JSON, and may be 16,384")
    assert problem.remedy == "Change less, or send a new request."
