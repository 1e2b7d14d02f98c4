"""`jobferry dlq`: list, show, replay and drop what ended in a dead-letter queue."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from service.aws.session import session_of
from service.operator.dead_letters import DeadLetter, DeadLetters
from service.operator.deployed_stack import deployed_stack
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
    letters = _letters(session_of(os.environ), options.stack)
    if options.action == "list":
        return _list(letters)
    if options.action == "replay" and options.all:
        return _replay_all(letters)
    if options.message_id is None:
        print("Name the message to replay, or say --all.")
        return 2
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


def _list(letters: DeadLetters) -> int:
    count = 0
    for queue in letters.sources:
        for letter in letters.look(queue):
            count += 1
            print(f"{letter.message_id}  {queue}  sent {_when(letter.sent_at)}  received {letter.receive_count} times")
            print(f"    {_why(letter)}")
            print(f"    {letter.beginning}")
    print(f"{count} dead letter{'' if count == 1 else 's'}.")
    return 0


def _replay_all(letters: DeadLetters) -> int:
    count = 0
    for queue in letters.sources:
        # All are looked at before the first is sent back, or one that fails again at once would be met twice.
        for letter in list(letters.look(queue)):
            letters.replay(letter)
            count += 1
    print(f"{count} sent back.")
    return 0


def _one(letters: DeadLetters, options: argparse.Namespace) -> int:
    letter = letters.find(options.message_id)
    if letter is None:
        print(f"No dead letter has the id {options.message_id}: `jobferry dlq list` shows those there are.")
        return 1
    match options.action:
        case "show":
            print(_why(letter))
            print(letter.body)
        case "replay":
            letters.replay(letter)
            print(f"{letter.message_id} was sent back to {letters.sources[letter.queue]}.")
        case "drop":
            return _drop(letters, letter, sure=options.yes)
    return 0


def _drop(letters: DeadLetters, letter: DeadLetter, *, sure: bool) -> int:
    """Delete it for good, once that is meant: there is no other copy."""
    if not sure and not sys.stdin.isatty():
        print("Nobody can be asked here: say --yes to delete it for good.")
        return 2
    if not sure and not _agreed(f"{letter.beginning}\nDelete it for good? [y/N] "):
        print("It stays.")
        return 1
    letters.drop(letter)
    print(f"{letter.message_id} was deleted.")
    return 0


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _why(letter: DeadLetter) -> str:
    failure = letter.failure
    return f"{failure.error}: {failure.reason} ({_when(failure.at)})" if failure else "no worker noted why it failed"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
