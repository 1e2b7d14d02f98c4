"""The images of the catalogue, and the task definitions behind them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.operator.deployed_stack import registered_task_definitions
from service.operator.doctor import images
from tests.support import whole_deployment as given
from tests.support.examining import Changed, Said, assert_said, refusal
from tests.support.scripted_aws import Json, ScriptedAws


def described(container: Json | None = None, options: Json | None = None, **fields: Any) -> Changed:
    """The image's task definition with other fields."""
    return {"ecs.DescribeTaskDefinition": given.task_definition(container, options, **fields)}


def log_groups(*names: str) -> Changed:
    """These log groups, found by their beginning."""

    def groups(call: Json) -> Json:
        return {"logGroups": [{"logGroupName": name} for name in names if name.startswith(call["logGroupNamePrefix"])]}

    return {"logs.DescribeLogGroups": groups}


def family_of_another_stack() -> Changed:
    """The latest revision is another stack's."""
    return described(revision=4, taskDefinitionArn=f"{given.OWN[1][:-1]}4")


ONE = dict(given.IMAGE)
NOT_TOLD = refusal("AccessDenied")
MAY_NOT_RUN = ("the state machine may not run jobferry-one", "TaskFamilyPrefix and a hyphen")
IMAGES: dict[str, tuple[Json, Changed, Said]] = {
    "whole": (ONE, {}, []),
    "none at all": (
        ONE,
        {"ecs.DescribeTaskDefinition": refusal("ClientException")},
        [("there is no task definition jobferry-one", "See deploy/IMAGES.md.")],
    ),
    "withdrawn": (
        ONE,
        described(status="INACTIVE"),
        [("there is no task definition jobferry-one", "Register it.")],
    ),
    "a revision that is withdrawn": (
        {**ONE, "task_definition": "{prefix}-one:3"},
        described(status="INACTIVE"),
        [("the task definition jobferry-one:3 is INACTIVE", "Name jobferry-one alone")],
    ),
    "another stack's": (
        ONE,
        family_of_another_stack(),
        [("jobferry-one runs revision 4, which the stack did not register: its own is 3", "TaskFamilyPrefix")],
    ),
    "another stack's, perhaps": (ONE, {**family_of_another_stack(), "cloudformation.ListStackResources": NOT_TOLD}, []),
    "of another container": (
        {**ONE, "container": "x"},
        described(),
        [("jobferry-one has no container x, only main", "Name one of them as `container`")],
    ),
    "with no log": (
        ONE,
        described({"logConfiguration": {"logDriver": "fluentd"}}),
        [("its log driver is fluentd, so no log is archived", "Use awslogs. See deploy/IMAGES.md.")],
    ),
    "with nothing about a log": (
        ONE,
        {"ecs.DescribeTaskDefinition": given.task_definition(containerDefinitions=[{"name": "main"}])},
        [("its log driver is None", "Use awslogs.")],
    ),
    "with a log without a name": (
        ONE,
        described(options={"awslogs-stream-prefix": None}),
        [("its log stream cannot be named", "Set awslogs-stream-prefix.")],
    ),
    "with a log that may lose": (
        ONE,
        described(options={"mode": None}),
        [("the mode is not blocking", "Set the log option mode: blocking.")],
    ),
    "with a log group that is not there": (
        ONE,
        log_groups("/jobferry/one-more"),
        [("its log group /jobferry/one does not exist", "Create it, with a retention.")],
    ),
    "with a log group beside its namesake": (ONE, log_groups("/jobferry/one-more", "/jobferry/one"), []),
    "with a log group that is made": (ONE, {**described(options={"awslogs-create-group": "true"}), **log_groups()}, []),
    "with a log group that is not made": (
        ONE,
        {**described(options={"awslogs-create-group": "false"}), **log_groups()},
        [("/jobferry/one does not exist", "Create it")],
    ),
    "not for Fargate": (
        ONE,
        described(compatibilities=["EC2"]),
        [("jobferry-one cannot run on FARGATE", "Add FARGATE to requiresCompatibilities.")],
    ),
    "not for EC2": (
        {**ONE, "launch_type": "EC2"},
        described(compatibilities=["FARGATE"]),
        [("jobferry-one cannot run on EC2", "Add EC2 to requiresCompatibilities.")],
    ),
    "nothing said of where": (ONE, described(compatibilities=None), []),
    "without a network mode": (
        ONE,
        described(networkMode=None),
        [("its network mode is None", "Set networkMode: awsvpc.")],
    ),
    "of a callback without a role": (
        {**ONE, "integration": "callback"},
        described(taskRoleArn=None),
        [("a callback image reports back, and it has no task role", "Give it one. See deploy/IMAGES.md.")],
    ),
    "of a callback with a role": ({**ONE, "integration": "callback"}, {}, []),
    "without a role to work with": (ONE, described(taskRoleArn=None), []),
    "of Fargate without a role to start with": (
        ONE,
        described(executionRoleArn=None),
        [("Fargate needs an execution role", "TaskExecutionRoleArn. See deploy/IMAGES.md.")],
    ),
    "of EC2 without a role to start with": ({**ONE, "launch_type": "EC2"}, described(executionRoleArn=None), []),
    "of EC2 with secrets and no role to read them": (
        {**ONE, "launch_type": "EC2"},
        described({"secrets": [{"name": "KEY", "valueFrom": "arn"}]}, executionRoleArn=None),
        [("it takes secrets, and it has no execution role", "Give it one. See deploy/IMAGES.md.")],
    ),
    "of EC2 with secrets and a role": (
        {**ONE, "launch_type": "EC2"},
        described({"secrets": [{"name": "KEY", "valueFrom": "arn"}]}),
        [],
    ),
    "not to be run": (ONE, given.statements(given.PASS), [MAY_NOT_RUN]),
    "to be run by an attached policy": (ONE, given.statements(given.PASS, attached=given.RUN), []),
    "denied by an attached policy": (
        ONE,
        given.statements(given.RUN, given.PASS, attached={**given.RUN, "Effect": "Deny"}),
        [MAY_NOT_RUN],
    ),
    "with roles that may not be passed": (
        ONE,
        given.statements(given.RUN),
        [
            ("the state machine may not pass pull", f"Add {given.ROLE_ARN}/pull to JobTaskRoleArns."),
            ("the state machine may not pass work", f"Add {given.ROLE_ARN}/jobs/work to JobTaskRoleArns."),
        ],
    ),
    "with policies that may not be read": (ONE, {"iam.ListRolePolicies": NOT_TOLD}, []),
}


