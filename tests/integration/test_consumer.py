"""The consumer on a scripted queue: slots before messages, neighbours undisturbed, nothing swallowed on a stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ServerDisconnectedError
from botocore.exceptions import (
    ConnectionClosedError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from service.aws.queue import Message
from service.metrics import HANDED_BACK, POLL_FAILURES, POLLS, SETTLE_FAILURES, Metrics
from tests.support.connecting import refusal
from tests.support.consuming import consumer as consumer_of
from tests.support.loop import VirtualLoop
from tests.support.scripted_queue import ScriptedSqs, queue_of, throttled
from tests.support.waiting import eventually
from workers import consumer as module
from workers.consumer import Consumer, Handle


@dataclass
class Work:
    """What is done with messages: noted, and held up until it is let go."""

    begun: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    held: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, *bodies: str) -> None:
        """Let the work on these messages last until they are released."""
        self.held.update({body: asyncio.Event() for body in bodies})

    def release(self, *bodies: str) -> None:
        """Let these go, or all."""
        for body in bodies or tuple(self.held):
            self.held[body].set()

    async def __call__(self, message: Message) -> None:
        self.begun.append(message.body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if message.body in self.held:
                await self.held[message.body].wait()
            if message.body.startswith("bad"):
                raise ValueError(message.body)
        finally:
            self.at_once -= 1


@pytest.fixture
def sqs() -> ScriptedSqs:
    """A queue without messages."""
    return ScriptedSqs()


@pytest.fixture
def work() -> Work:
    """Work that ends at once."""
    return Work()


@asynccontextmanager
async def consuming(
    sqs: ScriptedSqs, work: Handle, slots: int = 50, gather_seconds: float = 0.0
) -> AsyncIterator[Consumer]:
    """A running consumer, stopped at the end; it must come to its end by itself."""
    consumer = consumer_of(queue_of(sqs), work, slots, gather_seconds=gather_seconds)
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
        await stopped(consumer, running, sqs)
    finally:
        running.cancel()


async def stopped(consumer: Consumer, running: asyncio.Task[None], sqs: ScriptedSqs) -> None:
    """Stop, and let the poll under way end as SQS would end it."""
    consumer.stopping.set()
    await eventually(lambda: running.done() or sqs.polls_under_way)
    sqs.end_polls()
    async with asyncio.timeout(10):
        await running


async def test_a_settled_message_is_deleted(sqs: ScriptedSqs, work: Work) -> None:
    """And its lease is not touched again."""
    sqs.put("a")
    async with consuming(sqs, work) as consumer:
        await eventually(lambda: sqs.all_deleted == {"a"})
        assert consumer.liveness.holding == 0
    assert sqs.visibility == []


async def test_a_message_is_not_deleted_before_it_is_settled(sqs: ScriptedSqs, work: Work) -> None:
    """Its effects must be durable first."""
    work.hold("slow")
    sqs.put("slow", "quick")
    async with consuming(sqs, work):
        await eventually(lambda: sqs.all_deleted == {"quick"})
        work.release()
        await eventually(lambda: sqs.all_deleted == {"quick", "slow"})


async def test_no_message_is_taken_without_a_slot_for_it(sqs: ScriptedSqs, work: Work) -> None:
    """What we cannot work on stays in the queue, for another worker."""
    bodies = [f"m{number}" for number in range(12)]
    work.hold(*bodies)
    sqs.put(*bodies)
    async with consuming(sqs, work, slots=4) as consumer:
        await eventually(lambda: len(work.begun) == 4)
        assert consumer.liveness.holding == 4
        assert (sqs.polls, len(sqs.waiting)) == ([4], 8)
        work.release("m0")
        await eventually(lambda: len(work.begun) == 5)
        assert sqs.polls == [4, 1]
        work.release()
        await eventually(lambda: sqs.all_deleted == set(bodies))
    assert work.most_at_once == 4


async def test_a_poll_asks_for_ten_at_most(sqs: ScriptedSqs, work: Work) -> None:
    """SQS refuses more."""
    async with consuming(sqs, work, slots=50):
        await eventually(lambda: sqs.polls == [10])


async def test_after_a_few_messages_more_are_let_gather(sqs: ScriptedSqs, work: Work) -> None:
    """The next poll then brings many; what was taken is worked on meanwhile, and a stop waits for nothing."""
    sqs.put("a", "b")
    async with consuming(sqs, work, gather_seconds=3600):
        await eventually(lambda: sqs.all_deleted == {"a", "b"})
        assert sqs.polls == [10]


async def test_after_many_messages_or_none_the_next_poll_begins_at_once(sqs: ScriptedSqs, work: Work) -> None:
    """Where ten came there are more, and where it is quiet the first to come is taken at once."""
    sqs.put(*(f"m{number}" for number in range(10)))
    async with consuming(sqs, work, gather_seconds=3600):
        await eventually(lambda: sqs.polls == [10, 10] and sqs.polls_under_way == 1)
        sqs.end_polls()
        await eventually(lambda: sqs.polls == [10, 10, 10])


async def test_unused_slots_are_free_again(sqs: ScriptedSqs, work: Work) -> None:
    """A poll that brought fewer messages than slots keeps none of them."""
    async with consuming(sqs, work, slots=3):
        for number in range(5):
            sqs.put(f"m{number}")
            await eventually(lambda wanted=number + 1: len(sqs.all_deleted) == wanted)  # type: ignore[misc]
    assert sqs.polls[0] == 3
    assert max(sqs.polls) == 3


async def test_one_failing_message_does_not_disturb_its_neighbours(sqs: ScriptedSqs, work: Work) -> None:
    """They are settled and deleted; it is not."""
    sqs.put("a", "bad", "b")
    async with consuming(sqs, work):
        await eventually(lambda: sqs.all_deleted == {"a", "b"} and bool(sqs.visibility))
    assert sqs.all_deleted == {"a", "b"}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 4), (5, 32), (9, 512), (10, 900), (50, 900)])
async def test_a_failing_message_comes_back_later_each_time(
    sqs: ScriptedSqs, work: Work, receives: int, seconds: int
) -> None:
    """Backing off, up to a quarter of an hour; after its last receive it goes to the dead-letter queue."""
    sqs.put("bad", receive_count=receives)
    async with consuming(sqs, work):
        await eventually(lambda: bool(sqs.visibility))
    assert sqs.visibility == [("bad", seconds)]


async def test_a_message_that_is_held_back_comes_again_when_its_handler_says(sqs: ScriptedSqs) -> None:
    """It is neither deleted nor counted as a failure, and its neighbours are settled."""

    async def handle(message: Message) -> int | None:
        return 77 if message.body == "held" else None

    metrics = Metrics()
    sqs.put("a", "held", "b")
    async with consuming(sqs, handle) as consumer:
        consumer.metrics = metrics
        await eventually(lambda: sqs.all_deleted == {"a", "b"} and bool(sqs.visibility))
    assert sqs.visibility == [("held", 77)]
    assert SETTLE_FAILURES not in metrics.drain(0) or metrics.drain(0)[SETTLE_FAILURES] == 0


async def test_deletes_go_in_batches(sqs: ScriptedSqs, work: Work) -> None:
    """Ten a call, since a call costs the same whatever it carries."""
    bodies = [f"m{number}" for number in range(30)]
    sqs.put(*bodies)
    async with consuming(sqs, work):
        await eventually(lambda: sqs.all_deleted == set(bodies))
    assert len(sqs.deleted) <= 4
    assert all(len(batch) <= 10 for batch in sqs.deleted)


async def test_a_batch_waits_a_little_to_be_full(sqs: ScriptedSqs, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is settled one after the other goes in one call too."""
    monkeypatch.setattr(module, "_LINGER_SECONDS", 60)
    bodies = [f"m{number}" for number in range(10)]
    work.hold("m9")
    sqs.put(*bodies)
    async with consuming(sqs, work):
        await eventually(lambda: len(work.begun) == 10 and work.at_once == 1)
        assert sqs.deleted == []
        work.release()
        await eventually(lambda: bool(sqs.deleted))
    assert [sorted(batch) for batch in sqs.deleted] == [bodies]


