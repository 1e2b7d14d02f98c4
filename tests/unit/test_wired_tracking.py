"""How what is asked of jobs is wired: to which queues, tables and machine, and by which clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from deploy.local.stack import PROJECT
from schemas.errors import SettingsError
from schemas.tracking import ListedStatus
from service.api.app import Serving
from service.aws.errors import AwsError
from service.core.pace import Bucket
from service.core.redaction import Redaction
from service.operator.arguments import LISTED
from service.operator.reach import Reach, asked
from service.tracking import logs, wiring
from service.tracking.wiring import Place, wire_tracking
from tests.support.builders import NOW, catalog
from tests.support.every_setting import OF_A_READER
from workers import track_jobs


async def no_client(service: str) -> Any:
    """Nothing is asked of AWS here."""
    raise AssertionError(service)


def service_of(client: Any) -> str:
    """Of which service a client will be."""
    name: str = client._service
    return name


def test_everything_is_wired_to_the_place_that_is_looked_at() -> None:
    """Each reader by a client of its own service."""
    made = wire_tracking(OF_A_READER, no_client, "credentials", lambda: NOW)
    tracker, submission, steering = made.tracker, made.submission, made.steering
    records: Any = tracker.records
    assert (records.name, service_of(records.client), records.now()) == ("jobs", "dynamodb", NOW)
    assert (tracker.job_list.table, service_of(tracker.job_list.client)) == ("jobs", "dynamodb")
    states, objects = tracker.histories.executions, tracker.histories.objects
    assert (states.state_machine_arn, service_of(states.client)) == ("arn:machine", "stepfunctions")
    assert (service_of(objects.client), tracker.logs.objects) == ("s3", objects)
    assert service_of(tracker.logs.tasks.client) == "ecs"
    looks = tracker.logs.looks
    assert (service_of(looks.client), looks.looks.bucket) == ("logs", Bucket.full(1, 2, keeps=0.85))
    assert (tracker.now(), tracker.redaction, tracker.prices) == (
        NOW,
        Redaction.of(("pin=[0-9]+",)),
        OF_A_READER.prices,
    )
    assert (submission.sender.url, service_of(submission.sender.client)) == ("https://requests", "sqs")
    assert (steering.sender.url, service_of(steering.sender.client)) == ("https://control", "sqs")
    assert submission.records is records
    assert steering.find == tracker.find
    caller: Any = steering.caller
    assert service_of(caller.__self__.client) == "sts"


def test_a_place_says_little_by_itself() -> None:
    """No catalogue, no prices, and the usual prefix."""
    place = Place("r", "c", "m", "b", "t")
    assert (place.catalog, place.task_family_prefix, place.secret_patterns, place.prices) == (None, "jobferry", (), {})


async def test_the_catalogue_is_read_once_a_minute_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its place, with the prefix of the families."""
    read: list[tuple[Any, ...]] = []

    async def read_catalog(*given: Any) -> Any:
        read.append(given)
        return catalog()

    monkeypatch.setattr(wiring, "read_catalog", read_catalog)
    made = wire_tracking(OF_A_READER, no_client, None)
    for _ in range(2):
        assert await made.submission.catalog() == catalog()
    assert read == [("s3://mine/catalog.yaml", made.tracker.histories.objects, "ours")]
    assert wiring._CATALOG_SECONDS == 60.0
    without = wire_tracking(Place("r", "c", "m", "b", "t"), no_client, None)
    assert await without.submission.catalog() is None
    assert len(read) == 1


def test_how_much_of_a_live_log_is_held() -> None:
    """Of so many logs, so many lines and bytes; a look is five pages at the most, once a second."""
    assert (logs._HELD_LINES, logs._HELD_BYTES, logs._HELD_LOGS) == (50_000, 4 * 1024 * 1024, 32)
    assert (logs._PAGES_A_LOOK, logs._LOOK_SECONDS) == (5, 1.0)


VARIABLES = {
    "JOBFERRY_REQUEST_QUEUE_URL": "https://requests",
    "JOBFERRY_CONTROL_QUEUE_URL": "https://control",
    "JOBFERRY_STATE_MACHINE_ARN": "arn:machine",
    "JOBFERRY_LOG_BUCKET": "logs",
    "JOBFERRY_JOBS_TABLE": "jobs",
    "JOBFERRY_CATALOG": "s3://mine/catalog.yaml",
    "JOBFERRY_TASK_FAMILY_PREFIX": "ours",
    "JOBFERRY_SECRET_PATTERNS": '["pin=[0-9]+"]',
}
SHIPPED = str(PROJECT / "deploy" / "catalog.yaml")


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """These variables, and no others of ours or of AWS's."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    keys = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in {**keys, **VARIABLES, **variables}.items():
        monkeypatch.setenv(name, value)


def test_the_function_looks_at_what_the_template_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variables."""
    given(monkeypatch)
    place = track_jobs._place()
    assert place == Place(
        request_queue_url="https://requests",
        control_queue_url="https://control",
        state_machine_arn="arn:machine",
        log_bucket="logs",
        jobs_table="jobs",
        catalog="s3://mine/catalog.yaml",
        task_family_prefix="ours",
        secret_patterns=("pin=[0-9]+",),
    )
    for nothing in ("", "[]"):
        monkeypatch.setenv("JOBFERRY_SECRET_PATTERNS", nothing)
        assert track_jobs._place().secret_patterns == ()
    monkeypatch.delenv("JOBFERRY_SECRET_PATTERNS")
    assert track_jobs._place().secret_patterns == ()


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ("/app/deploy/catalog.yaml", SHIPPED),
        ("s3://mine/catalog.yaml", "s3://mine/catalog.yaml"),
        ("/app/mine.yaml", None),
        ("s3://", None),
    ],
)
def test_which_catalogue_is_within_the_functions_reach(named: str, read: str | None) -> None:
    """One of an image of one's own is for admission alone to judge by."""
    assert track_jobs._catalog(named) == read
    assert Path(SHIPPED).exists()


