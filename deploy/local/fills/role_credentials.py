"""Credentials by which the emulator knows whose call it is: whatever runs under a role has the role's name for its key.

Gaps in ministack 1.5.33: unless it enforces policies, a container and a function have the account's own key, so that
nobody can tell them apart; and a link that is signed by a key which IAM has not issued does not open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.iam_evaluator import ResolvedCredential
from ministack.core.responses import get_account_id
from ministack.services import iam, lambda_svc, s3

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import JsonObject
from schemas.arn import name_of

DEFAULT_ACCOUNT = "000000000000"
NO_ROLE = "test"
SECRET = "test"


def install() -> None:
    """Lend functions their roles, and let links open that a role has signed."""
    lend = to_functions(lambda_runtime.execution_credentials)
    for module in (lambda_runtime, lambda_svc):
        replace(module, "execution_credentials", lend)
    replace(s3, "resolve_credential", of_roles_too(s3.resolve_credential))


def access_key(role_arn: str | None, account: str) -> str:
    """The key of what runs under a role; in another account than the emulator's own, that account's number."""
    if account != DEFAULT_ACCOUNT:
        return account
    return role_name(role_arn) if role_arn else NO_ROLE


def role_name(role_arn: str) -> str:
    """A role's name, of its ARN."""
    return name_of(role_arn)


def to_functions(plain: Callable[[JsonObject], dict[str, str]]) -> Callable[[JsonObject], dict[str, str]]:
    """The credentials of functions, with their roles' keys."""

    def credentials(function: JsonObject) -> dict[str, str]:
        given = plain(function)
        return {**given, "AWS_ACCESS_KEY_ID": access_key(function.get("Role"), given["AWS_ACCESS_KEY_ID"])}

    return credentials


def of_roles_too(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Finds the secret of a key, also of one that is a role's name."""

    def resolve(key: str, *arguments: Any, **named: Any) -> Any:
        role = iam._roles.get(key)
        if role is None:
            return plain(key, *arguments, **named)
        return ResolvedCredential(
            access_key_id=key,
            secret_access_key=SECRET,
            session_token=None,
            account_id=get_account_id(),
            principal_arn=role["Arn"],
            principal_id=role["RoleId"],
            principal_type="AssumedRole",
        )

    return resolve
