"""The table of failures: what shows them, how sure we are, what the planner may do, and what a person should do.

The first row that matches wins, so the order is the policy:

1. verdicts on the whole execution, since they stop tasks, whose exit codes are then only echoes;
2. memory, where AWS names it: that is certain whatever the exit code, which may be 0, 1, 137 or none at all;
3. ends that came from outside (Spot, host, health check, deployment), which leave a 137 or 143 behind;
4. other containers, once the job's own has ended well: from here on a reason may be about its neighbour's image;
5. starts that failed, which need no exit code, and calls of RunTask that were refused;
6. timeouts, before the person whom Step Functions' own StopTask looks like, and before the codes it causes;
7. what the planner or the container itself reported, which says more than an exit code;
8. exit codes; then the ends of which only little, or nothing, is known.

Within a group the narrower row stands first. AWS cuts reasons at their end (at 255 characters, now 1,024:
containers-roadmap #1133), so a row wants the name near the beginning and takes details from anywhere.
Sources are named as: ECS guide = Amazon ECS developer guide, troubleshooting pages; agent = amazon-ecs-agent.
"""

from __future__ import annotations

from schemas.notification import Confidence
from service.core.diagnosis.ending import stopped_from_outside, succeeded
from service.core.diagnosis.evidence import (
    Remedy,
    Row,
    any_of,
    exited,
    exited_on_windows,
    failed_to_start,
    failed_with,
    is_ours_to_name,
    may_have_missed_a_heartbeat,
    missed_a_heartbeat,
    never_ran,
    never_reported,
    nothing_better,
    others_failed,
    others_said,
    out_of_time,
    ran_out_of_time,
    reported_back,
    reported_without_a_name,
    said,
    said_of_own,
    signalled,
    stop_code,
    stopped_with_the_task,
    used_up_its_timeout,
    was_a_task,
    when,
    with_its_reason,
)
from service.core.diagnosis.starts import STARTS

_STOPS_EVERYTHING = (
    Row(
        "start_refused", "certain", "none", failed_with(r"Jobferry\.StartRefused\Z"),
        "Nothing was run, and the same request will be refused again: give this line to whoever runs Jobferry.",
    ),
    Row(
        "cancelled", "certain", "none", failed_with(r"Execution\.ABORTED\Z"),
        "Somebody stopped the execution; send the job again if that was not meant.",
    ),
    Row(
        "job_timeout", "certain", "none", failed_with(r"JobTimedOut\Z"),
        "The job as a whole used up its timeout; raise its timeout_seconds, or find in the log what it waited for.",
    ),
    Row(
        "job_timeout", "certain", "none",
        failed_with(r"Execution\.TIMED_OUT\Z"),
        "The execution reached the state machine's own timeout: find in the log what the job waited for.",
    ),
    Row(
        "history_limit", "certain", "none",
        any_of(
            failed_with(r"States\.", "maximum number of history events"),
            failed_with(r"States\.\w*HistoryLimit"),
        ),
        "The execution used up its 25,000 history events; split the job into smaller ones, or allow fewer retries.",
    ),
    Row(
        "data_limit", "certain", "none",
        any_of(
            failed_with(r"States\.DataLimitExceeded"),
            failed_with(r"States\.", "size exceeding the maximum number of bytes"),
        ),
        "A state's data passed 256 KiB; hand large results on through S3 and pass only where they lie.",
    ),
    Row(
        # Step Functions developer guide, error names: every other States.* is about the definition or its data.
        "state_machine_bug", "certain", "none",
        failed_with(r"States\.(?!TaskFailed|Timeout|HeartbeatTimeout|Permissions)"),
        "This is a fault in the state machine, not in the job: give the execution's link to whoever runs Jobferry.",
    ),
)  # fmt: skip

# [agent dockerapi/errors.go OutOfMemoryError; ECS guide out-of-memory; amazon-ecs-agent #2467: exit code 0]
_MEMORY = r"OutOfMemory|OOM-?killed|out of memory|cannot allocate memory"
_OUT_OF_MEMORY = (
    Row(
        "out_of_memory", "certain", "bigger", said_of_own(_MEMORY),
        "It needed more than {memory}: raise the image's memory in the catalogue, or give it smaller input.",
    ),
    Row(
        # On Fargate all containers share the task's memory, so the job's own may die of a neighbour's appetite.
        "out_of_memory", "likely", "bigger",
        when(lambda ending: ending.exit_code in (137, 143, None), others_said(_MEMORY)),
        "Another container of the task ran out of memory and took the job's with it: give the task more than "
        "{memory}, or that container a limit of its own.",
    ),
)  # fmt: skip

