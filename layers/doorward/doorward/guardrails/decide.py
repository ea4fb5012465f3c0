"""From a verdict to what is done about it: the decision table of the reaction.

| verdict                | mode    | and                                           | critical   | otherwise |
|------------------------|---------|-----------------------------------------------|------------|-----------|
| compliant, waived      | any     |                                               | pass       | pass      |
| undecidable, invalid   |         | `undecidable` is alert or approve             |            | that      |
| undecidable, invalid   |         | it is restore, and nothing accepted is left   |            | ask       |
| undecidable, invalid   | enforce | it is restore: as below, but that no breaker  |            | restore   |
|                        |         | and no use keeps from restoring               |            |           |
| violating, undecidable |         | the stronger of the two                       |            |           |
| any of these           | any     | people said yes, and the role must not be     | alert      | alert     |
|                        |         | edited; writes are stopped, or it is held     | ask        | ask       |
|                        |         | people said yes to the very policy            | write      | write     |
| violating              | observe |                                               | observe    | observe   |
| violating              | alert   |                                               | alert      | alert     |
| violating              | approve |                                               | ask        | ask       |
| violating              | enforce | the role must not be edited                   | alert      | alert     |
| violating              | enforce | nothing about the role is known to change     | ask        | ask       |
| violating              | enforce | nothing changed who may come in               | alert      | alert     |
| violating              | enforce | not certain that this role changed            | alert      | alert     |
| violating              | enforce | lets in nobody whom the baseline keeps out    | alert      | alert     |
| violating              | enforce | made by a break-glass role                    | ask        | ask       |
| violating              | enforce | made by a known pipeline                      | ask        | alert     |
| violating              | enforce | only of what the role may do                  | alert      | alert     |
| violating              | enforce | no finding with a witness                     | alert      | alert     |
| violating              | enforce | found before its author was told of           | wait       | wait      |
| violating              | enforce | made by CloudFormation or another service     | write      | ask       |
| violating              | enforce | writes are stopped, or enough hold the role   | ask        | ask       |
| violating              | enforce | written too often already: a breaker          | quarantine | ask       |
| violating              | enforce | its author's budget is spent                  | close      | ask       |
| violating              | enforce | every remedy takes the role from who uses it  | ask        | ask       |
| violating              | enforce | who uses it is not known, and may lose it     | write      | ask       |
| violating              | enforce | otherwise                                     | write      | write     |

A breaker may stop restoring, never closing: what is critical is closed by the mildest remedy that gives nothing back (`close`), or by
letting nobody in at all (`quarantine`). Where something critical stays open under enforce, the door is said to be open.
"""

from collections.abc import Callable
from enum import StrEnum

from doorward.events.model import Cause
from doorward.findings.model import Finding, Judgement, Severity, Verdict
from doorward.guardrails.authors import Author
from doorward.guardrails.brakes import Brake, Braking
from doorward.guardrails.model import Guardrails, Mode, Role, Undecidable
from doorward.guardrails.rules import OF_PERMISSIONS
from doorward.organization.model import Account
from doorward.values import NamedTuple


class Action(StrEnum):
    """From doing nothing to writing.

    `wait` alerts, and is decided again once nobody can tell any more who made the change. `ask` alerts, and says that a person has to
    decide.
    """

    PASS = "pass"  # noqa: S105 - not a password
    OBSERVE = "observe"
    ALERT = "alert"
    WAIT = "wait"
    ASK = "ask"
    WRITE = "write"


class Rungs(StrEnum):
    """Which remedies may be written: the ladder; those that give nothing back; the last; the accepted baseline; what people approved."""

    ALL = "all"
    CLOSING = "closing"
    QUARANTINE = "quarantine"
    ACCEPTED = "accepted"
    APPROVED = "approved"


class Use(StrEnum):
    """Whether somebody used the role before, whom the policy that stood then let in, and whom every remedy would take it from.

    `unknown`: nobody was ever seen, and somebody whom the former policy let in would lose it.
    """

    PROTECTS = "protects"
    UNKNOWN = "unknown"
    FREE = "free"


class Former(NamedTuple):
    """The policy that stood before a change; None where none did, or where `is_known` is False: nobody knows which."""

    document: str | None
    is_known: bool = True


class Circumstances(NamedTuple):
    """What besides the verdict counts. `protected_because`: a sentence where this role must never be written, else None.

    `cause_known` is False where it is not sure that this role's trust changed just now (its event hid the name). `author_may_come`: a sweep
    found the change before any event told who made it, and one still may. `widens`: whether the policy lets somebody in whom the accepted
    one keeps out; None where there is none, or where that is not decided.

    `brake`, `use` and `can_restore` (whether something accepted could be put back) are asked only where they decide. `approved`: people
    were shown the very policy that would be written, and said yes: neither the author nor use nor breakers count then.
    """

    cause: Cause
    cause_known: bool = True
    author: Author = Author.SOMEBODY
    protected_because: str | None = None
    widens: bool | None = None
    author_may_come: bool = False
    brake: Callable[[], Brake] = lambda: Brake(Braking.NONE)
    use: Callable[[], Use] = lambda: Use.FREE
    can_restore: Callable[[], bool] = lambda: False
    approved: bool = False


