"""The exported JSON Schemas are current, valid, and of one mind with the models."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from schemas.catalog import Catalog
from schemas.export import EXPORTS, Export, main, outdated, write
from schemas.failures import FAILURES
from schemas.job import JobRequest
from schemas.notification import JobNotification
from schemas.plan import Config, ExecutionInput, LambdaResult
from schemas.progress import JobProgress
from service.core.telling.compose import Links, compose
from tests.support.builders import (
    JOB,
    admitted,
    attempt,
    body,
    catalog,
    execution,
    receipt,
    record,
    rejected,
    requested,
    task,
)

SHAPES = Path(__file__).with_name("contract_shapes.json")
BY_MODEL = {item.model: item for item in EXPORTS}


@cache
def validator(model: type[BaseModel]) -> Draft202012Validator:
    """What another language makes of the exported file."""
    return _ecma(BY_MODEL[model].text())


@cache
def _ecma(text: str) -> Draft202012Validator:
    """The schema with its patterns as ECMA-262 reads them: in Python `$` also stands before a line break at the end."""
    return Draft202012Validator(json.loads(text.replace('$"', '\\\\Z"')))


def test_the_files_are_what_the_models_say() -> None:
    """Else run `python -m schemas.export`."""
    assert outdated() == []


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_each_is_a_valid_schema_with_an_address_of_its_own(item: Export) -> None:
    """JSON Schema 2020-12, with an id and a description; the title is what generators call the type."""
    schema = json.loads(item.text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:jobferry:")
    assert schema["title"] == item.model.__name__
    assert schema["description"]


def test_the_ids_and_files_differ() -> None:
    """Nobody finds one contract under another's name."""
    assert len({item.id for item in EXPORTS}) == len({item.file for item in EXPORTS}) == len(EXPORTS)


def test_the_check_fails_on_a_file_that_differs(tmp_path: Path) -> None:
    """A missing file, and one that was changed by hand."""
    write(tmp_path)
    assert outdated(tmp_path) == []
    (tmp_path / "job.schema.json").write_text("{}")
    (tmp_path / "catalog.schema.json").unlink()
    assert outdated(tmp_path) == ["job.schema.json", "catalog.schema.json"]


def test_the_check_as_a_command() -> None:
    """It is silent and answers 0 while all is current."""
    said: list[str] = []
    assert main(["--check"], said.append) == 0
    assert said == []


ECHO = {"image": "echo"}

