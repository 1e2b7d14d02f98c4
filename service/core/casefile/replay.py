"""All decisions of a case, made again by the code of now: each at its own time, from what it was made of then."""

from __future__ import annotations

from schemas.casefile import Replay
from service.core.casefile.files import Case
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.judging import admission
from service.core.casefile.known import Known
from service.core.casefile.owing import policy
from service.core.casefile.planning import answered_again, diagnosis, planning
from service.core.casefile.records import record_of
from service.core.casefile.telling import telling


def replay(case: Case, version: str) -> Replay:
    """What a case comes to now. Raises CaseFileError where its record cannot be read."""
    record, unknown = record_of(case.record)
    manifest = case.manifest
    # Patterns of the deployment's own are not in it: what they found is hidden in all that is looked at here.
    hiding = CaseHiding(shows_values=manifest.values == "shown", known=Known())
    answers = tuple(answered_again(case, hiding))
    return Replay(
        job_id=manifest.job_id,
        message_id=manifest.message_id,
        status=manifest.status,
        made_at=manifest.made_at,
        made_by=manifest.made_by,
        replayed_by=version,
        parts=(
            admission(case, record, hiding),
            planning(case, record, answers),
            diagnosis(case, record, answers, hiding),
            policy(case, record, unknown),
            telling(case, record, hiding),
        ),
    )
