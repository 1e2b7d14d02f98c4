"""What a request is refused for, and in which words: every reason at once, each with its remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.notification import Problem
from service.core.admission.admission import MAX_PROBLEMS, Refused, admit, conflict
from tests.support.builders import MESSAGE, admitted, body, catalog, reasons, refused

ECHO = {"image": "echo", "command": ["echo", "hi"]}


def stage(**fields: Any) -> dict[str, Any]:
    """A stage of the image that may echo."""
    return {**ECHO, **fields}


def test_a_refusal_names_the_default_tenant() -> None:
    """Who filters by it hears of rejections too; a tenant that cannot be read is none."""
    assert refused(body(nonsense=1)).tenant == "default"
    assert refused(body(nonsense=1, tenant="web")).tenant == "web"
    assert refused(body(nonsense=1, tenant="*")).tenant is None


REFUSED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing to run": ({"stages": []}, {"": "says nothing to run"}),
    "an unknown field": ({"job_type": "greet", "priority": 1}, {"priority": "not permitted"}),
    "an unknown job type": ({"job_type": "gret"}, {"job_type": "no job type is named 'gret'"}),
    "an unknown image": ({"stages": [{"image": "nope"}]}, {"stages.0.image": "no image is named 'nope'"}),
    "no image": ({"stages": [{}]}, {"stages.0.image": "required"}),
    "a stage that is null": ({"stages": [None]}, {"stages.0": "should be an object"}),
    "stages in an object": ({"stages": {}}, {"stages": "valid array"}),
    "a hundred and one stages": ({"stages": [ECHO] * 101}, {"stages": "at most 100"}),
    "another command": ({"stages": [stage(command=["rm", "-rf", "/"])]}, {"stages.0.command": "may not be told"}),
    "a command to an image that takes none": (
        {"stages": [{"image": "reporter", "command": ["x"]}]},
        {"stages.0.command": "may not be told"},
    ),
    "a command in one string": ({"stages": [stage(command="echo hi")]}, {"stages.0.command": "valid array"}),
    "a number in a command": ({"stages": [stage(command=["echo", 1])]}, {"stages.0.command.1": "valid string"}),
    "NUL in a command": ({"stages": [stage(command=["echo", "a\x00b"])]}, {"stages.0.command.1": "may not"}),
    "NUL in a variable": ({"stages": [stage(environment={"MODE": "\x00"})]}, {"stages.0.environment.MODE": "may not"}),
    "a variable that the image does not take": (
        {"stages": [stage(environment={"PATH": "/"})]},
        {"stages.0.environment.PATH": "may not be given"},
    ),
    "a variable's name with a space": (
        {"stages": [stage(environment={"A B": "1"})]},
        {"stages.0.environment.A B.[key]": "may not"},
    ),
    "a number in a variable": ({"stages": [stage(environment={"MODE": 1})]}, {"stages.0.environment.MODE": "string"}),
    "a timeout longer than the image's": (
        {"stages": [stage(timeout_seconds=601)]},
        {"stages.0.timeout_seconds": "more than echo may take"},
    ),
    "more patience than an image has": (
        {"stages": [stage()], "capacity_wait_seconds": 14_401},
        {"capacity_wait_seconds": "more than the images of this job may wait"},
    ),
    "patience of less than nothing": (
        {"job_type": "greet", "capacity_wait_seconds": -1},
        {"capacity_wait_seconds": "greater than"},
    ),
    "a timeout of nothing": ({"job_type": "greet", "timeout_seconds": 0}, {"timeout_seconds": "greater than"}),
    "a timeout beyond a year": ({"job_type": "greet", "timeout_seconds": 10**4000}, {"timeout_seconds": "less than"}),
    "a timeout in a string": ({"job_type": "greet", "timeout_seconds": "60"}, {"timeout_seconds": "valid integer"}),
    "a timeout that is true": ({"job_type": "greet", "timeout_seconds": True}, {"timeout_seconds": "valid integer"}),
    "a missing parameter": ({"job_type": "greet"}, {"parameters.who": "missing"}),
    "an unknown parameter": (
        {"job_type": "greet", "parameters": {"who": "x", "whom": "y"}},
        {"parameters.whom": "no such parameter"},
    ),
    "a parameter outside its choices": (
        {"job_type": "greet", "parameters": {"who": "x", "loud": "very"}},
        {"parameters.loud": "'very' is not allowed"},
    ),
    "1 where true may be chosen": (
        {"job_type": "greet", "parameters": {"who": "x", "loud": 1}},
        {"parameters.loud": "1 is not allowed"},
    ),
    "parameters beside stages": (
        {"stages": [ECHO], "parameters": {"who": "x"}},
        {"": "with stages of your own, leave them out"},
    ),
    "a user with a line break": ({"job_type": "greet", "user": "a\nSubject: b"}, {"user": "may not"}),
    "an input file with a control character": (
        {"job_type": "greet", "input_file": "\x1b[2J"},
        {"input_file": "may not"},
    ),
    "a label with a line separator": ({"job_type": "greet", "labels": {"a": "\u2028"}}, {"labels.a": "may not"}),
    "a label that is null": ({"job_type": "greet", "labels": {"a": None}}, {"labels.a": "valid string"}),
    "a tenant that is null": ({"job_type": "greet", "tenant": None}, {"tenant": "valid string"}),
}


@pytest.mark.parametrize(("fields", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(fields: dict[str, Any], why: dict[str, str]) -> None:
    """Each fault is told by the path of its field, with words that say what it is."""
    needed = (
        {"parameters": {"who": "you"}}
        if "greet" in fields.values() and len(fields) > 1 and "stages" not in fields
        else {}
    )
    found = reasons(json.dumps({**needed, **fields}))
    assert found.keys() == why.keys()
    for field, words in why.items():
        assert words in found[field]


@pytest.mark.parametrize(
    "name", ["AWS_REGION", "ECS_CLUSTER", "JOBFERRY_JOB_ID", "TASK_TOKEN", "TRACEPARENT", "_X_AMZN_TRACE_ID"]
)
def test_reserved_names_are_refused_even_where_the_image_takes_any(name: str) -> None:
    """A catalogue that allows everything does not allow a producer to pose as AWS or as Jobferry."""
    open_to_all = catalog(images={"open": {"task_definition": "o", "container": "c", "environment": ["*"]}})
    found = reasons(body(stages=[{"image": "open", "environment": {name: "x", "OTHER": "y"}}]), open_to_all)
    assert found == {f"stages.0.environment.{name}": "the name is reserved for Jobferry and AWS"}


def test_every_reason_is_told_at_once() -> None:
    """A producer mends a request once, not once a fault."""
    found = reasons(
        body(
            stages=[
                {"image": "nope"},
                stage(command=["rm"], environment={"PATH": "", "AWS_REGION": ""}, timeout_seconds=9999),
            ]
        )
    )
    assert set(found) == {
        "stages.0.image",
        "stages.1.command",
        "stages.1.environment.AWS_REGION",
        "stages.1.environment.PATH",
        "stages.1.timeout_seconds",
    }


def test_faults_of_form_do_not_hide_faults_of_substance() -> None:
    """A request that cannot be read as a whole is judged as far as it can be read."""
    found = reasons(body(nonsense=1, stages=[{"image": "nope"}, stage(command=["rm"])]))
    assert set(found) == {"nonsense", "stages.0.image", "stages.1.command"}


def test_every_reason_has_a_remedy() -> None:
    """No refusal leaves its reader without a next step."""
    for fields, _ in REFUSED.values():
        assert all(problem.remedy.endswith(".") for problem in refused(json.dumps(fields)).problems)


def test_a_refusal_repeats_what_it_can_be_known_by() -> None:
    """The names that are in order are told again, so that subscribers can filter; those that are not are left out."""
    refusal = refused(body(job_id="a b", tenant="web", job_type="nope", labels=7))
    assert (refusal.job_id, refusal.tenant, refusal.job_type) == (None, "web", "nope")
    refusal = refused(body(job_id="a", tenant=["web"], stages=[]))
    assert (refusal.job_id, refusal.tenant, refusal.job_type) == ("a", None, None)


def test_a_body_that_is_no_request_has_no_names() -> None:
    """What cannot be read names nobody."""
    assert refused("[]") == Refused(refused("[]").problems)


def test_reasons_are_neither_endless_nor_in_the_producers_own_words() -> None:
    """The worst of requests makes a rejection that one item and one message hold, and a terminal survives."""
    hostile = "\x1b[2J\r\n" + "Z" * 5000
    worst = body(
        stages=[{"image": "echo", "environment": {f"V{n}_{i}": "x" for i in range(100)}} for n in range(100)],
        **{hostile: 1},
    )
    refusal = refused(worst)
    assert len(refusal.problems) == MAX_PROBLEMS + 1
    assert sum(len(problem.model_dump_json()) for problem in refusal.problems) < 60_000
    assert all(text.isprintable() for problem in refusal.problems for text in problem.model_dump().values())


def test_a_value_of_a_megabyte_is_not_repeated() -> None:
    """A parameter outside its choices is shown by its beginning."""
    found = reasons(body(job_type="greet", parameters={"who": "x", "loud": "v" * 1_000_000}))
    assert len(found["parameters.loud"]) < 400


def test_the_worst_of_bodies_is_refused_in_few_words() -> None:
    """However much is wrong with it: its reasons are as few as one record and one message hold."""
    worst = [
        json.dumps({f"k{n}": n for n in range(60_000)}),
        json.dumps({f"k{n}": n for n in range(29_000)}),
        json.dumps({"stages": [{"image": f"i{n}"} for n in range(29_000)]}),
        json.dumps({"job_type": "greet", "parameters": {f"k{n}": None for n in range(29_000)}}),
        json.dumps({"stages": [{"image": "echo", "environment": {f"A {n}": 1 for n in range(128)}}] * 100}),
        json.dumps({"stages": [{"x": 1}] * 80_000}),
        json.dumps({"stages": [{"image": "echo", "command": [1] * 290}] * 100}),
        json.dumps({"stages": [{f"k{n}": 1 for n in range(290)}] * 100}),
    ]
    for text in worst:
        verdict = admit(text, MESSAGE, catalog())
        assert isinstance(verdict, Refused)
        assert 0 < len(verdict.problems) <= MAX_PROBLEMS + 1  # The last says that there is more.


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "job_id",
    "job_type",
    "tenant",
    "input_file",
    "user",
    "parameters",
    "timeout_seconds",
    "capacity_wait_seconds",
    "labels",
    "stages",
]
STAGES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("image", "name", "command", "environment", "timeout_seconds"), VALUES)
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), st.lists(STAGES, max_size=2) | VALUES)
def test_odd_types_anywhere_are_judged(fields: dict[str, Any], stages: object) -> None:
    """Whatever a body holds, there is a verdict, and a refusal can be written down and says why."""
    verdict = admit(json.dumps({"stages": stages, **fields}), MESSAGE, catalog())
    if isinstance(verdict, Refused):
        assert verdict.problems
        assert all(Problem.model_validate_json(problem.model_dump_json()) == problem for problem in verdict.problems)


def test_a_conflict_names_the_id_and_what_to_do() -> None:
    """The second request with an id learns that the id is taken."""
    problem = conflict("thumbs-42")
    assert problem.field == "job_id"
    assert "thumbs-42" in problem.message
    assert "new id" in problem.remedy


def test_what_can_be_read_is_judged_although_the_whole_cannot_be() -> None:
    """Each field by itself: one slip must not hide what else is wrong."""
    stage = {"image": "echo", "name": "", "command": ["rm"], "environment": {"TASK_TOKEN": "x", "ODD": "y"}}
    unknown = {"image": "nowhere", "environment": {"AWS_PROFILE": "x"}, "extra": 1}
    verdict = admit(json.dumps({"stages": [stage, unknown]}), "message", catalog())
    assert isinstance(verdict, Refused)
    assert {problem.field for problem in verdict.problems} == {
        "stages.0.name",
        "stages.0.command",
        "stages.0.environment.TASK_TOKEN",
        "stages.0.environment.ODD",
        "stages.1.image",
        "stages.1.environment.AWS_PROFILE",
        "stages.1.extra",
    }


def test_parameters_are_judged_although_another_field_is_wrong() -> None:
    """A job type's parameters by themselves."""
    body = {"job_type": "greet", "timeout_seconds": "soon", "parameters": {"nonsense": 1}}
    verdict = admit(json.dumps(body), "message", catalog())
    assert isinstance(verdict, Refused)
    assert {"timeout_seconds", "parameters.nonsense"} <= {problem.field for problem in verdict.problems}


