"""CloudFormation's templates, read by libyaml where PyYAML has it.

Gap in ministack 1.5.33: it reads a template in Python, twice for a change set; ours takes longer than all that is made
of it.
"""

from __future__ import annotations

import yaml
from ministack.services.cloudformation import engine

from deploy.local.fills.pinned import replace


def install() -> None:
    """Put a loader of the same meaning in the place of the emulator's, where there is a quicker one."""
    if yaml.__with_libyaml__:
        replace(engine, "CfnLoader", loader_like(engine.CfnLoader))


def loader_like(plain: type[yaml.SafeLoader]) -> type[yaml.CSafeLoader]:
    """A loader over libyaml that makes of every tag what `plain` makes of it."""
    rules = {
        "yaml_constructors": plain.yaml_constructors,
        "yaml_multi_constructors": plain.yaml_multi_constructors,
        "yaml_implicit_resolvers": plain.yaml_implicit_resolvers,
    }
    return type("CfnLoader", (yaml.CSafeLoader,), rules)
