"""What the doctor says of each thing that may be wrong, on a deployment that AWS describes by a table of answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.operator import cli
from service.operator.deployed_stack import registered_task_definitions
from service.operator.doctor import caller, command, images, machine, queues, rules, storage
from service.operator.doctor.checks import checks_of
from service.operator.doctor.deployment import Deployment, by_settings, by_stack
from service.operator.doctor.findings import Finding, Problem, examine
from service.operator.shipped import SHIPPED
from service.settings import SettingsError
from tests.support import whole_deployment as given
from tests.support.names import ACCOUNT, BUCKET, CLUSTER_ARN, REGION, TOPIC_ARN
from tests.support.scripted_aws import Answer, Json, ScriptedAws
from tests.support.settings import default_settings

Changed = Mapping[str, Answer]
Said = list[tuple[str, str]]
"""A part of each problem, and of its remedy."""
Look = Callable[[Deployment], Iterable[Problem]]


def refusal(code: str, operation: str = "Any") -> ClientError:
    """An answer of AWS's that is an error."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def assert_said(problems: Iterable[Problem], said: Said) -> None:
    """These problems and no others, each with its remedy in its place."""
    found = list(problems)
    assert len(found) == len(said), found
    for problem, (detail, remedy) in zip(found, said, strict=True):
        assert detail in problem.detail
        assert remedy in problem.remedy


def changed_queue(url: str, **attributes: str | None) -> Changed:
    """One queue with other attributes; without one, where that is None."""
    return {"sqs.GetQueueAttributes": given.queues({url: attributes})}


REQUESTS_DEAD, EVENTS_DEAD = f"{given.SQS}/requests-dead", f"{given.SQS}/events-dead"
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


def pattern(name: str, **changed: Any) -> Json:
    """The rule's fields with a pattern that has other fields, or details."""
    detail = {**given.PATTERNS[name]["detail"], **changed.pop("detail", {})}
    return {"EventPattern": json.dumps({**given.PATTERNS[name], **changed, "detail": detail})}


ELSEWHERE: Json = {"Id": "other", "Arn": f"{given.QUEUE_ARN}:other"}
PUT_RIGHT = "`make deploy` puts it right."
RULES: dict[str, tuple[Look, str, Json, Said]] = {
    "tasks: whole": (rules.task_rule, "tasks", {}, []),
    "executions: whole": (rules.execution_rule, "executions", {}, []),
    "off": (
        rules.task_rule,
        "tasks",
        {"State": "DISABLED"},
        [("the rule tasks is DISABLED", "aws events enable-rule --name tasks")],
    ),
    "rewritten by a path": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**given.TARGET, "InputPath": "$.detail"}]},
        [("the rule tasks rewrites", "input transformation")],
    ),
    "rewritten by a constant": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**given.TARGET, "Input": "{}"}]},
        [("the rule tasks rewrites", "input transformation")],
    ),
    "rewritten by a template": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**given.TARGET, "InputTransformer": {"InputTemplate": "<a>"}}]},
        [("the rule tasks rewrites", "input transformation")],
    ),
    "dropped": (
        rules.task_rule,
        "tasks",
        {"Targets": [{"Id": "queue", "Arn": given.TARGET["Arn"]}]},
        [("what the rule tasks cannot deliver is dropped", "DLQ")],
    ),
    "another target's business": (
        rules.task_rule,
        "tasks",
        {"Targets": [{**ELSEWHERE, "Input": "{}"}, given.TARGET]},
        [],
    ),
    "elsewhere": (
        rules.task_rule,
        "tasks",
        {"Targets": [ELSEWHERE]},
        [("the rule tasks has no target that is the event queue", "Add the target")],
    ),
    "of another cluster": (
        rules.task_rule,
        "tasks",
        pattern("tasks", detail={"clusterArn": ["arn:aws:ecs:eu-central-1:123456789012:cluster/other"]}),
        [(f"no rule of the default event bus passes on aws.ecs events of {CLUSTER_ARN}", PUT_RIGHT)],
    ),
    "of another source": (
        rules.task_rule,
        "tasks",
        pattern("tasks", source=["aws.batch"]),
        [(f"no rule of the default event bus passes on aws.ecs events of {CLUSTER_ARN}", PUT_RIGHT)],
    ),
    "without a pattern": (
        rules.task_rule,
        "tasks",
        {"EventPattern": None},
        [(f"no rule of the default event bus passes on aws.ecs events of {CLUSTER_ARN}", PUT_RIGHT)],
    ),
    "of another kind": (
        rules.task_rule,
        "tasks",
        pattern("tasks", **{"detail-type": ["ECS Container Instance State Change"]}),
        [("the rule tasks leaves out STOPPED", "Widen its pattern")],
    ),
    "of one status": (
        rules.task_rule,
        "tasks",
        pattern("tasks", detail={"lastStatus": ["RUNNING"]}),
        [("the rule tasks leaves out STOPPED", "Widen its pattern")],
    ),
    "of other groups": (
        rules.task_rule,
        "tasks",
        pattern("tasks", detail={"group": [{"prefix": "service:"}]}),
        [("the rule tasks leaves out STOPPED", "Widen its pattern")],
    ),
    "executions: of ends alone": (
        rules.execution_rule,
        "executions",
        pattern("executions", detail={"status": ["SUCCEEDED", "FAILED"]}),
        [("the rule executions leaves out RUNNING, TIMED_OUT, ABORTED", "Widen its pattern")],
    ),
    "executions: of starts alone": (
        rules.execution_rule,
        "executions",
        pattern("executions", detail={"status": ["RUNNING", "TIMED_OUT", "ABORTED"]}),
        [("the rule executions leaves out SUCCEEDED, FAILED", "Widen its pattern")],
    ),
    "executions: of another kind": (
        rules.execution_rule,
        "executions",
        pattern("executions", **{"detail-type": ["Other"]}),
        [("leaves out RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED", "Widen its pattern")],
    ),
}


