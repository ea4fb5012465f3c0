"""The entitlements file as values: complete by itself, at the first fault. `doorward_cli.configuration` adds file and line."""

import re
from collections.abc import Mapping
from datetime import time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from doorward.decisions.model import Consent, Terms
from doorward.errors import MalformedInput, Misconfigured
from doorward.grants.entitled import NUMBER, TICKET
from doorward.grants.model import Allow, Automatic, Deny, Entitlements, Hours, Parameter, Risk, Template, Who
from doorward.grants.parameters import TYPES
from doorward.grants.session_policy import LONGEST, OF_THE_ROLE, PLACEHOLDER, shortest_length
from doorward.iam.documents import VERSION_2012, Statement, parse_document
from doorward.iam.operators import read_operator
from doorward.organization.model import ON_CALL, Match
from doorward.organization.parsing import Fields, configuration_hash, some_match_from
from doorward.people.model import ATTRIBUTES

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_PARAMETER: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ACTION: Final = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOST_MINUTES: Final = 7 * 24 * 60
"""Ours: what is needed for longer than a week is no matter of grants."""
_MOST_HOURS_AHEAD: Final = 30 * 24
_ANSWER_HOURS: Final = 8
_REMINDERS: Final = 6
_ESCALATED_AFTER: Final = 3
"""Of the time to answer: a third of it."""
_OF_AN_ALLOW: Final = ("minutes", "approve", "start_within_hours", "tickets", "automatic")


def entitlements_from(data: object) -> Entitlements:
    """Read the form of `config/entitlements.yaml`, with or without the `hash` that the build adds. An empty object: nobody gets anything.

    Raises Misconfigured, naming the field, also where `hash` is not that of the rest.
    """
    fields = Fields(data, "")
    if not isinstance(data, Mapping):  # Fields has refused it
        raise TypeError
    templates = fields.mapping("templates", _template)
    rules = fields.objects("rules", lambda each: _rule(each, templates))
    revokers, auditors = frozenset(fields.texts("revokers")), frozenset(fields.texts("auditors"))
    stated = fields.text("hash", "")
    fields.refuse_others()
    for position, each in enumerate(rules):
        if each.id in [other.id for other in rules[:position]]:
            raise Misconfigured(f"rules[{position}].id: {each.id} is used twice; a rule's id stands in grants and must be its own")
    actual = configuration_hash(data)
    if stated not in {"", actual}:
        raise Misconfigured("hash: is not that of this configuration; it was edited after the build, so build again")
    return Entitlements(
        templates,
        tuple(each for each in rules if isinstance(each, Allow)),
        tuple(each for each in rules if isinstance(each, Deny)),
        revokers,
        actual,
        auditors,
    )


# Templates


def _template(templates: Fields, name: str) -> Template:
    if _NAME.fullmatch(name) is None:
        templates.refuse(name, "must be called in lower case letters, digits and hyphens")
    fields = templates.object(name)
    template = Template(
        name,
        fields.objects("statements", _statement),
        fields.mapping("parameters", _parameter),
        _one_of(fields, "risk", Risk.HIGH),
    )
    fields.refuse_others()
    if not template.statements:
        fields.refuse("statements", "says nothing, so that its sessions could do nothing; write at least one")
    _check_placeholders(fields, template)
    length = shortest_length(template)
    if length > LONGEST:
        fields.refuse(
            "statements", f"make a session policy of {length} characters before a parameter is filled in, and STS takes {LONGEST}"
        )
    return template


def _parameter(parameters: Fields, name: str) -> Parameter:
    if _PARAMETER.fullmatch(name) is None or name in OF_THE_ROLE:
        parameters.refuse(name, f"must be in lower case letters, digits and underscores, and none of {', '.join(sorted(OF_THE_ROLE))}")
    fields = parameters.object(name)
    kind = fields.text("type")
    if kind not in TYPES:
        fields.refuse("type", f"must be one of {', '.join(TYPES)}")
    parameter = Parameter(kind, fields.texts("like"))
    fields.refuse_others()
    if "like" in fields.names and not parameter.like:
        fields.refuse("like", "is empty; leave it out, or name what a value may look like")
    return parameter


