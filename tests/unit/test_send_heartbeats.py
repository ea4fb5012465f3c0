"""Heartbeats over turns: who is beaten where, what is told, and what is never told."""

from dataclasses import fields as dataclass_fields
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from doorward.errors import Misconfigured, Unavailable
from doorward.events.model import Actor, SessionEvent, Side
from doorward.guard.heartbeats import IAM_EVENTS, Spot, beat_of, nonce_in, session_name
from doorward.organization.model import Account, Organization
from doorward.usecases.send_heartbeats import Round, Tools, send_heartbeats
from tests.fakes import START, FakeBeats, FakeCanaries, FakeClock, FakeLedger, FakeRefreshes, FakeSweeps
from tests.unit.test_organization_facts import MANAGEMENT, PROD, STAGING, account, facts

HUB = "111122223333"
HOME = Spot(PROD, "us-east-1")


class World:
    """`deaf` are spots whose events do not come back."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.beats = FakeBeats()
        self.canaries = FakeCanaries(answers=self._answer)
        self.ledger = FakeLedger(self.clock)
        self.sweeps = FakeSweeps()
        self.refreshes = FakeRefreshes()
        self.deaf: set[Spot] = set()
        nonces = count()
        organization = Organization(accounts=tuple(Account(each, name) for each, name in ((HUB, "hub"), (PROD, "prod"))))
        self.tools = Tools(
            self.beats,
            self.canaries,
            self.ledger,
            self.sweeps,
            self.refreshes,
            self.clock,
            organization,
            None,
            HUB,
            "us-east-1",
            300,
            lambda: f"n{next(nonces)}",
        )

    def _answer(self, spot: Spot, nonce: str) -> None:
        if spot not in self.deaf:
            self.beats.seen(*spot, nonce, self.clock.now())

    def turns(self, number: int) -> list[Round]:
        rounds = []
        for _ in range(number):
            rounds.append(send_heartbeats(self.tools))
            self.clock.sleep(300)
        return rounds

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.detail_type, each.detail["account"]["id"]) for each in self.ledger.outbox.values()]


@pytest.fixture
def world() -> World:
    return World()


def test_accounts_that_are_heard_are_not_told_of(world: World) -> None:
    world.turns(30)
    assert world.told == []
    assert world.sweeps.started == []


def test_an_account_that_goes_silent_is_told_of_once_and_swept_once(world: World) -> None:
    world.turns(3)
    world.deaf.add(HOME)
    world.turns(12)
    assert world.told == [("GuardProblemFound", PROD)]
    (found,) = world.ledger.outbox.values()
    assert found.detail["detection"] == "heartbeat-missed"
    assert found.detail["severity"] == "high"
    assert found.detail["region"] == "us-east-1"
    assert found.detail["account"]["name"] == "prod"
    assert [each[0] for each in world.sweeps.started] == [(PROD,)]


def test_without_a_sweep_everybody_is_beaten_all_the_same(world: World) -> None:
    world.turns(3)
    world.deaf.add(HOME)
    world.sweeps.fail_next = [Misconfigured("the state machine is gone")]
    failed = 0
    for _ in range(12):
        before = len(world.canaries.sent)
        try:
            world.turns(1)
        except Misconfigured:
            failed += 1
        assert len(world.canaries.sent) > before
    assert failed == 1
    assert world.told == [("GuardProblemFound", PROD)]


def test_silence_is_told_at_the_turn_after_the_first_beat_that_stayed_out(world: World) -> None:
    world.deaf.add(HOME)
    world.turns(1)
    assert world.told == []
    world.turns(1)
    assert world.told == [("GuardProblemFound", PROD)]


def test_the_end_of_silence_is_told_under_the_same_finding(world: World) -> None:
    world.deaf.add(HOME)
    world.turns(4)
    world.deaf.clear()
    world.turns(4)
    assert world.told == [("GuardProblemFound", PROD), ("GuardProblemEnded", PROD)]
    found, ended = world.ledger.outbox.values()
    assert found.detail["finding_id"] == ended.detail["finding_id"]


def test_a_second_silence_is_a_finding_of_its_own(world: World) -> None:
    world.deaf.add(HOME)
    world.turns(3)
    world.deaf.clear()
    world.turns(3)
    world.deaf.add(HOME)
    world.turns(3)
    assert [kind for kind, _ in world.told] == ["GuardProblemFound", "GuardProblemEnded", "GuardProblemFound"]
    assert len({each.detail["finding_id"] for each in world.ledger.outbox.values()}) == 2


def test_a_canary_role_that_is_missing_is_told_as_such_with_the_cure(world: World) -> None:
    world.canaries.fail[PROD] = Misconfigured("assuming doorward-canary: AccessDenied")
    world.turns(3)
    (found,) = world.ledger.outbox.values()
    assert "No heartbeat can be sent" in found.detail["because"]
    assert "AccessDenied" in found.detail["because"]
    assert "Deploy accounts/member.yaml" in found.detail["what_to_do"]


def test_a_beat_that_could_not_be_sent_for_now_is_not_held_against_the_account(world: World) -> None:
    world.canaries.fail[PROD] = Unavailable("throttled")
    rounds = world.turns(3)
    assert world.told == []
    assert HOME in rounds[0].unsent


def test_other_regions_and_iam_are_beaten_once_an_hour_where_hub_and_member_have_them_enabled(world: World) -> None:
    world.canaries.enabled = {HUB: ("ca-central-1", "eu-west-1", "us-east-1"), PROD: ("ap-east-1", "eu-west-1", "us-east-1")}
    world.turns(12)
    of_prod = [spot.region for spot, _ in world.canaries.sent if spot.account_id == PROD]
    assert sorted(of_prod) == sorted([*["us-east-1"] * 12, "eu-west-1", IAM_EVENTS])


def test_a_region_that_goes_silent_is_told_of_by_its_own_name(world: World) -> None:
    world.canaries.enabled = dict.fromkeys((HUB, PROD), ("eu-west-1", "us-east-1"))
    world.deaf.add(Spot(PROD, "eu-west-1"))
    world.turns(14)
    (found,) = world.ledger.outbox.values()
    assert found.detail["region"] == "eu-west-1"


def test_changes_of_iam_that_do_not_arrive_are_told_of_although_sessions_do(world: World) -> None:
    world.deaf.add(Spot(PROD, IAM_EVENTS))
    world.turns(14)
    (found,) = world.ledger.outbox.values()
    assert found.detail["region"] is None
    assert "by changes of IAM" in found.detail["because"]


# One finding, and one page, for what goes silent together


REGIONS = ("ap-east-1", "eu-central-1", "eu-west-1", "us-east-1")
EVERYWHERE = {Spot(PROD, each) for each in (*REGIONS, IAM_EVENTS)}
HOUR = 12
"""Turns."""


@pytest.fixture(params=range(0, HOUR, 3))
def wide(request: pytest.FixtureRequest, world: World) -> World:
    """In many regions, and at any turn of the hour: which region is beaten when, is drawn from its name."""
    world.canaries.enabled = dict.fromkeys((HUB, PROD), REGIONS)
    world.turns(HOUR + request.param)
    assert world.told == []
    return world


def because(world: World) -> list[str]:
    return [each.detail["because"] for each in world.ledger.outbox.values()]


def test_an_account_that_goes_silent_in_all_its_regions_is_one_finding_and_its_return_one_message(wide: World) -> None:
    wide.deaf |= EVERYWHERE
    wide.turns(5 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD)]
    assert "region us-east-1 and with it the account, since" in because(wide)[0]
    assert [each[0] for each in wide.sweeps.started] == [(PROD,)]
    wide.deaf.clear()
    wide.turns(5 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD), ("GuardProblemEnded", PROD)]
    found, ended = wide.ledger.outbox.values()
    assert found.detail["finding_id"] == ended.detail["finding_id"]
    assert not wide.beats.silences([PROD])[PROD]


def test_a_region_that_a_silent_account_enables_later_is_no_finding_of_its_own(wide: World) -> None:
    wide.deaf |= EVERYWHERE | {Spot(PROD, "mx-central-1")}
    wide.turns(3 * HOUR)
    for account_id in (HUB, PROD):
        wide.beats.keep_regions(account_id, [*REGIONS, "mx-central-1"], wide.clock.now())
    wide.turns(2 * HOUR)
    assert Spot(PROD, "mx-central-1") in {spot for spot, _ in wide.canaries.sent}
    assert wide.told == [("GuardProblemFound", PROD)]


def test_an_account_without_its_canary_role_is_one_finding(wide: World) -> None:
    wide.canaries.fail[PROD] = Misconfigured("assuming doorward-canary: AccessDenied")
    wide.turns(3 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD)]
    del wide.canaries.fail[PROD]
    wide.turns(3 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD), ("GuardProblemEnded", PROD)]


def test_a_region_that_stays_silent_when_the_account_is_heard_again_is_told_of(wide: World) -> None:
    wide.deaf |= EVERYWHERE
    wide.turns(2 * HOUR)
    wide.deaf = {Spot(PROD, "eu-west-1")}
    wide.turns(2 * HOUR)
    assert [kind for kind, _ in wide.told] == ["GuardProblemFound", "GuardProblemEnded", "GuardProblemFound"]
    assert "region eu-west-1" in because(wide)[-1]


def test_every_region_but_the_iam_region_gone_at_once_is_one_finding(wide: World) -> None:
    """As where a trail of all regions is made one of a single region."""
    wide.deaf |= EVERYWHERE - {HOME}
    wide.turns(3 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD)]
    wide.deaf.clear()
    wide.turns(3 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD), ("GuardProblemEnded", PROD)]


def test_a_region_that_was_never_deployed_hides_neither_the_account_nor_another_region(wide: World) -> None:
    wide.deaf.add(Spot(PROD, "ap-east-1"))
    wide.turns(3 * HOUR)
    wide.deaf.add(Spot(PROD, "eu-west-1"))
    wide.turns(2 * HOUR)
    wide.deaf.add(HOME)
    wide.turns(HOUR)
    assert [each.partition("), ")[2].partition(",")[0] for each in because(wide)] == [
        "region ap-east-1",
        "region eu-west-1",
        "region us-east-1 and with it the account",
    ]


def test_the_account_is_told_of_although_one_of_its_regions_was_minutes_before(wide: World) -> None:
    first = next(spot for spot, _ in wide.canaries.sent if spot.account_id == PROD and spot != HOME)
    wide.deaf.add(first)
    while not wide.told:
        wide.turns(1)
    wide.deaf |= EVERYWHERE
    wide.turns(3 * HOUR)
    assert wide.told == [("GuardProblemFound", PROD)] * 2
    assert "with it the account" in because(wide)[1]


@pytest.mark.parametrize("method", ["keep_silences", "keep"])
def test_a_turn_that_dies_after_it_has_told_tells_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def die() -> None:
        monkeypatch.setattr(world.beats, method, lambda _kept: (_ for _ in ()).throw(Unavailable("died")))
        with pytest.raises(Unavailable):
            world.turns(1)
        monkeypatch.undo()
        world.clock.sleep(300)

    world.deaf.add(HOME)
    world.turns(1)
    die()
    assert world.told == [("GuardProblemFound", PROD)]
    world.turns(3)
    world.deaf.clear()
    world.turns(1)
    die()
    world.turns(3)
    assert world.told == [("GuardProblemFound", PROD), ("GuardProblemEnded", PROD)]


def test_regions_are_read_once_a_day(world: World) -> None:
    world.turns(12 * 24)
    assert sorted(world.canaries.regions_read) == sorted([HUB, PROD])
    world.turns(1)
    assert len(world.canaries.regions_read) == 4


def test_accounts_are_those_that_organizations_calls_active(world: World) -> None:
    world.tools = replace(world.tools, facts=facts(account(PROD), account(STAGING, status="SUSPENDED")))
    world.turns(1)
    assert {spot.account_id for spot, _ in world.canaries.sent} == {PROD, MANAGEMENT}


def test_an_organization_that_was_never_read_is_read(world: World) -> None:
    world.turns(1)
    assert world.refreshes.calls == []  # one account alone: there is no organization
    world.tools = replace(world.tools, organization=world.tools.organization._replace(management_account=MANAGEMENT))
    world.turns(1)
    assert len(world.refreshes.calls) == 1
    world.tools = replace(world.tools, facts=facts(account(PROD)))
    world.turns(1)
    assert len(world.refreshes.calls) == 1


def test_a_turn_that_dies_before_it_remembers_what_it_sent_holds_nothing_against_anybody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.beats, "keep", lambda _pulses: (_ for _ in ()).throw(Unavailable("died")))
    with pytest.raises(Unavailable):
        world.turns(1)
    monkeypatch.undo()
    world.turns(3)
    assert world.told == []


def test_a_session_of_the_canary_is_known_by_its_name() -> None:
    assert nonce_in(session_name("abc")) == "abc"
    assert [nonce_in(each) for each in (None, "", "hb-", "jane", "xhb-abc")] == [None] * 5


def session(**more: Any) -> SessionEvent:
    fields: dict[str, Any] = dict.fromkeys(field.name for field in dataclass_fields(SessionEvent))
    fields |= {
        "event_id": "e-1",
        "event_name": "AssumeRole",
        "event_source": "sts.amazonaws.com",
        "event_time": START,
        "account_id": PROD,
        "region": "eu-west-1",
        "side": Side.OWNER,
        "actor": Actor("AWSAccount", None, HUB, "AROAX:send", None, None, None, None),
        "role_arn": f"arn:aws:iam::{PROD}:role/doorward/doorward-canary",
        "role_account_id": PROD,
        "role_session_name": "hb-0a1b",
        "has_external_id": True,
    }
    return SessionEvent(**{**fields, **more})


def test_an_assumption_of_the_canary_is_a_beat_of_the_account_and_region_that_it_was_recorded_in() -> None:
    assert beat_of(session()) == (Spot(PROD, "eu-west-1"), "0a1b")
    # Within the hub account there is one copy for both sides.
    ours = {"account_id": HUB, "role_account_id": HUB, "role_arn": f"arn:aws:iam::{HUB}:role/doorward/doorward-canary"}
    assert beat_of(session(side=Side.BOTH, **ours)) == (Spot(HUB, "eu-west-1"), "0a1b")


@pytest.mark.parametrize(
    "more",
    [
        {"side": Side.CALLER, "account_id": HUB},
        {"error_code": "AccessDenied"},
        {"event_name": "AssumeRoleWithSAML"},
        {"role_session_name": "jane"},
        {"role_session_name": None},
        {"role_arn": f"arn:aws:iam::{PROD}:role/doorward-canary"},
        {"role_arn": f"arn:aws:iam::{STAGING}:role/doorward/doorward-canary"},
        {"role_arn": None},
        {"account_id": STAGING},
    ],
)
def test_what_only_looks_like_a_beat_is_none(more: dict[str, Any]) -> None:
    assert beat_of(session(**more)) is None
