"""Grants whose executions are to look, as messages of our own in the queue of what happens to grants.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

import json
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.grants.waking import WAKE

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsWakes:
    """The Wakes port."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def call(self, grant_id: str) -> None:
        with translated(f"having the execution of {grant_id} look"):
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps({"format": WAKE, "grant_id": grant_id}))
