"""Who may ask an API on loopback."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from service.api.doorkeeper import refusal
from service.api.serve import serve
from service.settings import SettingsError
from service.tracking.wiring import Place

LET_IN: list[dict[str, str]] = [
    {"host": "127.0.0.1:4580"},
    {"host": "localhost:4580", "origin": "http://localhost:4580", "sec-fetch-site": "same-origin"},
    {"host": "[::1]:4580"},
    {"host": "127.0.0.1:4580", "sec-fetch-site": "none"},
]
KEPT_OUT: list[dict[str, str]] = [
    {},
    {"host": ""},
    {"host": "evil.example"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "evil.example:4580"},
    {"host": "[oops"},
    {"host": "127.0.0.1:4580", "origin": "https://evil.example"},
    {"host": "127.0.0.1:4580", "origin": "null"},
    {"host": "127.0.0.1:4580", "origin": "http://127.0.0.1:9999"},
    {"host": "127.0.0.1:4580", "origin": "http://localhost:4580"},
    {"host": "127.0.0.1:4580", "sec-fetch-site": "cross-site"},
    {"host": "127.0.0.1:4580", "sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", LET_IN, ids=str)
def test_this_machines_clients_are_let_in(headers: dict[str, str]) -> None:
    """Programs, and pages that were served here."""
    assert refusal(Headers(headers)) is None


@pytest.mark.parametrize("headers", KEPT_OUT, ids=str)
def test_another_sites_pages_are_kept_out(headers: dict[str, str]) -> None:
    """By the name that they asked for, by their origin, and by what the browser says of them."""
    assert refusal(Headers(headers)) is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", ""])
async def test_nothing_is_served_where_others_could_reach_it(host: str) -> None:
    """The caller's own AWS credentials answer there."""
    with pytest.raises(SettingsError, match="not this machine's own"):
        await serve(Place("q", "c", "m", "b", "t"), host, 0, print)
