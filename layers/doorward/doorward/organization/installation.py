"""What Doorward's own templates make, by name: the roles of every account, and who may assume which.

Names are fixed, so that trust goes by name and survives a new deployment; tests compare them with the templates.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ROLE_PATH: Final = "/doorward/"
GRANT_ROLE_PATH: Final = "/doorward/grants/"
"""Roles that people may ask for; the broker may assume no others."""
GRANT_ROLE_PREFIX: Final = "doorward-grant-"
"""Their names begin so: many a call names a role without its path."""
BUS: Final = "doorward"
PREFIX: Final = "doorward-"
"""Every role and rule that the templates name begins so."""

FORWARD_ROLE: Final = "doorward-forward"
READ_ROLE: Final = "doorward-read"
CANARY_ROLE: Final = "doorward-canary"
REMEDY_ROLE: Final = "doorward-remedy"
CUT_ROLE: Final = "doorward-cut"
GRANT_READ_ROLE: Final = "doorward-grant-read"
GRANT_OPERATE_ROLE: Final = "doorward-grant-operate"
GRANT_ROLES: Final = frozenset({GRANT_READ_ROLE, GRANT_OPERATE_ROLE})
"""Under GRANT_ROLE_PATH, where that is opted into; an account may have others there."""
GRANT_BOUNDARY: Final = "DoorwardGrantBoundary"
"""The managed policy, under ROLE_PATH, that bounds every role under GRANT_ROLE_PATH."""
GRANT_SESSION_SECONDS: Final = 3600
"""Their MaxSessionDuration."""
GRANT_SOURCE_IDENTITIES: Final = "?*=" + 26 * "?"
"""The source identity of every grant's session, as a pattern of IAM: grants/names.py makes them."""
CONTAIN_ROLE: Final = "doorward-contain"
"""In the management account alone, where that is opted into: the hub's way to the one function that runs there."""
CONTAIN_FUNCTION: Final = "doorward-contain"
CONTAIN_FUNCTION_ROLE: Final = "doorward-contain-function"
CONTAINED_POLICY: Final = "DoorwardContained"
"""The service control policy that denies everything to the principals that it names."""
QUARANTINE_POLICY: Final = "DoorwardQuarantine"
"""The managed policy that denies everything, under the same path as the roles."""

BEAT_SESSIONS: Final = "hb-"
"""How the names of the heartbeat's sessions begin; the nonce follows."""
REGIONS_SESSION: Final = "regions"
"""The name of the session that reads which regions an account has enabled; it is no beat."""

CHECK_INSTALLATION: Final = "doorward-check-installation"
REACT_TO_CHANGE: Final = "doorward-react-to-change"
SWEEP_ACCOUNT: Final = "doorward-sweep-account"
REFRESH_ORGANIZATION: Final = "doorward-refresh-organization"
SEND_HEARTBEATS: Final = "doorward-send-heartbeats"
SERVE_API: Final = "doorward-serve-api"
ANSWER_SLACK: Final = "doorward-answer-slack"
ADVANCE_GRANT: Final = "doorward-advance-grant"
RECONCILE_GRANTS: Final = "doorward-reconcile-grants"
MINT_CREDENTIALS: Final = "doorward-mint-credentials"
"""The broker: of all roles it alone assumes those under GRANT_ROLE_PATH."""

ASSUMED_BY: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        READ_ROLE: frozenset(
            {
                CHECK_INSTALLATION,
                REACT_TO_CHANGE,
                SWEEP_ACCOUNT,
                REFRESH_ORGANIZATION,
                SERVE_API,
                ANSWER_SLACK,
                ADVANCE_GRANT,
                RECONCILE_GRANTS,
            }
        ),
        REMEDY_ROLE: frozenset({REACT_TO_CHANGE}),
        CUT_ROLE: frozenset({REACT_TO_CHANGE}),
        CONTAIN_ROLE: frozenset({REACT_TO_CHANGE}),
        CANARY_ROLE: frozenset({SEND_HEARTBEATS}),
        FORWARD_ROLE: frozenset(),
    }
)
"""By role of a guarded account: the hub's roles that may assume it. EventBridge assumes the forwarding role."""
ENTERING: Final = frozenset({MINT_CREDENTIALS}).union(*ASSUMED_BY.values())
"""The hub's roles that enter accounts."""
HUB_ROLES: Final = frozenset(
    {
        CHECK_INSTALLATION,
        REACT_TO_CHANGE,
        SWEEP_ACCOUNT,
        REFRESH_ORGANIZATION,
        SEND_HEARTBEATS,
        SERVE_API,
        ANSWER_SLACK,
        ADVANCE_GRANT,
        RECONCILE_GRANTS,
        MINT_CREDENTIALS,
        "doorward-authorize-token",
        "doorward-finish-started",
        "doorward-grant",
        "doorward-keep-evidence",
        "doorward-keep-token",
        "doorward-notify-people",
        "doorward-plan-sweep",
        "doorward-start-sweep",
        "doorward-sweep",
        "doorward-publish-outbox",
        "doorward-receive-slack",
        "doorward-report-findings",
        "doorward-seal-audit",
        "doorward-wake-grant",
        "doorward-watch-guard",
        "doorward-watch-session",
    }
)
"""The roles of the hub's functions; of AWS services alone Lambda assumes them."""
HUB_WRITERS: Final = HUB_ROLES - {
    "doorward-authorize-token",
    "doorward-grant",
    "doorward-plan-sweep",
    "doorward-start-sweep",
    "doorward-sweep",
}
"""Those that write to the hub's tables, queues, topic or bus: the rest only read, or start what does."""
AUDITOR: Final = "doorward-auditor"
"""In the hub account, for people, and so not under ROLE_PATH: its trust policy is judged as any other's."""
TELL_MANAGEMENT: Final = "doorward-tell-management"
"""EventBridge alone assumes it: it reaches the management account's topic by no function of ours."""
OWN_ROLES: Final = HUB_ROLES | frozenset(ASSUMED_BY) | {TELL_MANAGEMENT, CONTAIN_FUNCTION_ROLE}

RULES: Final = frozenset({"doorward-changes", "doorward-guard", "doorward-identity-center", "doorward-sessions"})
"""In every enabled region of every account."""
IAM_REGION_RULES: Final = RULES | {"doorward-organization"}
"""In every account's IAM region: a member leaves the organization by a call of its own, and policies may be delegated."""


def assumers_of(path: str, name: str) -> frozenset[str]:
    """The hub's roles that may assume a role under ROLE_PATH, by their names; empty where none may."""
    return frozenset({MINT_CREDENTIALS}) if path.startswith(GRANT_ROLE_PATH) else ASSUMED_BY.get(name, frozenset())
