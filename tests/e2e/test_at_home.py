"""Images of one's own under `jobferry local`: changed while it runs, and kept over a restart."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest

from schemas.arn import execution_arn
from tests.support.processes import Command, jobferry, needs_proc, running
from tests.support.waiting import WITHIN_SECONDS

CATALOG = {"images": {"mine": {"task_definition": "{prefix}-mine", "container": "main", "commands": [["**"]]}}}
PROGRAM = """
import os, pathlib, sys, time
print(pathlib.Path.cwd().name, os.environ["MODE"], os.environ.get("PYTHONPATH"), *sys.argv[1:], flush=True)
while sys.argv[1:] == ["wait"] and not pathlib.Path("go").exists():
    time.sleep(0.05)
"""


# Others may test here at the same time.
FREE_PORTS = ("--port", "0", "--api-port", "0")


class Home:
    """A folder with a catalogue, images and a program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "program").mkdir()
        (folder / "program" / "app.py").write_text(PROGRAM)
        self.write_catalog(CATALOG)
        self.write_images("fast")

    def write_catalog(self, catalog: object) -> None:
        """As an editor does, at once."""
        self._write("catalog.yaml", json.dumps(catalog))

    def write_images(self, mode: str) -> None:
        """With another variable of the image."""
        entry = {"entry_point": ["{python}", "app.py"], "directory": "program", "environment": {"MODE": mode}}
        self._write("images.yaml", json.dumps({"images": {"mine": entry}}))

    def _write(self, name: str, text: str) -> None:
        (self.folder / "new").write_text(text)
        (self.folder / "new").replace(self.folder / name)

    @property
    def environment(self) -> dict[str, str]:
        """What any AWS client reads to join."""
        lines = (self.folder / ".jobferry" / "local.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def client(self, service: str) -> Any:
        """A client made of the file's values alone."""
        given = self.environment
        session = boto3.Session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
        kind: Any = session.client
        return kind(service, region_name=given["AWS_REGION"], endpoint_url=given["AWS_ENDPOINT_URL"])

    def send(self, job_id: str, *stages: dict[str, Any]) -> None:
        """Send a request."""
        body = json.dumps({"job_id": job_id, "stages": stages})
        self.client("sqs").send_message(QueueUrl=self.environment["JOBFERRY_REQUEST_QUEUE_URL"], MessageBody=body)

    def execution(self, job_id: str) -> str:
        """The ARN of a job's execution."""
        return execution_arn(self.environment["JOBFERRY_STATE_MACHINE_ARN"], job_id)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder to run it in."""
    return Home(tmp_path)


def local(home: Home, *more: str) -> Any:
    """`jobferry local` in that folder, at a free port or that of the last time."""
    files = ("--catalog", "catalog.yaml", "--images", "images.yaml")
    return running("local", *FREE_PORTS, *files, *more, folder=home.folder)


def asked(jobs: str, request: dict[str, Any]) -> int:
    """The status that the HTTP API answers with to a request that is only to be judged."""
    body = json.dumps(request).encode()
    question = urllib.request.Request(f"{jobs}?validate_only=true", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(question, timeout=WITHIN_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def wait_for_words(command: Command, *words: str) -> list[str]:
    """The next line that holds all of these words, as words."""
    while True:
        line = command.next_line(" ".join(words)).split()
        if set(words) <= set(line):
            return line


def test_own_programs_run_and_their_files_may_change(home: Home) -> None:
    """In their folder, with their variables; a job keeps what it began with, and a slip leaves all as it was."""
    with local(home) as command:
        jobs = command.wait_for_line("HTTP API").split()[-1]
        command.wait_for_line("What becomes of jobs")
        assert asked(jobs, {"stages": [{"image": "other"}]}) == 422
        home.send("old", {"image": "mine", "command": ["wait"]}, {"image": "mine", "command": ["again"]})
        assert wait_for_words(command, "old", "|")[3:] == ["program", "fast", "None", "wait"]

        home.write_images("slow")
        assert "mine;" in wait_for_words(command, "images.yaml", "anew:")
        home.send("new", {"image": "mine"})
        assert wait_for_words(command, "new", "|")[3:] == ["program", "slow", "None"]
        (home.folder / "program" / "go").touch()
        assert wait_for_words(command, "old", "again")[3:] == ["program", "fast", "None", "again"]
        wait_for_words(command, "old", "announced", "SUCCEEDED")

        home.write_catalog({"images": {"mine": {}}})
        slip = " ".join(wait_for_words(command, "catalogue", "cannot"))
        assert "images.mine.task_definition: Field required" in slip and slip.endswith("stays in force")
        other = {"task_definition": "{prefix}-other:2", "container": "main"}
        home.write_catalog({"images": {**CATALOG["images"], "other": other}})
        wait_for_words(command, "catalogue", "anew;")
        assert "other:" in wait_for_words(command, "no", "process", "stands")
        assert asked(jobs, {"stages": [{"image": "other"}]}) < 300, "the API knows it too, where it was"
        home.send("others", {"image": "other"})
        wait_for_words(command, "others", "announced", "FAILED")
        home.send("same", {"image": "mine"})
        assert wait_for_words(command, "same", "|")[3:] == ["program", "slow", "None"]
    assert "Traceback" not in (home.folder / "stderr.log").read_text()


def test_what_is_kept_is_there_after_a_restart(home: Home) -> None:
    """Ended jobs and messages; what ran is told as failed and goes on by a redrive; the port is the same."""
    keep = ("--keep", "state")
    with local(home, *keep) as command:
        command.wait_for_line("What becomes of jobs")
        before = home.environment
        home.send("done", {"image": "mine"})
        wait_for_words(command, "done", "announced", "SUCCEEDED")
        home.send("under-way", {"image": "mine", "command": ["first"]}, {"image": "mine", "command": ["wait"]})
        wait_for_words(command, "under-way", "|", "wait")
        command.process.send_signal(signal.SIGINT)
        command.wait_for_line("Stopped.")
        assert command.process.wait(WITHIN_SECONDS) == 0

    other = jobferry("local", "--port", "1", *keep, folder=home.folder)
    assert (other.returncode, other.stdout) == (1, "")
    assert "state holds the state of port" in other.stderr

    with local(home, *keep) as command:
        command.wait_for_line("What becomes of jobs")
        assert home.environment == before
        steps = home.client("stepfunctions")
        assert steps.describe_execution(executionArn=home.execution("done"))["status"] == "SUCCEEDED"
        # What was under way is told of as soon as a worker is there, often before the command has said where it runs.
        if not any({"under-way", "announced", "FAILED"} <= set(line.split()) for line in command.lines):
            wait_for_words(command, "under-way", "announced", "FAILED")
        failed = steps.describe_execution(executionArn=home.execution("under-way"))
        assert (failed["status"], failed["error"]) == ("FAILED", "States.ServiceRestart")
        (home.folder / "program" / "go").touch()
        steps.redrive_execution(executionArn=home.execution("under-way"))
        wait_for_words(command, "under-way", "announced", "SUCCEEDED")
        entered = [
            event["stateEnteredEventDetails"]["name"]
            for event in steps.get_execution_history(executionArn=home.execution("under-way"))["events"]
            if event["type"] == "TaskStateEntered"
        ]
        assert entered.count("run_stage") == 3, entered


def test_what_an_image_begins_with_is_deployed_as_on_aws(home: Home) -> None:
    """Its template makes a task definition that the catalogue agrees with; a parameter is left, and is named."""
    begin = ("catalog", "new", "hello", "--catalog", "c.yaml", "--images", "i.yaml")
    assert jobferry(*begin, folder=home.folder).returncode == 0
    with running("local", *FREE_PORTS, folder=home.folder) as command:
        command.wait_for_line("What becomes of jobs")
        formation = home.client("cloudformation")
        outputs = {
            each["OutputKey"]: each["OutputValue"]
            for each in formation.describe_stacks(StackName="jobferry")["Stacks"][0]["Outputs"]
        }
        names = ("TaskFamilyPrefix", "TaskExecutionRoleArn", "TaskLogGroupName", "LogBucketName")
        given = {"Image": "hello:1", **{name: outputs[name] for name in names}}
        formation.create_stack(
            StackName="hello",
            TemplateBody=(home.folder / "hello" / "task.yaml").read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        formation.get_waiter("stack_create_complete").wait(StackName="hello", WaiterConfig={"Delay": 1})
        [made] = formation.describe_stacks(StackName="hello")["Stacks"][0]["Outputs"]
        check = ("catalog", "check", "--stack", "jobferry", "--catalog", "c.yaml")
        checked = jobferry(*check, folder=home.folder, variables=home.environment)
        role = made["OutputValue"]
        problem = f"BAD  image hello: the state machine may not pass {role.rpartition('/')[2]}"
        assert checked.stdout.splitlines() == [problem, f"       Add {role} to JobTaskRoleArns.", "1 wrong."]


@needs_proc
def test_a_file_that_cannot_be_used_ends_it_at_once(home: Home) -> None:
    """One sentence on standard error, and nothing is left."""
    (home.folder / "images.yaml").write_text("images: {mine: {entry_point: echo}}")
    arguments = ("local", *FREE_PORTS, "--catalog", "catalog.yaml", "--images", "images.yaml")
    ended = jobferry(*arguments, folder=home.folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == 'images.yaml: mine.entry_point is to be a list, like ["echo", "hello"]\n'
    home.write_images("fast")
    home.write_catalog({"images": {}})
    ended = jobferry(*arguments, folder=home.folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("The catalogue ") and "images: " in ended.stderr
