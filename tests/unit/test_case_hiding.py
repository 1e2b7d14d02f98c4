"""What of a case others may see: no secret, and of the environment the names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.plan import PlanRequest
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.masking import mask, masked
from service.core.overrides import environment_texts
from service.core.planning.planning import plan
from service.core.redaction import Redaction
from tests.support.builders import admitted, body, catalog, execution_arn

SECRET = "hunter2 and more"
HIDDEN = CaseHiding()
SHOWN = CaseHiding(shows_values=True)
PAIR = {"Name": "MODE", "Value": SECRET}
OURS = {"Name": "JOBFERRY_STAGE", "Value": "1"}


@pytest.mark.parametrize(
    "value",
    [
        {"stages": [{"environment": {"MODE": SECRET}}]},
        {"Overrides": {"ContainerOverrides": [{"Environment": [PAIR, OURS]}]}},
        {"overrides": {"containerOverrides": [{"environment": [{"name": "MODE", "value": SECRET}]}]}},
        {"cause": json.dumps({"Overrides": {"ContainerOverrides": [{"Environment": [PAIR]}]}})},
        {"input": json.dumps({"input": json.dumps({"environment": {"MODE": SECRET}})})},
        {"Cause": json.dumps({"Environment": [OURS, PAIR], "x": "y" * 50})[:-20]},
        {"Cause": '{"Environment":[{"Name":"MODE","Value":"' + SECRET},
        {"asked": json.dumps({"parameters": {"MODE": SECRET, "width": 3}})},
        {"environment": [{"Name": "LAST_TOKEN", "Value": SECRET}]},
    ],
)
def test_a_variables_value_is_masked_wherever_it_is_carried(value: Any) -> None:
    """In a stage, in a task, in JSON within a text, in a cause that was cut; its name and ours stay."""
    shown = json.dumps(HIDDEN.value(value))
    assert SECRET not in shown and "*" * len(SECRET) in shown
    assert ("MODE" in shown) == ("MODE" in json.dumps(value))
    assert shown == json.dumps(HIDDEN.value(json.loads(shown)))


IN_JSON = json.dumps({"environment": {"MODE": SECRET}})
PLAN = json.dumps({"plan": dict(zip("ab", environment_texts([PAIR, OURS], with_token=True)[:2], strict=True))})


@pytest.mark.parametrize(
    "text",
    [
        f"The JSONPath '$.x' could not be found in the input '{PLAN}'",
        json.dumps(f"in the input '{PLAN}'"),
        f"  {IN_JSON}",
        f"it was given {IN_JSON} and more",
        json.dumps({"errorMessage": f"it was given {json.dumps(IN_JSON)}"}),
        json.dumps({"errorMessage": f"it was given {json.dumps(IN_JSON)}"})[:-9],
        f'it was given {{"environment":{{"MODE":"{SECRET[:9]}',
        f"input_value={{'environment': {{'OTHER': 'x', 'MODE': '{SECRET}'}}}}, input_type=dict]",
        f"input_value={{'image': 'echo', 'enviro...MODE': '{SECRET}'}}}}, input_type=dict]",
        f"environment: {{'OTHER': 1, 'MODE': '{SECRET}'}}",
        f"{{'Name': 'MODE', 'Value': '{SECRET}'}} was refused",
        f'[{{"name": "MODE", "value": "{SECRET}"}} was refused',
    ],
)
def test_an_environment_that_a_sentence_quotes_is_masked(text: str) -> None:
    """In JSON, escaped or not, as Python writes it, or cut; and where it cannot be followed, the rest of the text."""
    shown = json.dumps(HIDDEN.value({"cause": text}))
    assert "hunter2" not in shown and "*" * 9 in shown
    assert shown == json.dumps(HIDDEN.value(json.loads(shown)))


def test_what_follows_a_quoted_environment_is_still_told() -> None:
    """With its names, and with what is ours."""
    told = f"in '{json.dumps({'Environment': {'JOBFERRY_STAGE': '1', 'MODE': SECRET}, 'left': 3})}': no $.path"
    assert HIDDEN.value(told) == told.replace(SECRET, "*" * len(SECRET))


@pytest.mark.parametrize("said", ["%s", 'given "%s"', "%s.", "MODE=%s,", "x%sx"])
@pytest.mark.parametrize("value", [SECRET, 'quotes " and \\ and é', "a-single-word"])
def test_a_masked_value_is_hidden_in_what_is_said_too(said: str, value: str) -> None:
    """Also escaped, and where the text was cut within it; in as many characters."""
    whole = "it was said: " + said % value
    for text in (whole, json.dumps(whole)[1:-1], json.dumps(whole), repr(whole), whole[: whole.index(value) + 9]):
        shown: Any = HIDDEN.value({"environment": {"MODE": value}, "reason": text})
        assert value[:8] not in shown["reason"] and len(shown["reason"]) == len(text)
        assert shown == HIDDEN.value(shown)


def test_a_cause_that_is_nothing_but_the_value_is_hidden() -> None:
    """It is no name, although it is a single word."""
    assert HIDDEN.value({"environment": {"MODE": "hunter2-alone"}, "Cause": "hunter2-alone"}) == {
        "environment": {"MODE": "*" * 13},
        "Cause": "*" * 13,
    }


def test_what_is_decided_by_is_not_hidden_for_a_variable_that_holds_it() -> None:
    """A value that stands in a name, or is short, is no secret: else an ARN would be one's no more."""
    told: Any = {
        "environment": {"REGION": "eu-central-1", "WORD": "echo", "WAY": "by-the-sea"},
        "arn": "arn:aws:ecs:eu-central-1:1:task/x",
        "command": ["go by-the-sea"],
        "reason": "no echo in eu-central-1 but by-the-sea",
    }
    shown: Any = HIDDEN.value(told)
    assert {**shown, "environment": told["environment"]} == told


