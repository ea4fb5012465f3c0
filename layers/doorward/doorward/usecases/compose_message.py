"""An event of ours, as people read it in a mail; its raw parts for the channels that show it otherwise."""

from collections.abc import Mapping
from typing import Any

from doorward.findings.escaping import as_text
from doorward.findings.runbooks import runbook_of
from doorward.findings.wording import closed_by, how_to_decide, witness_in_words
from doorward.grants.wording import grant_in
from doorward.ports.announcing import Message
from doorward.usecases.compose_grant import compose_grant
from doorward.usecases.decide_finding import choices_of
from doorward.usecases.own_events import parse_own_event

_HEADLINES = {
    "TrustViolationFound": "a trust policy breaks a guardrail",
    "TrustPolicyUndecidable": "a trust policy could not be judged",
    "TrustAccessGivenBack": "what a role had lost is given back",
    "TrustViolationEnded": "a violation is over",
    "TrustRemedyFailed": "a hole could NOT be closed",
    "TrustRemedyUndone": "people had a remedy undone, for a while",
    "TrustChangeUnread": "a changed role could not be read",
}


def compose_message(envelope: str) -> Message:
    """What everybody reads of one of our own bus events (EventBridge envelope, JSON text). Raises MalformedInput for what is none."""
    event = parse_own_event(envelope)
    return compose_announced(event.announcement_id, event.detail_type, event.detail)


def compose_announced(announcement_id: str, detail_type: str, detail: Mapping[str, Any]) -> Message:
    """The same of an announcement as the outbox has it."""
    grant = grant_in(detail)
    if grant is not None:
        return compose_grant(announcement_id, detail_type, detail, grant)
    is_alert = "title" in detail  # of a session, of Doorward itself, of what people decide
    headline = str(detail.get("title")) if is_alert else _HEADLINES.get(detail_type, "something happened")
    if detail_type == "TrustPolicyReverted":
        headline = f"a trust policy was {closed_by(str((detail.get('remedy') or {}).get('kind')))}"
    if detail.get("door_open"):
        headline = f"DOOR OPEN: {headline}"
    where = detail.get("role") if is_alert else detail.get("role_ref")
    where = where or f"account {detail.get('account', {}).get('id')}"
    severity = str(detail.get("severity", ""))
    lines = (_alert_lines if is_alert else _lines)(headline, where, detail)
    runbook = runbook_of(detail_type, detail)
    return Message(
        announcement_id=announcement_id,
        detail_type=detail_type,
        detail=detail,
        headline=headline,
        subject=f"Doorward [{severity}] {headline}: {where}",
        text=as_text([*lines, f"Runbook: {runbook}"]),
        runbook=runbook,
        choices=choices_of(detail_type, detail),
    )


def _lines(headline: str, where: str, detail: Mapping[str, Any]) -> list[str]:
    account = detail.get("account") or {}
    actor = detail.get("actor") or {}
    event = detail.get("event") or {}
    lines = [
        f"{headline}: {where}",
        f"Account: {account.get('name') or 'unknown'} ({account.get('id')})",
        f"Severity: {detail.get('severity')}   Mode: {detail.get('mode', '-')}",
    ]
    for each in detail.get("findings", []):
        lines.append(f"- {each.get('severity')} {each.get('rule')}: {each.get('because')}")
        if each.get("witness"):
            lines.append(f"  Proof: {witness_in_words(each['witness'])}")
    lines += [f"- undecided {each.get('rule')}: {each.get('because')}" for each in detail.get("undecidable", [])]
    lines += [
        f"Changed by: {actor.get('arn') or actor.get('kind')} ({event.get('name')} at {event.get('time')})",
        f"What Doorward does: {detail.get('because')}",
    ]
    if detail.get("remedy"):
        lines.append(f"Remedy: {detail['remedy'].get('kind')}, written {detail.get('seconds')} s after the event")
    if detail.get("sessions"):
        lines.append(f"Sessions: {detail['sessions'].get('because')}")
    if detail.get("diff"):
        lines += ["Change:", *detail["diff"]]
    if detail.get("use"):
        lines.append(str(detail["use"]))
    if detail.get("proposal"):
        lines += [how_to_decide(detail), *detail["proposal"]["diff"]]
    lines.append(f"Finding: {detail.get('finding_id', '-')}   Guardrails: {str(detail.get('guardrails_hash', ''))[:12]}")
    return lines


def _kind(detail: Mapping[str, Any]) -> str:
    return f"Detection: {detail['detection']}" if "detection" in detail else f"To decide: {detail.get('what')}"


def _alert_lines(headline: str, where: str, detail: Mapping[str, Any]) -> list[str]:
    account = detail.get("account") or {}
    lines = [
        f"{headline}: {where}",
        f"Account: {account.get('name') or 'unknown'} ({account.get('id')})",
        f"Severity: {detail.get('severity')}   {_kind(detail)}",
        str(detail.get("because")),
        f"What to do: {detail.get('what_to_do')}",
    ]
    lines += [f"Event: {each.get('name')} at {each.get('time')} ({each.get('id')})" for each in detail.get("events", [])]
    lines.append(f"Finding: {detail.get('finding_id') or detail.get('about', '-')}")
    return lines
