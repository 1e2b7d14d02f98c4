"""Make the kept cases anew: jobs of the demo, run on the embedded AWS, and `jobferry case` of each.

Each is held against what its subscriber was told before it is kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.examples.pictures.drawing import ferry
from deploy.local.demo.jobs import INPUT_KEY, demo_jobs
from deploy.local.demo.world import with_demo_images
from deploy.local.local_run import LocalRun, local_run
from deploy.local.subscriber import Subscriber
from schemas.notification import JobNotification
from service.core.casefile.differences import differences
from service.core.casefile.files import MANIFEST, NOTIFICATION
from tests.casefiles.corpus import CASES
from tests.support.commands import call
from tests.support.waiting import wait_for

# A stage that says what it was told, and one that fails: redriven, it fails again.
TOLD = {"image": "image_1", "command": ["sh", "-c", "echo mode $MODE"], "environment": {"MODE": "fast and loose"}}
FAILS = {"image": "image_1", "command": ["sh", "-c", "echo no such tide >&2; exit 3"], "name": "tide-table"}
REDRIVEN = {"job_id": "redriven", "stages": [TOLD, FAILS], "labels": {"team": "harbour"}, "timeout_seconds": 600}
MALFORMED = {"job_id": "malformed", "stages": [{"image": "image_9", "command": "echo"}], "urgent": True}
CALLER = "arn:aws:iam::123456789012:user/ann"


@dataclass
class World:
    """The run, and what its subscriber was told so far."""

    run: LocalRun
    subscriber: Subscriber
    told: dict[str, list[JobNotification]] = field(default_factory=dict)

    def send(self, queue: str, body: str) -> None:
        """Send a message to a queue, by the name of the stack's output."""
        self.run.session.client("sqs").send_message(QueueUrl=self.run.stack.outputs[queue], MessageBody=body)

    def steer(self, verb: str, job_id: str) -> None:
        """Ask for something in somebody's name."""
        asked = {"verb": verb, "job_id": job_id, "requested_by": CALLER, "reason": "to see what comes of it"}
        self.send("ControlQueueUrl", json.dumps(asked))

    def outcome(self, job_id: str, number: int = 0) -> JobNotification:
        """What was told of one of a job's outcomes."""

        def look() -> JobNotification | None:
            for received in self.subscriber.receive():
                known = received.notification
                self.told.setdefault(str(_id_of(known)), []).append(known)
            found = self.told.get(job_id, [])
            return found[number] if len(found) > number else None

        return wait_for(look, f"outcome {number} of {job_id}")

    def runs(self, job_id: str) -> None:
        """Wait until a task of a job runs."""
        ecs, cluster = self.run.session.client("ecs"), self.run.stack.outputs["ClusterName"]

        def look() -> bool:
            arns = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
            tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
            return any(task["group"] == f"job:{job_id}" and task["lastStatus"] == "RUNNING" for task in tasks)

        wait_for(look, f"a task of {job_id}")


def _id_of(told: JobNotification) -> str | None:
    return told.job_id or (told.rejection.claimed_job_id if told.rejection else None)


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """The system with the demo's images, and a worker."""
    with local_run() as bare, (folder / "worker.log").open("wb") as log:
        run = with_demo_images(bare, folder)
        bucket = run.stack.outputs["LogBucketName"]
        run.session.client("s3").put_object(Bucket=bucket, Key=INPUT_KEY, Body=ferry(), ContentType="image/jpeg")
        with run.worker(log=log.fileno()):
            yield World(run, Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="case-subscriber"))


def lived(world: World) -> Mapping[str, JobNotification]:
    """The jobs, run to their ends; the last thing that was told of each."""
    bodies = {job.job_id: job.body for job in demo_jobs()}
    for body in (
        *(bodies[name] for name in ("pictures", "swells", "cancelled")),
        *map(json.dumps, (REDRIVEN, MALFORMED)),
    ):
        world.send("RequestQueueUrl", body)
    world.runs("cancelled")
    world.steer("cancel", "cancelled")
    world.outcome("redriven")
    world.steer("redrive", "redriven")
    last = {"redriven": 1}
    return {name: world.outcome(name, last.get(name, 0)) for name in CASES}


def keep(world: World, name: str, told: JobNotification, folder: Path) -> None:
    """Write a case, hold it against what was told, and keep it."""
    made, kept = folder / f"{name}.zip", CASES[name]
    jobferry = Path(sys.executable).parent / "jobferry"
    call(jobferry, "case", name, "-o", made, variables=world.run.environment)
    with zipfile.ZipFile(made) as case:
        lost = {item["what"] for item in json.loads(case.read(MANIFEST))["not_known"]}
        held: dict[str, Any] = json.loads(case.read(NOTIFICATION))
    otherwise = list(differences(name, _plain(told.model_dump(mode="json")), _plain(held)))
    assert otherwise == [], f"the case does not tell what its subscriber was told: {otherwise}"
    assert "the notification as it was sent" not in lost, "its letter is another than its fingerprint says"
    kept.write_bytes(made.read_bytes())
    print(f"{kept.name}  {told.status}, {kept.stat().st_size:,} bytes")


def _plain(told: Mapping[str, Any]) -> Any:
    """Without links, and the letter, which quotes them."""
    text = json.dumps({name: value for name, value in told.items() if name not in {"text", "subject"}})
    return json.loads(text, object_hook=lambda value: {key: item for key, item in value.items() if "link" not in key})


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as world:
        for job_id, told in lived(world).items():
            keep(world, job_id, told, Path(name))


if __name__ == "__main__":
    main()
