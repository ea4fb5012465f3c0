"""Who could assume this role and must not: the verdict on one trust policy.

1. A role that nobody can edit is compliant.
2. A document that cannot be read, or that IAM would refuse to store, is invalid.
3. Each Allow statement is asked for its holes (`searching`), beside the document's Deny statements, but for one that is narrow on the face
   of it (`plain`): it has none.
4. Every request found is replayed through the concrete evaluator. One that it refuses is a fault of ours: undecided, never a finding
   and never safe.
5. Requests that a waiver accepts are left out, and the search goes on outside of them.
6. Where it is known what the role may do, that is held beside who may come in (`permission_rules`). A role that people are granted
   sessions of is held against what such a role must be (`grant_roles`).
7. Any finding above info that is not waived: violating. Else anything undecided: undecidable. Else waived or compliant.

What was found out about a text or a statement is remembered, for one organization, one configuration and one account, unless it
depends on the time.
"""

from collections.abc import Sequence
from datetime import datetime

from doorward.errors import MalformedInput
from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict
from doorward.guardrails import setting as settings
from doorward.guardrails.model import Guardrails, Role, Waiver
from doorward.guardrails.plain import is_narrow, shuts_strangers_out
from doorward.guardrails.protected import cannot_be_edited, is_grant_role
from doorward.guardrails.rules import GRANT_ROLE_DRIFT, LONG_SESSION
from doorward.guardrails.setting import Looked, Setting, setting_of
from doorward.guardrails.written import asks_for_time
from doorward.iam.documents import PlainDocument, PlainStatement, read_document, with_names
from doorward.iam.invalid import refused_because
from doorward.iam.wording import statement_in_words
from doorward.organization.model import Organization

__all__ = ["forget", "judge"]

_MOST_REMEMBERED = 8_192
_LONGEST_REMEMBERED = 4_096
_WHOLE_POLICY = StatementRef(0, None)
# A NamedTuple's own constructor costs three times as much.
_new = tuple.__new__
_COMPLIANT = Judgement(Verdict.COMPLIANT)


def judge(role: Role, organization: Organization, guardrails: Guardrails, *, now: datetime, strict: bool = False) -> Judgement:
    """Judge a role's trust policy as it stands. Pure; `now` is the time of the requests that are looked for.

    `strict` raises Disagreement where the search and the evaluator differ, instead of leaving the statement undecided.
    """
    if cannot_be_edited(role):
        return _COMPLIANT
    setting = setting_of(role, organization, guardrails, strict=strict)
    waivers = tuple(each for each in guardrails.waivers if each.is_for(role)) if guardrails.waivers else ()
    known = None if waivers else setting.judged.get(role.trust_policy)
    if known is None:
        known = _judge(setting, role, waivers, now)
    if role.max_session_duration_seconds > guardrails.longest_session_seconds and guardrails.is_enabled(LONG_SESSION.id):
        known = _with_long_session(known, setting, role)
    if is_grant_role(role) and guardrails.is_enabled(GRANT_ROLE_DRIFT.id):
        from doorward.guardrails.grant_roles import grant_role_drift  # here: few roles are

        drift = grant_role_drift(setting, role)
        known = known if drift is None else _with(known, (drift,))
    if (role.permissions is not None or role.permissions_boundary is not None) and known.verdict is not Verdict.INVALID:
        from doorward.guardrails.permission_rules import broken_by_permissions  # here: often nothing is known of them

        broken = broken_by_permissions(setting, role, waivers, known.undecidable, now)
        known = _with(known, broken.findings, broken.undecided) if broken else known
    return known


def forget() -> None:
    """Drop what is remembered."""
    settings.forget()


