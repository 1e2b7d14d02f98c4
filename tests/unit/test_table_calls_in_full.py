"""What DynamoDB is asked for each fact and each question, whole: table_calls_in_full.yaml is for reading.

That DynamoDB does with it what is meant is for tests/integration to show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from botocore.exceptions import ClientError

from schemas.errors import SettingsError
from schemas.trace import Trace
from service.aws.errors import AwsError
from service.aws.job_list import JobList
from service.aws.jobs_table import JobsTable
from service.aws.record_items import item_key, record_of, registers_of, text_in
from service.core.policy.owed import SWEEP
from service.core.record.facts import Fact, ProgressTold, StageSpent, WaitsForCapacity
from service.core.record.keys import RecordKey
from service.core.record.record import Record, Tally
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused, Rerun
from service.core.tracking.listing import JobFilter
from tests.support.builders import (
    JOB,
    KEY,
    MESSAGE,
    NOW,
    TRACE_HEADER,
    announced,
    attempt,
    claim,
    ended_before,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
)

IN_FULL: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("table_calls_in_full.yaml").read_text())
REFUSED = ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": "no"}}, "UpdateItem")


def told(operation: str, call: dict[str, Any]) -> dict[str, Any]:
    """A call as a person reads it: names and values in their places, each of them used, as DynamoDB demands."""
    names = call.pop("ExpressionAttributeNames", {})
    values = {name: brief(value) for name, value in call.pop("ExpressionAttributeValues", {}).items()}
    placed = {**names, **values}
    written: dict[str, Any] = {}
    for part, value in call.items():
        if part.endswith("Expression"):
            used = sorted((name for name in placed if re.search(rf"{name}\b", value)), key=len, reverse=True)
            text = value
            for name in used:
                text = re.sub(rf"{name}\b", lambda _, of=name: placed[of], text)  # type: ignore[misc]
            written[part] = text
        else:
            written[part] = brief(value)
    whole = " ".join(value for part, value in call.items() if part.endswith("Expression"))
    assert all(re.search(rf"{name}\b", whole) for name in placed)
    return {operation: written}


def brief(value: Any) -> Any:
    """A value without DynamoDB's types; of a register its rank and the kind of its fact, which are read elsewhere."""
    match value:
        case {"M": {"rank": {"N": rank}, "fact": _}}:
            return f"<{json.loads(text_in(value))['kind']} {rank}>"
        case {"S": str(text)}:
            return json.dumps(text, ensure_ascii=False)
        case {"N": str(text)}:
            return text
        case {"SS": list(members)}:
            return f"{{{', '.join(members)}}}"
        case {"M": dict(map_)}:
            return str({name: brief(item) for name, item in map_.items()})
        case dict():
            return {name: brief(item) for name, item in value.items()}
        case list():
            return [brief(item) for item in value]
    return value


@dataclass
class Dynamo:
    """Answers as it is told to, the last answer again and again, and notes what it was asked."""

    answers: list[Any]
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        async def call(**asked: Any) -> Any:
            assert ("RequestItems" in asked) or asked.pop("TableName") == "jobs"
            self.calls.append(told(operation, asked))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def table(dynamo: Dynamo) -> JobsTable:
    """The table of records over this client."""
    return JobsTable(cast("Any", dynamo), "jobs", 300, 30, 90, lambda: NOW)


