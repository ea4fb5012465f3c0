"""The ledger and the outbox in DynamoDB.

Ledger table, `pk` / `sk`:
    ROLE#<account>/<name>   LOCK              owner, until (epoch seconds)
    ROLE#<account>/<name>   HEAD              where the role stands, with the waivers that people decided
    ROLE#<account>/<name>   CASE#<id>         one bad policy, from found to closed
    ROLE#<account>/<name>   CUT               which sessions of the role are to be ended
    ROLE#<account>/<name>   QUESTION:<id>     what people decide about the role: doorward/aws/questions.py
    ROLE#<account>/<name>   RECORD#<case id>  what led to it: an item of its own, since it may be half of what DynamoDB takes for one
    OPEN#<account>          <name>            the id of the role's open case
    FINDING#<case id>       FINDING           the ref of the role that it is about
    EVENT#<account>#<id>    ROLE#<ref> or -   what came of an event
    OUTBOX#<id>             ANNOUNCEMENT      waiting for, or gone to, the bus; its stream starts publish_outbox
    OUTBOX#<id>             SENT#<channel>    told to people, or kept to be told with others
    NOTICES#…               …                 what channels were told: doorward/aws/notices.py
Baselines table:
    ROLE#<account>/<name>   ACCEPTED#<role_id>         the accepted one
    ROLE#<account>/<name>   VERSION#<role_id>#<hash>   every compliant version seen; replaced_at: when a violation took its place

Every value is text or a number; what has more shape is JSON text. `ttl` is epoch seconds. What is begun and not done has `agenda` ("due")
and `due_at`, the keys of the index `agenda`: cases, heads with waivers, and announcements that are not published.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from doorward.aws.errors import condition_held, translated
from doorward.aws.reading import read_many
from doorward.errors import Conflict
from doorward.findings.model import RemedyKind
from doorward.guardrails.brakes import Write
from doorward.ports.clock import Clock
from doorward.ports.ledger import ENDS_WAIVERS, PUBLISHED_WITHIN, Announcement, Baseline, Case, CaseStatus, Due, EventOutcome, Head, Lock
from doorward.ports.questions import FOLLOWS_QUESTION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from doorward.guardrails.cuts import Cut
    from doorward.guardrails.model import Waiver

# Longer than a function may run (template.yaml, Timeout), so that a lock is lost only by the dead.
LEASE = timedelta(seconds=90)
_KEEP_EVENTS = timedelta(days=90)
_KEEP_OUTBOX = timedelta(days=30)
_KEEP_CASES = timedelta(days=400)
# From when the case was opened, whenever it is closed: longer than any case stays open that somebody looks after.
_KEEP_RECORDS = 2 * _KEEP_CASES
_TRIES = 5
_AGENDA = "agenda"
_DUE = "due"


class DynamoLedger:
    """The Ledger, the Agenda and the Outbox port."""

    def __init__(self, dynamodb: "DynamoDBClient", ledger_table: str, baselines_table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = ledger_table
        self._baselines = baselines_table
        self._clock = clock

    # Locks

    def lock(self, role_ref: str) -> Lock:
        lock = Lock(role_ref, uuid.uuid4().hex)
        now = self._clock.now().timestamp()
        until = now + LEASE.total_seconds()
        with translated(f"locking {role_ref}"):  # a held lock fails the condition, which is a Conflict
            self._dynamodb.put_item(
                TableName=self._table,
                Item=_item(_role_key(role_ref, "LOCK"), owner=lock.owner, until=until, ttl=int(until)),
                ConditionExpression="attribute_not_exists(pk) OR #until < :now",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":now": _value(now)},
            )
        return lock

    def unlock(self, lock: Lock) -> None:
        condition_held(
            f"unlocking {lock.role_ref}",
            lambda: self._dynamodb.delete_item(
                TableName=self._table,
                Key=_role_key(lock.role_ref, "LOCK"),
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":owner": _value(lock.owner)},
            ),
        )

    # Heads and cases

    def head(self, role_ref: str) -> Head:
        item = self._get(self._table, _role_key(role_ref, "HEAD"))
        return Head() if item is None else _head(item)

    def heads_of(self, role_refs: Sequence[str]) -> Mapping[str, Head]:
        keys = (_role_key(each, "HEAD") for each in role_refs)
        items = read_many(self._dynamodb, self._clock, self._table, keys, "reading what was judged", tries=_TRIES, consistent=False)
        return {each["pk"].removeprefix("ROLE#"): _head(each) for each in map(_plain, items)}

    def case(self, role_ref: str, case_id: str) -> Case | None:
        item = self._get(self._table, _role_key(role_ref, f"CASE#{case_id}"))
        return None if item is None else _case(role_ref, item)

    def role_ref_of(self, case_id: str) -> str | None:
        item = self._get(self._table, _finding_key(case_id))
        return None if item is None else item["role_ref"]

    def open_cases(self, account_id: str) -> Mapping[str, str]:
        with translated(f"reading the open cases of account {account_id}"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"OPEN#{account_id}"}},
            )
            return {each["sk"]: each["case_id"] for page in pages for each in map(_plain, page["Items"])}

    def judged(self, lock: Lock, head: Head) -> None:
        self._transact(f"remembering what was judged for {lock.role_ref}", [self._still_held(lock), self._put_head(lock, head)])

    def open_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement, record: str = "") -> bool:
        key = _role_key(case.role_ref, f"RECORD#{case.id}")
        kept = [self._put(_item(key, record=record, ttl=self._until(_KEEP_RECORDS)))] if record else []
        try:
            self._transact(
                f"opening case {case.id}",
                [
                    self._still_held(lock),
                    self._put(_case_item(case), condition="attribute_not_exists(pk)"),
                    self._put(_item(_open_key(case), case_id=case.id)),
                    self._put(_item(_finding_key(case.id), role_ref=case.role_ref, ttl=self._until(_KEEP_RECORDS))),
                    self._put_head(lock, head),
                    self._put_announcement(announcement),
                    *kept,
                ],
            )
        except Conflict:
            if self.case(case.role_ref, case.id) is None:
                raise
            self._transact(f"opening case {case.id} again", [self._still_held(lock), self._put_head(lock, head)])
            return False
        return True

    def record_of(self, role_ref: str, case_id: str) -> str:
        item = self._get(self._table, _role_key(role_ref, f"RECORD#{case_id}"))
        return "" if item is None else item["record"]

    def intend(self, lock: Lock, case: Case) -> None:
        self._transact(
            f"recording the intent of case {case.id}",
            [
                self._still_held(lock),
                self._put(
                    _case_item(case),
                    condition="#status IN (:standing, :intended)",
                    names={"#status": "status"},
                    values={":standing": str(CaseStatus.STANDING), ":intended": str(CaseStatus.INTENDED)},
                ),
            ],
        )

    def close_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement) -> None:
        self._transact(
            f"closing case {case.id}",
            [
                self._still_held(lock),
                self._put(_case_item(case)),
                {"Delete": {"TableName": self._table, "Key": _open_key(case)}},
                self._put_head(lock, head),
                self._put_announcement(announcement),
            ],
        )

    def follow_up(self, lock: Lock, case: Case, announcement: Announcement | None = None) -> None:
        told = [] if announcement is None else [self._put_announcement(announcement)]
        self._transact(f"following up case {case.id}", [self._still_held(lock), self._put(_case_item(case)), *told])

    def cut(self, role_ref: str) -> "Cut | None":
        from doorward.guardrails.cuts import Cut, Window  # of a thousand events one is about sessions

        item = self._get(self._table, _role_key(role_ref, "CUT"))
        if item is None:
            return None
        windows = (
            Window(case_id, datetime.fromisoformat(start), datetime.fromisoformat(until))
            for case_id, start, until in json.loads(item["windows"])
        )
        return Cut(role_ref, item["role_id"], tuple(windows))

    def keep_cut(self, lock: Lock, cut: "Cut", due_at: datetime) -> None:
        windows = json.dumps([(each.case_id, _text_of(each.start), _text_of(each.until)) for each in cut.windows])
        item = _item(_role_key(cut.role_ref, "CUT"), role_id=cut.role_id, windows=windows, **_on_agenda(due_at))
        self._transact(f"remembering which sessions of {cut.role_ref} end", [self._still_held(lock), self._put(item)])

    def remove_cut(self, lock: Lock) -> None:
        key = _role_key(lock.role_ref, "CUT")
        self._transact(
            f"forgetting the sessions of {lock.role_ref}", [self._still_held(lock), {"Delete": {"TableName": self._table, "Key": key}}]
        )

    # The agenda

    def due(self, now: datetime, most: int) -> Sequence[Due]:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html."""
        with translated("reading what is due"):
            answer = self._dynamodb.query(
                TableName=self._table,
                IndexName=_AGENDA,
                KeyConditionExpression="agenda = :due AND due_at <= :now",
                ExpressionAttributeValues={":due": _value(_DUE), ":now": _value(_text_of(now))},
                Limit=most,
            )
        return [_due(_plain(each)) for each in answer["Items"]]

    def put_off(self, due: Due, until: datetime) -> None:
        key = _outbox_key(due.id, "ANNOUNCEMENT")
        if due.role_ref is not None:
            is_case = due.id not in {"CUT", ENDS_WAIVERS} and not due.id.startswith(FOLLOWS_QUESTION)
            key = _role_key(due.role_ref, f"CASE#{due.id}" if is_case else due.id)
        condition_held(
            f"putting off {due.id}",
            lambda: self._dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET due_at = :until",
                ConditionExpression="due_at = :due_at",
                ExpressionAttributeValues={":until": _value(_text_of(until)), ":due_at": _value(_text_of(due.due_at))},
            ),
        )

    # Events

    def was_announced(self, announcement_id: str) -> bool:
        return self._get(self._table, _outbox_key(announcement_id, "ANNOUNCEMENT")) is not None

    def record(self, outcome: EventOutcome) -> None:
        key = {
            "pk": _value(f"EVENT#{outcome.account_id}#{outcome.event_id}"),
            "sk": _value(f"ROLE#{outcome.role_ref}" if outcome.role_ref else "-"),
        }
        item = _item(
            key,
            event_name=outcome.event_name,
            outcome=outcome.outcome,
            because=outcome.because,
            event_time=_text_of(outcome.event_time),
            at=_text_of(outcome.at),
            ttl=self._until(_KEEP_EVENTS),
        )
        with translated(f"recording event {outcome.event_id}"):
            self._dynamodb.put_item(TableName=self._table, Item=item)

    # Baselines

    def baseline(self, role_ref: str, role_id: str) -> Baseline | None:
        return _baseline(role_ref, role_id, self._get(self._baselines, _role_key(role_ref, f"ACCEPTED#{role_id}")))

    def observe(self, baseline: Baseline) -> None:
        item = _version_item(baseline)
        condition_held(
            f"keeping a version of {baseline.role_ref}",
            lambda: self._dynamodb.put_item(TableName=self._baselines, Item=item, ConditionExpression="attribute_not_exists(pk)"),
        )

    def accept(self, baseline: Baseline, announcement: Announcement) -> None:
        version = _version_item(baseline)
        accepted = {**version, **_role_key(baseline.role_ref, f"ACCEPTED#{baseline.role_id}")}
        self._transact(
            f"accepting a baseline of {baseline.role_ref}",
            [
                {"Put": {"TableName": self._baselines, "Item": version}},
                {"Put": {"TableName": self._baselines, "Item": accepted}},
                self._put_announcement(announcement),
            ],
        )

    def version(self, role_ref: str, role_id: str, policy_hash: str) -> Baseline | None:
        return _baseline(role_ref, role_id, self._get(self._baselines, _version_key(role_ref, role_id, policy_hash)))

    def replaced(self, role_ref: str, role_id: str, policy_hash: str) -> None:
        with translated(f"remembering that a version of {role_ref} was replaced"):
            self._dynamodb.update_item(
                TableName=self._baselines,
                Key=_version_key(role_ref, role_id, policy_hash),
                UpdateExpression="SET replaced_at = if_not_exists(replaced_at, :now)",
                ExpressionAttributeValues={":now": _value(_text_of(self._clock.now()))},
            )

    def was_replaced(self, role_ref: str, role_id: str, policy_hash: str) -> bool:
        return "replaced_at" in (self._get(self._baselines, _version_key(role_ref, role_id, policy_hash)) or {})

    # Outbox

    def announce(self, announcement: Announcement) -> bool:
        try:
            self._transact(f"announcing {announcement.id}", [self._put_announcement(announcement, condition="attribute_not_exists(pk)")])
        except Conflict:
            return False
        return True

    def announcing(self, announcement: Announcement) -> "TransactWriteItemTypeDef":
        """For a transaction of another table's, or of other items of this one."""
        return self._put_announcement(announcement)

    def pending(self, announcement_id: str) -> Announcement | None:
        item = self._get(self._table, _outbox_key(announcement_id, "ANNOUNCEMENT"))
        return None if item is None or "published_at" in item else _announcement(announcement_id, item)

    def announcement(self, announcement_id: str) -> Announcement | None:
        item = self._get(self._table, _outbox_key(announcement_id, "ANNOUNCEMENT"))
        return None if item is None else _announcement(announcement_id, item)

    def published(self, announcement_id: str) -> None:
        with translated(f"marking announcement {announcement_id} as published"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_outbox_key(announcement_id, "ANNOUNCEMENT"),
                UpdateExpression="SET published_at = :now REMOVE agenda, due_at",
                ExpressionAttributeValues={":now": _value(_text_of(self._clock.now()))},
            )

    def was_sent(self, announcement_id: str, channel: str) -> bool:
        return self._get(self._table, _outbox_key(announcement_id, f"SENT#{channel}")) is not None

    def sent(self, announcement_id: str, channel: str) -> None:
        item = _item(_outbox_key(announcement_id, f"SENT#{channel}"), at=_text_of(self._clock.now()), ttl=self._until(_KEEP_OUTBOX))
        with translated(f"marking announcement {announcement_id} as sent to {channel}"):
            self._dynamodb.put_item(TableName=self._table, Item=item)

    # Parts of transactions

    def _still_held(self, lock: Lock) -> "TransactWriteItemTypeDef":
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": _role_key(lock.role_ref, "LOCK"),
                "ConditionExpression": "#owner = :owner",
                "ExpressionAttributeNames": {"#owner": "owner"},
                "ExpressionAttributeValues": {":owner": _value(lock.owner)},
            }
        }

    def _put_head(self, lock: Lock, head: Head) -> "TransactWriteItemTypeDef":
        return self._put(
            _item(
                _role_key(lock.role_ref, "HEAD"),
                generation=head.generation,
                role_id=head.role_id,
                judged_hash=head.judged_hash,
                written_at=_text_of(head.written_at),
                written_for=head.written_for or None,
                case_id=head.case_id,
                looked=head.looked or None,
                stands_hash=head.stands_hash or None,
                stands_since=_text_of(head.stands_since),
                writes=json.dumps([(_text_of(each.at), each.over_hash, each.author) for each in head.writes]) if head.writes else None,
                waivers=_text_of_waivers(head),
                stands_by=json.dumps(head.stands_by) if head.stands_by else None,
                **_on_agenda(head.due_at),
            )
        )

    def _put_announcement(self, announcement: Announcement, condition: str | None = None) -> "TransactWriteItemTypeDef":
        return self._put(
            _item(
                _outbox_key(announcement.id, "ANNOUNCEMENT"),
                detail_type=announcement.detail_type,
                detail=json.dumps(announcement.detail),
                at=_text_of(announcement.at),
                ttl=self._until(_KEEP_OUTBOX),
                **_on_agenda(announcement.at + PUBLISHED_WITHIN),
            ),
            condition,
        )

    def _put(
        self,
        item: Mapping[str, Any],
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
    ) -> "TransactWriteItemTypeDef":
        put: dict[str, Any] = {"TableName": self._table, "Item": item}
        if condition is not None:
            put["ConditionExpression"] = condition
        if names is not None:
            put["ExpressionAttributeNames"] = names
        if values is not None:
            put["ExpressionAttributeValues"] = {name: _value(value) for name, value in values.items()}
        return {"Put": put}  # type: ignore[typeddict-item]

    def _transact(self, doing: str, items: Sequence["TransactWriteItemTypeDef"]) -> None:
        """Raises Conflict where a condition did not hold, or another transaction was at the same items."""
        with translated(doing):
            self._dynamodb.transact_write_items(TransactItems=items)

    def _get(self, table: str, key: Mapping[str, Any]) -> dict[str, str] | None:
        with translated(f"reading {table}"):
            item = self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return None if item is None else _plain(item)

    def _until(self, keep: timedelta) -> int:
        return int((self._clock.now() + keep).timestamp())


