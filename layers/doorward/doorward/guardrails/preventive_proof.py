"""What the preventive twins do, shown request by request by the concrete evaluator, before anybody attaches them.

1. For each guardrail, trust policies that break it. The judge says who comes in by them; where it knows no rule for it yet, the request is
   made up here. Without the twin the evaluator must allow that request, or it proves nothing; with the twin a statement of the twin must
   deny it.
2. Requests that must go on working, each by a trust policy that admits it: none of them may be denied.
3. Where the judge has a rule for it, the widest trust policy is judged once more with the twin's statements in it. If nobody comes in any
   more, the twin is `closed`: it refuses every request that the guardrail forbids, not only those that were tried.

Only where 1 and 2 hold is a twin proved.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from doorward.findings.model import Judgement, Verdict, Witness
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.preventive import (
    OIDC_UNLISTED_ISSUER,
    OTHER_WRITES,
    TRUST_WRITERS,
    TRUST_WRITES,
    Policy,
    Twin,
    audiences_of,
    claim_of,
    compact,
    documents,
    globs_of,
    remedy_role,
)
from doorward.guardrails.rules import (
    COGNITO_GUEST,
    COGNITO_UNSCOPED_POOL,
    EXTERNAL_ACCOUNT,
    OIDC_UNSCOPED_AUDIENCE,
    OIDC_UNSCOPED_SUBJECT,
    OUTSIDE_ORGANIZATION,
    SERVICE_FOREIGN_SOURCE,
    VENDOR_WITHOUT_EXTERNAL_ID,
    WORLD_ASSUMABLE,
)
from doorward.iam.documents import VERSION_2012, parse_document
from doorward.iam.evaluate import Decision, Policies, Request, evaluate
from doorward.iam.matching import matches_glob
from doorward.iam.names import ASSUME_ROLE, COGNITO, GITHUB, WITH_SAML, WITH_WEB_IDENTITY
from doorward.organization.model import Organization, TrustedIssuer
from doorward.values import NamedTuple

_LAYERS: Mapping[Policy, str] = {"rcp": "resource_control_policies", "scp": "service_control_policies"}
_OUTSIDERS = (WORLD_ASSUMABLE.id, EXTERNAL_ACCOUNT.id, OUTSIDE_ORGANIZATION.id)
_SOME_MEMBER = "777788889999"
_STRANGERS = ("999988887777", "888899990000", "999900001111")
_STRANGE_ORGANIZATIONS = ("o-q7w8e9rq7w", "o-a1s2d3fa1s")
_STRANGE_POOLS = ("eu-west-1:9b8a7c6d-1e2f-4a3b-8c9d-5e6f7a8b9c0d", "eu-west-1:0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d")
_A_SERVICE = "scheduler.amazonaws.com"
_PROVES_NOTHING = "is not allowed even without the policy, so it proves nothing"
_STRANGE_SUBJECTS = ("repo:stranger/any:ref:refs/heads/main", "stranger", "x")
_EVERYTHING = parse_document({"Version": VERSION_2012, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})

type Context = dict[str, str | tuple[str, ...]]


class Probe(NamedTuple):
    """A request, and the trust policy that admits it; None where the request does not assume a role."""

    says: str
    request: Request
    trust_policy: Mapping[str, Any] | None


class _Tried(NamedTuple):
    """A request that must go on: whether it does without the policies, and which statements would stop it."""

    says: str
    is_allowed: bool
    stopped_by: frozenset[str]


class Proof(NamedTuple):
    """`denied`: what the twin was seen to deny. `faults`: sentences, each of which alone means not proved.

    `closed` None: not decided. `remaining`: what is known to pass in spite of the twin.
    """

    denied: tuple[Probe, ...]
    allowed: int
    faults: tuple[str, ...]
    closed: bool | None
    remaining: str | None

    @property
    def is_proved(self) -> bool:
        return bool(self.denied) and not self.faults


def prove(found: Iterable[Twin], organization: Organization, deployers: tuple[str, ...], *, now: datetime) -> dict[str, Proof]:
    """By guardrail, for each that has a twin. All are in place together, as they would be. Pure; `now` is the time of the requests."""
    exported = [each for each in found if each.statements]
    bench = _Bench(organization, exported, deployers, now)
    friends = {policy: [bench.try_friend(each, policy) for each in bench.friends(policy)] for policy in {each.policy for each in exported}}
    return {each.rule: bench.prove(each, friends[each.policy]) for each in exported}


class _Bench:
    """An organization, the policies in place, and a role of a member account that everything is tried on."""

    def __init__(self, organization: Organization, exported: list[Twin], deployers: tuple[str, ...], now: datetime) -> None:
        self._organization = organization
        self._deployers = deployers
        self._now = now
        self._names = {each.rule for each in exported}
        self._rcps = tuple(parse_document(compact(each)) for each in documents(exported, "rcp"))
        self._scps = tuple(parse_document(compact(each)) for each in documents(exported, "scp"))
        members = [each.id for each in organization.accounts if each.id != organization.management_account]
        self._account = members[0] if members else _SOME_MEMBER
        taken = {*(each.id for each in organization.accounts), *(each.id for each in organization.trusted_accounts)}
        self._stranger = next(each for each in _accounts() if each not in taken and each != self._account)
        self._strange_organization = next(each for each in _STRANGE_ORGANIZATIONS if each != organization.id)

    def try_friend(self, probe: Probe, policy: Policy) -> _Tried:
        return _Tried(probe.says, self._passes(probe), self._stopped_by(probe, policy))

    def prove(self, twin: Twin, friends: list[_Tried]) -> Proof:
        faults: list[str] = []
        denied: list[Probe] = []
        for probe in self._bad(twin.rule):
            fault = self._fault_of_bad(probe, twin)
            if fault is None:
                denied.append(probe)
            else:
                faults.append(f"{probe.says}: {fault}")
        if not denied and not faults:
            faults.append("no request was found that it would have to deny")
        sids = _sids(twin)
        for friend in friends:
            stopped = sorted(friend.stopped_by & sids)
            if stopped:
                faults.append(f"{friend.says}: would be denied by {', '.join(stopped)}")
            elif not friend.is_allowed:
                faults.append(f"{friend.says}: {_PROVES_NOTHING}")
        closed, why = self._search(twin)
        remaining = None if closed else twin.remaining or why
        return Proof(tuple(denied), len(friends), tuple(faults), closed, remaining)

    def _fault_of_bad(self, probe: Probe, twin: Twin) -> str | None:
        if not self._passes(probe):
            return _PROVES_NOTHING
        return None if self._stopped_by(probe, twin.policy) & _sids(twin) else "is not denied"

    def _passes(self, probe: Probe) -> bool:
        return self._decide(probe, in_place=False).outcome == "allowed"

    def _stopped_by(self, probe: Probe, policy: Policy) -> frozenset[str]:
        """Sids of the statements of this kind of policy that deny it."""
        decision = self._decide(probe, in_place=True)
        if decision.outcome != "explicitly_denied":
            return frozenset()
        return frozenset(each.sid or "" for each in decision.because if each.policy == _LAYERS[policy])

    def _decide(self, probe: Probe, *, in_place: bool) -> Decision:
        trust = None if probe.trust_policy is None else parse_document(dict(probe.trust_policy))
        rcps, scps = (self._rcps, self._scps) if in_place else ((), ())
        # What the caller's own policies say is not the point: everything, where he has some.
        identity = (_EVERYTHING,) if trust is None else None
        return evaluate(Policies(identity, trust, None, None, ((_EVERYTHING, *scps),), (rcps,)), probe.request)

    def _search(self, twin: Twin) -> tuple[bool | None, str | None]:
        """Whether anybody whom the guardrail forbids is left by the widest policy, and in words who."""
        widest = list(self._widest(twin.rule))
        if not widest:
            return None, None
        denies = [{name: value for name, value in each.items() if name != "Resource"} for each in twin.statements]
        rules = set(_OUTSIDERS) if twin.rule in _OUTSIDERS else {twin.rule}
        decided = True
        for allow in widest:
            without, judged = self._judge(_trust(allow)), self._judge(_trust(allow, *denies))
            found = next((each for each in judged.findings if each.rule in rules), None)
            if found is not None:
                return False, found.because
            # Where the judge sees nothing to begin with, it proves nothing that it sees nothing afterwards.
            decided &= bool(rules & _told(without)) and not rules & _told(judged) and judged.verdict is not Verdict.INVALID
        return decided or None, None

    def _judge(self, trust_policy: Mapping[str, Any]) -> Judgement:
        role = Role(self._account, "door", "/", self._role, "AROADOORDOORDOORDOORD", compact(trust_policy))
        return judge(role, self._organization, Guardrails(), now=self._now)

    @property
    def _role(self) -> str:
        return f"arn:{self._organization.partition}:iam::{self._account}:role/door"

    def _request(self, principal: str, kind: str, action: str, context: Context) -> Request:
        return Request(principal, kind, action, context, self._role, self._account)

    # Requests that must be denied

    def _bad(self, rule: str) -> Iterator[Probe]:
        if rule == SERVICE_FOREIGN_SOURCE.id:
            yield from self._services_for_others()
        elif rule == COGNITO_GUEST.id:
            for pool in self._pools:
                yield self._cognito(f"a guest of identity pool {pool}", pool, "unauthenticated")
        elif rule == COGNITO_UNSCOPED_POOL.id:
            pool = next(each for each in _STRANGE_POOLS if each not in self._organization.cognito)
            for amr in ("authenticated", "unauthenticated"):
                yield self._cognito(f"an identity of a stranger's pool, {amr}", pool, amr)
        elif rule == OIDC_UNLISTED_ISSUER:
            for issuer in ("gitlab.com", "oidc.issuer.example", GITHUB):
                if self._organization.issuer(issuer) is None:
                    yield self._token(f"a token of {issuer}, which is not listed", issuer, _STRANGE_SUBJECTS[0], "sts.amazonaws.com")
        elif rule == TRUST_WRITERS:
            yield from self._bad_writes()
        else:
            for trust_policy in self._broken(rule):
                yield from self._witnesses(rule, trust_policy)
            yield from self._strange_tokens(rule)

    def _witnesses(self, rule: str, trust_policy: Mapping[str, Any]) -> Iterator[Probe]:
        """What the judge finds by a policy that breaks the rule."""
        for finding in self._judge(trust_policy).findings:
            if finding.rule == rule and finding.witness is not None:
                yield Probe(f"witness of {rule}", self._of_witness(finding.witness), trust_policy)

    def _of_witness(self, witness: Witness) -> Request:
        return self._request(witness.principal, witness.principal_type, witness.action, dict(witness.context))

    def _broken(self, rule: str) -> Iterator[Mapping[str, Any]]:
        anybody = {"Principal": {"AWS": "*"}, "Action": ASSUME_ROLE}
        if rule == WORLD_ASSUMABLE.id:
            yield _trust(_allow(anybody))
            yield _trust(_allow(anybody, {"StringEquals": {"sts:ExternalId": "not-a-secret"}}))
        elif rule == EXTERNAL_ACCOUNT.id:
            for each in (self._stranger, f"arn:{self._organization.partition}:iam::{self._stranger}:user/any"):
                yield _trust(_allow({"Principal": {"AWS": each}, "Action": ASSUME_ROLE}))
        elif rule == OUTSIDE_ORGANIZATION.id:
            yield _trust(_allow(anybody, {"StringEquals": {"aws:PrincipalOrgID": self._strange_organization}}))
        elif rule in {VENDOR_WITHOUT_EXTERNAL_ID.id, OIDC_UNSCOPED_SUBJECT.id, OIDC_UNSCOPED_AUDIENCE.id}:
            yield from map(_trust, self._widest(rule))

    def _widest(self, rule: str) -> Iterator[Mapping[str, Any]]:
        """The Allow that lets in whatever the rule looks at; nothing where the judge has no such rule."""
        if rule in _OUTSIDERS:
            yield _allow({"Principal": {"AWS": "*"}, "Action": ASSUME_ROLE})
        elif rule == VENDOR_WITHOUT_EXTERNAL_ID.id:
            vendors = [each.id for each in self._organization.trusted_accounts if each.external_id_required]
            yield from (_allow({"Principal": {"AWS": each}, "Action": ASSUME_ROLE}) for each in vendors)
        elif rule == OIDC_UNSCOPED_SUBJECT.id:
            listed = [each.issuer for each in self._organization.oidc if "*" not in each.subjects]
            yield from (_allow(self._admitting(each)) for each in dict.fromkeys((*listed, GITHUB)))
        elif rule == OIDC_UNSCOPED_AUDIENCE.id and self._organization.issuer(GITHUB) is not None:
            yield _allow(self._admitting(GITHUB))
        elif rule in {COGNITO_UNSCOPED_POOL.id, COGNITO_GUEST.id}:
            yield _allow(self._admitting(COGNITO))
        elif rule == SERVICE_FOREIGN_SOURCE.id:
            says = {"Null": {"aws:SourceAccount": "false"}}
            yield _allow({"Principal": {"Service": _A_SERVICE}, "Action": ASSUME_ROLE}, says)

    def _strange_tokens(self, rule: str) -> Iterator[Probe]:
        """Tokens of issuers whose subjects the judge does not know in detail, so that it shows no request of its own."""
        for issuer in self._organization.oidc:
            if rule == OIDC_UNSCOPED_SUBJECT.id:
                subject = next((each for each in _STRANGE_SUBJECTS if not _fits(each, issuer.subjects)), None)
                if subject is not None:
                    audience = (*audiences_of(issuer), "sts.amazonaws.com")[0]
                    yield self._token(f"a stranger's token of {issuer.issuer}", issuer.issuer, subject, audience)
            elif rule == OIDC_UNSCOPED_AUDIENCE.id and audiences_of(issuer):
                for says, subject, claims in self._trusted_tokens(issuer):
                    audience = "https://audience.example/any"
                    yield self._token(f"{says}, made for another audience", issuer.issuer, subject, audience, claims)

    def _services_for_others(self) -> Iterator[Probe]:
        theirs: Context = {"aws:SourceAccount": self._stranger}
        yield self._service("a service acting for an account of no organization", theirs)
        yield self._service("a service acting for another organization", {**theirs, "aws:SourceOrgID": self._strange_organization})

    # Requests that must go on

    def friends(self, policy: Policy) -> Iterator[Probe]:
        if policy == "scp":
            yield from self._good_writes()
            return
        yield from self._our_principals()
        yield from self._trusted_accounts()
        yield self._service("a service that does not say for whom it acts", {})
        ours: Context = {"aws:SourceAccount": self._account, "aws:SourceOrgID": self._organization.id or ""}
        yield self._service("a service acting for one of our accounts", ours)
        for vendor in self._organization.trusted_accounts:
            theirs: Context = {"aws:SourceAccount": vendor.id, "aws:SourceOrgID": self._strange_organization}
            yield self._service(f"a service acting for trusted account {vendor.id}", theirs)
        for service in self._organization.services:
            whoever: Context = {"aws:SourceAccount": self._stranger, "aws:SourceOrgID": self._strange_organization}
            yield self._service(f"{service}, which may act for whomever", whoever, service)
        for issuer in self._organization.oidc:
            for says, subject, claims in self._trusted_tokens(issuer):
                for audience in audiences_of(issuer) or ("sts.amazonaws.com",):
                    yield self._token(says, issuer.issuer, subject, audience, claims)
        providers = self._organization.saml or (f"arn:{self._organization.partition}:iam::{self._account}:saml-provider/any",)
        for provider in providers:
            context: Context = {"SAML:aud": "https://signin.aws.amazon.com/saml", "SAML:sub": "someone@corp.example"}
            allow = {"Principal": {"Federated": provider}, "Action": WITH_SAML}
            yield Probe(f"a user of {provider}", self._request(provider, "Federated", WITH_SAML, context), _trust(_allow(allow)))
        if OIDC_UNLISTED_ISSUER not in self._names or self._organization.cognito:
            for pool in self._pools:
                yield self._cognito(f"somebody who signed in to identity pool {pool}", pool, "authenticated")
        if OIDC_UNLISTED_ISSUER not in self._names:
            cluster = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
            yield self._token("a pod of an EKS cluster", cluster, "system:serviceaccount:shop:api", "sts.amazonaws.com")

    def _our_principals(self) -> Iterator[Probe]:
        partition = self._organization.partition
        for account in dict.fromkeys((self._account, *(each.id for each in self._organization.accounts))):
            role, user = (f"arn:{partition}:iam::{account}:{each}" for each in ("role/app", "user/someone"))
            session = f"arn:{partition}:sts::{account}:assumed-role/app/run-1"
            for says, principal, arn in (("role", session, role), ("user", user, user)):
                yield self._assume(f"a {says} of our account {account}", principal, self._of_aws(arn, account, self._organization.id))

    def _trusted_accounts(self) -> Iterator[Probe]:
        for vendor in self._organization.trusted_accounts:
            role = f"arn:{self._organization.partition}:iam::{vendor.id}:role/collector"
            session = f"arn:{self._organization.partition}:sts::{vendor.id}:assumed-role/collector/any"
            context = self._of_aws(role, vendor.id, self._strange_organization)
            yield self._assume(f"trusted account {vendor.id} with an external ID", session, {**context, "sts:ExternalId": "4f1c2d3e4b5a"})
            if not vendor.external_id_required:
                yield self._assume(f"trusted account {vendor.id}, which needs no external ID", session, context)

    def _of_aws(self, arn: str, account: str, org_id: str | None) -> Context:
        context: Context = {"aws:PrincipalArn": arn, "aws:PrincipalAccount": account, "aws:PrincipalIsAWSService": "false"}
        return context if org_id is None else {**context, "aws:PrincipalOrgID": org_id}

    def _assume(self, says: str, principal: str, context: Context) -> Probe:
        allow = _allow({"Principal": {"AWS": "*"}, "Action": ASSUME_ROLE})
        return Probe(says, self._request(principal, "AWS", ASSUME_ROLE, context), _trust(allow))

    def _service(self, says: str, context: Context, service: str = _A_SERVICE) -> Probe:
        of_a_service: Context = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service}
        asked = self._request(service, "Service", ASSUME_ROLE, {**of_a_service, **context})
        return Probe(says, asked, _trust(_allow({"Principal": {"Service": service}, "Action": ASSUME_ROLE})))

    def _trusted_tokens(self, issuer: TrustedIssuer) -> Iterator[tuple[str, str, Context]]:
        """(in words, subject, claims) of tokens that are trusted by a subject, and of one that is by its claims."""
        for trusted in issuer.subjects:
            for glob in globs_of(issuer.issuer, trusted):
                subject = glob.replace("@*", "@1").replace("*", "any").replace("?", "x")
                yield f"a token of {issuer.issuer} for {subject}", subject, {}
        if issuer.claims and all(issuer.claims.values()):
            claims: Context = {claim_of(issuer.issuer, claim): values[0] for claim, values in issuer.claims.items()}
            yield f"a token of {issuer.issuer} with its trusted claims", "any", claims

    def _token(self, says: str, issuer: str, subject: str, audience: str, claims: Context | None = None) -> Probe:
        context: Context = {claim_of(issuer, "sub"): subject, claim_of(issuer, "aud"): audience, **(claims or {})}
        admitting = self._admitting(issuer)
        asked = self._request(admitting["Principal"]["Federated"], "Federated", WITH_WEB_IDENTITY, context)
        return Probe(says, asked, _trust(_allow(admitting)))

    @property
    def _pools(self) -> tuple[str, ...]:
        """The pools that are ours; where none is listed, one."""
        return self._organization.cognito or _STRANGE_POOLS[:1]

    def _cognito(self, says: str, pool: str, amr: str) -> Probe:
        probe = self._token(says, COGNITO, f"{pool.partition(':')[0]}:0f0e0d0c-1a2b-4c3d-8e4f-5a6b7c8d9e0f", pool)
        login = (amr, "graph.facebook.com") if amr == "authenticated" else (amr,)
        request = probe.request._replace(context={**probe.request.context, claim_of(COGNITO, "amr"): login})
        return probe._replace(request=request)

    def _admitting(self, issuer: str) -> dict[str, Any]:
        provider = issuer if issuer == COGNITO else f"arn:{self._organization.partition}:iam::{self._account}:oidc-provider/{issuer}"
        return {"Principal": {"Federated": provider}, "Action": WITH_WEB_IDENTITY}

    # Writes, for SCPs

    def _bad_writes(self) -> Iterator[Probe]:
        administrator = f"arn:{self._organization.partition}:iam::{self._account}:role/Administrator"
        yield from (self._write(administrator, each) for each in TRUST_WRITES)
        yield from (self._write(self._here(remedy_role(self._organization)), each) for each in OTHER_WRITES)

    def _good_writes(self) -> Iterator[Probe]:
        if TRUST_WRITERS in self._names:
            deployers = [self._here(each) for each in self._deployers]
            for writer in (*(each.role for each in self._organization.pipelines), *deployers):
                yield from (self._write(writer, each) for each in TRUST_WRITES)
            yield self._write(self._here(remedy_role(self._organization)), TRUST_WRITES[0])
        yield self._write(f"arn:{self._organization.partition}:iam::{self._account}:role/Auditor", "iam:GetRole")

    def _here(self, pattern: str) -> str:
        """A role that a pattern on ARNs means, in the account that everything is tried on."""
        return pattern.replace("::*:", f"::{self._account}:").replace("?", "0").replace("*", "any")

    def _write(self, role: str, action: str) -> Probe:
        account = role.split(":")[4]
        name = role.rsplit("/", 1)[-1]
        resource = f"arn:{self._organization.partition}:iam::{account}:role/door"
        session = f"arn:{self._organization.partition}:sts::{account}:assumed-role/{name}/any"
        context = self._of_aws(role, account, self._organization.id)
        return Probe(f"{action} by {role}", Request(session, "AWS", action, context, resource, account), None)


def _accounts() -> Iterator[str]:
    yield from _STRANGERS
    yield from (str(each) for each in range(900_000_000_000, 999_999_999_999))


def _sids(twin: Twin) -> set[str]:
    return {each["Sid"] for each in twin.statements}


def _told(judged: Judgement) -> set[str]:
    """The rules that were found broken, or left undecided."""
    return {*(each.rule for each in judged.findings), *(each.rule for each in judged.undecidable)}


def _fits(subject: str, globs: Iterable[str]) -> bool:
    return any(matches_glob(each, subject) for each in globs)


def _allow(what: Mapping[str, Any], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"Effect": "Allow", **what, **({} if condition is None else {"Condition": condition})}


def _trust(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": VERSION_2012, "Statement": list(statements)}
