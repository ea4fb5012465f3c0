"""What happened on the local stack, read from where it stands: the ledger, the dead-letter queues, the Slack stand-in.

Every text here is raw, an attacker's text: whoever shows it escapes it for the place (`doorward.findings.escaping`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from doorward.findings.wording import witness_in_words
from local.slack import SlackMessage, SlackSink
from local.world import ORGANIZATION, OUTSIDE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

ACCOUNT_NAMES: Final[Mapping[str, str]] = {account.id: account.name for account in (*ORGANIZATION, *OUTSIDE)}

_LONGEST_BODY: Final = 600  # characters of a dead letter: enough to know it again
_MOST_LETTERS_AT_ONCE: Final = 10  # of one ReceiveMessage
_GIVEN_UP: Final = "It was tried as often as its queue allows. The function's log says what went wrong."

type _Item = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """What came of one event for one role. `time` is CloudTrail's, or when we looked where the record gave none."""

    time: datetime
    account_id: str
    account_name: str | None
    event_name: str
    role_ref: str
    outcome: str
    because: str
    event_id: str


@dataclass(frozen=True, slots=True)
class ShownRule:
    """One guardrail broken. `severity` is "undecided" where that could not be told."""

    rule: str
    severity: str
    because: str


@dataclass(frozen=True, slots=True)
class ShownCase:
    """One bad trust policy, from found to closed.

    `action` is what was decided (`observe`, `alert`, `ask`, `write`); `because` the sentence for it. `seconds` is from the event to the
    write. `witness` is the first finding's, in words. `failed_because` is set where no remedy could be written.
    """

    finding_id: str
    role_ref: str
    account_id: str
    account_name: str | None
    severity: str
    rules: tuple[ShownRule, ...]
    status: str
    action: str
    opened_at: datetime
    closed_at: datetime | None
    seconds: float | None
    remedy_kind: str | None
    because: str
    failed_because: str | None
    actor: str
    event_name: str
    diff: tuple[str, ...]
    witness: str | None

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """What was told of a session, a change that hides, the organization, or Doorward itself. `about` is a role, or an account."""

    at: datetime
    detection: str
    severity: str
    title: str
    about: str
    because: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """A message that could not be handled. `body` is its beginning."""

    at: datetime
    queue: str
    reason: str
    body: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything in the order of time, the oldest first. `more_letters`: how many further dead letters were not read."""

    taken_at: datetime
    events: tuple[ShownEvent, ...] = ()
    cases: tuple[ShownCase, ...] = ()
    alerts: tuple[ShownAlert, ...] = ()
    messages: tuple[SlackMessage, ...] = ()
    dead_letters: tuple[ShownLetter, ...] = ()
    more_letters: int = 0

    @property
    def put_back(self) -> int:
        return sum(case.status == "remedied" for case in self.cases)

    @property
    def open_cases(self) -> int:
        return sum(case.is_open for case in self.cases)

    @property
    def slowest_seconds(self) -> float | None:
        return max((case.seconds for case in self.cases if case.seconds is not None), default=None)


def take_snapshot(
    dynamodb: "DynamoDBClient",
    sqs: "SQSClient",
    *,
    ledger_table: str,
    dead_letter_queues: Mapping[str, str],
    slack: SlackSink | None = None,
    account_names: Mapping[str, str] = ACCOUNT_NAMES,
) -> Snapshot:
    """Read it all; nothing is changed, and dead letters stay where they are.

    `dead_letter_queues`: queue URLs by the name to show. AWS's own errors leave this function as they are.
    """
    items = list(_scan(dynamodb, ledger_table))
    failures = {
        item["pk"].removeprefix("OUTBOX#").removesuffix("-failed"): _detail(item)
        for item in items
        if item["sk"] == "ANNOUNCEMENT" and item.get("detail_type") == "TrustRemedyFailed"
    }
    events = [_event(item, account_names) for item in items if item["pk"].startswith("EVENT#")]
    cases = [_case(item, failures, account_names) for item in items if item["sk"].startswith("CASE#")]
    announced = [(item, _detail(item)) for item in items if item["sk"] == "ANNOUNCEMENT"]
    alerts = [_alert(item, detail) for item, detail in announced if "detection" in detail]
    letters: list[ShownLetter] = []
    more = 0
    for name, url in dead_letter_queues.items():
        found, left = _read_letters(sqs, name, url)
        letters += found
        more += left
    return Snapshot(
        taken_at=datetime.now(UTC),
        events=tuple(sorted(events, key=lambda event: event.time)),
        cases=tuple(sorted(cases, key=lambda case: case.opened_at)),
        alerts=tuple(sorted(alerts, key=lambda alert: alert.at)),
        messages=slack.messages if slack is not None else (),
        dead_letters=tuple(sorted(letters, key=lambda letter: letter.at)),
        more_letters=more,
    )


# The ledger: doorward/aws/ledger.py says what stands where


def _scan(dynamodb: "DynamoDBClient", table: str) -> Iterator[_Item]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            yield {name: str(next(iter(value.values()))) for name, value in item.items()}


def _event(item: _Item, account_names: Mapping[str, str]) -> ShownEvent:
    _, account_id, event_id = item["pk"].split("#", 2)
    return ShownEvent(
        time=datetime.fromisoformat(item.get("event_time") or item["at"]),
        account_id=account_id,
        account_name=account_names.get(account_id),
        event_name=item["event_name"],
        role_ref=item["sk"].removeprefix("ROLE#") if item["sk"] != "-" else "",
        outcome=item["outcome"],
        because=item["because"],
        event_id=event_id,
    )


def _case(item: _Item, failures: Mapping[str, Mapping[str, Any]], account_names: Mapping[str, str]) -> ShownCase:
    detail = _detail(item)
    finding_id = item["sk"].removeprefix("CASE#")
    role_ref = item["pk"].removeprefix("ROLE#")
    account_id = role_ref.partition("/")[0]
    closed_at = item.get("closed_at")
    actor = detail.get("actor") or {}
    findings = detail.get("findings") or []
    failed = failures.get(finding_id) if closed_at is None else None
    return ShownCase(
        finding_id=finding_id,
        role_ref=role_ref,
        account_id=account_id,
        account_name=(detail.get("account") or {}).get("name") or account_names.get(account_id),
        severity=str(detail.get("severity", "")),
        rules=(
            *(ShownRule(str(each["rule"]), str(each["severity"]), str(each["because"])) for each in findings),
            *(ShownRule(str(each["rule"]), "undecided", str(each["because"])) for each in detail.get("undecidable") or []),
        ),
        status=item["status"],
        action=str(detail.get("action", "")),
        opened_at=datetime.fromisoformat(item["opened_at"]),
        closed_at=None if closed_at is None else datetime.fromisoformat(closed_at),
        seconds=detail.get("seconds"),
        remedy_kind=item.get("remedy_kind"),
        because=str(detail.get("because", "")),
        failed_because=None if failed is None else str(failed.get("because", "")),
        actor=str(actor.get("arn") or actor.get("kind") or "unknown"),
        event_name=str((detail.get("event") or {}).get("name", "")),
        diff=tuple(detail.get("diff") or ()),
        witness=next((witness_in_words(each["witness"]) for each in findings if each.get("witness")), None),
    )


def _alert(item: _Item, detail: Mapping[str, Any]) -> ShownAlert:
    account = detail.get("account") or {}
    return ShownAlert(
        at=datetime.fromisoformat(item["at"]),
        detection=str(detail["detection"]),
        severity=str(detail.get("severity", "")),
        title=str(detail.get("title", "")),
        about=str(detail.get("role") or account.get("name") or account.get("id") or ""),
        because=str(detail.get("because", "")),
        what_to_do=str(detail.get("what_to_do", "")),
    )


def _detail(item: _Item) -> Mapping[str, Any]:
    detail: Mapping[str, Any] = json.loads(item["detail"])
    return detail


# Dead letters


def _read_letters(sqs: "SQSClient", name: str, url: str) -> tuple[list[ShownLetter], int]:
    """The letters, and how many more the queue says it has. With a visibility timeout of 0, reading takes nothing away."""
    letters: dict[str, ShownLetter] = {}
    while True:
        batch = sqs.receive_message(
            QueueUrl=url,
            VisibilityTimeout=0,
            MaxNumberOfMessages=_MOST_LETTERS_AT_ONCE,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        new = {each["MessageId"]: _letter(name, each) for each in batch if each["MessageId"] not in letters}
        if not new:
            break  # the same ones again, or none
        letters |= new
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return list(letters.values()), max(0, int(counted["ApproximateNumberOfMessages"]) - len(letters))


def _letter(queue: str, message: Mapping[str, Any]) -> ShownLetter:
    attributes = {key: str(value.get("StringValue", "")) for key, value in message.get("MessageAttributes", {}).items()}
    # `reason` is ours; EventBridge writes ERROR_MESSAGE; what SQS itself moved has neither.
    reason = attributes.get("reason") or attributes.get("ERROR_MESSAGE") or _GIVEN_UP
    sent = int(message.get("Attributes", {}).get("SentTimestamp", "0")) / 1000
    body = str(message["Body"])
    return ShownLetter(datetime.fromtimestamp(sent, UTC), queue, reason, body[:_LONGEST_BODY], is_cut=len(body) > _LONGEST_BODY)
