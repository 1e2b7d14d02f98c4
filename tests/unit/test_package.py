"""What is deployed beside the template: the planner's zip, and the places of both artifacts in S3."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.package import LAMBDA_ZIP, STATE_MACHINE, build_lambda_zip, packaged_template

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "deploy" / "template.yaml").read_text()
KEYS = {LAMBDA_ZIP: "plan.zip", STATE_MACHINE: "machine.json"}


def names(content: bytes) -> list[str]:
    """The files of a zip."""
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_the_zip_is_the_same_for_the_same_sources(tmp_path: Path) -> None:
    """A deployment without a change changes nothing: times of files play no part."""
    for folder in ("schemas", "service", "workers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, copy_function=shutil.copyfile)
    assert build_lambda_zip(tmp_path) == build_lambda_zip(ROOT)


def test_the_planner_runs_from_the_zip_alone(tmp_path: Path) -> None:
    """Nothing that the handler imports of this project is missing."""
    zipfile.ZipFile(io.BytesIO(build_lambda_zip(ROOT))).extractall(tmp_path)
    check = "import workers.plan_next_step as w; print(w.__file__)"
    ran = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path))


def test_dependencies_lie_at_the_top_of_the_zip(tmp_path: Path) -> None:
    """Where Lambda looks for packages."""
    package = tmp_path / "pydantic" / "__init__.py"
    package.parent.mkdir()
    package.touch()
    added = set(names(build_lambda_zip(ROOT, tmp_path))) - set(names(build_lambda_zip(ROOT)))
    assert added == {"pydantic/__init__.py"}


def test_both_artifacts_get_their_place_in_s3() -> None:
    """The function's code and the state machine point to the bucket, and nothing else has changed."""
    packaged = packaged_template(TEMPLATE, "artifacts", KEYS).splitlines()
    changed = [line.strip() for line, was in zip(packaged, TEMPLATE.splitlines(), strict=True) if line != was]
    assert changed == [
        "DefinitionS3Location: {Bucket: artifacts, Key: machine.json}",
        "Code: {S3Bucket: artifacts, S3Key: plan.zip}",
    ]


def test_a_path_without_a_key_is_an_error() -> None:
    """A template that still names a local file would not deploy."""
    with pytest.raises(KeyError):
        packaged_template(TEMPLATE, "artifacts", {LAMBDA_ZIP: "plan.zip"})


def test_the_paths_are_files_where_the_template_lies() -> None:
    """`aws cloudformation package` reads them relative to the template."""
    assert (ROOT / "deploy" / STATE_MACHINE).is_file()
    assert (ROOT / "deploy" / LAMBDA_ZIP).resolve() == ROOT / "build" / "plan_next_step.zip"
