"""Who could assume this role and must not: the verdict on one trust policy.

1. A role that nobody can edit is compliant.
2. A document that cannot be read, or that IAM would refuse to store, is invalid.
3. Each Allow statement is asked for its holes (`holes`), beside the document's Deny statements, but for one that is narrow on the face
   of it (`plain`): it has none.
4. Every request found is replayed through the concrete evaluator. One that it refuses is a fault of ours: undecided, never a finding
   and never safe.
5. Requests that a waiver accepts are left out, and the search goes on outside of them.
6. Any finding above info that is not waived: violating. Else anything undecided: undecidable. Else waived or compliant.

What was found out about a text or a statement is remembered, for one organization, one configuration and one account, unless it
depends on the time.
"""

from collections.abc import Iterator
from datetime import datetime

from doorward.errors import MalformedInput
from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict, Waived
from doorward.guardrails import plain
from doorward.guardrails.explaining import Told, explain, named
from doorward.guardrails.holes import TOO_LARGE, Asked, Disagreement, Hole, Holes, Open, holes_of
from doorward.guardrails.model import Guardrails, Role, Scope, Waiver, Where
from doorward.guardrails.protected import cannot_be_edited
from doorward.guardrails.rules import ALL_RULES, LONG_SESSION, WAIVER_EXPIRED, WAIVER_UNUSED, RuleText
from doorward.guardrails.text_rules import offences
from doorward.guardrails.worlds import Gate, Ground
from doorward.iam.documents import Document, Statement, parse_document
from doorward.iam.invalid import refused_because
from doorward.iam.names import TIME_KEYS
from doorward.iam.sets import Budget
from doorward.organization.model import Organization
from doorward.values import NamedTuple

__all__ = ["Disagreement", "forget", "judge"]

# Steps of automata, about a microsecond each at worst: after some 50 ms a judgement gives up.
STEPS = 60_000
FEWEST_STEPS = 2_500
_MOST_SETTINGS = 64
_MOST_REMEMBERED = 8_192
_LONGEST_REMEMBERED = 4_096
_WHOLE_POLICY = StatementRef(0, None)
# As much of an ARN as tells its partition.
_ARN_START = len("arn:aws-us-gov:")
_SOMEWHERE = StatementRef(-1, None)


def judge(role: Role, organization: Organization, guardrails: Guardrails, *, now: datetime, strict: bool = False) -> Judgement:
    """Judge a role's trust policy as it stands. Pure; `now` is the time of the requests that are looked for.

    `strict` raises Disagreement where the search and the evaluator differ, instead of leaving the statement undecided.
    """
    if cannot_be_edited(role):
        return Judgement(Verdict.COMPLIANT)
    setting = _setting(role, organization, guardrails, strict=strict)
    waivers = tuple(each for each in guardrails.waivers if each.is_for(role)) if guardrails.waivers else ()
    known = setting.judged.get(role.trust_policy) if not waivers else None
    if known is None:
        known = _Judging(setting, role, waivers, now).run()
    if role.max_session_duration_seconds > guardrails.longest_session_seconds and guardrails.is_enabled(LONG_SESSION.id):
        known = _with_long_session(known, setting, role)
    return known


def forget() -> None:
    """Drop what is remembered."""
    _settings.clear()
    _last.clear()


class _Looked(NamedTuple):
    """What was found of one statement. Where it stands is put in by who reports it."""

    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]


