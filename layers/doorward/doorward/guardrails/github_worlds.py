"""Worlds of GitHub Actions: workflows of strangers, and tokens that were made for something else."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from doorward.findings.model import Witness
from doorward.guardrails.setting import Ground
from doorward.guardrails.worlds import Answer, Gate, Shown, first_shown, shown_by, text_of, trusted_tokens
from doorward.guardrails.written import is_open, positive_values
from doorward.iam.callers import Resource
from doorward.iam.documents import Document, Principal, Statement
from doorward.iam.github import github_callers
from doorward.iam.names import DEFAULT_AUDIENCE, GITHUB, WITH_WEB_IDENTITY
from doorward.iam.search import Callers, Doubt, Found, Placed, Region, glob, ignoring_case
from doorward.iam.sets import Pattern, Wild, literal, pattern
from doorward.iam.tokens import Tokens
from doorward.organization.model import TrustedIssuer
from doorward.values import NamedTuple

_REPO = "repo:"
_IDS = ("repository_owner_id", "repository_id", "enterprise_id")
_RUN = Wild(many=True)
# Of an owner or a repository, and not of what follows: a branch may be called a@4711/b.
_SEGMENT = Wild(many=True, barred="/:")


def stranger_token(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A workflow whose repository belongs to an owner that is not trusted."""
    provider = principal.value
    if gate.organization.issuer(GITHUB) is not None:
        return _search(gate, statement, provider, _listed(gate.ground, provider).strangers)
    tokens = Tokens() if gate.is_unlisted(GITHUB) else _strangers_of_unlisted(statement, gate.document)
    return _search(gate, statement, provider, _workflows(gate.resource, provider, (tokens,)))


