"""The sweep: each role that is not as it was leads to one hint; slices and interruptions make no difference."""

import json
import os
from collections.abc import Iterator, Sequence
from copy import deepcopy, replace
from datetime import timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from doorward.aws.inventory import DynamoInventory, IamPages
from doorward.aws.members import ONE_TRY, Members
from doorward.errors import MalformedInput, Throttled, Unavailable
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.guardrails.inventory import Judged, RoleDigest, Swept, compare, digest_of, look_at
from doorward.guardrails.looks import Look, judged_under, out_of_date
from doorward.guardrails.model import Guardrails, Waiver
from doorward.organization.facts import ACTIVE, AccountFacts, OrganizationFacts
from doorward.organization.model import Account, Organization
from doorward.ports.facts import Partial
from doorward.ports.ledger import Announcement, Case, CaseStatus, Head
from doorward.sessions.model import Edge
from doorward.usecases.plan_sweep import plan_sweep
from doorward.usecases.sweep_account import Tools, sweep_account
from tests.fakes import START, FakeClock, FakeExpectations, FakeHints, FakeInventory, FakeLedger, FakePages
from tests.swept_world import SweptWorld

PROD, STAGING = "777788889999", "222233334444"
ACME = Organization(accounts=(Account(PROD, "prod"), Account(STAGING, "staging")))


def detail(name: str, trusted: str = "444455556666", **more: Any) -> dict[str, Any]:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"}, "Action": "sts:AssumeRole"}],
    }
    return {
        "RoleName": name,
        "Path": "/",
        "Arn": f"arn:aws:iam::{PROD}:role/{name}",
        "RoleId": f"AROA{name.upper()}",
        "CreateDate": START - timedelta(days=30),
        "AssumeRolePolicyDocument": trust,
        "AttachedManagedPolicies": [],
        "RolePolicyList": [],
        "Tags": [],
        **more,
    }


CHANGES: dict[Cause, dict[str, Any]] = {
    Cause.TRUST: detail("x", "999988887777"),
    Cause.BOUNDARY: detail("x", PermissionsBoundary={"PermissionsBoundaryArn": "arn:aws:iam::777788889999:policy/b"}),
    Cause.PERMISSIONS: detail(
        "x", AttachedManagedPolicies=[{"PolicyName": "a", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}]
    ),
    Cause.SESSION_LENGTH: detail("x", MaxSessionDuration=43200),
    Cause.TAGS: detail("x", Tags=[{"Key": "team", "Value": "y"}]),
}


class World:
    def __init__(self, *details: dict[str, Any], size: int = 2) -> None:
        self.clock, self.hints, self.inventory = FakeClock(), FakeHints(), FakeInventory()
        self.pages = FakePages({PROD: list(details)}, size=size)
        self.expectations, self.ledger = FakeExpectations(), FakeLedger(self.clock)
        self.tools = Tools(self.pages, self.inventory, self.hints, self.expectations, self.clock, ACME, self.ledger, Guardrails(), "")
        self.sweeps = 0

    def ask(self) -> dict[str, Any]:
        """For a sweep, as plan_sweep does."""
        self.sweeps += 1
        self.clock.time += timedelta(seconds=1)
        return {"account_id": PROD, "sweep": f"s{self.sweeps}", "asked": self.clock.now().isoformat(), "done": False}

    def step(self, answer: dict[str, Any]) -> dict[str, Any]:
        """One slice; what crosses between the states of the machine is JSON."""
        stepped: dict[str, Any] = json.loads(json.dumps(sweep_account(answer, self.tools)))
        return stepped

    def sweep(self, *, lost: Sequence[str] = ()) -> list[tuple[str | None, Cause]]:
        """To its end, however many slices; the hints that it sent, all of which were looked at but those `lost`."""
        before, answer = len(self.hints.sent), self.ask()
        while not answer["done"]:
            answer = self.step(answer)
            self.clock.time += timedelta(seconds=answer["wait"])
        sent = self.hints.sent[before:]
        self.ledger.looked_at([each for each in sent if each.role_name not in lost])
        return [(each.role_name, each.cause) for each in sent]


def test_a_first_sweep_has_every_role_looked_at_and_a_second_none() -> None:
    world = World(detail("x"), detail("y"), detail("z"))
    assert world.sweep() == [("x", Cause.FIRST_SEEN), ("y", Cause.FIRST_SEEN), ("z", Cause.FIRST_SEEN)]
    assert world.sweep() == []


