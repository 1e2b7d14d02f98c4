"""Every line of a container reaches CloudWatch Logs, once, whole and in order."""

from __future__ import annotations

import time

import pytest

from deploy.local.ecs.container_logs import LONGEST_MESSAGE, Lines
from tests.support.cloud import Cloud, container, shell


def messages(cloud: Cloud, arn: str, name: str = "main") -> list[str]:
    """The lines of a container."""
    return [str(line["message"]) for line in cloud.lines(arn, name)]


def test_lines_are_there_once_the_task_has_stopped(cloud: Cloud) -> None:
    """Output and errors arrive in the order they were written, at whatever exit code, in monotone milliseconds."""
    before = int(time.time() * 1000)
    arn = cloud.run_task(cloud.define_task(shell("echo one; echo two >&2; printf three; exit 1")))
    cloud.await_task(arn)
    assert messages(cloud, arn) == ["one", "two", "three"]
    times = [line["timestamp"] for line in cloud.lines(arn)]
    assert times == sorted(times)
    assert before <= times[0] <= int(time.time() * 1000)


def test_blank_lines_are_dropped_as_docker_s_driver_does(cloud: Cloud) -> None:
    """CloudWatch has no empty events."""
    arn = cloud.run_task(cloud.define_task(shell("echo a; echo; echo ' '; echo b")))
    cloud.await_task(arn)
    assert messages(cloud, arn) == ["a", " ", "b"]


def test_a_silent_container_has_an_empty_stream(cloud: Cloud) -> None:
    """The stream is there before the first line."""
    arn = cloud.run_task(cloud.define_task(container("true")))
    cloud.await_task(arn)
    assert messages(cloud, arn) == []


def test_a_hundred_thousand_lines_arrive(cloud: Cloud) -> None:
    """A flood loses nothing."""
    arn = cloud.run_task(cloud.define_task(container("seq", "1", "100000")))
    cloud.await_task(arn)
    assert messages(cloud, arn) == [str(number) for number in range(1, 100_001)]


def test_a_line_too_long_for_one_event_becomes_several(cloud: Cloud) -> None:
    """600 KB without a line end are cut where CloudWatch would refuse them."""
    arn = cloud.run_task(cloud.define_task(shell("head -c 600000 /dev/zero | tr '\\0' x; echo; echo end")))
    cloud.await_task(arn)
    got = messages(cloud, arn)
    assert [len(message) for message in got] == [LONGEST_MESSAGE, LONGEST_MESSAGE, 600_000 - 2 * LONGEST_MESSAGE, 3]


def test_each_container_has_its_own_stream(cloud: Cloud) -> None:
    """The stream is named prefix/container/task-id."""
    arn = cloud.run_task(cloud.define_task(shell("sleep 0.3; echo m"), shell("echo s", name="side", essential=False)))
    cloud.await_task(arn)
    assert (messages(cloud, arn), messages(cloud, arn, "side")) == (["m"], ["s"])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_the_chunks_they_come_in(size: int) -> None:
    """However the bytes arrive, the lines are the same."""
    text = "first\nzweite Zeile: äöü\n\n日本語\nlast without end".encode()
    lines = Lines()
    chunks = (text[start : start + size] for start in range(0, len(text), size))
    got = [line for chunk in chunks for line in lines.feed(chunk)] + list(lines.finish())
    assert [line.decode() for line in got] == ["first", "zweite Zeile: äöü", "日本語", "last without end"]


def test_no_character_is_torn() -> None:
    """A cut in the middle of a character moves before it."""
    lines = Lines()
    text = "x" + "日" * LONGEST_MESSAGE
    got = [*lines.feed(text.encode()), *lines.finish()]
    assert "".join(part.decode() for part in got) == text
    assert max(map(len, got)) <= LONGEST_MESSAGE
