"""The accounts and people that the local stack, its tests and its demo play with: data only."""

from typing import Final, NamedTuple

REGION: Final = "us-east-1"
"""IAM's region of the partition, where the hub stack lives."""
OTHER_REGION: Final = "eu-central-1"
"""Another region that some accounts use."""
ORGANIZATION_ID: Final = "o-a1b2c3d4e5"
ROOT_ID: Final = "r-ab12"


class Account(NamedTuple):
    id: str
    name: str
    ou: str | None
    """Path of the organizational unit, `/` for the root of the organization, None outside of it."""


MANAGEMENT: Final = Account("123456789012", "management", "/")
HUB: Final = Account("111122223333", "security", "/security")
SHARED_SERVICES: Final = Account("444455556666", "shared-services", "/infrastructure")
STAGING: Final = Account("222233334444", "staging", "/workloads/staging")
PROD: Final = Account("777788889999", "prod", "/workloads/prod")
VENDOR: Final = Account("555566667777", "vendor", None)
STRANGER: Final = Account("999988887777", "stranger", None)

ORGANIZATION: Final = (MANAGEMENT, HUB, SHARED_SERVICES, STAGING, PROD)
OUTSIDE: Final = (VENDOR, STRANGER)
IN_OTHER_REGION: Final = (HUB, STAGING, PROD)
"""The accounts that have enabled OTHER_REGION too."""
MEMBERS_WITH_ROLES: Final = (SHARED_SERVICES, STAGING, PROD)
"""The accounts that StackSets would reach and that hold the roles Doorward watches; the management account takes a stack of its own."""

ORGANIZATIONAL_UNITS: Final = {
    "/security": "ou-ab12-22222222",
    "/infrastructure": "ou-ab12-33333333",
    "/workloads": "ou-ab12-44444444",
    "/workloads/staging": "ou-ab12-55555555",
    "/workloads/prod": "ou-ab12-11111111",
}
"""Ids by path; a parent stands before its children."""


class Person(NamedTuple):
    """Somebody in Identity Center."""

    user_name: str
    """Also the name of every session that Identity Center opens for him."""
    display_name: str
    groups: tuple[str, ...] = ()


ANN: Final = Person("ann@acme.example", "Ann", ("security",))
JOE: Final = Person("joe@acme.example", "Joe", ("security",))
JANE: Final = Person("jane@acme.example", "Jane")
"""The developer, in her account the IAM user jane."""
PEOPLE: Final = (ANN, JOE, JANE)

SLACK_CHANNEL: Final = "C0123456789"
"""The parameter SlackChannel."""


class SlackPlace(NamedTuple):
    """A channel of the workspace, or a person's conversation with the app."""

    id: str
    name: str
    whose: str


SLACK_CHANNELS: Final = (
    SlackPlace(SLACK_CHANNEL, "security", "everybody"),
    SlackPlace("C0PAYMENTS1", "payments", "the owner of prod"),
    SlackPlace("C0PLATFORM1", "platform", "the pipeline's owner"),
)
SLACK_PLACES: Final = {each.id: f"#{each.name}, {each.whose}" for each in SLACK_CHANNELS} | {"U0JANEDOE1": "Jane"}
"""Slack ids of the parameter SlackChannel and of config/organization.yaml, as people know them."""


class SlackUser(NamedTuple):
    """Somebody in the workspace. Nothing there says who he is in Identity Center."""

    id: str
    name: str
    real_name: str


SLACK_TEAM: Final = "T0DOORWARD1"
SLACK_DOMAIN: Final = "acme"
SLACK_APP: Final = "A0DOORWARD1"
SLACK_BOT: Final = SlackUser("U0DOORWARD1", "doorward", "Doorward")
SLACK_ANN: Final = SlackUser("U0ANNACME01", "ann", "Ann")
SLACK_JOE: Final = SlackUser("U0JOEACME01", "joe", "Joe")
SLACK_JANE: Final = SlackUser("U0JANEDOE1", "jane", "Jane")
SLACK_JANES_SECOND: Final = SlackUser("U0JANEALT1", "jane.contractor", "Jane, by a second account")
SLACK_MAX: Final = SlackUser("U0MAXGUEST1", "max", "Max, a guest")
"""Nobody in Identity Center."""
SLACK_USERS: Final = (SLACK_ANN, SLACK_JOE, SLACK_JANE, SLACK_JANES_SECOND, SLACK_MAX)


def regions_of(account_id: str) -> tuple[str, ...]:
    """The regions that an account has enabled."""
    return (REGION, OTHER_REGION) if any(each.id == account_id for each in IN_OTHER_REGION) else (REGION,)