@pytest.mark.parametrize("cause", CHANGES)
def test_each_change_leads_to_its_own_hint_once(cause: Cause) -> None:
    world = World(detail("x"), detail("y"))
    world.sweep()
    world.pages.details[PROD][0] = CHANGES[cause]
    assert world.sweep() == [("x", cause)]
    assert world.sweep() == []


def test_a_role_made_since_the_last_sweep_is_a_change_and_one_that_was_there_is_not() -> None:
    world = World(detail("x"))
    world.sweep()
    world.pages.details[PROD] += [detail("new", CreateDate=world.clock.now()), detail("old")]
    assert world.sweep() == [("new", Cause.TRUST), ("old", Cause.FIRST_SEEN)]


def test_a_role_that_is_gone_and_one_made_anew_are_told() -> None:
    world = World(detail("x"), detail("y"))
    world.sweep()
    world.pages.details[PROD] = [detail("x", RoleId="AROANEW")]
    assert world.sweep() == [("x", Cause.TRUST), ("y", Cause.DELETED)]


def test_a_policy_that_is_only_spelled_otherwise_is_the_same() -> None:
    world = World(detail("x"))
    world.sweep()
    respelled = detail("x")
    respelled["AssumeRolePolicyDocument"]["Statement"] = respelled["AssumeRolePolicyDocument"]["Statement"][0]
    world.pages.details[PROD] = [respelled]
    assert world.sweep() == []


def test_a_throttled_sweep_steps_back_and_goes_on_where_it_was() -> None:
    world = World(*(detail(f"r{number}") for number in range(7)))
    world.pages.throttled = [3, 4]
    assert len(world.sweep()) == 7
    assert world.pages.calls == 6  # four pages, and the two that were refused
    assert set(world.inventory.swept[PROD].roles) == {f"r{number}" for number in range(7)}


def test_a_sweep_that_was_cut_off_before_it_kept_what_it_saw_sends_the_same_hints_again() -> None:
    world = World(detail("x"))
    world.sweep()
    world.pages.details[PROD] = [CHANGES[Cause.TRUST]]
    kept = deepcopy(world.inventory.swept)
    world.sweep(lost="x")
    world.inventory.swept = kept
    world.sweep()
    changed = [each.id for each in world.hints.sent if each.cause is Cause.TRUST]
    assert len(changed) == 2
    assert len(set(changed)) == 1


def test_it_asks_at_most_three_times_a_second() -> None:
    world = World(*(detail(f"r{number}") for number in range(40)))
    world.sweep()
    assert sum(world.clock.slept) >= (world.pages.calls - 1) / 3 - 1e-6


def attached(*arns: str) -> list[dict[str, str]]:
    return [{"PolicyName": each.rsplit("/", 1)[1], "PolicyArn": each} for each in arns]


@pytest.mark.parametrize("changed", [("ANPAX", "v2"), ("ANPANEW", "v1")], ids=["another default version", "deleted, and made anew"])
def test_a_policy_that_says_something_else_has_its_holders_looked_at(changed: tuple[str, str]) -> None:
    arn, other = (f"arn:aws:iam::{PROD}:policy/{each}" for each in ("mine", "other"))
    world = World(
        detail("x", AttachedManagedPolicies=attached(arn)),
        detail("y", AttachedManagedPolicies=attached(other)),
        detail("z", PermissionsBoundary={"PermissionsBoundaryArn": arn}),
    )
    world.pages.policies = {arn: ("ANPAX", "v1"), other: ("ANPAY", "v1")}
    world.sweep()
    world.pages.policies[arn] = changed
    assert world.sweep() == [("x", Cause.PERMISSIONS), ("z", Cause.PERMISSIONS)]
    assert world.sweep() == []


