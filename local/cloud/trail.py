"""Gap: MiniStack's CloudTrail tells EventBridge nothing.

Here every call to IAM, STS, Organizations, EventBridge and CloudTrail, also a denied one, becomes an event on the default bus of the
account and region it concerns, a moment later, as on AWS. One thread delivers, in the order of the calls, unless one source is set to
come later than the others: AWS takes seconds to minutes and promises no order. What it cannot deliver is logged with its traceback and
counted (`/_local/state`), never lost silently.
"""

import heapq
import itertools
import json
import logging
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import Any, Final

from ministack import app
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge

from local.cloud.trail_records import Call, Record, records_of

READ_AGAINST = {
    "ministack.app:_dispatch_service_request": "17e5ef6dcfa0",
    "ministack.app:_maybe_record_cloudtrail": "9bad8a7596f9",
    "ministack.services.eventbridge:_put_events": "ebcda0f38061",
}

LOGGED_SERVICES: Final = ("iam", "sts", "organizations", "events", "cloudtrail")
DEFAULT_DELAY_SECONDS: Final = 0.2

_log = logging.getLogger("local.cloud")


class Courier:
    """Takes records to the buses, `delay_seconds` after the call, or after the delay of their source (`aws.iam`), where one is set."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._delays_of: dict[str, float] = {}
        self._emitted = 0
        self._failed = 0
        self._last_failure: str | None = None
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Record]] = []
        self._arrived = threading.Condition()
        threading.Thread(target=self._run, name="cloudtrail", daemon=True).start()

    def set_delay(self, seconds: float, source: str | None = None) -> None:
        """For what comes from now on. Without a source: for all of them, whatever was set for one."""
        if source is None:
            self._delay_seconds = seconds
            self._delays_of.clear()
        else:
            self._delays_of[source] = seconds

    def take(self, record: Record) -> None:
        due = time.monotonic() + self._delays_of.get(record.source, self._delay_seconds)
        with self._arrived:
            heapq.heappush(self._waiting, (due, next(self._numbers), record))
            self._arrived.notify()

    def note_failure(self, what: str) -> None:
        """Count and log, from within an except block, what will not be delivered."""
        self._failed += 1
        self._last_failure = f"{what}\n{traceback.format_exc()}"
        _log.error("CLOUDTRAIL FAILED: %s", self._last_failure)

    def state(self) -> dict[str, Any]:
        return {
            "delay_seconds": self._delay_seconds,
            "delays_of": self._delays_of,
            "emitted": self._emitted,
            "waiting": len(self._waiting),
            "failed": self._failed,
            "last_failure": self._last_failure,
        }

    def _run(self) -> None:
        while True:
            record = self._next_due()
            try:
                _deliver(record)
            except Exception:  # noqa: BLE001 - the thread must outlive any record
                self.note_failure(f"{record.detail.get('eventName')} of {record.account_id} was not delivered")
            else:
                self._emitted += 1

    def _next_due(self) -> Record:
        with self._arrived:
            while not self._waiting or self._waiting[0][0] > time.monotonic():
                self._arrived.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
            return heapq.heappop(self._waiting)[2]


def _deliver(record: Record) -> None:
    entry = {"Source": record.source, "DetailType": record.detail_type, "Detail": json.dumps(record.detail)}
    with request_scope(record.account_id, record.region):
        eventbridge._ensure_default_bus()
        _status, _headers, answer = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    if json.loads(answer)["FailedEntryCount"]:
        raise RuntimeError(f"PutEvents: {answer!r}")


_courier: Courier | None = None


def courier() -> Courier:
    """Return the one courier of this process, started on first use."""
    global _courier  # noqa: PLW0603 - the emulator is one process with module-wide state
    if _courier is None:
        _courier = Courier(DEFAULT_DELAY_SECONDS)
    return _courier


def install() -> None:
    inner = app._dispatch_service_request

    async def dispatch(  # noqa: PLR0917 - the emulator's signature
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]], request_id: str
    ) -> Any:
        status, answer_headers, answer = await inner(method, path, headers, body, query, request_id)
        service = service_called(headers, body)
        if service in LOGGED_SERVICES and isinstance(answer, bytes):
            key = extract_access_key_id(headers, query) or ""
            account, region = get_account_id(), get_region()
            call = Call(service, account, region, key, dict(headers), body, request_id, status, dict(answer_headers), answer)
            try:
                for record in records_of(call, datetime.now(UTC)):
                    courier().take(record)
            except Exception:  # noqa: BLE001 - the call itself has been answered; a record that cannot be built must be seen
                courier().note_failure(f"no record of a call to {service} of {account}")
        return status, answer_headers, answer

    app._dispatch_service_request = dispatch


def service_called(headers: dict[str, str], body: bytes) -> str:
    """Return the service in the signature's scope; an unsigned call (web identity) names its action only."""
    scope = headers.get("authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
    if len(scope) >= 4:  # noqa: PLR2004 - key/date/region/service/aws4_request
        return scope[3]
    return "sts" if b"Action=AssumeRoleWith" in body else ""
