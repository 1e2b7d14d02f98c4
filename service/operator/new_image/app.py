"""A program to begin with: it takes what the stage before wrote, or the job's input file, and writes its result.

Its arguments are the stage's `command`. Exit code 0 says that the stage has passed; an exception ends with 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import boto3


def work(text: str, arguments: list[str]) -> str:
    """The work itself, for you to replace."""
    return text + " ".join(arguments) + "\n"


def main() -> None:
    """Read, work, write; what is printed is the stage's log."""
    attempt = os.environ.get("JOBFERRY_ATTEMPT", "1")
    print(f"stage {os.environ.get('JOBFERRY_STAGE', '1')}, attempt {attempt}: {sys.argv[1:]}", flush=True)
    result = work("".join(texts(os.environ.get("JOBFERRY_INPUT", ""))), sys.argv[1:])
    print(result, end="", flush=True)
    if output := os.environ.get("JOBFERRY_OUTPUT"):
        bucket, prefix = split(output)
        boto3.client("s3").put_object(Bucket=bucket, Key=prefix + "result.txt", Body=result.encode())


def texts(uri: str) -> Iterator[str]:
    """The content of an object, or of all objects that the stage before wrote; nothing where there is no input."""
    if not uri:
        return
    s3 = boto3.client("s3")
    bucket, prefix = split(uri)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode()


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


if __name__ == "__main__":
    main()
