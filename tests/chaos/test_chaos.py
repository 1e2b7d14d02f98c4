"""A short drill; and drills with sabotaged workers, which show that the instrument can fail."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from tests.chaos import sabotaged
from tests.chaos.drill import Enough, Report, drill
from tests.chaos.faults import NO_FAULTS
from tests.chaos.killer import WISH_NOTED, Strike
from tests.chaos.plan import WORKER_SETTINGS, BusRates, Plan
from tests.chaos.table import as_json
from tests.chaos.verdict import Told
from tests.chaos.workload import BESIDE_SECONDS, Hearing, Wanted, When, errands

# A drill ends when nothing more can come; the bound is for a machine that is busy with other things.
DEATHS = (
    Strike(0.0, signal.SIGKILL, WISH_NOTED),
    Strike(1.5, signal.SIGTERM),
    Strike(2.0, signal.SIGKILL, "Publish", after=True),
)
SHORT = Plan(jobs=30, seed=7, seconds=600, storm_seconds=12, deaths=DEATHS)
CALM_BUS = BusRates(lose_executions=0, lose_tasks=0, duplicate=0, hold_back=0)
CALM = Plan(
    jobs=4, workers=1, seed=7, seconds=300, jobs_per_second=100, kills_per_minute=0, fault_rates=NO_FAULTS, bus=CALM_BUS
)


def test_every_promise_holds_in_a_short_drill() -> None:
    """Jobs of every kind, with wishes, faults and deaths: nothing is lost, wrong, doubled, stuck or dead-lettered."""
    report = drill(SHORT)
    assert report.passed, as_json(report)
    assert report.redrives == sum(len(errand.redriven) for errand in errands(SHORT)) > 0, as_json(report)
    assert report.deaths["SIGKILL"] == 2 and report.deaths["SIGTERM"] == 1 and len(report.faults) > 5, as_json(report)


def test_deleting_before_the_effect_is_seen_as_loss() -> None:
    """Workers that die in their first writes take with them what they have deleted already."""
    plan = replace(CALM, deaths=deaths_at("UpdateItem"))
    # Whether it dies in a request's write or in an event's is a matter of milliseconds: some drills must be enough.
    reports = (sabotaged_drill(sabotaged.delete_before_effect, replace(plan, seed=seed)) for seed in range(8))
    assert any(report.verdict.lost and not report.passed for report in reports)


def test_starting_anew_is_seen_as_executions_beyond_one() -> None:
    """A second execution of a job has a name that no job has."""
    report = sabotage(sabotaged.start_anew, replace(CALM, jobs=1))
    assert report.verdict.executions_beyond, as_json(report)


def test_announcing_without_a_claim_is_seen_as_repeats_without_excuse() -> None:
    """Whoever hears the end while another announces it announces it too, though nothing failed."""
    # All logs are archived by then; and of a dozen second copies some come to the worker that is not at it.
    twice = replace(CALM_BUS, duplicate=1, late_executions=1, copy_after_seconds=0.5)
    plan = replace(CALM, jobs=12, kinds=("article",), workers=2, bus=twice)
    report = sabotage(sabotaged.announce_without_claim, plan, anything_twice)
    assert report.verdict.unexcused, as_json(report)


def test_noting_before_publishing_is_seen_as_loss() -> None:
    """A worker that dies between its note and SNS leaves a job that everyone takes for announced."""
    report = sabotage(sabotaged.note_before_publishing, replace(CALM, deaths=deaths_at("Publish")))
    assert report.verdict.lost, as_json(report)


def test_never_sweeping_is_seen_as_stuck() -> None:
    """Without a sweeper, a job whose events are all lost stays open."""
    deaf = replace(CALM_BUS, lose_executions=1, lose_tasks=1)
    report = sabotage(sabotaged.never_sweep, replace(CALM, jobs=1, bus=deaf, longest_silence=8))
    assert any("SUCCEEDED" in line for line in report.verdict.stuck), as_json(report)


def test_never_looking_for_redrives_is_seen_as_loss() -> None:
    """A job was announced, and then redriven: when all events of that are lost, its second outcome is."""
    plan = redriven(When.ANNOUNCED, Hearing.LOST, longest_silence=8)
    report = sabotage(sabotaged.never_look_for_redrives, plan)
    assert report.redrives and report.verdict.lost, as_json(report)


def test_letting_tasks_of_before_run_on_is_seen() -> None:
    """A cancelled container works on beside the one of the redrive, and nobody stops it before all has ended."""
    plan = replace(CALM, jobs=1, kinds=("overtaken",), outlived_seconds=BESIDE_SECONDS / 2)
    report = sabotage(sabotaged.let_tasks_of_before_run_on, plan)
    assert report.redrives and report.verdict.outlived, as_json(report)


def test_telling_nothing_of_before_is_seen_as_loss() -> None:
    """A job was redriven at once: nobody hears how it had ended before that."""
    report = sabotage(sabotaged.tell_nothing_of_before, redriven(When.AT_ONCE, Hearing.USUAL))
    assert report.redrives and report.verdict.lost, as_json(report)


def test_forgetting_a_wish_is_seen_as_an_execution_beyond_none() -> None:
    """A worker dies as it notes a cancel that it deleted already: the job is started, whose cancel came before it."""
    plan = replace(CALM, jobs=1, kinds=("cancelled before",), deaths=deaths_at(WISH_NOTED)[:1])
    report = sabotage(sabotaged.delete_before_effect, replace(plan, seed=seed_of_one_copy(plan)))
    assert report.verdict.executions_beyond and report.verdict.wrong, as_json(report)


def test_hearing_another_tenant_is_seen_as_wrong() -> None:
    """Their cancel ends a job that is not theirs."""
    report = sabotage(sabotaged.hear_everybody, replace(CALM, jobs=1, kinds=("wanted by another",)))
    assert report.verdict.wrong, as_json(report)


def test_calling_all_a_success_is_seen_as_wrong() -> None:
    """A job whose second stage exited with another code than 0 is announced as a success."""
    report = sabotage(sabotaged.call_all_a_success, replace(CALM, jobs=1, kinds=("failing",)))
    assert report.verdict.wrong, as_json(report)


def redriven(when: When, hearing: Hearing, longest_silence: float = CALM.longest_silence) -> Plan:
    """A drill of one job, by the first seed that redrives it once, and then."""
    kind = f"redriven, states {hearing.name}, tasks {hearing.name}"
    plans = (replace(CALM, jobs=1, kinds=(kind,), seed=seed, longest_silence=longest_silence) for seed in count())
    wanted = ((when,), Wanted.NOTHING)
    return next(plan for plan in plans if (errands(plan)[0].redriven, errands(plan)[0].wanted) == wanted)


def seed_of_one_copy(plan: Plan) -> int:
    """The first seed that sends the wish of its only job once."""
    return next(seed for seed in count() if errands(replace(plan, seed=seed))[0].copies == 1)


def sabotage(how: object, plan: Plan, enough: Enough = lambda _: False) -> Report:
    """A drill with workers that break one promise, which must not pass."""
    report = sabotaged_drill(how, plan, enough)
    assert not report.passed
    return report


def anything_twice(told: Sequence[Told]) -> bool:
    """Whether two notifications say the same."""
    return len({item.notification.id for item in told}) < len(told)


def sabotaged_drill(how: object, plan: Plan, enough: Enough = lambda _: False) -> Report:
    """A drill with workers that break one promise."""
    name = next(name for name, known in sabotaged.SABOTAGES.items() if known is how)
    settings = {**WORKER_SETTINGS, sabotaged.SABOTAGE: name}
    return drill(replace(plan, settings=settings, worker_module=sabotaged.__name__), enough=enough)


def deaths_at(operation: str) -> tuple[Strike, ...]:
    """Every one of the first workers dies just before such a call takes effect."""
    return (Strike(0, signal.SIGKILL, operation),) * 2
