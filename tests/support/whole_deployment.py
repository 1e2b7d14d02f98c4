"""A deployment with which nothing is wrong, as AWS describes it, for tests that take one answer away or change it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from moto.events.models import EventPattern

from schemas.catalog import Catalog
from schemas.plan import group_of
from service.operator.doctor.deployment import Deployment
from service.operator.shipped import SHIPPED
from tests.support.names import ACCOUNT, BUCKET, CLUSTER_ARN, REGION, STATE_MACHINE_ARN, TASK_DEFINITION_ARN, TOPIC_ARN
from tests.support.scripted_aws import Answer, Json, ScriptedAws

SQS = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
REQUESTS, EVENTS, CONTROL = f"{SQS}/requests", f"{SQS}/events", f"{SQS}/control"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
RULE_ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
PLANNER_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:jobferry-planner"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role"
SUBSCRIPTION_ARN = f"{TOPIC_ARN}:0123"
STACK_ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/jobferry/0123"
TABLE = "jobferry-jobs"
FORTNIGHT = "1209600"
FAMILY = "jobferry-one"
IMAGE: Json = {"task_definition": "{prefix}-one", "container": "main"}
CATALOG_URI = f"s3://{BUCKET}/catalog.yaml"

POLICY: Json = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Condition": {"ArnLike": {"aws:SourceArn": f"{RULE_ARN}/*"}},
        }
    ]
}
QUEUES: Mapping[str, Mapping[str, str]] = {
    REQUESTS: {
        "QueueArn": f"{QUEUE_ARN}:requests",
        "SqsManagedSseEnabled": "true",
        "MessageRetentionPeriod": "345600",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": f"{QUEUE_ARN}:requests-dead", "maxReceiveCount": 5}),
    },
    CONTROL: {
        "QueueArn": f"{QUEUE_ARN}:control",
        "SqsManagedSseEnabled": "true",
        "MessageRetentionPeriod": "345600",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": f"{QUEUE_ARN}:control-dead", "maxReceiveCount": 5}),
    },
    EVENTS: {
        "QueueArn": f"{QUEUE_ARN}:events",
        "SqsManagedSseEnabled": "true",
        "MessageRetentionPeriod": "345600",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": f"{QUEUE_ARN}:events-dead", "maxReceiveCount": 5}),
        "Policy": json.dumps(POLICY),
    },
    **{
        f"{SQS}/{name}": {
            "MessageRetentionPeriod": FORTNIGHT,
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
        }
        for name in ("requests-dead", "events-dead", "control-dead", "events-undelivered")
    },
}
PATTERNS: Mapping[str, Json] = {
    "executions": {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [STATE_MACHINE_ARN]},
    },
    "tasks": {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [CLUSTER_ARN],
            "lastStatus": ["RUNNING", "STOPPED"],
            "group": [{"prefix": group_of("")}],
        },
    },
}
TARGET: Json = {
    "Id": "queue",
    "Arn": f"{QUEUE_ARN}:events",
    "DeadLetterConfig": {"Arn": f"{QUEUE_ARN}:events-undelivered"},
}
RULES: Mapping[str, Json] = {
    name: {
        "Name": name,
        "Arn": f"{RULE_ARN}/{name}",
        "State": "ENABLED",
        "EventPattern": json.dumps(pattern),
        "Targets": [TARGET],
    }
    for name, pattern in PATTERNS.items()
}
SUBSCRIPTION: Json = {"SubscriptionArn": SUBSCRIPTION_ARN, "Endpoint": "team@example.com", "Protocol": "email"}
TABLE_DESCRIPTION: Json = {
    "TableStatus": "ACTIVE",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "open_jobs",
            "IndexStatus": "ACTIVE",
            "KeySchema": [
                {"AttributeName": "open_shard", "KeyType": "HASH"},
                {"AttributeName": "due_at", "KeyType": "RANGE"},
            ],
        }
    ],
}
_SUBSTITUTED = {"PlanNextStepFunction": PLANNER_ARN, "ClusterArn": CLUSTER_ARN}
CLUSTER: Json = {"clusterName": "jobferry", "status": "ACTIVE", "capacityProviders": ["FARGATE", "FARGATE_SPOT"]}
LOG_OPTIONS: Json = {
    "awslogs-group": "/jobferry/one",
    "awslogs-stream-prefix": "job",
    "mode": "blocking",
}
CONTAINER: Json = {"name": "main", "logConfiguration": {"logDriver": "awslogs", "options": LOG_OPTIONS}}
TASK_DEFINITION: Json = {
    "family": FAMILY,
    "revision": 3,
    "taskDefinitionArn": f"{TASK_DEFINITION_ARN}{FAMILY}:3",
    "status": "ACTIVE",
    "networkMode": "awsvpc",
    "compatibilities": ["EC2", "FARGATE"],
    "executionRoleArn": f"{ROLE_ARN}/pull",
    "taskRoleArn": f"{ROLE_ARN}/jobs/work",
    "containerDefinitions": [CONTAINER],
}
OUTPUTS: Mapping[str, str] = {
    "RequestQueueUrl": REQUESTS,
    "EventQueueUrl": EVENTS,
    "ControlQueueUrl": CONTROL,
    "StateMachineArn": STATE_MACHINE_ARN,
    "TopicArn": TOPIC_ARN,
    "LogBucketName": BUCKET,
    "JobsTableName": TABLE,
}


def definition() -> dict[str, Any]:
    """The state machine's definition, its substitutions filled in."""
    text = (SHIPPED / "state_machine.asl.json").read_text(encoding="utf-8")
    for name, value in _SUBSTITUTED.items():
        text = text.replace("${" + name + "}", value)
    return dict(json.loads(text))


