"""A schedule's turn, or a person's question what it would do, to `reconcile_grants`."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.metrics import emit
from doorward.errors import MalformedInput, Unavailable
from doorward.usecases.reconcile_grants import What, reconcile_grants

logger = Logger()
_TO_LOOK_AT_ROLES = timedelta(seconds=90)
"""Of the function's time, so much is left for the accounts."""
_TURN = "GrantsLookedAfter"
"""By which ReconcilingStoppedAlarm knows that the schedule runs: a dry run is no turn."""
_MEASURED = {"FoundLate": What.ADVANCE, "TakenBack": What.TAKE_BACK, "Orphaned": What.ORPHAN, "Woken": What.WAKE}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"dry_run": true}`: what it would do, and nothing is done. Fails, and so raises its alarm, where a grant was left as it is."""
    dry_run = event.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise MalformedInput("dry_run: must be true or false")
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    came_to = reconcile_grants(bootstrap.reconcile_tools(left - _TO_LOOK_AT_ROLES), dry_run=dry_run)
    for act in came_to.acts:
        logger.info("Found a grant that has lost something", grant=act.grant_id, what=str(act.what), because=act.because, dry_run=dry_run)
    for grant_id, reason in came_to.failed.items():
        logger.warning("Could not look at a grant", grant=grant_id, reason=reason)
    for account_id, reason in came_to.unreadable.items():
        logger.warning("Could not look at an account's grant roles", account=account_id, reason=reason)
    logger.info("Looked at grants", looked_at=came_to.looked_at, roles=came_to.roles, drifted=came_to.drifted, left=came_to.left)
    if not dry_run:
        emit({_TURN: 1, **{f"Grants{name}": came_to.count(what) for name, what in _MEASURED.items()}})
    if (came_to.failed or came_to.left) and not dry_run:
        raise Unavailable(f"{len(came_to.failed) + came_to.left} grants were left as they are; the next turn tries again")
    return {
        "dry_run": dry_run,
        "looked_at": came_to.looked_at,
        "acts": [{"grant_id": each.grant_id, "what": str(each.what), "because": each.because} for each in came_to.acts],
        "drifted": came_to.drifted,
        "failed": came_to.failed,
        "unreadable": came_to.unreadable,
        "left": came_to.left,
    }
