"""An author who has spent his budget is contained, where somebody has opted into it: once, and nobody whom it would be wrong to stop."""

import pytest

from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.events.hints import hint_as_text
from doorward.events.model import Actor
from doorward.guardrails.authors import Author
from doorward.guardrails.brakes import BUDGET, Braking
from doorward.guardrails.containment import to_be_contained
from doorward.organization.model import Organization
from tests.fakes import FakeContainment
from tests.unit.test_react_to_change import ALL_BAD, BAD, ORGANIZATION, PIPELINE, PROD, World, event, role
from tests.unit.test_react_to_storms import MALLORY, alerts, put

JANE = f"arn:aws:iam::{PROD}:user/jane"


def opted_in(organization: Organization = ORGANIZATION) -> World:
    world = World(organization=organization)
    world.containment = FakeContainment()
    return world


def storm(world: World, *, by: str = MALLORY, trust: str = BAD, more: int = 1) -> None:
    for number in range(BUDGET + more):
        put(world, trust, number, name=f"junk-{number}", by=by)


def asked_for(world: World) -> list[str]:
    """What came of the hints that ask for containment, taken out of the queue."""
    ours = [each for each in world.hints.sent if (each.follows or "").startswith("CONTAIN ")]
    world.hints.sent, world.hints.after = [], []
    return [outcome for each in ours for outcome in world.react(hint_as_text(each))]


def test_whoever_has_spent_his_budget_is_contained_once_and_people_are_told() -> None:
    world = opted_in()
    storm(world, more=3)
    assert asked_for(world) == ["contained", "known", "known"]
    assert world.containment is not None
    assert world.containment.contained == [MALLORY]
    (told,) = alerts(world, "author-contained")
    assert f"{MALLORY} can do nothing in account {PROD} any more" in told
    assert "take his ARN out of the service control policy DoorwardContained" in told


def test_what_was_closed_is_closed_before_and_whether_he_could_be_contained_or_not() -> None:
    world = opted_in()
    assert world.containment is not None
    world.containment.fail_next = [Unavailable("no answer")]
    storm(world, trust=ALL_BAD)
    assert all("arn:aws:iam::999999999999" not in each.trust_policy for each in world.roles.roles.values())
    assert len(world.roles.writes) == BUDGET + 1  # written before anybody asked the function anything
    (hint,) = [each for each in world.hints.sent if (each.follows or "").startswith("CONTAIN ")]
    with pytest.raises(Unavailable, match="no answer"):
        world.react(hint_as_text(hint))
    assert alerts(world, "author-contained") == []
    assert world.react(hint_as_text(hint)) == ["contained"]  # the message comes again


def test_once_told_nobody_is_asked_again_within_the_hour_and_then_he_is() -> None:
    world = opted_in()
    storm(world)
    assert asked_for(world) == ["contained"]
    put(world, BAD, 900, name="more")
    assert asked_for(world) == []
    world.clock.sleep(3600)
    storm(world, more=1)
    for number in range(BUDGET + 1):
        put(world, BAD, 2000 + number, name=f"again-{number}")
    assert asked_for(world)[0] == "contained"


@pytest.mark.parametrize("why", ["no more than 5 are contained at a time", Misconfigured("AccessDenied: assuming doorward-contain")])
def test_a_refusal_is_told_with_what_to_do_instead(why: str | Misconfigured) -> None:
    world = opted_in()
    assert world.containment is not None
    if isinstance(why, str):
        world.containment.refuses = why
    else:
        world.containment.fail_next = [why]
    storm(world)
    assert asked_for(world) == ["not-contained"]
    (told,) = alerts(world, "author-contained")
    assert f"{MALLORY} is NOT contained: {why}" in told
    assert "Contain him by hand" in told


def test_that_the_function_is_throttled_is_not_told_as_if_iam_were() -> None:
    world = opted_in()
    assert world.containment is not None
    world.containment.fail_next = [Throttled("TooManyRequestsException")]
    storm(world)
    with pytest.raises(Unavailable):
        asked_for(world)
    assert alerts(world, "doorward-starved") == []


def test_without_opting_in_nobody_is_asked_for() -> None:
    world = World()
    storm(world)
    assert asked_for(world) == []
    assert len(alerts(world, "remedy-storm")) == 1


def test_who_opted_out_meanwhile_contains_nobody() -> None:
    world = opted_in()
    storm(world)
    was, world.containment = world.containment, None
    assert asked_for(world) == ["known"]
    assert was is not None
    assert was.contained == []


@pytest.mark.parametrize("by", [PIPELINE, "arn:aws:iam::777788889999:role/break-glass"])
def test_neither_a_known_pipeline_nor_a_break_glass_role_is_ever_contained(by: str) -> None:
    world = opted_in(ORGANIZATION._replace(break_glass=("arn:aws:iam::777788889999:role/break-glass",)))
    storm(world, by=by, trust=ALL_BAD)
    assert asked_for(world) == []


def test_an_event_that_does_not_tell_who_wrote_what_stands_contains_nobody() -> None:
    """Jane is named by an event about another policy: what stands was written by somebody else."""
    world = opted_in()
    storm(world, by=JANE, more=0)
    world.roles.put(role(ALL_BAD, "other", role_id="AROAOTHER0000000001"))
    world.react(event("UpdateAssumeRolePolicy", BAD, event_id="e-900", at=world.clock.now(), role_name="other", by=JANE))
    assert asked_for(world) == []


@pytest.mark.parametrize(
    ("braking", "author", "arn", "expected"),
    [
        (Braking.BUDGET_SPENT, Author.SOMEBODY, MALLORY, MALLORY),
        (Braking.BUDGET_SPENT, Author.PIPELINE, MALLORY, None),
        (Braking.BUDGET_SPENT, Author.SERVICE, MALLORY, None),
        (Braking.BUDGET_SPENT, Author.BREAK_GLASS, MALLORY, None),
        (Braking.BUDGET_SPENT, Author.SOMEBODY, None, None),
        (Braking.BUDGET_SPENT, Author.SOMEBODY, "arn:aws:iam::999999999999:user/mallory", None),
        (Braking.WRITTEN_TOO_OFTEN, Author.SOMEBODY, MALLORY, None),
        (Braking.STOPPED, Author.SOMEBODY, MALLORY, None),
        (Braking.NONE, Author.SOMEBODY, MALLORY, None),
    ],
)
def test_the_table(braking: Braking, author: Author, arn: str | None, expected: str | None) -> None:
    assert to_be_contained(braking, author, Actor("IAMUser", arn, None, None, None, None, None, None), PROD) == expected
