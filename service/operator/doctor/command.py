"""`jobferry doctor` and `jobferry catalog check`: say what of a deployment is wrong, and what to do about it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from service.aws.session import session_of
from service.operator.doctor.checks import checks_of
from service.operator.doctor.deployment import Deployment, by_settings, by_stack
from service.operator.doctor.findings import Finding, examine
from service.operator.doctor.images import image_checks
from service.settings import read_settings

_MARKS = {True: "ok  ", False: "BAD ", None: "?   "}


def examine_all(options: argparse.Namespace) -> int:
    """Look at everything; 1 where something is wrong. Raises SettingsError where there is nothing to look at."""
    deployment = _deployment(options)
    return _tell(examine(deployment, checks_of(deployment)))


def examine_catalog(options: argparse.Namespace) -> int:
    """Look at the images alone."""
    deployment = _deployment(options)
    return _tell(examine(deployment, image_checks(deployment)))


def _deployment(options: argparse.Namespace) -> Deployment:
    session = session_of(os.environ)
    if options.stack:
        return by_stack(session, options.stack, options.catalog)
    return by_settings(session, read_settings(), options.catalog)


def _tell(findings: Iterable[Finding]) -> int:
    wrong = unseen = 0
    for finding in findings:
        print(f"{_MARKS[finding.ok]} {finding.item}: {finding.detail}", flush=True)
        if finding.remedy:
            print(f"       {finding.remedy}")
        wrong += finding.ok is False
        unseen += finding.ok is None
    print(
        f"{wrong} wrong." + (f" {unseen} could not be looked at." if unseen else "") if wrong or unseen else "All well."
    )
    return 1 if wrong else 0
