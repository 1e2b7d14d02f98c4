"""What the stack is made from, in S3: the functions' zips, the state machine, and the template that names both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.package import STATE_MACHINE, packaged_template

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_FIRST_REGION = "us-east-1"  # The one that CreateBucket must not name [CreateBucket].
# Else links name the global endpoint, which knows no bucket of an opt-in region [boto3 #2728].
_REGIONAL = Config(s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"})


def upload(session: boto3.Session, bucket: str | None, root: Path, zips: Mapping[str, bytes]) -> str:
    """Put the artifacts into the bucket; answers with the template's URL.

    Each key says what is in it, so that CloudFormation sees a change where there is one, and can go back to what was.
    """
    account = session.client("sts").get_caller_identity()["Account"]
    s3 = session.client("s3", config=_REGIONAL)
    name = bucket or _own_bucket(s3, account, session.region_name)
    deploy = root / "deploy"
    contents = {**zips, STATE_MACHINE: (deploy / STATE_MACHINE).read_bytes()}
    keys = {path: _put(s3, name, account, path, content) for path, content in contents.items()}
    template = packaged_template((deploy / "template.yaml").read_text(encoding="utf-8"), name, keys)
    key = _put(s3, name, account, "template.yaml", template.encode())
    # The client knows where the bucket answers; a presigned link without its signature is the plain address.
    return str(s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": key})).partition("?")[0]


def _put(s3: S3Client, bucket: str, account: str, path: str, content: bytes) -> str:
    name = Path(path).name
    key = f"{Path(name).stem.partition('.')[0]}/{hashlib.sha256(content).hexdigest()[:16]}/{name}"
    # Another account may have taken the name first: it must not get our code, nor give us its own.
    s3.put_object(Bucket=bucket, Key=key, Body=content, ExpectedBucketOwner=account)
    return key


def _own_bucket(s3: S3Client, account: str, region: str) -> str:
    """The account's bucket of artifacts, made when it is needed first; S3 encrypts it and shuts it to the public."""
    name = f"jobferry-artifacts-{account}-{region}"
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        place: Any = {} if region == _FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **place)
    return name
