"""What could be written to close the holes of a trust policy: a ladder, from the smallest edit to the loss of all trust.

1. drop      offending values of a list, offending principals
2. tighten   a condition added or corrected: what the organization trusts, and nothing else
3. drop      offending statements, if one that allows something stays
4. restore   the accepted baseline, exactly as it was
5. tighten   only our organization comes in by the offending statements
6. deny      a Deny for exactly the calls of strangers, where a condition does not help
7. quarantine  nobody may assume the role

A ladder closes what it is asked to close, one finding or all of a role, and leaves every other statement as it stands. No step newly
allows anything, but for `restore`, whose policy was accepted. Each candidate is judged again, and compared with what stands: one that
leaves what was to be closed, or brings a finding or a doubt that was not there before, or lets anybody in who was kept out, is not offered.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import replace
from datetime import datetime
from typing import Any

from doorward.errors import MalformedInput
from doorward.findings.model import Finding, Judgement, Remedy, RemedyKind, Verdict
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.protected import cannot_be_edited
from doorward.guardrails.rules import (
    ACTION_WILDCARD,
    COGNITO_GUEST,
    COGNITO_UNSCOPED_POOL,
    EXTERNAL_ACCOUNT,
    OF_PERMISSIONS,
    OIDC_UNSCOPED_AUDIENCE,
    OIDC_UNSCOPED_SUBJECT,
    OUTSIDE_ORGANIZATION,
    ROLES_ANYWHERE_ANY_ANCHOR,
    SAML_UNSCOPED_AUDIENCE,
    SERVICE_FOREIGN_SOURCE,
    WORLD_ASSUMABLE,
)
from doorward.guardrails.written import issuer_of
from doorward.iam.arns import is_unique_id
from doorward.iam.assertions import sign_in_page
from doorward.iam.documents import Condition, Document, Principal, Statement, canonical_hash, load_json, parse_document, render_document
from doorward.iam.names import ASSUME_ROLE, COGNITO, DEFAULT_AUDIENCE, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.operators import read_operator
from doorward.iam.search import glob, matches_action
from doorward.iam.sets import ANY, Budget, Grammar, Many, OutOfBudget, find_text, pattern
from doorward.organization.model import Organization

# The quota that no account has to ask for; white space does not count.
LONGEST_CANDIDATE = 2048
_WHITE_SPACE = re.compile(r"\s+")
_CALLS = (ASSUME_ROLE, WITH_SAML, WITH_WEB_IDENTITY, "sts:TagSession", "sts:SetSourceIdentity")
_BY_ORGANIZATION = frozenset({WORLD_ASSUMABLE.id, OUTSIDE_ORGANIZATION.id, EXTERNAL_ACCOUNT.id})
_DENY_SID = "DoorwardDenyStrangers"
_LISTS = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})

QUARANTINE: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DoorwardQuarantine",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"],
        }
    ],
}
"""A trust policy without an Allow lets nobody in, whoever a Deny of `{"AWS": "*"}` covers. Whether IAM stores a policy of Deny statements
alone is not verified against AWS; should it refuse, the reaction reports that no remedy was left."""


def propose(
    role: Role,
    judgement: Judgement,
    accepted_baseline: str | None,
    organization: Organization,
    guardrails: Guardrails,
    *,
    closing: Iterable[Finding],
    now: datetime,
) -> Iterator[Remedy]:
    """Remedies that close `closing`, findings of `judgement`, the mildest first; all proved, each made only when it is asked for.

    None where nothing may be written, or where what was found is no matter of the trust policy: a waiver that has ended, for one.
    """
    closed = frozenset(each for each in map(_place_of, closing) if each is not None)
    if closed and not cannot_be_edited(role):
        yield from _Ladder(role, judgement, closed, accepted_baseline, organization, guardrails, now).climb()


type _Edit = Callable[[Statement], Statement | None]
type _Place = tuple[str, int]
"""A rule, and the position of the statement that it is broken by: of each rule a statement has at most one finding."""


def _place_of(finding: Finding) -> _Place | None:
    return None if finding.kind == "context" or finding.rule in OF_PERMISSIONS else (finding.rule, finding.statement.index)


class _Ladder:
    def __init__(  # noqa: PLR0917 - propose's own, in its order
        self,
        role: Role,
        judgement: Judgement,
        closed: frozenset[_Place],
        accepted_baseline: str | None,
        organization: Organization,
        guardrails: Guardrails,
        now: datetime,
    ) -> None:
        # What the role may do is no matter of its trust policy, and is the same under every candidate.
        self._role = replace(role, permissions=None, permissions_boundary=None)
        self._closed = closed
        self._may_stay = {place for each in judgement.counting if (place := _place_of(each)) is not None} - closed
        self._organization = organization
        self._guardrails = guardrails
        self._now = now
        self._document = parse_document(role.trust_policy)
        self._baseline = accepted_baseline
        self._baseline_hash = _hash_of(accepted_baseline)
        self._offending = frozenset(position for _, position in closed)
        self._doubts = Counter((each.rule, each.construct) for each in judgement.undecidable)
        self._tried: set[str] = set()
        self._longest = max(LONGEST_CANDIDATE, _size(json.dumps(load_json(role.trust_policy))))

    def climb(self) -> Iterator[Remedy]:
        yield from self._offered(self._candidates())
        if self._baseline_hash is not None and self._baseline_hash not in self._tried:
            yield from self._restore()
        yield from self._offered(self._last_candidates())
        if self._closes(json.dumps(QUARANTINE), ()):
            yield Remedy("quarantine", QUARANTINE, proved=True)

    def _offered(self, candidates: Iterable[tuple[RemedyKind, Document | None]]) -> Iterator[Remedy]:
        for kind, candidate in candidates:
            if candidate is None or not any(each.effect == "Allow" for each in candidate.statements):
                continue
            key = canonical_hash(candidate)
            if key in self._tried:
                continue
            self._tried.add(key)
            if key == self._baseline_hash:
                yield from self._restore()
                continue
            rendered = render_document(candidate)
            text = json.dumps(rendered)
            positions = tuple(each.position for each in candidate.statements)
            if _size(text) <= self._longest and self._closes(text, positions) and self._widens_nothing(candidate):
                yield Remedy(kind, rendered, proved=True)

    def _candidates(self) -> Iterator[tuple[RemedyKind, Document | None]]:
        yield "drop", self._edited(self._without_offending_parts)
        yield "tighten", self._edited(self._tightened)
        yield "tighten", self._edited(lambda each: self._tightened(each) or self._without_offending_parts(each))
        yield "drop", self._edited(lambda each: self._without_offending_parts(each) or self._tightened(each) or _NOTHING)
        yield "drop", self._edited(lambda _: _NOTHING)

    def _last_candidates(self) -> Iterator[tuple[RemedyKind, Document | None]]:
        """Whoever is ours may still come in: better than closing the role, worse than what a person has accepted."""
        yield "tighten", self._edited(self._bound_to_organization)
        yield "deny", self._with_deny()

    def _edited(self, edit: _Edit) -> Document | None:
        """The document with every offending statement edited. None where one of them cannot be edited so."""
        statements: list[Statement] = []
        for statement in self._document.statements:
            if statement.position not in self._offending:
                statements.append(statement)
                continue
            edited = edit(statement)
            if edited is None:
                return None
            if edited is not _NOTHING:
                statements.append(edited)
        return self._document._replace(statements=tuple(statements))

    # Dropping

    def _without_offending_parts(self, statement: Statement) -> Statement | None:
        """Without the principals that let somebody in; else without such values of one list."""
        principals = statement.principals or ()
        kept = tuple(each for each in principals if self._is_clean(statement._replace(principals=(each,))))
        if kept and len(kept) < len(principals):
            narrowed = self._if_clean(statement._replace(principals=kept))
            if narrowed is not None:
                return narrowed
        for position, condition in enumerate(statement.conditions):
            operator = read_operator(condition.operator)
            if operator is None or operator.name not in _LISTS or len(condition.values) == 1:
                continue
            if condition.key.lower().endswith((":sub", ":aud")):
                continue  # what is done to these is called tightening
            kept_values = tuple(
                each
                for each in condition.values
                if self._is_clean(_with_condition(statement, position, condition._replace(values=(each,))))
            )
            if kept_values:
                narrowed = self._if_clean(_with_condition(statement, position, condition._replace(values=kept_values)))
                if narrowed is not None:
                    return narrowed
        return None

    # Tightening

    def _tightened(self, statement: Statement) -> Statement | None:
        """With what each rule misses: conditions of what is ours or trusted, and nothing else."""
        rules = {rule for rule, position in self._closed if position == statement.position}
        candidates = [statement]
        for rule in sorted(rules - {OIDC_UNSCOPED_SUBJECT.id, OIDC_UNSCOPED_AUDIENCE.id}):
            candidates = [narrower for each in candidates if (narrower := self._with_what_is_ours(each, rule)) is not None]
        if OIDC_UNSCOPED_SUBJECT.id in rules:
            candidates = [narrower for each in candidates for narrower in self._narrow_subjects(each)]
        if OIDC_UNSCOPED_AUDIENCE.id in rules:
            candidates = [self._with_audience(each) for each in candidates]
        return next((each for each in candidates if self._is_clean(each)), None)

    def _with_what_is_ours(self, statement: Statement, rule: str) -> Statement | None:
        """With the condition that the rule misses, where it is known what it would have to say."""
        if rule == ACTION_WILDCARD.id:
            calls = tuple(each for each in _CALLS if matches_action(statement, each))
            return statement._replace(actions=calls, not_actions=None) if calls else None
        condition = self._missing_condition(rule)
        return None if condition is None else _requiring(statement, condition)

    def _missing_condition(self, rule: str) -> Condition | None:
        organization = self._organization
        if rule == COGNITO_GUEST.id:
            return Condition("ForAnyValue:StringLike", f"{COGNITO}:amr", ("authenticated",))
        if rule == COGNITO_UNSCOPED_POOL.id and organization.cognito:
            return Condition("StringEquals", f"{COGNITO}:aud", organization.cognito)
        if rule == SAML_UNSCOPED_AUDIENCE.id and (page := sign_in_page(organization.partition)) is not None:
            return Condition("StringEquals", "SAML:aud", (page,))
        if rule == SERVICE_FOREIGN_SOURCE.id:
            return Condition("StringEquals", "aws:SourceAccount", (self._role.account_id,))
        if rule == ROLES_ANYWHERE_ANY_ANCHOR.id and organization.roles_anywhere:
            return Condition("ArnEquals", "aws:SourceArn", organization.roles_anywhere)
        return None

    def _bound_to_organization(self, statement: Statement) -> Statement | None:
        if self._organization.id is None or not _admits_everybody(statement):
            return None
        return self._if_clean(_requiring(statement, Condition("StringEquals", "aws:PrincipalOrgID", (self._organization.id,))))

    def _narrow_subjects(self, statement: Statement) -> Iterator[Statement]:
        name = _issuer_of(statement)
        if name is None:
            return
        issuer = self._organization.issuer(name)
        trusted = issuer.subjects if issuer is not None else ()
        subject = f"{name}:sub"
        for position, condition in enumerate(statement.conditions):
            if condition.key.lower() != subject.lower():
                continue
            operator = read_operator(condition.operator)
            if operator is None or operator.name not in _LISTS:
                continue
            # The values that are closed by themselves.
            closed = tuple(
                each
                for each in condition.values
                if self._is_scoped(_with_condition(statement, position, condition._replace(values=(each,))))
            )
            if closed and len(closed) < len(condition.values):
                yield _with_condition(statement, position, condition._replace(values=closed))
            if operator.name == "stringlike":
                narrowed = tuple(dict.fromkeys(each for value in condition.values for each in _intersections(value, trusted)))
                if narrowed:
                    yield _with_condition(statement, position, condition._replace(values=narrowed))
        if trusted and not any((each.operator, each.key.lower()) == ("StringLike", subject.lower()) for each in statement.conditions):
            yield statement._replace(conditions=(*statement.conditions, Condition("StringLike", subject, trusted)))

    def _with_audience(self, statement: Statement) -> Statement:
        name = _issuer_of(statement)
        if name is None:
            return statement
        audience, issuer = f"{name}:aud", self._organization.issuer(name)
        audiences = (issuer.audiences if issuer is not None else ()) or (DEFAULT_AUDIENCE,)
        for position, condition in enumerate(statement.conditions):
            if condition.key.lower() == audience.lower() and condition.operator in {"StringEquals", "StringLike"}:
                kept = tuple(each for each in condition.values if each in audiences)
                if not kept and condition.operator == "StringLike":
                    kept = tuple(each for each in audiences if any(pattern(glob(value)).matches(each) for value in condition.values))
                return _with_condition(statement, position, condition._replace(values=kept or condition.values))
        return statement._replace(conditions=(*statement.conditions, Condition("StringEquals", audience, audiences)))

    # Denying

    def _with_deny(self) -> Document | None:
        """A Deny of strangers' calls beside what stands. Services are spared: they have no organization."""
        rules = {rule for rule, _ in self._closed}
        open_ones = [each for each in self._document.statements if each.position in self._offending]
        if (
            not rules <= _BY_ORGANIZATION
            or not all(map(_admits_everybody, open_ones))
            or any(each.sid == _DENY_SID for each in self._document.statements)
        ):
            return None
        organization = self._organization
        known = sorted(
            {each.id for each in organization.trusted_accounts if not each.external_id_required}
            | ({self._role.account_id} if organization.id is None else set())
        )
        conditions = [Condition("BoolIfExists", "aws:PrincipalIsAWSService", ("false",))]
        if organization.id is not None:
            conditions.append(Condition("StringNotEqualsIfExists", "aws:PrincipalOrgID", (organization.id,)))
        if known:
            conditions.append(Condition("StringNotEqualsIfExists", "aws:PrincipalAccount", tuple(known)))
        position = len(self._document.statements)
        everybody = (Principal("AWS", "*"),)
        deny = Statement(position, _DENY_SID, "Deny", everybody, None, (ASSUME_ROLE,), None, None, None, tuple(conditions))
        return self._document._replace(statements=(*self._document.statements, deny))

    # Restoring

    def _restore(self) -> Iterator[Remedy]:
        """Without whom IAM has forgotten; nothing where what is left is not compliant today."""
        if self._baseline is None:
            return
        document = parse_document(self._baseline)
        kept = tuple(left for each in document.statements if (left := _without_the_gone(each)) is not None)
        text = self._baseline if kept == document.statements else json.dumps(render_document(document._replace(statements=kept)))
        if not any(each.effect == "Allow" for each in kept):
            return
        judged = self._judge(text)
        if judged.verdict is not Verdict.INVALID and not judged.undecidable and all(_place_of(each) is None for each in judged.counting):
            yield Remedy("restore", load_json(text), proved=True)

    # Proving

    def _judge(self, text: str) -> Judgement:
        return judge(replace(self._role, trust_policy=text), self._organization, self._guardrails, now=self._now)

    def _closes(self, text: str, positions: tuple[int, ...]) -> bool:
        """`positions`: where each statement of the text stands in the document as it is."""
        judged = self._judge(text)
        if judged.verdict is Verdict.INVALID or not self._left(judged, positions) <= self._may_stay:
            return False
        return Counter((each.rule, each.construct) for each in judged.undecidable) <= self._doubts

    def _left(self, judged: Judgement, positions: tuple[int, ...]) -> set[_Place]:
        left = (each for each in map(_place_of, judged.counting) if each is not None)
        return {(rule, positions[index]) for rule, index in left}

    def _widens_nothing(self, candidate: Document) -> bool:
        """Looked at as it would be written. Statements that stay as they are allow no more than before, since no Deny goes."""
        before, after = self._concerned(self._document), self._concerned(candidate)
        written = parse_document(json.dumps(render_document(after)))
        return newly_allowed(before, written, self._role, self._organization, now=self._now).is_there is False

    def _concerned(self, document: Document) -> Document:
        kept = (each for each in document.statements if each.effect == "Deny" or each.position in self._offending)
        return document._replace(statements=tuple(kept))

    def _alone(self, statement: Statement) -> Judgement:
        """The statement with every Deny of the document, and no other Allow. What is found of it stands at index 0."""
        denies = [each for each in self._document.statements if each.effect == "Deny"]
        return self._judge(json.dumps(render_document(self._document._replace(statements=(statement, *denies)))))

    def _is_clean(self, statement: Statement) -> bool:
        judged = self._alone(statement)
        return judged.verdict is not Verdict.INVALID and self._left(judged, (statement.position,)) <= self._may_stay

    def _is_scoped(self, statement: Statement) -> bool:
        judged = self._alone(statement)
        rules = {*(each.rule for each in judged.findings), *(each.rule for each in judged.undecidable)}
        return judged.verdict is not Verdict.INVALID and OIDC_UNSCOPED_SUBJECT.id not in rules

    def _if_clean(self, statement: Statement) -> Statement | None:
        return statement if self._is_clean(statement) else None


