"""What the sweeps have seen of every account's roles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from doorward.guardrails.inventory import Swept


@dataclass(frozen=True, slots=True)
class Partial:
    """What a sweep that is not done yet has seen, and the marker of the page where it goes on."""

    marker: str
    seen: Swept


class RoleNames(Protocol):
    def roles_naming(self, texts: Sequence[str]) -> Iterable[str]:
        """Refs (`account/name`) of the roles whose trust policy names one of these: accounts, units, providers, services.

        Raises Unavailable.
        """


class Inventory(RoleNames, Protocol):
    """Every method may raise Unavailable."""

    def load(self, account_id: str) -> Swept | None:
        """As the last whole sweep left it; None before the first."""

    def swept_at(self, account_id: str) -> datetime | None:
        """When that sweep began."""

    def save(self, account_id: str, swept: Swept) -> None:
        """Whole or not at all."""

    def load_partial(self, account_id: str, sweep_id: str) -> Partial | None:
        """None where that sweep kept nothing yet, or too long ago: then it begins anew."""

    def save_partial(self, account_id: str, sweep_id: str, partial: Partial) -> None: ...

    def take_turn(self, account_id: str, sweep_id: str, now: datetime, until: datetime) -> bool:
        """False while another sweep of this account has its turn. Whoever has it may take it again; who died loses it at its `until`."""

    def end_turn(self, account_id: str, sweep_id: str) -> None:
        """Harmless where the turn was lost already."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of RoleDetailList and of Policies (customer managed ones); `marker` None: it was the last page."""

    details: Sequence[Mapping[str, Any]]
    policies: Sequence[Mapping[str, Any]]
    marker: str | None


class RolePages(Protocol):
    def page(self, account_id: str, marker: str | None) -> Page:
        """Raises Throttled, Unavailable, Misconfigured where the account cannot be entered."""
