"""How one announcement is told in one channel, whom it is for, and what is told together. In any order: tests/property/test_notices.py."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import DoorwardError, MalformedInput, Misconfigured, Unavailable
from doorward.findings.model import Severity
from doorward.notices.gathered import Kept, Why
from doorward.notices.routing import Addressed, addressed
from doorward.notices.telling import Group, Notice, Place, Way, goes_into_digest, held_back, notice_of, object_of, way_in_group, way_of
from doorward.organization.model import Account, Contact, Notifications, Organization, Owner, Route
from doorward.ports.announcing import Channel
from doorward.slack.channel import SlackChannel
from doorward.slack.web import SlackWeb
from doorward.usecases.notify_people import Tools, notify_people
from doorward.usecases.send_gathered import send_gathered, turn_of
from local.slack import SlackSink
from tests.fakes import START, FakeChannel, FakeClock, FakeLedger, FakeNotices
from tests.template.conftest import REPOSITORY

PROD, STAGING, UNKNOWN = "777788889999", "222233334444", "999988887777"
WINDOW = timedelta(minutes=15)
NOTICE = Notice("dw-1", "k", Severity.HIGH, is_new=True, asks=False)
CAME_OF_IT = NOTICE._replace(is_new=False)
ASKS = NOTICE._replace(asks=True)
PLACE = Place("C1/1.5", START)
OPEN = Group(START, "dw-0-found", 2, is_open=True, thread="C1/1.5", told_severity=Severity.HIGH.rank)


def event(finding: str = "dw-1", detail_type: str = "TrustViolationFound", *, announcement: str = "", **changes: Any) -> str:
    detail = {
        "format": "doorward.guardrails/1",
        "announcement_id": announcement or f"{finding}-{detail_type}",
        "finding_id": finding,
        "role_ref": f"{PROD}/payments",
        "account": {"id": PROD, "name": "prod"},
        "severity": "high",
        "findings": [{"rule": "external-account", "severity": "high", "because": "x"}],
        "actor": {"kind": "AWSService"},
        **changes,
    }
    return json.dumps({"source": "doorward.guardrails", "detail-type": detail_type, "detail": detail})


# The table


@pytest.mark.parametrize(
    ("notice", "place", "minutes", "threads", "way"),
    [
        (ASKS, PLACE, 0, True, Way.ALOUD),
        (NOTICE, PLACE, 14, True, Way.THREAD),
        (NOTICE, PLACE, 15, True, Way.ALOUD),
        (CAME_OF_IT, PLACE, 60 * 24 * 300, True, Way.THREAD),
        (CAME_OF_IT, Place("", START), 0, False, Way.ALONE),
        (CAME_OF_IT, Place("", START, counted=True), 0, False, Way.COUNTED),
        (ASKS, Place("", START, counted=True), 0, False, Way.ALOUD),
    ],
)
def test_what_was_told_of_before_goes_where_it_was(notice: Notice, place: Place, minutes: int, threads: bool, way: Way) -> None:
    assert way_of(notice, place, START + timedelta(minutes=minutes), WINDOW, threads=threads) is way


@pytest.mark.parametrize(
    ("notice", "group", "threads", "way"),
    [
        (NOTICE, Group(START, "me", 1), True, Way.ALONE),
        (NOTICE, Group(START, "me", 1), False, Way.ALONE),
        (NOTICE, Group(START, "another", 2), True, None),
        (ASKS, Group(START, "another", 2), True, None),
        (NOTICE, Group(START, "another", 2), False, None),
        (NOTICE, OPEN, True, Way.THREAD),
        (NOTICE, OPEN, False, Way.COUNTED),
        (ASKS, OPEN, True, Way.ALOUD),
        (ASKS, OPEN, False, Way.ALOUD),
        (NOTICE._replace(severity=Severity.CRITICAL), OPEN, True, Way.ALOUD),
        (NOTICE, OPEN._replace(size=9), True, Way.THREAD),
        (NOTICE, OPEN._replace(size=10), True, Way.ALOUD),
        (NOTICE, OPEN._replace(size=10), False, Way.ALOUD),
        (NOTICE, OPEN._replace(size=11), True, Way.ALOUD),  # whoever was the tenth died
        (NOTICE, OPEN._replace(size=11, told_size=10), True, Way.THREAD),
        (NOTICE, OPEN._replace(size=99, told_size=10), True, Way.THREAD),
        (NOTICE, OPEN._replace(size=100, told_size=11), True, Way.ALOUD),
    ],
)
def test_what_is_new_goes_to_what_is_like_it(notice: Notice, group: Group, threads: bool, way: Way | None) -> None:
    assert way_in_group("me", notice, group, threads=threads) is way


@pytest.mark.parametrize(
    ("way", "notice", "spent", "threads", "told"),
    [
        (Way.ALONE, NOTICE, 10, True, Way.ALONE),
        (Way.ALONE, NOTICE, 11, True, Way.HELD),
        (Way.ALOUD, NOTICE, 11, True, Way.THREAD),
        (Way.ALOUD, NOTICE, 11, False, Way.HELD),
        (Way.THREAD, NOTICE, 11, True, Way.THREAD),
        (Way.ALONE, ASKS, 11, True, Way.ALONE),
        (Way.ALOUD, ASKS, 11, False, Way.ALOUD),
    ],
)
def test_a_channel_that_has_had_enough_is_spared_what_does_not_ask(way: Way, notice: Notice, spent: int, threads: bool, told: Way) -> None:
    assert held_back(way, notice, spent, 10, threads=threads) is told


@pytest.mark.parametrize("threads", [True, False])
def test_what_came_of_something_told_is_never_held_back(threads: bool) -> None:
    house = House(threads=threads, most_per_minute=1)
    house.tell(
        event("dw-1"), event("dw-2", role_ref=f"{PROD}/2"), event("dw-1", "TrustPolicyReverted"), event("dw-1", "TrustViolationEnded")
    )
    assert [each for each, *_ in house.shown] == ["dw-1-TrustViolationFound", "dw-1-TrustPolicyReverted", "dw-1-TrustViolationEnded"]


@pytest.mark.parametrize(
    ("detail_type", "changes", "asks"),
    [
        ("TrustViolationFound", {}, False),
        ("TrustViolationFound", {"severity": "critical"}, True),
        ("TrustViolationFound", {"severity": None}, True),
        ("TrustViolationFound", {"severity": "grave"}, True),
        ("TrustViolationFound", {"severity": ["low"]}, True),
        ("TrustViolationFound", {"door_open": True}, True),
        ("TrustViolationFound", {"action": "ask"}, True),
        ("TrustRemedyFailed", {}, True),
        ("DecisionAwaited", {"severity": "low"}, True),
        ("DecisionWithdrawn", {}, True),
        ("DecisionExpired", {}, True),
        ("TrustPolicyReverted", {"severity": "critical"}, False),
        ("TrustViolationEnded", {"action": "ask", "door_open": True}, False),
        ("DecisionMade", {"severity": "critical"}, False),
        ("GrantEndFailed", {"severity": None, "risk": "low"}, True),
        ("GrantRefused", {"severity": None, "risk": None}, False),
        ("GrantStarted", {"severity": None, "risk": "high"}, False),
    ],
)
def test_who_has_to_act_is_asked_aloud(detail_type: str, changes: dict[str, Any], asks: bool) -> None:
    detail = json.loads(event(**changes))["detail"]
    assert notice_of("a", detail_type, detail).asks is asks


@pytest.mark.parametrize(("risk", "severity"), [("low", Severity.LOW), ("high", Severity.HIGH), (None, Severity.CRITICAL)])
def test_what_becomes_of_a_grant_is_as_grave_as_its_risk(risk: str | None, severity: Severity) -> None:
    assert notice_of("a", "GrantStarted", {"grant_id": "01J", "risk": risk}).severity is severity
    assert notice_of("a", "GrantEndFailed", {"grant_id": "01J", "risk": risk}).severity is Severity.CRITICAL


def test_only_what_asks_nobody_and_was_not_told_of_waits_for_the_digest() -> None:
    low = NOTICE._replace(severity=Severity.LOW)
    assert goes_into_digest(low, Severity.MEDIUM)
    assert not goes_into_digest(low._replace(asks=True), Severity.MEDIUM)
    assert not goes_into_digest(low, Severity.LOW)
    assert not goes_into_digest(NOTICE._replace(severity=Severity.INFO), Severity.INFO), "no digest at all"
    house = House()
    house.tell(event("dw-1", severity="low", action="ask"), event("dw-1", "TrustViolationEnded", severity="low"))
    assert [thread for _, thread, _ in house.shown] == ["", house.channel.sent[0].id]


def test_a_finding_and_the_question_about_it_are_one_object() -> None:
    assert object_of({"finding_id": "dw-1"}) == object_of({"about": "finding dw-1", "question_id": "q-1"}) == "dw-1"
    assert object_of({"about": f"role {PROD}/x", "question_id": "q-1"}) == "q-1"
    assert object_of({"grant_id": "01J"}) == object_of({"about": "grant 01J", "question_id": "q-1"}) == "01J"
    assert object_of({}) == ""


def test_a_group_is_of_one_rule_one_role_and_one_principal() -> None:
    def group(**changes: Any) -> str:
        return notice_of("a", "TrustViolationFound", json.loads(event(**changes))["detail"]).group

    assert group() == group(finding="dw-2", severity="low", because="otherwise")
    others: list[dict[str, Any]] = [
        {"role_ref": f"{PROD}/x"},
        {"findings": [{"rule": "long-session"}]},
        {"actor": {"arn": "a"}},
        {"principal": "a:b"},
    ]
    assert len({group(), *(group(**each) for each in others)}) == 5


# In a channel


class House:
    def __init__(self, *, threads: bool = True, **settings: Any) -> None:
        self.clock = FakeClock()
        self.channel = FakeChannel("everybody", has_threads=threads)
        self.of: dict[Contact, FakeChannel] = {}
        self.settings = settings
        self.tools = self.with_routes()

    def with_routes(self, *routes: Route, accounts: tuple[Account, ...] = (Account(PROD, "prod"),)) -> Tools:
        organization = Organization(accounts=accounts, notifications=Notifications(routes, **self.settings))
        self.tools = Tools((self.channel,), self.reach, organization, FakeLedger(self.clock), FakeNotices(), self.clock)
        return self.tools

    def reach(self, contact: Contact) -> Channel:
        if contact not in self.of:
            raise Misconfigured(f"nobody is {contact.slack or contact.topic}")
        return self.of[contact]

    def tell(self, *events: str) -> None:
        for each in events:
            notify_people(each, self.tools)

    @property
    def shown(self) -> list[tuple[str, str, bool]]:
        """What of which announcement: its thread, and whether it was aloud."""
        return [(each.message.announcement_id, each.thread, each.aloud) for each in self.channel.sent]


def test_the_tenth_and_what_is_worse_are_told_aloud_with_how_many_there_are() -> None:
    house = House()
    house.tell(*(event(f"dw-{number}") for number in range(12)))
    aloud = [each for each in house.channel.sent if each.aloud]
    assert [each.message.announcement_id for each in aloud] == ["dw-9-TrustViolationFound"]
    assert "There are 10 of this kind since 09:00 UTC" in aloud[0].message.text
    assert "There are 10 of this kind" in str(aloud[0].message.notes)
    assert {each.thread for each in house.channel.sent[1:]} == {house.channel.sent[0].id}
    house = House()
    house.tell(event("dw-1", severity="medium"), event("dw-2", severity="high"), event("dw-3", severity="high"))
    assert [each.aloud for each in house.channel.sent] == [False, True, False]


def test_by_sns_the_first_the_tenth_and_what_came_of_those_is_sent() -> None:
    house = House(threads=False)
    house.tell(*(event(f"dw-{number}") for number in range(10)))
    house.tell(*(event(f"dw-{number}", "TrustViolationEnded") for number in range(10)))
    sent = [each.message.announcement_id for each in house.channel.sent]
    assert sent == ["dw-0-TrustViolationFound", "dw-9-TrustViolationFound", "dw-0-TrustViolationEnded", "dw-9-TrustViolationEnded"]


def test_after_its_window_what_is_found_alike_is_a_message_again_and_the_same_again_is_aloud() -> None:
    house = House()
    house.tell(event("dw-1"))
    house.clock.sleep(WINDOW.total_seconds())
    house.tell(event("dw-2"), event("dw-1", announcement="the next day"), event("dw-1", "TrustViolationEnded"))
    first, second = house.channel.sent[0].id, house.channel.sent[1].id
    assert house.shown[1:] == [
        ("dw-2-TrustViolationFound", "", False),
        ("the next day", first, True),
        ("dw-1-TrustViolationEnded", first, False),
    ]
    assert first != second


def test_the_window_is_as_configured() -> None:
    house = House(group_minutes=1)
    house.tell(event("dw-1"))
    house.clock.sleep(60)
    house.tell(event("dw-2"))
    assert [thread for _, thread, _ in house.shown] == ["", ""]


def test_who_waits_for_a_thread_gets_it_or_comes_again() -> None:
    house = House()
    notice = notice_of("dw-1-TrustViolationFound", "TrustViolationFound", json.loads(event())["detail"])
    notices = house.tools.notices
    notices.join("everybody", notice.group, "dw-1", "dw-1-TrustViolationFound", house.clock.now(), WINDOW)
    with pytest.raises(Unavailable, match="others belong to"):
        house.tell(event("dw-2"))
    assert house.channel.sent == []
    assert 5 * sum(house.clock.slept) < 10, "a batch is five, in a function of a minute"
    house.tell(event("dw-3", severity="critical"), event("dw-3", "TrustViolationEnded"))
    ended, found = house.channel.sent.pop(), house.channel.sent.pop()
    assert (found.thread, ended.thread) == ("", found.id), "what asks people to act does not wait for others"
    house.tell(event("dw-1"), event("dw-2"))
    assert [thread for _, thread, _ in house.shown] == ["", house.channel.sent[0].id]


@pytest.mark.parametrize("threads", [True, False])
def test_what_came_of_a_finding_waits_while_that_is_being_told(threads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another function has begun with the finding, and sends it while this one waits."""
    house = House(threads=threads)
    notice = notice_of("dw-1-TrustViolationFound", "TrustViolationFound", json.loads(event())["detail"])
    house.tools.notices.join("everybody", notice.group, "dw-1", "dw-1-TrustViolationFound", house.clock.now(), WINDOW)

    def meanwhile(_seconds: float) -> None:
        monkeypatch.undo()
        house.tell(event("dw-1"))

    monkeypatch.setattr(house.clock, "sleep", meanwhile)
    house.tell(event("dw-1", "TrustPolicyReverted"))
    assert [each for each, *_ in house.shown] == ["dw-1-TrustViolationFound", "dw-1-TrustPolicyReverted"]
    assert house.shown[1][1] == (house.channel.sent[0].id if threads else "")