_NOTHING = Statement(-1, None, "Allow", (), None, (), None, None, None, ())
"""Stands for a statement that is taken away."""


def _issuer_of(statement: Statement) -> str | None:
    """The issuer whose tokens the statement accepts; None where they are several, or none."""
    issuers = {issuer_of(each) for each in statement.principals or () if each.type == "Federated"}
    return issuers.pop() if len(issuers) == 1 else None


def _admits_everybody(statement: Statement) -> bool:
    """Whether some of ours come in by it, whom to keep: of a statement that names strangers alone nothing would be left."""
    return any(each.type == "AWS" and each.value == "*" for each in statement.principals or ())


def _requiring(statement: Statement, condition: Condition) -> Statement:
    """With the condition, in the place of one that asks the same key by the same operator."""
    others = tuple(
        each for each in statement.conditions if (each.operator, each.key.lower()) != (condition.operator, condition.key.lower())
    )
    return statement._replace(conditions=(*others, condition))


def _with_condition(statement: Statement, position: int, condition: Condition) -> Statement:
    conditions = list(statement.conditions)
    conditions[position] = condition
    return statement._replace(conditions=tuple(conditions))


def _intersections(value: str, trusted: tuple[str, ...]) -> Iterator[str]:
    """Patterns that are proved to lie within `value` and within a trusted subject."""
    for each in trusted:
        for candidate in (each, value, _spliced(value, each)):
            if _is_within(candidate, value) and _is_within(candidate, each):
                yield candidate
                break


def _spliced(value: str, trusted: str) -> str:
    """`repo:*:ref:refs/heads/main` and `repo:acme/*` give `repo:acme/*:ref:refs/heads/main`."""
    return trusted.partition("*")[0] + "*" + value.rpartition("*")[2]


def _is_within(inner: str, outer: str) -> bool:
    try:
        return find_text(_ANY_TEXT, (pattern(glob(inner)),), (pattern(glob(outer)),), Budget()) is None
    except OutOfBudget:
        return False


_ANY_TEXT = Grammar(Many(ANY))


def _size(text: str) -> int:
    return len(_WHITE_SPACE.sub("", text))


def _hash_of(text: str | None) -> str | None:
    """None where there is no baseline, or none that can be read."""
    if text is None:
        return None
    try:
        return canonical_hash(parse_document(text))
    except MalformedInput:
        return None


def _without_the_gone(statement: Statement) -> Statement | None:
    """Without roles and users that are gone: IAM shows their unique ids, which let nobody in, and refuses a policy that names one.

    None where nobody else is named. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    if statement.principals is None:
        return statement
    left = tuple(each for each in statement.principals if each.type != "AWS" or not is_unique_id(each.value))
    return statement._replace(principals=left) if left else None
