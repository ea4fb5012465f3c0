"""An event counts only where its envelope's account is one of the organization's."""

from copy import replace

import pytest

from doorward.errors import Conflict
from doorward.events.membership import require_member
from doorward.events.model import Skipped, SkipReason
from doorward.organization.model import Account, Organization

MANAGEMENT, PROD, STRANGER = "123456789012", "777788889999", "999988887777"
ORGANIZATION = Organization(id="o-a1b2c3d4e5", management_account=MANAGEMENT, accounts=(Account(PROD, "prod"),))
EVENT = Skipped("e-1", "GetRole", PROD, SkipReason.READ_ONLY)


@pytest.mark.parametrize("account_id", [PROD, MANAGEMENT])
def test_an_event_of_a_member_is_taken(account_id: str) -> None:
    require_member(replace(EVENT, account_id=account_id), ORGANIZATION)


@pytest.mark.parametrize("organization", [ORGANIZATION, ORGANIZATION._replace(id=None), Organization()])
def test_an_event_of_nobody_known_sends_its_reader_to_look_again(organization: Organization) -> None:
    with pytest.raises(Conflict, match=STRANGER):
        require_member(replace(EVENT, account_id=STRANGER), organization)
