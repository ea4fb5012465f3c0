"""An account whose IAM, ledger, bus and queues fail in every way that they can, in simulated time; and what has to hold there.

Calls are throttled, time out before or after they take effect, are killed half way (with the lock still held), read what stood before, and
are refused. People change a role while it is being looked at, and stop writes. Messages come late, twice, in any order, or never. A sweep,
and what takes up the unfinished, run on.
"""

import json
from collections.abc import Callable, Sequence
from copy import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from doorward.errors import Conflict, Throttled, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.findings.model import Verdict
from doorward.guardrails.brakes import Stop, scopes_of
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.guardrails.protected import protected_because
from doorward.iam.documents import hash_of_text, parse_document
from doorward.ports.roles import Refused
from doorward.usecases.finish_started import finish_started
from tests.fakes import LEASE, FakeBus, FakeRoles
from tests.property.test_lost_events import Account
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, ORGANIZATION, PIPELINE, PROD, World, event, role, trusting

JANE: Final = f"arn:aws:iam::{PROD}:user/jane"
MALLORY: Final = f"arn:aws:iam::{PROD}:user/mallory"
PROTECTED: Final = "OrganizationAccountAccessRole"
UNTOUCHED: Final = "untouched"
BETTER: Final = trusting(f"arn:aws:iam::{PROD}:role/app")
OTHER: Final = trusting("arn:aws:iam::123123123123:root")
POLICIES: Final = {"good": GOOD, "better": BETTER, "bad": BAD, "worse": ALL_BAD, "other": OTHER}
# Whose document it is tells who made it: else the events alone could not say it either.
MADE_BY: Final = {"good": (JANE, PIPELINE), "better": (JANE,), "bad": (JANE, MALLORY), "worse": (MALLORY,), "other": (PIPELINE,)}
NAMES: Final = ("a", "b", PROTECTED)
_EVENTS_TAKE: Final = timedelta(minutes=15)
_LAGS: Final = timedelta(seconds=10)
_TRIES: Final = 5


class Killed(BaseException):
    """The process is gone: nothing that would come after happens, not even what a `finally` says."""


