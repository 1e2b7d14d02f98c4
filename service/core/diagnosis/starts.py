"""The part of the table that is about starting: what a task needs before its container runs, and RunTask itself.

Within a group the narrower row stands first: whom a registry throttled it also refused, and a reason that was cut
is a guess. Sources are named as in `diagnosis_table`.
"""

from __future__ import annotations

from service.core.diagnosis.evidence import Row, any_of, failed_with, said

_UNREACHED = (
    r"i/o timeout|deadline exceeded|request ?cancell?ed|Client\.Timeout|context cancell?ed|connection (?:issue|refused"
    r"|reset|timed out)|no such host|TLS handshake|network configuration|(?-i:\bEOF\b)|temporary failure|RequestError"
    r"|signal: killed|nil pointer|invalid argument|Internal Server Error|Bad Gateway|Service Unavailable|dial tcp"
)
_DENIED = r"denied|forbidden|unauthorized|not authorized|no basic auth|authorization failed|permissions? to pull"
_THROTTLED = r"too ?many ?requests|rate limit|rate exceeded|throttl|request ?limit ?exceeded"
_GONE = r"not ?found|can.t find|does ?n.t exist|does not exist|invalid (?:ssm )?parameters|no value"
# ENOSPC and EDQUOT in the words of Linux, ERROR_DISK_FULL in those of Windows; devmapper is Docker's own pool.
_NO_ROOM = (
    r"no space left|\bENOSPC\b|disk quota exceeded|not enough (?:disk )?space|disk (?:is )?full"
    r"|insufficient (?:disk )?space|out of (?:disk )?space|devmapper"
)
_PULL = r"CannotPull|image manifest has been|(?:ref pull|inspect image) has been|can.{0,3}t pull the image"
_SECRET = (
    r"unable to pull secrets|registry auth|retrieve (?:the )?secrets?|Fetching secret|Secrets? Manager"
    r"|Parameter Store|Secret does not exist"
)

# [ECS guide resource-initialization-error; copilot-cli #2095, #3104; minecraft-ondemand #74; agent asm, ssm]
_SECRETS = (
    Row(
        "throttled", "likely", "wait", said(_SECRET, _THROTTLED),
        "Too many tasks asked for {secret} at once; it will pass, or raise the quota if it keeps happening.",
    ),
    Row(
        "secret_missing", "likely", "again", said(_SECRET, _UNREACHED),
        "The task could not reach Secrets Manager, SSM or ECR: check the subnets' route (NAT, public IP or VPC "
        "endpoints) and the security group's port 443.",
    ),
    Row(
        "secret_missing", "certain", "none", said(_SECRET, _DENIED),
        "The task's execution role may not read {secret}: allow it {action}, and the key's kms:Decrypt if it has one.",
    ),
    Row(
        "secret_missing", "certain", "none", said(_SECRET, _GONE),
        "Check that {secret} exists in this Region, under exactly that name, and holds a value.",
    ),
    Row(
        "secret_missing", "certain", "none", said(_SECRET, r"json key|invalid character|looking for beginning"),
        "{secret} was read, and what was asked for is not in it: check that it is JSON, and the key that the task "
        "definition names.",
    ),
    Row(
        "secret_missing", "likely", "none", said(_SECRET),
        "Check {secret}, the execution role's right to read it, and the subnets' way to it.",
    ),
)  # fmt: skip

