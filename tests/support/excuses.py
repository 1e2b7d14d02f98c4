"""Permissions that no end-to-end test can use, each with its reason; another one that is not used is one too many."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.support.privileges import Permission


@dataclass(frozen=True)
class Excuse:
    """Why these actions of a statement, on resources of this pattern, are allowed though no test uses them."""

    role: str
    sid: str
    actions: frozenset[str]
    reason: str
    resource: str = "*"

    def covers(self, permission: Permission) -> bool:
        """Whether it speaks of this permission."""
        return (
            (self.role, self.sid) == (permission.role, permission.sid)
            and permission.action in self.actions
            and fnmatchcase(permission.resource, self.resource)
        )


def _excuse(role: str, sid: str, actions: str, reason: str, resource: str = "*") -> Excuse:
    service, names = actions.split(":")
    return Excuse(role, sid, frozenset(f"{service}:{name}" for name in names.split()), reason, resource)


_TRACING = "tracing is done by the service, and there is no X-Ray here [X-Ray with Step Functions, with Lambda]"
_BY_VARIABLES = "for --stack; the local run is named by the worker's variables"
EXCUSES = (
    _excuse(
        "WorkerRole",
        "TakeMessages",
        "sqs:ChangeMessageVisibility",
        "a wish is handled by the consumer that handles requests, and handed back as they are; here it is done at once",
        "*ControlQueue*",
    ),
    _excuse(
        "WorkerRole",
        "TakeMessages",
        "sqs:ChangeMessageVisibility",
        "an event is handed back where it fails, or at a stop; since logs wait with nothing held, both are rare here",
        "*EventQueue*",
    ),
    _excuse(
        "WorkerRole",
        "ReadManyRecords",
        "dynamodb:BatchGetItem",
        "for hundreds of silent jobs at once; there are never so many here",
    ),
    _excuse(
        "StateMachineRole",
        "WatchAndStopTasks",
        "ecs:DescribeTasks",
        "Step Functions looks after a task whose event was lost; without it a run could hang [ecs-iam]",
    ),
    _excuse(
        "StateMachineRole",
        "HearOfTasks",
        "events:DescribeRule PutRule PutTargets",
        "Step Functions hears of a task's end by a rule that it makes itself; here the fill watches the task [ecs-iam]",
    ),
    _excuse(
        "StateMachineRole",
        "DeliverLogs",
        "logs:CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies GetLogDelivery "
        "ListLogDeliveries PutResourcePolicy UpdateLogDelivery",
        "Step Functions sets up the delivery of its log, which does not exist here [cw-logs]",
    ),
    _excuse(
        "StateMachineRole",
        "Trace",
        "xray:GetSamplingRules GetSamplingTargets PutTelemetryRecords PutTraceSegments",
        _TRACING,
    ),
    _excuse("JobReaderRole", "FindStack", "cloudformation:DescribeStacks", _BY_VARIABLES),
    _excuse("JobSteererRole", "FindStack", "cloudformation:DescribeStacks", _BY_VARIABLES),
    _excuse("JobSubmitterRole", "FindStack", "cloudformation:DescribeStacks", _BY_VARIABLES),
    _excuse("JobSteererRole", "ReadCatalog", "s3:GetObject", "the catalogue is a file here"),
    _excuse("JobSubmitterRole", "ReadCatalog", "s3:GetObject", "the catalogue is a file here"),
    _excuse("PlanNextStepRole", "Trace", "xray:PutTelemetryRecords PutTraceSegments", _TRACING),
    _excuse(
        "PlanNextStepRole",
        "WriteLogs",
        "logs:CreateLogStream PutLogEvents",
        "Lambda writes a function's log in its name; here nobody does [AWSLambdaBasicExecutionRole]",
    ),
    _excuse(
        "TaskExecutionRole",
        "RegistryLogin",
        "ecr:GetAuthorizationToken",
        "an image is pulled from ECR by ECS; here an image is a local command [AmazonECSTaskExecutionRolePolicy]",
    ),
    _excuse(
        "TaskExecutionRole",
        "PullImages",
        "ecr:BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer",
        "an image is pulled from ECR by ECS; here an image is a local command [AmazonECSTaskExecutionRolePolicy]",
    ),
    _excuse(
        "TaskExecutionRole",
        "WriteLogs",
        "logs:CreateLogStream PutLogEvents",
        "the worker is a process here and no task of ECS",
        resource="*/worker:*",
    ),
    _excuse(
        "ReporterTaskRole",
        "ReportBack",
        "states:SendTaskFailure",
        "the example has nothing to fail at, but whoever copies its role has",
    ),
    _excuse(
        "WorkerRole",
        "ProtectItselfFromScaleIn",
        "ecs:UpdateTaskProtection",
        "the agent of ECS asks for it in the worker's name, and here the worker is no task and has no agent",
    ),
    _excuse(
        "WorkerRole",
        "KeepRecords",
        "dynamodb:PutItem",
        "why a message failed is noted where one fails, which no request can bring about; see test_dead_letters",
    ),
    _excuse(
        "WorkerRole",
        "KeepFiles",
        "s3:AbortMultipartUpload",
        "a large log is given up only where S3 fails; see tests/integration/test_objects",
    ),
)
# What the local run does not deploy: a role or a statement under a parameter that it leaves alone.
NOT_DEPLOYED = {
    ("TrackJobsRole", "*"): "the same; tests/unit/test_privileges compares it with what the API's adapters call",
    ("ApiRole", "*"): "the local run has no front door; tests/unit/test_privileges compares it with the integration",
    ("JobReaderRole", "LookAtYourLogs"): "for task definitions of one's own: JobLogGroupArns",
    ("JobReaderRole", "UseKey"): "for a key of one's own: KmsKeyArn",
    ("JobSteererRole", "UseKey"): "for a key of one's own: KmsKeyArn",
    ("JobSubmitterRole", "UseKey"): "for a key of one's own: KmsKeyArn",
    ("FlowLogRole", "*"): "the local run has no network [VPC flow logs, IAM role]",
    ("StateMachineRole", "UseKey"): "for a key of one's own: KmsKeyArn",
    ("StateMachineRole", "PassYourRoles"): "for task definitions of one's own: JobTaskRoleArns",
    ("WorkerRole", "ReadYourLogs"): "for task definitions of one's own: JobLogGroupArns",
    ("WorkerRole", "UseKey"): "for a key of one's own: KmsKeyArn",
    ("PlanNextStepRole", "UseKey"): "for a key of one's own: KmsKeyArn",
    ("PicturesTaskRole", "UseKey"): "for a key of one's own: KmsKeyArn",
}