@pytest.mark.parametrize(("look", "name", "changed", "said"), RULES.values(), ids=RULES)
def test_a_rule_is_looked_at(look: Look, name: str, changed: Json, said: Said) -> None:
    """Enabled, passing on every event as it is, to the event queue; what another rule does is no matter."""
    assert_said(look(given.deployment(given.rules({name: changed}))), said)


def ttl(status: str, **more: str) -> Changed:
    """The table's time to live."""
    return {"dynamodb.DescribeTimeToLive": {"TimeToLiveDescription": {"TimeToLiveStatus": status, **more}}}


def described_table(**fields: Any) -> Changed:
    """The table with other fields."""
    return {"dynamodb.DescribeTable": {"Table": {**given.TABLE_DESCRIPTION, **fields}}}


def index(**fields: Any) -> Changed:
    """The table's index with other fields; another index beside it is no matter."""
    [whole] = given.TABLE_DESCRIPTION["GlobalSecondaryIndexes"]
    kept = {key: value for key, value in {**whole, **fields}.items() if value is not None}
    return described_table(GlobalSecondaryIndexes=[{"IndexName": "other", "KeySchema": whole["KeySchema"]}, kept])


def filtered(policy: str, **more: str) -> Changed:
    """A subscription with this filter policy."""
    return {"sns.GetSubscriptionAttributes": given.subscription(FilterPolicy=policy, **more)}


NOBODY_SUBSCRIBES = f"aws sns subscribe --topic-arn {TOPIC_ARN}"
PENDING = {**given.SUBSCRIPTION, "SubscriptionArn": "PendingConfirmation"}
FOR_EVER = [("records are kept for ever", f"update-time-to-live --table-name {given.TABLE}")]
ALL_BLOCKED = dict.fromkeys(storage.PUBLIC_ACCESS, True)
STORAGE: dict[str, tuple[Look, Changed, Said]] = {
    "nobody subscribes": (
        storage.topic,
        {"sns.ListSubscriptionsByTopic": given.subscriptions()},
        [("nobody is told of anything", NOBODY_SUBSCRIBES)],
    ),
    "somebody may subscribe": (
        storage.topic,
        {"sns.ListSubscriptionsByTopic": given.subscriptions(PENDING)},
        [("nobody is told of anything, one waits for its confirmation", NOBODY_SUBSCRIBES)],
    ),
    "one of two subscribes": (
        storage.topic,
        {"sns.ListSubscriptionsByTopic": given.subscriptions(PENDING, given.SUBSCRIPTION)},
        [],
    ),
    "a filter for what never comes": (
        storage.topic,
        filtered('{"jobtype": ["x"], "status": ["FAILED"], "colour": ["red"]}'),
        [
            (
                "the filter policy of team@example.com asks for colour, jobtype,",
                "Filter by failure_class, job_type, status, tenant, traceparent.",
            )
        ],
    ),
    "a filter for all that comes": (
        storage.topic,
        filtered('{"status": [], "job_type": [], "tenant": [], "failure_class": [], "traceparent": []}'),
        [],
    ),
    "a filter of two branches": (storage.topic, filtered('{"$or": [{"status": []}, {"tenant": []}]}'), []),
    "a filter by the message": (storage.topic, filtered('{"text": []}', FilterPolicyScope="MessageBody"), []),
    "a filter by attributes": (
        storage.topic,
        filtered('{"text": []}', FilterPolicyScope="MessageAttributes"),
        [("asks for text,", "Filter by")],
    ),
    "an empty filter": (storage.topic, filtered(""), []),
    "no encryption": (
        storage.bucket,
        {"s3.GetBucketEncryption": refusal("ServerSideEncryptionConfigurationNotFoundError")},
        [(f"{BUCKET} has no default encryption", PUT_RIGHT)],
    ),
    "nothing blocked": (
        storage.bucket,
        {"s3.GetPublicAccessBlock": refusal("NoSuchPublicAccessBlockConfiguration")},
        [(f"{BUCKET} may be made public: {', '.join(storage.PUBLIC_ACCESS)} not set", PUT_RIGHT)],
    ),
    **{
        f"{name} not blocked": (
            storage.bucket,
            {"s3.GetPublicAccessBlock": {"PublicAccessBlockConfiguration": {**ALL_BLOCKED, name: False}}},
            [(f"{BUCKET} may be made public: {name} not set", PUT_RIGHT)],
        )
        for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    },
    "a table that changes": (
        storage.table,
        described_table(TableStatus="UPDATING"),
        [(f"{given.TABLE} is UPDATING", "Wait until DynamoDB is done")],
    ),
    "a time to live that begins": (storage.table, ttl("ENABLING", AttributeName="expires_at"), []),
    "no time to live": (storage.table, ttl("DISABLED"), FOR_EVER),
    "a time to live that ends": (storage.table, ttl("DISABLING", AttributeName="expires_at"), FOR_EVER),
    "a time to live on another attribute": (storage.table, ttl("ENABLED", AttributeName="ttl"), FOR_EVER),
    "no index": (
        storage.table,
        described_table(GlobalSecondaryIndexes=[]),
        [("no index open_jobs, so the sweeper finds no open job", PUT_RIGHT)],
    ),
    "nothing of indexes": (
        storage.table,
        {"dynamodb.DescribeTable": {"Table": {"TableStatus": "ACTIVE"}}},
        [("no index open_jobs", PUT_RIGHT)],
    ),
    "an index that is built": (
        storage.table,
        index(IndexStatus="CREATING"),
        [("its index open_jobs is CREATING", "Wait until it is built")],
    ),
    "an index without a status": (storage.table, index(IndexStatus=None), []),
    **{
        f"an index by {keys}": (
            storage.table,
            index(KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()]),
            [("the keys of its index open_jobs are not open_shard, due_at", PUT_RIGHT)],
        )
        for keys in (
            {"open_shard": "HASH"},
            {"due_at": "HASH", "open_shard": "RANGE"},
            {"open_shard": "HASH", "x": "RANGE"},
        )
    },
}


