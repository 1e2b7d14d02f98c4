"""Who hears of each try of a call that the SDK makes: `client.meta.events`, as far as a worker listens."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeVar

from botocore.exceptions import ClientError

from tests.support.loop import PROCESS, Process

_T = TypeVar("_T")


class Tries:
    """Of one client, which the workers of a simulation share: each hears of its own."""

    def __init__(self) -> None:
        self._heard_by: dict[tuple[Process | None, str], Callable[..., object]] = {}
        self.meta = SimpleNamespace(events=self)

    def register(self, event: str, handler: Callable[..., object]) -> None:
        """Listen to the tries of one operation: `needs-retry.sfn.StartExecution`."""
        self._heard_by[PROCESS.get(), event.rpartition(".")[2]] = handler

    def of(self, operation: str, effect: Callable[[], _T]) -> _T:
        """Make a try, and tell whoever makes it how it went."""
        try:
            return effect()
        except ClientError as error:
            self._heard_by.get((PROCESS.get(), operation), _unheard)(response=(None, error.response))
            raise


def _unheard(**_: object) -> None:
    """Nobody listens."""