class TestWhatNobodyGotToIsAskedForAgain:
    @pytest.mark.parametrize("cause", CHANGES)
    def test_with_the_cause_that_it_had(self, cause: Cause) -> None:
        world = World(detail("x"), detail("y"))
        world.sweep()
        world.pages.details[PROD][0] = CHANGES[cause]
        assert world.sweep(lost="x") == [("x", cause)]
        assert world.sweep() == [("x", cause)]
        assert world.sweep() == []

    def test_so_is_what_is_more_than_one_sweep_may_ask_for_and_the_most_urgent_comes_first(self) -> None:
        world = World(*(detail(f"r{number:04}", PROD) for number in range(1000)), size=500)
        first = {name for name, _ in world.sweep()}
        assert len(first) == 900
        changed = min(filter(None, first))
        world.pages.details[PROD][int(changed[1:])] = {**CHANGES[Cause.TRUST], "RoleName": changed, "RoleId": f"AROA{changed.upper()}"}
        last = world.sweep()
        assert last[0] == (changed, Cause.TRUST)
        assert {name for name, _ in last[1:]} == {f"r{number:04}" for number in range(1000)} - first
        assert world.sweep() == []

    def test_nobody_keeps_another_role_waiting_for_ever_by_changing_many(self) -> None:
        crowd = [attached(*(f"arn:aws:iam::{PROD}:policy/p{number}" for number in range(20)))] * 200
        world = World(
            *(detail(f"a{number:04}", "999988887777", AttachedManagedPolicies=each) for number, each in enumerate(crowd)), size=500
        )
        hours = 0
        while world.sweep() and hours < 20:
            hours += 1
        world.pages.details[PROD].append(detail("zz", PROD))
        for hour in range(60):
            for number in range(200):
                world.pages.details[PROD][number]["Tags"] = [{"Key": "hour", "Value": str(hour)}]
            world.clock.time += timedelta(hours=1)
            if "zz" in {name for name, _ in world.sweep()}:
                break
        else:
            pytest.fail("it was never looked at")
        assert {each.detail["title"] for each in world.ledger.outbox.values()} <= {"Doorward cannot look at every role that has changed"}

    def test_roles_that_a_day_is_not_enough_for_are_told_of_once_a_day(self) -> None:
        world = World(*(detail(f"r{number:04}", "999988887777") for number in range(400)), size=500)
        for hour in range(72):
            world.clock.time = START + timedelta(hours=hour)
            for each in world.pages.details[PROD]:
                each["Tags"] = [{"Key": "hour", "Value": str(hour)}]
            world.sweep()
        told = [each.detail for each in world.ledger.outbox.values()]
        assert [(each["detection"], each["severity"]) for each in told] == [("guard-starved", "medium")] * 3  # on three days

    def test_a_role_made_since_is_a_change_however_often_its_hint_was_lost(self) -> None:
        world = World(detail("x"))
        world.sweep()
        world.pages.details[PROD].append(detail("new", CreateDate=world.clock.now()))
        for _ in range(3):
            assert world.sweep(lost=("new",)) == [("new", Cause.TRUST)]
        assert world.sweep() == [("new", Cause.TRUST)]
        assert world.sweep() == []

    def test_a_look_at_what_somebody_from_outside_may_do_counts_for_as_many_reads_as_it_takes(self) -> None:
        mine = [f"arn:aws:iam::{PROD}:policy/{each}" for each in ("p", "q")]
        world = World(
            detail("ours", PROD, AttachedManagedPolicies=attached(*mine)),
            detail("theirs", "999988887777", AttachedManagedPolicies=attached(*mine, "arn:aws:iam::aws:policy/ReadOnlyAccess")),
        )
        world.sweep()
        assert {each.role_name: each.reads for each in world.hints.sent} == {"ours": 1, "theirs": 3 + 2 * 3}
        crowd = World(*(detail(f"r{number:04}", "999988887777") for number in range(700)), size=500)
        assert len(crowd.sweep()) == 300
        assert len(crowd.sweep()) == 300

    def test_another_configuration_has_every_role_looked_at_and_so_has_a_waiver_that_begins_or_ends(self) -> None:
        world = World(detail("x"), detail("y"))
        world.sweep()
        until = (START + timedelta(days=3)).date()
        waiver = Waiver("me", "because", (START + timedelta(days=2)).date(), until, f"{PROD}/x", ("other-account",))
        for changed in (
            replace(world.tools, organization_hash="another"),
            replace(world.tools, guardrails=Guardrails(hash="another")),
        ):
            world.tools = changed
            assert world.sweep() == [("x", Cause.FACTS), ("y", Cause.FACTS)]
            assert world.sweep() == []
        days = [judged_under("", Guardrails(waivers=(waiver,)), START + timedelta(days=each)) for each in range(5)]
        assert [each == days[0] for each in days] == [True, True, False, True, True]

    def test_a_role_is_looked_at_once_a_waiver_that_people_decided_for_it_has_begun_and_once_it_has_ended(self) -> None:
        world = World(detail("x"), detail("y"))
        world.sweep()
        now, ref = world.clock.now(), f"{PROD}/x"
        waiver = Waiver("ann", "q-1", now, now + timedelta(minutes=10), ref, ("external-account",), "AROAX", decided="q-1")
        world.ledger.heads[ref] = replace(world.ledger.heads[ref], waivers=(waiver,))
        assert world.sweep() == [("x", Cause.FACTS)]
        assert world.sweep() == []
        world.clock.sleep(600)
        assert world.sweep() == [("x", Cause.FACTS)]
        assert world.sweep() == []

    def test_whatever_is_known_each_role_is_looked_at_once_a_day_some_each_hour(self) -> None:
        world = World(*(detail(f"r{number}") for number in range(240)), size=300)
        world.sweep()
        looked: list[str | None] = []
        most = 0
        for hour in range(24):
            world.clock.time = START + timedelta(hours=hour + 1)
            now = world.sweep()
            most = max(most, len(now))
            looked += [name for name, cause in now if cause is Cause.FACTS]
        assert sorted(map(str, looked)) == sorted(f"r{number}" for number in range(240))
        assert most < 40


