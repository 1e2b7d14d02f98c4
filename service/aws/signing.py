"""Signature Version 4 of a POST to `/`, as botocore makes it, with the key of a day derived once."""

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


@dataclass
class Signer:
    """Signs for one service in one region."""

    region: str
    service: str
    _key_of: tuple[str, str] = ("", "")
    _key: bytes = field(default=b"", repr=False)

    def signed(
        self, headers: Mapping[str, str], host: str, body: bytes, credentials: Credentials, moment: str
    ) -> dict[str, str]:
        """The headers with those that sign them; `moment` as in 20260102T030405Z."""
        signed = {**headers, "X-Amz-Date": moment}
        if credentials.token:
            signed["X-Amz-Security-Token"] = credentials.token
        named = {name.lower(): " ".join(value.split()) for name, value in signed.items()} | {"host": host}
        names = sorted(named.keys() - _UNSIGNED)
        lines = "".join([f"{name}:{named[name]}\n" for name in names])
        signed_names = ";".join(names)
        request = f"POST\n/\n\n{lines}\n{signed_names}\n{hashlib.sha256(body).hexdigest()}"
        date = moment[:8]
        scope = f"{date}/{self.region}/{self.service}/{_END}"
        to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key_for(credentials.secret_key, date), to_sign.encode(), "sha256").hex()
        signed["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed_names}, Signature={signature}"
        )
        return signed

    def _key_for(self, secret_key: str, date: str) -> bytes:
        if self._key_of != (secret_key, date):
            key = f"AWS4{secret_key}".encode()
            for part in (date, self.region, self.service, _END):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key_of, self._key = (secret_key, date), key
        return self._key
