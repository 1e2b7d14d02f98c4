"""`jobferry local`: the whole system in one terminal, for your own clients, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from deploy.local.emulator.process import EmulatorEndedError, EmulatorFailedError
from deploy.local.local_run import LocalRun, local_run
from deploy.stacks import DeployError

FOLDER = Path(".jobferry")
_LOOK_SECONDS = 0.5


def serve(port: int) -> int:
    """Run until told to stop, or until the worker ends by itself, which is an error."""
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    try:
        return _serve(port, told)
    except EmulatorEndedError:
        return 1
    except (EmulatorFailedError, DeployError) as error:
        print(error, file=sys.stderr)
        return 1


def _serve(port: int, told: threading.Event) -> int:
    with local_run(port) as run, run.worker() as worker:
        env_file = run.write_env_file(FOLDER)
        print(_where(run, env_file), flush=True)
        _await(told, worker)
        failed = worker.poll() is not None
        _forget(run, env_file)
    print("The worker ended by itself: its log is above." if failed else "Stopped.", flush=True)
    return 1 if failed else 0


def _forget(run: LocalRun, env_file: Path) -> None:
    """Remove the settings, unless another run in this folder has written its own over them."""
    if env_file.exists() and f"AWS_ENDPOINT_URL={run.endpoint_url}\n" in env_file.read_text():
        env_file.unlink()


def _await(told: threading.Event, worker: subprocess.Popen[bytes]) -> None:
    while not told.wait(_LOOK_SECONDS) and worker.poll() is None:
        pass


def _where(run: LocalRun, env_file: Path) -> str:
    outputs = run.stack.outputs
    return f"""\
Jobferry runs at {run.endpoint_url}, until Ctrl-C.

  requests       {outputs["RequestQueueUrl"]}
  notifications  {outputs["TopicArn"]}
  logs           s3://{outputs["LogBucketName"]}/jobs/
  records        DynamoDB table {outputs["JobsTableName"]}
  executions     {outputs["StateMachineArn"]}
  settings       {env_file}

In another terminal, with the AWS CLI:

  set -a; . {env_file}; set +a
  aws sqs send-message --queue-url "$JOBFERRY_REQUEST_QUEUE_URL" \\
    --message-body '{{"stages": [{{"image": "image_1", "command": ["echo", "hello", "world"]}}], "user": "ifgeek"}}'
"""
