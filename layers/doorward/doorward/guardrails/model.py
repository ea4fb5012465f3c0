"""What the guardrails are told: modes and severities by scope, and the role to judge.

NamedTuples, not dataclasses: making their classes is part of every cold start, and a dataclass costs five times as much:
see docs/performance.md.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from doorward.findings.model import Severity
from doorward.organization.model import Account


class Mode(StrEnum):
    """What follows a finding, from the mildest. `approve` asks a person before anything is written."""

    OBSERVE = "observe"
    ALERT = "alert"
    APPROVE = "approve"
    ENFORCE = "enforce"


class Role(NamedTuple):
    """A role as it stands now. `trust_policy` is the document's JSON text; `path` begins and ends with a slash."""

    account_id: str
    name: str
    path: str
    arn: str
    role_id: str
    trust_policy: str
    max_session_duration_seconds: int = 3600
    tags: Mapping[str, str] = MappingProxyType({})
    created_at: datetime | None = None

    @property
    def ref(self) -> str:
        """`111122223333/name`: how CloudTrail names a role, and how people do."""
        return f"{self.account_id}/{self.name}"


class Rule(NamedTuple):
    """How one guardrail is set. `mode` None: the scope's mode counts."""

    id: str
    severity: Severity
    mode: Mode | None = None


class Scope(NamedTuple):
    """Which roles a mode is for. Every given criterion must hold; an `ou` includes those below it; `role_path` is a prefix."""

    name: str
    mode: Mode
    rules: Mapping[str, Mode] = MappingProxyType({})
    accounts: tuple[str, ...] = ()
    ou: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    role_path: str | None = None

    def covers(self, role: Role, account: Account) -> bool:
        return (
            (not self.accounts or role.account_id in self.accounts)
            and (self.ou is None or account.ou == self.ou or account.ou.startswith(self.ou.rstrip("/") + "/"))
            and all(account.tags.get(key) == value for key, value in self.tags.items())
            and (self.role_path is None or role.path.startswith(self.role_path))
        )


class Guardrails(NamedTuple):
    """`hash` is that of the configuration in force; it stands in every finding."""

    mode: Mode = Mode.ALERT
    undecidable: Mode = Mode.ALERT
    rules: Mapping[str, Rule] = MappingProxyType({})
    scopes: tuple[Scope, ...] = ()
    hash: str = ""

    def mode_for(self, rule_id: str, role: Role, account: Account | None) -> Mode:
        """The first scope that covers the role decides; a rule's own mode caps it. An account that nobody described is only observed."""
        if account is None:
            return Mode.OBSERVE
        rule = self.rules.get(rule_id)
        scope = next((each for each in self.scopes if each.covers(role, account)), None)
        if scope is not None:
            if rule_id in scope.rules:
                return scope.rules[rule_id]
            return milder(scope.mode, rule.mode if rule is not None else None)
        return milder(self.mode, rule.mode if rule is not None else None)


def milder(one: Mode, other: Mode | None) -> Mode:
    if other is None:
        return one
    order = list(Mode)
    return min(one, other, key=order.index)