def test_a_role_that_came_and_went_unseen_is_told_where_a_case_of_it_is_open() -> None:
    world = World(detail("x"))
    world.sweep()
    lock = world.ledger.lock(f"{PROD}/gone")
    case = Case("dw-1", f"{PROD}/gone", "AROAGONE", "hash", 0, CaseStatus.STANDING, START, "e-1", "{}", {})
    world.ledger.open_case(lock, case, Head(case_id=case.id), Announcement("a", "TrustViolationFound", {}, START))
    assert world.sweep() == [("gone", Cause.DELETED)]
    world.ledger.close_case(lock, case._replace(status=CaseStatus.ENDED), Head(1), Announcement("b", "TrustViolationEnded", {}, START))
    assert world.sweep() == []


class TestTwoSweepsOfOneAccount:
    """One at a time, and nobody looks twice for two who asked before."""

    def test_the_second_waits_and_is_done_when_one_that_began_after_it_was_asked_for_is(self) -> None:
        world = World(*(detail(f"r{number}", PROD) for number in range(500)))
        first = world.step(world.ask())
        assert not first["done"]
        asked = [world.ask(), world.ask()]
        calls = world.pages.calls
        waiting = [world.step(each) for each in asked]
        assert [(each["done"], each["wait"]) for each in waiting] == [(False, 20)] * 2
        assert world.pages.calls == calls
        while not first["done"]:
            first = world.step(first)
        assert first["hints"] == 500
        world.ledger.looked_at(world.hints.sent)
        second, third = waiting
        while not second["done"]:
            second = world.step(second)
            third = world.step(third)
        assert (second["hints"], third.get("covered")) == (0, True)
        assert world.pages.calls == 2 * 250

    def test_each_goes_on_with_what_itself_has_seen(self) -> None:
        world = World(*(detail(f"r{number}") for number in range(600)))
        first = world.step(world.ask())
        world.clock.time += timedelta(minutes=6)  # it died, as it seems, and lost its turn
        second = world.step(world.ask())
        world.clock.time += timedelta(minutes=6)
        first = world.step(first)
        world.clock.time += timedelta(minutes=6)
        seen = {each: len(partial.seen.roles) for (_, each), partial in world.inventory.partial.items()}
        assert seen["s1"] == 2 * seen["s2"] > 0
        while not second["done"]:
            second = world.step(second)
        assert set(world.inventory.swept[PROD].roles) == {f"r{number}" for number in range(600)}
        assert world.step(first)["covered"]  # what it saw is older, and is not kept

    def test_one_that_died_keeps_no_other_waiting_for_long(self) -> None:
        world = World(*(detail(f"r{number}") for number in range(300)))
        world.step(world.ask())
        second = world.ask()
        waited = 0
        while not second["done"]:
            second = world.step(second)
            waited += second["wait"]
            world.clock.time += timedelta(seconds=second["wait"])
        assert waited <= 320


def trusting(*principals: str, effect: str = "Allow") -> dict[str, Any]:
    return {"Statement": [{"Effect": effect, "Principal": {"AWS": [*principals]}, "Action": "sts:AssumeRole"}]}


