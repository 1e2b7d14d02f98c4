"""Whom a load balancer has signed in, by the header that it signs: `x-amzn-oidc-data`.

It is a JSON web token whose signature is ES256, and whose own header names the key, the load balancer that signed it,
the issuer, the client and the time at which it expires [Elastic Load Balancing guide, listener-authenticate-users]. A
client may send such a header too; only the signature says whose it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from schemas.base import json_object
from schemas.errors import JobferryError
from service.aws.load_balancer_keys import LoadBalancerKeys, NoSuchKeyError, endpoint_of, fetched
from service.clock import Clock, wall_clock
from service.core.admission.request_body import printable

# A load balancer answers with an error where claims and access token are larger than 11K together [the guide].
_LONGEST_TOKEN = 16_384
_LONGEST_NAME = 200
_ALGORITHM = "ES256"
_JWS = jwt.PyJWS(algorithms=[_ALGORITHM])


class NotSignedInError(JobferryError):
    """Nobody is signed in."""


class _Header(BaseModel):
    """What is signed of the token itself. The id of the key goes into a URL, and is a UUID [the guide]."""

    model_config = ConfigDict(strict=True, frozen=True)

    alg: Literal["ES256"]
    kid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    signer: str
    iss: str
    client: str
    exp: int


@dataclass(frozen=True)
class SignedIn:
    """Verifies tokens of one load balancer, for one client of one issuer."""

    signer: str
    issuer: str
    client: str
    key: Callable[[str], Awaitable[EllipticCurvePublicKey]]
    now: Clock = wall_clock

    async def who(self, token: str) -> str:
        """The e-mail address, with the subject behind it, or the subject alone.

        Raises NotSignedInError where the token is not the load balancer's or is not valid, and AwsError where the key
        cannot be fetched.
        """
        header = _header_of(token)
        if (why := self._why_not(header)) is not None:
            raise NotSignedInError(why)
        try:
            payload = _JWS.decode(token, await self.key(header.kid), algorithms=[_ALGORITHM])
        except NoSuchKeyError:
            raise NotSignedInError("The load balancer has no such key.") from None
        except jwt.PyJWTError:
            raise NotSignedInError("The signature is not the load balancer's.") from None
        return _name(payload)

    def _why_not(self, header: _Header) -> str | None:
        if header.signer != self.signer:
            return "Another load balancer signed this."
        if (header.iss, header.client) != (self.issuer, self.client):
            return "This was signed for another application."
        if header.exp <= self.now():
            return "The sign-in has expired: load the page anew."
        return None


def signed_in_by(load_balancer_arn: str, issuer: str, client_id: str, keys_url: str = "") -> SignedIn:
    """What verifies the tokens of this load balancer."""
    keys = LoadBalancerKeys(keys_url or endpoint_of(load_balancer_arn), fetched)
    return SignedIn(load_balancer_arn, issuer, client_id, keys.key)


def _header_of(token: str) -> _Header:
    if len(token) > _LONGEST_TOKEN:
        raise NotSignedInError("The token is too long.")
    try:
        return _Header.model_validate(jwt.get_unverified_header(token))
    except (jwt.PyJWTError, ValidationError):
        raise NotSignedInError("The token is none of a load balancer's.") from None


def _name(payload: bytes) -> str:
    claims = json_object(payload.decode("utf-8", "replace"))
    subject, mail = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not subject:
        raise NotSignedInError("The identity provider gave no subject.")
    name = printable(subject, _LONGEST_NAME)
    if isinstance(mail, str) and mail and claims.get("email_verified") not in (False, "false"):
        return f"{printable(mail, _LONGEST_NAME)} ({name})"
    return name
