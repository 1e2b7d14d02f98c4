"""What producers send: good jobs of every shape, bad bodies, the same request several times, one id for two jobs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.notification import Status
from tests.chaos.plan import Plan

_LATEST_REPEAT_SECONDS = 12.0
_RUNS_UNTIL_STOPPED_SECONDS = 3600


@dataclass(frozen=True)
class Errand:
    """One body, when it is sent (seconds after the start, once or more), and what must come of it.

    `exit_codes` are those of the stages that ran; None where the harness stops the execution in their midst.
    """

    kind: str
    body: str
    expected: Status
    at: tuple[float, ...]
    job_id: str | None = None
    exit_codes: tuple[int, ...] | None = ()
    log: str | None = None
    aborted: bool = False

    @property
    def admissible(self) -> bool:
        return self.expected != "REJECTED"


def errands(plan: Plan) -> list[Errand]:
    """Everything that is sent in a drill, in the order of its first sending."""
    dice = random.Random(f"{plan.seed}:workload")
    kinds = [kind for kind, _ in _MIX]
    drawn = dice.choices(kinds, [weight for _, weight in _MIX], k=max(plan.jobs - len(kinds), 0))
    # Every kind is there at least once, however short the drill.
    order = [*kinds, *drawn][: plan.jobs]
    dice.shuffle(order)
    return [errand for number, kind in enumerate(order) for errand in _made(kind, number, plan, dice)]


def _made(kind: _Kind, number: int, plan: Plan, dice: random.Random) -> Iterator[Errand]:
    for errand in kind(f"job-{number}", dice):
        at = number / plan.jobs_per_second
        yield replace(errand, at=tuple(at + later for later in errand.at))


def _article(job_id: str, _: random.Random) -> Iterator[Errand]:
    yield _job("one stage", job_id, [_echo(f"hello {job_id}")], (0,), log=f"hello {job_id}\n")


def _nameless(job_id: str, _: random.Random) -> Iterator[Errand]:
    yield _job("no job id", None, [_echo(f"hello {job_id}")], (0,), log=f"hello {job_id}\n")


def _two_stages(job_id: str, _: random.Random) -> Iterator[Errand]:
    yield _job("two stages", job_id, [_echo("one"), _shell("echo two")], (0, 0))


def _failing(job_id: str, dice: random.Random) -> Iterator[Errand]:
    code = dice.choice((1, 3, 64))
    stages = [_echo("fine so far"), _shell(f"echo no such tide >&2; exit {code}"), _echo("never")]
    yield _job("a failing stage", job_id, stages, (0, code), expected="FAILED")


def _reporting(job_id: str, _: random.Random) -> Iterator[Errand]:
    yield _job("a callback", job_id, [{"image": "reporter", "command": ["report", "--seconds", "1"]}], (0,))


def _repeated(job_id: str, dice: random.Random) -> Iterator[Errand]:
    """The same request again: at once, while it runs, and after it ended."""
    (errand,) = _article(job_id, dice)
    later = sorted(dice.uniform(0, _LATEST_REPEAT_SECONDS) for _ in range(dice.randint(1, 3)))
    yield replace(errand, kind="sent again", at=(0.0, 0.0, *later))


def _conflicting(job_id: str, dice: random.Random) -> Iterator[Errand]:
    """Two bodies for one id: either may come first, and the other is refused, each time that it is sent."""
    for user in ("first", "second"):
        errand = _job("one id, two bodies", job_id, [_echo(f"{user} {job_id}")], (0,), user=user)
        yield replace(errand, at=(0.0, dice.uniform(0, _LATEST_REPEAT_SECONDS)))


def _stopped(job_id: str, _: random.Random) -> Iterator[Errand]:
    sleeping = _shell(f"sleep {_RUNS_UNTIL_STOPPED_SECONDS}")
    errand = _job("its execution is stopped", job_id, [sleeping], None, expected="ABORTED")
    yield replace(errand, aborted=True)


def _bad(job_id: str, dice: random.Random) -> Iterator[Errand]:
    body = dice.choice(_BAD_BODIES).replace("JOB", job_id)
    yield Errand("a bad body", body, "REJECTED", (0.0,) * dice.randint(1, 2))


_BAD_BODIES = (
    "not JSON",
    '{"stages": [{"image": "image_9", "command": "echo"}], "urgent": true}',
    '{"job_id": "JOB", "stages": []}',
    '{"job_id": "JOB", "stages": [{"image": "image_1", "command": ["rm", "-rf", "/"]}]}',
    '{"job_id": "JOB", "job_id": "JOB", "stages": [{"image": "image_1", "command": ["echo"]}]}',
    '{"job_id": "../JOB", "stages": [{"image": "image_1", "command": ["echo", "\\ud800"]}]}',
    '{"job_id": "JOB", "timeout_seconds": NaN, "stages": [{"image": "image_1", "command": ["echo"]}]}',
    "[" * 5_000,
    '{"s3BucketName": "no-such-bucket", "s3Key": "JOB"}',
)

_Kind = Callable[[str, random.Random], Iterator[Errand]]
_MIX: Sequence[tuple[_Kind, int]] = (
    (_article, 40),
    (_nameless, 10),
    (_two_stages, 14),
    (_failing, 10),
    (_repeated, 10),
    (_bad, 8),
    (_conflicting, 3),
    (_stopped, 3),
    (_reporting, 2),
)


def _job(
    kind: str,
    job_id: str | None,
    stages: list[dict[str, Any]],
    exit_codes: tuple[int, ...] | None,
    *,
    expected: Status = "SUCCEEDED",
    user: str = "drill",
    log: str | None = None,
) -> Errand:
    named = {"job_id": job_id} if job_id else {}
    body = json.dumps({**named, "user": user, "stages": stages})
    return Errand(kind, body, expected, (0.0,), job_id, exit_codes, log)


def _echo(text: str) -> dict[str, Any]:
    return {"image": "image_1", "command": ["echo", text]}


def _shell(script: str) -> dict[str, Any]:
    return {"image": "image_1", "command": ["sh", "-c", script]}
