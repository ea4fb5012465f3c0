"""What is known of a role's sessions: which calls were made, by whom, and which trust policies stood when."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from doorward.events.model import Actor, SessionEvent, Side
from doorward.iam.arns import account_of_principal
from doorward.organization.model import Organization
from doorward.values import NamedTuple

ASSUMPTIONS: Final = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
"""The calls that open a session of a role."""
_CHAINING: Final = frozenset({"AssumeRole", "AssumeRoot"})
"""Those that a session of a role can make."""
WINDOW: Final = timedelta(minutes=15)
"""How long after a change of trust its use counts as use of what was opened. CloudTrail gives whole seconds."""


class TrustVersion(NamedTuple):
    """A trust policy as a call wrote it. `is_first`: the role was made by this call, so nobody could come in before.

    `document` None: the event hid it. Where it hid the role too, `role_ref` is `every_role_of` the account, and `is_first` says nothing.
    `actor` is the ARN of who wrote it, None where it is not known.
    """

    role_ref: str
    event_id: str
    at: datetime
    document: str | None
    is_first: bool
    actor: str | None


class Edge(NamedTuple):
    """Somebody who assumes a role. `times` 0: expected by the role's trust policy, and never seen.

    `principal` is never a session: an issuer role's or a user's ARN, an account id where no more is known, `PROVIDER|SUBJECT`, a service.
    """

    principal: str
    role_ref: str
    times: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Hub(NamedTuple):
    """Who Doorward is. `role_names`: of the hub's roles that enter accounts, by their unique id (`AROA…`), which IAM never gives twice.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    """

    account_id: str
    role_names: Mapping[str, str]


class Scene(NamedTuple):
    """Everything that a detection may look at. `versions` are the role's, and those that may be, in order of time.

    `edge` is the caller's as it is known now, with this call; None where who came is still to come.
    """

    call: SessionEvent
    organization: Organization
    hub: Hub
    versions: tuple[TrustVersion, ...] = ()
    edge: Edge | None = None

    @property
    def is_open(self) -> bool:
        """Whether the call opened a session of a role."""
        return self.call.event_name in ASSUMPTIONS and not self.call.failed


def role_ref_of(call: SessionEvent) -> str | None:
    """`111122223333/name`; None where no role is told."""
    if call.role_arn is None or call.role_account_id is None:
        return None
    return f"{call.role_account_id}/{call.role_arn.rpartition('/')[2]}"


def every_role_of(account_id: str) -> str:
    """A role ref that stands for all: no role is called so."""
    return f"{account_id}/*"


def found_by(call: SessionEvent) -> tuple[str, ...]:
    """Under which role refs a call is looked for when a change comes later: () for what no change of trust explains."""
    ref = role_ref_of(call)
    if ref is None or call.role_account_id is None or is_service(call.actor) or call.event_name not in ASSUMPTIONS or call.failed:
        return ()
    return ref, every_role_of(call.role_account_id)


def chained_from(call: SessionEvent) -> str | None:
    """The ref of the role by a session of which a session of something else was opened; None where that is not so, or not told yet.

    The owner's copy of a call from another account does not name the role: the caller's own does.
    """
    actor = call.actor
    if actor.kind != "AssumedRole" or actor.arn is None or call.event_name not in _CHAINING or call.failed:
        return None
    account_id = account_of_principal(actor.arn)
    ref = None if account_id is None else f"{account_id}/{actor.arn.rpartition('/')[2]}"
    return None if ref == role_ref_of(call) else ref


def principal_of(call: SessionEvent) -> str | None:
    """Who came, as an edge names him; None where that is still to come, by the caller's own copy, or never will."""
    actor = call.actor
    if call.provider is not None:
        return f"{call.provider}|{call.subject or ''}"
    return actor.arn or (actor.invoked_by if is_service(actor) else None) or actor.account_id


def is_service(actor: Actor) -> bool:
    return actor.kind == "AWSService"


def is_account(principal: str) -> bool:
    """Whether no more of who came is known than his account."""
    return principal.isdigit()


def names_more(principal: str, other: str) -> bool:
    """Whether a call that was counted for `other` must count for this one: only an account gives way, to who of it came."""
    return is_account(other) and not is_account(principal)


def edge_of(call: SessionEvent, organization: Organization) -> Edge | None:
    """The edge that a call makes, None for none: it failed, names no role, or its caller's own copy is still to come.

    A caller of an account of ours has a copy that names him; one from elsewhere is never named more closely than by his account.
    """
    ref, principal = role_ref_of(call), principal_of(call)
    if ref is None or principal is None or call.event_name not in ASSUMPTIONS or call.failed:
        return None
    waits = call.side is Side.OWNER and call.actor.arn is None and organization.account(call.actor.account_id or "") is not None
    return None if waits else Edge(principal, ref, 1, call.event_time, call.event_time)


def expected_edges(role_ref: str, principals: tuple[str, ...]) -> tuple[Edge, ...]:
    """Seeds: whom the trust policy spells out, by role and user. Being let in is not having come: `times` is 0."""
    return tuple(Edge(each, role_ref) for each in dict.fromkeys(principals) if ":role/" in each or ":user/" in each)
