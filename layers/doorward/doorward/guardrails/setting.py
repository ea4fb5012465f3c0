"""All that a judgement depends on besides the policy and the time: the role's account, the organization, the configuration.

Kept while the same ones are asked about, with what was found out under them, since policies come by the account.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Witness
from doorward.guardrails.model import CustomRule, Guardrails, Role, Scope
from doorward.guardrails.rules import ALL_RULES
from doorward.iam.arns import parse_arn
from doorward.iam.documents import PlainStatement
from doorward.iam.names import DEFAULT_AUDIENCE, GITHUB
from doorward.organization.model import Organization
from doorward.values import NamedTuple

if TYPE_CHECKING:
    from doorward.iam.callers import Organizations, Resource

_MOST_SETTINGS = 64
_MOST_REMEMBERED = 8_192
# Services of one statement: people write a handful.
_MOST_APART = 8
_ACCOUNT_ID_DIGITS = 12
# As much of an ARN as tells its partition.
_ARN_START = len("arn:aws-us-gov:")


class Ground:
    """What the worlds stand on, whichever policy is judged: the role's account and the organization. Made once, used for many policies."""

    def __init__(self, role: Role, organization: Organization) -> None:
        arn = parse_arn(role.arn)
        self.organization = organization
        self.account_id = role.account_id
        self.partition = organization.partition if arn is None else arn.partition
        # What ARNs of IAM begin with in the role's own account, and where the account ends in those of any.
        begin = f"arn:{self.partition}:iam::"
        self.own_arns = f"{begin}{role.account_id}:"
        self.arn_end = len(begin) + _ACCOUNT_ID_DIGITS
        ours = {role.account_id, *(each.id for each in organization.accounts)}
        if organization.management_account is not None:
            ours.add(organization.management_account)
        self.ours = frozenset(ours)
        self.our_arns = frozenset([f"{begin}{each}" for each in ours])
        self.trusted = frozenset(each.id for each in organization.trusted_accounts) - self.ours
        self.asked_for_external_id = frozenset(each.id for each in organization.trusted_accounts if each.external_id_required)
        self.known = self.ours | self.trusted
        github = organization.issuer(GITHUB)
        subjects = () if github is None or github.claims else github.subjects
        # "repo:acme/*": whatever begins with what stands before the asterisk.
        self.github_owners = tuple([each[:-1] for each in subjects if each.endswith("/*") and each.count("*") == 1 and "?" not in each])
        self.github_audiences = frozenset() if github is None else frozenset(github.audiences or (DEFAULT_AUDIENCE,))

    @cached_property
    def elsewhere(self) -> "Organizations":
        from doorward.iam.callers import organizations_other_than  # here: of the search alone, and import time is bounded

        return organizations_other_than(self.organization.id)

    @cached_property
    def resource(self) -> "Resource":
        from doorward.iam.callers import Resource  # here: as above
        from doorward.iam.spans import network, united

        own = self.organization.account(self.account_id)
        networks = self.organization.networks
        return Resource(
            self.partition,
            self.account_id,
            self.organization.id,
            united(block for each in networks.cidrs if (block := network(each)) is not None),
            networks.vpcs,
            networks.vpce,
            "" if own is None else own.org_path,
            self.ours,
        )


class Outsider(NamedTuple):
    """Somebody from outside who comes in. `account_id`: None where he comes by a token. `is_trusted`: the organization file says so."""

    statement: StatementRef
    witness: Witness
    account_id: str | None
    is_trusted: bool


class Outsiders(NamedTuple):
    """One of each statement, strangers before those whom the organization trusts."""

    found: tuple[Outsider, ...] = ()
    undecided: tuple[Undecided, ...] = ()


class Looked(NamedTuple):
    """What was found of one statement. Where it stands is put in by who reports it."""

    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()


def _content_of(version: str, statement: PlainStatement, denies: Sequence[PlainStatement]) -> tuple[object, ...]:
    """What decides what is found of a statement: neither where it stands nor what it is called."""
    return (version, statement[2:], *[each[2:] for each in denies]) if denies else (version, statement[2:])


def one_by_one(statement: PlainStatement) -> list[PlainStatement]:
    """The statement for each of its services alone, so that it is remembered of a service and not of a set of them; empty for any other.

    None of what is asked of a service depends on those beside it. Of very many, one search ends sooner than one for each.
    """
    principals = statement[3]
    if not principals or len(principals) == 1:
        return []
    principals = tuple(dict.fromkeys(principals))
    if not 1 < len(principals) <= _MOST_APART or any(kind != "Service" for kind, _ in principals):
        return []
    return [(*statement[:3], (each,), *statement[4:]) for each in principals]


def together(parts: Sequence[Looked]) -> Looked:
    """What is found of all these: of each rule the gravest finding and the first doubt."""
    findings: dict[str, Finding] = {}
    for part in parts:
        for each in part.findings:
            known = findings.get(each.rule)
            if known is None or each.severity.rank > known.severity.rank:
                findings[each.rule] = each
    undecided = {each.rule: each for part in reversed(parts) for each in reversed(part.undecided)}
    return Looked(tuple(findings.values()), tuple(undecided.values()))


