"""What stands of an installation, for its check-up."""

from typing import Protocol

from doorward.guard.doctor import AccountSeen, HubSeen


class Installation(Protocol):
    def hub(self) -> HubSeen:
        """Raises Unavailable, Misconfigured."""

    def account(self, account_id: str, *, is_management: bool) -> AccountSeen:
        """An account that cannot be entered is a value: `refused`. Raises Unavailable where it should be tried again."""
