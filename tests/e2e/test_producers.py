"""Producers that nobody here wrote: the AWS CLI, and boto3 with nothing but the environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.support.processes import bare_environment
from tests.support.system import System, log_text
from tests.support.waiting import WITHIN_SECONDS

BOTO3 = "import boto3, os, sys; boto3.client('sqs').send_message(QueueUrl=os.environ['QUEUE'], MessageBody=sys.argv[1])"


def job(name: str) -> str:
    """The article's request under a name."""
    stage = {"image": "image_1", "command": ["echo", "hello", name]}
    return json.dumps({"job_id": name, "user": "ifgeek", "stages": [stage]})


def environment(system: System) -> dict[str, str]:
    """What `.jobferry/local.env` gives, and nothing else of AWS's or Jobferry's."""
    return {**bare_environment(), **system.run.environment, "QUEUE": system.outputs["RequestQueueUrl"]}


def test_boto3_joins_by_the_environment(system: System) -> None:
    """A script of one line."""
    subprocess.run(
        [sys.executable, "-c", BOTO3, job("by-boto3")], env=environment(system), check=True, timeout=WITHIN_SECONDS
    )
    assert log_text(system.told("by-boto3")) == "hello by-boto3\n"


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_joins_by_the_environment(system: System) -> None:
    """As `jobferry local` prints it."""
    command = ["aws", "sqs", "send-message", "--queue-url", system.outputs["RequestQueueUrl"]]
    sent = subprocess.run(
        [*command, "--message-body", job("by-cli")],
        env=environment(system),
        capture_output=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    if b"not found" in sent.stderr and sent.returncode == 127:
        pytest.skip("the aws on the path is a shim without an AWS CLI behind it")
    assert sent.returncode == 0, sent.stderr
    assert "MessageId" in json.loads(sent.stdout)
    assert log_text(system.told("by-cli")) == "hello by-cli\n"
