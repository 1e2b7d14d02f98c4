"""The state machine: every way through it, every path it reads, and Step Functions' limits on a long job."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from schemas.catalog import Retries
from schemas.events import WaitDetail, is_ours_by_type
from schemas.job import MAX_STAGES, ONE_YEAR_SECONDS
from schemas.plan import (
    Attempt,
    Config,
    Decision,
    ErrorResult,
    ExecutionInput,
    LambdaResult,
    NextStage,
    PlanRequest,
    Stage,
    Waiting,
)
from service.core.planning.planning import MOST_ATTEMPTS
from service.core.planning.waiting import MOST_REFUSALS
from workers.requests import LARGEST_TRAVELLING_BYTES

State = dict[str, Any]

MACHINE: State = json.loads((Path(__file__).parents[2] / "deploy" / "state_machine.asl.json").read_text())
STATES: dict[str, State] = MACHINE["States"]
PLANNERS = ("plan_next_step", "handle_error_step", "fail_step")
RUNS = tuple(name for name, state in STATES.items() if "ecs:runTask" in state.get("Resource", ""))
CALLBACKS = tuple(name for name in RUNS if STATES[name]["Resource"].endswith(".waitForTaskToken"))
PLANNED = STATES["plan_next_step"]

MAX_PAYLOAD_BYTES = 262_144  # [botocore, SensitiveData]
MAX_HISTORY_EVENTS = 25_000  # [Step Functions quotas]
LONGEST_CAUSE = 32_768  # [botocore, SensitiveCause]
MAX_OVERRIDES_CHARACTERS = 8192  # [botocore, RunTask]
# Events in the history of an execution, by what a state is [GetExecutionHistory; AWS-recorded histories].
PLANNER_EVENTS = 5  # entered, scheduled, started, succeeded, exited
RUN_EVENTS = 6  # the same, and submitted
OTHER_EVENTS = 2  # entered, exited
DEFAULT_FAILURES = Retries().transient + Retries().out_of_memory + Retries().application


def nexts(state: State) -> Iterator[str]:
    """The states that may follow this one."""
    yield from (state[key] for key in ("Next", "Default") if key in state)
    for branch in (*state.get("Choices", ()), *state.get("Catch", ())):
        yield branch["Next"]


def strings(value: Any) -> Iterator[str]:
    """Every string in a piece of the definition, comments left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key != "Comment":
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def choice_values(name: str, variable: str) -> set[str]:
    """What a choice state knows a variable to be."""
    rules = [part for rule in STATES[name]["Choices"] for part in rule.get("And", [rule])]
    return {rule["StringEquals"] for rule in rules if rule["Variable"] == variable and "StringEquals" in rule}


def test_every_next_exists_and_every_state_is_reached() -> None:
    """No transition leads nowhere, and no state is dead."""
    reached, waiting = set(), [MACHINE["StartAt"]]
    while waiting:
        name = waiting.pop()
        assert name in STATES
        if name not in reached:
            reached.add(name)
            waiting.extend(nexts(STATES[name]))
    assert reached == set(STATES)


def test_every_state_leads_on_or_ends() -> None:
    """Only Succeed and Fail have nothing after them."""
    ends = {name for name, state in STATES.items() if not list(nexts(state))}
    assert ends == {name for name, state in STATES.items() if state["Type"] in {"Succeed", "Fail"}}


def test_the_choices_know_all_that_the_planner_can_say() -> None:
    """Each decision and each launch has its branch."""
    launches = get_args(NextStage.model_fields["launch"].annotation)
    assert choice_values("next_stage_choice_step", "$.lambda_result.decision") == set(get_args(Decision))
    for name in ("next_stage_choice_step", "launch_choice_step"):
        assert choice_values(name, "$.lambda_result.next_stage.launch") == set(launches)


