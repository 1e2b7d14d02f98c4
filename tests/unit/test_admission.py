"""A request and the catalogue give a job, or every reason why not."""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import Any

import pytest

from service.core.admission.admission import Admitted, Refused, admit, check_job_types
from service.core.admission.placeholders import UnknownPlaceholderError
from service.core.overrides import MAX_OVERRIDES_CHARACTERS
from tests.support.builders import MESSAGE, admitted, body, catalog, reasons, refused

ECHO = {"image": "echo", "command": ["echo", "hi"]}


def stage(**fields: Any) -> dict[str, Any]:
    """A stage of the image that may echo."""
    return {**ECHO, **fields}


def test_a_request_that_is_in_order_becomes_a_job() -> None:
    """All that the request says is in the job, and the image's own limits with it."""
    job = admitted(
        body(
            job_id="thumbs-42",
            tenant="web",
            user="ifgeek",
            input_file="input/uploads/example.jpg",
            labels={"team": "pictures"},
            stages=[stage(environment={"MODE": "fast", "OPT_SIZE": ""}), {"image": "reporter"}],
        )
    )
    first, second = job.stages
    assert job.job_id == "thumbs-42"
    assert (first.name, first.command, first.environment) == ("echo", ("echo", "hi"), {"MODE": "fast", "OPT_SIZE": ""})
    assert (first.integration, first.timeout_seconds, first.memory, first.max_memory) == ("sync", 600, 512, 512)
    assert (second.integration, second.heartbeat_seconds, second.timeout_seconds) == ("callback", 60, 3600)


def test_a_stage_waits_for_capacity_as_long_as_the_request_says_or_else_its_image() -> None:
    """The catalogue's word is the most."""
    impatient = catalog(images={"echo": {"task_definition": "echo", "container": "main", "capacity_wait_seconds": 60}})
    stages = [{"image": "echo"}, {"image": "reporter"}]
    assert [item.capacity_wait_seconds for item in admitted(body(stages=stages), impatient).stages] == [60, 14_400]
    asked = admitted(body(stages=stages, capacity_wait_seconds=0), impatient)
    assert [item.capacity_wait_seconds for item in asked.stages] == [0, 0]
    assert "60 seconds" in refused(body(stages=stages, capacity_wait_seconds=61), impatient).problems[0].remedy


def test_a_request_without_an_id_has_its_messages_id() -> None:
    """So a redelivery is the same job."""
    assert admitted(body()).job_id == MESSAGE
    assert admitted(body(job_id=None)).job_id == MESSAGE


@pytest.mark.parametrize("job_id", ["a", "A-z_0", "-", "_", "0" * 64])
def test_job_ids_that_may_be(job_id: str) -> None:
    """Letters, digits, hyphens and underscores, up to 64 of them."""
    assert admitted(body(job_id=job_id)).job_id == job_id


@pytest.mark.parametrize(
    "job_id",
    [
        "",
        "0" * 65,
        "a b",
        "a.b",
        "a/b",
        "a:b",
        "../x",
        "a\n",
        "\na",
        "ü",
        "\uff11",
        "a\x00",
        "$(rm)",
        7,
        True,
        1.5,
        [],
        {},
    ],
)
def test_job_ids_that_may_not_be(job_id: object) -> None:
    """Anything else is refused by name, and is not repeated as the job's id."""
    refusal = refused(body(job_id=job_id))
    assert {problem.field for problem in refusal.problems} == {"job_id"}
    assert refusal.job_id is None


def test_the_same_request_written_differently_is_the_same_request() -> None:
    """The digest is of what was said, not of how it was written; anything said differently is another request."""
    one = '{"job_id": "a", "stages": [{"image": "echo", "command": ["echo"]}]}'
    same = '{"stages":[{"command":["\\u0065cho"],"image":"echo"}],"job_id":"a"}'
    other = '{"job_id": "a", "stages": [{"image": "echo", "command": ["echo", ""]}]}'
    assert admitted(one) == admitted(same)
    assert admitted(one).digest != admitted(other).digest


@pytest.mark.parametrize(
    "again",
    [{"timeout_seconds": 60.0}, {"tenant": "default"}, {"labels": {}}, {"progress": False}, {"user": None}],
    ids=str,
)
def test_what_is_understood_alike_is_the_same_request(again: dict[str, Any]) -> None:
    """60.0 is 60, and a default that is spelt out is the default."""
    first = {"job_id": "a", "timeout_seconds": 60}
    assert admitted(body(**{**first, **again})).digest == admitted(body(**first)).digest


def test_a_whole_number_for_a_parameter_is_one_however_it_is_written() -> None:
    """Serialisers differ, and the command must not."""
    written = [body(job_type="greet", parameters={"who": "x", "times": times}) for times in (2, 2.0)]
    assert [reasons(text) for text in written] == [reasons(written[0])] * 2


