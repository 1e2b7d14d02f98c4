"""What an account allows: AWS's default quotas, and how a call is refused that goes beyond one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from botocore.exceptions import ClientError

from tests.support.aws.errors import refusal
from tests.support.aws.states_language import StateError

# As they come through Step Functions [neuron_morphology #151; Fargate's vCPU quota, as people quote it].
_RATE_EXCEEDED = (
    "ECS.AmazonECSException",
    "Rate exceeded (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException; Request ID: 1; Proxy: null)",
)
_VCPUS_USED_UP = (
    "ECS.AmazonECSException",
    "You've reached the limit on the number of vCPUs you can run concurrently (Service: AmazonECS; Status Code: 400)",
)
# RunTask on a cluster of EC2 that is empty [ECS guide, api_failures_messages].
_NO_HOSTS = (
    "ECS.InvalidParameterException",
    "No Container Instances were found in your cluster. (Service: AmazonECS; Status Code: 400; Error Code: "
    "InvalidParameterException; Request ID: 1; Proxy: null)",
)
_CPU_UNITS = 1024


@dataclass
class Quota:
    """A token bucket of one kind of call: so many at once, and so many a second."""

    capacity: float
    refill: float
    tokens: float = -1.0
    at: float = 0.0
    refused: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.capacity

    def take(self, now: float) -> bool:
        """Whether one more call is allowed; then it is counted."""
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.refill)
        self.at = now
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        return True


def _quota(capacity: float, refill: float) -> Callable[[], Quota]:
    return lambda: Quota(capacity, refill)


@dataclass
class Quotas:
    """An account in a smaller region, as AWS gives it [Step Functions quotas; ECS guide, throttling; CloudWatch Logs].

    `vcpus` are Fargate's, of all that runs at once. Task definitions of `hostless` have no host until a moment.
    """

    run_task: Quota = field(default_factory=_quota(20, 20))
    launches: Quota = field(default_factory=_quota(100, 20))
    vcpus: float = 6.0
    start_execution: Quota = field(default_factory=_quota(800, 150))
    describe_execution: Quota = field(default_factory=_quota(250, 10))
    list_executions: Quota = field(default_factory=_quota(100, 2))
    get_execution_history: Quota = field(default_factory=_quota(400, 20))
    get_log_events: Quota = field(default_factory=_quota(10, 10))
    filter_log_events: Quota = field(default_factory=_quota(5, 5))
    vcpus_in_use: float = 0.0
    hostless: Mapping[str, float] = field(default_factory=dict)

    def launch(self, family: str, cpu_units: str, now: float) -> float:
        """Take a task on, and answer with its vCPUs. Raises StateError where a quota is used up."""
        vcpus = int(cpu_units) / _CPU_UNITS
        if not self.run_task.take(now):
            raise StateError(*_RATE_EXCEEDED)
        if now < self.hostless.get(family, now):
            raise StateError(*_NO_HOSTS)
        if self.vcpus_in_use + vcpus > self.vcpus:
            raise StateError(*_VCPUS_USED_UP)
        if not self.launches.take(now):
            raise StateError(*_RATE_EXCEEDED)
        self.vcpus_in_use += vcpus
        return vcpus


def throttled(quota: Quota, now: float) -> None:
    """Count a call. Raises ClientError, which the SDK tries again, where it is one too many."""
    if not quota.take(now):
        refused: ClientError = refusal("ThrottlingException", "Rate exceeded")
        refused.sim_may_pass = True  # type: ignore[attr-defined]  # the simulated network's mark
        raise refused


def draw_quotas(chance: Random) -> Quotas:
    """Of one seed: mostly AWS's defaults; at times an account that others use as well, so that little is left."""
    quotas = Quotas()
    if chance.random() < 0.3:
        quotas.start_execution = Quota(3, 0.5)
    if chance.random() < 0.3:
        quotas.run_task = Quota(1, chance.choice((1.0, 0.2)))
    if chance.random() < 0.3:
        quotas.vcpus = chance.choice((0.5, 1.0))
    return quotas
