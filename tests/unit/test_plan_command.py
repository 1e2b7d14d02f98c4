"""`jobferry plan`, as somebody types it: offline, with exit codes for scripts."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from schemas.catalog import Catalog
from service.core.admission.admission import Refused, admit
from service.operator import cli

CATALOG = {
    "images": {
        "mine": {
            "task_definition": "{prefix}-mine",
            "container": "main",
            "commands": [["do", "**"]],
            "environment": ["MODE"],
            "max_memory": 1024,
            "timeout_seconds": 5400,
            "capacity_wait_seconds": 3600,
        },
        "back": {"task_definition": "back:7", "container": "main", "integration": "callback", "timeout_seconds": 45},
    },
    "job_types": {
        "both": {
            "stages": [{"image": "mine", "command": ["do", "{what}"]}, {"image": "back"}],
            "parameters": {"what": {}},
        }
    },
}
PRICES = '{"FARGATE": {"vcpu_hour": 0.4, "gb_hour": 0.1}}'
JOB = json.dumps({"job_id": "j", "job_type": "both", "tenant": "web", "parameters": {"what": "it"}})
TOLD = """\
j would run for web, a both: 2 stages.

1  mine: mine on FARGATE
   task     jobferry-mine, container main
   command  ["do", "it"]
   size     0.25 vCPU, 512 MiB; after out-of-memory 1024 MiB
   timeout  1 h 30 min a try
   retries  3 transient, 2 out-of-memory: 5 tries at most, 12 h 31 min in all
   waits    for capacity up to 1 h a try, which is in that

2  back: back on FARGATE
   task     back:7, container main
   size     0.25 vCPU, 512 MiB
   timeout  45 s a try, a heartbeat every 1 min
   retries  3 transient, 2 out-of-memory: 4 tries at most, 16 h 3 min in all
   waits    for capacity up to 4 h a try, which is in that

at most                    time        vCPU hours  GB hours  cost
at the first try           1 h 30 min  0.38        0.76      0.2275
with every retry and wait  1 d 4 h     1.89        6.78      1.4350
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a catalogue, and a shell that says nothing."""
    for name in ("JOBFERRY_CATALOG", "JOBFERRY_PRICES", "JOBFERRY_TASK_FAMILY_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog.yaml").write_text(json.dumps(CATALOG))
    (tmp_path / "job.json").write_text(JOB)
    return tmp_path


def plan(*arguments: str) -> int:
    """Plan by that catalogue."""
    return cli.main(["plan", "--catalog", "catalog.yaml", *arguments])


def test_it_tells_each_stage_and_what_it_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    """For a person."""
    assert plan("-f", "job.json", "--prices", PRICES) == 0
    assert capsys.readouterr().out == TOLD


def test_a_program_gets_all_of_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON, from standard input, by the shell's own settings."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"stages": [{"image": "mine", "environment": {"MODE": "x"}}]}'))
    monkeypatch.setenv("JOBFERRY_PRICES", PRICES)
    monkeypatch.setenv("JOBFERRY_TASK_FAMILY_PREFIX", "second")
    assert plan("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["job_id"] is None
    assert told["stages"][0]["task_definition"] == "second-mine"
    assert told["stages"][0]["environment"] == {"MODE": "x"}
    assert told["stages"][0]["larger_memory"] == [1024]
    assert told["stages"][0]["retries"] == {"transient": 3, "out_of_memory": 2, "application": 0}
    assert told["at_most"]["cost"] > told["first_try"]["cost"] > 0


def test_a_timeout_and_a_missing_price_are_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence each."""
    (here / "job.json").write_text('{"timeout_seconds": 61, "stages": [{"image": "back"}]}')
    assert plan("-f", "job.json") == 0
    said = capsys.readouterr().out
    assert "The job's own timeout is 1 min 1 s, and no job runs for longer.\n" in said
    assert "No price for FARGATE: give --prices, or set JOBFERRY_PRICES.\n" in said
    assert said.count("unknown") == 2


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "{}",
        '{"job_type": "none"}',
        '{"stages": [{"image": "mine", "command": ["rm"]}, {"image": "other"}], "timeout_seconds": 0}',
    ],
)
def test_a_request_that_would_be_rejected_is_told_as_admission_tells_it(
    here: Path, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each field with its remedy, and exit code 3."""
    (here / "job.json").write_text(body)
    refused = admit(body, "id", Catalog.model_validate(CATALOG, strict=False))
    assert isinstance(refused, Refused)
    assert plan("-f", "job.json", "--json") == 3
    assert json.loads(capsys.readouterr().out) == {"rejected": [each.model_dump() for each in refused.problems]}
    assert plan("-f", "job.json") == 3
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "It would be rejected:"
    for line, problem in zip(lines, refused.problems, strict=True):
        assert line.strip() == f"{problem.field}: {problem.message}. {problem.remedy}".removeprefix(": ")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("-f", "gone.json"), "gone.json cannot be read: No such file or directory"),
        (("-f", "job.json", "--prices", "1"), "--prices cannot be used: Input should be an object"),
        (("-f", "job.json", "--prices", '{"A": {}}'), "--prices cannot be used: A.vcpu_hour: Field required"),
        (("-f", "job.json", "--catalog", "s3://a/b"), "s3://a/b is not on this machine, and a plan asks nobody"),
        (("-f", "job.json", "--catalog", "gone.yaml"), "The catalogue gone.yaml cannot be read: "),
        (("-f", "job.json", "--catalog", "job.json"), "The catalogue job.json cannot be used:"),
    ],
)
def test_without_anything_to_plan_from_it_says_so(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, as for any other use that is none."""
    assert plan(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(why)


def test_without_a_catalogue_it_is_the_examples(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """As the local run has it."""
    (here / "job.json").write_text('{"stages": [{"image": "image_1", "command": ["echo", "hello"]}]}')
    assert cli.main(["plan", "-f", "job.json"]) == 0
    assert "task     jobferry-image-1, container image_1-container" in capsys.readouterr().out
