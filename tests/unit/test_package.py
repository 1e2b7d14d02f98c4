"""What is deployed beside the template: the planner's zip, and the places of both artifacts in S3."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.imported import RelativeImportError, imported_files
from deploy.package import API_ZIP, LAMBDA_ZIP, STATE_MACHINE, build_lambda_zip, packaged_template

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "deploy" / "template.yaml").read_text()
KEYS = {LAMBDA_ZIP: "plan.zip", API_ZIP: "api.zip", STATE_MACHINE: "machine.json"}


def names(content: bytes) -> list[str]:
    """The files of a zip."""
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def copied(root: Path) -> None:
    """The sources once more, with times of their own."""
    for folder in ("schemas", "service", "workers"):
        shutil.copytree(ROOT / folder, root / folder, copy_function=shutil.copyfile)


def test_the_zip_is_the_same_for_the_same_sources(tmp_path: Path) -> None:
    """A deployment without a change changes nothing: times of files play no part."""
    copied(tmp_path)
    assert build_lambda_zip(tmp_path) == build_lambda_zip(ROOT)


@pytest.mark.parametrize(
    ("file", "word", "is_the_planners"),
    [
        ("service/core/telling/letter.py", "Your job", False),
        ("service/core/policy/owed.py", "What is owed", False),
        ("service/core/planning/planning.py", "What the next stage is", True),
    ],
)
def test_only_a_change_of_the_planner_changes_the_zip(
    tmp_path: Path, file: str, word: str, is_the_planners: bool
) -> None:
    """A word in the letter is no reason to deploy the function anew."""
    copied(tmp_path)
    before = build_lambda_zip(tmp_path)
    text = (tmp_path / file).read_text()
    assert word in text
    (tmp_path / file).write_text(text.replace(word, "Another word"))
    assert (build_lambda_zip(tmp_path) != before) == is_the_planners


def test_the_planner_runs_from_the_zip_alone_and_runs_all_of_it(tmp_path: Path) -> None:
    """Nothing that the handler imports of this project is missing, and nothing is there that it does not import."""
    zipfile.ZipFile(io.BytesIO(build_lambda_zip(ROOT))).extractall(tmp_path)
    check = "import sys, workers.plan_next_step; print(*(getattr(m, '__file__', None) for m in sys.modules.values()))"
    ran = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    imported = [Path(name) for name in ran.stdout.split()]
    ours = {str(path.relative_to(tmp_path)) for path in imported if path.is_relative_to(tmp_path)}
    assert ours == set(names(build_lambda_zip(ROOT)))


IMPORTING = """
from typing import TYPE_CHECKING
import foreign
import service.plain
from service import module
from service.inner import name
if TYPE_CHECKING:
    import service.for_types
else:
    import service.otherwise
def later():
    import service.deferred
"""


def test_what_a_program_imports(tmp_path: Path) -> None:
    """Modules and packages of ours, at the top, in a function or after another; not what is for type checking alone."""
    (tmp_path / "foreign.py").write_text("from . import whatever")  # As beside an installed wheel.
    (tmp_path / "service" / "inner").mkdir(parents=True)
    for name in ("__init__", "plain", "module", "for_types", "otherwise", "unheard_of", "inner/__init__"):
        (tmp_path / "service" / f"{name}.py").touch()
    (tmp_path / "service" / "deferred.py").write_text("import program, os.path, json.decoder")
    (tmp_path / "program.py").write_text(IMPORTING)
    found = {path.relative_to(tmp_path).as_posix() for path in imported_files(tmp_path, tmp_path / "program.py")}
    modules = {f"service/{name}.py" for name in ("__init__", "plain", "module", "otherwise", "deferred")}
    assert found == {"program.py", "service/inner/__init__.py", *modules}


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    """Rather than left out of what is packed."""
    (tmp_path / "program.py").write_text("from . import other")
    with pytest.raises(RelativeImportError):
        imported_files(tmp_path, tmp_path / "program.py")


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
        "Code: {S3Bucket: artifacts, S3Key: api.zip}",
    ]


def test_a_path_without_a_key_is_an_error() -> None:
    """A template that still names a local file would not deploy."""
    with pytest.raises(KeyError):
        packaged_template(TEMPLATE, "artifacts", {LAMBDA_ZIP: "plan.zip"})


def test_the_paths_are_files_where_the_template_lies() -> None:
    """`aws cloudformation package` reads them relative to the template."""
    assert (ROOT / "deploy" / STATE_MACHINE).is_file()
    assert (ROOT / "deploy" / LAMBDA_ZIP).resolve() == ROOT / "build" / "plan_next_step.zip"
