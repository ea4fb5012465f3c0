"""Where Doorward writes: whatever becomes of events, hints and the ledger, every open door is closed, or somebody was asked.

Events and sweeps' hints are late, lost, and come twice; the ledger dies before or after what it does; roles are deleted and made anew.
"""

import json
from collections.abc import Callable
from copy import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.errors import Conflict, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.iam.documents import hash_of_text
from tests.property.test_lost_events import Account
from tests.unit.test_react_to_change import BAD, GOOD, ORGANIZATION, PIPELINE, PROD, World, event, role, trusting

JANE = f"arn:aws:iam::{PROD}:user/jane"
OTHER = trusting("arn:aws:iam::123123123123:root")
POLICIES = {"good": GOOD, "bad": BAD, "other": OTHER}
# Whose document it is tells who made it: else the events alone could not say it either.
STEPS = st.lists(
    st.sampled_from(
        [
            (name, what, by)
            for name in ("a", "b")
            for what, by in (("good", JANE), ("bad", JANE), ("other", PIPELINE), ("good", PIPELINE), ("deleted", JANE))
        ]
    ),
    min_size=1,
    max_size=4,
)
DEATHS = st.lists(st.sampled_from(("", "", "", "before", "after")), max_size=10)
_EVENTS_TAKE = timedelta(minutes=15)


