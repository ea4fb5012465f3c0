"""DynamoDB tables as the template makes them, in a mocked AWS."""

from typing import Any

from tests.template.conftest import parsed

_KEPT = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def create_table(client: Any, name: str, logical_id: str) -> None:
    """`logical_id`: of the table in template.yaml."""
    properties = parsed("template.yaml")["Resources"][logical_id]["Properties"]
    client.create_table(TableName=name, **{each: properties[each] for each in _KEPT if each in properties})
