"""Whose Slack users are, and codes that are offered.

Ledger table, `pk` / `sk`:
    SLACKUSER#<team>/<user>   LINK                 person_id, at
    SLACKOF#<person id>       LINK#<team>/<user>   at
    SLACKOF#<person id>       OFFER                code_hash: of his last offer
    SLACKCODE#<code hash>     OFFER                person_id, until; team_id, user_id, name of who took it

Each change of a link has its audit item in the same transaction.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from doorward.audit.chain import next_item
from doorward.aws.errors import code_of, translate, translated
from doorward.people.model import SlackUser, Via
from doorward.ports.ledger import Announcement
from doorward.ports.slack import Link, Offer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from doorward.aws.audit import DynamoAudit
    from doorward.aws.ledger import DynamoLedger

_KEEP: Final = timedelta(hours=1)
_LINK: Final = "LINK#"


class DynamoSlackLinks:
    """The Links port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, ledger: "DynamoLedger", audit: "DynamoAudit") -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._ledger = ledger
        self._audit = audit

    def of(self, user: SlackUser) -> str | None:
        item = self._get(_user_key(user), f"reading whose Slack user {user.ref} is")
        return None if item is None else str(item["person_id"]["S"])

    def links_of(self, person_id: str) -> Sequence[Link]:
        with translated("reading the Slack users of a person"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :link)",
                ExpressionAttributeValues={":pk": {"S": f"SLACKOF#{person_id}"}, ":link": {"S": _LINK}},
                ConsistentRead=True,
            )
            items = [item for page in pages for item in page["Items"]]
        users = [(SlackUser(*each["sk"]["S"].removeprefix(_LINK).split("/")), each["at"]["S"]) for each in items]
        return tuple(Link(user, person_id, datetime.fromisoformat(at)) for user, at in users)

    def offer(self, offer: Offer, code_hash: str) -> None:
        ttl = {"N": str(int((offer.until + _KEEP).timestamp()))}
        until = {"S": offer.until.astimezone(UTC).isoformat()}
        code = {**_code_key(code_hash), "person_id": {"S": offer.person_id}, "until": until, "ttl": ttl}
        last = {**_person_key(offer.person_id, "OFFER"), "code_hash": {"S": code_hash}, "ttl": ttl}
        with translated("offering a code"):
            self._dynamodb.transact_write_items(TransactItems=[_put(self._table, code), _put(self._table, last)])

    def offered(self, person_id: str) -> Offer | None:
        last = self._get(_person_key(person_id, "OFFER"), "reading which code was offered")
        item = None if last is None else self._get(_code_key(last["code_hash"]["S"]), "reading who took a code")
        return None if item is None else _offer(item)

    def take(self, code_hash: str, user: SlackUser, name: str, now: datetime) -> Offer | None:
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_code_key(code_hash),
                UpdateExpression="SET team_id = :team, user_id = :user, #name = :name",
                # The very one who took it may say so again: his message may come twice.
                ConditionExpression="attribute_exists(pk) AND #until > :now"
                " AND (attribute_not_exists(user_id) OR (team_id = :team AND user_id = :user))",
                ExpressionAttributeNames={"#name": "name", "#until": "until"},
                ExpressionAttributeValues={
                    ":team": {"S": user.team_id},
                    ":user": {"S": user.user_id},
                    ":name": {"S": name},
                    ":now": {"S": now.astimezone(UTC).isoformat()},
                },
                ReturnValues="ALL_NEW",
            )
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and code_of(error) == "ConditionalCheckFailedException":
                return None
            raise translate(error, "taking a code") from error
        return _offer(answer["Attributes"])

    def bind(self, link: Link, announcement: Announcement, *, over: str | None = None) -> None:
        last = self._get(_person_key(link.person_id, "OFFER"), "reading which code was offered")
        code_hash = "none" if last is None else last["code_hash"]["S"]
        at = {"S": link.at.astimezone(UTC).isoformat()}
        bound = _put(
            self._table,
            {**_user_key(link.user), "person_id": {"S": link.person_id}, "at": at},
            "attribute_not_exists(pk) OR person_id IN (:me, :over)",
            {":me": link.person_id, ":over": over or link.person_id},
        )
        ended = _delete(
            self._table,
            _code_key(code_hash),
            "person_id = :me AND team_id = :team AND user_id = :user",
            {":me": link.person_id, ":team": link.user.team_id, ":user": link.user.user_id},
        )
        mine = _put(self._table, {**_person_key(link.person_id, f"{_LINK}{link.user.ref}"), "at": at})
        replaced = [] if over in {None, link.person_id} else [_delete(self._table, _person_key(str(over), f"{_LINK}{link.user.ref}"))]
        self._transact("linked", link, link.at, [bound, ended, mine, *replaced, self._ledger.announcing(announcement)])

    def unbind(self, link: Link, now: datetime) -> None:
        unbound = _delete(self._table, _user_key(link.user), "person_id = :me", {":me": link.person_id})
        mine = _delete(self._table, _person_key(link.person_id, f"{_LINK}{link.user.ref}"))
        self._transact("unlinked", link, now, [unbound, mine])

    def _transact(self, did: str, link: Link, now: datetime, parts: Sequence[Any]) -> None:
        detail = {"person": link.person_id, **link.user._asdict()}
        head = self._audit.head(f"slack user {link.user.ref}")
        item = next_item(head, what=did, by=link.person_id, via=Via.SIGV4, at=now, detail=detail)
        with translated(f"Slack user {link.user.ref} is {did}"):
            self._dynamodb.transact_write_items(TransactItems=[*parts, *self._audit.parts(item)])

    def _get(self, key: Any, doing: str) -> dict[str, Any] | None:
        with translated(doing):
            return self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")


def _offer(item: Any) -> Offer:
    taken_by = SlackUser(item["team_id"]["S"], item["user_id"]["S"]) if "user_id" in item else None
    return Offer(item["person_id"]["S"], datetime.fromisoformat(item["until"]["S"]), taken_by, item.get("name", {"S": ""})["S"])


def _user_key(user: SlackUser) -> dict[str, Any]:
    return {"pk": {"S": f"SLACKUSER#{user.ref}"}, "sk": {"S": "LINK"}}


def _person_key(person_id: str, sort: str) -> dict[str, Any]:
    return {"pk": {"S": f"SLACKOF#{person_id}"}, "sk": {"S": sort}}


def _code_key(code_hash: str) -> dict[str, Any]:
    return {"pk": {"S": f"SLACKCODE#{code_hash}"}, "sk": {"S": "OFFER"}}


def _put(table: str, item: Any, condition: str = "", values: dict[str, str] | None = None) -> Any:
    return {"Put": {"TableName": table, "Item": item, **_condition(condition, values)}}


def _delete(table: str, key: Any, condition: str = "", values: dict[str, str] | None = None) -> Any:
    return {"Delete": {"TableName": table, "Key": key, **_condition(condition, values)}}


def _condition(condition: str, values: dict[str, str] | None) -> dict[str, Any]:
    if not condition:
        return {}
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {name: {"S": value} for name, value in (values or {}).items()},
    }