def test_whom_a_trust_policy_lets_in_by_name_is_expected_once_and_again_within_a_month() -> None:
    deploy, someone, denied = (f"arn:aws:iam::{STAGING}:{each}" for each in ("role/deploy", "user/someone", "role/denied"))
    trust = trusting(deploy, someone, f"arn:aws:iam::{STAGING}:root")
    trust["Statement"] += trusting(denied, effect="Deny")["Statement"]
    world = World(detail("x", AssumeRolePolicyDocument=trust), detail("y"), detail("z", AssumeRolePolicyDocument="{"))
    world.sweep()
    expected = [Edge(deploy, f"{PROD}/x"), Edge(someone, f"{PROD}/x")]
    assert world.expectations.told == expected
    times = []
    for hour in range(1, 24 * 31):
        world.clock.time = START + timedelta(hours=hour)
        world.expectations.told.clear()
        world.sweep()
        if world.expectations.told:
            assert world.expectations.told == expected
            times.append(hour)
    assert len(times) in {1, 2}
    world.pages.details[PROD][0] = detail("x", AssumeRolePolicyDocument=trusting(deploy))
    world.expectations.told.clear()
    world.sweep()
    assert world.expectations.told == expected[:1]


def test_whom_to_expect_is_no_reason_for_a_role_not_to_be_looked_at() -> None:
    world = World(detail("x", AssumeRolePolicyDocument=trusting(f"arn:aws:iam::{STAGING}:role/deploy")))
    with patch.object(world.expectations, "expect", side_effect=Unavailable("the table is away")):
        assert world.sweep() == [("x", Cause.FIRST_SEEN)]


@given(st.lists(st.integers(1, 9), max_size=5), st.integers(1, 5))
def test_any_interruptions_end_with_what_one_sweep_at_once_sees(throttled: list[int], size: int) -> None:
    details = [detail(f"r{number}") for number in range(9)]
    whole, broken = World(*details, size=9), World(*details, size=size)
    broken.pages.throttled = throttled
    assert whole.sweep() == broken.sweep()
    assert whole.inventory.swept[PROD].roles == broken.inventory.swept[PROD].roles


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(list(CHANGES))))
def test_exactly_what_has_changed_leads_to_hints(changed: dict[str, Cause]) -> None:
    before = swept(*(detail(name) for name in "abcd"))
    after = swept(
        *(
            {**CHANGES[changed[name]], "RoleName": name, "RoleId": f"AROA{name.upper()}"} if name in changed else detail(name)
            for name in "abcd"
        )
    )
    assert {each.role_name: each.cause for each in hints_of(after, looked_at(before))} == changed
    assert hints_of(after, looked_at(after)) == ()


def looked_at(seen: Swept) -> dict[str, Judged]:
    return {name: Judged(each.role_id, "", look_at(each, seen.policies, "", START)) for name, each in seen.roles.items()}


def hints_of(seen: Swept, judged: dict[str, Judged], before: Swept | None = None) -> tuple[Hint, ...]:
    return compare(PROD, before, seen, judged=judged, open_cases={}, under=lambda _name: "", now=START)


ASKED = {"account_id": PROD, "sweep": "s1", "asked": START.isoformat()}


@pytest.mark.parametrize(
    "request_",
    [{}, None, ASKED | {"account_id": "999988887777"}, ASKED | {"sweep": 7}, ASKED | {"sweep": "a#b"}, ASKED | {"asked": "soon"}],
)
def test_no_account_outside_of_the_organization_is_entered(request_: object) -> None:
    world = World()
    with pytest.raises(MalformedInput):
        sweep_account(request_, world.tools)
    assert world.pages.calls == 0


def test_all_accounts_are_planned_or_those_asked_for() -> None:
    assert plan({})["accounts"] == [PROD, STAGING]
    assert plan({"accounts": [PROD, PROD]}) == {"sweep": "s1", "asked": START.isoformat(), "accounts": [PROD]}
    for wrong in ("777788889999", [777788889999], 7):
        with pytest.raises(MalformedInput):
            plan({"accounts": wrong})


def test_an_account_that_is_not_known_yet_is_tried_again_and_keeps_no_other_waiting() -> None:
    assert plan({"accounts": ["999988887777", PROD]})["accounts"] == ["999988887777", PROD]
    with pytest.raises(MalformedInput):  # which the state machine tries again, for this account alone
        sweep_account(ASKED | {"account_id": "999988887777"}, World().tools)


