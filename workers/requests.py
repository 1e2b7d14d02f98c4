"""The way in: a message becomes a job's first fact, or a rejection with every reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from schemas.catalog import Catalog
from schemas.plan import Config, ExecutionInput, LambdaResult, S3Object
from schemas.trace import Trace
from service.aws.errors import AwsError
from service.aws.objects import JSON, TEXT, Objects, ObjectTooLargeError
from service.aws.queue import TRACEPARENT, Message
from service.aws.replays import Replays
from service.clock import Clock, seconds_between
from service.core.admission.admission import Admitted, Refused, admit, conflict
from service.core.admission.claim_check import Pointer, problem_with, read_pointer
from service.core.admission.request_body import MAX_BODY_BYTES
from service.core.log_layout import rejected_key, request_key, s3_uri, stages_key
from service.core.planning.waiting import drawn
from service.core.record.facts import Rejected, Requested, StageBrief
from service.core.record.kept import kept_of
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.wishes import RerunOf
from service.core.tracing import read_trace
from service.core.window import hold_seconds
from service.metrics import REQUESTS_ADMITTED, REQUESTS_HELD_BACK, REQUESTS_REJECTED, TRACES_DROPPED, Meter
from service.settle import Jobs

log = structlog.stdlib.get_logger()

# Of Step Functions' 262,144 bytes: the input is copied into every state's input, and into status events, which drop
# it when it is more than 248 KB with escapes. So large stages go to S3 well before.
# Beside it travel what was tried, the last stage's whole task, and the cause of a failure.
LARGEST_TRAVELLING_BYTES = 18_432
_PROBLEMS_LOGGED = 3  # The notification has them all.
_POINTER_ANSWERS = {
    "NoSuchKey": "there is no such object",
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "Jobferry may not read it",
}
# What botocore raises without asking, where it can make no endpoint of a bucket's name.
_NO_NAME = frozenset(
    {"ParamValidationError", "EndpointResolutionError", "EndpointProviderError", "InvalidS3AddressingStyleError"}
)
# Ours to mend, or gone by the next try: not the producer's fault.
_OUR_TROUBLE = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "RequestTimeTooSkewed", "RequestTimeout"}
)


@dataclass(frozen=True)
class HeldBack:
    """The verdict that a request is to come again after so many seconds."""

    seconds: int


@dataclass(frozen=True)
class Requests:
    """Reads the request queue."""

    catalog: Catalog
    objects: Objects
    bucket: str
    jobs: Jobs
    replays: Replays
    now: Clock
    metrics: Meter
    may_start: Callable[[str, str], bool]
    most_receives: int

    async def hear(self, message: Message) -> Record | HeldBack:
        """Judge a request and remember the verdict; answers with the record of the job, or of the rejection.

        A job whose image lacks capacity, with enough others waiting for it, is left in the queue, and nobody remembers
        it: what is remembered is started.
        """
        message = await self.as_first_sent(message)
        body = await self.resolved(message.body)
        verdict = body if isinstance(body, Refused) else admit(body, message.message_id, self.catalog)
        return await self.decide(message, verdict)

    async def decide(
        self, message: Message, verdict: Admitted | Refused, rerun_of: RerunOf | None = None
    ) -> Record | HeldBack:
        """Remember a verdict on what a message asks for; of a rerun also of which job it is one."""
        if isinstance(verdict, Refused):
            return await self._refuse(message, verdict, rerun_of)
        if self._may_be_held_back(message) and not self.may_start(verdict.job_id, verdict.stages[0].image):
            return self._held_back(message, verdict)
        return await self._rejected_before(message) or await self._remember(message, verdict, rerun_of)

    async def resolved(self, body: str) -> str | Refused:
        """The request itself, where a body is a pointer to it."""
        pointer = read_pointer(body)
        return body if pointer is None else await self._fetch(pointer)

    def _may_be_held_back(self, message: Message) -> bool:
        """Half of its receives are for what else may happen to a message before it is set aside."""
        return message.receive_count <= self.most_receives // 2

    def _held_back(self, message: Message, admitted: Admitted) -> HeldBack:
        self.metrics.count(REQUESTS_HELD_BACK)
        seconds = hold_seconds(message.receive_count, drawn(message.message_id, message.receive_count))
        image = admitted.stages[0].image
        log.info("job_held_back", job_id=admitted.job_id, tenant=admitted.request.tenant, image=image, seconds=seconds)
        return HeldBack(seconds)

    async def as_first_sent(self, message: Message) -> Message:
        """A message that the operator sent again has the id, the moment and the sender that it had before."""
        token = message.replay_token
        first = await self.replays.first_sent(token) if token else None
        if first is None:
            return message
        return replace(
            message,
            message_id=first.message_id,
            sent_at=message.sent_at if first.at is None else first.at,
            sender_id=first.sender_id or message.sender_id,
        )

    async def _rejected_before(self, message: Message) -> Record | None:
        """This very message's rejection, if there is one: it was told, or will be, and the catalogue may have changed.

        Only a message that comes again can have one, so that a request costs no read.
        """
        if message.is_first_delivery:
            return None
        rejection = await self.jobs.read(RecordKey.of_rejection(message.message_id))
        return rejection if rejection.rejection else None

    async def _refuse(self, message: Message, refused: Refused, rerun_of: RerunOf | None) -> Record:
        """Reject a request, unless it repeats one that was admitted: the catalogue or S3 may have changed since."""
        job = await self.jobs.read_whole(RecordKey.of_job(refused.job_id or message.message_id))
        if job.was_asked_by(message.message_id, refused.digest):
            return job
        return await self._reject(message, refused, rerun_of, job_id_is_taken=job.request is not None)

    async def _remember(self, message: Message, admitted: Admitted, rerun_of: RerunOf | None) -> Record:
        fact = await self._requested(message, admitted, rerun_of)
        job = await self.jobs.merge(fact)
        if job.request is None or job.request.digest == fact.digest:
            if job.execution is None:  # Else it is the same request once more.
                self.metrics.count(REQUESTS_ADMITTED)
                self._log_admitted(fact)
            return job
        refused = Refused((conflict(fact.job_id),), fact.digest, fact.job_id, fact.tenant, fact.job_type)
        return await self._reject(message, refused, rerun_of, job_id_is_taken=True)

    def _log_admitted(self, fact: Requested) -> None:
        log.info(
            "job_admitted",
            job_id=fact.job_id,
            tenant=fact.tenant,
            job_type=fact.job_type,
            stages=[stage.name for stage in fact.stages],
            seconds=seconds_between(fact.submitted_at, self.now()),
        )

    async def _requested(self, message: Message, admitted: Admitted, rerun_of: RerunOf | None) -> Requested:
        request, trace = admitted.request, self._trace_of(message)
        asked, asked_s3_key = await self._kept(admitted)
        return Requested(
            job_id=admitted.job_id,
            digest=admitted.digest,
            message_id=message.message_id,
            submitted_at=message.sent_at or self.now(),
            tenant=request.tenant,
            job_type=request.job_type,
            user=request.user,
            input_file=request.input_file,
            labels=request.labels,
            trace=trace,
            progress=request.progress,
            bucket=self.bucket,
            execution_input=await self._execution_input(admitted, trace),
            asked=asked,
            asked_s3_key=asked_s3_key,
            rerun_of=rerun_of,
            stages=tuple(
                StageBrief(
                    name=item.name,
                    image=item.image,
                    container=item.container,
                    integration=item.integration,
                    timeout_seconds=item.timeout_seconds,
                    heartbeat_seconds=item.heartbeat_seconds if item.integration == "callback" else None,
                )
                for item in admitted.stages
            ),
        )

    async def _execution_input(self, admitted: Admitted, trace: Trace | None) -> str:
        """The input of the execution, always the same text for the same stages; large ones travel by reference."""
        text = _input_with(admitted, trace, self._config(admitted))
        if len(json.dumps(text)) <= LARGEST_TRAVELLING_BYTES:
            return text
        stages = ("[" + ",".join(stage.model_dump_json() for stage in admitted.stages) + "]").encode()
        key = stages_key(admitted.job_id, hashlib.sha256(stages).hexdigest())
        await self.objects.put(self.bucket, key, stages, JSON)
        reference = {"stages": (), "stages_s3": S3Object(bucket=self.bucket, key=key)}
        return _input_with(admitted, trace, self._config(admitted).model_copy(update=reference))

    async def _kept(self, admitted: Admitted) -> tuple[str, str]:
        """What the request said, or where that lies: a record has no room for what is large."""
        text = kept_of(admitted.request)
        if len(json.dumps(text)) <= LARGEST_TRAVELLING_BYTES:
            return text, ""
        key = request_key(admitted.job_id, admitted.digest)
        await self.objects.put(self.bucket, key, text.encode(), JSON)
        return "", key

    def _config(self, admitted: Admitted) -> Config:
        timeout = admitted.request.timeout_seconds
        return Config(bucket=self.bucket, timeout_seconds=timeout, stages=admitted.stages)

    async def _reject(
        self, message: Message, refused: Refused, rerun_of: RerunOf | None, *, job_id_is_taken: bool
    ) -> Record:
        """Keep the body, then remember that it was refused: a body is never spoken of before it is safe.

        The body as it was sent: of what a pointer points to, a copy and a link to it would let its sender read what
        only Jobferry may.
        """
        self.metrics.count(REQUESTS_REJECTED)
        submitted_at = message.sent_at or self.now()
        log.info(
            "job_rejected",
            job_id=refused.job_id,
            tenant=refused.tenant,
            message_id=message.message_id,
            problems=[f"{problem.field}: {problem.message}" for problem in refused.problems[:_PROBLEMS_LOGGED]],
            seconds=seconds_between(submitted_at, self.now()),
        )
        key = rejected_key(message.message_id)
        await self.objects.put(self.bucket, key, message.body.encode(errors="surrogatepass"), TEXT)
        return await self.jobs.merge(
            Rejected(
                message_id=message.message_id,
                submitted_at=submitted_at,
                claimed_job_id=refused.job_id,
                job_id_is_taken=job_id_is_taken,
                claimed_tenant=refused.tenant,
                claimed_job_type=refused.job_type,
                problems=refused.problems,
                body_s3_uri=s3_uri(self.bucket, key),
                trace=self._trace_of(message),
                retry_of=rerun_of.job_id if rerun_of else None,
            )
        )

    def _trace_of(self, message: Message) -> Trace | None:
        """The trace that a message belongs to. What cannot be one is named in the log, and itself goes nowhere."""
        read = read_trace(message.attributes.get(TRACEPARENT), message.trace_header)
        if read.dropped:
            self.metrics.count(TRACES_DROPPED)
            log.warning("trace_dropped", names=read.dropped)
        return read.trace

    async def _fetch(self, pointer: Pointer) -> str | Refused:
        """The body that a pointer points to. What may pass is raised, so that the message is tried again."""
        if (problem := problem_with(pointer, self.bucket)) is not None:
            return Refused((problem,))
        try:
            return (await self.objects.get(pointer.bucket, pointer.key, MAX_BODY_BYTES)).decode()
        except ObjectTooLargeError as error:
            why = f"it is larger than {MAX_BODY_BYTES:,} bytes: {error}"
        except UnicodeDecodeError:
            why = "it is not UTF-8"
        except AwsError as error:
            why = _why_unreadable(error)
            if not why:
                raise
        remedy = "Send the request itself, or keep the object readable until the job has started."
        return Refused((pointer.problem(why, remedy),))


def _input_with(admitted: Admitted, trace: Trace | None, config: Config) -> str:
    request = admitted.request
    plan = LambdaResult(total_stages_count=len(admitted.stages), processed_stages_count=0, config=config)
    return ExecutionInput(
        job_id=admitted.job_id, input_file=request.input_file, user=request.user, trace=trace, lambda_result=plan
    ).model_dump_json(exclude={"stage_result", "error_result"})


def _why_unreadable(error: AwsError) -> str:
    """What S3 has against reading an object, if that will be so at the next try too; else nothing."""
    if error.code in _NO_NAME:
        return "S3 cannot be asked for a bucket of this name"
    status = error.status or 500
    if status >= 500 or status == 429 or error.code in _OUR_TROUBLE:
        return ""
    return _POINTER_ANSWERS.get(error.code, f"S3 answers {error.code}")