def _plain(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: next(iter(value.values())) for name, value in item.items()}


def _announcement(announcement_id: str, item: Mapping[str, str]) -> Announcement:
    return Announcement(announcement_id, item["detail_type"], json.loads(item["detail"]), datetime.fromisoformat(item["at"]))


def _head(item: Mapping[str, str]) -> Head:
    return Head(
        generation=int(item["generation"]),
        role_id=item["role_id"],
        judged_hash=item["judged_hash"],
        written_at=_time(item.get("written_at")),
        written_for=item.get("written_for", ""),
        case_id=item.get("case_id"),
        looked=item.get("looked", ""),
        stands_hash=item.get("stands_hash", ""),
        stands_since=_time(item.get("stands_since")),
        writes=tuple(Write(datetime.fromisoformat(at), over, author) for at, over, author in json.loads(item.get("writes", "[]"))),
        waivers=_waivers(item.get("waivers")),
        due_at=_time(item.get("due_at")),
        stands_by=tuple((arn, session_name) for arn, session_name in json.loads(item.get("stands_by", "[]"))),
    )


def _text_of_waivers(head: Head) -> str | None:
    if not head.waivers:
        return None
    from doorward.guardrails.decided import waivers_as_text  # of a thousand roles one has any

    return waivers_as_text(head.waivers)


