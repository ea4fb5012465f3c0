"""What Doorward would do about one role now, and nothing of it done: the very plan that a run carries out."""

import json
from collections.abc import Mapping
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.events.model import Actor, Cause, Change, RoleTarget
from doorward.findings.escaping import mask_external_ids
from doorward.guardrails.announcements import describe_case, diff_documents
from doorward.guardrails.cuts import cutting_for
from doorward.guardrails.decide import Action
from doorward.iam.arns import parse_role_arn
from doorward.ports.ledger import Lock
from doorward.usecases.plan_reaction import Idle, plan_reaction, rungs_of
from doorward.usecases.reaction import Task, Tools, finding_id, policy_hash

FORMAT: Final = "doorward.plan/1"


def foresee_reaction(request: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """`request`: `account`, `role` (its name), and `by`, the ARN of who is taken to have changed it just now, null for nobody known.

    Raises MalformedInput, Unavailable, Misconfigured.
    """
    account_id, name, by = request.get("account"), request.get("role"), request.get("by")
    if not (isinstance(account_id, str) and isinstance(name, str) and (by is None or isinstance(by, str))):
        raise MalformedInput("the request: needs account and role as texts, and by as a text or null")
    now = tools.clock.now()
    kind = "Unknown" if by is None else "IAMUser" if parse_role_arn(by) is None else "AssumedRole"
    actor = Actor(kind, by, None, None, None, None, None, None)
    change = Change(
        event_id="foreseen",
        event_name="UpdateAssumeRolePolicy",
        event_time=now,
        account_id=account_id,
        region="",
        actor=actor,
        cause=Cause.TRUST,
        target=RoleTarget(account_id, name),
        document=None,
        error_code=None,
        error_message=None,
        shared_event_id=None,
        replay_name=None,
    )
    ref = f"{account_id}/{name}"
    stands = None if by is None else tools.roles.read(account_id, name)  # what he is taken to have written
    told_hash = None if stands is None else policy_hash(stands)
    task = Task(Lock(ref, ""), account_id, name, change, told_hash, tools, cause_known=True, began=now)
    plan = plan_reaction(task)
    if isinstance(plan, Idle):
        return {"format": FORMAT, "role_ref": ref, "role": None, "because": plan.result.because, "action": "none", "writes": []}
    case_id = finding_id(plan.role, plan.found_hash, plan.head.generation)
    detail = describe_case(
        case_id,
        plan.role,
        plan.judgement,
        plan.decision,
        change,
        tools.organization,
        tools.guardrails,
        plan.found_hash,
        wrote=task.wrote(plan.head, plan.found_hash),
    )
    writes = rungs_of(plan) if plan.decision.action is Action.WRITE else ()
    shown = ("role", "role_ref", "verdict", "mode", "action", "because", "door_open", "findings", "undecidable")
    return {
        "format": FORMAT,
        **{each: detail[each] for each in shown},
        "contains": plan.contains,
        "sessions": str(cutting_for(plan.judgement, plan.role, change_is_known=True)) if plan.decision.action is Action.WRITE else "none",
        "writes": [
            {
                "kind": each.kind,
                "trust_policy": mask_external_ids(each.trust_policy),
                "diff": diff_documents(plan.role.trust_policy, json.dumps(each.trust_policy)),
            }
            for each in writes
        ],
    }
