"""Everything the doctor looks at, in the order of a job's way."""

from __future__ import annotations

from service.operator.doctor import caller, machine, queues, rules, storage
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Check
from service.operator.doctor.images import image_checks

CHECKS = (
    Check("credentials", "accepted, of the right account and region", caller.credentials),
    Check("clock", "agrees with AWS's", caller.clock),
    Check("request queue", "encrypted, with a dead-letter queue", queues.request_queue),
    Check("event queue", "encrypted, with a dead-letter queue, and lets the rules in", queues.event_queue),
    Check("control queue", "encrypted, with a dead-letter queue", queues.control_queue),
    Check("execution rule", "enabled; every change of an execution reaches the event queue", rules.execution_rule),
    Check("task rule", "enabled; every task of a job reaches the event queue", rules.task_rule),
    Check("dead requests", "none", queues.request_dead_letters),
    Check("dead events", "none", queues.event_dead_letters),
    Check("dead control", "none", queues.control_dead_letters),
    Check("undelivered events", "none", queues.undelivered_events),
    Check("topic", "has subscribers, whose filters can match", storage.topic),
    Check("bucket", "encrypted, shut to the public", storage.bucket),
    Check("table", "active, with its index and its time to live", storage.table),
    Check("state machine", "active, and defined as in this version", machine.state_machine),
    Check("planner", "its function is active", machine.planner),
    Check("cluster", "active, with the catalogue's capacity providers", machine.cluster),
    Check("quotas", "Fargate has room for the largest image", machine.quotas),
)


def checks_of(deployment: Deployment) -> list[Check]:
    """All checks of a deployment, its images among them."""
    return [*CHECKS, *image_checks(deployment)]
