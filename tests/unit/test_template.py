"""The template: what it promises, and what in the rest of the house it is tied to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from schemas.catalog import Image
from schemas.job import MAX_STAGES, JobRequest
from service.core.record.wishes import REDRIVABLE_DAYS
from service.settings import ENVIRONMENT_PREFIX, Settings
from tests.support.deployment import (
    DEPLOY,
    FAMILY_PREFIX,
    Json,
    catalog,
    listed,
    properties,
    resolved,
    resources,
    role_statements,
    template,
)
from tests.support.template import read_template

# By way of S3; a body of its own may have 51,200 bytes, which is why `make deploy` and the local run upload it.
MAX_TEMPLATE_BYTES, MAX_RESOURCES, MAX_PARAMETERS, MAX_OUTPUTS = 1_000_000, 500, 200, 200  # [CloudFormation quotas]
TEMPLATES = [DEPLOY / "template.yaml", *sorted((DEPLOY / "examples").glob("*.yaml"))]
# Where each kind of resource takes a key of KMS.
KEY_OF = {
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::S3::Bucket": "KMSMasterKeyID",
    "AWS::DynamoDB::Table": "KMSMasterKeyId",
}
# What a common emulator of AWS refuses, so that it must sit behind a condition that is false there.
NOT_EVERYWHERE = ("AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::ApplicationAutoScaling::")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_the_templates_are_read_here_as_the_linter_reads_them(path: Path) -> None:
    """Its import takes half a second, which each process of tests would pay."""
    linter = import_module("cfnlint.decode.cfn_yaml")
    assert json.dumps(read_template(path)) == json.dumps(linter.load(str(path)))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_finding_of_a_scanner_that_is_not_followed_is_answered(path: Path) -> None:
    """A check is skipped by its id, at the resource it is about, with a reason that one can weigh."""
    items = read_template(path)["Resources"].values()
    skips = [skip for item in items for skip in item.get("Metadata", {}).get("checkov", {}).get("skip", ())]
    for skip in skips:
        assert re.fullmatch(r"CKV2?_AWS_\d+", skip["id"])
        assert len(skip["comment"].split()) >= 4
    # The scanner reads no other place, so a skip elsewhere would be a skip of nothing.
    assert path.read_text(encoding="utf-8").count("id: CKV") == len(skips)


def test_the_template_is_within_cloudformations_limits() -> None:
    """Size, resources and parameters stay below the quotas."""
    assert (DEPLOY / "template.yaml").stat().st_size < MAX_TEMPLATE_BYTES
    assert len(template()["Resources"]) < MAX_RESOURCES
    assert len(template()["Parameters"]) < MAX_PARAMETERS
    assert len(template()["Outputs"]) < MAX_OUTPUTS


@pytest.mark.parametrize("kind", KEY_OF)
def test_what_is_kept_or_carried_lies_under_the_given_key(kind: str) -> None:
    """Every resource that can be encrypted by KmsKeyArn is, where that is given."""
    found = resources(kind)
    assert found
    for name, item in found.items():
        [choice] = [value for key, value in pairs_in(item["Properties"]) if key == KEY_OF[kind]]
        if "Fn::If" in choice:
            assert choice["Fn::If"][:2] == ["WithKey", {"Ref": "KmsKeyArn"}], name
        else:
            assert choice == {"Ref": "KmsKeyArn"}, name
            encryption = item["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
            assert encryption["ServerSideEncryptionByDefault"]["Fn::If"][0] == "WithKey"


def pairs_in(value: object) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from pairs_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pairs_in(inner)


def test_a_fifo_topic_is_for_notifications_alone() -> None:
    """Its name ends as SNS demands; it serves no alarms and no mailboxes, which have a standard topic [SNS FIFO]."""
    topic = properties("Topic")
    assert topic["FifoTopic"]["Fn::If"][:2] == ["WithFifoTopic", True]
    assert topic["TopicName"]["Fn::If"][:2] == ["WithFifoTopic", {"Fn::Sub": "${AWS::StackName}-notifications.fifo"}]
    assert "FifoTopic" not in properties("AlarmTopic")
    assert {item["Properties"]["TopicArn"]["Ref"] for item in resources("AWS::SNS::Subscription").values()} == {
        "AlarmTopic"
    }


def test_what_not_every_cloud_has_is_under_a_condition() -> None:
    """The same file deploys where these types are refused."""
    rare = [item for item in template()["Resources"].values() if item["Type"].startswith(NOT_EVERYWHERE)]
    assert rare
    assert all("Condition" in item for item in rare)


def test_data_outlives_the_stack() -> None:
    """Deleting the stack, or replacing a resource, leaves the logs and the records."""
    for name in ("LogBucket", "JobsTable"):
        assert template()["Resources"][name]["DeletionPolicy"].startswith("Retain")
        assert template()["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_a_revision_that_a_catalogue_may_name_stays_active() -> None:
    """Replacing a task definition leaves the one before; what CloudFormation deregisters can be run no more."""
    for image in catalog().images.values():
        [found] = [
            item
            for item in resources("AWS::ECS::TaskDefinition").values()
            if resolved(item["Properties"]["Family"]) == image.task_definition
        ]
        assert found["UpdateReplacePolicy"] == "Retain"


def test_two_stacks_register_families_of_their_own() -> None:
    """Families, the role that may run them, the worker's catalogue and the output all follow the stack's name."""
    assert template()["Parameters"]["TaskFamilyPrefix"]["Default"] == ""
    assert template()["Conditions"]["FamiliesByStack"] == {"Fn::Equals": [{"Ref": "TaskFamilyPrefix"}, ""]}
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    told = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
    assert told["JOBFERRY_TASK_FAMILY_PREFIX"] == FAMILY_PREFIX
    assert template()["Outputs"]["TaskFamilyPrefix"]["Value"] == FAMILY_PREFIX
    ours, theirs = ({image.task_definition for image in catalog(stack).images.values()} for stack in ("ours", "theirs"))
    assert not ours & theirs
    assert all(family.startswith("ours-") for family in ours)


def test_an_update_leaves_the_scaled_fleet_alone() -> None:
    """CloudFormation sets the count at every update that names it; the scalable target knows the least and the most."""
    assert "DesiredCount" not in properties("WorkerService")
    scaling = properties("WorkerScaling")
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == ({"Ref": "MinWorkers"}, {"Ref": "MaxWorkers"})


@pytest.mark.parametrize("path", [*TEMPLATES, DEPLOY / "state_machine.asl.json"], ids=lambda path: path.name)
def test_no_arn_is_tied_to_one_partition(path: Path) -> None:
    """Else a state fails, or a policy allows nothing, in GovCloud or China."""
    text = re.sub(r"(?m)^ *(#|Description:|AllowedPattern:).*$", "", path.read_text(encoding="utf-8"))
    assert "arn:aws:" not in text


PRIVATE = {"PrivateSubnetOne", "PrivateSubnetTwo"}
# What is made for a way out, by NatGateways: the gateways, the subnets of the tasks, and whether they have addresses.
WAYS_OUT = {
    "2": ({"NatGatewayOne", "NatGatewayTwo"}, PRIVATE, "DISABLED"),
    "1": ({"NatGatewayOne"}, PRIVATE, "DISABLED"),
    "0": (set(), {"PublicSubnetOne", "PublicSubnetTwo"}, "ENABLED"),
    "endpoints": (set(), PRIVATE, "DISABLED"),
}
# What runs in the network calls, by its roles, and what Fargate calls to start it [ECS guide, vpc-endpoints].
# With a key of one's own SQS and S3 ask KMS themselves.
IN_THE_NETWORK = {"WorkerRole", "PicturesTaskRole", "ReporterTaskRole"}
FOR_FARGATE = {"ecr.api", "ecr.dkr", "logs"}
FREE = {"s3", "dynamodb"}


@pytest.mark.parametrize("nats", WAYS_OUT)
def test_the_price_of_the_own_network_is_a_choice(nats: str) -> None:
    """Two NAT gateways, one, none, or endpoints: tasks and worker have a way out, and the worker waits for it."""
    gateways, subnets, address = WAYS_OUT[nats]
    made = Made({"NatGateways": nats})
    assert {name for name in resources("AWS::EC2::NatGateway") if made.has(name)} == gateways
    assert len([name for name in resources("AWS::EC2::EIP") if made.has(name)]) == len(gateways)
    network = made.value(properties("WorkerService")["NetworkConfiguration"])["AwsvpcConfiguration"]
    assert {subnet["Ref"] for subnet in network["Subnets"]} == subnets
    substitutions = made.value(properties("StateMachine")["DefinitionSubstitutions"])
    assert {subnet["Ref"] for subnet in substitutions["SubnetIds"]["Fn::Join"][1]} == subnets
    assert network["AssignPublicIp"] == substitutions["AssignPublicIp"] == address
    ways = {way["Ref"] for way in made.value(template()["Resources"]["WorkerService"]["Metadata"]["WaysOut"])}
    endpoints = set(endpoints_of(made).values()) if nats == "endpoints" else set()
    assert ways == outward(made, "Private" if subnets == PRIVATE else "Public") | endpoints
    for route in (name for name in resources("AWS::EC2::Route") if made.has(name)):
        target = made.value(properties(route).get("NatGatewayId", properties(route).get("GatewayId")))["Ref"]
        assert made.has(target), f"{route} leads to {target}"


def endpoints_of(made: Made) -> dict[str, str]:
    """The endpoints that are made, by their service."""
    names = [name for name in resources("AWS::EC2::VPCEndpoint") if made.has(name)]
    return {properties(name)["ServiceName"]["Fn::Sub"].rpartition("}.")[2]: name for name in names}


@pytest.mark.parametrize("nats", WAYS_OUT)
def test_without_a_way_out_there_is_an_endpoint_of_every_service_that_is_called(nats: str) -> None:
    """Those of S3 and DynamoDB are free, and always there."""
    made = endpoints_of(Made({"NatGateways": nats}))
    actions = [
        action for role, item in role_statements() if role in IN_THE_NETWORK for action in listed(item["Action"])
    ]
    called = {action.partition(":")[0] for action in actions} - {"kms"} | FOR_FARGATE
    assert called >= FREE
    assert set(made) == (called if nats == "endpoints" else FREE)


def test_endpoints_are_found_by_their_services_names_and_take_what_the_network_sends() -> None:
    """Clients know of no endpoint, so names lead to it; in both zones, and on the one port that tasks may use."""
    made = Made({"NatGateways": "endpoints"})
    paid = [properties(name) for service, name in endpoints_of(made).items() if service not in FREE]
    for endpoint in paid:
        assert endpoint["VpcEndpointType"] == "Interface"
        assert endpoint["PrivateDnsEnabled"] is True
        assert {subnet["Ref"] for subnet in endpoint["SubnetIds"]} == PRIVATE
        assert endpoint["SecurityGroupIds"] == [{"Ref": "EndpointSecurityGroup"}]
    [way_in] = properties("EndpointSecurityGroup")["SecurityGroupIngress"]
    [way_out] = properties("TaskSecurityGroup")["SecurityGroupEgress"]
    assert (way_in["FromPort"], way_in["ToPort"]) == (way_out["FromPort"], way_out["ToPort"]) == (443, 443)
    assert way_in["CidrIp"] == {"Fn::GetAtt": ["Vpc", "CidrBlock"]}
    assert properties("Vpc")["EnableDnsSupport"] is properties("Vpc")["EnableDnsHostnames"] is True


def outward(made: Made, kind: str) -> set[str]:
    """The routes and their associations of one kind of subnet, as far as they are made."""
    ways = [*resources("AWS::EC2::Route"), *resources("AWS::EC2::SubnetRouteTableAssociation")]
    return {name for name in ways if name.startswith(kind) and made.has(name)}


def test_subnets_that_are_given_are_taken_as_they_are() -> None:
    """No gateway is made, and whether tasks have public addresses is the owner's to say."""
    made = Made({"SubnetIds": "subnet-1,subnet-2", "AssignPublicIp": "ENABLED"})
    assert not [name for name in resources("AWS::EC2::NatGateway") if made.has(name)]
    network = made.value(properties("WorkerService")["NetworkConfiguration"])["AwsvpcConfiguration"]
    assert network == {**network, "Subnets": {"Ref": "SubnetIds"}, "AssignPublicIp": {"Ref": "AssignPublicIp"}}