def test_what_came_of_a_finding_is_not_counted_while_that_is_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By SNS: the finding is sent just after this one has looked for it, and before it counts itself."""
    house = House(threads=False)
    notices = house.tools.notices
    place = notices.place

    def looking(channel: str, object_id: str) -> Place | None:
        monkeypatch.undo()
        before = place(channel, object_id)
        house.tell(event("dw-1"))
        return before

    monkeypatch.setattr(notices, "place", looking)
    house.tell(event("dw-1", "TrustPolicyReverted"))
    assert [each for each, *_ in house.shown] == ["dw-1-TrustViolationFound", "dw-1-TrustPolicyReverted"]


def test_what_is_low_is_in_nobodys_way_and_in_the_digest_once() -> None:
    house = House(digest_below="high")
    house.tell(*(event(f"dw-{number}", severity="medium") for number in range(3)), event("dw-9", severity="low", role_ref=f"{PROD}/other"))
    assert house.channel.sent == []
    assert send_gathered(Why.HELD, house.tools) == ()
    assert send_gathered(Why.DIGEST, house.tools) == ("everybody",)
    (message,) = house.channel.messages
    assert message.subject == "Doorward: Digest: 4 of less severity (3 medium, 1 low)"
    assert "medium external-account: 3 (777788889999/payments)" in message.text
    assert "low external-account: 1 (777788889999/other)" in message.text
    schema = json.loads((REPOSITORY / "docs/schemas/doorward.notices.1.json").read_text("utf-8"))
    Draft202012Validator(schema).validate({"announcement_id": message.announcement_id, **message.detail})
    assert send_gathered(Why.DIGEST, house.tools) == ()
    assert len(house.channel.messages) == 1, "an empty one is not sent"


def test_a_digest_of_much_is_short_and_says_what_it_leaves_out() -> None:
    house = House()
    rules = [event(f"dw-{number}", severity="low", findings=[{"rule": f"custom-{number:03}"}]) for number in range(40)]
    roles = [event(f"dw-r{number}", severity="low", role_ref=f"{PROD}/{number:03}") for number in range(7)]
    house.tell(*rules, *roles)
    send_gathered(Why.DIGEST, house.tools)
    (message,) = house.channel.messages
    assert "low external-account: 7 (777788889999/000, 777788889999/001, 777788889999/002 and 4 more)" in message.text
    assert "… and 11 more" in message.text
    schema = json.loads((REPOSITORY / "docs/schemas/doorward.notices.1.json").read_text("utf-8"))
    Draft202012Validator(schema).validate({"announcement_id": message.announcement_id, **message.detail})


def test_whoever_dies_after_the_digest_was_sent_sends_it_once_more_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    house.tell(event("dw-1", severity="low"))
    house.channel.fail_next = [Unavailable("no")]
    with pytest.raises(Unavailable):
        send_gathered(Why.DIGEST, house.tools)
    monkeypatch.setattr(house.tools.notices, "forget", lambda *_: (_ for _ in ()).throw(Unavailable("died")))
    with pytest.raises(Unavailable):
        send_gathered(Why.DIGEST, house.tools)
    monkeypatch.undo()
    house.tell(event("dw-2", severity="low"))
    assert send_gathered(Why.DIGEST, house.tools) == ("everybody",)
    assert [each.detail["count"] for each in house.channel.messages] == [1, 2]
    assert send_gathered(Why.DIGEST, house.tools) == ()


def test_how_much_was_held_back_is_said_once_and_critical_passes() -> None:
    house = House(most_per_minute=2)
    house.tell(*(event(f"dw-{number}", role_ref=f"{PROD}/{number}") for number in range(5)))
    house.tell(event("dw-m", role_ref=f"{PROD}/m", severity="medium"), event("dw-c", role_ref=f"{PROD}/c", severity="critical"))
    assert [each.announcement_id.partition("-T")[0] for each in house.channel.messages] == ["dw-0", "dw-1", "dw-c"]
    assert send_gathered(Why.HELD, house.tools) == ("everybody",)
    note = house.channel.messages[-1]
    assert note.subject == "… 4 more were held back (3 high, 1 medium): doorward findings list"
    assert send_gathered(Why.HELD, house.tools) == ()
    house.clock.sleep(60)
    house.tell(event("dw-9", role_ref=f"{PROD}/2"))
    assert house.channel.messages[-1].announcement_id == "dw-9-TrustViolationFound", "and the next minute begins anew"


def test_of_one_it_is_said_that_one_was() -> None:
    house = House(most_per_minute=1)
    house.tell(event("dw-1"), event("dw-2", role_ref=f"{PROD}/2"))
    send_gathered(Why.HELD, house.tools)
    assert house.channel.messages[-1].subject == "… 1 more was held back (1 high): doorward findings list"


# Failures


@pytest.mark.parametrize("failure", [None, "ratelimited", "internal_error"])
def test_what_slack_does_not_take_now_comes_again_and_stands_there_once(failure: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare HTTP 500, a rate limit, an error of Slack's own."""
    house = House()
    monkeypatch.setattr("doorward.slack.web.time.monotonic", lambda: house.clock.now().timestamp())
    with SlackSink() as sink:
        slack = SlackChannel(SlackWeb(sink.url, lambda: "xoxb-token"), "C0HOUSE000", "everybody")
        sns = FakeChannel("sns")
        house.tools = Tools((sns, slack), house.reach, Organization(), house.tools.outbox, house.tools.notices, house.clock)
        sink.fail_next(error=failure)
        with pytest.raises(Unavailable):
            house.tell(event("dw-1"))
        house.clock.sleep(360)
        house.tell(event("dw-1"))
        house.tell(event("dw-1", "TrustPolicyReverted"))
        root, reply = sink.messages
        assert (root.thread_ts, reply.thread_ts) == (None, root.ts)
        assert len(sns.messages) == 2


