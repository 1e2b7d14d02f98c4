"""What is shipped beside the code, and what of a stack it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from service.core.log_layout import split_s3_uri
from service.operator.deployed_stack import DeployedStack

# What lies beside the code: in a clone, and in an installed Jobferry.
SHIPPED = Path(__file__).resolve().parents[2] / "deploy"


def catalog_of(parameters: Mapping[str, str]) -> str:
    """The stack's catalogue; a file of the worker's image is out of reach, so the one that is shipped stands for it."""
    catalog = parameters.get("Catalog", "")
    return catalog if split_s3_uri(catalog) else str(SHIPPED / "catalog.yaml")


def catalog_at_hand(parameters: Mapping[str, str]) -> str | None:
    """The stack's own catalogue; None for a file of the worker's image, unless this runs in that or in one made of it.

    What is shipped does not stand for it here: a request that only the stack's own admits would be refused by it.
    """
    catalog = parameters.get("Catalog", "")
    path = Path(catalog)
    return catalog if split_s3_uri(catalog) or (path.is_absolute() and path.is_file()) else None


def family_prefix_of(stack: DeployedStack) -> str:
    """What its families begin with; a stack of before has it as a parameter only."""
    return stack.outputs.get("TaskFamilyPrefix") or stack.parameters.get("TaskFamilyPrefix") or stack.name