@pytest.mark.parametrize(
    ("wide", "field"),
    [
        ({"labels": {f"k {n}": n for n in range(129)}}, "labels"),
        ({"stages": [{"image": f"i{n}"} for n in range(257)]}, "stages"),
        ({"stages": [{"image": "echo", "command": ["x"] * 257}]}, "stages.0.command"),
    ],
    ids=["members", "stages", "arguments"],
)
def test_what_is_too_wide_is_refused_before_its_parts_are_judged(wide: dict[str, Any], field: str) -> None:
    """One reason, which names the place; the job is still known by its id."""
    refusal = refused(json.dumps({"job_id": "a", **wide}))
    [problem] = refusal.problems
    assert problem.field == field
    assert "at most" in problem.message
    assert refusal.job_id == "a"


def test_a_stage_is_judged_beside_the_request_s_other_fields() -> None:
    """Every reason is told at once, the first stage's and the request's."""
    found = reasons(json.dumps({"stages": [{"image": 1}, {"image": "echo", "x": 1}], "user": 3}))
    assert {"user", "stages.0.image", "stages.1.x"} <= found.keys()


LIKE_THIS = {
    "a command in one text": (stage(command="echo hi"), "stages.0.command", 'Give a list: ["echo", "hello"].'),
    "an argument that is a number": (
        stage(command=["echo", 1]),
        "stages.0.command.1",
        'Give a text in quotes: "hello".',
    ),
    "a stage that is a name": ("echo", "stages.0", 'Give an object: {"image": "image_1"}.'),
    "a list of variables": (
        stage(environment=["MODE=fast"]),
        "stages.0.environment",
        'Give an object of texts: {"MODE": "fast"}.',
    ),
    "a variable that is called like a field": (
        stage(environment={"command": 1}),
        "stages.0.environment.command",
        'Give a text in quotes: "hello".',
    ),
    "seconds in quotes": (
        stage(timeout_seconds="60"),
        "stages.0.timeout_seconds",
        "Give whole seconds without quotes: 3600.",
    ),
    "seconds that are none": (stage(timeout_seconds=0), "stages.0.timeout_seconds", "Give a larger number."),
}


