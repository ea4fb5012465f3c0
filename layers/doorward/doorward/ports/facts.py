"""What the sweeps have seen of every account's roles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from doorward.guardrails.inventory import RoleDigest


@dataclass(frozen=True, slots=True)
class Swept:
    """The roles of one account by name, as a sweep that began `at` saw them."""

    at: datetime
    roles: Mapping[str, RoleDigest]


class RoleNames(Protocol):
    def roles_naming(self, texts: Sequence[str]) -> Iterable[str]:
        """Refs (`account/name`) of the roles whose trust policy names one of these: accounts, units, providers, services.

        Raises Unavailable.
        """


class Inventory(RoleNames, Protocol):
    """Every method may raise Unavailable."""

    def load(self, account_id: str) -> Swept | None:
        """As the last whole sweep left it; None before the first."""

    def save(self, account_id: str, swept: Swept) -> None:
        """Whole or not at all."""

    def load_partial(self, account_id: str, marker: str) -> Swept | None:
        """What a sweep that is not done yet has seen before `marker`; None where it is gone: then it begins anew."""

    def save_partial(self, account_id: str, marker: str, swept: Swept) -> None: ...


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of RoleDetailList; `marker` None: it was the last page."""

    details: Sequence[Mapping[str, Any]]
    marker: str | None


class RolePages(Protocol):
    def page(self, account_id: str, marker: str | None) -> Page:
        """Raises Throttled, Unavailable, Misconfigured where the account cannot be entered."""
