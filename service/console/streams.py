"""A job's page kept up to date: the pieces that changed since they were sent, as one server-sent message a look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from service.aws.errors import AwsError

LOOK_SECONDS = 2.5

Look = Callable[[], Awaitable[tuple[Mapping[str, str], bool]]]
"""Reads the pieces of the page, by their names, and whether nothing will change any more."""


async def pieces_as_they_change(
    look: Look, trouble: Callable[[str], str], seconds: float | None = None
) -> AsyncIterator[bytes]:
    """Each change as it is seen. `trouble` makes what is shown where AWS cannot be asked; the next look tries again.

    It ends after `seconds`, where there is such a limit: a browser asks again, and it is verified anew who it is of.
    """
    sent: dict[str, str] = {}
    now = asyncio.get_running_loop().time
    until = None if seconds is None else now() + seconds
    yield b"retry: 1000\n\n"
    while True:
        settled = False
        try:
            pieces, settled = await look()
        except AwsError as error:
            pieces = {"as-of": trouble(error.code)}
        changed = {name: html for name, html in pieces.items() if sent.get(name) != html}
        sent.update(changed)
        yield message("piece", "".join(swapped(name, html) for name, html in changed.items()))
        if settled:
            yield message("settled", "")
            return
        if until is not None and now() + LOOK_SECONDS > until:
            return
        await asyncio.sleep(LOOK_SECONDS)


def swapped(name: str, html: str) -> str:
    """A piece that htmx puts where the element of its name is."""
    return f'<div id="{name}" hx-swap-oob="innerHTML">{html}</div>'


def message(kind: str, text: str) -> bytes:
    """One message; each line of a text is a line of data [HTML standard, server-sent events]."""
    lines = text.replace("\r", "").split("\n")
    return (f"event: {kind}\n" + "".join(f"data: {line}\n" for line in lines) + "\n").encode()
