"""The roles of the account that the current credentials belong to, as IAM gives them. Reads, and never writes."""

from collections.abc import Iterator
from typing import Any

from doorward.errors import Unavailable
from doorward_cli.inputs import Subject, Unreadable, role_of
from doorward_cli.permissions import texts_of

SOURCE = "live"


def read_live(account: str | None) -> Iterator[Subject | Unreadable]:
    """Every role, once the texts of the policies in use are known, AWS's own among them, which come after them.

    Raises Unavailable where AWS, the network or the credentials fail: then nothing was read to the end.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        paginator = boto3.Session().client("iam").get_paginator("get_account_authorization_details")
        roles: list[Any] = []
        texts: dict[str, str] = {}
        for page in paginator.paginate(Filter=["Role", "LocalManagedPolicy", "AWSManagedPolicy"]):
            roles += page.get("RoleDetailList", ())
            texts |= texts_of(page.get("Policies"))
        for raw in roles:
            yield role_of(raw, SOURCE, account, texts) or Unreadable(SOURCE, None, "a role without a trust policy")
    except ClientError as error:
        raise Unavailable(f"--live: {_refused(error)}") from None
    except BotoCoreError as error:
        raise Unavailable(f"--live: {' '.join(str(error).split()).rstrip('.')}; check credentials, profile, region and network") from None


def _refused(error: Any) -> str:
    found = error.response.get("Error", {})
    return f"AWS answered {found.get('Code', 'an error')}: {found.get('Message', '')}. It needs iam:GetAccountAuthorizationDetails"
