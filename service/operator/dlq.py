"""`jobferry dlq`: list, show, replay and drop what ended in a dead-letter queue."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from schemas.operator import DeadLetterSeen, DeadLettersSeen, WhySetAside
from service.aws.session import session_of
from service.operator.dead_letters import DeadLetter, DeadLetters
from service.operator.deployed_stack import deployed_stack
from service.operator.printing import agreed, as_json
from service.settings import SettingsError, read_settings

_REMEDY = (
    "Look at AWS_ENDPOINT_URL, at the region, and at the credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE."
)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; 1 where there is no such message, or where it is not to be dropped after all.

    Raises:
        SettingsError: no queue is named, or AWS does not answer.
    """
    try:
        return _run(options)
    except (BotoCoreError, ClientError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise SettingsError(f"AWS cannot be asked: {why}. {_REMEDY}") from None


def _run(options: argparse.Namespace) -> int:
    if options.action == "replay" and not options.all and options.message_id is None:
        print("Name the message to replay, or say --all.", file=sys.stderr)
        return 2
    letters = _letters(session_of(os.environ), options.stack)
    if options.action == "list":
        return _list(letters, as_contract=options.json)
    if options.action == "replay" and options.all:
        return _replay_all(letters, as_contract=options.json)
    return _one(letters, options)


def _letters(session: boto3.Session, stack_name: str | None) -> DeadLetters:
    if stack_name:
        stack = deployed_stack(session, stack_name)
        queues = map(stack.output, ("RequestQueueUrl", "EventQueueUrl", "ControlQueueUrl"))
        (requests, events, control), table = queues, stack.output("JobsTableName")
    else:
        settings = read_settings()
        requests, events, control = settings.request_queue_url, settings.event_queue_url, settings.control_queue_url
        table = settings.jobs_table
    return DeadLetters(
        sqs=session.client("sqs"),
        dynamodb=session.client("dynamodb"),
        events=session.client("events"),
        table=table,
        sources={"requests": requests, "events": events, "control": control, "undelivered": events},
    )


def _list(letters: DeadLetters, *, as_contract: bool) -> int:
    found = (letter for queue in letters.sources for letter in letters.look(queue))
    if as_contract:
        _tell_json(found)
        return 0
    count = 0
    for letter in found:
        count += 1
        received = f"received {letter.receive_count} times"
        print(f"{letter.message_id}  {letter.queue}  sent {_when(letter.sent_at)}  {received}")
        print(f"    {_why(letter)}")
        print(f"    {letter.beginning}")
    print(f"{count} dead letter{'' if count == 1 else 's'}.")
    return 0


def _replay_all(letters: DeadLetters, *, as_contract: bool) -> int:
    sent: list[DeadLetter] = []
    for queue in letters.sources:
        # All are looked at before the first is sent back, or one that fails again at once would be met twice.
        for letter in list(letters.look(queue)):
            letters.replay(letter)
            sent.append(letter)
    if as_contract:
        _tell_json(sent)
    else:
        print(f"{len(sent)} sent back.")
    return 0


def _one(letters: DeadLetters, options: argparse.Namespace) -> int:
    letter = letters.find(options.message_id)
    if letter is None:
        print(
            f"No dead letter has the id {options.message_id}: `jobferry dlq list` shows those there are.",
            file=sys.stderr,
        )
        return 1
    match options.action:
        case "show":
            said = f"{_why(letter)}\n{letter.body}"
        case "replay":
            letters.replay(letter)
            said = f"{letter.message_id} was sent back to {letters.sources[letter.queue]}."
        case _:
            if not (options.yes or _is_meant(letter)):
                return 1 if sys.stdin.isatty() else 2
            letters.drop(letter)
            said = f"{letter.message_id} was deleted."
    if options.json:
        _tell_json([letter])
    else:
        print(said)
    return 0


def _is_meant(letter: DeadLetter) -> bool:
    """Whether it is to be deleted for good, by whoever can be asked: there is no other copy."""
    if not sys.stdin.isatty():
        print("Nobody can be asked here: say --yes to delete it for good.", file=sys.stderr)
        return False
    print(letter.beginning, file=sys.stderr)
    if not agreed("Delete it for good?"):
        print("It stays.", file=sys.stderr)
        return False
    return True


def _tell_json(letters: Iterable[DeadLetter]) -> None:
    as_json(DeadLettersSeen(letters=tuple(map(_seen, letters))))


def _seen(letter: DeadLetter) -> DeadLetterSeen:
    failure = letter.failure
    return DeadLetterSeen(
        message_id=letter.message_id,
        queue=letter.queue,
        sent_at=_when(letter.sent_at),
        receive_count=letter.receive_count,
        why=WhySetAside(error=failure.error, reason=failure.reason, at=_when(failure.at)) if failure else None,
        body=letter.body,
    )


def _why(letter: DeadLetter) -> str:
    failure = letter.failure
    return f"{failure.error}: {failure.reason} ({_when(failure.at)})" if failure else "no worker noted why it failed"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