def test_a_plan_of_ten_thousand_accounts_is_one_that_step_functions_holds() -> None:
    accounts = tuple(Account(str(number), "x") for number in range(10**11, 10**11 + 10_000))
    planned = plan_sweep({}, Organization(accounts=accounts), None, now=START, new_id=lambda: "s" * 16)
    assert len(json.dumps(planned)) < 256 * 1024


def plan(request: object, facts: OrganizationFacts | None = None) -> dict[str, Any]:
    return plan_sweep(request, ACME, facts, now=START, new_id=lambda: "s1")


def test_a_closed_account_is_not_planned_since_nobody_can_enter_it() -> None:
    accounts = tuple(
        AccountFacts(each, each, status, "CREATED", "/", "o-acme123456/r-ab12") for each, status in ((PROD, "SUSPENDED"), (STAGING, ACTIVE))
    )
    facts = OrganizationFacts("o-acme123456", "123456789012", "r-ab12", (), accounts, (), (), START)
    assert plan({}, facts)["accounts"] == [STAGING]


type AnyInventory = FakeInventory | DynamoInventory


@pytest.fixture(params=["fake", "dynamodb"])
def inventory(request: pytest.FixtureRequest) -> Iterator[AnyInventory]:
    """What every inventory owes, the fake and DynamoDB alike."""
    if request.param == "fake":
        yield FakeInventory()
        return
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="facts",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        yield DynamoInventory(client, "facts")


def swept(*details: dict[str, Any]) -> Swept:
    return Swept(
        START, {each["RoleName"]: digest_of(each) for each in details}, {f"arn:aws:iam::{PROD}:policy/p": "v3"}, START - timedelta(days=1)
    )


def test_an_inventory_comes_back_as_it_was_kept(inventory: AnyInventory) -> None:
    assert inventory.load(PROD) is None
    inventory.save(PROD, swept(detail("x"), detail("y")))
    inventory.save(PROD, swept(detail("x", "999988887777")))
    assert inventory.load(PROD) == swept(detail("x", "999988887777"))
    assert inventory.swept_at(PROD) == START
    assert inventory.load(STAGING) is None
    assert inventory.swept_at(STAGING) is None


def test_an_inventory_that_another_version_kept_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = SweptWorld(1, 3).inventory
    inventory.save(PROD, swept(detail("x")))
    monkeypatch.setattr(RoleDigest, "_fields", (*RoleDigest._fields, "more"))
    assert inventory.load(PROD) is None


def test_a_partial_one_is_for_its_sweep_alone_and_no_inventory(inventory: AnyInventory) -> None:
    inventory.save_partial(PROD, "s1", Partial("m-1", swept(detail("x"))))
    inventory.save_partial(PROD, "s2", Partial("m-2", swept(detail("y"))))
    assert inventory.load_partial(PROD, "s1") == Partial("m-1", swept(detail("x")))
    assert inventory.load_partial(PROD, "s2") == Partial("m-2", swept(detail("y")))
    assert inventory.load_partial(PROD, "s3") is None
    assert inventory.load_partial(STAGING, "s1") is None
    assert inventory.load(PROD) is None
    assert inventory.swept_at(PROD) is None
    assert list(inventory.roles_naming(["444455556666"])) == []


def test_one_sweep_has_its_turn_until_it_ends_it_or_dies(inventory: AnyInventory) -> None:
    later = [START + timedelta(seconds=seconds) for seconds in range(400)]
    assert inventory.take_turn(PROD, "s1", later[0], later[300])
    assert inventory.take_turn(STAGING, "s2", later[0], later[300])
    assert not inventory.take_turn(PROD, "s2", later[1], later[301])
    assert inventory.take_turn(PROD, "s1", later[2], later[302])  # its own, for longer
    assert not inventory.take_turn(PROD, "s2", later[301], later[399])
    inventory.end_turn(PROD, "s2")  # not its own
    assert not inventory.take_turn(PROD, "s2", later[301], later[399])
    assert inventory.take_turn(PROD, "s2", later[303], later[399])
    inventory.end_turn(PROD, "s1")
    assert not inventory.take_turn(PROD, "s1", later[304], later[399])
    inventory.end_turn(PROD, "s2")
    assert inventory.take_turn(PROD, "s1", later[305], later[399])


