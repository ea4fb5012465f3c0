"""Convergence on the local stack: whatever becomes of events and calls, every open door ends closed or asked about, nothing left over.

tests/property/test_converge.py has ten thousand days on fakes. This is one day of a dozen roles and three authors, with the real functions,
queues, tables and rules. The account's own rule is off, and the test carries its events instead: twice, late, in another order, or never.
Calls are throttled, done but not answered, and functions killed in the middle. Who does what, and what becomes of it, is drawn from a seed.

No role is changed while Doorward is at work on it, but from bad to bad: IAM has no compare-and-set (docs/limits.md).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from time import sleep, time
from typing import Any, Final, NamedTuple

import pytest
from botocore.exceptions import ClientError

from doorward.aws.ledger import LEASE
from local.installation import Installation, People, trusting
from local.stack import rules_off
from local.world import HUB, PROD, SHARED_SERVICES, STRANGER
from tests.integration.emulated import Inbox, allowing, listen, unique, user
from tests.integration.test_sweep import sweep

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

SEED: Final = 374
ROUNDS: Final = 3
STEADY: Final = 3
"""Roles that nobody ever opens."""
UNSTEADY: Final = 7
CHANGED: Final = 6
"""Of those, in one round."""
MOST_OPENED: Final = 3
"""Times that one role is opened: after three writes a day the breaker leaves what is not critical to a person."""
PATIENCE_SECONDS: Final = 180
LOOK_SECONDS: Final = 0.2
"""Between two looks at what is waited for: each takes from the machine that does it."""
QUEUES: Final = ("ChangeQueue", "HintQueue")
VISIBLE_AFTER_SECONDS: Final = 12
"""When a message comes again whose function died. In the template it is six minutes."""

GOOD: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch")
BETTER: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/ci/deployer")
OPEN: Final = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch", f"arn:aws:iam::{STRANGER.id}:root")
WORLD: Final = trusting("*")
MISTAKE: Final = {**WORLD, "Statement": [{"Sid": "Mistake", **WORLD["Statement"][0]}]}
"""A pipeline's, and nobody else's: else who made it could be told by no one."""
BAD: Final = (OPEN, WORLD, MISTAKE)
DOES: Final = {"pipeline": (GOOD, BETTER, MISTAKE), "developer": (GOOD, BETTER, OPEN), "attacker": (OPEN, WORLD)}
FATES: Final = ("delivered", "delivered", "again", "late", "dropped")

type Document = dict[str, Any]


class Change(NamedTuple):
    """Of a role, and what becomes of the event that tells of it."""

    role: int
    by: str
    document: Document
    fate: str

    @property
    def is_bad(self) -> bool:
        return self.document in BAD


STEADY_ROLES: Final = range(STEADY)
UNHEARD: Final = STEADY + UNSTEADY
"""Opened by the attacker at the very end, and no event tells of it: only a sweep can find this door."""
MISTAKEN: Final = UNHEARD + 1
"""Opened by the pipeline at the very end, which is heard of: this door is the pipeline's to close."""
ROLES: Final = range(MISTAKEN + 1)


class Round(NamedTuple):
    """`meanwhile`: what the attacker does to a role that he opened before, while Doorward closes it."""

    changes: list[Change]
    meanwhile: list[Change]


def drawn(random: Random) -> list[Round]:
    opened: Counter[int] = Counter()
    rounds = []
    for _ in range(ROUNDS):
        changes = [Change(random.choice(STEADY_ROLES), "developer", random.choice((GOOD, BETTER)), random.choice(FATES))]
        for role in random.sample(range(STEADY, UNHEARD), k=CHANGED):
            by = random.choice(list(DOES))
            document = random.choice(DOES[by] if opened[role] < MOST_OPENED else (GOOD, BETTER))
            changes.append(Change(role, by, document, random.choice(FATES)))
            opened[role] += changes[-1].is_bad
        closed = [each.role for each in changes if each.by == "attacker" and each.fate == "delivered" and opened[each.role] < MOST_OPENED]
        meanwhile = [Change(random.choice(closed), "attacker", WORLD, random.choice(FATES))] if closed else []
        opened.update(each.role for each in meanwhile)
        rounds.append(Round(changes, meanwhile))
    return rounds


