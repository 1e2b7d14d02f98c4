"""The stack of the page that a team shares, and its image, as far as they can be judged without AWS."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import pytest
from starlette.routing import Route

from service.api.gatekeeper import HEALTH_PATH
from service.api.reading import reading
from service.api.sharing import Sharing
from service.console.routes import pages
from service.operator.arguments import command_line
from tests.support.deployment import DEPLOY, listed, statements, template
from tests.support.dockerfile import ROOT, stages
from tests.support.template import read_template

OWN: dict[str, Any] = read_template(DEPLOY / "examples" / "console.yaml")
DOCKERFILE = DEPLOY / "examples" / "console" / "Dockerfile"


@pytest.fixture
def paths() -> set[str]:
    """The routes of the page and the API."""
    nobody: Any = None
    routes = [*pages(nobody, nobody).routes, *reading(nobody, None).routes]
    return {route.path for route in routes if isinstance(route, Route)}


def part(name: str) -> dict[str, Any]:
    """The properties of a resource."""
    return dict(OWN["Resources"][name]["Properties"])


def actions_of(role: dict[str, Any]) -> dict[str, set[str]]:
    """What a role may do, by statement; those under a condition, too."""
    return {item["Sid"]: set(listed(item["Action"])) for item in statements(role)}


def test_the_page_may_do_what_readers_steerers_and_submitters_may_and_no_more() -> None:
    """Statement by statement of the roles that Jobferry's own stack has for them."""
    roles = (template()["Resources"][f"Job{who}Role"] for who in ("Reader", "Steerer", "Submitter"))
    assert actions_of(OWN["Resources"]["PageRole"]) == {
        sid: actions for role in roles for sid, actions in actions_of(role).items()
    }


def test_what_steers_and_submits_is_under_its_own_parameter() -> None:
    """Where that is not wanted, nothing can be sent."""
    [policy] = part("PageRole")["Policies"]
    guarded = {
        branch[1]["Sid"]: branch[0] for item in policy["PolicyDocument"]["Statement"] if (branch := item.get("Fn::If"))
    }
    sending = {item["Sid"] for item in statements(OWN["Resources"]["PageRole"]) if item["Action"] == "sqs:SendMessage"}
    assert {sid: guarded[sid] for sid in sending} == {"SendControl": "WithSteering", "SendRequests": "WithSubmitting"}


@pytest.mark.parametrize("role", ["PageRole", "ExecutionRole"])
def test_every_star_of_its_roles_has_its_reason(role: str) -> None:
    """And no action is a star."""
    found = list(statements(OWN["Resources"][role]))
    stars = {item["Sid"] for item in found if "*" in listed(item["Resource"])}
    assert stars == set(OWN["Resources"][role]["Metadata"]["WildcardReasons"])
    assert not [action for item in found for action in listed(item["Action"]) if "*" in action]


def test_nobody_gets_by_the_sign_in() -> None:
    """Each way to the task is signed in first; over plain HTTP one is led away."""
    ways = [part("Listener")["DefaultActions"], part("PiecesRule")["Actions"]]
    assert [[action["Type"] for action in way] for way in ways] == [["authenticate-oidc", "forward"]] * 2
    configs = [way[0]["AuthenticateOidcConfig"] for way in ways]
    assert [config.pop("OnUnauthenticatedRequest") for config in configs] == ["authenticate", "deny"]
    assert configs[0] == configs[1]
    assert (part("Listener")["Protocol"], part("Listener")["Certificates"]) == (
        "HTTPS",
        [{"CertificateArn": {"Ref": "CertificateArn"}}],
    )
    [led_away] = part("RedirectListener")["DefaultActions"]
    assert led_away["RedirectConfig"]["Protocol"] == "HTTPS"


def test_what_a_page_asks_for_by_itself_is_told_when_the_session_is_over(paths: set[str]) -> None:
    """By 401, since it could not follow the way to the identity provider; each pattern is of some route."""
    [condition] = part("PiecesRule")["Conditions"]
    for pattern in condition["PathPatternConfig"]["Values"]:
        assert [path for path in paths if fnmatch(path, pattern)], pattern


def test_the_client_s_secret_stands_nowhere() -> None:
    """CloudFormation reads it from Secrets Manager, and shows it to nobody."""
    config = part("Listener")["DefaultActions"][0]["AuthenticateOidcConfig"]
    assert config["ClientSecret"] == {"Fn::Sub": "{{resolve:secretsmanager:${ClientSecretArn}:SecretString}}"}


def test_the_task_is_reached_through_the_load_balancer_alone() -> None:
    """In private subnets, by its security group: what is signed is not encrypted on that way."""
    [way_in] = part("TaskSecurityGroup")["SecurityGroupIngress"]
    assert way_in["SourceSecurityGroupId"] == {"Ref": "LoadBalancerSecurityGroup"}
    network = part("Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (network["Subnets"], network["AssignPublicIp"]) == ({"Ref": "TaskSubnetIds"}, "DISABLED")


def test_the_task_is_told_who_signs_people_in() -> None:
    """By each setting that has no default; and its command is one that can be typed."""
    [container] = part("Task")["ContainerDefinitions"]
    told = {item["Name"]: item["Value"] for item in container["Environment"]}
    needed = {name for name, field in Sharing.model_fields.items() if field.is_required()}
    assert set(told) == {f"JOBFERRY_CONSOLE_{name.upper()}" for name in (*needed, "submitting")}
    assert told["JOBFERRY_CONSOLE_SUBMITTING"] == {"Ref": "Submitting"}
    assert told["JOBFERRY_CONSOLE_LOAD_BALANCER_ARN"] == {"Ref": "LoadBalancer"}
    words = [word if isinstance(word, str) else "jobferry" for word in container["Command"]]
    options = command_line({}).parse_args(words)
    [mapping], group = container["PortMappings"], part("TargetGroup")
    assert {options.port, mapping["ContainerPort"], group["Port"], part("LoadBalancerToTask")["ToPort"]} == {4580}
    assert (options.host, group["HealthCheckPath"]) == ("0.0.0.0", HEALTH_PATH)
    assert (container["ReadonlyRootFilesystem"], container["User"]) == (True, "10001:10001")


def test_the_image_is_the_worker_s_with_what_is_locked_beside_it() -> None:
    """By hashes; what both have is of one version, or one would hide the other's."""
    build, run = stages(DOCKERFILE)
    [install] = [item.value for item in build.all("RUN")]
    assert {"--require-hashes", "--only-binary=:all:", "requirements/console.txt"} <= set(install.split())
    assert run.last("FROM").words == ["${WORKER}"]
    assert run.last("USER").words == ["10001:10001"]
    page, worker = (versions(f"requirements/{name}.txt") for name in ("console", "worker"))
    assert {"fastapi", "hypercorn", "jinja2", "pyjwt", "cryptography"} <= set(page)
    assert {name: page[name] for name in page.keys() & worker} == {name: worker[name] for name in page.keys() & worker}


def versions(lock: str) -> dict[str, str]:
    """The version of each package in a lock."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    pinned = (line.split()[0].partition("==") for line in lines if "==" in line and not line.startswith(" "))
    return {name: version for name, _, version in pinned}
