"""What Doorward's stack relies on and the emulator does by itself.

A failure here after an update of the emulator calls for a gap module.
"""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.stack import Stack
from local.world import HUB, PROD, STAGING, VENDOR
from tests.integration.emulated import Inbox, allowing, document, function, queue, role, root_of, trusting, unique, user


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


# -- STS ----------------------------------------------------------------------------------------


def test_a_session_policy_narrows_the_session_to_one_role(cloud: Stack) -> None:
    writer = role(cloud, PROD.id, trusting(root_of(HUB.id)), allowing("iam:*", "*"))
    mine, other = (role(cloud, PROD.id, trusting(root_of(HUB.id)), path="/apps/") for _ in range(2))
    session = cloud.assume(HUB.id, writer, Policy=allowing("iam:UpdateAssumeRolePolicy", mine))
    iam, trust = cloud.client("iam", PROD.id, **session), trusting(root_of(HUB.id))
    iam.update_assume_role_policy(RoleName=mine.rpartition("/")[2], PolicyDocument=trust)
    with pytest.raises(ClientError) as elsewhere:
        iam.update_assume_role_policy(RoleName=other.rpartition("/")[2], PolicyDocument=trust)
    with pytest.raises(ClientError) as otherwise:
        iam.get_role(RoleName=mine.rpartition("/")[2])
    assert (code_of(elsewhere), code_of(otherwise)) == ("AccessDenied", "AccessDenied")


def test_a_session_policy_widens_nothing(cloud: Stack) -> None:
    reader = role(cloud, PROD.id, trusting(root_of(HUB.id)), allowing("iam:GetRole", "*"))
    session = cloud.assume(HUB.id, reader, Policy=allowing("iam:*", "*"))
    with pytest.raises(ClientError) as refused:
        cloud.client("iam", PROD.id, **session).list_roles()
    assert code_of(refused) == "AccessDenied"


@pytest.mark.parametrize("given", [{}, {"ExternalId": "wrong"}])
def test_an_external_id_must_be_given_and_right(cloud: Stack, given: dict[str, Any]) -> None:
    arn = role(cloud, PROD.id, trusting(root_of(VENDOR.id), StringEquals={"sts:ExternalId": "right"}))
    assert cloud.assume(VENDOR.id, arn, ExternalId="right")
    with pytest.raises(ClientError) as refused:
        cloud.assume(VENDOR.id, arn, **given)
    assert code_of(refused) == "AccessDenied"


def test_session_tags_must_be_allowed_by_the_trust_policy(cloud: Stack) -> None:
    tags = [{"Key": "grant", "Value": "g-1"}]
    without, allowed = (role(cloud, PROD.id, trusting(root_of(HUB.id), actions)) for actions in ("sts:AssumeRole", "sts:*"))
    assert cloud.assume(HUB.id, allowed, Tags=tags)
    with pytest.raises(ClientError) as refused:
        cloud.assume(HUB.id, without, Tags=tags)
    assert code_of(refused) == "AccessDenied"


def test_a_deny_by_token_issue_time_ends_older_sessions(cloud: Stack) -> None:
    arn = role(cloud, PROD.id, trusting(root_of(HUB.id)), allowing("iam:*", "*"))
    session = cloud.assume(HUB.id, arn)
    older = {"DateLessThan": {"aws:TokenIssueTime": "2100-01-01T00:00:00Z"}}
    deny = document({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": older})
    cloud.client("iam", PROD.id).put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="deny", PolicyDocument=deny)
    with pytest.raises(ClientError) as refused:
        cloud.client("iam", PROD.id, **session).list_roles()
    assert code_of(refused) == "AccessDenied"


def test_a_caller_needs_a_permission_of_his_own_to_assume_across_accounts(cloud: Stack) -> None:
    arn = role(cloud, PROD.id, trusting(root_of(HUB.id)))
    with pytest.raises(ClientError) as refused:
        cloud.assume(HUB.id, arn, credentials=user(cloud, HUB.id))
    assert code_of(refused) == "AccessDenied"


# -- event source mappings ----------------------------------------------------------------------

PARTLY = """
import json
def handler(event, context):
    bad = [r["messageId"] for r in event["Records"] if "bad" in r["body"]]
    return {"batchItemFailures": [{"itemIdentifier": i} for i in bad]}
"""


def test_a_batch_that_fails_in_part_is_retried_in_part_and_then_dead_lettered(cloud: Stack) -> None:
    dead = queue(cloud, HUB.id, None)
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    source = queue(cloud, HUB.id, None, VisibilityTimeout="3", RedrivePolicy=redrive)  # longer than a cold start on a busy machine
    reads = allowing(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], source.arn)
    name = function(cloud, HUB.id, PARTLY, reads)
    cloud.client("lambda", HUB.id).create_event_source_mapping(
        EventSourceArn=source.arn, FunctionName=name, BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    sqs = cloud.client("sqs", HUB.id)
    for text in ("good", "bad", "good"):
        sqs.send_message(QueueUrl=source.url, MessageBody=json.dumps({"text": text}))
    assert dead.wait(seconds=15) == [{"text": "bad"}]
    assert waiting_in(cloud, source) == 0


def waiting_in(cloud: Stack, inbox: Inbox) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = cloud.client("sqs", inbox.account_id).get_queue_attributes(QueueUrl=inbox.url, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in counts.values())


def streamed_table(cloud: Stack) -> tuple[str, str]:
    table = unique("table")
    made = cloud.client("dynamodb", HUB.id).create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return table, made["TableDescription"]["LatestStreamArn"]


STREAMED = """
import json, boto3
def handler(event, context):
    failures, sqs = [], boto3.client("sqs")
    for record in event["Records"]:
        image = record["dynamodb"]["NewImage"]
        if image["pk"]["S"] == "poison":
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
        sqs.send_message(QueueUrl=QUEUE, MessageBody=json.dumps([record["eventName"], image["pk"]["S"]]))
    return {"batchItemFailures": failures}
"""


def test_a_stream_is_filtered_and_its_failures_reported_by_item(cloud: Stack) -> None:
    table, stream = streamed_table(cloud)
    inbox = queue(cloud, HUB.id, None)
    reads = allowing(["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"], "*")
    name = function(cloud, HUB.id, f"QUEUE = {inbox.url!r}\n{STREAMED}", reads, allowing("sqs:SendMessage", inbox.arn))
    pattern = json.dumps({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["outbox"]}}}})
    cloud.client("lambda", HUB.id).create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=name,
        StartingPosition="TRIM_HORIZON",
        BatchSize=1,
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": pattern}]},
    )
    dynamodb = cloud.client("dynamodb", HUB.id)
    for key, kind in (("first", "outbox"), ("other", "finding"), ("poison", "outbox"), ("last", "outbox")):
        dynamodb.put_item(TableName=table, Item={"pk": {"S": key}, "kind": {"S": kind}})
    assert inbox.wait(2, seconds=10) == [["INSERT", "first"], ["INSERT", "last"]]


