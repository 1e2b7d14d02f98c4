"""`jobferry submit`, `jobs`, `show`, `why` and `logs`, straight against AWS as moto fakes it."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.stack import PROJECT
from schemas.casefile import CaseManifest, Replay
from schemas.tracking import JobPage, LogLines, Submitted, TrackedJob, Validated, Why
from service.aws.jobs_table import JobsTable
from service.catalog_source import parse_catalog
from service.core.admission.admission import Refused, admit
from service.core.record.facts import Fact
from service.operator import cli
from tests.support.builders import (
    JOB,
    MACHINE,
    MESSAGE,
    admitted,
    announced,
    attempt,
    container,
    execution,
    receipt,
    rejected,
    requested,
    running,
    task,
)
from tests.support.connecting import CREDENTIALS, REGION, Connect

ECHO = {"job_id": JOB, "tenant": "web", "stages": [{"image": "image_1", "command": ["echo", "hello"]}]}


@dataclass(frozen=True)
class Said:
    """What a command printed, and its status."""

    status: int
    out: str
    err: str


Typed = Callable[..., Awaitable[Said]]


@pytest.fixture
async def typed(
    endpoint: str,
    connect: Connect,
    name: str,
    table: JobsTable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Typed:
    """Types a command, in a shell that has the worker's variables."""
    await (await connect("s3")).create_bucket(Bucket=name)
    queue = await (await connect("sqs")).create_queue(QueueName=name)
    for key, value in variables(endpoint, name, queue["QueueUrl"]).items():
        monkeypatch.setenv(key, value)

    async def run(*words: str, given: object = None) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given if isinstance(given, str) else json.dumps(given)))
        capsys.readouterr()
        status = await asyncio.to_thread(cli.main, words)
        return Said(status, *capsys.readouterr())

    return run


def variables(endpoint: str, name: str, queue_url: str) -> dict[str, str]:
    """The worker's, where its bucket and its table have the same name, and all of its queues are one."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        **{key.upper(): value for key, value in CREDENTIALS.items()},
        "JOBFERRY_REQUEST_QUEUE_URL": queue_url,
        "JOBFERRY_EVENT_QUEUE_URL": queue_url,
        "JOBFERRY_CONTROL_QUEUE_URL": queue_url,
        "JOBFERRY_STATE_MACHINE_ARN": MACHINE.replace("eu-central-1", REGION),
        "JOBFERRY_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:t",
        "JOBFERRY_LOG_BUCKET": name,
        "JOBFERRY_JOBS_TABLE": name,
        "JOBFERRY_CATALOG": str(PROJECT / "deploy" / "catalog.yaml"),
    }


async def merged(table: JobsTable, *facts: Fact) -> None:
    """A record of these facts."""
    for fact in facts:
        await table.merge(fact)


FAILED = (
    requested(),
    execution("FAILED", error="StageFailed", attempts=(attempt(passed=False),)),
    task(containers=(container(exit_code=1),)),
    receipt(tail=("boom\x1b[31m",)),
    announced().model_copy(update={"status": "FAILED"}),
)


async def test_show_tells_how_a_job_is_and_why_it_failed(typed: Typed, table: JobsTable) -> None:
    """For people, without what would steer a terminal; and as the contract."""
    await merged(table, *FAILED)
    shown = await typed("show", JOB)
    assert shown.status == 0
    assert shown.out.startswith(f"{JOB}: FAILED after 60.0 s\n")
    assert "  attempt 1: FAILED, exit code 1, ran for 44.0 s" in shown.out
    assert "\x1b" not in shown.out
    told = await typed("show", JOB, "--json")
    assert TrackedJob.model_validate_json(told.out).status == "FAILED"


async def test_show_finds_a_rejected_request(typed: Typed, table: JobsTable) -> None:
    """By its message, with every reason."""
    await merged(table, rejected(claimed_job_id="odd", claimed_tenant="web"))
    shown = await typed("show", MESSAGE)
    assert shown.out.startswith("odd: REJECTED\n") and "job_id: it is odd. Choose another." in shown.out


@pytest.mark.parametrize(
    "words", [("show", JOB, "--tenant", "other"), ("why", "nothing"), ("logs", "nothing"), ("case", "nothing")]
)
async def test_a_job_that_is_not_there_is_said_to_be_so(typed: Typed, table: JobsTable, words: tuple[str, ...]) -> None:
    """With status 1; another tenant's is none."""
    await merged(table, *FAILED)
    assert await typed(*words) == Said(1, "", "There is no such job.\n")