@pytest.mark.parametrize(("item", "field", "remedy"), LIKE_THIS.values(), ids=LIKE_THIS)
def test_a_remedy_shows_what_to_write(item: Any, field: str, remedy: str) -> None:
    """Not only that a type is wrong."""
    assert {problem.field: problem.remedy for problem in refused(body(stages=[item])).problems}[field] == remedy


def test_a_refusal_bears_the_digest_of_what_was_understood() -> None:
    """By it a request is known again that was admitted before the catalogue changed; what is no request has none."""
    text = body(stages=[{"image": "later"}])
    known = catalog(images={"later": {"task_definition": "l", "container": "c"}})
    assert refused(text).digest == admitted(text, known).digest
    assert refused(body(stages=[{"image": 1}])).digest is None


@pytest.mark.parametrize(("faults", "told", "more"), [(50, 50, False), (51, 51, True), (128, 51, True)])
def test_that_there_is_more_is_told_where_there_is(faults: int, told: int, more: bool) -> None:
    """Fifty reasons stand as they are; beyond that one sentence stands for the rest."""
    variables = {f"V{number}": "x" for number in range(faults)}
    problems = refused(body(stages=[stage(environment=variables)])).problems
    assert len(problems) == told
    assert (problems[-1].message == "there is more that is wrong") is more