REQUESTS: dict[str, Any] = {
    "the least by stages": {"stages": [ECHO]},
    "the least by job type": {"job_type": "greet"},
    "everything": {
        "job_id": "a-B_1",
        "job_type": "greet",
        "tenant": "web",
        "input_file": "input/uploads/exämple.jpg",
        "user": "ifgeek",
        "stages": [{"image": "i", "name": "n", "command": ["a", ""], "environment": {"A": "1"}, "timeout_seconds": 1}],
        "parameters": {},
        "timeout_seconds": 3600,
        "labels": {"team": "ü"},
        "progress": True,
    },
    "parameters of every type": {"job_type": "t", "parameters": {"a": "x", "b": 1, "c": 1.5, "d": True}},
    "nulls where they may be": {
        "job_type": "t",
        "job_id": None,
        "user": None,
        "input_file": None,
        "timeout_seconds": None,
    },
    "nothing": {},
    "an empty list of stages": {"stages": []},
    "an empty list of stages and a job type": {"stages": [], "job_type": "t"},
    "a null job type": {"job_type": None},
    "a null job type, and stages": {"job_type": None, "stages": [ECHO]},
    "parameters beside stages": {"stages": [ECHO], "parameters": {"a": 1}},
    "no parameters beside stages": {"stages": [ECHO], "parameters": {}},
    "an unknown field": {"stages": [ECHO], "priority": 1},
    "an unknown field of a stage": {"stages": [{**ECHO, "cpu": 1}]},
    "a stage without an image": {"stages": [{}]},
    "a job id with a space": {"job_type": "t", "job_id": "a b"},
    "a job id too long": {"job_type": "t", "job_id": "a" * 65},
    "a job id that is a number": {"job_type": "t", "job_id": 7},
    "a null tenant": {"job_type": "t", "tenant": None},
    "a command in one string": {"stages": [{**ECHO, "command": "echo"}]},
    "a command of numbers": {"stages": [{**ECHO, "command": [1]}]},
    "a command with NUL": {"stages": [{**ECHO, "command": ["\x00"]}]},
    "a command with line breaks": {"stages": [{**ECHO, "command": ["sh", "-c", "a\nb\n"]}]},
    "a command too long": {"stages": [{**ECHO, "command": ["x"] * 257}]},
    "a variable's name with a hyphen": {"stages": [{**ECHO, "environment": {"A-B": "1"}}]},
    "a variable that is a number": {"stages": [{**ECHO, "environment": {"A": 1}}]},
    "a label's name with a space": {"job_type": "t", "labels": {"a b": "x"}},
    "a label that is a number": {"job_type": "t", "labels": {"a": 1}},
    "a label too long": {"job_type": "t", "labels": {"a": "x" * 257}},
    "a label with a line separator": {"job_type": "t", "labels": {"a": "x\u2028y"}},
    "too many labels": {"job_type": "t", "labels": {f"l{number}": "" for number in range(33)}},
    "a user with an escape": {"job_type": "t", "user": "\x1b[2J"},
    "an empty user": {"job_type": "t", "user": ""},
    "a timeout of nothing": {"job_type": "t", "timeout_seconds": 0},
    "a timeout beyond a year": {"job_type": "t", "timeout_seconds": 31_536_001},
    "a timeout in a string": {"job_type": "t", "timeout_seconds": "60"},
    "a timeout that is true": {"job_type": "t", "timeout_seconds": True},
    "a timeout without a fraction": {"job_type": "t", "timeout_seconds": 60.0},
    "a timeout in powers of ten": {"job_type": "t", "timeout_seconds": 1e3},
    "a timeout with a fraction": {"job_type": "t", "timeout_seconds": 60.5},
    "a timeout of 1e300": {"job_type": "t", "timeout_seconds": 1e300},
    "a timeout of four hundred digits": {"job_type": "t", "timeout_seconds": 10**400},
    "a timeout of minus nothing": {"job_type": "t", "timeout_seconds": -0.0},
    "a stage's timeout without a fraction": {"stages": [{**ECHO, "timeout_seconds": 1.0}]},
    "a job id with a line break at its end": {"job_type": "t", "job_id": "a\n"},
    "a label that XML cannot hold": {"job_type": "t", "labels": {"a": "\uffff"}},
    "a command that XML cannot hold": {"stages": [{**ECHO, "command": ["\ufffe"]}]},
    "a command with an escape": {"stages": [{**ECHO, "command": ["\x1b[2J"]}]},
    "progress in a string": {"job_type": "t", "progress": "true"},
    "progress as a number": {"job_type": "t", "progress": 1},
    "progress that is null": {"job_type": "t", "progress": None},
    "a parameter that is a list": {"job_type": "t", "parameters": {"a": []}},
    "a parameter that is null": {"job_type": "t", "parameters": {"a": None}},
    "a parameter's name with a slash": {"job_type": "t", "parameters": {"a/b": 1}},
    "a hundred stages": {"stages": [ECHO] * 100},
    "a hundred and one stages": {"stages": [ECHO] * 101},
    "an array": [],
    "a string": "{}",
    "null": None,
}


def model_takes(model: type[BaseModel], value: object) -> bool:
    """Whether the model accepts a JSON value."""
    try:
        model.model_validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("value", REQUESTS.values(), ids=REQUESTS)
def test_schema_and_model_judge_requests_alike(value: object) -> None:
    """Who checks a request before sending it comes to the same verdict as we do."""
    assert validator(JobRequest).is_valid(value) == model_takes(JobRequest, value)


ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
)
NAME = st.sampled_from(["echo", "a.b", "", "-", "a\n", "ü"]) | st.text(max_size=5)
TEXT = st.text(max_size=8)
WHOLE = st.sampled_from([0, 1, 60, 60.0, 0.5, 31_536_000, 31_536_000.0, 31_536_001, True, "60"]) | ODD
STAGE = st.fixed_dictionaries(
    {"image": NAME},
    optional={
        "name": NAME | ODD,
        "command": st.lists(TEXT, max_size=2) | ODD,
        "environment": st.dictionaries(NAME, TEXT, max_size=2) | ODD,
        "timeout_seconds": WHOLE,
        "odd": ODD,
    },
)
REQUEST = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(BY_MODEL[JobRequest].schema()["properties"], ODD)
    | {
        "job_id": NAME | ODD,
        "job_type": NAME | ODD,
        "tenant": NAME | ODD,
        "input_file": TEXT | ODD,
        "user": TEXT | ODD,
        "stages": st.lists(STAGE | ODD, max_size=2) | ODD,
        "parameters": st.dictionaries(NAME, TEXT | WHOLE, max_size=2) | ODD,
        "timeout_seconds": WHOLE,
        "labels": st.dictionaries(NAME, TEXT | ODD, max_size=2) | ODD,
        "odd": ODD,
    },
)


