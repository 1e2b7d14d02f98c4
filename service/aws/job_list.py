"""DynamoDB: the list of a tenant's jobs, an index of summaries over the table of records.

    job_list            list_tenant, list_at      the youngest first; list_at is the moment of the request and the id
    rejected_requests   list_claim, list_at       by the id that a rejected request claimed; sparse

What is listed is written at admission and with the announcement, and again if the job is redriven. An index is written
to only when a key or a projected attribute of it changes [DynamoDB guide, global secondary indexes]: two writes a job,
of one write unit each as long as a summary has less than 1,024 bytes, whatever else its record hears in between. They
are writes of the index; the record's own item is written then anyway.

What an index projects stays as it was deployed first: CloudFormation updates nothing of an index in place but its
throughput [DynamoDB API, UpdateTable], so that a stack with another projection could not be updated.

The key is the tenant without a month or a shard. Items leave by their time to live, a partition of an index is split by
its sort key as it grows, and 1,000 writes a second into one hot partition are more jobs than Step Functions starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from schemas.tracking import JobPage, ListedJob
from service.aws.errors import aws_errors
from service.aws.record_items import HEAD
from service.core.record.facts import Announced, ExecutionChanged, Fact, Rejected, Requested, StageSpent
from service.core.record.keys import RecordKey
from service.core.telling.moments import iso
from service.core.tracking.listing import JobFilter, json_of, spent_from

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

JOB_LIST_INDEX, REJECTED_INDEX = "job_list", "rejected_requests"
_BETWEEN = "#"  # Stands in no moment.
# So many summaries are looked at for one page: what is rare costs a bounded time, and the cursor goes on from there.
_LOOKED_AT, _LOOKS = 1000, 4
_FIRST, _LAST = "0", "9"  # Before and after every moment.
_BEHIND = "~"  # And after every key.


def listing_changes(
    fact: Fact, names: MutableMapping[str, str], values: MutableMapping[str, Any], *, closes: bool
) -> Iterator[str]:
    """The parts of an update that keep a record's summary, beside its register; their names and values are added."""
    for number, (name, value) in enumerate(_summary(fact, closes=closes).items()):
        names[f"#list{number}"] = name
        values[f":list{number}"] = value
        yield f"#list{number} = :list{number}"


def _summary(fact: Fact, *, closes: bool) -> dict[str, Any]:
    match fact:
        case Requested():
            return {
                **_place(fact.tenant, fact.submitted_at, fact.record_key),
                **_texts(list_status="OPEN", list_type=fact.job_type, list_user=fact.user),
                **(
                    {"list_labels": {"M": {name: {"S": value} for name, value in fact.labels.items()}}}
                    if fact.labels
                    else {}
                ),
            }
        case Rejected(claimed_tenant=str(tenant)):
            # A control message is about a job of the id, and no request for it.
            claims = fact.claimed_job_id is not None and not fact.was_control
            claim = f"{tenant}{_BETWEEN}{fact.claimed_job_id}" if claims else None
            return {
                **_place(tenant, fact.submitted_at, fact.record_key),
                **_texts(list_status="REJECTED", list_type=fact.claimed_job_type, list_claim=claim),
            }
        case Announced(record_key=RecordKey(kind="job")) if closes:
            ended = {"list_ended_at": {"N": f"{fact.ended_at:.3f}"}} if fact.ended_at is not None else {}
            spent = json_of(fact.spent) if fact.spent else None
            # An empty class, where there was one before a redrive: an update of several parts removes none of them.
            failure = fact.failure_class or ""
            return {**_texts(list_status=fact.status, list_spent=spent), "list_failure": {"S": failure}, **ended}
        case ExecutionChanged(redrive_count=count, ended=False) if count:
            return _texts(list_status="OPEN")
    return {}


def _place(tenant: str, at: float, key: RecordKey) -> dict[str, Any]:
    return _texts(list_tenant=tenant, list_at=f"{_moment(at)}{_BETWEEN}{key}", list_id=key.id)


def _texts(**values: str | None) -> dict[str, Any]:
    return {name: {"S": value} for name, value in values.items() if value is not None}


_LAST_MOMENT = 253_402_300_799.0  # 9999-12-31


def _moment(seconds: float) -> str:
    """Sorts as time does, and is read as it is; what lies beyond the calendar is its first or its last moment."""
    return iso(min(max(seconds, 0.0), _LAST_MOMENT))


