"""What a case file says of itself to whoever opens it."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.casefile import CaseManifest

_VALUES = {
    "masked": "The values of environment variables are masked, each by as many characters as it has in JSON; what a\n"
    "container printed of them stands in its log.",
    "shown": "The values of environment variables are shown, since that was asked for: send it to nobody who may not "
    "see them.",
}
_LOGS = {
    "none": "It holds no logs, but for the last words of containers that failed.",
    "tail": "It holds the last lines of each container's log.",
    "whole": "It holds each container's log.",
}


def readme(manifest: CaseManifest) -> str:
    """README.txt."""
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: CaseManifest) -> Iterator[str]:
    yield f"A case file of Jobferry: {manifest.job_id or manifest.message_id}, {manifest.status.lower()}"
    yield f"Made at {manifest.made_at} by Jobferry {manifest.made_by}."
    yield ""
    yield "Look before you send it to others. It holds what the job was asked for and became: image names, commands,"
    yield "the names of environment variables, labels, the user, ARNs with the account's number, S3 keys, and what AWS"
    yield "and the containers said. Credentials, tokens, passwords and private keys are hidden where their looks or"
    yield "their names give them away, as in every notification; a secret that looks like any other word is not found."
    yield _VALUES[manifest.values]
    yield _LOGS[manifest.logs]
    yield ""
    yield "What lies in it:"
    width = max((len(member.name) for member in manifest.members), default=0)
    for member in manifest.members:
        yield f"  {member.name:<{width}}  {member.what}"
    if manifest.not_known:
        yield ""
        yield "What it does not tell:"
        for item in manifest.not_known:
            yield f"  {item.what}: {item.why}"
    yield ""
    yield "`jobferry replay` with this file makes every decision again, and shows what comes out otherwise."
