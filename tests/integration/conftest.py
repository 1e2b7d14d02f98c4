"""AWS as moto fakes it."""

from __future__ import annotations

from tests.support.moto import connect, endpoint, name, session, table, time  # noqa: F401  # fixtures of pytest's