async def test_the_functions_clients_do_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """API Gateway waits for 29 seconds; a link names its bucket by the host."""
    given(monkeypatch, AWS_DEFAULT_REGION="eu-central-1")
    client: Any = (await track_jobs._client("s3"))._client
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.user_agent[:8]) == (3, 15, "jobferry")
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 4)
    assert (config.signature_version, config.s3) == ("v4", {"addressing_style": "virtual"})
    assert client.meta.service_model.service_name == "s3"
    assert track_jobs._STREAM_SECONDS == 15.0


@pytest.mark.parametrize(
    ("variables", "style"),
    [
        ({}, "virtual"),
        ({"AWS_ENDPOINT_URL": "http://aws:4566"}, "path"),
        ({"AWS_ENDPOINT_URL_S3": "http://s3:9000"}, "path"),
    ],
)
async def test_a_verbs_clients_are_of_the_region_that_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], style: str
) -> None:
    """And patient with a slow network."""
    given(monkeypatch, **variables)
    client: Any = (await Reach(None).client("s3"))._client
    config = client.meta.config
    assert (client.meta.region_name, config.s3) == ("eu-central-1", {"addressing_style": style})
    assert (config.connect_timeout, config.read_timeout, config.user_agent[:8]) == (5, 30, "jobferry")
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 4)
    assert config.signature_version == "v4"


def test_a_verb_needs_a_table_or_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is named by the worker's variable."""
    given(monkeypatch)
    assert Reach(None).jobs_table() == "jobs"
    assert Reach("").jobs_table() == "jobs"
    monkeypatch.setenv("JOBFERRY_JOBS_TABLE", "")
    with pytest.raises(SettingsError, match=r"^JOBFERRY_JOBS_TABLE is missing\. Name a deployment by --stack, or by"):
        Reach(None).jobs_table()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no url")
    with pytest.raises(SettingsError, match=r"^AWS_ENDPOINT_URL cannot be used"):
        Reach(None)


def test_what_aws_did_wrong_is_one_sentence_with_its_remedy() -> None:
    """On one line, with one full stop."""

    async def fails() -> int:
        raise AwsError("Connect\n  timeout.")

    async def works() -> int:
        return 7

    assert asked(works) == 7
    with pytest.raises(SettingsError) as refusal:
        asked(fails)
    assert str(refusal.value).startswith(
        "AWS cannot be asked: Connect timeout. Look at AWS_ENDPOINT_URL, at the region"
    )


def test_every_status_of_a_list_can_be_typed() -> None:
    """Those of the contract."""
    assert get_args(ListedStatus) == LISTED


def test_the_function_serves_what_it_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on loopback, with streams that end before API Gateway does; made once, and run on one loop."""
    given(monkeypatch, AWS_DEFAULT_REGION="eu-central-1")
    served: list[Serving] = []

    async def answered(app: Any, event: dict[str, Any]) -> dict[str, Any]:
        return {"app": app, **event}

    monkeypatch.setattr(track_jobs, "build_app", lambda serving: served.append(serving) or "the app")  # type: ignore[func-returns-value]
    monkeypatch.setattr(track_jobs, "answer", answered)
    track_jobs._made.cache_clear()
    for _ in range(2):
        assert track_jobs.handler({"path": "/tenants"}, None) == {"app": "the app", "path": "/tenants"}
    track_jobs._made()[0].close()
    track_jobs._made.cache_clear()
    [serving] = served
    assert (serving.on_loopback, serving.stream_seconds, serving.gate, serving.reruns) == (False, 15.0, None, True)
    submission, steering = serving.submission, serving.steering
    assert (submission.sender.url, steering.sender.url) == ("https://requests", "https://control")
    assert steering.find == serving.tracker.find
    assert serving.cases.tracker is serving.tracker
    objects = serving.tracker.histories.objects
    assert (type(objects.credentials).__name__, serving.cases.objects) == ("BlockingCredentials", objects)
