"""The alarms and the dashboard: on metrics that there are, and that the worker is told to give."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from service.metrics import DIMENSION, NAMESPACE
from service.settings import Settings
from tests.support.deployment import Json, properties, resources, template

from .test_metrics import ALL

# What AWS tells of itself [SQS and Step Functions developer guides, CloudWatch metrics].
OF_AWS = {
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfEmptyReceives",
        "NumberOfMessagesReceived",
    },
    "AWS/States": {
        "ExecutionThrottled",
        "ExecutionsAborted",
        "ExecutionsFailed",
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsTimedOut",
    },
}
KNOWN = {NAMESPACE: {metric.name for metric in ALL}, **OF_AWS}
DIMENSIONS = {NAMESPACE: DIMENSION, "AWS/SQS": "QueueName", "AWS/States": "StateMachineArn"}
ALARMS = resources("AWS::CloudWatch::Alarm")
# What shall wake somebody, and the alarm that does.
WATCHED = {
    "age of the oldest request": "RequestsWait",
    "age of the oldest event": "EventsWait",
    "dead letters of requests": "RequestsSetAside",
    "dead letters of events": "EventsSetAside",
    "age of the oldest control message": "ControlWaits",
    "dead letters of control messages": "ControlSetAside",
    "events that did not even arrive": "EventsUndelivered",
    "the sweeper is late": "SweepOverdue",
    "logs wait": "ArchiveBacklog",
    "jobs fail": "JobsFail",
    "our calls are throttled": "CallsThrottled",
    "executions are throttled": "ExecutionsThrottled",
    "no poll succeeds": "NobodyPolls",
}


def metrics_of(alarm: Json) -> Iterator[Json]:
    """Each metric that an alarm is on, alone or in an expression."""
    if "MetricName" in alarm:
        yield alarm
    yield from (item["MetricStat"]["Metric"] for item in alarm.get("Metrics", ()) if "MetricStat" in item)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_on_a_metric_that_there_is(name: str) -> None:
    """Under a dimension that it has; an alarm on nothing would never ring, or always."""
    found = list(metrics_of(ALARMS[name]["Properties"]))
    assert found
    for metric in found:
        assert metric["MetricName"] in KNOWN[metric["Namespace"]]
        assert [item["Name"] for item in metric["Dimensions"]] == [DIMENSIONS[metric["Namespace"]]]


def test_what_matters_is_watched() -> None:
    """And no alarm is there for less."""
    assert sorted(WATCHED.values()) == sorted(ALARMS)


def test_the_worker_gives_the_metrics_that_alarms_are_on() -> None:
    """It is told to, and under the name that the alarms look for; alarms on a worker need one."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    given = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
    own = [item for item in ALARMS.values() if item["Properties"].get("Namespace") == NAMESPACE]
    assert own
    assert Settings.model_fields["metrics"].default == "off"
    assert given["JOBFERRY_METRICS"] == "emf"
    for alarm in own:
        assert alarm["Condition"] == "WithWorkerAlarms"
        assert alarm["Properties"]["Dimensions"] == [{"Name": DIMENSION, "Value": given["JOBFERRY_STACK"]}]


def test_silence_rings_where_a_worker_always_speaks() -> None:
    """Every worker sweeps and polls all the time; of all else, no data is no trouble."""
    breaching = {name for name, item in ALARMS.items() if item["Properties"]["TreatMissingData"] == "breaching"}
    assert breaching == {"SweepOverdue", "NobodyPolls"}


def test_an_alarm_on_the_sweeper_rings_later_than_a_sweep_may_be_late() -> None:
    """Between two looks a job may be overdue for as long as the sweeper rests."""
    sweep = properties("SweepOverdue")
    assert sweep["Threshold"] > 2 * Settings.model_fields["sweep_seconds"].default
    assert sweep["Period"] > 2 * Settings.model_fields["sweep_seconds"].default


def test_a_log_that_waits_rings_before_it_is_given_up() -> None:
    """While something can be done about it."""
    waits = properties("ArchiveBacklog")
    rings_after = waits["Threshold"] + waits["Period"] * waits["EvaluationPeriods"]
    deadline = template()["Parameters"]["LogDeadlineSeconds"]
    assert rings_after <= min(deadline["Default"], deadline["MinValue"])


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    """In valid JSON, each widget in a place of its own."""
    body = re.sub(r"\$\{[^}]+\}", "x", properties("Dashboard")["DashboardBody"]["Fn::Sub"])
    widgets = json.loads(body)["widgets"]
    shown = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
    assert all(
        name in KNOWN[namespace] and dimension == DIMENSIONS[namespace] for namespace, name, dimension, *_ in shown
    )
    places = {(widget["x"], widget["y"]) for widget in widgets}
    assert len(places) == len(widgets)
