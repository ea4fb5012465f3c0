"""Ways to keep a door open, to have Doorward break what works, or to leave something stuck: each was tried, and is closed."""

import json
from copy import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from doorward.errors import Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.brakes import BUDGET, MOST_WRITES, Stop
from doorward.guardrails.model import Guardrails, Mode, Role, Rule, Undecidable
from doorward.guardrails.protected import _LANDING_ZONE
from doorward.organization.model import Organization
from doorward.sessions.model import Edge
from doorward.usecases.finish_started import finish_started
from doorward.usecases.foresee_reaction import foresee_reaction
from tests.fakes import START, FakeBus
from tests.template.conftest import REPOSITORY
from tests.unit.test_react_to_change import (
    ALL_BAD,
    BAD,
    GOOD,
    GOOD_PRINCIPAL,
    PIPELINE,
    PROD,
    SHARED,
    STRANGER,
    SWAPPED,
    VENDOR,
    World,
    event,
    role,
    trusting,
)
from tests.unit.test_react_to_storms import MALLORY, PAYMENTS, put

LOCKED = trusting(f"arn:aws:iam::{SHARED}:role/responder")


def swapped_with_give_back_put_off(world: World) -> None:
    """IAM shows our closing write late: it is given back by the first look after it."""
    world.accepted()
    world.roles.put(role(SWAPPED))
    read, reads = world.roles.read, iter([None, None, role(SWAPPED)])
    world.roles.read = lambda account, name: next(reads, None) or read(account, name)  # type: ignore[assignment, method-assign]
    assert world.react(event(document=SWAPPED)) == ["reverted"]
    assert len(world.roles.writes) == 1


def test_kill_switch_stops_giving_back_too() -> None:
    world = World()
    swapped_with_give_back_put_off(world)
    world.brakes.stops.append(Stop("organization", "jane", "an incident", world.clock.now()))
    world.follow_up()
    assert len(world.roles.writes) == 1


def test_observe_never_writes_not_even_what_was_put_off() -> None:
    world = World()
    swapped_with_give_back_put_off(world)
    world.tools = replace(world.tools, guardrails=Guardrails(mode=Mode.OBSERVE, hash="beef"))
    world.follow_up()
    assert len(world.roles.writes) == 1


def test_what_a_person_locked_down_meanwhile_is_not_opened_again_by_giving_back() -> None:
    world = World()
    swapped_with_give_back_put_off(world)
    world.clock.sleep(2)
    world.roles.put(role(LOCKED))
    assert world.react(event(document=LOCKED, event_id="e-2", at=world.clock.now())) == ["passed"]
    world.follow_up()
    assert world.stands() == LOCKED


def test_verified_is_not_said_of_somebody_elses_hole() -> None:
    """A pipeline opens the role meanwhile: alerted, stands. The case before says 'what was written has stood'."""
    world = World()
    swapped_with_give_back_put_off(world)
    world.clock.sleep(2)
    bad = trusting(f"arn:aws:iam::{STRANGER}:role/other")
    world.roles.put(role(bad))
    assert world.react(event(document=bad, event_id="e-2", at=world.clock.now(), by=PIPELINE)) == ["alerted"]
    world.follow_up()
    assert world.stands() == bad, "and a known pipeline's work was written over"
    assert "TrustRemedyVerified" not in world.announced()


@pytest.mark.parametrize("how", ["too often"])
def test_a_breaker_lets_nothing_be_given_back_although_the_write_timed_out(how: str) -> None:
    world = World()
    if how == "budget":
        for number in range(100, 100 + BUDGET):
            put(world, ALL_BAD, number, name=f"junk-{number}")
        world.accepted()
    else:
        world.accepted()
        for number in range(1, MOST_WRITES + 1):
            put(world, ALL_BAD, number)
    world.follow_up()
    write = world.roles.write_trust_policy

    def timed_out(role: Role, trust_policy: str, *, finding_id: str) -> None:
        write(role, trust_policy, finding_id=finding_id)
        raise Unavailable("timed out after it took effect")

    world.roles.write_trust_policy = timed_out  # type: ignore[method-assign]
    world.clock.sleep(5)
    world.roles.put(role(ALL_BAD))
    message = event(document=ALL_BAD, event_id="e-9", at=world.clock.now(), by=MALLORY)
    with pytest.raises(Unavailable):
        world.react(message)
    world.roles.write_trust_policy = write  # type: ignore[method-assign]
    closed = world.stands()
    world.react(message)  # SQS delivers it again
    world.clock.sleep(300)
    for due in world.ledger.due(world.clock.now(), 99):
        if due.role_ref == PAYMENTS and due.id != "CUT":
            world.react(hint_as_text(Hint(PROD, Cause.TRUST, "due", due.id, world.clock.now(), role_name="payments", follows=due.id)))
    assert world.stands() == closed


