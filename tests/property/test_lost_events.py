"""Any permutation, repetition and loss of events, followed by a sweep, ends with the same facts about every role."""

import json
from collections.abc import Callable
from copy import replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.events.hints import hint_as_text
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.iam.documents import hash_of_text
from doorward.usecases.sweep_account import Tools as SweepTools
from doorward.usecases.sweep_account import sweep_account
from tests.fakes import START, FakeExpectations, FakeHints, FakeInventory, FakePages
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, PROD, World, event, role

type Facts = set[tuple[str, str, str]]
"""Role, its unique id, and the hash of what is found wrong with it."""

NAMES = ("a", "b")
POLICIES = {"good": GOOD, "bad": BAD, "worse": ALL_BAD}
STEPS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from((*POLICIES, "deleted"))), min_size=1, max_size=6)


class Account:
    """Roles that people change, a reaction that only tells, and the sweep."""

    def __init__(self) -> None:
        self.world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        self.pages, self.hints = FakePages(size=1), FakeHints()
        tools = self.world.tools
        self.tools = SweepTools(
            self.pages, FakeInventory(), self.hints, FakeExpectations(), tools.clock, tools.organization, tools.ledger, tools.guardrails, ""
        )
        self.made = 0

    def change(self, name: str, what: str) -> str:
        """Do it; the event that tells of it."""
        self.world.clock.sleep(90)  # nothing that follows is a stale read
        self.made += 1
        ref, at = f"{PROD}/{name}", self.world.clock.now()
        there = self.world.roles.roles.get(ref)
        if what == "deleted":
            self.world.roles.roles.pop(ref, None)
            told = event("DeleteRole", None, event_id=f"e-{self.made}", at=at, role_name=name)
        elif there is None:
            self.world.roles.put(replace(role(POLICIES[what], name, role_id=f"AROA{name.upper()}{self.made:012d}"), created_at=at))
            told = event("CreateRole", POLICIES[what], event_id=f"e-{self.made}", at=at, role_name=name)
        else:
            self.world.roles.put(replace(there, trust_policy=POLICIES[what]))
            told = event(document=POLICIES[what], event_id=f"e-{self.made}", at=at, role_name=name)
        self.world.clock.sleep(90)
        return told

    def sweep(self, arrive: Callable[[list[str]], list[str]] = list) -> int:
        """And those of the hints that it led to that `arrive`, looked at; how many it sent."""
        self.pages.details[PROD] = [detail(each) for each in self.world.roles.roles.values()]
        self.world.clock.sleep(1)  # who asks while a sweep begins is covered by it
        now = self.world.clock.now().isoformat()
        before, answer = len(self.hints.sent), {"account_id": PROD, "sweep": "s1", "asked": now, "done": False}
        while not answer["done"]:
            answer = sweep_account(answer, self.tools)
        for hint in arrive([hint_as_text(each) for each in self.hints.sent[before:]]):
            self.world.react(hint)
        return len(self.hints.sent) - before

    def facts(self) -> Facts:
        cases = [each for each in self.world.ledger.cases.values() if each.status.is_open]
        return {(each.role_ref, each.role_id, each.found_hash) for each in cases}

    def truth(self) -> Facts:
        return {
            (each.ref, each.role_id, hash_of_text(each.trust_policy))
            for each in self.world.roles.roles.values()
            if each.trust_policy != GOOD
        }


def _keep(into: list[str], hints: list[str]) -> list[str]:
    into += hints
    return []


def detail(each: Role) -> dict[str, Any]:
    return {
        "RoleName": each.name,
        "Path": each.path,
        "Arn": each.arn,
        "RoleId": each.role_id,
        "CreateDate": each.created_at or START - timedelta(days=30),
        "AssumeRolePolicyDocument": json.loads(each.trust_policy),
    }


@settings(max_examples=300)
@given(STEPS, STEPS, st.data())
def test_whatever_became_of_the_events_a_sweep_ends_with_what_is_true(early: Any, late: Any, data: st.DataObject) -> None:
    account = Account()
    events: list[str] = []
    for steps in (early, late):
        for name, what in steps:
            events.append(account.change(name, what))
            # Some arrive at once, some late, some twice, in any order, and some never.
            for told in data.draw(st.lists(st.sampled_from(events), max_size=3), label="arrive"):
                account.world.react(told)
            if data.draw(st.booleans(), label="a sweep whose hints are as late, as often and as lost as events"):
                hints: list[str] = []
                account.sweep(partial(_keep, hints))
                events += hints
        account.sweep()
        assert account.facts() == account.truth()
    assert account.sweep() == 0