COMMANDS = {
    "as it is": ([["echo", "hi"]], ["echo", "hi"], True),
    "an argument more": ([["echo", "hi"]], ["echo", "hi", "x"], False),
    "an argument less": ([["echo", "hi"]], ["echo"], False),
    "another case": ([["echo"]], ["Echo"], False),
    "a wildcard": ([["echo", "--size=*"]], ["echo", "--size=10"], True),
    "a wildcard spans no arguments": ([["echo", "*"]], ["echo", "a", "b"], False),
    "a wildcard spans lines": ([["sh", "-c", "*"]], ["sh", "-c", "a\nb"], True),
    "a wildcard does not let the end be anything": ([["echo", "*.jpg"]], ["echo", "a.jpg\n"], False),
    "any further arguments": ([["echo", "**"]], ["echo", "a", "b"], True),
    "no further arguments": ([["echo", "**"]], ["echo"], True),
    "less than stands before the rest": ([["echo", "-n", "**"]], ["echo"], False),
    "anything at all": ([["**"]], ["rm", "-rf"], True),
    "two stars inside": ([["**", "x"]], ["a", "b", "x"], False),
    "the second that is allowed": ([["a"], ["b"]], ["b"], True),
}


@pytest.mark.parametrize(("allowed", "command", "fits"), COMMANDS.values(), ids=COMMANDS)
def test_which_commands_the_catalogue_allows(allowed: list[list[str]], command: list[str], fits: bool) -> None:
    """Commands are compared argument by argument: no argument can pose as two."""
    known = catalog(images={"i": {"task_definition": "i", "container": "i", "commands": allowed}})
    assert isinstance(admit(body(stages=[{"image": "i", "command": command}]), MESSAGE, known), Admitted) is fits


def test_a_job_type_gives_the_stages_and_the_parameters_fill_them() -> None:
    """A producer need not know images and commands; booleans are written as JSON writes them."""
    job = admitted(body(job_type="greet", parameters={"who": "world", "loud": True}))
    assert job.stages[0].command == ("echo", "hello world", "true")
    assert admitted(body(job_type="greet", parameters={"who": 1.5})).stages[0].command == ("echo", "hello 1.5", "false")


def test_a_value_is_never_read_as_a_template() -> None:
    """Braces in a value are a producer's text, whatever they look like."""
    job = admitted(body(job_type="greet", parameters={"who": "{loud} {{who}} {"}))
    assert job.stages[0].command[1] == "hello {loud} {{who}} {"


def test_with_stages_of_its_own_a_job_type_is_only_a_label() -> None:
    """Subscribers may filter by a job type that the catalogue does not know."""
    assert admitted(body(job_type="experiment", stages=[ECHO])).request.job_type == "experiment"


def test_filled_stages_are_judged_like_any_others() -> None:
    """A parameter cannot smuggle in a command that the image may not be told."""
    known = catalog(
        images={"sh": {"task_definition": "s", "container": "c", "commands": [["cat", "*.txt"]]}},
        job_types={"show": {"parameters": {"file": {}}, "stages": [{"image": "sh", "command": ["cat", "{file}"]}]}},
    )
    assert admitted(body(job_type="show", parameters={"file": "a.txt"}), known)
    assert reasons(body(job_type="show", parameters={"file": "/etc/passwd"}), known).keys() == {"parameters.command"}


def test_overrides_are_measured_as_AWS_counts_them() -> None:
    """What fits is admitted up to the last character, and what does not is refused before it could fail the job."""

    def admits(length: int) -> bool:
        return isinstance(admit(body(stages=[stage(command=["echo", "x" * length])]), MESSAGE, catalog()), Admitted)

    longest = bisect_left(range(MAX_OVERRIDES_CHARACTERS), True, key=lambda length: not admits(length)) - 1
    assert admits(longest)
    assert not admits(longest + 1)
    assert 6_000 < longest < MAX_OVERRIDES_CHARACTERS
    assert "8,192" in reasons(body(stages=[stage(command=["echo", "x" * 8192])]))["stages.0"]


def test_characters_that_JSON_escapes_count_as_what_they_become() -> None:
    """Eight hundred emoji are nearly ten thousand characters of overrides."""
    assert "stages.0" in reasons(body(stages=[stage(command=["echo", "🚢" * 800])]))


def test_a_job_type_that_names_a_parameter_it_does_not_take_is_found_at_the_start() -> None:
    """A template's fault is the catalogue's, not the producer's."""
    check_job_types(catalog())
    wrong = catalog(job_types={"odd": {"stages": [{"image": "echo", "command": ["echo", "{size}"]}]}})
    with pytest.raises(UnknownPlaceholderError, match=r"job_types\.odd: '\{size\}'"):
        check_job_types(wrong)


