"""The SQS extended client's pointer: a message body that only says where in S3 the real body lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.notification import Problem
from service.core.admission.request_body import BodyRefusedError, read_json
from service.core.log_layout import s3_uri

# Today's class name and the one that older clients send [awslabs/amazon-sqs-python-extended-client-lib].
_CLASSES = frozenset(
    {"software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"}
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# What S3 keeps for itself: adjacent periods, IP addresses, and the ends of names that are directory buckets, access
# points or tables and not general purpose buckets [S3 guide, bucketnamingrules].
_NO_BUCKET = re.compile(r".*\.\..*|\d{1,3}(?:\.\d{1,3}){3}|.*--(?:x|xa|table|op)-s3|.*\.mrap", re.ASCII)
# The only part of Jobferry's own bucket that is the producers'.
_PRODUCERS_PREFIX = "input/"
_LONGEST_KEY_BYTES = 1024  # [S3 object keys]
_LONGEST_POINTER = 16_384  # A key of escapes only, and what stands around it.


@dataclass(frozen=True)
class Pointer:
    """Where the real body lies."""

    bucket: str
    key: str

    def problem(self, why: str, remedy: str) -> Problem:
        """Why what it points to cannot be a request."""
        uri = s3_uri(self.bucket, self.key)
        return Problem(field="", message=f"the body is a pointer to {uri}, but {why}", remedy=remedy)


def read_pointer(body: str) -> Pointer | None:
    """The pointer in a message body; None for any other body, one to what no bucket or key can be called included."""
    if len(body) > _LONGEST_POINTER or not body.lstrip().startswith("["):
        return None
    try:
        value = read_json(body)
    except BodyRefusedError:
        return None
    match value:
        case [str(name), {"s3BucketName": str(bucket), "s3Key": str(key)}] if name in _CLASSES:
            return Pointer(bucket, key) if _BUCKET.fullmatch(bucket) and _may_be_a_key(key) else None
        case _:
            return None


def problem_with(pointer: Pointer, own_bucket: str) -> Problem | None:
    """Why a pointer is not followed, whatever lies there.

    Jobferry may read in its bucket what a producer may not: another job's logs, and what else was rejected.
    """
    if pointer.bucket == own_bucket and not _is_the_producers(pointer.key):
        remedy = f"Send the request itself, or put it below {_PRODUCERS_PREFIX} or into a bucket of your own."
        return pointer.problem("that is Jobferry's own part of its bucket", remedy)
    if _NO_BUCKET.fullmatch(pointer.bucket):
        return pointer.problem("no bucket of S3 can have this name", "Correct the bucket's name.")
    return None


def _is_the_producers(key: str) -> bool:
    """Whether it lies below the prefix by any reading: a client or a proxy may resolve `..`, though S3 does not."""
    return key.startswith(_PRODUCERS_PREFIX) and not {".", ".."} & set(key.split("/"))


def _may_be_a_key(text: str) -> bool:
    return text.isprintable() and 0 < len(text.encode()) <= _LONGEST_KEY_BYTES