@pytest.mark.parametrize("error", [Unavailable("the topic is gone for a while"), Misconfigured("no such topic")])
def test_a_topic_that_fails_keeps_slack_from_nothing_and_is_told_when_it_comes_again(error: DoorwardError) -> None:
    house = House()
    sns = FakeChannel("sns", fail_next=[error])
    house.tools = Tools((sns, house.channel), house.reach, Organization(), house.tools.outbox, house.tools.notices, house.clock)
    with pytest.raises(type(error)):
        house.tell(event("dw-1"))
    assert (len(sns.messages), len(house.channel.messages)) == (0, 1)
    house.tell(event("dw-1"))
    assert (len(sns.messages), len(house.channel.messages)) == (1, 1)


# Whom it is for


ACCOUNTS = (
    Account(PROD, "prod", ou="/workloads/prod", tags={"environment": "prod"}),
    Account(STAGING, "staging", ou="/workloads", tags={"environment": "staging"}),
)
TEAM, PAGER = "C0TEAM00000", f"arn:aws:sns:us-east-1:{PROD}:doorward-people-pager"


@pytest.mark.parametrize(
    ("route", "account", "severity", "fits"),
    [
        (Route((TEAM,)), PROD, "low", True),
        (Route((TEAM,)), UNKNOWN, "low", True),
        (Route((TEAM,), accounts=(PROD,)), PROD, "low", True),
        (Route((TEAM,), accounts=(PROD,)), STAGING, "low", False),
        (Route((TEAM,), ou="/workloads"), PROD, "low", True),
        (Route((TEAM,), ou="/workloads/prod"), STAGING, "low", False),
        (Route((TEAM,), ou="/workloads/pro"), PROD, "low", False),
        (Route((TEAM,), ou="/"), UNKNOWN, "low", False),
        (Route((TEAM,), tags={"environment": "prod"}), PROD, "low", True),
        (Route((TEAM,), tags={"environment": "prod"}), STAGING, "low", False),
        (Route((TEAM,), tags={"environment": "prod"}, accounts=(STAGING,)), STAGING, "low", False),
        (Route((TEAM,), severity_from="high"), PROD, "medium", False),
        (Route((TEAM,), severity_from="high"), PROD, "high", True),
    ],
)
def test_a_route_is_for_what_fits_all_of_it(route: Route, account: str, severity: str, fits: bool) -> None:
    organization = Organization(accounts=ACCOUNTS, notifications=Notifications((route,)))
    notice = NOTICE._replace(severity=Severity(severity))
    expected = Addressed((TEAM,), everybody=False) if fits else Addressed((), everybody=True)
    assert addressed(account, "TrustViolationFound", notice, organization) == expected


