"""Links into the AWS console: for people, and only for those who are signed in."""

from __future__ import annotations

from urllib.parse import quote

from schemas.arn import cluster_of, region_of, task_id_of


def execution_url(arn: str) -> str | None:
    """The page of a Step Functions execution; None where the ARN has no region."""
    region = region_of(arn)
    return f"{_home(region, 'states')}#/v2/executions/details/{arn}" if region else None


def task_url(arn: str) -> str | None:
    """The page of an ECS task; None where the ARN has no region. ECS forgets a task an hour after its end."""
    region = region_of(arn)
    if not region:
        return None
    home = _home(region, "ecs").partition("/ecs/")[0]
    return f"{home}/ecs/v2/clusters/{cluster_of(arn)}/tasks/{task_id_of(arn)}/configuration?region={region}"


def log_stream_url(region: str | None, group: str | None, stream: str | None) -> str | None:
    """The page of a CloudWatch log stream. The console wants names escaped twice, with `$` for the second `%`."""
    if not (region and group and stream):
        return None
    where = f"log-groups/log-group/{_twice(group)}/log-events/{_twice(stream)}"
    return f"{_home(region, 'cloudwatch')}#logsV2:{where}"


def _home(region: str, service: str) -> str:
    domain = "amazonaws.cn" if region.startswith("cn-") else "aws.amazon.com"
    return f"https://{region}.console.{domain}/{service}/home?region={region}"


def _twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="").replace("%", "$")