@settings(max_examples=500, deadline=None)
@given(REQUEST)
def test_schema_and_model_judge_anything_alike(value: object) -> None:
    """Beyond what the table thinks of."""
    assert validator(JobRequest).is_valid(value) == model_takes(JobRequest, value)


def test_both_verdicts_occur() -> None:
    """The table above would prove little if all were refused."""
    verdicts = [model_takes(JobRequest, value) for value in REQUESTS.values()]
    assert verdicts.count(True) >= 8
    assert verdicts.count(False) >= 25


IMAGE = {"task_definition": "echo", "container": "main"}

CATALOGS: dict[str, Any] = {
    "the least": {"images": {"echo": IMAGE}},
    "everything of an image": {
        "version": 1,
        "images": {
            "echo": {
                **IMAGE,
                "integration": "callback",
                "launch_type": "EC2",
                "capacity_providers": [{"capacity_provider": "spot", "weight": 1, "base": 0}],
                "on_demand_fallback": True,
                "commands": [["echo", "**"]],
                "environment": ["MODE"],
                "cpu": 512,
                "memory": 1024,
                "max_memory": 2048,
                "timeout_seconds": 60,
                "heartbeat_seconds": 10,
                "retries": {"transient": 1, "out_of_memory": 0, "application": 2},
            }
        },
        "job_types": {
            "greet": {
                "stages": [{"image": "echo", "name": "n", "command": ["{who}"], "environment": {"A": "{who}"}}],
                "parameters": {"who": {"default": "x", "choices": ["x", 1, True]}},
            }
        },
    },
    "no images": {"images": {}},
    "nothing": {},
    "another version": {"version": 2, "images": {"echo": IMAGE}},
    "an image's name with a slash": {"images": {"a/b": IMAGE}},
    "an image without a container": {"images": {"echo": {"task_definition": "echo"}}},
    "an unknown integration": {"images": {"echo": {**IMAGE, "integration": "async"}}},
    "too many retries": {"images": {"echo": {**IMAGE, "retries": {"transient": 21}}}},
    "a job type without stages": {"images": {"echo": IMAGE}, "job_types": {"t": {"stages": []}}},
    "a task definition's ARN": {"images": {"echo": {**IMAGE, "task_definition": "arn:aws:ecs:x"}}},
}


@pytest.mark.parametrize("value", CATALOGS.values(), ids=CATALOGS)
def test_schema_and_model_judge_catalogues_alike(value: object) -> None:
    """An editor that knows the schema says what the worker would say at its start."""
    assert validator(Catalog).is_valid(value) == model_takes(Catalog, value)


def notifications() -> Iterator[JobNotification]:
    """One of each kind."""
    yield compose(record(requested(), execution(attempts=(attempt(),)), task(), receipt()), Links())
    yield compose(record(requested(stages=2), execution("FAILED", attempts=(attempt(passed=False),)), task()), Links())
    yield compose(record(requested(), execution("ABORTED")), Links())
    yield compose(record(rejected()), Links())


def test_what_we_announce_is_what_the_schema_promises() -> None:
    """Every field is there, null where it says nothing."""
    for item in notifications():
        assert list(validator(JobNotification).iter_errors(json.loads(item.model_dump_json()))) == []


def test_a_subscriber_bears_fields_that_come_later() -> None:
    """Fields may be added within a version, so the published schema does not refuse them; ours are still required."""
    written = json.loads(next(notifications()).model_dump_json())
    written["of_tomorrow"] = written["stages"][0]["of_tomorrow"] = 1
    assert validator(JobNotification).is_valid(written)
    del written["id"]
    assert not validator(JobNotification).is_valid(written)


