"""`jobferry cancel` and `jobferry redrive`: ask for it in the caller's own name."""

from __future__ import annotations

import argparse

from schemas.errors import SettingsError
from service.operator.printing import as_json, line
from service.operator.reach import Reach, asked

_SENT = {"cancel": "is to be cancelled", "redrive": "is to be redriven"}


def run(options: argparse.Namespace) -> int:
    """Ask. Raises SettingsError; UnknownJobError, and NotNowError where there is nothing to be done."""
    if options.job_id is None:
        raise SettingsError("Name a job, or many by --all.")
    return asked(lambda: _ask(options))


async def _ask(options: argparse.Namespace) -> int:
    steering = Reach(options.stack).tracking().steering
    wish = await steering.ask(options.command, options.tenant, options.job_id, options.reason)
    as_json(wish) if options.json else line(f"{wish.job_id} {_SENT[wish.verb]}, as {wish.requested_by}.")
    return 0
