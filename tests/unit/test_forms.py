"""Forms of the page as they come back, and the tokens by which the page knows them for its own."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request
from starlette.responses import Response

from service.console.forms import Fields, FormError, changes_in, read_fields
from service.console.tokens import Tokens

KEY = "k" * 43


def request(scheme: str = "http", *pieces: bytes, **headers: str) -> Request:
    """A request with these headers, whose body comes in pieces."""
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return coming.pop(0)

    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "server": ("page", 80)}
    return Request({**scope, "scheme": scheme, "headers": told}, receive)


async def read(*pieces: bytes) -> Fields | None:
    """What is read of a form."""
    return await read_fields(request("http", *pieces))


async def test_a_form_is_read_as_browsers_send_it() -> None:
    """In pieces, with what is missing left empty; of a field that comes twice the first counts."""
    form = {"token": "t", "reason": "  why + how ", "changes": "a=1\r\nb=2", "key": "k" * 200, "jobs": "type:größe"}
    body = urlencode(form).encode()
    assert await read(body[:9], body[9:]) == Fields("t", "why + how", "a=1\r\nb=2", "k" * 128, "type:größe")
    assert await read(b"") == Fields()
    assert await read(b"token=&reason=a&reason=b&other=1") == Fields(reason="a")
    assert await read(b"reason=\xff") == Fields(reason="\ufffd")


@pytest.mark.parametrize(("size", "is_read"), [(32_768, True), (32_769, False)])
async def test_a_form_that_is_too_long_is_not_read(size: int, is_read: bool) -> None:
    """However it comes."""
    body = b"reason=" + b"a" * (size - 7)
    for pieces in ((body,), (body[:20_000], body[20_000:])):
        assert (await read(*pieces) is not None) is is_read


async def test_a_form_of_many_fields_is_not_read() -> None:
    """None of ours has more than ten."""
    assert await read(b"&".join(b"f%d=1" % number for number in range(10))) == Fields()
    assert await read(b"&".join(b"f%d=1" % number for number in range(11))) is None


def test_changes_are_lines_of_a_field_and_its_value() -> None:
    """JSON where it is that, and a text where not; empty lines are none."""
    text = '\n a = 1 \r\n\r\nb="x y"\nc=x y\nd=\ne=a=b\nf=null\n'
    assert dict(changes_in(text)) == {"a": 1, "b": "x y", "c": "x y", "d": "", "e": "a=b", "f": None}
    assert list(changes_in(" \n")) == []


@pytest.mark.parametrize("line", ["user", "= 1", " =", "="])
def test_a_line_that_is_no_change_is_named(line: str) -> None:
    """With what would be one; those before it are read."""
    read = changes_in(f"a=1\n{line}")
    assert next(read) == ("a", 1)
    with pytest.raises(FormError) as refused:
        next(read)
    why = 'is no change: a line is a field and its value, such as parameters.size="small".'
    assert str(refused.value) == f"{line.strip()} {why}"


OVER_TLS = [("https", {}), ("http", {"x_forwarded_proto": "https"}), ("http", {"x_forwarded_proto": "http, https"})]
PLAIN = [("http", {}), ("https", {"x_forwarded_proto": "http"}), ("https", {"x_forwarded_proto": "https,http"})]


@pytest.mark.parametrize(("scheme", "headers"), OVER_TLS)
def test_over_tls_the_key_is_for_this_host_alone(scheme: str, headers: dict[str, str]) -> None:
    """By a name that browsers keep from other hosts and from plain HTTP; the last proxy says how it came."""
    new = Tokens.of(request(scheme, cookie=f"jobferry-forms={KEY}", **headers))
    assert (new.is_new, new.over_tls, len(new.key)) == (True, True, 43)
    [cookie] = new.give(Response()).headers.getlist("set-cookie")
    assert cookie == (f"__Host-jobferry-forms={new.key}; HttpOnly; Max-Age=15552000; Path=/; SameSite=lax; Secure"), (
        "half a year"
    )
    held = Tokens.of(request(scheme, cookie=f"__Host-jobferry-forms={KEY}", **headers))
    assert held == Tokens(KEY, is_new=False, over_tls=True)
    assert "set-cookie" not in held.give(Response()).headers


@pytest.mark.parametrize(("scheme", "headers"), PLAIN)
def test_on_this_machine_the_key_has_a_plain_name(scheme: str, headers: dict[str, str]) -> None:
    """There is no TLS, and so no such name."""
    new = Tokens.of(request(scheme, cookie=f"__Host-jobferry-forms={KEY}", **headers))
    [cookie] = new.give(Response()).headers.getlist("set-cookie")
    assert cookie == f"jobferry-forms={new.key}; HttpOnly; Max-Age=15552000; Path=/; SameSite=lax"
    assert (new.is_new, new.over_tls) == (True, False)
    held = Tokens.of(request(scheme, cookie=f"jobferry-forms={KEY}", **headers))
    assert held == Tokens(KEY, is_new=False, over_tls=False)


@pytest.mark.parametrize("odd", ["", "k" * 42, "k" * 44, "k" * 42 + "!"])
def test_a_key_of_another_shape_is_none(odd: str) -> None:
    """Nobody brings a key of their own making, and two browsers have two."""
    first, second = [Tokens.of(request(cookie=f"jobferry-forms={odd}")) for _ in range(2)]
    assert first.is_new and second.is_new and first.key != second.key


def test_a_token_is_for_one_wish_of_one_browser() -> None:
    """And for nobody who has only just been given a key: their form was made for another."""
    mine, new = Tokens(KEY, is_new=False, over_tls=False), Tokens(KEY, is_new=True, over_tls=False)
    token = mine.token("cancel", "web", "j-1")
    assert token == hmac.new(KEY.encode(), b"cancel\nweb\nj-1", hashlib.sha256).hexdigest()
    assert mine.knows(token, "cancel", "web", "j-1")
    assert not mine.knows(token, "redrive", "web", "j-1")
    assert not mine.knows("größe", "cancel", "web", "j-1")
    assert not Tokens("o" * 43, is_new=False, over_tls=False).knows(token, "cancel", "web", "j-1")
    assert not new.knows(token, "cancel", "web", "j-1")
