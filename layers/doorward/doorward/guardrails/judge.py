"""Who could assume this role and must not: the verdict on one trust policy.

1. A role that nobody can edit is compliant.
2. A document that cannot be read, or that IAM would refuse to store, is invalid.
3. Each Allow statement is asked, principal by principal, whether it lets a forbidden world in.
4. Every request found is replayed through the concrete evaluator. One that it refuses is a fault of ours: undecided, never a finding
   and never safe.
5. Any finding above info: violating. Else anything undecided: undecidable. Else compliant.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from doorward.errors import DoorwardError, MalformedInput
from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.protected import cannot_be_edited
from doorward.guardrails.rules import (
    EXTERNAL_ACCOUNT,
    OIDC_UNSCOPED_AUDIENCE,
    OIDC_UNSCOPED_SUBJECT,
    OUTSIDE_ORGANIZATION,
    VENDOR_WITHOUT_EXTERNAL_ID,
    WORLD_ASSUMABLE,
    RuleText,
    explain,
    named,
    shortened,
)
from doorward.guardrails.worlds import Answer, Gate, Shown, is_saml, issuer_of
from doorward.iam.arns import UNIQUE_ID, is_account_id, parse_arn
from doorward.iam.callers import ASSUME_ROLE, GITHUB, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.documents import Document, Principal, Statement, parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.iam.search import Doubt, matches_action, read_operator
from doorward.iam.sets import Budget, OutOfBudget
from doorward.organization.model import Organization

# The quota for a trust policy is 2048 characters and can be raised to 4096; white space does not count.
LONGEST_TRUST_POLICY = 4096
# Steps of automata, about a microsecond each at worst: a judgement takes a second or two and then gives up.
STEPS = 1_500_000
FEWEST_STEPS = 100_000
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
_SERVICES = (".amazonaws.com", ".amazonaws.com.cn", ".aws.internal", ".api.aws", ".aws.dev")
_WHITE_SPACE = re.compile(r"\s+")


class Disagreement(DoorwardError):  # noqa: N818 - a fact about us, raised only when asked for
    """The search found a request and the evaluator refuses it: one of the two is wrong."""


def judge(role: Role, organization: Organization, guardrails: Guardrails, *, now: datetime, strict: bool = False) -> Judgement:
    """Judge a role's trust policy as it stands. Pure; `now` is the time of the requests that are looked for.

    `strict` raises Disagreement where the search and the evaluator differ, instead of leaving the statement undecided.
    """
    if cannot_be_edited(role):
        return Judgement(Verdict.COMPLIANT)
    try:
        document = parse_document(role.trust_policy)
    except MalformedInput as error:
        return Judgement(Verdict.INVALID, because=f"The trust policy cannot be read: {error}.")
    refused = refused_because(document, role.trust_policy)
    if refused is not None:
        return Judgement(Verdict.INVALID, because=f"IAM would refuse this trust policy: {refused}.")
    gate = Gate(document, role, organization, now)
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    allows = [each for each in document.statements if each.effect == "Allow"]
    for statement in allows:
        # Each has its own share: a statement that is too hard hides no other.
        gate.budget = Budget(max(STEPS // len(allows), FEWEST_STEPS))
        for each in _Statement(gate, statement, guardrails, strict=strict).judge():
            if isinstance(each, Finding):
                findings.append(each)
            else:
                undecided.append(each)
    findings.sort(key=lambda each: (-each.severity.rank, each.statement.index))
    if any(each.severity is not Severity.INFO for each in findings):
        verdict = Verdict.VIOLATING
    else:
        verdict = Verdict.UNDECIDABLE if undecided else Verdict.COMPLIANT
    return Judgement(verdict, tuple(findings), tuple(undecided))


class _Statement:
    """One Allow statement before the worlds. At most one finding a rule."""

    def __init__(self, gate: Gate, statement: Statement, guardrails: Guardrails, *, strict: bool) -> None:
        self._gate = gate
        self._statement = statement
        self._guardrails = guardrails
        self._strict = strict
        self._ref = StatementRef(statement.position, statement.sid)
        self._findings: dict[str, Finding] = {}
        self._undecided: dict[str, Undecided] = {}

    def judge(self) -> Iterator[Finding | Undecided]:
        gate, statement = self._gate, self._statement
        principals = tuple(dict.fromkeys(statement.principals or ()))
        try:
            if matches_action(statement, ASSUME_ROLE):
                for principal in principals:
                    self._judge_aws(principal)
            for principal in principals:
                if principal.type == "Service" and not principal.value.endswith(_SERVICES):
                    self._doubt(EXTERNAL_ACCOUNT, f"Service {shortened(principal.value)}", "whom this lets in is not known")
                self._judge_federated(principal)
                if principal.value == "*" and principal.type in {"AWS", "*"} and WORLD_ASSUMABLE.id not in self._findings:
                    self._take(OIDC_UNSCOPED_SUBJECT, principal, gate.unnamed_provider(statement, principal))
        except OutOfBudget:
            self._doubt(
                WORLD_ASSUMABLE, "a policy of this size", "who can come in by it was not decided within the limits of one judgement"
            )
        if WORLD_ASSUMABLE.id in self._findings:
            # Whoever reads "everybody" needs no list of them.
            self._findings.pop(EXTERNAL_ACCOUNT.id, None)
            self._findings.pop(OUTSIDE_ORGANIZATION.id, None)
        yield from self._findings.values()
        yield from (each for rule, each in self._undecided.items() if rule not in self._findings)

    def _judge_aws(self, principal: Principal) -> None:
        gate, statement = self._gate, self._statement
        if principal.type not in {"AWS", "*"} or UNIQUE_ID.fullmatch(principal.value):
            return
        arn = parse_arn(principal.value)
        if arn is not None and arn.partition != gate.role_partition:
            self._doubt(
                EXTERNAL_ACCOUNT,
                f"Principal {shortened(principal.value)}",
                f"a principal of another partition than {gate.role_partition} cannot come in, so one of the two is not what it seems",
            )
            return
        foreign = gate.foreign(statement, principal)
        if foreign is not None:
            world = gate.anybody(statement, principal)
            self._take(WORLD_ASSUMABLE, principal, world)
            if isinstance(world, Shown):
                return
            if isinstance(foreign, Doubt) and world is not None:
                return  # one doubt says it all
            elsewhere = gate.pinned_organization(statement, principal)
            self._take(OUTSIDE_ORGANIZATION, principal, elsewhere)
            if elsewhere is not None:
                return
            self._take(EXTERNAL_ACCOUNT, principal, foreign)
        for vendor in gate.organization.trusted_accounts:
            if vendor.external_id_required and vendor.id in gate.trusted:
                self._take(VENDOR_WITHOUT_EXTERNAL_ID, principal, gate.vendor(statement, principal, vendor.id))

    def _judge_federated(self, principal: Principal) -> None:
        gate, statement = self._gate, self._statement
        issuer = issuer_of(principal)
        if is_saml(principal):
            if matches_action(statement, WITH_SAML) and principal.value not in gate.organization.saml:
                self._doubt(
                    EXTERNAL_ACCOUNT,
                    f"SAML provider {shortened(principal.value)}",
                    "whom this identity provider lets in is not known; list it under trusted.saml if it is yours",
                )
        elif issuer == GITHUB:
            if matches_action(statement, WITH_WEB_IDENTITY):
                self._take(OIDC_UNSCOPED_SUBJECT, principal, gate.stranger_token(statement, principal.value))
                self._take(OIDC_UNSCOPED_AUDIENCE, principal, gate.stray_audience(statement, principal.value))
        elif principal.type == "Federated" and (matches_action(statement, WITH_WEB_IDENTITY) or matches_action(statement, ASSUME_ROLE)):
            if issuer is None or not matches_action(statement, WITH_WEB_IDENTITY):
                if issuer is not None and issuer != "cognito-identity.amazonaws.com":
                    return  # AssumeRole is no call that the bearer of a token can make, but for Cognito's basic flow
                construct = f"Federated {shortened(principal.value)}"
                self._doubt(OIDC_UNSCOPED_SUBJECT, construct, "whom this provider lets in is not known")
            elif (answer := gate.other_issuer(statement, principal.value, issuer)) is not None:
                self._doubt(
                    OIDC_UNSCOPED_SUBJECT,
                    ", ".join(map(shortened, answer.constructs)),
                    f"whose tokens of {shortened(issuer)} come in is not decided; "
                    "list the issuer, and the subjects that may come in, under trusted.oidc",
                )

    def _take(self, rule: RuleText, principal: Principal, answer: Answer) -> None:
        if answer is None or rule.id in self._findings:
            return
        if isinstance(answer, Doubt):
            constructs = ", ".join(map(shortened, answer.constructs))
            because = f"it depends on {constructs}, which is not decided, whether this is so: {rule.title[0].lower()}{rule.title[1:]}"
            self._doubt(rule, constructs, because)
            return
        if not self._replayed(answer):
            self._doubt(
                rule, "a request that the evaluator refuses", f"search and evaluator disagree, which is a fault of Doorward: {rule.title}"
            )
            return
        configured = self._guardrails.rules.get(rule.id)
        self._findings[rule.id] = Finding(
            rule=rule.id,
            kind="world",
            severity=rule.severity if configured is None else configured.severity,
            title=rule.title,
            statement=self._ref,
            witness=answer.witness,
            because=explain(rule, self._statement, principal, answer, self._gate.organization),
        )

    def _replayed(self, shown: Shown) -> bool:
        witness, role = shown.witness, self._gate.role
        request = Request(witness.principal, witness.principal_type, witness.action, witness.context, role.arn, role.account_id)
        decision = evaluate_trust_policy(self._gate.document, request)
        if decision.outcome == "allowed":
            return True
        if self._strict:
            raise Disagreement(f"{named(self._statement)}: found {request}, and the evaluator says {decision}")
        return False

    def _doubt(self, rule: RuleText, construct: str, because: str) -> None:
        known = self._undecided.get(rule.id)
        if known is None:
            self._undecided[rule.id] = Undecided(rule.id, self._ref, construct, f"{named(self._statement)}: {because}.")


# What IAM refuses to store: its grammar and the quota. Checks that need IAM itself (does the principal exist?) are not made.


def refused_because(document: Document, text: str) -> str | None:
    """Why IAM would refuse the document as a trust policy, without a full stop; None where nothing known speaks against it."""
    if len(text) > LONGEST_TRUST_POLICY and len(_WHITE_SPACE.sub("", text)) > LONGEST_TRUST_POLICY:
        return f"it has more than {LONGEST_TRUST_POLICY} characters, white space not counted"
    if not document.statements:
        return "it has no statement"
    sids = [each.sid for each in document.statements if each.sid]
    doubled = next((each for each in sids if sids.count(each) > 1), None)
    if doubled is not None:
        return f'Sid "{shortened(doubled)}" is used twice'
    for statement in document.statements:
        for check in _CHECKS:
            reason = check(statement)
            if reason is not None:
                return f"{named(statement)} {reason}"
    return None


def _principals_refused(statement: Statement) -> str | None:
    if statement.not_principals is not None:
        return "uses NotPrincipal, which a trust policy cannot have"
    if not statement.principals:
        return "names no Principal"
    for kind, value in statement.principals:
        if kind == "CanonicalUser":
            return "names a CanonicalUser, which a trust policy cannot have"
        if kind == "Service" and ("*" in value or "?" in value):
            return f"names {shortened(value)}, which is no service (services are named one by one)"
        if kind == "AWS" and value != "*" and not _is_aws_principal(value):
            return f"names {shortened(value)}, which is no AWS principal (a wildcard stands only alone)"
    return None


def _is_aws_principal(value: str) -> bool:
    if "*" in value or "?" in value:
        return False
    if is_account_id(value) or UNIQUE_ID.fullmatch(value):
        return True
    arn = parse_arn(value)
    if arn is None or not is_account_id(arn.account_id) or arn.region:
        return False
    kind, _, rest = arn.resource.partition("/")
    return arn.resource == "root" or (bool(rest) and (arn.service, kind) in _AWS_PRINCIPALS)


_AWS_PRINCIPALS = {("iam", "role"), ("iam", "user"), ("sts", "assumed-role"), ("sts", "federated-user")}


def _resources_refused(statement: Statement) -> str | None:
    has_resource = statement.resources is not None or statement.not_resources is not None
    return "has a Resource, which a trust policy cannot have" if has_resource else None


def _actions_refused(statement: Statement) -> str | None:
    actions = statement.actions if statement.actions is not None else statement.not_actions
    if not actions:
        return "names no Action"
    stranger = next((each for each in actions if not each.lower().startswith("sts:")), None)
    return None if stranger is None else f"names {shortened(stranger)}; a trust policy may only name actions of sts"


def _conditions_refused(statement: Statement) -> str | None:
    unknown = next((each.operator for each in statement.conditions if read_operator(each.operator) is None), None)
    return None if unknown is None else f"uses {shortened(unknown)}, which is no condition operator"


_CHECKS: tuple[Callable[[Statement], str | None], ...] = (_principals_refused, _resources_refused, _actions_refused, _conditions_refused)
