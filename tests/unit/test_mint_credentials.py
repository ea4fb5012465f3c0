"""The broker mints what people were shown, for whose grant it is, once an issue, or nothing, whoever calls it and whatever he says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.grants.grant import Grant, State
from doorward.grants.issuing import Issue, opening_of
from doorward.grants.session_policy import SessionPolicy, compile_policy
from doorward.people.model import Caller, Machine, Person, Refusal, Via
from doorward.ports.grants import CLOCKS_DIFFER, ISSUED_WITHIN, LINK_COUNTS, Credentials, Issued, Kind, Opened, SignIn
from doorward.usecases.mint_credentials import Tools, mint_credentials
from tests.fakes import FakeClock, FakeGrants
from tests.grants_world import GRANT_ID, JANE, JOE, ORDERS, READ_BUCKET, START, entitlements, hours, rule
from tests.unit.test_grants_issuing import granted

ISSUE_ID, OTHER_ID = "01JZ1M5T0000000000000VWXYZ", "01JZ1M5T0000000000000VWXYA"
OTHER_GRANT = "01JZ1M5T0000000000000ZZZZZ"
TOO_MUCH = Refusal("Too much.", "Less.")


@dataclass
class FakeGrantSessions:
    """`asked` of STS, in order; `opened` are links. `refuses` is what STS answers; `fail_next` makes calls go wrong."""

    asked: list[Issue] = field(default_factory=list)
    links: list[tuple[Credentials, str]] = field(default_factory=list)
    refuses: Refusal | None = None
    fail_next: list[DoorwardError] = field(default_factory=list)

    def open(self, asked: Issue) -> Opened | Refusal:
        if self.fail_next:
            raise self.fail_next.pop(0)
        if self.refuses is not None:
            return self.refuses
        self.asked.append(asked)
        number = len(self.asked)
        credentials = Credentials(f"ASIA{number}", f"secret-{number}", f"token-{number}", hours(1) + timedelta(hours=1))
        return Opened(credentials, 40 + number)

    def console(self, credentials: Credentials, destination: str) -> str:
        self.links.append((credentials, destination))
        return f"https://signin.aws.amazon.com/federation?SigninToken=token-of-{credentials.access_key_id}"


class World:
    """A grant of Jane's, active from 0.5 to 1.5 hours, and one issue of it, at 1 hour."""

    def __init__(self, kind: Kind = Kind.CREDENTIALS, **changed: Any) -> None:
        self.clock = FakeClock(hours(1))
        self.grants = FakeGrants()
        self.sessions = FakeGrantSessions()
        self.write(granted()[0]._replace(**changed), is_opened=True)
        self.tools = Tools(self.grants, self.sessions, entitlements(rule()), self.clock)
        self.issue(ISSUE_ID, kind)

    def write(self, grant: Grant, *, is_opened: bool) -> None:
        """As whoever serves people could; `is_opened`: as whoever opens grants does."""
        self.grants.kept[grant.id] = grant
        if is_opened:
            self.grants.openings[grant.id] = opening_of(grant)

    def issue(self, issue_id: str, kind: Kind = Kind.CREDENTIALS, caller: Caller | None = None, grant_id: str = GRANT_ID) -> None:
        self.grants.keep_issue(Issued(issue_id, grant_id, kind, self.clock.now(), caller or Caller(JANE, Via.SIGV4), "203.0.113.7"))

    def mint(self, issue_id: Any = ISSUE_ID, grant_id: Any = GRANT_ID, **more: Any) -> Credentials | SignIn | Refusal:
        return mint_credentials({"grant_id": grant_id, "issue_id": issue_id, **more}, self.tools)

    @property
    def minted(self) -> int:
        return len(self.sessions.asked)


def test_credentials_are_minted_for_whose_grant_it_is_and_say_no_later_time_than_its_end() -> None:
    world = World()
    minted = world.mint()
    assert minted == Credentials("ASIA1", "secret-1", "token-1", hours(1.5))
    (asked,) = world.sessions.asked
    assert (asked.role_arn, asked.session_name, asked.duration_seconds) == (ORDERS.arn, f"jane@acme.example={GRANT_ID}", 1800)


