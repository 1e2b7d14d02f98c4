"""What the worker counts, and the log line that CloudWatch makes metrics of."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.notification import Status
from service.metrics import (
    ANNOUNCED,
    ARCHIVES,
    BACKLOGS,
    COUNTED,
    MEASURED,
    MOST_VALUES,
    POLLS,
    SWEEP_OVERDUE,
    THROTTLES,
    TIME_TO_ANNOUNCE,
    UNMETERED,
    Metric,
    Metrics,
    embedded,
)
from tests.support.builders import NOW

ALL = (*COUNTED, *MEASURED, *(metric for backlog in BACKLOGS for metric in (backlog.items, backlog.oldest)))
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
# A container's log driver takes a longer line apart [Docker, buffer of the log copier], and half a document is none.
LONGEST_LINE_BYTES = 16 * 1024

NAME = {"type": "string", "minLength": 1, "maxLength": 255}
UNITS = (
    "^(Seconds|Microseconds|Milliseconds|Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|Megabits|Gigabits"
    "|Terabits|Percent|Count|(Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|Megabits|Gigabits|Terabits"
    "|Count)/Second|None)$"
)
# The specification, restated [CloudWatch user guide, embedded metric format specification].
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": NAME,
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "maxItems": 30, "items": NAME},
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": NAME,
                                        "Unit": {"type": "string", "pattern": UNITS},
                                        "StorageResolution": {"enum": [1, 60]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def faults(document: dict[str, Any]) -> list[str]:
    """What the specification has against a document: its schema, and what a schema cannot say of the members named."""
    found = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]
    for directive in document["_aws"]["CloudWatchMetrics"]:
        dimensions = [name for names in directive["Dimensions"] for name in names]
        found += [f"{name} is no text" for name in dimensions if not isinstance(document.get(name), str)]
        found += [
            f"{item['Name']} is no number" for item in directive["Metrics"] if not _numeric(document, item["Name"])
        ]
    return found


def _numeric(document: dict[str, Any], name: str) -> bool:
    value = document.get(name)
    values = value if isinstance(value, list) else [value]
    return 0 < len(values) <= 100 and all(isinstance(item, int | float) for item in values)


def busy_minute() -> Metrics:
    """Everything happened, more often than can be told."""
    metrics = Metrics()
    for metric in COUNTED:
        metrics.count(metric, 10_000_000)
    for metric in MEASURED:
        for n in range(20_000):
            metrics.measure(metric, 100_000 + n / 7)
    return metrics


def test_a_line_is_what_the_specification_says() -> None:
    """Of a busy minute, and of one in which nothing happened."""
    for metrics in (busy_minute(), Metrics()):
        line = json.dumps(embedded(metrics.drain(NOW), "jobferry", NOW))
        assert faults(json.loads(line)) == []
        assert len(line) < LONGEST_LINE_BYTES


def test_the_specification_has_teeth() -> None:
    """A metric that is named and not there is found, and so is one of another unit."""
    document: dict[str, Any] = embedded(Metrics().drain(NOW), "jobferry", NOW)
    assert faults({**document, "Polls": "many"}) == ["Polls is no number"]
    assert faults({**document, "Stack": 1}) == ["Stack is no text"]
    assert faults(embedded({Metric("X", "Bottles"): 1.0}, "s", NOW))  # type: ignore[arg-type]  # knowingly


def test_a_document_says_what_was_told() -> None:
    """Sums, values, and the moment in milliseconds; one dimension."""
    metrics = Metrics()
    metrics.count(POLLS)
    metrics.count(POLLS, 2)
    metrics.measure(TIME_TO_ANNOUNCE, 11.25)
    metrics.measure(TIME_TO_ANNOUNCE, 0.5)
    document: dict[str, Any] = embedded(metrics.drain(NOW), "my-stack", NOW)
    assert (document["Polls"], document["TimeToAnnounce"], document["Stack"]) == (3, [0.5, 11.25], "my-stack")
    assert document["_aws"]["Timestamp"] == 1_700_000_000_000
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Jobferry", [["Stack"]])


def test_what_did_not_happen_is_told_as_zero() -> None:
    """An alarm can tell quiet from silence; only what was to be measured and was not, is not there."""
    counted = Metrics().drain(NOW)
    assert set(counted) == set(ALL) - set(MEASURED)
    assert set(counted.values()) == {0}


def test_each_minute_begins_anew() -> None:
    """What was told is not told again; what is under way is."""
    metrics = Metrics()
    metrics.count(THROTTLES)
    metrics.measure(SWEEP_OVERDUE, 3)
    with metrics.underway(ARCHIVES, NOW - 90), metrics.underway(ARCHIVES, NOW - 30), metrics.underway(ARCHIVES, NOW):
        for later in (0, 60):
            counted = metrics.drain(NOW + later)
            assert (counted[ARCHIVES.items], counted[ARCHIVES.oldest]) == (3, 90 + later)
            assert (counted[THROTTLES], counted.get(SWEEP_OVERDUE)) == ((1, (3,)) if later == 0 else (0, None))
    assert metrics.drain(NOW + 60)[ARCHIVES.items] == 0
    assert metrics.drain(NOW + 60)[ARCHIVES.oldest] == 0


def test_what_was_tried_in_vain_has_still_waited() -> None:
    """A log that cannot be read is tried, and tried again, and seldom is a try under way when one looks."""
    metrics = Metrics()
    with suppress(ZeroDivisionError), metrics.underway(ARCHIVES, NOW - 700):
        raise ZeroDivisionError
    counted = metrics.drain(NOW)
    assert (counted[ARCHIVES.items], counted[ARCHIVES.oldest]) == (0, 700)
    assert metrics.drain(NOW)[ARCHIVES.oldest] == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
def test_of_too_many_values_the_least_and_the_greatest_are_told(values: list[float]) -> None:
    """And all of them where they are few enough."""
    metrics = Metrics()
    for value in values:
        metrics.measure(TIME_TO_ANNOUNCE, value)
    counted = metrics.drain(NOW)[TIME_TO_ANNOUNCE]
    assert isinstance(counted, tuple)
    assert (counted[0], counted[-1]) == (min(values), max(values))
    assert len(counted) == min(len(values), MOST_VALUES)
    assert set(counted) <= set(values)


def test_nobody_is_told_where_nobody_listens() -> None:
    """And nothing is kept."""
    UNMETERED.count(POLLS)
    UNMETERED.measure(TIME_TO_ANNOUNCE, 1)
    with UNMETERED.underway(ARCHIVES, NOW):
        assert UNMETERED.drain(NOW) == {}


def test_every_metric_has_a_name_of_its_own_and_a_row_in_the_readme() -> None:
    """A number that nobody can read about is none."""
    names = [metric.name for metric in ALL]
    assert len(set(names)) == len(names)
    rows = [line.split("|")[1] for line in README.partition("| metric |")[2].partition("\n\n")[0].splitlines()[2:]]
    assert sorted(name.strip(" `") for row in rows for name in row.split(",")) == sorted(names)


def test_every_status_has_its_metric() -> None:
    """An announcement that could not be counted would be made again and again."""
    assert set(ANNOUNCED) == set(get_args(Status))


def test_a_number_is_told_to_the_thousandth() -> None:
    """Alone and among others; whole milliseconds of the moment."""
    document: dict[str, Any] = embedded({POLLS: 1.23456, TIME_TO_ANNOUNCE: (0.0004, 2.0006)}, "s", 1.2345)
    assert (document["Polls"], document["TimeToAnnounce"]) == (1.235, [0.0, 2.001])
    assert document["_aws"]["Timestamp"] == 1234


def test_of_too_many_values_some_stand_for_all() -> None:
    """Evenly by rank, whatever the order in which they came."""
    metrics = Metrics()
    for value in reversed(range(991)):
        metrics.measure(TIME_TO_ANNOUNCE, value)
    assert metrics.drain(NOW)[TIME_TO_ANNOUNCE] == tuple(range(0, 991, 10))


def test_a_metric_is_measured_in_its_unit() -> None:
    """Durations in seconds, everything else by its number."""
    document: dict[str, Any] = embedded(dict.fromkeys(ALL, 1.0), "s", NOW)
    [directive] = document["_aws"]["CloudWatchMetrics"]
    seconds = {item["Name"] for item in directive["Metrics"] if item["Unit"] == "Seconds"}
    assert seconds == {"TimeToAnnounce", "ArchiveBacklogSeconds", "SweepOverdueSeconds"}
    assert all(item["Unit"] == "Count" for item in directive["Metrics"] if item["Name"] not in seconds)


def test_what_waits_since_a_moment_to_come_has_not_waited() -> None:
    """Clocks differ by a little."""
    metrics = Metrics()
    with metrics.underway(ARCHIVES, NOW + 5):
        assert metrics.drain(NOW)[ARCHIVES.oldest] == 0
