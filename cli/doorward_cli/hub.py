"""The hub's own resources, found by the name of its stack, with the current credentials."""

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
