"""Read a role as it stands now, and again for a while where IAM seems to be behind what an event tells."""

from doorward.errors import DoorwardError
from doorward.events.model import Cause
from doorward.guardrails.model import Permissions, PermissionsPolicy, Role
from doorward.ports.ledger import Head
from doorward.usecases.reaction import FRESH, Task, policy_hash


def look_at_role(task: Task, head: Head) -> Role | None:
    """The role, looked at again for a while where the event tells of something newer than what is read."""
    tools = task.tools
    role = tools.roles.read(task.account_id, task.role_name)
    for delay in tools.read_delays_seconds:
        if not _may_be_stale(task, role, head):
            break
        tools.clock.sleep(delay)
        role = tools.roles.read(task.account_id, task.role_name)
    return role


def _may_be_stale(task: Task, role: Role | None, head: Head) -> bool:
    change = task.change
    if task.tools.clock.now() - change.event_time > FRESH or change.cause is not Cause.TRUST:
        return False
    if task.is_before_our_write(head):
        return False  # older than our own last write: what it tells of is gone
    if role is None:
        return True
    return task.told_hash is not None and task.told_hash != policy_hash(role)


def with_permissions(task: Task, role: Role) -> tuple[Role, DoorwardError | None]:
    """With what it may do, where that matters: IAM's rates are low, and most roles let nobody in from outside.

    And why that could not be read now, which keeps no trust policy from being judged: whoever comes in can make it slow to read.
    """
    from doorward.guardrails.outsiders import depends_on_permissions

    tools = task.tools
    if not depends_on_permissions(role, tools.organization, tools.guardrails, now=tools.clock.now()):
        return role, None
    try:
        return role._replace(permissions=tools.roles.permissions_of(role)), None
    except DoorwardError as error:
        return role._replace(permissions=Permissions((PermissionsPolicy("its policies", None),), None, str(error))), error
