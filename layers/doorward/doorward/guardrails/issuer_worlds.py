"""Worlds of issuers besides GitHub: tenants that nobody trusts, pods of a cluster, identities of Amazon Cognito."""

from collections.abc import Iterator

from doorward.guardrails.worlds import Answer, Gate, federated_shown, first_shown, shown_by, trusted_tokens
from doorward.guardrails.written import positive_values, spelled_out
from doorward.iam.documents import Principal, Statement
from doorward.iam.issuers import SHARED, cognito_callers, issuer_callers, profile_of
from doorward.iam.names import COGNITO, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.search import Doubt, Found, glob, matches_action
from doorward.iam.sets import Pattern, literal, pattern
from doorward.iam.tokens import Tokens, unnamed_web_identities
from doorward.organization.model import TrustedIssuer

type _Known = tuple[tuple[str, ...], tuple[str, ...]]


def strange_subject(gate: Gate, statement: Statement, principal: Principal, issuer: str) -> Answer:
    """A token whose tenant is not trusted: by the organization's list, or where it has none by what the policy spells out.

    Of issuers that are not described in `iam.issuers`, whose subjects may be any text, this proves only emptiness.
    """
    listed = gate.organization.issuer(issuer)
    if listed is not None:
        trusted = tuple(pattern(glob(each)) for each in listed.subjects)
        worlds = [Tokens(subjects_excluded=trusted, claims_excluded=claims) for claims in _claims_missed(listed)]
        return _search(gate, statement, principal, issuer, worlds)
    profile = profile_of(issuer)
    if profile is None:
        subjects = tuple(map(literal, spelled_out(statement, gate.document, f"{issuer}:sub")))
    else:
        values = [value for key, value in positive_values(statement, gate.document) if key == f"{issuer}:sub".lower()]
        subjects = tuple(each for value in values for each in profile.tenant_of(value))
    found = _search(gate, statement, principal, issuer, [Tokens(subjects_excluded=subjects)])
    if found is None and gate.is_unlisted(issuer):
        # Somebody is admitted, whose tenant the policy spells out and the organization's list does not.
        admitted = _search(gate, statement, principal, issuer, [Tokens()])
        return None if admitted is None else Doubt((_unlisted(issuer),))
    return found


def is_of_issuer_alone(doubt: Doubt, issuer: str) -> bool:
    """Whether all that leaves `strange_subject` undecided is whose tokens the issuer's are."""
    return {_unlisted(issuer), _unasked(issuer)}.issuperset(doubt.constructs)


def _unlisted(issuer: str) -> str:
    return f"subjects of {issuer} that trusted.oidc does not list"


def _unasked(issuer: str) -> str:
    return f"tokens of {issuer}"


def stray_audience(gate: Gate, statement: Statement, principal: Principal, issuer: str) -> Answer:
    """A token of a trusted subject that was made for another audience, where the organization lists the audiences."""
    listed = gate.organization.issuer(issuer)
    if listed is None or not listed.audiences or not listed.subjects:
        return None
    subjects = trusted_tokens(f"{issuer}:sub".lower(), tuple(pattern(glob(each)) for each in listed.subjects))
    tokens = Tokens(audiences_excluded=tuple(map(literal, listed.audiences)), base=(subjects,))
    return _search(gate, statement, principal, issuer, [tokens])


def strange_pool(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """An identity, signed in or not, of an identity pool that is neither listed nor spelled out."""
    pools = gate.organization.cognito or spelled_out(statement, gate.document, f"{COGNITO}:aud")
    # An identity belongs to one pool.
    identities = spelled_out(statement, gate.document, f"{COGNITO}:sub")
    return _cognito(gate, statement, principal, (pools, identities), guests=(False, True))


def guest(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """Somebody who has not signed in anywhere."""
    return _cognito(gate, statement, principal, ((), ()), guests=(True,))


def _cognito(gate: Gate, statement: Statement, principal: Principal, known: _Known, guests: tuple[bool, ...]) -> Answer:
    """`known`: pools and identities that are no stranger's."""

    def answer(guest: bool) -> Answer:
        callers = cognito_callers(gate.resource, *known, guest=guest, provider=principal.value)
        found = gate.find(statement, principal, callers)
        return shown_by(found, lambda found: federated_shown(gate, found, principal.value, callers, WITH_WEB_IDENTITY))

    return first_shown(map(answer, guests))


def _search(gate: Gate, statement: Statement, principal: Principal, issuer: str, worlds: list[Tokens]) -> Answer:
    is_certain = profile_of(issuer) is not None or (issuer in SHARED and not _is_asked(statement, issuer.lower()))

    def answer(tokens: Tokens) -> Answer:
        callers = issuer_callers(gate.resource, principal.value, issuer, tokens)
        found = gate.find(statement, principal, callers)
        if isinstance(found, Found) and not is_certain:
            return Doubt((_unasked(issuer),))
        return shown_by(found, lambda found: federated_shown(gate, found, principal.value, callers, WITH_WEB_IDENTITY))

    return first_shown(map(answer, worlds))


def _is_asked(statement: Statement, host: str) -> bool:
    """Whether the statement asks for anything that the issuer says, but for what every token has, and whatever it is."""
    return any(
        each.key.lower().startswith(f"{host}:")
        and not (each.key.lower() in {f"{host}:sub", f"{host}:aud"} and each.operator.lower() == "stringlike" and "*" in each.values)
        for each in statement.conditions
    )


def _claims_missed(issuer: TrustedIssuer) -> Iterator[tuple[tuple[str, tuple[Pattern, ...]], ...]]:
    if not issuer.claims:
        yield ()
    for claim, values in issuer.claims.items():
        yield ((claim.lower(), tuple(map(literal, values))),)


def unnamed_provider(gate: Gate, statement: Statement, principal: Principal) -> Doubt | None:
    """`{"AWS": "*"}` where the statement also allows the calls that only bearers of tokens and assertions make."""
    for action in (WITH_WEB_IDENTITY, WITH_SAML):
        if matches_action(statement, action):
            found = gate.find(statement, principal, unnamed_web_identities(gate.resource, action))
            if isinstance(found, Doubt):
                return Doubt(found.constructs[:1])
    return None
