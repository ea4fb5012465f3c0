"""What the emulator's IAM store knows about a role, in our words. Not a gap: several gap modules read it."""

from typing import Any

from ministack.services import iam


def role(account_id: str, name: str) -> dict[str, Any] | None:
    """Return the role's record; role names are unique in an account whatever their path."""
    found: dict[str, Any] | None = iam._roles.get_scoped(account_id, None, name)
    return found


def role_arn_of_session(session_arn: str) -> str | None:
    """Return the role's ARN with its path, or None if the ARN is not a role session's. A deleted role's ARN is given without path."""
    prefix, separator, rest = session_arn.partition(":assumed-role/")
    if not separator:
        return None
    account_id, name = prefix.rpartition(":")[2], rest.partition("/")[0]
    known = role(account_id, name)
    return str(known["Arn"]) if known else f"arn:aws:iam::{account_id}:role/{name}"
