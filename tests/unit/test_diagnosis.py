"""What the diagnosis makes of the ends that AWS tells of, in AWS's own shapes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.diagnosis.diagnosis import (
    Budget,
    Diagnosis,
    Ending,
    budget_of,
    budget_of_class,
    diagnose,
    diagnose_as_classified,
    ending_of_cause,
    is_account_wide,
    read_task_cause,
    retryable,
)
from service.core.diagnosis.table import ROWS
from service.core.diagnosis.task_ending import ending_of_task
from service.core.record.facts import ContainerState, TaskChanged

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/thumbs"
PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref"
INIT = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
ASM = INIT + "unable to retrieve secret from asm: service call has been retried 5 time(s): "
RUN_TASK = "(Service: AmazonECS; Status Code: 400; Error Code: {}; Request ID: 8d1f; Proxy: null)"
OOM = "OutOfMemoryError: Container killed due to memory usage"
ESSENTIAL = "Essential container in task exited"


def exits(code: int | None, **more: Any) -> Ending:
    """A task whose own container ended by itself."""
    return Ending(stop_code="EssentialContainerExited", stopped_reason=ESSENTIAL, exit_code=code, **more)


def not_started(reason: str, **more: Any) -> Ending:
    """A task that ECS gave up before it ran."""
    return Ending(stop_code="TaskFailedToStart", stopped_reason=reason, started=False, **more)


def refused(error: str, cause: str) -> Ending:
    """A RunTask that Step Functions could not make."""
    return Ending(error=error, cause=cause)


def timed_out(**more: Any) -> Ending:
    """A stage that Step Functions' clock ended."""
    return Ending(error="States.Timeout", **more)


