"""Signature Version 4 of a POST to `/`, as botocore makes it; what a second or a day has in common is made once in it.

Of each request only its body is hashed, and the signature made of that.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import NoCredentialsError

ALGORITHM = "AWS4-HMAC-SHA256"
_END = "aws4_request"
# They may be changed on their way [botocore, auth.py, SIGNED_HEADERS_BLACKLIST].
_UNSIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})


class Credentials(Protocol):
    """Those of one moment."""

    access_key: str
    secret_key: str
    token: str | None


def scope_of(moment: str, region: str, service: str) -> str:
    """What a signature of a moment, as in 20260102T030405Z, holds for: a day, a region and a service."""
    return f"{moment[:8]}/{region}/{service}/{_END}"


def key_for(secret_key: str, scope: str) -> bytes:
    """The key that signs within a scope."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


async def current_credentials(request_signer: Any) -> Any:
    """Those of this moment that a client of aiobotocore signs by, renewed where they are about to end.

    Raises NoCredentialsError where it has none.
    """
    held = request_signer._credentials
    if held is None:
        raise NoCredentialsError
    return await held.get_frozen_credentials()


@dataclass(frozen=True, slots=True)
class _Common:
    """What the requests of one second have in common: the beginnings of what is hashed, and of the headers."""

    key: bytes
    request: str
    to_sign: str
    lines: str


@dataclass
class Signer:
    """Signs requests of which all headers are the same, for one service in one region."""

    region: str
    service: str
    host: str
    headers: Mapping[str, str]
    _common_to: tuple[object, ...] = field(default=(), init=False, repr=False)
    _common: _Common | None = field(default=None, init=False, repr=False)
    _key_of: tuple[str, str] = field(default=("", ""), init=False, repr=False)
    _key: bytes = field(default=b"", init=False, repr=False)

    def lines(self, body: bytes, credentials: Credentials, moment: str) -> str:
        """The headers as lines, with those that sign them; `moment` as in 20260102T030405Z.

        Raises ValueError where a header would be more than one line.
        """
        common = self._in(moment, credentials)
        request = f"{common.request}{hashlib.sha256(body).hexdigest()}"
        to_sign = f"{common.to_sign}{hashlib.sha256(request.encode()).hexdigest()}"
        return f"{common.lines}{hmac.digest(common.key, to_sign.encode(), 'sha256').hex()}\r\n"

    def _in(self, moment: str, credentials: Credentials) -> _Common:
        common_to = (moment, credentials.access_key, credentials.secret_key, credentials.token)
        if self._common is None or self._common_to != common_to:
            self._common, self._common_to = self._made(moment, credentials), common_to
        return self._common

    def _made(self, moment: str, credentials: Credentials) -> _Common:
        sent = {**self.headers, "X-Amz-Date": moment}
        if credentials.token:
            sent["X-Amz-Security-Token"] = credentials.token
        if any("\n" in value or "\r" in value for value in sent.values()):
            raise ValueError(f"a header of {self.service} has a line break")
        named = {name.lower(): " ".join(value.split()) for name, value in sent.items()} | {"host": self.host}
        names = sorted(named.keys() - _UNSIGNED)
        signed_lines, signed_names = "".join(f"{name}:{named[name]}\n" for name in names), ";".join(names)
        scope = scope_of(moment, self.region, self.service)
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        credential = f"Credential={credentials.access_key}/{scope}"
        return _Common(
            key=self._key_for(credentials.secret_key, scope),
            request=f"POST\n/\n\n{signed_lines}\n{signed_names}\n",
            to_sign=f"{ALGORITHM}\n{moment}\n{scope}\n",
            lines=f"{lines}Authorization: {ALGORITHM} {credential}, SignedHeaders={signed_names}, Signature=",
        )

    def _key_for(self, secret_key: str, scope: str) -> bytes:
        if self._key_of != (secret_key, scope):
            self._key_of, self._key = (secret_key, scope), key_for(secret_key, scope)
        return self._key