async def test_only_so_many_batches_are_deleted_at_once(sqs: ScriptedSqs, work: Work) -> None:
    """Where SQS is slow, what is settled waits; it is all deleted in the end."""
    bodies = {f"m{number}" for number in range(120)}
    sqs.put(*bodies)
    sqs.answers.clear()
    async with consuming(sqs, work, slots=120):
        await eventually(lambda: len(work.begun) == 120 and sqs.deletes_under_way == 8)
        for _ in range(100):
            await asyncio.sleep(0)
        assert sqs.deletes_under_way == 8
        sqs.answers.set()
        await eventually(lambda: sqs.all_deleted == bodies)


async def test_no_batch_is_waited_for_once_the_worker_stops(
    sqs: ScriptedSqs, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain has a deadline."""
    monkeypatch.setattr(module, "_LINGER_SECONDS", 600)
    work.hold("slow")
    sqs.put("slow")
    async with consuming(sqs, work) as consumer:
        await eventually(lambda: work.begun == ["slow"])
        consumer.stopping.set()
        work.release()
        await eventually(lambda: sqs.all_deleted == {"slow"})


def test_a_consumer_that_is_told_to_stop_waits_for_its_deletes() -> None:
    """However slow SQS is: only the drain's end cuts them off."""
    loop = VirtualLoop()

    async def stopped_while_sqs_is_slow() -> set[str]:
        sqs = ScriptedSqs()
        consumer = consumer_of(queue_of(sqs), Work(), 1)
        working = asyncio.create_task(consumer.run())
        sqs.answers.clear()
        sqs.put("a")
        await asyncio.sleep(5)
        consumer.stopping.set()
        sqs.end_polls()
        await asyncio.sleep(10)
        sqs.answers.set()
        await working
        return sqs.all_deleted

    try:
        assert loop.run_until_complete(stopped_while_sqs_is_slow()) == {"a"}
    finally:
        loop.bury()


async def test_a_delete_that_fails_is_not_the_end(sqs: ScriptedSqs, work: Work) -> None:
    """What was not deleted comes again and is settled again, harmlessly."""
    sqs.delete_errors.append(throttled())
    sqs.put("a")
    async with consuming(sqs, work):
        await eventually(lambda: not sqs.delete_errors)
        sqs.put("b")
        await eventually(lambda: sqs.all_deleted == {"b"})


async def test_an_entry_that_fails_is_not_the_end(sqs: ScriptedSqs, work: Work) -> None:
    """Nor is one of a batch."""
    sqs.undeletable.add("a")
    sqs.put("a", "b")
    async with consuming(sqs, work):
        await eventually(lambda: bool(sqs.deleted))
        sqs.put("c")
        await eventually(lambda: "c" in sqs.all_deleted)


async def test_a_poll_that_fails_is_tried_again(sqs: ScriptedSqs, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause, with its slots back."""
    monkeypatch.setattr(module, "_POLL_FAILED_SECONDS", 0.01)
    sqs.poll_errors.extend([throttled(), throttled()])
    sqs.put("a")
    async with consuming(sqs, work, slots=2):
        await eventually(lambda: sqs.all_deleted == {"a"})
    assert sqs.polls[:3] == [2, 2, 2]


async def test_what_happens_to_polls_and_messages_is_counted(
    sqs: ScriptedSqs, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polls that came back and that failed, messages that could not be settled, and those given back."""
    monkeypatch.setattr(module, "_POLL_FAILED_SECONDS", 0.01)
    sqs.poll_errors.extend([throttled(), throttled()])
    sqs.put("a", "bad")
    async with consuming(sqs, work) as consumer:
        consumer.metrics = metrics = Metrics()
        await eventually(lambda: sqs.all_deleted == {"a"} and bool(sqs.visibility) and sqs.polls_under_way == 1)
        consumer.stopping.set()
        sqs.put("late")
        await eventually(lambda: ("late", 0) in sqs.visibility)
    counted = metrics.drain(0)
    assert [counted[metric] for metric in (POLLS, POLL_FAILURES, SETTLE_FAILURES, HANDED_BACK)] == [2, 2, 1, 1]


OUTAGES: dict[str, Exception] = {
    "DNS that fails": EndpointConnectionError(endpoint_url="https://sqs", error=socket.gaierror(-3, "try again")),
    "DNS that fails, as the system says it": socket.gaierror(-3, "try again"),
    "a connection that is dropped, as aiohttp says it": ServerDisconnectedError(),
    "credentials that were renewed too late": RuntimeError("the refreshed credentials are still expired"),
    "a connection that is dropped": ConnectionClosedError(endpoint_url="https://sqs"),
    "a connection that is reset": ConnectionResetError(),
    "an answer that does not come": ReadTimeoutError(endpoint_url="https://sqs"),
    "credentials that cannot be renewed": CredentialRetrievalError(provider="container-role", error_msg="503"),
    "credentials that are gone": NoCredentialsError(),
    "credentials that have ended": refusal("ExpiredToken", "ReceiveMessage", 403),
    "an answer that is cut off": KeyError("ResponseMetadata"),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_an_outage_is_survived(
    sqs: ScriptedSqs, work: Work, monkeypatch: pytest.MonkeyPatch, outage: Exception
) -> None:
    """However long it lasts: the poll is tried again, and goes on as if nothing had been."""
    monkeypatch.setattr(module, "_POLL_FAILED_SECONDS", 0.001)
    sqs.poll_errors.extend([outage] * 60)
    sqs.put("a")
    async with consuming(sqs, work):
        await eventually(lambda: sqs.all_deleted == {"a"})
    assert len(sqs.polls) > 60


async def test_a_stop_ends_the_pause_after_a_failed_poll(sqs: ScriptedSqs, work: Work) -> None:
    """An outage of SQS must not make a worker miss its deadline."""
    sqs.poll_errors.extend(throttled() for _ in range(100))
    async with consuming(sqs, work):
        await eventually(lambda: bool(sqs.polls))
    assert len(sqs.polls) < 100


async def test_a_stop_finishes_the_poll_and_gives_back_what_it_brings(sqs: ScriptedSqs, work: Work) -> None:
    """A cancelled poll would swallow the message; one that arrives after the stop is another worker's."""
    async with consuming(sqs, work) as consumer:
        await eventually(lambda: sqs.polls_under_way == 1)
        consumer.stopping.set()
        sqs.put("late")
        await eventually(lambda: sqs.visibility == [("late", 0)])
    assert (work.begun, sqs.deleted, len(sqs.polls)) == ([], [], 1)


async def test_a_stop_lets_what_was_begun_be_settled_and_deleted(sqs: ScriptedSqs, work: Work) -> None:
    """The run ends only after that."""
    work.hold("slow")
    sqs.put("slow")
    async with consuming(sqs, work) as consumer:
        await eventually(lambda: work.begun == ["slow"] and sqs.polls_under_way == 1)
        consumer.stopping.set()
        sqs.end_polls()
        await eventually(lambda: not sqs.polls_under_way)
        assert sqs.deleted == []
        work.release()
    assert sqs.all_deleted == {"slow"}


async def test_a_stop_while_every_slot_is_taken_begins_no_new_poll(sqs: ScriptedSqs, work: Work) -> None:
    """The slot that comes free is not for another twenty seconds of waiting."""
    work.hold("a", "b")
    sqs.put("a", "b", "c")
    async with consuming(sqs, work, slots=2) as consumer:
        await eventually(lambda: len(work.begun) == 2)
        consumer.stopping.set()
        work.release()
        await eventually(lambda: sqs.all_deleted == {"a", "b"})
    assert sqs.polls == [2]
    assert [each["Body"] for each in sqs.waiting] == ["c"]


async def test_what_is_cut_off_at_the_deadline_is_given_back(sqs: ScriptedSqs, work: Work) -> None:
    """Its neighbour that is settled is deleted; another worker gets the rest at once, not after the lease."""
    work.hold("endless")
    sqs.put("endless", "quick")
    consumer = consumer_of(queue_of(sqs), work, 10)
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: sorted(work.begun) == ["endless", "quick"] and work.at_once == 1)
    consumer.stopping.set()
    sqs.end_polls()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 10)
    assert sqs.all_deleted == {"quick"}
    assert sqs.visibility == [("endless", 0)]


async def test_a_lease_is_kept_while_the_work_goes_on(sqs: ScriptedSqs, work: Work) -> None:
    """And let go with it."""
    work.hold("long")
    sqs.put("long")
    consumer = consumer_of(queue_of(sqs, visibility_seconds=0), work, 5)
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: sqs.visibility.count(("long", 0)) > 2)
    work.release()
    await stopped(consumer, running, sqs)
    assert sqs.all_deleted == {"long"}


async def test_a_fault_of_the_deleting_neither_stops_nor_hangs_the_consumer(sqs: ScriptedSqs, work: Work) -> None:
    """Whatever goes wrong with one batch, the next is deleted, and a stop still comes to its end."""
    sqs.delete_errors.append(KeyError("a bug"))
    sqs.put("a")
    async with consuming(sqs, work):
        await eventually(lambda: not sqs.delete_errors)
        sqs.put("b")
        await eventually(lambda: sqs.all_deleted == {"b"})


async def test_an_outage_at_the_deadline_does_not_hold_the_worker_up(
    sqs: ScriptedSqs, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call to a queue that does not answer is not waited for: what it was about comes again by itself."""
    monkeypatch.setattr(module, "_FAREWELL_SECONDS", 0.05)
    sqs.answers.clear()
    work.hold("endless")
    sqs.put("endless", "quick")
    consumer = consumer_of(queue_of(sqs), work, 10)
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: sorted(work.begun) == ["endless", "quick"] and work.at_once == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert (sqs.deleted, sqs.visibility) == ([], [])
