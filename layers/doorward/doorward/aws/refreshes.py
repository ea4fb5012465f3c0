"""Calls for a read of the organization, as messages of our own in the queue of its events.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

import json
from math import ceil
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.ports.organization import REFRESH

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsRefreshes:
    """The Refreshes port."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def call(self, because: str, *, in_seconds: float = 0) -> None:
        with translated("calling for a read of the organization"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=json.dumps({"format": REFRESH, "because": because}),
                DelaySeconds=min(ceil(in_seconds), 900),
            )