class Decision(NamedTuple):
    """`because` is a sentence for people. `door_open`: something critical stays open although it is to be closed at once.

    `brake`: what braked, or did not, where that was asked.
    """

    action: Action
    mode: Mode
    because: str
    rungs: Rungs = Rungs.ALL
    door_open: bool = False
    brake: Brake = Brake(Braking.NONE)


_MAY_WRITE = frozenset({Cause.TRUST, Cause.PROVIDER})
_ASKS = frozenset({Cause.FACTS, Cause.FIRST_SEEN})
_BY_MODE = {Mode.OBSERVE: Action.OBSERVE, Mode.ALERT: Action.ALERT, Mode.APPROVE: Action.ASK}
_MODE_SAYS = {
    Mode.OBSERVE: "The mode for this role is observe: recorded, nobody is disturbed.",
    Mode.ALERT: "The mode for this role is alert: people are told, nothing is written.",
    Mode.APPROVE: "The mode for this role is approve: a person has to decide.",
    Mode.ENFORCE: "The mode for this role is enforce.",
}
_UNDECIDED = "Whether a guardrail is broken could not be decided, so this policy is not called safe"


def decide(judgement: Judgement, role: Role, account: Account | None, guardrails: Guardrails, circumstances: Circumstances) -> Decision:
    """The table above, read from the top. `account` None: an account that nobody described, which is only observed."""
    decision = _decide(judgement, role, account, guardrails, circumstances)
    despite = decision.brake.despite
    return decision if despite is None else decision._replace(because=f"{decision.because} {despite}")


def _decide(judgement: Judgement, role: Role, account: Account | None, guardrails: Guardrails, circumstances: Circumstances) -> Decision:
    if judgement.verdict in {Verdict.COMPLIANT, Verdict.WAIVED}:
        return Decision(Action.PASS, guardrails.mode, "No guardrail is broken.")
    if circumstances.approved:
        return _of_approved(circumstances)
    if judgement.verdict in {Verdict.UNDECIDABLE, Verdict.INVALID}:
        return _of_undecided(guardrails.undecidable_for(role, account), circumstances)
    decision = _of_violation(judgement, role, account, guardrails, circumstances)
    if not judgement.undecidable:
        return decision
    # Whatever else is wrong with it, a policy that is too hard to judge is no way in.
    other = _of_undecided(guardrails.undecidable_for(role, account), circumstances)
    order = list(Action).index
    return other if order(other.action) >= order(decision.action) and other.action is not Action.ALERT else decision


def _of_approved(circumstances: Circumstances) -> Decision:
    if circumstances.protected_because is not None:
        return Decision(Action.ALERT, Mode.APPROVE, f"Not written: {circumstances.protected_because}")
    brake = circumstances.brake()
    if brake.kind is Braking.STOPPED:
        return Decision(Action.ASK, Mode.APPROVE, f"Not written: {brake.because}", brake=brake)
    return Decision(Action.WRITE, Mode.APPROVE, "People were shown what would be written, and said yes.", Rungs.APPROVED, brake=brake)


def _of_violation(
    judgement: Judgement, role: Role, account: Account | None, guardrails: Guardrails, circumstances: Circumstances
) -> Decision:
    counting = judgement.counting
    modes = [guardrails.mode_for(each.rule, role, account) for each in counting]
    mode = max(modes, key=list(Mode).index)
    if mode is not Mode.ENFORCE:
        return Decision(_BY_MODE[mode], mode, _MODE_SAYS[mode])
    enforced = [each for each, its_mode in zip(counting, modes, strict=True) if its_mode is Mode.ENFORCE]
    critical = any(each.severity is Severity.CRITICAL for each in enforced)
    no_write = _because_of_the_change(circumstances, critical=critical)
    if no_write is None and all(each.rule in OF_PERMISSIONS for each in enforced):
        no_write = Action.ALERT, "Not written: what is wrong is what the role may do, and no trust policy mends that."
    if no_write is None and all(each.witness is None or each.rule in OF_PERMISSIONS for each in enforced):
        no_write = Action.ALERT, "Not written: no finding here is proved by a request."
    if no_write is None:
        return _to_be_written(circumstances, critical=critical)
    action, because = no_write
    return Decision(action, mode, because, door_open=critical)


def to_close(judgement: Judgement, role: Role, account: Account | None, guardrails: Guardrails) -> tuple[Finding, ...]:
    """The findings for which something may be written: proved by a request, and enforced; where none is, those that people decide about."""
    proved = [each for each in judgement.counting if each.witness is not None and each.rule not in OF_PERMISSIONS]
    modes = [guardrails.mode_for(each.rule, role, account) for each in proved]
    wanted = Mode.ENFORCE if Mode.ENFORCE in modes else Mode.APPROVE
    return tuple(each for each, mode in zip(proved, modes, strict=True) if mode is wanted)


