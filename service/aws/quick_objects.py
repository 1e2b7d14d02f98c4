"""What a worker asks of S3 for every job, in the shorter way of quick_calls.py: small objects put, and links signed.

botocore is asked once where a bucket is and how requests there are signed, by a link to any key of it. A small object
is then put by one try of our own. It is sent as botocore sends it where there is no TLS, with a CRC32 that S3 checks
and signed with its body; but whole, for none of it waits until S3 says that it may come. Whatever comes of that try but
a plain success, botocore puts the object anew, and its answer, its tries and its exceptions count: an object that is
put twice is the same object.

tests/integration/test_quick_objects.py holds the two ways to the same requests, links and failures.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4
from zlib import crc32

from botocore.auth import _host_from_url  # type: ignore[attr-defined]
from botocore.compat import get_current_datetime
from botocore.exceptions import BotoCoreError

from service.aws.connections import Answer, Connections, lead_to
from service.aws.signing import ALGORITHM, Credentials, current_credentials, key_for, scope_of

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_ANY_KEY = "k"
# Above that, what is sent in one piece would be held twice for long, and botocore's share of the cost is small.
_MOST_BYTES = 256 * 1024
_PUT_HEADERS: Mapping[str, str] = {"ContentType": "Content-Type", "ContentDisposition": "Content-Disposition"}
_PUT = frozenset({"Bucket", "Key", "Body"})


def quick_objects(client: Any) -> Any:
    """A client of S3 with the shorter way; as it is where it asks through a proxy."""
    if lead_to(client.meta.endpoint_url, client._endpoint.http_session):
        return QuickObjects(client, Connections(client._endpoint.http_session))
    return client


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Where a bucket is, and the scope of what signs requests there."""

    url: str
    region: str
    service: str

    @classmethod
    def of_link(cls, url: str) -> _Bucket | None:
        """By a link to an object of it; None where that is signed in a way that is not ours."""
        parts = urlsplit(url)
        said = parse_qs(parts.query)
        if said.get("X-Amz-Algorithm") != [ALGORITHM] or not parts.path.endswith(f"/{_ANY_KEY}"):
            return None
        _, _, region, service, _ = said["X-Amz-Credential"][0].rsplit("/", 4)
        return cls(url.partition("?")[0].removesuffix(f"/{_ANY_KEY}"), region, service)

    def url_of(self, key: str) -> str:
        """Where an object of it is."""
        return f"{self.url}/{quote(key, safe='/~')}"