def test_all_routes_that_fit_are_told_each_channel_once_and_everybody_where_one_says_so() -> None:
    routes = (Route((TEAM, PAGER)), Route((TEAM, "everybody"), severity_from="high"))
    organization = Organization(accounts=ACCOUNTS, notifications=Notifications(routes))
    assert addressed(PROD, "x", NOTICE, organization) == Addressed((TEAM, PAGER), everybody=True)
    assert addressed(PROD, "x", NOTICE._replace(severity=Severity.LOW), organization) == Addressed((TEAM, PAGER), everybody=False)


def test_no_route_takes_from_everybody_what_asks_people_to_act_or_is_about_doorward_itself() -> None:
    organization = Organization(accounts=ACCOUNTS, notifications=Notifications((Route((TEAM,)),)))
    assert addressed(PROD, "TrustViolationFound", ASKS, organization) == Addressed((TEAM,), everybody=True)
    for each in ("GuardProblemFound", "GuardProblemEnded"):
        assert addressed(PROD, each, NOTICE, organization) == Addressed((TEAM,), everybody=True)


def routed(*routes: Route, team: FakeChannel | None) -> House:
    house = House()
    house.of = {} if team is None else {Contact(slack=TEAM): team}
    house.with_routes(*routes, accounts=ACCOUNTS)
    return house


