"""The container's view of S3: files below s3:// URIs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Folder:
    """An s3:// URI, of one object or of all below a prefix."""

    client: S3Client
    bucket: str
    prefix: str

    @classmethod
    def of(cls, uri: str) -> Folder:
        """The folder of a URI; raises ValueError for what is none."""
        bucket, slash, prefix = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not slash:
            raise ValueError(f"{uri!r} is no s3:// URI")
        return cls(boto3.client("s3"), bucket, prefix)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of every object, by name."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        for page in pages:
            for item in page.get("Contents", []):
                key = item["Key"]
                yield key.rsplit("/", 1)[-1], self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def write(self, name: str, content: bytes, content_type: str) -> str:
        """Write an object below the prefix; answers with its URI."""
        key = self.prefix + name
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=content_type)
        return f"s3://{self.bucket}/{key}"
