"""Who may do what: every permission of the template, and every door it opens."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.deployment import Json, listed, properties, resolved, resources, role_statements

ADAPTERS = Path(__file__).parents[2] / "service" / "aws"
# Whoever looks at jobs or sends requests is no worker.
OF_READERS = {"job_list.py", "log_looks.py", "sender.py"}
# Who has a policy on one tenant's path is not asked for the names of all.
FOR_OPERATORS = {"dynamodb:Scan"}
PROTECTION = Path(__file__).parents[2] / "workers" / "protection.py"
# What the ECS agent calls with the task role's credentials, by the request that it is sent [amazon-ecs-agent,
# agent/handlers/agentapi/taskprotection].
OF_THE_AGENT = {"put": "ecs:UpdateTaskProtection", "get": "ecs:GetTaskProtection"}
# Who calls is told to everybody [botocore, GetCallerIdentity].
OF_ANYBODY = "caller.py"
# What of the services' data lies under KmsKeyArn; CloudWatch Logs uses the key by itself.
ENCRYPTED = {"dynamodb", "s3", "sns", "sqs"}
PREFIXES = {"stepfunctions": "states"}  # The others are called by IAM as by botocore.
# The calls whose permission has another name [Service Authorization Reference].
PERMISSIONS = {
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:GeneratePresignedUrl": "s3:GetObject",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


def called() -> set[str]:
    """The permissions for every call in the adapters, the only places that call AWS, and for the agent's."""
    by_adapters = {
        call
        for path in ADAPTERS.glob("*.py")
        if path.name not in {*OF_READERS, OF_ANYBODY}
        for call in calls_of(path.read_text()) - FOR_OPERATORS
    }
    by_agent = {OF_THE_AGENT[verb] for verb in re.findall(r"\bsession\.(\w+)\(", PROTECTION.read_text())}
    return {PERMISSIONS.get(call, call) for call in by_adapters} | by_agent


def calls_of(source: str) -> set[str]:
    """The calls of one adapter, as IAM names actions; the type of its client says which service it speaks to."""
    names = re.findall(r"\bclient\.([a-z][a-z_]*)\(", source)
    services = set(re.findall(r"\btypes_aiobotocore_(\w+)\b", source))
    assert len(services) == bool(names), "an adapter speaks to one service"
    return {
        f"{PREFIXES.get(service, service)}:{name.title().replace('_', '')}" for service in services for name in names
    }


def test_the_worker_may_do_what_its_adapters_call_and_nothing_else() -> None:
    """A call without a permission would fail on AWS alone; a permission without a call is one too many."""
    granted = {
        action
        for role, item in role_statements()
        if role == "WorkerRole" and item["Sid"] != "UseKey"  # It is the services that call KMS, in the worker's name.
        for action in listed(item["Action"])
    }
    assert granted == called()


# What it shares with the worker: the records, objects, histories and task definitions that are read.
READ_BY_ALL = {
    "ecs:DescribeTaskDefinition",
    "s3:GetObject",
    "s3:PutObject",
    "states:GetExecutionHistory",
}


def test_the_api_may_do_what_its_adapters_call_and_nothing_else() -> None:
    """It starts, stops and changes nothing; what it puts are histories alone."""
    of_its_own = {call for name in OF_READERS for call in calls_of((ADAPTERS / name).read_text())}
    statements = [item for role, item in role_statements() if role == "TrackJobsRole" and item["Sid"] != "UseKey"]
    granted = {action for item in statements for action in listed(item["Action"])}
    of_the_service = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
    assert granted == (of_its_own - FOR_OPERATORS) | READ_BY_ALL | of_the_service
    [puts] = [item for item in statements if "s3:PutObject" in listed(item["Action"])]
    assert puts["Resource"] == {"Fn::Sub": "${LogBucket.Arn}/jobs/*/history/*"}


def test_whoever_touches_what_the_key_encrypts_may_use_the_key_there_and_nowhere_else() -> None:
    """A role's use of the key goes through the very services in which it reads or writes what is encrypted."""
    touched: defaultdict[str, set[str]] = defaultdict(set)
    through: dict[str, set[str]] = {}
    for role, item in role_statements():
        if item["Sid"] == "UseKey":
            assert item["Resource"] == {"Ref": "KmsKeyArn"}
            vias = listed(item["Condition"]["StringEquals"]["kms:ViaService"])
            through[role] = {via["Fn::Sub"].removesuffix(".${AWS::Region}.${AWS::URLSuffix}") for via in vias}
        touched[role] |= {action.split(":")[0] for action in listed(item["Action"])} & ENCRYPTED
    assert through == {role: services for role, services in touched.items() if services}


