"""The parts of the Amazon States Language that our state machine uses, where emulators are apt to be lenient."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cloud import Cloud, Record

END: Record = {"Type": "Pass", "End": True}


def passing(parameters: Any) -> Record:
    """A state machine that fills in a payload template."""
    return {"Pass": {**END, "Parameters": parameters}}


def test_a_template_is_filled_in(cloud: Cloud) -> None:
    """Paths, nested objects and lists, literal members."""
    template = {"a.$": "$.x.y", "deep": {"list": [{"b.$": "$.z[1]"}, "plain"]}, "all.$": "$.z[*]", "n": 1}
    given = {"x": {"y": None}, "z": [1, 2]}
    expected = {"a": None, "deep": {"list": [{"b": 2}, "plain"]}, "all": [1, 2], "n": 1}
    assert cloud.output(passing(template), given) == expected


def test_the_context_object(cloud: Cloud) -> None:
    """The execution's id, name and start, and the state's name and entry."""
    of_execution = ("Execution.Id", "Execution.Name", "Execution.StartTime")
    names = (*of_execution, "State.Name", "State.EnteredTime", "StateMachine.Id")
    template = {f"{name.replace('.', '')}.$": f"$$.{name}" for name in names}
    machine = cloud.define_machine(passing(template))
    arn = cloud.sfn.start_execution(stateMachineArn=machine, name="me")["executionArn"]
    ended = cloud.await_end(arn)
    seen = json.loads(ended["output"])
    assert (seen["ExecutionId"], seen["ExecutionName"], seen["StateName"]) == (arn, "me", "Pass")
    assert seen["StateMachineId"] == machine
    assert seen["ExecutionStartTime"] <= seen["StateEnteredTime"]
    assert seen["StateEnteredTime"].endswith("Z")


def test_intrinsic_functions(cloud: Cloud) -> None:
    """Formats hold JSON values, nest, and reach into the context."""
    template = {
        "parsed.$": "States.StringToJson(States.Format('{}{}{}', $.head, $$.Execution.Name, $.tail))",
        "values.$": "States.Format('{} {} {} {}', $.yes, $.none, $.number, $.text)",
        "escaped.$": "States.Format('\\{\\} it\\'s {}', $.text)",
        "merged.$": "States.JsonMerge($.one, $.two, false)",
        "text.$": "States.JsonToString($.one)",
        "sum.$": "States.MathAdd($.number, 1)",
        "list.$": "States.Array($.number, 'x', States.ArrayLength($.items))",
        "item.$": "States.ArrayGetItem($.items, 1)",
        "uuid.$": "States.UUID()",
    }
    given = {
        "head": '{"id": "', "tail": '"}', "yes": True, "none": None, "number": 3, "text": "t", "one": {"a": 1},
        "two": {"b": 2}, "items": [5, 6],
    }  # fmt: skip
    output = cloud.output(passing(template), given)
    assert len(output["parsed"]["id"]) == 36
    assert output["values"] == "true null 3 t"
    assert output["escaped"] == "{} it's t"
    assert (output["merged"], output["text"], output["sum"]) == ({"a": 1, "b": 2}, '{"a":1}', 4)
    assert (output["list"], output["item"], len(output["uuid"])) == ([3, "x", 2], 6, 36)


@pytest.mark.parametrize(
    "state",
    [
        {**END, "Parameters": {"x.$": "$.absent"}},
        {**END, "Parameters": {"x.$": "$.there.absent"}},
        {**END, "Parameters": {"x.$": "States.Format('{}', $.absent)"}},
        {**END, "Parameters": {"x.$": "$$.Execution.Absent"}},
        {**END, "InputPath": "$.absent"},
        {**END, "OutputPath": "$.absent"},
        {"Type": "Wait", "SecondsPath": "$.absent", "End": True},
        {"Type": "Choice", "Choices": [{"Variable": "$.absent", "StringEquals": "x", "Next": "End"}], "Default": "End"},
        {"Type": "Fail", "ErrorPath": "$.absent", "Cause": "c"},
    ],
    ids=["field", "nested", "intrinsic", "context", "InputPath", "OutputPath", "Wait", "Choice", "Fail"],
)
def test_a_path_that_leads_nowhere_fails_the_execution(cloud: Cloud, state: Record) -> None:
    """AWS gives no null for what is absent."""
    ended = cloud.result({"State": state, "End": {"Type": "Pass", "End": True}}, {"there": {}})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    assert "could not be found in the input" in ended["cause"]


def test_the_cause_names_the_state_the_path_and_the_field(cloud: Cloud) -> None:
    """Worded as AWS does."""
    ended = cloud.result(passing({"x.$": "$.absent"}), {"a": 1})
    assert ended["cause"] == (
        "An error occurred while executing the state 'Pass' (entered at the event id #2). The JSONPath '$.absent' "
        """specified for the field 'x.$' could not be found in the input '{"a":1}'"""
    )


def test_nothing_but_its_name_catches_a_runtime_error(cloud: Cloud) -> None:
    """States.ALL does not."""
    call = {
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {"x.$": "$.absent"}, "End": True,
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "End"}],
    }  # fmt: skip
    assert cloud.result({"Call": call, "End": END})["error"] == "States.Runtime"


def test_a_failing_intrinsic_has_a_name_of_its_own(cloud: Cloud) -> None:
    """States.IntrinsicFailure."""
    assert cloud.result(passing({"x.$": "States.StringToJson($.t)"}), {"t": "{"})["error"] == "States.IntrinsicFailure"


@pytest.mark.parametrize(
    ("rule", "given", "met"),
    [
        ({"Variable": "$.a", "IsPresent": True}, {"a": None}, True),
        ({"Variable": "$.a", "IsPresent": True}, {}, False),
        ({"Variable": "$.a", "IsPresent": False}, {}, True),
        ({"Variable": "$.a", "StringEquals": "x"}, {"a": "x"}, True),
        ({"Variable": "$.a", "StringMatches": "job-*"}, {"a": "job-1"}, True),
        ({"Variable": "$.a", "StringLessThanPath": "$.b"}, {"a": "x", "b": "y"}, True),
        ({"Variable": "$.a", "NumericLessThanPath": "$.b"}, {"a": 1, "b": 2}, True),
        ({"Variable": "$.a", "NumericLessThanPath": "$.b"}, {"a": 2, "b": 2}, False),
        ({"Variable": "$.a", "BooleanEquals": True}, {"a": False}, False),
        ({"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a", "NumericEquals": 1}]}, {"a": 1}, True),
        ({"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a", "NumericEquals": 1}]}, {}, False),
        ({"Not": {"Variable": "$.a", "IsNull": True}}, {"a": 1}, True),
        ({"Variable": "$$.State.RetryCount", "NumericEquals": 0}, {}, True),
    ],
)
def test_a_choice(cloud: Cloud, rule: Record, given: Record, met: bool) -> None:
    """Rules decide as AWS's do."""
    states = {
        "Choose": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
        "Yes": {**END, "Result": True},
        "No": {**END, "Result": False},
    }
    assert cloud.output(states, given) is met


