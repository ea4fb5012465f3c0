"""Hints of our own, into the hint queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

from collections.abc import Sequence
from itertools import accumulate, batched
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.ports.hints import LONGEST_SECONDS, READS_PER_SECOND

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

# The most that SQS takes at once. A first sweep sends a hint for each role of an account.
_AT_ONCE = 10


class SqsHints:
    """The Hints port."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, hints: Sequence[Hint], *, after_seconds: int = 0) -> None:
        # Rates are an account's own, but those who send many hints send them of one account.
        starts = accumulate((each.reads for each in hints), initial=0)
        for some in batched(enumerate(zip(hints, starts, strict=False)), _AT_ONCE, strict=False):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "MessageBody": hint_as_text(each),
                    "DelaySeconds": min(after_seconds + reads // READS_PER_SECOND, LONGEST_SECONDS),
                }
                for number, (each, reads) in some
            ]
            with translated("sending hints"):
                failed = self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries).get("Failed", [])
            if failed:
                raise Unavailable(f"sending hints: SQS did not take {len(failed)} of {len(entries)}: {failed[0]['Code']}")
