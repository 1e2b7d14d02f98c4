"""What the page costs in a browser: `python -m tests.bench.page` (needs Chromium, see requirements/browser.txt).

`python -m tests.bench.page job of` measures the pages alone whose names have that.

A list of 100,000 jobs, a job of 100 stages, a log of 100 MB: for each the time on loopback until its first byte, until
something is seen (first contentful paint) and until all is loaded; what the server computed; and what Chromium spent on
scripts, styles and layout (CDP, Performance.getMetrics). Medians of some rounds. AWS answers at once, from memory: what
it takes itself comes on top. On a machine that others use too the row of no page says what part of a time is Chromium's
own. Then what one page and twenty that are open ask of AWS, and one whose tab is hidden.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from service.core.log_index import Marks, index_key
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from tests.support.builders import (
    NOW,
    announced,
    attempt,
    container,
    execution,
    execution_arn,
    receipt,
    requested,
    running,
    task,
)
from tests.support.serving import serving
from tests.support.shelf import BUCKET, Shelf

_JOBS, _STAGES, _LINES, _LINE_BYTES = 100_000, 100, 1_000_000, 100
_ROUNDS, _OPEN_SECONDS, _PAGES = 5, 10, 20
_PATIENCE = 120_000
_LOG_KEY = "jobs/large/logs/1-1/main-t1.work.log"


@dataclass(frozen=True)
class Shown:
    """What it took to show a page; milliseconds."""

    name: str
    first_byte: float
    seen: float
    loaded: float
    server: float
    script: float
    style: float
    layout: float
    nodes: float
    bytes: float

    def row(self) -> str:
        """As a row of the table."""
        figures = (self.first_byte, self.seen, self.loaded, self.server, self.script, self.style, self.layout)
        return f"{self.name:36}" + "".join(f"{each:8.0f}" for each in (*figures, self.nodes, self.bytes / 1000))


_HEAD = ("byte", "seen", "loaded", "server", "script", "style", "layout", "nodes", "kB")


def made(number: int) -> tuple[Fact, ...]:
    """One of many jobs: of ten one failed, and the youngest three run."""
    job_id = f"thumbs-{number}"
    at = NOW + number
    begun = requested(job_id=job_id, tenant="default", submitted_at=at, job_type="thumbs", user="ann", stages=3)
    if number >= _JOBS - 3:
        return (begun, execution("RUNNING", job_id=job_id, started_at=at), running(job_id=job_id))
    status = "FAILED" if number % 10 == 0 else "SUCCEEDED"
    told = announced(of=RecordKey.of_job(job_id)).model_copy(update={"status": status, "ended_at": at + 60})
    ended = execution(status, job_id=job_id, arn=execution_arn(job_id), attempts=(attempt(),))
    return (begun, ended, task(job_id=job_id), told)


def of_many_stages() -> tuple[Fact, ...]:
    """A job of a hundred stages, of which the last runs."""
    return with_stages_passed(_STAGES - 1)


def with_stages_passed(passed: int) -> tuple[Fact, ...]:
    """The same when so many have passed, and the next one runs."""
    numbers = range(1, passed + 1)
    done = [task(f"t{number}", job_id="staged", stage=number, **_times(number)) for number in numbers]
    logs = [receipt(f"t{number}", job_id="staged", archived_at=NOW + 4 * number) for number in numbers]
    begun = {name: at for name, at in _times(passed + 1).items() if name != "stopped_at"}
    last = running(f"t{passed + 1}", job_id="staged", stage=passed + 1, **begun)
    asked = requested(job_id="staged", tenant="default", stages=_STAGES)
    return (asked, execution("RUNNING", job_id="staged", arn=execution_arn("staged")), *done, *logs, last)


def of_many_attempts() -> tuple[Fact, ...]:
    """A job of ten stages that failed at the last one sixty times each, and was redriven as often."""
    of: dict[str, Any] = {"job_id": "tried"}
    numbers = [(redrive, stage) for stage in range(1, 11) for redrive in range(60)]
    failed = [
        task(f"t{at}", **of, stage=stage, redrive=redrive, containers=(container(exit_code=1),), **_times(at))
        for at, (redrive, stage) in enumerate(numbers, 1)
    ]
    asked = requested(**of, tenant="default", stages=10)
    return (asked, execution("RUNNING", **of, arn=execution_arn("tried"), redrive_count=60), *failed)


def _times(number: int) -> dict[str, float]:
    """When each of them was made, began and ended: one after the other, four seconds each."""
    names = ("created_at", "pull_started_at", "started_at", "stopped_at")
    return {name: NOW + 4 * number - 4 + at for name, at in zip(names, (0, 0.5, 1, 3.5), strict=True)}


def history(passed: int = _STAGES - 1) -> list[dict[str, Any]]:
    """Of the job of a hundred stages: three states a stage."""
    found: list[dict[str, Any]] = []
    for number in range(1, passed + 2):
        plan = f'{{"lambda_result": {{"next_stage": {{"stage": {number}, "attempt": 1}}}}, "stages": "{"x" * 1000}"}}'
        for name in ("plan_next_step", "next_stage_choice_step", "run_stage"):
            at = NOW + 4 * number - 4
            found.append(
                {"type": "TaskStateEntered", "timestamp": at, "stateEnteredEventDetails": {"name": name, "input": plan}}
            )
            if name == "run_stage":
                found.append(
                    {"type": "TaskScheduled", "timestamp": at, "taskScheduledEventDetails": {"resourceType": "ecs"}}
                )
            left = {"name": name, "output": plan}
            found.append({"type": "TaskStateExited", "timestamp": at + 0.5, "stateExitedEventDetails": left})
    return found[:-1]


def large_log() -> dict[str, bytes]:
    """A million lines of a hundred bytes, a tenth of them in colours, with their index."""
    marks = Marks()
    lines = []
    for number in range(1, _LINES + 1):
        words = "\x1b[32mok\x1b[0m" if number % 10 == 0 else "ok"
        lines.append(f"{number:8} {words} ".encode().ljust(_LINE_BYTES - 1, b".") + b"\n")
        marks.note(number, (number - 1) * _LINE_BYTES, NOW + number / 1000)
    return {_LOG_KEY: b"".join(lines), index_key(_LOG_KEY): marks.packed(_LINES, _LINES * _LINE_BYTES)}


def with_a_large_log() -> tuple[Fact, ...]:
    """A job that wrote it."""
    of: dict[str, Any] = {"job_id": "large"}
    log = receipt(**of, lines=_LINES, bytes=_LINES * _LINE_BYTES, s3_bucket=BUCKET, s3_key=_LOG_KEY)
    begun = requested(**of, tenant="default")
    return (begun, execution(**of, arn=execution_arn("large"), attempts=(attempt(),)), task(**of), log,
            announced(of=RecordKey.of_job("large")))  # fmt: skip


def shelf() -> Shelf:
    """All of it."""
    return Shelf(
        many=_JOBS,
        made=made,
        more={"staged": of_many_stages(), "tried": of_many_attempts(), "large": with_a_large_log()},
        objects=large_log(),
        histories={"staged": history()},
    )


_LARGE = "jobs/default/large?stage=1&attempt=1"
PAGES = {
    "no page: Chromium's own time": "none",
    "list of 100,000 jobs": "",
    "list, status:failed": "?q=status:failed",
    "job of 100 stages": "jobs/default/staged",
    "job of 600 attempts": "jobs/default/tried",
    "log of 100 MB, its end": "jobs/default/large",
    "log of 100 MB, line 654,321": f"{_LARGE}&first=654221#L654321",
    "log of 100 MB, search, line 999,990": f"{_LARGE}&find=999990",
}


_OPEN = {"list": "", "list, status:failed": "?q=status:failed", "job that runs": f"jobs/default/thumbs-{_JOBS - 1}"}


def shown(browser: Any, address: str, name: str, where: str) -> Shown:
    """Open it in a browser that has nothing yet."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable")
    server = time.process_time()
    page.goto(address + where, wait_until="load")
    server = time.process_time() - server
    if where != "none":
        page.wait_for_selector("html[data-ready]", state="attached")  # Its scripts come after what is seen.
    times = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    # The page's policy lets no condition be evaluated in it that is not awaited.
    seen = page.evaluate(
        "new Promise(done => new PerformanceObserver(list => list.getEntriesByName('first-contentful-paint')"
        ".forEach(entry => done(entry.startTime))).observe({type: 'paint', buffered: true}))"
    )
    told = {item["name"]: item["value"] for item in devtools.send("Performance.getMetrics")["metrics"]}
    context.close()
    return Shown(
        name,
        times["responseStart"],
        seen,
        times["loadEventStart"],
        1000 * server,
        1000 * told["ScriptDuration"],
        1000 * told["RecalcStyleDuration"],
        1000 * told["LayoutDuration"],
        told["Nodes"],
        times["decodedBodySize"],
    )