def machine(changed: Json | None = None, **fields: Any) -> Json:
    """What DescribeStateMachine answers, of another definition or with other fields."""
    return {
        "stateMachineArn": STATE_MACHINE_ARN,
        "name": "jobferry",
        "roleArn": f"{ROLE_ARN}/jobferry/machine",
        "creationDate": datetime(2026, 1, 1, tzinfo=UTC),
        "status": "ACTIVE",
        "type": "STANDARD",
        "definition": json.dumps(changed or definition()),
        **fields,
    }


def queues(changed: Mapping[str, Mapping[str, str | None]]) -> Answer:
    """The attributes of every queue by its URL, with changes; None takes one away."""

    def attributes(call: Json) -> Json:
        assert call["AttributeNames"], "SQS answers with nothing to who asks for nothing"
        held = {**QUEUES[call["QueueUrl"]], **changed.get(call["QueueUrl"], {})}
        wanted = held if call["AttributeNames"] == ["All"] else {name: held[name] for name in call["AttributeNames"]}
        return {"Attributes": {name: value for name, value in wanted.items() if value is not None}}

    return attributes


def rules(changed: Mapping[str, Json]) -> dict[str, Answer]:
    """The answers about rules, with other fields of some; a field that is None is taken away."""
    all_of_them = {
        name: {key: value for key, value in {**rule, **changed.get(name, {})}.items() if value is not None}
        for name, rule in RULES.items()
    }

    def described(name: str) -> Json:
        return {key: value for key, value in all_of_them[name].items() if key != "Targets"}

    def names_by_target(call: Json) -> Json:
        into = [
            name for name, rule in all_of_them.items() if call["TargetArn"] in [each["Arn"] for each in rule["Targets"]]
        ]
        return {"RuleNames": into}

    return {
        "events.ListRuleNamesByTarget": names_by_target,
        "events.DescribeRule": lambda call: described(call["Name"]),
        "events.ListTargetsByRule": lambda call: {"Targets": all_of_them[call["Rule"]]["Targets"]},
        # What EventBridge manages itself has no pattern that it shows.
        "events.ListRules": {"Rules": [{"Name": "managed"}, *map(described, all_of_them)]},
        "events.TestEventPattern": _tested,
    }


def _tested(call: Json) -> Json:
    event = json.loads(call["Event"])
    demanded = {"id", "account", "source", "time", "region", "resources", "detail-type"}
    assert demanded <= event.keys(), "TestEventPattern refuses an event without them [botocore]"
    assert (event["account"], event["region"]) == (ACCOUNT, REGION)
    return {"Result": EventPattern.load(call["EventPattern"]).matches_event(event)}


