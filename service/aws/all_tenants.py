"""The jobs of all tenants in one list, merged of theirs page by page; for whoever may read every tenant's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.tracking import JobPage, ListedJob
from service.aws.job_list import JobList, listed_job, moment_in
from service.core.tracking.listing import JobFilter

EVERYBODY = "*"  # No tenant's name.
_AT_ONCE = 10
# So many summaries are looked at for one page, of all tenants together; but of each so many at least.
_LOOKED_AT, _OF_EACH, _LOOKS = 1000, 20, 4


@dataclass(frozen=True)
class _Look:
    """What was found of one tenant, and down to which place it was looked for; None at the end."""

    items: Sequence[Mapping[str, Any]]
    reached: str | None


@dataclass(frozen=True)
class AllTenants:
    """The lists of all tenants."""

    job_list: JobList

    async def page(self, names: Sequence[str], wanted: JobFilter, limit: int, cursor: str | None = None) -> JobPage:
        """Up to so many jobs of these tenants that match, the youngest first; places are the same in all lists.

        Raises CursorError where the cursor is of another list.
        """
        place: str | None = wanted.place(EVERYBODY, cursor) if cursor else None
        found: list[ListedJob] = []
        for _ in range(_LOOKS):
            left = limit - len(found)
            looks = await self._looks(names, wanted, place, left)
            # Below the youngest place that a look ended at there may be more that is younger than what another found.
            horizon = max((look.reached for look in looks.values() if look.reached is not None), default=None)
            items = _merged(looks, horizon)
            found.extend(listed_job(tenant, item) for tenant, item in items[:left])
            place = horizon
            if len(items) > left:
                _, last = items[left - 1]
                place = last["list_at"]["S"]
            if place is None or len(found) >= limit:
                break
        return JobPage(
            jobs=tuple(found),
            cursor=wanted.cursor(EVERYBODY, place) if place else None,
            searched_back_to=moment_in(place) if place else None,
        )

    async def _looks(self, names: Sequence[str], wanted: JobFilter, place: str | None, left: int) -> dict[str, _Look]:
        free = asyncio.Semaphore(_AT_ONCE)
        share = max(_OF_EACH, (_LOOKED_AT if wanted.is_narrow else 2 * left) // max(1, len(names)))

        async def look(tenant: str) -> _Look:
            async with free:
                return _Look(*await self.job_list.look(tenant, wanted, place, share))

        async with asyncio.TaskGroup() as looking:
            tasks = {tenant: looking.create_task(look(tenant)) for tenant in names}
        return {tenant: task.result() for tenant, task in tasks.items()}


def _merged(looks: Mapping[str, _Look], horizon: str | None) -> list[tuple[str, Mapping[str, Any]]]:
    """What was found down to the horizon, the youngest first, each with its tenant."""
    known = [(tenant, item) for tenant, look in looks.items() for item in look.items]
    shown = [pair for pair in known if horizon is None or pair[1]["list_at"]["S"] >= horizon]
    return sorted(shown, key=lambda pair: str(pair[1]["list_at"]["S"]), reverse=True)