def test_a_launch_leads_to_the_same_run_at_once_and_after_a_wait() -> None:
    """The choice after a plan knows the launches too, so that a stage need not pass through a second choice."""
    after_a_wait = {rule["StringEquals"]: rule["Next"] for rule in STATES["launch_choice_step"]["Choices"]}
    both = [rule for rule in STATES["next_stage_choice_step"]["Choices"] if "And" in rule]
    assert {rule["And"][1]["StringEquals"]: rule["Next"] for rule in both} == after_a_wait
    # Only a decision to run has a launch: the path of the second test leads nowhere for the others.
    assert all(rule["And"][0]["StringEquals"] == "run" for rule in both)


def test_no_choice_follows_a_choice_and_nothing_only_passes_on() -> None:
    """Each state that is entered is billed."""
    choices = {name for name, state in STATES.items() if state["Type"] == "Choice"}
    assert not any(set(nexts(STATES[name])) & choices for name in choices)
    assert not any(state["Type"] == "Pass" for state in STATES.values())


def test_what_the_choices_do_not_know_fails_by_name() -> None:
    """An unknown decision or launch ends with an error of its own, not with States.NoChoiceMatched."""
    for name in ("next_stage_choice_step", "launch_choice_step"):
        assert STATES[STATES[name]["Default"]]["Error"].startswith("Jobferry.")
    assert [rule["Next"] for rule in STATES["next_stage_choice_step"]["Choices"]].count("unknown_launch") == 1


def test_a_wait_is_told_of_and_happens_all_the_same() -> None:
    """Only a plan that says for what it waits leads there; that nobody can be told must not fail the job."""
    choices = STATES["next_stage_choice_step"]["Choices"]
    [rule_of_waits] = [rule for rule in choices if rule["Next"] == "tell_waiting_step"]
    assert (rule_of_waits["Variable"], rule_of_waits["IsPresent"]) == ("$.lambda_result.next_stage.waiting.tries", True)
    assert choices.index(rule_of_waits) < [rule["Next"] for rule in choices].index("wait_before_retry")
    state = STATES["tell_waiting_step"]
    assert state["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": state["Next"]}]
    assert (state["Next"], state["ResultPath"]) == ("wait_before_retry", None)


def test_what_the_state_machine_tells_is_an_event_that_the_worker_reads() -> None:
    """Every field of its model."""
    body = STATES["tell_waiting_step"]["Parameters"]["MessageBody"]
    assert is_ours_by_type(body)
    assert {key.removesuffix(".$") for key in body["detail"]} == set(WaitDetail.model_fields)


@pytest.mark.parametrize("name", RUNS)
def test_a_stage_that_fails_in_any_way_goes_to_the_planner(name: str) -> None:
    """Every error of a run state is caught, and retries are the planner's alone."""
    assert STATES[name]["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error_result", "Next": "handle_error_step"}
    ]
    assert "Retry" not in STATES[name]


@pytest.mark.parametrize("name", RUNS)
def test_no_result_of_a_stage_can_fail_for_what_AWS_leaves_out(name: str) -> None:
    """A path that selects nothing fails the state, so none selects but the whole; the planner reads the stop code."""
    of_the_context = {"$$.Execution.RedriveCount"}  # 0 before a redrive [recorded, datadog-lambda-python]
    assert set(STATES[name].get("ResultSelector", {}).values()) <= {"$"} | of_the_context
    assert STATES[name]["ResultPath"] == "$.stage_result"


@pytest.mark.parametrize("name", RUNS)
def test_no_stage_waits_for_ever(name: str) -> None:
    """Each run state has a timeout, and the callback ones a heartbeat too, since nobody watches their task."""
    assert STATES[name]["TimeoutSecondsPath"] == "$.lambda_result.next_stage.timeout_seconds"
    assert ("HeartbeatSecondsPath" in STATES[name]) == (name in CALLBACKS)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_names_a_launch_type_or_capacity_providers(name: str) -> None:
    """RunTask refuses both at once."""
    keys = {"LaunchType.$", "CapacityProviderStrategy.$"} & STATES[name]["Parameters"].keys()
    assert keys == {"CapacityProviderStrategy.$" if "capacity_provider" in name else "LaunchType.$"}


