"""What producers send: good jobs of every shape, bad bodies, the same request several times, one id for two jobs."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from typing import Any

from schemas.notification import Status
from tests.chaos.plan import PATIENT, Plan

_LATEST_REPEAT_SECONDS = 12.0
_LATEST_CANCEL_SECONDS = 4.0
_RUNS_UNTIL_STOPPED_SECONDS = 3600
# A job is cancelled and redriven; what was cancelled may run on beside what the redrive runs for so long.
BESIDE_SECONDS = 10
_NEVER = 1000


class Hearing(Enum):
    """What becomes of the events of one service about a job, from its first redrive on."""

    USUAL = "as all others"
    LATE = "late"
    LOST = "lost"


class When(Enum):
    """When what was cancelled is redriven."""

    ANNOUNCED = "once it is announced"
    WITHIN_GRACE = "within the grace time"
    AT_ONCE = "at once"


class Wanted(Enum):
    """What people ask for of a job by the control queue."""

    NOTHING = "nothing"
    STEERING = "its cancels and redrives, which are else made straight at Step Functions"
    CANCEL_BEFORE = "its cancel, before its request is sent"
    CANCEL_SOMETIME = "its cancel, at any time"
    BY_ANOTHER = "its cancel, a redrive and a rerun, for another tenant"
    RERUN = "a rerun, once it is announced"


@dataclass(frozen=True)
class Errand:
    """One body, when it is sent (seconds after the start, once or more), and what must come of it.

    `exit_codes` are those of the stages that ran; None where the harness stops the execution in their midst. It
    stops it and redrives it as often as `redriven` says, and stops it once more if it is to be `aborted`.

    Each wish of `wanted` is sent `copies` times. A cancel at any time is sent `cancel_after` seconds after the request.
    """

    kind: str
    body: str
    expected: Status
    at: tuple[float, ...]
    job_id: str | None = None
    exit_codes: tuple[int, ...] | None = ()
    log: str | None = None
    aborted: bool = False
    redriven: tuple[When, ...] = ()
    states: Hearing = Hearing.USUAL
    tasks: Hearing = Hearing.USUAL
    wanted: Wanted = Wanted.NOTHING
    copies: int = 1
    cancel_after: float = 0.0
    retry_of: str | None = None

    @property
    def admissible(self) -> bool:
        return self.expected != "REJECTED"

    @property
    def may_be_unstarted(self) -> bool:
        """Whether its cancel may come before its start."""
        return self.wanted in {Wanted.CANCEL_BEFORE, Wanted.CANCEL_SOMETIME}

    def may_end_as(self, status: str, *, is_last: bool) -> bool:
        """Whether it may end so, for good or before a redrive."""
        if self.wanted is Wanted.CANCEL_SOMETIME and status == "ABORTED":
            return True
        return status == (self.expected if is_last else "ABORTED")


def errands(plan: Plan) -> list[Errand]:
    """Everything that is sent in a drill, in the order of its first sending."""
    dice = random.Random(f"{plan.seed}:workload")
    mix = [_MIX[name] for name in plan.kinds or _MIX]
    kinds = [kind for kind, _ in mix]
    drawn = dice.choices(kinds, [weight for _, weight in mix], k=max(plan.jobs - len(kinds), 0))
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


def _redriven(states: Hearing, tasks: Hearing) -> _Kind:
    """Cancelled and redriven once or twice, with what tells of it lost or late; straight, or by messages."""

    def made(job_id: str, dice: random.Random) -> Iterator[Errand]:
        wanted = dice.choice((Wanted.NOTHING, Wanted.STEERING))
        # A stop that comes late may end what was redriven, which is then redriven once more: which of two is which?
        often = 1 if wanted is Wanted.STEERING else dice.choice((1, 1, 2))
        whens = tuple(dice.choice(list(When)) for _ in range(often))
        stage = dice.choice((_mended, _patient))(len(whens), 1)
        errand = _job(f"redriven: {[when.value for when in whens]}", job_id, [stage], None)
        errand = replace(errand, redriven=whens, states=states, tasks=tasks)
        yield replace(errand, wanted=wanted, copies=_copies(dice))

    return made


def _cancelled_again(job_id: str, dice: random.Random) -> Iterator[Errand]:
    errand = _job("redriven, and cancelled again", job_id, [_mended(_NEVER, 1)], None, expected="ABORTED")
    wanted = dice.choice((Wanted.NOTHING, Wanted.STEERING))
    yield replace(errand, redriven=(dice.choice(list(When)),), aborted=True, wanted=wanted, copies=_copies(dice))


def _cancelled(job_id: str, dice: random.Random) -> Iterator[Errand]:
    """By a message, while its container runs, which would run on for an hour."""
    (errand,) = _stopped(job_id, dice)
    yield replace(errand, kind="cancelled by a message", wanted=Wanted.STEERING, copies=_copies(dice))


def _cancelled_before(job_id: str, dice: random.Random) -> Iterator[Errand]:
    """Its request is sent when its cancel was heard, and nothing may be started."""
    errand = _job("cancelled before it comes", job_id, [_echo("never")], (), expected="ABORTED")
    yield replace(errand, wanted=Wanted.CANCEL_BEFORE, copies=_copies(dice))


def _cancelled_sometime(job_id: str, dice: random.Random) -> Iterator[Errand]:
    """Before it starts, while it runs, or when it has ended: nobody knows."""
    errand = _job("cancelled at any time", job_id, [_shell("sleep 1")], None)
    after = dice.uniform(0, _LATEST_CANCEL_SECONDS)
    yield replace(errand, wanted=Wanted.CANCEL_SOMETIME, copies=_copies(dice), cancel_after=after)


def _wanted_by_another(job_id: str, dice: random.Random) -> Iterator[Errand]:
    errand = _job("another tenant's wishes", job_id, [_shell("sleep 2; exit 3")], (3,), expected="FAILED")
    yield replace(errand, wanted=Wanted.BY_ANOTHER, copies=_copies(dice))


def _rerun(job_id: str, dice: random.Random) -> Iterator[Errand]:
    errand = _job("to be rerun", job_id, [_shell("exit 3")], (3,), expected="FAILED")
    yield replace(errand, wanted=Wanted.RERUN, copies=_copies(dice))


def rerun_of(errand: Errand, new_job_id: str) -> Errand:
    """The job that a rerun makes, whose command is another."""
    made = replace(errand, kind="a rerun", job_id=new_job_id, expected="SUCCEEDED", exit_codes=(0,))
    return replace(made, wanted=Wanted.NOTHING, retry_of=errand.job_id)


def rejected_wish(errand: Errand) -> Errand:
    """The message of another tenant that wants a rerun: it has no such job, and is told so."""
    return Errand("another tenant's rerun", errand.body, "REJECTED", ())


def _copies(dice: random.Random) -> int:
    return dice.choice((1, 1, 2))


def _overtaken(job_id: str, _: random.Random) -> Iterator[Errand]:
    """Redriven while its container runs on, which then has a task of the redrive beside it."""
    errand = _job("redriven beside its container", job_id, [_patient(1, BESIDE_SECONDS)], None)
    yield replace(errand, redriven=(When.AT_ONCE,))


def _mended(redrive: int, seconds: float) -> dict[str, Any]:
    """A stage that comes to no end before so many redrives; its container is stopped with its execution."""
    return _shell(f"{_runs_until(redrive)}; sleep {seconds}; echo mended")


def _patient(redrive: int, seconds: float) -> dict[str, Any]:
    """The same with a container that reports back; Step Functions does not stop it."""
    report = f"exec {sys.executable} -m deploy.examples.pictures report --seconds {seconds}"
    return {"image": PATIENT, "command": ["sh", "-c", f"{_runs_until(redrive)}; {report}"]}


def _runs_until(redrive: int) -> str:
    return f'[ "$JOBFERRY_REDRIVE" -ge {redrive} ] || exec sleep {_RUNS_UNTIL_STOPPED_SECONDS}'


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
_MIX: Mapping[str, tuple[_Kind, int]] = {
    "article": (_article, 40),
    "nameless": (_nameless, 10),
    "two stages": (_two_stages, 14),
    "failing": (_failing, 10),
    "repeated": (_repeated, 10),
    "bad": (_bad, 8),
    "conflicting": (_conflicting, 3),
    "stopped": (_stopped, 3),
    "reporting": (_reporting, 2),
    "cancelled again": (_cancelled_again, 1),
    "overtaken": (_overtaken, 1),
    "cancelled": (_cancelled, 2),
    "cancelled before": (_cancelled_before, 2),
    "cancelled sometime": (_cancelled_sometime, 3),
    "wanted by another": (_wanted_by_another, 2),
    "rerun": (_rerun, 2),
    # With every combination of lost and late events.
    **{
        f"redriven, states {states.name}, tasks {tasks.name}": (_redriven(states, tasks), 1)
        for states, tasks in product(Hearing, Hearing)
    },
}


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
