"""The guide to an image of one's own, and its worked example."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from schemas.catalog import Catalog, Image
from tests.support.deployment import DEPLOY, statements, template
from tests.support.template import read_template

GUIDE = (DEPLOY / "IMAGES.md").read_text(encoding="utf-8")
EXAMPLE = DEPLOY / "examples" / "own_image.yaml"


def example() -> dict[str, Any]:
    """The example, with the short forms of functions spelt out."""
    return read_template(EXAMPLE)


def machines() -> dict[str, Any]:
    """The machines that the example on EC2 runs on."""
    return read_template(EXAMPLE.with_name("machines.yaml"))


def entries() -> dict[str, tuple[Image, dict[str, Any]]]:
    """Each catalogue entry of the example, with the properties of the task definition it stands beside."""
    return {
        name: (Image.model_validate(entry, strict=False), item["Properties"])
        for item in example()["Resources"].values()
        for name, entry in item.get("Metadata", {}).get("Catalog", {}).items()
    }


@pytest.mark.parametrize("name", entries())
def test_an_entry_is_true_of_its_task_definition(name: str) -> None:
    """Family, container, size and kind of launch agree, and the log is found and complete."""
    image, definition = entries()[name]
    assert definition["Family"]["Fn::Sub"].replace("${TaskFamilyPrefix}", "{prefix}") == image.task_definition
    assert (int(definition["Cpu"]), int(definition["Memory"])) == (image.cpu, image.memory)
    assert definition["RequiresCompatibilities"] == ["FARGATE" if image.on_fargate else "EC2"]
    assert definition["NetworkMode"] == "awsvpc"
    [container] = [item for item in definition["ContainerDefinitions"] if item["Name"] == image.container]
    assert container["Essential"]
    assert container["LogConfiguration"]["Options"]["mode"] == "blocking"
    assert all(
        "awslogs-stream-prefix" in item["LogConfiguration"]["Options"] for item in definition["ContainerDefinitions"]
    )


def test_both_kinds_of_ec2_and_a_sidecar_are_shown() -> None:
    """By launch type and by capacity provider; and a sidecar that decides nothing."""
    kinds = {(image.launch_type, bool(image.capacity_providers)) for image, _ in entries().values()}
    assert {("FARGATE", False), ("EC2", False), ("EC2", True)} <= kinds
    [provider] = [item for item in example()["Resources"].values() if item["Type"] == "AWS::ECS::CapacityProvider"]
    named = {each.capacity_provider for image, _ in entries().values() for each in image.capacity_providers}
    assert named == {provider["Properties"]["Name"]}
    sidecars = [item for _, definition in entries().values() for item in definition["ContainerDefinitions"][1:]]
    assert [item["Name"] for item in sidecars if not item["Essential"]] == ["xray-daemon"]


def test_the_machines_are_as_their_capacity_provider_and_a_careful_team_want_them() -> None:
    """No public address; credentials by token."""
    items, outputs = machines()["Resources"], machines()["Outputs"]
    assert outputs.keys() <= example()["Parameters"].keys()
    machine = items["MachineTemplate"]["Properties"]["LaunchTemplateData"]
    assert machine["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert [card["AssociatePublicIpAddress"] for card in machine["NetworkInterfaces"]] == [False]
    assert all(disk["Ebs"]["Encrypted"] for disk in machine["BlockDeviceMappings"])
    assert "ECS_CLUSTER=${ClusterName}\n" in machine["UserData"]["Fn::Base64"]["Fn::Sub"]


def test_machines_without_nat_have_the_endpoints_that_their_agent_needs_beside_jobferrys() -> None:
    """Both are under a condition: where there is NAT, they would be paid for nothing."""
    found = {name: item for name, item in machines()["Resources"].items() if item["Type"] == "AWS::EC2::VPCEndpoint"}
    services = {item["Properties"]["ServiceName"]["Fn::Sub"].rpartition(".")[2] for item in found.values()}
    assert services == {"ecs-agent", "ecs-telemetry"}
    assert {item["Condition"] for item in found.values()} == {"WithEndpoints"}
    assert machines()["Parameters"]["EndpointVpcId"]["Default"] == ""


def test_the_machines_can_be_deleted_and_no_job_is_cut_off() -> None:
    """CloudFormation empties no group whose instances are protected, and ECS's protection outlives its provider; that a
    machine is drained before it goes, for as long as a job takes, protects the jobs.
    """
    [provider] = [item for item in example()["Resources"].values() if item["Type"] == "AWS::ECS::CapacityProvider"]
    group = provider["Properties"]["AutoScalingGroupProvider"]
    assert (group["ManagedTerminationProtection"], group["ManagedDraining"]) == ("DISABLED", "ENABLED")
    assert machines()["Resources"]["Machines"]["Properties"]["NewInstancesProtectedFromScaleIn"] is False


def test_replaced_revisions_stay_active() -> None:
    """A catalogue may name one, and a job under way may be about to start one."""
    definitions = [item for item in example()["Resources"].values() if item["Type"] == "AWS::ECS::TaskDefinition"]
    assert {item["UpdateReplacePolicy"] for item in definitions} == {"Retain"}


def test_its_outputs_are_parameters_of_jobferry_and_name_every_role() -> None:
    """What the state machine may not pass, no job can use."""
    outputs = example()["Outputs"]
    assert outputs.keys() <= template()["Parameters"].keys()
    roles = {name for name, item in example()["Resources"].items() if item["Type"] == "AWS::IAM::Role"}
    assert set(re.findall(r"\$\{(\w+)\.Arn\}", outputs["JobTaskRoleArns"]["Value"]["Fn::Sub"])) == roles


def test_a_secret_is_given_by_reference() -> None:
    """No value of a secret is a parameter, a variable or a default."""
    secrets = [
        secret
        for _, item in entries().values()
        for each in item["ContainerDefinitions"]
        for secret in each.get("Secrets", ())
    ]
    assert secrets
    assert all(secret["ValueFrom"] == {"Ref": "ApiKeySecretArn"} for secret in secrets)


def test_only_what_has_no_resource_is_allowed_on_all() -> None:
    """The stars of the example are two, each with its reason in the template."""
    roles = [item for item in example()["Resources"].values() if item["Type"] == "AWS::IAM::Role"]
    stars = {item["Sid"] for role in roles for item in statements(role) if item["Resource"] == "*"}
    assert stars == {"RegistryLogin", "Trace"}


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.M | re.S))
def test_every_entry_of_the_guide_is_a_catalogue(block: str) -> None:
    """What one copies is accepted; what the example has too is the same there."""
    shown = Catalog.model_validate(yaml.safe_load(block), strict=False).images
    for name in shown.keys() & entries().keys():
        assert shown[name] == entries()[name][0]


def test_every_parameter_that_the_guide_names_exists() -> None:
    """In Jobferry's template or in the example."""
    known = template()["Parameters"].keys() | example()["Parameters"].keys()
    named = set(re.findall(r"\b([A-Z]\w+)=", GUIDE)) - {"PARAMETERS"}
    assert named
    assert named - {"ECS_CLUSTER"} <= known
