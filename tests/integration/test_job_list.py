"""The list of a tenant's jobs: an index of summaries by moto, the table built from the template."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.notification import Problem
from service.aws.all_tenants import AllTenants
from service.aws.job_list import JobList
from service.aws.jobs_table import JobsTable
from service.core.record.facts import Rejected, Requested, StageSpent
from service.core.record.keys import RecordKey
from service.core.tracking.listing import CursorError, JobFilter
from tests.support import job_facts
from tests.support.connecting import answering

SPENT = StageSpent(
    image="echo", stage=1, passed=True, queued=1.0, starting=2.0, running=3.5, archiving=None, memory=512
)


def requested(number: int, tenant: str = "web", **fields: Any) -> Requested:
    """A request of this moment."""
    usual = job_facts.requested(f"job-{number:03}", digest=f"d{number}")
    return usual.model_copy(update={"submitted_at": 1_700_000_000.0 + number, "tenant": tenant, **fields})


def announced(number: int, status: str = "FAILED", **fields: Any) -> Any:
    """How one ended, a minute after its request."""
    return job_facts.announced().model_copy(
        update={
            "record_key": RecordKey.of_job(f"job-{number:03}"),
            "status": status,
            "ended_at": 1_700_000_060.0 + number,
            "spent": (SPENT,),
            **fields,
        }
    )


@pytest.fixture
def listed(table: JobsTable) -> JobList:
    """The list over the same table."""
    return JobList(table.client, table.name)


async def ids(listed: JobList, tenant: str = "web", **wanted: Any) -> list[str]:
    """What of a tenant's jobs matches, the youngest first, by as many pages as it takes."""
    which, cursor = JobFilter(**wanted), None
    found: list[str] = []
    while True:
        page = await listed.page(tenant, which, 3, cursor)
        found.extend(job.id for job in page.jobs)
        cursor = page.cursor
        if cursor is None:
            return found


async def test_the_youngest_come_first_and_each_once(table: JobsTable, listed: JobList) -> None:
    """By pages, of one tenant alone."""
    for number in range(8):
        await table.merge(requested(number))
    await table.merge(requested(9, tenant="other"))
    assert await ids(listed) == [f"job-{number:03}" for number in reversed(range(8))]
    assert await ids(listed, "other") == ["job-009"]
    assert await ids(listed, "nobody") == []


async def test_a_cursor_stays_where_it_is_while_jobs_come_in(table: JobsTable, listed: JobList) -> None:
    """Neither a younger job nor the end of an older one moves what follows."""
    for number in range(5):
        await table.merge(requested(number))
    first = await listed.page("web", JobFilter(), 2)
    await table.merge(requested(8))
    await table.merge(announced(2))
    second = await listed.page("web", JobFilter(), 2, first.cursor)
    assert [job.id for job in second.jobs] == ["job-002", "job-001"]


FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "status": ({"status": "FAILED"}, ["job-001"]),
    "open": ({"status": "OPEN"}, ["job-003", "job-002", "job-000"]),
    "type": ({"job_type": "thumbs"}, ["job-002"]),
    "user": ({"user": "ifgeek"}, ["job-003"]),
    "label": ({"label": "team", "label_value": "red"}, ["job-000"]),
    "a label of any value": ({"label": "team"}, ["job-003", "job-000"]),
    "failure class": ({"failure_class": "out_of_memory"}, ["job-001"]),
    "since": ({"since": 1_700_000_002.0}, ["job-003", "job-002"]),
    "until": ({"until": 1_700_000_002.0}, ["job-001", "job-000"]),
    "a part of the id": ({"text": "-00"}, ["job-003", "job-002", "job-001", "job-000"]),
    "not a part of the moment": ({"text": "2023"}, []),
    "two at once": ({"label": "team", "user": "ifgeek"}, ["job-003"]),
}


@pytest.mark.parametrize(("wanted", "found"), FILTERS.values(), ids=FILTERS)
async def test_a_list_holds_what_was_asked_for(
    table: JobsTable, listed: JobList, wanted: dict[str, Any], found: list[str]
) -> None:
    """Each filter alone, and together."""
    await table.merge(requested(0, labels={"team": "red"}))
    await table.merge(requested(1))
    await table.merge(announced(1, failure_class="out_of_memory"))
    await table.merge(requested(2, job_type="thumbs"))
    await table.merge(requested(3, user="ifgeek", labels={"team": "blue"}))
    assert await ids(listed, **wanted) == found


