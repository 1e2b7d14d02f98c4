"""Mistakes with what people ask for of many jobs, and with messages that are sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from schemas.bulk import BulkFilter, BulkMessage
from schemas.control import Verb
from schemas.tracking import JobPage, ListedJob
from service.aws.job_list import JobList
from service.aws.queue import Message
from service.core.record.bulk_facts import BulkAsked, BulkProgressed
from service.core.record.keys import RecordKey
from service.core.tracking.bulk import meant_by
from service.core.tracking.listing import JobFilter
from service.settle import Settling
from tests.sim.mutants.mutant import mutant
from workers import bulks, control, requests, sweeper


async def _forgets_the_bulk(self: control.Controls, asked: BulkMessage, message: Message) -> None:
    return None


async def _does_nothing_with_a_page(self: bulks.SteersMany, bulk: BulkAsked, ids: Sequence[str]) -> Any:
    return {job_id: bulks.Steered() for job_id in ids}


def _means_nobody(bulk: BulkAsked, listed: ListedJob) -> bool:
    return False


async def _leaves_bulks_alone(self: sweeper.Sweeper, key: RecordKey) -> bool:
    return key.kind != "bulk" and await _taken_up_in_truth(self, key)


_taken_up_in_truth = sweeper.Sweeper._take_up


async def _skips_a_page(
    self: JobList, tenant: str, wanted: JobFilter, limit: int, cursor: str | None = None
) -> JobPage:
    page = await _paged_in_truth(self, tenant, wanted, limit, cursor)
    return await _paged_in_truth(self, tenant, wanted, limit, page.cursor) if page.cursor and not cursor else page


async def _begins_again(
    self: JobList, tenant: str, wanted: JobFilter, limit: int, cursor: str | None = None
) -> JobPage:
    page = await _paged_in_truth(self, tenant, wanted, limit, None)
    return page.model_copy(update={"cursor": None}) if cursor else page


_paged_in_truth = JobList.page


def _means_what_comes_later(verb: Verb, jobs: BulkFilter, asked_at: float) -> JobFilter:
    return replace(_meant_in_truth(verb, jobs, asked_at), until=None)


_meant_in_truth = meant_by
_numbers = count(1)


def _names_it_anew(bulk: BulkAsked) -> str:
    return f"bulk/{next(_numbers)}"


def _counts_twice(before: BulkProgressed, became: Mapping[str, Any], at: float) -> BulkProgressed:
    counted = _counted_in_truth(before, became, at)
    return counted.model_copy(update={"done": 2 * counted.done - before.done})


_counted_in_truth = bulks._counted


def _says_no_reason(before: BulkProgressed, became: Mapping[str, Any], at: float) -> BulkProgressed:
    return _counted_in_truth(before, became, at).model_copy(update={"refusals": {}})


async def _takes_it_for_new(self: requests.Requests, message: Message) -> Message:
    return message


def _does_not_look_again(self: Settling, job: object) -> bool:
    return False


BULK_MUTANTS = (
    mutant("forgets a bulk", (1,), (control.Controls, "_hear_bulk", _forgets_the_bulk)),
    mutant(
        "counts a page that nothing was done with", (10,), (bulks.SteersMany, "_steer_all", _does_nothing_with_a_page)
    ),
    mutant("finds nobody in the list", (10,), (bulks, "_is_meant", _means_nobody)),
    mutant("leaves a dead worker's bulk alone", (4,), (sweeper.Sweeper, "_take_up", _leaves_bulks_alone)),
    mutant("skips a page", (10,), (JobList, "page", _skips_a_page)),
    mutant("goes through the first page twice", (10,), (JobList, "page", _begins_again)),
    mutant("means what comes later", (2, 10), (bulks, "meant_by", _means_what_comes_later)),
    mutant("makes a job of each pass over a page", (2, 10), (bulks, "asked_as", _names_it_anew)),
    mutant("counts a job twice", (10,), (bulks, "_counted", _counts_twice)),
    mutant("does not say why not", (10,), (bulks, "_counted", _says_no_reason)),
)

# Mistakes that chance seldom shows.
SCENE_MUTANTS = (
    mutant("hears no stop", (10,), (bulks, "bulk_stop", lambda record: None)),
    mutant("goes back behind another", (10,), (BulkProgressed, "beats_below", property(lambda fact: 2**62))),
    mutant("leaves a redrive that AWS failed to make", (4, 10), (sweeper, "_is_to_go_on", lambda job: False)),
    mutant("starts by what it read before it stood still", (10,), (Settling, "_is_long_ago", _does_not_look_again)),
)

# Mistakes with copies from a dead-letter queue.
REPLAY_MUTANTS = (
    mutant("takes what is sent again for new", (1, 2, 10), (requests.Requests, "as_first_sent", _takes_it_for_new)),
)
