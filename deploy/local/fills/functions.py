"""Lambda functions in local processes, few enough for this machine and truthful about their errors.

Gaps in ministack 1.5.33: every concurrent invocation starts a Python process of its own, so that a burst of 300 takes
minutes on two cores; every invocation that prints nothing waits 50 ms for output; every function that raises fails as
`Runtime.HandlerError`, so that no ErrorEquals can name the exception; every cold start imports botocore.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from deploy.local.fills.pinned import PinMovedError, replace
from deploy.local.fills.responses import JsonObject

STARTED_FREELY = 2  # execution environments of one function before a caller waits for one: its start is dearer
WAIT_FOR_A_FREE_ONE = 2.0  # seconds; then one more is started, since the function seems to be slow, not popular
END_OF_OUTPUT = "\x1eend of invocation"
OUTPUT_DRAIN = 0.25  # seconds; only a function that closes its stderr makes us wait as long

# What the bootstrap of Python functions says, and what it is to say instead.
BOOTSTRAP_CHANGES = (
    ("    _ms_install_invoke_depth()\n    try:", "    try:"),
    (
        '_real_stdout.write(json.dumps({"status": "ok", "result": result})',
        f"sys.stderr.write({END_OF_OUTPUT!r} + chr(10)); sys.stderr.flush()\n"
        '            _real_stdout.write(json.dumps({"status": "ok", "result": result})',
    ),
    (
        '_real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})',
        f"sys.stderr.write({END_OF_OUTPUT!r} + chr(10)); sys.stderr.flush()\n"
        '            _real_stdout.write(json.dumps({"status": "error", "error": str(e), '
        '"trace": traceback.format_exc(), "raised": type(e).__name__})',
    ),
)

_RAISED: ContextVar[JsonObject | None] = ContextVar("raised", default=None)


def install() -> None:
    """Put our pool and our bootstrap in the place of the emulator's."""
    replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", changed(lambda_runtime._PYTHON_WORKER_SCRIPT))
    replace(lambda_runtime, "Worker", LocalWorker)
    pool = Pool(lambda_svc.acquire_worker, lambda_svc.release_worker)
    replace(lambda_svc, "acquire_worker", pool.acquire)
    replace(lambda_svc, "release_worker", pool.release)
    replace(lambda_svc, "_execute_function_warm", with_true_errors(lambda_svc._execute_function_warm))


def changed(bootstrap: str) -> str:
    """The bootstrap of Python functions with our changes.

    Raises:
        PinMovedError: it no longer says what is to be changed.
    """
    for old, new in BOOTSTRAP_CHANGES:
        if bootstrap.count(old) != 1:
            raise PinMovedError(f"The Lambda bootstrap no longer has {old!r}")
        bootstrap = bootstrap.replace(old, new)
    return bootstrap


class LocalWorker(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment that knows where an invocation's output ends and what the handler raised."""

    def invoke(self, *arguments: Any, **named: Any) -> JsonObject:
        """Invoke the handler once."""
        result: JsonObject = super().invoke(*arguments, **named)
        if "raised" in result:
            _RAISED.set(result)
        return result

    def _drain_stderr_bounded(self, *_: float) -> str:
        lines: list[str] = []
        until = time.monotonic() + OUTPUT_DRAIN
        while (left := until - time.monotonic()) > 0:
            try:
                line = self._stderr_queue.get(timeout=left)
            except queue.Empty:
                break
            if line.endswith(END_OF_OUTPUT):
                lines += [rest] if (rest := line.removesuffix(END_OF_OUTPUT)) else []
                break
            lines.append(line)
        return "\n".join(lines)


class Pool:
    """Hands out execution environments, and makes a caller wait where another one would only slow down all."""

    def __init__(self, acquire: Callable[..., Any], release: Callable[..., Any]) -> None:
        self._acquire = acquire
        self._release = release
        self._freed: defaultdict[str, threading.Condition] = defaultdict(threading.Condition)

    def acquire(self, name: str, config: Mapping[str, Any], code: bytes, qualifier: str = "$LATEST") -> Any:
        """A free environment of a function, or a new one where it has few or all of them stay busy."""
        patience = time.monotonic() + WAIT_FOR_A_FREE_ONE
        freed = self._freed[name]
        with freed:
            while not self._may_take(name, config, qualifier) and (left := patience - time.monotonic()) > 0:
                freed.wait(left)
            return self._acquire(name, config, code, qualifier=qualifier)

    def release(self, worker: Any) -> None:
        """Take an environment back."""
        self._release(worker)
        # A worker that failed was dropped already, and nobody can say any more whose it was.
        for name in [worker.func_name] if worker is not None else list(self._freed):
            with self._freed[name]:
                self._freed[name].notify()

    def _may_take(self, name: str, config: Mapping[str, Any], qualifier: str) -> bool:
        workers = lambda_runtime._workers.get(lambda_runtime._worker_key(name, config, qualifier), [])
        return len(workers) < STARTED_FREELY or any(not worker.in_use for worker in workers)


def with_true_errors(plain: Callable[..., JsonObject]) -> Callable[..., JsonObject]:
    """An executor whose failures carry the exception's own name and trace, as Lambda's do."""

    def execute(function: JsonObject, event: Any, request_id: str) -> JsonObject:
        _RAISED.set(None)
        answer = plain(function, event, request_id)
        raised = _RAISED.get()
        if raised is not None and answer.get("error"):
            answer["body"] = {
                "errorMessage": raised["error"],
                "errorType": raised["raised"],
                "requestId": request_id,
                "stackTrace": raised["trace"].splitlines(keepends=True)[1:-1],
            }
        return answer

    return execute
