"""FilterLogEvents as CloudWatch Logs answers it. Gaps in ministack 1.5.33: it cuts at 10,000 events and says nothing of
more, ignores tokens, prefixes and streams that are not there, knows no megabyte, and its ids of events have no order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

from ministack.core.responses import json_response
from ministack.services import cloudwatch_logs

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import JsonObject, Response, refused

# [botocore, FilterLogEvents; CloudWatch Logs quotas]
MOST_EVENTS, MOST_BYTES, MOST_STREAMS = 10_000, 1_048_576, 100
_OVERHEAD_BYTES = 26  # of an event [botocore, PutLogEvents]
_FIRST = (0, 0, "")
Place = tuple[int, int, str]
"""Where an event is in the order of all: its timestamp, its ingestion and its id."""


def install() -> None:
    """Put it in the place of the emulator's own."""
    numbers = count(time.time_ns())
    replace(cloudwatch_logs, "new_uuid", lambda: f"{next(numbers):056d}")
    replace(cloudwatch_logs, "_filter_log_events", filter_log_events)


def filter_log_events(request: Mapping[str, Any]) -> Response:
    """A page of the events of some streams of a group, or of all, in the order of their times."""
    group = cloudwatch_logs._log_groups.get(cloudwatch_logs._resolve_log_group_name(request))
    if group is None:
        return refused("ResourceNotFoundException", "The specified log group does not exist.")
    names, prefix = request.get("logStreamNames") or [], request.get("logStreamNamePrefix")
    if (names and prefix) or len(names) > MOST_STREAMS:
        return refused("InvalidParameterException", "Give up to 100 logStreamNames, or a logStreamNamePrefix.")
    if any(name not in group["streams"] for name in names):
        return refused("ResourceNotFoundException", "The specified log stream does not exist.")
    try:
        begin = _place_in(request.get("nextToken"))
    except ValueError:
        return refused("InvalidParameterException", "The specified nextToken is invalid.")
    wanted = names or [name for name in group["streams"] if name.startswith(prefix or "")]
    left = sorted((event for event in _events(group, wanted, request) if _place(event) > begin), key=_place)
    page = list(_page(left, request.get("limit") or MOST_EVENTS))
    more = {"nextToken": _token(page[-1])} if len(page) < len(left) else {}
    answer: Response = json_response({"events": page, "searchedLogStreams": [], **more})
    return answer


def _events(group: JsonObject, streams: list[str], request: Mapping[str, Any]) -> Iterator[JsonObject]:
    matches: Callable[[str], bool] = cloudwatch_logs._compile_filter_pattern(request.get("filterPattern", ""))
    start, end = request.get("startTime") or 0, request.get("endTime")
    with cloudwatch_logs._log_events_lock:
        kept = [(name, list(group["streams"][name]["events"])) for name in streams]
    for name, events in kept:
        for number, event in enumerate(events):
            if start <= event["timestamp"] <= (end or event["timestamp"]) and matches(event["message"]):
                # What the emulator's own Lambda writes has no id.
                yield {"eventId": f"{number:056d}", **event, "logStreamName": name}


def _page(left: list[JsonObject], limit: int) -> Iterator[JsonObject]:
    """As many as a page holds, and one at the least."""
    size = 0
    for number, event in enumerate(left[: min(limit, MOST_EVENTS)]):
        size += len(event["message"].encode()) + _OVERHEAD_BYTES
        if number and size > MOST_BYTES:
            return
        yield event


def _place(event: JsonObject) -> Place:
    return event["timestamp"], event["ingestionTime"], event["eventId"]


def _token(event: JsonObject) -> str:
    return "/".join(map(str, _place(event)))


def _place_in(token: str | None) -> Place:
    """Where the page before ended. Raises ValueError for what was never given as a token."""
    if not token:
        return _FIRST
    timestamp, ingestion, number = token.split("/")
    return int(timestamp), int(ingestion), number