# What the generators of types need; tests/types shows what they make of it.


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and every schema within it, and maps of schemas too."""
    if isinstance(schema, dict):
        yield schema
    if isinstance(schema, dict | list):
        for inner in schema.values() if isinstance(schema, dict) else schema:
            yield from parts(inner)


TOLD = [item for item in EXPORTS if item.model in (JobNotification, JobProgress)]


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_nothing_misleads_a_generator_of_types(item: Export) -> None:
    """Of `patternProperties` they make empty types, of fields' titles and of limits in `anyOf` types of their own."""
    for part in parts(item.schema()):
        assert "patternProperties" not in part
        assert not any("title" in field for field in part.get("properties", {}).values())
        assert not any({"pattern", "minimum", "format"} & choice.keys() for choice in part.get("anyOf", []))


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_who_limits_a_list_or_a_map_says_that_it_is_one(item: Export) -> None:
    """Else json-schema-to-typescript takes a list for an object."""
    of_type = {"minItems": "array", "maxItems": "array", "minProperties": "object", "maxProperties": "object"}
    limited = [(part, key) for part in parts(item.schema()) for key in of_type if isinstance(part.get(key), int)]
    assert [part for part, key in limited if part.get("type") != of_type[key]] == []


@pytest.mark.parametrize("item", TOLD, ids=lambda item: str(item.file))
def test_a_subscriber_finds_every_field(item: Export) -> None:
    """What is always sent is required, and has no default that a reader would put in its place."""
    for part in parts(item.schema()):
        if "properties" in part:
            assert set(part.get("required", [])) == set(part["properties"])
        assert "default" not in part


@pytest.mark.parametrize("item", TOLD, ids=lambda item: str(item.file))
def test_times_are_times(item: Export) -> None:
    """Every field that is named for a moment, and no other."""
    fields = {name: field for part in parts(item.schema()) for name, field in part.get("properties", {}).items()}
    assert {name for name in fields if name.endswith("_at")} >= {"submitted_at", "started_at", "stopped_at"}
    assert {name for name in fields if name.endswith("_at")} == {
        name for name, field in fields.items() if field.get("format") == "date-time"
    }


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def moments(message: Any) -> Iterator[str]:
    """Every time that a message tells."""
    for part in parts(message):
        yield from (value for name, value in part.items() if name.endswith("_at") and value is not None)


def test_what_we_announce_tells_times_as_promised() -> None:
    """As RFC 3339 writes them; a parser of another language refuses the whole message for one that it cannot read."""
    written = [moment for item in notifications() for moment in moments(json.loads(item.model_dump_json()))]
    assert len(written) > 10
    assert [moment for moment in written if not RFC_3339.fullmatch(moment)] == []


def test_the_classes_of_failure_are_listed_and_open() -> None:
    """A class that comes later breaks no subscriber: a string, with every class of today named and explained."""
    classes = [
        field
        for item in TOLD
        for part in parts(item.schema())
        for name, field in part.get("properties", {}).items()
        if name == "failure_class"
    ]
    assert len(classes) == 4
    for field in classes:
        assert field["type"] in ("string", ["string", "null"])
        assert "enum" not in field
        assert field["examples"] == list(FAILURES)
    explained = [field["description"] for field in classes if field["type"] == "string"]
    assert all(f"`{name}`: {meaning}" in text for text in explained for name, meaning in FAILURES.items())


def test_what_starts_an_execution_is_what_the_schema_promises() -> None:
    """The input as the worker writes it."""
    job = admitted(body())
    result = LambdaResult(total_stages_count=1, processed_stages_count=0, config=Config(bucket="b", stages=job.stages))
    text = ExecutionInput(job_id=JOB, lambda_result=result).model_dump_json(exclude={"stage_result", "error_result"})
    assert list(validator(ExecutionInput).iter_errors(json.loads(text))) == []
    assert not validator(ExecutionInput).is_valid({"job_id": JOB})


# The shapes of the contracts: every field's path and type. What a version has promised is stored beside this file.