class Setting:
    """What is the same for every policy, and what was found out of texts and of statements."""

    def __init__(
        self,
        role: Role,
        organization: Organization,
        guardrails: Guardrails,
        *,
        privileged: bool,
        custom: tuple[CustomRule, ...],
        scope: Scope | None,
        strict: bool,
    ) -> None:
        self.organization = organization
        self.guardrails = guardrails
        self.strict = strict
        self.privileged = privileged
        self.raised = privileged or role.account_id == organization.management_account
        self.ground = Ground(role, organization)
        self.arn_start = role.arn[:_ARN_START]
        # Whether the account alone says what counts for a role.
        self.is_uniform = not (guardrails.scopes or guardrails.privileged or guardrails.custom_rules)
        self.rules_on = frozenset(
            each.id for each in ALL_RULES.values() if guardrails.is_enabled(each.id) and (privileged or not each.only_privileged)
        )
        self.custom = custom
        self.scope = scope
        # Rules of one's own, and those that look at privileged roles only, mind what others do not.
        self.is_plain_enough = not privileged and not custom
        self.judged: dict[str, Judgement] = {}
        self.outsiders: dict[str, Outsiders] = {}
        self._statements: dict[tuple[object, ...], Looked] = {}
        self._role = role

    def known_of(self, version: str, statement: PlainStatement, denies: Sequence[PlainStatement]) -> Looked | None:
        """What was found of a statement of the same content before, or of each of its services alone."""
        known = self._statements.get(_content_of(version, statement, denies))
        if known is None:
            parts: list[Looked] = []
            for each in one_by_one(statement):
                part = self._statements.get(_content_of(version, each, denies))
                if part is None:
                    return None
                parts.append(part)
            if parts:
                known = together(parts)
                self.remember(version, statement, denies, known)
        return known

    def remember(self, version: str, statement: PlainStatement, denies: Sequence[PlainStatement], looked: Looked) -> None:
        if len(self._statements) >= _MOST_REMEMBERED:
            self._statements.clear()
        self._statements[_content_of(version, statement, denies)] = looked

    @cached_property
    def ground_without_trust(self) -> Ground:
        """As if no other account were trusted: who comes in then, and not from an account of ours, is from outside."""
        return Ground(self._role, self.organization._replace(trusted_accounts=()))

    def severity_of(self, rule_id: str, of_hole: Severity | None = None) -> Severity:
        """As a scope says, as the rule is set, as the case is, or as the rule has it; one step up where the role matters more."""
        if self.scope is not None and rule_id in self.scope.severities:
            return self.scope.severities[rule_id]
        configured = self.guardrails.rules.get(rule_id)
        if configured is not None and configured.severity is not None:
            return configured.severity
        rule = ALL_RULES.get(rule_id)
        if rule is None:
            return next(each.severity for each in self.guardrails.custom_rules if each.id == rule_id)
        if self.privileged and rule.when_privileged is not None and of_hole is None:
            return rule.when_privileged
        severity = of_hole or rule.severity
        if rule.kind == "world" and self.raised and not rule.only_privileged:
            return _RAISED.get(severity, severity)
        return severity


_RAISED = {Severity.HIGH: Severity.CRITICAL, Severity.MEDIUM: Severity.HIGH, Severity.LOW: Severity.MEDIUM}
_settings: dict[tuple[object, ...], Setting] = {}
# The one used last.
_last: list[Setting] = []


def setting_of(role: Role, organization: Organization, guardrails: Guardrails, *, strict: bool) -> Setting:
    if _last:
        last = _last[0]
        if (
            last.organization is organization
            and last.guardrails is guardrails
            and last.is_uniform
            and last.ground.account_id == role.account_id
            and role.arn.startswith(last.arn_start)
            and last.strict is strict
        ):
            return last
    setting = _kept(role, organization, guardrails, strict=strict)
    _last[:] = (setting,)
    return setting


def forget() -> None:
    """Drop what is remembered."""
    _settings.clear()
    _last.clear()


def _kept(role: Role, organization: Organization, guardrails: Guardrails, *, strict: bool) -> Setting:
    account = organization.account(role.account_id) if guardrails.scopes or guardrails.privileged or guardrails.custom_rules else None
    privileged = bool(guardrails.privileged) and guardrails.is_privileged(role, account)
    custom = tuple(index for index, each in enumerate(guardrails.custom_rules) if each.match.covers(role, account))
    scope = guardrails.scope_of(role, account)
    key = (
        id(organization),
        id(guardrails),
        role.account_id,
        role.arn[:_ARN_START],
        privileged,
        custom,
        None if scope is None else scope.name,
        strict,
    )
    known = _settings.get(key)
    # The same object: an id is somebody else's once its owner is gone.
    if known is None or known.organization is not organization or known.guardrails is not guardrails:
        if len(_settings) >= _MOST_SETTINGS:
            _settings.clear()
        rules = tuple(guardrails.custom_rules[each] for each in custom)
        known = Setting(role, organization, guardrails, privileged=privileged, custom=rules, scope=scope, strict=strict)
        _settings[key] = known
    return known
