"""An event about a grant, as people read it; and the letter to whoever asked for it."""

from collections.abc import Mapping
from copy import replace
from typing import Any, Final

from doorward.decisions.model import GRANT
from doorward.findings.escaping import as_text
from doorward.findings.runbooks import runbook_of
from doorward.grants.wording import Json, headline, is_shown_whole, letter, what_came, whole
from doorward.ports.announcing import Choice, Message

REVOKE: Final = "revoke"


def compose_grant(announcement_id: str, detail_type: str, detail: Mapping[str, Any], grant: Json) -> Message:
    """`grant`: the one in the detail."""
    line, grant_id, runbook = headline(detail_type, grant), grant.get("grant_id"), runbook_of(detail_type, detail)
    shown = [each for paragraph in whole(grant) for each in paragraph] if is_shown_whole(detail_type, grant) else []
    came = [f"Decide: doorward grants approve {grant_id}, or refuse {grant_id}"] if "grant" in detail else what_came(detail_type, grant)
    return Message(
        announcement_id=announcement_id,
        detail_type=detail_type,
        detail=detail,
        headline=line,
        subject=f"Doorward [{grant.get('risk')}] {line}",
        text=as_text([line, *shown, *came, f"Grant: {grant_id}", f"Runbook: {runbook}"]),
        runbook=runbook,
        choices=_choices(detail_type, detail, grant),
    )


def write_to_requester(message: Message, grant: Json) -> Message:
    """`message` as composed for everybody."""
    paragraphs = letter(message.detail_type, grant)
    return replace(
        message,
        subject=f"Doorward: {message.headline}",
        text=as_text([line for each in paragraphs for line in each]),
        letter=paragraphs,
    )


def _choices(detail_type: str, detail: Mapping[str, Any], grant: Json) -> tuple[Choice, ...]:
    """What is asked about can be approved, and what stands be taken back. Which grant it is says what becomes of that: none has another."""
    grant_id = str(grant.get("grant_id"))
    if detail_type == "DecisionAwaited" and detail.get("state") == "open":
        return (Choice(GRANT, grant_id, str(grant.get("shown"))),)
    waits = detail_type == "GrantApproved" and grant.get("wanted_start")
    return (Choice(REVOKE, grant_id, ""),) if detail_type == "GrantStarted" or waits else ()
