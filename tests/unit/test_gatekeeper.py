"""Who may ask a page that a team shares, and how it is told who signs people in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.datastructures import Headers

from service.api.caller import CALLER
from service.api.gatekeeper import Gatekeeper, refusal
from service.api.serve import serve
from service.api.sharing import Sharing, read_sharing
from service.api.signed_in import NotSignedInError
from service.aws.errors import AwsError
from service.settings import SettingsError, read_settings
from service.tracking.wiring import Place
from tests.support.load_balancer import CLIENT, ISSUER, LOAD_BALANCER

ORIGIN, HOST = "https://jobs.example.com", "jobs.example.com"
LET_IN: list[tuple[str, dict[str, str]]] = [
    ("GET", {"host": HOST}),
    ("GET", {"host": "Jobs.Example.com:443"}),
    ("GET", {"host": HOST, "sec-fetch-site": "same-origin"}),
    ("GET", {"host": HOST, "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
    # A link in a mail, and the way back from signing in.
    ("GET", {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
    ("POST", {"host": HOST, "origin": ORIGIN}),
    ("POST", {"host": HOST, "origin": ORIGIN, "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}),
    ("POST", {"host": HOST, "sec-fetch-site": "same-origin"}),
]
KEPT_OUT: list[tuple[str, dict[str, str]]] = [
    ("GET", {}),
    ("GET", {"host": "127.0.0.1"}),
    ("GET", {"host": "evil.example"}),
    ("GET", {"host": f"{HOST}.evil.example"}),
    ("GET", {"host": f"{HOST}:8080"}),
    ("GET", {"host": HOST, "origin": "https://evil.example"}),
    ("GET", {"host": HOST, "origin": "null"}),
    ("GET", {"host": HOST, "origin": "http://jobs.example.com"}),
    ("GET", {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}),
    ("GET", {"host": HOST, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}),
    ("POST", {"host": HOST}),
    ("POST", {"host": HOST, "origin": "https://other.example.com"}),
    ("POST", {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
    ("POST", {"host": HOST, "origin": ORIGIN, "sec-fetch-site": "same-site"}),
    ("DELETE", {"host": HOST}),
    ("", {"host": HOST}),
]


@pytest.mark.parametrize(("method", "headers"), LET_IN, ids=str)
def test_the_teams_own_requests_are_let_in(method: str, headers: dict[str, str]) -> None:
    """By the public name; a link from anywhere leads here."""
    assert refusal(method, Headers(headers), ORIGIN) is None


@pytest.mark.parametrize(("method", "headers"), KEPT_OUT, ids=str)
def test_another_sites_pages_are_kept_out(method: str, headers: dict[str, str]) -> None:
    """The browser sends the session with them, too."""
    assert refusal(method, Headers(headers), ORIGIN) is not None


NAMED = {
    "JOBFERRY_CONSOLE_URL": f"{ORIGIN}/",
    "JOBFERRY_CONSOLE_LOAD_BALANCER_ARN": LOAD_BALANCER,
    "JOBFERRY_CONSOLE_ISSUER": ISSUER,
    "JOBFERRY_CONSOLE_CLIENT_ID": CLIENT,
}


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of a page that is shared."""
    for name, value in NAMED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_without_settings_nothing_is_shared() -> None:
    """As on a person's own machine."""
    assert read_sharing() is None


def test_settings_name_the_load_balancer(named: pytest.MonkeyPatch) -> None:
    """The address is an origin, as browsers send it."""
    read = read_sharing()
    assert isinstance(read, Sharing)
    assert (read.origin, read.load_balancer_arn, read.keys_url) == (ORIGIN, LOAD_BALANCER, "")
    named.setenv("JOBFERRY_CONSOLE_URL", "https://Jobs.example.com:8443")
    read = read_sharing()
    assert read is not None and read.origin == "https://jobs.example.com:8443"


