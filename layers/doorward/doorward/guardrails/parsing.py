"""The guardrails file as values, and the hash that stands in every finding."""

import re
from collections.abc import Mapping
from datetime import date, timedelta

from doorward.errors import MalformedInput, Misconfigured
from doorward.findings.model import Severity
from doorward.guardrails.model import Boundary, CustomRule, Deciders, Guardrails, Mode, Rule, Scope, Undecidable, Waiver, Where
from doorward.guardrails.rules import ALL_RULES, LONG_SESSION, WAIVER_EXPIRED, WAIVER_UNUSED
from doorward.iam.arns import is_account_id
from doorward.iam.documents import Condition, Principal, parse_conditions
from doorward.iam.operators import read_operator
from doorward.organization.model import Match
from doorward.organization.parsing import Fields, configuration_hash, match_from, some_match_from

RULES: Mapping[str, Severity] = {each.id: each.severity for each in ALL_RULES.values()}
"""Every guardrail there is, with the severity it has where the configuration says none."""

LONGEST_WAIVER_DAYS = 90
_RULE_ID = re.compile(r"custom-[a-z0-9]+(?:-[a-z0-9]+)*")
_ROLE_REF = re.compile(r"[0-9]{12}/[\w+=,.@-]{1,64}", re.ASCII)
_BOUNDARY = re.compile(r"arn:aws[a-z-]*:iam::(?:aws|[0-9]{12}):policy/(?:[!-~]+/)?[\w+=,.@-]{1,128}|[\w+=,.@-]{1,128}", re.ASCII)


def guardrails_from(data: object) -> Guardrails:
    """Read the form of `config/guardrails.yaml`, with or without the `hash` that the build adds.

    A rule that the file leaves out keeps its default severity. Raises Misconfigured, naming the field, also where `hash` is not
    that of the rest: then somebody edited what the build wrote.
    """
    fields = Fields(data, "")
    if not isinstance(data, Mapping):  # Fields has refused it
        raise TypeError
    longest = 43_200
    longest_days = fields.whole_number("longest_waiver_days", LONGEST_WAIVER_DAYS)
    undecidable = _undecidable(fields)
    custom = fields.objects("custom_rules", _custom_rule)
    known = _known_rules(fields, custom)
    rules = {}
    written = fields.object("rules")
    for name in written.names:
        if name not in known:
            written.refuse(name, f"no such rule; known are {', '.join(known)}")
        rule = written.object(name)
        rules[name] = Rule(name, _severity(rule, "severity"), _mode(rule, "mode", None), rule.boolean("enabled", default=True))
        if name == LONG_SESSION.id:
            longest = rule.whole_number("longest_seconds", 43_200)
        rule.refuse_others()
    scopes = fields.objects("scopes", lambda each: _scope(each, known))
    waivers = fields.objects("waivers", lambda each: _waiver(each, known, longest_days))
    privileged = fields.objects("privileged", lambda each: some_match_from(each, "every role would be privileged"))
    boundaries = fields.objects("boundaries", _boundary)
    deciders = fields.objects("deciders", _deciders)
    quiet = timedelta(hours=fields.whole_number("quiet_hours", 24))
    mode = _mode(fields, "mode", Mode.ALERT)
    adopted = frozenset(fields.accounts("adopted")) if "adopted" in fields.names else None
    stated = fields.text("hash", "")
    fields.refuse_others()
    _unique_names(scopes)
    actual = configuration_hash(data)
    if stated not in {"", actual}:
        raise Misconfigured("hash: is not that of this configuration; it was edited after the build, so build again")
    return Guardrails(
        mode or Mode.ALERT,
        undecidable or Undecidable.ALERT,
        rules,
        scopes,
        privileged,
        longest,
        custom,
        waivers,
        actual,
        adopted,
        boundaries,
        quiet,
        deciders,
        timedelta(days=longest_days),
    )