def task_definition(container: Json | None = None, options: Json | None = None, **fields: Any) -> Answer:
    """The task definition with other fields, and such of its container and of its log; None takes one away."""
    given = {key: value for key, value in {**LOG_OPTIONS, **(options or {})}.items() if value is not None}
    whole = {**CONTAINER, "logConfiguration": {"logDriver": "awslogs", "options": given}, **(container or {})}
    changed = {**TASK_DEFINITION, "containerDefinitions": [whole], **fields}
    return {"taskDefinition": {key: value for key, value in changed.items() if value is not None}}


def statements(*of_the_role: Json, attached: Json | None = None) -> dict[str, Answer]:
    """The role's own policy with these statements, a second page of its names, and one that is attached."""

    def own(call: Json) -> Json:
        assert (call["RoleName"], call["PolicyName"]) == ("machine", "own")
        return {"RoleName": "machine", "PolicyName": "own", "PolicyDocument": json.dumps({"Statement": of_the_role})}

    def names(call: Json) -> Json:
        assert call["RoleName"] == "machine"
        if "Marker" not in call:
            return {"PolicyNames": [], "IsTruncated": True, "Marker": "next"}
        return {"PolicyNames": ["own"], "IsTruncated": False}

    def attached_names(call: Json) -> Json:
        assert call["RoleName"] == "machine"
        return {"AttachedPolicies": [{"PolicyName": "shared", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/shared"}]}

    def version(call: Json) -> Json:
        assert call == {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/shared", "VersionId": "v7"}
        return {"PolicyVersion": {"Document": json.dumps({"Statement": attached or []})}}

    def policy(call: Json) -> Json:
        assert call == {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/shared"}
        return {"Policy": {"DefaultVersionId": "v7"}}

    return {
        "iam.ListRolePolicies": names,
        "iam.GetRolePolicy": own,
        "iam.ListAttachedRolePolicies": attached_names,
        "iam.GetPolicy": policy,
        "iam.GetPolicyVersion": version,
    }


def stack(parameters: Mapping[str, str], outputs: Mapping[str, str]) -> Answer:
    """What DescribeStacks answers."""
    return {
        "Stacks": [
            {
                "StackName": "jobferry",
                "StackId": STACK_ARN,
                "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
                "StackStatus": "CREATE_COMPLETE",
                "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            }
        ]
    }


def resources(*of_type_and_id: tuple[str, str | None]) -> Answer:
    """What ListStackResources answers: all on the second page."""

    def page(call: Json) -> Json:
        assert call["StackName"] == "jobferry"
        if "NextToken" not in call:
            return {"StackResourceSummaries": [], "NextToken": "next"}
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": "X",
                    "ResourceType": kind,
                    "LastUpdatedTimestamp": datetime(2026, 1, 1, tzinfo=UTC),
                    "ResourceStatus": "CREATE_COMPLETE",
                    **({} if name is None else {"PhysicalResourceId": name}),
                }
                for kind, name in of_type_and_id
            ]
        }

    return page


def catalog_object(images: Mapping[str, Json]) -> Answer:
    """What GetObject answers with the catalogue."""

    def body(call: Json) -> Json:
        assert call == {"Bucket": BUCKET, "Key": "catalog.yaml"}
        return {"Body": io.BytesIO(json.dumps({"images": images}).encode())}

    return body


RUN: Json = {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": f"{TASK_DEFINITION_ARN}jobferry-*"}
PASS: Json = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": [f"{ROLE_ARN}/pull", f"{ROLE_ARN}/jobs/work"]}
OWN = ("AWS::ECS::TaskDefinition", f"{TASK_DEFINITION_ARN}{FAMILY}:3")


def _named(parameter: str, name: str, answer: Json) -> Answer:
    """An answer about the one thing of this name; a question about another is a mistake."""

    def answered(call: Json) -> Json:
        assert call[parameter] == name
        return answer

    return answered


def _page(items: str, found: list[Json]) -> Answer:
    """An answer whose items come on the second page."""

    def page(call: Json) -> Json:
        return {items: found} if call.get("NextToken") else {items: [], "NextToken": "next"}

    return page


def subscriptions(*found: Json) -> Answer:
    """What ListSubscriptionsByTopic answers."""
    return _page("Subscriptions", list(found))


def subscription(**attributes: str) -> Answer:
    """What GetSubscriptionAttributes answers."""
    return _named("SubscriptionArn", SUBSCRIPTION_ARN, {"Attributes": attributes})


def function(**fields: str) -> Answer:
    """What GetFunctionConfiguration answers."""
    return _named("FunctionName", PLANNER_ARN, {"FunctionName": "jobferry-planner", **fields})


def clusters(*found: Json) -> Answer:
    """What DescribeClusters answers."""

    def described(call: Json) -> Json:
        assert call["clusters"] == [CLUSTER_ARN]
        return {"clusters": list(found)}

    return described


def quota(vcpus: float) -> Answer:
    """What GetServiceQuota answers."""

    def granted(call: Json) -> Json:
        assert call == {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
        return {"Quota": {"Value": vcpus}}

    return granted


def whole() -> dict[str, Answer]:
    """Every answer of a deployment with which nothing is wrong."""
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    encryption: Json = {"ServerSideEncryptionConfiguration": {"Rules": []}}
    ttl = {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}}
    return {
        "cloudformation.DescribeStacks": stack({"Catalog": CATALOG_URI}, OUTPUTS),
        "cloudformation.ListStackResources": resources(OWN),
        "sts.GetCallerIdentity": lambda _: {
            "Account": ACCOUNT,
            "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(datetime.now(UTC), usegmt=True)}},
        },
        "sqs.GetQueueUrl": lambda call: {
            "QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{call['QueueOwnerAWSAccountId']}/{call['QueueName']}"
        },
        "sqs.GetQueueAttributes": queues({}),
        **rules({}),
        "sns.GetTopicAttributes": _named("TopicArn", TOPIC_ARN, {}),
        "sns.ListSubscriptionsByTopic": subscriptions(SUBSCRIPTION),
        "sns.GetSubscriptionAttributes": subscription(),
        "s3.HeadBucket": _named("Bucket", BUCKET, {}),
        "s3.GetBucketEncryption": _named("Bucket", BUCKET, encryption),
        "s3.GetPublicAccessBlock": _named(
            "Bucket", BUCKET, {"PublicAccessBlockConfiguration": dict.fromkeys(blocked, True)}
        ),
        "s3.GetObject": catalog_object({"one": IMAGE}),
        "dynamodb.DescribeTable": _named("TableName", TABLE, {"Table": TABLE_DESCRIPTION}),
        "dynamodb.DescribeTimeToLive": _named("TableName", TABLE, ttl),
        "stepfunctions.DescribeStateMachine": _named("stateMachineArn", STATE_MACHINE_ARN, machine()),
        "lambda.GetFunctionConfiguration": function(),
        "ecs.DescribeClusters": clusters(CLUSTER),
        "ecs.DescribeTaskDefinition": task_definition(),
        "service-quotas.GetServiceQuota": quota(6.0),
        "logs.DescribeLogGroups": {"logGroups": [{"logGroupName": "/jobferry/one"}]},
        **statements(RUN, PASS),
    }


def deployment(
    changed: Mapping[str, Answer] | None = None,
    images: Mapping[str, Json] | None = None,
    stack_name: str | None = None,
    region: str = REGION,
) -> Deployment:
    """The whole deployment with other answers, or other images in its catalogue."""
    catalog = Catalog.model_validate({"images": images or {"one": IMAGE}}, strict=False).of_families("jobferry")
    return Deployment(
        session=ScriptedAws({**whole(), **(changed or {})}, region).session,
        request_queue_url=REQUESTS,
        event_queue_url=EVENTS,
        control_queue_url=CONTROL,
        state_machine_arn=STATE_MACHINE_ARN,
        topic_arn=TOPIC_ARN,
        log_bucket=BUCKET,
        jobs_table=TABLE,
        catalog=catalog,
        stack=stack_name,
    )
