"""`jobferry doctor` and `jobferry catalog check`: say what of a deployment is wrong, and what to do about it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator

from schemas.operator import Examination, FoundItem
from service.aws.session import session_of
from service.operator.doctor.checks import checks_of
from service.operator.doctor.deployment import Deployment, by_settings, by_stack
from service.operator.doctor.findings import Finding, examine
from service.operator.doctor.images import image_checks
from service.operator.printing import as_json
from service.settings import read_settings

_MARKS = {True: "ok  ", False: "BAD ", None: "?   "}


def examine_all(options: argparse.Namespace) -> int:
    """Look at everything; 1 where something is wrong. Raises SettingsError where there is nothing to look at."""
    deployment = _deployment(options)
    return _tell(examine(deployment, checks_of(deployment)), as_contract=options.json)


def examine_catalog(options: argparse.Namespace) -> int:
    """Look at the images alone."""
    deployment = _deployment(options)
    return _tell(examine(deployment, image_checks(deployment)), as_contract=options.json)


def _deployment(options: argparse.Namespace) -> Deployment:
    session = session_of(os.environ)
    if options.stack:
        return by_stack(session, options.stack, options.catalog)
    return by_settings(session, read_settings(), options.catalog)


def _tell(findings: Iterable[Finding], *, as_contract: bool) -> int:
    found = _examination(findings if as_contract else _told_one_by_one(findings))
    if as_contract:
        as_json(found)
    elif found.wrong or found.unseen:
        print(f"{found.wrong} wrong." + (f" {found.unseen} could not be looked at." if found.unseen else ""))
    else:
        print("All well.")
    return 1 if found.wrong else 0


def _told_one_by_one(findings: Iterable[Finding]) -> Iterator[Finding]:
    for finding in findings:
        print(f"{_MARKS[finding.ok]} {finding.item}: {finding.detail}", flush=True)
        if finding.remedy:
            print(f"       {finding.remedy}")
        yield finding


def _examination(findings: Iterable[Finding]) -> Examination:
    items = tuple(
        FoundItem(item=finding.item, ok=finding.ok, detail=finding.detail, remedy=finding.remedy or None)
        for finding in findings
    )
    wrong, unseen = (sum(item.ok is answer for item in items) for answer in (False, None))
    return Examination(wrong=wrong, unseen=unseen, findings=items)
