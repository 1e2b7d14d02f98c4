"""A deployment to break, and every way in which it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from deploy.local.local_run import LocalRun
from service.operator.doctor.checks import checks_of
from service.operator.doctor.deployment import by_stack
from service.operator.doctor.findings import Finding, examine

Break = Callable[["Patient"], None]
ONE, THEIRS = "jobferry-image-1", "arn:aws:iam::000000000000:role/theirs"


class Patient:
    """A deployment of its own to break, and the names of what is in it."""

    def __init__(self, run: LocalRun) -> None:
        self.run = run
        self.outputs = run.stack.outputs

    def client(self, service: str) -> Any:
        """A client of its AWS."""
        kind: Any = self.run.session.client
        return kind(service)

    def rule(self, source: str) -> str:
        """The name of the rule of this source."""
        rules = self.client("events").list_rules()["Rules"]
        return str(next(rule["Name"] for rule in rules if source in rule["EventPattern"]))

    def problems(self) -> list[Finding]:
        """The findings that are not good."""
        deployment = by_stack(self.run.session, "jobferry")
        return [found for found in examine(deployment, checks_of(deployment)) if found.ok is False]


# What is broken: how, the item that is to be named, and a part of what is said of it and of the remedy.


def delete_rule(patient: Patient) -> None:
    """The rule is gone, with its target."""
    remove_target(patient)
    patient.client("events").delete_rule(Name=patient.rule("aws.ecs"))


def remove_target(patient: Patient) -> None:
    """The rule sends nowhere."""
    patient.client("events").remove_targets(Rule=patient.rule("aws.ecs"), Ids=["event-queue"])


def disable_rule(patient: Patient) -> None:
    """The rule is switched off."""
    patient.client("events").disable_rule(Name=patient.rule("aws.states"))


def narrow_rule(patient: Patient) -> None:
    """Somebody was not interested in tasks that are over."""
    events, name = patient.client("events"), patient.rule("aws.ecs")
    pattern = json.loads(events.describe_rule(Name=name)["EventPattern"])
    pattern["detail"]["lastStatus"] = ["RUNNING"]
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))


def transform_target(patient: Patient) -> None:
    """The event is rewritten on its way."""
    put_target(patient, InputPath="$.detail")


def put_target(patient: Patient, **more: str) -> None:
    """The target, without its dead-letter queue."""
    sqs = patient.client("sqs")
    url = patient.outputs["EventQueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    targets = [{"Id": "event-queue", "Arn": arn, **more}]
    patient.client("events").put_targets(Rule=patient.rule("aws.states"), Targets=targets)


def shut_queue(patient: Patient) -> None:
    """EventBridge is let in no more."""
    patient.client("sqs").set_queue_attributes(QueueUrl=patient.outputs["EventQueueUrl"], Attributes={"Policy": ""})


def leave_no_second_chance(patient: Patient) -> None:
    """The request queue loses its dead-letter queue."""
    url = patient.outputs["RequestQueueUrl"]
    patient.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})


def forget_letters(patient: Patient) -> None:
    """The dead-letter queue keeps messages for a day."""
    url = patient.outputs["RequestDeadLetterQueueUrl"]
    patient.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "86400"})


def put_letter(output: str) -> Break:
    """A message is set aside."""

    def put(patient: Patient) -> None:
        patient.client("sqs").send_message(QueueUrl=patient.outputs[output], MessageBody="{}")

    return put


def unsubscribe(patient: Patient) -> None:
    """Nobody listens."""
    sns = patient.client("sns")
    for item in sns.list_subscriptions_by_topic(TopicArn=patient.outputs["TopicArn"])["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=item["SubscriptionArn"])


def filter_nonsense(patient: Patient) -> None:
    """A subscriber waits for what never comes."""
    sns = patient.client("sns")
    [item] = sns.list_subscriptions_by_topic(TopicArn=patient.outputs["TopicArn"])["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=item["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue='{"jobtype": ["x"]}'
    )


def open_bucket(patient: Patient) -> None:
    """The bucket may be made public."""
    patient.client("s3").delete_public_access_block(Bucket=patient.outputs["LogBucketName"])


def keep_records(patient: Patient) -> None:
    """Records never end."""
    ttl = {"Enabled": False, "AttributeName": "expires_at"}
    table = patient.outputs["JobsTableName"]
    patient.client("dynamodb").update_time_to_live(TableName=table, TimeToLiveSpecification=ttl)


def change_machine(patient: Patient) -> None:
    """Somebody edited the state machine in the console."""
    sfn, arn = patient.client("stepfunctions"), patient.outputs["StateMachineArn"]
    definition = json.loads(sfn.describe_state_machine(stateMachineArn=arn)["definition"])
    definition["States"]["wait_before_retry"]["SecondsPath"] = "$.other"
    sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))


def delete_planner(patient: Patient) -> None:
    """The function is gone."""
    functions = patient.client("lambda").list_functions()["Functions"]
    for item in functions:
        patient.client("lambda").delete_function(FunctionName=item["FunctionName"])


def register(family: str, **changed: Any) -> Break:
    """A new revision of a task definition, with other properties."""

    def put(patient: Patient) -> None:
        ecs = patient.client("ecs")
        old = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        kept = {key: old[key] for key in KEPT if old.get(key)}
        ecs.register_task_definition(**{**kept, **changed})

    return put


KEPT = ("family", "cpu", "memory", "networkMode", "executionRoleArn", "taskRoleArn", "containerDefinitions")


def contain(family: str, options: dict[str, str] | None = None, **changed: Any) -> Break:
    """A new revision of a task definition, with other properties of its container."""

    def put(patient: Patient) -> None:
        answer = patient.client("ecs").describe_task_definition(taskDefinition=family)
        [container] = answer["taskDefinition"]["containerDefinitions"]
        log = container["logConfiguration"]
        log["options"] |= options or {}
        register(family, containerDefinitions=[{**container, "logConfiguration": log, **changed}])(patient)

    return put


def withdraw_revision(patient: Patient) -> None:
    """No revision of the task definition is active."""
    ecs = patient.client("ecs")
    for arn in ecs.list_task_definitions(familyPrefix="jobferry-pictures")["taskDefinitionArns"]:
        ecs.deregister_task_definition(taskDefinition=arn)


def forbid_family(patient: Patient) -> None:
    """The state machine's role may run other families only."""
    iam = patient.client("iam")
    sfn = patient.client("stepfunctions")
    arn = sfn.describe_state_machine(stateMachineArn=patient.outputs["StateMachineArn"])["roleArn"]
    role, policy = arn.rpartition("/")[2], "plan-and-run-stages"
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    text = json.dumps(document).replace("task-definition/jobferry-*", "task-definition/other-*")
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=text)


