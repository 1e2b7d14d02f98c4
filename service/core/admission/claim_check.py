"""The SQS extended client's pointer: a message body that only says where in S3 the real body lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.core.admission.request_body import BodyRefusedError, read_json

# Today's class name and the one that older clients send [awslabs/amazon-sqs-python-extended-client-lib].
_CLASSES = frozenset(
    {"software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"}
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY_BYTES = 1024  # [S3 object keys]
_LONGEST_POINTER = 16_384  # A key of escapes only, and what stands around it.


@dataclass(frozen=True)
class Pointer:
    """Where the real body lies."""

    bucket: str
    key: str


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


def _may_be_a_key(text: str) -> bool:
    return text.isprintable() and 0 < len(text.encode()) <= _LONGEST_KEY_BYTES
