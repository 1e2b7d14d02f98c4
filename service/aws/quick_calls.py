"""The calls that a worker makes all day, without what makes them dear: a shorter way through aiobotocore.

Most of a call's CPU goes into what is the same for each call of an operation: where it goes, its headers, the key that
signs it, the shape of its answer. Here botocore says these once, only the body and its signature are made anew, and the
request goes as bytes over the connections of the client (connections.py). Whatever is no plain success goes back to
botocore: it parses refusals, raises its exceptions, and decides what is tried again and when; credentials are its own
throughout. That takes methods of it that are not public: the versions of both libraries are pinned, and
tests/integration/test_quick_calls.py holds the two ways to the same requests, answers and failures.
JOBFERRY_TRANSPORT=botocore does without all this.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any
from urllib.parse import urlencode, urlsplit
from zlib import crc32

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.endpoint import AioEndpoint
from botocore.auth import _host_from_url  # type: ignore[attr-defined]
from botocore.compat import get_current_datetime
from botocore.exceptions import BotoCoreError
from botocore.handlers import add_retry_headers
from botocore.utils import parse_timestamp
from botocore.validate import validate_parameters

from service.aws.connections import Answer, Connections, lead_to
from service.aws.signing import Signer, current_credentials

# The operations, and which members of their answers are times; all others are as JSON has them, but for bytes, which
# only attributes of DynamoDB's hold where Jobferry calls these.
_TIMES: Mapping[str, tuple[str, ...]] = {
    "ReceiveMessage": (),
    "DeleteMessageBatch": (),
    "ChangeMessageVisibility": (),
    "StartExecution": ("startDate",),
    "UpdateItem": (),
    "PutItem": (),
    "GetItem": (),
    "Query": (),
    "FilterLogEvents": (),
    "GetLogEvents": (),
}
# Requests that are forms, and whose answers are XML, which botocore reads.
_FORMS = frozenset({"Publish"})
_PROTOCOLS = ("json", "query")
_OF_BYTES = b'"B":'
_SIGNATURE = "v4"


def quick(client: Any) -> Any:
    """The client with the shorter way for such operations as it has; as it is where anything is otherwise.

    It may speak or sign in another way, or ask through a proxy.
    """
    url = client.meta.endpoint_url
    speaks_it = client.meta.service_model.resolved_protocol in _PROTOCOLS
    is_at_the_root = not urlsplit(url).path.strip("/")
    signs_likewise = client.meta.config.signature_version == _SIGNATURE
    if speaks_it and is_at_the_root and signs_likewise and lead_to(url, client._endpoint.http_session):
        return _QuickClient(client)
    return client


class _QuickClient:
    """Has the operations of a client, some of them quick, and whatever else it has."""

    def __init__(self, client: Any) -> None:
        self._client = client
        endpoint = _Endpoint.of(client)
        for method, operation in client.meta.method_to_api_mapping.items():
            if operation in _TIMES or operation in _FORMS:
                setattr(self, method, _Operation(client, endpoint, operation))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@dataclass(frozen=True)
class _Listeners:
    """Who listens to an event of a client by its first call, botocore's own and ours, in their order."""

    event: str
    handlers: tuple[Callable[..., Any], ...]

    async def __call__(self, **what: Any) -> Any:
        """Tell them, as botocore's emitter does, at a third of its price; answers with what the first one answers."""
        first = None
        for handler in self.handlers:
            answer = handler(event_name=self.event, **what)
            if answer is not None:
                answer = await answer if isawaitable(answer) else answer
                first = answer if first is None else first
        return first


@dataclass(frozen=True)
class _Template:
    """What the requests of an operation to one endpoint have in common."""

    url: str
    headers: Mapping[str, str]
    signer: Signer
    before: _Listeners
    after: _Listeners

    def signer_of(self, headers: Mapping[str, str]) -> Signer:
        """Signs these, which may have been added to."""
        return self.signer if headers == self.headers else replace(self.signer, headers=headers)


