"""The denies that end sessions, in any account of the organization: doorward/guardrails/cuts.py says which."""

from typing import Protocol


class Cuts(Protocol):
    """Every method may raise Unavailable (try later) and Misconfigured (the account cannot be entered for this)."""

    def put(self, account_id: str, role_arn: str, policy: str, *, finding_id: str) -> None:
        """Write, or replace, the one inline policy of this name. Also raises Refused, and Conflict where the role is gone."""

    def remove(self, account_id: str, role_arn: str, *, finding_id: str) -> None:
        """Harmless where it, or the role, is gone."""
