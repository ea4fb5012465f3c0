"""Who made a call."""

from doorward.events.model import Actor
from doorward.events.reading import ACCOUNT_ID, JsonObject


def read_actor(record: JsonObject) -> Actor:
    identity = record.object("userIdentity")
    kind = identity.free("type") or "Unknown"
    account_id = identity.free("accountId")
    principal_id = identity.free("principalId")
    named_sessions = kind in ("AssumedRole", "FederatedUser")
    return Actor(
        kind=kind,
        # The ARN of an assumed role's session lacks the role's path and ends in a name of the caller's choice: it identifies nobody.
        arn=(identity.object("sessionContext").object("sessionIssuer") if kind == "AssumedRole" else identity).free("arn"),
        account_id=account_id if account_id and ACCOUNT_ID.fullmatch(account_id) else None,
        principal_id=principal_id,
        session_name=(principal_id.partition(":")[2] or None) if principal_id and named_sessions else None,
        invoked_by=identity.free("invokedBy"),
        user_agent=record.free("userAgent"),
        source_ip_address=record.free("sourceIPAddress"),
    )
