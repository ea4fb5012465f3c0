"""Gap: batches of SQS need the permission of their single call.

There is no action sqs:SendMessageBatch: who may send a message may send ten
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api.html).
"""

from typing import Any

from ministack.core import iam_actions

READ_AGAINST = {"ministack.core.iam_actions:extract_iam_action": "ec476b92d969"}

_BATCHES = frozenset({"sqs:ChangeMessageVisibilityBatch", "sqs:DeleteMessageBatch", "sqs:SendMessageBatch"})


def install() -> None:
    extract = iam_actions.extract_iam_action

    def of_one(*request: Any) -> str | None:
        action: str | None = extract(*request)
        return action.removesuffix("Batch") if action in _BATCHES else action

    iam_actions.extract_iam_action = of_one
