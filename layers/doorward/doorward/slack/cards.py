"""An event of ours as a Slack message. All text from events is escaped here; see findings/escaping.py.

Block Kit: https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Mapping
from typing import Any

from doorward.findings.escaping import for_slack
from doorward.ports.announcing import Message

# https://docs.slack.dev/reference/block-kit/blocks/section-block: 3000 characters; the escaped text may be longer than the raw one.
_LONGEST_SECTION = 2900
_MOST_FINDINGS = 5
_SIGNS = {"critical": ":red_circle:", "high": ":large_orange_circle:", "medium": ":large_yellow_circle:"}


def render_card(message: Message) -> dict[str, Any]:
    """`text` (for notifications and screen readers) and `blocks`."""
    detail = message.detail
    account = detail.get("account") or {}
    actor = detail.get("actor") or {}
    event = detail.get("event") or {}
    severity = str(detail.get("severity", ""))
    where = detail.get("role_ref") or f"account {account.get('id')}"
    sign, place = _SIGNS.get(severity, ":white_circle:"), str(account.get("name") or account.get("id"))
    title = f"{sign} *{for_slack(message.headline)}*\n{for_slack(str(where))} in {for_slack(place)}"
    blocks = [_section(title)]
    findings = [*detail.get("findings", []), *detail.get("undecidable", [])]
    for each in findings[:_MOST_FINDINGS]:
        label = f"{each['severity']} " if each.get("severity") else "undecided "
        blocks.append(_section(f"*{for_slack(label + str(each.get('rule')))}*: {for_slack(str(each.get('because')))}"))
    if len(findings) > _MOST_FINDINGS:
        blocks.append(_section(f"… and {len(findings) - _MOST_FINDINGS} more"))
    blocks.append(
        _section(
            f"Changed by {for_slack(str(actor.get('arn') or actor.get('kind')))}"
            f" ({for_slack(str(event.get('name')))} at {for_slack(str(event.get('time')))})\n{for_slack(_what_we_do(detail))}"
        )
    )
    if detail.get("diff"):
        # No code block: its fence could be closed from inside.
        blocks.append(_section("\n".join(for_slack(line) for line in detail["diff"])))
    return {"text": for_slack(message.subject), "blocks": blocks}


def _what_we_do(detail: Mapping[str, Any]) -> str:
    remedy = detail.get("remedy")
    if remedy:
        return f"Put back by Doorward ({remedy.get('kind')}), verified {detail.get('seconds')} s after the event."
    return str(detail.get("because", ""))


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_LONGEST_SECTION]}}
