"""Gap: MiniStack's CloudTrail tells EventBridge nothing.

Here every call to IAM, STS, Organizations, EventBridge and CloudTrail, also a denied one, becomes an event on the default bus of the
account and region it concerns, a moment later, as on AWS. One thread delivers, in the order of the calls. What it cannot deliver is
logged with its traceback and counted (`/_local/state`), never lost silently. AWS takes seconds to minutes and promises no order: what is
held comes after what happened later (`Courier.hold`).
"""

import json
import logging
import queue
import threading
import time
import traceback
from collections.abc import Iterable
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

LOGGED_SERVICES: Final = ("iam", "sts", "organizations", "events", "cloudtrail", "secretsmanager")
DEFAULT_DELAY_SECONDS: Final = 0.2

_log = logging.getLogger("local.cloud")


class Courier:
    """Takes records to the buses, `delay_seconds` after the call."""

    def __init__(self, delay_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self._taken = 0
        self._done_with = 0
        self._emitted = 0
        self._failed = 0
        self._last_failure: str | None = None
        self._held_names: frozenset[str] = frozenset()
        self._held: list[Record] = []
        self._holding = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[float, Record]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="cloudtrail", daemon=True).start()

    def take(self, record: Record) -> None:
        with self._holding:
            self._taken += 1
        self._waiting.put((time.monotonic() + self.delay_seconds, record))

    def hold(self, event_names: Iterable[str]) -> None:
        """Keep events of these names back from now on; send, in their order, those kept back that are not among them."""
        with self._holding:
            self._held_names = frozenset(event_names)
            released = [each for each in self._held if each.detail["eventName"] not in self._held_names]
            self._held = [each for each in self._held if each.detail["eventName"] in self._held_names]
        for each in released:
            self.take(each)

    def note_failure(self, what: str) -> None:
        """Count and log, from within an except block, what will not be delivered."""
        self._failed += 1
        self._last_failure = f"{what}\n{traceback.format_exc()}"
        _log.error("CLOUDTRAIL FAILED: %s", self._last_failure)

    def state(self) -> dict[str, Any]:
        return {
            "delay_seconds": self.delay_seconds,
            "emitted": self._emitted,
            "waiting": self._taken - self._done_with,  # the one that is under way is in no queue any more
            "held": len(self._held),
            "failed": self._failed,
            "last_failure": self._last_failure,
        }

    def _run(self) -> None:
        while True:
            due, record = self._waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not self._is_held(record):
                self._deliver(record)
            self._done_with += 1

    def _deliver(self, record: Record) -> None:
        try:
            _deliver(record)
        except Exception:  # noqa: BLE001 - the thread must outlive any record
            self.note_failure(f"{record.detail.get('eventName')} of {record.account_id} was not delivered")
        else:
            self._emitted += 1

    def _is_held(self, record: Record) -> bool:
        with self._holding:
            held = record.detail["eventName"] in self._held_names
            if held:
                self._held.append(record)
            return held


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
