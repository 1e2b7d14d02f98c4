"""Whole lives of jobs, as they were counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Lived:
    """What whole lives cost, a job each: also the messages that were sent for it, and bytes of the worker's log."""

    milliseconds: float
    calls: Mapping[str, float]
    units: Mapping[str, float]
    seconds: float
    sent: float
    written: float
