"""The settings of a worker of the simulated AWS."""

from __future__ import annotations

from functools import cache

from service.settings import Settings
from tests.support.names import BUCKET, CONTROL_URL, EVENTS_URL, REQUESTS_URL, STATE_MACHINE_ARN, TOPIC_ARN


@cache
def default_settings() -> Settings:
    """What every worker of the simulated AWS must be told, and nothing else."""
    return Settings(
        request_queue_url=REQUESTS_URL,
        event_queue_url=EVENTS_URL,
        control_queue_url=CONTROL_URL,
        state_machine_arn=STATE_MACHINE_ARN,
        topic_arn=TOPIC_ARN,
        log_bucket=BUCKET,
        jobs_table="jobs",
        catalog="catalog.yaml",
    )