def test_where_sts_says_a_sooner_time_that_is_told() -> None:
    world = World(ends_at=hours(9))
    minted = world.mint()
    assert isinstance(minted, Credentials)
    assert minted.expiration == hours(2)


def test_of_what_was_minted_a_hash_and_how_full_it_was_are_kept_and_nothing_else() -> None:
    world = World()
    world.mint()
    (kept,) = world.grants.issues(GRANT_ID)
    assert (kept.used_at, kept.packed_percent) == (hours(1), 41)
    assert kept.key_hash == sha256(b"ASIA1").hexdigest()
    assert not [each for each in ("ASIA1", "secret-1", "token-1") if each in repr(kept)]


def test_the_console_is_opened_where_he_wants_and_the_link_counts_for_a_quarter_of_an_hour() -> None:
    world = World(Kind.CONSOLE)
    minted = world.mint(destination="https://console.aws.amazon.com/s3")
    assert isinstance(minted, SignIn)
    assert minted.expires_at == hours(1) + LINK_COUNTS
    assert [each.duration_seconds for each in world.sessions.asked] == [None]
    assert [where for _, where in world.sessions.links] == ["https://console.aws.amazon.com/s3"]
    world.issue(OTHER_ID, Kind.CONSOLE)
    world.mint(OTHER_ID)
    assert world.sessions.links[1][1] == "https://console.aws.amazon.com/"


@pytest.mark.parametrize("ends_at", [hours(1.2499), hours(1)])
def test_the_console_is_not_opened_for_less_than_fifteen_minutes(ends_at: Any) -> None:
    world = World(Kind.CONSOLE, ends_at=ends_at)
    assert isinstance(world.mint(), Refusal)
    assert (world.minted, world.sessions.links) == (0, [])


def test_the_console_leads_nowhere_else_whatever_whoever_asks_did_not_look_at() -> None:
    world = World(Kind.CONSOLE)
    assert isinstance(world.mint(destination="https://evil.example/"), Refusal)
    assert world.minted == 0


def test_what_is_minted_is_what_the_issue_says_and_not_what_the_call_says() -> None:
    """A link is not to be had from an issue of credentials, nor another role, policy, end or name by naming it in the call."""
    world = World()
    forged = {"kind": "console", "role_arn": "arn:aws:iam::777788889999:role/admin", "policy": "{}", "person": "906-joe", "ends_at": "2099"}
    assert isinstance(world.mint(destination="https://console.aws.amazon.com/", **forged), Credentials)
    plain = World()
    plain.mint()
    assert world.sessions.asked == plain.sessions.asked
    assert world.sessions.links == []


class TestAnIssue:
    def test_is_used_once(self) -> None:
        world = World()
        assert isinstance(world.mint(), Credentials)
        assert isinstance(world.mint(), Refusal)
        assert world.minted == 1

    @pytest.mark.parametrize(
        ("seconds", "minted"), [(0, 1), (ISSUED_WITHIN, 1), (ISSUED_WITHIN + 1, 0), (-CLOCKS_DIFFER, 1), (-CLOCKS_DIFFER - 1, 0)]
    )
    def test_counts_for_a_minute(self, seconds: int, minted: int) -> None:
        world = World()
        world.clock.sleep(seconds)
        world.mint()
        assert world.minted == minted

    def test_of_another_grant_is_none(self) -> None:
        world = World()
        world.write(granted()[0]._replace(id=OTHER_GRANT), is_opened=True)
        assert isinstance(world.mint(grant_id=OTHER_GRANT), Refusal)
        world.issue(OTHER_ID, grant_id=OTHER_GRANT)
        assert isinstance(world.mint(OTHER_ID), Refusal)
        assert world.minted == 0

    def test_that_nobody_made_is_none(self) -> None:
        world = World()
        assert isinstance(world.mint(OTHER_ID), Refusal)
        assert world.minted == 0

    @pytest.mark.parametrize(
        "caller", [Caller(JOE, Via.SIGV4), Caller(Machine("arn:aws:iam::444455556666:role/ci"), Via.SIGV4), Caller(JANE, Via.SLACK)]
    )
    def test_for_somebody_else_or_by_slack_is_none(self, caller: Caller) -> None:
        """As somebody could write one who had taken over the function that writes them."""
        world = World()
        world.issue(OTHER_ID, caller=caller)
        assert isinstance(world.mint(OTHER_ID), Refusal)
        assert world.minted == 0

    def test_is_used_up_by_a_refusal_too(self) -> None:
        world = World(state=State.ENDING)
        assert isinstance(world.mint(), Refusal)
        world.grants.kept[GRANT_ID] = granted()[0]
        assert isinstance(world.mint(), Refusal)
        assert world.minted == 0


