"""Every few minutes: what grants have lost is found again, and whoever may not have his any more loses it.

Each grant that is not settled, and each token that is kept:

| the grant is             | and                                                               | comes of it                             |
|--------------------------|-------------------------------------------------------------------|-----------------------------------------|
| not over                 | what was due is LATE, and nobody has done it                      | it is done, and its execution is woken  |
| not over                 | it never had an execution                                         | one is started                          |
| not over                 | its execution has ended, and its name is used up                  | said; what is due is done here          |
| not over, nor ending     | whoever asked is gone or switched off                             | taken back                              |
| active                   | the rules in force refuse it: he, the role or a rule has moved    | taken back                              |
| active                   | others are in force than those he got it by, and by them it falls | taken back                              |
| active                   | what that would depend on cannot be looked up                     | left; nothing is issued for it          |
| over, and not settled    | nobody has looked at what is left of it                           | its question is withdrawn, it is settled |
| over, or moved since     | a token is kept that waits with it as it was                      | woken                                   |

And each account that a rule is about: its grant roles are looked at, and kept for whoever asks what there is; a role that is not as it must
be is handed to the reaction, unless that has a case about it (guardrails/grant_roles.py). An account that cannot be read keeps what was
known of it.

Nothing else is touched: no role, no execution that no grant has, and no task token. What is done is a transition of grants/lifecycle.py, on
the condition that the version before still stands. So two at once, or one that dies at any point, do no more than one that is alone. What
goes wrong with one grant keeps no other from being looked at.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final

from doorward.errors import Conflict, DoorwardError
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.grants.agreement import is_certain, why_it_falls
from doorward.grants.entitled import NOT_KNOWN
from doorward.grants.grant import Grant, State
from doorward.grants.lifecycle import TakenBack, said_yes_at
from doorward.guardrails.model import Role
from doorward.guardrails.rules import GRANT_ROLE_DRIFT
from doorward.organization.model import Organization, covers_account
from doorward.people.model import Refusal
from doorward.ports.grant_roles import GrantRoles, GrantRolesOfAccounts, KnownRoles
from doorward.ports.grants import Executions, Token, Wakes
from doorward.ports.hints import Hints
from doorward.ports.ledger import Ledger
from doorward.usecases import grant_standing
from doorward.usecases.advance_grant import advance_grant, waits_until
from doorward.usecases.grant_facts import as_target
from doorward.usecases.grant_standing import HE_IS_GONE, agreement_now, judged, question_about
from doorward.usecases.imagine_grants import imagined
from doorward.usecases.move_grant import follow_with_question, move_grant
from doorward.values import NamedTuple

LATE: Final = timedelta(minutes=2)
"""Ours: an execution does within seconds what is due, retries included within a minute."""
_STEP_OF: Final[Mapping[State, str]] = {
    State.REQUESTED: "check",
    State.PENDING: "decide",
    State.APPROVED: "begin",
    State.ACTIVE: "end",
    State.ENDING: "end",
}


class What(StrEnum):
    """What is done about a grant."""

    ADVANCE = "advance"
    WAKE = "wake"
    TAKE_BACK = "take back"
    ORPHAN = "orphan"
    """Nothing can be: its execution has ended, and it has not."""


class Act(NamedTuple):
    """`because`: a sentence. `version`: of the grant that it is about; 0 of one that is not there. `step`: of advance_grant."""

    grant_id: str
    what: What
    because: str
    version: int = 0
    step: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """`drift`: what is wrong with a grant role, a sentence; "" where nothing is. `ledger`: what the reaction knows of it already.

    `until`: the time by which this has to be done.
    """

    grants: grant_standing.Tools
    organization: Organization
    executions: Executions
    wakes: Wakes
    accounts: GrantRolesOfAccounts
    known: GrantRoles
    hints: Hints
    drift: Callable[[Role], str]
    ledger: Ledger
    until: datetime


@dataclass(slots=True)
class CameTo:
    """`failed`: by grant, why it could not be looked at, or nothing done; `unreadable` by account. `left`: that there was no time for."""

    looked_at: int = 0
    acts: list[Act] = field(default_factory=list)
    roles: int = 0
    drifted: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    left: int = 0

    def count(self, what: What) -> int:
        return sum(each.what is what for each in self.acts)


def reconcile_grants(tools: Tools, *, dry_run: bool = False) -> CameTo:
    """The table. `dry_run`: what would be done is said, and nothing is written or sent. Raises Unavailable where none can be listed."""
    came_to, tools = CameTo(), _imagined(tools) if dry_run else tools
    # To find what is to be taken back somebody is looked up once a turn. What moves a grant on looks for itself, when it does.
    looking = replace(tools, grants=replace(tools.grants, asker=cache(tools.grants.asker), voter=cache(tools.grants.voter)))
    for grant in sorted(tools.grants.grants.standing(), key=_ends_at):
        if tools.grants.clock.now() >= tools.until:
            came_to.left += 1
            continue
        came_to.looked_at += 1
        _carry_out(grant.id, _of_grant(grant, looking), tools, came_to)
        _carry_out(grant.id, _of_execution(grant.id, tools, came_to.acts), tools, came_to)
    for token in tools.grants.grants.waiting():
        _carry_out(token.grant_id, _of_token(token, tools), tools, came_to)
    _look_at_roles(tools, came_to)
    return came_to


def _imagined(tools: Tools) -> Tools:
    """The same turn, of which nobody but its caller hears."""
    return replace(tools, grants=imagined(tools.grants), wakes=_Nobody(), known=_Nobody(), hints=_Nobody())


class _Nobody:
    """Whom a turn that is only imagined calls, and tells what it saw."""

    def call(self, grant_id: str) -> None:
        pass

    def known(self) -> Sequence[KnownRoles]:
        return ()

    def keep(self, known: KnownRoles) -> None:
        pass

    def send(self, hints: Sequence[Hint], *, after_seconds: int = 0) -> None:
        pass


def _ends_at(grant: Grant) -> datetime:
    """What should have ended comes first, whatever there is no time for."""
    return grant.ends_at or (grant.request.starts_at or grant.request.asked_at) + grant.lasts


def _carry_out(grant_id: str, acts: Iterator[Act], tools: Tools, came_to: CameTo) -> None:
    """Each before the next is read. Where somebody else was first, the next turn sees what came of it."""
    try:
        for act in acts:
            came_to.acts.append(act)
            _do(act, tools)
    except Conflict:
        return
    except DoorwardError as error:
        came_to.failed[grant_id] = str(error)


def _do(act: Act, tools: Tools) -> None:
    match act.what:
        case What.WAKE:
            tools.wakes.call(act.grant_id)
        case What.ADVANCE:
            advance_grant(act.grant_id, act.step, tools.grants)
        case What.TAKE_BACK:
            _take_back(act, tools)
        case What.ORPHAN:
            pass


def _take_back(act: Act, tools: Tools) -> None:
    """What was found is of one version of the grant: of another it says nothing."""
    grant = tools.grants.grants.grant(act.grant_id)
    if grant is None or grant.version != act.version:
        raise Conflict(f"{act.grant_id}: it has moved")
    found = move_grant(grant, TakenBack(act.because), tools.grants)
    if isinstance(found, Grant):
        follow_with_question(found, tools.grants)


def _of_grant(grant: Grant, tools: Tools) -> Iterator[Act]:
    """What is to be done about one that is not over. What is surest to be read comes first."""
    now, missed = tools.grants.clock.now(), ""
    if grant.is_over:
        if now >= (grant.moved_at or grant.request.asked_at) + LATE:
            yield Act(grant.id, What.ADVANCE, f"It is {grant.state}, and what is left of it was not looked at.", grant.version, "end")
        return
    while late := _late(grant, now, tools):
        missed = missed or late
        yield Act(grant.id, What.ADVANCE, late, grant.version, _STEP_OF[grant.state])
        found = tools.grants.grants.grant(grant.id)
        if found is None or found.version == grant.version:  # only people were reminded
            break
        grant = found
    if missed:
        yield Act(grant.id, What.WAKE, missed, grant.version)
    if grant.is_over or grant.state is State.ENDING:
        return
    because = _why_taken_back(grant, tools.grants)
    if because:
        yield Act(grant.id, What.TAKE_BACK, because, grant.version)


def _of_execution(grant_id: str, tools: Tools, acts: Sequence[Act]) -> Iterator[Act]:
    """By itself: where executions cannot be looked at, grants end all the same, and the other way round. `acts`: of this turn so far."""
    done = [each for each in acts if each.grant_id == grant_id]
    grant = tools.grants.grants.grant(grant_id)
    if grant is None or grant.is_over or any(each.what is What.TAKE_BACK or each.step == "end" for each in done):
        return
    if tools.grants.clock.now() >= grant.request.asked_at + LATE:
        running = tools.executions.is_running(grant.id)
        if running is None and not any(each.what is What.WAKE for each in done):
            yield Act(grant.id, What.WAKE, "It never had an execution.", grant.version)
        if running is False:
            yield Act(grant.id, What.ORPHAN, "Its execution has ended, and it has not.", grant.version)


def _late(grant: Grant, now: datetime, tools: Tools) -> str:
    """A sentence, "" where nothing is, or it is over."""
    if grant.is_over:
        return ""
    question = question_about(grant, tools.grants) if grant.state is State.PENDING else None
    due_at = waits_until(grant, question)
    if due_at is None:  # at once, since it became what it is, or since people answered
        answered_at = None if question is None else question.refused_at or said_yes_at(question)
        due_at = answered_at or grant.moved_at or grant.request.asked_at
    if now < due_at + LATE:
        return ""
    return f"It is {grant.state} since what was due at {due_at:%Y-%m-%d %H:%M:%S} UTC was not done."


def _why_taken_back(grant: Grant, tools: grant_standing.Tools) -> str:
    """The table; a sentence, "" where nothing is known against it."""
    asker = tools.asker(grant.person.user_id)
    if asker is None:
        return HE_IS_GONE.because
    if grant.state is not State.ACTIVE or grant.ruling is None:
        return ""
    checked = judged(grant.request, asker, tools, grant.starts_at)
    if isinstance(checked.ruling, Refusal):
        return "" if checked.ruling == NOT_KNOWN else f"By the rules in force he may not have it: {checked.ruling.because}"
    if checked.ruling.entitlements_hash == grant.ruling.entitlements_hash:
        return ""
    if isinstance(checked.policy, Refusal) or checked.policy.sha256 != grant.policy_sha256:
        return "What its sessions could do is not what the rules in force say: the template has changed."
    found = agreement_now(grant, tools)
    falls = why_it_falls(grant, found)
    return "" if falls is None or not is_certain(grant, found) else f"The rules have changed: {falls.because}"


def _of_token(token: Token, tools: Tools) -> Iterator[Act]:
    grant = tools.grants.grants.grant(token.grant_id)
    if grant is None or grant.version != token.version:
        yield Act(token.grant_id, What.WAKE, "A token is left that waits with what is no more.", 0 if grant is None else grant.version)


def _look_at_roles(tools: Tools, came_to: CameTo) -> None:
    now = tools.grants.clock.now()
    for account_id, roles in tools.accounts.read(_accounts(tools)).items():
        if isinstance(roles, DoorwardError):
            came_to.unreadable[account_id] = str(roles)
            continue
        came_to.roles += len(roles)
        drifted = [(each, because) for each in roles if (because := tools.drift(each))]
        came_to.drifted += [each.ref for each, _ in drifted]
        try:
            tools.known.keep(KnownRoles(account_id, tuple(map(as_target, roles)), now))
            _hand_on([_hint(each, because, now) for each, because in drifted if not _has_case(each, tools.ledger)], tools)
        except DoorwardError as error:
            came_to.unreadable[account_id] = str(error)


def _has_case(role: Role, ledger: Ledger) -> bool:
    """About its drift; one about something else says nothing of that."""
    case_id = ledger.head(role.ref).case_id
    case = None if case_id is None else ledger.case(role.ref, case_id)
    return case is not None and any(each["rule"] == GRANT_ROLE_DRIFT.id for each in case.detail.get("findings", ()))


def _hand_on(hints: Sequence[Hint], tools: Tools) -> None:
    """One place finds what is wrong with roles, and tells of it. A hint names nobody, and leads to no write."""
    if hints:
        tools.hints.send(hints)


def _hint(role: Role, because: str, now: datetime) -> Hint:
    return Hint(role.account_id, Cause.FACTS, because, f"grant-role-{role.role_id}", now, role_name=role.name)


def _accounts(tools: Tools) -> Sequence[str]:
    """Those that some rule lets somebody ask for roles of."""
    matches = [each.match for each in tools.grants.entitlements.allows]
    return [
        account.id
        for account in tools.organization.accounts
        if any(covers_account(account.id, account, each.accounts, each.ou, each.tags) for each in matches)
    ]
