"""What keeps Doorward from writing: the kill switch, a hold, a breaker, a budget. None of them keeps it from judging or telling.

| set for                        | by                     | keeps from                                       |
|--------------------------------|------------------------|--------------------------------------------------|
| organization, account, rule    | a person: kill switch  | every write                                      |
| a role                         | people: hold           | every write to it that so many may hold up       |
| a role                         | its last writes        | restoring; what is critical is still closed      |
| an author and a severity       | his last hour's writes | restoring; what is critical is still closed      |

A hold may be older than what it would leave open. So it stops a write only where those who agreed to it are as many as a hold would take
that was asked for now (doorward/guardrails/terms.py): whoever holds a role alone, and then opens it to everybody, finds it closed again.

Budgets are of an author and a severity, and those of privileged roles are of their own: junk spends its own budget only.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from doorward.findings.model import Finding, Severity
from doorward.values import NamedTuple

if TYPE_CHECKING:
    from doorward.decisions.model import Terms

MOST_WRITES: Final = 3
"""To one role within a day: a fourth change that breaks a guardrail is somebody who will not stop, or code that nobody changed."""
WITHIN: Final = timedelta(hours=24)
BUDGET: Final = 20
"""Writes over one author's changes, of one severity, in one hour."""


class Braking(StrEnum):
    NONE = "none"
    STOPPED = "stopped"
    WRITTEN_TOO_OFTEN = "written-too-often"
    BUDGET_SPENT = "budget-spent"


class Brake(NamedTuple):
    """`because` is a sentence for people, None where nothing brakes. `until`: when a hold of the role ends, and it is to be judged again.

    A stop of more than one role has no `until`: to undo at its end all that was found meanwhile would be a burst that nobody asked for.
    `despite`: a sentence about a hold that too few have agreed to, None where there is none.
    """

    kind: Braking
    because: str | None = None
    until: datetime | None = None
    despite: str | None = None


class Stop(NamedTuple):
    """Set by a person. `scope`: `organization`, `account 111122223333`, `rule external-account` or `role 111122223333/name`.

    `until` None: until somebody ends it. `agreed`: how many people a hold was decided by, and `signed`: whether one of them did; None of
    the kill switch, which is whoever's who may write to the ledger.
    """

    scope: str
    by: str
    because: str
    at: datetime
    until: datetime | None = None
    agreed: int | None = None
    signed: bool = False

    @property
    def is_hold(self) -> bool:
        """Of one role alone."""
        return self.scope.startswith("role ")

    def counts(self, now: datetime) -> bool:
        ends = self.ends
        return ends is None or now < ends

    def meets(self, takes: "Terms") -> bool:
        """`takes`: what a hold would take now."""
        return self.agreed is None or (self.agreed >= takes.quorum and (self.signed or not takes.by_sigv4))

    def gives_way_to(self, hold: "Stop", now: datetime) -> bool:
        """To one that lasts longer, and holds up as much; or where it has ended. What people stopped is never ended by a hold."""
        if not self.counts(now):
            return True
        ends, later = self.ends, hold.ends
        holds_as_much = hold.agreed is None or (self.agreed is not None and self.agreed <= hold.agreed and self.signed <= hold.signed)
        return ends is not None and (later is None or ends < later) and holds_as_much

    @property
    def ends(self) -> datetime | None:
        """A time that somebody wrote without its zone is taken for UTC."""
        return self.until if self.until is None or self.until.tzinfo is not None else self.until.replace(tzinfo=UTC)


class Write(NamedTuple):
    """One write of ours: over which policy, and who had made that; "" where nobody knows."""

    at: datetime
    over_hash: str
    author: str


class Brakes(NamedTuple):
    """What is set and spent, as read just now. `spent`: writes of this hour over this author's changes, of this severity."""

    stops: tuple[Stop, ...] = ()
    spent: int = 0


def scopes_of(role_ref: str, rules: Sequence[str]) -> tuple[str, ...]:
    """What may be stopped that concerns a role on which these rules are broken, the widest first."""
    account_id = role_ref.partition("/")[0]
    return ("organization", f"account {account_id}", *(f"rule {each}" for each in rules), f"role {role_ref}")


def hour_of(now: datetime) -> str:
    """Budgets are counted by the hour of the clock, UTC."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H}"


def not_stopped(findings: Sequence[Finding], brakes: Brakes, now: datetime) -> tuple[Finding, ...]:
    """A guardrail that is stopped keeps no other from closing what it finds."""
    stopped = {each.scope for each in brakes.stops if each.counts(now)}
    return tuple(each for each in findings if f"rule {each.rule}" not in stopped)


def brake_of(  # noqa: PLR0917 - what is set, what was done, and what is to be
    brakes: Brakes, findings: Sequence[Finding], writes: Sequence[Write], found_hash: str, author: str, now: datetime, hold_takes: "Terms"
) -> Brake:
    """`findings`: those to be closed. `writes`: our last ones to the role. `hold_takes`: what a hold would take, of what is found now."""
    set_now = [each for each in brakes.stops if each.counts(now)]
    counting = [each for each in set_now if each.meets(hold_takes)]
    too_few = next((each for each in set_now if each not in counting), None)
    brake = _brake_of(counting, brakes.spent, findings, writes, found_hash, author, now)
    if too_few is None or brake.kind is Braking.STOPPED:
        return brake
    signs = ", and one of them signs" if hold_takes.by_sigv4 else ""
    takes = f"what is found now takes {hold_takes.quorum} to hold{signs}"
    return brake._replace(despite=f"That {too_few.by} held {too_few.scope} does not count here: {takes}.")


def _brake_of(  # noqa: PLR0917 - as above
    counting: Sequence[Stop],
    spent: int,
    findings: Sequence[Finding],
    writes: Sequence[Write],
    found_hash: str,
    author: str,
    now: datetime,
) -> Brake:
    if not_stopped(findings, Brakes(tuple(counting)), now):
        counting = [each for each in counting if not each.scope.startswith("rule ")]
    stops = sorted(counting, key=lambda each: each.is_hold)
    if stops:
        each = stops[0]
        until = "" if each.until is None else f" until {each.until:%Y-%m-%d %H:%M} UTC"
        because = f"{each.by} has stopped writes for {each.scope}{until}: {each.because}"
        return Brake(Braking.STOPPED, because, each.until if each.is_hold else None)
    recent = [each for each in writes if now - each.at < WITHIN]
    if len(recent) >= MOST_WRITES:
        because = f"Doorward has written to this role {len(recent)} times within a day."
        if all((each.over_hash, each.author) == (found_hash, author) for each in recent):
            because += " Each time the same author put the very same policy back: if that is code, it has to change in its own source."
        return Brake(Braking.WRITTEN_TOO_OFTEN, because)
    if spent >= BUDGET:
        return Brake(Braking.BUDGET_SPENT, f"Doorward has undone {spent} changes of this author within an hour.")
    return Brake(Braking.NONE)


def budget_of(author: str, findings: Sequence[Finding], *, privileged: bool) -> str:
    """The name of the budget that a write for these findings is of."""
    worst = max((each.severity for each in findings), key=lambda each: each.rank, default=Severity.INFO)
    return f"{author or 'nobody known'}/{worst}{'/privileged' if privileged else ''}"