@pytest.mark.parametrize(("look", "changed", "said"), STORAGE.values(), ids=STORAGE)
def test_where_things_end_is_looked_at(look: Look, changed: Changed, said: Said) -> None:
    """The topic, the bucket, the table."""
    assert_said(look(given.deployment(changed)), said)


@pytest.mark.parametrize("operation", ["GetBucketEncryption", "GetPublicAccessBlock"])
def test_what_may_not_be_read_of_a_bucket_is_not_taken_for_missing(operation: str) -> None:
    """Nor any other error."""
    with pytest.raises(ClientError):
        list(storage.bucket(given.deployment({f"s3.{operation}": refusal("AccessDenied")})))


@pytest.mark.parametrize(
    ("look", "operation"), [(storage.topic, "sns.GetTopicAttributes"), (storage.bucket, "s3.HeadBucket")]
)
def test_a_topic_or_bucket_that_is_not_there_is_an_error(look: Look, operation: str) -> None:
    """It is asked for first: the other answers would say less."""
    with pytest.raises(ClientError):
        list(look(given.deployment({operation: refusal("404")})))


TOGETHER = "from one version: `make deploy`"
CAPACITY: Json = {"capacity_providers": [{"capacity_provider": "FARGATE_SPOT"}, {"capacity_provider": "FARGATE"}]}
EDITED = {**given.definition(), "TimeoutSeconds": 1}
MACHINE: dict[str, tuple[Look, Changed, Mapping[str, Json], Said]] = {
    "deleted": (
        machine.state_machine,
        {"stepfunctions.DescribeStateMachine": given.machine(status="DELETING")},
        {},
        [("it is DELETING", "Deploy a new one")],
    ),
    "express": (
        machine.state_machine,
        {"stepfunctions.DescribeStateMachine": given.machine(type="EXPRESS")},
        {},
        [("it is of type EXPRESS", "Make it STANDARD.")],
    ),
    "edited": (
        machine.state_machine,
        {"stepfunctions.DescribeStateMachine": given.machine(EDITED)},
        {},
        [("its definition is not this version's: TimeoutSeconds differs", TOGETHER)],
    ),
    "planner: pending": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(State="Pending", StateReason="being made")},
        {},
        [("jobferry-planner is Pending: being made", TOGETHER)],
    ),
    "planner: failed without a reason": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(State="Failed")},
        {},
        [("jobferry-planner is Failed: no reason", TOGETHER)],
    ),
    "planner: active": (machine.planner, {"lambda.GetFunctionConfiguration": given.function(State="Active")}, {}, []),
    "planner: asleep": (machine.planner, {"lambda.GetFunctionConfiguration": given.function(State="Inactive")}, {}, []),
    "planner: not updated": (
        machine.planner,
        {
            "lambda.GetFunctionConfiguration": given.function(
                LastUpdateStatus="Failed", LastUpdateStatusReason="too large"
            )
        },
        {},
        [("its last update failed: too large", TOGETHER)],
    ),
    "planner: not updated, without a reason": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(LastUpdateStatus="Failed")},
        {},
        [("its last update failed: no reason", TOGETHER)],
    ),
    "planner: being updated": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(LastUpdateStatus="InProgress")},
        {},
        [],
    ),
    "cluster: never there": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters()},
        {},
        [(f"{CLUSTER_ARN} does not exist", TOGETHER)],
    ),
    "cluster: deleted": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({**given.CLUSTER, "status": "INACTIVE"})},
        {},
        [(f"{CLUSTER_ARN} does not exist", TOGETHER)],
    ),
    "cluster: not active": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({**given.CLUSTER, "status": "FAILED"})},
        {},
        [("jobferry is FAILED", TOGETHER)],
    ),
    "cluster: has what is named": (machine.cluster, {}, {"one": {**given.IMAGE, **CAPACITY}}, []),
    "cluster: has no capacity providers": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({"clusterName": "jobferry", "status": "ACTIVE"})},
        {"one": {**given.IMAGE, **CAPACITY}},
        [("that it has not: FARGATE, FARGATE_SPOT", "the template's parameter CapacityProviders")],
    ),
    "cluster: lacks one": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({**given.CLUSTER, "capacityProviders": ["FARGATE"]})},
        {"one": {**given.IMAGE, **CAPACITY}},
        [("the catalogue names capacity providers that it has not: FARGATE_SPOT", "CapacityProviders")],
    ),
    "quota: just enough": (
        machine.quotas,
        {"service-quotas.GetServiceQuota": given.quota(0.25)},
        {"one": given.IMAGE},
        [],
    ),
    "quota: too little for the largest": (
        machine.quotas,
        {"service-quotas.GetServiceQuota": given.quota(1.5)},
        {"one": given.IMAGE, "two": {**given.IMAGE, "cpu": 2048, "memory": 4096}},
        [("Fargate grants 1.5 vCPUs at once, and the largest image takes 2", "--quota-code L-3032A538")],
    ),
    "quota: of no use to EC2": (
        machine.quotas,
        {"service-quotas.GetServiceQuota": given.quota(0.0)},
        {"one": {**given.IMAGE, "launch_type": "EC2", "cpu": 2048}},
        [],
    ),
}


