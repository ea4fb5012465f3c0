"""People had a remedy undone: the very policy that it replaced is put back, and waived for a day, so that it is not closed again at once.

The waiver is forced: it is for what was found, of every request, and of that very policy alone. It is kept before the policy is written:
who dies in between leaves nothing that anybody would close, and is taken up again. What follows at its end: usecases/end_waivers.py.
"""

from copy import replace
from datetime import datetime

from doorward.decisions.model import Question, State
from doorward.errors import Conflict, MalformedInput, Misconfigured
from doorward.findings.dismissal import DOUBT
from doorward.guardrails.accepted import breaks_nothing, text_without_the_gone
from doorward.guardrails.announcements import diff_documents
from doorward.guardrails.decided import MOST, of_what_was_shown, with_waivers
from doorward.guardrails.model import Role, Waiver
from doorward.guardrails.protected import protected_because
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, Case, Head
from doorward.ports.roles import Refused
from doorward.usecases.cut_sessions import end_window
from doorward.usecases.decide_finding import UNDONE_FOR, shown_hash
from doorward.usecases.give_back_lost import without_the_deleted
from doorward.usecases.reaction import ChangedMeanwhile, Task, policy_hash
from doorward.usecases.waive_finding import waiver_of, with_more


def undo_remedy(question: Question, task: Task) -> tuple[State, str]:
    """What came of it: done, or withdrawn, and why. Raises ChangedMeanwhile, Unavailable, Conflict."""
    case = task.tools.ledger.case(task.ref, question.about.partition(" ")[2])
    if case is None or shown_hash(case, question.what) != question.shown_hash:
        return State.WITHDRAWN, "There is nothing (any more) that could be undone."
    role = task.tools.roles.read(task.account_id, task.role_name)
    if role is None or role.role_id != case.role_id:
        return State.WITHDRAWN, "The role whose trust policy was written does not exist any more."
    head = task.tools.ledger.head(task.ref)
    begun = next((each for each in head.waivers if each.decided == question.id), None)
    if begun is not None:
        if begun.is_for(role):
            return _undone(task, case, role, begun)  # written, and cut off before that was kept
        head = replace(head, waivers=tuple(each for each in head.waivers if each is not begun))
    written = _must_not(task, case, role, head) or _put_back(question, task, case, role, head)
    if isinstance(written, str):
        task.tools.ledger.judged(task.lock, head)
        return State.WITHDRAWN, written
    return _undone(task, case, *written)


def _must_not(task: Task, case: Case, role: Role, head: Head) -> str | None:
    if not _is_the_last(case, head):
        return "Doorward has closed this role again since: what this remedy replaced is not what stood last. Undo the last one, or none."
    if policy_hash(role) not in {case.planned_hash, case.closed_hash}:
        return "Another trust policy stands than the one that Doorward wrote."
    tools = task.tools
    stop = next((each for each in tools.brakes().look(task.ref, (), "").stops if each.counts(tools.clock.now())), None)
    if stop is not None:
        return f"{stop.by} has stopped writes for {stop.scope}: {stop.because}"
    if len(head.waivers) >= MOST:
        return f"This role has so many waivers that no more than {MOST} could be kept."
    return protected_because(role, tools.organization)


def _is_the_last(case: Case, head: Head) -> bool:
    """Whether no other remedy was written to the role after this one. As the time of a write counts that of its intent."""
    last = head.writes[-1] if head.writes else None
    return last is not None and (last.at, last.over_hash) == (case.steps.get("intended"), case.found_hash)


def _put_back(question: Question, task: Task, case: Case, role: Role, head: Head) -> tuple[Role, Waiver] | str:
    """The role as it was written, and under which waiver; or why it was not. IAM refuses a policy that names somebody who is gone."""
    tools = task.tools
    refused = ""
    try:
        document: str | None = text_without_the_gone(case.found_document)
        while document is not None:
            waiver = _forced(question, task, case, document)
            guardrails = with_waivers(tools.guardrails, (*head.waivers, waiver))
            if not breaks_nothing(role, document, tools.organization, guardrails, tools.clock.now()):
                return "By now it breaks more than what was shown, or IAM would refuse it: it would be closed again at once."
            tools.ledger.judged(task.lock, with_more(head, (waiver,)))
            try:
                _write(task, case, role, document)
            except Refused as error:
                refused, document = str(error), without_the_deleted(task, document)
            else:
                return replace(role, trust_policy=document), waiver
    except MalformedInput:
        return "What was replaced cannot be read."
    except Misconfigured as error:
        return f"It could not be written: {error}"
    return f"IAM refuses it: {refused}"


def _write(task: Task, case: Case, role: Role, document: str) -> None:
    roles = task.tools.roles
    stands = roles.read(task.account_id, task.role_name)
    if stands is None or (stands.role_id, policy_hash(stands)) != (role.role_id, policy_hash(role)):
        raise ChangedMeanwhile
    try:
        roles.write_trust_policy(role, document, finding_id=case.id)
    except Conflict:
        raise ChangedMeanwhile from None


def _forced(question: Question, task: Task, case: Case, document: str) -> Waiver:
    shown = [(each["rule"], each["severity"]) for each in case.detail["findings"]]
    shown += [(each["rule"], DOUBT) for each in case.detail["undecidable"]]
    waiver = of_what_was_shown(waiver_of(question, task, case, task.tools.clock.now() + UNDONE_FOR), shown)
    return waiver._replace(policy_hash=hash_of_text(document), undoes=case.id)


def _undone(task: Task, case: Case, role: Role, waiver: Waiver) -> tuple[State, str]:
    """Kept and told. `role` as it was written; the write counts as of when it was intended, so that no later change seems older."""
    ledger, now = task.tools.ledger, task.tools.clock.now()
    since, until = waiver.since, waiver.until
    assert isinstance(since, datetime)  # noqa: S101 - people decide until moments
    head = ledger.head(task.ref)
    ledger.judged(task.lock, replace(head, judged_hash=policy_hash(role), written_at=since, stands_since=None))
    if "verified" not in case.steps:
        case = end_window(task, role, case, now)  # who is let in from now on may stay
    because = (
        f"{waiver.owner} had the remedy undone: what it replaced is put back until {until:%Y-%m-%d %H:%M} UTC. "
        "Then the role is judged again, and the same remedy is written again."
    )
    told = {**case.detail, "undone": {"by": waiver.owner, "until": until.isoformat()}}
    detail = {**told, "because": because, "diff": diff_documents(case.planned_document or "", role.trust_policy)}
    undone = replace(case, detail=told, steps={**case.steps, "undone": now})
    ledger.follow_up(task.lock, undone, Announcement(f"{case.id}-undone", "TrustRemedyUndone", detail, now))
    return State.DONE, because
