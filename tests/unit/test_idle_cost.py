"""The README's table of what an idle stack costs: its counts are the template's, and its sums are right."""

from __future__ import annotations

import re
from pathlib import Path

from service.metrics import BACKLOGS, COUNTED, SWEEP_OVERDUE
from tests.support.deployment import resources, template

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip(" *") for cell in line.split("|")[1:-1]]
    for line in README.partition("| what costs while no job runs |")[2].partition("\n\n")[0].splitlines()[2:]
]
HOURS = 730
# USD, by the list prices of us-east-1.
NAT, ADDRESS, VCPU, GB, METRIC, ALARM, DASHBOARD, ENDPOINT = 0.045, 0.005, 0.04048, 0.004445, 0.30, 0.10, 3, 0.01


def row(what: str) -> tuple[list[float], int, str]:
    """The numbers in a row's first cell, the price, and the rest."""
    [(first, price, why)] = [cells for cells in ROWS if what in cells[0]]
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", first)], int(price), why


def default(parameter: str) -> float:
    """A parameter's default."""
    return float(template()["Parameters"][parameter]["Default"])


def endpoints() -> int:
    """The interface endpoints that NatGateways=endpoints makes."""
    found = [item["Properties"] for item in resources("AWS::EC2::VPCEndpoint").values()]
    return sum(item.get("VpcEndpointType") == "Interface" for item in found)


def endpoints_cost() -> float:
    """A month of them: each is billed in each of its two zones [AWS PrivateLink pricing]."""
    return endpoints() * 2 * ENDPOINT * HOURS


def test_the_ways_out() -> None:
    """The gateways of the default, and what one and none cost."""
    [gateways], price, why = row("NAT gateways")
    one = (NAT + ADDRESS) * HOURS
    assert gateways == default("NatGateways") == len(resources("AWS::EC2::NatGateway"))
    assert price == round(gateways * one)
    assert f"`NatGateways=1`: {one:.0f}" in why
    assert f"an address for each worker, {ADDRESS * HOURS:.0f} each" in why
    assert f"{endpoints()} interface endpoints in 2 zones, {endpoints_cost():.0f}, " in why


def test_the_workers() -> None:
    """As many and as large as they are by default."""
    [count, vcpus, mebibytes], price, why = row("workers of")
    assert (count, vcpus, mebibytes) == (default("MinWorkers"), default("WorkerCpu") / 1024, default("WorkerMemory"))
    one = (vcpus * VCPU + mebibytes / 1024 * GB) * HOURS
    assert price == round(count * one)
    assert f"`MinWorkers=1`: {one:.0f}" in why


def test_what_is_watched() -> None:
    """The metrics that are told while nothing happens; alarms are billed by the metrics that they read."""
    [metrics], price, _ = row("metrics of the workers")
    assert metrics == len({*COUNTED, SWEEP_OVERDUE}) + 2 * len(BACKLOGS)
    assert price == round(metrics * METRIC)
    [alarms, read, dashboards], price, _ = row("alarms on")
    found = [item["Properties"] for item in resources("AWS::CloudWatch::Alarm").values()]
    assert alarms == len(found)
    assert read == sum(max(1, sum("MetricStat" in each for each in item.get("Metrics", ()))) for item in found)
    assert dashboards == len(resources("AWS::CloudWatch::Dashboard"))
    assert price == round(read * ALARM + dashboards * DASHBOARD)


def test_the_sums() -> None:
    """All rows, and the same with the other ways out."""
    *parts, (_, total, why) = ROWS
    assert int(total) == sum(int(price) for _, price, _ in parts)
    workers, nat = default("MinWorkers"), (NAT + ADDRESS) * HOURS
    rest = int(total) - row("NAT gateways")[1]
    assert f"`NatGateways=1` about {rest + nat:.0f}" in why
    assert f"`NatGateways=0` about {rest + workers * ADDRESS * HOURS:.0f}" in why
    assert f"`NatGateways=endpoints` about {rest + endpoints_cost():.0f}" in why