@dataclass
class Account:
    """The account as this test plays it."""

    doorward: Installation
    people: dict[str, Any]
    inbox: Inbox
    prefix: str
    random: Random
    made: dict[str, list[Change]] = field(default_factory=dict)
    """What was done to each role, by name. The first is that the pipeline creates it."""
    written: list[tuple[str, Change | None]] = field(default_factory=list)
    """In IAM's order: which role, and which change of somebody's; None is Doorward's own write."""
    waiting: list[Document] = field(default_factory=list)
    heard: list[Change] = field(default_factory=list)
    """Of these the hub heard before anything else could have it look. A role that it wrote to it looks at of itself, and finds what no
    event has told of yet: here it waits two seconds for a pipeline's, and then closes."""
    fates: Counter[str] = field(default_factory=Counter)
    buried: int = 0

    def name(self, role: int) -> str:
        return f"{self.prefix}-{role:02}"

    def change(self, change: Change) -> None:
        iam, name, text = self.people[change.by], self.name(change.role), json.dumps(change.document)
        if name in self.made:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=text)
        else:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=text)
        self.made.setdefault(name, []).append(change)

    def last(self, name: str) -> Change:
        return self.made[name][-1]

    def carry(self) -> None:
        """Events that have come by now go to the hub, and those that were late: in another order."""
        stack = self.doorward.stack
        stack.until(lambda: stack.state()["cloudtrail"]["waiting"] == 0, "CloudTrail", seconds=PATIENCE_SECONDS)
        turn, self.waiting = self.waiting, []
        for each in self.inbox.read():
            name = str((each["detail"].get("requestParameters") or {}).get("roleName", ""))
            if not name.startswith(self.prefix):
                continue
            change = None
            if not _is_doorwards(each):
                change = self.made[name][sum(role == name and by is not None for role, by in self.written)]
            self.written.append((name, change))
            # What Doorward wrote comes when it comes; its fate is still drawn from the seed.
            fate = change.fate if change is not None else Random(f"{self.written.count((name, None))} of {name[-2:]}, {SEED}").choice(FATES)  # noqa: S311
            self.fates[fate] += 1
            if fate == "late":
                self.waiting.append(each)
            elif fate != "dropped":
                turn += [each] * (2 if fate == "again" else 1)
            if change is not None and fate in {"delivered", "again"} and (name, None) not in self.written:
                self.heard.append(change)
        self.random.shuffle(turn)
        for each in turn:
            self.doorward.deliver(json.dumps(each))

    def come_to_rest(self) -> None:
        """Wait until nothing is waiting, being worked on, or locked."""

        def rests() -> bool:
            self.bury_the_dead()
            return is_idle(self.doorward) and not self.locks()

        until(self.doorward, rests, "the queues to be empty, and nothing to be locked")

    def bury_the_dead(self) -> None:
        """After a kill, the ninety seconds pass for which its locks hold, and the minute after which its intents are taken up."""
        killed = self.doorward.stack.state()["failures"]["killed_at"]
        if len(killed) == self.buried:
            return
        self.buried = len(killed)
        dynamodb = self.doorward.stack.client("dynamodb", HUB.id)
        for each in self.doorward.ledger():  # whatever role a function was at work on: other tests' are still looked at, too
            if each["sk"] == "LOCK" and float(each["until"]) - LEASE.total_seconds() < killed[-1]:
                self._set(dynamodb, each, "until", {"N": str(time() - 1)})
            elif each.get("status") == "intended":
                self._set(dynamodb, each, "due_at", {"S": each["opened_at"]})
        self.doorward.invoke("FinishStartedFunction")

    def _set(self, dynamodb: Any, item: dict[str, str], name: str, value: dict[str, str]) -> None:
        dynamodb.update_item(
            TableName=self.doorward.outputs["LedgerTableName"],
            Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}},
            UpdateExpression="SET #name = :value",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": value},
        )

    def items(self) -> list[dict[str, str]]:
        """What the ledger has of these roles."""
        return [each for each in self.doorward.ledger() if each["pk"].startswith(f"ROLE#{PROD.id}/{self.prefix}")]

    def locks(self) -> list[dict[str, str]]:
        return [each for each in self.items() if each["sk"] == "LOCK"]

    def found(self) -> set[tuple[str, str]]:
        """Every (role, policy) that there is a case about."""
        return {(each["pk"].partition("/")[2], _text(each["found_document"])) for each in self.items() if each["sk"].startswith("CASE#")}

    def stands(self) -> dict[str, Document]:
        """The trust policy of each of these roles."""
        pages = self.doorward.stack.client("iam", PROD.id).get_paginator("list_roles").paginate()
        roles = [each for page in pages for each in page["Roles"] if each["RoleName"].startswith(self.prefix)]
        return {each["RoleName"]: each["AssumeRolePolicyDocument"] for each in roles}

    def is_asked(self, name: str) -> bool:
        """Whether what the pipeline wrote last stands, and a person was asked about it."""
        case = (self.doorward.cases(f"{PROD.id}/{name}") or [{}])[-1]
        asked = case.get("status") == "standing" and json.loads(case["detail"])["action"] == "ask"
        return asked and self.last(name).by == "pipeline" and _text(case["found_document"]) == _text(json.dumps(self.last(name).document))

    def open_doors(self) -> list[str]:
        return [name for name, document in self.stands().items() if document in BAD and not self.is_asked(name)]