def test_a_heap_of_stages_is_looked_at_only_as_far_as_it_is_told() -> None:
    """Of a hundred stages that all are wrong, in form or by the catalogue, the first fifty faults are told."""
    for item in ({"image": 1}, {"image": "nope"}):
        problems = refused(body(stages=[item] * 100)).problems
        assert [problem.field for problem in problems] == [*(f"stages.{n}.image" for n in range(50)), ""]


def test_a_reserved_name_is_told_once() -> None:
    """That the image may not be given it either says nothing more."""
    refusal = refused(body(stages=[stage(environment={"TASK_TOKEN": "x"})]))
    assert [problem.field for problem in refusal.problems] == ["stages.0.environment.TASK_TOKEN"]


@pytest.mark.parametrize(
    ("commands", "remedy"),
    [
        ([["cat", "*"], ["ls"]], "Use one of: cat *; ls."),
        ([], "Leave the command out: the image runs its own only."),
    ],
)
def test_a_command_that_is_refused_learns_what_may_be_said(commands: list[list[str]], remedy: str) -> None:
    """All that the image may be told, or that it may be told nothing."""
    known = catalog(images={"i": {"task_definition": "i", "container": "c", "commands": commands}})
    verdict = admit(body(stages=[{"image": "i", "command": ["rm"]}]), MESSAGE, known)
    assert isinstance(verdict, Refused)
    assert [problem.remedy for problem in verdict.problems] == [remedy]


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, "default"), ({"tenant": "web"}, "web"), ({"tenant": None}, None), ({"tenant": "a b"}, None)],
)
def test_the_tenant_of_a_refusal(given: dict[str, Any], told: str | None) -> None:
    """Left out it is the default one; one that is wrong is nobody's."""
    assert refused(body(stages=[{"image": "nope"}], **given)).tenant == told


