"""What is put into a case file, of what was gathered of a job: each member as text, fit to be seen by others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, takewhile
from typing import Any

from pydantic import BaseModel, JsonValue

from schemas.casefile import (
    CaseDecisions,
    CaseLogs,
    CaseManifest,
    CaseMember,
    CaseRecord,
    CaseSettings,
    CaseValues,
    NotKnown,
)
from schemas.catalog import Catalog
from schemas.notification import JobNotification
from service.core.casefile import files
from service.core.casefile.decisions import decisions_of
from service.core.casefile.errors import CaseFileError
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.known import Known
from service.core.casefile.masking import seen_in
from service.core.casefile.records import case_record, record_of
from service.core.casefile.requests import Judged, of_job, of_rejection
from service.core.casefile.telling import told
from service.core.casefile.words import readme
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose, iso
from service.core.telling.letter import fingerprint
from service.core.telling.size_limit import fitted
from service.core.tracking.events import events_of
from service.core.tracking.job import track
from service.core.tracking.steps import HistoryEvent

_WHAT = {
    files.README: "This.",
    files.MANIFEST: "What the case is of, and what it does not tell, for programs.",
    files.JOB: "The job as `jobferry show --json` has it.",
    files.RECORD: "The record, with every fact.",
    files.REQUEST: "What admission judged.",
    files.CATALOG: "The entries of the catalogue by which it was judged.",
    files.STAGES: "The stages as they were frozen.",
    files.DECISIONS: "Every question to the planner, and its answer.",
    files.EVENTS: "What happened to the job, in the order of time.",
    files.HISTORY: "The execution's history, as Step Functions told it.",
    files.NOTIFICATION: "What subscribers are told of the outcome, without its links.",
}


@dataclass(frozen=True)
class Wanted:
    """What a case is to show."""

    logs: CaseLogs = "tail"
    values: CaseValues = "masked"


@dataclass(frozen=True)
class Gathered:
    """All that is known of a job when a case is made of it.

    `asked` is what is kept of an admitted request beside its record, `body` is a rejected one's.
    """

    record: Record
    made_at: float
    made_by: str
    wanted: Wanted
    history: Sequence[HistoryEvent] = ()
    stages: Sequence[dict[str, Any]] = ()
    asked: str = ""
    body: str | None = None
    catalog: Catalog | None = None
    settings: CaseSettings = field(default_factory=CaseSettings)
    redaction: Redaction = field(default_factory=Redaction.of)
    not_known: tuple[NotKnown, ...] = ()

    @cached_property
    def hiding(self) -> CaseHiding:
        """What hides in it: in each member what is masked in any."""
        if self.wanted.values == "shown":
            return CaseHiding(self.redaction, shows_values=True)
        carrying: list[JsonValue] = [case_record(self.record).model_dump(mode="json"), *self.stages]
        carrying += [dict(event) for event in self.history]
        carrying += [{"asked": self.asked}, {"body": self.body}]
        return CaseHiding(self.redaction, known=seen_in(*carrying).known())

    @cached_property
    def notification(self) -> JobNotification | None:
        """What was told of the outcome, made again without its links; None where nothing was told yet."""
        if self.record.announced is None:
            return None
        return self._composed(self.record)

    @cached_property
    def shown_notification(self) -> dict[str, Any] | None:
        """The same, composed of the record as the case has it: what a replay makes again."""
        if self.notification is None:
            return None
        shown = CaseRecord.model_validate(self.hiding.value(case_record(self.record).model_dump(mode="json")))
        try:
            record, _ = record_of(shown)
        except CaseFileError:  # A pattern of the deployment's own hides in what a fact must have: no replay reads it.
            return self.hiding.object(told(self.notification))
        return told(self._composed(record))

    def _composed(self, record: Record) -> JobNotification:
        return fitted(compose(record, Links(), self.settings.prices, self.redaction))

    @cached_property
    def decisions(self) -> list[JsonValue]:
        """The planner's, oldest first, each as others may see it."""
        decided = CaseDecisions(decisions=tuple(decisions_of(self.history)))
        shown = self.hiding.object(decided.model_dump(mode="json"))["decisions"]
        assert isinstance(shown, list), "a list stays a list"
        return shown

    @cached_property
    def last_decisions(self) -> list[JsonValue]:
        """As many of them as are read of a case, up to the last."""
        sizes = (len(_json({"decisions": [decision]}).encode()) for decision in reversed(self.decisions))
        together = accumulate(sizes)
        fitting = sum(1 for _ in takewhile(lambda size: size <= files.LARGEST_DECISIONS_BYTES, together))
        return self.decisions[len(self.decisions) - fitting :]

    @cached_property
    def judged(self) -> Judged:
        """What admission had before it, made of what may be shown."""
        if self.record.rejection is not None:
            return of_rejection(self.record.rejection, self.body, self.catalog, self.hiding)
        if self.record.request is None:
            return Judged()
        stages = [self.hiding.object(stage) for stage in self.stages]
        return of_job(self.record.request, stages, self.catalog, self.asked, self.hiding)


