"""Which people are behind a principal that CloudTrail names: they never decide about what it did.

Whoever might be is: to be kept from deciding costs him a colleague's click, to decide on his own change would cost more.
"""

from collections.abc import Mapping
from typing import Any

from doorward.iam.arns import parse_role_arn
from doorward.organization.model import Organization
from doorward.people.sigv4 import RESERVED_NAME, RESERVED_PATH
from doorward.ports.people import Directory


def who_is_behind(actor: Mapping[str, Any], organization: Organization, directory: Directory) -> frozenset[str]:
    """Ids of Identity Center's users; empty where nobody knows. Raises Unavailable.

    `actor`: as the detail of a case has it. A session of Identity Center's roles, in whatever account, is whom its name says.
    """
    arn, session_name = str(actor.get("arn") or ""), actor.get("session_name")
    role = parse_role_arn(arn)
    names = {user for user, alias in organization.identity.aliases if alias == arn}
    is_reserved = role is not None and role.path.startswith(RESERVED_PATH) and role.name.startswith(RESERVED_NAME)
    if is_reserved and isinstance(session_name, str):
        names.add(session_name)
    return frozenset(each.person.user_id for name in sorted(names) for each in directory.users_named(name))