def test_the_roles_that_name_an_account_are_found_in_every_account(inventory: AnyInventory) -> None:
    inventory.save(PROD, swept(detail("x"), detail("y", "999988887777")))
    inventory.save(STAGING, swept(detail("z", "999988887777")))
    assert sorted(inventory.roles_naming(["999988887777"])) == [f"{STAGING}/z", f"{PROD}/y"]
    assert list(inventory.roles_naming(["111111111111"])) == []


def test_every_item_of_a_partial_one_ends_and_none_of_a_whole_one_does() -> None:
    world = SweptWorld(1, 3)
    account_id = world.account_ids[0]
    world.inventory.save_partial(account_id, "s1", Partial("m-1", swept(detail("x"))))
    assert len(world.items.items) == 2
    assert all("ttl" in each for each in world.items.items.values())
    world.items.items.clear()
    world.inventory.save(account_id, swept(detail("x")))
    assert not any("ttl" in each for each in world.items.items.values())


def test_a_reader_that_comes_while_an_inventory_is_replaced_sees_one_of_the_two_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world = SweptWorld(1, 3)
    account_id = world.account_ids[0]
    old, new = swept(detail("x"), detail("y")), swept(detail("x", "999988887777"))
    monkeypatch.setattr("doorward.aws.inventory._CHUNK_BYTES", 40)  # several chunks
    world.inventory.save(account_id, old)
    reading = deepcopy(world.items.items)
    seen: list[Swept | None] = []
    for name in ("put_item", "delete_item"):
        original = getattr(world.items, name)

        def after(*, _original: Any = original, **request: Any) -> None:
            _original(**request)
            seen.append(world.inventory.load(account_id))

        monkeypatch.setattr(world.items, name, after)
    world.inventory.save(account_id, new)
    assert len(reading) > 4
    assert len(seen) > 8
    assert all(each in (old, new) for each in seen)
    assert (seen[0], seen[-1]) == (old, new)


def test_the_sweep_asks_iam_once_and_leaves_what_is_refused_to_reactions() -> None:
    asked: list[str] = []
    with patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}), mock_aws():
        pages = IamPages(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock(), "aws", ONE_TRY))
        iam = pages._members.reader("iam", PROD)

        def refuse(request: Any, **_: Any) -> Any:
            asked.append(request.url)
            body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
            return AWSResponse(request.url, 400, HTTPHeaders(), RawBody(body))

        iam.meta.events.register_first("before-send.iam.GetAccountAuthorizationDetails", refuse)
        with pytest.raises(Throttled):
            pages.page(PROD, None)
    assert len(asked) == 1


class RawBody(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class TestAsItWasLookedAtLastAndAnotherInBetween:
    SEEN = swept(detail("x"))
    X = SEEN.roles["x"]
    LOOK = look_at(X, {}, "", START)

    def hints(self, judged: Judged) -> list[Cause]:
        return [each.cause for each in hints_of(self.SEEN, {"x": judged})]

    def test_nothing_is_told_of_what_is_known_as_it_stands(self) -> None:
        assert self.hints(Judged(self.X.role_id, self.X.trust, self.LOOK)) == []
        assert self.hints(Judged(self.X.role_id, "", self.LOOK)) == []

    def test_an_event_told_of_another_policy_last(self) -> None:
        assert self.hints(Judged(self.X.role_id, "another", self.LOOK)) == [Cause.TRUST]
        assert self.hints(Judged("AROAOLD", self.X.trust, self.LOOK)) == [Cause.TRUST]

    def test_something_else_had_the_role_looked_at_since(self) -> None:
        behind = Look.from_text(out_of_date(str(self.LOOK)))
        assert self.hints(Judged(self.X.role_id, self.X.trust, behind)) == [Cause.FACTS]
        assert self.hints(Judged(self.X.role_id, self.X.trust, None)) == [Cause.FACTS]

    def test_nobody_ever_judged_it(self) -> None:
        assert self.hints(Judged("", "", None)) == [Cause.FIRST_SEEN]


def test_what_was_looked_at_is_text_and_comes_back() -> None:
    look = look_at(digest_of(detail("x")), {}, "under", START)
    assert Look.from_text(str(look)) == look
    assert Look.from_text(out_of_date(str(look))) == look._replace(day="")
    assert out_of_date(out_of_date(str(look))) == out_of_date(str(look))
    assert out_of_date("") == ""
    for other in ("", "x", "a/b", f"{look}/x"):
        assert Look.from_text(other) is None
