"""People and machines, as what they are known by. A name that somebody gives himself is nowhere an identity."""

from enum import StrEnum

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


class Machine(NamedTuple):
    """`id`: a role's ARN, or issuer and subject of a token. It never decides."""

    id: str


class Caller(NamedTuple):
    who: Person | Machine
    via: Via


class Refusal(NamedTuple):
    """Why something is not done for somebody, a sentence, and what he can do about it."""

    because: str
    cure: str
