"""Heartbeats come late, twice, out of order, or not at all: what is told is the same whatever way the same beats went."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from doorward.guard.heartbeats import IAM_EVENTS, OVERDUE, Gap, Pulse, Sent, Silence, Spot, due, hear, look, looked_at, send
from tests.fakes import START

EVERY = timedelta(seconds=300)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Watched:
    """One spot, beaten at each turn. `arrivals`: for each beat the seconds after which its event is seen, None if never."""

    def __init__(self, arrivals: Iterable[float | None], jitter: Iterable[float] = ()) -> None:
        self.gaps: list[Gap] = []
        self.ended: list[Gap] = []
        self.pulse = Pulse()
        arrivals = list(arrivals)
        seen_at = {str(turn): at(300 * turn + delay) for turn, delay in enumerate(arrivals) if delay is not None}
        for turn, _ in enumerate([*arrivals, None, None]):
            now = at(300 * turn)
            back = {nonce for nonce, when in seen_at.items() if when <= now}
            looked = look(self.pulse, back, now)
            self.gaps += [looked.gap] if looked.gap and not self.pulse.gap else []
            self.ended += [self.pulse.gap] if self.pulse.gap and not looked.gap else []
            self.pulse = looked if turn >= len(arrivals) else send(looked, str(turn), now)

    @property
    def open(self) -> Gap | None:
        return self.pulse.gap


DELAYS = st.lists(st.one_of(st.none(), st.floats(0, 2000)), min_size=1, max_size=30)


@given(st.lists(st.floats(0, 120), min_size=1, max_size=30))
def test_an_account_whose_beats_come_back_in_time_is_never_told_of(arrivals: list[float]) -> None:
    assert Watched(arrivals).gaps == []


@given(st.lists(st.floats(0, 120), max_size=20), st.integers(1, 40))
def test_an_account_that_goes_silent_is_told_of_once_from_its_first_beat_that_stayed_out(before: list[float], silent: int) -> None:
    watched = Watched([*before, *[None] * silent])
    assert watched.gaps == [Gap(str(len(before)), at(300 * len(before)))]
    assert watched.ended == []
    assert watched.open == watched.gaps[0]


@given(st.lists(st.floats(0, 120), max_size=10), st.integers(1, 40), st.lists(st.floats(0, 120), min_size=1, max_size=10))
def test_a_gap_ends_once_when_it_beats_again(before: list[float], silent: int, after: list[float]) -> None:
    watched = Watched([*before, *[None] * silent, *after])
    assert len(watched.gaps) == 1
    assert watched.ended == watched.gaps
    assert watched.open is None


@given(st.lists(st.floats(301, 5000), min_size=1, max_size=10), st.integers(1, 20))
def test_beats_from_before_a_gap_that_arrive_late_never_end_it(late: list[float], silent: int) -> None:
    """Each arrives after the beats behind it are overdue: what it says is over by then."""
    pulse = Pulse()
    for turn in range(len(late) + silent):
        pulse = send(pulse, str(turn), at(300 * turn))
    now = at(300 * (len(late) + silent))
    opened = look(pulse, set(), now)
    assert opened.gap is not None
    for upto in range(len(late)):
        opened = look(opened, {str(each) for each in range(upto + 1)}, now)
        assert opened.gap is not None


@given(DELAYS)
def test_gaps_and_their_ends_alternate(arrivals: list[float | None]) -> None:
    watched = Watched(arrivals)
    assert watched.ended == watched.gaps[: len(watched.ended)]
    assert len(watched.gaps) - len(watched.ended) == (watched.open is not None)


@st.composite
def sent_and_seen(draw: st.DrawFn) -> tuple[list[Sent], set[str], datetime]:
    moments = draw(st.lists(st.integers(0, 3000), min_size=1, max_size=12, unique=True))
    sent = [Sent(str(each), at(each)) for each in sorted(moments)]
    return sent, draw(st.sets(st.sampled_from([each.nonce for each in sent]))), at(draw(st.integers(0, 4000)))


@given(sent_and_seen(), st.randoms())
def test_the_order_in_which_beats_come_back_changes_nothing(drawn: tuple[list[Sent], set[str], datetime], order: object) -> None:
    sent, seen, now = drawn
    at_once = look(Pulse(tuple(sent)), seen, now)
    shuffled = sorted(seen)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    pulse, back = Pulse(tuple(sent)), set[str]()
    for nonce in [*shuffled, *shuffled]:  # each twice
        back.add(nonce)
        pulse = look(pulse, back, at(0))  # nothing is overdue yet, so that only what is remembered can differ
    one_by_one = look(pulse, back, now)
    assert one_by_one.sent == at_once.sent
    assert one_by_one.alive_at == at_once.alive_at
    assert (one_by_one.gap is None) == (at_once.gap is None)


@given(sent_and_seen())
def test_an_account_is_silent_exactly_where_a_beat_is_overdue_and_none_as_late_came_back(
    drawn: tuple[list[Sent], set[str], datetime],
) -> None:
    sent, seen, now = drawn
    latest = max((each.at for each in sent if each.nonce in seen), default=None)
    silent = any(now - each.at > OVERDUE and (latest is None or each.at > latest) for each in sent)
    assert (look(Pulse(tuple(sent)), seen, now).gap is not None) == silent


@given(st.sets(st.text("ab", min_size=1)), st.text("xy"))
def test_a_beat_that_was_never_sent_counts_for_nothing(forged: set[str], own: str) -> None:
    pulse = Pulse((Sent(own, START),))
    assert look(pulse, forged, at(121)).gap == Gap(own, START)


HOME = "us-east-1"
LOOKED = st.lists(st.dictionaries(st.sampled_from(["eu-west-1", "ap-east-1", IAM_EVENTS]), st.booleans()), min_size=1, max_size=25)


@given(LOOKED, st.lists(st.booleans(), min_size=25, max_size=25))
def test_what_is_silent_is_in_one_silence_that_was_told_and_what_is_heard_in_none(turns: list[dict[str, bool]], home: list[bool]) -> None:
    """Each turn looks at the IAM region and at some others; True is silent. Open are exactly the silences that were told and not ended."""
    silences: tuple[Silence, ...] = ()
    told: set[str] = set()
    for turn, others in enumerate(turns):
        looked = {
            region: Pulse(gap=Gap(f"{region}-{turn}", at(300 * turn)) if silent else None)
            for region, silent in ({HOME: home[turn]} | others).items()
        }
        heard = hear(silences, looked, HOME)
        ended, begun = ({each.gap.nonce for each in several} for several in (heard.ended, heard.begun))
        assert ended <= told
        assert len(begun) <= 1
        told = told - ended | begun
        silences = heard.silences
        assert {each.gap.nonce for each in silences} == told
        held = [region for each in silences for region in each.regions]
        assert len(held) == len(set(held))
        assert {region for region, pulse in looked.items() if pulse.gap is not None} - set(heard.anew) <= set(held)
        assert not {region for region, pulse in looked.items() if pulse.gap is None} & set(held)


ACCOUNTS = st.dictionaries(
    st.from_regex(r"[0-9]{12}", fullmatch=True),
    st.sets(st.sampled_from(["us-east-1", "eu-west-1", "eu-central-1"])),
    min_size=1,
    max_size=8,
)


@given(ACCOUNTS, st.integers(0, 10**9), st.sampled_from([60, 120, 300, 600, 900]))
def test_every_spot_is_beaten_within_the_hour_and_the_iam_region_at_each_turn(
    accounts: dict[str, set[str]], start: int, every: int
) -> None:
    beaten: list[Spot] = []
    for turn in range(3600 // every):
        now = at(start + turn * every)
        spots = list(due(accounts, "us-east-1", now, every))
        assert {Spot(each, "us-east-1") for each in accounts} <= set(spots)
        assert len(spots) == len(set(spots))
        beaten += [each for each in spots if each.region != "us-east-1"]
    assert sorted(beaten) == sorted(
        Spot(account_id, region) for account_id, regions in accounts.items() for region in {*regions, IAM_EVENTS} - {"us-east-1"}
    )


@given(st.integers(0, 10**9))
def test_what_is_beaten_once_an_hour_is_spread_over_the_hour(start: int) -> None:
    regions = [f"eu-west-{number}" for number in range(16)]
    accounts = {f"{number:012}": regions for number in range(100)}
    turns = [len(list(due(accounts, "us-east-1", at(start + 300 * turn), 300))) - len(accounts) for turn in range(12)]
    assert sum(turns) == 100 * 17
    assert max(turns) < 1.5 * sum(turns) / 12


@given(ACCOUNTS, st.integers(0, 10**9), st.sampled_from([60, 120, 300, 600, 900]))
def test_whatever_is_beaten_is_looked_after_once_it_is_overdue(accounts: dict[str, set[str]], start: int, every: int) -> None:
    sent_at = at(start)
    for spot in due(accounts, "us-east-1", sent_at, every):
        turns = range(1, int(OVERDUE.total_seconds()) // every + 2)
        assert any(
            every * turn > OVERDUE.total_seconds() and spot in looked_at(accounts, "us-east-1", at(start + every * turn), every)
            for turn in turns
        )
