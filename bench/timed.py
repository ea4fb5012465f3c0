"""Put before a function's handler by bench/issuing.py: of each call, how long it took in all, and without what it waited for others.

What it waits for is every HTTP call of the SDK: AWS's own time, here the emulator's, and of serve_api the broker's. One line a call is
written to the file that TIMED names: two numbers, seconds.
"""

import os
import time
from typing import Any

from botocore.httpsession import URLLib3Session

_waited = 0.0
_send = URLLib3Session.send


def _timed(self: URLLib3Session, request: Any) -> Any:
    global _waited  # noqa: PLW0603 - an execution environment has one call at a time
    began = time.perf_counter()
    try:
        return _send(self, request)
    finally:
        _waited += time.perf_counter() - began


URLLib3Session.send = _timed  # type: ignore[method-assign]

from handler import handler as _handler  # type: ignore[import-not-found]  # noqa: E402 - the function's own, once its calls are timed


def handler(event: Any, context: Any) -> Any:
    global _waited
    _waited, began = 0.0, time.perf_counter()
    try:
        return _handler(event, context)
    finally:
        took = time.perf_counter() - began
        with open(os.environ["TIMED"], "a", encoding="ascii") as file:  # noqa: PTH123 - as little as can be beside what is measured
            file.write(f"{took} {took - _waited}\n")
