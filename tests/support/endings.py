"""The ends that AWS tells of, in AWS's own words, and what the diagnosis must make of each."""

from __future__ import annotations

from typing import Any

from service.core.diagnosis.ending import Ending

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
