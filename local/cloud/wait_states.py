"""Gap: a Wait state whose path leads to no seconds and to no time does not wait, and its execution goes on.

On AWS it fails with States.Runtime: the value must be a whole number from 0 to 99,999,999, or an RFC 3339 time with an offset
(https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html). The emulator itself refuses wrong expressions (JSONata).
"""

import json
from datetime import datetime
from typing import Any, Final

from ministack.services import stepfunctions as sfn

READ_AGAINST = {
    "ministack.services.stepfunctions:_execute_wait": "a1012679c72d",
    "ministack.services.stepfunctions:_sleep_until": "2738e0a4030c",
}

_LONGEST_SECONDS: Final = 99_999_999


def install() -> None:
    inner = sfn._execute_wait

    def execute_wait(state: dict[str, Any], raw_input: Any, ctx: dict[str, Any] | None = None) -> Any:
        if sfn._state_query_language(state, ctx) != "JSONata":
            state = _with_values(state, sfn._apply_input_path(state, raw_input, ctx), ctx)
        return inner(state, raw_input, ctx)

    sfn._execute_wait = execute_wait


def _with_values(state: dict[str, Any], effective: Any, ctx: dict[str, Any] | None) -> dict[str, Any]:
    """Replace the path in a Wait state by what it leads to."""
    known = dict(state)
    for field, is_right in (("Seconds", _are_seconds), ("Timestamp", _is_time)):
        path = known.pop(f"{field}Path", None)
        if path is not None:
            known[field] = sfn._resolve_path_or_ctx(path, effective, ctx)
        if field in known and not is_right(known[field]):
            raise sfn._ExecutionError("States.Runtime", f"{field} of a Wait state cannot be {json.dumps(known[field])}")
    return known


def _are_seconds(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LONGEST_SECONDS


def _is_time(value: Any) -> bool:
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
