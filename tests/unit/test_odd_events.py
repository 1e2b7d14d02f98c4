"""Whatever stands in an event, there is a fact, or nothing, or a refusal; never a crash, and never a false success."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import TaskDetail
from service.core.record.facts import FACT, ExecutionChanged, TaskChanged
from service.core.record.hearing import Ignored, NotAnEventError, hear
from tests.support.builders import MACHINE, attempt, container, execution_event, task_event

TELLING = json.dumps({"attempts": [attempt().model_dump()]})


def heard_task(last_status: str = "STOPPED", /, **detail: Any) -> TaskChanged:
    """The fact that a task event says; the test fails where it says none."""
    fact = hear(task_event(last_status, **detail), MACHINE)
    assert isinstance(fact, TaskChanged), fact
    return fact


def test_halves_of_surrogate_pairs_are_mended() -> None:
    """JSON can escape them, and no UTF-8 can carry them to a record or to SNS."""
    half = "bad \ud800 reason"
    task = hear(task_event(stoppedReason=half, containers=[{"name": "main", "reason": half}]), MACHINE)
    cause_text = json.dumps({"evidence": half, "attempts": [{**attempt().model_dump(), "error": half}]})
    ended = hear(execution_event("FAILED", error=half, cause=cause_text), MACHINE)
    for fact in (task, ended):
        assert not isinstance(fact, Ignored)
        assert fact.model_dump_json().count("bad \N{REPLACEMENT CHARACTER} reason") >= 2


EXIT_CODES: list[tuple[object, int | None]] = [
    (0, 0),
    (137, 137),
    (-1073741510, -1073741510),
    (3221225786, 3221225786),
    (2**32, None),
    (None, None),
    (False, None),
    (True, None),
    ("0", None),
    ("", None),
    (0.5, None),
    ([], None),
    (10**400, None),
]


@pytest.mark.parametrize(("value", "code"), EXIT_CODES)
def test_an_exit_code_is_explicit_or_unknown(value: object, code: int | None) -> None:
    """Nothing that merely looks like 0 is taken for success."""
    fact = heard_task(containers=[{"name": "main", "exitCode": value}])
    assert fact.containers[0].exit_code == code


def test_a_container_may_lack_its_exit_code() -> None:
    """After a failed image pull there is none."""
    assert heard_task(containers=[{"name": "main"}]).containers == (container(exit_code=None),)


MOMENTS: list[tuple[object, float | None]] = [
    ("2022-08-08T05:07:00.61Z", 1659935220.61),
    ("2022-08-08T05:07:00.6Z", 1659935220.6),
    ("2022-08-08T05:07:00.617Z", 1659935220.617),
    ("2022-08-08T05:07:00.617123456Z", 1659935220.617123),
    ("2022-08-08T05:07:00Z", 1659935220.0),
    ("2022-08-08T07:07:00+02:00", 1659935220.0),
    ("2022-08-08T05:07:00", 1659935220.0),
    (1659935220, 1659935220.0),
    (1659935220.61, 1659935220.61),
    (1659935220610, 1659935220.61),
    (datetime(2022, 8, 8, 5, 7, tzinfo=UTC), 1659935220.0),
    (0, 0.0),
    (None, None),
    ("", None),
    ("yesterday", None),
    (True, None),
    (-1, None),
    (10**18, None),
    (10**400, None),
    (float("inf"), None),
    (float("nan"), None),
    ({}, None),
    ("0001-01-01T00:00:00+14:00", None),
    ("9999-12-31T23:59:59Z", None),
]


@pytest.mark.parametrize(("value", "seconds"), MOMENTS, ids=[str(value)[:40] for value, _ in MOMENTS])
def test_times_come_in_all_shapes(value: object, seconds: float | None) -> None:
    """ISO with any number of digits, seconds, milliseconds; what is no time is none, and is never a reason to fail."""
    assert TaskDetail.model_validate({"taskArn": "a", "lastStatus": "x", "startedAt": value}).startedAt == seconds


@pytest.mark.parametrize("name", sorted(task_event()["detail"].keys() - {"taskArn", "lastStatus", "group"}))
@pytest.mark.parametrize("value", [None, [], {}, "", 7, True, [None, 7, {}]], ids=str)
def test_no_field_of_a_task_stops_its_event(name: str, value: object) -> None:
    """Any field that is not needed to know the task may be anything."""
    assert heard_task(**{name: value}).task_id == "t1"


@pytest.mark.parametrize("name", sorted(execution_event()["detail"].keys() - {"executionArn", "status"}))
@pytest.mark.parametrize("value", [None, [], {}, "", 7, True, [None, 7, {}]], ids=str)
def test_no_field_of_an_execution_stops_its_event(name: str, value: object) -> None:
    """Any field that is not needed to know the execution may be anything."""
    heard = hear(execution_event("FAILED", **{name: value}), MACHINE)
    assert isinstance(heard, ExecutionChanged)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_event_crashes_the_hearing(data: st.DataObject) -> None:
    """Whatever is put anywhere into an event, there is a fact, or nothing, or a refusal; and a fact can be kept."""
    event = deepcopy(data.draw(st.sampled_from([execution_event("SUCCEEDED", output=TELLING), task_event()])))
    _put_somewhere(event, data)
    try:
        heard = hear(event, MACHINE)
    except NotAnEventError:
        return
    if not isinstance(heard, Ignored):
        assert FACT.validate_json(heard.model_dump_json()) == heard
        assert abs(heard.rank) < 2**53


def _put_somewhere(value: Any, data: st.DataObject) -> None:
    """Put an odd value at a place of the event that the test draws."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = data.draw(st.sampled_from(keys))
    inner = value[key]
    if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
        _put_somewhere(inner, data)
    else:
        value[key] = data.draw(ODD)