@pytest.mark.parametrize("environment", [{"MODE": {"of": [SECRET]}}, {"MODE": [SECRET, 1]}, [f"MODE={SECRET}"]])
def test_an_environment_of_another_shape_is_masked(environment: Any) -> None:
    """A rejected request may give it any."""
    shown = json.dumps(HIDDEN.value({"environment": environment}))
    assert SECRET not in shown and "MODE" in shown and shown == json.dumps(HIDDEN.value(json.loads(shown)))


def test_a_task_token_and_a_signature_are_hidden_in_what_is_quoted() -> None:
    """However deep."""
    pair = {
        "Environment": [{"Name": "TASK_TOKEN", "Value": "AQCEAAAA0=token"}],
        "url": "https://b/k?X-Amz-Date=1&x=sig",
    }
    text = json.dumps(pair)
    told: Any
    for told in (pair, {"cause": text}, {"cause": f"in '{text}'"}, {"cause": f"in '{json.dumps(text)}'"}):
        shown = json.dumps(HIDDEN.value(told))
        assert "AQCE" not in shown and "sig" not in shown


@given(st.text(max_size=50))
def test_a_mask_is_as_long_in_json(text: str) -> None:
    """As ECS counts it; what a value is refused for is still seen."""
    shown = mask(text)
    assert len(json.dumps(shown)) == len(json.dumps(text))
    assert {"\x00", "\ufffe", "\uffff"} & set(shown) == {"\x00", "\ufffe", "\uffff"} & set(text)


@pytest.mark.parametrize("with_token", [True, False])
def test_a_plans_environment_is_masked_across_its_cuts(with_token: bool) -> None:
    """It is one list, cut where the state machine puts what it alone knows."""
    names = ("environment_before_redrive", "environment_after_redrive", "environment_after_token")
    texts: Any = dict(zip(names, environment_texts([PAIR, OURS], with_token=with_token), strict=True))
    expected = [{"Name": "MODE", "Value": "*" * len(SECRET)}, OURS]
    assert HIDDEN.value(texts) == dict(zip(names, environment_texts(expected, with_token=with_token), strict=True))
    assert SHOWN.value(texts) == texts


@pytest.mark.parametrize("texts", [("[{", "x", ""), ("{", "}", ""), ("", "", "")])
def test_an_environment_that_cannot_be_read_is_left_out(texts: Any) -> None:
    """Rather than shown."""
    names = ("environment_before_redrive", "environment_after_redrive", "environment_after_token")
    assert masked(dict(zip(names, texts, strict=True))) == dict.fromkeys(names, "[masked]")


def test_secrets_are_hidden_as_everywhere_and_our_own_links_stay() -> None:
    """By the name that they stand under, by their looks, and by the deployment's own patterns; also within JSON."""
    ours = CaseHiding(Redaction.of([r"harbour-\d+"]), shows_values=True)
    told: Any = {
        "api_key": "abcdef",
        "text": "opens harbour-12",
        "cause": json.dumps({"password": "x", "why": "no"}),
        "console_url": "https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/x:1",
        "link": "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abc",
        "labels": {"console_url": "https://example.com/?key=abc"},
    }
    assert ours.value(told) == {
        "api_key": "[redacted]",
        "text": "opens [redacted]",
        "cause": '{"password":"[redacted]","why":"no"}',
        "console_url": told["console_url"],
        "link": "https://bucket.s3.amazonaws.com/key?[redacted]",
        "labels": {"console_url": "https://example.com/?[redacted]"},
    }


def test_json_that_hides_nothing_stays_as_it_was_written() -> None:
    """With its spaces, since how long it is may count."""
    told: Any = {"command": ['{"a": 1}', '[ "b" ]', "{no json"], "count": 3, "share": 0.5, "is": True, "none": None}
    assert HIDDEN.value(told) == told


@pytest.mark.parametrize("value", ["x", 'quote " and \\ and é and \n', "", "a" * 500, "postgres://u:p@host/db"])
@pytest.mark.parametrize("hiding", [HIDDEN, SHOWN])
def test_a_plan_of_what_is_hidden_is_the_hidden_plan(value: str, hiding: CaseHiding) -> None:
    """So that a case can be replayed although nobody sees its values."""
    frozen = admitted(
        body(stages=[{"image": "echo", "command": ["echo", "x"], "environment": {"MODE": value}}]), catalog()
    )
    asked = {
        "step": "plan_next_step",
        "execution_arn": execution_arn(),
        "started_at": "2026-01-01T00:00:00Z",
        "now": "2026-01-01T00:00:01Z",
        "input": {
            "job_id": frozen.job_id,
            "lambda_result": {
                "total_stages_count": 1,
                "processed_stages_count": 0,
                "config": {"bucket": "b", "stages": [stage.model_dump(mode="json") for stage in frozen.stages]},
            },
        },
    }
    told, of_hidden = (planned(item) for item in (asked, hiding.object(asked)))
    assert hiding.value(of_hidden) == hiding.value(told)


def planned(asked: dict[str, Any]) -> dict[str, Any]:
    """What the planner answers."""
    request = PlanRequest.model_validate(asked)
    return plan(request, request.input.lambda_result.config.stages).model_dump(mode="json")
