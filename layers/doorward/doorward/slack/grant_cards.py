"""A grant in Slack: all that whoever decides says yes to, or what became of it."""

from typing import Any

from doorward.findings.escaping import for_slack
from doorward.grants.wording import (
    Json,
    by_which_rules,
    is_shown_whole,
    scope_as_statements,
    scope_in_words,
    what_came,
    who_and_what,
    why,
)
from doorward.ports.announcing import Message
from doorward.slack.texts import SIGNS, section, whole


def grant_blocks(message: Message, grant: Json) -> list[dict[str, Any]]:
    """What people say yes to is shown whole, however long it is; and so that it can be copied where it is not prose."""
    sign = SIGNS.get(str(grant.get("risk")), ":white_circle:")
    head = section([f"{sign} *{for_slack(message.headline)}*"])
    so_far = what_came(message.detail_type, grant) if "grant" not in message.detail else [str(message.detail.get("because") or "")]
    so_far = [each for each in so_far if each]
    if not is_shown_whole(message.detail_type, grant):
        return [head, *whole([*so_far, f"Grant {grant.get('grant_id')}."])]
    return [
        head,
        *whole([*so_far, *who_and_what(grant)]),
        *whole(why(grant)),
        *whole(scope_in_words(grant), copied=True),
        *whole(scope_as_statements(grant), copied=True),
        *whole(by_which_rules(grant), copied=True),
    ]
