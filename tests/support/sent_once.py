"""Reruns that are asked for nothing but how a message was sent first, where none was sent again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from service.aws.queue import Message
from workers.reruns import Reruns


class Requests:
    """Knows of no replay."""

    async def as_first_sent(self, message: Message) -> Message:
        """As it is."""
        return message


def no_reruns() -> Reruns:
    """For controls that hear of cancels and redrives."""
    return cast(Reruns, SimpleNamespace(requests=Requests()))