# [botocore TaskStopCode; ECS guide spot-interruption-errors, ecs_task_events; containers-roadmap #1565: the stop code
# of a Spot interruption has been SpotInterruption and TerminationNotice]
_FROM_OUTSIDE = (
    Row(
        "spot_interruption", "certain", "again_on_demand",
        any_of(stop_code("SpotInterruption"), said(r"Your Spot Task was interrupted|SpotInterruption")),
        "AWS took the Spot capacity back; send it again, or let the image run on demand if this keeps happening.",
    ),
    Row(
        # Before TerminationNotice: EC2 gives that code too when its host goes, Spot or not.
        "infrastructure", "certain", "again",
        said(r"Host EC2 \(?instance|container instance deregist|\bdraining\b|instance .{0,40}terminated"),
        "The EC2 host went away under the task (scale-in, replacement or Spot); send it again, and look at the Auto "
        "Scaling group's activity if hosts go often.",
    ),
    Row(
        "infrastructure", "certain", "again", said(r"performing maintenance on the underlying|task retirement"),
        "AWS retired the machine that the task ran on; send it again.",
    ),
    Row(
        "spot_interruption", "likely", "again_on_demand", stop_code("TerminationNotice"),
        "ECS had to give the capacity back, most likely Spot; send it again, or let the image run on demand.",
    ),
    Row(
        "infrastructure", "likely", "again", stop_code("InfrastructureHealth"),
        "The machine under the task failed its health checks; send it again.",
    ),
    Row(
        "health_check", "certain", "application", said(r"health ?check"),
        "A health check ended the task; a job needs none, so remove it from the task definition, or make it lenient.",
    ),
    Row(
        # AWS words a scale-in and a deployment alike, by the service's primary deployment.
        "stopped_by_deployment", "certain", "again", said(r"Scaling activity initiated by|ServiceSchedulerInitiated"),
        "A service scaled in or deployed and stopped this task: jobs must not run as tasks of a service.",
    ),
    Row(
        "stopped_by_deployment", "likely", "again", stop_code("ServiceSchedulerInitiated"),
        "A service's scheduler stopped this task: jobs must not run as tasks of a service.",
    ),
)  # fmt: skip

# Step Functions fails a .sync state when any container does [catalogue-pipeline #3377], also one that GuardDuty
# put there [aws-cdk #32877]; the job's own container may have exited 0 before a sidecar started [grand-challenge].
_OTHER_CONTAINERS = (
    Row(
        "sidecar_failed", "certain", "none", when(succeeded, others_failed),
        "The job's own container exited 0, its work is done; look at the container that failed beside it, and make "
        "it non-essential.",
    ),
    Row(
        "sidecar_failed", "likely", "none", when(succeeded, stop_code("TaskFailedToStart")),
        "The job's own container exited 0 before the rest of the task had started; look at the sidecar named here.",
    ),
    Row(
        "sidecar_failed", "likely", "none",
        when(lambda ending: succeeded(ending) and not ending.callback, failed_with(r"States\.TaskFailed")),
        "The job's own container exited 0, yet the state failed: most likely because of a sidecar; look at the task.",
    ),
    Row(
        "sidecar_failed", "certain", "none",
        said(r"aws-guardduty-agent.*CannotPull|(?:CannotPull|has been retried).*aws-guardduty-agent"),
        "The container that GuardDuty adds could not start: let the execution role pull its image, or turn runtime "
        "monitoring off for this cluster.",
    ),
    Row(
        "sidecar_failed", "likely", "application",
        said(r"dependent container|container dependency|dependency graph|TaskDependency"),
        "A container that the job's own waits for did not get as far as it should; look at that one's log first.",
    ),
    Row(
        "sidecar_failed", "likely", "application", when(stopped_with_the_task, others_failed),
        "Another essential container failed first, and ECS then stopped the job's own; look at that one's log first.",
    ),
)  # fmt: skip