def _of_undecided(setting: Undecidable, circumstances: Circumstances) -> Decision:
    if setting is Undecidable.ALERT:
        return Decision(Action.ALERT, Mode.ALERT, f"{_UNDECIDED}; a person should read it.")
    if setting is Undecidable.APPROVE:
        return Decision(Action.ASK, Mode.APPROVE, f"{_UNDECIDED}; a person should read it.")
    no_write = _because_of_the_change(circumstances, critical=False)
    if no_write is not None:
        return Decision(no_write[0], Mode.ENFORCE, f"{_UNDECIDED}. {no_write[1]}")
    if not circumstances.can_restore():
        because = f"{_UNDECIDED}, and nothing was accepted for this role that could be put back. A person has to decide."
        return Decision(Action.ASK, Mode.ENFORCE, because)
    if circumstances.author_may_come or circumstances.author is Author.SERVICE:
        decision = _to_be_written(circumstances, critical=False)
        return decision._replace(because=f"{_UNDECIDED}. {decision.because}")
    brake = circumstances.brake()
    if brake.kind is Braking.STOPPED:
        return Decision(Action.ASK, Mode.ENFORCE, f"{_UNDECIDED}. Not written: {brake.because}", brake=brake)
    # To put back what was accepted is to close: no breaker keeps from that, and nobody whom the accepted policy lets in loses anything.
    return Decision(Action.WRITE, Mode.ENFORCE, f"{_UNDECIDED}: the accepted policy is put back.", Rungs.ACCEPTED, brake=brake)


def _because_of_the_change(circumstances: Circumstances, *, critical: bool) -> tuple[Action, str] | None:
    """Why this change leads to no write; None where it may lead to one."""
    author = circumstances.author
    if circumstances.protected_because is not None:
        return Action.ALERT, f"Not written: {circumstances.protected_because}"
    if circumstances.cause in _ASKS:
        return Action.ASK, "Not written: nobody is known to have changed who comes in here just now. A person has to decide."
    if circumstances.cause not in _MAY_WRITE:
        return Action.ALERT, "Not written: this change did not touch who may come in; only such a change is put back."
    if not circumstances.cause_known:
        return Action.ALERT, "Not written: it is not certain that this role's trust policy was changed just now."
    if circumstances.widens is False:
        return Action.ALERT, "Not written: this lets in nobody whom the accepted trust policy keeps out; people are told."
    if author is Author.BREAK_GLASS:
        return Action.ASK, "Not written: a break-glass role made this change, in an emergency it may be. A person has to decide."
    if author is Author.PIPELINE and critical:
        return Action.ASK, "Not written: a known pipeline made this change; at this severity a person has to decide."
    if author is Author.PIPELINE:
        return Action.ALERT, "Not written: a known pipeline made this change; people are told instead."
    return None


def _to_be_written(circumstances: Circumstances, *, critical: bool) -> Decision:
    mode = Mode.ENFORCE
    if circumstances.author_may_come:
        because = (
            "Not written yet: a sweep found this before any event told who did it; a known pipeline may have. It is decided again soon."
        )
        return Decision(Action.WAIT, mode, because, door_open=critical)
    if circumstances.author is Author.SERVICE and not critical:
        because = (
            "Not written: a service made this change for somebody (CloudFormation, for one) and would make it again from its own source."
        )
        return Decision(Action.ASK, mode, f"{because} Change it there; a person has to decide.")
    brake = circumstances.brake()
    if brake.kind is Braking.STOPPED:
        return Decision(Action.ASK, mode, f"Not written: {brake.because}", door_open=critical, brake=brake)
    if brake.kind is not Braking.NONE and not critical:
        return Decision(Action.ASK, mode, f"Not written: {brake.because} A person has to decide.", brake=brake)
    if brake.kind is Braking.WRITTEN_TOO_OFTEN:
        because = f"{brake.because} Nobody may assume the role until a person has looked."
        return Decision(Action.WRITE, mode, because, Rungs.QUARANTINE, brake=brake)
    use = circumstances.use()
    if use is Use.PROTECTS:
        because = "Not written: every remedy would take the role from somebody who used it before this change, by what stood then."
        return Decision(Action.ASK, mode, f"{because} A person has to decide.", door_open=critical)
    if use is Use.UNKNOWN and not critical:
        because = "Not written: nobody was ever seen to use this role, and whoever the former policy let in may lose it."
        return Decision(Action.ASK, mode, f"{because} A person has to decide.")
    if brake.kind is Braking.BUDGET_SPENT:
        return Decision(Action.WRITE, mode, f"{brake.because} It is closed, and nothing is given back.", Rungs.CLOSING, brake=brake)
    return Decision(Action.WRITE, mode, _MODE_SAYS[mode], brake=brake)
