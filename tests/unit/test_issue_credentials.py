"""Credentials of a grant go to the person whose grant it is, while it stands, and to nobody else; of each time there is an audit item."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from doorward.errors import Unavailable
from doorward.grants.agreement import Agreement
from doorward.grants.entitled import NOT_KNOWN
from doorward.grants.grant import State
from doorward.people.model import Caller, Machine, Refusal, Via
from doorward.ports.grants import Credentials, Issued, Kind, SignIn
from doorward.usecases.issue_credentials import MOST_A_MINUTE, NOT_TO_YOU, Tools, TooOftenForGrant, issue_credentials, open_console
from tests.fakes import FakeClock, FakeGrants, FakeRates
from tests.grants_world import ANN, GRANT_ID, JANE, JOE, ORDERS, hours
from tests.unit.test_grants_issuing import granted
from tests.unit.test_grants_lifecycle import NO, TWO, ruling

IP = "203.0.113.7"
SECRET = Credentials("ASIAEXAMPLE", "a-secret-access-key", "a-session-token", hours(1.5))
LINK = SignIn("https://signin.aws.amazon.com/federation?SigninToken=a-sign-in-token", hours(1.25))
type Asking = Callable[["World", Caller], Any]


@dataclass
class FakeBroker:
    """`asked` what, in order: the issue, and for the console where to. `refuses` is what it answers; `fails` what it raises."""

    asked: list[tuple[Issued, str | None]] = field(default_factory=list)
    refuses: Refusal | None = None
    fails: Exception | None = None

    def credentials(self, issued: Issued) -> Credentials | Refusal:
        self._take(issued, None)
        return self.refuses or SECRET

    def console(self, issued: Issued, destination: str) -> SignIn | Refusal:
        self._take(issued, destination)
        return self.refuses or LINK

    def _take(self, issued: Issued, destination: str | None) -> None:
        self.asked.append((issued, destination))
        if self.fails is not None:
            raise self.fails


class World:
    """A grant of Jane's, active from 0.5 to 1.5 hours, at 1 hour."""

    def __init__(self, **changed: Any) -> None:
        grant, self.agreement = granted()
        self.grant = grant._replace(**changed)
        self.clock = FakeClock(hours(1))
        self.grants = FakeGrants()
        self.broker = FakeBroker()
        self.rates = FakeRates()
        self.grants.kept[self.grant.id] = self.grant
        self.looked = 0
        self.tools = Tools(self.grants, self.broker, self.rates, lambda _grant: self._found(), self._new_id, self.clock)

    def _found(self) -> Agreement:
        self.looked += 1
        return self.agreement

    def _new_id(self) -> str:
        return f"01JZ1M5T000000000000000{len(self.grants.issued):03}"

    def credentials(self, caller: Caller | None = None, grant_id: str = GRANT_ID) -> Any:
        return issue_credentials(grant_id, caller or Caller(JANE, Via.SIGV4), IP, self.tools)

    def console(self, caller: Caller | None = None, destination: str = "", grant_id: str = GRANT_ID) -> Any:
        return open_console(grant_id, caller or Caller(JANE, Via.SIGV4), IP, destination, self.tools)

    @property
    def nothing_happened(self) -> bool:
        return not self.grants.issued and not self.broker.asked


EITHER = pytest.mark.parametrize("asking", [World.credentials, World.console])


@pytest.mark.parametrize("via", [Via.SIGV4, Via.JWT])
def test_whose_grant_it_is_gets_credentials_of_it(via: Via) -> None:
    world = World()
    assert world.credentials(Caller(JANE, via)) == {
        "format": "doorward.credentials/1",
        "access_key_id": "ASIAEXAMPLE",
        "secret_access_key": "a-secret-access-key",
        "session_token": "a-session-token",
        "expiration": hours(1.5).isoformat(),
        "grant_id": GRANT_ID,
        "generation": world.grant.version,
        "account_id": ORDERS.account_id,
        "role": ORDERS.arn,
        "region": None,
    }


def test_that_it_was_issued_is_kept_before_the_broker_is_asked_and_nothing_of_what_it_gave() -> None:
    world = World()
    world.credentials()
    (kept,) = world.grants.issues(GRANT_ID)
    assert world.broker.asked == [(kept, None)]
    assert kept == Issued(kept.id, GRANT_ID, Kind.CREDENTIALS, hours(1), Caller(JANE, Via.SIGV4), IP)
    assert world.grants.audit == [(kept.id, 1, "credentials", f"{JANE.user_id} sigv4")]
    assert "secret" not in repr((world.grants.issued, world.grants.audit))


def test_the_console_is_opened_where_he_wants() -> None:
    world = World()
    assert world.console(destination="https://console.aws.amazon.com/s3") == {
        "format": "doorward.console/1", "url": LINK.url, "expires_at": LINK.expires_at.isoformat(), "grant_id": GRANT_ID,
    }  # fmt: skip
    ((issued, destination),) = world.broker.asked
    assert (issued.kind, destination) == (Kind.CONSOLE, "https://console.aws.amazon.com/s3")


@EITHER
@pytest.mark.parametrize("caller", [Caller(Machine("arn:aws:iam::444455556666:role/ci"), Via.SIGV4), Caller(JANE, Via.SLACK)])
def test_no_machine_and_nobody_in_slack_gets_any(asking: Asking, caller: Caller) -> None:
    world = World()
    assert asking(world, caller) is NOT_TO_YOU
    assert world.nothing_happened


@EITHER
@pytest.mark.parametrize("person", [JOE, ANN, JANE._replace(user_id="906-other")])
def test_whoever_else_asks_learns_nothing_whatever_he_is_called_and_uses_nothing_up(asking: Asking, person: Any) -> None:
    world = World()
    for _ in range(MOST_A_MINUTE + 1):
        assert asking(world, Caller(person, Via.SIGV4)) is None
    assert world.nothing_happened
    assert world.looked == 0
    assert isinstance(world.credentials(), dict)


