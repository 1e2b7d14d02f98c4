"""The page and the HTTP API as one app."""

from __future__ import annotations

from fastapi import FastAPI

from service.api.app import Serving, build_app
from service.console.routes import Headers, pages


def build_console(serving: Serving) -> FastAPI:
    """The API's app with the page before it."""
    app = build_app(serving)
    calm = serving.tracker.unhurried()
    app.include_router(pages(calm, serving.steers, reruns=serving.reruns, stream_seconds=serving.stream_seconds))
    app.add_middleware(Headers)
    return app