def _is_doorwards(event: Document) -> bool:
    issuer = (event["detail"]["userIdentity"].get("sessionContext") or {}).get("sessionIssuer") or {}
    return ":role/doorward/" in str(issuer.get("arn"))


def _text(document: str) -> str:
    return json.dumps(json.loads(document), sort_keys=True)


def until(doorward: Installation, condition: Callable[[], bool], what: str) -> None:
    def holds() -> bool:
        sleep(LOOK_SECONDS)
        return condition()

    doorward.stack.until(holds, what, seconds=PATIENCE_SECONDS)


def is_idle(doorward: Installation) -> bool:
    """No change and no hint waits or is worked on."""
    return all(Inbox(doorward.stack, HUB.id, doorward.physical_id(each), "").is_empty() for each in QUEUES)


@contextmanager
def seen_again_soon(doorward: Installation) -> Iterator[None]:
    sqs = doorward.stack.client("sqs", HUB.id)
    urls = [doorward.physical_id(each) for each in QUEUES]
    name = "VisibilityTimeout"
    before = {each: sqs.get_queue_attributes(QueueUrl=each, AttributeNames=[name])["Attributes"][name] for each in urls}
    for each in urls:
        sqs.set_queue_attributes(QueueUrl=each, Attributes={name: str(VISIBLE_AFTER_SECONDS)})
    try:
        yield
    finally:
        for each, seconds in before.items():
            sqs.set_queue_attributes(QueueUrl=each, Attributes={name: seconds})


def dead_letters(doorward: Installation) -> int:
    name = "ApproximateNumberOfMessages"
    sqs = doorward.stack.client("sqs", HUB.id)
    answer = sqs.get_queue_attributes(QueueUrl=doorward.physical_id("ChangeDeadLetters"), AttributeNames=[name])
    return int(answer["Attributes"][name])


def failures(account: Account) -> list[list[dict[str, str]]]:
    """What goes wrong in each round.

    Where functions die the pipeline makes no mistake: its event would come again later than such events are waited for here.
    """
    roles = {"about": account.prefix}
    read, write = {"call": "GetRole", **roles}, {"call": "UpdateAssumeRolePolicy", **roles}
    enter = {"call": "AssumeRole", "about": "doorward-remedy"}
    killed = {"fate": "killed", "function": account.doorward.physical_id("ReactToChangeFunction")}
    return [
        [each | {"fate": "throttled"} for each in (read, enter, write)],
        [enter | killed, write | killed],  # it is intended, and nothing is written; it is written, and nobody has noted that
        [each | {"fate": "unanswered"} for each in (read, write)],
    ]


@pytest.fixture
def account(doorward: Installation, people: dict[str, People]) -> Iterator[Account]:
    stack = doorward.stack
    developer, attacker = (user(stack, PROD.id, allowing("iam:*", "*")) for _ in range(2))
    acts = {
        "pipeline": people[PROD.id].pipeline(),
        "developer": stack.client("iam", PROD.id, **developer),
        "attacker": stack.client("iam", PROD.id, **attacker),
    }
    inbox = listen(stack, PROD.id, {"source": ["aws.iam"], "detail": {"eventName": ["CreateRole", "UpdateAssumeRolePolicy"]}})
    with rules_off(stack.client("events", PROD.id), "doorward-changes"), seen_again_soon(doorward):
        yield Account(doorward, acts, inbox, unique("converge"), Random(SEED))  # noqa: S311 - a day that can be had again
        stack.fail()