async def test_a_job_that_ended_says_how_and_when(table: JobsTable, listed: JobList) -> None:
    """And what it took, for the statistics of others."""
    await table.merge(requested(1))
    await table.merge(announced(1, failure_class="out_of_memory"))
    [job] = (await listed.page("web", JobFilter(), 10)).jobs
    assert (job.status, job.failure_class, job.duration_seconds) == ("FAILED", "out_of_memory", 60.0)
    assert (job.submitted_at, job.ended_at) == ("2023-11-14T22:13:21.000Z", "2023-11-14T22:14:21.000Z")
    assert await listed.lately("web", JobFilter(), 50) == ((SPENT,),)


async def test_a_redriven_job_is_open_again(table: JobsTable, listed: JobList) -> None:
    """Until its next outcome is told; its first failure is no longer its own then."""
    await table.merge(requested(1))
    await table.merge(announced(1, failure_class="out_of_memory"))
    running = job_facts.execution("RUNNING", redrive=1).model_copy(update={"job_id": "job-001"})
    await table.merge(running)
    [job] = (await listed.page("web", JobFilter(), 10)).jobs
    assert (job.status, job.ended_at, job.failure_class) == ("OPEN", None, None)
    await table.merge(announced(1, "SUCCEEDED", redrive_count=1))
    [job] = (await listed.page("web", JobFilter(), 10)).jobs
    assert (job.status, job.failure_class) == ("SUCCEEDED", None)


async def test_an_outcome_from_before_a_redrive_ends_no_job_in_the_list(table: JobsTable, listed: JobList) -> None:
    """It was redriven while the outcome before that was announced."""
    await table.merge(requested(1))
    await table.merge(job_facts.execution("RUNNING", redrive=1).model_copy(update={"job_id": "job-001"}))
    await table.merge(announced(1, redrive_count=0))
    assert await ids(listed, status="OPEN") == ["job-001"]


async def test_a_rejected_request_is_listed_and_found_by_what_it_claimed(table: JobsTable, listed: JobList) -> None:
    """By its own tenant alone; the last of several."""
    for number, message in enumerate(("m-1", "m-2")):
        await table.merge(rejected(message, number))
    [job, _] = (await listed.page("web", JobFilter(), 10)).jobs
    assert (job.id, job.job_id, job.status) == ("m-2", None, "REJECTED")
    assert await listed.rejected_as("web", "job-001") == RecordKey.of_rejection("m-2")
    assert await listed.rejected_as("other", "job-001") is None


def rejected(message_id: str, number: int, **fields: Any) -> Rejected:
    """A request that claimed the id of a job."""
    problem = Problem(field="job_id", message="it is odd", remedy="Choose another.")
    return Rejected.model_validate(
        {
            "message_id": message_id,
            "submitted_at": 1_700_000_000.0 + number,
            "claimed_job_id": "job-001",
            "claimed_tenant": "web",
            "problems": (problem,),
            **fields,
        }
    )


async def test_a_request_of_no_readable_tenant_is_in_nobodys_list(table: JobsTable, listed: JobList) -> None:
    """It is nobody's to see."""
    await table.merge(rejected("m-1", 1, claimed_tenant=None))
    assert await ids(listed) == []


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwiYiJd", "bnVsbA", "é", "A" * 5])
async def test_a_cursor_of_another_list_is_refused(listed: JobList, cursor: str) -> None:
    """Also one that is none at all."""
    with pytest.raises(CursorError):
        await listed.page("web", JobFilter(), 10, cursor)


async def test_a_cursor_is_good_for_its_own_filters_and_tenant_alone(table: JobsTable, listed: JobList) -> None:
    """Or a page would say less than it seems to."""
    for number in range(3):
        await table.merge(requested(number))
    cursor = (await listed.page("web", JobFilter(), 1)).cursor
    for tenant, wanted in (("other", JobFilter()), ("web", JobFilter(status="OPEN"))):
        with pytest.raises(CursorError):
            await listed.page(tenant, wanted, 1, cursor)