MANY: dict[str, dict[str, Any]] = {f"p{number:02}": {} for number in range(21)}


@pytest.mark.parametrize(
    ("parameters", "given", "remedy"),
    [
        ({"size": {"choices": ["s", "l"]}}, {"size": "xl"}, "Use one of: l, s."),
        ({"size": {"choices": ["s"]}}, {"size": "s", "width": 1}, "Remove it, or use one of: size."),
        ({}, {"width": 1}, "Leave it out."),
        (MANY, {**dict.fromkeys(MANY, 1), "x": 1}, f"Remove it, or use one of: {', '.join(sorted(MANY)[:20])}, ...."),
        ({"size": {}}, {}, "Give it a value."),
    ],
    ids=["no choice", "one that is known", "none is known", "many are known", "missing"],
)
def test_a_parameter_that_is_refused_learns_which_ones_there_are(
    parameters: dict[str, Any], given: dict[str, Any], remedy: str
) -> None:
    """In the order of the alphabet, and no more than twenty."""
    known = catalog(job_types={"j": {"parameters": parameters, "stages": [{"image": "echo"}]}})
    verdict = admit(json.dumps({"job_type": "j", "parameters": given}), MESSAGE, known)
    assert isinstance(verdict, Refused)
    assert [problem.remedy for problem in verdict.problems] == [remedy]


def test_that_there_is_more_is_told_of_another_stage_too() -> None:
    """The first alone fills the reasons."""
    first = stage(environment={f"V{number}": "x" for number in range(50)})
    problems = refused(body(stages=[first, {"image": "nope"}])).problems
    assert [len(problems), problems[-1].message] == [51, "there is more that is wrong"]


def test_a_name_that_is_too_long_is_shown_by_its_beginning() -> None:
    """Beside what is wrong with the whole."""
    told = [problem.message for problem in refused(body(stages=[{"image": "x" * 65, "odd": 1}])).problems]
    assert f"no image is named '{'x' * 64}'" in told