WRITTEN = {"Attributes": item_key(KEY)}
ASKED = {"job_id": JOB, "tenant": "web", "asked_at": NOW + 3.5, "asked_by": "ann"}
WHOLE_REQUEST = requested(
    job_type="thumbnails",
    user="ifgeek",
    input_file="in/a.jpg",
    labels={"team": "web", "size": "größe"},
    trace=Trace(aws_trace_header=TRACE_HEADER),
    progress=True,
)
CLAIM = claim("archive#t1", "me", NOW, 60)
SPENT = StageSpent(image="echo", stage=1, passed=True, queued=2.0, running=44.5, memory=512)
FACTS: dict[str, Fact] = {
    "a request": WHOLE_REQUEST,
    "a rejection": rejected(claimed_job_id="odd", claimed_tenant="web", claimed_job_type="thumbnails"),
    "a rejection that names nobody": rejected(),
    "that it was started": execution("STARTED", observed_via="request"),
    "that it runs": execution("RUNNING"),
    "a status that AWS added": execution("SUSPENDED"),
    "that it failed": execution("FAILED", error="E", cause="C", attempts=(attempt(passed=False),)),
    "that it was redriven": execution("RUNNING", redrive_count=2),
    "that a redrive of it ended": execution("ABORTED", redrive_count=1),
    "an outcome of many attempts": execution("FAILED", attempts=tuple(attempt(1, number) for number in range(1, 5))),
    "that a task runs": running(),
    "that a task stopped": task(),
    "a receipt": receipt(),
    "a claim on a log": CLAIM,
    "a claim on the announcement": claim("announce#0", "me", NOW + 0.25, 60),
    "a renewal of it": claim("announce#0", "me", NOW, 60).renewed(NOW + 20),
    "a claim of the sweeper's": claim(SWEEP, "me", NOW + 1, 120),
    "an announcement": announced(1).model_copy(
        update={"ended_at": NOW + 60.25, "failure_class": "lost", "spent": (SPENT,)}
    ),
    "an announcement that says little": announced(),
    "the announcement of a rejection": announced(of=RecordKey.of_rejection(MESSAGE)),
    "a cancel": CancelAsked.model_validate(ASKED),
    "a redrive that somebody asks for": RedriveAsked.model_validate({**ASKED, "reason": "it was the disk"}),
    "that it was redriven for somebody": Redriven.model_validate({**ASKED, "redrive_count": 1}),
    "that it was run again as another job": Rerun(record_key=KEY, new_job_id="j-2", asked_at=NOW),
    "that it cannot be redriven": RedriveRefused(job_id=JOB, redrive_count=0, at=NOW, why="too old"),
    "that it was cancelled for somebody": Cancelled.model_validate({**ASKED, "redrive_count": 1}),
    "a wait": WaitsForCapacity(
        job_id=JOB, at=NOW + 9, wait_seconds=60, stage=1, attempt=1, since=NOW + 5, tries=2, failure_class="x", why="y"
    ),
    "how it had ended before": ended_before(),
    "that a step was told": ProgressTold(job_id=JOB, step="0:STARTED", at=NOW),
}


@pytest.mark.parametrize("name", FACTS)
async def test_what_is_written_of_a_fact(name: str) -> None:
    """One conditional write a fact, and which of them move the job in the sweeper's index and in the lists."""
    fact = FACTS[name]
    dynamo = Dynamo([{"Attributes": item_key(fact.record_key)}])
    await table(dynamo).merge(fact)
    assert dynamo.calls == IN_FULL["facts"][name]


def refusal(**item: Any) -> ClientError:
    """A refused write, which shows what is there."""
    return ClientError({"Error": {"Code": "ConditionalCheckFailedException"}, "Item": item}, "PutItem")  # type: ignore[typeddict-unknown-key]


OLD = WHOLE_REQUEST.model_copy(update={"submitted_at": NOW - 90 * 86_400 - 1})
KNOWN = replace(record(requested(), execution()), tally=Tally(changes=3, stops=2))
TASK_ITEM = {"record_key": {"S": JOB}, "part": {"S": "head"}, "expires_at": {"N": "1"}}


@dataclass(frozen=True)
class Asked:
    """Something that is done with the table, and how DynamoDB answers."""

    work: Callable[[JobsTable], Awaitable[Any]]
    answers: tuple[Any, ...]


