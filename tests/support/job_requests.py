"""What is asked of the shared system, all at once, as producers do. Each entry is sent as soon as the system is up."""

from __future__ import annotations

import json
from typing import Any

Request = dict[str, Any]

# For as long as nobody waits: what sleeps so long is ended from outside.
SLEEP_SECONDS = 3600


def shell(script: str, image: str = "image_1", **members: Any) -> Request:
    """A stage that runs a shell script."""
    return {"image": image, "command": ["sh", "-c", script], **members}


REQUESTS: dict[str, Request] = {
    "article": {
        "input_file": "input/uploads/example.jpg",
        "user": "ifgeek",
        "stages": [{"image": "image_1", "command": ["echo", "hello", "world"]}],
    },
    "thumbs": {
        "job_type": "thumbnails",
        "tenant": "web",
        "input_file": "input/uploads/example.jpg",
        "parameters": {"width": 120},
        "labels": {"album": "Übersee"},
    },
    "failing": {
        "tenant": "acme",
        "stages": [shell("echo fine"), shell("echo reading; echo no such tide >&2; exit 3"), shell("echo never")],
    },
    "callback": {"user": "ifgeek", "stages": [{"image": "reporter", "command": ["report", "--seconds", "0.6"]}]},
    "seen": {
        "user": "ifgeek",
        "input_file": "input/a.jpg",
        "stages": [
            shell("env", environment={"MODE": "größer & 'quoted' \"twice\" $HOME"}),
            shell("env; id -u >/dev/null"),
        ],
    },
    "unicode": {"stages": [shell("printf 'grüße 日本語 <script>alert(1)</script>\\n'")]},
    "nowhere": {"stages": [{"image": "nowhere"}]},
    # The memory is held for as long as nobody reads: the limit is looked at every now and then.
    "hungry": {"stages": [shell("head -c 75000000 /dev/zero | tail -c 75000000 | (sleep 1; wc -c)", image="hungry")]},
    "slow": {"stages": [shell(f"echo slow; sleep {SLEEP_SECONDS}", timeout_seconds=2)]},
    "silent": {"stages": [shell(f"echo no heartbeat; sleep {SLEEP_SECONDS}", image="silent")]},
    "overdue": {
        "timeout_seconds": 2,
        "stages": [shell("sleep 1"), shell(f"sleep {SLEEP_SECONDS}"), shell("echo never")],
    },
    # The second attempt passes, which nobody makes but an operator.
    "mended": {"stages": [shell("echo first"), shell('echo attempt $JOBFERRY_ATTEMPT; [ "$JOBFERRY_ATTEMPT" = 2 ]')]},
    "curious": {
        "tenant": "curious",
        "progress": True,
        "stages": [shell('test "$JOBFERRY_ATTEMPT" -gt 1 || exit 7', image="stubborn"), shell("echo done")],
    },
    "repeated": {"stages": [shell("echo once")]},
    "long": {"stages": [shell(f"echo {'x' * 400} >/dev/null") for _ in range(8)] + [shell("exit 9")] * 92},
    "pointed-new": {"stages": [shell("echo from S3")]},
    "pointed-old": {"stages": [shell("echo from S3")]},
}
POINTER_CLASSES = {
    "pointed-new": "software.amazon.payloadoffloading.PayloadS3Pointer",
    "pointed-old": "com.amazon.sqs.javamessaging.MessageS3Pointer",
}
REPEATS = {"repeated": 20}


def body(name: str) -> str:
    """The request of this name, whose job id is its name."""
    return json.dumps({"job_id": name, **REQUESTS[name]})
