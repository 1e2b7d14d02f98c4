"""Settings of which each has a value of its own, so that none can stand in for another where things are wired."""

from __future__ import annotations

from schemas.price import Price
from service.settings import Settings
from service.tracking.wiring import Place

OF_A_WORKER = Settings(
    request_queue_url="https://sqs/requests",
    event_queue_url="https://sqs/events",
    control_queue_url="https://sqs/control",
    state_machine_arn="arn:aws:states:eu-central-1:123456789012:stateMachine:jobferry",
    topic_arn="arn:aws:sns:eu-central-1:123456789012:jobferry",
    log_bucket="the-logs",
    jobs_table="the-jobs",
    catalog="catalog.yaml",
    visibility_seconds=61,
    max_receives=49,
    poll_seconds=7,
    request_slots=51,
    event_slots=201,
    control_slots=21,
    drain_seconds=26,
    stop_timeout_seconds=33,
    start_execution_bucket=803,
    start_execution_refill=151,
    get_log_events_per_second=16,
    filter_log_events_per_second=8,
    log_quiet_seconds=13,
    log_deadline_seconds=907,
    log_memory_mebibytes=65,
    task_grace_seconds=31,
    silence_seconds=307,
    claim_seconds=67,
    sweep_seconds=37,
    redrives_seconds=311,
    sweep_per_second=6,
    link_seconds=3607,
    prices={"FARGATE": Price(vcpu_hour=0.05, gb_hour=0.005)},
    secret_patterns=("tok_[0-9]{4}",),
    retention_days=91,
)
OF_A_READER = Place(
    request_queue_url="https://requests",
    control_queue_url="https://control",
    state_machine_arn="arn:machine",
    log_bucket="logs",
    jobs_table="jobs",
    catalog="s3://mine/catalog.yaml",
    task_family_prefix="ours",
    secret_patterns=("pin=[0-9]+",),
    prices={"FARGATE": Price(vcpu_hour=0.04, gb_hour=0.004)},
)
