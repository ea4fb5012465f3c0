"""The guardrails file as values, and the hash that stands in every finding."""

import json
from collections.abc import Mapping
from hashlib import sha256

from doorward.errors import Misconfigured
from doorward.findings.model import Severity
from doorward.guardrails.model import Guardrails, Mode, Rule, Scope
from doorward.guardrails.rules import ALL_RULES
from doorward.organization.parsing import Fields

RULES: Mapping[str, Severity] = {each.id: each.severity for each in ALL_RULES.values()}
"""Every guardrail there is, with the severity it has where the configuration says none."""

_UNDECIDABLE = frozenset({Mode.ALERT, Mode.APPROVE})


def guardrails_from(data: object) -> Guardrails:
    """Read the form of `config/guardrails.yaml`, with or without the `hash` that the build adds.

    A rule that the file leaves out keeps its default severity. Raises Misconfigured, naming the field, also where `hash` is not
    that of the rest: then somebody edited what the build wrote.
    """
    fields = Fields(data, "")
    if not isinstance(data, Mapping):  # Fields has refused it
        raise TypeError
    undecidable = _mode(fields, "undecidable", Mode.ALERT)
    if undecidable not in _UNDECIDABLE:
        fields.refuse("undecidable", "must be alert or approve: what cannot be decided is never passed over, and never written")
    rules = {each: Rule(each, severity) for each, severity in RULES.items()}
    written = fields.object("rules")
    for name in written.names:
        if name not in RULES:
            written.refuse(name, f"no such rule; known are {', '.join(RULES)}")
        rule = written.object(name)
        rules[name] = Rule(name, _severity(rule, RULES[name]), _mode(rule, "mode", None))
        rule.refuse_others()
    scopes = fields.objects("scopes", _scope)
    mode = _mode(fields, "mode", Mode.ALERT)
    stated = fields.text("hash", "")
    fields.refuse_others()
    _unique_names(scopes)
    actual = guardrails_hash(data)
    if stated not in {"", actual}:
        raise Misconfigured("hash: is not that of this configuration; it was edited after the build, so build again")
    return Guardrails(mode or Mode.ALERT, undecidable or Mode.ALERT, rules, scopes, actual)


def guardrails_hash(data: Mapping[str, object]) -> str:
    """Hex SHA-256 of the data as canonical JSON, without `hash` itself: comments and order of keys do not count, order of scopes does."""
    rest = {key: value for key, value in data.items() if key != "hash"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _scope(fields: Fields) -> Scope:
    match = fields.object("match")
    scope = Scope(
        name=fields.text("name"),
        mode=_required_mode(fields, "mode"),
        rules=fields.mapping("rules", _required_mode),
        accounts=match.accounts("accounts"),
        ou=match.text_or_none("ou"),
        tags=match.mapping("tags", Fields.text),
        role_path=match.text_or_none("role_path"),
    )
    match.refuse_others()
    if not match.names:
        fields.refuse(
            "match", "says nothing, so it would cover every role; name accounts, ou, tags or role_path, or set the mode at the top"
        )
    for name, value in (("accounts", scope.accounts), ("tags", scope.tags)):
        if name in match.names and not value:
            match.refuse(name, "is empty, so it would cover every role; leave it out or fill it")
    for name, path in (("ou", scope.ou), ("role_path", scope.role_path)):
        if path is not None and not path.startswith("/"):
            match.refuse(name, "must begin with a slash")
    for name in scope.rules:
        if name not in RULES:
            fields.object("rules").refuse(name, f"no such rule; known are {', '.join(RULES)}")
    return scope


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


def _as_mode(fields: Fields, name: str, value: str) -> Mode:
    if value not in set(Mode):
        fields.refuse(name, f"must be {', '.join(Mode)}")
    return Mode(value)


def _severity(fields: Fields, default: Severity) -> Severity:
    value = fields.text_or_none("severity")
    if value is None:
        return default
    if value not in set(Severity):
        fields.refuse("severity", f"must be {', '.join(Severity)}")
    return Severity(value)