def test_result_selector_and_result_path(cloud: Cloud) -> None:
    """A result is selected from, with the context at hand, and put into the input."""
    function = cloud.define_function("def handler(event, context):\n    return {'a': {'b': [event['n'], 2]}}\n")
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {"n.$": "$.n"}},
        "ResultSelector": {"first.$": "$.Payload.a.b[0]", "state.$": "$$.State.Name"},
        "ResultPath": "$.plan.next",
        "End": True,
    }
    assert cloud.output({"Call": call}, {"n": 7}) == {"n": 7, "plan": {"next": {"first": 7, "state": "Call"}}}


def test_a_wait_by_path(cloud: Cloud) -> None:
    """SecondsPath is waited for."""
    ended = cloud.result({"Wait": {"Type": "Wait", "SecondsPath": "$.s", "End": True}}, {"s": 1})
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() >= 1


def test_a_failure_by_path(cloud: Cloud) -> None:
    """ErrorPath and CausePath are read, intrinsics included."""
    state = {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}!', $.c)"}
    ended = cloud.result({"Fail": state}, {"e": "Mine", "c": "because"})
    assert (ended["error"], ended["cause"]) == ("Mine", "because!")


def test_a_failure_that_says_nothing(cloud: Cloud) -> None:
    """An empty Fail state has neither error nor cause."""
    ended = cloud.result({"Fail": {"Type": "Fail"}})
    assert (ended["status"], ended.get("error"), ended.get("cause")) == ("FAILED", None, None)


def test_branches_are_stopped_with_their_execution(cloud: Cloud) -> None:
    """A Parallel state of an ended execution goes no further, and its failure is its own."""
    branch = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}
    states = {"Both": {"Type": "Parallel", "Branches": [branch, branch], "End": True}}
    ended = cloud.result(states, TimeoutSeconds=1)
    assert ended["status"] == "TIMED_OUT"