def stray_audience(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A workflow that is trusted, with a token that was made for another audience."""
    provider = principal.value
    if gate.organization.issuer(GITHUB) is not None:
        return _search(gate, statement, provider, _listed(gate.ground, provider).stray)
    worlds = (_made_for_others((), base) for base in _trusted_of_unlisted(statement, gate.document))
    return _search(gate, statement, provider, _workflows(gate.resource, provider, worlds))


def pull_request(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A workflow that is trusted and runs for a pull request, which anybody with write access to a branch can open."""
    asked = trusted_tokens(f"{GITHUB}:sub", (pattern((*_REPO, Wild(many=True, barred=":"), *":pull_request")),))
    issuer = gate.organization.issuer(GITHUB)
    trusted = _trusted_of_listed(issuer) if issuer is not None else _trusted_of_unlisted(statement, gate.document)
    worlds = (Tokens(base=(*base, asked)) for base in trusted)
    return _search(gate, statement, principal.value, _workflows(gate.resource, principal.value, worlds))


class _Listed(NamedTuple):
    """Workflows as the organization's list has them: whom it does not trust, and whom it does, with tokens made for something else."""

    strangers: tuple[Callers, ...]
    stray: tuple[Callers, ...]


@lru_cache(maxsize=256)
def _listed(ground: Ground, provider: str) -> _Listed:
    """The same for every statement. Only where there is such a list."""
    issuer = ground.organization.issuer(GITHUB)
    assert issuer is not None  # noqa: S101 - as just said
    stray = (_made_for_others(issuer.audiences, base) for base in _trusted_of_listed(issuer))
    return _Listed(
        tuple(_workflows(ground.resource, provider, _strangers_of_listed(issuer))),
        tuple(_workflows(ground.resource, provider, stray)),
    )


def _made_for_others(audiences: tuple[str, ...], base: Region) -> Tokens:
    return Tokens(audiences_excluded=tuple(map(literal, audiences or (DEFAULT_AUDIENCE,))), base=base)


def _workflows(resource: Resource, provider: str, worlds: Iterable[Tokens]) -> Iterator[Callers]:
    return (github_callers(resource, provider, tokens, by_name=by_name) for tokens in worlds for by_name in (True, False))


def _search(gate: Gate, statement: Statement, provider: str, workflows: Iterable[Callers]) -> Answer:
    principal = Principal("Federated", provider)

    def answer(callers: Callers) -> Answer:
        found = gate.find(statement, principal, callers)
        return shown_by(found, lambda found: github_shown(gate, found, provider, callers))

    return first_shown(map(answer, workflows))


def github_shown(gate: Gate, found: Found, provider: str, callers: Callers) -> Shown | Doubt:
    """The request of a workflow. Claims that its subject tells as well agree with it."""
    subject = text_of(found, f"{GITHUB}:sub")
    context: dict[str, str | tuple[str, ...]] = {f"{GITHUB}:aud": text_of(found, f"{GITHUB}:aud"), f"{GITHUB}:sub": subject}
    missing: list[str] = []
    owner, repository = _owner_and_repository(subject)
    derived = {} if owner is None else {f"{GITHUB}:repository": f"{owner}/{repository}", f"{GITHUB}:repository_owner": owner}
    for claim in [each for each in derived if each in found.values]:
        told = derived.pop(claim)
        if found.values[claim] not in {None, told}:
            return Doubt((f"{claim} together with {GITHUB}:sub",))
    gate.fill(found, callers, context, missing, derived)
    return Shown(Witness(provider, "Federated", WITH_WEB_IDENTITY, context, tuple(missing)))


def _strangers_of_listed(issuer: TrustedIssuer) -> Iterator[Tokens]:
    """Tokens trusted neither by subject nor by claims. For each claim that is asked for, those that miss it."""
    subjects = tuple(pattern for each in issuer.subjects for pattern in subject_patterns(each))
    customised = tuple(pattern for each in issuer.subjects for pattern in _customised(each))
    owners = tuple(owner for each in issuer.subjects if (owner := _owner(each)) is not None and _whole_owner(each))
    if not issuer.claims:
        yield Tokens(subjects, owners_excluded=owners, customised_excluded=customised)
    for claim, values in issuer.claims.items():
        name = claim.lower()
        # These two are told by the subject as well.
        theirs = values if name == "repository_owner" else ()
        ids = _beginning_with(name, values) if name in _IDS else ()
        told = tuple(pattern for each in theirs for pattern in _owner_patterns(each))
        if name == "repository":
            told = tuple(pattern((*_REPO, *ignoring_case(each), ":", _RUN)) for each in values)
        yield Tokens(
            subjects_excluded=(*subjects, *told),
            claims_excluded=((name, tuple(map(literal, values))),),
            owners_excluded=(*owners, *theirs),
            customised_excluded=(*customised, *ids),
        )


def _trusted_of_listed(issuer: TrustedIssuer) -> Iterator[tuple[Placed, ...]]:
    patterns = tuple(pattern for each in issuer.subjects for pattern in (*subject_patterns(each), *_customised(each)))
    if patterns:
        yield (trusted_tokens(f"{GITHUB}:sub", patterns),)
    if issuer.claims:
        yield tuple(trusted_tokens(f"{GITHUB}:{claim.lower()}", tuple(map(literal, values))) for claim, values in issuer.claims.items())


def _strangers_of_unlisted(statement: Statement, document: Document) -> Tokens:
    """Nobody said which owners are trusted: then those are that this statement spells out."""
    owners, ids = _literal_owners(statement, document)
    subjects = [pattern for owner in owners for pattern in _owner_patterns(owner)]
    for claim, values in ids.items():
        for each in values:
            if claim == "repository_owner_id":
                subjects.append(pattern((*_REPO, _SEGMENT, "@", *each, "/", _RUN)))
            elif claim == "repository_id":
                subjects.append(pattern((*_REPO, _SEGMENT, "/", _SEGMENT, "@", *each, ":", _RUN)))
    return Tokens(
        subjects_excluded=tuple(subjects),
        claims_excluded=tuple((claim, tuple(map(literal, values))) for claim, values in ids.items()),
        owners_excluded=owners,
        customised_excluded=tuple(pattern for claim, values in ids.items() for pattern in _beginning_with(claim, values)),
    )


def _trusted_of_unlisted(statement: Statement, document: Document) -> Iterator[tuple[Placed, ...]]:
    owners, ids = _literal_owners(statement, document)
    if owners:
        yield (trusted_tokens(f"{GITHUB}:sub", tuple(pattern for owner in owners for pattern in _owner_patterns(owner))),)
    for claim, values in ids.items():
        if values:
            yield (trusted_tokens(f"{GITHUB}:{claim}", tuple(map(literal, values))),)


@lru_cache(maxsize=1024)
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


@lru_cache(maxsize=1024)
def _owner_patterns(owner: str) -> tuple[Pattern, ...]:
    name = ignoring_case(owner)
    return (
        pattern((*_REPO, *name, "/", _RUN)),
        pattern((*_REPO, *name, "@", _RUN)),
        pattern((_RUN, *"repository:", *name, "/", _RUN)),
        pattern((_RUN, *"repository_owner:", *name)),
        pattern((_RUN, *"repository_owner:", *name, ":", _RUN)),
    )


def _customised(trusted: str) -> tuple[Pattern, ...]:
    """Where an owner is trusted altogether, the subjects that he has customised to begin with his name."""
    owner = _owner(trusted)
    if owner is None or "@" in trusted or not _whole_owner(trusted):
        return ()
    name = ignoring_case(owner)
    heads = (("repository:", *name, "/", _RUN), ("repository_owner:", *name), ("repository_owner:", *name, ":", _RUN))
    return tuple(pattern((*head, *tail)) for head, *tail in heads)


def _beginning_with(claim: str, values: Iterable[str]) -> tuple[Pattern, ...]:
    """Customised subjects that begin with such a claim."""
    heads = [f"{claim}:{value}" for value in values]
    return (*map(literal, heads), *(pattern((*head, ":", _RUN)) for head in heads))


def _owner(subject: str) -> str | None:
    """The owner that a pattern on subjects spells out."""
    for head, end in ((_REPO, "/"), ("repository_owner:", ":"), ("repository:", "/")):
        if subject.startswith(head):
            owner = subject.removeprefix(head).partition(end)[0].partition("@")[0]
            return owner if owner and not is_open(owner) else None
    return None


def _whole_owner(subject: str) -> bool:
    """Everything of that owner is trusted, not only some repository or branch."""
    return subject.partition("/")[2] == "*" or subject.startswith("repository_owner:")


def _literal_owners(statement: Statement, document: Document) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Owners that the statement spells out, and ids of owners and repositories."""
    owners: list[str] = []
    ids: dict[str, list[str]] = {each: [] for each in _IDS}
    for key, value in positive_values(statement, document):
        claim = key.removeprefix(f"{GITHUB}:")
        if claim == "sub":
            owner = _owner(value)
            owners += [owner] if owner is not None else []
            head, _, rest = value.removeprefix(_REPO).partition("/")
            if value.startswith(_REPO):
                ids["repository_owner_id"] += _ids_of(head)
                ids["repository_id"] += _ids_of(rest.partition(":")[0])
            claim, _, rest = value.partition(":")
            if claim in ids and (number := rest.partition(":")[0]).isdigit():
                ids[claim].append(number)
        elif claim == "repository_owner":
            owners += [] if is_open(value) else [value]
        elif claim == "repository":
            owner = value.partition("/")[0]
            owners += [] if is_open(owner) else [owner]
        elif claim in ids and not is_open(value):
            ids[claim].append(value)
    return tuple(dict.fromkeys(owners)), {claim: tuple(dict.fromkeys(values)) for claim, values in ids.items()}


def _ids_of(part: str) -> list[str]:
    number = part.partition("@")[2]
    return [number] if number.isascii() and number.isdigit() else []


def _owner_and_repository(subject: str) -> tuple[str | None, str | None]:
    if not subject.startswith(_REPO):
        return None, None
    owner, _, repository = subject.removeprefix(_REPO).partition(":")[0].partition("/")
    return owner.partition("@")[0], repository.partition("@")[0]
