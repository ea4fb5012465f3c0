"""A JSON object of somebody else's making, read field by field: strict where it must be, lenient about the rest.

Every input ends in a value or in `MalformedInput`, which says what is wrong, at which JSON path, and what to do. No other exception.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple, NoReturn

from doorward.errors import MalformedInput


class Call(NamedTuple):
    """A record on its way to what it means: whose account it is of is settled. `event_name` is without an API date."""

    record: "JsonObject"
    event_id: str
    event_name: str
    event_source: str
    account_id: str
    region: str
    replay_name: str | None


class JsonObject:
    """A JSON object that knows its JSON path: strict where the parser needs a value, lenient where it can do without."""

    __slots__ = ("path", "value", "writer")

    def __init__(self, value: Mapping[str, Any], path: str, writer: str) -> None:
        self.value = value
        self.path = path
        self.writer = writer

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def text(self, key: str, form: re.Pattern[str], what: str) -> str:
        """Return the string at `key`, which must be there and have this form."""
        value = self.value.get(key)
        if isinstance(value, str) and form.fullmatch(value):
            return value
        wrong = f"missing, but {self.writer} always sends it" if value is None else f"{shown(value)}, not {what} as {self.writer} sends it"
        raise MalformedInput(f"{self.path}.{key} is {wrong}: {ASIDE}")

    def free(self, key: str) -> str | None:
        """Return free text, made safe to print and to encode. None where it is absent, empty, or not text."""
        value = self.value.get(key)
        if not isinstance(value, str) or not value:
            return None
        return value if value.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in value)

    def required_object(self, key: str) -> "JsonObject":
        value = self.value.get(key)
        if not isinstance(value, Mapping):
            raise MalformedInput(f"{self.path}.{key} is {kind_of(value)}, not an object: {ASIDE}")
        return JsonObject(value, f"{self.path}.{key}", "CloudTrail")

    def object(self, key: str) -> "JsonObject":
        """Return the object at `key`; an empty one where it is absent or something else."""
        value = self.value.get(key)
        return JsonObject(value if isinstance(value, Mapping) else {}, f"{self.path}.{key}", self.writer)

    def parameters(self, key: str) -> "JsonObject":
        """Return what CloudTrail writes as null where there is none or the call was denied, and as `{"omitted": true, …}` over 100 KB."""
        return self.required_object(key) if self.has(key) else self.object(key)

    @property
    def is_omitted(self) -> bool:
        """Whether CloudTrail left these parameters out, because they were over 100 KB."""
        return self.value.get("omitted") in (True, "true")

    def whole_number(self, key: str, most: int) -> int | None:
        """A whole number from 1 to `most`; None for whatever else stands there."""
        value = self.value.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most else None

    def texts(self) -> "Iterator[tuple[str, str]]":
        """(key, text) of every text in it, at any depth; of a list under the key of the list. Bounded: a hint needs no thousandth value.

        What stands higher comes first, so that nobody can hide the name of a thing behind a thousand values inside another parameter.
        """
        waiting: deque[tuple[str, Any, int]] = deque((str(key), value, 0) for key, value in islice(self.value.items(), _MOST_VALUES))
        for _ in range(_MOST_VALUES):
            if not waiting:
                return
            key, value, depth = waiting.popleft()
            room = _MOST_VALUES - len(waiting)
            if isinstance(value, str):
                yield key, value
            elif depth < _DEEPEST and isinstance(value, Mapping):
                waiting.extend((str(name), each, depth + 1) for name, each in islice(value.items(), room))
            elif depth < _DEEPEST and isinstance(value, list):
                waiting.extend((key, each, depth + 1) for each in islice(value, room))

    def refuse_other_forms(self, *, instead: str) -> None:
        """Say so where this is a file, a batch, or the other of the two forms, rather than that a field is missing."""
        if "Records" in self.value:
            several = f"{self.path}.Records makes this a file of records or a batch of messages, not one event"
            raise MalformedInput(f"{several}: replay each record with parse_record, or give each message body to parse_envelope.")
        if self.has("eventName") or self.has("detail"):
            raise MalformedInput(
                f"{self.path} is {'a bare CloudTrail record' if self.has('eventName') else 'an EventBridge event'}: {instead}."
            )


ASIDE: Final = "put the message aside, and find out who sent it."
_MOST_SHOWN: Final = 40
"""Characters of a refused value in an error text: enough to recognise it."""
MOST_OF_A_MESSAGE: Final = 1024
"""CloudTrail cuts `errorMessage` here."""

# Every form is ASCII and matched whole: Unicode has digits and letters that AWS has not.
ANY: Final = re.compile(r"[ -~]{1,256}")
ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
SOURCE_FORM: Final = re.compile(r"[\w./-]{1,256}", re.ASCII)
EVENT_SOURCE: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\.amazonaws\.com(\.cn)?")
EVENT_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
ROLE_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, RoleName."""
ANY_ARN: Final = re.compile(r"[!-~]{1,2048}")
ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[!-~]{0,510}/)?([\w+=,.@-]{1,64})", re.ASCII)
_MOST_VALUES: Final = 2_000
_DEEPEST: Final = 16


def read_json(text: object, *, writer: str) -> JsonObject:
    if isinstance(text, Mapping):
        return JsonObject(text, "$", writer)
    if not isinstance(text, str | bytes):
        raise MalformedInput(f"$ is {kind_of(text)}, not a JSON text or object: give the message body as it came.")
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), parse_constant=_refuse_constant)
    except ValueError as error:  # not JSON, not UTF-8, or a number of more digits than Python converts
        raise MalformedInput(f"$ is not JSON ({shown(str(error), most=120)}): {ASIDE}") from None
    except RecursionError:
        raise MalformedInput(f"$ is nested too deeply to read: {ASIDE}") from None
    if not isinstance(value, dict):
        raise MalformedInput(f"$ is {kind_of(value)}, not an object: {ASIDE}")
    return JsonObject(value, "$", writer)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def shown(value: object, *, most: int = _MOST_SHOWN) -> str:
    """Show a refused value, short and in ASCII. Only text and numbers: what an object contains is nobody's business."""
    if not isinstance(value, str):
        return kind_of(value)
    return ascii(value if len(value) <= most else value[:most] + "…")


def kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "an object"
        case list():
            return "an array"
        case _:
            return f"a Python {type(value).__name__}"


def event_time(record: JsonObject) -> datetime:
    # Log shippers that follow Logstash rename it.
    return time_of(record, "@timestamp" if not record.has("eventTime") and record.has("@timestamp") else "eventTime")


def time_of(record: JsonObject, key: str) -> datetime:
    """The time at `key`, in UTC. It must have its zone."""
    text = record.text(key, ANY, "a time")
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedInput(
        f"{record.path}.{key} is {shown(text)}, not a time with its zone such as 2026-01-02T03:04:05Z: put the message aside."
    )