@dataclass(frozen=True)
class Made:
    """What CloudFormation makes of the template's conditions, with some parameters given."""

    parameters: dict[str, str]

    def has(self, name: str) -> bool:
        """Whether a resource is made."""
        condition = template()["Resources"][name].get("Condition")
        return condition is None or self.holds({"Condition": condition})

    def holds(self, test: Any) -> bool:
        """Whether a condition does."""
        match test:
            case {"Condition": name}:
                return self.holds(template()["Conditions"][name])
            case {"Fn::And": parts}:
                return all(map(self.holds, parts))
            case {"Fn::Or": parts}:
                return any(map(self.holds, parts))
            case {"Fn::Not": [part]}:
                return not self.holds(part)
            case {"Fn::Equals": [one, other]}:
                return self._plain(one) == self._plain(other)
        raise AssertionError(test)

    def value(self, item: Any) -> Any:
        """A value with its choices made."""
        if isinstance(item, dict):
            if "Fn::If" in item:
                condition, yes, no = item["Fn::If"]
                return self.value(yes if self.holds({"Condition": condition}) else no)
            return {key: self.value(inner) for key, inner in item.items()}
        return [self.value(inner) for inner in item] if isinstance(item, list) else item

    def _plain(self, item: Any) -> str:
        match item:
            case {"Fn::Select": [number, inner]}:
                return self._plain(inner).split(",")[int(number)]
            case {"Ref": name}:
                return self.parameters.get(name, str(template()["Parameters"][name]["Default"]))
        return str(item)


