"""What a new trust policy newly lets in, and what it no longer does, each with a request that shows it.

A request is newly allowed where an Allow of the new policy lets it in, no Deny of the new one keeps it out, and the old policy does not
allow it: no Allow of the old one lets it in, or one of its Deny statements keeps it out. Both are boxes less boxes, as in the search.
A statement that plainly allows no more than an old one is looked at only for the Deny statements that are gone.

Every kind of caller is compared, and every action that a trust policy can allow.
"""

from collections.abc import Iterator
from datetime import datetime

from doorward.findings.model import Witness
from doorward.guardrails.everybody import Kind, everybody
from doorward.guardrails.model import Role
from doorward.guardrails.setting import Ground
from doorward.guardrails.worlds import Gate, Shown
from doorward.guardrails.written import issuer_of
from doorward.iam.arns import parse_arn
from doorward.iam.documents import Document, Principal, Statement
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.iam.names import ASSUME_ROLE, COGNITO, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.search import (
    Callers,
    Doubt,
    Found,
    Region,
    conditions_of,
    denied_by,
    find_in,
    matches_action,
    with_constants,
)
from doorward.iam.sets import Budget, OutOfBudget
from doorward.organization.model import Organization
from doorward.values import NamedTuple

# What may go along with taking a role, for every kind of caller.
_ALONG = ("sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext")
_STEPS = 400_000
# Every statement is compared with every other; no policy that IAM stores comes near.
_MOST_PAIRS = 2_500
_UNDECIDED = "It depends on %s, which is not decided."


class Change(NamedTuple):
    """Requests that the new policy allows and the old one does not. `is_there` None: not decided, and `because` says what it depends on."""

    is_there: bool | None
    witness: Witness | None = None
    because: str | None = None


class Difference(NamedTuple):
    gained: Change
    lost: Change


def compare(old: Document, new: Document, role: Role, organization: Organization, *, now: datetime) -> Difference:
    """Both ways. `role` says whose policies they are; its own trust policy is not looked at."""
    return Difference(newly_allowed(old, new, role, organization, now=now), newly_allowed(new, old, role, organization, now=now))


def newly_allowed(old: Document, new: Document, role: Role, organization: Organization, *, now: datetime) -> Change:
    """What `new` allows and `old` does not."""
    if old.statements == new.statements and old.version == new.version:
        return Change(False)
    doubts: list[str] = []
    if len(old.statements) * len(new.statements) > _MOST_PAIRS:
        return Change(None, None, _UNDECIDED % "policies of this size")
    try:
        for answer in _Comparison(old, new, role, organization, now).answers():
            if isinstance(answer, Shown):
                return Change(True, answer.witness)
            doubts += answer.constructs
    except OutOfBudget:
        doubts.append("policies of this size")
    if doubts:
        return Change(None, None, _UNDECIDED % ", ".join(dict.fromkeys(doubts)))
    return Change(False)


