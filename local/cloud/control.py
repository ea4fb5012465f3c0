"""`/_local/state`: what the additions to the emulator have done, and the one thing about them that can be set while it runs.

GET answers the state; POST `{"cloudtrail_delay_seconds": 0}` sets the delay of CloudTrail's events and answers the state; with
`"source": "aws.iam"` only that of the events of this source.
"""

import json
from typing import Any, Final

from ministack import app

from local.cloud import observations
from local.cloud.trail import courier

READ_AGAINST = {"ministack.app:_handle_pre_body_request": "827a7ae1d526", "ministack.app:_handle_post_body_shortcuts": "950ae5cb53a4"}

PATH: Final = "/_local/state"


def install() -> None:
    inner = app._handle_post_body_shortcuts

    async def handle(  # noqa: PLR0917 - the emulator's signature
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]], request_id: str
    ) -> Any:
        if path != PATH:
            return await inner(method, path, headers, body, query, request_id)
        if method == "POST":
            asked = json.loads(body)
            courier().set_delay(float(asked["cloudtrail_delay_seconds"]), asked.get("source"))
        state = {"cloudtrail": courier().state(), **observations.snapshot()}
        return 200, {"Content-Type": "application/json"}, json.dumps(state).encode()

    app._handle_post_body_shortcuts = handle
