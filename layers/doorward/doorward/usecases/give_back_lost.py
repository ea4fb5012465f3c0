"""After a hole is closed, what was accepted and is lost is given back: a write of its own, which no closing waits for.

It has an intent of its own: from then on the case is about the policy that is given back. Who dies before that write leaves the closing
policy standing, and the next look after the write tries again.
"""

import json
from copy import replace
from datetime import datetime

from doorward.errors import Conflict, Misconfigured
from doorward.findings.model import Remedy
from doorward.guardrails.accepted import give_back, roles_named_in, without_other_roles
from doorward.guardrails.announcements import diff_documents
from doorward.guardrails.model import Mode, Role
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, Case
from doorward.ports.roles import Refused
from doorward.usecases.keep_baseline import as_it_means_today
from doorward.usecases.reaction import Task, policy_hash

GIVES_BACK = "gives_back"
"""In a case's detail: true while something may be left to give back."""


def give_back_lost(task: Task, case: Case, role: Role) -> Case:
    """`case` is closed; `role` stands as our write closed it, or as it was to be given back already. Raises Unavailable."""
    if policy_hash(role) != case.closed_hash:
        return _given(task, case, role, task.tools.clock.now())  # written, and cut off before that was kept
    if not _may_write(task, case, role):
        return case  # a person, or the mode, wants no writes: what is lost stays lost until somebody gives it back
    accepted = task.tools.ledger.baseline(role.ref, role.role_id)
    document = None if accepted is None else as_it_means_today(accepted, task.tools.ledger).document
    for _ in range(2):
        remedy = None if document is None else _remedy(task, role, document)
        if document is None or remedy is None:
            break
        try:
            return _written(task, case, role, remedy)
        except Refused:
            document = without_the_deleted(task, document)
        except (Misconfigured, Conflict):
            break
    # The hole is closed all the same: that what was accepted is not back is what the difference says that was told.
    closed = replace(case, detail={**case.detail, GIVES_BACK: False}, planned_hash=case.closed_hash, planned_document=role.trust_policy)
    task.tools.ledger.follow_up(task.lock, closed)
    return closed


def _may_write(task: Task, case: Case, role: Role) -> bool:
    tools = task.tools
    account = tools.organization.account(role.account_id)
    rules = tuple(dict.fromkeys(str(each["rule"]) for each in case.detail["findings"])) or ("",)
    if all(tools.guardrails.mode_for(each, role, account) is not Mode.ENFORCE for each in rules):
        return False
    now = tools.clock.now()
    return not any(each.counts(now) for each in tools.brakes().look(task.ref, rules, "").stops)


def _remedy(task: Task, role: Role, accepted: str) -> Remedy | None:
    tools = task.tools
    return give_back(role, accepted, tools.organization, tools.guardrails, now=tools.clock.now())


def without_the_deleted(task: Task, document: str) -> str | None:
    """IAM refuses a policy that names a role which does not exist. None where none of ours that it names is gone."""
    tools = task.tools
    named = {arn: arn.split(":")[4] for arn in roles_named_in(document)}
    gone = {
        arn
        for arn, account_id in named.items()
        if tools.organization.account(account_id) is not None and tools.roles.read(account_id, arn.rpartition("/")[2]) is None
    }
    return without_other_roles(document, gone) if gone else None


def _written(task: Task, case: Case, role: Role, remedy: Remedy) -> Case:
    """Raises Refused, Misconfigured, Conflict, Unavailable."""
    tools = task.tools
    document = json.dumps(remedy.trust_policy)
    intended = replace(case, planned_hash=hash_of_text(document), planned_document=document)
    tools.ledger.follow_up(task.lock, intended)
    # As of before the write: what somebody does right after it must not seem to be older.
    now = tools.clock.now()
    tools.roles.write_trust_policy(role, document, finding_id=case.id)
    return _given(task, intended, role, now)


def _given(task: Task, case: Case, before: Role, now: datetime) -> Case:
    """Kept and told. `before` is what the closing write left, or, where that was cut off, what stands."""
    tools = task.tools
    head = tools.ledger.head(task.ref)
    tools.ledger.judged(task.lock, replace(head, judged_hash=case.planned_hash or "", written_at=now))
    told = {**case.detail, GIVES_BACK: False}
    detail = {
        **told,
        "because": "What was accepted for this role, and was lost, is given back.",
        "diff": diff_documents(before.trust_policy, case.planned_document or ""),
    }
    given = replace(case, detail=told, steps={**case.steps, "given-back": now})
    tools.ledger.follow_up(task.lock, given, Announcement(f"{case.id}-given-back", "TrustAccessGivenBack", detail, now))
    return given
