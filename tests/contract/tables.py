"""DynamoDB tables as the template makes them, in a mocked AWS."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws

from doorward_cli import hub
from tests.template.conftest import parsed

_KEPT = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def create_table(client: Any, name: str, logical_id: str) -> None:
    """`logical_id`: of the table in template.yaml."""
    properties = parsed("template.yaml")["Resources"][logical_id]["Properties"]
    client.create_table(TableName=name, **{each: properties[each] for each in _KEPT if each in properties})


@contextmanager
def ledger_of_the_hub() -> Iterator[Any]:
    """Within it the command line finds the ledger by the hub's stack. A client for it."""
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws(), patch.object(hub, "resource_of", lambda *_: "ledger"):
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        yield client