# One line a shape: what it is called, how it ended, and the class, confidence and remedy that it must get.
SHAPES: tuple[tuple[str, Ending, str, str, str], ...] = (
    # Verdicts on the whole execution.
    ("aborted", Ending(error="Execution.ABORTED"), "cancelled", "certain", "none"),
    ("our planner's job timeout", Ending(error="JobTimedOut"), "job_timeout", "certain", "none"),
    ("the machine's timeout", Ending(error="Execution.TIMED_OUT"), "job_timeout", "certain", "none"),
    ("25,000 events",
     refused("States.Runtime", "The execution reached the maximum number of history events (25000)."),
     "history_limit", "certain", "none"),
    ("data limit",
     refused("States.DataLimitExceeded", "The state/task 'plan_next_step' returned a result with a size exceeding "
             "the maximum number of bytes service limit."),
     "data_limit", "certain", "none"),
    ("a path that selects nothing",
     refused("States.Runtime", "An error occurred while executing the state 'run' (entered at the event id #7). "
             "The JSONPath '$.nothing' could not be found in the input"),
     "state_machine_bug", "certain", "none"),
    ("parameter path", refused("States.ParameterPathFailure", "invalid path"), "state_machine_bug", "certain", "none"),
    ("result path", refused("States.ResultPathMatchFailure", ""), "state_machine_bug", "certain", "none"),
    ("no choice", refused("States.NoChoiceMatched", ""), "state_machine_bug", "certain", "none"),
    ("intrinsic", refused("States.IntrinsicFailure", ""), "state_machine_bug", "certain", "none"),
    ("JSONata", refused("States.QueryEvaluationError", ""), "state_machine_bug", "certain", "none"),
    # Memory.
    ("killed for memory, 137", exits(137, container_reason=OOM), "out_of_memory", "certain", "bigger"),
    ("killed for memory, exit 1", exits(1, container_reason=OOM), "out_of_memory", "certain", "bigger"),
    ("killed for memory, exit 0", exits(0, container_reason=OOM), "out_of_memory", "certain", "bigger"),
    ("killed for memory, no code", exits(None, container_reason=OOM), "out_of_memory", "certain", "bigger"),
    ("Fargate says it of the task, in small letters",
     Ending(stop_code="EssentialContainerExited", stopped_reason="OutOfMemoryError: container killed due to memory "
            "usage", exit_code=137), "out_of_memory", "certain", "bigger"),
    ("too small to start",
     not_started("CannotStartContainerError: Error response from daemon: OCI runtime create failed: container init "
                 "was OOM-killed (memory limit too low?): unknown"), "out_of_memory", "certain", "bigger"),
    ("a neighbour ate the task's memory", exits(137, other_reasons=(f"cache: exit code 137, {OOM}",)),
     "out_of_memory", "likely", "bigger"),
    ("137 and no reason", exits(137), "out_of_memory", "likely", "bigger"),
    # From outside.
    ("Fargate Spot",
     Ending(stop_code="SpotInterruption", stopped_reason="Your Spot Task was interrupted.", exit_code=143,
            capacity_provider="FARGATE_SPOT"), "spot_interruption", "certain", "again_on_demand"),
    ("Spot, killed", Ending(stop_code="SpotInterruption", exit_code=137),
     "spot_interruption", "certain", "again_on_demand"),
    ("Spot by its other stop code",
     Ending(stop_code="TerminationNotice", stopped_reason="Your Spot Task was interrupted."),
     "spot_interruption", "certain", "again_on_demand"),
    ("Spot with a stop code as yet unheard of",
     Ending(stop_code="CapacityReclaimed", stopped_reason="Your Spot Task was interrupted.", exit_code=137),
     "spot_interruption", "certain", "again_on_demand"),
    ("a termination notice alone", Ending(stop_code="TerminationNotice", exit_code=143),
     "spot_interruption", "likely", "again_on_demand"),
    ("the host was terminated",
     Ending(stop_code="TerminationNotice", stopped_reason="Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.",
            launch_type="EC2"), "infrastructure", "certain", "again"),
    ("the host was deregistered", Ending(stopped_reason="Container instance deregistration forced by user"),
     "infrastructure", "certain", "again"),
    ("maintenance",
     Ending(stop_code="ServiceSchedulerInitiated", exit_code=143, stopped_reason="Service jobs: ECS is performing "
            "maintenance on the underlying infrastructure hosting the task"), "infrastructure", "certain", "again"),
    ("unhealthy infrastructure", Ending(stop_code="InfrastructureHealth", exit_code=137),
     "infrastructure", "likely", "again"),
    ("load balancer's health check",
     Ending(stop_code="ServiceSchedulerInitiated", stopped_reason="Task failed ELB health checks in (target-group "
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/t/1)", exit_code=0),
     "health_check", "certain", "application"),
    ("container's health check",
     Ending(stop_code="ServiceSchedulerInitiated", stopped_reason="Task failed container health checks"),
     "health_check", "certain", "application"),
    ("scale-in or deployment",
     Ending(stop_code="ServiceSchedulerInitiated", exit_code=143,
            stopped_reason="Scaling activity initiated by (deployment ecs-svc/1234567890123456789)"),
     "stopped_by_deployment", "certain", "again"),
    ("the scheduler, for its reasons", Ending(stop_code="ServiceSchedulerInitiated", exit_code=137),
     "stopped_by_deployment", "likely", "again"),
    ("a person", Ending(stop_code="UserInitiated", stopped_reason="Task stopped by user", exit_code=137),
     "stopped_by_person", "likely", "none"),
    ("a person, in his own words", Ending(stop_code="UserInitiated", stopped_reason="eats CPU, see ticket"),
     "stopped_by_person", "likely", "none"),
    ("a person, and the container took it well", Ending(stop_code="UserInitiated", exit_code=0),
     "stopped_by_person", "likely", "none"),
    # Other containers.
    ("a sidecar's 137 after a good end",
     exits(0, error="States.TaskFailed", other_reasons=("log_router: exit code 137",), other_exit_codes=(137,)),
     "sidecar_failed", "certain", "none"),
    ("TaskFailedToStart after a good end", not_started("Task failed to start", exit_code=0),
     "sidecar_failed", "likely", "none"),
    ("a neighbour's image after a good end", not_started(f"{PULL} {ECR}/router:9: not found", exit_code=0),
     "sidecar_failed", "likely", "none"),
    ("a good end and a failed state", exits(0, error="States.TaskFailed"), "sidecar_failed", "likely", "none"),
    ("GuardDuty's container",
     not_started(f"{PULL} 593207742271.dkr.ecr.eu-west-1.amazonaws.com/aws-guardduty-agent-fargate:v1: 403 Forbidden"),
     "sidecar_failed", "certain", "none"),
    ("a container that it waits for",
     not_started("CannotStartContainerError: dependent container migrate exited with non-zero status"),
     "sidecar_failed", "likely", "application"),
    ("stopped because a neighbour failed", exits(143, other_exit_codes=(3,), other_reasons=("proxy: exit code 3",)),
     "sidecar_failed", "likely", "application"),
    ("a neighbour's image is missing, and only that container says so",
     Ending(stop_code="TaskFailedToStart", stopped_reason="Task failed to start", started=False,
            other_reasons=(f"proxy: exit code unknown, {PULL} proxy:1: not found",)),
     "image_missing", "certain", "none"),
    ("a neighbour failed first and it never ran", Ending(started=False, other_exit_codes=(1,)),
     "sidecar_failed", "likely", "application"),
    ("a log router that the job's own waits for", exits(None, other_exit_codes=(255,)),
     "sidecar_failed", "likely", "application"),
    ("a neighbour ended before it started", not_started("Task failed to start", other_exit_codes=(1,)),
     "sidecar_failed", "likely", "application"),
    ("a neighbour's image is not there",
     not_started("Task failed to start", other_reasons=(f"xray: exit code unknown, {PULL} {ECR}:9: not found",)),
     "image_missing", "certain", "none"),
    ("a neighbour's image comes from a registry that is tired",
     not_started("Task failed to start", other_reasons=("agent: exit code unknown, CannotPullContainerError: "
                 "toomanyrequests: You have reached your pull rate limit",)),
     "image_rate_limited", "certain", "wait"),
    ("only GuardDuty's container says so",
     not_started("Task failed to start", other_reasons=("aws-guardduty-agent-Xy: exit code unknown, "
                 "CannotPullContainerError: denied",)), "sidecar_failed", "certain", "none"),
    # What a person wrote, and what things are called, are not AWS's words.
    *((f"a person who wrote: {words}", Ending(stop_code="UserInitiated", stopped_reason=words, exit_code=143),
       "stopped_by_person", "likely", "none")
      for words in ("OutOfMemory, I think", "health check is red", "draining the queue", "Rate exceeded, throttled",
                    "old task definition", "EFS moves tonight", "RESOURCE:CPU hog", "Parameter Store is rotated")),
    ("a person, though memory ran out",
     Ending(stop_code="UserInitiated", stopped_reason="Task stopped by user", exit_code=137, container_reason=OOM),
     "out_of_memory", "certain", "bigger"),
    ("a forced deregistration", Ending(stop_code="UserInitiated", exit_code=137,
     stopped_reason="Container instance deregistration forced by user"), "infrastructure", "certain", "again"),
    ("an image called throttler", not_started(f"{PULL} docker.io/acme/throttler:v1: not found"),
     "image_missing", "certain", "none"),
    ("an image called denied, without its registry",
     not_started("CannotPullContainerError: Error response from daemon: manifest for acme/denied-parties:v9 not found: "
                 "manifest unknown"), "image_missing", "certain", "none"),
    ("a secret called throttle",
     not_started(ASM + "failed to fetch secret arn:aws:secretsmanager:eu-west-1:1:secret:throttle-AbCdEf from secrets "
                 "manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."),
     "secret_missing", "certain", "none"),
    ("a role called throttle",
     not_started("CannotPullContainerError: pull image manifest has been retried 1 time(s): User: arn:aws:sts::1:"
                 "assumed-role/throttle/x is not authorized to perform: ecr:BatchGetImage"),
     "image_denied", "certain", "none"),
    ("a container that quotes AWS without a name of its own",
     Ending(error="States.TaskFailed", cause="Rate exceeded: ThrottlingException", callback=True),
     "callback_failure", "likely", "application"),
    # Secrets.
    ("secret, no way there",
     not_started(ASM + "failed to fetch secret arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf from "
                 "secrets manager: RequestCanceled: request context canceled caused by: context deadline exceeded. "
                 "Please check your task network configuration."), "secret_missing", "likely", "again"),
    ("secret, not allowed",
     not_started(ASM + "failed to fetch secret arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf from "
                 "secrets manager: AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/exec/0af1 is "
                 "not authorized to perform: secretsmanager:GetSecretValue on resource: db"),
     "secret_missing", "certain", "none"),
    ("secret, not there",
     not_started(ASM + "ResourceNotFoundException: Secrets Manager can't find the specified secret."),
     "secret_missing", "certain", "none"),
    ("parameter, not there",
     not_started(INIT + "unable to retrieve secrets from ssm: service call has been retried 1 time(s): Invalid ssm "
                 "parameters: /jobferry/db"), "secret_missing", "certain", "none"),
    ("parameter on EC2",
     not_started("Fetching secret data from SSM Parameter Store in eu-west-1: invalid parameters: /jobferry/db"),
     "secret_missing", "certain", "none"),
    ("registry auth, no way there",
     not_started(INIT + "unable to retrieve ecr registry auth: service call has been retried 3 time(s): RequestError: "
                 'send request failed caused by: Post "https://api.ecr.eu-west-1.amazonaws.com/": dial tcp '
                 "10.0.3.7:443: i/o timeout."), "secret_missing", "likely", "again"),
    ("registry auth, throttled",
     not_started(INIT + "unable to retrieve ecr registry auth: service call has been retried 3 time(s): "
                 "ThrottlingException: Rate exceeded"), "throttled", "likely", "wait"),
    ("secret, and the rest was cut", not_started(INIT[:70]), "secret_missing", "likely", "none"),
    # Starts that AWS had no room or no patience for.
    ("RunTask throttled",
     refused("ECS.AmazonECSException", "Rate exceeded. " + RUN_TASK.format("ThrottlingException")),
     "throttled", "certain", "wait"),
    ("EC2's throttle as a bad subnet",
     refused("ECS.InvalidParameterException", "Error retrieving subnet information for [subnet-0a1b2c3d]: Rate "
             "exceeded (ErrorCode: Throttling) " + RUN_TASK.format("InvalidParameterException")),
     "throttled", "certain", "wait"),
    ("EC2's throttle as a bad security group",
     refused("ECS.InvalidParameterException", "Error retrieving security group information for [sg-0a1b2c3d]: Request "
             "limit exceeded. (ErrorCode: RequestLimitExceeded)"), "throttled", "certain", "wait"),
    ("no memory on any host",
     refused("AmazonECS.Unknown", '{"Failures":[{"Arn":"arn:aws:ecs:eu-west-1:111122223333:container-instance/a",'
             '"Reason":"RESOURCE:MEMORY"}],"Tasks":[]}'), "capacity", "certain", "wait"),
    ("no CPU on any host", not_started("RESOURCE:CPU"), "capacity", "certain", "wait"),
    ("no interface on any host", not_started("RESOURCE:ENI"), "capacity", "certain", "wait"),
    ("no Fargate capacity",
     not_started("Capacity is unavailable at this time. Please try again later or in a different availability zone"),
     "capacity", "certain", "wait"),
    ("vCPU quota, with a typographer's apostrophe",
     refused("AmazonECS.Unknown", "You\N{RIGHT SINGLE QUOTATION MARK}ve reached the limit on the number of vCPUs you "
             "can run concurrently"), "quota_used_up", "certain", "wait"),
    ("larger than the account may", refused("AmazonECS.Unknown", "The requested CPU configuration is above your limit"),
     "capacity", "certain", "none"),
    ("short of memory, in ECS's general error",
     refused("ECS.AmazonECSException", "The closest matching container-instance has insufficient memory available."),
     "capacity", "certain", "wait"),
    ("an agent that is away", not_started("AGENT"), "capacity", "likely", "wait"),
    ("an empty cluster",
     refused("ECS.InvalidParameterException", "No Container Instances were found in your cluster. "
             + RUN_TASK.format("InvalidParameterException")), "capacity", "likely", "wait"),
    ("failures and nothing else", refused("AmazonECS.Unknown", ""), "capacity", "guess", "wait"),
    ("ECS's general error and nothing else", refused("ECS.AmazonECSException", "null"), "capacity", "guess", "wait"),
    # Network interfaces.
    ("interface, too slow", not_started("Timeout waiting for network interface provisioning to complete."),
     "network_interface", "likely", "again"),
    ("interface, too slow, as Batch words it",
     not_started("Network interface provision complete error timeout wait for network interface provision."),
     "network_interface", "likely", "again"),
    ("subnet out of addresses",
     not_started("Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-0a1b2c3d': "
                 "InsufficientFreeAddressesInSubnet"), "network_interface", "certain", "wait"),
    ("subnet out of addresses, and the rest was cut",
     not_started("Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled "
                 "in subnet 'subnet-0a1b2c3d'"), "network_interface", "certain", "wait"),
    ("interface, and AWS's own rights lag",
     not_started("Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-0a1b2c3d': "
                 "AuthFailure"), "network_interface", "likely", "again"),
    ("interface, against a tag policy",
     not_started("Unexpected EC2 error while attempting to tag the network interface: TagPolicyViolation"),
     "network_interface", "certain", "none"),
    ("interface on Fargate",
     not_started("ResourceInitializationError: failed to configure ENI: failed to setup regular eni: netplugin "
                 "failed with no error message"), "network_interface", "likely", "again"),
    # Images.
    ("tag not there", not_started(f"{PULL} {ECR}:v9: {ECR}:v9: not found"), "image_missing", "certain", "none"),
    ("only the container says so", not_started("Task failed to start", container_reason=f"{PULL} {ECR}:v9: not found"),
     "image_missing", "certain", "none"),
    ("manifest unknown",
     not_started("CannotPullContainerError: Error response from daemon: manifest for acme/thumbs:v9 not found: "
                 "manifest unknown: manifest unknown"), "image_missing", "certain", "none"),
    ("repository not there",
     not_started("CannotPullContainerError: API error (404): repository acme/thumbs not found"),
     "image_missing", "certain", "none"),
    ("wrong platform",
     not_started("CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest does not "
                 "contain descriptor matching platform 'linux/amd64'."), "image_missing", "certain", "none"),
    ("ECR refuses",
     not_started("CannotPullContainerError: inspect image has been retried 1 time(s): failed to resolve ref "
                 f'"{ECR}:v9": unexpected status code [manifests v9]: 403 Forbidden'),
     "image_denied", "certain", "none"),
    ("ECR refuses, as AWS words it now",
     not_started("CannotPullContainerError: The task can\N{RIGHT SINGLE QUOTATION MARK}t pull the image. Check that "
                 "the role has the permissions to pull images from the registry."), "image_denied", "certain", "none"),
    ("Docker Hub denies or does not know",
     not_started("CannotPullContainerError: Error response from daemon: pull access denied for acme/thumbs, repository "
                 "does not exist or may require 'docker login': denied: requested access to the resource is denied"),
     "image_denied", "likely", "none"),
    ("Docker Hub's limit",
     not_started("CannotPullContainerError: inspect image has been retried 5 time(s): httpReaderSeeker: failed open: "
                 "unexpected status code https://registry-1.docker.io/v2/acme/thumbs/manifests/sha256:1f: 429 Too "
                 "Many Requests - Server message: toomanyrequests: You have reached your pull rate limit."),
     "image_rate_limited", "certain", "wait"),
    ("a registry's rate, in RunTask's words",
     not_started("CannotPullContainerError: Error response from daemon: toomanyrequests: Rate exceeded"),
     "image_rate_limited", "certain", "wait"),
    ("Docker Hub denies or does not know, on Fargate",
     not_started(f"{PULL} docker.io/acme/thumbs:v9: pull access denied, repository does not exist or may require "
                 "authorization: server message: insufficient_scope: authorization failed"),
     "image_denied", "likely", "none"),
    ("registry not reached",
     not_started(f'{PULL} docker.io/acme/thumbs:v9: failed to do request: Head "https://registry-1.docker.io/v2/acme/'
                 'thumbs/manifests/v9": dial tcp 203.0.113.7:443: i/o timeout'),
     "image_pull_timeout", "certain", "again"),
    ("registry not reached, old agent",
     not_started("CannotPullContainerError: API error (500): Get https://111122223333.dkr.ecr.eu-west-1.amazonaws.com/"
                 "v2/: net/http: request canceled while waiting for connection"),
     "image_pull_timeout", "certain", "again"),
    ("connection issue, as AWS words it now",
     not_started("CannotPullContainerError: The task cannot pull thumbs:v9 from the Amazon ECR repository. There is a "
                 "connection issue between the task and Amazon ECR. Check your task network configuration."),
     "image_pull_timeout", "certain", "again"),
    ("disk full",
     not_started("CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob1: no space left on device"),
     "disk_full", "certain", "none"),
    ("disk full, as Windows words it",
     not_started("CannotPullContainerError: failed to register layer: There is not enough space on the disk."),
     "disk_full", "certain", "none"),
    ("disk quota",
     not_started("CannotPullContainerError: ref pull has been retried 5 time(s): write /x: disk quota exceeded"),
     "disk_full", "certain", "none"),
    ("its start was refused for good", Ending(error="Jobferry.StartRefused", cause="InvalidName: no"), "start_refused",
     "certain", "none"),
    ("reported without a name", Ending(error="", callback=True, exit_code=1), "callback_failure", "certain",
     "application"),
    ("stopped by a code of next year, and answered with 0",
     Ending(exit_code=0, stop_code="ACodeOfNextYear", stopped_reason="new"), "unknown", "guess", "none"),
    ("pull, and the rest was cut", not_started(f"{PULL} {ECR}"), "image_pull_failed", "guess", "again"),
    # Containers.
    ("no such program",
     not_started('CannotStartContainerError: Error response from daemon: OCI runtime create failed: exec: "convrt": '
                 "executable file not found in $PATH: unknown", exit_code=127),
     "container_cannot_start", "certain", "none"),
    ("not executable",
     not_started('CannotStartContainerError: OCI runtime create failed: exec: "/run.sh": permission denied: unknown'),
     "container_cannot_start", "certain", "none"),
    ("no such device",
     not_started("CannotStartContainerError: Error response from daemon: error gathering device information while "
                 'adding custom device "/dev/dri/renderD130": no such file or directory'),
     "container_cannot_start", "likely", "again"),
    ("cannot create",
     not_started("CannotCreateContainerError: failed to copy file info: failed to chown: operation not permitted"),
     "container_cannot_start", "likely", "again"),
    ("cannot inspect", exits(None, container_reason="CannotInspectContainerError: Could not transition to inspecting"),
     "container_cannot_start", "likely", "again"),
    ("no log group",
     not_started("CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed "
                 "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."),
     "container_cannot_start", "certain", "none"),
    ("no right to the log group",
     not_started("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                 "failed to create Cloudwatch log group: AccessDeniedException: User: x is not authorized to perform: "
                 "logs:CreateLogGroup on resource: y"), "container_cannot_start", "certain", "none"),
    ("no way to the log group",
     not_started("ResourceInitializationError: failed to validate logger args: There is a connection issue between "
                 "the task and Amazon CloudWatch. Check your network configuration. : signal: killed"),
     "container_cannot_start", "likely", "again"),
    ("no volume",
     not_started("ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
                 "mount.nfs4: Connection timed out"), "container_cannot_start", "likely", "none"),
    ("something else is not there", not_started("ResourceInitializationError: failed to start shim"),
     "container_cannot_start", "likely", "none"),
    ("Docker too slow",
     not_started("DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"),
     "infrastructure", "likely", "again"),
    ("containerd too slow",
     not_started("ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m"),
     "infrastructure", "likely", "again"),
    ("storage too slow", not_started("Timeout waiting for EphemeralStorage provisioning to complete."),
     "infrastructure", "likely", "again"),
    # Calls refused.
    ("PassRole",
     refused("ECS.AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/machine/x is not authorized to "
             "perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/task because no identity-based policy"),
     "permission", "certain", "none"),
    ("TagResource, in the general error",
     refused("ECS.AmazonECSException", "User: arn:aws:sts::111122223333:assumed-role/machine/x is not authorized to "
             "perform: ecs:TagResource on resource: t " + RUN_TASK.format("AccessDeniedException")),
     "permission", "certain", "none"),
    ("a role that ECS may not assume",
     refused("ECS.ClientException", "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/task' that was "
             "provided for this task."), "permission", "certain", "none"),
    ("no right to run the state", refused("States.Permissions", "The role is not allowed to"),
     "permission", "certain", "none"),
    ("overrides too long",
     refused("ECS.InvalidParameterException", "Container Overrides length must be at most 8192 "
             + RUN_TASK.format("InvalidParameterException")), "bad_run_task_request", "certain", "none"),
    ("inactive task definition", refused("ECS.ClientException", "TaskDefinition is inactive"),
     "bad_run_task_request", "certain", "none"),
    ("unknown task definition", refused("ECS.ClientException", "TaskDefinition not found."),
     "bad_run_task_request", "certain", "none"),
    ("unknown cluster", refused("ECS.ClusterNotFoundException", "Cluster not found."),
     "bad_run_task_request", "certain", "none"),
    ("wrong launch type",
     not_started("The selected task definition is not compatible with the selected compute strategy."),
     "bad_run_task_request", "certain", "none"),
    ("no host with the attribute", refused("AmazonECS.Unknown", '{"Failures":[{"Reason":"ATTRIBUTE"}]}'),
     "bad_run_task_request", "certain", "none"),
    ("a bad parameter", refused("ECS.InvalidParameterException", "Invalid 'cpu' setting for task"),
     "bad_run_task_request", "certain", "none"),
    ("ECS's own fault", refused("ECS.ServerException", "Service Unavailable. Please try again later."),
     "infrastructure", "likely", "again"),
    # Timeouts.
    ("stage timeout", timed_out(timeout_seconds=3600, duration_seconds=3600),
     "stage_timeout", "certain", "application"),
    ("stage timeout, by Step Functions' StopTask", timed_out(stop_code="UserInitiated", exit_code=137),
     "stage_timeout", "likely", "application"),
    ("callback that ran to its timeout",
     timed_out(callback=True, timeout_seconds=600, heartbeat_seconds=60, duration_seconds=600.4),
     "stage_timeout", "likely", "application"),
    ("heartbeat, by the clock",
     timed_out(callback=True, timeout_seconds=600, heartbeat_seconds=60, duration_seconds=130),
     "heartbeat", "likely", "application"),
    ("heartbeat or timeout", timed_out(callback=True, timeout_seconds=600, heartbeat_seconds=60),
     "heartbeat", "guess", "application"),
    ("heartbeat by name", refused("States.HeartbeatTimeout", ""), "heartbeat", "certain", "application"),
    ("ended well and never reported",
     exits(0, error="States.Timeout", callback=True, heartbeat_seconds=60), "never_reported", "likely", "none"),
    ("crashed and never reported", exits(1, error="States.Timeout", callback=True, heartbeat_seconds=60),
     "application_exit", "certain", "application"),
    ("killed for memory and never reported", exits(137, error="States.Timeout", callback=True, container_reason=OOM),
     "out_of_memory", "certain", "bigger"),
    ("no image, so it never reported", not_started(f"{PULL} {ECR}:v9: not found", error="States.Timeout"),
     "image_missing", "certain", "none"),
    # Planner and containers.
    ("planner raised",
     refused("KeyError", '{"errorMessage":"\'stage\'","errorType":"KeyError","requestId":"1","stackTrace":[]}'),
     "planner_failed", "certain", "none"),
    ("planner not importable", refused("Runtime.ImportModuleError", '{"errorType":"Runtime.ImportModuleError"}'),
     "planner_failed", "certain", "none"),
    ("planner too slow", refused("Sandbox.Timedout", '{"errorMessage":"Task timed out after 3.00 seconds"}'),
     "planner_failed", "certain", "none"),
    ("planner unknown", refused("Lambda.Unknown", "The cause could not be determined"),
     "planner_failed", "certain", "none"),
    ("Lambda's own fault", refused("Lambda.ServiceException", ""), "planner_failed", "certain", "again"),
    ("Lambda throttled", refused("Lambda.TooManyRequestsException", "Rate Exceeded."), "throttled", "certain", "wait"),
    ("a Python name and nothing else", refused("ValueError", "bad stage"), "planner_failed", "guess", "none"),
    ("container reported", Ending(error="BadInput", cause="page 3 is not an image", callback=True),
     "callback_failure", "certain", "application"),
    ("container reported a Python name", Ending(error="ValueError", cause="page 3", callback=True),
     "callback_failure", "certain", "application"),
    ("container reported, then exited", exits(1, error="BadInput", cause="page 3 is not an image"),
     "callback_failure", "certain", "application"),
    ("container most likely reported", refused("BadInput", "page 3"), "callback_failure", "likely", "application"),
    ("container reported without a name", exits(0, error="States.TaskFailed", callback=True),
     "callback_failure", "likely", "application"),
    ("container quotes AWS", Ending(error="S3Failed", cause="AccessDenied: Rate exceeded", callback=True),
     "callback_failure", "certain", "application"),
    # Exit codes.
    ("exit 1", exits(1), "application_exit", "certain", "application"),
    ("exit 1, and a sidecar was stopped", exits(1, other_exit_codes=(143,), other_reasons=("proxy: exit code 143",)),
     "application_exit", "certain", "application"),
    ("exit 126", exits(126), "application_exit", "certain", "none"),
    ("exit 127", exits(127), "application_exit", "certain", "none"),
    ("exit 134", exits(134), "application_exit", "certain", "application"),
    ("exit 139", exits(139), "application_exit", "certain", "application"),
    ("exit 143", exits(143), "application_exit", "likely", "application"),
    ("exit 140", exits(140), "application_exit", "certain", "application"),
    ("exit 42", exits(42), "application_exit", "certain", "application"),
    ("exit 255", exits(255), "application_exit", "certain", "application"),
    *((f"Windows {code:X}", exits(code), "application_exit", "certain", "application")
      for code in (0xC0000005, 0xC0000017, 0xC00000FD, 0xC0000135, 0xC000013A, 0xC0000409)),
    # As public issues and the agent's own source have them, with made-up names.
    ("nothing to run", not_started("CannotStartContainerError: Error response from daemon: No command specified"),
     "container_cannot_start", "certain", "none"),
    ("nothing to run, old agent", not_started("CannotCreateContainerError: API error (500): No command specified"),
     "container_cannot_start", "certain", "none"),
    ("no such user",
     not_started("CannotStartContainerError: Error response from daemon: unable to find user app: no matching entries "
                 "in passwd file"), "container_cannot_start", "certain", "none"),
    ("a mount onto a file",
     not_started('CannotStartContainerError: OCI runtime create failed: rootfs_linux.go: mounting "/x" to rootfs at '
                 '"/etc/x" caused: not a directory: unknown'), "container_cannot_start", "certain", "none"),
    ("less memory than Docker takes",
     not_started("CannotCreateContainerError: Error response from daemon: Minimum memory limit allowed is 6MB"),
     "container_cannot_start", "certain", "none"),
    ("a port that is taken",
     not_started("CannotStartContainerError: Error response from daemon: driver failed programming external "
                 "connectivity on endpoint e: Bind for 0.0.0.0:8080 failed: port is already allocated"),
     "container_cannot_start", "likely", "again"),
    ("built for another CPU",
     not_started("CannotStartContainerError: failed to create shim task: OCI runtime create failed: exec /app: exec "
                 "format error: unknown"), "container_cannot_start", "certain", "none"),
    ("attestations",
     not_started("CannotPullContainerError: ref pull has been retried 1 time(s): failed to unpack image on snapshotter "
                 "overlayfs: failed to extract layer sha256:1f: failed to get stream processor for application/"
                 "vnd.in-toto+json: no processor for media-type: unknown"), "image_pull_failed", "certain", "none"),
    ("attestations, as Docker words it",
     not_started("CannotPullContainerError: unsupported media type application/vnd.in-toto+json"),
     "image_pull_failed", "certain", "none"),
    ("a certificate of one's own",
     not_started("CannotPullContainerError: Error response from daemon: Get https://registry.example/v2/: x509: "
                 "certificate signed by unknown authority"), "image_pull_failed", "certain", "none"),
    ("another operating system",
     not_started('CannotPullContainerError: image operating system "windows" cannot be used on this platform'),
     "image_missing", "certain", "none"),
    ("the manifest, by the agent's newer name",
     not_started("CannotPullImageManifestError: Error response from daemon: manifest for acme/thumbs:v9 not found: "
                 "manifest unknown: Requested image not found"), "image_missing", "certain", "none"),
    ("ECR, by the agent's name",
     not_started("CannotPullECRContainerError: AccessDeniedException: User: x is not authorized to perform: "
                 "ecr:GetAuthorizationToken on resource: *"), "image_denied", "certain", "none"),
    ("credentials, by the agent's name", not_started("CannotPullContainerAuthError: no basic auth credentials"),
     "image_denied", "certain", "none"),
    ("a key that is not in the secret",
     not_started(ASM + "retrieved secret from Secrets Manager did not contain json key db_user"),
     "secret_missing", "certain", "none"),
    ("a secret that is no JSON",
     not_started(ASM + "invalid character 'h' looking for beginning of value"), "secret_missing", "certain", "none"),
    ("a secret's key in KMS", not_started(ASM + "AccessDeniedException: Access to KMS is not allowed"),
     "secret_missing", "certain", "none"),
    ("a log router",
     not_started("ResourceInitializationError: failed to initialize logging driver: awsfirelens: bad option"),
     "container_cannot_start", "likely", "none"),
    ("an environment file",
     not_started("ResourceInitializationError: failed to download env files: file download command: non empty error "
                 "stream: service call has been retried 3 time(s): S3: GetObject, StatusCode: 403, AccessDenied"),
     "container_cannot_start", "certain", "none"),
    ("an EBS volume", not_started("Timeout waiting for EBS volume attachment to complete."),
     "infrastructure", "likely", "again"),
    ("EFS denies",
     not_started("ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
                 "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'"),
     "container_cannot_start", "likely", "none"),
    ("the container's network", not_started("ContainerNetworkingError: Container failed to get its network"),
     "network_interface", "likely", "again"),
    ("containers that wait for each other",
     not_started("TaskDependencyError: Task dependencies cannot be resolved, taskArn: arn:aws:ecs:eu-west-1:1:task/a"),
     "sidecar_failed", "likely", "application"),
    ("a container that vanished", exits(None, container_reason="ContainerVanishedError: No container matching saved "
                                        "ID found"), "lost", "guess", "again"),
    ("Docker's state is odd", exits(None, container_reason="DockerStateError: cannot get the state"),
     "container_cannot_start", "likely", "again"),
    ("an empty capacity provider", refused("AmazonECS.Unknown", '{"Failures":[{"Reason":"EMPTY CAPACITY PROVIDER"}]}'),
     "capacity", "likely", "wait"),
    ("no GPU on any host",
     refused("ECS.AmazonECSException", "The closest matching container-instance has insufficient GPU resource "
             "available."), "capacity", "certain", "wait"),
    ("no port on any host", refused("ECS.AmazonECSException", "The closest matching container-instance is already "
     "using a port required by your task."), "capacity", "certain", "wait"),
    ("no host with the attribute, in words",
     refused("ECS.AmazonECSException", "The closest matching container-instance is missing an attribute required by "
             "your task."), "bad_run_task_request", "certain", "none"),
    ("no room, told twice", not_started("TaskFailedToStart: RESOURCE:GPU"), "capacity", "certain", "wait"),
    ("Fargate's tasks",
     refused("ECS.ClientException", "You've reached the limit on the number of tasks you can run concurrently"),
     "quota_used_up", "certain", "wait"),
    ("a host that is not there", refused("AmazonECS.Unknown", '{"Failures":[{"Arn":"a","Reason":"MISSING"}]}'),
     "bad_run_task_request", "certain", "none"),
    ("a host that is being drained",
     Ending(stop_code="TerminationNotice", stopped_reason="Managed draining: the container instance is draining"),
     "infrastructure", "certain", "again"),
    ("the host was stopped", Ending(stopped_reason="Host EC2 (instance i-0a1b2c3d4e5f60718) stopped", exit_code=137),
     "infrastructure", "certain", "again"),
    ("retired", Ending(stopped_reason="Task retirement: AWS replaces the host of the task", exit_code=143),
     "infrastructure", "certain", "again"),
    ("Fargate's machine, without a word", Ending(stop_code="EssentialContainerExited", launch_type="FARGATE"),
     "lost", "guess", "again"),
    ("a stop code in small letters", Ending(stop_code="spotinterruption", exit_code=143),
     "spot_interruption", "certain", "again_on_demand"),
    ("a reason in small letters",
     Ending(stop_code="essentialcontainerexited", stopped_reason="outofmemoryerror: container killed due to memory "
            "usage", exit_code=137), "out_of_memory", "certain", "bigger"),
    ("a stop code as yet unheard of", Ending(stop_code="BrandNew", stopped_reason="Something new", exit_code=3),
     "application_exit", "certain", "application"),
    ("on a machine of one's own", exits(2, launch_type="EXTERNAL"), "application_exit", "certain", "application"),
    ("the history, by a name of its own", refused("States.ExecutionHistoryLimitExceeded", ""),
     "history_limit", "certain", "none"),
    ("Lambda's network", refused("Lambda.EC2ThrottledException", ""), "planner_failed", "certain", "again"),
    ("no planner", refused("Lambda.ResourceNotFoundException", "Function not found"),
     "planner_failed", "certain", "none"),
    ("no right to call the planner",
     refused("Lambda.AWSLambdaException", "User: x is not authorized to perform: lambda:InvokeFunction on resource: y"),
     "permission", "certain", "none"),
    # Little is known.
    ("no containers at all", Ending(stop_code="TaskFailedToStart", started=False), "never_started", "likely", "again"),
    ("failed to start, for a new reason", not_started("The moon was in the wrong phase"),
     "never_started", "likely", "again"),
    ("ran, and no exit code", exits(None), "lost", "guess", "again"),
    ("nothing was said", Ending(), "unknown", "guess", "none"),
    ("a cause in no known words", refused("States.TaskFailed", "Something new"), "unknown", "guess", "none"),
)  # fmt: skip

