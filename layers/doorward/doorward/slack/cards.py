"""An event of ours as a Slack message. All text from events is escaped here; see findings/escaping.py.

Block Kit: https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Mapping
from typing import Any, Final

from doorward.decisions.actions import ACTIONS, actions_about
from doorward.findings.escaping import for_slack
from doorward.findings.wording import closed_by, how_to_decide, witness_in_words
from doorward.grants.wording import grant_in
from doorward.ports.announcing import Choice, Message
from doorward.slack.grant_cards import grant_blocks
from doorward.slack.texts import SIGNS, plain, section

_MOST_FINDINGS = 5
LABELS: Final[Mapping[str, str]] = {
    "apply": "Apply the remedy",
    "refuse": "Refuse",
    "waive": "Waive",
    "dismiss": "Dismiss",
    "undo": "Undo the remedy",
    "hold": "Hold the role",
    "approve": "Approve",
    "refuse-grant": "Refuse",
    "revoke": "Revoke",
}
"""What is written on the button of each action, and on the one that submits its form."""
_STYLES: Final = {"apply": "primary", "refuse": "danger", "approve": "primary", "refuse-grant": "danger", "revoke": "danger"}
_ASKED_ONCE_MORE: Final = {
    "apply": "You say yes to exactly what is shown here. It is written at once, if what stands is still the same.",
    "approve": "You say yes to exactly what is shown here: who, what, for how long and why. Whoever asked is told at once.",
}
"""Before one click says it."""


def render_card(message: Message) -> dict[str, Any]:
    """`text` (for notifications and screen readers) and `blocks`."""
    detail = message.detail
    if message.letter:
        return {"text": for_slack(message.subject), "blocks": [section([for_slack(line) for line in each]) for each in message.letter]}
    grant = grant_in(detail)
    if grant is not None:
        blocks = grant_blocks(message, grant)
        return {"text": for_slack(message.subject), "blocks": [*blocks, *_last_section(message), *_what_people_do(message)]}
    if "title" in detail:
        return _alert_card(message)
    account = detail.get("account") or {}
    actor = detail.get("actor") or {}
    event = detail.get("event") or {}
    sign = SIGNS.get(str(detail.get("severity")), ":white_circle:")
    where = str(detail.get("role_ref") or f"account {account.get('id')}")
    place = str(account.get("name") or account.get("id"))
    blocks = [section([f"{sign} *{for_slack(message.headline)}*", f"{for_slack(where)} in {for_slack(place)}"])]
    findings = [*detail.get("findings", []), *detail.get("undecidable", [])]
    blocks += [section(_finding_lines(each)) for each in findings[:_MOST_FINDINGS]]
    if len(findings) > _MOST_FINDINGS:
        blocks.append(section([f"… and {len(findings) - _MOST_FINDINGS} more"]))
    who, when = str(actor.get("arn") or actor.get("kind")), str(event.get("time")).replace("T", " ").removesuffix("+00:00") + " UTC"
    changed = f"Changed by {for_slack(who)} ({for_slack(str(event.get('name')))}, {for_slack(when)})"
    used = [for_slack(str(detail["use"]))] if detail.get("use") else []
    blocks.append(section([changed, for_slack(_what_we_do(detail)), *used]))
    # No code block: its fence could be closed from inside. The @@ lines of a diff say nothing to people.
    diff = [for_slack(line) for line in detail.get("diff", []) if not line.startswith("@@")]
    if diff:
        blocks.append(section(diff))
    if detail.get("proposal"):
        proposed = [for_slack(line) for line in detail["proposal"]["diff"] if not line.startswith("@@")]
        blocks.append(section([for_slack(how_to_decide(detail)), *proposed]))
    return {"text": for_slack(message.subject), "blocks": [*blocks, *_last_section(message), *_what_people_do(message)]}


def _what_people_do(message: Message) -> list[dict[str, Any]]:
    """What came of what was to be decided, and buttons for the rest.

    Of a button nothing is believed but which object it is about, and what was shown of it.
    """
    came = [for_slack(each) for each in dict.fromkeys(message.outcomes.values())]
    left = (each for each in message.choices if each.what not in message.outcomes)
    buttons = [_button(name, choice) for choice in left for name in actions_about(choice.what)]
    actions = [{"type": "actions", "block_id": "decisions", "elements": buttons}] if buttons else []
    return [*([section(came)] if came else []), *actions]


def _button(name: str, choice: Choice) -> dict[str, Any]:
    """https://docs.slack.dev/reference/block-kit/block-elements/button-element."""
    button = {"type": "button", "action_id": name, "text": plain(LABELS[name]), "value": f"{choice.about}/{choice.shown}"}
    if name in _STYLES:
        button["style"] = _STYLES[name]
    if not ACTIONS[name].asks:  # a form asks by itself
        text = plain(_ASKED_ONCE_MORE[name])
        button["confirm"] = {"title": plain(LABELS[name]), "text": text, "confirm": plain("Yes"), "deny": plain("Cancel")}
    return button


def _alert_card(message: Message) -> dict[str, Any]:
    detail = message.detail
    account = detail.get("account") or {}
    sign = SIGNS.get(str(detail.get("severity")), ":white_circle:")
    where = str(detail.get("role") or account.get("name") or account.get("id"))
    label = f"{detail.get('severity')} {detail.get('detection') or detail.get('what')}"
    blocks = [
        section([f"{sign} *{for_slack(message.headline)}*", for_slack(where)]),
        section([f"*{for_slack(label)}*: {for_slack(str(detail.get('because')))}"]),
        section([for_slack(str(detail.get("what_to_do")))]),
    ]
    return {"text": for_slack(message.subject), "blocks": [*blocks, *_last_section(message)]}


def _last_section(message: Message) -> list[dict[str, Any]]:
    runbook = [f"Runbook: {message.runbook}"] if message.runbook else []
    lines = [for_slack(line) for line in (*message.notes, *runbook)]
    return [section(lines)] if lines else []


def _finding_lines(finding: Mapping[str, Any]) -> list[str]:
    label = f"{finding.get('severity', 'undecided')} {finding.get('rule')}"
    lines = [f"*{for_slack(label)}*: {for_slack(str(finding.get('because')))}"]
    if finding.get("witness"):
        lines.append(f"Proof: {for_slack(witness_in_words(finding['witness']))}")
    return lines


def _what_we_do(detail: Mapping[str, Any]) -> str:
    remedy = detail.get("remedy")
    if remedy and not detail.get("undone"):
        kind = str(remedy.get("kind"))
        sessions = (detail.get("sessions") or {}).get("because")
        done = f"Done by Doorward: {closed_by(kind)} ({kind}), written {detail.get('seconds')} s after the event."
        return f"{done} {sessions}" if sessions else done
    return str(detail.get("because", ""))
