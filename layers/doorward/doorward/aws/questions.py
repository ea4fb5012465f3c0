"""Questions in DynamoDB, in the partition of the role that they are about; each transition with its audit item and what is announced.

Ledger table, `pk` / `sk`:
    ROLE#<account>/<name>   QUESTION:<id>   document (JSON text), version; on the agenda while there is something to do; ttl, but for a
                                            grant's: who said yes to it is reported for as long as the grant is kept, which is for good
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from doorward.audit.chain import next_item
from doorward.aws.errors import translated
from doorward.decisions.model import GRANT, Consent, Question, State, Terms, Vote
from doorward.errors import Conflict
from doorward.people.model import Via
from doorward.ports.ledger import Announcement
from doorward.ports.questions import FOLLOWS_QUESTION, due_at

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from doorward.aws.audit import DynamoAudit
    from doorward.aws.ledger import DynamoLedger

_KEEP: Final = timedelta(days=400)
_FIRST: Final[Mapping[str, Any]] = {"ConditionExpression": "attribute_not_exists(pk)"}


class DynamoQuestions:
    """The Questions port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, ledger: "DynamoLedger", audit: "DynamoAudit") -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._ledger = ledger
        self._audit = audit

    def question(self, role_ref: str, question_id: str) -> Question | None:
        with translated(f"reading question {question_id}"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_key(role_ref, question_id), ConsistentRead=True).get("Item")
        return None if item is None else _question(json.loads(item["document"]["S"]))

    def of_role(self, role_ref: str) -> Sequence[Question]:
        with translated(f"reading the questions of {role_ref}"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :question)",
                ExpressionAttributeValues={":pk": {"S": f"ROLE#{role_ref}"}, ":question": {"S": FOLLOWS_QUESTION}},
                ConsistentRead=True,
            )
            return [_question(json.loads(each["document"]["S"])) for page in pages for each in page["Items"]]

    def ask(self, question: Question, by: str, announcement: Announcement | None = None) -> bool:
        try:
            self._write(question, "asked", by, question.asked_at, announcement, _FIRST)
        except Conflict:
            if self.question(question.role_ref, question.id) is None:
                raise
            return False
        return True

    def move(self, question: Question, did: str, by: str, now: datetime, announcement: Announcement | None = None) -> None:
        condition = {
            "ConditionExpression": "#version = :before",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":before": {"N": str(question.version - 1)}},
        }
        self._write(question, did, by, now, announcement, condition)

    def unmoved(self, question: Question) -> "TransactWriteItemTypeDef":
        """For a transaction of another table's, which is to count only while this is the question's version."""
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": _key(question.role_ref, question.id),
                "ConditionExpression": "#version = :now",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":now": {"N": str(question.version)}},
            }
        }

    def _write(  # noqa: PLR0917 - a transition, and all that is kept with it
        self, question: Question, did: str, by: str, now: datetime, announcement: Announcement | None, condition: Mapping[str, Any]
    ) -> None:
        who, _, via = by.partition(" ")
        detail = {"about": question.about, "role_ref": question.role_ref, "what": question.what, "state": str(question.state)}
        item = next_item(self._audit.head(f"question {question.id}"), what=did, by=who, via=via or "doorward", at=now, detail=detail)
        put: Any = {"Put": {"TableName": self._table, "Item": _item(question, now), **condition}}
        told = [] if announcement is None else [self._ledger.announcing(announcement)]
        with translated(f"question {question.id}, version {question.version}"):
            self._dynamodb.transact_write_items(TransactItems=[put, *self._audit.parts(item), *told])


def _key(role_ref: str, question_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"ROLE#{role_ref}"}, "sk": {"S": f"{FOLLOWS_QUESTION}{question_id}"}}


def _item(question: Question, now: datetime) -> dict[str, Any]:
    due = due_at(question, now)
    agenda = {} if due is None else {"agenda": {"S": "due"}, "due_at": {"S": due.astimezone(UTC).isoformat()}}
    return {
        **_key(question.role_ref, question.id),
        "document": {"S": json.dumps(_as_json(question))},
        "version": {"N": str(question.version)},
        **({} if question.what == GRANT else {"ttl": {"N": str(int((question.asked_at + _KEEP).timestamp()))}}),
        **agenda,
    }


def _as_json(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "about": question.about,
        "role_ref": question.role_ref,
        "what": question.what,
        "shown_hash": question.shown_hash,
        "asked_at": question.asked_at.isoformat(),
        "asked_by": question.asked_by,
        "because": question.because,
        "parties": sorted(question.parties),
        "state": str(question.state),
        "votes": [[each.user_id, str(each.via), each.at.isoformat(), *sorted(each.groups)] for each in question.votes],
        "answer": question.answer,
        "detail": dict(question.detail),
        "version": question.version,
        "reminded_at": _text(question.reminded_at),
        "escalated_at": _text(question.escalated_at),
        "refused_at": _text(question.refused_at),
        "terms": terms_as_json(question.terms),
    }


def _question(kept: Mapping[str, Any]) -> Question:
    return Question(
        id=kept["id"],
        about=kept["about"],
        role_ref=kept["role_ref"],
        what=kept["what"],
        shown_hash=kept["shown_hash"],
        terms=terms_from(kept["terms"]),
        asked_at=datetime.fromisoformat(kept["asked_at"]),
        asked_by=kept["asked_by"],
        because=kept["because"],
        parties=frozenset(kept["parties"]),
        state=State(kept["state"]),
        votes=tuple(Vote(user_id, Via(via), datetime.fromisoformat(at), frozenset(groups)) for user_id, via, at, *groups in kept["votes"]),
        answer=kept["answer"],
        detail=kept["detail"],
        version=kept["version"],
        reminded_at=_time(kept["reminded_at"]),
        escalated_at=_time(kept["escalated_at"]),
        refused_at=_time(kept.get("refused_at")),  # which questions that were kept before do not have
    )


def terms_as_json(terms: Terms) -> dict[str, Any]:
    return {
        "approvers": sorted(terms.approvers),
        "quorum": terms.quorum,
        "by_sigv4": terms.by_sigv4,
        "answer_within": terms.answer_within.total_seconds(),
        "remind_every": terms.remind_every.total_seconds(),
        "escalate_after": terms.escalate_after.total_seconds(),
        "escalate_to": sorted(terms.escalate_to),
        "also": sorted(
            [sorted(each.approvers), each.quorum, each.distinct_groups, each.by_sigv4, sorted(each.escalate_to)] for each in terms.also
        ),
    }


def terms_from(kept: Mapping[str, Any]) -> Terms:
    return Terms(
        approvers=frozenset(kept["approvers"]),
        quorum=kept["quorum"],
        by_sigv4=kept["by_sigv4"],
        answer_within=timedelta(seconds=kept["answer_within"]),
        remind_every=timedelta(seconds=kept["remind_every"]),
        escalate_after=timedelta(seconds=kept["escalate_after"]),
        escalate_to=frozenset(kept["escalate_to"]),
        also=frozenset(
            Consent(frozenset(approvers), quorum, distinct_groups, by_sigv4, frozenset(escalate_to))
            for approvers, quorum, distinct_groups, by_sigv4, escalate_to in kept["also"]
        ),
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
