"""Hints of our own, into the change queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.events.hints import Hint, hint_as_text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsHints:
    """The Hints port."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, hints: Sequence[Hint]) -> None:
        for each in hints:
            with translated("sending a hint"):
                self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=hint_as_text(each))
