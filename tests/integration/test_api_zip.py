"""The API's zip as Lambda runs it: in a process of its own, with nothing beside it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

from deploy.local.stack import PROJECT
from deploy.package import build_api_zip


def test_the_api_answers_from_its_zip_with_nothing_but_what_is_locked_for_it(tmp_path: Path) -> None:
    """Whatever else the wheel depends on is out of its reach, aiobotocore and the settings' library among it."""
    zipfile.ZipFile(io.BytesIO(build_api_zip(PROJECT))).extractall(tmp_path)
    locked = (PROJECT / "requirements" / "api.txt").read_text()
    known = {line.split("==")[0].replace("-", "_") for line in locked.splitlines() if "==" in line}
    ran = subprocess.run(
        [sys.executable, "-c", ANSWERING], cwd=tmp_path, capture_output=True, text=True, check=False, env=NO_AWS
    )
    assert ran.returncode == 0, ran.stderr
    status, *imported = ran.stdout.split()
    assert status == "404"
    assert (tmp_path / "deploy" / "catalog.yaml").is_file()
    installed = {item.metadata["Name"].lower().replace("-", "_") for item in distributions()}
    named = {NAMES.get(name, name) for name in imported}
    assert (named & installed) - known - OF_LAMBDA == set()


# Asks for a path that is no route, so that nothing is asked of AWS.
ANSWERING = """
import sys
from workers.track_jobs import handler
answer = handler({"httpMethod": "GET", "path": "/nothing", "requestContext": {}}, None)
print(answer["statusCode"], *{name.partition(".")[0] for name in sys.modules})
"""
NO_AWS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": "eu-central-1",
    "JOBFERRY_REQUEST_QUEUE_URL": "https://queue",
    "JOBFERRY_CONTROL_QUEUE_URL": "https://queue",
    "JOBFERRY_STATE_MACHINE_ARN": "arn",
    "JOBFERRY_LOG_BUCKET": "bucket",
    "JOBFERRY_JOBS_TABLE": "table",
    "JOBFERRY_CATALOG": "/app/deploy/catalog.yaml",
    "JOBFERRY_TASK_FAMILY_PREFIX": "jobferry",
    "JOBFERRY_SECRET_PATTERNS": "",
}
NAMES = {"yaml": "pyyaml", "dateutil": "python_dateutil"}
# boto3 and what it needs, or takes where it is, which Lambda's Python has; the environment's own hooks.
OF_LAMBDA = {"boto3", "botocore", "certifi", "jmespath", "python_dateutil", "s3transfer", "six", "urllib3"} | {
    "jobferry",
    "setuptools",
}
