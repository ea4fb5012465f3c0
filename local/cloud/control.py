"""`/_local/state`: what the additions to the emulator have done, and what about them can be set while it runs.

GET answers the state; POST sets what it names, and answers the state: `{"cloudtrail_delay_seconds": 0}`, the delay of CloudTrail's events;
`{"cloudtrail_holds": ["CreateRole"]}`, the names of events that are kept back until they are not among them any more;
`{"failures": [{"call": "GetRole", "about": "a-role", "fate": "throttled"}]}`, calls of Doorward's that fail (`failures`).
`/_local/calls`: what the roles of Doorward have asked for (`calls`).
"""

import json
from typing import Any, Final

from ministack import app

from local.cloud import calls, failures, observations
from local.cloud.trail import courier

READ_AGAINST = {"ministack.app:_handle_pre_body_request": "827a7ae1d526", "ministack.app:_handle_post_body_shortcuts": "950ae5cb53a4"}

PATH: Final = "/_local/state"
CALLS_PATH: Final = "/_local/calls"


def install() -> None:
    inner = app._handle_post_body_shortcuts

    async def handle(  # noqa: PLR0917 - the emulator's signature
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]], request_id: str
    ) -> Any:
        if path == CALLS_PATH:
            return 200, {"Content-Type": "application/json"}, json.dumps(calls.every()).encode()
        if path != PATH:
            return await inner(method, path, headers, body, query, request_id)
        if method == "POST":
            settings = json.loads(body or b"{}")
            courier().delay_seconds = float(settings.get("cloudtrail_delay_seconds", courier().delay_seconds))
            if "cloudtrail_holds" in settings:
                courier().hold(settings["cloudtrail_holds"])
            if "failures" in settings:
                failures.set_to(settings["failures"])
        state = {"cloudtrail": courier().state(), "failures": failures.state(), **observations.snapshot()}
        return 200, {"Content-Type": "application/json"}, json.dumps(state).encode()

    app._handle_post_body_shortcuts = handle