def _waivers(text: str | None) -> "tuple[Waiver, ...]":
    if text is None:
        return ()
    from doorward.guardrails.decided import waivers_from_text

    return waivers_from_text(text)


def _value(value: str | float | None) -> dict[str, Any]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _item(key: Mapping[str, Any], **attributes: str | float | None) -> dict[str, Any]:
    return {**key, **{name: _value(value) for name, value in attributes.items() if value is not None}}


def _role_key(role_ref: str, sort: str) -> dict[str, Any]:
    return {"pk": _value(f"ROLE#{role_ref}"), "sk": _value(sort)}


def _open_key(case: Case) -> dict[str, Any]:
    account_id, _, name = case.role_ref.partition("/")
    return {"pk": _value(f"OPEN#{account_id}"), "sk": _value(name)}


def _finding_key(case_id: str) -> dict[str, Any]:
    return {"pk": _value(f"FINDING#{case_id}"), "sk": _value("FINDING")}


def _outbox_key(announcement_id: str, sort: str) -> dict[str, Any]:
    return {"pk": _value(f"OUTBOX#{announcement_id}"), "sk": _value(sort)}


def _case_item(case: Case) -> dict[str, Any]:
    return _item(
        _role_key(case.role_ref, f"CASE#{case.id}"),
        role_id=case.role_id,
        found_hash=case.found_hash,
        generation=case.generation,
        status=str(case.status),
        opened_at=_text_of(case.opened_at),
        event_id=case.event_id,
        found_document=case.found_document,
        detail=json.dumps(case.detail),
        planned_hash=case.planned_hash,
        planned_document=case.planned_document,
        remedy_kind=case.remedy_kind,
        closed_at=_text_of(case.closed_at),
        by_pipeline=None if case.by_pipeline is None else str(case.by_pipeline),
        steps=json.dumps({name: _text_of(at) for name, at in case.steps.items()}),
        ttl=int((case.opened_at + _KEEP_CASES).timestamp()) if not case.status.is_open else None,
        closed_hash=case.closed_hash,
        others=json.dumps(case.others) if case.others else None,
        **_on_agenda(case.due_at),
    )


