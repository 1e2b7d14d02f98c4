"""The way to AWS of a verb that asks for a few things and ends: the caller's own credentials, no server in between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from schemas.errors import SettingsError
from service.aws.configuration import check_endpoints
from service.aws.errors import AwsError
from service.aws.on_demand import Blocking, BlockingCredentials
from service.aws.session import bare_session_of, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.tracking.wiring import Tracking

_TABLE = "JOBFERRY_JOBS_TABLE"
_REMEDY = (
    "Look at AWS_ENDPOINT_URL, at the region, and at the credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE."
)


class Reach:
    """What a verb reaches: a stack by its name, or what the worker's variables name."""

    def __init__(self, stack: str | None) -> None:
        check_endpoints(os.environ)
        self._stack = stack
        self._session, self._region = bare_session_of(os.environ)

    def jobs_table(self) -> str:
        """The table of records, for a verb that needs no more. Raises SettingsError."""
        if self._stack:
            from service.operator.deployed_stack import deployed_stack

            return deployed_stack(session_of(os.environ), self._stack).output("JobsTableName")
        if not (name := os.environ.get(_TABLE)):
            raise SettingsError(f"{_TABLE} is missing. Name a deployment by --stack, or by the worker's variables.")
        return name

    def tracking(self, catalog: str | None = None) -> Tracking:
        """All that can be asked of jobs, and done. Raises SettingsError."""
        from service.operator.place import place_of  # Most verbs are quick without it.
        from service.tracking.wiring import wire_tracking

        place = place_of(session_of(os.environ), self._stack, catalog)
        return wire_tracking(place, self.client, BlockingCredentials(self._session.get_credentials()))

    async def client(self, service: str) -> Any:
        """A client of a service, whose calls are waited for."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(
            user_agent="jobferry",
            retries={"mode": "standard", "max_attempts": 3},
            connect_timeout=5,
            read_timeout=30,
            signature_version="v4",
            # As of the worker's links [service/runtime.py].
            s3={"addressing_style": "path" if endpoint else "virtual"},
        )
        return Blocking(self._session.create_client(service, region_name=self._region, config=config))


def asked(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Do a verb's work; answers with its status. Raises SettingsError where AWS cannot be asked."""
    with _in_one_sentence():
        return asyncio.run(work())


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    try:
        yield
    except AwsError as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise SettingsError(f"AWS cannot be asked: {why}. {_REMEDY}") from None