def shape(schema: dict[str, Any]) -> dict[str, str]:
    """Every field by its path, and what may stand there, without words about it; "" is the contract as a whole."""
    whole = {key: value for key, value in schema.items() if key not in _NOT_OF_THE_WHOLE}
    return dict(sorted({"": _pinned(whole), **dict(_fields(schema, schema.get("$defs", {}), ""))}.items()))


_NOT_OF_THE_WHOLE = {"$schema", "$id", "$defs", "properties", "required"}
# Examples are words as well: of an open set, they are those that are known today.
_WORDS = {"title", "description", "default", "examples"}


def _fields(schema: dict[str, Any], known: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for inner in _within(schema):
        yield from _fields(inner, known, path)
    if "$ref" in schema:
        yield from _fields(known[schema["$ref"].rsplit("/", 1)[-1]], known, path)
    for name, field in schema.get("properties", {}).items():
        needed = {"required": True} if name in schema.get("required", ()) else {}
        yield f"{path}{name}", _pinned({**field, **needed})
        yield from _fields(field, known, f"{path}{name}.")


def _within(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of a field's items, of its values, and of what else it may be."""
    values = [schema.get("items"), schema.get("additionalProperties")]
    return [item for item in [*values, *schema.get("anyOf", [])] if isinstance(item, dict)]


def _pinned(field: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in field.items() if key not in _WORDS}, sort_keys=True)


def promised(item: Export) -> dict[str, str]:
    """What the present version of a contract has promised, which its id names."""
    found: dict[str, dict[str, str]] = json.loads(SHAPES.read_text())
    return found.get(item.id, {})


def broken(item: Export, schema: dict[str, Any]) -> list[str]:
    """The fields that a version has promised and that a schema takes away or changes."""
    now = shape(schema)
    return [path for path, promise in promised(item).items() if now.get(path) != promise]


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_no_field_of_a_version_is_taken_away_or_changed(item: Export) -> None:
    """Others rely on it: such a change needs a new version in the contract's id, with a shape beside the old one."""
    assert broken(item, item.schema()) == []


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_a_field_that_was_added_is_promised_from_now_on(item: Export) -> None:
    """Add it to contract_shapes.json, under the present version."""
    assert set(shape(item.schema())) - set(promised(item)) == set()


def _changes(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema with each of its fields in turn gone, of another type, and required where it was not, or not."""
    for where in [(), *(("$defs", name) for name in schema.get("$defs", ()))]:
        for name in _at(schema, where).get("properties", {}):
            for change in (_remove, _retype, _require):
                changed = copy.deepcopy(schema)
                change(_at(changed, where), name)
                yield f"{'.'.join(where)} {change.__name__} {name}", changed


def _at(schema: dict[str, Any], where: tuple[str, ...]) -> dict[str, Any]:
    for name in where:
        schema = schema[name]
    return schema


def _remove(model: dict[str, Any], name: str) -> None:
    del model["properties"][name]


def _retype(model: dict[str, Any], name: str) -> None:
    model["properties"][name] = {"type": "array", "items": {"type": "null"}}


def _require(model: dict[str, Any], name: str) -> None:
    model["required"] = list({*model.get("required", ())} ^ {name})


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_no_change_goes_unseen(item: Export) -> None:
    """Of any field, down to the last one, even if the file was exported anew."""
    changes = list(_changes(item.schema()))
    assert [name for name, changed in changes if not broken(item, changed)] == []
    assert len(changes) > 15


@pytest.mark.parametrize("item", EXPORTS, ids=lambda item: str(item.file))
def test_the_version_moves_with_the_id(item: Export) -> None:
    """A contract of a new version has promised nothing yet, so its whole shape is asked for; the old one stays."""
    prefix, version = item.id.rsplit(":v", 1)
    following = replace(item, id=f"{prefix}:v{int(version) + 1}")
    assert set(shape(following.schema())) - set(promised(following)) == set(shape(item.schema()))


@pytest.mark.parametrize("model", [JobNotification, JobProgress])
def test_a_message_says_which_version_it_is_of(model: type[BaseModel]) -> None:
    """The one in the contract's id."""
    assert BY_MODEL[model].id.endswith(f":v{model.model_fields['schema_version'].default}")


def test_the_builders_catalogue_is_a_catalogue() -> None:
    """What the other tests rest on is a catalogue by the schema too."""
    written = json.loads(catalog().model_dump_json())
    assert list(validator(Catalog).iter_errors(written)) == []
