"""What one Allow statement lets in that no trust policy may: the holes of a statement, each proved by a request, and what is undecided.

A statement is judged beside the Deny statements of its document and nothing else: no other Allow can make it let fewer in. So what is
found out about it holds wherever it stands, and is remembered by its content.
"""

from collections.abc import Callable
from functools import partial

from doorward.errors import DoorwardError
from doorward.findings.model import Severity
from doorward.guardrails import github_worlds, issuer_worlds, rules, service_worlds
from doorward.guardrails.custom_worlds import find_custom
from doorward.guardrails.model import CustomRule
from doorward.guardrails.rules import RuleText
from doorward.guardrails.worlds import Answer, Gate, Shown
from doorward.guardrails.written import is_saml, issuer_of, named
from doorward.iam.arns import account_of_principal, is_unique_id, parse_arn
from doorward.iam.documents import Principal, Statement
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.iam.names import ASSUME_ROLE, COGNITO, GITHUB, ROLES_ANYWHERE, SERVICES, WITH_SAML, WITH_WEB_IDENTITY, is_cluster
from doorward.iam.search import Doubt, matches_action
from doorward.iam.sets import OutOfBudget
from doorward.iam.wording import shortened
from doorward.values import NamedTuple

# Services whose own pages say, in the trust policy of a role, that they send aws:SourceAccount and aws:SourceArn when they assume it:
# https://docs.aws.amazon.com/amplify/latest/userguide/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/appstream2/latest/developerguide/example-fleet-machine.html
# https://docs.aws.amazon.com/bedrock/latest/userguide/batch-iam-sr.html
# https://docs.aws.amazon.com/comprehend/latest/dg/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/datazone/latest/userguide/AmazonDataZoneDomainExecutionRole.html
# https://docs.aws.amazon.com/frauddetector/latest/ug/confused-deputy-prevention.html
# https://docs.aws.amazon.com/iot/latest/developerguide/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/personalize/latest/dg/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/kendra-retriever-iam-role.html
# https://docs.aws.amazon.com/rekognition/latest/dg/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/resilience-hub/latest/userguide/next-gen-resilience-testing-iam-single-account.html (fis)
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
# https://docs.aws.amazon.com/transcribe/latest/dg/security-iam-confused-deputy.html
SAY_FOR_WHOM = frozenset(
    f"{each}.amazonaws.com"
    for each in (
        *("amplify", "appstream", "bedrock", "comprehend", "datazone", "fis", "frauddetector", "iot", "personalize"),
        *("qbusiness", "rekognition", "scheduler", "states", "transcribe"),
    )
)


TOO_LARGE = "a policy of this size"
"""The construct on which it depends where the limits of one judgement were reached."""


class Disagreement(DoorwardError):  # noqa: N818 - a fact about us, raised only when asked for
    """The search found a request and the evaluator refuses it: one of the two is wrong."""


class Hole(NamedTuple):
    """`severity` None: the rule's."""

    rule: str
    principal: Principal
    shown: Shown
    severity: Severity | None = None


class Open(NamedTuple):
    """Not decided: on what it depends, and a sentence."""

    rule: str
    construct: str
    because: str


class Holes(NamedTuple):
    """At most one of each rule."""

    found: tuple[Hole, ...] = ()
    undecided: tuple[Open, ...] = ()


class Asked(NamedTuple):
    """Which rules look: those of the catalogue that are `on`, and rules of one's own."""

    on: frozenset[str]
    custom: tuple[CustomRule, ...] = ()


def holes_of(gate: Gate, statement: Statement, asked: Asked, *, strict: bool) -> Holes:
    """`strict` raises Disagreement where the search and the evaluator differ, instead of leaving the statement undecided."""
    return _Search(gate, statement, asked, strict=strict).run()


