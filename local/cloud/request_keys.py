"""Gap: condition keys that a request itself carries.

* `dynamodb:LeadingKeys`, the partition keys that a call about items is about; multivalued. Each item of a transaction is decided
  for itself, with its own key
  (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html).
* `events:source` and `events:detail-type` of a PutEvents
  (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html). On AWS each entry is decided for itself; here a call
  of several entries has all of their values.
* `iam:PolicyARN` of the calls that attach a managed policy or detach it
  (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html).
* `iam:PermissionsBoundary` of the calls that give a user or a role one; not of others about who has one.
* `sts:ExternalId`, `sts:RoleSessionName`, `sts:SourceIdentity` of an AssumeRole, for the caller's own policies too.
"""

import json
import re
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb

from local.cloud import sts_requests

READ_AGAINST = {
    "ministack.core.iam_actions:dynamodb_service_context": "0f0021bdc8a3",
    "ministack.core.iam_actions:dynamodb_transaction_checks": "684e748338e8",
    "ministack.core.iam_actions:request_tag_context": "d46adb816e02",
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b09",
}


class _TableOfItem(str):
    """A table's ARN, as one item of a transaction is asked about, with that item's key."""

    __slots__ = ("leading_key",)

    leading_key: str


def install() -> None:
    dynamodb_context, tag_context = iam_actions.dynamodb_service_context, iam_actions.request_tag_context
    transaction_checks, enforce = iam_actions.dynamodb_transaction_checks, iam_evaluator.enforce

    def with_leading_key(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = dynamodb_context(body)
        leading = _leading_keys(body)
        return context if leading is None else {**context, "dynamodb:LeadingKeys": leading}

    def with_entries(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = tag_context(service, action, body, params)
        if action.startswith(("iam:Attach", "iam:Detach")) and params.get("PolicyArn"):
            context = {**context, "iam:PolicyARN": params["PolicyArn"][0]}
        if action.startswith(("iam:Create", "iam:Put")) and params.get("PermissionsBoundary"):
            context = {**context, "iam:PermissionsBoundary": params["PermissionsBoundary"][0]}
        if action == "sts:AssumeRole":
            context = {**context, **sts_requests.condition_keys(sts_requests.parameters(body, params))}
        return {**context, **_entries(body)} if action == "events:PutEvents" else context

    def with_an_item_each(iam_action: str, body: bytes, region: str, account_id: str) -> list[tuple[str, str]]:
        checks: list[tuple[str, str]] = transaction_checks(iam_action, body, region, account_id)
        items = _items(json.loads(body)) if checks else []
        if len(items) != len(checks):
            return checks  # an item of several kinds, which AWS refuses
        return [(action, _of_item(arn, item)) for (action, arn), item in zip(checks, items, strict=True)]

    def with_its_own_key(*request: Any, resource_arn: str = "*", service_context: dict[str, Any] | None = None) -> Any:
        if isinstance(resource_arn, _TableOfItem):
            service_context = {**(service_context or {}), "dynamodb:LeadingKeys": [resource_arn.leading_key]}
        return enforce(*request, resource_arn=resource_arn, service_context=service_context)

    iam_actions.dynamodb_transaction_checks = with_an_item_each
    iam_evaluator.enforce = with_its_own_key
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


def _of_item(table_arn: str, item: dict[str, Any]) -> str:
    try:
        key = _leading_key(item)
    except (KeyError, TypeError, AttributeError, StopIteration):
        return table_arn  # no item that the table would take
    of_item = _TableOfItem(table_arn)
    of_item.leading_key = key
    return of_item


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
