"""Signature Version 4 of a POST to `/`, as botocore makes it; what a second or a day has in common is made once in it.

Of each request only its body is hashed, and the signature made of that.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

_ALGORITHM = "AWS4-HMAC-SHA256"
_END = "aws4_request"
# They may be changed on their way [botocore, auth.py, SIGNED_HEADERS_BLACKLIST].
_UNSIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})


class Credentials(Protocol):
    """Those of one moment."""

    access_key: str
    secret_key: str
    token: str | None


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
        date = moment[:8]
        scope = f"{date}/{self.region}/{self.service}/{_END}"
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        credential = f"Credential={credentials.access_key}/{scope}"
        return _Common(
            key=self._key_for(credentials.secret_key, date),
            request=f"POST\n/\n\n{signed_lines}\n{signed_names}\n",
            to_sign=f"{_ALGORITHM}\n{moment}\n{scope}\n",
            lines=f"{lines}Authorization: {_ALGORITHM} {credential}, SignedHeaders={signed_names}, Signature=",
        )

    def _key_for(self, secret_key: str, date: str) -> bytes:
        if self._key_of != (secret_key, date):
            key = f"AWS4{secret_key}".encode()
            for part in (date, self.region, self.service, _END):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key_of, self._key = (secret_key, date), key
        return self._key
