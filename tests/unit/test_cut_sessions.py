"""Sessions that a change let in end once it is undone; older ones live on; the deny goes when there is nothing more to end."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.cuts import LONGEST_SESSION, MARGIN, SKEW, Cut, Window, cut_policy, still_needed, with_window
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.usecases.cut_sessions import FOLLOWS_CUT
from doorward.usecases.finish_started import finish_started
from tests.fakes import START, FakeBus
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, PROD, World, event, role, trusting

PAYMENTS = f"{PROD}/payments"
ARN = f"arn:aws:iam::{PROD}:role/payments"
SESSION = f"arn:aws:sts::{PROD}:assumed-role/payments/somebody"


def attacked(world: World, trust: str = BAD) -> datetime:
    """The role is opened and closed again; when it was opened."""
    world.clock.time = world.clock.time.replace(microsecond=0) + timedelta(seconds=3600)
    opened = world.clock.now()
    world.roles.put(role(trust))
    assert world.react(event(document=trust, at=opened, event_id=f"e-{opened:%H%M}")) == ["reverted"]
    return opened


def may_act(policy: str | None, issued: datetime) -> bool:
    """Whether a session of the role, issued then, may do what the role may, with this inline policy beside its own."""
    own = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    texts = [json.dumps(own), *([policy] if policy is not None else [])]
    context = {"aws:TokenIssueTime": f"{issued:%Y-%m-%dT%H:%M:%SZ}", "aws:PrincipalArn": ARN}
    request = Request(SESSION, "AWS", "s3:GetObject", context, "arn:aws:s3:::bucket/key", PROD)
    return evaluate(Policies(identity=tuple(map(parse_document, texts))), request).outcome == "allowed"


def policy_of(world: World) -> str | None:
    return world.cuts.policies.get(ARN)


def due(world: World) -> list[str]:
    """What finish_started takes up now, delivered."""
    sent = len(world.hints.sent)
    finish_started(world.ledger, world.ledger, FakeBus(), world.hints, world.tools.organization, world.clock)
    return [outcome for each in world.hints.sent[sent:] for outcome in world.react(hint_as_text(each))]


def test_sessions_of_the_window_can_do_nothing_and_older_ones_live_on() -> None:
    world = World()
    world.accepted()
    opened = attacked(world)
    closed = world.clock.now()
    for issued, lives in (
        (opened - timedelta(hours=2), True),
        (opened - SKEW - timedelta(seconds=1), True),
        (opened, False),
        (closed, False),
        (closed + timedelta(seconds=100), False),  # IAM may be behind
        (closed + timedelta(hours=1), True),
    ):
        assert may_act(policy_of(world), issued) is lives, issued
    (told,) = [each.detail["sessions"] for each in world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
    assert told["cut"] is True
    assert "older ones live on" in told["because"]


def test_the_window_ends_at_the_last_look_and_is_rewritten_once() -> None:
    world = World()
    world.accepted()
    attacked(world)
    assert world.follow_up() == ["stands", "stands", "verified"]
    verified = next(iter(world.ledger.cases.values())).steps["verified"]
    assert may_act(policy_of(world), verified + MARGIN - timedelta(seconds=2)) is False
    assert may_act(policy_of(world), verified + MARGIN + timedelta(seconds=1)) is True
    assert [what for what, _ in world.cuts.calls] == ["put", "put"]


def test_it_is_taken_away_once_every_session_has_ended_by_itself() -> None:
    world = World()
    world.accepted()
    attacked(world)
    world.follow_up()
    world.clock.sleep((LONGEST_SESSION - timedelta(minutes=5)).total_seconds())
    due(world)
    assert policy_of(world) is not None
    world.clock.sleep(600)
    assert due(world) == ["cut"]
    assert policy_of(world) is None
    assert world.ledger.cut(PAYMENTS) is None
    assert due(world) == []


def test_a_plain_remedy_with_a_cut_is_four_calls_before_it_is_told() -> None:
    world = World()
    world.accepted()
    reads = world.roles.reads
    attacked(world)
    assert (world.roles.reads - reads, len(world.roles.writes), len(world.cuts.calls)) == (2, 1, 1)


@pytest.mark.parametrize(
    "trust",
    [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com.cn", "s3.amazonaws.com"]}, "Action": "sts:AssumeRole"},
    ],
)
def test_a_person_decides_about_a_role_that_runs_compute_and_has_the_policy_at_hand(trust: dict[str, Any]) -> None:
    world = World()
    world.accepted()
    mixed = json.loads(BAD)
    mixed["Statement"].append(trust)
    opened = attacked(world, json.dumps(mixed))
    assert world.cuts.calls == []
    (told,) = [each.detail["sessions"] for each in world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
    assert told["cut"] is False
    prepared = told["because"].partition("policy on the role: ")[2]
    assert may_act(prepared, opened) is False
    assert may_act(prepared, opened - timedelta(minutes=1)) is True


def test_a_person_decides_where_no_event_told_when_the_change_was_made() -> None:
    world = World()
    world.roles.put(role(BAD))
    hint = Hint(PROD, Cause.TRUST, "swept", "s-1", world.clock.now(), role_name="payments")
    assert world.react(hint_as_text(hint)) == ["reverted"]
    assert world.cuts.calls == []
    (told,) = [each.detail["sessions"] for each in world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
    assert "no event told when" in told["because"]


@pytest.mark.parametrize(
    ("error", "says"), [(Misconfigured("no such role"), "could NOT be ended"), (Throttled("Rate exceeded"), "tried again")]
)
def test_what_goes_wrong_keeps_the_door_from_staying_open_never_and_is_told(error: Exception, says: str) -> None:
    world = World()
    world.accepted()
    world.cuts.fail_next = [error]  # type: ignore[list-item]
    attacked(world)
    assert world.stands() == GOOD
    (told,) = [each.detail["sessions"] for each in world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
    assert told["cut"] is False
    assert says in told["because"]
    world.clock.sleep(130)
    assert "cut" in due(world)
    assert policy_of(world) is not None


def test_whoever_dies_after_the_write_leaves_the_sessions_to_be_ended() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(BAD))
    close = world.ledger.close_case

    def dies(*_: Any, **__: Any) -> None:
        raise Unavailable("died")

    put = world.cuts.put
    world.cuts.put = dies  # type: ignore[method-assign]
    world.ledger.close_case = dies  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        world.react(event(at=world.clock.now()))
    world.cuts.put, world.ledger.close_case = put, close  # type: ignore[method-assign]
    assert policy_of(world) is None
    world.clock.sleep(130)
    due(world)
    assert policy_of(world) is not None


def test_an_intent_that_nothing_came_of_cuts_nobody() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(BAD))
    world.roles.refuse = ["no"] * 9
    assert world.react(event(at=world.clock.now())) == ["remedy-failed"]
    assert world.cuts.calls == []
    world.clock.sleep(130)
    due(world)
    assert policy_of(world) is None
    assert world.ledger.cut(PAYMENTS) is None


def test_a_role_that_is_gone_or_another_is_forgotten() -> None:
    world = World()
    world.accepted()
    attacked(world)
    world.roles.put(role(GOOD, role_id="AROAPAYMENTS0000002"))
    follow = Hint(PROD, Cause.TRUST, "due", "f-1", world.clock.now(), role_name="payments", follows=FOLLOWS_CUT)
    assert world.react(hint_as_text(follow)) == ["no-such-role"]
    assert world.ledger.cut(PAYMENTS) is None


def test_a_second_attack_has_a_window_of_its_own_and_whoever_came_between_lives_on() -> None:
    world = World()
    world.accepted()
    first = attacked(world)
    world.follow_up()
    between = world.clock.now() + timedelta(minutes=10)
    second = attacked(world, ALL_BAD)
    assert [may_act(policy_of(world), issued) for issued in (first, between, second)] == [False, True, False]


def test_many_windows_become_fewer_without_leaving_a_session_out() -> None:
    cut = Cut(PAYMENTS, "AROAX", ())
    windows = [Window(f"dw-{n}", START + timedelta(minutes=10 * n), START + timedelta(minutes=10 * n + 2)) for n in range(40)]
    for each in windows:
        cut = with_window(cut, each)
    policy = json.dumps(cut_policy(cut.windows))
    assert len(policy) < 10_240 // 4
    assert all(may_act(policy, each.start + timedelta(minutes=1)) is False for each in windows)
    assert may_act(policy, START - timedelta(minutes=1)) is True
    assert still_needed(cut.windows, START + timedelta(days=1)) == ()


def test_what_is_not_high_ends_no_sessions() -> None:
    from copy import replace

    from doorward.findings.model import Severity
    from doorward.guardrails.cuts import Cutting, cutting_for
    from tests.unit.test_decide import FINDING, judged

    low = judged(replace(FINDING, severity=Severity.MEDIUM))
    assert cutting_for(low, role(trusting("*")), change_is_known=True) is Cutting.NONE
    assert cutting_for(judged(FINDING), role("not a policy"), change_is_known=True) is Cutting.ASK