WRONG = {
    "JOBFERRY_CONSOLE_URL": "http://jobs.example.com",
    "JOBFERRY_CONSOLE_LOAD_BALANCER_ARN": LOAD_BALANCER.replace("/app/", "/net/"),
    "JOBFERRY_CONSOLE_ISSUER": "http://idp.example.com",
    "JOBFERRY_CONSOLE_CLIENT_ID": "",
    "JOBFERRY_CONSOLE_KEYS_URL": "http://keys.example.com",
    "JOBFERRY_CONSOLE_ISUER": ISSUER,
}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG)
def test_a_wrong_setting_is_named(named: pytest.MonkeyPatch, name: str, value: str) -> None:
    """With what it is, or which was meant."""
    named.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} (cannot be used|is no setting of the shared page's)"):
        read_sharing()


@pytest.mark.parametrize("name", NAMED)
def test_a_missing_setting_is_named(named: pytest.MonkeyPatch, name: str) -> None:
    """One is not enough."""
    named.delenv(name)
    with pytest.raises(SettingsError, match=f"^{name} is missing"):
        read_sharing()


def test_they_are_no_slip_of_the_workers(named: pytest.MonkeyPatch) -> None:
    """Whose settings the page may be pointed by."""
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert "CONSOLE" not in str(error.value)


async def test_what_is_shared_without_its_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a door is opened."""
    monkeypatch.setattr("service.api.serve.find_spec", lambda _: None)
    sharing = Sharing.model_validate(
        dict(zip(("url", "load_balancer_arn", "issuer", "client_id"), NAMED.values(), strict=True))
    )
    with pytest.raises(SettingsError, match=r"jobferry\[shared\]"):
        await serve(Place("q", "c", "m", "b", "t"), "0.0.0.0", 0, print, sharing=sharing)


async def test_without_them_no_other_address_is_served_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the refusal names each that is needed."""
    with pytest.raises(SettingsError) as error:
        await serve(Place("q", "c", "m", "b", "t"), "0.0.0.0", 0, print)
    assert [name for name in NAMED if name not in str(error.value)] == []


async def answered(scope: dict[str, Any], who: Callable[[str], Awaitable[str]]) -> tuple[int, dict[str, Any], Any]:
    """The status, and the problem or the text, that a request is answered with; and what was handed on, if it was."""
    sent: list[dict[str, Any]] = []
    handed: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        handed.append(scope)

    async def receive() -> Any:
        raise AssertionError("nobody reads the body")

    async def send(message: Any) -> None:
        sent.append(message)

    await Gatekeeper(app, ORIGIN, who)(scope, receive, send)
    if not sent:
        return 0, {}, handed
    assert handed == []
    text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    told = json.loads(text) if text.startswith("{") else {"text": text}
    retry = dict(sent[0]["headers"]).get(b"retry-after")
    return sent[0]["status"], {**told, "retry": retry}, None


def asks(*tokens: str, kind: str = "http", method: str = "GET", path: str = "/", host: str = HOST) -> dict[str, Any]:
    """A request with these tokens of the load balancer's."""
    headers = [(b"host", host.encode()), *((b"x-amzn-oidc-data", token.encode()) for token in tokens)]
    return {"type": kind, "method": method, "path": path, "query_string": b"", "headers": headers}


async def ann(token: str) -> str:
    """Whoever brings this is Ann."""
    if token != "hers":
        raise NotSignedInError
    return "ann"


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_who_is_signed_in_passes_under_their_name(kind: str) -> None:
    """And with all that the request was."""
    scope = asks("hers", kind=kind)
    assert await answered(scope, ann) == (0, {}, [{**scope, CALLER: "ann"}])


async def test_what_is_no_request_passes_as_it_is() -> None:
    """The server's own beginning and end."""
    assert await answered({"type": "lifespan"}, ann) == (0, {}, [{"type": "lifespan"}])


async def test_the_load_balancer_is_told_that_all_is_well() -> None:
    """By whatever address it asks, and signed in by nobody; no other path is."""
    assert await answered(asks(path="/health", host="10.0.0.9:4580"), ann) == (
        200,
        {"text": "well\n", "retry": None},
        None,
    )
    for scope in (asks(path="/health/x"), asks(path="/health", kind="websocket")):
        assert (await answered(scope, ann))[0] == 401


@pytest.mark.parametrize("tokens", [(), ("hers", "hers"), ("another's",)])
async def test_who_is_not_signed_in_is_told_so(tokens: tuple[str, ...]) -> None:
    """By one token, of one's own."""
    status, told, _ = await answered(asks(*tokens), ann)
    assert (status, told["detail"], told["retry"]) == (401, str(NotSignedInError()), None)


async def test_another_name_of_ours_is_no_way_in() -> None:
    """Whoever may be signed in."""
    status, told, _ = await answered(asks("hers", host="10.0.0.9"), ann)
    assert (status, told["detail"]) == (403, f"This is served at {ORIGIN} alone.")


async def test_where_nobody_can_say_who_asks_one_asks_again() -> None:
    """The keys cannot be fetched, say."""

    async def cannot(_: str) -> str:
        raise AwsError("no answer")

    status, told, _ = await answered(asks("hers"), cannot)
    assert (status, told["detail"], told["retry"]) == (503, "It cannot be verified who asks: no answer.", b"2")


WHY = {
    "another name": ("GET", {"host": "evil.example"}, f"This is served at {ORIGIN} alone."),
    "another origin": ("GET", {"host": HOST, "origin": "null"}, "A page of another site may not ask this."),
    "a picture": ("GET", {"host": HOST, "sec-fetch-site": "cross-site"}, "A page of another site may not ask this."),
    "no origin": ("POST", {"host": HOST}, "What changes something says where it comes from: send Origin."),
    "no origin of a site beside": (
        "POST",
        {"host": HOST, "sec-fetch-site": "same-site"},
        "What changes something says where it comes from: send Origin.",
    ),
    "an origin from elsewhere": (
        "POST",
        {"host": HOST, "origin": ORIGIN, "sec-fetch-site": "cross-site"},
        "A page of another site may not ask this.",
    ),
}


@pytest.mark.parametrize(("method", "headers", "why"), WHY.values(), ids=WHY)
def test_who_is_kept_out_is_told_why(method: str, headers: dict[str, str], why: str) -> None:
    """In one sentence."""
    assert refusal(method, Headers(headers), ORIGIN) == why
