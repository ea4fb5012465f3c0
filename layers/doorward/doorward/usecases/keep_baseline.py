"""A role's trust policy breaks no guardrail: keep it, and accept it as what is put back, where guardrails/baselines.py says so."""

from copy import replace
from datetime import datetime, timedelta
from hashlib import sha256

from doorward.errors import MalformedInput
from doorward.events.model import Cause, Change
from doorward.guardrails.announcements import diff_documents
from doorward.guardrails.baselines import Becomes, Version, becomes
from doorward.guardrails.model import Role
from doorward.guardrails.protected import is_doorwards_own
from doorward.iam.documents import parse_document
from doorward.organization.model import Organization
from doorward.ports.ledger import Announcement, Baseline, Ledger
from doorward.values import NamedTuple

FORMAT = "doorward.baseline/1"


class Standing(NamedTuple):
    """A compliant trust policy that was just read. `told_hash`: of the document that the event carries. `since`: undisturbed."""

    role: Role
    policy_hash: str
    since: datetime
    change: Change
    told_hash: str | None
    now: datetime

    @property
    def is_of_this_event(self) -> bool:
        """What else stands now than the event's own request carried may be somebody else's work."""
        return self.change.cause is Cause.TRUST and self.told_hash == self.policy_hash


def keep_baseline(standing: Standing, ledger: Ledger, organization: Organization, quiet: timedelta) -> Becomes | None:
    """None: one of Doorward's own roles, whose document holds our external ID. Raises Unavailable, Conflict."""
    role, change, policy_hash = standing.role, standing.change, standing.policy_hash
    if is_doorwards_own(role):
        return None
    accepted = ledger.baseline(role.ref, role.role_id)
    version = Version(
        is_accepted=accepted is not None and accepted.policy_hash == policy_hash,
        has_accepted=accepted is not None,
        by_pipeline=standing.is_of_this_event
        and organization.is_pipeline(change.actor.arn, role.path + role.name)
        and not (accepted is not None and accepted.event_time is not None and change.event_time < accepted.event_time),
        stands_since=standing.since,
        widens=lambda: accepted is not None and widens(role, accepted, organization, standing.now),
        was_replaced=lambda: ledger.was_replaced(role.ref, role.role_id, policy_hash),
    )
    came_to = becomes(version, quiet=quiet, now=standing.now)
    seen = Baseline(
        role.ref,
        role.role_id,
        policy_hash,
        role.trust_policy,
        accepted_by=change.actor.arn or change.actor.kind,
        because="Seen, and no guardrail is broken.",
        event_id=change.event_id,
        at=standing.now,
        event_time=change.event_time,
    )
    if came_to is Becomes.OBSERVED:
        ledger.observe(seen)
    elif came_to is Becomes.ACCEPTED_OF_PIPELINE:
        _accept(replace(seen, because="A known pipeline wrote exactly this."), accepted, standing, ledger, organization)
    elif came_to is Becomes.ACCEPTED_OF_QUIET:
        hours = int((standing.now - standing.since).total_seconds()) // 3600
        because = f"It lets nobody in whom the accepted one keeps out, and has stood undisturbed for {hours} hours."
        _accept(replace(seen, accepted_by="Doorward", because=because), accepted, standing, ledger, organization)
    return came_to


def accept_of_people(standing: Standing, by: str, because: str, ledger: Ledger, organization: Organization) -> None:
    """`by` are names, `because` is their reason. Raises Unavailable, Conflict."""
    role, change = standing.role, standing.change
    version = Baseline(
        role.ref,
        role.role_id,
        standing.policy_hash,
        role.trust_policy,
        accepted_by=by,
        because=because,
        event_id=change.event_id,
        at=standing.now,
        event_time=change.event_time,
    )
    _accept(version, ledger.baseline(role.ref, role.role_id), standing, ledger, organization)


def widens(role: Role, accepted: Baseline, organization: Organization, now: datetime) -> bool | None:
    """Whether the role lets somebody in whom its accepted trust policy keeps out; None where that cannot be said."""
    from doorward.guardrails.diff import newly_allowed

    try:
        before, after = parse_document(accepted.document), parse_document(role.trust_policy)
    except MalformedInput:
        return None
    return newly_allowed(before, after, role, organization, now=now).is_there


def as_it_means_today(accepted: Baseline, ledger: Ledger) -> Baseline:
    """Without roles that were made anew under their ARN since: to put the ARN back would let in another role than the accepted one.

    Who is known comes from the ledger: a role that nobody has looked at since it was made anew still counts as the old one.
    """
    from doorward.guardrails.accepted import without_other_roles

    now = _ids_of(tuple(accepted.ids), ledger)
    others = {arn for arn, role_id in accepted.ids.items() if now.get(arn, role_id) != role_id}
    return replace(accepted, document=without_other_roles(accepted.document, others)) if others else accepted


def _ids_of(arns: tuple[str, ...], ledger: Ledger) -> dict[str, str]:
    """The unique ids of roles of ours that were ever judged."""
    refs = {arn: f"{arn.split(':')[4]}/{arn.rpartition('/')[2]}" for arn in arns}
    heads = ledger.heads_of(tuple(refs.values())) if refs else {}
    return {arn: heads[ref].role_id for arn, ref in refs.items() if ref in heads and heads[ref].role_id}


def _accept(version: Baseline, before: Baseline | None, standing: Standing, ledger: Ledger, organization: Organization) -> None:
    """With the event that tells of it, in one transaction. Whoever does it twice finds it accepted."""
    from doorward.guardrails.accepted import roles_named_in

    version = replace(version, ids=_ids_of(roles_named_in(version.document), ledger))
    role, change = standing.role, standing.change
    account = organization.account(role.account_id)
    replaced = "" if before is None else before.policy_hash
    detail = {
        "format": FORMAT,
        "role": role.arn,
        "role_ref": role.ref,
        "role_id": role.role_id,
        "account": {"id": role.account_id, "name": None if account is None else account.name},
        "policy_hash": version.policy_hash,
        "replaced_hash": replaced or None,
        "accepted_by": version.accepted_by,
        "because": version.because,
        "event": {"id": change.event_id, "name": change.event_name, "time": change.event_time.isoformat()},
        "diff": diff_documents("{}" if before is None else before.document, version.document),
    }
    key = f"{role.ref}/{role.role_id}/{replaced}/{version.policy_hash}/{change.event_id}"
    announcement = Announcement(f"db-{sha256(key.encode()).hexdigest()[:20]}", "TrustBaselineAccepted", detail, version.at)
    ledger.accept(version, announcement)
