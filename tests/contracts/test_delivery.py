"""What the other services must do for Jobferry and already did in ministack; kept true when the pin moves."""

from __future__ import annotations

import json
import urllib.request
from uuid import uuid4

from tests.support.cloud import Cloud, Record


def subscribed_queue(cloud: Cloud, topic: str, *, fifo: bool = False, **attributes: str) -> str:
    """A queue that is subscribed to a topic."""
    name, kind = f"subscriber-{uuid4().hex[:8]}", {"FifoQueue": "true"} if fifo else {}
    url = str(cloud.sqs.create_queue(QueueName=name + (".fifo" if fifo else ""), Attributes=kind)["QueueUrl"])
    arn = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return url


def test_a_notification_reaches_its_subscribers(cloud: Cloud) -> None:
    """Raw and wrapped delivery, and a filter policy on message attributes."""
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="outcomes")["TopicArn"]
    raw = subscribed_queue(cloud, topic, RawMessageDelivery="true")
    wrapped = subscribed_queue(cloud, topic)
    failures = subscribed_queue(cloud, topic, RawMessageDelivery="true", FilterPolicy='{"status": ["FAILED"]}')
    for status in ("SUCCEEDED", "FAILED"):
        attributes = {"status": {"DataType": "String", "StringValue": status}}
        sns.publish(TopicArn=topic, Message=json.dumps({"status": status}), MessageAttributes=attributes)

    def both(found: list[Record]) -> bool:
        return len(found) >= 2

    assert sorted(one["status"] for one in cloud.collect(raw, both)) == ["FAILED", "SUCCEEDED"]
    envelopes = cloud.collect(wrapped, both)
    assert {envelope["Type"] for envelope in envelopes} == {"Notification"}
    assert {envelope["MessageAttributes"]["status"]["Value"] for envelope in envelopes} == {"FAILED", "SUCCEEDED"}
    assert cloud.collect(failures, bool) == [{"status": "FAILED"}]
    assert cloud.receive(failures, seconds=0) == []


FIFO_TOPIC = {
    "Resources": {
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": "one-copy.fifo", "FifoTopic": True, "ContentBasedDeduplication": False},
        }
    },
    "Outputs": {"Arn": {"Value": {"Ref": "Topic"}}},
}


def test_a_fifo_topic_of_a_template_delivers_one_copy(cloud: Cloud) -> None:
    """A second publication under the same deduplication id is taken and not delivered; the group is the queue's too."""
    stacks, sns = cloud.client("cloudformation"), cloud.client("sns")
    stacks.create_stack(StackName="one-copy", TemplateBody=json.dumps(FIFO_TOPIC))
    stacks.get_waiter("stack_create_complete").wait(StackName="one-copy", WaiterConfig={"Delay": 1})
    [topic] = [output["OutputValue"] for output in stacks.describe_stacks(StackName="one-copy")["Stacks"][0]["Outputs"]]
    url = subscribed_queue(cloud, topic, fifo=True, RawMessageDelivery="true")
    for job, copies in (("one", 2), ("other", 1)):
        for _ in range(copies):
            sns.publish(
                TopicArn=topic, Message=f'"{job}"', MessageGroupId=job, MessageDeduplicationId=f"{job}:0:FAILED"
            )
    messages = cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["MessageGroupId"])
    assert [(each["Body"], each["Attributes"]["MessageGroupId"]) for each in messages["Messages"]] == [
        ('"one"', "one"),
        ('"other"', "other"),
    ]


def test_a_presigned_link_works_over_plain_http(cloud: Cloud) -> None:
    """A link opens without credentials, in any region, and tells its name and type as asked."""
    for region in ("us-east-1", "eu-west-1"):
        s3 = Cloud(cloud.emulator, region=region).client("s3")
        bucket = f"logs-{region}"
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **location)
        s3.put_object(Bucket=bucket, Key="jobs/a b.log", Body=b"line\n", ContentType="text/plain; charset=utf-8")
        link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "jobs/a b.log"}, ExpiresIn=60)
        assert link.startswith(cloud.emulator.endpoint_url)
        with urllib.request.urlopen(link) as answer:
            assert answer.read() == b"line\n"
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