def test_who_opens_it_again_while_sessions_are_being_cut_is_met_by_his_own_event() -> None:
    """The write is at T, his change at T+1, and 'written_at' is taken after the cut, at T+3."""
    world = World()
    world.accepted()
    world.clock.sleep(5)
    world.roles.put(role(ALL_BAD))
    first = event(document=ALL_BAD, event_id="e-1", at=world.clock.now(), by=MALLORY)
    cut, again = world.cuts.put, []

    def slow(*arguments: Any, **named: Any) -> None:
        world.clock.sleep(1)
        world.roles.put(role(ALL_BAD))  # a second after our write
        again.append(event(document=ALL_BAD, event_id="e-2", at=world.clock.now(), by=MALLORY))
        world.clock.sleep(2)
        cut(*arguments, **named)

    world.cuts.put = slow  # type: ignore[method-assign]
    assert world.react(first) == ["reverted"]
    world.cuts.put = cut  # type: ignore[method-assign]
    assert world.stands() == ALL_BAD
    assert world.react(again[0]) == ["reverted"]


def statement(principal: object, condition: object = None, action: str = "sts:AssumeRole", sid: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": action}
    return made | ({"Condition": condition} if condition else {}) | ({"Sid": sid} if sid else {})


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


STAR = statement({"AWS": "*"})
OF_VENDOR = statement({"AWS": f"arn:aws:iam::{VENDOR}:root"})
OF_VENDOR_WITH_ID = statement({"AWS": f"arn:aws:iam::{VENDOR}:root"}, {"StringEquals": {"sts:ExternalId": "a-long-id-1234"}})
OF_STRANGER = statement({"AWS": f"arn:aws:iam::{STRANGER}:root"})
TOO_HARD = statement({"AWS": "*"}, {"BinaryEquals": {"aws:x": "eA=="}})
CRUMB = statement({"AWS": GOOD_PRINCIPAL}, action="sts:*")


@pytest.mark.parametrize("mode", [None, Mode.OBSERVE], ids=["enforced", "observed"])
def test_junk_that_breaks_a_stopped_guardrail_keeps_no_door_open_under_another(mode: Mode | None) -> None:
    rules = {} if mode is None else {"external-account": Rule("external-account", mode=mode)}
    world = World(Guardrails(mode=Mode.ENFORCE, hash="cafe", rules=rules))
    world.accepted()
    world.brakes.stops.append(Stop("rule external-account", "jane", "too noisy", START))
    assert put(world, policy(STAR, OF_STRANGER), 1) == ["reverted"]


def test_a_harmless_finding_beside_it_does_not_switch_off_the_setting_for_what_is_too_hard() -> None:
    world = World(Guardrails(mode=Mode.ENFORCE, hash="cafe", undecidable=Undecidable.RESTORE))
    world.accepted()
    assert put(world, policy(TOO_HARD), 1) == ["reverted"]
    assert put(world, policy(TOO_HARD, CRUMB), 2) == ["reverted"]
    assert world.stands() == GOOD


def test_what_is_too_hard_is_not_silent_because_a_crumb_is_only_observed() -> None:
    rules = {"action-wildcard": Rule("action-wildcard", mode=Mode.OBSERVE)}
    world = World(Guardrails(mode=Mode.ENFORCE, hash="cafe", undecidable=Undecidable.APPROVE, rules=rules))
    world.accepted()
    assert put(world, policy(TOO_HARD), 1) == ["asked"]
    assert put(world, policy(TOO_HARD, CRUMB), 2) == ["asked"]


def seen_using(world: World, principal: str) -> None:
    at = world.clock.now() - timedelta(days=1)
    world.sessions.seen_edges[PAYMENTS, principal] = Edge(principal, PAYMENTS, 9, at, at)


def opened_to_a_vendor_in_use(world: World) -> str:
    """The vendor used the role by his external ID, which is asked of nobody any more; the event that tells of it."""
    assert put(world, policy(OF_VENDOR_WITH_ID), 1) == ["passed"]
    seen_using(world, VENDOR)
    world.clock.sleep(60)
    world.roles.put(role(policy(OF_VENDOR)))
    return event(document=policy(OF_VENDOR), event_id="e-2", at=world.clock.now())


def test_an_event_that_comes_twice_does_not_throw_out_whom_use_protects() -> None:
    world = World()
    message = opened_to_a_vendor_in_use(world)
    assert world.react(message) == ["asked"]
    assert world.react(message) == ["asked"]
    assert world.roles.writes == []


def test_touching_a_violation_that_stood_in_use_is_no_way_to_throw_its_users_out() -> None:
    """Adopted as it is: asked about, in use for years. Somebody adds a Sid."""
    world = World()
    world.roles.put(role(policy(OF_VENDOR)))
    first_seen = Hint(PROD, Cause.FIRST_SEEN, "the account was adopted", "f-1", world.clock.now(), role_name="payments")
    assert world.react(hint_as_text(first_seen)) == ["asked"]
    seen_using(world, VENDOR)
    assert put(world, policy({**OF_VENDOR, "Sid": "Vendor"}), 1, by=MALLORY) == ["asked"]


def test_a_principal_that_is_deleted_right_after_keeps_the_event_from_being_recognized() -> None:
    """IAM shows AIDA... in the place of a user that is gone: the event's document never is what stands."""
    world = World()
    world.accepted()
    world.clock.sleep(5)
    world.roles.put(role(trusting("*", "AIDAJQABLZS4A3QDU576Q")))
    told = event(document=trusting("*", f"arn:aws:iam::{STRANGER}:user/x"), event_id="e-1", at=world.clock.now(), by=MALLORY)
    assert world.react(told) == ["reverted"]


def test_the_plan_is_what_the_run_does_once_the_budget_of_the_author_is_spent() -> None:
    world = World()
    for number in range(BUDGET):
        put(world, BAD, number, name=f"junk-{number}")
    world.clock.sleep(5)
    world.roles.put(role(BAD))
    foreseen = foresee_reaction({"account": PROD, "role": "payments", "by": MALLORY}, world.tools)
    outcome = world.react(event("CreateRole", BAD, event_id="e-99", at=world.clock.now(), by=MALLORY))
    assert (foreseen["action"], outcome) == ("ask", ["asked"])


def test_a_window_that_nothing_came_of_ends_no_session_with_the_next_one() -> None:
    """The first intent is given up because a person mends the role; two minutes later it is opened again, and written."""
    world = World()
    world.accepted()
    world.clock.sleep(60)
    world.roles.put(role(ALL_BAD))
    first_at = world.clock.now()
    read, calls = world.roles.read, []

    def mended(account: str, name: str) -> Role | None:
        calls.append(name)
        if len(calls) == 2:
            world.roles.put(role(GOOD))
        return read(account, name)

    world.roles.read = mended  # type: ignore[assignment, method-assign]
    assert world.react(event(document=ALL_BAD, event_id="e-1", at=first_at)) == ["passed"]
    assert world.roles.writes == []
    world.roles.read = read  # type: ignore[method-assign]
    world.clock.sleep(100)
    assert put(world, ALL_BAD, 2) == ["reverted"]
    world.follow_up()
    for due in world.ledger.due(world.clock.now() + timedelta(hours=1), 99):
        if due.id == "CUT":
            world.react(hint_as_text(Hint(PROD, Cause.TRUST, "due", "CUT", world.clock.now(), role_name="payments", follows="CUT")))
    (denied,) = world.cuts.policies.values()
    honest = (first_at + timedelta(seconds=50)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for each in json.loads(denied)["Statement"]:
        bounds = each["Condition"]
        assert not bounds["DateGreaterThan"]["aws:TokenIssueTime"] < honest < bounds["DateLessThan"]["aws:TokenIssueTime"]


def test_dying_between_giving_back_and_telling_it_is_told_all_the_same() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(SWAPPED))
    judged = world.ledger.judged

    def dies(*arguments: Any) -> None:
        if len(world.roles.writes) == 2:
            raise Unavailable("killed")
        judged(*arguments)

    world.ledger.judged = dies  # type: ignore[assignment, method-assign]
    with pytest.raises(Unavailable):
        world.react(event(document=SWAPPED))
    world.ledger.judged = judged  # type: ignore[method-assign]
    assert world.stands() == GOOD
    world.follow_up()
    assert "TrustAccessGivenBack" in world.announced()


def test_dying_before_the_new_look_is_asked_for_leaves_something_on_the_agenda() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(ALL_BAD))
    assert world.react(event(document=ALL_BAD)) == ["reverted"]
    (case,) = world.ledger.cases.values()
    world.clock.sleep(125)
    world.roles.put(role(ALL_BAD))  # an event that is lost
    send = world.tools.hints().send

    def dies(*_arguments: Any, **_named: Any) -> None:
        raise Unavailable("killed")

    world.hints.send = dies  # type: ignore[method-assign]
    message = hint_as_text(Hint(PROD, Cause.TRUST, "due", "f", world.clock.now(), role_name="payments", follows=case.id))
    with pytest.raises(Unavailable):
        world.react(message)
    world.hints.send = send  # type: ignore[method-assign]
    assert world.react(message) == ["handed-on"]