class _Setting:
    """All that a judgement depends on besides the policy, and what was found out for it."""

    def __init__(
        self,
        role: Role,
        organization: Organization,
        guardrails: Guardrails,
        *,
        privileged: bool,
        custom: tuple[int, ...],
        scope: Scope | None,
        strict: bool,
    ) -> None:
        self.organization = organization
        self.guardrails = guardrails
        self.strict = strict
        self.privileged = privileged
        self.raised = privileged or role.account_id == organization.management_account
        self.ground = Ground(role, organization)
        self.arn_start = role.arn[:_ARN_START]
        # Whether the account alone says what counts for a role.
        self.is_uniform = not (guardrails.scopes or guardrails.privileged or guardrails.custom_rules)
        on = frozenset(
            each.id for each in ALL_RULES.values() if guardrails.is_enabled(each.id) and (privileged or not each.only_privileged)
        )
        self.asked = Asked(on, tuple(guardrails.custom_rules[each] for each in custom))
        self.scope = scope
        # Rules of one's own, and those that look at privileged roles only, mind what others do not.
        self.is_plain_enough = not privileged and not custom
        self.judged: dict[str, Judgement] = {}
        self.statements: dict[tuple[object, ...], _Looked] = {}

    def severity_of(self, rule_id: str, of_hole: Severity | None = None) -> Severity:
        """As a scope says, as the rule is set, as the case is, or as the rule has it; one step up where the role matters more."""
        if self.scope is not None and rule_id in self.scope.severities:
            return self.scope.severities[rule_id]
        configured = self.guardrails.rules.get(rule_id)
        if configured is not None and configured.severity is not None:
            return configured.severity
        rule = ALL_RULES.get(rule_id)
        if rule is None:
            return next(each.severity for each in self.guardrails.custom_rules if each.id == rule_id)
        if self.privileged and rule.when_privileged is not None and of_hole is None:
            return rule.when_privileged
        severity = of_hole or rule.severity
        if rule.kind == "world" and self.raised and not rule.only_privileged:
            return _RAISED.get(severity, severity)
        return severity


_RAISED = {Severity.HIGH: Severity.CRITICAL, Severity.MEDIUM: Severity.HIGH, Severity.LOW: Severity.MEDIUM}
_settings: dict[tuple[object, ...], _Setting] = {}
# The one used last: policies come by the account.
_last: list[_Setting] = []


def _setting(role: Role, organization: Organization, guardrails: Guardrails, *, strict: bool) -> _Setting:
    last = _last[0] if _last else None
    if (
        last is not None
        and last.is_uniform
        and last.organization is organization
        and last.guardrails is guardrails
        and last.ground.account_id == role.account_id
        and last.arn_start == role.arn[:_ARN_START]
        and last.strict is strict
    ):
        return last
    setting = _kept_setting(role, organization, guardrails, strict=strict)
    _last[:] = (setting,)
    return setting


def _kept_setting(role: Role, organization: Organization, guardrails: Guardrails, *, strict: bool) -> _Setting:
    account = organization.account(role.account_id) if guardrails.scopes or guardrails.privileged or guardrails.custom_rules else None
    privileged = bool(guardrails.privileged) and guardrails.is_privileged(role, account)
    custom = tuple(index for index, each in enumerate(guardrails.custom_rules) if each.match.covers(role, account))
    scope = guardrails.scope_of(role, account)
    key = (
        id(organization),
        id(guardrails),
        role.account_id,
        role.arn[:_ARN_START],
        privileged,
        custom,
        None if scope is None else scope.name,
        strict,
    )
    known = _settings.get(key)
    # The same object: an id is somebody else's once its owner is gone.
    if known is None or known.organization is not organization or known.guardrails is not guardrails:
        if len(_settings) >= _MOST_SETTINGS:
            _settings.clear()
        known = _settings[key] = _Setting(role, organization, guardrails, privileged=privileged, custom=custom, scope=scope, strict=strict)
    return known