# [ECS guide task_cannot_pull_image; agent CannotPull*Error; dagster is_transient_task_stopped_reason: EOF and
# "invalid argument" pass]. Docker Hub says "access denied" also where the repository does not exist.
_IMAGES = (
    Row(
        "image_rate_limited", "certain", "wait", said(_PULL, _THROTTLED),
        "The registry's rate limit was hit: pull with credentials, or copy {image} to ECR.",
    ),
    Row(
        "disk_full", "certain", "none", said(rf"{_PULL}|CannotCreate|CannotStart", _NO_ROOM),
        "No disk space was left for the image: give the task more ephemeral storage, or clean the host's disk.",
    ),
    Row(
        "image_pull_timeout", "certain", "again", said(_PULL, _UNREACHED),
        "The registry of {image} could not be reached: if it happens again, check the subnets' route (NAT, public IP "
        "or VPC endpoints for ECR and S3) and the security group's port 443.",
    ),
    Row(
        "image_denied", "likely", "none", said(_PULL, "access denied.*does not exist or may require"),
        "{image} does not exist, or needs credentials: check its name in the task definition, then its credentials.",
    ),
    Row(
        "image_denied", "certain", "none", said(_PULL, _DENIED),
        "The registry refused {image}: check the execution role's ECR rights, the repository's policy, or the "
        "registry's credentials.",
    ),
    Row(
        "image_missing", "certain", "none",
        said(_PULL, r"matching platform|no match for platform|matching manifest|image operating system"),
        "{image} was not built for the task's CPU architecture: build it for that platform, or change the task's.",
    ),
    Row(
        "image_missing", "certain", "none", said(_PULL, rf"{_GONE}|manifest unknown|invalid reference|name unknown"),
        "Push {image}, or correct its name and tag in the task definition.",
    ),
    Row(
        # Attestations of buildx [aws-cdk #30680].
        "image_pull_failed", "certain", "none", said(_PULL, r"media.type"),
        "{image} holds what the container runtime cannot unpack: build it without attestations (docker buildx build "
        "--provenance=false), for one platform.",
    ),
    Row(
        "image_pull_failed", "certain", "none", said(_PULL, r"x509|certificate"),
        "The registry's certificate is not trusted: {image} must come from one that is, or the hosts must trust it.",
    ),
    Row(
        # AWS cut the end, where the cause stood.
        "image_pull_failed", "guess", "again", said(_PULL),
        "AWS does not say why {image} could not be pulled: check that the tag exists and that the subnets reach it.",
    ),
)  # fmt: skip

# [dagster #33439, construct-hub #415, dask-cloudprovider #56: EC2's throttle inside InvalidParameterException;
# neuron_morphology #151; ECS guide api_failures_messages, service-event-messages; cdk-github-runners #341]
_PLACEMENT = (
    Row(
        "throttled", "certain", "wait",
        said(r"ThrottlingException|Error retrieving (?:subnet|security group)|Rate ?(?:limit )?exceeded", _THROTTLED),
        "AWS throttled the start; it passes by itself. If it is frequent, start fewer jobs at once or raise the quota.",
    ),
    Row(
        "capacity", "certain", "none", said(r"(?:CPU|MEMORY) configuration is above your limit"),
        "The size that was asked for is above the account's limit: ask for less, or raise the Fargate quota.",
    ),
    Row(
        "quota_used_up", "certain", "wait", said(r"You.ve reached the limit on the number of"),
        "The account's Fargate quota is used up: run fewer tasks at once, or raise the quota in Service Quotas.",
    ),
    Row(
        "capacity", "certain", "wait",
        said(r"(?-i:RESOURCE:[A-Z])|Capacity is unavailable|insufficient (?:\w+ )?(?:memory|cpu|gpu)"
             r"|already using a port"),
        "There was no room for the task; try later, add subnets in other zones, or let the cluster grow.",
    ),
    Row(
        "capacity", "likely", "wait",
        said(r"No Container Instances were found|EMPTY CAPACITY|NO ACTIVE INSTANCES|unused device|(?-i:\bAGENT\b)"),
        "The cluster had no host ready for the task: check that its hosts are up and their agents connected.",
    ),
)  # fmt: skip