@pytest.mark.parametrize(("look", "changed", "catalogued", "said"), MACHINE.values(), ids=MACHINE)
def test_what_runs_a_job_is_looked_at(look: Look, changed: Changed, catalogued: Mapping[str, Json], said: Said) -> None:
    """The state machine, its planner, the cluster, the quota."""
    assert_said(look(given.deployment(changed, catalogued)), said)


DIFFERENCES: dict[str, tuple[Any, Any, list[str]]] = {
    "a list in another order": ({"a": [1, 2]}, {"a": [2, 1]}, ["a[0]", "a[1]"]),
    "a longer list": ({"a": [1]}, {"a": [1, 2]}, ["a"]),
    "a value below a list": ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b"]),
    "another kind": ({"a": {}}, {"a": []}, ["a"]),
    "a list and a map": ({"a": []}, {"a": {}}, ["a"]),
    "a number and its text": ({"a": 1}, {"a": "1"}, ["a"]),
    "a substitution in a text": ("arn:${Partition}:x", "arn:aws-cn:x", []),
    "two substitutions": ("${A}/${B}", "one/two", []),
    "a substitution that holds line breaks": ("${A}", "one\ntwo", [""]),
    "around a substitution": ("arn:${Partition}:x", "arn:aws-cn:y", [""]),
    "a dot for another sign": ("$.a", "$xa", [""]),
    "several": ({"b": 1, "a": 1, "c": 1}, {"b": 2, "a": 2, "c": 1}, ["a", "b"]),
}