def test_a_route_is_told_in_the_place_of_everybody() -> None:
    team = FakeChannel(f"slack:{TEAM}", has_threads=True)
    house = routed(Route((TEAM,), ou="/workloads"), team=team)
    house.tell(event("dw-1"), event("dw-1", "TrustViolationEnded"), event("dw-2", account={"id": UNKNOWN}))
    assert [each.announcement_id for each in team.messages] == ["dw-1-TrustViolationFound", "dw-1-TrustViolationEnded"]
    assert team.sent[1].thread == team.sent[0].id
    assert [each.announcement_id for each in house.channel.messages] == ["dw-2-TrustViolationFound"]


def test_what_a_route_cannot_be_told_everybody_is_and_hears_why() -> None:
    for team in (None, FakeChannel(f"slack:{TEAM}", fail_next=[Misconfigured("channel_not_found")])):
        house = routed(Route((TEAM,)), team=team)
        house.tell(event("dw-1"))
        assert f"A route leads to {TEAM}, which could not be reached: " in house.channel.messages[0].text


def test_what_a_route_may_be_told_later_comes_again_for_it_alone() -> None:
    team = FakeChannel(f"slack:{TEAM}", fail_next=[Unavailable("no")])
    house = routed(Route((TEAM, "everybody")), team=team)
    with pytest.raises(Unavailable):
        house.tell(event("dw-1"))
    house.tell(event("dw-1"))
    assert (len(team.messages), len(house.channel.messages)) == (1, 1)


