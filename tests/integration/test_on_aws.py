"""`make deploy` and `make destroy`, on the embedded AWS: look first, make, change, and take away again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.local.emulator.process import EmulatorProcess
from deploy.local.stack import LOCAL_PARAMETERS
from deploy.on_aws import RETAINED, deploy, destroy
from deploy.stacks import DeployError, NamedStack, parameters_of
from deploy.work_under_way import WorkUnderWay
from service.operator import cli
from tests.support.deployment import template

# Two event buses cannot have one name.
TWIN = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "twin"}}
TWINS = {"Resources": {"One": TWIN, "Other": TWIN}}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def aws() -> Iterator[EmulatorProcess]:
    """An empty account."""
    with EmulatorProcess() as emulator, pytest.MonkeyPatch.context() as patched:
        for name, value in emulator.environment.items():
            patched.setenv(name, value)
        yield emulator


@pytest.fixture
def stack(aws: EmulatorProcess, request: pytest.FixtureRequest) -> NamedStack:
    """A stack that is not there yet, with a name of the test's own."""
    name = request.node.name.replace("_", "-")[:60].rstrip("-")
    return NamedStack(boto3.Session(region_name=aws.environment["AWS_REGION"]), name, every_seconds=0.05)


def make(stack: NamedStack, parameters: Mapping[str, str], *, dry_run: bool = False, tags: Any = None) -> None:
    """Deploy as `make deploy` does, but for the planner's dependencies, which the emulator has."""
    deploy(stack, bucket=None, parameters=parameters, dependencies=None, dry_run=dry_run, tags=tags)


def exists(stack: NamedStack) -> bool:
    """Whether CloudFormation knows the stack."""
    known = stack.client.describe_stacks()["Stacks"]
    return stack.name in [each["StackName"] for each in known]


def test_a_dry_run_shows_and_leaves_nothing(stack: NamedStack, capsys: pytest.CaptureFixture[str]) -> None:
    """The change set of a stack that is not there yet names its resources; neither it nor the stack stays."""
    make(stack, LOCAL_PARAMETERS, dry_run=True)
    assert "Add     StateMachine AWS::StepFunctions::StateMachine" in capsys.readouterr().out
    assert not exists(stack)


def test_a_stack_is_made_changed_and_taken_away(stack: NamedStack, capsys: pytest.CaptureFixture[str]) -> None:
    """A change keeps the parameters that it does not name, no change is no error, and data outlives the stack."""
    make(stack, LOCAL_PARAMETERS)
    assert f"StateMachineArn = {stack.outputs()['StateMachineArn']}" in capsys.readouterr().out

    make(stack, {})
    assert "is up to date" in capsys.readouterr().out

    make(stack, {"LogRetentionDays": "60"}, dry_run=True)
    assert "Modify  TaskLogGroup" in capsys.readouterr().out
    assert parameters(stack)["LogRetentionDays"] == "30"

    make(stack, {"LogRetentionDays": "60"})
    assert parameters(stack).items() >= {**LOCAL_PARAMETERS, "LogRetentionDays": "60"}.items()
    assert not stack.client.list_change_sets(StackName=stack.name)["Summaries"][1:], "none but the executed is left"

    made = stack.resources()
    destroy(stack, dry_run=True)
    printed = capsys.readouterr().out
    assert all(f"Keep    {name} {made[name]}" in printed for name in RETAINED)
    assert stack.resources() == made

    destroy(stack, dry_run=False)
    assert not exists(stack)
    stack.session.client("s3").head_bucket(Bucket=made["LogBucket"])
    stack.session.client("dynamodb").describe_table(TableName=made["JobsTable"])


