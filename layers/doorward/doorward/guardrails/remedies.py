"""What could be written to close the holes of a trust policy: a ladder, from the smallest edit to the loss of all trust.

1. drop       only what offends: principals, values of a list, statements that are about strangers; what of it was accepted stays
2. deny       a Deny of exactly the requests that must not come in, beside the statements as their author wrote them
3. tighten    a condition added or corrected: what the organization trusts, and nothing else
4. drop       statements that neither narrows, if one that allows something stays
5. restore    the accepted policy, where it lets nobody in who is kept out now
6. quarantine nobody may assume the role

Whoever owns the source is offered `tighten` before `deny`: he corrects his own line (docs/adr/0071).

A ladder closes what it is asked to close, one finding or all of a role, and leaves every other statement as it stands. No step newly
allows anything; what is lost is given back by a step of its own (`accepted`). Each candidate is judged again, and compared with what
stands: one that leaves what was to be closed, or brings a finding or a doubt that was not there before, or lets anybody in who was kept
out, is not offered.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import replace
from datetime import datetime
from itertools import count
from typing import Any

from doorward.findings.model import Finding, Judgement, Remedy, RemedyKind, Verdict
from doorward.guardrails.accepted import Accepted, accepted_today, added_to, longest_candidate, size, without_the_gone
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.missing import contrary, issuer_in, missing_condition, trusted_audiences, trusted_subjects, within_both
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.protected import cannot_be_edited, protected_because
from doorward.guardrails.rules import (
    ACTION_WILDCARD,
    EXTERNAL_ACCOUNT,
    OIDC_UNSCOPED_AUDIENCE,
    OIDC_UNSCOPED_SUBJECT,
    OUTSIDE_ORGANIZATION,
    WORLD_ASSUMABLE,
    is_of_trust_policy,
)
from doorward.iam.documents import Condition, Document, Principal, Statement, canonical_hash, load_json, parse_document, render_document
from doorward.iam.names import ASSUME_ROLE, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.operators import read_operator
from doorward.iam.search import glob, matches_action
from doorward.iam.sets import pattern
from doorward.organization.model import Organization

_CALLS = (ASSUME_ROLE, WITH_SAML, WITH_WEB_IDENTITY, "sts:TagSession", "sts:SetSourceIdentity")
# Rules about whom a statement names: the principal offends, not what is missing of a condition.
_OF_WHOM = frozenset({WORLD_ASSUMABLE.id, OUTSIDE_ORGANIZATION.id, EXTERNAL_ACCOUNT.id})
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
alone is not verified against AWS; should it refuse, what is left is `Roles.quarantine`, which takes the role's permissions instead."""


def propose(
    role: Role,
    judgement: Judgement,
    accepted: str | None,
    organization: Organization,
    guardrails: Guardrails,
    *,
    closing: Iterable[Finding],
    now: datetime,
) -> Iterator[Remedy]:
    """What Doorward may write to close `closing`, findings of `judgement`, the mildest first; all proved, each made only when asked for.

    None where nothing may be written, or where what was found is no matter of the trust policy: a waiver that has ended, for one.
    `accepted` is the text of the accepted trust policy.
    """
    closed = _places_of(closing)
    if closed and protected_because(role, organization) is None:
        yield from _Ladder(role, judgement, closed, accepted, organization, guardrails, now, of_source=False).climb()


def suggest(
    role: Role, judgement: Judgement, organization: Organization, guardrails: Guardrails, *, closing: Iterable[Finding], now: datetime
) -> Iterator[Remedy]:
    """The same for whoever owns the policy's source, and writes it himself: also of roles that Doorward never touches."""
    closed = _places_of(closing)
    if closed and not cannot_be_edited(role):
        yield from _Ladder(role, judgement, closed, None, organization, guardrails, now, of_source=True).climb()


type _Edit = Callable[[Statement], tuple[Statement, ...] | None]
"""What stands in the place of an offending statement; None where it cannot be edited so."""
type _Place = tuple[str, int]
"""A rule, and the position of the statement that it is broken by: of each rule a statement has at most one finding."""
_NEW = -1
"""The position of a statement that does not stand yet: no finding of it was there before."""


