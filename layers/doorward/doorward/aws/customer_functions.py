"""Who is on call, and what a ticket says, asked of functions that the customer has written: docs/contracts.md has what they get and answer.

What they answer is read as anybody's would be: within seconds, up to a length, in exactly the form, about exactly what was asked. All
else is Unavailable, and nothing is kept of it.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.grants.model import Ticket
from doorward.iam.arns import parse_arn
from doorward.people.model import Person

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_ON_CALL: Final = "doorward.on-call/1"
_TICKET: Final = "doorward.ticket/1"
LONGEST_ANSWER: Final = 65_536
"""Bytes. Ours, far above what any answer needs."""
_LONGEST: Final = 256
"""Characters of a name in it."""
_MOST: Final = 1000
"""Names in one list."""
AT_ONCE: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
"""Somebody waits meanwhile, and the function has a few seconds, once."""


class CustomerFunction:
    """`arn` of the function, or of a version or an alias. `client` is one of its region, with AT_ONCE."""

    def __init__(self, client: "LambdaClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def ask(self, form: str, asked: Mapping[str, object]) -> Mapping[str, Any]:
        """What it answers, of this form. Raises Unavailable, and Misconfigured where it may not be asked."""
        doing = f"asking {self._arn} ({form})"
        with translated(doing):
            answer = self._client.invoke(FunctionName=self._arn, Payload=json.dumps({"format": form, **asked}).encode())
            text = answer["Payload"].read(LONGEST_ANSWER + 1)
        if "FunctionError" in answer:
            raise Unavailable(f"{doing}: it failed; its log group says why")
        if len(text) > LONGEST_ANSWER:
            raise Unavailable(f"{doing}: its answer is longer than {LONGEST_ANSWER} bytes")
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise Unavailable(f"{doing}: its answer is no JSON") from None
        if not isinstance(said, dict) or said.get("format") != form:
            raise Unavailable(f"{doing}: its answer is not of format {form}")
        return said


def region_of(arn: str, default: str) -> str:
    """Where a function has to be asked."""
    parsed = parse_arn(arn)
    return parsed.region if parsed is not None and parsed.region else default


class FunctionOnCall:
    """The OnCall port."""

    def __init__(self, function: CustomerFunction) -> None:
        self._function = function

    def rosters(self, person: Person, at: datetime) -> frozenset[str]:
        who = {"user_id": person.user_id, "user_name": person.user_name, "email": person.email}
        said = self._function.ask(_ON_CALL, {"person": who, "at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"})
        return _names(said.get("rosters"), "rosters")


class FunctionTickets:
    """The Tickets port."""

    def __init__(self, function: CustomerFunction) -> None:
        self._function = function

    def ticket(self, ticket_id: str) -> Ticket | None:
        said = self._function.ask(_TICKET, {"ticket": ticket_id})
        if "ticket" in said and said["ticket"] is None:
            return None
        found = said.get("ticket")
        if not isinstance(found, dict) or found.get("id") != ticket_id:
            raise Unavailable("asking for a ticket: the answer is about another one, or none")
        opened_by = found.get("opened_by")
        return Ticket(
            ticket_id,
            _name(found.get("state"), "state"),
            _names(found.get("assignees", []), "assignees"),
            "" if opened_by is None else _name(opened_by, "opened_by"),
        )


def _names(value: object, field: str) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise Unavailable(f"asking a function of the customer's: {field} of its answer is no list of at most {_MOST} names")
    return frozenset(_name(each, field) for each in value)


def _name(value: object, field: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise Unavailable(f"asking a function of the customer's: {field} of its answer is no name of at most {_LONGEST} characters")
    return value
