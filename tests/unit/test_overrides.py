"""What a container is told, and how long that makes RunTask's overrides."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.plan import Stage
from schemas.trace import Trace
from service.core.overrides import MAX_OVERRIDES_CHARACTERS, environment, environment_texts, longest_overrides
from service.core.tracing import LONGEST_TRACE
from tests.support.builders import JOB, TRACE_HEADER, TRACEPARENT, admitted, body, execution_arn


def stage(**fields: Any) -> Stage:
    """A stage that echoes, changed in these fields."""
    return admitted(body()).stages[0].model_copy(update=fields)


def told(
    number: int = 1, *, of: Stage | None = None, input_file: str | None = "in/a.jpg", trace: Trace | None = None
) -> dict[str, str]:
    """The variables of an attempt, by name."""
    pairs = environment(of or stage(), number, 2, JOB, execution_arn(), "bucket", input_file, "ifgeek", trace)
    assert len({pair["Name"] for pair in pairs}) == len(pairs)
    return {pair["Name"]: pair["Value"] for pair in pairs}


def test_a_container_learns_who_it_is() -> None:
    """The first stage reads the job's input file; every stage writes under its own prefix."""
    assert told() == {
        "JOBFERRY_JOB_ID": JOB,
        "JOBFERRY_STAGE": "1",
        "JOBFERRY_ATTEMPT": "2",
        "JOBFERRY_EXECUTION_ARN": execution_arn(),
        "JOBFERRY_INPUT_FILE": "s3://bucket/in/a.jpg",
        "JOBFERRY_INPUT": "s3://bucket/in/a.jpg",
        "JOBFERRY_OUTPUT": f"s3://bucket/jobs/{JOB}/stages/1/",
        "JOBFERRY_USER": "ifgeek",
    }


def test_a_later_stage_reads_what_the_one_before_wrote() -> None:
    """And still knows the input file of the job."""
    variables = told(2)
    assert variables["JOBFERRY_INPUT"] == f"s3://bucket/jobs/{JOB}/stages/1/"
    assert variables["JOBFERRY_INPUT_FILE"] == "s3://bucket/in/a.jpg"


def test_what_is_empty_is_left_out() -> None:
    """ECS drops variables without a value, so none is sent."""
    variables = told(of=stage(environment={"MODE": "", "SIZE": "1"}), input_file=None)
    assert not variables.keys() & {"MODE", "JOBFERRY_INPUT", "JOBFERRY_INPUT_FILE"}
    assert variables["SIZE"] == "1"


def test_a_container_goes_on_with_the_trace() -> None:
    """Under the names that OpenTelemetry's and X-Ray's tools read; what is not known is not given."""
    both = Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)
    variables = told(trace=both)
    assert (variables["TRACEPARENT"], variables["_X_AMZN_TRACE_ID"]) == (TRACEPARENT, TRACE_HEADER)
    assert "_X_AMZN_TRACE_ID" not in told(trace=Trace(traceparent=TRACEPARENT))


def test_our_names_win() -> None:
    """Even if a request had got past admission with a name of ours, a container would not be deceived."""
    assert told(of=stage(environment={"JOBFERRY_STAGE": "9"}))["JOBFERRY_STAGE"] == "1"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=10), max_size=4), st.text(alphabet="Ab0+/=", min_size=1))
def test_redrive_and_token_are_put_where_the_environment_was_cut(variables: dict[str, str], token: str) -> None:
    """The state machine joins the parts around them, whatever the values hold, and has the list again."""
    pairs = [{"Name": name, "Value": value} for name, value in variables.items()]
    expected = [*pairs, {"Name": "JOBFERRY_REDRIVE", "Value": "3"}]
    before, after, nothing = environment_texts(pairs, with_token=False)
    assert (json.loads(f"{before}3{after}"), nothing) == (expected, "")
    before, middle, after = environment_texts(pairs, with_token=True)
    assert json.loads(f"{before}3{middle}{token}{after}") == [*expected, {"Name": "TASK_TOKEN", "Value": token}]


def test_an_environment_is_as_short_as_json_can_be() -> None:
    """It is a part of what Step Functions hands from state to state, which has a limit."""
    before, middle, after = environment_texts([{"Name": "A", "Value": "b"}], with_token=True)
    assert before == '[{"Name":"A","Value":"b"},{"Name":"JOBFERRY_REDRIVE","Value":"'
    assert (middle, after) == ('"},{"Name":"TASK_TOKEN","Value":"', '"}]')


def test_no_attempt_has_longer_overrides_than_were_measured() -> None:
    """The measure at admission holds for the longest ARN, bucket, attempt and memory that may come."""
    measured = stage(environment={"MODE": "fast"}, max_memory=122_880)
    pairs = environment(measured, 100, 99, JOB, execution_arn(), "b" * 63, "in/a.jpg", "ifgeek", LONGEST_TRACE)
    pairs.append({"Name": "JOBFERRY_REDRIVE", "Value": "999"})
    overrides = {
        "containerOverrides": [
            {
                "name": measured.container,
                "command": list(measured.command),
                "environment": [{"name": pair["Name"], "value": pair["Value"]} for pair in pairs],
            }
        ],
        "cpu": "16384",
        "memory": "122880",
    }
    assert len(json.dumps(overrides)) <= longest_overrides(measured, JOB, "in/a.jpg", "ifgeek")


def test_a_callback_leaves_room_for_its_token() -> None:
    """A task token may have 2,048 characters."""
    plain = longest_overrides(stage(), JOB, None, None)
    assert longest_overrides(stage(integration="callback"), JOB, None, None) > plain + 2048


def test_the_measure_is_of_the_longest_that_may_come() -> None:
    """To the character: every variable that may be there, in the form that RunTask takes."""
    redrive, token = {"name": "JOBFERRY_REDRIVE", "value": "1000"}, {"name": "TASK_TOKEN", "value": "t" * 2048}
    for integration, more in (("sync", [redrive]), ("callback", [redrive, token])):
        given = stage(integration=integration, environment={"MODE": "fast"}, cpu=256, memory=512, max_memory=2048)
        longest = environment(given, 100, 100, JOB, "a" * 256, "b" * 63, "in/a.jpg", "ifgeek", LONGEST_TRACE)
        assert len(longest) == 11
        variables = [{"name": pair["Name"], "value": pair["Value"]} for pair in longest] + more
        container = {"name": "main", "command": ["echo", "hello", "world"], "environment": variables}
        overrides = {"containerOverrides": [container], "cpu": "256", "memory": "2048"}
        assert longest_overrides(given, JOB, "in/a.jpg", "ifgeek") == len(json.dumps(overrides))
    assert MAX_OVERRIDES_CHARACTERS == 8192
