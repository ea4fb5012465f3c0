"""Somebody who does not stop: breakers stop restoring, never closing; junk spends no budget but its own; use protects whom it should."""

import json
from copy import replace
from datetime import timedelta

import pytest

from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.brakes import BUDGET, MOST_WRITES, Stop
from doorward.guardrails.model import Guardrails, Mode
from doorward.guardrails.remedies import QUARANTINE
from doorward.guardrails.uses import Uses, use_in_words
from doorward.organization.model import Match
from doorward.ports.ledger import Baseline
from doorward.sessions.model import Edge
from tests.fakes import START
from tests.unit.test_react_to_change import (
    ALL_BAD,
    BAD,
    GOOD,
    GOOD_PRINCIPAL,
    ORGANIZATION,
    PROD,
    STRANGER,
    VENDOR,
    World,
    event,
    role,
    trusting,
)

MALLORY = f"arn:aws:iam::{PROD}:user/mallory"
ADMIN = Guardrails(mode=Mode.ENFORCE, hash="cafe", privileged=(Match(role_path="/admin/"),))
PAYMENTS = f"{PROD}/payments"


def put(world: World, trust: str, number: int, *, name: str = "payments", path: str = "/", by: str = MALLORY) -> list[str]:
    """Somebody makes the role, or changes it; what came of it."""
    world.clock.sleep(5)
    made = role(trust, name, path) if name == "payments" else role(trust, name, path, f"AROA{name.upper():0>16}"[:20])
    is_new = made.ref not in world.roles.roles
    world.roles.put(made)
    kind = "CreateRole" if is_new else "UpdateAssumeRolePolicy"
    return world.react(event(kind, trust, event_id=f"e-{number}", at=world.clock.now(), role_name=name, by=by))


def alerts(world: World, detection: str) -> list[str]:
    found = [each.detail for each in world.ledger.outbox.values() if each.detail.get("detection") == detection]
    return [f"{each['because']} {each['what_to_do']}" for each in found]


def trust_of(world: World, name: str = "payments") -> object:
    return json.loads(world.roles.roles[f"{PROD}/{name}"].trust_policy)


class TestPingPong:
    def test_the_last_write_for_what_is_critical_lets_nobody_in(self) -> None:
        world = World()
        world.accepted()
        for number in range(1, MOST_WRITES + 1):
            assert put(world, ALL_BAD, number) == ["reverted"]
            assert trust_of(world) != QUARANTINE
        for number in range(10, 13):  # it is closed again, however often he comes back
            assert put(world, ALL_BAD, number) == ["reverted"]
            assert trust_of(world) == QUARANTINE
        (told,) = alerts(world, "remedy-ping-pong")
        assert "written to this role 3 times" in told
        assert f'"aws:PrincipalArn":"{MALLORY}"' in told
        assert f"attach this service control policy to account {PROD}" in told

    def test_what_is_not_critical_is_asked_about_and_stands(self) -> None:
        world = World()
        world.accepted()
        for number in range(1, MOST_WRITES + 1):
            assert put(world, BAD, number) == ["reverted"]
        assert put(world, BAD, 9) == ["asked"]
        assert world.stands() == BAD
        (last,) = [each.detail for each in world.ledger.outbox.values() if each.detail.get("action") == "ask"]
        assert "it has to change in its own source" in last["because"]
        assert len(alerts(world, "remedy-ping-pong")) == 1

    def test_a_day_later_it_is_closed_as_ever(self) -> None:
        world = World()
        world.accepted()
        for number in range(1, MOST_WRITES + 1):
            put(world, BAD, number)
        world.clock.sleep(86_400)
        assert put(world, BAD, 9) == ["reverted"]


