"""A flood of events through the parser and the reaction, on fakes that keep only what is open: what grows, grows in the function."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from doorward.errors import Unavailable
from doorward.events.model import Change, RoleTarget
from doorward.events.records import parse_envelope
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.organization.model import Account, Organization
from doorward.ports.ledger import Announcement, Case, EventOutcome, Head, Lock
from doorward.usecases.react_to_change import react_to_change
from doorward.usecases.reaction import Tools
from tests.fakes import (
    FakeBeats,
    FakeBrakes,
    FakeClock,
    FakeCuts,
    FakeHints,
    FakeLedger,
    FakeQuestions,
    FakeRoles,
    FakeSessions,
    FakeSweeps,
)

REPOSITORY: Final = Path(__file__).resolve().parents[1]
REAL: Final = REPOSITORY.parent / "shared" / "cloudtrail"
"""Public records of real accounts, where they lie beside the repository."""
_APART: Final = timedelta(minutes=10)
"""Of the fake clock: so far that no brake counts them together; this floods the function, not the roles."""
_NOTHING: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
"""What stands where the event carries no policy."""


class Sent(NamedTuple):
    """An envelope without its ids, and the role that stands as its event left it, if it names one."""

    envelope: dict[str, Any]
    role: Role | None


def real_records() -> list[dict[str, Any]]:
    """As EventBridge would have delivered them; empty where there are none."""
    return [_enveloped(json.loads(each.read_text("utf-8"))) for each in sorted(REAL.glob("*.json"))]


def sample_events() -> list[dict[str, Any]]:
    """Those of events/ that are about roles."""
    return [json.loads(each.read_text("utf-8")) for each in sorted((REPOSITORY / "events").glob("iam.*.json"))]


class LoadedWorld:
    """`outcomes` counts what the events came to."""

    def __init__(self, envelopes: list[dict[str, Any]]) -> None:
        self._sent = [Sent(each, _role_of(each)) for each in envelopes]
        self._clock = clock = FakeClock()
        self.roles = FakeRoles()
        self.ledger = _OpenOnly(clock)
        self._brakes = FakeBrakes(clock)
        accounts = {str(each["account"]) for each in envelopes}
        self._tools = Tools(
            self.roles,
            self.ledger,
            clock,
            Organization(id="o-a1b2c3d4e5", accounts=tuple(Account(each, "own") for each in sorted(accounts))),
            Guardrails(mode=Mode.ENFORCE),
            "",
            (0.1,),
            timedelta(),
            FakeBeats,
            FakeSweeps,
            FakeHints,
            lambda: self._brakes,
            FakeCuts,
            lambda _role_ref: (),
            FakeSessions,
            lambda: None,
            FakeQuestions,
            lambda _change: None,
            lambda _change: None,
            lambda question: question,
        )
        self._numbers = count()

    @property
    def outcomes(self) -> Counter[str]:
        return self.ledger.counted

    def flood(self, number: int) -> None:
        """That many events, each with an id of its own."""
        for sent in islice(cycle(self._sent), number):
            if sent.role is not None:
                self.roles.put(sent.role)
            self._clock.time += _APART
            try:
                react_to_change(self._message(sent), self._tools)
            except Unavailable:  # a padded event of which nothing is to be seen yet
                self.outcomes["again"] += 1
            self.roles.writes.clear()
            self._clock.slept.clear()
            self._brakes.spent.clear()

    def _message(self, sent: Sent) -> str:
        """Of now: an event from before our last write over the same policy tells of nobody who wrote what stands."""
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        detail = {**sent.envelope["detail"], "eventID": f"load-{next(self._numbers)}", "eventTime": now}
        return json.dumps({**sent.envelope, "time": now, "detail": detail})


class _OpenOnly(FakeLedger):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.counted: Counter[str] = Counter()

    def record(self, outcome: EventOutcome) -> None:
        self.counted[outcome.outcome] += 1

    def close_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement) -> None:
        super().close_case(lock, case, head, announcement)
        del self.cases[case.role_ref, case.id], self.records[case.role_ref, case.id]
        self.outbox.clear()


def _role_of(envelope: dict[str, Any]) -> Role | None:
    change = parse_envelope(json.dumps(envelope))
    if not isinstance(change, Change) or not isinstance(change.target, RoleTarget):
        return None
    account, name = change.target.account_id, change.target.role_name
    return Role(account, name, "/", f"arn:aws:iam::{account}:role/{name}", "AROALOAD00000000001", change.document or _NOTHING)


def _enveloped(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{record['eventSource'].removesuffix('.amazonaws.com')}",
        "account": str(record.get("recipientAccountId") or record["userIdentity"]["accountId"]),
        "time": record.get("eventTime", "2020-01-01T00:00:00Z"),
        "region": record["awsRegion"],
        "resources": [],
        "detail": record,
    }


def envelopes() -> Iterator[dict[str, Any]]:
    """Real records where there are any, else our own samples."""
    yield from real_records() or sample_events()
