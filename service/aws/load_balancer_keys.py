"""Elastic Load Balancing: the public keys by which it signs whom it has signed in, each fetched once and kept.

The endpoint is regional, and another one in GovCloud [Elastic Load Balancing guide, listener-authenticate-users, user
claims encoding and signature verification]. Of China the guide names none; there it is taken to be under the suffix of
that partition, and a setting names another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from schemas.errors import JobferryError
from service.aws.errors import AwsError

_ENDPOINTS = {
    "aws-us-gov": "https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}",
    "aws-cn": "https://public-keys.auth.elb.{region}.amazonaws.com.cn",
}
_ENDPOINT = "https://public-keys.auth.elb.{region}.amazonaws.com"
_LONGEST_KEY = 4096
_SECONDS = 5.0
_KEPT = 16  # They change seldom, and a request can name as many as it likes.


class NoSuchKeyError(JobferryError):
    """The load balancer has no such key."""


def endpoint_of(load_balancer_arn: str) -> str:
    """Where the keys of a load balancer are."""
    _, partition, _, region, *_ = load_balancer_arn.split(":")
    return _ENDPOINTS.get(partition, _ENDPOINT).format(region=region)


@dataclass
class LoadBalancerKeys:
    """The keys below an address. `fetch` is told a whole URL, and answers with what is there."""

    endpoint: str
    fetch: Callable[[str], Awaitable[bytes]]
    _kept: dict[str, EllipticCurvePublicKey] = field(default_factory=dict)
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, key_id: str) -> EllipticCurvePublicKey:
        """The key of this id, which must be safe in a URL.

        Raises NoSuchKeyError, and AwsError where it cannot be fetched or is of another kind.
        """
        if (known := self._kept.get(key_id)) is not None:
            return known
        # One at a time, so that whoever makes ids up makes no crowd of calls; those who are known do not wait for it.
        async with self._fetching:
            if (known := self._kept.get(key_id)) is None:
                known = _read(await self.fetch(f"{self.endpoint.rstrip('/')}/{key_id}"))
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key_id] = known
            return known


def _read(pem: bytes) -> EllipticCurvePublicKey:
    """A key on the curve P-256, which is what ES256 signs by [RFC 7518, 3.4]."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AwsError(f"What is said to be a load balancer's public key is none: {error}", "NoKey") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise AwsError("A load balancer's public key is on another curve than P-256", "NoKey")
    return key


async def fetched(url: str) -> bytes:
    """What is at a URL. Raises NoSuchKeyError where nothing is, and AwsError where nobody says so."""
    limit = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url, allow_redirects=False) as answer:
            if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise NoSuchKeyError  # S3 says 403 of what is not there to who may not list.
            if answer.status != HTTPStatus.OK:
                raise AwsError(f"{url} answered with {answer.status}", str(answer.status), answer.status)
            body = await answer.content.read(_LONGEST_KEY + 1)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise AwsError(f"{url} cannot be asked: {error or type(error).__name__}", type(error).__name__) from error
    if len(body) > _LONGEST_KEY:
        raise AwsError(f"{url} is longer than any key", "NoKey")
    return body
