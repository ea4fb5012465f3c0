"""How many changes a second the local stack keeps up with, and how long an opened role then stands open: real functions, queues and rules.

Every fourth change opens a role to a stranger, the others break nothing. First they come all at once, which shows how many are worked off
in a second. Then they come at a steady rate below that, and below that again, until the queue does not grow. Timed is from the answer of
IAM to whoever opened the role until the step `written` of its case, by the clock of this machine.

By wall clock, on every core: the emulator, the functions and whoever makes the changes share them. It takes up to four minutes, so that
`make bench` leaves it out: `make bench ROWS=stack_rate`.
"""

import json
import os
import time
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from bench.runner import Extent, Row, at, every_core, say
from doorward.guardrails.brakes import BUDGET, MOST_WRITES
from local.installation import Installation, People, found_delivery_pipeline, install, new_user, trusting
from local.slack import SlackSink
from local.stack import Stack
from local.world import HUB, PROD, SHARED_SERVICES, STRANGER

_ROLES: Final = 53
"""Prime: each role has its turn to be opened."""
_AUTHORS: Final = 8
_BAD_EVERY: Final = 4
_BURST: Final = 40
_STEADY: Final = 120
"""At one rate, or as many as come in `_SECONDS`."""
_SECONDS: Final = 40
_BELOW: Final = 0.8
"""Each rate is this part of the one before."""
_TRIES: Final = 3
_QUIET_WITHIN: Final = 3.0
"""Seconds after the last change: a queue that takes longer had grown."""
_PATIENCE: Final = 120.0
_LOOK: Final = 0.1
_BEHIND: Final = ("NotifyQueue", "EvidenceQueue", "ReportQueue", "HintQueue", "SessionQueue", "GuardQueue")
"""What follows a reaction: told people, kept evidence, and so on."""
_GOOD: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch")
_BETTER: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/ci/deployer")
_OPEN: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch", f"arn:aws:iam::{STRANGER.id}:root")

_MOST_OPENED: Final = -(-(_BURST + _TRIES * _STEADY) // _BAD_EVERY)
if _MOST_OPENED > _AUTHORS * (BUDGET - 1) or _MOST_OPENED > _ROLES * (MOST_WRITES - 1):
    raise ValueError("an author's budget or a role's breaker would keep from writing, and that would be measured")


def measure(extent: Extent) -> list[Row]:
    del extent  # a stack has one size
    with every_core(), Stack(cloudtrail_delay_seconds=0.05) as stack, SlackSink() as slack:
        return _Rate(install(stack, slack, say)).measured()


class _Rate:
    def __init__(self, doorward: Installation) -> None:
        self._doorward = doorward
        self._stack = doorward.stack
        found_delivery_pipeline(self._stack)
        self._pipeline = People(self._stack, PROD).pipeline()
        keys = [new_user(self._stack, PROD, f"author-{number}", "iam:*") for number in range(_AUTHORS)]
        self._authors: list[Any] = [self._stack.client("iam", PROD.id, **each) for each in keys]
        self._numbers = count()
        self._opened: dict[str, datetime] = {}

    def measured(self) -> list[Row]:
        for number in range(_ROLES):
            say(f"role {number + 1} of {_ROLES}")
            self._pipeline.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=json.dumps(_GOOD))
        self._quiet("ChangeQueue", *_BEHIND)
        began = time.monotonic()
        self._change(_BURST)
        self._quiet("ChangeQueue")
        burst = rate = _BURST / (time.monotonic() - began)
        say("")
        print(f"  {_BURST} changes at once: {burst:.1f}/s", flush=True)
        for _ in range(_TRIES):
            self._quiet(*_BEHIND)
            self._opened.clear()
            changes = min(_STEADY, int(rate * _BELOW * _SECONDS))
            rate, late = self._steady(changes, rate * _BELOW)
            say("")
            print(f"  {changes} changes at {rate:.1f}/s: the queue was empty {late:.1f} s after the last", flush=True)
            if late <= _QUIET_WITHIN:
                break
        else:
            raise SystemExit(f"bench: not even {rate:.1f} changes a second were kept up with")
        ended = time.monotonic()
        self._quiet(*_BEHIND)
        waits = self._waits()
        note = f"the queue was empty {late:.1f} s after the last, all that follows {late + time.monotonic() - ended:.1f} s"
        return [
            Row("local stack: changes worked off that come all at once", burst, "1/s", note=f"{_BURST}, every fourth opens a role"),
            Row("  changes that it keeps up with", rate, "1/s", note=f"{changes}; {note}; load average {os.getloadavg()[0]:.1f}"),
            Row("  from the change to the written remedy, median", 1000 * at(waits, 0.5), "ms", note=f"{len(waits)} roles opened"),
            Row("  the same, p95", 1000 * at(waits, 0.95), "ms"),
            Row("  the same, the longest", 1000 * waits[-1], "ms"),
        ]

    def _steady(self, changes: int, rate: float) -> tuple[float, float]:
        """The rate that they came at, and how many seconds after the last one the queue was empty."""
        began = time.monotonic()
        for turn in range(changes):
            time.sleep(max(0.0, began + turn / rate - time.monotonic()))
            say(f"change {turn + 1} of {changes} at {rate:.1f}/s")
            self._change()
        ended = time.monotonic()
        self._quiet("ChangeQueue")
        return changes / (ended - began), time.monotonic() - ended

    def _change(self, times: int = 1) -> None:
        for number in (next(self._numbers) for _ in range(times)):
            name, author = f"role-{number % _ROLES}", self._authors[number // _BAD_EVERY % _AUTHORS]
            is_bad = number % _BAD_EVERY == _BAD_EVERY - 1
            document = _OPEN if is_bad else (_BETTER, _GOOD)[number // _ROLES % 2]
            author.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(document))
            if is_bad:
                self._opened[name] = datetime.now(UTC)

    def _quiet(self, *queues: str) -> None:
        sqs, urls = self._stack.client("sqs", HUB.id), [self._doorward.physical_id(each) for each in queues]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def is_empty() -> bool:
            time.sleep(_LOOK)  # every look takes from what is measured
            if self._stack.state()["cloudtrail"]["waiting"]:
                return False
            waiting = [sqs.get_queue_attributes(QueueUrl=each, AttributeNames=names)["Attributes"] for each in urls]
            return all(each[name] == "0" for each in waiting for name in names)

        self._stack.until(is_empty, f"{', '.join(queues)} to be empty", seconds=_PATIENCE)

    def _waits(self) -> list[float]:
        """Seconds that each role stood open that was opened last, the shortest first. One that was not closed ends the bench."""
        cases = sorted((each for each in self._doorward.ledger() if each["sk"].startswith("CASE#")), key=lambda each: each["opened_at"])
        last = {each["pk"]: json.loads(each["steps"]).get("written") for each in cases}
        waits = []
        for name, opened in self._opened.items():
            written = last.get(f"ROLE#{PROD.id}/{name}")
            if written is None or datetime.fromisoformat(written) < opened:
                raise SystemExit(f"bench: {name} was opened and not closed")
            waits.append((datetime.fromisoformat(written) - opened).total_seconds())
        return sorted(waits)
