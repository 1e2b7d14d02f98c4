"""`jobferry console` as a team shares it: the real command, behind a load balancer of the test's own."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import PROJECT
from schemas.control import ControlMessage
from schemas.tracking import Asked, JobPage
from service.aws.jobs_table import JobsTable
from tests.support.builders import JOB, MACHINE, execution, requested
from tests.support.connecting import CREDENTIALS, REGION, Connect
from tests.support.load_balancer import CLIENT, ISSUER, KEY_ID, LOAD_BALANCER, LoadBalancer
from tests.support.ports import free_port
from tests.support.processes import jobferry, running

OURS, ANOTHER = LoadBalancer(), LoadBalancer()
ORIGIN, HOST = "https://jobs.example.com", "jobs.example.com"


class Keys(BaseHTTPRequestHandler):
    """Where the load balancer's public key is."""

    def do_GET(self) -> None:
        """Answer with it, or say that it is not there."""
        found = self.path == f"/{KEY_ID}"
        self.send_response(200 if found else 403)
        self.end_headers()
        self.wfile.write(OURS.pem if found else b"<Error/>")

    def log_message(self, format: str, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def keys_url() -> Iterator[str]:
    """A server of keys."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
async def variables(endpoint: str, connect: Connect, name: str, table: JobsTable, keys_url: str) -> Mapping[str, str]:
    """Those of the deployment and of the load balancer, as the task definition gives them."""
    sqs = await connect("sqs")
    queue = (await sqs.create_queue(QueueName=name))["QueueUrl"]
    await table.merge(requested())
    await table.merge(execution("RUNNING"))
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        **{key.upper(): value for key, value in CREDENTIALS.items()},
        "JOBFERRY_REQUEST_QUEUE_URL": queue,
        "JOBFERRY_EVENT_QUEUE_URL": queue,
        "JOBFERRY_CONTROL_QUEUE_URL": queue,
        "JOBFERRY_STATE_MACHINE_ARN": MACHINE.replace("eu-central-1", REGION),
        "JOBFERRY_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:t",
        "JOBFERRY_LOG_BUCKET": name,
        "JOBFERRY_JOBS_TABLE": table.name,
        "JOBFERRY_CATALOG": str(PROJECT / "deploy" / "catalog.yaml"),
        "JOBFERRY_CONSOLE_URL": ORIGIN,
        "JOBFERRY_CONSOLE_LOAD_BALANCER_ARN": LOAD_BALANCER,
        "JOBFERRY_CONSOLE_ISSUER": ISSUER,
        "JOBFERRY_CONSOLE_CLIENT_ID": CLIENT,
        "JOBFERRY_CONSOLE_KEYS_URL": keys_url,
    }


def asked(port: int, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer to the load balancer; whatever is posted gives a reason."""
    body = b'{"reason": "mine"}' if method == "POST" else None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read()


async def test_only_who_is_signed_in_sees_and_steers_jobs(
    variables: Mapping[str, str], tmp_path: Path, connect: Connect
) -> None:
    """What is asked for is asked in the name of whoever is signed in."""
    port = free_port()
    words = ("console", "--host", "0.0.0.0", "--port", str(port))
    with running(*words, folder=tmp_path, environment=variables) as command:
        command.wait_for_line(f"Jobs are, for those who are signed in, at {ORIGIN}/")
        signed_in = {"Host": HOST, "x_amzn_oidc_data": OURS.token()}
        assert asked(port, "GET", "/health", Host="10.0.0.7") == (200, b"well\n")
        assert asked(port, "GET", "/", **signed_in)[0] == 200
        status, body = asked(port, "GET", "/tenants/web/jobs", **signed_in)
        assert (status, [job.id for job in JobPage.model_validate_json(body).jobs]) == (200, [JOB])

        refused = {
            "nobody": {"Host": HOST},
            "forged": {"Host": HOST, "x_amzn_oidc_data": ANOTHER.token()},
            "by a name alone": {"Host": HOST, "x_amzn_oidc_identity": "00u1"},
            "a key nobody has": {
                "Host": HOST,
                "x_amzn_oidc_data": OURS.token(kid="00000000-0000-0000-0000-000000000000"),
            },
        }
        answers = {why: asked(port, "GET", "/tenants/web/jobs", **headers) for why, headers in refused.items()}
        assert {why: status for why, (status, _) in answers.items()} == dict.fromkeys(refused, 401)
        assert all(JOB.encode() not in body for _, body in answers.values())
        assert asked(port, "GET", "/", Host="127.0.0.1", x_amzn_oidc_data=OURS.token())[0] == 403

        cancel = f"/tenants/web/jobs/{JOB}/cancel"
        assert asked(port, "POST", cancel, **signed_in)[0] == 403
        assert asked(port, "POST", cancel, **signed_in, Origin="https://evil.example")[0] == 403
        status, body = asked(port, "POST", cancel, Content_Type="application/json", Origin=ORIGIN, **signed_in)
        assert (status, Asked.model_validate_json(body).requested_by) == (202, "ada@example.com (00u1)")
    assert command.process.returncode == 0
    sqs = await connect("sqs")
    answer = await sqs.receive_message(QueueUrl=variables["JOBFERRY_CONTROL_QUEUE_URL"], MaxNumberOfMessages=10)
    [wish] = [ControlMessage.model_validate_json(item["Body"]) for item in answer["Messages"]]
    assert (wish.verb, wish.requested_by, wish.reason) == ("cancel", "ada@example.com (00u1)", "mine")


def test_where_keys_cannot_be_fetched_nobody_is_let_in(variables: Mapping[str, str], tmp_path: Path) -> None:
    """With 503, which says that it is worth asking again."""
    port, nobody = free_port(), free_port()
    environment = {**variables, "JOBFERRY_CONSOLE_KEYS_URL": f"http://127.0.0.1:{nobody}"}
    with running(
        "console", "--host", "0.0.0.0", "--port", str(port), folder=tmp_path, environment=environment
    ) as command:
        command.wait_for_line("Jobs are")
        status, body = asked(port, "GET", "/", Host=HOST, x_amzn_oidc_data=OURS.token())
        assert (status, "cannot be verified" in json.loads(body)["detail"]) == (503, True)


def test_without_a_load_balancer_no_other_address_is_served_at(variables: Mapping[str, str], tmp_path: Path) -> None:
    """Status 2, and each setting that is needed."""
    own = {name: value for name, value in variables.items() if not name.startswith("JOBFERRY_CONSOLE_")}
    ended = jobferry("console", "--host", "0.0.0.0", "--port", "0", folder=tmp_path, variables=own)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "JOBFERRY_CONSOLE_LOAD_BALANCER_ARN" in ended.stderr
    half = {**own, "JOBFERRY_CONSOLE_URL": ORIGIN}
    ended = jobferry("console", "--host", "0.0.0.0", "--port", "0", folder=tmp_path, variables=half)
    assert ended.returncode == 2
    assert "JOBFERRY_CONSOLE_ISSUER is missing. It is: The Issuer" in ended.stderr