# A missed heartbeat has the timeout's error, and neither has a cause [LS heartbeats, timeouts].
_TIMEOUTS = (
    Row(
        "never_reported", "likely", "none", when(never_reported, out_of_time),
        "The container exited 0 and never called SendTaskSuccess: make it report, with its token, before it ends.",
    ),
    Row(
        "heartbeat", "certain", "application", failed_with(r"States\.HeartbeatTimeout"),
        "No heartbeat came for {heartbeat}: see in the log whether the container hung, or call SendTaskHeartbeat.",
    ),
    Row(
        "heartbeat", "likely", "application",
        when(missed_a_heartbeat, out_of_time),
        "It ended after {duration}, before its {timeout}, so a heartbeat was missed for {heartbeat}: see in the log "
        "whether the container hung, or call SendTaskHeartbeat more often.",
    ),
    Row(
        "heartbeat", "guess", "application",
        when(may_have_missed_a_heartbeat, out_of_time),
        "Either no heartbeat came for {heartbeat} or the stage used up {timeout}; AWS does not tell which. See in the "
        "log when the container last did something.",
    ),
    Row(
        "stage_timeout", "certain", "application", when(used_up_its_timeout, out_of_time),
        "The stage used up {timeout}: see in the log what it was doing, then raise timeout_seconds or speed it up.",
    ),
    Row(
        "stage_timeout", "likely", "application", when(ran_out_of_time, out_of_time),
        "The stage used up {timeout}: see in the log what it was doing, then raise timeout_seconds or speed it up.",
    ),
    Row(
        "stopped_by_person", "likely", "none", any_of(stop_code("UserInitiated"), said(r"^Task stopped by")),
        "Somebody, or something with the right to, called StopTask: CloudTrail says who. Send it again if not meant.",
    ),
)  # fmt: skip

_PYTHON_EXCEPTION = r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Timeout)\Z"
_REPORTED = (
    Row(
        "planner_failed", "certain", "none",
        when(is_ours_to_name, failed_with(r"", r'^\s*\{(?s:.*)"errorType"\s*:')),
        "The planner itself failed, not the job: look at the log of the plan_next_step function for {error}.",
    ),
    Row(
        "callback_failure", "certain", "application", when(reported_back, failed_with(r"")),
        "The container reported this failure itself, as {error}: its own documentation and log say what it means.",
    ),
    Row(
        "callback_failure", "certain", "application", reported_without_a_name,
        "The container reported a failure without a name: give SendTaskFailure an error and a cause, and see its log.",
    ),
    Row(
        "callback_failure", "likely", "application",
        when(lambda ending: ending.callback, failed_with(r"States\.TaskFailed\Z")),
        "The container reported a failure without a name: give SendTaskFailure an error and a cause, and see its log.",
    ),
    Row(
        "planner_failed", "guess", "none", when(is_ours_to_name, failed_with(_PYTHON_EXCEPTION)),
        "No container is known to have run, so the planner most likely raised {error}: look at the log of the "
        "plan_next_step function. If a container reports errors by this name, look at its log.",
    ),
    Row(
        "callback_failure", "likely", "application", when(is_ours_to_name, failed_with(r"")),
        "The container most likely reported this failure itself, as {error}: its own documentation and log say more.",
    ),
)  # fmt: skip

