"""Roles in any account of the organization."""

from collections.abc import Iterator
from typing import Protocol

from doorward.errors import DoorwardError
from doorward.guardrails.model import Permissions, Role


class Refused(DoorwardError):  # noqa: N818 - named after the caller's next move: try the next remedy
    """IAM refused this document or this role. Trying the same again changes nothing."""


class Roles(Protocol):
    """Every method may raise Unavailable (try later) and Misconfigured (the account cannot be entered)."""

    def read(self, account_id: str, role_name: str) -> Role | None:
        """The role as it stands now; None where there is none (yet: IAM is eventually consistent)."""

    def read_all(self, account_id: str) -> Iterator[Role]:
        """Every role of the account, without tags; IAM lists none."""

    def permissions_of(self, role: Role) -> Permissions:
        """What the role may do. What IAM refuses to show, or has no more, is not read, and that is said: nothing of it is Misconfigured."""

    def attached_to(self, account_id: str, policy_arn: str) -> tuple[str, ...]:
        """Names of the roles that have this managed policy attached, or as their permissions boundary; none where the policy is gone."""

    def write_trust_policy(self, role: Role, trust_policy: str, *, finding_id: str) -> None:
        """Replace the trust policy of exactly this role. Also raises Refused, and Conflict where the role is gone."""

    def quarantine(self, role: Role, *, finding_id: str) -> None:
        """Take from exactly this role all that it may do, whoever comes in; once more changes nothing. Raises as the write does.

        The very last rung: for where IAM refuses every trust policy that would close the role.
        """
