"""Gap: condition keys that a request itself carries.

* `dynamodb:LeadingKeys`, the partition keys that a call about items is about; multivalued. On AWS each item of a transaction or a batch is
  decided for itself; here each has the keys of all
  (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html).
* `events:source` and `events:detail-type` of a PutEvents
  (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html). On AWS each entry is decided for itself; here a call
  of several entries has all of their values.
"""

import json
import re
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
        leading = _leading_keys(body)
        return context if leading is None else {**context, "dynamodb:LeadingKeys": leading}

    def with_entries(service: str, action: str, body: bytes, *rest: Any) -> dict[str, Any]:
        context: dict[str, Any] = tag_context(service, action, body, *rest)
        return {**context, **_entries(body)} if action == "events:PutEvents" else context

    iam_actions.dynamodb_service_context = with_leading_key
    iam_actions.request_tag_context = with_entries


def _leading_keys(body: bytes) -> list[str] | None:
    try:
        request = json.loads(body or b"{}")
        return sorted({_leading_key(each) for each in _items(request)})
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None  # no request that the table would take, or a scan, which has no such key


def _items(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Each item that the call is about, with the name of its table."""
    if "TransactItems" in request:
        return [next(iter(each.values())) for each in request["TransactItems"]]
    if "RequestItems" not in request:
        return [request]
    found: list[dict[str, Any]] = []
    for table, asked in request["RequestItems"].items():  # BatchGetItem has keys, BatchWriteItem a list of requests
        several = [{"Key": each} for each in asked["Keys"]] if isinstance(asked, dict) else [next(iter(each.values())) for each in asked]
        found += [{**each, "TableName": table} for each in several]
    return found


def _leading_key(about: dict[str, Any]) -> str:
    name = dynamodb._tables.get(about["TableName"])["pk_name"]
    if "KeyConditionExpression" in about:
        return _queried_key(about, name)
    return str(next(iter((about.get("Key") or about["Item"])[name].values())))


def _queried_key(query: dict[str, Any], name: str) -> str:
    """Of a query that names its partition key as it is; raises KeyError for one that writes it otherwise, or asks an index."""
    found = re.search(rf"(?:^|\s){re.escape(name)}\s*=\s*(:\w+)", query["KeyConditionExpression"])
    if found is None or "IndexName" in query:
        raise KeyError(name)
    return str(next(iter(query["ExpressionAttributeValues"][found[1]].values())))


def _entries(body: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(body or b"{}")["Entries"]
        found = {
            key: sorted({str(entry[name]) for entry in entries}) for key, name in (("source", "Source"), ("detail-type", "DetailType"))
        }
    except (ValueError, KeyError, TypeError):
        return {}
    return {f"events:{key}": values[0] if len(values) == 1 else values for key, values in found.items()}
