"""People and machines, as what they are known by. A name that somebody gives himself is nowhere an identity."""

from datetime import datetime
from enum import StrEnum

from doorward.organization.model import Group
from doorward.values import NamedTuple


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


class Refusal(NamedTuple):
    """Why something is not done for somebody, a sentence, and what he can do about it."""

    because: str
    cure: str


class Suspension(NamedTuple):
    """Nobody is recognized by Identity Center's roles of this account, until a person has looked.

    `change` orders suspensions of one account: the time of the call that is the reason, and its event's id.
    """

    account_id: str
    change: str
    by: str
    because: str
    at: datetime


def groups_of(person: Person, configured: tuple[Group, ...], in_identity_center: frozenset[str]) -> frozenset[str]:
    """Names of the configured groups that somebody is in. `in_identity_center`: display names of his groups there, as just read.

    A group that the file does not leave to Identity Center is not joined by being in one of that name there.
    """
    return frozenset(
        each.name
        for each in configured
        if (each.name in in_identity_center if each.identity_center else person.user_name in each.user_names)
    )