@pytest.mark.parametrize("state", [each for each in State if each is not State.ACTIVE])
def test_from_the_moment_that_a_grant_ends_nothing_is_minted_also_of_an_issue_from_before(state: State) -> None:
    world = World(state=state)
    assert isinstance(world.mint(), Refusal)
    assert world.minted == 0


@pytest.mark.parametrize("ends", ["revoked", "deleted", "over"])
class TestWhatEndsMeanwhile:
    """Whoever was answered that it has ended relies on it. A hash of the key is kept, by which CloudTrail's record of it is explained."""

    @pytest.mark.parametrize("kind", Kind)
    def test_what_was_opened_of_it_is_nobodys_and_no_sign_in_is_told_of_it(self, kind: Kind, ends: str) -> None:
        world = World(kind)
        world.sessions.open = while_it_ends(world, ends, world.sessions.open)  # type: ignore[method-assign]
        assert isinstance(world.mint(), Refusal)
        assert (world.minted, world.sessions.links) == (1, [])
        assert world.grants.issues(GRANT_ID)[0].key_hash == sha256(b"ASIA1").hexdigest()

    def test_no_link_into_the_console_is_handed_out_either_where_it_ended_while_the_sign_in_was_asked(self, ends: str) -> None:
        world = World(Kind.CONSOLE)
        world.sessions.console = while_it_ends(world, ends, world.sessions.console)  # type: ignore[method-assign]
        assert isinstance(world.mint(), Refusal)
        assert len(world.sessions.links) == 1
        assert world.grants.issues(GRANT_ID)[0].key_hash == sha256(b"ASIA1").hexdigest()


def while_it_ends[**P, R](world: World, ends: str, asked: Callable[P, R]) -> Callable[P, R]:
    """What is asked of AWS takes a while, and this happens in it."""

    def answered(*args: P.args, **named: P.kwargs) -> R:
        grant = world.grants.kept[GRANT_ID]
        if ends == "revoked":
            world.grants.kept[GRANT_ID] = grant._replace(state=State.ENDING, ended_by=JOE.user_id, version=grant.version + 1)
        elif ends == "deleted":
            del world.grants.kept[GRANT_ID]
        else:
            world.clock.time = hours(1.5)
        return asked(*args, **named)

    return answered


@pytest.mark.parametrize("at", [hours(0.4), hours(1.5), hours(9)])
def test_outside_of_its_time_nothing_is_minted(at: Any) -> None:
    world = World()
    world.clock.sleep((at - world.clock.now()).total_seconds())
    world.issue(OTHER_ID)
    assert isinstance(world.mint(OTHER_ID), Refusal)
    assert world.minted == 0