def test_a_stop_that_was_written_with_a_time_without_zone_keeps_nobody_from_being_told() -> None:
    world = World()
    world.accepted()
    world.brakes.stops.append(Stop(f"account {PROD}", "jane", "an incident", START, datetime.fromisoformat("2026-11-25T09:00")))
    assert put(world, ALL_BAD, 1) == ["asked"]


def test_a_pipelines_event_that_comes_again_does_not_accept_what_the_pipeline_took_back() -> None:
    world = World()
    wide = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{SHARED}:root")
    world.roles.put(role(wide))
    old = event(document=wide, by=PIPELINE, event_id="e-0", at=world.clock.now())
    assert world.react(old) == ["accepted"]
    assert put(world, GOOD, 1, by=PIPELINE) == ["accepted"]
    assert put(world, wide, 2, by=MALLORY) == ["passed"]
    world.react(old)  # at least once
    kept = world.ledger.baseline(PAYMENTS, role(GOOD).role_id)
    assert kept is not None
    assert kept.document == GOOD


@pytest.mark.parametrize("times", [MOST_WRITES + 1])
def test_what_is_too_hard_to_judge_is_no_way_in_the_fourth_time_either(times: int) -> None:
    world = World(Guardrails(mode=Mode.ENFORCE, hash="cafe", undecidable=Undecidable.RESTORE))
    world.accepted()
    outcomes = [put(world, policy({**TOO_HARD, "Sid": f"n{n}"}), n) for n in range(1, times + 1)]
    last = [each.detail for each in world.ledger.outbox.values() if each.detail_type == "TrustPolicyUndecidable"][-1]
    assert outcomes[-1] == ["reverted"] or last["door_open"]


