"""What admission had before it, as a case has it: rebuilt where it is not kept, and said to be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.casefile import CaseCatalog, CaseRequest
from schemas.catalog import Catalog
from schemas.plan import Config, ExecutionInput, LambdaResult
from service.core.admission.admission import Admitted, Refused, admit
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.requests import Judged, of_job, of_rejection, read_catalog, stages_in, stages_key_in
from service.core.record.facts import Requested
from service.core.record.kept import kept_of
from tests.support.builders import JOB, MESSAGE, admitted, body, catalog, refused, rejected, requested

GREEDY = {"memory": 1024, "max_memory": 2048}


def remembered(verdict: Admitted, **config: Any) -> Requested:
    """The fact that an admitted request is."""
    plan = LambdaResult(
        total_stages_count=1,
        processed_stages_count=0,
        config=Config.model_validate({"bucket": "b", "stages": verdict.stages, **config}),
    )
    text = ExecutionInput(job_id=verdict.job_id, lambda_result=plan).model_dump_json()
    return requested(job_id=verdict.job_id, job_type=verdict.request.job_type, tenant="default", execution_input=text)


def of(verdict: Admitted, today: Catalog | None) -> Judged:
    """What a case has of a job that was admitted before its request was kept."""
    stages = [stage.model_dump(mode="json") for stage in verdict.stages]
    return of_job(remembered(verdict), stages, today, "", CaseHiding())


def judged_again(found: Judged) -> Admitted | Refused:
    """What admission makes of what a case has."""
    assert isinstance(found.request, CaseRequest) and isinstance(found.catalog, CaseCatalog)
    return admit(found.request.body, found.request.message_id, read_catalog(found.catalog))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"job_type": "greet", "parameters": {"who": "you*"}},
        {
            "stages": [
                {"image": "echo", "command": ["echo", "[a]*?"], "environment": {"MODE": "x"}, "timeout_seconds": 9}
            ]
        },
        {"stages": [{"image": "reporter"}, {"image": "echo", "name": "other"}], "capacity_wait_seconds": 60},
        {"stages": [{"image": "echo", "timeout_seconds": 9}, {"image": "echo", "timeout_seconds": 60}]},
    ],
)
@pytest.mark.parametrize("today", ["the same", "another", "none"])
def test_a_rebuilt_request_freezes_to_the_same(asked: dict[str, Any], today: str) -> None:
    """By today's entries where they are still those, and else by entries that are rebuilt from the stages."""
    verdict = admitted(body(job_id=JOB, **asked))
    known: dict[str, Catalog | None] = {"the same": catalog(), "another": changed(), "none": None}
    found = of_job(
        remembered(verdict), [stage.model_dump(mode="json") for stage in verdict.stages], known[today], "", CaseHiding()
    )
    again = judged_again(found)
    assert isinstance(again, Admitted) and (again.job_id, again.stages) == (JOB, verdict.stages)
    assert found.catalog is not None
    assert found.catalog.source == ("of the case" if today == "the same" else "rebuilt")
    named = {item.what for item in found.not_known}
    assert ("the catalogue's entries by which the request was admitted" in named) == (today != "the same")


@pytest.mark.parametrize(
    ("asked", "hiding", "source"),
    [
        ({"job_type": "greet", "parameters": {"who": "you", "loud": True}}, CaseHiding(shows_values=True), "kept"),
        ({"job_type": "greet", "parameters": {"who": "you", "loud": True}}, CaseHiding(), "rebuilt"),
        ({"stages": [{"image": "echo", "environment": {"MODE": "hunter2"}}]}, CaseHiding(), "kept"),
    ],
)
def test_a_request_is_judged_as_it_was_understood(asked: dict[str, Any], hiding: CaseHiding, source: str) -> None:
    """With its job type and parameters; where those are masked, what they were filled into is judged."""
    verdict = admitted(body(job_id=JOB, **asked))
    stages = [hiding.object(stage.model_dump(mode="json")) for stage in verdict.stages]
    found = of_job(remembered(verdict), stages, catalog(), kept_of(verdict.request), hiding)
    again = judged_again(found)
    assert isinstance(again, Admitted) and found.request is not None and found.request.source == source
    assert [hiding.object(stage.model_dump(mode="json")) for stage in again.stages] == stages
    assert "hunter2" not in found.request.body
    assert (found.not_known == ()) == (source == "kept")