class _Comparison:
    def __init__(self, old: Document, new: Document, role: Role, organization: Organization, now: datetime) -> None:
        self._old = old
        self._new = new
        self._role = role
        self._gone = _deny_statements_gone(old, new)
        self._budget = Budget(_STEPS)
        both = Document(new.version, None, (*new.statements, *old.statements))
        self._gate = Gate(both, role, Ground(role, organization), now, self._budget)

    def answers(self) -> Iterator[Shown | Doubt]:
        allows = [each for each in self._new.statements if each.effect == "Allow"]
        principals = tuple(dict.fromkeys(principal for each in allows for principal in each.principals or ()))
        for kind in everybody(self._gate, principals):
            for action in (kind.callers.action, *_ALONG):
                yield from self._of_callers(kind, kind.callers.making(action))
        yield from self._of_the_unknown(allows)

    def _of_callers(self, kind: Kind, callers: Callers) -> Iterator[Shown | Doubt]:
        old, new = with_constants(self._old, callers), with_constants(self._new, callers)
        denied = denied_by(new, callers)
        allows_before = [each for each in old.statements if each.effect == "Allow"]
        allowed_before = tuple(region for each in allows_before for region in _regions(old, each, callers, taken_out=True))
        denied_before = tuple(region for each in self._gone for region in _regions(old, old.statements[each], callers))
        for statement, filled in zip(self._new.statements, new.statements, strict=True):
            if statement.effect != "Allow":
                continue
            for region in _regions(new, filled, callers):
                wanted = (*callers.base, *self._gate.also, *region)
                if not self._is_covered(statement):
                    yield from self._shown(kind, callers, find_in(callers, wanted, (*denied, *allowed_before), self._budget))
                for each in denied_before:
                    yield from self._shown(kind, callers, find_in(callers, (*wanted, *each), denied, self._budget))

    def _shown(self, kind: Kind, callers: Callers, found: Found | Doubt | None) -> Iterator[Shown | Doubt]:
        """Nothing where nothing was found. What both evaluations do not confirm is a doubt."""
        answer = kind.show(found) if isinstance(found, Found) else found
        if isinstance(answer, Shown):
            witness = answer.witness._replace(action=callers.action)
            request = Request(
                witness.principal, witness.principal_type, witness.action, witness.context, self._role.arn, self._role.account_id
            )
            before, after = (evaluate_trust_policy(each, request).outcome for each in (self._old, self._new))
            if after == "allowed" and before != "allowed":
                yield answer._replace(witness=witness)
            else:
                yield Doubt(("a request on which search and evaluator disagree",))
        elif answer is not None:
            yield answer

    def _of_the_unknown(self, allows: list[Statement]) -> Iterator[Doubt]:
        """Principals that no kind of caller stands for, where the old policy has not the same statement; and what is not written down."""
        if any(map(_is_cut_short, (*self._old.statements, *self._new.statements))):
            yield Doubt(("a statement without Principal or without Action",))
        for statement in allows:
            if self._is_covered(statement) and not self._gone:
                continue
            for principal in statement.principals or ():
                unknown = self._unknown(statement, principal)
                if unknown is not None:
                    yield Doubt((unknown,))

    def _unknown(self, statement: Statement, principal: Principal) -> str | None:
        kind, value = principal
        arn = parse_arn(value)
        if kind == "Federated":
            # Cognito's basic flow may call AssumeRole; nobody else who is signed in elsewhere can.
            by_role = issuer_of(principal) == COGNITO and not matches_action(statement, WITH_WEB_IDENTITY)
            is_unknown = (by_role and matches_action(statement, ASSUME_ROLE)) or not list(everybody(self._gate, (principal,)))
            return f"whom {value} signs in" if is_unknown else None
        if kind == "CanonicalUser":
            return f"who {value} is"
        if kind == "*":
            return 'Principal "*" for services'
        if kind == "AWS" and arn is not None and arn.partition != self._gate.role_partition:
            return f"who {value} is, of another partition"
        if value == "*" and any(matches_action(statement, each) for each in (WITH_WEB_IDENTITY, WITH_SAML)):
            return 'Principal {"AWS": "*"} for those whom a provider signs in'
        return None

    def _is_covered(self, statement: Statement) -> bool:
        """Whether it is plain that an old Allow lets in whoever this one does."""
        return self._old.version == self._new.version and any(
            each.effect == "Allow" and _is_within(statement, each) for each in self._old.statements
        )


def _is_cut_short(statement: Statement) -> bool:
    """IAM refuses it in a trust policy: who may do what is not written down."""
    return statement.principals is None or (statement.actions is None and statement.not_actions is None)


def _regions(document: Document, statement: Statement, callers: Callers, *, taken_out: bool = False) -> tuple[Region, ...]:
    """Where the statement applies to these callers: a region for each of its principals that means them."""
    if not matches_action(statement, callers.action):
        return ()
    admitted = [callers.admits(each) for each in statement.principals or ()]
    conditions = conditions_of(document, statement, callers, taken_out=taken_out) if any(each is not None for each in admitted) else ()
    return tuple((*each, *conditions) for each in admitted if each is not None)


def _deny_statements_gone(old: Document, new: Document) -> tuple[int, ...]:
    """Positions of Deny statements of the old policy that no Deny of the new one plainly covers."""
    kept = [each for each in new.statements if each.effect == "Deny"] if old.version == new.version else []
    return tuple(
        index for index, each in enumerate(old.statements) if each.effect == "Deny" and not any(_is_within(each, other) for other in kept)
    )


def _is_within(narrow: Statement, wide: Statement) -> bool:
    """Whether it is plain to see that the wide statement applies wherever the narrow one does."""
    principals: set[Principal] = set(wide.principals or ())
    actions = {each.lower() for each in wide.actions or ()}
    return (
        principals.issuperset(narrow.principals or ())
        and narrow.not_principals == wide.not_principals
        and (
            (narrow.actions is not None and wide.actions is not None and actions.issuperset(each.lower() for each in narrow.actions))
            or (narrow.actions, narrow.not_actions) == (wide.actions, wide.not_actions)
        )
        and set(narrow.conditions).issuperset(wide.conditions)
    )
