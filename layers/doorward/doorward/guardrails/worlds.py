"""Worlds of AWS principals: sets of requests that no trust policy may allow, each as the callers that make it up.

What makes a stranger a stranger is here; what condition keys such a caller can have is in `iam.callers`; the rules only name worlds.
The worlds of those who come by a token, an assertion or a service are in `github_worlds`, `issuer_worlds` and `service_worlds`.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from copy import copy
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import product

from doorward.findings.model import Witness
from doorward.guardrails.model import CustomRule, Role, Where
from doorward.guardrails.setting import Ground
from doorward.guardrails.written import issuer_of, spelled_out
from doorward.iam.arns import account_of_principal, role_arn
from doorward.iam.callers import (
    CALLER,
    FORMS,
    NO_ORGANIZATION,
    ORGANIZATION,
    PROVIDER,
    TIME,
    USER_ID,
    Accounts,
    Form,
    Organizations,
    aws_callers,
    one_organization,
    spelled,
)
from doorward.iam.documents import VERSION_2012, Condition, Document, Principal, Statement
from doorward.iam.names import ASSUME_ROLE, EXTERNAL_ID, TIME_KEYS, is_cluster
from doorward.iam.search import (
    Callers,
    Doubt,
    Found,
    Placed,
    Region,
    Test,
    Value,
    conditions_of,
    find_request,
    has_variables,
    variables_of,
)
from doorward.iam.sets import Budget, Pattern
from doorward.iam.spans import FAR, Span
from doorward.values import NamedTuple

_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])", re.ASCII)
_ORG = re.compile(r"o-[a-z0-9]{10,32}", re.ASCII)
_UNIQUE = re.compile(r"(?:AROA|AIDA)[A-Z0-9]{12,124}", re.ASCII)
# Three accounts without a digit in common: a pattern that pins a digit admits at most one of them.
_FRESH_DIGITS = ("987", "456", "123")
# Two organizations without a character in common.
_FRESH_ORGANIZATION_CHARS = ("q7w8e9r", "a1s2d3f")
_ENOUGH = 2
_LONGEST_SESSION_SECONDS = 43_200


class Shown(NamedTuple):
    """A request that proves a hole. `org_id` is the caller's organization, None where he has none or comes by a token."""

    witness: Witness
    account_id: str | None = None
    org_id: str | None = None


# A role of that name stands for every role that no policy has in mind.
_WHOEVER = "whichever-role-8f3a61"

# A session of GetFederationToken can call nothing of STS but GetCallerIdentity, by what its page says; nobody has proved it here.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
_FEDERATED_USER = Doubt(("a federated user's session",))

Answer = Shown | Doubt | None
"""A proof that a world gets in, what that depends on, or a proof that it does not."""


def first_shown(answers: Iterable[Answer]) -> Answer:
    """The first proof; else all that it depends on. Nothing after a proof is looked for."""
    doubts: list[str] = []
    for answer in answers:
        if isinstance(answer, Shown):
            return answer
        if answer is not None:
            doubts += answer.constructs
    return Doubt(tuple(dict.fromkeys(doubts))) if doubts else None


def shown_by(found: Found | Doubt | None, show: Callable[[Found], Shown | Doubt]) -> Answer:
    """What was found, as the request that it is."""
    return show(found) if isinstance(found, Found) else found


def trusted_tokens(dimension: str, patterns: tuple[Pattern, ...]) -> Placed:
    """Tokens of which this part fits one of the patterns."""
    return Placed(dimension, Test(absent=False, negated=False, patterns=patterns, unknown=False, construct="trusted tokens"))


