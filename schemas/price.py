"""What a launch type or a capacity provider costs, in whatever currency the team counts in."""

from __future__ import annotations

from pydantic import Field

from schemas.base import Contract


class Price(Contract):
    """The price of an hour of one vCPU and of one GB of memory."""

    vcpu_hour: float = Field(ge=0)
    gb_hour: float = Field(ge=0)
