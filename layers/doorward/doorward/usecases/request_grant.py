"""Somebody asks for a grant.

| looked at, from the top                                                            | comes of it                               |
|------------------------------------------------------------------------------------|-------------------------------------------|
| a machine asks, or somebody who is gone                                            | refused, and nothing kept                 |
| a role, a template or a text that cannot be one                                    | …                                         |
| he has asked so often within an hour                                               | …                                         |
| the rules refuse it (grants/entitled.py), or its policy cannot be made             | …                                         |
| … or might, were all known                                                         | Unavailable, and nothing kept             |
| so many are kept of this hour of the clock, also of those that come at once        | refused, and nothing kept                 |
| else                                                                               | kept as requested, and checked at once    |

Whoever dies in between leaves it as requested: its execution checks it then. Whoever asks again under the same key, or by the same form of
Slack's, has the same grant, also where nobody answered him: its id is made of that, and it is looked for among the last that he asked for,
before anything is counted.

How often is looked at twice: what was kept in the last hour is read from an index, which lacks what is kept in the same moment; that is
counted, by the hour of the clock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from doorward.decisions.actions import why_no_reason
from doorward.errors import Conflict, DoorwardError
from doorward.events.reading import ROLE_NAME
from doorward.grants.grant import Grant
from doorward.grants.lifecycle import Checked
from doorward.grants.measuring import REFUSED_AT_ONCE
from doorward.grants.model import GrantRequest
from doorward.grants.names import grant_id_of
from doorward.iam.arns import is_account_id
from doorward.people.model import Caller, Refusal
from doorward.ports.rates import Span
from doorward.usecases.advance_grant import check
from doorward.usecases.grant_standing import Tools, judged_for_certain, person_calling
from doorward.usecases.move_grant import announced, follow_with_question
from doorward.values import NamedTuple

MOST_AN_HOUR: Final = 20
"""Ours, for a person: far more than he needs, and few enough that nobody is worn down by questions, or tries until a condition holds."""
_TOO_OFTEN: Final = Refusal(f"You have asked {MOST_AN_HOUR} times within an hour.", "Use what you have, or ask later.")
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_TIME: Final = 10
"""Characters of a ULID that are its time: https://github.com/ulid/spec"""


class Wanted(NamedTuple):
    """What somebody asks for, in his words. `starts_at` is aware; None: as soon as it is approved."""

    role_ref: str
    template: str
    parameters: Mapping[str, str] = MappingProxyType({})
    minutes: int = 0
    reason: str = ""
    ticket: str = ""
    starts_at: datetime | None = None


def request_grant(wanted: Wanted, caller: Caller, tools: Tools, key: str = "") -> Grant | Refusal:
    """The table; the same grant where one is kept under its id. `key`: under which he calls, "" for none.

    Raises Unavailable: nothing is kept; Conflict where that is another's.
    """
    asked = _asked(wanted, caller, tools, key)
    if isinstance(asked, Refusal):
        tools.measure({REFUSED_AT_ONCE: 1})
    return asked


def _asked(wanted: Wanted, caller: Caller, tools: Tools, key: str) -> Grant | Refusal:
    asker = person_calling(caller, tools)
    if isinstance(asker, Refusal):
        return asker
    request = GrantRequest(asked_at=tools.clock.now(), **wanted._asdict())
    last = tools.grants.ids_of_person(asker.person.user_id, "", MOST_AN_HOUR)
    made_of_key = sha256(f"{caller.via} {asker.person.user_id} {key}".encode()).digest()[:10]
    grant_id = grant_id_of(request.asked_at, made_of_key) if key else tools.new_id()
    before = _asked_before(grant_id, request, last, tools)
    refusal = _unreadable(request) or (_other_than(before, request, key) if before else _too_often(last, request.asked_at, tools))
    if refusal is not None:
        return refusal
    if before is not None:
        return _checked(before, None, tools)
    found = judged_for_certain(request, asker, tools)
    for each in (found.ruling, found.policy):
        if isinstance(each, Refusal):
            return each
    if tools.rates.count(f"asks {asker.person.user_id}", Span.HOUR) > MOST_AN_HOUR:
        return _TOO_OFTEN
    grant = Grant(grant_id, asker.person, request)
    opening = announced(grant, tools)
    assert opening is not None  # noqa: S101 - that one is requested is told
    known: Checked | None = found
    if not tools.grants.create(grant, caller.via, opening):
        kept = tools.grants.grant(grant.id)
        if kept is None or kept.person.user_id != asker.person.user_id:
            raise Conflict(f"{grant.id}: another grant has this id")
        grant, known = kept, None
    return _checked(grant, known, tools)


def _checked(grant: Grant, known: Checked | None, tools: Tools) -> Grant:
    try:
        checked = check(grant, tools, known)
        follow_with_question(checked, tools)
    except DoorwardError:  # it is kept, and its execution checks it
        return grant
    return checked


def _unreadable(request: GrantRequest) -> Refusal | None:
    account_id, _, name = request.role_ref.partition("/")
    if not is_account_id(account_id) or ROLE_NAME.fullmatch(name) is None:
        return Refusal("What was given as role is none.", "Name it by account and name, such as 777788889999/doorward-grant-read.")
    return why_no_reason(request.reason)


def _asked_before(grant_id: str, request: GrantRequest, last: Sequence[str], tools: Tools) -> Grant | None:
    """Under the same key within a day, which is as long as answers are kept. Ids differ in their time at most; the latest is the first."""
    kept = next((each for each in last if each[_TIME:] == grant_id[_TIME:]), None)
    before = None if kept is None else tools.grants.grant(kept)
    return before if before is not None and request.asked_at - before.request.asked_at < _DAY else None


def _other_than(before: Grant, request: GrantRequest, key: str) -> Refusal | None:
    """A form has its id from Slack, and is one and the same however often it comes."""
    if not key or before.request == request._replace(asked_at=before.request.asked_at):
        return None
    return Refusal("This Idempotency-Key came with another call before.", "Send a new call with a new key, a repeated one as it was.")


def _too_often(last: Sequence[str], now: datetime, tools: Tools) -> Refusal | None:
    """Of so many only the earliest counts. Its id says when, too, but by Slack's clock where it was asked for there."""
    earliest = tools.grants.grant(last[-1]) if len(last) == MOST_AN_HOUR else None
    if earliest is None or earliest.request.asked_at <= now - _HOUR:
        return None
    return _TOO_OFTEN