class Gate:
    """A trust policy as the worlds see it: without the requests of `outside_of`, and of `inside_of` only, where that is given."""

    def __init__(
        self,
        document: Document,
        role: Role,
        ground: Ground,
        now: datetime,
        budget: Budget,
        *,
        outside_of: tuple[Where, ...] = (),
        inside_of: Where | None = None,
    ) -> None:
        self.document = document
        self.role = role
        self.ground = ground
        self.organization = ground.organization
        self.role_partition = ground.partition
        self.ours = ground.ours
        self.trusted = ground.trusted
        self.elsewhere = ground.elsewhere
        self.resource = ground.resource
        self.budget = budget
        self._outside_of = outside_of
        self._inside_of = inside_of
        asked = (each.key for statement in document.statements for each in statement.conditions)
        # A request says, too, what keeps it outside of what is accepted.
        accepted = (each.key for where in outside_of for each in where.conditions)
        self.keys = tuple(dict.fromkeys((*asked, *(variables_of(document) if has_variables(document) else ()), *accepted)))
        self.also = _from_now_on(int(now.timestamp())) if any(each.lower() in TIME_KEYS for each in self.keys) else ()

    def asking_for(self, keys: Iterable[str]) -> "Gate":
        """The same gate, whose requests say these keys, too."""
        asking = copy(self)
        asking.keys = tuple(dict.fromkeys((*self.keys, *keys)))
        return asking

    @cached_property
    def named(self) -> tuple[str, ...]:
        """Accounts that the policy writes down."""
        return tuple(dict.fromkeys(found for text in self._texts for found in _ACCOUNT.findall(text)))

    @cached_property
    def unique_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(found for text in self._texts for found in _UNIQUE.findall(text)))

    @cached_property
    def fresh_accounts(self) -> tuple[str, ...]:
        """Accounts that nobody has heard of."""
        taken = {*self.ours, *self.trusted, *self.named}
        return tuple(_fresh_account(digits, taken) for digits in _FRESH_DIGITS)

    @cached_property
    def fresh_organizations(self) -> tuple[str, ...]:
        taken = {*(found for text in self._texts for found in _ORG.findall(text)), self.organization.id}
        return tuple(_fresh_organization(chars, taken) for chars in _FRESH_ORGANIZATION_CHARS)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(_texts(self.document))

    @staticmethod
    def _regions(wheres: tuple[Where, ...], callers: Callers, *, taken_out: bool) -> tuple[Region, ...]:
        """Where these requests lie, for these callers."""
        regions: list[Region] = []
        for where in wheres:
            for principal in where.principals or (Principal("*", "*"),):
                admitted = callers.admits(principal)
                if admitted is not None:
                    regions.append((*admitted, *region_of(where, callers, taken_out=taken_out)))
        return tuple(regions)

    def find(self, statement: Statement, principal: Principal, callers: Callers, within: Region = ()) -> Found | Doubt | None:
        """A request of these callers that the statement lets in by this principal, from now on and in that region. Raises OutOfBudget."""
        outside = self._regions(self._outside_of, callers, taken_out=True) if self._outside_of else ()
        if self._inside_of is None:
            return find_request(self.document, statement, principal, callers, self.budget, (*self.also, *within), outside)
        doubt: Found | Doubt | None = None
        for region in self._regions((self._inside_of,), callers, taken_out=False):
            also = (*self.also, *within, *region)
            found = find_request(self.document, statement, principal, callers, self.budget, also, outside)
            if isinstance(found, Found):
                return found
            doubt = doubt or found
        return doubt

    def is_unlisted(self, issuer: str) -> bool:
        """The organization says which issuers it trusts, and this is none of them: then not even a subject that is spelled out is trusted.

        A cluster's issuer is not expected in the list: there are many, they come and go, and who adds its provider to the account has
        chosen it. Whose cluster it is, is not known (docs/limits.md).
        """
        return bool(self.organization.oidc) and not is_cluster(issuer)

    # AWS principals

    def foreign(self, statement: Statement, principal: Principal) -> Answer:
        """Any principal of an account that is neither ours nor trusted, in any organization but ours."""
        named = account_of_principal(principal.value) if principal.type == "AWS" else None
        if named is not None and (named in self.ours or named in self.trusted):
            return None
        return self._aws(statement, principal, self.elsewhere, account_id=named)

    def anybody(self, statement: Statement, principal: Principal) -> Answer:
        """An account that nobody has heard of, in no organization or in one that nobody has heard of."""
        if principal.value != "*":
            return None
        answer = self._unheard_of(statement, principal, (NO_ORGANIZATION,))
        if isinstance(answer, Shown):
            return answer
        return self._unheard_of(statement, principal, tuple(map(one_organization, self.fresh_organizations))) or answer

    def pinned_organization(self, statement: Statement, principal: Principal) -> Answer:
        """An account that nobody has heard of, in an organization that the policy picks out and that is not ours."""
        if principal.value != "*":
            return None
        return self._unheard_of(statement, principal, (self.elsewhere,))

    def _unheard_of(self, statement: Statement, principal: Principal, organizations: tuple[Organizations, ...]) -> Answer:
        shown: list[Shown] = []
        doubts: list[Doubt] = []
        for account_id in self.fresh_accounts:
            answers = [self._aws(statement, principal, each, account_id=account_id) for each in organizations]
            if all(isinstance(each, Shown) for each in answers):
                shown += [each for each in answers[:1] if isinstance(each, Shown)]
            elif all(answers):
                doubts += [each for each in answers if isinstance(each, Doubt)]
            if len(shown) >= _ENOUGH:
                return shown[0]
        return doubts[0] if doubts and len(shown) + len(doubts) >= _ENOUGH else None

    def any_principal(self, statement: Statement, principal: Principal, account_id: str) -> Answer:
        """Whichever principal of this account, none that the policy names."""
        named = account_of_principal(principal.value) if principal.type == "AWS" else None
        if named is not None and named != account_id:
            return None
        whoever = Condition("StringEquals", "aws:PrincipalArn", (role_arn(account_id, _WHOEVER, partition=self.role_partition),))
        organizations = self._organizations_of(account_id)
        return self._aws(statement, principal, organizations, account_id=account_id, forms=("role",), within=Where((), (whoever,)))

    def _organizations_of(self, account_id: str) -> Organizations:
        is_ours = account_id in self.ours and self.organization.id is not None
        return one_organization(self.organization.id or "") if is_ours else self.elsewhere

    def of_account(self, statement: Statement, principal: Principal, account_id: str, rule: CustomRule) -> Answer:
        """A principal of this account whose request lies in the rule's world."""
        forms: tuple[Form, ...] = FORMS[:2] if rule.form is None else (rule.form,)
        organizations = self._organizations_of(account_id)
        return self._aws(statement, principal, organizations, account_id=account_id, forms=forms, within=rule.where)

    def vendor(self, statement: Statement, principal: Principal, account_id: str) -> Answer:
        """A trusted account that acts for somebody else: without an external ID, or with one that is not spelled out here."""
        named = account_of_principal(principal.value) if principal.type == "AWS" else None
        if named is not None and named != account_id:
            return None
        taken = spelled_out(statement, self.document, EXTERNAL_ID)
        return self._aws(
            statement,
            principal,
            self.elsewhere,
            account_id=account_id,
            external_ids_taken=taken,
            absent=("sts:ExternalId",),
        )

    def _aws(
        self,
        statement: Statement,
        principal: Principal,
        organizations: Organizations,
        *,
        account_id: str | None = None,
        external_ids_taken: tuple[str, ...] = (),
        absent: tuple[str, ...] = (),
        forms: tuple[Form, ...] = FORMS,
        within: Where | None = None,
    ) -> Answer:
        if account_id is not None:
            accounts = Accounts(account_id)
        else:
            accounts = Accounts(None, self.ours | self.trusted, (*self.fresh_accounts[:1], *self.named))

        def answer(form: Form) -> Answer:
            callers = aws_callers(
                self.resource, form, organizations, accounts, unique_ids=self.unique_ids, external_ids_taken=external_ids_taken
            )
            found = self.find(statement, principal, callers, () if within is None else region_of(within, callers))
            if form == "federated-user":
                return shown_by(found, lambda _: _FEDERATED_USER)
            return shown_by(found, lambda found: self.aws_shown(found, form, callers, absent))

        return first_shown(map(answer, forms))

    def aws_shown(self, found: Found, form: Form, callers: Callers, absent: tuple[str, ...]) -> Shown | Doubt:
        arn = text_of(found, CALLER)
        account_id = arn.split(":")[4]
        name = arn.rsplit("/", 1)[-1]
        principal = arn
        context: dict[str, str | tuple[str, ...]] = {"aws:PrincipalArn": arn, "aws:PrincipalAccount": account_id}
        user_id = text_of(found, USER_ID)
        if form == "role":
            session = (user_id or ":any").split(":", 1)[1]
            principal = f"arn:{self.resource.partition}:sts::{account_id}:assumed-role/{name}/{session}"
        org_path = text_of(found, ORGANIZATION) or None
        org_id = None if org_path is None else org_path.split("/", 1)[0]
        if org_path is not None and org_id is not None:
            context["aws:PrincipalOrgID"] = org_id
            context["aws:PrincipalOrgPaths"] = (org_path,)
        missing = [each for each in absent if found.values.get(each.lower()) is None]
        derived = {"aws:username": name} if form == "user" else {}
        self.fill(found, callers, context, missing, derived)
        tags = tuple(each.partition("/")[2] for each in context if each.startswith("aws:RequestTag/"))
        if tags:
            if "aws:tagkeys" in found.values:
                return Doubt(("aws:TagKeys together with aws:RequestTag",))
            context["aws:TagKeys"] = tags
            missing = [each for each in missing if each.lower() != "aws:tagkeys"]
        witness = Witness(principal, "AWS", ASSUME_ROLE, context, tuple(missing))
        return Shown(witness, account_id, org_id)

    def fill(
        self,
        found: Found,
        callers: Callers,
        context: dict[str, str | tuple[str, ...]],
        missing: list[str],
        derived: Mapping[str, str],
    ) -> None:
        """Give every key that the policy asks about a value, or list it as missing."""
        known = {each.lower() for each in (*context, *missing)}
        for key in self.keys:
            name = key.lower()
            if name in known:
                continue
            known.add(name)
            asked = callers.key_of(name)
            value: int | str | tuple[str, ...] | None
            if name in derived:
                value = derived[name]
            elif asked.dimension in {CALLER, ORGANIZATION, PROVIDER}:
                value = None
            elif asked.dimension in found.values:
                value = found.values[asked.dimension]
            else:
                unasked = callers.solve(asked.dimension, (), self.budget)
                value = unasked.content if isinstance(unasked, Value) else None
            if value is None:
                missing.append(spelled(key))
            elif isinstance(value, int):
                context[spelled(key)] = str(value) if asked.write is None else asked.write(value)
            else:
                context[spelled(key)] = value


