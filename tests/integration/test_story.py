"""Some of the demo's chapters on the local stack. CI runs all of them, by `make demo-all`.

Not here: the account that joins, which waits for a minute; tests/integration/test_organization.py has the same.
"""

from collections.abc import Callable, Iterator

import pytest

from local.chapters import ALL, SHORT, doors, grants, reaction, watch, with_what_it_needs
from local.chapters.stage import Screen, Stage
from local.installation import Installation, People
from local.stack import StackError, rules_off
from local.world import PROD

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


@pytest.fixture
def stage(doorward: Installation, people: dict[str, People]) -> Stage:
    return Stage(Screen(), doorward, people)


@pytest.fixture
def deaf(doorward: Installation) -> Iterator[None]:
    """Prod forwards no call about rules any more."""
    rules = doorward.stack.client("events", PROD.id)
    with rules_off(rules, "doorward-guard"):
        yield


def test_each_chapter_has_a_name_and_plays_after_those_whose_role_it_goes_on_with() -> None:
    assert with_what_it_needs("repeated-and-late") == ("legitimate-change", "attack", "repeated-and-late")
    assert with_what_it_needs("storm") == ("storm",)
    played: list[str] = []
    for each in SHORT:
        assert set(with_what_it_needs(each)) <= {*played, each}
        played.append(each)
    assert len(ALL) == len({*doors.CHAPTERS, *watch.CHAPTERS, *reaction.CHAPTERS, *grants.CHAPTERS})


@pytest.mark.usefixtures("deaf")
def test_a_chapter_whose_expected_result_does_not_come_fails_with_a_sentence_and_leaves_the_rule_on(stage: Stage) -> None:
    stage.patience = 3
    with pytest.raises(StackError, match="in vain for guard-tampered to be told"):
        watch.switched_off(stage)
    assert stage.chapters == []
    assert stage.doorward.stack.client("events", PROD.id).describe_rule(Name="doorward-changes")["State"] != "DISABLED"


@pytest.mark.parametrize("chapter", [doors.legitimate_change, watch.outsider, watch.padded, watch.silent, watch.switched_off])
def test_a_chapter_shows_what_doorward_found_and_how_fast(
    chapter: Callable[[Stage], None], stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    chapter(stage)
    shown = capsys.readouterr().out
    (told,) = stage.chapters
    assert told.did in shown
    if chapter is not doors.legitimate_change:
        assert told.seconds is not None
        assert "What to do:" in shown


def test_what_somebody_holds_of_a_grant_that_is_over_is_of_no_use(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    grants.hard_stop(stage)
    shown = capsys.readouterr().out
    assert shown.index("2026-11.csv") < shown.index("AccessDenied")


def test_the_chapter_on_a_grant_shows_what_the_client_may_and_what_not(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    grants.grant(stage)
    shown = capsys.readouterr().out
    assert "2026-11.csv" in shown
    assert "AccessDenied" in shown
    assert "The grant is revoked" in shown
    (told,) = stage.chapters
    assert told.seconds is not None
