"""The HTTP API beside a running system, as a program on this machine asks it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from schemas.tracking import StepsPage, TrackedJob
from tests.support.processes import running
from tests.support.waiting import WITHIN_SECONDS, wait_for

REQUEST = {"job_id": "seen", "stages": [{"image": "image_1", "command": ["echo", "hello"]}]}


def asked(url: str, body: object = None) -> Any:
    """The answer's JSON; None for a job that is not there yet."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=WITHIN_SECONDS) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def test_a_job_is_submitted_and_watched_to_its_end_by_the_local_runs_api(tmp_path: Path) -> None:
    """At the address that it prints; the steps name the task, and its log is one request away."""
    with running("local", "--port", "0", "--api-port", "0", folder=tmp_path) as command:
        jobs = command.wait_for_line("HTTP API").split()[-1]
        asked(jobs, REQUEST)

        def settled() -> TrackedJob | None:
            answer = asked(f"{jobs}/seen")
            job = TrackedJob.model_validate(answer) if answer else None
            return job if job and job.settled else None

        assert wait_for(settled, "the outcome").status == "SUCCEEDED"
        steps = StepsPage.model_validate(asked(f"{jobs}/seen/steps")).steps
        [log] = [link for step in steps for link in step.links.logs]
        address = jobs.removesuffix("/tenants/default/jobs")
        assert asked(address + log)["lines"] == ["hello"]
        assert [job["status"] for job in asked(jobs)["jobs"]] == ["SUCCEEDED"]
