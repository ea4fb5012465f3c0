"""Hints of our own, into the hint queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.events.hints import Hint, hint_as_text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

# The most that SQS takes at once. A first sweep sends a hint for each role of an account.
_AT_ONCE = 10
# Each look reads IAM once, of a role that outsiders may assume several times, at rates that the account shares with reactions; a sweep
# sends hints of one account alone.
_LOOKS_PER_SECOND = 1
_LONGEST_DELAY_SECONDS = 900


class SqsHints:
    """The Hints port."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, hints: Sequence[Hint], *, after_seconds: int = 0) -> None:
        for some in batched(enumerate(hints), _AT_ONCE, strict=False):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "MessageBody": hint_as_text(each),
                    "DelaySeconds": min(after_seconds + number // _LOOKS_PER_SECOND, _LONGEST_DELAY_SECONDS),
                }
                for number, each in some
            ]
            with translated("sending hints"):
                failed = self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries).get("Failed", [])
            if failed:
                raise Unavailable(f"sending hints: SQS did not take {len(failed)} of {len(entries)}: {failed[0]['Code']}")