def test_a_crash_after_the_intent_does_not_forget_whom_use_protects() -> None:
    """The first try would spare who used the role before; the second one does not know of him any more."""
    world = World()
    message = opened_to_a_vendor_in_use(world)
    record = world.ledger.record

    def dies(_outcome: object) -> None:
        raise Unavailable("killed")

    world.ledger.record = dies  # type: ignore[assignment, method-assign]
    with pytest.raises(Unavailable):
        world.react(message)
    world.ledger.record = record  # type: ignore[method-assign]
    assert world.react(message) == ["asked"]


def test_what_is_due_in_an_account_that_has_left_does_not_come_up_for_ever() -> None:
    world = World()
    world.accepted()
    assert put(world, ALL_BAD, 1) == ["reverted"]

    for _ in range(400):  # 33 hours
        world.clock.sleep(300)
        world.hints.sent, world.hints.after = [], []
        finish_started(world.ledger, world.ledger, FakeBus(), world.hints, Organization(), world.clock)
        assert world.hints.sent == []


@pytest.mark.parametrize("statement", ["RemedyRole", "CutRole"])
def test_the_templates_deny_every_role_that_the_code_calls_the_landing_zones(statement: str) -> None:
    text = (REPOSITORY / "accounts" / "member.yaml").read_text()
    own = text[text.index(f"  {statement}:") :]
    own = own[own.index("NeverThese") :].split("\n\n")[0]
    assert [each for each in (*_LANDING_ZONE, "stacksets-exec-*") if f":role/{each}'" not in own] == []
