"""Who held a session of a role while its door stood open, and where he went on to from it.

A deny on the role ends its own sessions. Those of other roles, opened by them, have credentials of their own that no deny on this role
reaches: they are named, and never said to be ended.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from doorward.events.model import SessionEvent
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity
from doorward.sessions.model import principal_of

DETECTION: Final = "window-sessions"
MOST: Final = 20
"""Of each list; the rest is counted."""
_MOST_SAID: Final = 5
_MOST_OF_ONE: Final = 200
# A role's ARN with the longest path. A subject of a token can be longer, and a session's name is whatever an event says.
_LONGEST: Final = 640


def list_sessions(opened: Sequence[SessionEvent], chained: Sequence[SessionEvent]) -> dict[str, Any]:
    """As it is told and kept. Whoever opens many sessions hides nobody else: each caller, and each role, is listed before a second time."""
    came, went = _chosen(opened, _caller), _chosen(chained, _opened)
    return {
        "opened": [{"principal": _caller(each), "session_name": _name(each.role_session_name), "at": _at(each)} for each in came],
        "opened_more": len(opened) - len(came),
        "chained": [
            {"role": _opened(each), "session_name": _name(each.role_session_name), "by": _name(each.actor.session_name), "at": _at(each)}
            for each in went
        ],
        "chained_more": len(chained) - len(went),
    }


def how_many(sessions: Mapping[str, Any]) -> int:
    """Of both lists, with what they leave out; 0 where nothing was listed yet."""
    return sum(len(sessions.get(each, ())) + int(sessions.get(f"{each}_more", 0)) for each in ("opened", "chained"))


def alert_of_window(case_id: str, detail: Mapping[str, Any], now: datetime, *, late: bool = False) -> Alert:
    """`detail` of the case, with what was listed. `late`: told once more, since events came after it was told of first."""
    sessions, role = detail["sessions"], detail["role"]
    opened, chained = (len(sessions[each]) + sessions[f"{each}_more"] for each in ("opened", "chained"))
    because = f"While a change of {role} stood that was undone ({sessions['start']} to {sessions['until']}), sessions of it were opened: "
    because += f"{_said(sessions['opened'], opened, 'principal')}."
    if chained:
        because += f" By sessions of it, sessions of others were opened since: {_said(sessions['chained'], chained, 'role')}."
    return Alert(
        detection=DETECTION,
        key=f"{case_id}/late" if late else case_id,
        severity=Severity.HIGH,
        title="sessions were opened while a door stood open",
        because=because,
        what_to_do=_what_to_do(sessions, chained),
        account_id=detail["account"]["id"],
        at=now,
        role=role,
        events=(AlertEvent(detail["event"]["id"], detail["event"]["name"], datetime.fromisoformat(detail["event"]["time"])),),
    )


def _what_to_do(sessions: Mapping[str, Any], chained: int) -> str:
    if sessions["cut"]:
        own = "Sessions of this role from that while can do nothing any more."
    else:
        own = f"Sessions of this role from that while are NOT ended. {sessions['because']}"
    if not chained:
        return f"{own} Look up what they did before."
    roles = ", ".join(dict.fromkeys(_short(each["role"]) for each in sessions["chained"][:_MOST_SAID]))
    return (
        f"{own} Sessions of other roles are NOT ended by Doorward, and can go on from there: on each role, beginning with {roles}, revoke"
        " the active sessions (a Deny on aws:TokenIssueTime), then look up what they did. Older sessions of this role may have opened"
        " some of them: whose session it was stands with each (`doorward history`)."
    )


def _said(listed: Sequence[Mapping[str, Any]], count: int, who: str) -> str:
    if not count:
        return "none that is known"
    each = [f"{_short(one[who])} as {_short(one['session_name'])} at {one['at']}" for one in listed[:_MOST_SAID]]
    left = count - len(each)
    return f"{count} ({'; '.join(each)}{f'; and {left} more' if left else ''})"


def _short(text: str | None) -> str:
    text = text or "nobody knows whom"
    return text if len(text) <= _MOST_OF_ONE else f"{text[:_MOST_OF_ONE]}…"


def _chosen(calls: Sequence[SessionEvent], key: Callable[[SessionEvent], str]) -> list[SessionEvent]:
    """At most `MOST`, in order of time: the first of each, then as many of the others as there is room for."""
    firsts: dict[str, int] = {}
    for place, each in enumerate(calls):
        firsts.setdefault(key(each), place)
    first = list(firsts.values())
    taken = set(first)
    others: Iterable[int] = (place for place in range(len(calls)) if place not in taken)
    return [calls[place] for place in sorted([*first, *others][:MOST])]


def _caller(call: SessionEvent) -> str:
    return (principal_of(call) or "somebody not known yet")[:_LONGEST]


def _opened(call: SessionEvent) -> str:
    """The role; of AssumeRoot, which has none, the account that is opened."""
    return (call.role_arn or f"root of {call.target_principal or 'an account'}")[:_LONGEST]


def _name(session_name: str | None) -> str | None:
    return None if session_name is None else session_name[:_LONGEST]


def _at(call: SessionEvent) -> str:
    return call.event_time.isoformat()
