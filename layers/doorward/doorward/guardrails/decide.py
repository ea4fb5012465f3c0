"""From a verdict to what is done about it: the decision table of the reaction.

| verdict                | mode    | and                                        | action  |
|------------------------|---------|--------------------------------------------|---------|
| compliant, waived      | any     |                                            | pass    |
| undecidable, invalid   |         | as `undecidable` is set; never a write     | alert or ask |
| violating              | observe |                                            | observe |
| violating              | alert   |                                            | alert   |
| violating              | approve |                                            | ask     |
| violating              | enforce | the role must not be edited                | alert   |
| violating              | enforce | nothing about the role is known to change  | ask     |
| violating              | enforce | nothing changed who may come in            | alert   |
| violating              | enforce | lets in nobody whom the baseline keeps out | alert   |
| violating              | enforce | changed by a known pipeline, critical      | ask     |
| violating              | enforce | changed by a known pipeline                | alert   |
| violating              | enforce | no finding with a witness                  | alert   |
| violating              | enforce | only of what the role may do               | alert   |
| violating              | enforce | found before its author was told of        | wait    |
| violating              | enforce | otherwise                                  | write   |
"""

from dataclasses import dataclass
from enum import StrEnum

from doorward.events.model import Cause
from doorward.findings.model import Judgement, Severity, Verdict
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.guardrails.rules import OF_PERMISSIONS
from doorward.organization.model import Account


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


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What besides the verdict counts. `protected_because`: a sentence where this role must never be written, else None.

    `cause_known` is False where it is not sure that this role's trust changed just now (its event hid the name). `author_may_come`: a sweep
    found the change before any event told who made it, and one still may. `widens`: whether the
    policy lets somebody in whom the accepted one keeps out; None where there is none, or where that is not decided.
    """

    cause: Cause
    cause_known: bool
    by_pipeline: bool
    protected_because: str | None
    widens: bool | None = None
    author_may_come: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`because` is a sentence for people."""

    action: Action
    mode: Mode
    because: str


_MAY_WRITE = frozenset({Cause.TRUST, Cause.PROVIDER})
_ASKS = frozenset({Cause.FACTS, Cause.FIRST_SEEN})
_BY_MODE = {Mode.OBSERVE: Action.OBSERVE, Mode.ALERT: Action.ALERT, Mode.APPROVE: Action.ASK, Mode.ENFORCE: Action.WRITE}
_MODE_SAYS = {
    Mode.OBSERVE: "The mode for this role is observe: recorded, nobody is disturbed.",
    Mode.ALERT: "The mode for this role is alert: people are told, nothing is written.",
    Mode.APPROVE: "The mode for this role is approve: a person has to decide."
    " Deciding by Slack, API or command line comes with a later version.",
    Mode.ENFORCE: "The mode for this role is enforce.",
}


def decide(judgement: Judgement, role: Role, account: Account | None, guardrails: Guardrails, circumstances: Circumstances) -> Decision:
    """The table above, read from the top. `account` None: an account that nobody described, which is only observed."""
    if judgement.verdict in {Verdict.COMPLIANT, Verdict.WAIVED}:
        return Decision(Action.PASS, guardrails.mode, "No guardrail is broken.")
    if judgement.verdict in {Verdict.UNDECIDABLE, Verdict.INVALID}:
        mode = guardrails.undecidable
        return Decision(
            Action.ASK if mode is Mode.APPROVE else Action.ALERT,
            mode,
            "Whether a guardrail is broken could not be decided, so this policy is not called safe; a person should read it.",
        )
    counting = judgement.counting
    modes = [guardrails.mode_for(each.rule, role, account) for each in counting]
    mode = max(modes, key=list(Mode).index)
    if mode is not Mode.ENFORCE:
        return Decision(_BY_MODE[mode], mode, _MODE_SAYS[mode])
    enforced = [each for each, its_mode in zip(counting, modes, strict=True) if its_mode is Mode.ENFORCE]
    if circumstances.protected_because is not None:
        return Decision(Action.ALERT, mode, f"Not written: {circumstances.protected_because}")
    if circumstances.cause in _ASKS:
        return Decision(
            Action.ASK, mode, "Not written: nobody is known to have changed who comes in here just now. A person has to decide."
        )
    if circumstances.cause not in _MAY_WRITE:
        return Decision(Action.ALERT, mode, "Not written: this change did not touch who may come in; only such a change is put back.")
    if not circumstances.cause_known:
        return Decision(Action.ALERT, mode, "Not written: it is not certain that this role's trust policy was changed just now.")
    if circumstances.widens is False:
        return Decision(Action.ALERT, mode, "Not written: this lets in nobody whom the accepted trust policy keeps out; people are told.")
    if circumstances.by_pipeline:
        if any(each.severity is Severity.CRITICAL for each in enforced):
            return Decision(Action.ASK, mode, "Not written: a known pipeline made this change; at this severity a person has to decide.")
        return Decision(Action.ALERT, mode, "Not written: a known pipeline made this change; people are told instead.")
    if all(each.rule in OF_PERMISSIONS for each in enforced):
        return Decision(Action.ALERT, mode, "Not written: what is wrong is what the role may do, and no trust policy mends that.")
    if all(each.witness is None or each.rule in OF_PERMISSIONS for each in enforced):
        return Decision(Action.ALERT, mode, "Not written: no finding here is proved by a request.")
    if circumstances.author_may_come:
        return Decision(
            Action.WAIT,
            mode,
            "Not written yet: a sweep found this before any event told who did it; a known pipeline may have. It is decided again soon.",
        )
    return Decision(Action.WRITE, mode, _MODE_SAYS[mode])
