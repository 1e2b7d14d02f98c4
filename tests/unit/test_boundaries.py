"""What crosses a boundary, at its edges: the last value that is taken, and the first that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas import dialect, export
from schemas.base import exit_code, json_object
from schemas.errors import JobferryError
from schemas.events import EVENT, ContainerOverride, ExecutionDetail, PayloadDetails, TaskDetail, is_ours_by_type
from schemas.failures import FAILURE_CLASSES, FAILURES
from schemas.fargate import FARGATE_SIZES
from schemas.job import JobRequest, Seconds
from schemas.plan import Attempt, ErrorResult, LambdaResult, PlannerReport, PlanRequest
from schemas.price import Price
from schemas.trace import Trace
from tests.support.builders import execution_event, task_event

LARGEST = 4_294_967_295


@pytest.mark.parametrize("code", [LARGEST, -LARGEST])
def test_the_largest_exit_code_has_32_bits(code: int) -> None:
    """With a sign or without; one more is none."""
    assert exit_code(code) == code
    assert exit_code(code + (1 if code > 0 else -1)) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, {}),
        ("", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1', {}),
        ("[1]", {}),
        ('"a"', {}),
        ("[" * 100_000, {}),
        ('{"a": "\\ud800"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
        ('{"\\ud83d\\ude00": "\\u00e4"}', {"\N{GRINNING FACE}": "ä"}),
    ],
    ids=["none", "empty", "an object", "cut", "a list", "a text", "a nest", "half a pair", "whole pairs"],
)
def test_the_object_in_a_text(text: str | None, value: dict[str, Any]) -> None:
    """Nothing where there is none, and every text can be written."""
    assert json_object(text) == value


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (99_999_999_999, 99_999_999_999.0),
        (100_000_000_000, 100_000_000.0),
        (99_999_999_999_999, 99_999_999_999.999),
        (100_000_000_000_000, None),
        ("5138-11-16T09:46:39Z", 99_999_999_999.0),
        ("5138-11-16T09:46:40Z", None),
        (-1000, None),
    ],
)
def test_where_seconds_end_and_milliseconds_begin(value: object, seconds: float | None) -> None:
    """In the year 5138; and the milliseconds end there as well."""
    assert TaskDetail.model_validate({"taskArn": "a", "lastStatus": "x", "startedAt": value}).startedAt == seconds


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (1, 1), (2_147_483_647, 2_147_483_647), (2_147_483_648, 0), (-1, 0), (True, 0), ("1", 0), (1.0, 0)],
)
def test_a_count_is_a_whole_number_of_31_bits(value: object, count: int) -> None:
    """Anything else is none at all."""
    assert TaskDetail.model_validate({"taskArn": "a", "lastStatus": "x", "version": value}).version == count
    execution = {"executionArn": "a", "status": "x", "redriveCount": value}
    assert ExecutionDetail.model_validate(execution).redriveCount == count


def test_what_AWS_leaves_out_says_nothing() -> None:
    """No field has another default than none, nothing, or zero; only an output is there unless it is said not to be."""
    task = TaskDetail(taskArn="a", lastStatus="x").model_dump(exclude={"taskArn", "lastStatus"})
    assert {name: value for name, value in task.items() if value is not None} == {"version": 0, "containers": ()}
    execution = ExecutionDetail(executionArn="a", status="x").model_dump(exclude={"executionArn", "status"})
    assert {name: value for name, value in execution.items() if value is not None} == {"redriveCount": 0}
    assert PayloadDetails().included is True
    assert ContainerOverride().environment == ()


@pytest.mark.parametrize(("value", "included"), [(False, False), (True, True), (None, True), ("no", True), (0, True)])
def test_an_output_is_left_out_only_where_that_is_said(value: object, included: bool) -> None:
    """Anything but `false` says nothing."""
    assert PayloadDetails.model_validate({"included": value}).included is included


@pytest.mark.parametrize("event", [task_event(), execution_event()], ids=["task", "execution"])
def test_an_event_is_ours_by_source_and_type_together(event: dict[str, Any]) -> None:
    """The source of one with the type of the other is neither."""
    assert is_ours_by_type(event)
    EVENT.validate_python(event)
    other = execution_event() if event["source"] == "aws.ecs" else task_event()
    for changed in (
        {**event, "source": other["source"]},
        {**event, "detail-type": other["detail-type"]},
        {**event, "source": "aws.batch"},
        {},
    ):
        assert not is_ours_by_type(changed)
        with pytest.raises(ValidationError):
            EVENT.validate_python(changed)


FROZEN: list[BaseModel] = [
    JobRequest(job_type="t"),
    TaskDetail(taskArn="a", lastStatus="x"),
    Attempt(stage=1, attempt=1, passed=True),
    Trace(),
    Price(vcpu_hour=0, gb_hour=0),
]


@pytest.mark.parametrize("value", FROZEN, ids=lambda value: type(value).__name__)
def test_what_crossed_a_boundary_does_not_change(value: BaseModel) -> None:
    """It was checked when it came in."""
    name = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, name, getattr(value, name))


@pytest.mark.parametrize("value", FROZEN[1:4], ids=lambda value: type(value).__name__)
def test_what_others_write_may_grow(value: BaseModel) -> None:
    """A field that a newer writer adds is passed over."""
    newer = {**value.model_dump(), "of_tomorrow": 1}
    assert type(value).model_validate(newer) == value


@pytest.mark.parametrize("text", ['{"vcpu_hour": "1", "gb_hour": 0}', '{"vcpu_hour": 1, "gb_hour": 0, "gpu_hour": 1}'])
def test_what_people_write_is_taken_by_the_letter(text: str) -> None:
    """Neither coerced nor passed over."""
    with pytest.raises(ValidationError):
        Price.model_validate_json(text)


ATTEMPT = {"stage": 1, "attempt": 2, "passed": False, "error": "x"}


@pytest.mark.parametrize(
    ("text", "report"),
    [
        (None, None),
        ("", None),
        ("{}", None),
        ('{"other": 1}', None),
        ('{"evidence": "x"}', PlannerReport(evidence="x")),
        ('{"evidence": 7}', PlannerReport()),
        ('{"attempts": 7}', PlannerReport()),
        (json.dumps({"attempts": [7, ATTEMPT, {}]}), PlannerReport(attempts=(Attempt.model_validate(ATTEMPT),))),
    ],
)
def test_what_an_ending_tells_is_read_as_far_as_it_is_ours(text: str | None, report: PlannerReport | None) -> None:
    """Nothing where it tells nothing of ours; what another wrote among it is passed over."""
    assert PlannerReport.read(text) == report


def test_what_an_ending_tells_is_short() -> None:
    """Step Functions cuts a cause at 32 KiB: no blank, and nothing that says nothing."""
    report = PlannerReport(evidence="x", attempts=(Attempt(stage=1, attempt=1, passed=True),))
    assert report.as_json() == '{"evidence":"x","attempts":[{"stage":1,"attempt":1,"passed":true}]}'
    assert PlannerReport.read(report.as_json()) == report


def test_what_a_plan_leaves_out() -> None:
    """It runs, waits for nothing, and was never redriven; what a Catch leaves out is empty."""
    plan = LambdaResult.model_validate(
        {"total_stages_count": 1, "processed_stages_count": 0, "config": {"bucket": "b"}}
    )
    assert (plan.decision, plan.wait_seconds, plan.attempts, plan.redrive) == ("run", 0, (), None)
    assert (plan.config.timeout_seconds, plan.config.stages, plan.config.stages_s3) == (None, (), None)
    assert ErrorResult() == ErrorResult(Error="", Cause="")
    request = PlanRequest.model_validate(
        {
            "step": "plan_next_step",
            "execution_arn": "a",
            "started_at": "s",
            "now": "n",
            "input": {"job_id": "j", "lambda_result": plan.model_dump()},
        }
    )
    assert request.redrive_count == 0


# The table of the user guide, restated [Fargate task definition differences: task CPU and memory].
SIZES = {
    256: [512, 1024, 2048],
    512: [1024, 2048, 3072, 4096],
    1024: [gib * 1024 for gib in (2, 3, 4, 5, 6, 7, 8)],
    2048: [gib * 1024 for gib in (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)],
    4096: [gib * 1024 for gib in (8, 9, *range(10, 30), 30)],
    8192: [gib * 1024 for gib in (16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60)],
    16384: [gib * 1024 for gib in (32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120)],
}


def test_fargate_has_these_sizes() -> None:
    """As AWS lists them."""
    assert {cpu: list(memories) for cpu, memories in FARGATE_SIZES.items()} == SIZES


def test_the_classes_of_failure_are_told_line_by_line() -> None:
    """A sentence, an empty line, and a line for each, as Markdown lists them."""
    first, empty, *lines = FAILURE_CLASSES.splitlines()
    assert "treat a class that you do not know as `unknown`" in first
    assert empty == ""
    assert lines == [f"- `{name}`: {meaning}" for name, meaning in FAILURES.items()]


class BrokenError(JobferryError):
    """It broke
    in two.

    More about it.
    """


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (BrokenError(), "It broke in two."),
        (BrokenError("otherwise"), "otherwise"),
        (JobferryError(), "Something went wrong in Jobferry."),
    ],
)
def test_an_error_says_what_it_stands_for(error: JobferryError, message: str) -> None:
    """The first paragraph of its docstring on one line, unless there is more to say."""
    assert str(error) == message


class Inner(BaseModel):
    """An object."""

    size: int = Field(default=1, ge=0)


class Shapes(BaseModel):
    """Every shape that is said more plainly."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    either: str | int = Field(default="a")
    limited: str | None = Field(default=None, max_length=3)
    two_limits: str | list[int] | None = None
    inner: Inner = Inner()
    optional_inner: Inner | None = None
    plain_map: dict[str, int] = Field(default_factory=dict)


