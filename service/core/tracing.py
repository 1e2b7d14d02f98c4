"""What of a message's trace may go on: it reaches AWS, containers and subscribers, so only what its grammar allows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.trace import Trace

# Version, trace id, parent id, flags; neither the version ff nor an id of zeros only [W3C Trace Context, traceparent].
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
# [X-Ray developer guide, tracing header]. `?` leaves the decision to sample to those who come after.
_XRAY = {
    "Root": re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}", re.ASCII),
    "Parent": re.compile(r"[0-9a-f]{16}", re.ASCII),
    "Sampled": re.compile(r"[01?]", re.ASCII),
}
_XRAY_PAIR = re.compile(r" *([A-Za-z]{1,32})=([^;]*?) *", re.ASCII)
_LONGEST_XRAY = 512

LONGEST_TRACE = Trace(
    traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    aws_trace_header=f"Root=1-{'a' * 8}-{'b' * 24};Parent={'c' * 16};Sampled=1",
)
"""As long as a trace can be: every part of the two grammars has a fixed length."""


@dataclass(frozen=True)
class ReadTrace:
    """A message's trace, and the names of what came with it and could not be taken for one."""

    trace: Trace | None
    dropped: tuple[str, ...] = ()


def read_trace(traceparent: str | None, aws_trace_header: str | None) -> ReadTrace:
    """The trace that a message carries. What is no trace is left out, never a reason to refuse the request."""
    if traceparent is None and aws_trace_header is None:
        return ReadTrace(None)
    given = {"traceparent": traceparent, "AWSTraceHeader": aws_trace_header}
    read = {"traceparent": _traceparent(traceparent or ""), "AWSTraceHeader": _xray(aws_trace_header or "")}
    kept = Trace(traceparent=read["traceparent"], aws_trace_header=read["AWSTraceHeader"])
    dropped = tuple(name for name, value in given.items() if value and read[name] is None)
    return ReadTrace(kept if kept != Trace() else None, dropped)


def _traceparent(text: str) -> str | None:
    return text if _TRACEPARENT.fullmatch(text) else None


def _xray(text: str) -> str | None:
    """The header with the parts that name the trace, in the order that X-Ray writes them.

    Others are left out: `Self` is a load balancer's own, and `Lineage` counts hops for Lambda, which would take a long
    chain of jobs for a loop.
    """
    if len(text) > _LONGEST_XRAY:
        return None
    pairs = [_XRAY_PAIR.fullmatch(part) for part in text.split(";") if part.strip(" ")]
    parts = {pair[1]: pair[2] for pair in pairs if pair}
    known = {name: parts[name] for name in _XRAY if name in parts}
    well_formed = len(parts) == len(pairs) and all(_XRAY[name].fullmatch(value) for name, value in known.items())
    if "Root" not in known or not well_formed:
        return None
    return ";".join(f"{name}={value}" for name, value in known.items())
