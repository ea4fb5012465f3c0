"""People and machines, as what they are known by. A name that somebody gives himself is nowhere an identity."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from doorward.organization.model import Group
from doorward.values import NamedTuple

ATTRIBUTES: Final = (
    "userType",
    "title",
    "locale",
    "preferredLanguage",
    "timezone",
    "employeeNumber",
    "costCenter",
    "organization",
    "division",
    "department",
)
"""What Identity Center says of a user, spelled as SCIM does: what people choose for themselves (nick name, photo, web site) is not in it.

The last five are its enterprise extension. https://docs.aws.amazon.com/singlesignon/latest/developerguide/createuser.html
"""


class Via(StrEnum):
    """By which way somebody said something."""

    SIGV4 = "sigv4"
    JWT = "jwt"
    SLACK = "slack"


class Person(NamedTuple):
    """`user_id` is Identity Center's, which never changes: the one id that counts, whatever else he is called."""

    user_id: str
    user_name: str
    display_name: str
    email: str | None = None


class SlackUser(NamedTuple):
    """An account of Slack's: ids of its workspace (or its Enterprise organization) and of its user. Whose it is, only a link says."""

    team_id: str
    user_id: str

    @property
    def ref(self) -> str:
        return f"{self.team_id}/{self.user_id}"


class User(NamedTuple):
    """A person as Identity Center has him; `enabled` False: he was switched off."""

    person: Person
    enabled: bool = True


class Machine(NamedTuple):
    """`id`: the ARN of a role or an IAM user, or issuer and subject of a token with a space between. It never decides."""

    id: str


class Caller(NamedTuple):
    who: Person | Machine
    via: Via


def id_of(who: Person | Machine) -> str:
    return who.user_id if isinstance(who, Person) else who.id


class Refusal(NamedTuple):
    """Why something is not done for somebody, a sentence, and what he can do about it."""

    because: str
    cure: str


BY_SLACK: Final = "slack"
"""The scope of a suspension of decisions by Slack."""


class Suspension(NamedTuple):
    """Until a person has looked, nobody is recognized by Identity Center's roles of an account, or decisions by Slack do not count.

    `scope`: the account's id, or `slack`. `change` orders suspensions of one scope: the time of the call that is the reason, a space, and
    its event's id. CloudTrail's times are whole seconds: of two calls in one second neither is known to be the later one. `ended_by`: the
    person who has looked, "" while nobody has.
    """

    scope: str
    change: str
    by: str
    because: str
    at: datetime
    ended_by: str = ""

    @property
    def stands(self) -> bool:
        return not self.ended_by


def groups_of(person: Person, configured: tuple[Group, ...], in_identity_center: frozenset[str]) -> frozenset[str]:
    """Names of the configured groups that somebody is in. `in_identity_center`: display names of his groups there, as just read.

    A group that the file does not leave to Identity Center is not joined by being in one of that name there.
    """
    return frozenset(
        each.name
        for each in configured
        if (each.name in in_identity_center if each.identity_center else person.user_name in each.user_names)
    )