FIRST = registers_of(WHOLE_REQUEST)
QUESTIONS: dict[str, Asked] = {
    "a second request with the id": Asked(lambda it: it.merge(requested(digest="other")), (refusal(**FIRST), WRITTEN)),
    "a request with the id of a job that left": Asked(
        lambda it: it.merge(requested(digest="other")), (refusal(**registers_of(OLD)), {}, {}, WRITTEN)
    ),
    "a request with the id of an old job that is there": Asked(
        lambda it: it.merge(requested(digest="other")),
        (refusal(**registers_of(OLD)), {"Item": registers_of(OLD.in_brief())}, WRITTEN),
    ),
    "a cancel before the request": Asked(lambda it: it.merge(FACTS["a cancel"]), (REFUSED, {})),
    "a cancel that the request overtook": Asked(lambda it: it.merge(FACTS["a cancel"]), (REFUSED, REFUSED, WRITTEN)),
    "a task's end that carries a claim": Asked(lambda it: it.merge(task(), CLAIM), (WRITTEN,)),
    "an outcome that was redriven meanwhile": Asked(lambda it: it.merge(announced()), (REFUSED, WRITTEN)),
    "a task's end without containers, made nobody knows when": Asked(
        lambda it: it.merge(task(created_at=None, containers=())), (WRITTEN,)
    ),
    "more of a task's end": Asked(
        lambda it: it.merge(task(version=9)),
        ({"Attributes": {**item_key(KEY, "task#t1"), **registers_of(task())}}, WRITTEN),
    ),
    "a task's end once more": Asked(
        lambda it: it.merge(task()), (refusal(**item_key(KEY, "task#t1"), **registers_of(task())), WRITTEN)
    ),
    "a task's end that nobody asked for": Asked(lambda it: it.merge(task()), ({}, REFUSED, {})),
    "the last receipt of a task": Asked(lambda it: it.merge(receipt(), is_last=True), ({}, WRITTEN)),
    "a job's last receipt, which carries a claim": Asked(
        lambda it: it.merge(receipt(), claim("announce#0", "me", NOW, 60), is_last=True, known=KNOWN), ({}, WRITTEN)
    ),
    "the same, and there was news of the job": Asked(
        lambda it: it.merge(receipt(), claim("announce#0", "me", NOW, 60), is_last=True, known=Record(KEY)),
        ({}, REFUSED, WRITTEN),
    ),
    "a claim on an announcement, by what is known": Asked(
        lambda it: it.merge(claim("announce#0", "me", NOW, 60), known=KNOWN), (WRITTEN,)
    ),
    "a claim on one of a job without tasks": Asked(
        lambda it: it.merge(claim("announce#0", "me", NOW, 60), known=Record(KEY)), (WRITTEN,)
    ),
    "a renewal of a claim on a log": Asked(lambda it: it.merge(CLAIM.renewed(NOW + 20)), ({},)),
    "that a task runs, made nobody knows when": Asked(lambda it: it.merge(running(created_at=None)), (WRITTEN,)),
    "a head": Asked(lambda it: it.read(KEY), ({},)),
    "a whole record of two pages": Asked(
        lambda it: it.read_whole(KEY), ({"Items": [TASK_ITEM], "LastEvaluatedKey": {"part": "x"}}, {"Items": []})
    ),
    "many heads": Asked(lambda it: it.read_many([KEY, RecordKey.of_job("b")]), ({"Responses": {"jobs": [TASK_ITEM]}},)),
    "what is due": Asked(lambda it: it.due(3, NOW + 0.9, 25), ({"Items": []},)),
    "to close a job": Asked(lambda it: it.close(record(requested(), execution())), ({},)),
    "to close a job that never began": Asked(lambda it: it.close(record(requested())), ({},)),
    "to leave a job alone": Asked(
        lambda it: it.leave_alone(record(requested(), execution("RUNNING")), claim(SWEEP, "me", NOW - 7, 60)), ({},)
    ),
    "to leave one alone that never began": Asked(
        lambda it: it.leave_alone(record(requested()), claim(SWEEP, "me", NOW - 7, 60)), ({},)
    ),
    "the look at start": Asked(lambda it: it.check(), ({},)),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_what_is_asked_for(name: str) -> None:
    """Call by call, in their order."""
    asked = QUESTIONS[name]
    dynamo = Dynamo(list(asked.answers))
    await asked.work(table(dynamo))
    assert dynamo.calls == IN_FULL["questions"][name]


EVERY_FILTER = JobFilter(
    status="FAILED",
    job_type="thumbnails",
    user="ann",
    label="team",
    label_value="web",
    failure_class="lost",
    since=NOW,
    until=NOW + 86_400,
    text="42",
)
PAGES: dict[str, tuple[Callable[[JobList], Awaitable[Any]], Mapping[str, Any]]] = {
    "all jobs": (lambda it: it.page("web", JobFilter(), 50), {"Items": []}),
    "all jobs of a time": (lambda it: it.page("web", JobFilter(since=-5.0, until=1e12), 50), {"Items": []}),
    "by every filter": (lambda it: it.page("web", EVERY_FILTER, 50), {"Items": []}),
    "by a label of any value": (lambda it: it.page("web", JobFilter(label="team"), 50), {"Items": []}),
    "the next page": (
        lambda it: it.page("web", JobFilter(), 50, JobFilter().cursor("web", "2023-11-14T22:13:20.000Z#a")),
        {"Items": []},
    ),
    "as many pages as are looked at for what is rare": (
        lambda it: it.page("web", JobFilter(user="ann"), 1),
        {"Items": [], "LastEvaluatedKey": {"list_at": {"S": "2023-11-14T22:13:20.000Z#a"}}},
    ),
    "the last of a type": (lambda it: it.lately("web", JobFilter(job_type="thumbnails"), 50), {"Items": []}),
    "what claimed an id": (lambda it: it.rejected_as("web", "odd"), {"Items": []}),
}


@pytest.mark.parametrize("name", PAGES)
async def test_how_lists_are_asked_for(name: str) -> None:
    """By their index, the youngest first, and no further than is said."""
    work, answer = PAGES[name]
    dynamo = Dynamo([answer])
    await work(JobList(cast("Any", dynamo), "jobs"))
    assert dynamo.calls == IN_FULL["lists"][name]


def wrong(code: str) -> ClientError:
    """What DynamoDB says of a table that is another than ours."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Query")


KEYS, INDEX = "it must have the key record_key and part", "it must have the index open_jobs over open_shard"
WRONG: dict[str, tuple[list[Any], str]] = {
    "no table": ([wrong("ResourceNotFoundException")], "there is no such table in this account and region."),
    "another key": ([wrong("ValidationException")], f"{KEYS}, two strings, as deploy/template.yaml makes it."),
    "not for us": ([wrong("AccessDeniedException")], "this role may not read it."),
    "no index, as DynamoDB says": ([{}, wrong("ValidationException")], f"{INDEX}, a string, and due_at, a number, as"),
    "no index, as moto says": (
        [{}, wrong("ResourceNotFoundException")],
        f"{INDEX}, a string, and due_at, a number, as",
    ),
    "an index not for us": ([{}, wrong("AccessDeniedException")], "this role may not query its index open_jobs."),
}


@pytest.mark.parametrize(("answers", "why"), WRONG.values(), ids=WRONG)
async def test_what_a_table_lacks_is_said_in_a_sentence(answers: list[Any], why: str) -> None:
    """At start, naming the setting and the table."""
    with pytest.raises(SettingsError) as refusal:
        await table(Dynamo(answers)).check()
    assert str(refusal.value).startswith(f"JOBFERRY_JOBS_TABLE (jobs) cannot be used: {why}")


async def test_what_may_pass_by_itself_stops_no_worker_at_its_start() -> None:
    """Work that meets it again is tried again."""
    await table(Dynamo([wrong("ThrottlingException"), wrong("InternalServerError")])).check()


NO_ANSWERS: dict[str, tuple[Fact, list[Any]]] = {
    "a request that is throttled": (requested(), [wrong("ThrottlingException")]),
    "a request that is refused and nothing shown": (requested(), [refusal()]),
    "a request that another's item refuses": (requested(), [refusal(**registers_of(task()))]),
    "a head that is throttled": (requested(), [{}, wrong("ThrottlingException")]),
    "a rejection that is refused and nothing shown": (rejected(), [refusal()]),
    "news that is throttled": (execution(), [wrong("ThrottlingException")]),
    "news of a wrong form": (execution(), [wrong("ValidationException")]),
    "a task's end that is throttled": (task(), [wrong("ThrottlingException")]),
    "a task's end that is throttled when it is counted": (task(), [{}, wrong("ThrottlingException")]),
}


@pytest.mark.parametrize(("fact", "answers"), NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_answer_is_raised(fact: Fact, answers: list[Any]) -> None:
    """Its message comes again; taken for a record, it would be deleted."""
    with pytest.raises(AwsError):
        await table(Dynamo(answers)).merge(fact)


TEXTS: dict[str, tuple[Fact, str]] = {
    "all that is not so is left out, and what its key and its name say": (
        WHOLE_REQUEST.model_copy(update={"digest": "d1", "trace": None, "stages": ()}),
        '{"kind":"requested","digest":"d1","message_id":"5fea7756-0ea4-451a-a703-a558b933e274",'
        '"submitted_at":1700000000.0,"tenant":"web","job_type":"thumbnails","user":"ifgeek","input_file":"in/a.jpg",'
        '"labels":{"team":"web","size":"größe"},"progress":true,"bucket":"jobferry-logs","execution_input":"{}"}',
    ),
    "a claim by its register's name": (CLAIM, '{"kind":"claim","owner":"me","at":1700000000.0,"seconds":60.0}'),
}


@pytest.mark.parametrize(("fact", "text"), TEXTS.values(), ids=TEXTS)
def test_how_a_fact_lies_in_its_attribute(fact: Fact, text: str) -> None:
    """And it is read again as it was."""
    [(attribute, value)] = registers_of(fact).items()
    assert (attribute, text_in(value)) == (f"r#{fact.register_name}", text)
    assert record_of(fact.record_key, {attribute: value}).registers[fact.register_name] == fact


def test_what_lists_hold_is_not_in_the_fact() -> None:
    """How long stages took: it is written beside its register by the same update."""
    [value] = registers_of(announced().model_copy(update={"spent": (SPENT,)})).values()
    assert text_in(value) == text_in(registers_of(announced())["r#announced#0"])


@pytest.mark.parametrize(("fact", "form"), [(requested().in_brief(), "S"), (CLAIM, "S"), (execution(), "B")])
def test_what_is_long_is_packed(fact: Fact, form: str) -> None:
    """An item is billed by the KB; what is short stays to be read by people."""
    [(attribute, value)] = registers_of(fact).items()
    assert list(value["M"]["fact"]) == [form]
    assert record_of(KEY, {attribute: value}).registers[fact.register_name] == fact


DAY = 86_400
PART = {**item_key(KEY, "task#t1"), **registers_of(task())}
BORN = {**item_key(KEY, "request"), **registers_of(WHOLE_REQUEST), "written_at": {"N": str(10 * DAY)}}


@pytest.mark.parametrize(
    ("written_at", "is_its"), [(str(9 * DAY), False), (str(9 * DAY + 1), True), (str(11 * DAY), True), (None, True)]
)
async def test_a_part_of_an_earlier_job_of_the_id_is_not_its(written_at: str | None, is_its: bool) -> None:
    """It was written a day or more before the request, whenever either of them expires."""
    part = PART | {"expires_at": {"N": "1"}} | ({"written_at": {"N": written_at}} if written_at else {})
    head = {**item_key(KEY), **registers_of(WHOLE_REQUEST.in_brief())}
    whole = await table(Dynamo([{"Items": [head, BORN, part]}])).read_whole(KEY)
    assert (whole.tasks, whole.kept_beside) == (((task(),), frozenset({"t1"})) if is_its else ((), frozenset()))
    assert whole.request == WHOLE_REQUEST


async def test_a_head_stays_although_it_expires_before_its_request() -> None:
    """It is closed, and what lies beside it is kept for longer."""
    head = {**item_key(KEY), **registers_of(execution()), "expires_at": {"N": "1"}}
    whole = await table(Dynamo([{"Items": [head, BORN]}])).read_whole(KEY)
    assert whole.execution == execution()


async def test_heads_are_read_with_their_requests_and_those_that_are_not_there_left_out() -> None:
    """Each under its own key, in whatever order they come."""
    other = RecordKey.of_job("b")
    items = [
        {**item_key(other), **registers_of(execution(job_id="b"))},
        BORN,
        {**item_key(KEY), **registers_of(task())},
    ]
    read = await table(Dynamo([{"Responses": {"jobs": items}}])).read_many([KEY, other, RecordKey.of_job("c")])
    assert {key.id: set(job.registers) for key, job in read.items()} == {
        JOB: {"request", "task#t1"},
        "b": {"execution"},
    }
    assert await table(Dynamo([{"Responses": {}}])).read_many([KEY]) == {}


async def test_what_is_due_is_told_with_its_moment() -> None:
    """In DynamoDB's order, which is that of their moments."""
    found = [{"record_key": {"S": name}, "due_at": {"N": at}} for name, at in (("b", "5"), ("rejected:a", "7"))]
    due = await table(Dynamo([{"Items": found}])).due(0, NOW, 9)
    assert list(due.items()) == [(RecordKey.of_job("b"), 5.0), (RecordKey.of_rejection("a"), 7.0)]


def test_the_file_tells_of_nothing_else() -> None:
    """What is asked no more is taken out of it."""
    assert {part: set(told) for part, told in IN_FULL.items()} == {
        "facts": set(FACTS),
        "questions": set(QUESTIONS),
        "lists": set(PAGES),
    }