class _Operation:
    """One operation, which is called as the client's method is."""

    def __init__(self, client: Any, endpoint: _Endpoint, name: str) -> None:
        self._client, self._endpoint, self._name = client, endpoint, name
        self._model = client.meta.service_model.operation_model(name)
        self._is_json = client.meta.service_model.resolved_protocol == "json"
        self._places = [parameter.member_name for parameter in self._model.context_parameters]
        service = client.meta.service_model.service_id.hyphenize()
        self._before, self._after = f"before-call.{service}.{name}", f"after-call.{service}.{name}"
        self._templates: dict[tuple[object, ...], _Template] = {}
        self._access_key: str | None = None

    async def __call__(self, **parameters: Any) -> Any:
        client, signer = self._client, self._client._request_signer
        context: dict[str, Any] = {"client_region": client.meta.region_name, "client_config": client.meta.config}
        if not self._is_json:
            parameters = await client._emit_api_params(parameters, self._model, context)
        template = await self._template(parameters)
        request = {
            "url": template.url,
            "headers": dict(template.headers),
            "body": self._body(parameters),
            "context": context,
            "template": template,
        }
        given = await template.before(model=self._model, params=request, request_signer=signer, context=context)
        http, parsed = given or await self._endpoint.make_request(self._model, request)
        await template.after(http_response=http, parsed=parsed, model=self._model, context=context)
        if http.status_code < 300:
            return parsed
        # What botocore would not have sent, AWS refuses; to look at it each time would cost more than all the rest.
        validate_parameters(parameters, self._model.input_shape)
        code = context.get("error_code_override") or parsed.get("Error", {}).get("Code")
        raise client.exceptions.from_code(code)(parsed, self._name)

    def _body(self, parameters: Mapping[str, Any]) -> bytes:
        """Of a form botocore knows the names of the fields."""
        if self._is_json:
            return _AS_JSON.encode(parameters).encode()
        form = self._client._serializer.serialize_to_request(parameters, self._model)["body"]
        return urlencode(list(form.items())).encode()

    async def _template(self, parameters: Mapping[str, Any]) -> _Template:
        """As botocore says it, once for each set of credentials: DynamoDB's endpoint may bear the account's id."""
        credentials = await self._endpoint.credentials()
        if self._access_key != credentials.access_key:
            self._templates, self._access_key = {}, credentials.access_key
        place = tuple(parameters.get(name) for name in self._places)
        if place not in self._templates:
            self._templates[place] = await self._asked(parameters)
        return self._templates[place]

    async def _asked(self, parameters: Mapping[str, Any]) -> _Template:
        context: dict[str, Any] = {"auth_type": _SIGNATURE}
        url, headers, _ = await self._client._resolve_endpoint_ruleset(self._model, parameters, context)
        said = await self._client._convert_to_request_dict(parameters, self._model, url, context, headers)
        signing = context.get("signing", {})
        region, service = self._client.meta.region_name, self._client._request_signer._signing_name
        region, service = signing.get("region") or region, signing.get("signing_name") or service
        headers = dict(said["headers"])
        signer = Signer(region, service, _host_from_url(said["url"]), headers)
        return _Template(said["url"], headers, signer, self._listeners(self._before), self._listeners(self._after))

    def _listeners(self, event: str) -> _Listeners:
        return _Listeners(event, tuple(self._client.meta.events._emitter._handlers.prefix_search(event)))


@dataclass
class _Request:
    """What is sent, as bytes; and what botocore asks of a request where it judges the answer."""

    url: str
    written: bytes
    body: bytes
    headers: Mapping[str, str]
    answer: Any = None
    method: str = "POST"
    stream_output: bool = False

    def reset_stream(self) -> None:
        """Nothing is streamed."""


_ItsEndpoint: Any = AioEndpoint  # Its stubs leave out what is not public.


