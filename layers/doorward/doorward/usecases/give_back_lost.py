"""After a hole is closed, what was accepted and is lost is given back: a write of its own, which no closing waits for.

It has an intent of its own: from then on the case is about the policy that is given back. Who dies before that write leaves the closing
policy standing, and the next look after the write tries again.
"""

import json
from copy import replace

from doorward.errors import Conflict, Misconfigured
from doorward.guardrails.accepted import give_back
from doorward.guardrails.announcements import diff_documents
from doorward.guardrails.model import Role
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, Case
from doorward.ports.roles import Refused
from doorward.usecases.reaction import Task

GIVES_BACK = "gives_back"
"""In a case's detail: true while something may be left to give back."""


def give_back_lost(task: Task, case: Case, role: Role) -> Case:
    """`case` is closed, and `role` as it stands after our write. Raises Unavailable."""
    tools = task.tools
    accepted = tools.ledger.baseline(role.ref, role.role_id)
    remedy = None
    if accepted is not None:
        remedy = give_back(role, accepted.document, tools.organization, tools.guardrails, now=tools.clock.now())
    done = replace(case, detail={**case.detail, GIVES_BACK: False})
    if remedy is None:
        tools.ledger.follow_up(task.lock, done)
        return done
    document = json.dumps(remedy.trust_policy)
    intended = replace(case, planned_hash=hash_of_text(document), planned_document=document)
    tools.ledger.follow_up(task.lock, intended)
    try:
        tools.roles.write_trust_policy(role, document, finding_id=case.id)
    except (Refused, Misconfigured, Conflict):
        # The hole is closed all the same; that what was accepted is not back is what the diff says that was told.
        back_to_closing = replace(done, planned_hash=hash_of_text(role.trust_policy), planned_document=role.trust_policy)
        tools.ledger.follow_up(task.lock, back_to_closing)
        return back_to_closing
    now = tools.clock.now()
    head = tools.ledger.head(task.ref)
    tools.ledger.judged(task.lock, replace(head, judged_hash=intended.planned_hash or "", written_at=now))
    detail = {
        **done.detail,
        "because": "What was accepted for this role, and was lost, is given back.",
        "diff": diff_documents(role.trust_policy, document),
    }
    given = replace(intended, detail=done.detail, steps={**case.steps, "given-back": now})
    tools.ledger.follow_up(task.lock, given, Announcement(f"{case.id}-given-back", "TrustAccessGivenBack", detail, now))
    return given