@pytest.mark.parametrize(("shipped", "deployed", "where"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_definitions_differ_where_they_differ(shipped: Any, deployed: Any, where: list[str]) -> None:
    """Place by place, and nowhere else."""
    assert list(machine.differences(shipped, deployed)) == where


def described(container: Json | None = None, options: Json | None = None, **fields: Any) -> Changed:
    """The image's task definition with other fields."""
    return {"ecs.DescribeTaskDefinition": given.task_definition(container, options, **fields)}


def log_groups(*names: str) -> Changed:
    """These log groups, found by their beginning."""

    def groups(call: Json) -> Json:
        return {"logGroups": [{"logGroupName": name} for name in names if name.startswith(call["logGroupNamePrefix"])]}

    return {"logs.DescribeLogGroups": groups}


def family_of_another_stack() -> Changed:
    """The latest revision is another stack's."""
    return described(revision=4, taskDefinitionArn=f"{given.OWN[1][:-1]}4")


ONE = dict(given.IMAGE)
NOT_TOLD = refusal("AccessDenied")
MAY_NOT_RUN = ("the state machine may not run jobferry-one", "TaskFamilyPrefix and a hyphen")
IMAGES: dict[str, tuple[Json, Changed, Said]] = {
    "whole": (ONE, {}, []),
    "none at all": (
        ONE,
        {"ecs.DescribeTaskDefinition": refusal("ClientException")},
        [("there is no task definition jobferry-one", "See deploy/IMAGES.md.")],
    ),
    "withdrawn": (
        ONE,
        described(status="INACTIVE"),
        [("there is no task definition jobferry-one", "Register it.")],
    ),
    "a revision that is withdrawn": (
        {**ONE, "task_definition": "{prefix}-one:3"},
        described(status="INACTIVE"),
        [("the task definition jobferry-one:3 is INACTIVE", "Name jobferry-one alone")],
    ),
    "another stack's": (
        ONE,
        family_of_another_stack(),
        [("jobferry-one runs revision 4, which the stack did not register: its own is 3", "TaskFamilyPrefix")],
    ),
    "another stack's, perhaps": (ONE, {**family_of_another_stack(), "cloudformation.ListStackResources": NOT_TOLD}, []),
    "of another container": (
        {**ONE, "container": "x"},
        described(),
        [("jobferry-one has no container x, only main", "Name one of them as `container`")],
    ),
    "with no log": (
        ONE,
        described({"logConfiguration": {"logDriver": "fluentd"}}),
        [("its log driver is fluentd, so no log is archived", "Use awslogs. See deploy/IMAGES.md.")],
    ),
    "with nothing about a log": (
        ONE,
        {"ecs.DescribeTaskDefinition": given.task_definition(containerDefinitions=[{"name": "main"}])},
        [("its log driver is None", "Use awslogs.")],
    ),
    "with a log without a name": (
        ONE,
        described(options={"awslogs-stream-prefix": None}),
        [("its log stream cannot be named", "Set awslogs-stream-prefix.")],
    ),
    "with a log that may lose": (
        ONE,
        described(options={"mode": None}),
        [("the mode is not blocking", "Set the log option mode: blocking.")],
    ),
    "with a log group that is not there": (
        ONE,
        log_groups("/jobferry/one-more"),
        [("its log group /jobferry/one does not exist", "Create it, with a retention.")],
    ),
    "with a log group beside its namesake": (ONE, log_groups("/jobferry/one-more", "/jobferry/one"), []),
    "with a log group that is made": (ONE, {**described(options={"awslogs-create-group": "true"}), **log_groups()}, []),
    "with a log group that is not made": (
        ONE,
        {**described(options={"awslogs-create-group": "false"}), **log_groups()},
        [("/jobferry/one does not exist", "Create it")],
    ),
    "not for Fargate": (
        ONE,
        described(compatibilities=["EC2"]),
        [("jobferry-one cannot run on FARGATE", "Add FARGATE to requiresCompatibilities.")],
    ),
    "not for EC2": (
        {**ONE, "launch_type": "EC2"},
        described(compatibilities=["FARGATE"]),
        [("jobferry-one cannot run on EC2", "Add EC2 to requiresCompatibilities.")],
    ),
    "nothing said of where": (ONE, described(compatibilities=None), []),
    "without a network mode": (
        ONE,
        described(networkMode=None),
        [("its network mode is None", "Set networkMode: awsvpc.")],
    ),
    "of a callback without a role": (
        {**ONE, "integration": "callback"},
        described(taskRoleArn=None),
        [("a callback image reports back, and it has no task role", "Give it one. See deploy/IMAGES.md.")],
    ),
    "of a callback with a role": ({**ONE, "integration": "callback"}, {}, []),
    "without a role to work with": (ONE, described(taskRoleArn=None), []),
    "of Fargate without a role to start with": (
        ONE,
        described(executionRoleArn=None),
        [("Fargate needs an execution role", "TaskExecutionRoleArn. See deploy/IMAGES.md.")],
    ),
    "of EC2 without a role to start with": ({**ONE, "launch_type": "EC2"}, described(executionRoleArn=None), []),
    "of EC2 with secrets and no role to read them": (
        {**ONE, "launch_type": "EC2"},
        described({"secrets": [{"name": "KEY", "valueFrom": "arn"}]}, executionRoleArn=None),
        [("it takes secrets, and it has no execution role", "Give it one. See deploy/IMAGES.md.")],
    ),
    "of EC2 with secrets and a role": (
        {**ONE, "launch_type": "EC2"},
        described({"secrets": [{"name": "KEY", "valueFrom": "arn"}]}),
        [],
    ),
    "not to be run": (ONE, given.statements(given.PASS), [MAY_NOT_RUN]),
    "to be run by an attached policy": (ONE, given.statements(given.PASS, attached=given.RUN), []),
    "denied by an attached policy": (
        ONE,
        given.statements(given.RUN, given.PASS, attached={**given.RUN, "Effect": "Deny"}),
        [MAY_NOT_RUN],
    ),
    "with roles that may not be passed": (
        ONE,
        given.statements(given.RUN),
        [
            ("the state machine may not pass pull", f"Add {given.ROLE_ARN}/pull to JobTaskRoleArns."),
            ("the state machine may not pass work", f"Add {given.ROLE_ARN}/jobs/work to JobTaskRoleArns."),
        ],
    ),
    "with policies that may not be read": (ONE, {"iam.ListRolePolicies": NOT_TOLD}, []),
}


@pytest.mark.parametrize(("image", "changed", "said"), IMAGES.values(), ids=IMAGES)
def test_an_image_is_looked_at(image: Json, changed: Changed, said: Said) -> None:
    """Its task definition against the catalogue, and whether the state machine may run it."""
    deployment = given.deployment(changed, {"one": image}, stack_name="jobferry")
    [check] = images.image_checks(deployment)
    assert check.item == "image one"
    assert_said(check.look(deployment), said)


@pytest.mark.parametrize(
    "operation", ["ecs.DescribeTaskDefinition", "cloudformation.ListStackResources", "iam.ListRolePolicies"]
)
def test_another_error_about_an_image_is_not_swallowed(operation: str) -> None:
    """Only what is known to be none, or may not be looked at, is."""
    deployment = given.deployment({operation: refusal("ThrottlingException")}, stack_name="jobferry")
    with pytest.raises(ClientError):
        list(images.image_checks(deployment)[0].look(deployment))


def test_without_a_stack_no_revision_is_its_own() -> None:
    """Then CloudFormation is not asked."""
    deployment = given.deployment({"cloudformation.ListStackResources": refusal("Any")})
    assert deployment.own_task_definitions == {}


def test_what_a_stack_registered_is_found_by_its_family() -> None:
    """Other resources are no task definitions, and what is not made yet has no id."""
    resources = given.resources(("AWS::ECS::Cluster", "jobferry"), ("AWS::ECS::TaskDefinition", None), given.OWN)
    session = ScriptedAws({"cloudformation.ListStackResources": resources}).session
    assert registered_task_definitions(session, "jobferry") == {given.FAMILY: given.OWN[1]}


def test_a_caller_of_another_account_or_region_is_named() -> None:
    """Both, each with its remedy."""
    elsewhere = given.deployment({"sts.GetCallerIdentity": {"Account": "999999999999"}}, region="us-east-1")
    assert_said(
        caller.credentials(elsewhere),
        [
            (f"they are of account 999999999999, and the deployment is in {ACCOUNT}", "Use those of its account."),
            (f"the region is us-east-1, and the deployment is in {REGION}", f"Set AWS_REGION={REGION}."),
        ],
    )


def expiring(now: datetime, seconds: float) -> Deployment:
    """A deployment that is looked at with credentials that end so soon."""
    deployment = given.deployment()
    deployment.session.get_credentials()._expiry_time = now + timedelta(seconds=seconds)  # type: ignore[union-attr]
    return deployment


@pytest.mark.parametrize(
    ("seconds", "said"), [(300, [("they end in 5 minutes", "Log in again")]), (900, []), (901, [])]
)
def test_credentials_that_end_within_a_quarter_of_an_hour_are_named(seconds: float, said: Said) -> None:
    """With the minutes that are left."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert_said(caller._expiry(expiring(now, seconds), now), said)


def test_the_caller_is_asked_when_the_credentials_end() -> None:
    """Together with account and region."""
    assert_said(caller.credentials(expiring(datetime.now(UTC), 300)), [("they end in", "Log in again")])


def _aws_says(at: str) -> Deployment:
    return given.deployment({"sts.GetCallerIdentity": {"ResponseMetadata": {"HTTPHeaders": {"date": at}}}})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1030, []),
        (1031, [("this machine's clock is 31 seconds ahead of AWS's", "from 300 seconds on AWS refuses")]),
        (970, []),
        (960, [("this machine's clock is 40 seconds behind AWS's", "169.254.169.123")]),
    ],
)
def test_a_clock_is_judged_by_thirty_seconds(seconds: float, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty are borne; how many it is, and in which direction, is said."""
    monkeypatch.setattr("service.operator.doctor.caller.time.time", lambda: seconds)
    assert_said(caller.clock(_aws_says("Thu, 01 Jan 1970 00:16:40 GMT")), said)


REPORT = """\
ok   credentials: accepted, of the right account and region
ok   clock: agrees with AWS's
ok   request queue: encrypted, with a dead-letter queue
ok   event queue: encrypted, with a dead-letter queue, and lets the rules in
ok   execution rule: enabled; every change of an execution reaches the event queue
ok   task rule: enabled; every task of a job reaches the event queue
ok   dead requests: none
ok   dead events: none
ok   undelivered events: none
ok   topic: has subscribers, whose filters can match
ok   bucket: encrypted, shut to the public
ok   table: active, with its index and its time to live
ok   state machine: active, and defined as in this version
ok   planner: its function is active
ok   cluster: active, with the catalogue's capacity providers
ok   quotas: Fargate has room for the largest image
ok   image one: its task definition is as the catalogue says, and the state machine may run it
All well.
"""


@pytest.fixture
def jobferry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Types a command with these answers of AWS; answers with its exit status."""

    def typed(*arguments: str, changed: Changed | None = None) -> int:
        aws = ScriptedAws({**given.whole(), **(changed or {})})
        monkeypatch.setattr(command, "session_of", lambda _: aws.session)
        return cli.main(arguments)

    return typed


def test_a_whole_deployment_is_told_of_item_by_item(
    jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each item, what holds of it, and at last that all is well."""
    assert jobferry("doctor", "--stack", "jobferry") == 0
    assert capsys.readouterr().out == REPORT


def test_what_is_wrong_and_what_could_not_be_seen_are_counted(
    jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its mark, the remedy on a line of its own; only what is wrong makes the status 1."""
    unseen: Changed = {"service-quotas.GetServiceQuota": refusal("AccessDeniedException", "GetServiceQuota")}
    wrong = changed_queue(EVENTS_DEAD, ApproximateNumberOfMessages="1")
    for changed, status, last in (
        (unseen, 0, "0 wrong. 1 could not be looked at."),
        (wrong, 1, "1 wrong."),
        ({**unseen, **wrong}, 1, "1 wrong. 1 could not be looked at."),
    ):
        assert jobferry("doctor", "--stack", "jobferry", changed=changed) == status
        told = capsys.readouterr().out.splitlines()
        assert told[-1] == last
        if changed is not wrong:
            line = told.index("?    quotas: GetServiceQuota: no")
            assert told[line + 1].startswith("       Allow the caller GetServiceQuota")
        if changed is not unseen:
            line = told.index("BAD  dead events: 1 lie in events-dead")
            assert told[line + 1] == f"       {queues.REPLAY}"


def test_the_catalogue_is_checked_by_itself(jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """The images alone; here one that is in nobody's account."""
    missing: Changed = {"ecs.DescribeTaskDefinition": refusal("ClientException")}
    assert jobferry("catalog", "check", "--stack", "jobferry") == 0
    assert capsys.readouterr().out.splitlines() == REPORT.splitlines()[-2:]
    assert jobferry("catalog", "check", "--stack", "jobferry", changed=missing) == 1
    assert capsys.readouterr().out.splitlines() == [
        "BAD  image one: there is no task definition jobferry-one",
        "       Register it. See deploy/IMAGES.md.",
        "1 wrong.",
    ]


@pytest.mark.parametrize("arguments", [("doctor",), ("catalog", "check")])
def test_a_stack_that_cannot_be_read_ends_the_command(
    arguments: tuple[str, ...], jobferry: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """With 2 and a sentence on standard error."""
    nowhere: Changed = {"cloudformation.DescribeStacks": refusal("ValidationError", "DescribeStacks")}
    assert jobferry(*arguments, "--stack", "jobferry", changed=nowhere) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.startswith("The stack jobferry cannot be read: ")) == ("", True)


def of_settings(catalog: str | None, configured: str = given.CATALOG_URI, **fields: str) -> Deployment:
    """The deployment by a worker's settings."""
    settings = default_settings().model_copy(update={"catalog": configured, **fields})
    return by_settings(ScriptedAws(given.whole()).session, settings, catalog)


def test_a_deployment_is_what_a_workers_settings_name() -> None:
    """Field by field, and the families begin as the settings say."""
    settings, found = default_settings(), of_settings(None, task_family_prefix="second")
    names = ("request_queue_url", "event_queue_url", "state_machine_arn", "topic_arn", "log_bucket", "jobs_table")
    assert {name: getattr(found, name) for name in names} == {name: getattr(settings, name) for name in names}
    assert (found.stack, found.catalog.images["one"].task_definition) == (None, "second-one")


def test_a_catalogue_that_is_named_comes_first() -> None:
    """Before the worker's, and before the stack's."""
    shipped = str(SHIPPED / "catalog.yaml")
    assert list(of_settings(given.CATALOG_URI, configured=shipped).catalog.images) == ["one"]
    assert "pictures" in of_settings(shipped).catalog.images
    assert "pictures" in by_stack(ScriptedAws(given.whole()).session, "jobferry", shipped).catalog.images


def of_stack(parameters: Mapping[str, str], more: Mapping[str, str] | None = None) -> Deployment:
    """The deployment of a stack with these parameters, and with more outputs."""
    answer = given.stack(parameters, {**given.OUTPUTS, **(more or {})})
    return by_stack(ScriptedAws({**given.whole(), "cloudformation.DescribeStacks": answer}).session, "jobferry")


def test_a_deployment_is_what_a_stack_gives() -> None:
    """Output by output."""
    found = of_stack({"Catalog": given.CATALOG_URI})
    expected = replace(given.deployment(stack_name="jobferry"), session=found.session)
    assert found == expected


PREFIXES: dict[str, tuple[Mapping[str, str], Mapping[str, str], str]] = {
    "output": ({"TaskFamilyPrefix": "given"}, {"TaskFamilyPrefix": "told"}, "told-one"),
    "parameter": ({"TaskFamilyPrefix": "given"}, {}, "given-one"),
    "name": ({"TaskFamilyPrefix": ""}, {}, "jobferry-one"),
    "neither": ({}, {}, "jobferry-one"),
}


@pytest.mark.parametrize(("parameters", "outputs", "family"), PREFIXES.values(), ids=PREFIXES)
def test_what_a_stacks_families_begin_with(
    parameters: Mapping[str, str], outputs: Mapping[str, str], family: str
) -> None:
    """Its output, else its parameter, else its name."""
    found = of_stack({"Catalog": given.CATALOG_URI, **parameters}, outputs)
    assert found.catalog.images["one"].task_definition == family


@pytest.mark.parametrize("parameters", [{}, {"Catalog": "/app/deploy/catalog.yaml"}])
def test_the_shipped_catalogue_stands_for_one_in_the_workers_image(parameters: Mapping[str, str]) -> None:
    """It is out of reach from here."""
    assert "pictures" in of_stack(parameters).catalog.images


UNREADABLE: dict[str, Answer] = {
    "not there": refusal("NoSuchKey"),
    "no text": lambda _: {"Body": io.BytesIO(b"\xff\xfe")},
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
def test_a_catalogue_that_cannot_be_read_is_named(answer: Answer) -> None:
    """With the place."""
    aws = ScriptedAws({**given.whole(), "s3.GetObject": answer})
    with pytest.raises(SettingsError, match=f"The catalogue cannot be read: {given.CATALOG_URI}: "):
        by_stack(aws.session, "jobferry")


def test_a_catalogue_file_that_is_not_there_is_named() -> None:
    """As one in S3 is."""
    with pytest.raises(SettingsError, match="The catalogue cannot be read: /no/such/file: "):
        of_settings("/no/such/file")


def test_a_client_is_made_once_a_service() -> None:
    """It costs more than a call."""
    deployment = given.deployment()
    assert deployment.client("sqs") is deployment.client("sqs")
    assert deployment.client("sns") is not deployment.client("sqs")


def test_where_a_definition_names_no_cluster_or_function_there_is_none() -> None:
    """Somebody replaced the whole state machine."""
    other = given.machine({"States": {"a": {"Type": "Succeed"}}})
    deployment = given.deployment({"stepfunctions.DescribeStateMachine": other})
    assert (deployment.cluster_arn, deployment.planner_arn) == ("", "")
    assert given.deployment().cluster_arn == CLUSTER_ARN
    assert given.deployment().planner_arn == given.PLANNER_ARN


FORBIDDEN = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
    "403",
    "400",
    "501",
)


@pytest.mark.parametrize("code", FORBIDDEN)
def test_what_may_not_be_looked_at_is_left_open(code: str) -> None:
    """With what AWS said, or its code where it said nothing, and which call must be allowed."""
    silent = ClientError({"Error": {"Code": code}}, "HeadBucket")
    deployment = given.deployment({"s3.HeadBucket": silent})
    [found] = [item for item in examine(deployment, checks_of(deployment)) if item.item == "bucket"]
    assert found == Finding(
        "bucket", None, f"HeadBucket: {code}", "Allow the caller HeadBucket to have this looked at."
    )


def test_what_is_refused_otherwise_is_bad() -> None:
    """With AWS's words first, and what may be the matter."""
    deployment = given.deployment({"s3.HeadBucket": refusal("404", "HeadBucket")})
    [found] = [item for item in examine(deployment, checks_of(deployment)) if item.item == "bucket"]
    assert (found.ok, found.detail) == (False, "HeadBucket: no")
    assert "`make deploy` makes what is missing" in found.remedy


def test_one_image_is_one_check() -> None:
    """In the order of the catalogue."""
    deployment = given.deployment(images={"b": given.IMAGE, "a": given.IMAGE})
    assert [check.item for check in images.image_checks(deployment)] == ["image b", "image a"]


class Pipe(io.StringIO):
    """Standard output of which nothing is seen before it is flushed."""

    seen = ""

    def flush(self) -> None:
        """What was written until now is seen."""
        self.seen = self.getvalue()


def test_each_finding_is_seen_before_the_next_thing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes its time, and the output may be a pipe."""
    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)

    def findings() -> Iterator[Finding]:
        yield Finding("one", True, "fine")
        assert pipe.seen == "ok   one: fine\n"
        yield Finding("two", True, "fine")

    assert command._tell(findings()) == 0