def _statement(fields: Fields) -> Statement:
    actions, resources = fields.texts("actions"), fields.texts("resources")
    for name, values in (("actions", actions), ("resources", resources)):
        if not values:
            fields.refuse(name, "names none")
        if len(set(values)) < len(values):
            fields.refuse(name, "names one twice")
    for each in actions:
        if _ACTION.fullmatch(each) is None:
            fields.refuse("actions", f"{each} is no action; write service:Name, with * and ? in the name")
        if each.startswith("sts:"):
            fields.refuse("actions", f"{each} is denied to every session of a grant, so that none can open another; remove it")
    raw = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    if "conditions" in fields.names:
        raw["Condition"] = fields.value("conditions")
    fields.take("conditions")
    try:
        document = parse_document({"Version": VERSION_2012, "Statement": [raw]})
    except MalformedInput as error:
        fields.refuse("conditions", f"must be a Condition block as in a policy: {error}")
    (statement,) = document.statements
    for condition in statement.conditions:
        if read_operator(condition.operator) is None:
            fields.refuse("conditions", f"{condition.operator} is no operator of IAM")
        if PLACEHOLDER.search(condition.key) is not None:
            fields.refuse("conditions", "has a parameter in a key; parameters stand for values alone")
    for text in _texts(statement):
        if "${" in text:
            fields.refuse(
                "resources", "has a policy variable (${…}); people who approve must see what is meant, so use a parameter, <name>"
            )
        if any(each in PLACEHOLDER.sub("", text) for each in "<>"):
            fields.refuse("resources", f"{text} has a < or > that begins or ends no <name>")
    return statement


def _texts(statement: Statement) -> tuple[str, ...]:
    return (*(statement.resources or ()), *(value for each in statement.conditions for value in each.values))


def _check_placeholders(fields: Fields, template: Template) -> None:
    """A parameter that stands nowhere narrows nothing, whatever people think who read it."""
    used = {name for each in template.statements for text in _texts(each) for name in PLACEHOLDER.findall(text)}
    for name in sorted(used - OF_THE_ROLE - template.parameters.keys()):
        fields.refuse("statements", f"<{name}> is no parameter of the template; known are {', '.join(template.parameters) or 'none'}")
    for name in template.parameters:
        if name not in used:
            fields.refuse("parameters", f"{name} stands nowhere in statements, so that it would narrow nothing")


# Rules


def _rule(fields: Fields, templates: Mapping[str, Template]) -> Allow | Deny:
    effect = fields.text("effect", "allow")
    if effect not in {"allow", "deny"}:
        fields.refuse("effect", "must be allow or deny")
    identifier = fields.matching("id", _NAME, "in lower case letters, digits and hyphens", required=True)
    who = _who(fields.object("who"), needed=effect == "allow")
    names = frozenset(fields.texts("templates"))
    for each in sorted(names - templates.keys()):
        fields.refuse("templates", f"{each} is no template; known are {', '.join(templates) or 'none'}")
    if effect == "deny":
        for each in _OF_AN_ALLOW:
            if each in fields.names:
                fields.refuse(each, "has no meaning in a rule that denies")
        if "templates" in fields.names and not names:
            fields.refuse("templates", "is empty; leave it out to deny every template")
        match = some_match_from(fields.object("match"), "leave `match` itself out") if "match" in fields.names else Match()
        fields.take("match")
        return Deny(identifier, who, match, names)
    if not names:
        fields.refuse("templates", "names none, so that nothing could be asked for")
    minutes = fields.whole_number("minutes")
    if minutes > _MOST_MINUTES:
        fields.refuse("minutes", f"must be at most {_MOST_MINUTES}, a week")
    hours = fields.whole_number("start_within_hours", 0)
    if hours > _MOST_HOURS_AHEAD:
        fields.refuse("start_within_hours", f"must be at most {_MOST_HOURS_AHEAD}")
    tickets = fields.texts("tickets")
    for form in tickets:
        if TICKET.fullmatch(form.replace(NUMBER, "0")) is None or NUMBER * 2 in form:
            fields.refuse("tickets", f"{form} must be letters, digits and _./#-, with {NUMBER} for digits")
    automatic = _automatic(fields.object("automatic")) if "automatic" in fields.names else None
    fields.take("automatic")
    if automatic is not None and automatic.ticket_states and not tickets:
        fields.refuse("tickets", "is missing: automatic.ticket_states is about a ticket, and nothing says what one looks like")
    return Allow(
        identifier,
        who,
        some_match_from(fields.object("match"), "every role could be asked for"),
        names,
        timedelta(minutes=minutes),
        _terms(fields.object("approve")),
        timedelta(hours=hours),
        tickets,
        automatic,
    )