def test_whatever_becomes_of_events_and_calls_every_door_is_closed_or_asked_about_and_nothing_is_left_over(account: Account) -> None:
    doorward, stack = account.doorward, account.doorward.stack
    put_aside = dead_letters(doorward)
    for role in ROLES:
        # A role that no event ever told of is new to the sweep, which never writes for that: these are told.
        account.change(Change(role, "pipeline", GOOD, "delivered"))
    account.carry()
    account.come_to_rest()
    to_be_found: set[tuple[str, str]] = set()
    for (changes, meanwhile), going_wrong in zip(drawn(account.random), failures(account), strict=True):
        stack.fail(*going_wrong)
        for each in changes:
            account.change(each)
        account.carry()
        for each in meanwhile:
            account.change(each)
        account.come_to_rest()
        raced = {each.role for each in meanwhile}
        told = [each for each in changes if each.is_bad and each.fate in {"delivered", "again"} and each.role not in raced]
        to_be_found |= {(account.name(each.role), _text(json.dumps(each.document))) for each in told}
        assert stack.state()["failures"]["left"] == [], "nothing was there to fail: choose another seed"
    account.change(Change(UNHEARD, "attacker", WORLD, "dropped"))
    account.change(Change(MISTAKEN, "pipeline", MISTAKE, "delivered"))
    account.carry()
    account.come_to_rest()
    heard = list(account.heard)
    to_be_found |= {(name, _text(json.dumps(document))) for name, document in account.stands().items() if document in BAD}
    assert account.name(UNHEARD) in account.open_doors()
    sweep(doorward, [PROD])
    until(doorward, lambda: not account.open_doors(), "every door to be closed, or asked about")
    account.carry()  # what Doorward itself wrote, and what was late until now
    account.come_to_rest()
    doorward.invoke("FinishStartedFunction")
    account.come_to_rest()
    account.carry()
    account.come_to_rest()
    assert set(account.fates) == set(FATES), f"a fate met no event: choose another seed ({account.fates})"
    every_door_is_closed_or_asked_about(account, heard)
    nobody_compliant_was_touched(account, heard)
    assert to_be_found <= account.found()
    what_doorward_wrote_is_told(account)
    assert dead_letters(doorward) == put_aside
    nothing_is_left_over(account)


def every_door_is_closed_or_asked_about(account: Account, heard: list[Change]) -> None:
    stack, stands = account.doorward.stack, account.stands()
    asked = {name for name in stands if account.is_asked(name)}
    of_pipelines = {account.name(each.role) for each in heard if each.document == MISTAKE and account.last(account.name(each.role)) is each}
    assert account.name(MISTAKEN) in of_pipelines <= asked
    stranger, came_in = user(stack, STRANGER.id, allowing("sts:AssumeRole", "*")), set()
    for name in stands:
        try:
            stack.assume(STRANGER.id, f"arn:aws:iam::{PROD.id}:role/{name}", credentials=stranger)
        except ClientError:
            continue
        came_in.add(name)
    assert came_in == asked


def nobody_compliant_was_touched(account: Account, heard: list[Change]) -> None:
    """Whatever Doorward wrote, it wrote over what was bad, or over its own; never over what it knew to be a pipeline's."""
    stood: dict[str, Change | None] = {}
    writes = 0
    for name, change in account.written:
        before, stood[name] = stood.get(name), change
        if change is None:
            writes += 1
            assert before is None or before.is_bad, (name, before)
            assert not (before is not None and before.document == MISTAKE and any(each is before for each in heard)), name
    assert writes, "Doorward wrote nothing at all"
    stands = account.stands()
    for name in account.made:
        if not account.last(name).is_bad:
            assert stands[name] == account.last(name).document, name


def what_doorward_wrote_is_told(account: Account) -> None:
    """Also what somebody wrote who did not live to tell."""
    stands = account.stands()
    for name in {name for name, change in dict(account.written).items() if change is None}:
        (*_, case) = (each for each in account.doorward.cases(f"{PROD.id}/{name}") if each["status"] == "remedied")
        assert json.loads(case["planned_document"]) == stands[name], name


def nothing_is_left_over(account: Account) -> None:
    items = account.items()
    assert [each["pk"] for each in items if each["sk"] == "LOCK"] == []
    assert [each["pk"] for each in items if each.get("status") == "intended"] == []
    # What is due of a case that was closed is that it is looked at, of a cut that it is taken away.
    due = [each for each in items if each.get("agenda") == "due"]
    assert [each["pk"] for each in due if each["sk"] != "CUT" and each.get("status") != "remedied"] == []
    until(account.doorward, lambda: not unpublished(account), "everything to be published")


def unpublished(account: Account) -> list[str]:
    """Announcements about these roles."""
    told = [each for each in account.doorward.ledger() if each["sk"] == "ANNOUNCEMENT" and account.prefix in each["detail"]]
    assert told
    return [each["pk"] for each in told if "agenda" in each]
