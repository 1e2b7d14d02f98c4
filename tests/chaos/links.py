"""A subscriber opens every link the moment a notification arrives."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator

from schemas.notification import JobNotification, Link, LogReceipt
from tests.support.waiting import WITHIN_SECONDS


def broken_links(told: JobNotification) -> Iterator[str]:
    """What a notification promises and its links do not give: every log with its checksum, a rejected body."""
    if told.rejection is not None and not _opens(told.rejection.body_link):
        yield "the rejected body"
    for stage in told.stages:
        for attempt in stage.attempts:
            for container in attempt.containers:
                if container.log is not None and not _keeps_its_word(container.log):
                    yield f"the log of stage {stage.stage}, {container.log.status}: {container.log.why}"


def _keeps_its_word(receipt: LogReceipt) -> bool:
    """A log that is not there is in order only where nothing was written."""
    if receipt.status == "absent":
        return receipt.why == "the container wrote nothing"
    return receipt.link is not None and hashlib.sha256(_fetched(receipt.link) or b"").hexdigest() == receipt.sha256


def _opens(link: Link | None) -> bool:
    return link is not None and _fetched(link) is not None


def _fetched(link: Link) -> bytes | None:
    try:
        with urllib.request.urlopen(link.url, timeout=WITHIN_SECONDS) as answer:
            body: bytes = answer.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None
    return body