async def test_a_case_is_written_and_replayed(
    typed: Typed, table: JobsTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into a file that only its owner may read; what it does not tell is said, and none is written over."""
    monkeypatch.chdir(tmp_path)
    await merged(table, *FAILED)
    written = await typed("case", JOB)
    file = tmp_path / f"case-{JOB}.zip"
    assert (written.status, written.out, file.stat().st_mode & 0o777) == (0, f"{file.name}\n", 0o600)
    assert "Not in it: the planner's decisions, and the history: Step Functions knows none" in written.err
    with zipfile.ZipFile(file) as case:
        told = CaseManifest.model_validate_json(case.read("manifest.json"))
        assert sorted(case.namelist()) == sorted(member.name for member in told.members)
        assert f"{JOB}, failed" in case.read("README.txt").decode()
    assert (told.job_id, told.status, told.values, told.logs) == (JOB, "FAILED", "masked", "tail")
    assert (told.settings.task_grace_seconds, told.settings.log_deadline_seconds) == (30, 900)
    assert await typed("case", JOB) == Said(2, "", f"{file.name} is there already: name another file by -o.\n")
    again = await typed("replay", file.name, "--json")
    assert [part.decisions for part in Replay.model_validate_json(again.out).parts] == [0, 0, 1, 3, 1]


async def test_a_case_goes_where_it_is_sent(
    typed: Typed, table: JobsTable, tmp_path: Path, name: str, connect: Connect
) -> None:
    """With its logs whole, or without any; half a case is none."""
    await merged(table, requested(), execution(attempts=(attempt(),)), task())
    lines = [f"line {number} password=hunter{number}" for number in range(1, 301)]
    await (await connect("s3")).put_object(Bucket=name, Key="log", Body="\n".join(lines).encode() + b"\n")
    await merged(table, receipt(s3_bucket=name, s3_key="log", lines=300))
    found = {}
    for logs in ("none", "tail", "whole"):
        file = tmp_path / f"{logs}.zip"
        told = await typed("case", JOB, "--logs", logs, "-o", str(file), "--json")
        assert CaseManifest.model_validate_json(told.out).logs == logs
        with zipfile.ZipFile(file) as case:
            found[logs] = [case.read(item).decode().splitlines() for item in case.namelist() if item.endswith(".log")]
    hidden = [f"line {number} password=[redacted]" for number in range(1, 301)]
    assert found == {"none": [], "tail": [hidden[-100:]], "whole": [hidden]}
    assert (await typed("case", JOB, "-o", str(tmp_path / "no" / "where.zip"))).status == 2
    refused = await typed("case", JOB, "-o", "-", "--json")
    assert (refused.status, refused.out) == (2, "")


async def test_a_rejected_request_has_a_case(
    typed: Typed, table: JobsTable, tmp_path: Path, name: str, connect: Connect
) -> None:
    """By its message; its body is judged again, by the catalogue of now."""
    text = json.dumps({"job_id": "odd", "stages": [{"image": "image_9", "environment": {"MODE": "hunter2"}}]})
    verdict = admit(text, MESSAGE, parse_catalog((PROJECT / "deploy" / "catalog.yaml").read_text(), "it", "jobferry"))
    assert isinstance(verdict, Refused)
    await (await connect("s3")).put_object(Bucket=name, Key="rejected/it.json", Body=text.encode())
    await merged(table, rejected(problems=verdict.problems, body_s3_uri=f"s3://{name}/rejected/it.json"))
    file = tmp_path / "odd.zip"
    assert (await typed("case", MESSAGE, "-o", str(file))).status == 0
    assert b"hunter2" not in zipfile.ZipFile(file).read("request.json")
    replayed = await typed("replay", str(file))
    assert replayed.status == 0 and "admission  1 decision, as then" in replayed.out


async def test_jobs_are_listed_in_plain_lines(typed: Typed, table: JobsTable) -> None:
    """Where nobody sees them; and as the contract, with a cursor that goes on."""
    await merged(table, *FAILED, requested(job_id="other", digest="o"))
    listed = await typed("jobs", "--tenant", "web", "--status", "failed")
    assert listed.out == f"{JOB}\tFAILED\t\t\t2023-11-14T22:13:20.000Z\t\t\n"
    first = JobPage.model_validate_json((await typed("jobs", "--tenant", "web", "--limit", "1", "--json")).out)
    assert first.cursor is not None
    rest = await typed("jobs", "--tenant", "web", "--limit", "1", "--cursor", first.cursor, "--json")
    assert {job.id for job in (*first.jobs, *JobPage.model_validate_json(rest.out).jobs)} == {JOB, "other"}
    assert (await typed("jobs", "--cursor", "x")).status == 2


async def test_why_says_what_is_waited_for(typed: Typed, table: JobsTable) -> None:
    """In sentences, and as the contract."""
    await merged(table, requested(), execution("RUNNING"), running())
    assert "Its container runs" in (await typed("why", JOB)).out
    assert Why.model_validate_json((await typed("why", JOB, "--json")).out).waits_for == "container"


async def test_logs_print_the_last_attempts_own_container(typed: Typed, table: JobsTable, connect: Connect) -> None:
    """A file gets the lines as they were written."""
    await (await connect("s3")).put_object(Bucket=table.name, Key="k", Body=b"one\ntwo\x1b[0m\n")
    await merged(table, *FAILED[:3], receipt(s3_bucket=table.name, s3_key="k"))
    assert await typed("logs", JOB, "-f") == Said(0, "one\ntwo\x1b[0m\n", "")
    assert LogLines.model_validate_json((await typed("logs", JOB, "--json")).out).lines[0] == "one"
    missing = await typed("logs", JOB, "--stage", "7")
    assert (missing.status, missing.err) == (1, "No such attempt is known: `jobferry show` lists those that are.\n")


async def test_a_request_is_sent_and_its_id_printed(typed: Typed, connect: Connect, tmp_path: Path) -> None:
    """From standard input or a file, as the tenant's that it names."""
    sent = await typed("submit", given=ECHO)
    assert (sent.status, sent.out) == (0, f"{JOB}\n")
    file = tmp_path / "request.json"
    file.write_text(json.dumps({**ECHO, "job_id": "from-a-file"}))
    again = await typed("submit", "-f", str(file), "--json")
    assert Submitted.model_validate_json(again.out).location == "/tenants/web/jobs/from-a-file"
    nothing = await typed("submit", "-f", str(tmp_path / "none"))
    assert nothing.status == 2 and "cannot be read" in nothing.err


async def test_a_request_that_would_be_rejected_is_status_three(typed: Typed) -> None:
    """With each reason; as JSON for programs."""
    refused = await typed("submit", given={"stages": [{"image": "nope"}]})
    assert (refused.status, refused.out) == (3, "")
    assert refused.err.startswith("stages.0.image: no image is named 'nope'.")
    told = await typed("submit", "--json", "--validate-only", given="{")
    assert told.status == 3 and json.loads(told.out)["problems"]


async def test_a_request_can_be_judged_alone(typed: Typed) -> None:
    """Nothing is sent."""
    assert (await typed("submit", "--validate-only", given=ECHO)).out == "It would be admitted, with 1 stage.\n"
    told = await typed("submit", "--validate-only", "--json", given=ECHO)
    assert len(Validated.model_validate_json(told.out).stages) == 1


@pytest.mark.parametrize(("outcome", "status"), [("SUCCEEDED", 0), ("FAILED", 1), ("ABORTED", 1)])
async def test_who_waits_has_the_jobs_status(
    typed: Typed, table: JobsTable, connect: Connect, outcome: str, status: int
) -> None:
    """And sees what happened and the log, each once."""
    await (await connect("s3")).put_object(Bucket=table.name, Key="k", Body=b"one\n")
    sent = await typed("submit", given={**ECHO, "job_id": "seen"})
    assert sent.status == 0
    passed = outcome == "SUCCEEDED"
    facts = (
        requested(job_id="seen", digest=digest()),
        execution(outcome, job_id="seen", attempts=(attempt(passed=passed),)),
        task(job_id="seen"),
        receipt(job_id="seen", s3_bucket=table.name, s3_key="k"),
        announced(of=requested(job_id="seen").record_key),
    )
    await merged(table, *facts)
    waited = await typed("submit", "--follow", given={**ECHO, "job_id": "seen"})
    assert waited.status == status
    assert waited.out.startswith("one\nseen: ")
    assert waited.err.count("Its execution was started.") == 1


def digest() -> str:
    """Of the request as admission understands it."""
    catalog = parse_catalog((PROJECT / "deploy" / "catalog.yaml").read_text(), "", "jobferry")
    return admitted(json.dumps({**ECHO, "job_id": "seen"}), catalog).digest


async def test_who_waits_no_longer_has_status_four(typed: Typed) -> None:
    """The job goes on."""
    waited = await typed("submit", "--wait", "--timeout", "0", given=ECHO)
    assert waited.status == 4 and "it goes on" in waited.err


async def test_a_deployment_that_is_not_named_is_asked_for(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 2, and one sentence."""
    monkeypatch.delenv("JOBFERRY_JOBS_TABLE")
    shown = await typed("show", JOB)
    assert (shown.status, shown.err.splitlines()) == (
        2,
        ["JOBFERRY_JOBS_TABLE is missing. Name a deployment by --stack, or by the worker's variables."],
    )


async def test_aws_that_cannot_be_asked_is_a_sentence(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    shown = await typed("show", JOB)
    assert shown.status == 2 and shown.err.startswith("AWS cannot be asked: ") and "AWS_PROFILE" in shown.err


def test_show_imports_no_more_than_it_needs() -> None:
    """Half of what it would cost otherwise is the import of HTTP libraries, of uploads and of the settings."""
    check = "import sys, service.operator.cli, service.operator.show; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    dear = {"aiobotocore", "aiohttp", "boto3", "fastapi", "pydantic_settings", "rich", "structlog", "yaml"}
    assert dear & set(ran.stdout.split()) == set()