def _known_rules(fields: Fields, custom: tuple[CustomRule, ...]) -> Mapping[str, Severity]:
    known = dict(RULES)
    for position, each in enumerate(custom):
        if each.id in known:
            fields.refuse(f"custom_rules[{position}].id", f"{each.id} is the id of another rule, too; choose another")
        known[each.id] = each.severity
    return known


def _scope(fields: Fields, known: Mapping[str, Severity]) -> Scope:
    scope = Scope(
        name=fields.text("name"),
        mode=_required_mode(fields, "mode"),
        match=match_from(fields.object("match")),
        rules=fields.mapping("rules", _required_mode),
        severities=fields.mapping("severities", _required_severity),
        undecidable=_undecidable(fields),
    )
    if scope.undecidable is Undecidable.RESTORE and scope.mode is not Mode.ENFORCE:
        fields.refuse(
            "undecidable", f"restore writes, and the mode here is {scope.mode}; set mode: enforce, or undecidable: alert or approve"
        )
    if scope.match == Match():
        fields.refuse(
            "match", "says nothing, so it would cover every role; name accounts, ou, tags or role_path, or set the mode at the top"
        )
    for part, names in (("rules", scope.rules), ("severities", scope.severities)):
        for name in names:
            if name not in known:
                fields.object(part).refuse(name, f"no such rule; known are {', '.join(known)}")
    return scope


def _boundary(fields: Fields) -> Boundary:
    boundary = Boundary(
        some_match_from(fields.object("match"), "every role would need this boundary"),
        fields.matching("policy", _BOUNDARY, "the ARN of a managed policy, or the name of one of the role's own account", required=True),
    )
    fields.refuse_others()
    return boundary


def _deciders(fields: Fields) -> Deciders:
    deciders = Deciders(
        some_match_from(fields.object("match"), "leave `match` itself out") if "match" in fields.names else Match(),
        fields.texts("approvers"),
        fields.whole_number("quorum", 1),
        fields.boolean("by_sigv4", default=False),
        fields.whole_number("answer_hours", 24),
        fields.texts("escalate_to"),
    )
    fields.refuse_others()
    if not deciders.approvers:
        fields.refuse("approvers", "names no group, so that nobody could ever decide; name groups of the organization's file")
    return deciders


def _custom_rule(fields: Fields) -> CustomRule:
    callers = fields.object("callers")
    kind = callers.text("type")
    if kind not in {"AWS", "Service", "Federated"}:
        callers.refuse("type", "must be AWS, Service or Federated")
    form = callers.text_or_none("form")
    if form not in {None, "role", "user"}:
        callers.refuse("form", "must be role or user")
    accounts = callers.texts("accounts")
    for each in accounts:
        if each not in {"own", "organization", "trusted"} and not is_account_id(each):
            callers.refuse("accounts", f"{each} is none of own, organization, trusted and an account id of 12 digits in quotes")
    rule = CustomRule(
        id=fields.matching("id", _RULE_ID, "custom- and words in lower case, joined by hyphens", required=True),
        severity=_required_severity(fields, "severity"),
        title=fields.text("title"),
        because=fields.text("because"),
        callers=kind,  # type: ignore[arg-type]  # one of the three, as just seen
        accounts=accounts,
        form=form,  # type: ignore[arg-type]
        issuer=callers.text_or_none("issuer"),
        where=Where((), _conditions(callers, "where")),
        match=match_from(fields.object("match")),
    )
    callers.refuse_others()
    return rule


