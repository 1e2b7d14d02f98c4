"""Who may ask a page that a team shares, and how it is told who signs people in."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from service.api.gatekeeper import refusal
from service.api.serve import serve
from service.api.sharing import Sharing, read_sharing
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
