"""`jobferry rerun`: a new job of a job's request, or of a rejected one, with changes; it waits as `submit` does."""

from __future__ import annotations

import argparse

from pydantic import ValidationError

from schemas.errors import SettingsError
from schemas.tracking import RerunWish
from service.operator.changes import changes_of
from service.operator.printing import REJECTED, as_json, line
from service.operator.reach import Reach, asked
from service.operator.submit import tell_problems, until_its_end
from service.tracking.errors import RefusedError


def run(options: argparse.Namespace) -> int:
    """Ask for it. Raises SettingsError, and UnknownJobError where there is no such job."""
    if options.job_id is None:
        raise SettingsError("Name a job, or many by --all.")
    return asked(lambda: _rerun(options))


async def _rerun(options: argparse.Namespace) -> int:
    wish = _wish(options)
    tracking = Reach(options.stack).tracking(options.catalog)
    try:
        sent = await tracking.steering.rerun(options.tenant, options.job_id, wish, options.idempotency_key)
    except RefusedError as refused:
        tell_problems(refused, as_contract=options.json)
        return REJECTED
    job_id = sent.new_job_id or sent.job_id
    if not (options.wait or options.follow):
        as_json(sent) if options.json else line(job_id)
        return 0
    begun = f"{job_id} is to be made, as {sent.requested_by}."
    return await until_its_end(tracking, sent.tenant, job_id, begun, options)


def _wish(options: argparse.Namespace) -> RerunWish:
    try:
        return RerunWish(reason=options.reason, new_job_id=options.id, changes=changes_of(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(f"{'.'.join(map(str, first['loc']))} cannot be: {first['msg']}.") from None