class TestStorms:
    @pytest.mark.parametrize("junk", [BAD, ALL_BAD], ids=["high", "critical"])
    def test_five_hundred_junk_violations_and_then_a_real_one_the_real_one_is_closed(self, junk: str) -> None:
        world = World(ADMIN)
        outcomes = [put(world, junk, number, name=f"junk-{number}") for number in range(500)]
        assert outcomes[BUDGET - 1] == ["reverted"]
        assert outcomes[BUDGET] == (["asked"] if junk == BAD else ["reverted"])
        assert put(world, ALL_BAD, 1000, name="root", path="/admin/") == ["reverted"]
        assert trust_of(world, "root") != json.loads(ALL_BAD)
        assert len(alerts(world, "remedy-storm")) == 1

    def test_the_budget_of_one_author_is_no_other_s(self) -> None:
        world = World()
        for number in range(BUDGET + 1):
            put(world, BAD, number, name=f"junk-{number}")
        assert put(world, BAD, 900, name="mine", by=f"arn:aws:iam::{PROD}:user/jane") == ["reverted"]

    def test_what_is_critical_is_closed_without_giving_anything_back(self) -> None:
        world = World()
        for number in range(BUDGET):
            put(world, ALL_BAD, number, name=f"junk-{number}")
        world.accepted()
        assert put(world, ALL_BAD, 900) == ["reverted"]
        (case,) = [each for each in world.ledger.cases.values() if each.role_ref == PAYMENTS]
        assert case.detail["gives_back"] is False

    def test_the_next_hour_has_a_budget_of_its_own(self) -> None:
        world = World()
        for number in range(BUDGET + 1):
            put(world, BAD, number, name=f"junk-{number}")
        world.clock.sleep(3600)
        assert put(world, BAD, 900, name="later") == ["reverted"]

    def test_nobody_is_to_be_contained_in_the_management_account_or_where_he_is_not_known(self) -> None:
        management = str(ORGANIZATION.management_account)
        world = World()
        for number in range(BUDGET + 1):
            put(world, BAD, number, name=f"junk-{number}", by=f"arn:aws:iam::{management}:user/root")
        (told,) = alerts(world, "remedy-storm")
        assert "No service control policy binds the management account" in told


class TestStops:
    @pytest.mark.parametrize("scope", ["organization", f"account {PROD}", "rule world-assumable", f"role {PAYMENTS}"])
    def test_a_person_stops_writes_and_neither_judging_nor_telling(self, scope: str) -> None:
        world = World()
        world.accepted()
        world.brakes.stops.append(Stop(scope, "jane", "an incident", START))
        assert put(world, ALL_BAD, 1) == ["asked"]
        assert world.stands() == ALL_BAD
        (found,) = [each.detail for each in world.ledger.outbox.values() if each.detail_type == "TrustViolationFound"]
        assert f"jane has stopped writes for {scope}: an incident" in found["because"]
        assert found["door_open"] is True

    @pytest.mark.parametrize("scope", ["account 111122223333", "rule mixed-callers", f"role {PROD}/other"])
    def test_what_is_stopped_elsewhere_stops_nothing_here(self, scope: str) -> None:
        world = World()
        world.accepted()
        world.brakes.stops.append(Stop(scope, "jane", "an incident", START))
        assert put(world, ALL_BAD, 1) == ["reverted"]

    def test_a_hold_ends_by_itself_and_the_next_look_closes_what_stands(self) -> None:
        world = World()
        world.accepted()
        world.brakes.stops.append(Stop(f"role {PAYMENTS}", "jane", "a migration", START, START + timedelta(hours=1)))
        assert put(world, BAD, 1) == ["asked"]
        world.clock.sleep(3600)
        (due,) = [each for each in world.ledger.due(world.clock.now(), 9) if each.role_ref is not None]
        follow = Hint(PROD, Cause.TRUST, "due", "f-1", world.clock.now(), role_name="payments", follows=due.id)
        assert world.react(hint_as_text(follow)) == ["reverted"]
        assert world.stands() == GOOD

    def test_at_the_end_of_a_wider_stop_nothing_is_undone_all_at_once(self) -> None:
        world = World()
        world.accepted()
        world.brakes.stops.append(Stop("organization", "jane", "an incident", START, START + timedelta(hours=1)))
        world.brakes.stops.append(Stop(f"role {PAYMENTS}", "jane", "a migration", START, START + timedelta(hours=1)))
        assert put(world, BAD, 1) == ["asked"]
        assert [each for each in world.ledger.due(world.clock.now() + timedelta(days=1), 9) if each.role_ref is not None] == []


