"""The worlds: sets of requests that no trust policy may allow, each as the callers that make it up.

What makes a stranger a stranger is here; what condition keys such a caller can have is in `iam.callers`; the rules only name worlds.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from doorward.findings.model import Witness
from doorward.guardrails.model import Role
from doorward.iam.arns import account_of_principal, parse_arn
from doorward.iam.callers import (
    ASSUME_ROLE,
    CALLER,
    EXTERNAL_ID,
    FORMS,
    GITHUB,
    NO_ORGANIZATION,
    ORGANIZATION,
    PROVIDER,
    TIME,
    USER_ID,
    WITH_SAML,
    WITH_WEB_IDENTITY,
    Accounts,
    Form,
    Organizations,
    Resource,
    Tokens,
    aws_callers,
    github_callers,
    issuer_callers,
    one_organization,
    organizations_other_than,
    spelled,
    unnamed_web_identities,
)
from doorward.iam.documents import VERSION_2012, Document, Principal, Statement
from doorward.iam.search import (
    Callers,
    Doubt,
    Found,
    Placed,
    Region,
    Test,
    Value,
    find_request,
    glob,
    has_variables,
    ignoring_case,
    matches_action,
    read_operator,
    variables_of,
)
from doorward.iam.sets import Budget, Pattern, Wild, literal, pattern
from doorward.iam.spans import FAR, Span, Spans, network, united
from doorward.organization.model import Organization, TrustedIssuer

_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])", re.ASCII)
_ORG = re.compile(r"o-[a-z0-9]{10,32}", re.ASCII)
_UNIQUE = re.compile(r"(?:AROA|AIDA)[A-Z0-9]{12,124}", re.ASCII)
# Three accounts without a digit in common: a pattern that pins a digit admits at most one of them.
_FRESH_DIGITS = ("987", "456", "123")
# Two organizations without a character in common.
_FRESH_ORGANIZATION_CHARS = ("q7w8e9r", "a1s2d3f")
_ENOUGH = 2
_CLUSTER = re.compile(r"oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/id/[0-9A-Z]{32}", re.ASCII)
_TIME_KEYS = frozenset({"aws:currenttime", "aws:epochtime", "aws:tokenissuetime"})
_LONGEST_SESSION_SECONDS = 43_200
_RUN = Wild(many=True)
DEFAULT_AUDIENCE = "sts.amazonaws.com"
_OIDC_PROVIDER = "oidc-provider/"
_SAML_PROVIDER = "saml-provider/"
_WEB_IDENTITY_NAMES = frozenset({"cognito-identity.amazonaws.com", "accounts.google.com", "www.amazon.com", "graph.facebook.com"})
_POSITIVE = frozenset({"stringequals", "stringequalsignorecase", "stringlike"})
_NEGATED = frozenset({"stringnotequals", "stringnotequalsignorecase", "stringnotlike"})
_REPO = "repo:"


class Shown(NamedTuple):
    """A request that proves a hole. `org_id` is the caller's organization, None where he has none or comes by a token."""

    witness: Witness
    account_id: str | None = None
    org_id: str | None = None


# A session of GetFederationToken can call nothing of STS but GetCallerIdentity, by what its page says; nobody has proved it here.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
_FEDERATED_USER = Doubt(("a federated user's session",))

Answer = Shown | Doubt | None
"""A proof that a world gets in, what that depends on, or a proof that it does not."""