class DyingLedger:
    """Some of whose calls die, before or after they take effect."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.deaths: list[str] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.ledger, name)
        if not callable(value) or name in {"unlock", "looked_at"}:
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            death = self.deaths.pop(0) if self.deaths else ""
            if death == "before":
                raise Unavailable("died before")
            result = value(*arguments, **named)
            if death == "after":
                raise Unavailable("died after")
            return result

        return call


class EnforcedAccount(Account):
    """`author`: who wrote what stands, by which events, and when. `heard`: events that were handled, by role. `wrong`: writes over fresh or
    known work of a pipeline.
    """

    def __init__(self, *, pipelines: bool) -> None:
        super().__init__()
        organization = ORGANIZATION if pipelines else replace(ORGANIZATION, pipelines=())
        self.world = World(Guardrails(mode=Mode.ENFORCE, hash="cafe"), organization)
        self.tools = replace(
            self.tools,
            clock=self.world.clock,
            organization=organization,
            ledger=self.world.ledger,
            guardrails=self.world.tools.guardrails,
        )
        self.dying = DyingLedger(self.world.ledger)
        ledger: Any = self.dying
        self.world.tools = replace(self.world.tools, ledger=ledger)
        self.pipelines = pipelines
        self.author: dict[str, tuple[str, set[str], datetime]] = {}
        self.heard: dict[str, set[str]] = {}
        self.wrong: list[str] = []
        self._write = self.world.roles.write_trust_policy
        roles: Any = self.world.roles
        roles.write_trust_policy = self._checked

    def _checked(self, over: Role, document: str, **named: Any) -> None:
        by, _, at = self.author[over.ref]
        now = self.world.clock.now()
        is_fresh = self.pipelines and by == PIPELINE and now - at < _EVENTS_TAKE - timedelta(minutes=1)
        if is_fresh or self.is_known_work_of_a_pipeline(over.ref):
            self.wrong.append(over.ref)
        self._write(over, document, **named)
        self.author[over.ref] = ("doorward", set(), now)

    def change_by(self, name: str, what: str, by: str) -> str:
        clock, roles = self.world.clock, self.world.roles
        clock.sleep(90)
        self.made += 1
        ref, at, event_id = f"{PROD}/{name}", clock.now(), f"e-{self.made}"
        there = roles.roles.get(ref)
        document = POLICIES.get(what)
        if document is None:
            roles.roles.pop(ref, None)
            told = event("DeleteRole", None, event_id=event_id, at=at, role_name=name, by=by)
        elif there is None:
            roles.put(replace(role(document, name, role_id=f"AROA{name.upper()}{self.made:012d}"), created_at=at))
            told = event("CreateRole", document, event_id=event_id, at=at, role_name=name, by=by)
        else:
            roles.put(replace(there, trust_policy=document))
            told = event(document=document, event_id=event_id, at=at, role_name=name, by=by)
        if document is not None and there is not None and there.trust_policy == document and self.author[ref][0] == by:
            self.author[ref][1].add(event_id)  # the same once more
        elif document is not None and (there is None or there.trust_policy != document):
            self.author[ref] = (by, {event_id}, at)
        clock.sleep(90)
        return told

    def deliver(self, message: str, deaths: list[str]) -> list[Hint]:
        """With five tries, as SQS gives it; the hints that came of it."""
        before = len(self.world.hints.sent)
        self.dying.deaths = list(deaths)
        for _ in range(5):
            try:
                self.world.react(message)
            except (Unavailable, Conflict):
                self.world.clock.sleep(100)
                continue
            detail = json.loads(message).get("detail")
            if detail is not None:
                self.heard.setdefault(f"{PROD}/{detail['requestParameters']['roleName']}", set()).add(detail["eventID"])
            break
        self.dying.deaths = []
        return self.world.hints.sent[before:]

    def swept(self) -> list[str]:
        """The hints of a sweep, none of which has arrived yet."""
        hints: list[str] = []
        self.sweep(_into(hints))
        return hints

    def settle(self) -> None:
        """Sweeps all of whose hints arrive, and what they put off."""
        for _ in range(3):
            self.world.clock.sleep(3600)
            for hint in self.swept():
                put_off = self.deliver(hint, [])
                if put_off:
                    self.world.clock.sleep(901)
                for each in put_off:
                    self.deliver(hint_as_text(each), [])

    def was_asked(self, ref: str) -> bool:
        told = [each for each in self.world.ledger.outbox.values() if each.detail.get("role_ref") == ref]
        return any(each.detail.get("action") == "ask" or each.detail_type == "TrustRemedyFailed" for each in told)

    def is_known_work_of_a_pipeline(self, ref: str) -> bool:
        by, event_ids, _ = self.author[ref]
        return self.pipelines and by == PIPELINE and bool(event_ids & self.heard.get(ref, set()))


def _into(hints: list[str]) -> Callable[[list[str]], list[str]]:
    def keep(sent: list[str]) -> list[str]:
        hints.extend(sent)
        return []

    return keep


@pytest.mark.parametrize("pipelines", [False, True])
@settings(max_examples=150, derandomize=True)
@given(steps=STEPS, data=st.data())
def test_every_open_door_is_closed_or_asked_about_and_no_pipeline_s_work_is_written_over(
    pipelines: bool, steps: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    account = EnforcedAccount(pipelines=pipelines)
    account.change_by("before", "good", JANE)
    account.swept()
    account.world.clock.sleep(60)
    waiting: list[str] = []
    for name, what, by in steps:
        waiting.append(account.change_by(name, what, by))
        if data.draw(st.booleans(), label="a sweep"):
            waiting += account.swept()
        for message in data.draw(st.lists(st.sampled_from(waiting), max_size=2), label="arrive"):
            waiting += map(hint_as_text, account.deliver(message, data.draw(DEATHS, label="deaths")))
        account.world.clock.sleep(data.draw(st.sampled_from((1, 300, 900)), label="seconds pass"))
    account.settle()
    assert account.wrong == []
    roles = account.world.roles.roles.values()
    open_doors = {each.ref: each for each in roles if each.trust_policy in {BAD, OTHER}}
    for ref in open_doors:
        assert account.is_known_work_of_a_pipeline(ref) or account.was_asked(ref)
    assert account.facts() == {(ref, each.role_id, hash_of_text(each.trust_policy)) for ref, each in open_doors.items()}
    told = len(account.world.ledger.outbox)
    account.settle()
    assert len(account.world.ledger.outbox) == told  # nothing is told of for ever
    assert account.swept() == []  # and nothing is looked at for ever
