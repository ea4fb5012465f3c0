"""What the reconciler works with, around tests/granting_world.py."""

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from doorward.errors import DoorwardError
from doorward.guardrails.model import Role
from doorward.organization.model import Organization
from doorward.ports.ledger import Case, CaseStatus, Head
from doorward.usecases.reconcile_grants import CameTo, Tools, reconcile_grants
from tests.fakes import FakeClock, FakeGrantRoles, FakeGrantRolesOfAccounts, FakeHints, FakeLedger
from tests.granting_world import World
from tests.grants_world import PROD, STAGING


@dataclass
class FakeWakes:
    called: list[str] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def call(self, grant_id: str) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.called.append(grant_id)


@dataclass
class Reconciled:
    """`drifted`: what is wrong with a role, by its ref. `ledger`: what the reaction knows of roles."""

    world: World = field(default_factory=World)
    wakes: FakeWakes = field(default_factory=FakeWakes)
    accounts: FakeGrantRolesOfAccounts = field(default_factory=FakeGrantRolesOfAccounts)
    known: FakeGrantRoles = field(default_factory=FakeGrantRoles)
    hints: FakeHints = field(default_factory=FakeHints)
    drifted: dict[str, str] = field(default_factory=dict)
    ledger: FakeLedger = field(default_factory=lambda: FakeLedger(FakeClock()))
    until: datetime | None = None

    @property
    def tools(self) -> Tools:
        return Tools(
            self.world.tools,
            Organization(accounts=(PROD, STAGING)),
            self.world.executions,
            self.wakes,
            self.accounts,
            self.known,
            self.hints,
            lambda role: self.drifted.get(role.ref, ""),
            self.ledger,
            self.until or self.world.clock.now() + timedelta(minutes=4),
        )

    def turn(self, *, dry_run: bool = False) -> CameTo:
        return reconcile_grants(self.tools, dry_run=dry_run)

    def acts(self) -> list[tuple[str, str]]:
        return [(each.what, each.step) for each in self.turn().acts]

    def has_case(self, role: Role, *rules: str) -> None:
        """An open one, in which these rules are broken."""
        detail = {"findings": [{"rule": each} for each in rules]}
        case = Case("dw-1", role.ref, role.role_id, "hash", 0, CaseStatus.STANDING, self.world.clock.now(), "e-1", "{}", detail)
        self.ledger.cases[role.ref, case.id] = case
        self.ledger.heads[role.ref] = Head(case_id=case.id)

    def kept(self) -> object:
        """All that anybody could have written or sent."""
        grants, questions = self.world.grants, self.world.questions
        kept: list[Any] = [grants.kept, grants.tokens, grants.audit, grants.announced, questions.kept, questions.announced]
        kept += [self.world.paged, self.world.executions.started, self.world.executions.woken]
        return [copy(each) for each in (*kept, self.wakes.called, self.known.kept, self.hints.sent)]


def grant_role(name: str = "orders", account_id: str = PROD.id) -> Role:
    path = "/doorward/grants/"
    return Role(
        account_id, name, path, f"arn:aws:iam::{account_id}:role{path}{name}", f"AROA{name.upper()}", "{}", tags={"team": "payments"}
    )
