"""The images, as far as they can be judged without building them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.catalog import Image
from service.operator.cli import main
from service.settings import ENVIRONMENT_PREFIX, Settings
from tests.support.deployment import DEPLOY, catalog, properties, template
from tests.support.dockerfile import ROOT, Stage, admitted, admitted_files, stages

WORKER, PICTURES = DEPLOY / "Dockerfile", DEPLOY / "examples" / "pictures" / "Dockerfile"
EVERY = pytest.mark.parametrize("path", [WORKER, PICTURES], ids=["worker", "pictures"])


def final(path: Path) -> Stage:
    """The stage that is run."""
    return stages(path)[-1]


def pip_installs(path: Path) -> list[str]:
    """Every command that installs."""
    runs = [item.value for stage in stages(path) for item in stage.all("RUN")]
    return [command for run in runs for command in run.split(" && ") if "pip" in command and " install " in command]


@EVERY
def test_the_image_is_built_in_one_stage_and_run_in_another(path: Path) -> None:
    """Nothing of the build but its result is in the image, and that from a slim base with a fixed version."""
    build, run = stages(path)
    assert build.last("FROM").words == ["${PYTHON}", "AS", "build"]
    assert run.last("FROM").words == ["${PYTHON}"]
    [argument] = [line for line in path.read_text().splitlines() if line.startswith("ARG PYTHON=")]
    assert f"python:{properties('PlanNextStep')['Runtime'].removeprefix('python')}-slim" in argument
    assert not [item for item in run.all("RUN") if "pip" in item.value or "apt" in item.value]


@EVERY
def test_only_what_is_locked_is_installed(path: Path) -> None:
    """Each install is by hashes, or of our own wheel without an index; nothing of it is kept in a cache."""
    assert pip_installs(path)
    for command in pip_installs(path):
        words = command.split()
        assert {"--require-hashes", "-r"} <= set(words) or {"--no-index", "--no-deps"} <= set(words)
    assert stages(path)[0].environment()["PIP_NO_CACHE_DIR"] == "1"


@EVERY
def test_no_tool_of_ours_and_no_local_run_is_in_the_image(path: Path) -> None:
    """Neither the development lock nor the emulator is named, nor let into the build."""
    locks = {word for command in pip_installs(path) for word in command.split() if word.startswith("requirements/")}
    assert locks <= {"requirements/build.txt", "requirements/worker.txt", "requirements/pictures.txt"}
    for lock in locks:
        assert not {"ministack", "moto", "pytest", "hypercorn"} & {
            line.split("==")[0] for line in (ROOT / lock).read_text().splitlines()
        }
    assert not admitted(DEPLOY / "local" / "gaps.py")


@EVERY
def test_it_runs_as_nobody_in_particular(path: Path) -> None:
    """By number, so that a cluster which forbids root can tell, and as the template says."""
    user = final(path).last("USER").value
    uid, gid = map(int, user.split(":"))
    assert uid >= 10_000
    assert gid >= 10_000
    given = {
        "worker": properties("WorkerTask")["ContainerDefinitions"][0]["User"],
        "pictures": f"{properties('PicturesTask')['ContainerDefinitions'][0]['User']}:65534",
    }
    assert user == given["worker" if path == WORKER else "pictures"]


@EVERY
def test_no_shell_stands_before_the_process(path: Path) -> None:
    """In exec form the process is the first of its container, and SIGTERM is its own."""
    for keyword in ("ENTRYPOINT", "CMD"):
        assert final(path).last(keyword).value.startswith("[")


@EVERY
def test_the_standard_library_is_compiled_in_it(path: Path) -> None:
    """The base's is not, and on a read-only root each start would compile what it imports anew."""
    [compiled] = [run.value for run in final(path).all("RUN") if "compileall" in run.value]
    assert compiled.split()[-1] == "/usr/local/lib/python3.*"


def test_the_worker_carries_nothing_that_it_does_not_run() -> None:
    """No example, no local run, no tool for deploying: of `deploy` only what the worker and the doctor read."""
    copied = {source for stage in stages(WORKER) for sources, _ in stage.copies() for source in sources}
    assert {source for source in copied if source.startswith("deploy")} == {
        "deploy/__init__.py",
        "deploy/catalog.yaml",
        "deploy/state_machine.asl.json",
    }


@EVERY
def test_everything_that_is_copied_is_there_and_let_in(path: Path) -> None:
    """A COPY of what .dockerignore keeps out would fail the build."""
    for stage in stages(path):
        for sources, _ in stage.copies():
            assert all(admitted_files(source) for source in sources), sources


@pytest.mark.parametrize(
    "name", [".git/HEAD", ".venv/bin/python", "tests/support/dockerfile.py", "requirements/build.in"]
)
def test_nothing_else_is_let_in(name: str) -> None:
    """History, environments and tests stay out."""
    assert not admitted(ROOT / name)


def test_the_task_definition_and_the_image_agree_on_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """ECS's command takes the place of CMD and follows ENTRYPOINT; together they are a command of ours."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    run = final(WORKER)
    assert container["Command"] == run.last("CMD").words == ["worker"]
    assert run.last("ENTRYPOINT").words == ["jobferry"]
    assert container["HealthCheck"]["Command"] == ["CMD", "python", "-I", "-m", "workers.probe"]
    assert run.last("HEALTHCHECK").value.endswith(f"CMD {json.dumps(container['HealthCheck']['Command'][1:])}")
    with pytest.raises(SystemExit) as ended:
        main([*container["Command"], "--help"])
    assert ended.value.code == 0
    assert "jobferry worker" in capsys.readouterr().out


def test_the_catalogue_is_where_the_template_looks() -> None:
    """Without a parameter the worker reads the one in its image, which is the repository's."""
    where = template()["Parameters"]["Catalog"]["Default"]
    run = final(WORKER)
    assert (["deploy/catalog.yaml"], where) in run.copies()
    assert run.environment()["JOBFERRY_CATALOG"] == where


def test_the_image_sets_only_settings_that_exist() -> None:
    """A misspelt variable would be ignored."""
    names = [name for name in final(WORKER).environment() if name.startswith(ENVIRONMENT_PREFIX)]
    assert names
    assert {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in names} <= set(Settings.model_fields)


def test_only_the_scratch_directory_is_written_to() -> None:
    """The root file system is read-only on ECS, and the volume takes its permissions from the image."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    assert [final(WORKER).last("VOLUME").value] == [item["ContainerPath"] for item in container["MountPoints"]]
    assert final(WORKER).environment()["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("name", ["pictures", "reporter"])
def test_the_example_image_has_the_commands_of_its_catalogue(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A request's command follows the ENTRYPOINT, whose program knows it."""
    from deploy.examples.pictures import __main__ as program

    image: Image = catalog().images[name]
    assert final(PICTURES).last("ENTRYPOINT").words == ["python", "-m", "deploy.examples.pictures"]
    for command in image.commands:
        with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as ended:
            patched.setattr("sys.argv", ["pictures", command[0], "--help"])
            program.main()
        assert ended.value.code == 0
        assert f"pictures {command[0]}" in capsys.readouterr().out