def _judge(setting: Setting, role: Role, waivers: tuple[Waiver, ...], now: datetime) -> Judgement:
    text = role.trust_policy
    try:
        plain = read_document(text)
    except MalformedInput as error:
        return Judgement(Verdict.INVALID, because=f"The trust policy cannot be read: {error}.")
    _, _, statements = plain
    denies = tuple([each for each in statements if each[2] == "Deny"])
    looked, unseen = ({}, statements) if waivers else _seen(setting, plain, denies)
    refused = refused_because(plain, text, unseen)
    if refused is not None:
        return Judgement(Verdict.INVALID, because=f"IAM would refuse this trust policy: {refused}.")
    findings: list[Finding] = []
    is_for_ever = not waivers
    if waivers or len(unseen) > len(denies):
        from doorward.guardrails.searching import Searching  # here: as much to import as all that a narrow policy needs

        document = with_names(plain)
        searching = Searching(setting, role, document, waivers, now)
        by_position = document.statements
        searching.look_at([by_position[each[0]] for each in unseen], tuple([by_position[each[0]] for each in denies]), looked)
        findings = searching.about_waivers()
        is_for_ever = is_for_ever and not asks_for_time(by_position)
    judgement = _told(statements, looked, findings) if looked or findings else _COMPLIANT
    if is_for_ever and len(text) <= _LONGEST_REMEMBERED:
        if len(setting.judged) >= _MOST_REMEMBERED:
            setting.judged.clear()
        setting.judged[text] = judgement
    return judgement


def _seen(
    setting: Setting, document: PlainDocument, denies: tuple[PlainStatement, ...]
) -> tuple[dict[int, Looked], Sequence[PlainStatement]]:
    """What was found of statements of the same content before, by position; and those that nothing is known of, the Denies among them.

    In neither are statements that are narrow. In whatever is not unseen, IAM sees nothing to refuse.
    """
    looked: dict[int, Looked] = {}
    unseen: list[PlainStatement] = []
    version, _, statements = document
    ground, is_plain_enough = setting.ground, setting.is_plain_enough
    is_shut = is_plain_enough and bool(denies) and any(shuts_strangers_out(each, ground) for each in denies)
    for each in statements:
        if is_plain_enough and is_narrow(each, ground, is_shut=is_shut):
            continue
        known = None
        if each[2] == "Allow":
            known = setting.known_of(version, each, denies)
        if known is None:
            unseen.append(each)
        else:
            looked[each[0]] = known
    return looked, unseen


def _told(statements: tuple[PlainStatement, ...], looked: dict[int, Looked], findings: list[Finding]) -> Judgement:
    """`findings`: those of no statement."""
    undecided: list[Undecided] = []
    told: list[Finding] = []
    for position in sorted(looked) if len(looked) > 1 else looked:
        found, left_open = looked[position]
        if not found and not left_open:
            continue
        sid = statements[position][1]
        where, ref = statement_in_words(position, sid), _new(StatementRef, (position, sid))
        for rule, kind, severity, title, _, witness, because, waiver, radius in found:
            told.append(_new(Finding, (rule, kind, severity, title, ref, witness, f"{where} {because}", waiver, radius)))
        undecided += [each._replace(statement=ref, because=f"{where}: {each.because}.") for each in left_open]
    told += findings
    if len(told) > 1:
        told.sort(key=_gravest_first)
    return Judgement(_verdict(told, undecided), tuple(told), tuple(undecided))


def _gravest_first(finding: Finding) -> tuple[int, int]:
    return -finding.severity.rank, finding.statement.index


def _with_long_session(judgement: Judgement, setting: Setting, role: Role) -> Judgement:
    rule = LONG_SESSION
    longest = setting.guardrails.longest_session_seconds
    because = (
        f"A session of this role may last {role.max_session_duration_seconds} seconds, longer than the {longest} "
        "that the configuration allows; lower MaxSessionDuration, since a session outlives whatever is done to the trust policy."
    )
    finding = Finding(rule.id, rule.kind, setting.severity_of(rule.id), rule.title, _WHOLE_POLICY, None, because)
    return _with(judgement, (finding,))


def _with(judgement: Judgement, more: tuple[Finding, ...], undecided: tuple[Undecided, ...] = ()) -> Judgement:
    findings = sorted((*judgement.findings, *more), key=_gravest_first)
    undecidable = (*judgement.undecidable, *undecided)
    verdict = judgement.verdict if judgement.verdict is Verdict.INVALID else _verdict(findings, undecidable)
    return judgement._replace(verdict=verdict, findings=tuple(findings), undecidable=undecidable)


def _verdict(findings: list[Finding], undecided: list[Undecided] | tuple[Undecided, ...]) -> Verdict:
    is_waived = False
    for each in findings:
        if each.severity is not Severity.INFO:
            if each.waiver is None:
                return Verdict.VIOLATING
            is_waived = True
    if undecided:
        return Verdict.UNDECIDABLE
    return Verdict.WAIVED if is_waived else Verdict.COMPLIANT
