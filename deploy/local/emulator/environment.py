"""The surroundings in which ministack runs: none of the caller's, and nothing outside one scratch directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

# PYTHONPATH is not among them: a Lambda function has what is in its package, not what lies beside it here.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
OFF = ("SFTP_ENABLED", "IOT_MTLS_ENABLED", "PERSIST_STATE", "S3_PERSIST", "AUTH", "USE_SSL", "LAMBDA_STRICT")


def isolated(
    inherited: Mapping[str, str], *, port: int, scratch: Path, log_level: str, keep: Path | None = None
) -> dict[str, str]:
    """The whole environment of the emulator and of the Lambda functions it runs.

    Whatever else was inherited is left out: a key, a profile or an endpoint of the caller's must reach no function, and
    a setting of ministack's that happens to be exported must not open a port or a Docker connection.

    With `keep`, ministack reads there at its start what it wrote there at its last end.
    """
    kept = {name: inherited[name] for name in KEPT if name in inherited}
    return {
        "PATH": os.defpath,
        **kept,
        **dict.fromkeys(OFF, "0"),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": log_level,
        "LAMBDA_EXECUTOR": "local",
        # Else ministack would look for a daemon at start, and reap the containers of others there.
        "DOCKER_HOST": f"unix://{scratch}/there-is-no-docker.sock",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        **({} if keep is None else {"PERSIST_STATE": "1", "S3_PERSIST": "1"}),
        "STATE_DIR": str((keep or scratch) / "state"),
        "S3_DATA_DIR": str((keep or scratch) / "s3"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def enter(environment: Mapping[str, str]) -> None:
    """Make this process live in `environment`, temporary files included."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = environment["TMPDIR"]
