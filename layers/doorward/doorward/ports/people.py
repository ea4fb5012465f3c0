"""Identity Center's users and groups, as they stand now: whoever decides is looked up each time, and nothing is kept."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from doorward.organization.model import TokenIssuer
from doorward.people.model import Person, User
from doorward.people.rs256 import PublicKey


class Directory(Protocol):
    """Every method may raise Unavailable (nobody can be recognized now) and Misconfigured."""

    def users_named(self, user_name: str) -> Sequence[User]:
        """All whom Identity Center has under this user name, those that are switched off, too: of one who is right there is exactly one."""

    def user(self, user_id: str) -> Person | None:
        """None where the user is gone, or switched off."""

    def attributes(self, user_id: str) -> Mapping[str, str] | None:
        """Those of ATTRIBUTES (people/model.py) that somebody has; None where he is gone, or switched off."""

    def groups_of(self, user_id: str) -> frozenset[str]:
        """Display names of the groups that the user is in himself: Identity Center has no groups within groups."""


class SigningKeys(Protocol):
    def key(self, issuer: TokenIssuer, kid: str) -> PublicKey | None:
        """The key of this id in the issuer's key set; None where it has none. Raises Unavailable where that cannot be known now."""
