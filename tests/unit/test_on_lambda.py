"""The app behind API Gateway: events of a REST API as requests, and answers as the function's."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from service.api.on_lambda import answer
from tests.support.deployment import properties


def event(method: str = "GET", path: str = "/tenants/web/jobs", **fields: Any) -> dict[str, Any]:
    """A proxy event as a stage named v1 gets it."""
    usual = {"httpMethod": method, "path": path, "requestContext": {"path": f"/v1{path}", "stage": "v1"}, "body": None}
    return {**usual, **fields}


@pytest.fixture
def app() -> FastAPI:
    """Answers with what it was asked."""
    app = FastAPI()

    @app.api_route("/tenants/{rest:path}", methods=["GET", "POST"])
    async def echo(request: Request) -> Response:
        asked = {
            "method": request.method,
            "path": request.url.path,
            "root": request.scope["root_path"],
            "query": request.query_params.multi_items(),
            "key": request.headers.get("idempotency-key"),
            "body": (await request.body()).decode(),
        }
        answered = Response(json.dumps(asked), 202, media_type="application/json")
        answered.headers.append("x-twice", "a")
        answered.headers.append("x-twice", "b")
        return answered

    return app


async def test_an_event_is_a_request(app: FastAPI) -> None:
    """Method, path, query, headers and body, each as it was sent."""
    told = await answer(
        app,
        event(
            "POST",
            body="größe",
            multiValueQueryStringParameters={"label": ["a=b", "c&d"]},
            multiValueHeaders={"Idempotency-Key": ["k"]},
        ),
    )
    assert told["statusCode"] == 202
    assert json.loads(told["body"]) == {
        "method": "POST",
        "path": "/tenants/web/jobs",
        "root": "/v1",
        "query": [["label", "a=b"], ["label", "c&d"]],
        "key": "k",
        "body": "größe",
    }
    assert told["multiValueHeaders"]["x-twice"] == ["a", "b"]


async def test_a_body_that_is_no_text_comes_in_base64(app: FastAPI) -> None:
    """As API Gateway hands on what it takes for binary."""
    body = base64.b64encode("größe".encode()).decode()
    assert json.loads((await answer(app, event("POST", body=body, isBase64Encoded=True)))["body"])["body"] == "größe"


@pytest.mark.parametrize(("size", "status"), [(4_500_000, 200), (4_500_001, 413)])
async def test_a_file_goes_out_in_base64_as_far_as_an_answer_may_hold_it(size: int, status: int) -> None:
    """A function's answer has a limit; who asks for more is told what to do."""
    app = FastAPI()

    @app.get("/tenants/{rest:path}")
    async def file() -> Response:
        return Response(b"\xff" * size, media_type="application/zip")

    told = await answer(app, event())
    assert (told["statusCode"], told["isBase64Encoded"]) == (status, status == 200)
    if status == 200:
        assert base64.b64decode(told["body"]) == b"\xff" * size
        assert len(json.dumps(told)) < 6 * 1024 * 1024
    else:
        assert told["multiValueHeaders"]["content-type"] == ["application/problem+json"]
        assert "4,500,000 can be handed on here" in json.loads(told["body"])["detail"]


async def test_a_domain_of_ones_own_has_its_own_beginning(app: FastAPI) -> None:
    """Or none: a Location leads back to where the request was sent."""
    for begins in ("", "/jobferry"):
        path = f"{begins}/tenants/web/jobs"
        told = json.loads((await answer(app, event(path=path, requestContext={"path": path})))["body"])
        assert (told["root"], told["path"]) == (begins, "/tenants/web/jobs")


async def test_a_stream_is_handed_on_whole() -> None:
    """Nobody hangs up: what waits between its messages is waited for."""
    app = FastAPI()

    async def told() -> AsyncIterator[str]:
        for number in range(3):
            await asyncio.sleep(0)
            yield f"data: {number}\n\n"

    @app.get("/tenants/web/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(told())

    assert (await answer(app, event(path="/tenants/web/events")))["body"] == "data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_the_front_door_asks_the_function_for_all_below_tenants_and_iam_who_may() -> None:
    """By any method; a caller is confined by the path that a policy names."""
    method, resource = properties("ApiTrack"), properties("ApiTenantsAll")
    assert (method["HttpMethod"], method["AuthorizationType"]) == ("ANY", "AWS_IAM")
    assert (method["Integration"]["Type"], resource["PathPart"]) == ("AWS_PROXY", "{proxy+}")
    assert properties("TrackJobsPermission")["SourceArn"]["Fn::Sub"].endswith("/*/*/tenants/*")
