"""The promises, checked after each effect. The judge believes the simulated world and its own books, nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from schemas.base import DEFAULT_TENANT
from service.aws.record_items import CHANGES
from tests.sim.ledger import Ledger
from tests.sim.many_judge import BULK_KEY, ManyJudge
from tests.sim.steering import SteeringJudge
from tests.sim.truth import Truth, dict_of, ended_by_itself, fact_in, is_looked_after, place_of
from tests.support.aws.dynamodb import HEAD, Item
from tests.support.aws.ecs import Container
from tests.support.aws.sns import Notice
from tests.support.aws.sqs import Held, SimQueue
from tests.support.aws.state_machine import Refusal
from tests.support.aws.stepfunctions import ENDED, Execution
from tests.support.loop import PROCESS, Process
from tests.support.names import EPOCH, EVENTS_URL, STATE_MACHINE_ARN

# A log that cannot be read for so long may be given up: the worker's log deadline, and some.
_TROUBLE_SECONDS = 1000.0
# For how long an announcement is claimed.
_CLAIM_SECONDS = 60.0
_STEPS = ("STARTED", "STAGE_FINISHED", "RETRYING", "WAITING")
# What a job is never to fail for before its patience is at its end.
_OF_WISHES = {f"r#cancel#{DEFAULT_TENANT}": "cancel", "r#redrive": "redrive"}
_OF_CAPACITY = ("throttled", "quota_used_up", "capacity")
# A last try comes so late at the most: the planner itself may fail for a while.
_SLOW_SECONDS = 180.0
# A subscriber reads a notification within this time, at the least. Clocks of workers differ by so much, at the most.
_LINK_SECONDS = 300.0
_SKEW_SECONDS = 1.0


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and when."""

    step: int
    at: float
    promise: int
    what: str

    def __str__(self) -> str:
        return f"promise {self.promise} broken at {self.at:.3f} s, step {self.step}: {self.what}"


@dataclass
class _Copy:
    """One publishing of a notification, until its publisher has noted it."""

    publisher: Process | None
    call_began_at: float
    stood_still: bool = False
    noted_at: float = math.inf
    excused: bool = False