@dataclass
class QuickObjects:
    """Has the operations of a client of S3, two of them quick."""

    client: S3Client
    connections: Connections
    _buckets: dict[str, _Bucket | None] = field(default_factory=dict)
    _key_of: tuple[object, ...] = ()
    _key: bytes = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    @property
    def _not_public(self) -> Any:
        """The client with what its stubs leave out."""
        return self.client

    async def put_object(self, **given: Any) -> Any:
        """Put an object. Of a plain success the ETag is told."""
        answer = await self._tried(given) if self._is_small(given) else None
        return await self.client.put_object(**given) if answer is None else _put_answer(answer)

    async def generate_presigned_url(self, operation: str, Params: Mapping[str, str], ExpiresIn: int) -> str:
        """A link to an object that can be read by it for so many seconds; what else there is botocore signs."""
        bucket = await self._bucket(Params["Bucket"]) if Params.keys() == {"Bucket", "Key"} else None
        if operation != "get_object" or bucket is None or not Params["Key"]:
            return str(await self.client.generate_presigned_url(operation, Params=Params, ExpiresIn=ExpiresIn))
        return self._link(bucket, Params["Key"], ExpiresIn, await self._credentials())

    def _is_small(self, given: Mapping[str, Any]) -> bool:
        body = given.get("Body")
        known = given.keys() >= _PUT and given.keys() <= _PUT | _PUT_HEADERS.keys() and bool(given["Key"])
        return known and isinstance(body, bytes) and len(body) <= _MOST_BYTES

    async def _tried(self, given: Mapping[str, Any]) -> Answer | None:
        bucket = await self._bucket(given["Bucket"])
        if bucket is None:
            return None
        headers = {name: given[member] for member, name in _PUT_HEADERS.items() if member in given}
        written = self._written(bucket, given["Key"], given["Body"], headers, await self._credentials())
        if written is None:
            return None
        try:
            answer = await self.connections.exchange(bucket.url, written)
        except BotoCoreError:
            return None
        return answer if answer.status_code == 200 and answer.headers.get("etag") and not answer.body else None

    async def _bucket(self, name: str) -> _Bucket | None:
        if name not in self._buckets:
            params = {"Bucket": name, "Key": _ANY_KEY}
            self._buckets[name] = _Bucket.of_link(await self.client.generate_presigned_url("get_object", Params=params))
        return self._buckets[name]

    async def _credentials(self) -> Any:
        """Renewed where they are about to end."""
        return await current_credentials(self._not_public._request_signer)

    def _written(
        self, bucket: _Bucket, key: str, body: bytes, headers: Mapping[str, str], credentials: Credentials
    ) -> bytes | None:
        """The request, signed; None where a header would be more than one line."""
        url, moment = bucket.url_of(key), _moment()
        sent = {
            **headers,
            "User-Agent": self._not_public._user_agent_creator.to_string(),
            "x-amz-checksum-crc32": b64encode(crc32(body).to_bytes(4)).decode(),
            "x-amz-sdk-checksum-algorithm": "CRC32",
            "X-Amz-Date": moment,
            **({"X-Amz-Security-Token": credentials.token} if credentials.token else {}),
            "X-Amz-Content-SHA256": sha256(body).hexdigest(),
        }
        if any("\n" in value or "\r" in value for value in sent.values()):
            return None
        host, path = _host_from_url(url), urlsplit(url).path
        signed = {name.lower(): " ".join(value.split()) for name, value in sent.items() if name != "User-Agent"}
        signed["host"] = host
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = f"PUT\n{path}\n\n{lines}\n{names}\n{sent['X-Amz-Content-SHA256']}"
        credential, signature = self._signature(bucket, request, credentials, moment)
        sent["Authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        sent |= {"amz-sdk-invocation-id": str(uuid4()), "amz-sdk-request": "attempt=1"}
        sent |= {"Content-Length": str(len(body)), "Accept-Encoding": "identity", "Accept": "*/*"}
        told = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return f"PUT {path} HTTP/1.1\r\nHost: {host}\r\n{told}\r\n".encode() + body

    def _link(self, bucket: _Bucket, key: str, seconds: int, credentials: Credentials) -> str:
        url, moment = bucket.url_of(key), _moment()
        scope = f"{credentials.access_key}/{scope_of(moment, bucket.region, bucket.service)}"
        signer = f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={_quoted(scope)}"
        head = f"{signer}&X-Amz-Date={moment}&X-Amz-Expires={seconds}"
        token = f"&X-Amz-Security-Token={_quoted(credentials.token)}" if credentials.token is not None else ""
        signed_names = "&X-Amz-SignedHeaders=host"
        # In the order of their names where it is signed, but not where it is read.
        query, host = f"{head}{token}{signed_names}", _host_from_url(url)
        request = f"GET\n{urlsplit(url).path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        _, signature = self._signature(bucket, request, credentials, moment)
        return f"{url}?{head}{signed_names}{token}&X-Amz-Signature={signature}"

    def _signature(self, bucket: _Bucket, request: str, credentials: Credentials, moment: str) -> tuple[str, str]:
        """By whom a request is signed for what, and how [AWS, Signature Version 4]."""
        scope = scope_of(moment, bucket.region, bucket.service)
        if self._key_of != (credentials.secret_key, scope):
            self._key, self._key_of = key_for(credentials.secret_key, scope), (credentials.secret_key, scope)
        to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        return f"{credentials.access_key}/{scope}", hmac.digest(self._key, to_sign.encode(), "sha256").hex()


def _moment() -> str:
    return get_current_datetime().strftime("%Y%m%dT%H%M%SZ")


def _quoted(value: str) -> str:
    return quote(value, safe="-._~")


def _put_answer(answer: Answer) -> dict[str, Any]:
    """As botocore tells of it, as far as Jobferry reads it."""
    headers = answer.headers
    told = {"HTTPStatusCode": answer.status_code, "HTTPHeaders": headers, "RequestId": headers.get("x-amz-request-id")}
    return {"ETag": headers["etag"], "ResponseMetadata": told}