def changed() -> Catalog:
    """Of a later day."""
    echo = {"task_definition": "echo", "container": "main", "commands": [["echo", "**"]], **GREEDY}
    reporter = {"task_definition": "reporter:2", "container": "main", "integration": "callback"}
    return catalog(images={"echo": echo, "reporter": reporter})


def test_stages_that_no_entry_can_have_given_are_not_guessed_at() -> None:
    """Two of one image that differ in what only the image says."""
    verdict = admitted(body(job_id=JOB, stages=[{"image": "echo"}, {"image": "echo"}]))
    first, second = (stage.model_dump(mode="json") for stage in verdict.stages)
    found = of_job(remembered(verdict), [first, {**second, **GREEDY}], None, "", CaseHiding())
    assert found.catalog is None
    assert found.not_known[1].why.endswith("do not tell what they were")
    assert (
        of_job(remembered(verdict), [{"name": "odd"}], None, "", CaseHiding()).not_known[1].what == "the frozen stages"
    )
    assert of_job(remembered(verdict), [], None, "", CaseHiding()).request is None


def test_only_the_entries_that_count_are_in_it() -> None:
    """Others are nobody's business; of a rejection the names, since its reasons list them."""
    verdict = admitted(body(job_id=JOB))
    found = of_job(
        remembered(verdict), [stage.model_dump(mode="json") for stage in verdict.stages], catalog(), "", CaseHiding()
    )
    assert found.catalog is not None and set(found.catalog.catalog["images"]) == {"echo"}
    refusal = of_rejection(rejected(), body(stages=[{"image": "ecko"}]), catalog(), CaseHiding())
    assert refusal.catalog is not None
    images, kinds = refusal.catalog.catalog["images"], refusal.catalog.catalog["job_types"]
    assert set(images) == {"echo", "reporter"} and set(kinds) == {"greet"}
    assert all(entry == {"task_definition": "left-out", "container": "left-out"} for entry in images.values())


@pytest.mark.parametrize(
    "text",
    [
        body(stages=[{"image": "ecko"}]),
        body(job_type="greet", parameters={"loud": 3}),
        body(job_type="hello"),
        body(stages=[{"image": "echo", "environment": {"MODE": "a\x00", "AWS_X": "é" * 9000, "OTHER": 1}}]),
        body(urgent=True, stages=[]),
    ],
)
def test_a_masked_body_is_rejected_for_the_same_reasons(text: str) -> None:
    """Also where a reason is a value's length, or what a value holds."""
    found = of_rejection(rejected(), text, catalog(), CaseHiding())
    again = judged_again(found)
    assert isinstance(again, Refused) and again.problems == refused(text).problems
    assert found.request is not None and "éé" not in json.loads(found.request.body)


@pytest.mark.parametrize("text", ["no json", '{"a": 1, "a": 2}', "[1"])
def test_a_body_that_cannot_be_masked_is_left_out(text: str) -> None:
    """It is put in where values are to be shown, as long as it holds no secret."""
    left_out = of_rejection(rejected(), text, catalog(), CaseHiding())
    assert left_out.request is None and "`--with-values` puts it in" in left_out.not_known[0].why
    shown = of_rejection(rejected(), text, catalog(), CaseHiding(shows_values=True))
    assert shown.request is not None and shown.request.body == text
    assert of_rejection(rejected(), "password=hunter2", catalog(), CaseHiding(shows_values=True)).request is None


def test_a_body_that_is_gone_and_a_catalogue_that_is_out_of_reach_are_said_to_be() -> None:
    """Then there is nothing to judge."""
    assert of_rejection(rejected(), None, catalog(), CaseHiding()).not_known[0].what == "the request as it was sent"
    without = of_rejection(rejected(), body(job_type="x"), None, CaseHiding())
    assert without.request is not None and without.catalog is None
    assert without.request.message_id == MESSAGE


def test_where_the_frozen_stages_lie() -> None:
    """In the input, or where that says."""
    verdict = admitted(body(job_id=JOB))
    here = remembered(verdict).execution_input
    there = remembered(verdict, stages=(), stages_s3={"bucket": "b", "key": "k"}).execution_input
    assert (len(stages_in(here)), stages_key_in(here)) == (1, None)
    assert (stages_in(there), stages_key_in(there)) == ([], ("b", "k"))
    assert (stages_in("{}"), stages_key_in("{}")) == ([], None)