@dataclass(frozen=True)
class Member:
    """One file of the zip."""

    name: str
    text: str


def members_of(gathered: Gathered) -> tuple[Member, ...]:
    """All but the logs, the manifest and the README, which tell of what else there is."""
    return tuple(_members(gathered))


def _members(gathered: Gathered) -> Iterator[Member]:
    hiding, record, judged = gathered.hiding, gathered.record, gathered.judged
    view = track(record, gathered.settings.prices, gathered.redaction)
    assert view is not None, "a case is of a job or of a rejection"
    yield _model(files.JOB, view, hiding)
    yield _model(files.RECORD, case_record(record), hiding)
    for name, model in ((files.REQUEST, judged.request), (files.CATALOG, judged.catalog)):
        if model is not None:
            yield Member(name, _json(model.model_dump(mode="json")))
    if gathered.stages:
        yield Member(files.STAGES, _json([hiding.object(stage) for stage in gathered.stages]))
    events: list[JsonValue] = [event.model_dump(mode="json") for event in events_of(record, gathered.redaction)]
    yield _value(files.EVENTS, events, hiding)
    if gathered.history:
        yield Member(files.DECISIONS, _json({"decisions": gathered.last_decisions}))
        history: list[JsonValue] = [dict(event) for event in gathered.history]
        yield _value(files.HISTORY, history, hiding)
    if gathered.shown_notification is not None:
        yield _value(files.NOTIFICATION, gathered.shown_notification, replace(hiding, known=Known()))


def not_known(gathered: Gathered) -> tuple[NotKnown, ...]:
    """What a case does not tell, and why."""
    return (*gathered.not_known, *gathered.judged.not_known, *_of_what_is_made(gathered))


def _of_what_is_made(gathered: Gathered) -> Iterator[NotKnown]:
    yield from _of_settings(gathered)
    yield from _of_decisions(gathered)
    yield from _of_the_letter(gathered)


def _of_decisions(gathered: Gathered) -> Iterator[NotKnown]:
    left_out = len(gathered.decisions) - len(gathered.last_decisions)
    if left_out:
        why = (
            f"all {len(gathered.decisions):,} are larger than the {files.LARGEST_DECISIONS_BYTES:,} bytes that are read"
        )
        yield NotKnown(what=f"the first {left_out:,} of the planner's decisions", why=why)


def _of_settings(gathered: Gathered) -> Iterator[NotKnown]:
    if gathered.settings.task_grace_seconds is None:
        why = "the deployment was reached by its stack's name, which does not tell the worker's settings"
        yield NotKnown(what="how long the worker waits for what, and its prices", why=why)


def _of_the_letter(gathered: Gathered) -> Iterator[NotKnown]:
    """A notification is not kept, but its letter's fingerprint is."""
    announced, again = gathered.record.announced, gathered.notification
    if announced is None or again is None or announced.letter == fingerprint(again.text):
        return
    why = "another letter comes of the record now: by other settings, another version, or what was heard of since"
    if announced.letter is None:
        why = "it was sent by a version that kept no fingerprint of it"
    yield NotKnown(what="the notification as it was sent", why=f"{why}; it was composed again for this case")


def manifest_of(gathered: Gathered, members: Sequence[CaseMember], not_known: Sequence[NotKnown]) -> CaseManifest:
    """What leads through the zip."""
    record = gathered.record
    view = track(record)
    assert view is not None, "a case is of a job or of a rejection"
    ours = [CaseMember(name=name, what=_WHAT[name]) for name in (files.README, files.MANIFEST)]
    return CaseManifest(
        made_at=iso(gathered.made_at) or "",
        made_by=gathered.made_by,
        kind="rejection" if record.rejection else "job",
        job_id=view.job_id,
        message_id=view.message_id,
        tenant=view.tenant,
        status=view.status,
        values=gathered.wanted.values,
        logs=gathered.wanted.logs,
        settings=gathered.settings,
        members=(*ours, *members),
        not_known=tuple(not_known),
    )


def described(member: Member) -> CaseMember:
    """How the manifest names a member."""
    return CaseMember(name=member.name, what=_WHAT.get(member.name, "A container's log, without its secrets."))


def closing(manifest: CaseManifest) -> tuple[Member, ...]:
    """The members that tell of the others."""
    return (
        Member(files.README, readme(manifest)),
        Member(files.MANIFEST, _json(manifest.model_dump(mode="json"))),
    )


def _model(name: str, model: BaseModel, hiding: CaseHiding) -> Member:
    return _value(name, model.model_dump(mode="json"), hiding)


def _value(name: str, value: JsonValue, hiding: CaseHiding) -> Member:
    return Member(name, _json(hiding.value(value)))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
