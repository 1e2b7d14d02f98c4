"""Every queue: its encryption, its second chance, who may send, and what was set aside."""

from __future__ import annotations

import json

import pytest

from service.operator.doctor import queues
from tests.support import whole_deployment as given
from tests.support.examining import EVENTS_DEAD, REQUESTS_DEAD, Changed, Look, Said, assert_said, changed_queue
from tests.support.scripted_aws import Json

UNDELIVERED = f"{given.SQS}/events-undelivered"
NOT_ENCRYPTED = ("is not encrypted", "SqsManagedSseEnabled")

QUEUES: dict[str, tuple[Look, Changed, Said]] = {
    "not encrypted": (
        queues.request_queue,
        changed_queue(given.REQUESTS, SqsManagedSseEnabled="false"),
        [NOT_ENCRYPTED],
    ),
    "nothing of encryption": (
        queues.request_queue,
        changed_queue(given.REQUESTS, SqsManagedSseEnabled=None),
        [NOT_ENCRYPTED],
    ),
    "a key of one's own": (
        queues.request_queue,
        changed_queue(given.REQUESTS, SqsManagedSseEnabled=None, KmsMasterKeyId="alias/mine"),
        [],
    ),
    "the event queue is not encrypted": (
        queues.event_queue,
        changed_queue(given.EVENTS, SqsManagedSseEnabled=None),
        [NOT_ENCRYPTED],
    ),
    "no second chance": (
        queues.request_queue,
        changed_queue(given.REQUESTS, RedrivePolicy=None),
        [("it has no dead-letter queue", "Set its RedrivePolicy")],
    ),
    "dead letters end as soon": (
        queues.request_queue,
        changed_queue(REQUESTS_DEAD, MessageRetentionPeriod="345600"),
        [("keeps messages for 345600 seconds", "to 1209600")],
    ),
    "dead letters end a second later": (
        queues.request_queue,
        changed_queue(REQUESTS_DEAD, MessageRetentionPeriod="345601"),
        [],
    ),
    "nothing in the policy": (
        queues.event_queue,
        changed_queue(given.EVENTS, Policy=None),
        [
            ("does not let the rule executions send", f"aws:SourceArn is {given.RULE_ARN}/executions"),
            ("does not let the rule tasks send", f"aws:SourceArn is {given.RULE_ARN}/tasks"),
        ],
    ),
    "dead requests, one of them in somebody's hands": (
        queues.request_dead_letters,
        changed_queue(REQUESTS_DEAD, ApproximateNumberOfMessages="2", ApproximateNumberOfMessagesNotVisible="1"),
        [("3 lie in requests-dead", "jobferry dlq list")],
    ),
    "dead events": (
        queues.event_dead_letters,
        changed_queue(EVENTS_DEAD, ApproximateNumberOfMessages="1"),
        [("1 lie in events-dead", "jobferry dlq list")],
    ),
    "no place for dead events": (queues.event_dead_letters, changed_queue(given.EVENTS, RedrivePolicy=None), []),
    "undelivered events of two rules, told once": (
        queues.undelivered_events,
        changed_queue(UNDELIVERED, ApproximateNumberOfMessages="4"),
        [("4 lie in events-undelivered", "events-undelivered in deploy/RUNBOOK.md")],
    ),
    "targets that drop what is not delivered": (
        queues.undelivered_events,
        given.rules({name: {"Targets": [{"Id": "q", "Arn": given.TARGET["Arn"]}]} for name in given.RULES}),
        [],
    ),
}


@pytest.mark.parametrize(("look", "changed", "said"), QUEUES.values(), ids=QUEUES)
def test_a_queue_is_looked_at(look: Look, changed: Changed, said: Said) -> None:
    """Its encryption, its second chance, who may send, and what was set aside."""
    assert_said(look(given.deployment(changed)), said)


STATEMENT: Json = given.POLICY["Statement"][0]
RULE = f"{given.RULE_ARN}/tasks"
STATEMENTS: dict[str, tuple[Json, bool]] = {
    "the template's": (STATEMENT, True),
    "this rule alone": ({**STATEMENT, "Condition": {"ArnEquals": {"aws:SourceArn": RULE}}}, True),
    "this rule among others": ({**STATEMENT, "Condition": {"ArnEquals": {"aws:SourceArn": ["other", RULE]}}}, True),
    "another rule alone": ({**STATEMENT, "Condition": {"ArnEquals": {"aws:SourceArn": f"{RULE}-2"}}}, False),
    "another condition": ({**STATEMENT, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    "no condition": ({key: value for key, value in STATEMENT.items() if key != "Condition"}, True),
    "a denial": ({**STATEMENT, "Effect": "Deny"}, False),
    "another service": ({**STATEMENT, "Principal": {"Service": "sns.amazonaws.com"}}, False),
    "one service of several": (
        {**STATEMENT, "Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}},
        True,
    ),
    "an account": ({**STATEMENT, "Principal": {"AWS": "123456789012"}}, False),
    "everybody": ({**STATEMENT, "Principal": "*"}, False),
    "no principal": ({key: value for key, value in STATEMENT.items() if key != "Principal"}, False),
    "every action": ({**STATEMENT, "Action": "sqs:*"}, True),
    "this action among others": ({**STATEMENT, "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"]}, True),
    "another action": ({**STATEMENT, "Action": "sqs:ReceiveMessage"}, False),
}


@pytest.mark.parametrize(("statement", "lets_in"), STATEMENTS.values(), ids=STATEMENTS)
def test_a_queues_policy_lets_a_rule_in_or_not(statement: Json, lets_in: bool) -> None:
    """EventBridge's service, the sending, and the rule's own ARN; a second statement changes nothing."""
    other = {**STATEMENT, "Effect": "Deny"}
    for policy in ({"Statement": [statement, other]}, {"Statement": [other, statement]}):
        deployment = given.deployment(changed_queue(given.EVENTS, Policy=json.dumps(policy)))
        refused = [problem for problem in queues.event_queue(deployment) if "rule tasks" in problem.detail]
        assert (not refused) is lets_in
