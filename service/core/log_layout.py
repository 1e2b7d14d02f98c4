"""Where things of a job lie in S3, and what the log stream of a container is called.

    jobs/<job id>/stages/<stage>/            what a stage wrote (JOBFERRY_OUTPUT)
    jobs/<job id>/logs/<stage>-<attempt>/<container>-<task id>.<work>.log
    jobs/<job id>/logs/<stage>-<attempt>/<container>-<task id>.<work>.lines   where a large log's lines are (log_index)
    jobs/<job id>/input/<digest>.json        the stages of a job too large to travel
    jobs/<job id>/input/request-<digest>.json  a request of such a size, to make it again
    jobs/<job id>/history/<outcome>.json.gz  what Step Functions told of an execution that ended, once somebody asked
    rejected/<message id>.json               the body of a request that was not admitted

A log is written once: each try to archive it is a piece of work with a name, and a key, of its own, which the receipt
names. So a try that stood still past its claim overwrites nothing, and a receipt's sha256 is true for good. What no
receipt names, since its try died or came late, ends with the other objects of the job, by the bucket's lifecycle.

Job ids, container names and task ids are of a URL-safe alphabet already; anything else is made so.
"""

from __future__ import annotations

import re

S3Location = tuple[str, str]
"""A bucket and a key."""

_S3 = "s3://"
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_SEGMENT = 255  # As long as a container's name may be, so that two never share a key.


def safe_segment(text: str) -> str:
    """A piece of an S3 key that needs no escaping in any URL, shell or e-mail."""
    return _UNSAFE.sub("_", text)[:_LONGEST_SEGMENT].strip(".") or "_"


def log_key(job_id: str, stage: int | None, attempt: int | None, container: str, task_id: str, work: str) -> str:
    """The S3 key that one piece of work archives a container's log under."""
    folder = f"{stage}-{attempt or 1}" if stage else "other"
    name = f"{safe_segment(container)}-{safe_segment(task_id)}.{safe_segment(work)}.log"
    return f"jobs/{safe_segment(job_id)}/logs/{folder}/{name}"


def stage_prefix(job_id: str, stage: int) -> str:
    """The S3 prefix that a stage writes under, ending in a slash."""
    return f"jobs/{safe_segment(job_id)}/stages/{stage}/"


def stages_key(job_id: str, digest: str) -> str:
    """The S3 key of the frozen stages of a job too large to travel, by their own digest: none is ever overwritten."""
    return f"jobs/{safe_segment(job_id)}/input/{digest}.json"


def request_key(job_id: str, digest: str) -> str:
    """The S3 key of what a large request said, by its digest."""
    return f"jobs/{safe_segment(job_id)}/input/request-{digest}.json"


def history_key(job_id: str, redrive_count: int, status: str) -> str:
    """The S3 key of the history of an execution that ended so."""
    return f"jobs/{safe_segment(job_id)}/history/{redrive_count}-{safe_segment(status)}.json.gz"


def rejected_key(message_id: str) -> str:
    """The S3 key of the body of a request that was not admitted."""
    return f"rejected/{safe_segment(message_id)}.json"


def s3_uri(bucket: str, key: str | None) -> str:
    """An S3 URI of a key in our bucket; a URI stays as it is."""
    if not key:
        return ""
    return key if key.startswith(_S3) else f"{_S3}{bucket}/{key}"


def split_s3_uri(text: str | None) -> S3Location | None:
    """Bucket and key of an S3 URI; None for what is none."""
    bucket, slash, key = (text or "").removeprefix(_S3).partition("/")
    return (bucket, key) if slash and text and text.startswith(_S3) else None


def log_stream(prefix: str | None, container: str, task_id: str, runtime_id: str | None) -> str | None:
    """The awslogs stream of a container: `prefix/container/task-id`, or without a prefix (EC2 only) the Docker id.

    Source: ECS developer guide, using_awslogs.
    """
    return f"{prefix}/{container}/{task_id}" if prefix else runtime_id