class Judge:
    """Watches every effect. `stop` is called at the first violation."""

    def __init__(
        self,
        ledger: Ledger,
        truth: Truth,
        when: Callable[[], tuple[int, float]],
        stop: Callable[[], None],
        calm_at: float,
    ) -> None:
        self.violations: list[Violation] = []
        self.announced: dict[str, dict[int, str]] = defaultdict(dict)
        self.earlier: dict[str, set[int]] = defaultdict(set)
        self.second_copies = 0
        self.steps: set[str] = set()
        self.topic_failed = False
        self.delays_after_kills: list[float] = []
        self.queues: tuple[SimQueue, ...] = ()
        self.drain_seconds = 0.0
        self._copies: dict[str, list[_Copy]] = {}
        self._receipts: dict[str, str] = {}
        self._announcing: dict[tuple[str, int], Process | None] = {}
        self._cut_off_at: dict[tuple[str, int], float] = {}
        self.steering = SteeringJudge(ledger, truth, lambda: when()[1], self.accuse, calm_at)
        self.many = ManyJudge(ledger, truth, lambda: when()[1], self.accuse)
        self._ledger = ledger
        self._truth = truth
        self._when = when
        self._stop = stop
        self._calm_at = calm_at

    def accuse(self, promise: int, what: str) -> None:
        """Note a violation, and end the simulation."""
        step, at = self._when()
        self.violations.append(Violation(step, at, promise, what))
        self._stop()

    # Promise 1 and 5: a message is deleted only after its effects are durable.

    def on_delete(self, queue: SimQueue, held: Held) -> None:
        """A message is about to be deleted."""
        if queue.url == EVENTS_URL:
            missing = self._event_missing(held)
        elif held.message_id in self._ledger.bulks:
            missing = self.many.missing()
        elif held.message_id in self._ledger.stops:
            missing = self.many.missing(stop=True)
        elif held.message_id in self._ledger.wishes:
            missing = self.steering.missing(held.message_id)
        else:
            missing = self._request_missing(held)
        if missing:
            self.accuse(1, f"{held.message_id} was deleted, but {missing}")

    def _request_missing(self, held: Held) -> str | None:
        asked = self._ledger.asked[held.message_id]
        rejection = self._truth.record(f"rejected:{held.message_id}")
        if "r#rejection" in rejection:
            return None if is_looked_after(rejection) else "nobody will announce its rejection"
        request = self._truth.request(asked.job_id or "")
        if request is None:
            return "nothing is known of its request"
        if request["user"] != asked.token:
            return "its rival's request is the job, and nothing is known of its own rejection"
        return None if is_looked_after(self._truth.record(str(asked.job_id))) else "nobody looks after its job"

    def _event_missing(self, held: Held) -> str | None:
        try:
            event = json.loads(held.body)
            detail = event["detail"]
            name, _ = _told_of(event)
            item = self._truth.record(name)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        if not item or detail.get("stateMachineArn", STATE_MACHINE_ARN) != STATE_MACHINE_ARN:
            return None
        if not self._knows(name, event["source"], detail):
            return f"what it says of {name} is not in its record"
        return None if is_looked_after(item) else f"nobody looks after {name}"

    def _knows(self, name: str, source: str, detail: dict[str, Any]) -> bool:
        item = self._truth.record(name)
        match source:
            case "aws.states":
                return self._knows_execution(item, detail)
            case "jobferry":
                waits = fact_in(item, "waiting")
                return waits is not None and waits["at"] >= datetime.fromisoformat(detail["at"]).timestamp()
            case _:
                return self._knows_task(name, detail)

    def _knows_execution(self, item: Item, detail: dict[str, Any]) -> bool:
        held = fact_in(item, "execution")
        if held is None:
            return False
        return (held.get("redrive_count", 0), held["status"] in ENDED) >= (
            detail["redriveCount"],
            detail["status"] in ENDED,
        )

    def _knows_task(self, name: str, detail: dict[str, Any]) -> bool:
        """In the head, or beside it where it has stopped; unless the head counts what is there, nobody would look."""
        task = f"task#{detail['taskArn'].rsplit('/', 1)[-1]}"
        head = self._truth.record(name)
        beside = self._truth.record(name, task) if CHANGES in head else {}
        held = fact_in(beside, task) or fact_in(head, task)
        return held is not None and held["version"] >= detail["version"]

    def on_heard(self, held: Held) -> None:
        """An event was heard a while ago, in the calm: a redrive that it shows is known by now."""
        name, redrive = _told_of(json.loads(held.body))
        execution = fact_in(self._truth.record(name), "execution")
        if (execution.get("redrive_count", 0) if execution else 0) < redrive:
            self.accuse(4, f"{held.message_id} shows that {name} was redriven, and nobody has asked")

    # Promise 2: exactly one execution, of the request that is on record.

    def on_start(self, execution: Execution) -> None:
        """An execution begins."""
        if PROCESS.get() is None:
            return
        self.steering.on_start(execution)
        tokens = self._ledger.jobs.get(execution.name, set())
        request = self._truth.request(execution.name)
        if self._truth.token_of(execution) not in tokens:
            self.accuse(2, f"{execution.name} was started for a request that nobody made")
        elif request is None:
            self.accuse(2, f"{execution.name} was started, and its request is not on record")
        elif request["execution_input"] != execution.input:
            self.accuse(2, f"{execution.name} was started with another body than the one on record")

    # Promise 9: success means exit code 0 of the job's own container, and nothing else does.

    def on_end(self, execution: Execution) -> None:
        """An execution has ended."""
        now = execution.now
        if now.error == "States.Runtime":
            self.accuse(9, f"{execution.name}: the state machine itself failed: {now.cause}")
        if now.status == "SUCCEEDED" and not self._truth.every_sync_stage_passed(execution):
            self.accuse(9, f"{execution.name} succeeded, though its own container did not exit with 0")
        self._check_budget(execution)
        if now.status == "FAILED" and now.error == "StageFailed":
            self._check_patience(execution)
            last = json.loads(json.loads(now.cause or "{}")["errorMessage"])["attempts"][-1]
            tasks = [
                task for task in self._truth.tasks_of(execution, last["stage"]) if task.arn == last.get("task_arn")
            ]
            well = any(task.own.exit_code == 0 and ended_by_itself(task) for task in tasks)
            if last.get("error") == "States.TaskFailed" and well:
                self.accuse(9, f"{execution.name} failed, though its own container exited with 0")

    # Promise 7: throttles and missing capacity slow a job down, and fail it only when its budget of time is over.

    def _check_budget(self, execution: Execution) -> None:
        """None waits longer than it may; each refusal after the first is one try more."""
        budget = max(stage["capacity_wait_seconds"] for stage in self._truth.stages_of(execution))
        for wait in self._waits_of(execution):
            if wait[-1].at - wait[0].at > (budget + _SLOW_SECONDS if budget else 0):
                self.accuse(7, f"{execution.name} went on waiting for capacity beyond its {budget} s")

    def _waits_of(self, execution: Execution) -> list[list[Refusal]]:
        refusals = execution.position.refusals
        return [list(group) for _, group in groupby(refusals, key=lambda item: item.wait)]

    def _check_patience(self, execution: Execution) -> None:
        now, waits = execution.now, self._waits_of(execution)
        last = json.loads(json.loads(now.cause or "{}")["errorMessage"])["attempts"][-1]
        if last["failure_class"] not in _OF_CAPACITY or last.get("task_arn"):
            return
        budget = min(stage["capacity_wait_seconds"] for stage in self._truth.stages_of(execution))
        waited = (now.stopped_at or 0) - waits[-1][0].at if waits else 0.0
        if waited < budget - _SKEW_SECONDS:
            self.accuse(7, f"{execution.name} failed for want of capacity after {waited:.0f} s of {budget} s")

    # Promises 3, 6 and 9: announcements.

    def on_publish(self, notice: Notice) -> None:
        """Subscribers are told something."""
        if notice.body["status"] in _STEPS:
            self._check_step(notice)
            return
        subject, count, _ = notice.id.rsplit(":", 2)
        self._measure_delay(subject, int(count))
        known = self.announced[subject].setdefault(int(count), notice.id)
        if known != notice.id:
            self.accuse(3, f"{notice.id} was announced, after {known}")
        self._copy(notice)
        if notice.body["status"] == "REJECTED":
            self._check_rejection(notice, subject)
        else:
            self._check_outcome(notice, subject, int(count))

    # Progress: only where it was asked for, true, and at least once before the outcome, but for trouble with the topic.

    def _check_step(self, notice: Notice) -> None:
        job_id, count, status, stage = (notice.body[name] for name in ("job_id", "redrive_count", "status", "stage"))
        execution = self._truth.states.executions[job_id]
        if self._truth.token_of(execution) not in self._ledger.wants_progress:
            self.accuse(3, f"{notice.id} was told of, and nobody had asked")
        elif notice.id != self._step_id(job_id, count, status, stage):
            self.accuse(3, f"{notice.id} is not the id of {status} {stage} in redrive {count}")
        elif stage and not self._is_true(execution, status, count, stage["stage"], stage["attempt"]):
            self.accuse(9, f"{notice.id} was told of, and is not true")
        elif notice.id not in self.steps and count in self.announced[job_id] and not self.topic_failed:
            self.accuse(3, f"{notice.id} was first told of after the outcome")
        self.steps.add(notice.id)

    def _step_id(self, job_id: str, count: int, status: str, stage: dict[str, Any] | None) -> str:
        if stage is None:
            return f"{job_id}:{count}:{status}"
        return f"{job_id}:{f'{count}:' if count else ''}{status}:{stage['stage']}:{stage['attempt']}"

    def _is_true(self, execution: Execution, status: str, redrive: int, stage: int, attempt: int) -> bool:
        if status == "WAITING":
            return bool(execution.position.refusals)
        if status == "STAGE_FINISHED":
            return self._truth.stage_passed(execution, stage)
        return self._truth.last_attempt_of(execution, stage) > (redrive, attempt)

    def _check_steps(self, notice: Notice, execution: Execution) -> None:
        """By its outcome, all of a job's steps were told of, but those of a redrive that was announced before."""
        if self.topic_failed or self._truth.token_of(execution) not in self._ledger.wants_progress:
            return
        count, stages = notice.body["redrive_count"], notice.body["stages"]
        last = [_last_passed(item["attempts"]) | item for item in stages if item["status"] == "PASSED"]
        due = [self._step_id(execution.name, count, "STARTED", None)]
        due += [
            self._step_id(execution.name, passed["redrive"], "STAGE_FINISHED", passed)
            for passed in last
            if passed["redrive"] == count or passed["redrive"] not in self.announced[execution.name]
        ]
        missing = [step for step in due if step not in self.steps]
        if missing:
            self.accuse(3, f"{notice.id} was announced, and nobody was told of {', '.join(missing)}")

    def _copy(self, notice: Notice) -> None:
        copies, publisher = self._copies.setdefault(notice.id, []), notice.publisher
        self.second_copies += bool(copies)
        stood_still = publisher is not None and publisher.stood_still_in_this_call
        call = publisher.call_began_at if publisher is not None else 0.0
        # Who stands still after the last look whether its claim holds, and whose SDK tries a call again, cannot know.
        if not stood_still and not any((copy.publisher, copy.call_began_at) == (publisher, call) for copy in copies):
            self._check_copies(notice, copies)
        copies.append(_Copy(publisher, call, stood_still))

    def _check_copies(self, notice: Notice, copies: list[_Copy]) -> None:
        for copy in copies:
            dead = copy.publisher is not None and not copy.publisher.alive
            if copy.stood_still and notice.at < copy.noted_at + _CLAIM_SECONDS:
                continue  # It was too late, and who had claimed it meanwhile was about to publish.
            if copy.noted_at < math.inf or not (copy.excused or dead):
                self.accuse(3, f"{notice.id} was announced twice, and nothing had gone wrong in between")

    def on_kill(self, process: Process) -> None:
        """A worker has died: what it was about to announce is left to others."""
        self.steering.somebody_died = True
        for (subject, count), claimant in self._announcing.items():
            if claimant is process and count not in self.announced[subject]:
                self._cut_off_at.setdefault((subject, count), self._when()[1])

    def _measure_delay(self, subject: str, count: int) -> None:
        cut_off_at = self._cut_off_at.pop((subject, count), None)
        if cut_off_at is not None:
            self.delays_after_kills.append(self._when()[1] - cut_off_at)

    def excuse(self, process: Process) -> None:
        """Something went wrong for a worker: what it published and has not noted may have to be said again."""
        for copies in self._copies.values():
            for copy in copies:
                if copy.publisher is process and copy.noted_at == math.inf:
                    copy.excused = True

    def _check_rejection(self, notice: Notice, message_id: str) -> None:
        asked = self._ledger.asked.get(message_id)
        rejection = notice.body["rejection"]
        if asked is None:
            self.accuse(5, f"{message_id} was rejected, but never sent")
        elif asked.good and self._winner(str(asked.job_id)) in {None, asked.token}:
            self.accuse(5, f"{message_id} was rejected, though it is in order: {rejection['problems']}")
        elif not rejection["problems"]:
            self.accuse(5, f"{message_id} was rejected without a reason")
        elif self._stored(rejection["body_s3_uri"]) is None:
            self.accuse(5, f"{message_id} was announced as rejected, and its body is not in S3")
        self._check_link(notice, rejection["body_link"], rejection["body_s3_uri"])

    def _winner(self, job_id: str) -> str | None:
        request = self._truth.request(job_id)
        return str(request["user"]) if request else None

    def _check_outcome(self, notice: Notice, job_id: str, count: int) -> None:
        execution = self._truth.states.executions.get(job_id)
        if execution is None:
            self.steering.check_unstarted(notice, job_id)
            return
        true = self._truth.status_of(execution, count)
        if true != notice.body["status"] and not self._nobody_knows(execution, notice):
            self.accuse(9, f"{notice.id} was announced, but the truth is {true}")
            return
        reports = [
            (attempt, container)
            for stage in notice.body["stages"]
            for attempt in stage["attempts"]
            for container in attempt["containers"]
        ]
        self.steering.check_outcome(notice, execution, count)
        self._check_earlier(notice, execution)
        self._check_completeness(notice, execution)
        self._check_steps(notice, execution)
        for attempt, report in reports:
            task = self._truth.ecs.tasks[attempt["task_arn"].rsplit("/", 1)[-1]]
            container = next(item for item in task.containers if item.kind.name == report["name"])
            if report["exit_code"] is not None and report["exit_code"] != container.exit_code:
                self.accuse(9, f"{notice.id} gives {task.task_id} the exit code {report['exit_code']}")
            self._check_log(notice, container, report["log"])

    def _check_earlier(self, notice: Notice, execution: Execution) -> None:
        """What is told of the outcomes before is true, and each of them is told of by itself, or here."""
        told = {item["redrive_count"]: item["status"] for item in notice.body["earlier_outcomes"]}
        self.earlier[execution.name] |= told.keys()
        for count in range(notice.body["redrive_count"]):
            true = self._truth.status_of(execution, count)
            if count in told and told[count] != true:
                self.accuse(3, f"{notice.id} says that redrive {count} ended as {told[count]}, and it was {true}")
            if count not in told and count not in self.announced[execution.name]:
                self.accuse(3, f"{notice.id} says nothing of redrive {count}, nor did anything else")

    def on_redrive(self, execution: Execution, count: int) -> None:
        """An execution was redriven in the calm, and the grace time is over: nothing of before is left."""
        later = [place_of(item) for item in self._truth.tasks_of(execution)]
        for task in self._truth.tasks_of(execution):
            redrive, stage, _ = place_of(task)
            if task.last_status == "STOPPED" or task.reported == "success" or redrive >= count:
                continue
            if any(item[0] > redrive and item[1] == stage for item in later):
                self.accuse(4, f"{task.task_id} of redrive {redrive} of {execution.name} runs beside a later one")

    def _nobody_knows(self, execution: Execution, notice: Notice) -> bool:
        """Whether a task that reported success is forgotten, and how it ended was not seen: that is no success."""
        unseen = [
            task
            for task in self._truth.tasks_of(execution)
            if task.reported == "success"
            and self._truth.ecs.find(task.task_id) is None
            and self._known_of(execution.name, task.task_id).get("version") != task.version
        ]
        return notice.body["status"] == "FAILED" and bool(unseen)

    def _known_of(self, name: str, task_id: str) -> dict[str, Any]:
        """How a task stopped, as far as that is on record."""
        return fact_in(self._truth.record(name, f"task#{task_id}"), f"task#{task_id}") or {}

    def _check_completeness(self, notice: Notice, execution: Execution) -> None:
        told = {
            (attempt["redrive"], stage["stage"], attempt["attempt"])
            for stage in notice.body["stages"]
            for attempt in stage["attempts"]
            if attempt["task_arn"]
        }
        begun = {item.redrive_count: item.at for item in reversed(execution.history)}
        count = notice.body["redrive_count"]
        since = begun[min([count, *(item["redrive_count"] for item in notice.body["earlier_outcomes"])])]
        for task in self._truth.tasks_of(execution):
            of_this_outcome = since <= task.times["created_at"] < begun.get(count + 1, math.inf)
            if self._truth.ecs.find(task.task_id) is None or not of_this_outcome:
                continue  # ECS has forgotten it, and with it what stage it was of; or it is another redrive's.
            if place_of(task) not in told:
                self.accuse(6, f"{notice.id} says nothing of {task.task_id}, nor of its log")

    # Promise 6: logs are where the announcement says, whole, when it says so.

    def _check_log(self, notice: Notice, container: Container, log: dict[str, Any] | None) -> None:
        if log is None:
            self.accuse(6, f"{notice.id} was announced without a receipt of {container.kind.name}'s log")
        elif log["status"] == "absent":
            readable = container.delivered_in_time and container.kind.driver == "awslogs"
            in_trouble = notice.at < self._calm_at + _TROUBLE_SECONDS and "wrote nothing" not in str(log["why"])
            if not log["why"] or (readable and not in_trouble):
                self.accuse(6, f"{notice.id} says of a log with lines that it is absent: {log['why']}")
        else:
            self._check_content(notice, container, log)

    def _check_content(self, notice: Notice, container: Container, log: dict[str, Any]) -> None:
        content, in_time = self._stored(log["s3_uri"]), container.delivered_in_time
        self._receipts[log["s3_uri"]] = log["sha256"]
        if content is None:
            self.accuse(6, f"{notice.id} was announced before {log['s3_uri']} was there")
        elif not (container.written.startswith(content.decode()) and content.decode().startswith(in_time)):
            self.accuse(6, f"{log['s3_uri']} has {len(content)} bytes, {len(container.written)} were written")
        elif hashlib.sha256(content).hexdigest() != log["sha256"]:
            self.accuse(6, f"the receipt of {log['s3_uri']} has another sha256 than the object")
        if log["status"] == "complete" and container.kind.mode != "blocking":
            self.accuse(6, f"{notice.id} calls a log complete that may have lost lines")
        if log["status"] == "possibly_lossy" and not log["why"]:
            self.accuse(6, f"{notice.id} does not say why a log may have lost lines")
        self._check_link(notice, log["link"], log["s3_uri"])

    def on_put(self, bucket: str, key: str, content: bytes) -> None:
        """An object was stored: perhaps over one that an announced receipt names."""
        uri = f"s3://{bucket}/{key}"
        if self._receipts.get(uri, sha256 := hashlib.sha256(content).hexdigest()) != sha256:
            self.accuse(6, f"{uri} was overwritten after its receipt was announced, which has another sha256")

    def _check_link(self, notice: Notice, link: dict[str, Any] | None, uri: str | None) -> None:
        if link is None:
            return
        if self._stored(uri) is None:
            self.accuse(6, f"{notice.id} has a link to {uri}, where nothing is")
        works_until = float(link["url"].rpartition("works-until=")[2])
        told = datetime.fromisoformat(link["expires_at"]).timestamp() - EPOCH
        if works_until < notice.at + _LINK_SECONDS:
            self.accuse(6, f"{notice.id} has a link that ends at {works_until:.0f} s")
        if told > works_until + _SKEW_SECONDS:
            self.accuse(6, f"{notice.id} says that a link works until {told:.0f} s, and it ends at {works_until:.0f} s")

    def _stored(self, uri: str | None) -> bytes | None:
        bucket, _, key = (uri or "").removeprefix("s3://").partition("/")
        return self._truth.bucket.objects.get((bucket, key))

    # What is noted must have happened, and what is on record stays.

    def on_write(self, key: str, part: str, before: Item, after: Item) -> None:
        """An item of the table has changed."""
        if key == BULK_KEY:
            self.many.on_write(before, after)
            return
        if part == HEAD and "r#request" in after and "r#request" not in before:
            self.many.on_request(key)
        if "r#request" in before and before["r#request"] != after.get("r#request"):
            self.accuse(2, f"the request of {key} was changed, in its {part}")
        for name, value in after.items():
            if name.startswith("r#") and value is not before.get(name):
                self._check_register(key, name, before.get(name), value)
        if "open_shard" in before and not is_looked_after(after):
            self.accuse(4, f"nobody looks after {key} any more, and its outcome is not announced")

    def _check_register(self, key: str, name: str, before: Item | None, after: Item) -> None:
        is_a_lock = name.startswith("r#claim#")  # Which is let go of, too.
        if before is not None and not is_a_lock and int(after["M"]["rank"]["N"]) < int(before["M"]["rank"]["N"]):
            self.accuse(1, f"{name} of {key} was known better")
        if name.startswith("r#claim#announce#"):
            self._announcing[key.removeprefix("rejected:"), int(name.rpartition("#")[2])] = PROCESS.get()
        if name.startswith("r#announced#"):
            self._note(dict_of(after)["notification_id"])
        if name in _OF_WISHES:
            self.many.on_wish(key, _OF_WISHES[name], dict_of(after))
        self.steering.check_register(key, name, after)

    def _note(self, notification_id: str) -> None:
        copies = self._copies.get(notification_id)
        if not copies:
            self.accuse(3, f"{notification_id} was noted as announced, and was not")
            return
        for copy in copies:
            copy.noted_at = min(copy.noted_at, self._when()[1])

    # Promises 7 and 8, and leases.

    def on_dead_letter(self, queue: SimQueue, held: Held) -> None:
        """A message was given up by SQS."""
        self.accuse(7, f"{held.message_id} is in the dead-letter queue after {held.receives} receives")

    def on_lapse(self, held: Held) -> None:
        """A lease ran out, and nobody had let go of the message."""
        holder = held.holder
        if holder is None or not holder.alive or holder.told_to_stop_at is not None:
            return
        if holder.sqs_faults == held.holder_faults and holder.stalled_until == 0:
            self.accuse(1, f"the lease of {held.message_id} ran out while {holder.name} was at work on it")

    def on_cancelled_poll(self) -> None:
        """A long poll was cut off."""
        process = PROCESS.get()
        _, at = self._when()
        if process is None or process.told_to_stop_at is None:
            self.accuse(8, "a poll was cancelled in full work")
        elif at < process.told_to_stop_at + self.drain_seconds - 0.001:
            self.accuse(8, f"{process.name} cancelled a poll while it drained: what that receives is swallowed")

    def on_exit(self, process: Process, error: BaseException | None) -> None:
        """A worker has ended by itself."""
        self.excuse(process)
        if error is not None:
            self.accuse(5, f"{process.name} crashed: {error!r}")
        elif process.told_to_stop_at is None:
            self.accuse(8, f"{process.name} left, and nobody told it to")
        elif self._when()[1] < process.told_to_stop_at + self.drain_seconds:
            self._check_hands(process)

    def _check_hands(self, process: Process) -> None:
        """Whether a worker that left in good time holds no message any more."""
        for held in (held for queue in self.queues for held in queue.messages.values()):
            in_hand = held.holder is process and not (held.visible or held.let_go or held.doubled)
            if in_hand and held.holder_faults == process.sqs_faults and process.stalled_until == 0:
                self.accuse(8, f"{process.name} left with {held.message_id} in its hands")

    def on_late(self, process: Process) -> None:
        """A worker had to be killed, since it did not leave in time."""
        if process.sqs_faults == 0 and process.stalled_until == 0:
            self.accuse(8, f"{process.name} did not leave before ECS's stopTimeout")

    # At the end.

    def unsettled(self) -> list[str]:
        """Everything that is not yet as it should be at the end."""
        found = []
        for job_id, tokens in self._ledger.jobs.items():
            execution = self._truth.states.executions.get(job_id)
            found += self._unsettled_job(job_id, execution)
            winner = self._truth.token_of(execution) if execution else self._winner(job_id)
            losers = [key for key, item in self._ledger.asked.items() if item.job_id == job_id and item.token != winner]
            found += self._unannounced(losers) if len(tokens) > 1 else []
        found += self._unannounced([key for key, item in self._ledger.asked.items() if not item.good])
        return found + self.steering.unsettled()

    def _unannounced(self, message_ids: list[str]) -> list[str]:
        return [f"{key}'s rejection was not announced" for key in message_ids if 0 not in self.announced[key]]

    def _unsettled_job(self, job_id: str, execution: Execution | None) -> list[str]:
        if execution is None:
            cancelled = self.steering.never_began(job_id) and 0 in self.announced[job_id]
            return [] if cancelled else [f"{job_id} was not started"]
        if not execution.ended:
            return [f"{job_id} runs"]
        counts = range(execution.now.redrive_count + 1)
        untold = [count for count in counts if not {count} & (self.announced[job_id].keys() | self.earlier[job_id])]
        if untold:
            return [f"{job_id}:{untold[0]} of {counts[-1]} redrives ended, and was not announced"]
        running = [task.task_id for task in self._truth.tasks_of(execution) if task.last_status != "STOPPED"]
        return [f"{task_id} of {job_id} runs on" for task_id in running]


def _last_passed(attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """The attempt by which a stage passed: a redrive may have repeated it since."""
    return next(item for item in reversed(attempts) if item["passed"])


def _told_of(event: dict[str, Any]) -> tuple[str, int]:
    """The job that an event is about, and the redrive that it shows."""
    detail = event["detail"]
    match event["source"]:
        case "aws.states":
            return detail["name"], detail["redriveCount"]
        case "jobferry":
            return detail["executionArn"].rpartition(":")[2], detail["redrive_count"]
        case _:
            variables = detail["overrides"]["containerOverrides"][0]["environment"]
            redrive = next(pair["value"] for pair in variables if pair["name"] == "JOBFERRY_REDRIVE")
            return detail["group"].removeprefix("job:"), int(redrive)
