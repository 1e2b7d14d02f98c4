"""Which log a verb means, and which deployment."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import boto3
import pytest

from service.core.tracking.job import track
from service.operator.logs import place_of as log_meant
from service.operator.place import place_of
from service.operator.shipped import catalog_at_hand
from service.tracking.errors import UnknownLogError
from service.tracking.logs import LogPlace
from tests.support.builders import container, execution, record, requested, running, task
from tests.support.settings import default_settings

KNOWN = track(
    record(
        requested(stages=3),
        execution("RUNNING", redrive_count=1),
        task("a", containers=(container(exit_code=1),)),
        task("b", attempt=2),
        task("c", stage=2, containers=(container(exit_code=1),)),
        running("d", stage=2, redrive=1),
    )
)
MEANT: dict[str, tuple[dict[str, object], LogPlace | None]] = {
    "nothing: the last attempt's own": ({}, LogPlace(2, 1, "main", 1)),
    "a redrive": ({"redrive": 0}, LogPlace(2, 1, "main", 0)),
    "a stage: its last attempt": ({"stage": 1}, LogPlace(1, 2, "main", 0)),
    "an attempt": ({"stage": 1, "attempt": 1}, LogPlace(1, 1, "main", 0)),
    "a sidecar": ({"container": "proxy"}, LogPlace(2, 1, "proxy", 1)),
    "an attempt of another stage": ({"attempt": 2}, None),
    "a stage that was not run": ({"stage": 3}, None),
    "a redrive that was not": ({"redrive": 2}, None),
}


@pytest.mark.parametrize(("given", "meant"), MEANT.values(), ids=MEANT)
def test_which_log_is_meant(given: dict[str, object], meant: LogPlace | None) -> None:
    """What is not named is the last."""
    assert KNOWN is not None
    options = argparse.Namespace(**{"stage": None, "attempt": None, "redrive": None, "container": None, **given})
    if meant is None:
        with pytest.raises(UnknownLogError):
            log_meant(KNOWN, options)
    else:
        assert log_meant(KNOWN, options) == meant


def test_without_a_stack_the_workers_own_variables_name_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, so that a verb sees what a worker sees."""
    given = default_settings().model_dump(exclude_unset=True, mode="json")
    variables = {name.upper(): value for name, value in given.items()}
    variables |= {"SECRET_PATTERNS": '["pin=[0-9]+"]', "TASK_FAMILY_PREFIX": "ours"}
    for name, value in variables.items():
        monkeypatch.setenv(f"JOBFERRY_{name}", value)
    place = asdict(place_of(boto3.Session(region_name="eu-central-1"), None))
    assert place.pop("prices") is not None
    assert place == {
        "request_queue_url": variables["REQUEST_QUEUE_URL"],
        "control_queue_url": variables["CONTROL_QUEUE_URL"],
        "state_machine_arn": variables["STATE_MACHINE_ARN"],
        "log_bucket": variables["LOG_BUCKET"],
        "jobs_table": variables["JOBS_TABLE"],
        "catalog": variables["CATALOG"],
        "task_family_prefix": "ours",
        "secret_patterns": ("pin=[0-9]+",),
        "task_grace_seconds": 30,
        "log_deadline_seconds": 900,
    }
    assert place_of(boto3.Session(region_name="eu-central-1"), None, "mine.json").catalog == "mine.json"


def test_what_is_shipped_does_not_stand_for_the_catalogue_of_a_stack(tmp_path: Path) -> None:
    """It would refuse what only the stack's own admits; within the worker's image that one is at hand."""
    in_the_image = tmp_path / "catalog.yaml"
    assert [catalog_at_hand({"Catalog": where}) for where in ("s3://logs/catalog/a", str(in_the_image), "")] == [
        "s3://logs/catalog/a",
        None,
        None,
    ]
    assert catalog_at_hand({}) is None
    in_the_image.touch()
    assert catalog_at_hand({"Catalog": str(in_the_image)}) == str(in_the_image)


def test_a_stack_whose_catalogue_is_out_of_reach_has_none() -> None:
    """So that admission alone judges by it; who has it names it."""
    outputs = ("RequestQueueUrl", "ControlQueueUrl", "StateMachineArn", "LogBucketName", "JobsTableName")
    stack = {
        "StackName": "jobs",
        "StackId": "arn:of:jobs",
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": "Catalog", "ParameterValue": "/app/of-the-image/catalog.yaml"}],
        "Outputs": [{"OutputKey": name, "OutputValue": name} for name in outputs],
    }
    client = SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]})
    session = cast("boto3.Session", SimpleNamespace(client=lambda _: client))
    assert place_of(session, "jobs").catalog is None
    assert place_of(session, "jobs", "mine.yaml").catalog == "mine.yaml"
