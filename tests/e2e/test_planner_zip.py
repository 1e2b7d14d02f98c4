"""The planner's zip as `make deploy` builds it: what Lambda gets is all that it needs."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from deploy.package import build_lambda_zip
from deploy.planner_dependencies import PYTHON_VERSION, install
from schemas.plan import Config, ExecutionInput, LambdaResult
from tests.support.builders import admitted, execution_arn
from tests.support.deployment import properties
from tests.support.dockerfile import ROOT
from tests.support.locked import locked

# Isolated, without site-packages: the path is the zip's folder, the standard library, and what Lambda itself has.
PLAN = """
import json, sys
sys.path[:0] = sys.argv[1:]
from workers.plan_next_step import handler
event = json.load(sys.stdin)
print(json.dumps([handler(event, None), sys.modules["pydantic"].__file__]))
"""


def first_step() -> str:
    """What the function is asked at the beginning of a job of one stage."""
    job = admitted('{"stages": [{"image": "echo", "command": ["echo", "hi"]}]}')
    config = Config(bucket="bucket", timeout_seconds=None, stages=job.stages)
    result = LambdaResult(total_stages_count=1, processed_stages_count=0, config=config)
    told = ExecutionInput(job_id=job.job_id, lambda_result=result).model_dump(mode="json")
    then = "2026-11-23T07:00:00Z"
    step = {"step": "plan_next_step", "execution_arn": execution_arn(), "started_at": then, "now": then}
    return json.dumps({**step, "input": told})


def test_it_is_built_for_lambda(tmp_path: Path) -> None:
    """The native modules are those of the function's own runtime, whatever runs here."""
    assert properties("PlanNextStep")["Runtime"] == f"python{PYTHON_VERSION}"
    install(ROOT, tmp_path / "lambda")
    names = zipfile.ZipFile(io.BytesIO(build_lambda_zip(ROOT, tmp_path / "lambda"))).namelist()
    native = [name for name in names if name.endswith(".so")]
    assert native
    assert all(f"cpython-{PYTHON_VERSION.replace('.', '')}-x86_64-linux-gnu" in name for name in native)
    assert not [name for name in names if name.endswith(".pyc")]


def test_it_plans_with_nothing_but_itself(tmp_path: Path) -> None:
    """Unpacked, with its lock's packages for this Python and an empty boto3 in the place of Lambda's, it plans."""
    for package in locked(ROOT / "requirements" / "lambda.txt"):
        for file in package.files or ():
            if ".." not in file.parts:
                (tmp_path / "lambda" / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(package.locate_file(file)), tmp_path / "lambda" / file)
    function, lambdas_own = tmp_path / "function", tmp_path / "runtime"
    zipfile.ZipFile(io.BytesIO(build_lambda_zip(ROOT, tmp_path / "lambda"))).extractall(function)
    lambdas_own.mkdir()
    (lambdas_own / "boto3.py").touch()
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PLAN, str(function), str(lambdas_own)],
        input=first_step(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    plan, pydantic = json.loads(ended.stdout)
    assert plan["decision"] == "run"
    assert plan["next_stage"]["image"] == "echo"
    assert pydantic.startswith(str(function))