@pytest.mark.parametrize("grant_id", ["01JZ1M5T0000000000000ZZZZZ", "", "x", "GRANT#1", "../" + GRANT_ID])
def test_of_a_grant_that_is_none_there_is_nothing(grant_id: str) -> None:
    world = World()
    assert world.credentials(grant_id=grant_id) is None
    assert world.console(grant_id=grant_id) is None
    assert world.nothing_happened


def test_of_one_grant_he_gets_ten_a_minute_of_either_kind() -> None:
    world = World()
    for number in range(MOST_A_MINUTE):
        assert isinstance(world.credentials() if number % 2 else world.console(), dict)
    for asking in (world.credentials, world.console):
        with pytest.raises(TooOftenForGrant):
            asking()
    assert len(world.broker.asked) == MOST_A_MINUTE


@EITHER
@pytest.mark.parametrize("state", [each for each in State if each is not State.ACTIVE])
def test_from_the_moment_that_it_ends_there_are_none(asking: Asking, state: State) -> None:
    world = World(state=state)
    assert isinstance(asking(world, Caller(JANE, Via.SIGV4)), Refusal)
    assert world.nothing_happened


@EITHER
@pytest.mark.parametrize("at", [0.4, 1.5, 9])
def test_outside_of_its_time_there_are_none(asking: Asking, at: float) -> None:
    world = World()
    world.clock.sleep((hours(at) - hours(1)) // timedelta(seconds=1))
    assert isinstance(asking(world, Caller(JANE, Via.SIGV4)), Refusal)
    assert world.nothing_happened


def test_for_the_last_fifteen_minutes_there_are_credentials_and_no_console() -> None:
    world = World()
    world.clock.sleep(18 * 60)
    assert isinstance(world.console(), Refusal)
    assert world.nothing_happened
    assert isinstance(world.credentials(), dict)


@EITHER
@pytest.mark.parametrize("unknown", [{"ruling": NOT_KNOWN}, {"is_known": False, "question": None}, {"is_known": False, "groups": {}}])
def test_what_cannot_be_looked_up_for_a_moment_is_no_refusal(asking: Asking, unknown: dict[str, Any]) -> None:
    """Whoever is refused drops what he has."""
    world = World()
    known, world.agreement = world.agreement, world.agreement._replace(**unknown)
    with pytest.raises(Unavailable, match="cannot be looked up"):
        asking(world, Caller(JANE, Via.SIGV4))
    assert world.nothing_happened
    world.agreement = known
    assert isinstance(asking(world, Caller(JANE, Via.SIGV4)), dict)


@EITHER
@pytest.mark.parametrize("known", [{"ruling": NO}, {"person": JOE}, {"target": ORDERS._replace(name="other")}])
def test_what_falls_by_what_is_known_is_refused_whatever_is_not(asking: Asking, known: dict[str, Any]) -> None:
    world = World()
    world.agreement = world.agreement._replace(is_known=False)
    assert isinstance(asking(world, Caller(JANE, Via.SIGV4)), dict)
    world = World()
    world.agreement = world.agreement._replace(is_known=False, **known)
    assert isinstance(asking(world, Caller(JANE, Via.SIGV4)), Refusal)
    assert world.nothing_happened


@EITHER
def test_what_does_not_stand_any_more_is_looked_at_each_time(asking: Asking) -> None:
    """He left, the rules changed, those who said yes left, or are not enough any more, or the role is another."""
    falls: list[Callable[[World], None]] = [
        lambda world: setattr(world, "agreement", world.agreement._replace(ruling=NO)),
        lambda world: setattr(world, "agreement", world.agreement._replace(groups={})),
        lambda world: setattr(world, "agreement", world.agreement._replace(ruling=ruling(TWO))),
        lambda world: setattr(world, "agreement", world.agreement._replace(question=None)),
        lambda world: setattr(world, "agreement", world.agreement._replace(target=None)),
        lambda world: setattr(world, "agreement", world.agreement._replace(target=ORDERS._replace(path="/doorward/grants/elsewhere/"))),
    ]
    for falls_by in falls:
        world, jane = World(), Caller(JANE, Via.SIGV4)
        assert isinstance(asking(world, jane), dict)
        falls_by(world)
        assert isinstance(asking(world, jane), Refusal)
        assert (len(world.broker.asked), world.looked) == (1, 2)


def test_a_destination_elsewhere_is_refused_before_anything_is_kept() -> None:
    world = World()
    assert isinstance(world.console(destination="https://console.aws.amazon.com@evil.example/"), Refusal)
    assert world.nothing_happened


@EITHER
def test_why_the_broker_refuses_is_told(asking: Asking) -> None:
    world = World()
    world.broker.refuses = NO
    assert asking(world, Caller(JANE, Via.SIGV4)) == NO


@EITHER
def test_where_the_broker_fails_it_fails_and_the_issue_stays_unused(asking: Asking) -> None:
    world = World()
    world.broker.fails = Unavailable("it does not answer")
    with pytest.raises(Unavailable):
        asking(world, Caller(JANE, Via.SIGV4))
    assert [each.used_at for each in world.grants.issues(GRANT_ID)] == [None]


@EITHER
def test_what_cannot_be_kept_is_not_asked_for(asking: Asking) -> None:
    world = World()
    world.grants.fail_next = [Unavailable("DynamoDB does not answer")]
    with pytest.raises(Unavailable):
        asking(world, Caller(JANE, Via.SIGV4))
    assert world.broker.asked == []
