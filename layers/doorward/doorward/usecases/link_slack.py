"""A Slack user becomes a person: the person asks for a code by SigV4, gives it in Slack, sees who gave it, and says by SigV4 that it is he.

| who                                    | does what                            | comes of it                                           |
|----------------------------------------|--------------------------------------|-------------------------------------------------------|
| a machine, or anybody but by SigV4     | anything                             | refused: a session of Identity Center                 |
| a person                               | asks for a code                      | one of 128 bits, for five minutes; earlier ones end   |
| any Slack user of ours                 | gives it, in time, before others     | nothing is linked: the person is shown who gave it    |
| any Slack user of ours                 | gives it later, or a wrong one       | told so                                               |
| the person                             | says yes to who gave it              | linked, audited, and told to everybody                |
| the person                             | says yes to anybody else             | refused                                               |
| the person                             | to a Slack user of another person    | refused; not where that other is gone or switched off |
| the person                             | takes a link back                    | gone                                                  |

A code that the Slack side makes would be dangerous: whoever is talked into typing it would lend himself to its maker. This way round
nobody becomes anybody without that person's signature under the very Slack user: docs/adr/0085-a-slack-user-becomes-a-person.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from doorward.errors import Conflict
from doorward.findings.alerts import Alert, alert_as_json
from doorward.findings.model import Severity
from doorward.people.model import Caller, Person, Refusal, SlackUser, Via
from doorward.ports.clock import Clock
from doorward.ports.ledger import Announcement
from doorward.ports.slack import Link, Links, Offer

DETECTION: Final = "slack-linked"
FORMAT: Final = "doorward.slack-links/1"
WITHIN: Final = timedelta(minutes=5)
_BY_SIGV4: Final = Refusal(
    "Only a person who signs with AWS credentials can be linked to a Slack user.", "Sign in by Identity Center, and try again."
)
_NO_SLACK: Final = Refusal(
    "Decisions by Slack do not count in this installation, or not at present.", "Ask whoever runs Doorward: docs/slack/ says what it takes."
)


@dataclass(frozen=True, slots=True)
class Tools:
    """`person`: as he is now, by his id; None where he is gone or switched off. `new_code`: one that nobody can guess."""

    links: Links
    person: Callable[[str], Person | None]
    new_code: Callable[[], str]
    counts: Callable[[], bool]
    clock: Clock
    hub_account: str


def offer_link(caller: Caller, tools: Tools) -> dict[str, Any] | Refusal:
    """Raises Unavailable."""
    person = _signed(caller)
    if isinstance(person, Refusal):
        return person
    if not tools.counts():
        return _NO_SLACK
    code, until = tools.new_code(), tools.clock.now() + WITHIN
    tools.links.offer(Offer(person.user_id, until), hash_of_code(code))
    return {"format": FORMAT, "code": code, "until": until.isoformat()}


def show_links(caller: Caller, tools: Tools) -> dict[str, Any] | Refusal:
    """Raises Unavailable."""
    person = _signed(caller)
    if isinstance(person, Refusal):
        return person
    offer = tools.links.offered(person.user_id)
    waiting = offer is not None and tools.clock.now() < offer.until
    taken = None if offer is None or not waiting or offer.taken_by is None else {**offer.taken_by._asdict(), "name": offer.name}
    return {
        "format": FORMAT,
        "linked": [{**each.user._asdict(), "at": each.at.isoformat()} for each in tools.links.links_of(person.user_id)],
        "waiting": waiting,
        "taken_by": taken,
    }


def take_code(code: str, user: SlackUser, name: str, tools: Tools) -> Person | Refusal:
    """Whose code it is. Nothing is linked yet. Raises Unavailable."""
    offer = tools.links.take(hash_of_code(code), user, name, tools.clock.now())
    person = None if offer is None else tools.person(offer.person_id)
    if person is None:
        return Refusal("There is no such code: it is wrong, was used, or is older than five minutes.", "Run `doorward grants link` again.")
    return person


def bind_link(caller: Caller, user: SlackUser, tools: Tools) -> dict[str, Any] | Refusal:
    """Raises Unavailable."""
    person = _signed(caller)
    if isinstance(person, Refusal):
        return person
    if not tools.counts():
        return _NO_SLACK
    now = tools.clock.now()
    offer = tools.links.offered(person.user_id)
    if offer is None or offer.taken_by != user or now >= offer.until:
        return Refusal("This Slack user has not given your code, or not in time.", "Run `doorward grants link` again.")
    other = tools.links.of(user)
    if other not in {None, person.user_id} and tools.person(str(other)) is not None:
        return Refusal(
            f"Slack user {user.ref} is linked to somebody else.",
            f"Let him take his link back first: `doorward grants link --remove {user.ref}`.",
        )
    link = Link(user, person.user_id, now)
    try:
        tools.links.bind(link, _announcement(link, person, offer.name, tools), over=other)
    except Conflict:
        return Refusal("Something else happened to this link meanwhile.", "Run `doorward grants link` again.")
    return show_links(caller, tools)


def unbind_link(caller: Caller, user: SlackUser, tools: Tools) -> dict[str, Any] | Refusal:
    """Raises Unavailable."""
    person = _signed(caller)
    if isinstance(person, Refusal):
        return person
    try:
        now = tools.clock.now()
        tools.links.unbind(Link(user, person.user_id, now), now)
    except Conflict:
        return Refusal(f"Slack user {user.ref} is not linked to you.", "`GET /me/slack` shows those that are.")
    return show_links(caller, tools)


def hash_of_code(code: str) -> str:
    """A code has 128 bits: nobody finds it by trying, so that its hash needs no salt."""
    return sha256(code.encode()).hexdigest()


def _signed(caller: Caller) -> Person | Refusal:
    return caller.who if isinstance(caller.who, Person) and caller.via is Via.SIGV4 else _BY_SIGV4


def _announcement(link: Link, person: Person, name: str, tools: Tools) -> Announcement:
    alert = Alert(
        detection=DETECTION,
        key=f"{link.user.ref}/{link.person_id}/{link.at.isoformat()}",
        severity=Severity.MEDIUM,
        title="a Slack user decides for a person from now on",
        because=f"{person.user_name} was linked to Slack user {link.user.ref}, who calls himself {name or 'nothing'} there.",
        what_to_do=f"If it was not {person.user_name}: `doorward grants link --remove {link.user.ref}`, and docs/runbooks/slack-linked.md.",
        account_id=tools.hub_account,
        at=link.at,
        principal=person.user_name,
    )
    return Announcement(alert.id, "SuspiciousChangeFound", alert_as_json(alert, "doorward.guard/1", None), link.at)