@pytest.mark.parametrize(
    "statement", [pytest.param(item, id=f"{role}-{item['Sid']}") for role, item in role_statements()]
)
def test_every_action_is_spelt_out(statement: Json) -> None:
    """No role may do everything of anything."""
    assert statement["Effect"] == "Allow"
    assert not [action for action in listed(statement["Action"]) if "*" in action]


def test_every_star_has_its_reason() -> None:
    """A statement on all resources says why in its role's metadata, and no reason is left without its statement."""
    stars = {(role, item["Sid"]) for role, item in role_statements() if "*" in listed(item["Resource"])}
    reasons = {
        (name, sid)
        for name, role in resources("AWS::IAM::Role").items()
        for sid, reason in role.get("Metadata", {}).get("WildcardReasons", {}).items()
        if reason
    }
    assert stars == reasons


def test_only_listed_roles_are_passed_and_only_to_ecs() -> None:
    """iam:PassRole names our own roles, or those a parameter lists."""
    passing = [item for _, item in role_statements() if "iam:PassRole" in listed(item["Action"])]
    assert passing
    roles = {
        json.dumps(target.get("Fn::GetAtt") or target.get("Ref"))
        for item in passing
        for target in listed(item["Resource"])
    }
    own = {json.dumps([name, "Arn"]) for name in ("TaskExecutionRole", "PicturesTaskRole", "ReporterTaskRole")}
    assert roles == own | {json.dumps("JobTaskRoleArns")}
    assert all(
        item["Condition"]["StringEquals"] == {"iam:PassedToService": "ecs-tasks.amazonaws.com"} for item in passing
    )


def test_tasks_run_on_our_cluster_and_of_our_families_only() -> None:
    """The state machine may not run whatever task definition the account has."""
    [run] = [item for role, item in role_statements() if role == "StateMachineRole" and item["Sid"] == "RunTasks"]
    assert resolved(run["Resource"]).endswith(":task-definition/jobferry-*")
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": {"Fn::GetAtt": ["Cluster", "Arn"]}}}


def test_the_event_queue_takes_from_the_two_rules_only() -> None:
    """EventBridge may send, on behalf of these two rules, and nobody else is let in."""
    policy = properties("EventQueuePolicy")
    [allowed] = [item for item in policy["PolicyDocument"]["Statement"] if item["Effect"] == "Allow"]
    rules = [{"Fn::GetAtt": [name, "Arn"]} for name in resources("AWS::Events::Rule")]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}
    assert {"Ref": "EventQueue"} in policy["Queues"]


def test_the_front_door_may_send_requests_and_nothing_else() -> None:
    """Its role holds the one action that its integration calls, on the queue to which that sends."""
    integration = properties("ApiSubmit")["Integration"]
    assert integration["Credentials"] == {"Fn::GetAtt": ["ApiRole", "Arn"]}
    assert integration["Uri"]["Fn::Sub"].endswith(":sqs:path/${AWS::AccountId}/${RequestQueue.QueueName}")
    actions = re.findall(r"\bAction=(\w+)", integration["RequestTemplates"]["application/json"])
    granted = [item for role, item in role_statements() if role == "ApiRole" and item["Sid"] != "UseKey"]
    assert [(item["Action"], item["Resource"]) for item in granted] == [
        (f"sqs:{action}", {"Fn::GetAtt": ["RequestQueue", "Arn"]}) for action in actions
    ]


def test_every_door_is_tls_only() -> None:
    """Each queue, topic and bucket refuses a request in the clear."""
    targets = {"AWS::SQS::QueuePolicy": "Queues", "AWS::SNS::TopicPolicy": "Topics", "AWS::S3::BucketPolicy": "Bucket"}
    shut = set()
    for kind, key in targets.items():
        for policy in resources(kind).values():
            denied = [item for item in policy["Properties"]["PolicyDocument"]["Statement"] if item["Effect"] == "Deny"]
            assert [item["Condition"] for item in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
            shut |= {target["Ref"] for target in listed(policy["Properties"][key])}
    kinds = ("AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::S3::Bucket")
    assert shut == {name for kind in kinds for name in resources(kind)}