def test_shapes_are_said_plainly() -> None:
    """One list of types where that says the same; no title; no object as a default."""
    fields = Shapes.model_json_schema(schema_generator=dialect.PlainJsonSchema)["properties"]
    assert fields == {
        "either": {"type": ["string", "integer"], "default": "a"},
        "limited": {"type": ["string", "null"], "maxLength": 3, "default": None},
        "two_limits": {"type": ["string", "array", "null"], "items": {"type": "integer"}, "default": None},
        "inner": {"$ref": "#/$defs/Inner"},
        "optional_inner": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}], "default": None},
        "plain_map": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    sent = Shapes.model_json_schema(mode="serialization", schema_generator=dialect.PlainJsonSchema)["properties"]
    assert not any("default" in field for field in sent.values())


def test_limits_of_one_name_stay_with_their_types() -> None:
    """Said together, one of them would be lost."""
    schema = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "number", "minimum": 1}]}
    assert dialect._as_one_type(schema) == schema
    assert dialect._as_one_type({"type": "string"}) == {"type": "string"}
    nested = {"anyOf": [{"type": ["string", "null"]}, {"type": "integer"}]}
    assert dialect._as_one_type(nested) == {"type": ["string", "null", "integer"]}
    for more in ("$ref", "anyOf", "allOf", "oneOf", "enum", "const"):
        choice = {"anyOf": [{"type": "string", more: []}, {"type": "null"}]}
        assert dialect._as_one_type(choice) == choice


