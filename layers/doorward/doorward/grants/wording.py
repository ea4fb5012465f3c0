"""A grant as people read it who decide about it, or who asked for it: out of its JSON (grants/telling.py), raw. Each channel escapes it.

What somebody asked for, and why, is his text; what he may do was filled in by the template. Nothing is left out of what people decide
about: a channel that cannot show a line whole divides it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from doorward.decisions.model import GRANT
from doorward.grants.telling import END_FAILED, FORMAT

type Json = Mapping[str, Any]


def grant_in(detail: Json) -> Json | None:
    """Of an event's detail: the grant that it tells of, or that people are asked about; None where there is none."""
    grant = detail.get("grant") if detail.get("what") == GRANT else detail
    return grant if isinstance(grant, Mapping) and grant.get("format") == FORMAT else None


def who_and_what(grant: Json) -> tuple[str, ...]:
    account = grant.get("account") or {}
    where = f"{account.get('name') or 'an account'} ({account.get('id')})"
    start = grant.get("wanted_start")
    when = f"from {_moment(start)}" if start else "from when it is approved"
    return (f"{person(grant)} asks for {_role(grant)} in {where}, for {grant.get('minutes')} minutes, {when}.",)


def why(grant: Json) -> tuple[str, ...]:
    """His own words."""
    ticket = grant.get("ticket")
    return (f"Why, as {person(grant)} says: {grant.get('reason')}", f"Ticket: {ticket}" if ticket else "No ticket.")


def scope_in_words(grant: Json) -> tuple[str, ...]:
    parameters = ", ".join(f"{name} = {value}" for name, value in (grant.get("parameters") or {}).items())
    by = f"{grant.get('template')}{f', {parameters}' if parameters else ''}"
    what = f"Its policy lets the session do this ({by}), and nothing else; a resource's own policy that names the session can add to it:"
    return (what, *(f"- {statement_in_words(each)}" for each in grant.get("scope") or ()))


def scope_as_statements(grant: Json) -> tuple[str, ...]:
    return tuple(json.dumps(each) for each in grant.get("scope") or ())


def by_which_rules(grant: Json) -> tuple[str, ...]:
    decision = grant.get("decision") or {}
    takes = (f"It takes {decision['missing']}, until {_moment(decision.get('ends_at'))}.",) if decision.get("missing") else ()
    return (
        f"Risk: {grant.get('risk')}. Rules: {', '.join(grant.get('rules') or ())}.",
        f"SHA-256 of the session's policy: {grant.get('policy_sha256')}",
        f"Grant {grant.get('grant_id')}.",
        *takes,
    )


def whole(grant: Json) -> tuple[tuple[str, ...], ...]:
    """All that whoever decides is shown, in paragraphs of lines."""
    return (who_and_what(grant), why(grant), scope_in_words(grant), scope_as_statements(grant), by_which_rules(grant))


def is_shown_whole(detail_type: str, grant: Json) -> bool:
    """Where people decide, and where nobody had to: what is told of that first."""
    first = "GrantApproved" if grant.get("wanted_start") else "GrantStarted"
    return detail_type == "DecisionAwaited" or (detail_type == first and bool(grant.get("automatic")))


def headline(detail_type: str, grant: Json) -> str:
    who, what = person(grant), _what(grant)
    said = {
        "DecisionAwaited": f"{who} asks for {what}",
        "GrantApproved": f"{who} may have {what}",
        "GrantStarted": f"{who} has {what} now",
        "GrantRefused": f"{who} does not get {what}",
        "GrantExpired": f"what {who} asked for is over: {what}",
        "GrantCancelled": f"{who} wants it no more: {what}",
        "GrantRevoked": f"taken back from {who}: {what}",
        "GrantEnded": f"{who} has {what} no more",
        END_FAILED: f"the end of a grant FAILED: {who} and {what}",
    }
    return said.get(detail_type, str(grant.get("title")))


def what_came(detail_type: str, grant: Json) -> tuple[str, ...]:
    """Sentences, of which the first says all that has to stand on a card."""
    match detail_type:
        case "GrantApproved":
            return (f"Approved {_who_said_yes(grant)}: from {_moment(grant.get('starts_at'))} until {_moment(grant.get('ends_at'))}.",)
        case "GrantStarted":
            return (f"Active until {_moment(grant.get('ends_at'))}, approved {_who_said_yes(grant)}.",)
        case "GrantEnded":
            return (f"Ended. It was approved {_who_said_yes(grant)}.",)
        case "GrantEndFailed":
            return ("What ends it could not be done yet. Its credentials end by themselves.", "See why, as the runbook says.")
        case _:
            word = detail_type.removeprefix("Grant").capitalize()
            return (f"{word}: {grant.get('because')}" if grant.get("because") else f"{word}.",)


TOLD_TO_WHOEVER_ASKED: Final = frozenset(
    {"GrantApproved", "GrantStarted", "GrantRefused", "GrantExpired", "GrantRevoked", "GrantEnded"},
)


def letter(detail_type: str, grant: Json) -> tuple[tuple[str, ...], ...]:
    """To whoever asked for it."""
    grant_id = grant.get("grant_id")
    happened = {
        "GrantApproved": f"what you asked for is approved: {_what(grant)}",
        "GrantStarted": f"it is yours until {_moment(grant.get('ends_at'))}: {_what(grant)}",
        "GrantRefused": f"what you asked for is refused: {_what(grant)}",
        "GrantExpired": f"what you asked for is over before it began: {_what(grant)}",
        "GrantRevoked": f"it was taken back: {_what(grant)}",
        "GrantEnded": f"it has ended: {_what(grant)}",
    }[detail_type]
    to_do = {
        "GrantStarted": (f"Write a profile for the AWS CLI with it: doorward grants configure {grant_id}",),
        "GrantRefused": (str(grant.get("what_to_do")),),
        "GrantExpired": (str(grant.get("what_to_do")),),
    }.get(detail_type, ())
    return ((f"Hello {person(grant)}, {happened}.",), (*what_came(detail_type, grant), *to_do, f"Grant {grant_id}."))


def person(grant: Json) -> str:
    return str((grant.get("person") or {}).get("name"))


def _what(grant: Json) -> str:
    account = grant.get("account") or {}
    return f"{_role(grant)} in {account.get('name') or account.get('id')}"


def _role(grant: Json) -> str:
    """Its name alone."""
    return str(grant.get("role")).rpartition("/")[2]


def _who_said_yes(grant: Json) -> str:
    """As the end of a sentence."""
    if grant.get("automatic"):
        return "by the rules, on nobody's word"
    return f"by {', '.join((grant.get('decision') or {}).get('yes') or ()) or 'nobody'}"


def _moment(text: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return "an unknown time"


def statement_in_words(statement: Json) -> str:
    """What one Allow of a grant's scope allows, in a line."""
    on = f"{', '.join(_listed(statement.get('Action')))} on {', '.join(_listed(statement.get('Resource')))}"
    conditions = [
        f"{operator} {key} {' or '.join(_listed(values))}"
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]
    return f"{on}, where {' and '.join(conditions)}" if conditions else on


def _listed(value: object) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
