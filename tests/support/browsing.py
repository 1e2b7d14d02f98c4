"""Chromium, and a proxy before the page, for the tests that look at it as people do."""

from __future__ import annotations

import os
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
AXE = os.environ.get("PAGE_AXE")
needs_browser = pytest.mark.skipif(
    (CHROMIUM is None or find_spec("playwright") is None) and "PAGE_NEEDS_BROWSER" not in os.environ,
    reason="needs Debian's chromium, and requirements/browser.txt in .venv",
)
needs_axe = pytest.mark.skipif(
    AXE is None and "PAGE_NEEDS_BROWSER" not in os.environ,
    reason="needs PAGE_AXE, the file axe.min.js of npm's axe-core",
)
_PATIENCE = 60_000


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Whoever is root has no sandbox to put it in.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


def opened(browser: Any, address: str, said: list[str] | None = None, *, timed: bool = False, **context: Any) -> Any:
    """A page in a browser of its own; what it complains of is noted in `said`. `timed`: its clock can be put on."""
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(_PATIENCE)
    if timed:
        page.clock.install()
    if said is not None:
        page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    if context.get("java_script_enabled", True):
        ready(page)
    return page


def ready(page: Any) -> None:
    """Wait until keys are heard: the scripts come after what is seen."""
    page.wait_for_selector("html[data-ready]", state="attached")


def later(page: Any, seconds: float) -> None:
    """Let so much time pass in a page that is timed: all that it would do meanwhile, it does now."""
    page.clock.run_for(1000 * seconds)


def go(page: Any, address: str) -> None:
    """To another page, whose keys are heard."""
    page.goto(address)
    ready(page)


def faults(page: Any, *rules: str) -> list[str]:
    """What axe finds, by its rules' names; the page must have been opened with `bypass_csp`. Some rules, or all."""
    if page.evaluate("typeof axe") == "undefined":
        page.add_script_tag(path=AXE)
    given: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        given["runOnly"] = {"type": "rule", "values": list(rules)}
    return [item["id"] for item in page.evaluate("given => axe.run(given)", given)["violations"]]


def hide(page: Any, *, hidden: bool = True) -> None:
    """As if another tab were looked at, which headless Chromium cannot do."""
    state = "hidden" if hidden else "visible"
    page.evaluate(
        f"Object.defineProperty(document, 'visibilityState', {{value: '{state}', configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


class _Unmoved(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirection is the browser's to follow."""


@contextmanager
def prefixed(port: int, prefix: str) -> Iterator[int]:
    """A proxy that serves what is at a port below a path of its own, and nothing else; yields its port."""
    ask = urllib.request.build_opener(_Unmoved)

    class Handler(BaseHTTPRequestHandler):
        """Hands on."""

        def do_GET(self) -> None:
            """Any request."""
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            size = int(self.headers.get("content-length", 0))
            body = self.rfile.read(size) if size else None
            url = f"http://127.0.0.1:{port}/{self.path.removeprefix(prefix)}"
            wanted = urllib.request.Request(url, body, dict(self.headers.items()), method=self.command)
            try:
                answer = ask.open(wanted, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            self.send_response(answer.status or 502)
            for name, value in answer.headers.items():
                if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            while piece := answer.read1(65_536):
                self.wfile.write(piece)
                self.wfile.flush()

        do_POST = do_GET  # As the server calls it.

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