async def test_what_is_rare_is_looked_for_within_bounds(listed: JobList) -> None:
    """Four looks at a thousand summaries each, then a page with a cursor to go on by, however many jobs there are."""
    at = "2026-01-01T00:00:00.000Z#job-1"
    nothing = {"Items": [], "LastEvaluatedKey": {"list_at": {"S": at}}}
    with answering(listed.client, "Query", *[nothing] * 10) as asked:
        page = await listed.page("web", JobFilter(status="FAILED"), 50)
    assert [call["Limit"] for call in asked] == [1000, 1001, 1001, 1001]
    assert page.jobs == () and page.cursor is not None
    assert page.searched_back_to == "2026-01-01T00:00:00.000Z"


async def test_a_page_without_filters_looks_at_what_it_shows(listed: JobList) -> None:
    """One query, of as many summaries."""
    with answering(listed.client, "Query", {"Items": []}) as asked:
        await listed.page("web", JobFilter(since=1.0), 50)
    assert [call["Limit"] for call in asked] == [50]


async def all_ids(listed: JobList, limit: int, **wanted: Any) -> list[str]:
    """What of all tenants matches, by as many pages as it takes."""
    everybody, which, cursor = AllTenants(listed), JobFilter(**wanted), None
    names = await listed.tenants()
    found: list[str] = []
    while True:
        page = await everybody.page(names, which, limit, cursor)
        assert len(page.jobs) <= limit
        found.extend(job.id for job in page.jobs)
        if (cursor := page.cursor) is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_all_tenants_are_one_list(table: JobsTable, listed: JobList, limit: int) -> None:
    """Each job once, the youngest first, with its tenant, however unevenly they come; rejected requests too."""
    for number in range(40):
        tenant = "busy" if number % 8 else ("calm", "late")[number // 8 % 2]
        await table.merge(requested(number, tenant=tenant))
    assert await listed.tenants() == ("busy", "calm", "late")
    assert await all_ids(listed, limit) == [f"job-{number:03}" for number in reversed(range(40))]
    assert await all_ids(listed, limit, text="job-01") == [f"job-{number:03}" for number in reversed(range(10, 20))]


async def test_a_list_of_all_tenants_stays_where_it_is(table: JobsTable, listed: JobList) -> None:
    """Whatever comes in meanwhile; and its cursor is none of one tenant's list, nor that of another filter."""
    for number in range(6):
        await table.merge(requested(number, tenant=f"t{number % 2}"))
    everybody, names = AllTenants(listed), await listed.tenants()
    first = await everybody.page(names, JobFilter(), 2)
    await table.merge(requested(9, tenant="t0"))
    second = await everybody.page(names, JobFilter(), 2, first.cursor)
    assert [(job.id, job.tenant) for job in second.jobs] == [("job-003", "t1"), ("job-002", "t0")]
    for page in (listed.page("t0", JobFilter(), 2, first.cursor), everybody.page(names, JobFilter(user="x"), 2, "e30")):
        with pytest.raises(CursorError):
            await page


async def test_who_has_no_tenant_has_no_job(table: JobsTable, listed: JobList) -> None:
    """An empty table is an empty list."""
    assert await all_ids(listed, 5) == []


async def test_a_page_of_all_tenants_reads_little_of_each(table: JobsTable, listed: JobList) -> None:
    """One call a tenant, each for its share: what 100,000 jobs would cost, a page of them does not."""
    for number in range(60):
        await table.merge(requested(number, tenant=f"t{number % 3}"))
    asked: list[dict[str, Any]] = []

    class Counting:
        async def query(self, **query: Any) -> Any:
            asked.append(query)
            return await table.client.query(**query)

    counting = JobList(Counting(), table.name)  # type: ignore[arg-type]  # the one call that is made
    page = await AllTenants(counting).page(("t0", "t1", "t2"), JobFilter(), 30)
    assert len(page.jobs) == 30 and len(asked) == 3
    assert sum(query["Limit"] for query in asked) <= 60