BROKEN: dict[str, tuple[Break, str, str, str]] = {
    "rule gone": (delete_rule, "task rule", "no rule", "make deploy"),
    "target gone": (remove_target, "task rule", "no target", "make deploy"),
    "rule off": (disable_rule, "execution rule", "DISABLED", "aws events enable-rule"),
    "pattern narrow": (narrow_rule, "task rule", "leaves out STOPPED", "pattern"),
    "event rewritten": (transform_target, "execution rule", "rewrites", "transformation"),
    "target without a DLQ": (put_target, "execution rule", "dropped", "DLQ"),
    "queue shut": (shut_queue, "event queue", "does not let the rule", "sqs:SendMessage"),
    "DLQ forgets": (forget_letters, "request queue", "86400", "1209600"),
    "no DLQ": (leave_no_second_chance, "request queue", "no dead-letter queue", "RedrivePolicy"),
    "dead request": (put_letter("RequestDeadLetterQueueUrl"), "dead requests", "1 lie in", "jobferry dlq list"),
    "dead event": (put_letter("EventDeadLetterQueueUrl"), "dead events", "1 lie in", "jobferry dlq list"),
    "undelivered": (put_letter("UndeliveredEventQueueUrl"), "undelivered events", "1 lie in", "RUNBOOK"),
    "filter": (filter_nonsense, "topic", "jobtype", "job_type"),
    "nobody listens": (unsubscribe, "topic", "nobody is told", "aws sns subscribe"),
    "bucket open": (open_bucket, "bucket", "may be made public", "make deploy"),
    "no TTL": (keep_records, "table", "for ever", "update-time-to-live"),
    "machine edited": (change_machine, "state machine", "States.wait_before_retry.SecondsPath", "make deploy"),
    "planner gone": (delete_planner, "planner", "GetFunctionConfiguration", "make deploy"),
    "container renamed": (contain(ONE, name="main"), "image image_1", "no container image_1-container, only", "cat"),
    "lossy log": (contain("jobferry-pictures", {"mode": "non-blocking"}), "image pictures", "may be lost", "blocking"),
    "no log group": (contain("jobferry-reporter", {"awslogs-group": "/gone"}), "image reporter", "/gone", "Create"),
    "bridge network": (register(ONE, networkMode="bridge"), "image image_1", "network mode is bridge", "awsvpc"),
    "role not passed": (
        register("jobferry-reporter", taskRoleArn=THEIRS),
        "image reporter",
        "may not pass theirs",
        THEIRS,
    ),
    "no task definition": (withdraw_revision, "image pictures", "no task definition jobferry-pictures", "Register"),
    "no task role": (register("jobferry-reporter", taskRoleArn=""), "image reporter", "no task role", "IMAGES.md"),
    "family of two stacks": (register(ONE), "image image_1", "which the stack did not register", "TaskFamilyPrefix"),
    "no execution role": (
        register(ONE, executionRoleArn=""),
        "image image_1",
        "needs an execution role",
        "TaskExecutionRoleArn",
    ),
    "family not allowed": (forbid_family, "image image_1", "may not run jobferry-image-1", "TaskFamilyPrefix"),
}
