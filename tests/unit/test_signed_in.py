"""Whom a load balancer has signed in: its own tokens pass, and nobody else's."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.api.signed_in import NotSignedInError, SignedIn, signed_in_by
from service.aws.errors import AwsError
from service.aws.load_balancer_keys import LoadBalancerKeys, NoSuchKeyError, endpoint_of
from tests.support.load_balancer import CLIENT, EXPIRES, ISSUER, KEY_ID, LOAD_BALANCER, LoadBalancer

OURS, ANOTHER = LoadBalancer(), LoadBalancer()
KEYS = "https://keys.example.com"


class Keys:
    """Where the keys are, and what was asked for there."""

    def __init__(self, **held: bytes) -> None:
        self.held = {KEY_ID: OURS.pem, **held}
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        """What is there."""
        self.asked.append(url)
        if (pem := self.held.get(url.removeprefix(f"{KEYS}/"))) is None:
            raise NoSuchKeyError
        return pem


def verifying(keys: Keys, now: float = 1_000.0) -> SignedIn:
    """What verifies tokens by these keys."""
    return SignedIn(LOAD_BALANCER, ISSUER, CLIENT, LoadBalancerKeys(f"{KEYS}/", keys.fetch).key, lambda: now)


def by_public_key() -> str:
    """A token whose signature is made of what everybody can fetch."""
    signed = OURS.token(alg="HS256").rpartition(".")[0]
    digest = hmac.digest(OURS.pem, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode()}"


def unsigned(alg: str) -> str:
    """A token without a signature."""
    return f"{OURS.token(alg=alg).rpartition('.')[0]}."


def with_claims_of(token: str, other: str) -> str:
    """A token that says what another one says."""
    head, _, signature = token.split(".")
    return ".".join((head, other.split(".")[1], signature))


FORGED = {
    "nothing": "",
    "no token": "a.b.c",
    "no JSON": f"{base64.urlsafe_b64encode(b'[]').decode()}.e30=.e30=",
    "another's key": ANOTHER.token(),
    "no algorithm": unsigned("none"),
    "no algorithm, in capitals": unsigned("NONE"),
    "no signature": unsigned("ES256"),
    "the public key as a secret": by_public_key(),
    "another algorithm of the same key": OURS.token(alg="ES384"),
    "other claims": with_claims_of(OURS.token(), OURS.token({"sub": "root"})),
    "another load balancer": OURS.token(signer=f"{LOAD_BALANCER}0"),
    "no load balancer": OURS.token(signer=None),
    "another client": OURS.token(client="another"),
    "another issuer": OURS.token(iss="https://idp.example.com.evil.example"),
    "expired": OURS.token(exp=1_000),
    "never expires": OURS.token(exp=None),
    "expires some day": OURS.token(exp="4000000000"),
    "a key nobody has": OURS.token(kid="00000000-0000-0000-0000-000000000000"),
    "a path": OURS.token(kid="../../evil"),
    "a path behind an id": OURS.token(kid=f"{KEY_ID}/../../evil"),
    "another host": OURS.token(kid="@evil.example/x"),
    "a query": OURS.token(kid=f"{KEY_ID}?x"),
    "a line": OURS.token(kid=f"{KEY_ID}\n"),
    "a number": OURS.token(kid=1),
    "no subject": OURS.token({"email": "ada@example.com"}),
    "too long": OURS.token({"sub": "x" * 20_000}),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_nobodys(token: str) -> None:
    """And the id of its key never leads to another address."""
    keys = Keys()
    with pytest.raises(NotSignedInError):
        await verifying(keys).who(token)
    assert {url.rpartition("/")[0] for url in keys.asked} <= {KEYS}


NAMED: dict[str, tuple[Mapping[str, Any], str]] = {
    "with an address": ({"sub": "00u1", "email": "ada@example.com"}, "ada@example.com (00u1)"),
    "verified": ({"sub": "00u1", "email": "ada@example.com", "email_verified": "true"}, "ada@example.com (00u1)"),
    "not verified": ({"sub": "00u1", "email": "root@example.com", "email_verified": False}, "00u1"),
    "not verified, by Cognito": ({"sub": "00u1", "email": "root@example.com", "email_verified": "false"}, "00u1"),
    "without": ({"sub": "00u1"}, "00u1"),
    "odd": ({"sub": "a\nb", "email": ["x"]}, "a\\nb"),
    "long": ({"sub": "x" * 1000}, "x" * 200 + "..."),
}


@pytest.mark.parametrize(("claims", "name"), NAMED.values(), ids=NAMED)
async def test_who_is_signed_in_is_named(claims: Mapping[str, Any], name: str) -> None:
    """By the address that the provider vouches for, with the subject, which is what stays."""
    assert await verifying(Keys()).who(OURS.token(claims)) == name


async def test_a_token_is_valid_until_it_expires() -> None:
    """Not a second longer."""
    assert await verifying(Keys(), EXPIRES - 1).who(OURS.token())
    with pytest.raises(NotSignedInError, match="expired"):
        await verifying(Keys(), EXPIRES).who(OURS.token())


async def test_a_key_is_fetched_once() -> None:
    """However many ask by it; what was not there is asked for again."""
    keys = Keys()
    signed_in = verifying(keys)
    for _ in range(3):
        await signed_in.who(OURS.token())
        with pytest.raises(NotSignedInError):
            await signed_in.who(ANOTHER.token())
    assert keys.asked == [f"{KEYS}/{KEY_ID}"]


async def test_few_keys_are_kept() -> None:
    """The oldest goes, and is fetched anew when it is met again."""
    ids = [f"00000000-0000-0000-0000-{number:012}" for number in range(17)]
    fetched = Keys(**dict.fromkeys(ids, OURS.pem))
    keys = LoadBalancerKeys(KEYS, fetched.fetch)
    for key_id in (*ids, ids[1], ids[0], ids[0]):
        await keys.key(key_id)
    assert [url.rpartition("/")[2] for url in fetched.asked] == [*ids, ids[0]]


_P384 = generate_private_key(SECP384R1()).public_key()


@pytest.mark.parametrize(
    "pem",
    [b"", b"<html>", _P384.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)],
    ids=["nothing", "no key", "a key of another curve"],
)
async def test_what_is_no_such_key_verifies_nothing(pem: bytes) -> None:
    """It is AWS's fault, not that of whoever asks, and is asked for again."""
    keys = Keys(**{KEY_ID: pem})
    signed_in = verifying(keys)
    for _ in range(2):
        with pytest.raises(AwsError):
            await signed_in.who(OURS.token())
    assert len(keys.asked) == 2


ENDPOINTS = {
    LOAD_BALANCER: "https://public-keys.auth.elb.eu-central-1.amazonaws.com",
    "arn:aws-us-gov:elasticloadbalancing:us-gov-east-1:1:loadbalancer/app/a/b": (
        "https://s3-us-gov-east-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-east-1"
    ),
    "arn:aws-cn:elasticloadbalancing:cn-north-1:1:loadbalancer/app/a/b": (
        "https://public-keys.auth.elb.cn-north-1.amazonaws.com.cn"
    ),
}


@pytest.mark.parametrize(("arn", "endpoint"), ENDPOINTS.items())
def test_the_keys_are_in_the_load_balancers_own_region(arn: str, endpoint: str) -> None:
    """Which its ARN names, not the token."""
    assert endpoint_of(arn) == endpoint


def test_a_verifier_is_made_of_the_settings() -> None:
    """All that a token is compared with."""
    made = signed_in_by(LOAD_BALANCER, ISSUER, CLIENT)
    assert (made.signer, made.issuer, made.client) == (LOAD_BALANCER, ISSUER, CLIENT)