class Gate:
    """One role's trust policy, as the worlds see it. Keeps what was solved, so it is made anew for every judgement."""

    def __init__(self, document: Document, role: Role, organization: Organization, now: datetime) -> None:
        self.document = document
        self.role = role
        self.organization = organization
        self.budget = Budget()
        ours = {role.account_id, *(each.id for each in organization.accounts)}
        if organization.management_account is not None:
            ours.add(organization.management_account)
        self.ours = frozenset(ours)
        self.trusted = frozenset(each.id for each in organization.trusted_accounts) - self.ours
        texts = list(_texts(document))
        self.named = tuple(dict.fromkeys(found for text in texts for found in _ACCOUNT.findall(text)))
        self.unique_ids = tuple(dict.fromkeys(found for text in texts for found in _UNIQUE.findall(text)))
        taken = {*self.ours, *self.trusted, *self.named}
        self.fresh_accounts = tuple(_fresh_account(digits, taken) for digits in _FRESH_DIGITS)
        orgs = {*(found for text in texts for found in _ORG.findall(text)), organization.id}
        self.fresh_organizations = tuple(_fresh_organization(chars, orgs) for chars in _FRESH_ORGANIZATION_CHARS)
        asked = (each.key for statement in document.statements for each in statement.conditions)
        self.keys = tuple(dict.fromkeys((*asked, *(variables_of(document) if has_variables(document) else ()))))
        self.resource = Resource(
            self.role_partition,
            role.account_id,
            organization.id,
            _addresses(organization.networks.cidrs),
            organization.networks.vpcs,
            organization.networks.vpce,
        )
        self.also = _from_now_on(int(now.timestamp())) if any(each.lower() in _TIME_KEYS for each in self.keys) else ()

    @property
    def role_partition(self) -> str:
        arn = parse_arn(self.role.arn)
        return self.organization.partition if arn is None else arn.partition

    # AWS principals

    def foreign(self, statement: Statement, principal: Principal) -> Answer:
        """Any principal of an account that is neither ours nor trusted, in any organization but ours."""
        named = account_of_principal(principal.value) if principal.type == "AWS" else None
        if named is not None and (named in self.ours or named in self.trusted):
            return None
        return self._aws(statement, principal, organizations_other_than(self.organization.id), account_id=named)

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
        return self._unheard_of(statement, principal, (organizations_other_than(self.organization.id),))

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

    def vendor(self, statement: Statement, principal: Principal, account_id: str) -> Answer:
        """A trusted account that acts for somebody else: without an external ID, or with one that is not spelled out here."""
        named = account_of_principal(principal.value) if principal.type == "AWS" else None
        if named is not None and named != account_id:
            return None
        taken = _spelled_out(statement, self.document, EXTERNAL_ID)
        return self._aws(
            statement,
            principal,
            organizations_other_than(self.organization.id),
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
    ) -> Answer:
        doubts: list[str] = []
        for form in FORMS:
            callers = aws_callers(
                self.resource,
                form,
                organizations,
                Accounts(account_id)
                if account_id is not None
                else Accounts(None, self.ours | self.trusted, (*self.fresh_accounts[:1], *self.named)),
                unique_ids=self.unique_ids,
                external_ids_taken=external_ids_taken,
            )
            found = find_request(self.document, statement, principal, callers, self.budget, self.also)
            if isinstance(found, Found):
                shown = self._aws_witness(found, form, callers, absent) if form != "federated-user" else _FEDERATED_USER
                if isinstance(shown, Shown):
                    return shown
                found = shown
            if found is not None:
                doubts += found.constructs
        return Doubt(tuple(dict.fromkeys(doubts))) if doubts else None

    def _aws_witness(self, found: Found, form: Form, callers: Callers, absent: tuple[str, ...]) -> Shown | Doubt:
        arn = _text(found, CALLER)
        account_id = arn.split(":")[4]
        name = arn.rsplit("/", 1)[-1]
        principal = arn
        context: dict[str, str | tuple[str, ...]] = {"aws:PrincipalArn": arn, "aws:PrincipalAccount": account_id}
        user_id = _text(found, USER_ID)
        if form == "role":
            session = (user_id or ":any").split(":", 1)[1]
            principal = f"arn:{self.resource.partition}:sts::{account_id}:assumed-role/{name}/{session}"
        org_path = _text(found, ORGANIZATION) or None
        org_id = None if org_path is None else org_path.split("/", 1)[0]
        if org_path is not None and org_id is not None:
            context["aws:PrincipalOrgID"] = org_id
            context["aws:PrincipalOrgPaths"] = (org_path,)
        missing = [each for each in absent if found.values.get(each.lower()) is None]
        derived = {"aws:username": name} if form == "user" else {}
        self._fill(found, callers, context, missing, derived)
        tags = tuple(each.partition("/")[2] for each in context if each.startswith("aws:RequestTag/"))
        if tags:
            if "aws:tagkeys" in found.values:
                return Doubt(("aws:TagKeys together with aws:RequestTag",))
            context["aws:TagKeys"] = tags
            missing = [each for each in missing if each.lower() != "aws:tagkeys"]
        witness = Witness(principal, "AWS", ASSUME_ROLE, context, tuple(missing))
        return Shown(witness, account_id, org_id)

    def _fill(
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

    # Web identities

    def stranger_token(self, statement: Statement, provider: str) -> Answer:
        """A workflow of GitHub Actions whose repository belongs to an owner that is not trusted."""
        issuer = self.organization.issuer(GITHUB)
        if issuer is not None:
            worlds = list(_strangers_of_listed(issuer))
        else:
            worlds = [Tokens() if self._is_unlisted(GITHUB) else _strangers_of_unlisted(statement, self.document)]
        return self._github(statement, provider, worlds)

    def stray_audience(self, statement: Statement, provider: str) -> Answer:
        """A workflow that is trusted, with a token that was made for another audience."""
        issuer = self.organization.issuer(GITHUB)
        audiences = tuple(map(literal, (issuer.audiences if issuer is not None else ()) or (DEFAULT_AUDIENCE,)))
        bases = _trusted_of_listed(issuer) if issuer is not None else _trusted_of_unlisted(statement, self.document)
        return self._github(statement, provider, [Tokens(audiences_excluded=audiences, base=base) for base in bases])

    def _github(self, statement: Statement, provider: str, worlds: Iterable[Tokens]) -> Answer:
        doubts: list[str] = []
        for tokens in worlds:
            for by_name in (True, False):
                callers = github_callers(self.resource, provider, tokens, by_name=by_name)
                found = find_request(self.document, statement, Principal("Federated", provider), callers, self.budget, self.also)
                if isinstance(found, Found):
                    shown = self._token_witness(found, provider, callers, GITHUB)
                    if isinstance(shown, Shown):
                        return shown
                    found = shown
                if found is not None:
                    doubts += found.constructs
        return Doubt(tuple(dict.fromkeys(doubts))) if doubts else None

    def other_issuer(self, statement: Statement, provider: str, issuer_name: str) -> Doubt | None:
        """Tokens of any other issuer: never a proof that somebody comes in, since its subjects are not known in detail."""
        issuer = self.organization.issuer(issuer_name)
        if issuer is not None:
            worlds = [
                Tokens(subjects_excluded=tuple(pattern(glob(each)) for each in issuer.subjects), claims_excluded=claims)
                for claims in _claims_missed(issuer)
            ]
        else:
            spelled_out = () if self._is_unlisted(issuer_name) else _spelled_out(statement, self.document, f"{issuer_name}:sub")
            worlds = [Tokens(subjects_excluded=tuple(map(literal, spelled_out)))]
        constructs: list[str] = []
        for tokens in worlds:
            callers = issuer_callers(self.resource, provider, issuer_name, tokens)
            found = find_request(self.document, statement, Principal("Federated", provider), callers, self.budget, self.also)
            if isinstance(found, Doubt):
                constructs += found.constructs
            elif found is not None:
                constructs.append(f"tokens of {issuer_name}")
        return Doubt(tuple(dict.fromkeys(constructs))) if constructs else None

    def _is_unlisted(self, issuer_name: str) -> bool:
        """The organization says which issuers it trusts, and this is none of them: then not even a subject that is spelled out is trusted.

        A cluster's issuer is not expected in the list: there are many, they come and go, and who adds its provider to the account has
        chosen it. Whose cluster it is, is not known (docs/limits.md).
        """
        return bool(self.organization.oidc) and not _CLUSTER.fullmatch(issuer_name)

    def unnamed_provider(self, statement: Statement, principal: Principal) -> Doubt | None:
        """`{"AWS": "*"}` where the statement also allows the calls that only bearers of tokens and assertions make."""
        for action in (WITH_WEB_IDENTITY, WITH_SAML):
            if matches_action(statement, action):
                found = find_request(
                    self.document, statement, principal, unnamed_web_identities(self.resource, action), self.budget, self.also
                )
                if isinstance(found, Doubt):
                    return Doubt(found.constructs[:1])
        return None

    def _token_witness(self, found: Found, provider: str, callers: Callers, issuer: str) -> Shown | Doubt:
        subject = _text(found, f"{issuer}:sub")
        audience = _text(found, f"{issuer}:aud")
        context: dict[str, str | tuple[str, ...]] = {f"{issuer}:aud": audience, f"{issuer}:sub": subject}
        missing: list[str] = []
        owner, repository = _owner_and_repository(subject)
        derived = {} if owner is None else {f"{issuer}:repository": f"{owner}/{repository}", f"{issuer}:repository_owner": owner}
        for claim in [each for each in derived if each in found.values]:
            told = derived.pop(claim)
            if found.values[claim] not in {None, told}:
                return Doubt((f"{claim} together with {issuer}:sub",))
        self._fill(found, callers, context, missing, derived)
        return Shown(Witness(provider, "Federated", WITH_WEB_IDENTITY, context, tuple(missing)))


def _text(found: Found, dimension: str) -> str:
    """Empty where the key is missing."""
    content = found.values.get(dimension)
    return content if isinstance(content, str) else ""


@lru_cache(maxsize=8)
def _addresses(cidrs: tuple[str, ...]) -> Spans:
    return united(block for each in cidrs if (block := network(each)) is not None)


def _from_now_on(now: int) -> Region:
    """Whatever is asked happens now or later, with a session that was opened at most twelve hours ago."""

    def since(start: int) -> Test:
        return Test(absent=True, negated=False, patterns=(), unknown=False, construct="time", spans=(Span(start, FAR),))

    return (Placed(TIME, since(now)), Placed("aws:tokenissuetime", since(now - _LONGEST_SESSION_SECONDS)))


def issuer_of(principal: Principal) -> str | None:
    """The issuer of a web identity provider, without `https://`; None for anything else, SAML providers too."""
    if principal.type != "Federated":
        return None
    if principal.value in _WEB_IDENTITY_NAMES:
        return principal.value
    arn = parse_arn(principal.value)
    if arn is None or arn.service != "iam" or not arn.resource.startswith(_OIDC_PROVIDER):
        return None
    return arn.resource.removeprefix(_OIDC_PROVIDER)


def is_saml(principal: Principal) -> bool:
    arn = parse_arn(principal.value) if principal.type == "Federated" else None
    return arn is not None and arn.service == "iam" and arn.resource.startswith(_SAML_PROVIDER)


# Strangers of GitHub


def _strangers_of_listed(issuer: TrustedIssuer) -> Iterator[Tokens]:
    """Tokens trusted neither by subject nor by claims. For each claim that is asked for, those that miss it."""
    subjects = tuple(pattern for each in issuer.subjects for pattern in subject_patterns(each))
    owners = tuple(owner for each in issuer.subjects if (owner := _owner(each)) is not None and _whole_owner(each))
    if not issuer.claims:
        yield Tokens(subjects, owners_excluded=owners)
    for claim, values in issuer.claims.items():
        name = claim.lower()
        # These two are told by the subject as well.
        theirs = values if name == "repository_owner" else ()
        told = tuple(pattern for each in theirs for pattern in _owner_patterns(each))
        if name == "repository":
            told = tuple(pattern((*_REPO, *ignoring_case(each), ":", _RUN)) for each in values)
        yield Tokens(
            subjects_excluded=(*subjects, *told),
            claims_excluded=((name, tuple(map(literal, values))),),
            owners_excluded=(*owners, *theirs),
        )


def _claims_missed(issuer: TrustedIssuer) -> Iterator[tuple[tuple[str, tuple[Pattern, ...]], ...]]:
    if not issuer.claims:
        yield ()
    for claim, values in issuer.claims.items():
        yield ((claim.lower(), tuple(map(literal, values))),)


def _trusted_of_listed(issuer: TrustedIssuer) -> Iterator[tuple[Placed, ...]]:
    patterns = tuple(pattern for each in issuer.subjects for pattern in subject_patterns(each))
    if patterns:
        yield (_one_of(f"{GITHUB}:sub", patterns),)
    if issuer.claims:
        yield tuple(_one_of(f"{GITHUB}:{claim.lower()}", tuple(map(literal, values))) for claim, values in issuer.claims.items())


def _strangers_of_unlisted(statement: Statement, document: Document) -> Tokens:
    """Nobody said which owners are trusted: then those are that this statement spells out."""
    owners, ids = _literal_owners(statement, document)
    subjects = [pattern for owner in owners for pattern in _owner_patterns(owner)]
    for claim, values in ids.items():
        for each in values:
            if claim == "repository_owner_id":
                subjects.append(pattern((*_REPO, _RUN, "@", *each, "/", _RUN)))
            elif claim == "repository_id":
                subjects.append(pattern((*_REPO, _RUN, "/", _RUN, "@", *each, ":", _RUN)))
    return Tokens(
        subjects_excluded=tuple(subjects),
        claims_excluded=tuple((claim, tuple(map(literal, values))) for claim, values in ids.items()),
        owners_excluded=owners,
    )


def _trusted_of_unlisted(statement: Statement, document: Document) -> Iterator[tuple[Placed, ...]]:
    owners, ids = _literal_owners(statement, document)
    if owners:
        yield (_one_of(f"{GITHUB}:sub", tuple(pattern for owner in owners for pattern in _owner_patterns(owner))),)
    for claim, values in ids.items():
        if values:
            yield (_one_of(f"{GITHUB}:{claim}", tuple(map(literal, values))),)


def _one_of(dimension: str, patterns: tuple[Pattern, ...]) -> Placed:
    return Placed(dimension, Test(absent=False, negated=False, patterns=patterns, unknown=False, construct="trusted tokens"))


def subject_patterns(trusted: str) -> tuple[Pattern, ...]:
    """A trusted subject as patterns: as written, and where it names an owner without ids, that owner's immutable subjects too.

    GitHub's names compare without case.
    """
    head, slash, rest = trusted.removeprefix(_REPO).partition("/")
    if not trusted.startswith(_REPO) or not slash:
        return (pattern(glob(trusted)),)
    repository, colon, context = rest.partition(":")
    written = pattern((*_REPO, *_without_case(head), "/", *_without_case(repository), *colon, *glob(context)))
    if "@" in head or "@" in repository:
        return (written,)
    an_id = ("@", Wild(many=True, barred="/:"))
    owner = (*_REPO, *_without_case(head, barred="/:"), *an_id, "/")
    if not colon:
        return (written, pattern((*owner, *_without_case(repository))))
    return (written, pattern((*owner, *_without_case(repository, barred="/:"), *an_id, ":", *glob(context))))


def _without_case(text: str, barred: str = "") -> tuple[str | Wild, ...]:
    return tuple(token for each in text for token in (glob(each, barred=barred) if each in "*?" else ignoring_case(each)))


def _owner_patterns(owner: str) -> tuple[Pattern, ...]:
    name = ignoring_case(owner)
    return (
        pattern((*_REPO, *name, "/", _RUN)),
        pattern((*_REPO, *name, "@", _RUN)),
        pattern((_RUN, *"repository:", *name, "/", _RUN)),
        pattern((_RUN, *"repository_owner:", *name)),
        pattern((_RUN, *"repository_owner:", *name, ":", _RUN)),
    )


def _owner(subject: str) -> str | None:
    """The owner that a pattern on subjects spells out."""
    for head, end in ((_REPO, "/"), ("repository_owner:", ":"), ("repository:", "/")):
        if subject.startswith(head):
            owner = subject.removeprefix(head).partition(end)[0].partition("@")[0]
            return owner if owner and not _is_open(owner) else None
    return None


def _whole_owner(subject: str) -> bool:
    """Everything of that owner is trusted, not only some repository or branch."""
    return subject.partition("/")[2] == "*" or subject.startswith("repository_owner:")


def _literal_owners(statement: Statement, document: Document) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Owners that the statement spells out, and ids of owners and repositories."""
    owners: list[str] = []
    ids: dict[str, list[str]] = {"repository_owner_id": [], "repository_id": [], "enterprise_id": []}
    for key, value in _positive_values(statement, document):
        claim = key.removeprefix(f"{GITHUB}:")
        if claim == "sub":
            owner = _owner(value)
            owners += [owner] if owner is not None else []
            head, _, rest = value.removeprefix(_REPO).partition("/")
            if value.startswith(_REPO):
                ids["repository_owner_id"] += _ids_of(head)
                ids["repository_id"] += _ids_of(rest.partition(":")[0])
        elif claim == "repository_owner":
            owners += [] if _is_open(value) else [value]
        elif claim == "repository":
            owner = value.partition("/")[0]
            owners += [] if _is_open(owner) else [owner]
        elif claim in ids and not _is_open(value):
            ids[claim].append(value)
    return tuple(dict.fromkeys(owners)), {claim: tuple(dict.fromkeys(values)) for claim, values in ids.items()}


def _ids_of(part: str) -> list[str]:
    number = part.partition("@")[2]
    return [number] if number.isascii() and number.isdigit() else []


def _positive_values(statement: Statement, document: Document) -> Iterator[tuple[str, str]]:
    """Values that a caller must have one of, by key in lower case: asked for by the statement, or spared by a Deny."""
    for each in document.statements:
        if each.effect == "Allow" and each is not statement:
            continue
        names = _POSITIVE if each.effect == "Allow" else _NEGATED
        for condition in each.conditions:
            operator = read_operator(condition.operator)
            if operator is None or operator.name not in names:
                continue
            for value in condition.values:
                if document.version != VERSION_2012 or "${" not in value:
                    yield condition.key.lower(), value


def _spelled_out(statement: Statement, document: Document, key: str) -> tuple[str, ...]:
    return tuple(value for name, value in _positive_values(statement, document) if name == key.lower() and not _is_open(value))


def _is_open(text: str) -> bool:
    return "*" in text or "?" in text


def _owner_and_repository(subject: str) -> tuple[str | None, str | None]:
    if not subject.startswith(_REPO):
        return None, None
    owner, _, repository = subject.removeprefix(_REPO).partition(":")[0].partition("/")
    return owner.partition("@")[0], repository.partition("@")[0]


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