# [ECS guide failed-to-start-error; nabu #1259; dagster (AuthFailure passes); amazon-ecs-agent #4825]
_ENI = r"network interface|ContainerNetworking|(?-i:\bENI\b)|InsufficientFreeAddresses|network namespace"
_NETWORK = (
    Row(
        "network_interface", "certain", "none",
        said(_ENI, r"TagPolicyViolation|UnauthorizedOperation|Invalid(?:Subnet|Group|SecurityGroup)"),
        "EC2 refused the network interface: check the subnets and security groups of the stage, and tag policies.",
    ),
    Row(
        "network_interface", "certain", "wait", said(_ENI, r"free ?addresses|public IP assignment enabled in subnet"),
        "No IP address was free in {subnet}: use larger subnets or more of them, or run fewer tasks at once.",
    ),
    Row(
        "network_interface", "likely", "again", said(_ENI),
        "The task's network interface was not ready in time; this mostly passes. If not, look at {subnet}.",
    ),
)  # fmt: skip

# [ECS guide stopped-task-error-codes; agent errors.go; using_awslogs; CannotCreateContainerError devmapper page]
_RUNTIME = r"Cannot(?:Start|Create|Inspect|Describe)\w*Container|ContainerRuntime|DockerState|OCI runtime"
_CANNOT_START = (
    Row(
        "container_cannot_start", "likely", "again",
        said(r"logger args|logging driver|Cloudwatch log", _UNREACHED),
        "The task could not reach CloudWatch Logs: check the subnets' route and the VPC endpoint for logs.",
    ),
    Row(
        "container_cannot_start", "certain", "none",
        said(r"logger args|logging driver|Cloudwatch log", rf"log ?(?:group|stream)|{_DENIED}|{_GONE}"),
        "The log driver could not start: create the log group that the task definition names, and let the execution "
        "role write to it.",
    ),
    Row(
        "container_cannot_start", "likely", "none", said(r"logger args|logging driver"),
        "The log driver could not start: check its options in the task definition, and that what it logs to exists.",
    ),
    Row(
        "container_cannot_start", "certain", "none", said(r"env(?:ironment)? ?files?\b"),
        "An environment file could not be read: check that it exists in S3, and the execution role's s3:GetObject.",
    ),
    Row(
        "infrastructure", "likely", "again", said(r"(?-i:\bEBS\b)", rf"tim(?:ed|e) ?out|attach|{_UNREACHED}"),
        "The EBS volume was not attached in time; send it again, and check the infrastructure role if it repeats.",
    ),
    Row(
        "container_cannot_start", "likely", "none",
        said(r"(?-i:EFS)|(?i:fsx)|CannotCreateVolume|CannotMount|mount\.nfs|InvalidVolume"),
        "A volume could not be mounted: check the file system, its mount targets and port 2049 of the security groups.",
    ),
    Row(
        "infrastructure", "likely", "again",
        said(r"DockerTimeout|ContainerRuntimeTimeout|CannotStop|InternalError|EphemeralStorage"),
        "The machine or its container runtime did not answer in time; send it again.",
    ),
    Row(
        "container_cannot_start", "certain", "none",
        said(_RUNTIME, r"exec\W.*no such file|executable file|stat /"),
        "The program to run is not in the image: check the command, the entry point and the path.",
    ),
    Row(
        "container_cannot_start", "certain", "none",
        # [amazon-ecs-agent #157, #658: a command of its own is asked for where the image has none]
        said(_RUNTIME, r"no command specified|no command to run"),
        "Neither the image nor the stage says what to run: give the stage a command, or the image an entry point.",
    ),
    Row(
        "container_cannot_start", "certain", "none",
        said(_RUNTIME, r"unable to find (?:user|group)|no matching entries in (?:passwd|group)"),
        "The user that the task definition names is not in the image: correct it, or add it to the image.",
    ),
    Row(
        "container_cannot_start", "certain", "none",
        said(_RUNTIME, r"working directory|Minimum memory limit|invalid (?:cap|mount|volume|user)|not a directory"
             r"|Duplicate mount point|unknown or invalid runtime"),
        "The task definition asks for what the container runtime does not allow: correct what the message names.",
    ),
    Row(
        "container_cannot_start", "certain", "none",
        said(_RUNTIME, r"permission denied|exec format"),
        "The program to run is not executable here: check its mode bits and the CPU architecture it was built for.",
    ),
    Row(
        "container_cannot_start", "likely", "again",
        said(_RUNTIME),
        "The container runtime could not start the container: check the options in the task definition if it repeats.",
    ),
    Row(
        "container_cannot_start", "likely", "none", said(r"ResourceInitializationError"),
        "What the task needs before its containers start was not there: check what the message names.",
    ),
)  # fmt: skip