def test_a_dead_letter_outlives_its_source() -> None:
    """A moved message keeps its age, so a dead-letter queue must keep messages for longer [SQS dead-letter queues]."""
    for source in (properties("RequestQueue"), properties("EventQueue")):
        [name, _] = source["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
        assert properties(name)["MessageRetentionPeriod"] > source["MessageRetentionPeriod"]
        assert source["VisibilityTimeout"] == Settings.model_fields["visibility_seconds"].default


def test_every_rule_keeps_what_it_cannot_deliver() -> None:
    """Targets have a dead-letter queue whose policy lets the rules in."""
    for rule in resources("AWS::Events::Rule").values():
        [target] = rule["Properties"]["Targets"]
        assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["UndeliveredEventQueue", "Arn"]}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] == 185
    assert {"Ref": "UndeliveredEventQueue"} in properties("EventQueuePolicy")["Queues"]


def test_the_logs_of_jobs_are_complete_by_choice() -> None:
    """A job's container waits rather than drop a line; without a prefix its stream could not be found."""
    for image in catalog().images.values():
        for container in task_definition(image)["ContainerDefinitions"]:
            options = container["LogConfiguration"]["Options"]
            assert options["mode"] == "blocking"
            assert options["awslogs-stream-prefix"]


def task_definition(image: Image) -> Json:
    """The task definition of a catalogued image."""
    [found] = [
        item["Properties"]
        for item in resources("AWS::ECS::TaskDefinition").values()
        if resolved(item["Properties"]["Family"]) == image.task_definition
    ]
    return dict(found)


