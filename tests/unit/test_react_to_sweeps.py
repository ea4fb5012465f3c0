"""What a sweep has the reaction look at: kept once it is dealt with, and not written where a known pipeline may have done it."""

import json
from copy import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.inventory import digest_of, look_at
from doorward.guardrails.looks import judged_under, out_of_date
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.iam.documents import hash_of_text
from tests.unit.test_react_to_change import (
    ALL_BAD,
    BAD,
    ENFORCE,
    GOOD,
    ORGANIZATION,
    PIPELINE,
    PROD,
    SHARED,
    STRANGER,
    World,
    event,
    role,
    trusting,
)

REF = f"{PROD}/payments"
MINUTES = timedelta(minutes=15)


def seen(each: Role, **more: Any) -> str:
    """What a sweep sees of it."""
    detail = {
        "RoleName": each.name,
        "RoleId": each.role_id,
        "CreateDate": World().clock.now(),
        "AssumeRolePolicyDocument": json.loads(each.trust_policy),
        **more,
    }
    under = judged_under("", ENFORCE, World().clock.now())
    return str(look_at(digest_of(detail), {}, under, World().clock.now()))


def hint(world: World, look: str, cause: Cause = Cause.TRUST) -> str:
    return hint_as_text(Hint(PROD, cause, "A sweep.", f"sweep-{look[:8]}", world.clock.now(), role_name="payments", look=look))


def looked(world: World) -> str:
    return world.ledger.head(REF).looked


class TestWhatIsKeptOfALook:
    @pytest.mark.parametrize("trust", [GOOD, BAD])
    def test_it_is_kept_and_not_looked_at_twice(self, trust: str) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        world.roles.put(role(trust))
        look = seen(role(trust))
        assert world.react(hint(world, look)) == ["passed" if trust == GOOD else "alerted"]
        assert looked(world) == look
        with patch.object(world.roles, "read", side_effect=AssertionError("read")):
            assert world.react(hint(world, look)) == ["known"]

    def test_what_the_sweep_did_not_see_is_not_kept(self) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        world.roles.put(role(BAD))
        world.react(hint(world, seen(role(GOOD))))
        assert looked(world) == ""

    def test_whatever_else_has_the_role_looked_at_makes_it_out_of_date(self) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        world.roles.put(role(GOOD))
        look = seen(role(GOOD))
        world.react(hint(world, look))
        world.react(event("TagRole", None, event_id="e-2"))
        assert looked(world) == out_of_date(look) != look
        assert world.react(hint(world, look)) == ["passed"]

    def test_what_was_told_only_as_a_fact_is_looked_at_again_as_a_change(self) -> None:
        world = World()
        world.accepted()
        world.roles.put(role(BAD))
        look = seen(role(BAD))
        assert world.react(hint(world, look, Cause.FACTS)) == ["asked"]
        assert looked(world) == ""
        world.clock.sleep(900)
        late = hint_as_text(Hint(PROD, Cause.TRUST, "", "s-2", world.clock.now() - MINUTES, role_name="payments", look=look))
        assert world.react(late) == ["reverted"]

    def test_what_was_judged_under_another_configuration_than_the_sweep_s_is_not_kept(self) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="the old one"))
        world.roles.put(role(BAD))
        assert world.react(hint(world, seen(role(BAD)))) == ["alerted"]
        assert looked(world) == ""

    def test_a_hint_that_comes_again_after_a_changed_fact_leads_to_no_write(self) -> None:
        alone = replace(ORGANIZATION, pipelines=())
        world = World(ENFORCE, alone)
        world.roles.put(role(GOOD))
        twice = hint(world, seen(role(GOOD)))
        assert world.react(twice) == ["passed"]
        world.clock.sleep(3600)
        left = replace(alone, accounts=tuple(each for each in alone.accounts if each.id != SHARED))
        world.tools = replace(world.tools, organization=left)
        fact = Hint(PROD, Cause.FACTS, "It left.", "facts-1", world.clock.now(), role_name="payments")
        assert world.react(hint_as_text(fact)) == ["asked"]
        world.react(twice)
        assert world.roles.writes == []

    def test_a_write_that_never_came_is_made_once_a_sweep_asks_again(self) -> None:
        world = World(ENFORCE, replace(ORGANIZATION, pipelines=()))
        world.roles.put(role(GOOD))
        world.react(event(document=GOOD, event_id="e-0"))
        world.clock.sleep(3600)
        world.roles.put(role(BAD))
        with patch.object(world.roles, "write_trust_policy", side_effect=Throttled("Rate exceeded")):
            for _ in range(5):
                with pytest.raises(Unavailable):
                    world.react(event(document=BAD, at=world.clock.now()))
                world.clock.sleep(360)
        assert world.ledger.head(REF).judged_hash == hash_of_text(GOOD)  # so the sweep sees a change, not a fact
        assert world.react(hint(world, seen(role(BAD)))) == ["reverted"]

    def test_an_account_that_can_be_swept_and_not_read_is_told_of_once_a_day(self) -> None:
        world = World()
        for _ in range(3):
            world.roles.fail_next = [Misconfigured("no")]
            with pytest.raises(Misconfigured):
                world.react(hint(world, seen(role(BAD))))
        assert world.announced() == ["TrustChangeUnread"]

    @pytest.mark.parametrize("trust", [GOOD, BAD])
    def test_nothing_is_kept_where_anything_fails_after_it(self, trust: str) -> None:
        """Whatever the last step is, it comes before what says that there is nothing left to do."""
        steps = ("observe", "open_case", "judged")
        for step in steps:
            world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
            world.roles.put(role(trust))
            look = seen(role(trust))
            with patch.object(world.ledger, step, side_effect=Unavailable("died")):
                try:
                    world.react(hint(world, look))
                except Unavailable:
                    assert looked(world) != look
            world.react(hint(world, look))
            assert looked(world) == look

    def test_nothing_is_kept_where_what_the_role_may_do_could_not_be_read(self) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        world.roles.put(role(BAD))
        look = seen(role(BAD))
        with patch.object(world.roles, "permissions_of", side_effect=Unavailable("away")), pytest.raises(Unavailable):
            world.react(hint(world, look))
        assert looked(world) != look
        assert world.react(hint(world, look)) == ["alerted"]
        assert looked(world) == look


