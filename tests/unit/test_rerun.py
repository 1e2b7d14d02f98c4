"""A request made again with changes: what each path means, and under which id."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from schemas.base import JOB_ID_PATTERN
from service.core.admission.rerun import CannotChangeError, changed, new_id
from service.core.record.kept import kept_of, request_of
from tests.support.builders import admitted, body, catalog, requested

REQUEST = {
    "tenant": "web",
    "parameters": {"size": "large"},
    "stages": [{"image": "echo", "command": ["echo", "a"], "environment": {"MODE": "x"}}],
    "labels": {"team": "web"},
}

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "a field": ({"user": "ann"}, {"user": "ann"}),
    "a parameter": ({"parameters.size": "small"}, {"parameters": {"size": "small"}}),
    "a parameter with a dot": ({"parameters.a.b": 1}, {"parameters": {"size": "large", "a.b": 1}}),
    "a parameter away": ({"parameters.size": None}, {"parameters": {}}),
    "a field away that is not there": ({"user": None}, {}),
    "a label": ({"labels.by.whom": "me"}, {"labels": {"team": "web", "by.whom": "me"}}),
    "memory of a stage with a dot": ({"sizes.a.b.memory": 1024}, {"sizes": {"a.b": {"memory": 1024}}}),
    "a size whole": ({"sizes.a": {"cpu": 512}}, {"sizes": {"a": {"cpu": 512}}}),
    "a command": (
        {"stages.0.command": ["echo", "b"]},
        {"stages": [{"image": "echo", "command": ["echo", "b"], "environment": {"MODE": "x"}}]},
    ),
    "a variable": (
        {"stages.0.environment.MODE": "y", "stages.0.environment.OPT_A": "z"},
        {"stages": [{"image": "echo", "command": ["echo", "a"], "environment": {"MODE": "y", "OPT_A": "z"}}]},
    ),
    "a whole before its parts": (
        {"stages.0.image": "reporter", "stages": [{"image": "echo"}]},
        {"stages": [{"image": "reporter"}]},
    ),
}


@pytest.mark.parametrize(("changes", "difference"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_by_the_path_of_its_field(changes: dict[str, Any], difference: dict[str, Any]) -> None:
    """As problems name it; what is not named stays."""
    before = json.dumps(REQUEST)
    assert changed(REQUEST, changes) == {**REQUEST, **difference}
    assert json.dumps(REQUEST) == before


IMPOSSIBLE: dict[str, tuple[str, str]] = {
    "the id": ("job_id", "a new job has an id of its own"),
    "the tenant": ("tenant", "a rerun is of the tenant whose job it was"),
    "below a text": ("stages.0.image.name", "it is below a value that holds nothing"),
    "a stage that is not there": ("stages.1.command", "there is no 1 among 1"),
    "a stage by name": ("stages.echo.command", "there is no echo among 1"),
}


@pytest.mark.parametrize(("path", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_path_that_leads_nowhere_is_named(path: str, why: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(CannotChangeError, match=why) as refused:
        changed(REQUEST, {path: "x"})
    assert refused.value.problem.field == path


def test_the_new_id_is_the_same_for_the_same_wish_and_no_other() -> None:
    """Of any old id it is one that a job may have, and it begins as the old one does."""
    made = {
        new_id(*given) for given in (("a", "web", "m1"), ("a", "web", "m2"), ("a", "shop", "m1"), ("b", "web", "m1"))
    }
    assert len(made) == 4
    assert new_id("a", "web", "m1") == new_id("a", "web", "m1")
    assert new_id("x" * 64, "web", "m").startswith("x" * 51)
    assert all(re.fullmatch(JOB_ID_PATTERN, new_id(text, "web", "m")) for text in ("a", "x" * 64, "rejected-1"))


ASKED = [
    body(stages=[{"image": "echo", "command": ["echo", "a"], "environment": {"MODE": "x"}, "timeout_seconds": 5}]),
    body(job_type="greet", parameters={"who": "you", "loud": True}, user="ann", labels={"a": "b"}, input_file="in/x"),
    body(job_type="greet", parameters={"who": "you"}, timeout_seconds=60, capacity_wait_seconds=0, progress=True),
    body(stages=[{"image": "echo"}], tenant="web", sizes={"echo": {"memory": 512}}, job_id="old"),
]


@pytest.mark.parametrize("text", ASKED)
def test_what_is_kept_is_the_request_itself(text: str) -> None:
    """But for its id: admitted again it is the same."""
    before = admitted(text, catalog())
    request = before.request
    known = {name: getattr(request, name) for name in ("job_type", "user", "input_file", "labels", "progress")}
    record = requested(tenant=request.tenant, **known)
    again = admitted(json.dumps(request_of(record, kept_of(request)) | {"job_id": request.job_id}), catalog())
    assert (again.digest, again.stages) == (before.digest, before.stages)


@pytest.mark.parametrize(
    ("path", "value", "stages"),
    [
        ("stages.1", {"image": "b"}, [{"image": "a"}, {"image": "b"}, {"image": "c"}]),
        ("stages.2", None, [{"image": "a"}, {"image": "x"}, None]),
        ("stages.0.command.0", "echo", [{"image": "a", "command": ["echo", "b"]}, {"image": "x"}, {"image": "c"}]),
    ],
)
def test_what_stands_in_a_list_is_put_in_its_place(path: str, value: Any, stages: list[Any]) -> None:
    """And nothing beside it is touched; null is put there too, for admission to judge."""
    before = {"stages": [{"image": "a"}, {"image": "x"}, {"image": "c"}]}
    if "command" in path:
        before["stages"][0]["command"] = ["cat", "b"]  # type: ignore[assignment]
    assert changed(before, {path: value}) == {"stages": stages}


def test_what_is_kept_of_a_request_names_no_job_and_nothing_twice() -> None:
    """What the record holds anyway is left out, and what has its default; put together, it is the request again."""
    given = {
        "job_id": "j-1",
        "tenant": "shop",
        "user": "ann",
        "input_file": "in/a",
        "labels": {"team": "web"},
        "progress": True,
        "timeout_seconds": 60,
        "stages": [{"image": "echo", "command": ["echo", "a"]}],
    }
    request = admitted(json.dumps(given)).request
    rest = json.loads(kept_of(request))
    assert rest == {"timeout_seconds": 60, "stages": [{"image": "echo", "command": ["echo", "a"]}]}
    known: dict[str, Any] = {name: given[name] for name in ("tenant", "user", "input_file", "labels", "progress")}
    kept = requested(**known)
    assert request_of(kept, kept_of(request)) == {name: value for name, value in given.items() if name != "job_id"}
