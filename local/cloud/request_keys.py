"""Gap: condition keys that a request itself carries.

* `dynamodb:LeadingKeys`, the partition key that a call about one item is about; multivalued
  (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html).
* `events:source` and `events:detail-type` of a PutEvents
  (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html). On AWS each entry is decided for itself; here a call
  of several entries has all of their values.
"""

import json
from typing import Any

from ministack.core import iam_actions
from ministack.services import dynamodb

READ_AGAINST = {
    "ministack.core.iam_actions:dynamodb_service_context": "0f0021bdc8a3",
    "ministack.core.iam_actions:request_tag_context": "d46adb816e02",
}


def install() -> None:
    dynamodb_context, tag_context = iam_actions.dynamodb_service_context, iam_actions.request_tag_context

    def with_leading_key(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = dynamodb_context(body)
        leading = _leading_key(body)
        return context if leading is None else {**context, "dynamodb:LeadingKeys": [leading]}

    def with_entries(service: str, action: str, body: bytes, *rest: Any) -> dict[str, Any]:
        context: dict[str, Any] = tag_context(service, action, body, *rest)
        return {**context, **_entries(body)} if action == "events:PutEvents" else context

    iam_actions.dynamodb_service_context = with_leading_key
    iam_actions.request_tag_context = with_entries


def _leading_key(body: bytes) -> str | None:
    try:
        request = json.loads(body or b"{}")
        table = dynamodb._tables.get(request["TableName"])
        attribute = (request.get("Key") or request["Item"])[table["pk_name"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a query, a transaction, or no request that the table would take
    return str(next(iter(attribute.values())))


def _entries(body: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(body or b"{}")["Entries"]
        found = {
            key: sorted({str(entry[name]) for entry in entries}) for key, name in (("source", "Source"), ("detail-type", "DetailType"))
        }
    except (ValueError, KeyError, TypeError):
        return {}
    return {f"events:{key}": values[0] if len(values) == 1 else values for key, values in found.items()}