class Fates:
    """What happens to the next call. `off` once failures have ended."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.off = True
        self.is_dead = False

    def next(self, *kinds: str) -> str:
        if self.off or self._random.random() > 0.12:
            return ""
        return self._random.choice(kinds)

    def meet(self, fate: str, call: Callable[[], Any]) -> Any:
        """The call under its fate."""
        if fate == "throttled":
            raise Throttled("Throttling: Rate exceeded")
        if fate == "before":
            raise Unavailable("timed out before")
        if fate == "killed before":
            self.is_dead = True
            raise Killed
        result = call()
        if fate == "after":
            raise Unavailable("timed out after")
        if fate == "killed after":
            self.is_dead = True
            raise Killed
        return result


_FATES: Final = ("before", "after", "killed before", "killed after")


class Failing:
    """Any port, some of whose calls fail."""

    def __init__(self, port: Any, fates: Fates) -> None:
        self._port = port
        self._fates = fates

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            if self._fates.is_dead:
                raise Killed
            return self._fates.meet(self._fates.next(*_FATES), lambda: value(*arguments, **named))

        return call


class FailingRoles(FakeRoles):
    """IAM, which also lags: for seconds after a change it may show what stood before, once."""

    def __init__(self, fates: Fates, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._fates = fates
        self._now = now
        self.before: dict[str, tuple[Role | None, datetime]] = {}
        self.lagged: set[str] = set()
        self.checks: Callable[[Role, str], None] = lambda _role, _document: None
        self.meanwhile: Callable[[str], None] = lambda _ref: None

    def change(self, ref: str, after: Role | None) -> None:
        self.before[ref] = (self.roles.get(ref), self._now())
        if after is None:
            self.roles.pop(ref, None)
        else:
            self.put(after)

    def read(self, account_id: str, role_name: str) -> Role | None:
        ref = f"{account_id}/{role_name}"
        self.reads += 1
        self.meanwhile(ref)
        fate = self._fates.next("throttled", "lag", *_FATES)
        before, at = self.before.get(ref, (None, datetime.min.replace(tzinfo=self._now().tzinfo)))
        if fate == "lag" and self._now() - at < _LAGS and ref not in self.lagged:
            self.lagged.add(ref)
            return before
        self.lagged.discard(ref)
        found: Role | None = self._fates.meet("" if fate == "lag" else fate, lambda: self.roles.get(ref))
        return found

    def write_trust_policy(self, role: Role, trust_policy: str, *, finding_id: str) -> None:
        fate = self._fates.next("throttled", "refused", *_FATES)
        if fate == "refused":
            raise Refused("MalformedPolicyDocument")

        def write() -> None:
            standing = self.roles.get(role.ref)
            if standing is None:
                raise Conflict("NoSuchEntity")
            self.checks(standing, trust_policy)
            self.writes.append((role.ref, trust_policy, finding_id))
            self.change(role.ref, replace(standing, trust_policy=trust_policy))

        self._fates.meet(fate, write)

    def quarantine(self, role: Role, *, finding_id: str) -> None:
        self._fates.meet(self._fates.next("throttled", *_FATES), lambda: super(FailingRoles, self).quarantine(role, finding_id=finding_id))


class FailingAccount(Account):
    """`author`: who wrote what stands, by which events, and when. `heard`: events that were handled, by role.

    `wrong`: what must never be, and was.
    """

    def __init__(self, random: Random, *, mode: Mode = Mode.ENFORCE, pipelines: bool = True) -> None:
        super().__init__()
        organization = ORGANIZATION if pipelines else replace(ORGANIZATION, pipelines=())
        self.random, self.mode, self.pipelines = random, mode, pipelines
        self.fates = Fates(random)
        world = self.world = World(Guardrails(mode=mode, hash="cafe"), organization)
        self.roles = world.roles = FailingRoles(self.fates, world.clock.now)
        self.roles.checks = self._checked
        self.roles.meanwhile = self._meanwhile
        self.told_late: list[str] = []
        ledger: Any = Failing(world.ledger, self.fates)
        brakes: Any = Failing(world.brakes, self.fates)
        hints: Any = Failing(world.hints, self.fates)
        cuts: Any = Failing(world.cuts, self.fates)
        calls: Any = Failing(world.sessions, self.fates)
        world.tools = replace(
            world.tools,
            roles=self.roles,
            ledger=ledger,
            brakes=lambda: brakes,
            hints=lambda: hints,
            cuts=lambda: cuts,
            edges=world.sessions.edges,
            calls=lambda: calls,
        )
        self.tools = replace(
            self.tools, clock=world.clock, organization=organization, ledger=world.ledger, guardrails=world.tools.guardrails
        )
        self.bus = FakeBus()
        self.author: dict[str, tuple[str, set[str], datetime]] = {}
        self.heard: dict[str, set[str]] = {}
        self.wrong: list[str] = []
        self.for_facts = False

    # What people do

    def change_by(self, name: str, what: str, by: str, *, seconds: float = 90) -> str:
        """Do it; the event that tells of it."""
        clock = self.world.clock
        clock.sleep(max(seconds, 2))  # CloudTrail gives whole seconds
        self.made += 1
        ref, at, event_id = f"{PROD}/{name}", clock.now(), f"e-{self.made}"
        there = self.roles.roles.get(ref)
        document = POLICIES.get(what)
        if document is None:
            self.roles.change(ref, None)
            self.world.cuts.policies.pop(f"arn:aws:iam::{PROD}:role/{name}", None)
            told = event("DeleteRole", None, event_id=event_id, at=at, role_name=name, by=by)
        elif there is None:
            made = role(document, name, role_id=f"AROA{name[:1].upper()}{self.made:012d}")
            self.roles.change(ref, replace(made, created_at=at))
            told = event("CreateRole", document, event_id=event_id, at=at, role_name=name, by=by)
        else:
            self.roles.change(ref, replace(there, trust_policy=document))
            told = event(document=document, event_id=event_id, at=at, role_name=name, by=by)
        if document is not None and there is not None and there.trust_policy == document and self.author[ref][0] == by:
            self.author[ref][1].add(event_id)  # the same once more
        elif document is not None and (there is None or there.trust_policy != document):
            self.author[ref] = (by, {event_id}, at)
        clock.sleep(max(seconds, 2))
        return told

    def _meanwhile(self, ref: str) -> None:
        """Now and then somebody mends a role just before it is read (again). The event that tells of it is still to come."""
        name = ref.partition("/")[2]
        if not self.fates.off and name not in {UNTOUCHED, PROTECTED} and ref in self.roles.roles and self.random.random() < 0.08:
            self.told_late.append(self.change_by(name, self.random.choice(("good", "better")), JANE, seconds=2))

    def stop_for_a_while(self) -> None:
        now = self.world.clock.now()
        scope = self.random.choice(("organization", f"account {PROD}", "rule world-assumable", f"role {PROD}/a"))
        until = now + timedelta(seconds=self.random.choice((60, 600, 1800)))
        self.world.brakes.stops.append(Stop(scope, "jane", "an incident", now, until))

    # What becomes of messages

    def deliver(self, message: str) -> list[str]:
        """With five tries, as SQS gives it; the messages that came of it."""
        sent = len(self.world.hints.sent)
        self.for_facts = json.loads(message).get("cause") in {Cause.FACTS, Cause.FIRST_SEEN}
        for _ in range(_TRIES if self.fates.off else self.random.randint(1, _TRIES)):
            self.fates.is_dead = False
            try:
                self.world.react(message)
            except (Unavailable, Conflict):
                self.world.clock.sleep(100)
                continue
            except Killed:
                self.world.clock.sleep(LEASE.total_seconds() + 1)
                continue
            detail = json.loads(message).get("detail")
            if detail is not None:
                self.heard.setdefault(f"{PROD}/{detail['requestParameters']['roleName']}", set()).add(detail["eventID"])
            break
        self.for_facts = False
        self.fates.is_dead = False
        return [hint_as_text(each) for each in self.world.hints.sent[sent:]]

    def swept(self) -> list[str]:
        """The hints of a sweep, none of which has arrived yet."""
        hints: list[str] = []
        self.sweep(_into(hints))
        return hints

    def facts_hints(self) -> list[str]:
        now = self.world.clock.now()
        return [
            hint_as_text(Hint(PROD, Cause.FACTS, "the organization changed", f"f-{self.made}", now, role_name=each.name))
            for each in self.roles.roles.values()
        ]

    def finish(self) -> list[str]:
        """A turn of finish_started; the hints that it led to."""
        sent = len(self.world.hints.sent)
        world = self.world
        bus: Any = Failing(self.bus, self.fates)
        try:
            finish_started(world.tools.ledger, world.tools.ledger, bus, world.tools.hints(), world.tools.organization, world.clock)  # type: ignore[arg-type]
        except (Unavailable, Conflict):
            pass
        except Killed:
            self.fates.is_dead = False
        return [hint_as_text(each) for each in world.hints.sent[sent:]]

    def settle(self) -> None:
        """Failures end. Sweeps all of whose hints arrive, and what they put off; what is due is taken up, some of it half a day later."""
        self.fates.off = True
        for hours in (1, 1, 1, 13):
            self.world.clock.sleep(hours * 3600)
            waiting = [*self.swept(), *self.finish()]
            while waiting:
                put_off = [each for message in waiting for each in self.deliver(message)]
                if put_off:
                    self.world.clock.sleep(901)
                waiting = [*put_off, *self.finish()]

    # What has to hold

    def _checked(self, standing: Role, document: str) -> None:
        world, now = self.world, self.world.clock.now()
        organization, guardrails = world.tools.organization, world.tools.guardrails
        if self.mode is not Mode.ENFORCE:
            self.wrong.append(f"written in mode {self.mode}: {standing.ref}")
        if protected_because(standing, organization) is not None:
            self.wrong.append(f"a protected role was written: {standing.ref}")
        accepted = world.ledger.baseline(standing.ref, standing.role_id)
        is_accepted = accepted is not None and hash_of_text(accepted.document) == hash_of_text(document)
        gives_back = is_accepted and self.author[standing.ref][0] == "doorward"  # a step of its own, after we closed it
        # IAM has no compare-and-set: where even the second look is stale, nobody can know (docs/limits.md).
        is_seen = standing.ref not in self.roles.lagged
        if standing.name == UNTOUCHED or (
            is_seen and not gives_back and judge(standing, organization, guardrails, now=now).verdict is not Verdict.VIOLATING
        ):
            self.wrong.append(f"a role that breaks nothing was written: {standing.ref}")
        broken = {each.rule for each in judge(standing, organization, guardrails, now=now).counting}
        for stop in world.brakes.stops:
            if stop.counts(now) and stop.scope in scopes_of(standing.ref, tuple(broken)):
                self.wrong.append(f"written although it was stopped: {standing.ref}")
        if self.for_facts:
            self.wrong.append(f"written for a change of facts: {standing.ref}")
        after = replace(standing, trust_policy=document)
        if judge(after, organization, guardrails, now=now).counting:
            self.wrong.append(f"what was written breaks a guardrail: {standing.ref}")
        before = parse_document(standing.trust_policy)
        widens = newly_allowed(before, parse_document(document), standing, organization, now=now).is_there
        if is_seen and widens is not False and not gives_back:
            self.wrong.append(f"what was written lets in more than what stood: {standing.ref}")
        by, _, at = self.author[standing.ref]
        is_fresh = self.pipelines and by == PIPELINE and now - at < _EVENTS_TAKE - timedelta(minutes=1)
        if is_fresh or self.is_known_work_of_a_pipeline(standing.ref):
            self.wrong.append(f"a pipeline's work was written over: {standing.ref}")
        self.author[standing.ref] = ("doorward", set(), now)

    def is_known_work_of_a_pipeline(self, ref: str) -> bool:
        by, event_ids, _ = self.author[ref]
        return self.pipelines and by == PIPELINE and bool(event_ids & self.heard.get(ref, set()))

    def was_asked(self, ref: str) -> bool:
        told = [each for each in self.bus.published if each.detail.get("role_ref") == ref]
        return any(each.detail.get("action") == "ask" or each.detail_type == "TrustRemedyFailed" for each in told)

    def was_told_to_be_open(self, ref: str) -> bool:
        return any(each.detail.get("door_open") for each in self.bus.published if each.detail.get("role_ref") == ref)

    def open_doors(self) -> Sequence[Role]:
        return [each for each in self.roles.roles.values() if each.trust_policy in {BAD, ALL_BAD, OTHER}]

    def check(self) -> None:
        """Once everything has settled."""
        assert self.wrong == []
        ledger = self.world.ledger
        for each in self.open_doors():
            if self.mode is not Mode.ENFORCE or each.name == PROTECTED:
                continue
            assert self.is_known_work_of_a_pipeline(each.ref) or self.was_asked(each.ref), each.ref
            if each.trust_policy == ALL_BAD:
                assert self.was_told_to_be_open(each.ref), each.ref
        reverted = {each.detail["finding_id"] for each in self.bus.published if each.detail_type == "TrustPolicyReverted"}
        for ref, (by, _, _) in self.author.items():
            if by == "doorward" and ref in self.roles.roles:  # what we wrote stands, and it was told that it is ours
                assert next(finding_id for each, _, finding_id in reversed(self.roles.writes) if each == ref) in reverted
        standing = {(each.ref, each.role_id, hash_of_text(each.trust_policy)) for each in self.open_doors()}
        assert self.facts() == standing  # no finding is lost, and none is left over
        for each in (*self.roles.roles.values(),):
            ledger.unlock(ledger.lock(each.ref))  # nothing is stuck
        assert self.world.cuts.policies == {}  # and no session is denied for ever
        later = self.world.clock.now() + timedelta(days=1)
        assert list(ledger.due(later, 99)) == []  # nothing is left undone
        told = len(ledger.outbox)
        assert {each.id for each in self.bus.published} == set(ledger.outbox)  # everything that was found is told
        self.settle()
        assert len(ledger.outbox) == told  # nothing is told of for ever
        # A role is looked at once a day, in an hour of its own: here no hour begins between the two sweeps.
        self.world.clock.sleep((90 - self.world.clock.now().minute) % 60 * 60)
        for message in self.swept():
            self.deliver(message)
        assert self.swept() == []  # and nothing is looked at for ever


def run_schedule(random: Random) -> FailingAccount:
    """One account's bad day, and what became of it."""
    mode = random.choice((Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE, Mode.ALERT, Mode.OBSERVE))
    account = FailingAccount(random, mode=mode, pipelines=random.random() < 0.6)
    waiting = [account.change_by(UNTOUCHED, "good", JANE), account.change_by("a", "good", random.choice((JANE, PIPELINE)))]
    account.swept()
    account.world.clock.sleep(60)
    account.fates.off = False
    for _ in range(random.randint(1, 6)):
        what = random.choice(("good", "better", "bad", "bad", "worse", "worse", "other", "deleted"))
        by = random.choice(MADE_BY.get(what, (JANE,)))
        waiting.append(account.change_by(random.choice(NAMES), what, by, seconds=random.choice((2, 5, 90))))
        if random.random() < 0.3:
            waiting += account.swept()
        if random.random() < 0.2:
            waiting += account.facts_hints()
        if random.random() < 0.4:
            waiting += account.finish()
        if random.random() < 0.1:
            account.stop_for_a_while()
        for _ in range(random.randint(0, 3)):
            waiting += account.deliver(random.choice(waiting))  # it may come again
            waiting += account.told_late
            account.told_late = []
        account.world.clock.sleep(random.choice((1, 5, 30, 120, 900)))
    account.settle()
    return account


def _into(hints: list[str]) -> Callable[[list[str]], list[str]]:
    def keep(sent: list[str]) -> list[str]:
        hints.extend(sent)
        return []

    return keep
