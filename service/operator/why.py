"""`jobferry why`: why a job is not running yet, not finished, or where its time went."""

from __future__ import annotations

import argparse

from service.operator.printing import as_json, line
from service.operator.reach import Reach, asked


def run(options: argparse.Namespace) -> int:
    """Say why. Raises SettingsError, and UnknownJobError where there is no such job."""
    return asked(lambda: _why(options))


async def _why(options: argparse.Namespace) -> int:
    answer = await Reach(options.stack).tracking().tracker.why(options.tenant, options.job_id)
    if options.json:
        as_json(answer)
        return 0
    line(f"{answer.job_id or options.job_id}: {answer.status}")
    for text in answer.text:
        line(f"  {text}")
    return 0
