"""What Doorward remembers: the lock and head of each role, cases, what came of each event, the outbox, baselines.

Why a case has a generation: the same bad policy put back after a remedy is a new case, while the same event delivered
three times is not.

NamedTuples, not dataclasses: making their classes is part of every cold start, and a dataclass costs many times as much:
see docs/performance.md.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from doorward.findings.model import RemedyKind
from doorward.guardrails.brakes import Write
from doorward.values import NamedTuple

if TYPE_CHECKING:
    from doorward.guardrails.cuts import Cut
    from doorward.guardrails.model import Waiver

PUBLISHED_WITHIN: Final = timedelta(seconds=60)
"""An announcement that is older and still in the outbox is taken up by finish_started."""
ENDS_WAIVERS: Final = "HEAD"
"""What a hint follows that is about waivers which have ended: they are kept with where the role stands. So it stands on the agenda, too."""


class CaseStatus(StrEnum):
    """`standing`: found, not written by us. `intended`: a write is under way or was cut off. The rest are ends.

    `remedied` is written and told of; that it still stands is looked at three times more.
    """

    STANDING = "standing"
    INTENDED = "intended"
    REMEDIED = "remedied"
    ENDED = "ended"

    @property
    def is_open(self) -> bool:
        return self in {CaseStatus.STANDING, CaseStatus.INTENDED}


class Case(NamedTuple):
    """One bad trust policy of one role, from found to closed. `planned_hash` and `remedy_kind` stand once a write is intended.

    `found_document` is what stood (JSON text); `detail` is what was announced, without documents. `by_pipeline`: whether a known
    pipeline wrote what stood, None while no event told who did. `steps`: when each step of the reaction was done, by name. `due_at`: when
    whatever is left to do is taken up again, None where nothing is. `closed_hash` is of the policy that closed it; what is planned may be
    another by then, which gives back. `others`: who else had a hand in it than the detail's actor, in that one's form: to be kept from
    deciding.
    """

    id: str
    role_ref: str
    role_id: str
    found_hash: str
    generation: int
    status: CaseStatus
    opened_at: datetime
    event_id: str
    found_document: str
    detail: Mapping[str, Any]
    planned_hash: str | None = None
    planned_document: str | None = None
    remedy_kind: RemedyKind | None = None
    closed_at: datetime | None = None
    by_pipeline: bool | None = None
    steps: Mapping[str, datetime] = MappingProxyType({})
    due_at: datetime | None = None
    closed_hash: str | None = None
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def actors(self) -> tuple[Mapping[str, Any], ...]:
        return (self.detail["actor"], *self.others)


class Head(NamedTuple):
    """Where a role stands. `generation` counts closed cases.

    `judged_hash` is the last policy that was judged because an event told of it, or that we wrote; "" before the first.
    `looked` is the last look that a sweep asked for, as text of doorward/guardrails/looks.py, out of date once something else had the
    role looked at; "" before the first. It is kept last of all that a look does: whoever dies before that is asked again.

    `stands_hash` and `stands_since`: the compliant policy that was seen last, and since when no look saw another; None after a violation.
    `stands_by`: ARN and session name of those who are known to have written it since.

    `written_at` and `written_for` are the time of our last write and the id of the event that led to it; `writes` are the last ones.

    `waivers` are those that people decided, `due_at` when the next of them ends; None where none does, or its end was dealt with.
    """

    generation: int = 0
    role_id: str = ""
    judged_hash: str = ""
    written_at: datetime | None = None
    written_for: str = ""
    case_id: str | None = None
    looked: str = ""
    stands_hash: str = ""
    stands_since: datetime | None = None
    writes: tuple[Write, ...] = ()
    waivers: "tuple[Waiver, ...]" = ()
    due_at: datetime | None = None
    stands_by: tuple[tuple[str, str | None], ...] = ()


class Announcement(NamedTuple):
    """What leaves from the outbox as an event on the bus. The same `id` is the same announcement, however often it is sent."""

    id: str
    detail_type: str
    detail: Mapping[str, Any]
    at: datetime


class EventOutcome(NamedTuple):
    """What came of one event for one role (`role_ref` "" where it names none): every input ends in one of these."""

    account_id: str
    event_id: str
    event_name: str
    role_ref: str
    outcome: str
    because: str
    event_time: datetime | None
    at: datetime


class Baseline(NamedTuple):
    """A trust policy that was accepted for a role. `accepted_by` says who or what, `because` why.

    `ids`: the unique ids of roles that it names, by ARN, as far as they were known then: an ARN may mean another role by now.
    `event_time`: of the event by which it was accepted; an older one, which came again, accepts nothing.
    """

    role_ref: str
    role_id: str
    policy_hash: str
    document: str
    accepted_by: str
    because: str
    event_id: str
    at: datetime
    ids: Mapping[str, str] = MappingProxyType({})
    event_time: datetime | None = None


class Lock(NamedTuple):
    """Held for one role by one `owner`. Every change of a case checks in the same transaction that it is still held."""

    role_ref: str
    owner: str


class Ledger(Protocol):
    """Every method may raise Unavailable. Methods that take a lock raise Conflict where it was lost."""

    def lock(self, role_ref: str) -> Lock:
        """Raises Conflict while somebody else holds it; a holder that died loses it after the lease."""

    def unlock(self, lock: Lock) -> None:
        """Harmless where the lock was lost already."""

    def head(self, role_ref: str) -> Head: ...

    def heads_of(self, role_refs: Sequence[str]) -> Mapping[str, Head]:
        """Of those that were ever judged. May be some seconds old."""

    def case(self, role_ref: str, case_id: str) -> Case | None: ...

    def role_ref_of(self, case_id: str) -> str | None:
        """Of the role that a case is about, open or closed; None where there was none of this id."""

    def open_cases(self, account_id: str) -> Mapping[str, str]:
        """Ids by role name. May be some seconds old."""

    def judged(self, lock: Lock, head: Head) -> None:
        """Remember what was judged last."""

    def open_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement, record: str = "") -> bool:
        """Case, head and outbox in one transaction. False where this case is known already: nothing is announced twice.

        `record`: JSON text about what led to it, without credentials (usecases/record_case.py); it is written once, with the case.
        """

    def record_of(self, role_ref: str, case_id: str) -> str:
        """What was given to open_case; "" where there is none."""

    def intend(self, lock: Lock, case: Case) -> None:
        """Record what is about to be written, before it is, or who wrote what stands. Only an open case can be intended."""

    def close_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement) -> None:
        """Case, head and outbox in one transaction."""

    def follow_up(self, lock: Lock, case: Case, announcement: Announcement | None = None) -> None:
        """Keep what was found of a closed case since; with it what is told of that."""

    def cut(self, role_ref: str) -> "Cut | None":
        """Which sessions of the role are to be ended."""

    def keep_cut(self, lock: Lock, cut: "Cut", due_at: datetime) -> None:
        """`due_at`: when it is looked at again."""

    def remove_cut(self, lock: Lock) -> None: ...

    def announce(self, announcement: Announcement) -> bool:
        """Into the outbox, once. False where it is there already."""

    def was_announced(self, announcement_id: str) -> bool: ...

    def record(self, outcome: EventOutcome) -> None: ...

    def baseline(self, role_ref: str, role_id: str) -> Baseline | None:
        """The accepted one of this very role: a role made anew under an old name has none."""

    def observe(self, baseline: Baseline) -> None:
        """Keep the version without accepting it: never a restore target."""

    def accept(self, baseline: Baseline, announcement: Announcement) -> None:
        """Version, baseline and outbox in one transaction."""

    def version(self, role_ref: str, role_id: str, policy_hash: str) -> Baseline | None:
        """A compliant version that was seen, accepted or not."""

    def replaced(self, role_ref: str, role_id: str, policy_hash: str) -> None:
        """Remember that a violation took this version's place."""

    def was_replaced(self, role_ref: str, role_id: str, policy_hash: str) -> bool: ...


class Due(NamedTuple):
    """Something that was begun and should be done by now: an announcement, or something of one role.

    Of a role a case; as `CUT` the end of sessions; as `QUESTION:` and its id what people decide; as `HEAD` the end of waivers.
    """

    id: str
    due_at: datetime
    role_ref: str | None = None


class Agenda(Protocol):
    """What was begun. Every method may raise Unavailable."""

    def due(self, now: datetime, most: int) -> Sequence[Due]:
        """What is due, the longest waiting first. May be some seconds old."""

    def put_off(self, due: Due, until: datetime) -> None:
        """Harmless where it was done meanwhile."""


class Outbox(Protocol):
    """What the publisher and the notifier need."""

    def pending(self, announcement_id: str) -> Announcement | None:
        """None where it was published already."""

    def announcement(self, announcement_id: str) -> Announcement | None:
        """Published or not; None where it is kept no more."""

    def published(self, announcement_id: str) -> None: ...

    def was_sent(self, announcement_id: str, channel: str) -> bool: ...

    def sent(self, announcement_id: str, channel: str) -> None: ...
