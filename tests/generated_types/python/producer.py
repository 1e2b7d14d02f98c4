"""Two requests, as a producer writes them. What must not pass says so, and mypy --strict checks that too."""

from __future__ import annotations

from collections.abc import Callable

from job import JobRequest, StageRequest

stages = JobRequest(
    input_file="input/uploads/example.jpg",
    user="ifgeek",
    stages=[
        StageRequest(
            image="echo",
            command=["echo", "hello", "world"],
            environment={"MODE": "fast"},
        )
    ],
)
job_type = JobRequest(
    job_id="greet-42",
    job_type="greet",
    tenant="web",
    parameters={"who": "world", "loud": True, "times": 3, "pause": 0.5},
    timeout_seconds=3600,
    labels={"album": "summer"},
    progress=True,
)

wrong: tuple[Callable[[], object], ...] = (
    lambda: StageRequest(command=[]),  # type: ignore[call-arg]  # A stage names its image.
    lambda: StageRequest(image="echo", command="echo hello"),  # type: ignore[arg-type]  # A command is a list.
    lambda: StageRequest(image="echo", environment={"MODE": 1}),  # type: ignore[dict-item]  # A variable is a text.
    lambda: JobRequest(job_type="greet", priority=1),  # type: ignore[call-arg]  # Unknown fields are refused.
)

print("[" + ",".join(request.model_dump_json(exclude_unset=True) for request in (stages, job_type)) + "]")