class _Judging:
    """One look at one policy."""

    def __init__(self, setting: _Setting, role: Role, waivers: tuple[Waiver, ...], now: datetime) -> None:
        self._setting = setting
        self._role = role
        self._now = now
        self._ended = tuple([each for each in waivers if each.has_ended(now)]) if waivers else ()
        self._waivers = tuple([each for each in waivers if each.has_begun(now) and not each.has_ended(now)]) if waivers else ()
        self._used: set[Waiver] = set()
        self._spent = 0
        self._has_waivers = bool(waivers)
        self._trusts_plain = setting.is_plain_enough and not waivers

    def run(self) -> Judgement:
        text = self._role.trust_policy
        try:
            document = parse_document(text)
        except MalformedInput as error:
            return Judgement(Verdict.INVALID, because=f"The trust policy cannot be read: {error}.")
        narrow = self._narrow_ones(document)
        refused = refused_because(document, text, narrow)
        if refused is not None:
            return Judgement(Verdict.INVALID, because=f"IAM would refuse this trust policy: {refused}.")
        findings, undecided = self._judge(document, narrow)
        if self._has_waivers:
            findings += self._about_waivers()
        if len(findings) > 1:
            findings.sort(key=lambda each: (-each.severity.rank, each.statement.index))
        judgement = Judgement(_verdict(findings, undecided), tuple(findings), tuple(undecided))
        if not self._has_waivers and len(text) <= _LONGEST_REMEMBERED and not _asks_for_time(document):
            _remember(self._setting.judged, text, judgement)
        return judgement

    def _narrow_ones(self, document: Document) -> frozenset[int]:
        if not self._trusts_plain:
            return frozenset()
        ground = self._setting.ground
        is_shut = any(plain.shuts_strangers_out(each, ground) for each in document.statements)
        return frozenset([index for index, each in enumerate(document.statements) if plain.is_narrow(each, ground, is_shut=is_shut)])

    def _judge(self, document: Document, narrow: frozenset[int]) -> tuple[list[Finding], list[Undecided]]:
        """`narrow`: statements of which nothing can be found."""
        if len(narrow) == len(document.statements):
            return [], []
        findings: list[Finding] = []
        undecided: list[Undecided] = []
        denies = tuple([each for each in document.statements if each.effect == "Deny"])
        searched = [each for each in document.statements if each.effect == "Allow" and each.position not in narrow]
        for index, statement in enumerate(searched):
            # Each has its own share of what is left: one that is too hard hides no other.
            steps = max((STEPS - self._spent) // (len(searched) - index), FEWEST_STEPS)
            looked = self._looked_at(document, statement, denies, steps)
            where, ref = named(statement), StatementRef(statement.position, statement.sid)
            for each in looked.findings:
                rule, kind, severity, title, _, witness, because, waiver, _ = each
                findings.append(Finding(rule, kind, severity, title, ref, witness, f"{where} {because}", waiver))
            undecided += [each._replace(statement=ref, because=f"{where}: {each.because}.") for each in looked.undecided]
        return findings, undecided

    def _looked_at(self, document: Document, statement: Statement, denies: tuple[Statement, ...], steps: int) -> _Looked:
        """What is found of one statement beside the Deny statements, wherever it stands."""
        known = self._setting.statements
        content = statement[2:]
        key = (document.version, content, *[each[2:] for each in denies]) if denies else (document.version, content)
        looked = known.get(key)
        if looked is None or self._has_waivers:
            part = document._replace(statements=(statement, *denies))
            undecided: list[Undecided] = []
            findings = [self._of_text(rule, because) for rule, because in self._offences(statement)]
            findings += [self._of_hole(statement, hole, waiver) for hole, waiver in self._holes(part, statement, steps, undecided)]
            looked = _Looked(tuple(findings), tuple(undecided))
            # With more left for it, another policy's may be decided.
            gave_up = any(each.construct == TOO_LARGE for each in undecided)
            if not (self._has_waivers or gave_up or _asks_for_time(part)):
                _remember(known, key, looked)
        return looked

    def _offences(self, statement: Statement) -> Iterator[tuple[RuleText, str]]:
        return (each for each in offences(statement, self._role.account_id) if each[0].id in self._setting.asked.on)

    def _holes(self, part: Document, statement: Statement, steps: int, undecided: list[Undecided]) -> Iterator[tuple[Hole, Waiver | None]]:
        """With what waivers accept marked, and what is found outside of them."""
        holes = self._searched(part, statement, steps)
        rules = dict.fromkeys([*(hole.rule for hole in holes.found), *(doubt.rule for doubt in holes.undecided)])
        waived = {rule: self._waivers_of(rule) for rule in rules}
        for waivers in dict.fromkeys(each for each in waived.values() if each):
            concerned = frozenset(rule for rule, its in waived.items() if its == waivers)
            outside = self._searched(part, statement, steps, outside=tuple(each.where for each in waivers), rules=concerned)
            for waiver in waivers:
                inside = self._searched(part, statement, steps, inside=waiver.where, rules=concerned)
                if inside.found or inside.undecided:
                    self._used.add(waiver)
            left = {*(hole.rule for hole in outside.found), *(doubt.rule for doubt in outside.undecided)}
            yield from ((each, waivers[0]) for each in holes.found if each.rule in concerned - left)
            yield from ((each, None) for each in outside.found)
            undecided += map(_undecided, outside.undecided)
        yield from ((each, None) for each in holes.found if not waived[each.rule])
        undecided += [_undecided(each) for each in holes.undecided if not waived[each.rule]]

    def _searched(
        self,
        part: Document,
        statement: Statement,
        steps: int,
        *,
        outside: tuple[Where, ...] = (),
        inside: Where | None = None,
        rules: frozenset[str] | None = None,
    ) -> Holes:
        setting = self._setting
        asked = setting.asked
        if rules is not None:
            asked = Asked(asked.on & rules, tuple(each for each in asked.custom if each.id in rules))
        budget = Budget(steps)
        gate = Gate(part, self._role, setting.ground, self._now, budget, outside_of=outside, inside_of=inside)
        holes = holes_of(gate, statement, asked, strict=setting.strict)
        self._spent += steps - max(budget.steps, 0)
        return holes

    def _waivers_of(self, rule_id: str) -> tuple[Waiver, ...]:
        return tuple(each for each in self._waivers if rule_id in each.rules)

    # What is said of it

    def _of_text(self, rule: RuleText, because: str) -> Finding:
        waiver = next((each for each in self._waivers_of(rule.id) if not each.where.conditions and not each.where.principals), None)
        if waiver is not None:
            self._used.add(waiver)
        return Finding(rule.id, rule.kind, self._setting.severity_of(rule.id), rule.title, _SOMEWHERE, None, because, _waived(waiver))

    def _of_hole(self, statement: Statement, hole: Hole, waiver: Waiver | None) -> Finding:
        setting = self._setting
        rule = ALL_RULES.get(hole.rule)
        if rule is None:
            custom = next(each for each in setting.asked.custom if each.id == hole.rule)
            title, because = custom.title, custom.because
        else:
            title = rule.title
            because = explain(rule, Told(statement, hole.principal, hole.shown, setting.organization))
        severity = setting.severity_of(hole.rule, hole.severity)
        return Finding(hole.rule, "world", severity, title, _SOMEWHERE, hole.shown.witness, because, _waived(waiver))

    def _about_waivers(self) -> list[Finding]:
        said: list[Finding] = []
        for each in self._ended:
            because = (
                f"The waiver of {each.owner} for {', '.join(each.rules)} ended on {each.until}; close the hole, or ask for another waiver."
            )
            said.append(self._about_waiver(WAIVER_EXPIRED, because))
        for each in self._waivers:
            if each not in self._used:
                because = f"The waiver of {each.owner} for {', '.join(each.rules)} meets no finding of this role any more; remove it."
                said.append(self._about_waiver(WAIVER_UNUSED, because))
        return [each for each in said if each.rule in self._setting.asked.on]

    def _about_waiver(self, rule: RuleText, because: str) -> Finding:
        return Finding(rule.id, rule.kind, self._setting.severity_of(rule.id), rule.title, _WHOLE_POLICY, None, because)


def _with_long_session(judgement: Judgement, setting: _Setting, role: Role) -> Judgement:
    rule = LONG_SESSION
    longest = setting.guardrails.longest_session_seconds
    because = (
        f"A session of this role may last {role.max_session_duration_seconds} seconds, longer than the {longest} "
        "that the configuration allows; lower MaxSessionDuration, since a session outlives whatever is done to the trust policy."
    )
    finding = Finding(rule.id, rule.kind, setting.severity_of(rule.id), rule.title, _WHOLE_POLICY, None, because)
    findings = sorted((*judgement.findings, finding), key=lambda each: (-each.severity.rank, each.statement.index))
    verdict = judgement.verdict if judgement.verdict is Verdict.INVALID else _verdict(findings, judgement.undecidable)
    return judgement._replace(verdict=verdict, findings=tuple(findings))


def _undecided(left_open: Open) -> Undecided:
    return Undecided(left_open.rule, _SOMEWHERE, left_open.construct, left_open.because)


def _verdict(findings: list[Finding], undecided: list[Undecided] | tuple[Undecided, ...]) -> Verdict:
    if not findings and not undecided:
        return Verdict.COMPLIANT
    counting = [each for each in findings if each.severity is not Severity.INFO]
    if any(each.waiver is None for each in counting):
        return Verdict.VIOLATING
    if undecided:
        return Verdict.UNDECIDABLE
    return Verdict.WAIVED if counting else Verdict.COMPLIANT


def _waived(waiver: Waiver | None) -> Waived | None:
    return None if waiver is None else Waived(waiver.owner, waiver.reason, waiver.until.isoformat())


def _asks_for_time(document: Document) -> bool:
    for statement in document.statements:
        for _, key, values in statement.conditions:
            if key.lower() in TIME_KEYS or any("time}" in each.lower() for each in values if "${" in each):
                return True
    return False


def _remember[K, V](memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= _MOST_REMEMBERED:
        memory.clear()
    memory[key] = value