@pytest.mark.parametrize("name", catalog().images)
def test_every_catalogued_image_has_its_task_definition(name: str) -> None:
    """Family, container and size are those that the catalogue says."""
    image = catalog().images[name]
    definition = task_definition(image)
    assert image.container in {container["Name"] for container in definition["ContainerDefinitions"]}
    assert (int(definition["Cpu"]), int(definition["Memory"])) == (image.cpu, image.memory)
    assert definition["NetworkMode"] == "awsvpc"


def test_a_callback_image_may_report_back() -> None:
    """The task role of each callback image holds the three calls that a token is for, and no other image's does."""
    for image in catalog().images.values():
        role = task_definition(image).get("TaskRoleArn", {"Fn::GetAtt": [None]})["Fn::GetAtt"][0]
        actions = {action for name, item in role_statements() if name == role for action in listed(item["Action"])}
        assert (image.integration == "callback") == (
            {"states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"} <= actions
        )


def test_the_state_machine_gets_every_substitution_it_names() -> None:
    """No `${Name}` is left in the deployed definition."""
    definition = (DEPLOY / "state_machine.asl.json").read_text()
    for name in properties("StateMachine")["DefinitionSubstitutions"]:
        assert "${" + name + "}" in definition
        definition = definition.replace("${" + name + "}", "")
    assert "${" not in definition


def test_the_function_names_a_handler_that_exists() -> None:
    """Lambda will find what the template calls."""
    module, name = properties("PlanNextStep")["Handler"].rsplit(".", 1)
    assert callable(getattr(import_module(module), name))


