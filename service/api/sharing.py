"""The settings of the page that a team shares behind a load balancer that signs people in.

[Elastic Load Balancing guide, listener-authenticate-users] is the source of what is said of the load balancer.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings import CONSOLE_PREFIX, read_as

_AN_ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/jobs/50dc6c495c0c9188"
_ARN = r"^arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/app/[A-Za-z0-9-]+/[0-9a-f]+$"
# Plain HTTP on loopback alone: whoever can change a key on its way signs in as anybody.
_KEYS = r"^(https://[A-Za-z0-9.-]+(:[0-9]+)?|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)(/[A-Za-z0-9._/-]*)?$"


class Sharing(BaseSettings):
    """Who signs people in, and by which address they come."""

    model_config = SettingsConfigDict(env_prefix=CONSOLE_PREFIX, frozen=True)

    url: str = Field(
        pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]+)?/?$",
        examples=["https://jobs.example.com"],
        description="Where people open the page; other addresses are not answered at.",
    )
    load_balancer_arn: str = Field(
        pattern=_ARN,
        examples=[_AN_ARN],
        description="The load balancer in front: what another one signed is refused.",
    )
    issuer: str = Field(
        pattern=r"^https://\S+$",
        examples=["https://idp.example.com"],
        description="The Issuer of its authenticate-oidc action.",
    )
    client_id: str = Field(min_length=1, description="The ClientId of its authenticate-oidc action.")
    submitting: bool = Field(
        default=False,
        description="Whether those who are signed in may make new jobs of others; who may submit some may.",
    )
    keys_url: str = Field(
        default="",
        pattern=rf"^$|{_KEYS}",
        examples=["https://public-keys.auth.elb.eu-central-1.amazonaws.com"],
        description="Where its public keys are; left out, that of its region.",
    )

    @property
    def origin(self) -> str:
        """As browsers send it."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port not in (None, 443) else ""
        return f"https://{parts.hostname}{port}"


def read_sharing() -> Sharing | None:
    """The settings of this process; None where it has none of them. Raises SettingsError."""
    names = {name for name in os.environ if name.upper().startswith(CONSOLE_PREFIX)}
    return read_as(Sharing, "the shared page's", names) if names else None
