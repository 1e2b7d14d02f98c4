"""What each verb promises to scripts: an exit code for each way it may end, and JSON that is what its model says."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest
from aiobotocore.session import get_session
from pydantic import BaseModel

from deploy.local.stack import PROJECT
from schemas.operator import DeadLettersSeen, Examination, Refusal
from schemas.tracking import Asked, JobPage, LogLines, Submitted, TrackedJob, Validated, Why
from service.aws.jobs_table import JobsTable
from service.operator import cli
from service.operator.arguments import command_line
from service.operator.handbook import HANDBOOK, verbs_of
from tests.integration.test_job_verbs import ECHO, FAILED, Said, merged, variables
from tests.support.builders import JOB, attempt, execution, receipt, requested, task
from tests.support.job_facts import GRACE, RETENTION_DAYS, SILENCE, Time, create_table
from tests.support.moto import opening
from tests.support.ports import free_port

REQUEST = json.dumps({**ECHO, "job_id": "new"})
WRONG = json.dumps({"stages": [{"image": "nope"}]})
# What is typed, and the standard input; JOB is a job that failed, `open` one that is under way.
Row = tuple[str, str]
ENDS: Mapping[tuple[str, int], Row] = {
    ("health", 1): (f"health --port {free_port()}", ""),
    ("health", 2): ("health --port x", ""),
    ("local", 2): ("local --quotas other", ""),
    ("demo", 2): ("demo --port 1", ""),
    ("doctor", 1): ("doctor", ""),
    ("doctor", 2): ("doctor --stack nowhere", ""),
    ("catalog check", 1): ("catalog check", ""),
    ("catalog check", 2): ("catalog check --stack nowhere", ""),
    ("catalog new", 2): ("catalog new .", ""),
    ("completion", 0): ("completion bash", ""),
    ("completion", 2): ("completion csh", ""),
    ("submit", 0): ("submit", REQUEST),
    ("submit", 2): ("submit -f /nowhere", ""),
    ("submit", 3): ("submit", WRONG),
    ("submit", 4): ("submit --wait --timeout 0", json.dumps({**ECHO, "job_id": "later"})),
    ("jobs", 0): ("jobs --tenant web", ""),
    ("jobs", 2): ("jobs --cursor x", ""),
    ("show", 0): (f"show {JOB}", ""),
    ("show", 1): ("show nothing", ""),
    ("show", 2): ("show", ""),
    ("why", 0): (f"why {JOB}", ""),
    ("why", 1): ("why nothing", ""),
    ("why", 2): ("why x --stack nowhere", ""),
    ("logs", 0): ("logs whole", ""),
    ("logs", 1): (f"logs {JOB} --stage 9", ""),
    ("logs", 2): ("logs x --stage one", ""),
    ("cancel", 0): ("cancel open", ""),
    ("cancel", 1): (f"cancel {JOB}", ""),
    ("cancel", 2): ("cancel x --stack nowhere", ""),
    ("redrive", 0): (f"redrive {JOB}", ""),
    ("redrive", 1): ("redrive open", ""),
    ("redrive", 2): ("redrive", ""),
    ("rerun", 0): (f"rerun {JOB}", ""),
    ("rerun", 1): ("rerun nothing", ""),
    ("rerun", 2): ("rerun", ""),
    ("rerun", 3): ("rerun whole --set stages.0.image=nope", ""),
    ("rerun", 4): (f"rerun {JOB} --wait --timeout 0", ""),
    ("bulk", 1): ("bulk nothing", ""),
    ("bulk", 2): ("bulk", ""),
    ("case", 1): ("case nothing", ""),
    ("case", 2): ("case", ""),
    ("replay", 2): ("replay /nowhere", ""),
    ("plan", 0): ("plan", REQUEST),
    ("plan", 2): ("plan -f /nowhere", ""),
    ("plan", 3): ("plan", WRONG),
    ("dlq list", 0): ("dlq list", ""),
    ("dlq list", 2): ("dlq list --stack nowhere", ""),
    ("dlq show", 1): ("dlq show nothing", ""),
    ("dlq show", 2): ("dlq show", ""),
    ("dlq replay", 0): ("dlq replay --all", ""),
    ("dlq replay", 1): ("dlq replay nothing", ""),
    ("dlq replay", 2): ("dlq replay", ""),
    ("dlq drop", 1): ("dlq drop nothing --yes", ""),
    ("dlq drop", 2): ("dlq drop", ""),
}
# What takes a process of its own, a deployment that is whole, or somebody at the keyboard, is ended so in these.
ELSEWHERE: Mapping[tuple[str, int], tuple[str, str]] = {
    ("worker", 0): ("e2e/test_worker_start.py", "test_aws_s_own_variables_suffice"),
    ("worker", 2): ("e2e/test_worker_start.py", "test_each_missing_setting_is_one_sentence"),
    ("health", 0): ("unit/test_probe.py", "test_the_answer_is_shown_and_its_status_decides"),
    ("local", 0): ("e2e/test_local_command.py", "test_it_says_where_things_are_and_leaves_nothing_behind"),
    ("local", 1): ("e2e/test_local_command.py", "test_where_nothing_can_be_written_it_says_so"),
    ("demo", 0): ("e2e/test_local_command.py", "test_the_demo_as_json_prints_notifications_and_nothing_else"),
    ("demo", 1): ("e2e/test_local_command.py", "test_where_nothing_can_be_written_it_says_so"),
    ("doctor", 0): ("integration/doctor/test_command.py", "test_a_whole_deployment_is_told_of_item_by_item"),
    ("catalog check", 0): ("integration/doctor/test_command.py", "test_the_catalogue_is_checked_by_itself"),
    ("catalog new", 0): ("unit/test_new_image.py", "test_in_an_empty_folder_it_writes_all_and_tells_what_is_next"),
    ("catalog new", 1): ("unit/test_new_image.py", "test_what_is_there_is_never_written_over"),
    ("console", 0): ("integration/test_shared_console.py", "test_only_who_is_signed_in_sees_and_steers_jobs"),
    ("console", 2): (
        "integration/test_shared_console.py",
        "test_without_a_load_balancer_no_other_address_is_served_at",
    ),
    ("submit", 1): ("integration/test_job_verbs.py", "test_who_waits_has_the_jobs_status"),
    ("rerun", 130): ("integration/test_ctrl_c.py", "test_the_job_is_left_as_it_is"),
    ("submit", 130): ("integration/test_ctrl_c.py", "test_the_job_is_left_as_it_is"),
    ("bulk", 0): ("integration/test_bulk_verbs.py", "test_a_bulk_says_how_far_it_has_come"),
    ("bulk", 4): ("integration/test_bulk_verbs.py", "test_who_waits_for_a_bulk_has_its_status"),
    ("case", 0): ("integration/test_job_verbs.py", "test_a_case_is_written_and_replayed"),
    ("replay", 0): ("unit/test_replay_command.py", "test_a_case_is_replayed_where_there_is_no_aws"),
    ("replay", 1): ("unit/test_replay_command.py", "test_what_is_decided_otherwise_is_a_row"),
    ("dlq show", 0): ("integration/test_dlq.py", "test_one_is_shown_whole"),
    ("dlq drop", 0): ("integration/test_dlq.py", "test_one_is_dropped"),
}
JSON: Mapping[str, tuple[type[BaseModel], str]] = {
    "submit": (Submitted, REQUEST),
    "submit --validate-only": (Validated, REQUEST),
    "submit --validate-only --tenant web": (Refusal, WRONG),
    "jobs --tenant web": (JobPage, ""),
    f"show {JOB}": (TrackedJob, ""),
    f"why {JOB}": (Why, ""),
    "logs whole": (LogLines, ""),
    "cancel open": (Asked, ""),
    f"redrive {JOB}": (Asked, ""),
    "rerun whole": (Asked, ""),
    "rerun whole --set stages.0.image=nope": (Refusal, ""),
    "doctor": (Examination, ""),
    "catalog check": (Examination, ""),
    "dlq list": (DeadLettersSeen, ""),
    "dlq replay --all": (DeadLettersSeen, ""),
}


@pytest.fixture(scope="module")
def world(endpoint: str) -> Mapping[str, str]:
    """A shell's variables where jobs are that failed, that are under way, and that another tenant has.

    It is made once: no verb changes a job, it sends to the worker what is wanted, and there is none.
    """
    return asyncio.run(_made(endpoint, f"n{uuid4().hex[:12]}"))


async def _made(endpoint: str, name: str) -> Mapping[str, str]:
    async with opening(endpoint, get_session()) as connect:
        await create_table(await connect("dynamodb"), name)
        table = JobsTable(await connect("dynamodb"), name, SILENCE, GRACE, RETENTION_DAYS, Time())
        sqs, s3 = await connect("sqs"), await connect("s3")
        dead = (await sqs.create_queue(QueueName=f"{name}-dead"))["QueueUrl"]
        arn = (await sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        queue = await sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})
        await s3.create_bucket(Bucket=name)
        await s3.put_object(Bucket=name, Key="k", Body=b"boom\n")
        await merged(
            table,
            *FAILED,
            requested(job_id="whole", asked=json.dumps({"stages": ECHO["stages"]})),
            execution(job_id="whole", attempts=(attempt(),)),
            task(job_id="whole"),
            receipt(job_id="whole", s3_bucket=name, s3_key="k"),
            requested(job_id="open"),
            execution("RUNNING", job_id="open"),
        )
        return variables(endpoint, name, queue["QueueUrl"])


@pytest.fixture
def ended(
    world: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str], Said]:
    """Types a command there; one that cannot be understood ends by itself."""
    for name, value in world.items():
        monkeypatch.setenv(name, value)

    def typed(words: str, given: str) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        try:
            status = cli.main(words.split())
        except SystemExit as left:
            status = int(left.code or 0)
        return Said(status, *capsys.readouterr())

    return typed


@pytest.mark.parametrize(("ends", "row"), ENDS.items(), ids=[f"{verb}-{code}" for verb, code in ENDS])
def test_a_verb_ends_as_it_says(ended: Callable[[str, str], Said], ends: tuple[str, int], row: Row) -> None:
    """One row for each way to end."""
    assert ended(*row).status == ends[1]


def test_each_way_to_end_that_is_documented_is_tried() -> None:
    """Here or elsewhere, and none that is not documented."""
    documented = {(verb, code) for verb, entry in HANDBOOK.items() for code in entry.exit_codes}
    assert documented ^ (ENDS.keys() | ELSEWHERE.keys()) == set()
    assert ENDS.keys() & ELSEWHERE.keys() == set()


@pytest.mark.parametrize(("file", "test"), sorted(set(ELSEWHERE.values())))
def test_what_is_tried_elsewhere_is_there(file: str, test: str) -> None:
    """By its name."""
    assert f"def {test}(" in (PROJECT / "tests" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(("words", "told"), JSON.items(), ids=JSON)
def test_a_program_gets_what_the_model_says(
    ended: Callable[[str, str], Said], words: str, told: tuple[type[BaseModel], str]
) -> None:
    """One document, and nothing else on standard output."""
    model, given = told
    said = ended(f"{words} --json", given)
    assert model.model_validate_json(said.out)


def test_every_verb_that_speaks_JSON_is_held_to_its_model() -> None:
    """Here, or in its own tests."""
    speak = {verb.words for verb in verbs_of(command_line({})) if _speaks(verb.parser)}
    tried = {words for words in speak if any(typed.startswith(words) for typed in JSON)}
    assert speak - tried == {"bulk", "case", "demo", "plan", "replay", "dlq show", "dlq drop"}


def _speaks(parser: Any) -> bool:
    return any("--json" in action.option_strings for action in parser._actions)