@pytest.mark.parametrize(("image", "changed", "said"), IMAGES.values(), ids=IMAGES)
def test_an_image_is_looked_at(image: Json, changed: Changed, said: Said) -> None:
    """Its task definition against the catalogue, and whether the state machine may run it."""
    deployment = given.deployment(changed, {"one": image}, stack_name="jobferry")
    [check] = images.image_checks(deployment)
    assert check.item == "image one"
    assert_said(check.look(deployment), said)


@pytest.mark.parametrize(
    "operation", ["ecs.DescribeTaskDefinition", "cloudformation.ListStackResources", "iam.ListRolePolicies"]
)
def test_another_error_about_an_image_is_not_swallowed(operation: str) -> None:
    """Only what is known to be none, or may not be looked at, is."""
    deployment = given.deployment({operation: refusal("ThrottlingException")}, stack_name="jobferry")
    with pytest.raises(ClientError):
        list(images.image_checks(deployment)[0].look(deployment))


def test_without_a_stack_no_revision_is_its_own() -> None:
    """Then CloudFormation is not asked."""
    deployment = given.deployment({"cloudformation.ListStackResources": refusal("Any")})
    assert deployment.own_task_definitions == {}


def test_what_a_stack_registered_is_found_by_its_family() -> None:
    """Other resources are no task definitions, and what is not made yet has no id."""
    resources = given.resources(("AWS::ECS::Cluster", "jobferry"), ("AWS::ECS::TaskDefinition", None), given.OWN)
    session = ScriptedAws({"cloudformation.ListStackResources": resources}).session
    assert registered_task_definitions(session, "jobferry") == {given.FAMILY: given.OWN[1]}