def test_a_route_that_leads_to_everybodys_channel_is_told_once() -> None:
    house = routed(Route((TEAM, "everybody")), team=FakeChannel("another name", address="everybody"))
    house.tell(event("dw-1"))
    assert len(house.channel.messages) == 1


def test_an_owner_whose_channel_everybodys_is_is_told_also_where_a_route_leads_elsewhere() -> None:
    team, owner = FakeChannel(f"slack:{TEAM}"), Contact(slack="C0OWNER0000")
    house = routed(team=None)
    house.of = {Contact(slack=TEAM): team, owner: FakeChannel("owner", address="everybody")}
    house.with_routes(Route((TEAM,)), accounts=(Account(PROD, "prod", owner=Owner("payments", owner)),))
    house.tell(event("dw-1"))
    assert len(house.of[owner].messages) == 1
    assert house.channel.messages == []
    assert "was told first" in team.messages[0].text


def test_an_owner_reads_what_is_low_in_a_digest_of_his_own() -> None:
    owner = Contact(slack="C0OWNER0000")
    house = House()
    house.of = {owner: FakeChannel(f"slack:{owner.slack}")}
    house.with_routes(accounts=(Account(PROD, "prod", owner=Owner("payments", owner)),))
    house.tell(event("dw-1", severity="low"))
    assert house.of[owner].messages == []
    assert sorted(send_gathered(Why.DIGEST, house.tools)) == ["everybody", f"slack:{owner.slack}"]
    assert len(house.of[owner].messages) == 1


