"""Where something is told, by account and severity: `notifications.routes` of config/organization.yaml.

| the event                                            | everybody's channels | the channels of routes |
|------------------------------------------------------|----------------------|------------------------|
| fits no route                                        | yes                  | no                     |
| fits routes                                          | if one names them    | of all that it fits    |
| asks people to act, or is about Doorward itself      | yes                  | of all that it fits    |
| could not be sent by a route, and never can be       | yes, and says so     | the others             |
"""

from doorward.findings.model import Severity
from doorward.notices.telling import Notice
from doorward.organization.model import EVERYBODY, Organization, Route, covers_account
from doorward.values import NamedTuple

_OF_DOORWARD = ("GuardProblemFound", "GuardProblemEnded")


class Addressed(NamedTuple):
    """`channels`: Slack ids and ARNs of topics, each once, in the order of the routes."""

    channels: tuple[str, ...]
    everybody: bool


def addressed(account_id: str, detail_type: str, notice: Notice, organization: Organization) -> Addressed:
    """The table above; whether a message could be sent is for whoever sends it."""
    fits = [each for each in organization.notifications.routes if _fits(each, account_id, notice.severity, organization)]
    channels = tuple(dict.fromkeys(channel for each in fits for channel in each.channels))
    everybody = not fits or EVERYBODY in channels or notice.asks or detail_type in _OF_DOORWARD
    return Addressed(tuple(each for each in channels if each != EVERYBODY), everybody)


def _fits(route: Route, account_id: str, severity: Severity, organization: Organization) -> bool:
    if severity.rank < Severity(route.severity_from).rank:
        return False
    return covers_account(account_id, organization.account(account_id), route.accounts, route.ou, route.tags)
