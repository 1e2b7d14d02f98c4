"""Keep a notification within SNS's size, by leaving out what is needed least, and saying so."""

from __future__ import annotations

import json
from collections.abc import Callable

from schemas.notification import AttemptReport, ContainerReport, JobNotification, LogReceipt, StageReport
from service.core.telling.letter import as_text

# 262,144 bytes with the attributes counted [botocore, Publish]; the attributes and their names are well under this.
_ATTRIBUTES_BYTES = 2_048
LONGEST_MESSAGE_BYTES = 262_144 - _ATTRIBUTES_BYTES
_FEW_PROBLEMS = 10

_Step = Callable[[JobNotification], JobNotification]


def fitted(notification: JobNotification) -> JobNotification:
    """The notification, shortened step by step until SNS takes it; `left_out` names the steps."""
    for name, step in _STEPS:
        if message_bytes(notification) <= LONGEST_MESSAGE_BYTES:
            return notification
        shorter = step(notification)
        if shorter != notification:
            shorter = shorter.model_copy(update={"left_out": (*notification.left_out, name)})
            notification = shorter.model_copy(update={"text": as_text(shorter)})
    return notification


def message_bytes(notification: JobNotification) -> int:
    """The size of the message as SNS counts it: JSON within JSON, and the text beside it."""
    structured = {"default": notification.model_dump_json(), "email": notification.text}
    return len(json.dumps(structured, ensure_ascii=False).encode())


def _without_links_of_passed(notification: JobNotification) -> JobNotification:
    return _stages(notification, lambda stage: _logs(stage, _unlinked) if stage.status == "PASSED" else stage)


def _without_console_links(notification: JobNotification) -> JobNotification:
    return _stages(notification, lambda stage: _logs(stage, lambda log: log.model_copy(update={"console_url": None})))


def _without_containers_of_passed(notification: JobNotification) -> JobNotification:
    return _stages(notification, lambda stage: _bare(stage) if stage.status == "PASSED" else stage)


def _without_passed_stages(notification: JobNotification) -> JobNotification:
    kept = tuple(stage for stage in notification.stages if stage.status == "FAILED")
    return notification.model_copy(update={"stages": kept[-10:]})


def _without_earlier_attempts(notification: JobNotification) -> JobNotification:
    return _stages(notification, lambda stage: stage.model_copy(update={"attempts": stage.attempts[-1:]}))


def _without_any_stage(notification: JobNotification) -> JobNotification:
    return notification.model_copy(update={"stages": ()})


def _without_further_problems(notification: JobNotification) -> JobNotification:
    if notification.rejection is None:
        return notification
    first = notification.rejection.model_copy(update={"problems": notification.rejection.problems[:_FEW_PROBLEMS]})
    return notification.model_copy(update={"rejection": first})


# In this order: what can be found again by its S3 key first, the failed stage last.
_STEPS: tuple[tuple[str, _Step], ...] = (
    ("links to the logs of stages that passed", _without_links_of_passed),
    ("console links", _without_console_links),
    ("containers of stages that passed", _without_containers_of_passed),
    ("stages that passed or did not run", _without_passed_stages),
    ("attempts before the last", _without_earlier_attempts),
    ("all stages", _without_any_stage),
    (f"reasons after the first {_FEW_PROBLEMS}", _without_further_problems),
)


def _stages(notification: JobNotification, change: Callable[[StageReport], StageReport]) -> JobNotification:
    return notification.model_copy(update={"stages": tuple(map(change, notification.stages))})


def _bare(stage: StageReport) -> StageReport:
    return _attempts(stage, lambda attempt: attempt.model_copy(update={"containers": ()}))


def _logs(stage: StageReport, change: Callable[[LogReceipt], LogReceipt]) -> StageReport:
    def container(item: ContainerReport) -> ContainerReport:
        return item.model_copy(update={"log": change(item.log)}) if item.log else item

    return _attempts(
        stage, lambda attempt: attempt.model_copy(update={"containers": tuple(map(container, attempt.containers))})
    )


def _attempts(stage: StageReport, change: Callable[[AttemptReport], AttemptReport]) -> StageReport:
    return stage.model_copy(update={"attempts": tuple(map(change, stage.attempts))})


def _unlinked(log: LogReceipt) -> LogReceipt:
    return log.model_copy(update={"link": None})
