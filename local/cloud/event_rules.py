"""Gap: rules in state `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` never fire, and read-only management events reach every rule.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html: plain `ENABLED` matches all but read-only
management events (AWS's pages disagree on AssumeRole; the narrower reading is taken, so that what works here works there).
"""

import json
import logging
from typing import Any, Final

from ministack.services import eventbridge

READ_AGAINST = {"ministack.services.eventbridge:_dispatch_event": "d1bfe064f602"}

ALL_MANAGEMENT_EVENTS: Final = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


def install() -> None:
    eventbridge._dispatch_event = dispatch


def dispatch(event: dict[str, Any], view: Any = None) -> None:
    """Deliver an event of the current account's bus to the targets of the rules that match it."""
    bus, came_by = event.get("EventBusName", "default"), set(event.get("_DispatchPath") or [])
    states = (ALL_MANAGEMENT_EVENTS,) if is_read_only(event) else ("ENABLED", ALL_MANAGEMENT_EVENTS)
    view = view or eventbridge._pattern_event_view(event)
    for key, rule in eventbridge._rules.items():
        if rule.get("EventBusName", "default") != bus or rule.get("State") not in states or not rule.get("EventPattern"):
            continue
        if not eventbridge._matches_pattern_view(rule["EventPattern"], view, f"rule {key}"):
            continue
        if key in came_by:
            logging.getLogger("events").warning("rule %s would dispatch to itself again", key)
            continue
        for target in list(eventbridge._targets.get(key, [])):
            eventbridge._invoke_target(target, event, rule, view)


def is_read_only(event: dict[str, Any]) -> bool:
    """Whether this is a read-only management event from CloudTrail."""
    if not str(event.get("Source", "")).startswith("aws.") or not str(event.get("DetailType", "")).endswith("via CloudTrail"):
        return False
    try:
        detail = json.loads(event.get("Detail") or "{}")
    except ValueError:
        return False
    return isinstance(detail, dict) and detail.get("managementEvent") is True and detail.get("readOnly") is True