@dataclass(frozen=True)
class JobList:
    """The lists of jobs, one a tenant."""

    client: DynamoDBClient
    table: str

    async def page(self, tenant: str, wanted: JobFilter, limit: int, cursor: str | None = None) -> JobPage:
        """Up to so many jobs that match, the youngest first.

        Raises CursorError where the cursor is of another list.
        """
        place: str | None = wanted.place(tenant, cursor) if cursor else None
        found: list[ListedJob] = []
        for _ in range(_LOOKS):
            left = limit - len(found)
            items, place_reached = await self.look(tenant, wanted, place, _LOOKED_AT if wanted.is_narrow else left)
            found.extend(listed_job(tenant, item) for item in items[:left])
            if len(items) > left:
                place = items[left - 1]["list_at"]["S"]
                break
            place = place_reached
            if place is None or len(found) >= limit:
                break
        return JobPage(
            jobs=tuple(found),
            cursor=wanted.cursor(tenant, place) if place else None,
            searched_back_to=moment_in(place) if place else None,
        )

    async def lately(self, tenant: str, wanted: JobFilter, limit: int) -> tuple[tuple[StageSpent, ...], ...]:
        """How long the stages of the youngest jobs took that match; of one look only, since it is for a comparison."""
        items, _ = await self.look(tenant, wanted, None, _LOOKED_AT)
        spent = (spent_from(item.get("list_spent", {}).get("S")) for item in items)
        return tuple(stages for stages in spent if stages)[:limit]

    async def tenants(self) -> tuple[str, ...]:
        """Whoever has jobs or rejected requests, in order. Nobody keeps a list of them, but each has a partition.

        The scan skips: it reads one summary, and begins anew behind the last place that the tenant of that one could
        have [AWS Database Blog, Generate a distinct set of partition keys for an Amazon DynamoDB table efficiently]. So
        it costs a read a tenant, one after the other, however many jobs each has.
        """
        found: list[str] = []
        begin: dict[str, Any] = {}
        while True:
            with aws_errors():
                answer = await self.client.scan(
                    TableName=self.table,
                    IndexName=JOB_LIST_INDEX,
                    ProjectionExpression="list_tenant",
                    Limit=1,
                    **begin,
                )
                items, last = answer["Items"], answer.get("LastEvaluatedKey")
            if items:
                found.append(items[0]["list_tenant"]["S"])
                last = _behind(found[-1])
            if not last:
                return tuple(sorted(found))
            begin = {"ExclusiveStartKey": last}

    async def rejected_as(self, tenant: str, job_id: str) -> RecordKey | None:
        """The last request of a tenant that claimed this job id and was rejected."""
        with aws_errors():
            answer = await self.client.query(
                TableName=self.table,
                IndexName=REJECTED_INDEX,
                KeyConditionExpression="list_claim = :claim",
                ExpressionAttributeValues={":claim": {"S": f"{tenant}{_BETWEEN}{job_id}"}},
                ScanIndexForward=False,
                Limit=1,
            )
            found = [item["list_at"]["S"].partition(_BETWEEN)[2] for item in answer["Items"]]
        return RecordKey.read(found[0]) if found else None

    async def look(
        self, tenant: str, wanted: JobFilter, place: str | None, at_most: int
    ) -> tuple[list[Mapping[str, Any]], str | None]:
        """The items that match among the next so many, and where to go on; None at the end."""
        names = {"#tenant": "list_tenant", "#at": "list_at"}
        values: dict[str, Any] = {
            ":tenant": {"S": tenant},
            ":first": {"S": _moment(wanted.since) if wanted.since is not None else _FIRST},
            # With the place itself, which was given already and is left out below: BETWEEN has no open end.
            ":last": {"S": place or (_moment(wanted.until) if wanted.until is not None else _LAST)},
        }
        matches = list(_conditions(wanted, names, values))
        with aws_errors():
            answer = await self.client.query(
                TableName=self.table,
                IndexName=JOB_LIST_INDEX,
                KeyConditionExpression="#tenant = :tenant AND #at BETWEEN :first AND :last",
                **({"FilterExpression": " AND ".join(matches)} if matches else {}),  # type: ignore[arg-type]  # one text
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=at_most + (place is not None),
            )
            items: list[Mapping[str, Any]] = [item for item in answer["Items"] if item["list_at"]["S"] != place]
            last = answer.get("LastEvaluatedKey")
            return items, last["list_at"]["S"] if last else None


def _conditions(wanted: JobFilter, names: dict[str, str], values: dict[str, Any]) -> Iterator[str]:
    """What is left to be compared within the span of time."""
    for name, value in (
        ("list_status", wanted.status),
        ("list_type", wanted.job_type),
        ("list_user", wanted.user),
        ("list_failure", wanted.failure_class),
    ):
        if value is not None:
            names[f"#{name}"], values[f":{name}"] = name, {"S": value}
            yield f"#{name} = :{name}"
    if wanted.text is not None:
        names["#id"], values[":text"] = "list_id", {"S": wanted.text}
        yield "contains(#id, :text)"
    if wanted.label is not None:
        names["#labels"], names["#label"] = "list_labels", wanted.label
        if wanted.label_value is None:
            yield "attribute_exists(#labels.#label)"
        else:
            values[":label"] = {"S": wanted.label_value}
            yield "#labels.#label = :label"


def _behind(tenant: str) -> dict[str, Any]:
    """A place in the index behind all of a tenant's."""
    return _texts(list_tenant=tenant, list_at=_BEHIND, record_key=_BEHIND, part=HEAD)


def moment_in(place: str) -> str:
    """The moment that a place in a list begins with."""
    return place.partition(_BETWEEN)[0]


def listed_job(tenant: str, item: Mapping[str, Any]) -> ListedJob:
    """A summary as a list shows it."""
    at, _, key = item["list_at"]["S"].partition(_BETWEEN)
    record_key = RecordKey.read(key)
    ended = float(item["list_ended_at"]["N"]) if "list_ended_at" in item else None
    status = item["list_status"]["S"]
    is_over = status not in {"OPEN", "REJECTED"}
    return ListedJob(
        id=record_key.id,
        job_id=record_key.id if record_key.kind == "job" else None,
        tenant=tenant,
        status=status,
        job_type=_text(item, "list_type"),
        user=_text(item, "list_user"),
        labels={name: value["S"] for name, value in item.get("list_labels", {}).get("M", {}).items()},
        submitted_at=at,
        ended_at=_moment(ended) if ended is not None and is_over else None,
        duration_seconds=_between(at, ended) if ended is not None and is_over else None,
        failure_class=_text(item, "list_failure") if is_over else None,
    )


def _text(item: Mapping[str, Any], name: str) -> str | None:
    return item.get(name, {}).get("S") or None


def _between(start: str, end: float) -> float:
    return round(max(0.0, end - datetime.fromisoformat(start).timestamp()), 3)
