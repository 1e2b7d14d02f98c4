"""STS: whose credentials these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.aws.errors import aws_errors


@dataclass(frozen=True)
class Caller:
    """Whoever calls with these credentials; no permission is needed to ask that [botocore, GetCallerIdentity]."""

    client: Any  # STS's

    async def arn(self) -> str:
        """The user, or the role and its session."""
        with aws_errors():
            return str((await self.client.get_caller_identity())["Arn"])
