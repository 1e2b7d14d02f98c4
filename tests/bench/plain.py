"""What the worker is compared with: a plain loop that receives, calls StartExecution and deletes, and knows nothing.

`python -m tests.bench.plain QUEUE_URL STATE_MACHINE_ARN`, until killed. Names of executions are message ids.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiobotocore.session import get_session

_REGION = "eu-central-1"


async def loop(queue_url: str, state_machine_arn: str) -> None:
    """Ten at a time, started side by side."""
    session = get_session()
    async with (
        session.create_client("sqs", region_name=_REGION) as sqs,
        session.create_client("stepfunctions", region_name=_REGION) as states,
    ):

        async def start(message: Any) -> None:
            await states.start_execution(
                stateMachineArn=state_machine_arn, name=message["MessageId"], input=message["Body"]
            )

        while True:
            answer = await sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
            if messages := answer.get("Messages", []):
                await asyncio.gather(*map(start, messages))
                entries: Any = [
                    {"Id": str(n), "ReceiptHandle": item["ReceiptHandle"]} for n, item in enumerate(messages)
                ]
                await sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


if __name__ == "__main__":
    asyncio.run(loop(*sys.argv[1:]))
