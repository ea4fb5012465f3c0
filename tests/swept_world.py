"""Accounts full of roles, in simulated time: the real sweep.asl.json, the real use cases and the real inventory, over a fake IAM.

IAM answers slowly, in pages smaller than asked for, and refuses whoever comes while an account's rate is used up by somebody else.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from doorward.aws.inventory import DynamoInventory
from doorward.errors import DoorwardError, Misconfigured, Throttled
from doorward.events.hints import Hint
from doorward.guardrails.model import Guardrails
from doorward.organization.model import Account, Organization
from doorward.ports.facts import Page
from doorward.usecases.plan_sweep import plan_sweep
from doorward.usecases.sweep_account import Tools, sweep_account
from tests.fakes import START, FakeClock, FakeExpectations, FakeHints, FakeLedger
from tests.state_machine import Machine, TaskFailed

DEFINITION: Final = json.loads((Path(__file__).parents[1] / "statemachines" / "sweep.asl.json").read_text("utf-8"))
CALL_SECONDS: Final = 0.5
START_SECONDS: Final = 1.0
"""What each step of the machine, and each start of a function, is taken to cost."""
_FIRST_ACCOUNT: Final = 700000000000


@dataclass
class SlowIam:
    """`trusted`: by account and role, whom it trusts instead of its usual one. `busy_until`: IAM refuses before that time, by account.

    `closed`: accounts that let nobody in.
    """

    clock: FakeClock
    roles: int
    page_size: int
    trusted: dict[tuple[str, int], str] = field(default_factory=dict)
    busy_until: dict[str, datetime] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    called: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def page(self, account_id: str, marker: str | None) -> Page:
        self.called[account_id].append(self.clock.now())
        self.clock.time += timedelta(seconds=CALL_SECONDS)
        if account_id in self.closed:
            raise Misconfigured(f"assuming arn:aws:iam::{account_id}:role/doorward/doorward-read: AccessDenied")
        if self.clock.now() < self.busy_until.get(account_id, START):
            raise Throttled(f"reading the roles of account {account_id}: Throttling: Rate exceeded")
        first = int(marker or 0)
        last = min(first + self.page_size, self.roles)
        return Page([self._detail(account_id, number) for number in range(first, last)], [], str(last) if last < self.roles else None)

    def _detail(self, account_id: str, number: int) -> dict[str, Any]:
        trusted = self.trusted.get((account_id, number), f"arn:aws:iam::{account_id}:role/deploy-{number % 7}")
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Sid": f"s{number}", "Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}],
        }
        return {
            "RoleName": f"role-{number}",
            "Path": "/",
            "Arn": f"arn:aws:iam::{account_id}:role/role-{number}",
            "RoleId": f"AROA{account_id}{number:05d}",
            "CreateDate": START - timedelta(days=30),
            "AssumeRolePolicyDocument": trust,
            "AttachedManagedPolicies": [{"PolicyName": "p", "PolicyArn": f"arn:aws:iam::aws:policy/P{number % 5}"}],
            "RolePolicyList": [],
            "Tags": [{"Key": "team", "Value": str(number % 11)}],
        }

    def most_in_a_second(self) -> int:
        """The most calls that one account got within any second."""
        second = timedelta(seconds=1)
        return max(sum(1 for other in times if each <= other < each + second) for times in self.called.values() for each in times)


@dataclass
class Items:
    """What DynamoInventory asks of DynamoDB."""

    items: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def put_item(self, TableName: str, Item: Mapping[str, Any], **condition: Any) -> None:  # noqa: N803 - boto3's names
        if condition:
            self._check_turn(Item, condition["ExpressionAttributeValues"])
        self.items[Item["pk"]["S"], Item["sk"]["S"]] = dict(Item)

    def get_item(self, TableName: str, Key: Mapping[str, Any], ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        found = self.items.get((Key["pk"]["S"], Key["sk"]["S"]))
        return {} if found is None else {"Item": found}

    def delete_item(self, TableName: str, Key: Mapping[str, Any], **_condition: Any) -> None:  # noqa: N803 - whoever ends a turn has it
        self.items.pop((Key["pk"]["S"], Key["sk"]["S"]), None)

    def _check_turn(self, item: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """The one condition there is: nobody else's turn."""
        held = self.items.get((item["pk"]["S"], item["sk"]["S"]))
        if held is not None and held["sweep"] != item["sweep"] and float(held["until"]["N"]) >= float(values[":now"]["N"]):
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "PutItem")


class SweptWorld:
    def __init__(self, accounts: int, roles: int, *, page_size: int = 100) -> None:
        self.account_ids = [f"{_FIRST_ACCOUNT + number}" for number in range(accounts)]
        self.organization = Organization(accounts=tuple(Account(each, f"a-{each}") for each in self.account_ids))
        self.clock, self.hints, self.items = FakeClock(), FakeHints(), Items()
        self.ledger = FakeLedger(self.clock)
        self.iam = SlowIam(self.clock, roles, page_size)
        client: Any = self.items
        self.inventory = DynamoInventory(client, "facts")
        self.tools = Tools(
            self.iam, self.inventory, self.hints, FakeExpectations(), self.clock, self.organization, self.ledger, Guardrails(), ""
        )
        self.ids = count(1)
        self.slices = 0

    def sweep(self, request: object = None) -> tuple[Machine, list[Hint]]:
        """One run of the state machine, an hour after the one before; it, and the hints that it led to."""
        began = self.clock.now()
        before = len(self.hints.sent)
        self.iam.called.clear()
        machine = Machine(
            DEFINITION,
            {
                "${PlanSweepFunctionArn}": partial(self._run, began, self._plan),
                "${SweepAccountFunctionArn}": partial(self._run, began, self._slice),
            },
        )
        try:
            machine.run(request if request is not None else {})
        finally:
            self.ledger.looked_at(self.hints.sent[before:])
        self.clock.time = max(began + timedelta(hours=1), began + timedelta(seconds=machine.seconds))
        self.clock.slept.clear()
        return machine, self.hints.sent[before:]

    def _plan(self, asked: object) -> object:
        return plan_sweep(asked, self.organization, None, now=self.clock.now(), new_id=lambda: f"s{next(self.ids)}")

    def _slice(self, asked: object) -> object:
        self.slices += 1
        return sweep_account(asked, self.tools)

    def _run(self, began: datetime, function: Callable[[object], object], asked: object, second: float) -> tuple[Any, float]:
        """Each execution has its own time: the one clock is put where this one stands."""
        starts = self.clock.time = began + timedelta(seconds=second + START_SECONDS)
        try:
            answer = json.loads(json.dumps(function(json.loads(json.dumps(asked)))))  # what crosses between the states is JSON
        except DoorwardError as error:
            raise TaskFailed(str(error), self._since(starts)) from error
        return answer, self._since(starts)

    def _since(self, starts: datetime) -> float:
        return (self.clock.now() - starts).total_seconds() + START_SECONDS