def _case(role_ref: str, item: Mapping[str, str]) -> Case:
    kind: RemedyKind | None = item.get("remedy_kind")  # type: ignore[assignment] # only we write it
    return Case(
        id=item["sk"].removeprefix("CASE#"),
        role_ref=role_ref,
        role_id=item["role_id"],
        found_hash=item["found_hash"],
        generation=int(item["generation"]),
        status=CaseStatus(item["status"]),
        opened_at=datetime.fromisoformat(item["opened_at"]),
        event_id=item["event_id"],
        found_document=item["found_document"],
        detail=json.loads(item["detail"]),
        planned_hash=item.get("planned_hash"),
        planned_document=item.get("planned_document"),
        remedy_kind=kind,
        closed_at=_time(item.get("closed_at")),
        by_pipeline=None if "by_pipeline" not in item else item["by_pipeline"] == str(True),
        steps={name: datetime.fromisoformat(at) for name, at in json.loads(item.get("steps", "{}")).items()},
        due_at=_time(item.get("due_at")),
        closed_hash=item.get("closed_hash"),
        others=tuple(json.loads(item.get("others", "[]"))),
    )


def _on_agenda(due_at: datetime | None) -> dict[str, str | None]:
    return {} if due_at is None else {"agenda": _DUE, "due_at": _text_of(due_at)}