class TestASweepThatComesBeforeTheEvent:
    """A sweep names nobody. Whose work it found, an event may tell that is under way for a quarter of an hour."""

    LOOK = seen(role(BAD))

    @pytest.fixture
    def world(self) -> World:
        world = World()
        world.accepted()
        world.clock.sleep(3600)
        world.roles.put(role(BAD))
        assert world.react(hint(world, self.LOOK)) == ["waiting"]
        assert world.roles.writes == []
        (again,) = world.hints.sent
        assert (again.cause, again.role_name, again.look) == (Cause.TRUST, "payments", self.LOOK)
        assert world.hints.after == [900]
        return world

    def again(self, world: World) -> list[str]:
        put_off, after = [each for each in zip(world.hints.sent, world.hints.after, strict=True) if each[0].follows is None][-1]
        world.clock.sleep(after)
        return world.react(hint_as_text(put_off))

    def test_is_put_back_once_no_event_can_tell_any_more(self, world: World) -> None:
        assert self.again(world) == ["reverted"]
        assert world.stands() == GOOD

    def test_is_put_back_at_once_where_the_event_tells_of_somebody_else(self, world: World) -> None:
        assert world.react(event(document=BAD, at=world.clock.now())) == ["reverted"]
        assert self.again(world) == ["passed"]

    def test_is_left_alone_where_the_event_tells_of_a_pipeline(self, world: World) -> None:
        world.react(event(document=BAD, by=PIPELINE, at=world.clock.now()))
        assert self.again(world) in (["alerted"], ["asked"])
        assert world.roles.writes == []
        assert len(world.hints.sent) == 1

    def test_is_put_back_where_the_second_hint_is_lost_and_the_next_sweep_finds_it(self, world: World) -> None:
        assert looked(world) != self.LOOK
        world.clock.sleep(3600)
        assert world.react(hint(world, self.LOOK)) == ["waiting"]
        assert self.again(world) == ["reverted"]

    def test_something_else_that_stands_meanwhile_may_be_a_pipeline_s_and_is_left_to_the_next_sweep(self, world: World) -> None:
        worse = trusting(f"arn:aws:iam::{STRANGER}:root")
        world.roles.put(role(worse))
        assert self.again(world) == ["asked"]
        assert world.roles.writes == []
        world.clock.sleep(3600)
        assert world.react(hint(world, seen(role(worse)))) == ["waiting"]
        assert self.again(world) == ["reverted"]
        assert world.stands() == GOOD

    def test_a_hint_that_waited_for_hours_writes_nothing_that_it_did_not_see(self, world: World) -> None:
        late = hint(world, self.LOOK)
        world.clock.sleep(3 * 3600)
        world.roles.put(role(trusting(f"arn:aws:iam::{STRANGER}:root")))
        assert world.react(late) == ["asked"]
        assert world.roles.writes == []

    def test_a_pipeline_s_event_that_hides_its_document_counts(self, world: World) -> None:
        hidden = json.loads(event(document=BAD, by=PIPELINE, at=world.clock.now(), event_id="e-h"))
        hidden["detail"]["requestParameters"] = {"omitted": True, "reason": "requestParameters too large", "originalSize": 120000}
        world.clock.sleep(90)
        world.react(json.dumps(hidden))
        self.again(world)
        assert world.roles.writes == []

    def test_people_are_told_where_a_person_has_to_decide_after_all(self) -> None:
        world = World()
        world.accepted()
        world.clock.sleep(3600)
        world.roles.put(role(ALL_BAD))
        assert world.react(hint(world, seen(role(ALL_BAD)))) == ["waiting"]
        assert world.react(event(document=ALL_BAD, by=PIPELINE, at=world.clock.now())) == ["asked"]
        assert [each.detail["action"] for each in world.ledger.outbox.values() if "action" in each.detail] == ["wait", "ask"]

    def test_waits_for_nobody_where_no_pipeline_is_known(self) -> None:
        world = World(ENFORCE, replace(ORGANIZATION, pipelines=()))
        world.roles.put(role(BAD))
        assert world.react(hint(world, self.LOOK)) == ["reverted"]
        assert [each.look for each in world.hints.sent] == [None, None, None]  # only whether it stands is looked at later

    def test_waits_for_nobody_where_nothing_is_written(self) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        world.roles.put(role(BAD))
        assert world.react(hint(world, self.LOOK)) == ["alerted"]
        assert world.hints.sent == []