class _Search:
    def __init__(self, gate: Gate, statement: Statement, asked: Asked, *, strict: bool) -> None:
        self._gate = gate
        self._statement = statement
        self._asked = asked
        self._strict = strict
        self._found: dict[str, Hole] = {}
        self._open: dict[str, Open] = {}

    def run(self) -> Holes:
        try:
            for principal in dict.fromkeys(self._statement.principals or ()):
                self._look_at(principal)
            for rule in self._asked.custom:
                self._take(rule.id, rule.title, self._any_principal, find_custom(self._gate, self._statement, rule))
        except OutOfBudget:
            because = (
                "who can come in by it was not decided within the limits of one judgement; ask for less in one statement, or have a person "
                "read it"
            )
            self._leave_open(rules.WORLD_ASSUMABLE.id, TOO_LARGE, because)
        if rules.WORLD_ASSUMABLE.id in self._found:
            # Whoever reads "everybody" needs no list of them.
            for each in (rules.EXTERNAL_ACCOUNT, rules.OUTSIDE_ORGANIZATION):
                self._found.pop(each.id, None)
        return Holes(tuple(self._found.values()), tuple(each for rule, each in self._open.items() if rule not in self._found))

    @property
    def _any_principal(self) -> Principal:
        return (self._statement.principals or (Principal("AWS", "*"),))[0]

    def _look_at(self, principal: Principal) -> None:
        statement = self._statement
        if principal.type in {"AWS", "*"}:
            if matches_action(statement, ASSUME_ROLE):
                self._look_at_aws(principal)
            if principal.value == "*" and rules.WORLD_ASSUMABLE.id not in self._found:
                self._ask(rules.OIDC_UNSCOPED_SUBJECT, principal, issuer_worlds.unnamed_provider)
        elif principal.type == "Service":
            self._look_at_service(principal)
        elif is_saml(principal):
            self._look_at_saml(principal)
        else:
            self._look_at_web_identity(principal)

    # AWS principals

    def _look_at_aws(self, principal: Principal) -> None:
        gate, statement = self._gate, self._statement
        if is_unique_id(principal.value):
            return
        arn = parse_arn(principal.value)
        if arn is not None and arn.partition != gate.role_partition:
            self._leave_open(
                rules.EXTERNAL_ACCOUNT.id,
                f"Principal {shortened(principal.value)}",
                f"a principal of another partition than {gate.role_partition} cannot come in, so one of the two is not what it seems; "
                "correct the ARN, or remove it",
            )
            return
        foreign = gate.foreign(statement, principal)
        if foreign is not None and self._look_for_strangers(principal, foreign):
            return
        if self._is_on(rules.VENDOR_WITHOUT_EXTERNAL_ID):
            for vendor in gate.organization.trusted_accounts:
                if vendor.external_id_required and vendor.id in gate.trusted:
                    self._take_rule(rules.VENDOR_WITHOUT_EXTERNAL_ID, principal, gate.vendor(statement, principal, vendor.id))
        self._look_for_whole_accounts(principal)

    def _look_for_strangers(self, principal: Principal, foreign: Answer) -> bool:
        """Whether nothing more is to be asked of this principal."""
        gate, statement = self._gate, self._statement
        world = gate.anybody(statement, principal)
        self._take_rule(rules.WORLD_ASSUMABLE, principal, world)
        if isinstance(world, Shown):
            return True
        if isinstance(foreign, Doubt) and world is not None:
            return True  # one doubt says it all
        elsewhere = gate.pinned_organization(statement, principal)
        self._take_rule(rules.OUTSIDE_ORGANIZATION, principal, elsewhere)
        if elsewhere is None:
            self._take_rule(rules.EXTERNAL_ACCOUNT, principal, foreign)
        return elsewhere is not None

    def _look_for_whole_accounts(self, principal: Principal) -> None:
        gate, statement = self._gate, self._statement
        arn = parse_arn(principal.value)
        if principal.value != "*" and arn is not None and arn.resource != "root":
            return
        named_account = account_of_principal(principal.value)
        for rule, accounts in ((rules.WHOLE_OWN_ACCOUNT, gate.ours), (rules.WHOLE_VENDOR_ACCOUNT, gate.trusted)):
            if not self._is_on(rule):
                continue
            for account_id in sorted(accounts) if named_account is None else sorted({named_account} & accounts):
                self._take_rule(rule, principal, gate.any_principal(statement, principal, account_id), lenient=True)

    # Services

    def _look_at_service(self, principal: Principal) -> None:
        gate, statement = self._gate, self._statement
        if not principal.value.endswith(SERVICES):
            self._leave_open(
                rules.EXTERNAL_ACCOUNT.id,
                f"Service {shortened(principal.value)}",
                "whom this lets in is not known; name a service as AWS does, or remove it",
            )
            return
        if not matches_action(statement, ASSUME_ROLE):
            return
        if principal.value == ROLES_ANYWHERE:
            self._ask(rules.ROLES_ANYWHERE_ANY_ANCHOR, principal, service_worlds.any_trust_anchor)
            return
        if principal.value in gate.organization.services:
            return
        if service_worlds.asks_for_source(statement):
            self._ask(rules.SERVICE_FOREIGN_SOURCE, principal, service_worlds.foreign_source)
            if principal.value in SAY_FOR_WHOM:
                self._ask(rules.SERVICE_FOREIGN_SOURCE, principal, service_worlds.foreign_bucket)
        if self._is_on(rules.SERVICE_CONFUSED_DEPUTY) and rules.SERVICE_FOREIGN_SOURCE.id not in self._found:
            severity = Severity.LOW if principal.value in SAY_FOR_WHOM else None
            known = self._found.get(rules.SERVICE_CONFUSED_DEPUTY.id)
            if known is not None and (severity is None or known.severity is not None):
                return
            silent = service_worlds.any_source(gate, statement, principal)
            if isinstance(silent, Shown):
                self._found.pop(rules.SERVICE_CONFUSED_DEPUTY.id, None)
            self._take_rule(rules.SERVICE_CONFUSED_DEPUTY, principal, silent, lenient=True, severity=severity)

    # Those who are signed in elsewhere

    def _look_at_saml(self, principal: Principal) -> None:
        gate, statement = self._gate, self._statement
        if not matches_action(statement, WITH_SAML):
            return
        listed = gate.organization.saml
        if principal.value not in listed and (listed or account_of_principal(principal.value) != gate.role.account_id):
            because = "whom this identity provider lets in is not known; list it under trusted.saml if it is yours"
            self._leave_open(rules.EXTERNAL_ACCOUNT.id, f"SAML provider {shortened(principal.value)}", because)
            return
        self._ask(rules.SAML_UNSCOPED_AUDIENCE, principal, service_worlds.stray_assertion)
        self._ask(rules.SAML_ANY_USER, principal, service_worlds.any_user, lenient=True)

    def _look_at_web_identity(self, principal: Principal) -> None:
        statement = self._statement
        issuer = issuer_of(principal)
        by_token = matches_action(statement, WITH_WEB_IDENTITY)
        if issuer == GITHUB:
            if by_token:
                self._ask(rules.OIDC_UNSCOPED_SUBJECT, principal, github_worlds.stranger_token)
                self._ask(rules.OIDC_UNSCOPED_AUDIENCE, principal, github_worlds.stray_audience)
                if rules.OIDC_UNSCOPED_SUBJECT.id not in self._found:
                    self._ask(rules.OIDC_PULL_REQUEST, principal, github_worlds.pull_request, lenient=True)
        elif issuer is None or (issuer == COGNITO and not by_token):
            # Cognito's basic flow may call AssumeRole: https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flow.html
            if by_token or matches_action(statement, ASSUME_ROLE):
                construct = f"Federated {shortened(principal.value)}"
                because = "whom this provider lets in is not known; name a provider of the role's account by its ARN, or remove it"
                self._leave_open(rules.OIDC_UNSCOPED_SUBJECT.id, construct, because)
        elif not by_token:
            return  # AssumeRole is no call that the bearer of a token can make
        elif issuer == COGNITO:
            self._ask(rules.COGNITO_UNSCOPED_POOL, principal, issuer_worlds.strange_pool)
            self._ask(rules.COGNITO_GUEST, principal, issuer_worlds.guest)
        else:
            rule = rules.CLUSTER_ANY_SERVICE_ACCOUNT if is_cluster(issuer) else rules.OIDC_UNSCOPED_SUBJECT
            self._ask_issuer(rule, principal, issuer)

    def _ask_issuer(self, rule: RuleText, principal: Principal, issuer: str) -> None:
        gate, statement = self._gate, self._statement
        if self._is_on(rule):
            answer = issuer_worlds.strange_subject(gate, statement, principal, issuer)
            if isinstance(answer, Doubt) and issuer_worlds.is_of_issuer_alone(answer, issuer):
                is_listed = gate.organization.issuer(issuer) is not None
                because = f"whose tokens of {shortened(issuer)} come in is not decided; " + (
                    f"pin {shortened(issuer)}:sub to what trusted.oidc lists of it"
                    if is_listed
                    else "list the issuer, and the subjects that may come in, under trusted.oidc"
                )
                self._leave_open(rule.id, ", ".join(map(shortened, answer.constructs)), because)
            else:
                self._take_rule(rule, principal, answer)
        self._ask(rules.OIDC_UNSCOPED_AUDIENCE, principal, partial(issuer_worlds.stray_audience, issuer=issuer))

    # What comes of it

    def _is_on(self, rule: RuleText) -> bool:
        return rule.id in self._asked.on

    def _ask(
        self, rule: RuleText, principal: Principal, find: Callable[[Gate, Statement, Principal], Answer], *, lenient: bool = False
    ) -> None:
        """`lenient`: of this rule a doubt is nothing to tell anybody."""
        if self._is_on(rule) and rule.id not in self._found:
            self._take_rule(rule, principal, find(self._gate, self._statement, principal), lenient=lenient)

    def _take_rule(
        self, rule: RuleText, principal: Principal, answer: Answer, *, lenient: bool = False, severity: Severity | None = None
    ) -> None:
        if self._is_on(rule) and not (lenient and isinstance(answer, Doubt)):
            self._take(rule.id, rule.title, principal, answer, severity)

    def _take(self, rule: str, title: str, principal: Principal, answer: Answer, severity: Severity | None = None) -> None:
        if answer is None or rule in self._found:
            return
        if isinstance(answer, Doubt):
            constructs = ", ".join(map(shortened, answer.constructs))
            because = (
                f"it depends on {constructs}, which is not decided, whether this is so: {title[0].lower()}{title[1:]}; "
                "add a condition that rules it out, or have a person read it"
            )
            self._leave_open(rule, constructs, because)
        elif self._replayed(answer):
            self._found[rule] = Hole(rule, principal, answer, severity)
        else:
            because = f"search and evaluator disagree, which is a fault of Doorward: {title}; report it, and have a person read this"
            self._leave_open(rule, "a request that the evaluator refuses", because)

    def _replayed(self, shown: Shown) -> bool:
        witness, role = shown.witness, self._gate.role
        request = Request(witness.principal, witness.principal_type, witness.action, witness.context, role.arn, role.account_id)
        decision = evaluate_trust_policy(self._gate.document, request)
        if decision.outcome == "allowed":
            return True
        if self._strict:
            raise Disagreement(f"{named(self._statement)}: found {request}, and the evaluator says {decision}")
        return False

    def _leave_open(self, rule: str, construct: str, because: str) -> None:
        self._open.setdefault(rule, Open(rule, construct, because))
