"""The catalogue of detections on role sessions. Each is a pure function of a scene; each has a page and a decision table.

docs/detections/<id>.md says what it means and what to do; tests/cases/detections/<id>.json decides what it finds.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from doorward.events.model import Actor
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity
from doorward.iam.arns import RoleArn, parse_role_arn
from doorward.iam.matching import matches_glob
from doorward.organization.installation import (
    BEAT_SESSIONS,
    CANARY_ROLE,
    CONTAIN_FUNCTION_ROLE,
    CONTAIN_ROLE,
    CUT_ROLE,
    FORWARD_ROLE,
    GRANT_ROLE_PATH,
    GRANT_SOURCE_IDENTITIES,
    HUB_ROLES,
    READ_ROLE,
    REGIONS_SESSION,
    REMEDY_ROLE,
    ROLE_PATH,
    assumers_of,
)
from doorward.organization.model import Organization
from doorward.sessions.model import ASSUMPTIONS, Hub, Scene, is_service, principal_of
from doorward.sessions.opened import opened_for
from doorward.values import NamedTuple


class Found(NamedTuple):
    """What a detection says. `key` makes it one together with the call: "" where the call alone does."""

    severity: Severity
    because: str
    what_to_do: str
    key: str = ""


class Detection(NamedTuple):
    """`severity` is the highest that it gives."""

    id: str
    severity: Severity
    title: str
    look: Callable[[Scene], Found | None]


def detect(scene: Scene, *, now: datetime) -> tuple[Alert, ...]:
    """Every alert about one call, however much is known of it yet: the same call always has the same ids."""
    found = ((each, each.look(scene)) for each in CATALOGUE.values())
    return tuple(_alert(detection, told, scene, now) for detection, told in found if told is not None)


def _alert(detection: Detection, found: Found, scene: Scene, now: datetime) -> Alert:
    call = scene.call
    return Alert(
        detection=detection.id,
        key=f"{call.key}/{found.key}",
        severity=found.severity,
        title=detection.title,
        because=found.because,
        what_to_do=found.what_to_do,
        account_id=call.role_account_id or call.account_id,
        at=now,
        region=call.region,
        role=call.role_arn,
        principal=principal_of(call),
        actor={
            "kind": call.actor.kind,
            "arn": call.actor.arn,
            "session_name": call.actor.session_name,
            "account_id": call.actor.account_id,
            "pipeline": scene.organization.is_pipeline(call.actor.arn),
        },
        events=(AlertEvent(call.event_id, call.event_name, call.event_time),),
    )


# Who came


def _external_caller(scene: Scene) -> Found | None:
    call = scene.call
    if not scene.is_open or is_service(call.actor) or call.provider is not None:
        return None
    account_id = call.actor.account_id
    if account_id is not None and (_is_ours(account_id, scene.organization) or scene.organization.trusted_account(account_id) is not None):
        return None
    who = f"account {account_id}" if account_id is not None else "an account that CloudTrail does not name"
    return Found(
        Severity.CRITICAL,
        f"{who} is neither of this organization nor trusted, and has opened a session of {_role(scene)}.",
        "End the session (a Deny on aws:TokenIssueTime), close the role's trust policy, and look up what the session did; or list the"
        " account under trusted.accounts if it is meant to come in.",
    )


def _vendor_without_external_id(scene: Scene) -> Found | None:
    call = scene.call
    vendor = scene.organization.trusted_account(call.actor.account_id or "")
    if not scene.is_open or call.event_name != "AssumeRole" or vendor is None or not vendor.external_id_required or call.has_external_id:
        return None
    return Found(
        Severity.HIGH,
        f"Vendor account {vendor.id} ({vendor.name}) has opened a session of {_role(scene)} without an external ID: another of its"
        " customers could have had it do so.",
        "Require sts:ExternalId in the role's trust policy, with the id that the vendor gave to you alone, and ask the vendor for whom it"
        " came.",
    )


def _opened_door(scene: Scene) -> Found | None:
    call = scene.call
    if not scene.is_open or _is_of_doorward(scene):  # whose trust policies are kept nowhere
        return None
    opened = opened_for(scene)
    if opened is None:
        return None
    version = opened.version
    seconds = round((call.event_time - version.at).total_seconds())
    who = principal_of(call) or "somebody"
    change = "the change that let him in" if version.document is not None else "a change of trust that its event hides"
    because = f"{who} has opened a session of {_role(scene)} {seconds} s after {change}"
    by_pipeline = scene.organization.is_pipeline(version.actor)
    if opened.before_is_known:
        severity = Severity.MEDIUM if by_pipeline else Severity.CRITICAL
        because += f", made by {version.actor or 'somebody unknown'}{', a known pipeline' if by_pipeline else ''}"
        because += "." if version.document is not None else "; what was known to stand before did not let him in."
    else:
        outside = call.actor.account_id is None or not _is_ours(call.actor.account_id, scene.organization)
        severity = Severity.HIGH if outside and not by_pipeline else Severity.LOW
        because += f", made by {version.actor or 'somebody unknown'}; what stood before was never seen, so he may have been let in before."
    return Found(
        severity,
        because,
        "Ask who made the change. If nobody can say why: end the session, put the trust policy back, and look up what both did.",
        # What stood before may be learned later: then the finding is another, or the grave one would be lost to the mild one.
        version.event_id if opened.before_is_known else f"{version.event_id}/perhaps",
    )


def _break_glass(scene: Scene) -> Found | None:
    """Whoever comes, and whether he was let in: such a role is for emergencies, and everybody knows of one."""
    call = scene.call
    if call.role_arn not in scene.organization.break_glass or call.event_name not in _OPENING:
        return None
    done = "tried to open" if call.failed else "has opened"
    return Found(
        Severity.HIGH if call.failed else Severity.CRITICAL,
        f"{principal_of(call) or 'Somebody'} {done} a session of the break-glass role {_role(scene)}.",
        "See that there is an emergency, and who declared it. If nobody did: end the session, and seal the role again. What the session"
        " changes about trust policies is asked about, and not put back.",
    )


# Doorward's own doors

_OPENING: Final = ASSUMPTIONS | {"SwitchRole", "RenewRole"}
_SESSION_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        READ_ROLE: ("doorward*",),
        **dict.fromkeys((REMEDY_ROLE, CUT_ROLE, CONTAIN_ROLE), ("dw-*",)),
        CANARY_ROLE: (f"{BEAT_SESSIONS}*", f"{REGIONS_SESSION}*"),
    }
)
"""What the hub calls its sessions."""
_SERVICES: Final = MappingProxyType(
    {
        **dict.fromkeys(HUB_ROLES, frozenset({"lambda.amazonaws.com", "states.amazonaws.com"})),
        FORWARD_ROLE: frozenset({"events.amazonaws.com"}),
        CONTAIN_FUNCTION_ROLE: frozenset({"lambda.amazonaws.com"}),
    }
)


def _own_role(scene: Scene) -> Found | None:
    call = scene.call
    role = parse_role_arn(call.role_arn)
    if role is None or not _is_of_doorward(scene) or call.event_name not in _OPENING:
        return None
    wrong = _wrong_about_own_role(scene, role)
    if wrong is None:
        return None
    done = "tried to open" if call.failed else "has opened"
    return Found(
        Severity.HIGH if call.failed else Severity.CRITICAL,
        f"{principal_of(call) or 'Somebody'} {done} a session of Doorward's own role {_role(scene)}: {wrong}.",
        "Nobody but Doorward's hub has business there. Take the caller's access away; if a session was opened, end it, and deploy the"
        " account's Doorward stack again with a new external ID.",
    )


def _wrong_about_own_role(scene: Scene, role: RoleArn) -> str | None:
    """What is wrong with the call, by what this copy of it can say: docs/detections/doorward-role-used.md has the table."""
    call, hub = scene.call, scene.hub
    if is_service(call.actor):
        allowed = _SERVICES.get(role.name, frozenset())
        return None if call.actor.invoked_by in allowed else f"{call.actor.invoked_by} has no business there"
    may, names = _who_enters(role)
    if call.provider is not None or call.actor.account_id != hub.account_id or not may:
        return "the caller is not the hub"
    if not _is_one_of(may, call.actor, hub):
        return "the caller is none of the hub's roles that may, as far as this copy of the call tells"
    session = call.role_session_name
    if session is None:
        return None
    if not any(matches_glob(each, session) for each in names):
        return f"Doorward never calls a session {session!r} there"
    if role.path.startswith(GRANT_ROLE_PATH) and call.source_identity != session:
        return f"the session {session!r} has the source identity {call.source_identity!r}"
    return None


def _who_enters(role: RoleArn) -> tuple[frozenset[str], tuple[str, ...]]:
    """The hub's roles that may, and what they call their sessions. What people are granted is opened under the grant's name."""
    names = (GRANT_SOURCE_IDENTITIES,) if role.path.startswith(GRANT_ROLE_PATH) else _SESSION_NAMES.get(role.name, ())
    return assumers_of(role.path, role.name), names


def _is_one_of(may: frozenset[str], actor: Actor, hub: Hub) -> bool:
    """The caller's own copy names the role; the owner's has its id alone, and what has neither is nobody."""
    if actor.arn is not None:
        role = parse_role_arn(actor.arn)
        return role is not None and (role.account_id, role.path) == (hub.account_id, ROLE_PATH) and role.name in may
    return actor.principal_id is not None and hub.role_names.get(actor.principal_id.partition(":")[0]) in may


def _is_ours(account_id: str, organization: Organization) -> bool:
    return organization.account(account_id) is not None or account_id == organization.management_account


def _is_of_doorward(scene: Scene) -> bool:
    role = parse_role_arn(scene.call.role_arn)
    return role is not None and role.path.startswith(ROLE_PATH)


def _role(scene: Scene) -> str:
    return scene.call.role_arn or "a role"


CATALOGUE: Final[Mapping[str, Detection]] = MappingProxyType(
    {
        each.id: each
        for each in (
            Detection("external-caller", Severity.CRITICAL, "somebody from outside the organization came in", _external_caller),
            Detection(
                "vendor-session-without-external-id", Severity.HIGH, "a vendor came in without its external ID", _vendor_without_external_id
            ),
            Detection("opened-door-used", Severity.CRITICAL, "a door was used just after it was opened", _opened_door),
            Detection("break-glass-used", Severity.CRITICAL, "a break-glass role was used", _break_glass),
            Detection("doorward-role-used", Severity.CRITICAL, "somebody used one of Doorward's own roles", _own_role),
        )
    }
)
