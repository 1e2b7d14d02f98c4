"""What a deployment is, by a stack or by a worker's settings."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest

from service.operator.doctor.deployment import Deployment, by_settings, by_stack
from service.operator.shipped import SHIPPED
from service.settings import SettingsError
from tests.support import whole_deployment as given
from tests.support.examining import refusal
from tests.support.names import CLUSTER_ARN
from tests.support.scripted_aws import Answer, ScriptedAws
from tests.support.settings import default_settings


def of_settings(catalog: str | None, configured: str = given.CATALOG_URI, **fields: str) -> Deployment:
    """The deployment by a worker's settings."""
    settings = default_settings().model_copy(update={"catalog": configured, **fields})
    return by_settings(ScriptedAws(given.whole()).session, settings, catalog)


def test_a_deployment_is_what_a_workers_settings_name() -> None:
    """Field by field, and the families begin as the settings say."""
    settings, found = default_settings(), of_settings(None, task_family_prefix="second")
    names = (
        "request_queue_url",
        "event_queue_url",
        "control_queue_url",
        "state_machine_arn",
        "topic_arn",
        "log_bucket",
        "jobs_table",
    )
    assert {name: getattr(found, name) for name in names} == {name: getattr(settings, name) for name in names}
    assert (found.stack, found.catalog.images["one"].task_definition) == (None, "second-one")


def test_a_catalogue_that_is_named_comes_first() -> None:
    """Before the worker's, and before the stack's."""
    shipped = str(SHIPPED / "catalog.yaml")
    assert list(of_settings(given.CATALOG_URI, configured=shipped).catalog.images) == ["one"]
    assert "pictures" in of_settings(shipped).catalog.images
    assert "pictures" in by_stack(ScriptedAws(given.whole()).session, "jobferry", shipped).catalog.images


def of_stack(parameters: Mapping[str, str], more: Mapping[str, str] | None = None) -> Deployment:
    """The deployment of a stack with these parameters, and with more outputs."""
    answer = given.stack(parameters, {**given.OUTPUTS, **(more or {})})
    return by_stack(ScriptedAws({**given.whole(), "cloudformation.DescribeStacks": answer}).session, "jobferry")


def test_a_deployment_is_what_a_stack_gives() -> None:
    """Output by output."""
    found = of_stack({"Catalog": given.CATALOG_URI})
    expected = replace(given.deployment(stack_name="jobferry"), session=found.session)
    assert found == expected


PREFIXES: dict[str, tuple[Mapping[str, str], Mapping[str, str], str]] = {
    "output": ({"TaskFamilyPrefix": "given"}, {"TaskFamilyPrefix": "told"}, "told-one"),
    "parameter": ({"TaskFamilyPrefix": "given"}, {}, "given-one"),
    "name": ({"TaskFamilyPrefix": ""}, {}, "jobferry-one"),
    "neither": ({}, {}, "jobferry-one"),
}


@pytest.mark.parametrize(("parameters", "outputs", "family"), PREFIXES.values(), ids=PREFIXES)
def test_what_a_stacks_families_begin_with(
    parameters: Mapping[str, str], outputs: Mapping[str, str], family: str
) -> None:
    """Its output, else its parameter, else its name."""
    found = of_stack({"Catalog": given.CATALOG_URI, **parameters}, outputs)
    assert found.catalog.images["one"].task_definition == family


@pytest.mark.parametrize("parameters", [{}, {"Catalog": "/app/deploy/catalog.yaml"}])
def test_the_shipped_catalogue_stands_for_one_in_the_workers_image(parameters: Mapping[str, str]) -> None:
    """It is out of reach from here."""
    assert "pictures" in of_stack(parameters).catalog.images


UNREADABLE: dict[str, Answer] = {
    "not there": refusal("NoSuchKey"),
    "no text": lambda _: {"Body": io.BytesIO(b"\xff\xfe")},
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
def test_a_catalogue_that_cannot_be_read_is_named(answer: Answer) -> None:
    """With the place."""
    aws = ScriptedAws({**given.whole(), "s3.GetObject": answer})
    with pytest.raises(SettingsError, match=f"The catalogue cannot be read: {given.CATALOG_URI}: "):
        by_stack(aws.session, "jobferry")


def test_a_catalogue_file_that_is_not_there_is_named() -> None:
    """As one in S3 is."""
    with pytest.raises(SettingsError, match="The catalogue cannot be read: /no/such/file: "):
        of_settings("/no/such/file")


def test_a_client_is_made_once_a_service() -> None:
    """It costs more than a call."""
    deployment = given.deployment()
    assert deployment.client("sqs") is deployment.client("sqs")
    assert deployment.client("sns") is not deployment.client("sqs")


def test_where_a_definition_names_no_cluster_or_function_there_is_none() -> None:
    """Somebody replaced the whole state machine."""
    other = given.machine({"States": {"a": {"Type": "Succeed"}}})
    deployment = given.deployment({"stepfunctions.DescribeStateMachine": other})
    assert (deployment.cluster_arn, deployment.planner_arn) == ("", "")
    assert given.deployment().cluster_arn == CLUSTER_ARN
    assert given.deployment().planner_arn == given.PLANNER_ARN