def test_the_command_writes_or_says_what_is_not_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--check` nothing is written, and the status says whether all is current."""
    written: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(export, "write", lambda: written.append("all"))
    monkeypatch.setattr(export, "outdated", lambda: ["a.json", "b.json"])
    assert export.main(["--check"], said.append) == 1
    assert (written, said) == ([], ["Not current: a.json, b.json. Run python -m schemas.export.\n"])
    said.clear()
    assert export.main([], said.append) == 0
    assert (written, said) == (["all"], [])


def test_each_file_is_indented_text_in_UTF_8(tmp_path: Path) -> None:
    """As people read it, with a line break at its end."""
    export.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(item.file for item in export.EXPORTS)
    for item in export.EXPORTS:
        text = (tmp_path / item.file).read_bytes().decode("utf-8")
        assert text == json.dumps(json.loads(text), indent=2) + "\n"
        shipped = Path(export.__file__).with_name(item.file).read_text(encoding="utf-8")
        assert text == shipped


def test_a_number_without_a_fraction_is_whole_however_it_is_written() -> None:
    """As JSON Schema has it; any other fraction is refused and never cut off."""
    seconds = TypeAdapter(Seconds)
    assert [seconds.validate_python(value, strict=True) for value in (60, 60.0)] == [60, 60]
    for value in (60.5, "60", True):
        with pytest.raises(ValidationError):
            seconds.validate_python(value, strict=True)