@pytest.fixture
def busy(stack: NamedStack) -> NamedStack:
    """A stack in which a job waits and a container works."""
    make(stack, LOCAL_PARAMETERS)
    client, made = stack.session.client, stack.resources()
    wait = {"StartAt": "wait", "States": {"wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    sfn = client("stepfunctions")
    sfn.update_state_machine(stateMachineArn=made["StateMachine"], definition=json.dumps(wait))
    sfn.start_execution(stateMachineArn=made["StateMachine"], name="patience", input="{}")
    command: Any = [{"name": "image_1-container", "command": ["sh", "-c", "sleep 3600"]}]
    network: Any = {"awsvpcConfiguration": {"subnets": ["subnet-0000000a"]}}
    answer = client("ecs").run_task(
        cluster=made["Cluster"],
        taskDefinition=f"{stack.name}-image-1",
        group="job:patience",
        networkConfiguration=network,
        overrides={"containerOverrides": command},
    )
    assert not answer["failures"]
    return stack


def test_a_stack_at_work_is_not_deleted_unless_that_is_said(
    busy: NamedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudFormation would fail half-way: what runs is named, and with force it is stopped and waited for."""
    destroy(busy, dry_run=True)
    assert "Running 1 job: patience" in capsys.readouterr().out
    with pytest.raises(DeployError, match=r"(?s)jobs are running:.*1 job: patience.*1 task: .*FORCE=1"):
        destroy(busy, dry_run=False)
    assert exists(busy)
    work = WorkUnderWay.of(busy.session, busy.resources(), busy.every_seconds)
    assert (len(work.executions()), len(work.tasks())) == (1, 1)

    capsys.readouterr()
    destroy(busy, dry_run=False, force=True)
    assert "Stop    patience" in capsys.readouterr().out
    assert not exists(busy)
    assert (work.executions(), work.tasks()) == ([], [])


def test_two_stacks_in_one_region_register_families_of_their_own(stack: NamedStack) -> None:
    """Each runs its own, and the latest of a family is its stack's."""
    other = replace(stack, name=f"{stack.name}-2")
    for each in (stack, other):
        make(each, LOCAL_PARAMETERS)
    families = [
        {arn.rpartition("/")[2].partition(":")[0] for name, arn in each.resources().items() if name.endswith("Task")}
        for each in (stack, other)
    ]
    assert families[0] == {f"{stack.name}-{image}" for image in ("image-1", "pictures", "reporter")}
    assert not families[0] & families[1]
    assert [each.outputs()["TaskFamilyPrefix"] for each in (stack, other)] == [stack.name, other.name]


@pytest.mark.parametrize("command", [["doctor"], ["dlq", "list"], ["catalog", "check"]], ids=" ".join)
def test_aws_region_alone_is_enough_for_a_command(
    aws: EmulatorProcess, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks CloudFormation there, which knows no such stack."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert cli.main([*command, "--stack", "nowhere"]) == 2
    assert "The stack nowhere does not exist" in capsys.readouterr().err


def test_ecs_has_its_role_before_the_cluster_is_made(stack: NamedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a new account CreateCluster fails otherwise. To look at a change set makes no role."""
    iam, found_at_start = stack.session.client("iam"), list[int]()

    def linked_roles() -> list[str]:
        return [role["RoleName"] for role in iam.list_roles()["Roles"] if "ecs.amazonaws.com" in role["Path"]]

    for name in linked_roles():
        iam.delete_role(RoleName=name)
    make(stack, LOCAL_PARAMETERS, dry_run=True)
    assert not linked_roles()
    monkeypatch.setattr(NamedStack, "execute", lambda *_: found_at_start.append(len(linked_roles())))
    make(stack, LOCAL_PARAMETERS)
    assert found_at_start == [1]


def test_a_key_and_tags_of_ones_own(aws: EmulatorProcess, stack: NamedStack) -> None:
    """The example deploys, and its output is what the stack takes: queues are under the key, with the tags."""
    cloudformation, client = stack.client, stack.session.client
    example = (ROOT / "deploy" / "examples" / "key.yaml").read_text(encoding="utf-8")
    cloudformation.create_stack(StackName="key", TemplateBody=example)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="key", WaiterConfig={"Delay": 1})
    [key] = NamedStack(stack.session, "key").outputs().values()
    make(stack, {**LOCAL_PARAMETERS, "KmsKeyArn": key}, tags={"team": "web"})
    assert client("sqs").list_queue_tags(QueueUrl=stack.resources()["RequestQueue"])["Tags"]["team"] == "web"
    made = stack.resources()
    attributes = client("sqs").get_queue_attributes(QueueUrl=made["RequestQueue"], AttributeNames=["All"])["Attributes"]
    assert attributes["KmsMasterKeyId"] == key
    [policy] = client("iam").list_role_policies(RoleName=made["WorkerRole"])["PolicyNames"]
    document: Any = client("iam").get_role_policy(RoleName=made["WorkerRole"], PolicyName=policy)["PolicyDocument"]
    assert {item["Sid"]: item["Resource"] for item in document["Statement"]}["UseKey"] == key
    assert stack.outputs()["KmsKeyArn"] == key


def parameters(stack: NamedStack) -> dict[str, str]:
    """The parameters of the stack as it stands."""
    [found] = stack.client.describe_stacks(StackName=stack.name)["Stacks"]
    return {item["ParameterKey"]: item["ParameterValue"] for item in found["Parameters"]}


def test_a_parameter_that_the_template_has_not_is_named(stack: NamedStack) -> None:
    """A slip costs a sentence, not a failed stack."""
    with pytest.raises(DeployError, match="no parameter WorkerImgae"):
        make(stack, {"WorkerImgae": "x"})
    assert not exists(stack)


def test_a_stack_that_cannot_be_made_says_why(stack: NamedStack) -> None:
    """CloudFormation's own reasons, by resource; afterwards only `make destroy` helps, and that is said."""
    s3, bucket = stack.session.client("s3"), "twins"
    region: Any = {"LocationConstraint": stack.session.region_name}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    s3.put_object(Bucket=bucket, Key="template.json", Body=json.dumps(TWINS).encode())
    url = f"{s3.meta.endpoint_url}/{bucket}/template.json"
    with pytest.raises(DeployError, match=r"  (One|Other): .*already exists"):
        stack.execute(stack.propose(url, {}))
    with pytest.raises(DeployError, match=f"make destroy STACK={stack.name}"):
        stack.propose(url, {})


def test_the_command_reports_in_a_sentence(aws: EmulatorProcess) -> None:
    """What AWS refuses is no traceback."""
    command = [sys.executable, "-m", "deploy.on_aws", "destroy", "--stack", "nowhere"]
    # AWS_REGION alone, which boto3 does not read.
    environment = {name: value for name, value in os.environ.items() if name != "AWS_DEFAULT_REGION"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "nowhere] does not exist" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_is_said_to_be_kept_is_what_the_template_keeps() -> None:
    """No more and no less."""
    kept = {
        name for name, item in template()["Resources"].items() if item.get("DeletionPolicy", "").startswith("Retain")
    }
    assert kept == set(RETAINED)


def test_parameters_are_words_with_an_equals_sign() -> None:
    """A value may hold further ones, and commas."""
    assert parameters_of(["SubnetIds=a,b", "Odd=x=y"]) == {"SubnetIds": "a,b", "Odd": "x=y"}
    with pytest.raises(DeployError, match="lonely"):
        parameters_of(["lonely"])
