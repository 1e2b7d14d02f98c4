"""Reads of logs within an account's quotas. Gap in ministack 1.5.33: it knows no quotas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import cloudwatch_logs

from deploy.local.fills.pinned import replace
from deploy.local.fills.quotas import Quotas, Rate, TokenBucket
from deploy.local.fills.responses import Response, rate_exceeded

Call = Callable[[Mapping[str, Any]], Response]


def install(quotas: Quotas) -> None:
    """Let GetLogEvents and FilterLogEvents be throttled."""
    for name, rate in (("_get_log_events", quotas.get_log_events), ("_filter_log_events", quotas.filter_log_events)):
        replace(cloudwatch_logs, name, within(rate, getattr(cloudwatch_logs, name)))


def within(
    rate: Rate | None, plain: Callable[[Mapping[str, Any]], Response]
) -> Callable[[Mapping[str, Any]], Response]:
    """The same call, refused where its bucket is empty."""
    bucket = TokenBucket(rate)

    def call(request: Mapping[str, Any]) -> Response:
        return plain(request) if bucket.take() else rate_exceeded()

    return call