def federated_shown(gate: Gate, found: Found, provider: str, callers: Callers, action: str) -> Shown:
    """The request of somebody whom a provider signs in."""
    context: dict[str, str | tuple[str, ...]] = {}
    issuer = issuer_of(Principal("Federated", provider)) or ""
    for key in callers.required:
        content = found.values.get(key)
        if isinstance(content, str | tuple):
            host, _, claim = key.rpartition(":")
            context[f"{issuer}:{claim}" if host == issuer.lower() else spelled(key)] = content
    missing: list[str] = []
    gate.fill(found, callers, context, missing, {})
    return Shown(Witness(provider, "Federated", action, context, tuple(missing)))


def region_of(where: Where, callers: Callers, *, taken_out: bool = False) -> Region:
    """Where these requests lie, for these callers."""
    statement = Statement(0, None, "Allow", (), None, (), None, None, None, where.conditions)
    return conditions_of(Document(VERSION_2012, None, (statement,)), statement, callers, taken_out=taken_out)


def text_of(found: Found, dimension: str) -> str:
    """Empty where the key is missing."""
    content = found.values.get(dimension)
    return content if isinstance(content, str) else ""


@lru_cache(maxsize=8)
def _from_now_on(now: int) -> Region:
    """Whatever is asked happens now or later, with a session that was opened at most twelve hours ago."""

    def since(start: int) -> Test:
        return Test(absent=True, negated=False, patterns=(), unknown=False, construct="time", spans=(Span(start, FAR),))

    return (Placed(TIME, since(now)), Placed("aws:tokenissuetime", since(now - _LONGEST_SESSION_SECONDS)))


def _fresh_account(digits: str, taken: set[str]) -> str:
    """`999988887777` for 987, or the next that is not taken."""
    first = "".join(each * 4 for each in digits)
    if first not in taken:
        return first
    return next(account for each in product(digits, repeat=12) if (account := "".join(each)) not in taken)


def _fresh_organization(chars: str, taken: Container[str | None]) -> str:
    return next(org_id for each in product(chars, repeat=10) if (org_id := f"o-{''.join(each)}") not in taken)


def _texts(document: Document) -> Iterator[str]:
    for statement in document.statements:
        for principal in statement.principals or ():
            yield principal.value
        for condition in statement.conditions:
            yield from condition.values
