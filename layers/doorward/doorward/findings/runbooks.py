"""Which page of docs/runbooks says what to do about what people are told. Tests hold the pages to this table."""

from collections.abc import Mapping
from typing import Any, Final

_FOLDER: Final = "docs/runbooks"
PAGES: Final = {
    "stranger-may-come-in": ("world-assumable", "external-account", "outside-organization"),
    "vendor-door": ("vendor-without-external-id", "weak-external-id", "whole-vendor-account"),
    "token-too-wide": ("oidc-unscoped-subject", "oidc-unscoped-audience", "oidc-pull-request", "cluster-any-service-account"),
    "cognito": ("cognito-unscoped-pool", "cognito-guest"),
    "saml": ("saml-unscoped-audience", "saml-any-user", "provider-of-another-account"),
    "certificates": ("roles-anywhere-any-anchor",),
    "service-as-deputy": ("service-foreign-source", "service-confused-deputy"),
    "powerful-role": ("privileged-outsider", "whole-own-account", "missing-boundary", "long-session"),
    "untidy-policy": (
        "action-wildcard",
        "dangling-principal",
        "literal-wildcard",
        "constant-condition",
        "unusable-action",
        "mixed-callers",
    ),
    "waivers": ("waiver-expired", "waiver-unused", "TrustRemedyUndone"),
    "somebody-came-in": ("external-caller", "opened-door-used", "vendor-session-without-external-id"),
    "break-glass": ("break-glass-used",),
    "doorward-role-used": ("doorward-role-used",),
    "hidden-change": ("omitted-parameters",),
    "provider-changed": ("provider-changed",),
    "identity-suspended": ("identity-suspended",),
    "slack-suspended": ("slack-suspended",),
    "slack-linked": ("slack-linked",),
    "role-recreated": ("role-recreated",),
    "guard-tampered": ("guard-tampered", "grant-role-drift"),
    "silent-account": ("heartbeat-missed", "account-unreadable", "TrustChangeUnread"),
    "starved": ("guard-starved",),
    "account-came-or-went": ("account-joined", "account-left", "account-moved", "account-renamed", "leaving-attempted"),
    "organization-changed": (
        "management-account-changed",
        "organization-policies-disabled",
        "organization-policy-changed",
        "organization-resource-policy-changed",
        "delegated-administrator-changed",
        "trusted-access-changed",
        "root-access-changed",
    ),
    "identity-center": ("identity-center-access-changed", "identity-center-issuer-changed"),
    "other-ways-in": ("delegation-accepted", "outbound-federation-changed", "token-settings-changed"),
    "reverted": ("TrustPolicyReverted", "TrustAccessGivenBack", "TrustRemedyVerified", "TrustViolationEnded"),
    "door-open": ("TrustRemedyFailed",),
    "undecidable": ("TrustPolicyUndecidable",),
    "asked": ("asked", "DecisionAwaited", "DecisionMade", "DecisionCarriedOut", "DecisionWithdrawn", "DecisionExpired"),
    "grants": (
        "asked-for-a-grant",
        "GrantApproved",
        "GrantStarted",
        "GrantEnded",
        "GrantRefused",
        "GrantExpired",
        "GrantCancelled",
        "GrantRevoked",
        "GrantEndFailed",
    ),
    "breaker": ("remedy-ping-pong", "remedy-storm", "author-contained"),
    "kill-switch": ("kill-switch",),
    "session-cut": ("session-cut", "window-sessions"),
}
"""By page: ids of rules and detections, detail types of events, and outcomes of the reaction."""

_BY_ID: Final = {each: f"{_FOLDER}/{page}.md" for page, ids in PAGES.items() for each in ids}
_SEVERITIES: Final = ("critical", "high", "medium", "low", "info")


def runbook_of(detail_type: str, detail: Mapping[str, Any]) -> str:
    """The page for one event on our bus: by what was done, where that is what matters, else by the worst that was found."""
    ids = [str(detail.get("detection")), *(["TrustRemedyFailed"] if detail.get("door_open") else [])]
    ids += ["asked-for-a-grant"] if detail.get("what") == "grant" else []
    ids.append(detail_type)
    if detail.get("action") == "ask":
        ids.append("asked")
    ids += [str(each.get("rule")) for each in sorted(detail.get("findings") or [], key=_rank)]
    return next((_BY_ID[each] for each in ids if each in _BY_ID), f"{_FOLDER}/README.md")


def _rank(finding: Mapping[str, Any]) -> int:
    severity = finding.get("severity")
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
