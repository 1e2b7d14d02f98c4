"""CloudWatch Logs: streams of some lines, or of pages of a megabyte, which are made once and served as bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from zlib import crc32

from tests.bench.fake.lives import Log
from tests.bench.fake.refusal import Refusal

_LINES_A_PAGE, _LINE_CHARACTERS = 5_000, 199  # A million bytes with the lines' ends [GetLogEvents: 1 MB].


def log_events(logs: Mapping[str, Log], call: Any) -> bytes:
    """GetLogEvents: all lines in one page, or page by page; at the end the token that was given."""
    log = logs.get(call["logStreamName"])
    if log is None:
        raise Refusal("ResourceNotFoundException", "The specified log stream does not exist.")
    plot = log.plot
    position = int(call.get("nextToken", "f/0").removeprefix("f/"))
    if plot.pages:
        more = position < plot.pages
        return _answer(_page() if more else b"[]", position + more)
    return _answer(b"[]" if position else _lines(plot.lines, log.at), 1)


def found_events(logs: Mapping[str, Log], call: Any) -> Any:
    """FilterLogEvents: all that is short is the first page, each megabyte of what is long a further one."""
    found = {name: logs[name] for name in call["logStreamNames"] if name in logs}
    if len(found) < len(call["logStreamNames"]):
        raise Refusal("ResourceNotFoundException", "The specified log stream does not exist.")
    lines = {name: _lines(log.plot.lines, log.at) for name, log in found.items() if not log.plot.pages}
    short = [event for name, events in lines.items() for event in _of(name, events)]
    long = [(name, page) for name, log in found.items() for page in range(log.plot.pages)]
    at = int(call.get("nextToken", "0" if short or not long else "1"))
    events = short if at == 0 else _of(long[at - 1][0], _page(), long[at - 1][1])
    return {"events": events, **({"nextToken": str(at + 1)} if at < len(long) else {})}


def _of(stream: str, events: bytes, page: int = 0) -> list[dict[str, Any]]:
    """The same events, of this stream, each with an id."""
    first = page * _LINES_A_PAGE
    return [
        {**event, "logStreamName": stream, "eventId": f"{crc32(stream.encode()):010d}{first + number:046d}"}
        for number, event in enumerate(json.loads(events))
    ]


def _answer(events: bytes, position: int) -> bytes:
    return b'{"events": %b, "nextForwardToken": "f/%d", "nextBackwardToken": "b/0"}' % (events, position)


def _lines(count: int, at: float) -> bytes:
    events = [
        {
            "timestamp": int(1000 * at),
            "ingestionTime": int(1000 * at),
            "message": f"line {number} of what a container has to say",
        }
        for number in range(count)
    ]
    return json.dumps(events).encode()


@cache
def _page() -> bytes:
    now = int(1000 * time.time())
    events = [
        {
            "timestamp": now,
            "ingestionTime": now,
            "message": f"{number} ".ljust(_LINE_CHARACTERS, "abcdefgh"[number % 8]),
        }
        for number in range(_LINES_A_PAGE)
    ]
    return json.dumps(events).encode()
