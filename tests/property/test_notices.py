"""Whatever comes twice, late or in another order, and wherever the function dies: nobody is told less than the table says."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import Misconfigured, Unavailable
from doorward.findings.model import Severity
from doorward.notices.gathered import Why
from doorward.notices.telling import Notice, notice_of
from doorward.organization.model import Notifications
from doorward.ports.announcing import Message
from doorward.ports.ledger import Announcement
from doorward.usecases.compose_message import compose_announced
from doorward.usecases.settle_cards import Outcome, settle_cards
from doorward.usecases.tell_channel import Desk, tell_channel
from tests.fakes import START, FakeChannel, FakeClock, FakeLedger, FakeNotices, Sent

ROLES = ("777788889999/a", "777788889999/b")
SEVERITIES = ("critical", "high", "medium", "low")
STEPS = ("TrustViolationFound", "TrustPolicyReverted", "TrustViolationEnded", "TrustRemedyFailed")
ENOUGH = Notifications(most_per_minute=10_000)


def announcement(finding: int, role: str, severity: str, step: str) -> Announcement:
    detail = {
        "format": "doorward.guardrails/1",
        "finding_id": f"dw-{finding}",
        "role_ref": role,
        "account": {"id": role[:12]},
        "severity": severity,
        "findings": [{"rule": "external-account", "severity": severity}],
        "actor": {"arn": "arn:aws:iam::777788889999:user/jane"},
        "remedy": {"kind": "deny"} if step == "TrustPolicyReverted" else None,
        "announced_at": START.isoformat(),
    }
    return Announcement(f"dw-{finding}-{step}", step, detail, START)


@st.composite
def stories(draw: st.DrawFn) -> list[Announcement]:
    """Findings on a few roles, each found first; of some also what came of it."""
    told: list[Announcement] = []
    for number in range(draw(st.integers(1, 14))):
        role, severity = draw(st.sampled_from(ROLES)), draw(st.sampled_from(SEVERITIES))
        steps = ("TrustViolationFound", *sorted(draw(st.sets(st.sampled_from(STEPS[1:])))))
        told += [announcement(number, role, severity, step) for step in steps]
    return told


class DiedError(Exception):
    """The function was gone, as by a timeout."""


class Mortal:
    """Calls pass through to something, until so many have: then the function dies before the next, or just after it."""

    def __init__(self, within: Any, lives: list[int], *, after: bool) -> None:
        self._within = within
        self._lives = lives
        self._after = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._within, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._lives[0] -= 1
            if self._lives[0] == 0 and not self._after:
                raise DiedError
            answer = found(*args, **kwargs)
            if self._lives[0] == 0:
                raise DiedError
            return answer

        return call


class House:
    """One channel, and what is remembered of it."""

    def __init__(self, *, threads: bool, settings: Notifications = ENOUGH) -> None:
        self.clock = FakeClock()
        self.ledger = FakeLedger(self.clock)
        self.notices = FakeNotices()
        self.channel = FakeChannel("channel", has_threads=threads)
        self.settings = settings
        self.deaths = 0

    def deliver(self, told: Announcement, dies_at: int = 0, *, after: bool = False) -> bool:
        """False: it comes again."""
        lives = [dies_at]
        mortal: Callable[[Any], Any] = lambda within: Mortal(within, lives, after=after)  # noqa: E731
        desk = Desk(mortal(self.ledger), mortal(self.notices), self.clock, self.settings)
        try:
            tell_channel(mortal(self.channel), compose_announced(told.id, told.detail_type, told.detail), desk)
        except DiedError:
            self.deaths += 1
            return False
        except Unavailable:
            return False
        return True

    def shown(self, told: Announcement) -> list[Sent]:
        return [each for each in self.channel.sent if each.message.announcement_id == told.id]

    def is_kept(self, told: Announcement) -> bool:
        return any(each.announcement_id == told.id for why in Why for each in self.notices.gathered(why))


def notice(told: Announcement) -> Notice:
    return notice_of(told.id, told.detail_type, told.detail)


def deliveries(told: Sequence[Announcement]) -> st.SearchStrategy[list[Announcement]]:
    """Each at least once, some more often, in any order."""
    return st.lists(st.sampled_from(told), max_size=len(told)).flatmap(lambda more: st.permutations([*told, *more]))


@given(st.data(), stories(), st.booleans())
def test_nothing_is_lost_and_nothing_is_told_twice_in_any_order(data: st.DataObject, story: list[Announcement], threads: bool) -> None:
    house = House(threads=threads)
    for each in data.draw(deliveries(story)):
        house.clock.time += timedelta(seconds=data.draw(st.sampled_from([0, 1, 400])))
        assert house.deliver(each)
    counted = 0
    for each in story:
        if threads:
            assert len(house.shown(each)) + house.is_kept(each) == 1
        else:
            assert len(house.shown(each)) + house.is_kept(each) <= 1
            counted += not (house.shown(each) or house.is_kept(each))
        if notice(each).asks:
            (shown,) = house.shown(each)
            assert shown.aloud or not shown.thread
    if counted:
        assert house.channel.sent, "what is counted belongs to something that was told"


@given(st.data(), stories(), st.booleans())
def test_wherever_the_function_dies_it_is_told_in_the_end(data: st.DataObject, story: list[Announcement], threads: bool) -> None:
    house = House(threads=threads)
    waiting = list(data.draw(deliveries(story)))
    while waiting:
        house.clock.time += timedelta(seconds=data.draw(st.sampled_from([1, 40, 400])))
        each = waiting.pop(0)
        dies_at = data.draw(st.integers(0, 14)) if house.deaths < 20 else 0
        if not house.deliver(each, dies_at, after=data.draw(st.booleans())):
            waiting.append(each)
    for each in story:
        if threads or notice(each).asks:
            assert house.shown(each) or house.is_kept(each)
        if notice(each).asks:
            assert any(shown.aloud or not shown.thread for shown in house.shown(each))
    tops = {each.id for each in house.channel.sent if not each.thread}
    assert {each.thread for each in house.channel.sent if each.thread} <= tops, "no reply to nothing"


@given(st.data(), stories())
def test_a_window_has_one_message_that_begins_a_thread_and_an_object_one_thread(data: st.DataObject, story: list[Announcement]) -> None:
    """All at one time: with no window ending in between."""
    house = House(threads=True)
    for each in data.draw(deliveries(story)):
        assert house.deliver(each)
    sent = house.channel.sent
    began = Counter(notice_of("", "", each.message.detail).group for each in sent if not each.thread)
    assert set(began.values()) <= {1}
    threads: dict[str, set[str]] = {}
    for shown in sent:
        threads.setdefault(str(shown.message.detail["finding_id"]), set()).add(shown.thread or shown.id)
    assert all(len(found) == 1 for found in threads.values())


@given(st.data(), stories(), st.integers(1, 5), st.booleans())
def test_what_is_held_back_is_counted_and_what_asks_people_to_act_never_is(
    data: st.DataObject,
    story: list[Announcement],
    most: int,
    threads: bool,
) -> None:
    house = House(threads=threads, settings=Notifications(most_per_minute=most, digest_below="info"))
    for each in data.draw(deliveries(story)):
        assert house.deliver(each)
    held = {each.announcement_id for each in house.notices.gathered(Why.HELD)}
    assert not {each.id for each in story if notice(each).asks} & held
    for each in story:
        if threads:
            assert len(house.shown(each)) == (each.id not in held)
    loud = [each for each in house.channel.sent if not each.thread or each.aloud]
    by_right = [each for each in loud if notice_of("", each.message.detail_type, each.message.detail).asks]
    if threads:
        assert len(loud) - len(by_right) <= most


@given(st.data(), stories())
def test_the_worst_and_every_tenfold_is_told_aloud(data: st.DataObject, story: list[Announcement]) -> None:
    found = [each for each in story if each.detail_type == "TrustViolationFound" and each.detail["severity"] != "low"]
    house = House(threads=True)
    for each in data.draw(st.permutations(found)):
        assert house.deliver(each)
    for role in ROLES:
        ours = [each for each in house.channel.sent if each.message.detail["role_ref"] == role]
        worst = max((Severity(each.message.detail["severity"]).rank for each in ours), default=0)
        aloud = [each for each in ours if each.aloud or not each.thread]
        assert not ours or worst == max(Severity(each.message.detail["severity"]).rank for each in aloud)
        if len(ours) >= 10:
            assert any(f"There are {size} of this kind" in each.message.text for each in aloud for size in range(10, 15)) or any(
                notice_of("", each.message.detail_type, each.message.detail).asks for each in aloud
            )


# Cards


@given(st.data(), st.integers(1, 4), st.booleans())
def test_a_card_shows_what_came_of_it_last_in_any_order(data: st.DataObject, questions: int, fails: bool) -> None:
    """The card, and the transitions of its question, in any order, some twice, with Slack failing in between."""
    house = House(threads=True)
    asked = announcement(1, ROLES[0], "high", "TrustViolationFound")
    asked = asked._replace(detail={**asked.detail, "action": "ask", "proposal": {"kind": "deny", "hash": "x", "diff": []}})
    house.ledger.announce(asked)
    moves = []
    for number in range(questions):
        at = (START + timedelta(seconds=number + 1, microseconds=number)).isoformat()
        detail = {
            "format": "doorward.decisions/1",
            "question_id": "q-1",
            "about": "finding dw-1",
            "account": {"id": "777788889999"},
            "role": ROLES[0],
            "severity": "high",
            "what": "apply",
            "state": "approved",
            "yes": ["906-ann"],
            "by": "ann",
            "title": "people said yes",
            "because": f"number {number}.",
            "what_to_do": "Nothing.",
            "announced_at": at,
        }
        moves.append(Announcement(f"q-1-{number}", "DecisionMade", detail, START))
    waiting = list(data.draw(deliveries([asked, *moves])))
    while waiting:
        house.clock.time += timedelta(seconds=1)
        if fails and data.draw(st.booleans()):
            house.channel.fail_next = [*[None] * data.draw(st.integers(0, 2)), Unavailable("no")]
        each = waiting.pop(0)
        if not house.deliver(each):
            waiting.append(each)
        house.channel.fail_next = []
    cards = house.shown(asked)
    assert cards
    for card in cards if not fails else cards[-1:]:
        assert f"number {questions - 1}." in card.message.outcomes["apply"]
        assert "On the word of ann." in card.message.outcomes["apply"]
        assert card.message.outcomes.keys() == {"apply"}


MEDIUM = {"rule": "external-account", "severity": "medium", "statement": {"index": 0, "sid": None}, "witness": None}


def asking() -> Announcement:
    """With a button for everything that can be decided while it stands."""
    told = announcement(1, ROLES[0], "medium", "TrustViolationFound")
    proposal = {"kind": "deny", "hash": "x", "diff": []}
    return told._replace(detail={**told.detail, "action": "ask", "proposal": proposal, "findings": [MEDIUM]})


def decided(what: str, state: str, seconds: int) -> Announcement:
    detail = {
        "format": "doorward.decisions/1",
        "question_id": f"q-{what}",
        "about": "finding dw-1",
        "what": what,
        "state": state,
        "severity": "medium",
        "title": "decided",
        "because": f"{what} {state} {seconds}.",
        "announced_at": (START + timedelta(seconds=seconds)).isoformat(),
    }
    return Announcement(f"q-{what}-{seconds}", "DecisionMade", detail, START)


def over(seconds: int) -> Announcement:
    told = announcement(1, ROLES[0], "medium", "TrustViolationEnded")
    return told._replace(detail={**told.detail, "announced_at": (START + timedelta(seconds=seconds)).isoformat()})


@given(
    st.data(),
    st.lists(st.tuples(st.sampled_from(["apply", "waive", "dismiss", "ended"]), st.sampled_from(["approved", "expired", "done"]))),
)
def test_only_what_was_decided_is_gone_from_a_card_until_the_finding_is_over(data: st.DataObject, story: list[tuple[str, str]]) -> None:
    house, asked = House(threads=True), asking()
    house.ledger.announce(asked)
    told, expected = [asked], dict[str, str]()
    for number, (what, state) in enumerate(story, 1):
        told.append(over(number)._replace(id=f"dw-1-ended-{number}") if what == "ended" else decided(what, state, number))
        all_go = what == "ended" or (what in {"apply", "waive"} and state == "done")
        said = "A violation is over" if what == "ended" else f"{what} {state} {number}."
        expected |= dict.fromkeys(("apply", "waive", "dismiss", "hold") if all_go else (what,), said)
    for each in data.draw(deliveries(told)):
        assert house.deliver(each)
    for card in house.shown(asked):
        assert {each.what for each in card.message.choices} == {"apply", "waive", "dismiss", "hold"}
        assert card.message.outcomes.keys() == expected.keys()
        assert all(expected[what] in text for what, text in card.message.outcomes.items())


def test_what_was_written_can_be_undone_after_the_finding_is_over() -> None:
    house = House(threads=True)
    written = announcement(1, ROLES[0], "high", "TrustPolicyReverted")
    house.ledger.announce(written)
    for each in (written, decided("apply", "done", 1), over(2)):
        assert house.deliver(each)
    assert [each.what for each in house.channel.sent[0].message.choices] == ["undo"]
    assert house.channel.sent[0].message.outcomes == {}
    assert house.deliver(decided("undo", "done", 3))
    assert house.channel.sent[0].message.outcomes.keys() == {"undo"}


def test_of_two_who_change_a_card_at_once_the_newer_is_what_it_shows() -> None:
    """The older has read what came of it, and writes after the newer."""
    house = House(threads=True)
    asked = announcement(1, ROLES[0], "high", "TrustViolationFound")
    asked = asked._replace(detail={**asked.detail, "proposal": {"kind": "deny", "hash": "x", "diff": []}})
    house.ledger.announce(asked)
    assert house.deliver(asked)
    newer = Outcome("the newer", START + timedelta(seconds=2), frozenset({"apply"}))

    class Overtaken(FakeChannel):
        def change(self, message_id: str, message: Message) -> None:
            if message.outcomes == {"apply": "the older"}:
                settle_cards(house.channel, "dw-1", newer, house.ledger, house.notices)
            super().change(message_id, message)

    channel = Overtaken(house.channel.name, house.channel.sent, has_threads=True)
    settle_cards(channel, "dw-1", Outcome("the older", START + timedelta(seconds=1), newer.about), house.ledger, house.notices)
    assert house.channel.sent[0].message.outcomes == {"apply": "the newer"}


def test_a_card_is_not_settled_by_what_came_of_something_before_it() -> None:
    """A finding is asked about anew: what came of the first question says nothing of the second message."""
    house = House(threads=True)
    asked = announcement(1, ROLES[0], "high", "TrustViolationFound")
    again = (START + timedelta(seconds=9)).isoformat()
    asked = asked._replace(detail={**asked.detail, "proposal": {"kind": "deny", "hash": "x", "diff": []}, "announced_at": again})
    house.ledger.announce(asked)
    assert house.deliver(asked)
    settle_cards(house.channel, "dw-1", Outcome("withdrawn", START, frozenset({"apply"})), house.ledger, house.notices)
    assert house.channel.sent[0].message.outcomes == {}


def test_a_card_that_is_gone_is_said_and_dropped() -> None:
    house = House(threads=True)
    asked = announcement(1, ROLES[0], "high", "TrustViolationFound")
    asked = asked._replace(detail={**asked.detail, "action": "ask", "proposal": {"kind": "deny", "hash": "x", "diff": []}})
    house.ledger.announce(asked)
    assert house.deliver(asked)
    house.channel.fail_next = [Misconfigured("message_not_found")]
    detail = {
        "format": "doorward.decisions/1",
        "about": "finding dw-1",
        "what": "apply",
        "state": "done",
        "title": "done",
        "because": "x",
        "severity": "high",
        "announced_at": (START + timedelta(seconds=1)).isoformat(),
    }
    assert house.deliver(Announcement("q-1-2", "DecisionCarriedOut", detail, START))
    assert "could not be changed: message_not_found" in house.channel.sent[-1].message.text
    assert house.channel.sent[-1].thread == house.channel.sent[0].id