def kept(channel: str) -> Kept:
    return Kept(channel, "dw-1-found", Severity.LOW, "long-session", f"{PROD}/x", START)


@pytest.mark.parametrize("channel", [f"slack:{TEAM}", f"sns:{PAGER}", "slack"])
def test_what_was_kept_for_a_channel_that_is_gone_everybody_is_told(channel: str) -> None:
    house = House()
    house.tools.notices.gather(Why.DIGEST, kept(channel))
    assert send_gathered(Why.DIGEST, house.tools) == ("everybody",)
    assert f"This was for {channel}, which could not be reached: " in house.channel.messages[0].text
    assert house.tools.notices.gathered(Why.DIGEST) == []


def test_one_channel_that_fails_keeps_no_other_from_its_digest() -> None:
    house = House()
    team = FakeChannel(f"slack:{TEAM}")
    house.of = {Contact(slack=TEAM): team}
    for each in ("everybody", f"slack:{TEAM}"):
        house.tools.notices.gather(Why.DIGEST, kept(each))
    house.channel.fail_next = [Unavailable("no")]
    with pytest.raises(Unavailable):
        send_gathered(Why.DIGEST, house.tools)
    assert len(team.messages) == 1
    assert [each.channel for each in house.tools.notices.gathered(Why.DIGEST)] == ["everybody"]


# Turns


@pytest.mark.parametrize("why", list(Why))
def test_a_schedule_asks_for_a_turn(why: Why) -> None:
    assert turn_of(json.dumps({"format": "doorward.turn/1", "send": str(why)})) is why


def test_the_schedules_of_the_template_ask_for_every_turn(hub_rules: Callable[[], list[str]]) -> None:
    assert sorted(filter(None, map(turn_of, hub_rules()))) == sorted(Why)


@pytest.fixture
def hub_rules() -> Callable[[], list[str]]:
    from tests.template.conftest import parsed

    resources = parsed("template.yaml")["Resources"].values()
    rules = [each for each in resources if each["Type"] == "AWS::Events::Rule" and "ScheduleExpression" in each["Properties"]]
    return lambda: [str(target.get("Input", "")) for each in rules for target in each["Properties"]["Targets"]]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", event(), '{"format": "doorward.refresh/1"}', "[" * 100_000])
def test_what_is_no_turn_is_left_to_those_who_tell(body: str) -> None:
    assert turn_of(body) is None


@pytest.mark.parametrize("send", [None, "everything", 1, ["digest"], {}])
def test_a_turn_of_nothing_we_know_is_malformed(send: object) -> None:
    with pytest.raises(MalformedInput, match="must be one of digest, held-back"):
        turn_of(json.dumps({"format": "doorward.turn/1", "send": send}))