CLASSES = [
    "application_exit",
    "bad_run_task_request",
    "callback_failure",
    "cancelled",
    "capacity",
    "container_cannot_start",
    "data_limit",
    "disk_full",
    "health_check",
    "heartbeat",
    "history_limit",
    "image_denied",
    "image_missing",
    "image_pull_failed",
    "image_pull_timeout",
    "image_rate_limited",
    "infrastructure",
    "job_timeout",
    "lost",
    "network_interface",
    "never_reported",
    "never_started",
    "out_of_memory",
    "permission",
    "planner_failed",
    "quota_used_up",
    "secret_missing",
    "sidecar_failed",
    "spot_interruption",
    "stage_timeout",
    "start_refused",
    "state_machine_bug",
    "stopped_by_deployment",
    "stopped_by_person",
    "throttled",
    "unknown",
]


@pytest.mark.parametrize(("ending", "expected"), [(s[1], s[2:]) for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_a_shape_gets_its_class_confidence_and_remedy(ending: Ending, expected: tuple[str, str, str]) -> None:
    """Every shape of ending that is known is told by its class, how sure that is, and what may be done."""
    found = diagnose(ending)
    assert (found.failure_class, found.confidence, found.remedy) == expected


def test_every_class_of_the_table_is_shown_by_a_shape() -> None:
    """No class can be added, renamed or lost unseen: subscribers filter by them."""
    assert sorted({row.failure_class for row in ROWS}) == CLASSES
    assert sorted({shape[2] for shape in SHAPES}) == CLASSES


def test_every_row_is_reached_by_a_shape() -> None:
    """A row that a row above it always hides would be a lie about the policy."""
    reached = {next(row for row in ROWS if row.evidence(shape[1]) is not None) for shape in SHAPES}
    rare = {"exit code 2", "exit code 125", "exit code 130", "exit code 132", "exit code 135", "exit code 136"}
    hidden = [row for row in ROWS if row not in reached]
    shown = {(row.evidence(Ending(exit_code=code)) or "").split(":")[0] for row in hidden for code in range(256)}
    assert shown - {""} <= rare | {"exit code 141"}
    assert [row for row in hidden if not any(row.evidence(Ending(exit_code=code)) for code in range(256))] == []


def test_every_class_is_paid_for_by_one_budget() -> None:
    """So that an attempt on the record, which has its class alone, is counted where it belongs.

    One that waited for capacity says so itself, and is paid for by none.
    """
    found: dict[str, set[Budget | None]] = {}
    for row in ROWS:
        if row.remedy not in ("none", "wait"):
            found.setdefault(row.failure_class, set()).add(budget_of(row.remedy))
    assert {name: budgets for name, budgets in found.items() if len(budgets) != 1} == {}
    assert all(budget_of_class(name) in budgets for name, budgets in found.items())


EXITS = [
    (126, "could not be executed", "chmod +x"),
    (127, "not found", "PATH"),
    (134, "SIGABRT", "assertion"),
    (137, "SIGKILL", "2048 MiB"),
    (139, "SIGSEGV", "native code"),
    (140, "signal 12 (SIGUSR2)", "log"),
    (143, "SIGTERM", "another container"),
    (42, "42", "Exit code 42"),
]


@pytest.mark.parametrize(("code", "evidence", "action"), EXITS, ids=[str(item[0]) for item in EXITS])
def test_an_exit_code_is_read_right(code: int, evidence: str, action: str) -> None:
    """The evidence says what the code means, and the next action what to look at."""
    found = diagnose(exits(code, memory=2048))
    assert evidence in found.evidence
    assert action in found.next_action


FILLED_IN = [
    (not_started(f"{PULL} {ECR}:v9: not found"), f"{ECR}:v9"),
    (
        refused("ECS.AccessDeniedException", "User: x is not authorized to perform: iam:PassRole on resource: y"),
        "iam:PassRole",
    ),
    (not_started("Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled "
                 "in subnet 'subnet-0a1b2c3d'"), "subnet-0a1b2c3d"),
    (not_started(ASM + "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf: AccessDeniedException: denied"),
     "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf"),
    (exits(1, container_reason=OOM, memory=512), "512 MiB"),
    (timed_out(callback=True, timeout_seconds=600, heartbeat_seconds=60, duration_seconds=130.5), "after 130.5 s"),
    (timed_out(timeout_seconds=90), "90 s"),
]  # fmt: skip


def test_a_platform_is_not_taken_for_an_image() -> None:
    """Though it stands where an image's name does; and what is not named begins the sentence all the same."""
    found = diagnose(not_started("CannotPullContainerError: no matching manifest for linux/arm64/v8 in the list"))
    assert found.next_action.startswith("The image was not built for the task's CPU")


@pytest.mark.parametrize(("ending", "name"), FILLED_IN, ids=[item[1] for item in FILLED_IN])
def test_a_next_action_names_what_to_look_at(ending: Ending, name: str) -> None:
    """Names and numbers out of AWS's words stand in the sentence that a colleague reads."""
    assert name in diagnose(ending).next_action


@pytest.mark.parametrize("code", [0xC0000005, 0xC0000005 - 2**32])
def test_a_windows_code_is_read_with_and_without_its_sign(code: int) -> None:
    """People look it up by its hexadecimal form."""
    assert diagnose(exits(code)).evidence == f"exit code {code} (0xC0000005): access violation"


@pytest.mark.parametrize("ending", [shape[1] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_our_own_words_are_not_redacted(ending: Ending) -> None:
    """What we say to do must not look like a secret to ourselves."""
    assert "[redacted]" not in diagnose(ending).next_action


def test_the_evidence_is_the_line_that_shows_it() -> None:
    """An error that our planner's evidence begins with is not said twice, and lines are joined."""
    cause = "ECS.ServerException: Service\n  Unavailable"
    assert diagnose(refused("ECS.ServerException", cause)).evidence == "ECS.ServerException: Service Unavailable"


PROSE = {
    '{"Failures":[{"Arn":"arn:aws:ecs:eu-west-1:1:container-instance/a","Reason":"RESOURCE:MEMORY"}],"Tasks":[]}':
        "AmazonECS.Unknown: RESOURCE:MEMORY, arn:aws:ecs:eu-west-1:1:container-instance/a",
    '{"Failures":[{"Reason":"AGENT","Detail":"it is away"},{"Reason":"AGENT"},7]}':
        "AmazonECS.Unknown: AGENT, it is away; AGENT",
    '{"Failures":[]}': 'AmazonECS.Unknown: {"Failures":[]}',
    "[1]": "AmazonECS.Unknown: [1]",
}  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "evidence"),
    [
        (Ending(error="States.TaskFailed", cause="error States.TaskFailed"), "error States.TaskFailed"),
        (
            Ending(error="States.TaskFailed", cause="error States.TaskFailed; stop code Y", stop_code="Y", exit_code=0),
            "error States.TaskFailed; stop code Y; exit code 0",
        ),
        (Ending(error="States.TaskFailed", cause="odd"), "error States.TaskFailed; cause odd"),
        (Ending(cause="odd"), "cause odd"),
        (
            Ending(error="", callback=True, cause="the container reported a failure without a name"),
            "the container reported a failure without a name",
        ),
        (
            Ending(error="", callback=True, cause="too dark"),
            "the container reported a failure without a name: too dark",
        ),
    ],
)
def test_evidence_says_each_thing_once(ending: Ending, evidence: str) -> None:
    """Of what the planner gave up on, the cause is the planner's own evidence."""
    assert diagnose(ending).evidence == evidence


@pytest.mark.parametrize(("cause", "evidence"), PROSE.items())
def test_evidence_is_prose_where_the_cause_is_JSON_that_is_known(cause: str, evidence: str) -> None:
    """A person reads it, in an e-mail."""
    assert diagnose(refused("AmazonECS.Unknown", cause)).evidence == evidence


def test_the_planners_error_is_told_by_its_message() -> None:
    """Not by the JSON that Lambda wraps it in."""
    cause = '{"errorMessage":"no such stage","errorType":"KeyError","stackTrace":[]}'
    assert diagnose(refused("KeyError", cause)).evidence == "KeyError: no such stage"


def test_a_reason_that_no_row_knows_is_shown_beside_the_exit_code() -> None:
    """It may be the only word on why."""
    found = diagnose(exits(255, container_reason="exec /app: exec format error"))
    assert found.evidence.startswith("exit code 255: ")
    assert found.evidence.endswith("; exec /app: exec format error")


RESENDING = [
    (Ending(stop_code="SpotInterruption"), True),
    (Ending(stop_code="UserInitiated"), True),
    (Ending(error="Execution.ABORTED"), True),
    (exits(1), False),
    (exits(137, container_reason=OOM), False),
    (Ending(), False),
]


@pytest.mark.parametrize(("ending", "helps"), RESENDING, ids=[diagnose(item[0]).failure_class for item in RESENDING])
def test_whether_sending_it_again_may_help(ending: Ending, helps: bool) -> None:
    """What passes by itself, or was nobody's fault, may be sent again; a bug or too little memory stays."""
    assert retryable(diagnose(ending)) is helps


# Causes.


def task(**changes: Any) -> dict[str, Any]:
    """A stopped task as the cause of a States.TaskFailed holds it, its keys in AWS's order."""
    arn = "arn:aws:ecs:eu-west-1:111122223333:task/jobs/0123456789abcdef0123456789abcdef"
    return {
        "Attachments": [{"Details": [{"Name": "subnetId", "Value": "subnet-0a1b2c3d"}], "Type": "eni"}],
        "CapacityProviderName": "FARGATE_SPOT",
        "Containers": [
            {"ExitCode": 137, "Name": "log_router", "TaskArn": arn},
            {"ExitCode": 0, "Name": "main", "Reason": OOM, "RuntimeId": "0123-4", "TaskArn": arn},
        ],
        "Cpu": "256",
        "LaunchType": "FARGATE",
        "Memory": "512",
        "Overrides": {"ContainerOverrides": [{"Command": ["echo", 'AccessDenied, "}]'], "Name": "main"}]},
        "StartedAt": 1700000000123,
        "StopCode": "EssentialContainerExited",
        "StoppedReason": ESSENTIAL,
        "TaskArn": arn,
        **changes,
    }


def test_a_cause_that_is_a_task_is_read() -> None:
    """What the diagnosis needs is taken out of the task: its end, and each container's."""
    read = read_task_cause(json.dumps(task()))
    assert read is not None
    assert read.task_arn is not None and read.task_arn.endswith("89abcdef")
    assert (read.stop_code, read.stopped_reason, read.memory) == ("EssentialContainerExited", ESSENTIAL, 512)
    assert (read.launch_type, read.capacity_provider) == ("FARGATE", "FARGATE_SPOT")
    assert read.started and read.whole
    assert [(item.name, item.exit_code) for item in read.containers] == [("log_router", 137), ("main", 0)]


def test_the_own_container_decides() -> None:
    """A sidecar's 137 before a main container's 0 is told as another container's; order does not matter."""
    ending = ending_of_cause("States.TaskFailed", json.dumps(task()), "main")
    assert (ending.exit_code, ending.container_reason, ending.other_exit_codes) == (0, OOM, (137,))
    assert ending.other_reasons == ("log_router: exit code 137",)
    assert ending.cause is None


def test_an_empty_task_never_started() -> None:
    """No containers, no start and no exit code are not a success, and not a run that got lost."""
    raw = task(Containers=[], StartedAt=None, StopCode="TaskFailedToStart", StoppedReason="Task failed to start")
    ending = ending_of_cause("States.TaskFailed", json.dumps(raw), "main")
    assert (ending.exit_code, ending.started) == (None, False)
    assert diagnose(ending).failure_class == "never_started"


def test_camel_case_and_a_run_task_answer_are_read_as_well() -> None:
    """The wire's own spelling, and a task in the list of RunTask's answer, mean the same."""
    camel = read_task_cause('{"tasks":[{"containers":[{"name":"main","exitCode":3}],"stopCode":"UserInitiated"}]}')
    assert camel is not None and camel.stop_code == "UserInitiated" and camel.containers[0].exit_code == 3


@pytest.mark.parametrize("cut", range(520, len(json.dumps(task())), 7))
def test_a_cut_cause_keeps_what_stands_before_the_cut(cut: int) -> None:
    """Wherever AWS cuts the text, exit codes before the cut are known, and nothing is made up."""
    read = read_task_cause(json.dumps(task())[:cut])
    assert read is not None and not read.whole
    assert read.task_arn is not None
    assert [(item.name, item.exit_code) for item in read.containers] == [("log_router", 137), ("main", 0)]
    assert read.stop_code in (None, "EssentialContainerExited")


def test_a_cut_within_a_container_keeps_its_exit_code() -> None:
    """A container that is cut in half is still known by what was said of it."""
    text = json.dumps(task())
    read = read_task_cause(text[: text.index('"Reason"')])
    assert read is not None and [item.exit_code for item in read.containers] == [137, 0]


NO_TASKS = {
    "empty": "",
    "null": "null",
    "number": "3",
    "list": "[]",
    "string": '"task"',
    "prose": "Rate exceeded",
    "lambda": '{"errorType":"KeyError"}',
    "stub": '{"Overr',
    "deep": "[" * 30_000,
    "no task in the answer": '{"Tasks":[]}',
}


@pytest.mark.parametrize("cause", NO_TASKS.values(), ids=NO_TASKS.keys())
def test_what_is_no_task_is_left_as_it_is(cause: str) -> None:
    """Causes are often not JSON, or other JSON: then they are kept as prose."""
    assert read_task_cause(cause) is None
    assert ending_of_cause("States.TaskFailed", cause, "main").cause == cause


def test_a_task_as_ecs_tells_of_it_ends_alike() -> None:
    """ECS's own event and Step Functions' cause of one task give one diagnosis."""
    stopped = TaskChanged(
        job_id="thumbs-42",
        arn="arn:aws:ecs:eu-west-1:111122223333:task/0123456789abcdef",
        version=6,
        last_status="STOPPED",
        stop_code="EssentialContainerExited",
        stopped_reason=ESSENTIAL,
        launch_type="FARGATE",
        capacity_provider="FARGATE_SPOT",
        memory="512",
        started_at=1700000000.123,
        containers=(
            ContainerState(name="main", exit_code=0, reason=OOM, runtime_id="0123-4"),
            ContainerState(name="log_router", exit_code=137),
        ),
    )
    by_cause = ending_of_cause("States.TaskFailed", json.dumps(task()), "main")
    assert ending_of_task(stopped, "main", "States.TaskFailed", json.dumps(task())) == by_cause


# Redaction.


def test_a_signed_url_is_redacted_in_evidence_and_action() -> None:
    """Both sentences of a diagnosis are safe to send."""
    signature = "5e" * 32
    ref = f"https://b.s3.amazonaws.com/layer?X-Amz-Signature={signature}"
    found = diagnose(not_started(f"CannotPullContainerError: ref {ref}: 403 Forbidden"))
    assert signature not in found.evidence + found.next_action


# Whatever is said.

KNOWN_WORDS = sorted(
    {
        word
        for _, ending, *_ in SHAPES
        for word in (ending.error, ending.cause, ending.stopped_reason, ending.container_reason, ending.stop_code)
        if word is not None
    }
)
WORDS = st.one_of(st.none(), st.text(max_size=60), st.sampled_from(KNOWN_WORDS))
NUMBERS = st.one_of(st.none(), st.integers(-(2**40), 2**40))
SECONDS = st.one_of(st.none(), st.floats(allow_nan=True))


@given(
    st.builds(
        Ending,
        stop_code=WORDS,
        stopped_reason=WORDS,
        exit_code=st.one_of(NUMBERS, st.integers(0, 255)),
        container_reason=WORDS,
        other_reasons=st.lists(st.text(max_size=40), max_size=3).map(tuple),
        other_exit_codes=st.lists(st.integers(0, 255), max_size=3).map(tuple),
        started=st.booleans(),
        error=WORDS,
        cause=WORDS,
        callback=st.booleans(),
        memory=NUMBERS,
        timeout_seconds=SECONDS,
        heartbeat_seconds=SECONDS,
        duration_seconds=SECONDS,
    )
)
def test_a_diagnosis_always_says_something(ending: Ending) -> None:
    """Whatever AWS says, the diagnosis is one of the known classes, on one line that is not empty."""
    found = diagnose(ending)
    assert found.failure_class in CLASSES
    assert found.evidence.strip() and found.next_action.strip()
    assert "\n" not in found.evidence + found.next_action
    assert found == diagnose(replace(ending))


@given(st.text(max_size=200), st.integers(0, 2000))
def test_any_cause_can_be_read(text: str, cut: int) -> None:
    """Neither prose nor JSON that was cut or spoilt anywhere stops the planner."""
    whole = json.dumps(task())
    for cause in (text, whole[:cut] + text, text + whole[cut:]):
        assert isinstance(diagnose(ending_of_cause("States.TaskFailed", cause, "main")), Diagnosis)


def test_a_class_that_no_row_has_is_judged_anew() -> None:
    """A newer planner may know one more; what this table sees is better than nothing."""
    ending = Ending(exit_code=3)
    assert diagnose_as_classified(ending, "of_tomorrow", "x") == diagnose(ending)


def test_a_class_that_the_table_finds_too_keeps_its_own_words() -> None:
    """Nothing was known that the ending does not tell."""
    ending = Ending(exit_code=3)
    assert diagnose_as_classified(ending, diagnose(ending).failure_class, "x") == diagnose(ending)


def test_who_knew_more_of_an_ending_is_believed() -> None:
    """His class and his evidence hold; what to do supposes the least that the class knows."""
    found = diagnose_as_classified(Ending(exit_code=1), "spot_interruption", "Your Spot Task was interrupted.")
    assert (found.failure_class, found.evidence) == ("spot_interruption", "Your Spot Task was interrupted.")
    assert found.confidence == "likely"
    assert diagnose_as_classified(Ending(exit_code=1), "unknown", "x").confidence == "guess"


@pytest.mark.parametrize(
    ("failure_class", "wide"), [("throttled", True), ("quota_used_up", True), ("capacity", False), ("unknown", False)]
)
def test_which_refusals_meet_every_start_of_the_account(failure_class: str, wide: bool) -> None:
    """All others concern one image, one kind of host or some subnets."""
    assert is_account_wide(failure_class) is wide