# [botocore RunTask errors; serverless-step-functions #189, #656; catalogue-pipeline #3684; cdk-github-runners #341]
_REFUSED = (
    Row(
        "permission", "certain", "none", said(r"unable to assume the role|assume role"),
        "ECS may not assume {role}: check that it exists and trusts ecs-tasks.amazonaws.com.",
    ),
    Row(
        "permission", "certain", "none",
        said(r"not authorized to perform|AccessDenied|UnauthorizedOp|States.Permissions"),
        "The state machine's role lacks a right: allow it {action} on what the message names.",
    ),
    Row(
        # Step Functions developer guide, best practices: these are Lambda's own passing faults.
        "planner_failed", "certain", "again",
        failed_with(
            r"Lambda\.(?:ServiceException|AWSLambdaException|SdkClient|TooManyRequests|ClientExecutionTimeout"
            r"|EC2Throttled|EC2Unexpected|ENILimitReached|ResourceNotReady|SnapStart(?:NotReady|Timeout))"
        ),
        "AWS could not run the planner just then; send the job again, and look at Lambda's throttles if it repeats.",
    ),
    Row(
        "planner_failed", "certain", "none", failed_with(r"Lambda\.ResourceNotFound"),
        "The plan_next_step function is not there: deploy the stack again.",
    ),
    Row(
        "planner_failed", "certain", "none", failed_with(r"(?:Lambda|Runtime|Sandbox|Function|Extension)\."),
        "The planner itself failed, not the job: look at the log of the plan_next_step function.",
    ),
    Row(
        "bad_run_task_request", "certain", "none", said(r"Overrides? length must be|at most 8192|overrides? too l"),
        "Command and environment are longer than the 8,192 characters that ECS takes: pass what is large through S3.",
    ),
    Row(
        "bad_run_task_request", "certain", "none", said(r"TaskDefinition|task definition"),
        "Check the task definition that the catalogue names for this image: it must exist, be active, and fit the "
        "launch type.",
    ),
    Row(
        "bad_run_task_request", "certain", "none", said(r"ClusterNotFound|Cluster not found"),
        "The cluster that the state machine names does not exist: deploy the stack again.",
    ),
    Row(
        "infrastructure", "likely", "again", failed_with(r"ECS\.(?:Server|SdkClient)"),
        "ECS itself failed or could not be reached; send it again.",
    ),
    Row(
        "bad_run_task_request", "certain", "none",
        any_of(
            failed_with(r"(?:Amazon)?ECS\.", r"\b(?:MISSING|INACTIVE|ATTRIBUTE|LOCATION)\b|placement constraint"),
            said(r"missing an attribute required"),
        ),
        "No host of the cluster may take this task: check its placement constraints and the hosts' attributes.",
    ),
    Row(
        # Which of the two AWS does not say; both pass [AWS docs connect-ecs; construct-hub].
        "capacity", "guess", "wait", failed_with(r"AmazonECS\.|ECS\.(?:AmazonECS|Limit)"),
        "ECS did not start the task and does not say why, mostly for want of capacity or for throttling; try later.",
    ),
    Row(
        "bad_run_task_request", "certain", "none", failed_with(r"ECS\."),
        "ECS refused the request: correct what the message names in the catalogue or in the stack's network settings.",
    ),
)  # fmt: skip

# The order of the groups counts: a registry and a secret have throttles of their own, so they stand before RunTask's;
# placement stands before the interface (RESOURCE:ENI); and what any message may hold, such as a denial, stands last.
STARTS: tuple[Row, ...] = (*_IMAGES, *_SECRETS, *_PLACEMENT, *_NETWORK, *_CANNOT_START, *_REFUSED)
