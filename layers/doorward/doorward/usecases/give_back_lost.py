"""After a hole is closed, what was accepted and is lost is given back: a write of its own, which no closing waits for.

It has an intent of its own: from then on the case is about the policy that is given back. Who dies before that write leaves the closing
policy standing, and the next look after the write tries again.
"""

import json
from copy import replace

from doorward.errors import Conflict, Misconfigured
from doorward.findings.model import Remedy
from doorward.guardrails.accepted import give_back, roles_named_in, without_other_roles
from doorward.guardrails.announcements import diff_documents
from doorward.guardrails.model import Role
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, Case
from doorward.ports.roles import Refused
from doorward.usecases.keep_baseline import as_it_means_today
from doorward.usecases.reaction import Task

GIVES_BACK = "gives_back"
"""In a case's detail: true while something may be left to give back."""


def give_back_lost(task: Task, case: Case, role: Role) -> Case:
    """`case` is closed, and `role` as it stands after our write. Raises Unavailable."""
    accepted = task.tools.ledger.baseline(role.ref, role.role_id)
    document = None if accepted is None else as_it_means_today(accepted, task.tools.ledger).document
    done = replace(case, detail={**case.detail, GIVES_BACK: False})
    for _ in range(2):
        remedy = None if document is None else _remedy(task, role, document)
        if document is None or remedy is None:
            break
        try:
            return _written(task, case, role, remedy)
        except Refused:
            document = _without_the_deleted(task, document)
        except (Misconfigured, Conflict):
            break
    # The hole is closed all the same: that what was accepted is not back is what the difference says that was told.
    closed = replace(done, planned_hash=hash_of_text(role.trust_policy), planned_document=role.trust_policy)
    task.tools.ledger.follow_up(task.lock, closed)
    return closed


def _remedy(task: Task, role: Role, accepted: str) -> Remedy | None:
    tools = task.tools
    return give_back(role, accepted, tools.organization, tools.guardrails, now=tools.clock.now())


def _without_the_deleted(task: Task, document: str) -> str | None:
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
    tools.roles.write_trust_policy(role, document, finding_id=case.id)
    now = tools.clock.now()
    head = tools.ledger.head(task.ref)
    tools.ledger.judged(task.lock, replace(head, judged_hash=intended.planned_hash or "", written_at=now))
    told = {**case.detail, GIVES_BACK: False}
    detail = {
        **told,
        "because": "What was accepted for this role, and was lost, is given back.",
        "diff": diff_documents(role.trust_policy, document),
    }
    given = replace(intended, detail=told, steps={**case.steps, "given-back": now})
    tools.ledger.follow_up(task.lock, given, Announcement(f"{case.id}-given-back", "TrustAccessGivenBack", detail, now))
    return given
