"""How many changes a second the local stack keeps up with, and how long an opened role then stands open: real functions, queues and rules.

Roles are made as fast as they can be, which shows what the stack handles at most. Then changes come at a steady rate below that, three
of four compliant, as long as the queue does not grow; else slower. Timed is from the answer of IAM to who opened the role until the step
`written` of its case, by the clock of this machine. The emulator, its functions and who makes the changes share the machine's cores.
"""

import json
import os
import time
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from bench.runner import Extent, Row, say
from local.installation import Installation, People, found_delivery_pipeline, install, trusting
from local.slack_sink import SlackSink
from local.stack import Stack
from local.world import HUB, PROD, SHARED_SERVICES, STRANGER

_ROLES: Final = 61
"""Prime: each role has its turn to be opened."""
_SECONDS: Final = 40
_TRIES: Final = 3
_BELOW: Final = 0.7
_QUIET_WITHIN: Final = 5.0
"""After the last change: a queue that takes longer had grown."""
_AUTHORS: Final = 8
"""One of them could spend his budget: no more than twenty changes of one are undone in an hour."""
_BAD_EVERY: Final = 4
_PATIENCE: Final = 300.0
_GOOD: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch")
_BETTER: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/ci/deployer")
_OPEN: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch", f"arn:aws:iam::{STRANGER.id}:root")
_P99: Final = 0.99


def measure(extent: Extent) -> list[Row]:
    del extent  # a stack has one size
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # not the one core of the other rows
    with Stack(cloudtrail_delay_seconds=0.05) as stack, SlackSink() as slack:
        return _Rate(install(stack, slack, say)).measured()


class _Rate:
    def __init__(self, doorward: Installation) -> None:
        self._doorward = doorward
        self._stack = doorward.stack
        found_delivery_pipeline(self._stack)
        self._pipeline = People(self._stack, PROD).pipeline()
        self._authors = [_author(self._stack, f"author-{number}") for number in range(_AUTHORS)]
        self._numbers = count()
        self._opened: dict[str, datetime] = {}

    def measured(self) -> list[Row]:
        self._make("warm-up")
        self._quiet()
        began = time.monotonic()
        for number in range(_ROLES):
            self._make(f"role-{number}")
        self._quiet()
        most = _ROLES / (time.monotonic() - began)
        rate = most * _BELOW
        for _ in range(_TRIES):
            late = self._steady(rate)
            if late <= _QUIET_WITHIN:
                break
            rate *= _BELOW
        waits = self._waits()
        say("")
        note = f"{len(waits)} roles opened; the queue was empty {late:.1f} s after the last change; load average {os.getloadavg()[0]:.0f}"
        return [
            Row("local stack: new roles in one burst, compliant", most, "1/s"),
            Row("  changes kept up with, one of four opens a role", rate, "1/s", note=note),
            Row("  from the change to the written remedy, median", 1000 * _at(waits, 0.5), "ms"),
            Row("  the same, p99", 1000 * _at(waits, _P99), "ms"),
        ]

    def _make(self, name: str) -> None:
        self._pipeline.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_GOOD))

    def _steady(self, rate: float) -> float:
        """Changes at this rate; how long the queue then took to be empty."""
        self._opened.clear()
        began = time.monotonic()
        for turn in range(int(rate * _SECONDS)):
            time.sleep(max(0.0, began + turn / rate - time.monotonic()))
            say(f"{turn} of {int(rate * _SECONDS)} changes at {rate:.1f}/s")
            self._change(next(self._numbers))
        ended = time.monotonic()
        self._quiet()
        return time.monotonic() - ended

    def _change(self, number: int) -> None:
        name, author = f"role-{number % _ROLES}", self._authors[number // _BAD_EVERY % _AUTHORS]
        is_bad = number % _BAD_EVERY == _BAD_EVERY - 1
        document = _OPEN if is_bad else (_BETTER, _GOOD)[number // _ROLES % 2]
        author.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(document))
        if is_bad:
            self._opened[name] = datetime.now(UTC)

    def _quiet(self) -> None:
        sqs, url = self._stack.client("sqs", HUB.id), self._doorward.outputs["ChangeQueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def is_empty() -> bool:
            waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            return not self._stack.state()["cloudtrail"]["waiting"] and {waiting[each] for each in names} == {"0"}

        self._stack.until(is_empty, "the change queue to be empty", seconds=_PATIENCE)

    def _waits(self) -> list[float]:
        """Seconds that each role of the last steady while stood open. One that was not closed ends the bench: it must not be left out."""
        waits = []
        for name, opened in self._opened.items():
            cases = self._doorward.cases(f"{PROD.id}/{name}")
            written = json.loads(cases[-1]["steps"]).get("written") if cases else None
            if written is None or datetime.fromisoformat(written) < opened.replace(microsecond=0):
                raise SystemExit(f"bench: {name} was opened and not closed: {cases[-1:]}")
            waits.append((datetime.fromisoformat(written) - opened).total_seconds())
        return waits


def _author(stack: Stack, name: str) -> Any:
    iam = stack.client("iam", PROD.id)
    iam.create_user(UserName=name)
    administer = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="administer", PolicyDocument=json.dumps(administer))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return stack.client("iam", PROD.id, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