def _waiver(fields: Fields, known: Mapping[str, Severity], longest_days: int) -> Waiver:
    since, until = _day(fields, "from"), _day(fields, "until")
    if until <= since:
        fields.refuse("until", "must be after from: until is the day on which, at 00:00 UTC, the waiver ends")
    if (until - since).days > longest_days:
        fields.refuse("until", f"must be at most {longest_days} days after from; renew it then, or raise longest_waiver_days")
    requests = fields.object("requests")
    where = Where(_principals(requests), _conditions(requests, "where"))
    for given, name, what in (
        (fields, "requests", requests.names),
        (requests, "principals", where.principals),
        (requests, "where", where.conditions),
    ):
        if name in given.names and not what:
            given.refuse(name, "is empty; leave it out where the waiver is for every request")
    waiver = Waiver(
        owner=fields.text("owner"),
        reason=fields.text("reason"),
        since=since,
        until=until,
        role=fields.matching("role", _ROLE_REF, "an account id and the role's name, 111122223333/NAME", required=True),
        rules=fields.texts("rules"),
        role_id=fields.text_or_none("role_id"),
        where=where,
    )
    requests.refuse_others()
    if not waiver.rules:
        fields.refuse("rules", "names none; a waiver is for the rules that it names")
    for each in waiver.rules:
        if each not in known or (each in ALL_RULES and ALL_RULES[each] in {WAIVER_EXPIRED, WAIVER_UNUSED}):
            fields.refuse("rules", f"{each} is no rule that can be waived; known are {', '.join(known)}")
    return waiver


def _day(fields: Fields, name: str) -> date:
    try:
        return date.fromisoformat(fields.text(name))
    except ValueError:
        fields.refuse(name, 'must be a day in quotes, "2027-01-31"')


def _conditions(fields: Fields, name: str) -> tuple[Condition, ...]:
    """A Condition block as in a policy."""
    if name not in fields.names:
        fields.take(name)
        return ()
    given = fields.value(name)
    try:
        conditions = parse_conditions(given, name)
    except MalformedInput as error:
        fields.refuse(name, f"must be a Condition block as in a policy: {error}")
    for operator, keys in given.items():
        if not keys or read_operator(operator) is None:
            fields.refuse(name, f"{operator} {'asks for no key' if not keys else 'is no condition operator'}")
    return conditions


def _principals(fields: Fields) -> tuple[Principal, ...]:
    found: list[Principal] = []
    for kind, values in fields.mapping("principals", Fields.texts).items():
        if kind not in {"AWS", "Service", "Federated"}:
            fields.refuse("principals", f"{kind} is no type of principal; known are AWS, Service, Federated")
        if not values:
            fields.refuse("principals", f"{kind} names nobody; leave it out")
        found += [Principal(kind, each) for each in values]
    return tuple(found)


def _unique_names(scopes: tuple[Scope, ...]) -> None:
    names = [each.name for each in scopes]
    for position, each in enumerate(names):
        if each in names[:position]:
            raise Misconfigured(f"scopes[{position}].name: {each} is used twice; a scope's name stands in findings and must be its own")


def _required_mode(fields: Fields, name: str) -> Mode:
    return _as_mode(fields, name, fields.text(name))


def _mode(fields: Fields, name: str, default: Mode | None) -> Mode | None:
    value = fields.text_or_none(name)
    return default if value is None else _as_mode(fields, name, value)


def _undecidable(fields: Fields) -> Undecidable | None:
    value = fields.text_or_none("undecidable")
    if value is None:
        return None
    if value not in set(Undecidable):
        fields.refuse("undecidable", f"must be {', '.join(Undecidable)}: what cannot be decided is never passed over")
    return Undecidable(value)


def _as_mode(fields: Fields, name: str, value: str) -> Mode:
    if value not in set(Mode):
        fields.refuse(name, f"must be {', '.join(Mode)}")
    return Mode(value)


def _required_severity(fields: Fields, name: str) -> Severity:
    return _as_severity(fields, name, fields.text(name))


def _severity(fields: Fields, name: str) -> Severity | None:
    value = fields.text_or_none(name)
    return None if value is None else _as_severity(fields, name, value)


def _as_severity(fields: Fields, name: str, value: str) -> Severity:
    if value not in set(Severity):
        fields.refuse(name, f"must be {', '.join(Severity)}")
    return Severity(value)