class _Endpoint(_ItsEndpoint):  # type: ignore[misc]
    """Sends and tries again as its client's endpoint does, but signs by templates, and reads plain successes itself."""

    @classmethod
    def of(cls, client: Any) -> _Endpoint:
        """One that shares the connections of a client's."""
        own = client._endpoint
        made = cls(own.host, own._endpoint_prefix, own._event_emitter, own._response_parser_factory, own.http_session)
        made._signer, made._connections = client._request_signer, Connections(own.http_session)
        return made

    async def credentials(self) -> Any:
        """Renewed where they are about to end."""
        return await current_credentials(self._signer)

    async def create_request(self, params: Any, operation_model: Any = None) -> _Request:
        """Signed with the credentials of this moment, for a try may come long after the one before."""
        template, headers, body = params["template"], params["headers"], params["body"]
        signer, moment = template.signer_of(headers), get_current_datetime().strftime("%Y%m%dT%H%M%SZ")
        lines = signer.lines(body, await self.credentials(), moment)
        return _Request(template.url, _written(signer.host, lines, body, params["context"]), body, headers)

    async def _get_response(self, request: _Request, operation_model: Any, context: Any) -> Any:
        """A plain success, read; what botocore makes of anything else."""
        try:
            answer = await self._connections.exchange(request.url, request.written)
        except BotoCoreError as error:
            return None, error
        times = _TIMES.get(operation_model.name)
        if times is not None and (parsed := _read(answer, times)) is not None:
            return (answer, parsed), None
        request.answer = AioAWSResponse(request.url, answer.status_code, answer.headers, None)
        request.answer._content = answer.body
        return await super()._get_response(request, operation_model, context)

    async def _send(self, request: _Request) -> Any:
        """For botocore, which asks for an answer that is here."""
        return request.answer

    async def _needs_retry(
        self, attempts: int, operation_model: Any, request_dict: Any, response: Any = None, caught_exception: Any = None
    ) -> bool:
        """A plain success does not."""
        if response and isinstance(response[1], _Answer):
            return False
        return bool(await super()._needs_retry(attempts, operation_model, request_dict, response, caught_exception))


def _base64(value: bytes) -> str:
    """As JSON has bytes [botocore, JSONSerializer]."""
    return b64encode(value).decode()


_AS_JSON = json.JSONEncoder(default=_base64)


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """An attribute of DynamoDB's with its bytes as bytes."""
    return {"B": b64decode(value["B"])} if isinstance(value.get("B"), str) and len(value) == 1 else value


class _Answer(dict[str, Any]):
    """The members of a plain success."""


def _written(host: str, lines: str, body: bytes, context: Any) -> bytes:
    """As aiohttp writes it, with what botocore tells of its tries."""
    tries = _Tries(context)
    add_retry_headers(tries)  # type: ignore[arg-type]  # It wants headers and a context.
    of_tries = "".join([f"{name}: {value}\r\n" for name, value in tries.headers.items()])
    sized = f"Content-Length: {len(body)}\r\nAccept-Encoding: identity\r\nAccept: */*\r\n\r\n"
    return f"POST / HTTP/1.1\r\nHost: {host}\r\n{lines}{of_tries}{sized}".encode() + body


@dataclass(slots=True)
class _Tries:
    context: Mapping[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def _read(http: Answer, times: tuple[str, ...]) -> _Answer | None:
    """A JSON object, whole, of a success; None for anything else, of which botocore must judge."""
    body = http.body
    if http.status_code != 200 or not body:
        return None
    checksum = http.headers.get("x-amz-crc32")
    if checksum and checksum != str(crc32(body)):
        return None
    try:
        answered = json.loads(body.decode(), object_hook=_with_bytes if _OF_BYTES in body else None)
        if not isinstance(answered, dict) or "__type" in answered:
            return None
        answer = _Answer({name: value for name, value in answered.items() if value is not None})
        answer.update({name: _time_of(answer[name]) for name in times if name in answer})
    except (ValueError, OverflowError, OSError):
        return None
    answer["ResponseMetadata"] = {"HTTPStatusCode": http.status_code, "HTTPHeaders": http.headers}
    if request_id := http.headers.get("x-amzn-requestid"):
        answer["ResponseMetadata"]["RequestId"] = request_id
    return answer


def _time_of(value: Any) -> datetime:
    """A moment in epoch seconds, as JSON services tell it; botocore reads whatever else it may be."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, float | int) else parse_timestamp(value)
