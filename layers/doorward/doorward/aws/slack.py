"""What people do in Slack, on its way in: nonces in DynamoDB, and a line for each Slack user in SQS.

Ledger table, `pk` / `sk`:
    NONCE#<nonce>   NONCE   kept for longer than a call with it would be fresh

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues.html
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from doorward.aws.errors import condition_held, translated
from doorward.ports.slack import Interaction

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_KEEP: Final = timedelta(hours=1)


class DynamoNonces:
    """The Nonces port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def is_new(self, nonce: str, now: datetime) -> bool:
        return condition_held(
            "remembering a call of Slack's",
            lambda: self._dynamodb.put_item(
                TableName=self._table,
                Item={"pk": {"S": f"NONCE#{nonce}"}, "sk": {"S": "NONCE"}, "ttl": {"N": str(int((now + _KEEP).timestamp()))}},
                ConditionExpression="attribute_not_exists(pk)",
            ),
        )


class SqsInteractions:
    """The Interactions port. `as_text`: how one is written down."""

    def __init__(self, sqs: "SQSClient", queue_url: str, as_text: Callable[[Interaction], str]) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._as_text = as_text

    def put(self, interaction: Interaction, nonce: str) -> None:
        with translated("putting what somebody did in Slack in line"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=self._as_text(interaction),
                MessageGroupId=interaction.user.ref,
                MessageDeduplicationId=nonce,
            )
