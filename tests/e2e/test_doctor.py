"""`jobferry doctor` and `jobferry catalog check`: a whole deployment is found well, and what breaks is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from deploy.local.local_run import LocalRun, local_run
from deploy.local.stack import deploy as make_stack
from deploy.local.subscriber import Subscriber
from deploy.on_aws import deploy
from deploy.stacks import NamedStack
from service.operator import cli
from service.operator.doctor.checks import CHECKS
from service.operator.doctor.findings import Finding
from tests.support.patient import BROKEN, Patient, put_letter
from tests.support.waiting import wait_for
from tests.unit.test_own_image import EXAMPLE, entries


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalRun]:
    """One AWS for all patients, who have an account each."""
    with local_run() as run:
        yield run


@pytest.fixture(scope="module")
def whole(aws: LocalRun) -> Patient:
    """A deployment with which nothing is wrong."""
    Subscriber.to(aws.session, aws.stack.outputs["TopicArn"], name="doctors-patient")
    return Patient(aws)


def another(aws: LocalRun, number: int) -> Patient:
    """The same deployment in another account."""
    account = f"{number:012}"  # By such a key the emulator knows the account [contracts/test_executions.py].
    session = boto3.Session(account, "test", region_name=aws.session.region_name)
    run = replace(aws, session=session, stack=make_stack(session))
    Subscriber.to(session, run.stack.outputs["TopicArn"], name="doctors-patient")
    return Patient(run)


def test_nothing_is_wrong_with_a_whole_deployment(whole: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    """By its stack or by the worker's settings, every item is looked at and found good."""
    assert cli.main(["doctor", "--stack", "jobferry"]) == 0
    by_name = capsys.readouterr().out
    with pytest.MonkeyPatch.context() as patched:
        for name, value in whole.run.environment.items():
            patched.setenv(name, value)
        assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out == by_name
    for item in [*(check.item for check in CHECKS if check.item != "quotas"), "image pictures"]:
        assert f"ok   {item}: " in by_name


def test_the_catalogue_is_checked_by_itself(whole: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    """The images alone, for who adds one."""
    assert cli.main(["catalog", "check", "--stack", "jobferry"]) == 0
    assert [line.partition(":")[0].strip() for line in capsys.readouterr().out.splitlines()] == [
        "ok   image image_1",
        "ok   image pictures",
        "ok   image reporter",
        "All well.",
    ]


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["doctor", "--stack", "nowhere"], ["catalog", "check"], ["dlq", "list", "--stack", "nowhere"]],
)
def test_without_a_deployment_it_says_what_is_missing(
    whole: Patient, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2, and a sentence."""
    monkeypatch.delenv("JOBFERRY_REQUEST_QUEUE_URL", raising=False)
    assert cli.main(arguments) == 2
    assert ("nowhere" if "nowhere" in arguments else "JOBFERRY_REQUEST_QUEUE_URL is missing") in capsys.readouterr().err


def test_what_was_set_aside_is_found_by_the_stacks_name(whole: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    """As the runbook does it: listed, shown whole, and dropped by its id."""
    queue = whole.run.stack.outputs["UndeliveredEventQueueUrl"]
    whole.client("sqs").send_message(QueueUrl=queue, MessageBody='{"source": "aws.ecs"}')
    assert cli.main(["dlq", "list", "--stack", "jobferry"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert (first.split()[1], last) == ("undelivered", "1 dead letter.")
    assert cli.main(["dlq", "show", first.split()[0], "--stack", "jobferry"]) == 0
    assert '{"source": "aws.ecs"}' in capsys.readouterr().out
    assert cli.main(["dlq", "drop", first.split()[0], "--stack", "jobferry", "--yes"]) == 0
    assert cli.main(["dlq", "list", "--stack", "jobferry"]) == 0
    assert capsys.readouterr().out.endswith("0 dead letters.\n")


def test_the_worked_example_of_an_image_passes(
    whole: Patient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As deploy/IMAGES.md tells it: a stack, a catalogue, the roles in a parameter; without the last it is named."""
    images = {name: image.model_dump(mode="json") for name, (image, _) in entries().items()}
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"images": images}))
    check = ["catalog", "check", "--stack", "jobferry", "--catalog", str(catalog)]
    outputs = make_example(whole)

    assert cli.main(check) == 1
    printed = capsys.readouterr().out
    assert "BAD  image transcoder: the state machine may not pass" in printed
    assert "to JobTaskRoleArns" in printed

    roles = {"JobTaskRoleArns": outputs["JobTaskRoleArns"]}
    jobferry = NamedStack(whole.run.session, "jobferry", every_seconds=0.05)
    deploy(jobferry, bucket=None, parameters=roles, dependencies=None, dry_run=False)
    capsys.readouterr()
    assert cli.main(check) == 0, capsys.readouterr().out


def make_example(patient: Patient) -> dict[str, str]:
    """The stack of deploy/examples/own_image.yaml; answers with its outputs."""
    parameters = {
        "LogBucketName": patient.outputs["LogBucketName"],
        "TranscoderImage": "transcoder:1",
        "TrainerImage": "trainer:1",
        "ApiKeySecretArn": "arn:aws:secretsmanager:eu-central-2:000000000000:secret:key-abcdef",
    }
    patient.client("cloudformation").create_stack(
        StackName="own-image",
        TemplateBody=EXAMPLE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    own = NamedStack(patient.run.session, "own-image")
    return wait_for(lambda: own.outputs(), "the example's stack")


@pytest.fixture(scope="module")
def diagnosed(aws: LocalRun) -> dict[str, list[Finding]]:
    """What was found after each break. One deployment takes as many at once as there are items: waiting is dear."""
    found: dict[str, list[Finding]] = {}
    for number, names in enumerate(rounds(), start=1):
        patient = another(aws, number)
        for name in names:
            BROKEN[name][0](patient)
        found |= dict.fromkeys(names, patient.problems())
    return found


def rounds() -> list[list[str]]:
    """The breaks, those of one item in different rounds."""
    found: list[list[str]] = []
    for name, (_, item, _, _) in BROKEN.items():
        free = [names for names in found if item not in {BROKEN[other][1] for other in names}]
        if not free:
            found.append([])
        (free or found[-1:])[0].append(name)
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named_with_its_remedy(name: str, diagnosed: dict[str, list[Finding]]) -> None:
    """That item, for that reason; and what to do."""
    _, item, detail, remedy = BROKEN[name]
    printed = [found for found in diagnosed[name] if found.item == item]
    assert [found for found in printed if detail in found.detail and remedy in found.remedy], printed


def test_the_status_says_whether_anything_is_wrong(whole: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    """For a script: 1, and the item is marked."""
    put_letter("EventDeadLetterQueueUrl")(whole)
    assert cli.main(["doctor", "--stack", "jobferry"]) == 1
    printed = capsys.readouterr().out
    assert "BAD  dead events: 1 lie in" in printed
    assert printed.endswith("1 wrong. 1 could not be looked at.\n")