def test_a_job_type_may_need_an_input_file() -> None:
    """A request without one is refused, whatever else is wrong with it; one with it runs."""
    needs = catalog(job_types={"shrink": {"requires_input_file": True, "stages": [{"image": "echo"}]}})
    bare, spoilt = {"job_type": "shrink"}, {"job_type": "shrink", "timeout_seconds": "60"}
    for request in (bare, spoilt):
        verdict = admit(json.dumps(request), MESSAGE, needs)
        assert isinstance(verdict, Refused)
        assert "input_file" in {problem.field for problem in verdict.problems}
    assert isinstance(admit(json.dumps({**bare, "input_file": "in/a.jpg"}), MESSAGE, needs), Admitted)
    own_stages = {"job_type": "shrink", "stages": [{"image": "echo"}]}
    assert isinstance(admit(json.dumps(own_stages), MESSAGE, needs), Admitted), "a label alone asks for nothing"


@pytest.mark.parametrize(("given", "seconds"), [({"heartbeat_seconds": 7}, 7), ({}, 60)])
def test_a_heartbeat_is_the_catalogues_or_a_minute(given: dict[str, int], seconds: int) -> None:
    """For an image that reports back."""
    image = {"task_definition": "i", "container": "c", "integration": "callback", **given}
    assert admitted(body(stages=[{"image": "i"}]), catalog(images={"i": image})).stages[0].heartbeat_seconds == seconds


@pytest.mark.parametrize(("given", "most"), [({"max_memory": 2048}, 2048), ({}, 1024)])
def test_a_stage_grows_no_further_than_the_catalogue_lets_it(given: dict[str, int], most: int) -> None:
    """Which is not at all, where it says nothing."""
    image = {"task_definition": "i", "container": "c", "memory": 1024, **given}
    frozen = admitted(body(stages=[{"image": "i"}]), catalog(images={"i": image})).stages[0]
    assert (frozen.memory, frozen.max_memory) == (1024, most)


def test_a_stage_is_frozen_with_all_that_the_catalogue_says_of_its_image() -> None:
    """So that a plan depends on nothing but its input; of the request it has what it may say."""
    image: dict[str, Any] = {
        "task_definition": "family:3",
        "container": "worker",
        "integration": "callback",
        "launch_type": "EC2",
        "capacity_providers": [{"capacity_provider": "spot-group", "weight": 2, "base": 1}],
        "on_demand_fallback": True,
        "cpu": 300,
        "memory": 700,
        "max_memory": 1400,
        "timeout_seconds": 50,
        "heartbeat_seconds": 9,
        "capacity_wait_seconds": 77,
        "retries": {"transient": 5, "out_of_memory": 4, "application": 3},
    }
    known = catalog(images={"i": {**image, "commands": [["**"]], "environment": ["*"]}})
    asked = {"image": "i", "name": "first", "command": ["a", "b"], "environment": {"A": "b"}, "timeout_seconds": 20}
    frozen = admitted(body(stages=[asked]), known).stages[0].model_dump(mode="json")
    expected = {**image, **asked, "on_fargate": False}
    assert {name: frozen[name] for name in expected} == expected
    assert frozen.keys() == expected.keys()


def test_a_stage_of_a_job_type_is_what_the_catalogue_says_of_it() -> None:
    """All of it, with the parameters in their places: name, command, environment and its own timeout."""
    template = {
        "image": "echo",
        "name": "hello",
        "command": ["echo", "{who}"],
        "environment": {"MODE": "for {who}"},
        "timeout_seconds": 77,
    }
    known = catalog(job_types={"greet": {"parameters": {"who": {}}, "stages": [template, {"image": "echo"}]}})
    first, second = admitted(body(job_type="greet", parameters={"who": "ann"}), known).stages
    assert (first.name, first.command, first.environment) == ("hello", ("echo", "ann"), {"MODE": "for ann"})
    assert (first.timeout_seconds, second.timeout_seconds, second.name, second.command) == (77, 600, "echo", ())


def test_what_is_wrong_with_a_stage_is_told_beside_what_is_wrong_with_the_request() -> None:
    """Whoever mends one is not refused for the other."""
    verdict = admit(
        body(tenant="!", user=5, stages=[{"image": "echo"}, {"image": 5, "colour": "red"}]), MESSAGE, catalog()
    )
    assert isinstance(verdict, Refused)
    assert {problem.field for problem in verdict.problems} >= {"tenant", "user", "stages.1.image", "stages.1.colour"}


def test_a_job_may_wait_for_capacity_as_long_as_its_images_may() -> None:
    """To the second: four hours, unless the catalogue says otherwise."""
    [stage] = admitted(body(capacity_wait_seconds=14_400)).stages
    assert stage.capacity_wait_seconds == 14_400
    assert [problem.field for problem in refused(body(capacity_wait_seconds=14_401)).problems] == [
        "capacity_wait_seconds"
    ]