def test_the_worker_is_given_the_settings_it_reads() -> None:
    """Each variable is a setting, and each setting without a default is given."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    given = {pair["Name"].removeprefix(ENVIRONMENT_PREFIX).lower() for pair in container["Environment"]}
    needed = {name for name, field in Settings.model_fields.items() if field.is_required()}
    assert needed <= given <= set(Settings.model_fields)


def test_a_parameter_for_a_setting_has_its_default() -> None:
    """Who leaves it alone gets what the worker would take by itself."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    passed = {
        pair["Name"].removeprefix(ENVIRONMENT_PREFIX).lower(): template()["Parameters"][pair["Value"]["Ref"]]
        for pair in container["Environment"]
        if isinstance(pair["Value"], dict) and pair["Value"].get("Ref") in template()["Parameters"]
    }
    tunable = {name: item for name, item in passed.items() if not Settings.model_fields[name].is_required()}
    assert len(tunable) >= 5
    for name, parameter in tunable.items():
        default = Settings.model_fields[name].get_default(call_default_factory=True)
        told = parameter["Default"]
        is_json = parameter["Type"] == "String" and "AllowedValues" not in parameter
        assert (json.loads(told) if is_json else told) == (list(default) if isinstance(default, tuple) else default), (
            name
        )


@pytest.mark.parametrize(
    ("name", "text", "may_be"),
    [
        ("SecretPatterns", "[]", True),
        ("SecretPatterns", '["ACME-[0-9]+", "x y"]', True),
        ("SecretPatterns", "[ACME-[0-9]+]", False),
        ("Prices", "{}", True),
        ("Prices", '{"FARGATE": {"vcpu_hour": 0.05, "gb_hour": 0.005}}', True),
        ("Prices", "{FARGATE: {vcpu_hour: 0.05}}", False),
    ],
)
def test_json_that_a_shell_took_the_quotes_from_is_refused(name: str, text: str, may_be: bool) -> None:
    """By CloudFormation at once, rather than by workers that do not start."""
    assert bool(re.fullmatch(template()["Parameters"][name]["AllowedPattern"], text)) == may_be


def test_the_worker_has_time_to_drain() -> None:
    """What the worker believes about ECS's patience is what ECS is told, and the drain ends before it."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    values = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
    assert int(values["JOBFERRY_STOP_TIMEOUT_SECONDS"]) == container["StopTimeout"]
    assert int(values["JOBFERRY_DRAIN_SECONDS"]) < container["StopTimeout"]


def test_the_worker_knows_after_how_many_receives_a_message_is_set_aside() -> None:
    """A request may be left in the queue for want of capacity, and never so often that it ends as a dead letter."""
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    values = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
    redrive = properties("RequestQueue")["RedrivePolicy"]
    assert values["JOBFERRY_MAX_RECEIVES"] == redrive["maxReceiveCount"] == {"Ref": "MaxReceives"}
    assert template()["Parameters"]["MaxReceives"]["Default"] == Settings.model_fields["max_receives"].default


def test_the_front_door_knows_every_field_of_a_request() -> None:
    """What admission would take, the API lets through; what is no field at all it refuses at once."""
    schema = properties("ApiJobRequest")["Schema"]
    assert set(schema["properties"]) == set(JobRequest.model_fields)
    assert schema["properties"]["stages"]["maxItems"] == MAX_STAGES


def test_every_alarm_rings_somewhere_and_says_where_to_look() -> None:
    """An alarm names its section of the runbook, and tells the alarm topic."""
    alarms = resources("AWS::CloudWatch::Alarm")
    assert alarms
    for alarm in alarms.values():
        assert "in deploy/RUNBOOK.md" in alarm["Properties"]["AlarmDescription"]
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}]


def test_what_a_redrive_needs_is_kept_for_as_long_as_there_can_be_one() -> None:
    """Less is refused, with a sentence that says why."""
    days = template()["Parameters"]["ArchiveDays"]
    assert days["MinValue"] == REDRIVABLE_DAYS
    assert "redriven" in days["ConstraintDescription"]


def test_the_indexes_of_a_table_that_is_deployed_stay_as_they_are() -> None:
    """CloudFormation refuses "Cannot update GSI's properties other than Provisioned Throughput"; a new one may come."""
    indexes = {index["IndexName"]: index for index in properties("JobsTable")["GlobalSecondaryIndexes"]}
    keys_only = {"ProjectionType": "KEYS_ONLY"}
    shown = ["id", "status", "type", "user", "labels", "ended_at", "failure", "spent"]
    for name, keys, projection in (
        ("open_jobs", ["open_shard", "due_at"], keys_only),
        (
            "job_list",
            ["list_tenant", "list_at"],
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": [f"list_{what}" for what in shown]},
        ),
        ("rejected_requests", ["list_claim", "list_at"], keys_only),
    ):
        assert [key["AttributeName"] for key in indexes[name]["KeySchema"]] == keys
        assert indexes[name]["Projection"] == projection