def _due(item: Mapping[str, str]) -> Due:
    kind, _, rest = item["pk"].partition("#")
    due_at = datetime.fromisoformat(item["due_at"])
    return Due(rest, due_at) if kind == "OUTBOX" else Due(item["sk"].removeprefix("CASE#"), due_at, rest)


def _baseline(role_ref: str, role_id: str, item: Mapping[str, str] | None) -> Baseline | None:
    """None, too, where it is only known that a violation took its place."""
    if item is None or "document" not in item:
        return None
    return Baseline(
        role_ref=role_ref,
        role_id=role_id,
        policy_hash=item["policy_hash"],
        document=item["document"],
        accepted_by=item["accepted_by"],
        because=item["because"],
        event_id=item["event_id"],
        at=datetime.fromisoformat(item["at"]),
        ids=json.loads(item.get("ids", "{}")),
        event_time=_time(item.get("event_time")),
    )


def _version_key(role_ref: str, role_id: str, policy_hash: str) -> dict[str, Any]:
    return _role_key(role_ref, f"VERSION#{role_id}#{policy_hash}")


def _version_item(baseline: Baseline) -> dict[str, Any]:
    return _item(
        _version_key(baseline.role_ref, baseline.role_id, baseline.policy_hash),
        role_id=baseline.role_id,
        policy_hash=baseline.policy_hash,
        document=baseline.document,
        accepted_by=baseline.accepted_by,
        because=baseline.because,
        event_id=baseline.event_id,
        at=_text_of(baseline.at),
        ids=json.dumps(dict(baseline.ids)) if baseline.ids else None,
        event_time=_text_of(baseline.event_time),
    )


def _text_of(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
