"""The hub's own resources, found by the name of its stack, with the current credentials."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from doorward.errors import Misconfigured, Unavailable


def resource_of(session: Any, stack: str, logical_id: str) -> str:
    """The name that CloudFormation gave it.

    Raises Unavailable where AWS, the network or the credentials fail, Misconfigured where there is no such stack.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = session.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        if code == "ValidationError":
            raise Misconfigured(
                f"--stack {stack}: there is no such stack with {logical_id} in this account and region; use the hub's credentials and the"
                " IAM region"
            ) from None
        raise Unavailable(f"reading stack {stack}: AWS answered {code}; it needs cloudformation:DescribeStackResource") from None
    except BotoCoreError as error:
        raise Unavailable(f"{' '.join(str(error).split()).rstrip('.')}; check credentials, profile, region and network") from None
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


class LedgerTable:
    """The hub's ledger, for commands that administrators run with the hub's own credentials. Raises as resource_of does."""

    def __init__(self, stack: str) -> None:
        import boto3

        self._session = boto3.Session()
        self.name = resource_of(self._session, stack, "LedgerTable")
        self.dynamodb: Any = self._session.client("dynamodb")

    def caller(self) -> str:
        """His ARN."""
        return str(self._session.client("sts").get_caller_identity()["Arn"])

    def partition(self, key: str) -> list[dict[str, str]]:
        """Its items, texts alone."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :key",
            ExpressionAttributeValues={":key": {"S": key}},
            ConsistentRead=True,
        )
        return [{name: value["S"] for name, value in item.items() if "S" in value} for page in pages for item in page["Items"]]


@contextmanager
def failing_clearly(doing: str, needs: str) -> Iterator[None]:
    """What AWS, the network or an answer that is no JSON lets fail becomes one sentence. Raises Unavailable. `needs`: which permissions."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise Unavailable(f"{doing}: AWS answered {error.response.get('Error', {}).get('Code', 'an error')}; it needs {needs}") from None
    except (BotoCoreError, ValueError) as error:
        raise Unavailable(f"{doing}: {' '.join(str(error).split())}") from None


def function_of(stack: str, logical_id: str, *, answers: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function of the hub stack, found by the stack's name, asked with the current credentials. Its answer has the field `answers`.

    Raises Unavailable where AWS, the network or the credentials fail, Misconfigured where there is no such stack.
    """
    import boto3

    session = boto3.Session()
    name = resource_of(session, stack, logical_id)
    functions = session.client("lambda")

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        with failing_clearly(f"asking {name}", "lambda:InvokeFunction"):
            answer = functions.invoke(FunctionName=name, Payload=json.dumps(request))
            result = json.loads(answer["Payload"].read())
        if answer.get("FunctionError") or not isinstance(result, dict) or answers not in result:
            raise Unavailable(f"{name} failed; read its log group")
        return result

    return ask