# -- DynamoDB -----------------------------------------------------------------------------------


def test_a_transaction_that_fails_says_which_condition_and_writes_nothing(cloud: Stack) -> None:
    table, _ = streamed_table(cloud)
    dynamodb = cloud.client("dynamodb", HUB.id)
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "lock"}, "version": {"N": "3"}})
    put = {"TableName": table, "Item": {"pk": {"S": "outbox"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    check: Any = {
        "TableName": table,
        "Key": {"pk": {"S": "lock"}},
        "ConditionExpression": "version = :v",
        "ExpressionAttributeValues": {":v": {"N": "2"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    with pytest.raises(ClientError) as cancelled:
        dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"ConditionCheck": check}])
    reasons: Any = cancelled.value.response["CancellationReasons"]
    assert code_of(cancelled) == "TransactionCanceledException"
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"]["version"] == {"N": "3"}
    assert "Item" not in dynamodb.get_item(TableName=table, Key={"pk": {"S": "outbox"}})
    check["ExpressionAttributeValues"] = {":v": {"N": "3"}}
    dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"ConditionCheck": check}])
    assert "Item" in dynamodb.get_item(TableName=table, Key={"pk": {"S": "outbox"}})


def test_a_functions_permissions_are_those_of_its_role(cloud: Stack) -> None:
    table, _ = streamed_table(cloud)
    source = f"import boto3\ndef handler(event, context):\n    boto3.client('dynamodb').scan(TableName={table!r})\n"
    name = function(cloud, HUB.id, source)
    error = json.load(cloud.client("lambda", HUB.id).invoke(FunctionName=name)["Payload"])
    assert "AccessDenied" in error["errorMessage"]


# -- EventBridge, Secrets Manager, SNS ----------------------------------------------------------


def test_a_schedule_is_accepted_and_listed(cloud: Stack) -> None:
    events, name = cloud.client("events", HUB.id), unique("rule")
    events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")
    described = events.describe_rule(Name=name)
    assert (described["State"], described["ScheduleExpression"]) == ("ENABLED", "rate(1 hour)")


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP endpoint as a Slack webhook or an on-call service is one, and what it was sent."""
    got: list[dict[str, Any]] = []

    class Receive(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", got
    finally:
        server.shutdown()
        server.server_close()


def test_a_topic_delivers_to_a_queue_and_over_http(cloud: Stack, receiver: tuple[str, list[dict[str, Any]]]) -> None:
    url, got = receiver
    sns, inbox = cloud.client("sns", HUB.id), queue(cloud, HUB.id, None)
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": inbox.arn}
    policy = document({**statement, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}})
    cloud.client("sqs", HUB.id).set_queue_attributes(QueueUrl=inbox.url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn, Attributes={"RawMessageDelivery": "true"})
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    confirmation: Any = cloud.until(lambda: next(iter(got), None), "the confirmation's request")
    assert confirmation["Type"] == "SubscriptionConfirmation"
    sns.confirm_subscription(TopicArn=topic, Token=confirmation["Token"])
    sns.publish(TopicArn=topic, Message=json.dumps({"role": "x"}), Subject="changed")
    assert inbox.wait() == [{"role": "x"}]
    notification: Any = cloud.until(lambda: next((each for each in got if each["Type"] == "Notification"), None), "the notification")
    assert (json.loads(notification["Message"]), notification["Subject"]) == ({"role": "x"}, "changed")


def test_a_topic_does_not_deliver_to_a_queue_that_does_not_allow_it(cloud: Stack) -> None:
    sns, inbox = cloud.client("sns", STAGING.id), queue(cloud, STAGING.id, None)
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    sns.publish(TopicArn=topic, Message="{}")
    time.sleep(0.2)
    assert inbox.read() == []