_EXIT_CODES: tuple[tuple[int, str, Confidence, Remedy, str], ...] = (
    (1, "the program failed", "certain", "application", "The log's last lines should say why."),
    (2, "the program failed, often over its arguments", "certain", "application",
     "Check the stage's command and arguments, then the log's last lines."),
    (125, "the container could not be run", "likely", "none", "Check the options of the task definition."),
    (126, "the command was found but could not be executed", "certain", "none",
     "Make it executable (chmod +x), and check its #! line and the CPU architecture it was built for."),
    (127, "the command was not found", "certain", "none",
     "Check the stage's command, the image's PATH, and the #! line or shared library that it needs."),
    (130, "interrupted with SIGINT", "certain", "application", "Something in the container sent it Ctrl-C's signal."),
    (132, "illegal instruction, SIGILL", "certain", "application",
     "It was most likely built for another CPU type than it ran on."),
    (134, "aborted, SIGABRT", "certain", "application",
     "It gave itself up: a failed assertion, or a runtime that found no memory; the log's last lines say which."),
    (135, "bus error, SIGBUS", "certain", "application", "Often /dev/shm or a mapped file was too small."),
    (136, "arithmetic error, SIGFPE", "certain", "application", "Mostly an integer division by zero."),
    (139, "invalid memory reference, SIGSEGV", "certain", "application",
     "A crash in native code: look at native libraries and their versions, and run it with a core dump."),
    (141, "wrote to a closed pipe, SIGPIPE", "certain", "application",
     "A program in the command's pipeline ended before the one that fed it."),
    (143, "told to stop with SIGTERM, and ECS names nobody who stopped it", "likely", "application",
     "See whether another container ended first, or whether something in the container sent the signal."),
    (255, "the program failed with -1, or its code is out of range", "certain", "application",
     "The log's last lines should say why."),
)  # fmt: skip
# [MS-ERREF, NTSTATUS values; dotnet-framework-docker #431, moby #40328]
_WINDOWS_CODES = (
    (0xC0000005, "access violation", "A crash in native code: look at native libraries and their versions."),
    (
        0xC0000017,
        "no memory",
        "Windows gave it no more memory: raise the image's memory in the catalogue, or its page file.",
    ),
    (0xC00000FD, "stack overflow", "Look in the log for a recursion without an end."),
    (0xC0000135, "a DLL was not found", "Check that the image holds the runtime and the DLLs that the program needs."),
    (
        0xC000013A,
        "told to stop with Ctrl-C, and ECS names nobody who stopped it",
        "See whether another container ended first, or whether something in the container sent it.",
    ),
    (0xC0000409, "it gave itself up (fast fail)", "The log's last lines or its crash dump should say why."),
)
_EXITS = (
    Row(
        # A SIGKILL that ECS gives no reason for: it names its own stops, so mostly the kernel acted for want of memory,
        # which ECS does not always notice [amazon-ecs-agent #2467, dagster #17448].
        "out_of_memory", "likely", "bigger",
        exited(137, "killed with SIGKILL, and ECS gives no reason"),
        "Most likely the kernel killed it for want of memory: compare the task's memory metric with {memory}, and "
        "raise it in the catalogue. If memory was free, another container ended first, or something in it killed it.",
    ),
    *(Row("application_exit", sure, remedy, exited(code, meaning), action)
      for code, meaning, sure, remedy, action in _EXIT_CODES),
    *(Row("application_exit", "certain", "application", exited_on_windows(code, meaning), action)
      for code, meaning, action in _WINDOWS_CODES),
    Row("application_exit", "certain", "application", signalled, "Look in the log for what it was doing just then."),
    Row(
        "application_exit", "certain", "application",
        lambda ending: f"exit code {ending.exit_code}" if ending.exit_code else None,
        "Exit code {exit_code} is the program's own: its documentation or the log's last lines say what it means.",
    ),
)  # fmt: skip

_LITTLE_IS_KNOWN = (
    Row(
        "sidecar_failed", "likely", "application", when(never_ran, others_failed),
        "Another container failed, and the job's own did not do its work because of it: look at that one's log first.",
    ),
    Row(
        "never_started", "likely", "again",
        any_of(when(failed_to_start, nothing_better), said(r"Task ?failed ?to ?start")),
        "The task ended before the job's container ran, and AWS does not say why: nothing was done, so send it again.",
    ),
    Row(
        # As after Spot, or a host that is known to be gone, it may have done its work; nobody can say that it did.
        "lost", "guess", "again",
        when(lambda ending: ending.exit_code is None and was_a_task(ending), nothing_better),
        "It ran, and no exit code is known, so nobody can say that it succeeded: most likely its host was lost. Send "
        "it again if doing it twice does no harm.",
    ),
    Row(
        "unknown", "guess", "none",
        when(lambda ending: ending.exit_code == 0 and stopped_from_outside(ending), nothing_better),
        "ECS stopped the task by a code that Jobferry does not know, so its exit code 0 does not mean that its work "
        "was done: read the reason as AWS gave it, and see the log's last lines.",
    ),
    Row(
        "unknown", "guess", "none", nothing_better,
        "Jobferry does not know this failure: read the text as AWS gave it, and tell whoever runs Jobferry.",
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = (
    *_STOPS_EVERYTHING,
    *_OUT_OF_MEMORY,
    *_FROM_OUTSIDE,
    *_OTHER_CONTAINERS,
    *STARTS,
    *_TIMEOUTS,
    *_REPORTED,
    *(row._replace(evidence=with_its_reason(row.evidence)) for row in _EXITS),
    *_LITTLE_IS_KNOWN,
)