def middle(rounds: list[Shown]) -> Shown:
    """The median of each figure."""
    fields = [name for name in Shown.__dataclass_fields__ if name != "name"]
    return Shown(rounds[0].name, **{name: median(getattr(item, name) for item in rounds) for name in fields})


def reads(browser: Any, address: str, where: str, calls: list[str], pages: int, look: Callable[[Any], None]) -> float:
    """What so many pages that are open ask of AWS in a second."""
    # Each a browser of its own: one has six connections to a server, and streams only to what is looked at.
    opened = [browser.new_context().new_page() for _ in range(pages)]
    for page in opened:
        page.set_default_timeout(_PATIENCE)
        page.goto(address + where)
        look(page)
    opened[0].wait_for_timeout(1000)
    before = len(calls)
    opened[0].wait_for_timeout(1000 * _OPEN_SECONDS)
    made_meanwhile = len(calls) - before
    for page in opened:
        page.context.close()
    return made_meanwhile / _OPEN_SECONDS


def hide(page: Any) -> None:
    """As if another tab were looked at: headless Chromium has no such thing."""
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def report(browser: Any, held: Shelf, part: str) -> Iterator[str]:
    """The lines of the report; only of pages whose name has this part, where one is given."""
    with serving(held) as port:
        address = f"http://127.0.0.1:{port}/"
        yield f"{f'ms, medians of {_ROUNDS}':36}" + "".join(f"{name:>8}" for name in _HEAD)
        for name, where in PAGES.items():
            if part not in name:
                continue
            yield middle([shown(browser, address, name, where) for _ in range(_ROUNDS)]).row()
        if part:
            return
        yield ""
        yield "reads of AWS a second"
        for name, where in {
            "list": "",
            "list, status:failed": "?q=status:failed",
            "job": "jobs/default/staged",
        }.items():
            one = reads(browser, address, where, held.calls, 1, lambda _: None)
            many = reads(browser, address, where, held.calls, _PAGES, lambda _: None)
            hidden = reads(browser, address, where, held.calls, 1, hide)
            yield f"{name:36} one page {one:4.2f}, {_PAGES} pages {many:4.2f}, hidden {hidden:4.2f}"


def main() -> None:
    """Print them."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for line in report(browser, shelf(), " ".join(sys.argv[1:])):
            print(line, flush=True)
        browser.close()


if __name__ == "__main__":
    main()
