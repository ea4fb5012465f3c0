"""Tickets, from wherever they are kept."""

from typing import Protocol

from doorward.grants.model import Ticket


class Tickets(Protocol):
    def ticket(self, ticket_id: str) -> Ticket | None:
        """As it is now; None: there is none. Raises Unavailable."""