def test_what_people_were_not_shown_is_not_minted() -> None:
    wider = {**READ_BUCKET, "statements": [{"actions": ["s3:*"], "resources": ["arn:aws:s3:::<bucket>"]}]}
    for rules in (entitlements(rule(), **{"read-bucket": wider}), entitlements()._replace(templates={})):
        world = World()
        world.tools = Tools(world.grants, world.sessions, rules, world.clock)
        assert isinstance(world.mint(), Refusal)
        assert world.minted == 0
    changes: list[dict[str, Any]] = [{"policy_sha256": "cafe"}, {"role_arn": f"{ORDERS.arn}-other"}, {"role_arn": ""}]
    for changed in changes:
        world = World(**changed)
        assert isinstance(world.mint(), Refusal)
        assert world.minted == 0


class TestWhatWhoeverServesPeopleCouldWrite:
    """Who has taken that over may write any grant and any issue; what was opened he may not."""

    def test_a_grant_that_nobody_opened_opens_nothing(self) -> None:
        world = World()
        del world.grants.openings[GRANT_ID]
        assert isinstance(world.mint(), Refusal)
        assert world.minted == 0

    def test_nor_does_one_that_says_another_person_role_policy_or_end_than_was_opened(self) -> None:
        rules = entitlements(rule())
        other = ORDERS._replace(name="doorward-grant-operate")
        asked = granted()[0].request
        wider = asked._replace(parameters={"bucket": "acme-payroll"})
        policy = compile_policy(rules.templates["read-bucket"], wider.parameters, ORDERS, START)
        assert isinstance(policy, SessionPolicy)
        boss = Person("906-boss", "boss@acme.example", "Boss")
        forged: list[dict[str, Any]] = [
            {"person": boss},
            {"person": JANE._replace(user_name=boss.user_name)},
            {"role_arn": other.arn, "request": asked._replace(role_ref=other.ref)},
            {"request": wider, "policy_sha256": policy.sha256},
            {"request": asked._replace(ticket="CHANGE-1")},
            {"ends_at": hours(24 * 365)},
            {"starts_at": hours(0)},
        ]
        for written in forged:
            world = World()
            world.write(granted()[0]._replace(**written), is_opened=False)
            world.issue(OTHER_ID, caller=Caller(world.grants.kept[GRANT_ID].person, Via.SIGV4))
            assert isinstance(world.mint(OTHER_ID), Refusal), written
            assert world.minted == 0
            world.write(granted()[0]._replace(**written), is_opened=True)  # else it would be minted
            world.issue(OTHER_ID, caller=Caller(world.grants.kept[GRANT_ID].person, Via.SIGV4))
            assert isinstance(world.mint(OTHER_ID), Credentials), written


def test_where_sts_does_not_take_the_policy_it_is_refused_and_not_asked_again() -> None:
    world = World()
    world.sessions.refuses = TOO_MUCH
    assert world.mint() == TOO_MUCH
    assert isinstance(world.mint(), Refusal)


@pytest.mark.parametrize("failure", [Unavailable("later"), Misconfigured("AccessDenied")])
def test_where_sts_fails_it_fails_and_the_issue_is_used(failure: DoorwardError) -> None:
    world = World()
    world.sessions.fail_next = [failure]
    with pytest.raises(type(failure)):
        world.mint()
    assert isinstance(world.mint(), Refusal)


def test_what_cannot_be_kept_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Kind.CONSOLE)

    def fails(_: Issued) -> None:
        raise Unavailable("DynamoDB does not answer")

    monkeypatch.setattr(world.grants, "complete_issue", fails)
    with pytest.raises(Unavailable):
        world.mint()
    assert world.sessions.links == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.sampled_from([GRANT_ID, ISSUE_ID, OTHER_GRANT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["grant_id", "issue_id", "destination", "x"]), inner),
    max_leaves=6,
)


@given(anything)
def test_whatever_it_is_called_with_at_most_the_one_issue_is_minted_and_it_never_fails(call: Any) -> None:
    world = World()
    found = mint_credentials(call, world.tools)
    wanted = isinstance(call, dict) and call.get("grant_id") == GRANT_ID and call.get("issue_id") == ISSUE_ID
    named = isinstance(call, dict) and isinstance(call.get("destination", ""), str)
    assert isinstance(found, Credentials) is (wanted and named)