class TestUse:
    """The baseline lets GOOD_PRINCIPAL in. What is found: a trust policy whose only remedies take the role from him, or not."""

    ONLY_STRANGERS = trusting(f"arn:aws:iam::{STRANGER}:root")
    MIXED = trusting("*")  # lets GOOD_PRINCIPAL in, too; bound to the organization it still does

    def came(self, world: World, principal: str = GOOD_PRINCIPAL, *, before: bool = True) -> None:
        first = world.clock.now() - timedelta(days=1) if before else world.clock.now() + timedelta(days=1)
        world.sessions.seen_edges[PAYMENTS, principal] = Edge(principal, PAYMENTS, 1, first, first)

    def test_who_used_it_before_keeps_it_by_a_remedy_that_spares_him(self) -> None:
        world = World()
        world.accepted()
        self.came(world)
        assert put(world, self.MIXED, 1) == ["reverted"]
        assert GOOD_PRINCIPAL in world.stands() or "aws:PrincipalOrgID" in world.stands()

    def test_who_came_only_by_the_change_is_protected_by_nothing(self) -> None:
        world = World()
        world.accepted()
        self.came(world, f"arn:aws:iam::{STRANGER}:role/evil")
        assert put(world, BAD, 1) == ["reverted"]
        assert STRANGER not in world.stands()

    def test_who_came_after_the_change_is_protected_by_nothing(self) -> None:
        world = World()
        outsider = f"arn:aws:iam::{STRANGER}:role/partner"
        world.ledger.accepted[PAYMENTS, role(GOOD).role_id] = self.baseline(trusting(outsider))
        world.roles.put(role(GOOD))
        self.came(world, outsider, before=False)
        assert put(world, trusting("*", outsider), 1) == ["reverted"]

    @pytest.mark.parametrize("who", ["role/partner", "role/x:role/partner", "user/partner", "user/x:role/partner"])
    def test_who_used_what_a_person_once_accepted_is_not_thrown_out(self, who: str) -> None:
        """What is accepted breaks a guardrail today: no remedy can keep him, so a person decides, and the page says so."""
        world = World()
        outsider = f"arn:aws:iam::{STRANGER}:{who}"
        world.ledger.accepted[PAYMENTS, role(GOOD).role_id] = self.baseline(trusting(outsider))
        world.roles.put(role(GOOD))
        self.came(world, outsider)
        assert put(world, trusting("*", outsider), 1) == ["asked"]
        (found,) = [each.detail for each in world.ledger.outbox.values() if each.detail.get("action") == "ask"]
        assert found["door_open"] is True
        assert "used it before" in found["because"]
        assert found["use"] == f"Used before the change by {outsider}, from some of whom the remedy takes it."

    def test_who_decides_reads_who_used_it_and_whether_he_keeps_it(self) -> None:
        approve = Guardrails(mode=Mode.APPROVE, hash="cafe")
        used, unused, new = (World(approve) for _ in range(3))
        for world in (used, unused):
            world.accepted()
        for number in range(7):
            self.came(used, f"{GOOD_PRINCIPAL}-{number}")  # whom the baseline lets in by none of its names
        self.came(used)
        for world in (used, unused, new):
            assert put(world, BAD, 1) == ["asked"]
        said = [each.detail["use"] for world in (used, unused, new) for each in world.ledger.outbox.values() if "use" in each.detail]
        nobody = "Nobody was seen to use it before the change by what stood then."
        assert said == [f"Used before the change by {GOOD_PRINCIPAL}, who keep it.", nobody, nobody]
        unknown = Uses(None, False, (), role(BAD), ORGANIZATION)
        assert use_in_words(unknown, None) == "Whether anybody used it before the change is not known."
        many = unknown._replace(users=tuple(map(str, range(7))))
        assert use_in_words(many, None) == "Used before the change by 0, 1, 2, 3, 4 and 2 more."

    def test_where_nobody_was_ever_seen_critical_findings_proceed_and_others_ask(self) -> None:
        outsider = f"arn:aws:iam::{STRANGER}:role/partner"
        other = f"arn:aws:iam::{STRANGER}:role/other"
        for found, outcome in ((trusting("*", outsider), "reverted"), (trusting(outsider, other), "asked")):
            world = World()
            world.ledger.accepted[PAYMENTS, role(GOOD).role_id] = self.baseline(trusting(outsider))
            world.roles.put(role(GOOD))
            assert put(world, found, 1) == [outcome]

    def test_a_new_role_was_used_by_nobody(self) -> None:
        world = World()
        self.came(world)
        assert put(world, self.ONLY_STRANGERS, 1) == ["reverted"]

    def test_who_used_what_stood_before_is_not_thrown_out_by_the_next_event_either(self) -> None:
        """Nothing was accepted for this role: what stood before the changes is the last policy that broke nothing."""
        world = World()
        of_vendor = trusting(f"arn:aws:iam::{VENDOR}:role/collector")
        proper = json.loads(of_vendor)
        proper["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "4f1c2a9e-7b3d-4e55-9a61-0c8d2f6b7e10"}}
        assert put(world, json.dumps(proper), 1) == ["passed"]
        self.came(world, VENDOR)
        for number in (2, 3):
            assert put(world, of_vendor, number) == ["asked"]
            assert world.stands() == of_vendor

    def baseline(self, document: str) -> Baseline:
        world = World()
        world.accepted()
        (kept,) = world.ledger.accepted.values()
        return replace(kept, document=document, policy_hash="accepted")
