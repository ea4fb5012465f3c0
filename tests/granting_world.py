"""Whatever surrounds grants, in memory: people who come and go, rules in force, stores, and executions that wait and are woken."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from doorward.decisions.model import EVER, Answer, Question, Ways
from doorward.grants.grant import Grant
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest, Target, Ticket
from doorward.grants.names import grant_id_of
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.ledger import Announcement
from doorward.usecases.advance_grant import Seen, advance_grant
from doorward.usecases.decide_grant import decide_grant
from doorward.usecases.end_grant import end_grant
from doorward.usecases.grant_standing import Tools, question_about
from doorward.usecases.request_grant import Wanted, request_grant
from tests.fakes import FakeClock, FakeExecutions, FakeGrants, FakeQuestions, FakeRates, FakeTokenSeals
from tests.grants_world import ANN, EVE, JANE, JOE, ORDERS, PROD, RULE, START, entitlements

EVERY_WAY: Ways = dict.fromkeys(Via, EVER)
WANTED = Wanted(ORDERS.ref, "read-bucket", {"bucket": "acme-orders"}, 60, "Order 4711 is lost.")


def everybody() -> dict[str, Asker]:
    """Jane and Eve work on payments; Joe and Ann are of security."""
    groups = {JANE: "payments", EVE: "payments", JOE: "security", ANN: "security"}
    return {person.user_id: Asker(person, frozenset({group}), {}, frozenset()) for person, group in groups.items()}


@dataclass
class World:
    """`people` are those who are there and not switched off, by id. `paged` is what was announced with nothing else."""

    rules: Entitlements = field(default_factory=lambda: entitlements(RULE))
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    people: dict[str, Asker] = field(default_factory=everybody)
    ways: Ways = field(default_factory=lambda: dict(EVERY_WAY))
    target: Target | None = ORDERS
    tickets: dict[str, Ticket] = field(default_factory=dict)
    tickets_are_known: bool = True
    questions: FakeQuestions = field(default_factory=FakeQuestions)
    seals: FakeTokenSeals = field(default_factory=FakeTokenSeals)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    measured: list[Mapping[str, float]] = field(default_factory=list)
    paged: dict[str, Announcement] = field(default_factory=dict)
    grants: FakeGrants = field(init=False)
    rates: FakeRates = field(init=False)
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    def __post_init__(self) -> None:
        self.grants = FakeGrants(self.questions)
        self.rates = FakeRates(self.clock)

    @property
    def tools(self) -> Tools:
        return Tools(
            grants=self.grants,
            questions=self.questions,
            entitlements=self.rules,
            asker=self.people.get,
            voter=self.people.get,
            facts=self.facts,
            ways=lambda: self.ways,
            account_name=lambda account_id: PROD.name if account_id == PROD.id else None,
            announce=self._announce,
            new_id=lambda: grant_id_of(self.clock.now(), next(self.ids).to_bytes(10)),
            clock=self.clock,
            rates=self.rates,
            measure=self.measured.append,
        )

    def facts(self, request: GrantRequest, asker: Asker) -> Facts:
        target = self.target if self.target is not None and self.target.ref == request.role_ref else None
        if not self.tickets_are_known:
            return Facts(asker, target, PROD, ticket_is_known=False)
        return Facts(asker, target, PROD, self.tickets.get(request.ticket))

    def _announce(self, announcement: Announcement) -> bool:
        return self.paged.setdefault(announcement.id, announcement) is announcement

    # What people do

    def ask(self, person: Person = JANE, via: Via = Via.SIGV4, **wanted: Any) -> Grant | Refusal:
        return request_grant(WANTED._replace(**wanted), Caller(person, via), self.tools)

    def asked(self, **wanted: Any) -> Grant:
        grant = self.ask(**wanted)
        assert isinstance(grant, Grant), grant
        return grant

    def say(
        self, grant: Grant, person: Person = JOE, via: Via = Via.SIGV4, *, yes: bool = True, reason: str = "Fine."
    ) -> Grant | Refusal | None:
        return decide_grant(grant.id, Caller(person, via), Answer("grant", yes, grant.shown_hash, reason), self.tools)

    def end(self, grant: Grant, person: Person = JANE, reason: str = "") -> Grant | Refusal | None:
        return end_grant(grant.id, Caller(person, Via.SIGV4), reason, self.tools)

    # What the state machine does

    def step(self, grant: Grant, step: str) -> Seen:
        return advance_grant(grant.id, step, self.tools)

    def now(self, grant: Grant) -> Grant:
        kept = self.grants.grant(grant.id)
        assert kept is not None
        return kept

    def question(self, grant: Grant) -> Question | None:
        return question_about(self.now(grant), self.tools)

    def pass_time(self, until: datetime | timedelta) -> None:
        self.clock.time = self.clock.time + until if isinstance(until, timedelta) else until

    def opened(self, **wanted: Any) -> Grant:
        """One that is active."""
        grant = self.asked(**wanted)
        self.say(grant)
        for step in ("decide", "begin"):
            self.step(grant, step)
        return self.now(grant)

    def states(self, grant: Grant) -> list[str]:
        return [did for its_id, _, did, _ in self.grants.audit if its_id == grant.id]

    def told(self) -> list[str]:
        """Types of all that was announced, in order."""
        return [each.detail_type for store in (self.grants, self.questions) for each in store.announced.values()]
