"""What the steps of the reaction share: what it works with, the one role that is looked at, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from doorward.events.model import Change
from doorward.findings.model import Finding, Judgement
from doorward.guardrails.model import Guardrails, Role
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Organization
from doorward.ports.beats import Beats
from doorward.ports.brakes import BrakesStore
from doorward.ports.clock import Clock
from doorward.ports.containment import Containment
from doorward.ports.cuts import Cuts
from doorward.ports.hints import Hints
from doorward.ports.ledger import Case, Head, Ledger, Lock
from doorward.ports.questions import Questions
from doorward.ports.roles import Roles
from doorward.ports.sweeps import Sweeps

if TYPE_CHECKING:
    from doorward.decisions.model import Question
    from doorward.ports.sessions import Calls
    from doorward.sessions.model import Edge

# CloudTrail gives whole seconds.
EVENT_TIME_GRAIN: Final = timedelta(seconds=1)
FRESH: Final = timedelta(seconds=60)
"""IAM is usually consistent within seconds; after a minute a difference is a later change, not a stale read."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the reaction works with. `read_delays_seconds`: how long to wait before each further look at IAM.

    `organization_hash`: of the organization's file. `events_take`: how long an event may be under way. `beats`, `sweeps`, `hints`,
    `brakes`, `cuts`, `edges` (of a role, by its ref), `calls` (of STS), `containment` (None: nobody has opted into it) and `questions` are
    made where they are needed first. `admit` raises where an event is of no account of the organization. `suspend` is told of every change
    of a SAML provider, before anything is read. `confirm`: an approved question, once those who said yes were looked at again. `message`:
    the one that is worked on, as it came, with whatever credentials it carries: only record_case looks at it.
    """

    roles: Roles
    ledger: Ledger
    clock: Clock
    organization: Organization
    guardrails: Guardrails
    organization_hash: str
    read_delays_seconds: tuple[float, ...]
    events_take: timedelta
    beats: Callable[[], Beats]
    sweeps: Callable[[], Sweeps]
    hints: Callable[[], Hints]
    brakes: Callable[[], BrakesStore]
    cuts: Callable[[], Cuts]
    edges: Callable[[str], "tuple[Edge, ...]"]
    calls: Callable[[], "Calls"]
    containment: Callable[[], Containment | None]
    questions: Callable[[], Questions]
    admit: Callable[[Change], None]
    suspend: Callable[[Change], object]
    confirm: "Callable[[Question], Question]"
    message: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """`outcome` is a word for programs, `because` a sentence for people."""

    outcome: str
    because: str


@dataclass(frozen=True, slots=True)
class Approval:
    """What people said yes to: to what which policy of which role becomes, by hashes and id; and their names, as they are told."""

    policy_hash: str
    by: str
    found_hash: str
    role_id: str


class ChangedMeanwhile(Exception):  # noqa: N818 - never leaves the reaction
    """What stands is no longer what was judged."""


@dataclass(frozen=True, slots=True)
class Task:
    """One look at one role, under its lock. `told_hash`: of the document that the event carries. `began`: when we heard of it.

    `cause_known` False: it is not sure that this role is the one that changed. `approval`: where people said yes to a remedy.
    """

    lock: Lock
    account_id: str
    role_name: str
    change: Change
    told_hash: str | None
    tools: Tools
    cause_known: bool
    began: datetime
    approval: Approval | None = None

    @property
    def ref(self) -> str:
        return f"{self.account_id}/{self.role_name}"

    # Who wrote what stands

    def is_told_of(self, head: Head, found_hash: str) -> bool:
        """Whether this event's own document is what stands, and the event is not older than our last write over it."""
        return self.told_hash == found_hash and not self.is_before_our_write(head)

    def wrote(self, head: Head, found_hash: str) -> bool | None:
        """The same, None where the event has no document of its own."""
        return None if self.told_hash is None else self.is_told_of(head, found_hash)

    def is_before_our_write(self, head: Head) -> bool:
        if self.change.event_id == head.written_for:
            return True
        return head.written_at is not None and self.change.event_time + EVENT_TIME_GRAIN <= head.written_at

    def written_by_pipeline(self, head: Head, case: Case | None, found_hash: str, role: Role) -> bool | None:
        """None where no event told who wrote what stands: this one is about another policy, and the one about this may still come."""
        by_actor = self.is_by_pipeline(role)
        if self.is_told_of(head, found_hash):
            return by_actor
        if case is not None and case.by_pipeline is not None:
            return case.by_pipeline
        return None if self.told_hash is not None or self.author_may_come() else by_actor

    def is_by_pipeline(self, role: Role) -> bool:
        return self.tools.organization.is_pipeline(self.change.actor.arn, role.path + role.name)

    def author_may_come(self) -> bool:
        """Whether a sweep was here first: who wrote what it found stands in an event that may be under way, and may be a pipeline's."""
        change, tools = self.change, self.tools
        if not change.look or not tools.organization.pipelines:
            return False
        return tools.clock.now() - change.event_time < tools.events_take


def policy_hash(role: Role) -> str:
    return hash_of_text(role.trust_policy)


def finding_id(role: Role, found_hash: str, generation: int) -> str:
    """The same for the same bad policy of the same role until something was done about it. It fits into a SourceIdentity."""
    return "dw-" + sha256(f"{role.account_id}/{role.role_id}/{found_hash}/{generation}".encode()).hexdigest()[:20]


def headline(judgement: Judgement) -> str:
    """The sentence of the worst finding, or what could not be decided."""
    findings: tuple[Finding, ...] = judgement.findings
    if findings:
        return findings[0].because
    if judgement.undecidable:
        return judgement.undecidable[0].because
    return judgement.because or ""
