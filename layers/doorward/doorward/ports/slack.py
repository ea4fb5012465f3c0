"""What people do in Slack, and what is said to them there. Slack's own words for it stand in doorward/slack alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from doorward.people.model import SlackUser
from doorward.ports.ledger import Announcement
from doorward.values import NamedTuple


class Kind(StrEnum):
    PRESSED = "pressed"
    SUBMITTED = "submitted"
    COMMANDED = "commanded"


class Asking(StrEnum):
    """Forms by which somebody asks for a grant, in their order. What each leads to is looked up: meanwhile he is shown that."""

    ACCOUNT = "ask-account"
    OFFER = "ask-offer"
    DETAILS = "ask-details"


class Interaction(NamedTuple):
    """Somebody pressed a button, submitted a form or gave a command. All text in it is his, or whoever's made his Slack send it.

    `what`: the button's or the form's name, or the command's first word; `value`: the button's value, or the command's other words.
    `name`: how he is called in Slack, which he chooses himself. `answer_to`: where he alone is answered; `trigger` opens a form, for three
    seconds. `fields` of a form, by name. `at`: when it came, in seconds since 1970. `view`: the form's own id, under which it is changed.
    """

    kind: Kind
    user: SlackUser
    what: str
    value: str
    name: str = ""
    answer_to: str = ""
    trigger: str = ""
    fields: Mapping[str, str] = MappingProxyType({})
    at: int = 0
    view: str = ""


class Nonces(Protocol):
    def is_new(self, nonce: str, now: datetime) -> bool:
        """Whether it never came before; from now on it did. Raises Unavailable, Misconfigured."""


class Interactions(Protocol):
    def put(self, interaction: Interaction, nonce: str) -> None:
        """In line behind what the same Slack user did before; of one nonce once. Raises Unavailable, Misconfigured."""


class Link(NamedTuple):
    """Whose a Slack user is; `person_id` is Identity Center's."""

    user: SlackUser
    person_id: str
    at: datetime


class Offer(NamedTuple):
    """A person wants to be linked to whoever gives his code in Slack until then. `taken_by`: who did; `name`: how he is called."""

    person_id: str
    until: datetime
    taken_by: SlackUser | None = None
    name: str = ""


class Links(Protocol):
    """Whose Slack users are. Every method may raise Unavailable, Misconfigured."""

    def of(self, user: SlackUser) -> str | None:
        """The person's id."""

    def links_of(self, person_id: str) -> Sequence[Link]:
        """By the Slack user's ids."""

    def offer(self, offer: Offer, code_hash: str) -> None:
        """One a person: an earlier one is not bound any more. The code itself is not kept."""

    def offered(self, person_id: str) -> Offer | None:
        """The last one, whether it is over or not."""

    def take(self, code_hash: str, user: SlackUser, name: str, now: datetime) -> Offer | None:
        """Of all who give a code the first; None where there is no such code, or it is over or taken."""

    def bind(self, link: Link, announcement: Announcement, *, over: str | None = None) -> None:
        """Ends the person's offer, which this Slack user must have taken. `over`: a person whose link to him may be replaced.

        With its audit item and what is announced. Raises Conflict where he is somebody else's, or the offer is not (any more) his.
        """

    def unbind(self, link: Link, now: datetime) -> None:
        """With its audit item. Raises Conflict where he is not this person's."""


class Input(StrEnum):
    """What a field takes: `moment` seconds since 1970, `choice` the value of one of its options."""

    LINE = "line"
    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    MOMENT = "moment"


class Field(NamedTuple):
    """`value`: what it holds at first, `error`: what is wrong with that. `most`: of characters, or the largest number; 0: no limit of ours.

    `options`: values and how they read.
    """

    name: str
    label: str
    input: Input = Input.LINE
    hint: str = ""
    value: str = ""
    error: str = ""
    most: int = 0
    optional: bool = False
    options: tuple[tuple[str, str], ...] = ()


class Form(NamedTuple):
    """All of it is raw. `what` it is for and `value` come back with it. `wrong`: lines that say why it is shown again.

    `submit` "": nothing can be filled in any more.
    """

    what: str
    value: str = ""
    lines: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    wrong: tuple[str, ...] = ()
    submit: str = ""


class Desk(Protocol):
    """How one Slack user alone is answered. All may raise Unavailable, Misconfigured, MalformedInput."""

    def tell(self, answer_to: str, lines: Sequence[str]) -> None:
        """Raw lines."""

    def open_form(self, interaction: Interaction) -> bool:
        """For what the pressed button's action asks (decisions/actions.py). False where he waited too long for it."""

    def open_waiting(self, interaction: Interaction) -> str:
        """A form to be, while it is looked up: its id. "" where he waited too long for it."""

    def show(self, interaction: Interaction, view: str, form: Form) -> bool:
        """In the place of what the form with this id showed. False where he has closed it."""
