"""Whose an event is: the envelope's account, held against the organization."""

from doorward.errors import Conflict
from doorward.events.model import Event, Skipped
from doorward.organization.model import Organization


def require_member(event: Event | Skipped, organization: Organization) -> None:
    """Raise Conflict where the event is from an account that the organization, as it is known here, does not have.

    The bus takes events of members only, so the account is most likely newer than what is known: read the organization again, then decide
    again. Who is still none after that must not be acted on: the message is tried again until it is put aside, and its account is never
    entered. Without an organization id, the listed accounts are all there is.
    """
    account_id = event.account_id
    if organization.account(account_id) is None and account_id != organization.management_account:
        raise Conflict(
            f"{event.event_name} is from account {account_id}, which is none of the organization's: read the organization again."
        )
