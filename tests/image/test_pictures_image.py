"""The example's image, run as a task runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deploy.examples.pictures.drawing import ferry
from deploy.local.local_run import LocalRun
from tests.image.store import Store

JOB = "image-check"


def test_it_makes_its_pictures(store: Store, pictures_image: str, run: LocalRun, settings: Mapping[str, str]) -> None:
    """Thumbnails, and a sheet of them, from S3 to S3; by nobody, on a root that is read only."""
    s3, bucket = run.session.client("s3"), run.stack.outputs["LogBucketName"]
    s3.put_object(Bucket=bucket, Key="input/image-check/ferry.png", Body=ferry())
    places = {"source": "input/image-check", "thumbnails": f"jobs/{JOB}/thumbnails", "sheet": f"jobs/{JOB}/sheet"}
    uris = {name: f"s3://{bucket}/{prefix}/" for name, prefix in places.items()}
    aws = {name: value for name, value in settings.items() if name.startswith("AWS_") and name != "AWS_ACCESS_KEY_ID"}

    def task(*command: str, source: str, target: str) -> None:
        own = {"JOBFERRY_JOB_ID": JOB, "JOBFERRY_INPUT": uris[source], "JOBFERRY_OUTPUT": uris[target]}
        variables = {**aws, "AWS_ACCESS_KEY_ID": "test", **own}
        ended = store.run(
            pictures_image, *command, options=[f"--env={name}={value}" for name, value in variables.items()]
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    task("thumbnails", "--width", "64", source="source", target="thumbnails")
    task("contact-sheet", source="thumbnails", target="sheet")
    manifest = s3.get_object(Bucket=bucket, Key=f"{places['sheet']}/manifest.json")["Body"].read()
    assert len(json.loads(manifest)["pictures"]) == 6


def test_a_command_that_fails_says_so_by_its_exit_code(store: Store, pictures_image: str) -> None:
    """A task is judged by it."""
    ended = store.run(pictures_image, "no-such-command")
    assert ended.returncode == 2
    assert "invalid choice: 'no-such-command'" in ended.stderr


def test_it_holds_what_its_commands_run_and_nothing_else(store: Store, pictures_image: str) -> None:
    """Nothing of the worker, and no installer."""
    look = "import importlib.util as i; print([m for m in %r if i.find_spec(m)])"
    names = ("deploy.examples.pictures", "service", "workers", "schemas", "deploy.local", "aiohttp", "pydantic")
    ended = store.run(pictures_image, "-c", look % (names,), options=["--entrypoint=python"])
    assert ended.stdout == "['deploy.examples.pictures']\n"