def test_launch_names_lead_to_the_run_of_that_kind() -> None:
    """`callback` waits for a token and `sync` does not; `on_capacity_provider` uses a strategy."""
    for rule in STATES["launch_choice_step"]["Choices"]:
        launch, state = rule["StringEquals"], STATES[rule["Next"]]
        assert launch.startswith("callback") == state["Resource"].endswith(".waitForTaskToken")
        assert launch.endswith("_on_capacity_provider") == ("CapacityProviderStrategy.$" in state["Parameters"])


def test_the_four_runs_differ_in_nothing_else() -> None:
    """Network, overrides but for the token, group and error handling are one and the same."""
    own = ("Comment", "Resource", "HeartbeatSecondsPath", "ResultSelector")

    def common(state: State) -> State:
        copy = json.loads(json.dumps({key: value for key, value in state.items() if key not in own}))
        copy["Parameters"].pop("LaunchType.$", None)
        copy["Parameters"].pop("CapacityProviderStrategy.$", None)
        copy["Parameters"]["Overrides"]["ContainerOverrides"][0].pop("Environment.$")
        return dict(copy)

    assert all(common(STATES[name]) == common(STATES[RUNS[0]]) for name in RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_what_only_the_context_knows_stands_between_the_parts_of_the_environment(name: str) -> None:
    """The planner's parts with the redrive count and the token between them are the JSON of one environment.

    A redriven state runs with the same input, so the count cannot be planned.
    """
    parts = [
        "$.lambda_result.next_stage.environment_before_redrive",
        "$$.Execution.RedriveCount",
        "$.lambda_result.next_stage.environment_after_redrive",
    ]
    if name in CALLBACKS:
        parts += ["$$.Task.Token", "$.lambda_result.next_stage.environment_after_token"]
    override = STATES[name]["Parameters"]["Overrides"]["ContainerOverrides"][0]
    form = "{}" * len(parts)
    assert override["Environment.$"] == f"States.StringToJson(States.Format('{form}', {', '.join(parts)}))"
    if name in CALLBACKS:  # The result of the others is the task, which has its environment.
        assert STATES[name]["ResultSelector"]["redrive.$"] == "$$.Execution.RedriveCount"


def test_planner_states_differ_only_in_the_step_they_name() -> None:
    """The three steps are one call, told apart by `step`, which is the state's own name."""
    for name in PLANNERS:
        state = json.loads(json.dumps(STATES[name]))
        assert state["Parameters"]["Payload"].pop("step") == name
        assert state["Parameters"]["Payload"] == {
            key: value for key, value in PLANNED["Parameters"]["Payload"].items() if key != "step"
        }
        assert [state[key] for key in ("Retry", "ResultPath", "Next")] == [
            PLANNED[key] for key in ("Retry", "ResultPath", "Next")
        ]


def test_the_payload_and_the_plan_are_those_of_the_schemas() -> None:
    """The Lambda gets a whole PlanRequest, and all fields of its LambdaResult are kept."""
    payload = {key.removesuffix(".$") for key in PLANNED["Parameters"]["Payload"]}
    assert payload == set(PlanRequest.model_fields)
    assert PLANNED["ResultSelector"] == {f"{name}.$": f"$.Payload.{name}" for name in LambdaResult.model_fields}


def test_every_path_exists_in_the_schemas() -> None:
    """A path that selects nothing fails the state, so each one is a field that a plan always has."""
    paths = {path for text in strings(STATES) for path in re.findall(r"(?<!\$)\$\.lambda_result[\w.]*", text)}
    assert len(paths) > 15
    for path in paths:
        assert leads_to_a_field(ExecutionInput, path.split(".")[1:]), path


def leads_to_a_field(model: type[BaseModel], names: list[str]) -> bool:
    """Whether these names, one inside the other, are fields of the model."""
    if names[0] not in model.model_fields:
        return False
    if not names[1:]:
        return True
    annotation = model.model_fields[names[0]].annotation
    kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    return any(leads_to_a_field(kind, names[1:]) for kind in kinds if issubclass(kind, BaseModel))


def test_the_results_of_states_have_a_place_in_the_schemas() -> None:
    """Whatever a state adds to its input, the planner can read."""
    added = {state["ResultPath"] for state in STATES.values() if state.get("ResultPath")}
    added |= {item["ResultPath"] for state in STATES.values() for item in state.get("Catch", ()) if item["ResultPath"]}
    assert {path.removeprefix("$.") for path in added} <= set(ExecutionInput.model_fields)


def test_a_job_that_failed_can_be_redriven() -> None:
    """A redrive enters the state again that failed; a Fail state fails again, so only what nobody can mend is one.

    [Step Functions guide, redrive-executions]
    """
    fails = {name for name, state in STATES.items() if state["Type"] == "Fail"}
    assert fails == {"unknown_decision", "unknown_launch"}


def test_the_whole_execution_ends_within_the_year() -> None:
    """The backstop rings before Step Functions itself gives up."""
    assert 0.9 * ONE_YEAR_SECONDS < MACHINE["TimeoutSeconds"] < ONE_YEAR_SECONDS


# --- Limits -----------------------------------------------------------------------------------------------------------

PASSED = ("next_stage_choice_step", CALLBACKS[0])
REFUSED = (
    "next_stage_choice_step",
    "tell_waiting_step",
    "wait_before_retry",
    "launch_choice_step",
    CALLBACKS[0],
)
FAILED = ("next_stage_choice_step", "wait_before_retry", "launch_choice_step", CALLBACKS[0])


def events(path: tuple[str, ...]) -> int:
    """How long a history these states make, each of which must be able to follow the one before."""
    assert all(after in set(nexts(STATES[before])) for before, after in pairwise(path))
    counts = {**dict.fromkeys((*PLANNERS, "tell_waiting_step"), PLANNER_EVENTS), **dict.fromkeys(RUNS, RUN_EVENTS)}
    return sum(counts.get(name, OTHER_EVENTS) for name in path)


def most_events(stages: int, failures_a_stage: int) -> int:
    """The history of a job whose every stage fails so often before it passes."""
    failed = events((*FAILED, "handle_error_step"))
    passed = events(("plan_next_step", *PASSED))
    end = events(("plan_next_step", "next_stage_choice_step", "job_succeeded"))
    return 1 + stages * (passed + failures_a_stage * failed) + end + 1


def test_a_long_job_with_every_default_retry_stays_within_the_history() -> None:
    """A hundred stages that each use up all of the default retries make less than half of a full history."""
    assert most_events(MAX_STAGES, DEFAULT_FAILURES) < MAX_HISTORY_EVENTS / 2


def test_all_attempts_and_all_waits_together_fit_into_the_history() -> None:
    """As many as the planner makes of a job, in as many stages as there may be: nothing is left to the quota."""
    failed = (MOST_ATTEMPTS - MAX_STAGES) * events((*FAILED, "handle_error_step"))
    refused = events((*REFUSED, "handle_error_step")) - 1  # No task was submitted.
    assert refused == 21
    assert most_events(MAX_STAGES, 0) + failed + MOST_REFUSALS * refused < MAX_HISTORY_EVENTS


def test_the_event_count_is_that_of_a_known_history() -> None:
    """One stage that passes at once: started, 5 + 2 + 6 for the stage, 5 + 2 + 2 for the end, succeeded."""
    assert most_events(1, 0) == 24


def attempts(count: int) -> tuple[Attempt, ...]:
    """Attempts as wide as they come."""
    arn = f"arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task/{'c' * 32}/{'0' * 32}"
    return tuple(
        Attempt(redrive=99, stage=MAX_STAGES, attempt=6, passed=False, task_arn=arn, exit_code=137,
                failure_class="capacity_unavailable", error="ECS.InvalidParameterException")
        for _ in range(count)
    )  # fmt: skip


def widest_input(config: Config, tried: int) -> ExecutionInput:
    """The input of `handle_error_step`, the fullest of all: a failure's cause beside all that came before."""
    quoted = '"' * (LONGEST_CAUSE // 2)  # JSON text in a string: every second character is escaped once more.
    stage = NextStage(
        stage=MAX_STAGES, attempt=6, name="n" * 64, image="i" * 64, user="u" * 128, launch="callback",
        task_definition="t" * 255, container="c" * 255, launch_type="FARGATE", capacity_provider_strategy=(),
        group="job:" + "j" * 64, command=("x" * (MAX_OVERRIDES_CHARACTERS // 2),),
        environment_before_redrive="x" * (MAX_OVERRIDES_CHARACTERS // 2), environment_after_redrive="x" * 60,
        environment_after_token='"}]',
        cpu="256", memory="512", timeout_seconds=3600, heartbeat_seconds=60, refusals=MOST_REFUSALS,
        waiting=Waiting(
            since="2026-01-01T00:00:00.000Z", tries=MOST_REFUSALS, failure_class="capacity_unavailable", why="w" * 400,
        ),
    )  # fmt: skip
    plan = LambdaResult(
        total_stages_count=MAX_STAGES, processed_stages_count=MAX_STAGES - 1, next_stage=stage,
        attempts=attempts(tried), config=config,
    )  # fmt: skip
    return ExecutionInput(
        job_id="j" * 64, input_file="f" * 1024, user="u" * 128, lambda_result=plan,
        stage_result={
            "TaskArn": "t" * 120, "StoppedReason": "r" * 1024, "Attachments": [{"Details": "d" * 1000}] * 3,
            "Containers": [{"Name": "c" * 255, "Reason": "r" * 1024, "Image": "i" * 300, "Arn": "a" * 300}] * 10,
            "Overrides": "o" * MAX_OVERRIDES_CHARACTERS,
        },
        error_result=ErrorResult(Error="States.TaskFailed", Cause=quoted),
    )  # fmt: skip


def size(model: BaseModel) -> int:
    """Bytes of a model as the payload of a state."""
    return len(model.model_dump_json().encode())


def test_a_long_job_with_every_default_retry_stays_within_the_payload() -> None:
    """A hundred stages with all their attempts, a config as large as may travel, and the longest cause."""
    stage = Stage(
        name="s" * 64, image="i" * 64, task_definition="jobferry-pictures", container="pictures", integration="sync",
        launch_type="FARGATE", on_fargate=True, command=("x" * 500,), cpu=256, memory=512, max_memory=512,
        timeout_seconds=3600, heartbeat_seconds=60, retries=Retries(),
    )  # fmt: skip
    inline = Config(bucket="b" * 63, stages=(stage,) * (LARGEST_TRAVELLING_BYTES // size(stage)))
    assert (1 + DEFAULT_FAILURES) * MAX_STAGES <= MOST_ATTEMPTS
    fullest = widest_input(inline, MOST_ATTEMPTS)
    call = json.dumps({**PLANNED["Parameters"], "execution_arn": "a" * 256})  # What the state wraps around its input.
    assert size(fullest) + len(call) < MAX_PAYLOAD_BYTES


def test_substitutions_are_the_only_thing_that_is_not_yet_asl() -> None:
    """Each `${Name}` stands inside a string, so the file is JSON and its structure is final."""
    names: Mapping[str, int] = {name: 1 for text in strings(MACHINE) for name in re.findall(r"\$\{(\w+)\}", text)}
    network = {"SubnetIds", "SecurityGroupIds", "AssignPublicIp"}
    assert set(names) == {"Partition", "PlanNextStepFunction", "ClusterArn", "EventQueueUrl", *network}