def _places_of(findings: Iterable[Finding]) -> frozenset[_Place]:
    return frozenset((each.rule, each.statement.index) for each in findings if is_of_trust_policy(each))


class _Ladder:
    def __init__(  # noqa: PLR0917 - propose's own, in its order
        self,
        role: Role,
        judgement: Judgement,
        closed: frozenset[_Place],
        accepted: str | None,
        organization: Organization,
        guardrails: Guardrails,
        now: datetime,
        *,
        of_source: bool,
    ) -> None:
        # What the role may do is no matter of its trust policy, and is the same under every candidate.
        self._role = replace(role, permissions=None, permissions_boundary=None)
        self._closed = closed
        self._may_stay = _places_of(judgement.counting) - closed
        self._organization = organization
        self._guardrails = guardrails
        self._now = now
        self._document = parse_document(role.trust_policy)
        self._denies = tuple(each for each in self._document.statements if each.effect == "Deny")
        self._accepted: Accepted | None = accepted_today(role, accepted, organization, guardrails, now)
        self._offending = frozenset(position for _, position in closed)
        self._doubts = Counter((each.rule, each.construct) for each in judgement.undecidable)
        self._tried: set[str] = set()
        self._longest = longest_candidate(role)
        self._of_source = of_source

    def climb(self) -> Iterator[Remedy]:
        for kind, candidate in self._candidates():
            yield from self._offered(kind, candidate)
        yield from self._restored()
        if self._closes(json.dumps(QUARANTINE), ()):
            yield Remedy("quarantine", QUARANTINE, proved=True)

    def _candidates(self) -> Iterator[tuple[RemedyKind, Document | None]]:
        drops = self._without_offending_parts, self._down_to_accepted, self._without_strangers
        yield "drop", self._edited(self._without_offending_parts)
        yield "drop", self._edited(*drops)
        yield "drop", self._edited(self._down_to_accepted, self._without_strangers)
        narrowing = self._denying(drops), self._tightening(drops)
        for candidates in reversed(narrowing) if self._of_source else narrowing:
            yield from candidates
        yield "drop", self._edited(self._without_offending_parts, self._tightened, self._bound_to_organization, _without)
        yield "drop", self._edited(_without)

    def _denying(self, drops: tuple[_Edit, ...]) -> Iterator[tuple[RemedyKind, Document | None]]:
        yield "deny", self._with_denies(*drops)
        yield "deny", self._with_denies()

    def _tightening(self, drops: tuple[_Edit, ...]) -> Iterator[tuple[RemedyKind, Document | None]]:
        yield "tighten", self._edited(self._tightened)
        yield "tighten", self._edited(*drops, self._tightened)
        yield "tighten", self._edited(self._tightened, self._bound_to_organization, self._without_offending_parts)

    def _offered(self, kind: RemedyKind, candidate: Document | None) -> Iterator[Remedy]:
        if candidate is None:
            return
        if not self._of_source:
            candidate = without_the_gone(candidate)  # IAM would refuse it
        key = canonical_hash(candidate)
        if not any(each.effect == "Allow" for each in candidate.statements) or key in self._tried:
            return
        if self._accepted is not None and key in {self._accepted.hash, canonical_hash(self._accepted.document)}:
            yield from self._restored()
            return
        self._tried.add(key)
        text = json.dumps(render_document(candidate))
        positions = tuple(each.position for each in candidate.statements)
        if size(text) <= self._longest and self._closes(text, positions) and self._widens_nothing(text, candidate):
            yield Remedy(kind, load_json(text), proved=True)

    def _restored(self) -> Iterator[Remedy]:
        """The accepted policy, once, exactly as it was but for whom IAM has forgotten. It breaks nothing today, so that it closes all."""
        if self._accepted is not None and self._accepted.hash not in self._tried:
            self._tried.add(self._accepted.hash)
            if self._widens_nothing(self._accepted.text, None):
                yield Remedy("restore", load_json(self._accepted.text), proved=True)

    def _edited(self, *edits: _Edit) -> Document | None:
        """The document with every offending statement edited by the first that can. None where none can."""
        statements: list[Statement] = []
        for statement in self._document.statements:
            edited = self._first(statement, edits) if statement.position in self._offending else (statement,)
            if edited is None:
                return None
            statements += (each for each in edited if each.position != _NEW or each not in statements)
        return self._accepted_if_equal(self._document._replace(statements=tuple(statements)))

    @staticmethod
    def _first(statement: Statement, edits: Iterable[_Edit]) -> tuple[Statement, ...] | None:
        return next((edited for each in edits if (edited := each(statement)) is not None), None)

    # Dropping

    def _without_offending_parts(self, statement: Statement) -> tuple[Statement, ...] | None:
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

    def _down_to_accepted(self, statement: Statement) -> tuple[Statement, ...] | None:
        """What of the statement was accepted: accepted statements that let nobody in whom this one does not, and the accepted Denies."""
        if self._accepted is None or self._accepted.document.version != self._document.version:
            return None
        others = [each for each in self._document.statements if each.position not in self._offending]
        added = added_to(others, self._accepted.document)
        denies = (*self._denies, *(each for each in added if each.effect == "Deny"))
        before = self._document._replace(statements=(statement, *self._denies))
        kept = [
            each._replace(position=_NEW)
            for each in added
            if each.effect == "Deny" or self._allows_no_more(before, self._document._replace(statements=(each, *denies)))
        ]
        return tuple(kept) if any(each.effect == "Allow" for each in kept) else None

    def _without_strangers(self, statement: Statement) -> tuple[Statement, ...] | None:
        """Of a statement whose principals offend nothing is left once they go."""
        return () if self._rules_of(statement, self._closed) <= _OF_WHOM else None

    def _accepted_if_equal(self, candidate: Document) -> Document:
        """The accepted policy, where the candidate says the same: in what it says, not in which order."""
        accepted = None if self._accepted is None else self._accepted.document
        if accepted is None or accepted.version != candidate.version:
            return candidate
        return accepted if {each[2:] for each in accepted.statements} == {each[2:] for each in candidate.statements} else candidate

    # Denying

    def _with_denies(self, *milder: _Edit) -> Document | None:
        """Each offending statement edited by what is milder, or as it stands beside a Deny.

        Doorward's own Denies are made anew, for whatever they close: none is ever added to another of the same.
        """
        standing = tuple(each for each in self._document.statements if not _is_own_deny(each))
        closed = self._closed if len(standing) == len(self._document.statements) else self._closed_without_own(standing)
        kept: list[Statement] = []
        denied: list[Statement] = []
        denies: list[Statement] = []
        for statement in standing:
            rules = self._rules_of(statement, closed)
            edited = self._first(statement, milder) if statement.position in self._offending else None
            if not rules:
                kept.append(statement)
            elif edited is not None:
                kept += edited
            else:
                its_denies = [self._deny_of(rule, statement, standing) for rule in sorted(rules)]
                if None in its_denies:
                    return None
                denies += [each for each in its_denies if each is not None and each not in denies]
                denied.append(statement)
                kept.append(statement)
        document = self._document._replace(statements=(*kept, *_named(denies, {each.sid for each in kept})))
        return document if denies and all(self._lets_somebody_in(document, each) for each in denied) else None

    def _closed_without_own(self, standing: tuple[Statement, ...]) -> frozenset[_Place]:
        """What else is to be closed once Doorward's own Denies are away."""
        judged = self._judge(json.dumps(render_document(self._document._replace(statements=standing))))
        return self._closed | (self._places(judged, tuple(each.position for each in standing)) - self._may_stay)

    def _deny_of(self, rule: str, statement: Statement, standing: tuple[Statement, ...]) -> Statement | None:
        """A Deny of what the rule finds in the statement: of the same calls, by those of its principals that offend."""
        if rule in _OF_WHOM:
            # Of a statement that names strangers alone nothing would be left: whoever is ours comes in by `*` only.
            if not _admits_everybody(statement):
                return None
            principals: tuple[Principal, ...] = (Principal("AWS", "*"),)
            conditions = self._of_strangers()
        else:
            missing = missing_condition(rule, statement, self._role.account_id, self._organization)
            if missing is None:
                return None
            denies = tuple(each for each in standing if each.effect == "Deny")
            principals = tuple(
                each for each in statement.principals or () if not self._is_clean(statement._replace(principals=(each,)), denies)
            )
            conditions = (contrary(missing),)
        return statement._replace(position=_NEW, sid=None, effect="Deny", principals=principals, conditions=conditions)

    def _of_strangers(self) -> tuple[Condition, ...]:
        """Of AWS principals alone, who have an ARN: whether `{"AWS": "*"}` means services and bearers of tokens is not documented."""
        organization = self._organization
        known = sorted(
            {each.id for each in organization.trusted_accounts if not each.external_id_required}
            | ({self._role.account_id} if organization.id is None else set())
        )
        conditions = [Condition("BoolIfExists", "aws:PrincipalIsAWSService", ("false",)), Condition("Null", "aws:PrincipalArn", ("false",))]
        if organization.id is not None:
            conditions.append(Condition("StringNotEqualsIfExists", "aws:PrincipalOrgID", (organization.id,)))
        if known:
            conditions.append(Condition("StringNotEqualsIfExists", "aws:PrincipalAccount", tuple(known)))
        return tuple(conditions)

    def _lets_somebody_in(self, document: Document, statement: Statement) -> bool:
        """Whether a Deny leaves anything of the statement: one of which nothing is left is dropped, not denied."""
        denies = tuple(each for each in document.statements if each.effect == "Deny")
        return not self._allows_no_more(document._replace(statements=()), document._replace(statements=(statement, *denies)))

    # Tightening

    def _tightened(self, statement: Statement) -> tuple[Statement, ...] | None:
        """With what each rule misses: conditions of what is ours or trusted, and nothing else."""
        rules = self._rules_of(statement, self._closed)
        candidates = [statement]
        for rule in sorted(rules - {OIDC_UNSCOPED_SUBJECT.id, OIDC_UNSCOPED_AUDIENCE.id}):
            candidates = [narrower for each in candidates if (narrower := self._with_what_is_ours(each, rule)) is not None]
        if OIDC_UNSCOPED_SUBJECT.id in rules:
            candidates = [narrower for each in candidates for narrower in self._narrow_subjects(each)]
        if OIDC_UNSCOPED_AUDIENCE.id in rules:
            candidates = [self._with_audience(each) for each in candidates]
        return next(((each,) for each in candidates if self._is_clean(each)), None)

    def _with_what_is_ours(self, statement: Statement, rule: str) -> Statement | None:
        """With the condition that the rule misses, where it is known what it would have to say."""
        if rule == ACTION_WILDCARD.id:
            calls = tuple(each for each in _CALLS if matches_action(statement, each))
            return statement._replace(actions=calls, not_actions=None) if calls else None
        condition = missing_condition(rule, statement, self._role.account_id, self._organization)
        return None if condition is None else _requiring(statement, condition)

    def _bound_to_organization(self, statement: Statement) -> tuple[Statement, ...] | None:
        """Whoever is ours may still come in."""
        if self._organization.id is None or not _admits_everybody(statement):
            return None
        return self._if_clean(_requiring(statement, Condition("StringEquals", "aws:PrincipalOrgID", (self._organization.id,))))

    def _narrow_subjects(self, statement: Statement) -> Iterator[Statement]:
        issuer = issuer_in(statement)
        if issuer is None:
            return
        trusted = trusted_subjects(issuer, self._organization)
        subject = f"{issuer}:sub"
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
                narrowed = tuple(dict.fromkeys(each for value in condition.values for each in within_both(value, trusted)))
                if narrowed:
                    yield _with_condition(statement, position, condition._replace(values=narrowed))
        if trusted and not any((each.operator, each.key.lower()) == ("StringLike", subject.lower()) for each in statement.conditions):
            yield statement._replace(conditions=(*statement.conditions, Condition("StringLike", subject, trusted)))

    def _with_audience(self, statement: Statement) -> Statement:
        issuer = issuer_in(statement)
        if issuer is None:
            return statement
        audience, audiences = f"{issuer}:aud", trusted_audiences(issuer, self._organization)
        for position, condition in enumerate(statement.conditions):
            if condition.key.lower() == audience.lower() and condition.operator in {"StringEquals", "StringLike"}:
                kept = tuple(each for each in condition.values if each in audiences)
                if not kept and condition.operator == "StringLike":
                    kept = tuple(each for each in audiences if any(pattern(glob(value)).matches(each) for value in condition.values))
                return _with_condition(statement, position, condition._replace(values=kept or condition.values))
        return statement._replace(conditions=(*statement.conditions, Condition("StringEquals", audience, audiences)))

    # Proving

    def _judge(self, text: str) -> Judgement:
        return judge(replace(self._role, trust_policy=text), self._organization, self._guardrails, now=self._now)

    def _closes(self, text: str, positions: tuple[int, ...]) -> bool:
        """`positions`: where each statement of the text stands in the document as it is."""
        judged = self._judge(text)
        if judged.verdict is Verdict.INVALID or not self._places(judged, positions) <= self._may_stay:
            return False
        return Counter((each.rule, each.construct) for each in judged.undecidable) <= self._doubts

    @staticmethod
    def _places(judged: Judgement, positions: tuple[int, ...]) -> set[_Place]:
        return {(rule, positions[index]) for rule, index in _places_of(judged.counting)}

    def _widens_nothing(self, text: str, candidate: Document | None) -> bool:
        """Looked at as it would be written. Statements that stay as they are allow no more than before where no Deny goes."""
        if candidate is None or not {each[2:] for each in self._denies} <= {each[2:] for each in candidate.statements}:
            return self._allows_no_more(self._document, parse_document(text))
        stay = {each.position for each in self._document.statements if each.position not in self._offending and each.effect == "Allow"}
        before, after = (
            each._replace(statements=tuple(one for one in each.statements if one.position not in stay))
            for each in (self._document, candidate)
        )
        return self._allows_no_more(before, parse_document(json.dumps(render_document(after))))

    def _allows_no_more(self, before: Document, after: Document) -> bool:
        return newly_allowed(before, after, self._role, self._organization, now=self._now).is_there is False

    def _alone(self, statement: Statement, denies: tuple[Statement, ...] | None = None) -> Judgement:
        """The statement with every Deny of the document, or with these, and no other Allow. What is found of it stands at index 0."""
        beside = self._denies if denies is None else denies
        return self._judge(json.dumps(render_document(self._document._replace(statements=(statement, *beside)))))

    def _is_clean(self, statement: Statement, denies: tuple[Statement, ...] | None = None) -> bool:
        judged = self._alone(statement, denies)
        return judged.verdict is not Verdict.INVALID and self._places(judged, (statement.position,)) <= self._may_stay

    def _is_scoped(self, statement: Statement) -> bool:
        judged = self._alone(statement)
        rules = {*(each.rule for each in judged.findings), *(each.rule for each in judged.undecidable)}
        return judged.verdict is not Verdict.INVALID and OIDC_UNSCOPED_SUBJECT.id not in rules

    def _if_clean(self, statement: Statement) -> tuple[Statement, ...] | None:
        return (statement,) if self._is_clean(statement) else None

    @staticmethod
    def _rules_of(statement: Statement, places: frozenset[_Place]) -> set[str]:
        return {rule for rule, position in places if position == statement.position}


def _without(_: Statement) -> tuple[Statement, ...]:
    return ()


def _is_own_deny(statement: Statement) -> bool:
    return statement.effect == "Deny" and statement.sid is not None and statement.sid.rstrip("0123456789") == _DENY_SID


def _named(denies: list[Statement], taken: set[str | None]) -> Iterator[Statement]:
    """Each under a name of its own: IAM refuses a Sid that is used twice."""
    free = (name for number in count(1) if (name := _DENY_SID + (str(number) if number > 1 else "")) not in taken)
    return (each._replace(sid=name) for each, name in zip(denies, free, strict=False))


def _admits_everybody(statement: Statement) -> bool:
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
