"""A job's page kept up to date: what changed since it was sent, as one server-sent message a look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from service.aws.errors import AwsError
from service.console.pieces import Piece, changes, known_of

LOOK_SECONDS = 2.5

Look = Callable[[], Awaitable[tuple[Mapping[str, Piece], bool]]]
"""Reads the pieces of the page, by their names, and whether nothing will change any more."""


async def pieces_as_they_change(
    look: Look, trouble: Callable[[str], str], seconds: float | None = None, shown: str = ""
) -> AsyncIterator[bytes]:
    """Each change as it is seen. `trouble` makes what is shown where AWS cannot be asked; the next look tries again.

    `shown` is what the page shows when it asks. It ends after `seconds`, where there is such a limit: a browser asks
    again, and it is verified anew who it is of.
    """
    sent: dict[str, Piece] | None = None
    now = asyncio.get_running_loop().time
    until = None if seconds is None else now() + seconds
    # A browser that asks again by itself says the last id that it was told, and is shown all.
    yield b"retry: 1000\nid: 1\n\n"
    while True:
        settled = False
        try:
            pieces, settled = await look()
        except AwsError as error:
            pieces = {"as-of": Piece(trouble(error.code))}
        else:
            sent = known_of(pieces, shown) if sent is None else sent
        held = sent or {}
        text = "".join(changes(name, held.get(name), piece) for name, piece in pieces.items())
        if sent is not None:
            sent.update(pieces)
        yield message("piece", text)
        if settled:
            yield message("settled", "")
            return
        if until is not None and now() + LOOK_SECONDS > until:
            return
        await asyncio.sleep(LOOK_SECONDS)


def message(kind: str, text: str) -> bytes:
    """One message; each line of a text is a line of data [HTML standard, server-sent events]."""
    lines = text.replace("\r", "").split("\n")
    return (f"event: {kind}\n" + "".join(f"data: {line}\n" for line in lines) + "\n").encode()
