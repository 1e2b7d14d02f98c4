"""Task definitions for the images of a catalogue that nobody has registered here, as on AWS their owners have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from deploy.local.stack import Stack
from schemas.catalog import Catalog, Image

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

# By it we know ours again, after a restart too: one that somebody else registered is never replaced.
OURS = {"jobferry.local": "stand-in"}
# A catalogue may name a revision; here the family gets as many as that takes, all alike, but not without end.
MOST_REVISIONS = 200


@dataclass(frozen=True)
class StandIns:
    """Registers what is missing. The image of such a task definition is the catalogue's own name for it."""

    client: ECSClient
    stack: Stack
    region: str

    @classmethod
    def on(cls, session: boto3.Session, stack: Stack) -> StandIns:
        """On the AWS of this machine."""
        return cls(session.client("ecs"), stack, session.region_name)

    def register(self, catalog: Catalog) -> tuple[str, ...]:
        """Register what is missing or has changed; answers with the images that are such stand-ins."""
        return tuple(name for name, image in first_of_each_family(catalog) if self._stands_in(name, image))

    def _stands_in(self, name: str, image: Image) -> bool:
        family, _, revision = image.task_definition.partition(":")
        latest = self._latest(family)
        if latest and not _is_ours(latest):
            return False
        wanted = self._definition(family, name, image)
        if latest is None or not _says(latest, wanted):
            latest = self.client.register_task_definition(**wanted)["taskDefinition"]
        while revision and latest["revision"] < min(int(revision), MOST_REVISIONS):
            latest = self.client.register_task_definition(**wanted)["taskDefinition"]
        return True

    def _latest(self, family: str) -> Mapping[str, Any] | None:
        try:
            return self.client.describe_task_definition(taskDefinition=family)["taskDefinition"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ClientException":
                return None
            raise

    def _definition(self, family: str, name: str, image: Image) -> Any:
        options = {
            "awslogs-group": self.stack.outputs["TaskLogGroupName"],
            "awslogs-region": self.region,
            "awslogs-stream-prefix": "jobs",
            "mode": "blocking",
        }
        container = {
            "name": image.container,
            "image": name,
            "essential": True,
            "dockerLabels": OURS,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
        }
        return {
            "family": family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE" if image.on_fargate else "EC2"],
            "executionRoleArn": self.stack.outputs["TaskExecutionRoleArn"],
            "cpu": str(image.cpu),
            "memory": str(image.memory),
            "containerDefinitions": [container],
        }


def first_of_each_family(catalog: Catalog) -> Iterator[tuple[str, Image]]:
    """The images by whose entries their families are registered."""
    seen: set[str] = set()
    for name, image in catalog.images.items():
        family = image.task_definition.partition(":")[0]
        if family not in seen:
            seen.add(family)
            yield name, image


def _is_ours(definition: Mapping[str, Any]) -> bool:
    return any(container.get("dockerLabels") == OURS for container in definition["containerDefinitions"])


def _says(definition: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a task definition says all that is wanted; ECS adds to what it was given."""
    [container], [asked] = definition["containerDefinitions"], wanted["containerDefinitions"]
    same_container = all(container.get(name) == value for name, value in asked.items())
    others = wanted.keys() - {"containerDefinitions"}
    return same_container and all(definition.get(name) == wanted[name] for name in others)