def _who(fields: Fields, *, needed: bool) -> Who:
    who = Who(frozenset(fields.texts("users")), frozenset(fields.texts("groups")), fields.mapping("attributes", Fields.text))
    fields.refuse_others()
    if needed and who == Who():
        fields.refuse("groups", "or `users` or `attributes` is missing; without any, everybody could ask")
    for name in who.attributes:
        if name not in ATTRIBUTES:
            fields.refuse("attributes", f"{name} is nothing that Identity Center says of users; known are {', '.join(ATTRIBUTES)}")
    for name, value in (("users", who.users), ("groups", who.groups), ("attributes", who.attributes)):
        if name in fields.names and not value:
            fields.refuse(name, "is empty, so that it would cover everybody; leave it out or fill it")
    return who


def _terms(fields: Fields) -> Terms:
    """All that they ask for stands in one consent."""
    consent = Consent(
        frozenset((*fields.texts("groups"), *(f"{ON_CALL}{each}" for each in fields.texts("on_call")))),
        fields.whole_number("quorum", 1),
        fields.boolean("distinct_groups", default=False),
        fields.boolean("by_sigv4", default=False),
        frozenset(fields.texts("escalate_to")),
    )
    within = timedelta(hours=fields.whole_number("answer_hours", _ANSWER_HOURS))
    fields.refuse_others()
    if not consent.approvers:
        fields.refuse("groups", "or `on_call` is missing, so that nobody could ever approve")
    if consent.distinct_groups and consent.quorum > len(consent.approvers):
        fields.refuse("quorum", f"asks for people of {consent.quorum} different groups, and {len(consent.approvers)} are named")
    return Terms(
        consent.approvers,
        answer_within=within,
        remind_every=within / _REMINDERS,
        escalate_after=within / _ESCALATED_AFTER,
        escalate_to=consent.escalate_to,
        also=frozenset({consent}),
    )


def _automatic(fields: Fields) -> Automatic:
    automatic = Automatic(
        fields.boolean("always", default=False),
        frozenset(fields.texts("on_call")),
        _hours(fields.object("hours")) if "hours" in fields.names else None,
        _one_of(fields, "risk", Risk.HIGH) if "risk" in fields.names else None,
        frozenset(fields.texts("ticket_states")),
    )
    fields.take("hours", "risk")
    fields.refuse_others()
    for name, value in (("on_call", automatic.on_call), ("ticket_states", automatic.ticket_states)):
        if name in fields.names and not value:
            fields.refuse(name, "is empty; leave it out or fill it")
    if automatic.always is (automatic._replace(always=False) != Automatic()):
        fields.refuse("always", "stands alone, as true; without it some condition is needed")
    return automatic


def _hours(fields: Fields) -> Hours:
    days = fields.texts("days")
    for each in days:
        if each not in _DAYS:
            fields.refuse("days", f"must be a list of {', '.join(_DAYS)}")
    what = 'a time of day in quotes, "09:00"'
    start, end = (fields.matching(name, _TIME, what, required=True) for name in ("start", "end"))
    zone = fields.text("zone")
    fields.refuse_others()
    if not days:
        fields.refuse("days", "names none")
    if start >= end:
        fields.refuse("end", "must be after start; hours over midnight are two rules")
    try:
        found = ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        fields.refuse("zone", "must be a time zone, Europe/Berlin")
    return Hours(frozenset(map(_DAYS.index, days)), time.fromisoformat(start), None if end == "24:00" else time.fromisoformat(end), found)


def _one_of(fields: Fields, name: str, default: Risk) -> Risk:
    value = fields.text(name, default)
    if value not in set(Risk):
        fields.refuse(name, f"must be {', '.join(Risk)}")
    return Risk(value)
