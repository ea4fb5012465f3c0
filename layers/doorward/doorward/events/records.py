"""CloudTrail records, alone, in their EventBridge envelope or in a file, as typed values.

An event is a hint to look at something, never the facts about it: it can be late, repeated, out of order or cut. So the parser is strict
about what says *where to look* (account, event, role name), lenient about the rest, and an event that hides its role points at the account.

Every input ends in one of three ways: an `Event` for one of Doorward's parts, a `Skipped` record that is well-formed and for none of them,
or `MalformedInput` for what can never be used. No other exception leaves `parse_envelope` or `parse_record`.

Shapes: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.events.changes import HANDLING, read_change
from doorward.events.guard import GUARD_NAMES, LAMBDA, SECRET_READS, read_guard_event
from doorward.events.model import Event, Part, Skipped, SkipReason
from doorward.events.organization import ORGANIZATION_NAMES, read_organization_event
from doorward.events.reading import (
    ACCOUNT_ID,
    ANY,
    EVENT_ID,
    EVENT_SOURCE,
    REGION,
    SOURCE_FORM,
    Call,
    JsonObject,
    read_json,
    shown,
)
from doorward.events.sessions import SESSION_NAMES, read_session

CHANGE_EVENTS: Final[Mapping[str, frozenset[str]]] = {source: frozenset(names) for source, names in HANDLING.items()}
"""By `eventSource`, like the other three: what leads to a `Change`. The patterns of the rules are compared with them."""
SESSION_EVENTS: Final = SESSION_NAMES
ORGANIZATION_EVENTS: Final = ORGANIZATION_NAMES
GUARD_EVENTS: Final = GUARD_NAMES


def parse_envelope(text: str | bytes | Mapping[str, Any]) -> Event | Skipped:
    """Parse an EventBridge event that carries a CloudTrail record, as it stands in the body of an SQS message.

    The account is the envelope's, which EventBridge writes and nobody can forge. Raises only `MalformedInput`, which says what is wrong, at
    which JSON path, and what to do; where the envelope and the record contradict each other, it says that the event is forged.
    """
    envelope = read_json(text, writer="EventBridge")
    if not envelope.has("detail"):
        envelope.refuse_other_forms(instead="give the record itself to parse_record")
    source = envelope.text("source", SOURCE_FORM, "a dotted name")
    detail_type = envelope.text("detail-type", ANY, "text")
    account_id = envelope.text("account", ACCOUNT_ID, "a 12-digit account id")
    region = envelope.text("region", REGION, "a region")
    record = envelope.required_object("detail")
    if not source.startswith("aws."):
        forged = f"$.source is {shown(source)}, and only events of source aws.* are AWS's own"
        raise MalformedInput(f"{forged}: this one is forged. Make the rule match its source, and find out who may put events on the bus.")
    if not detail_type.endswith(_VIA_CLOUDTRAIL):
        raise MalformedInput(f"$.detail-type is {shown(detail_type)}, not one of CloudTrail's: narrow the rule to {_VIA_CLOUDTRAIL!r}.")
    event_source = record.text("eventSource", EVENT_SOURCE, "the DNS name of an AWS service")
    if event_source.partition(".")[0] != source.removeprefix("aws."):
        forged = f"$.detail.eventSource is {shown(event_source)} under $.source {shown(source)}, which AWS never sends"
        raise MalformedInput(f"{forged}: the event is forged. Find out who may put events on the bus.")
    return _interpret(record, account_id, "the envelope's", region, envelope.free("replay-name"))


def parse_record(record: str | bytes | Mapping[str, Any], *, account_id: str | None = None) -> Event | Skipped:
    """Parse one CloudTrail record without its envelope: for replays of archives, and for tests.

    The account is the record's `recipientAccountId`. `account_id` says which it must be (12 digits), or which it is where an old record has
    none. Nothing vouches for a bare record, so none must come here from a queue. Raises only `MalformedInput`, as `parse_envelope` does.
    """
    root = read_json(record, writer="CloudTrail")
    if not root.has("eventName"):
        root.refuse_other_forms(instead="give an EventBridge event to parse_envelope")
    if account_id is None:
        account_id = root.text("recipientAccountId", ACCOUNT_ID, "a 12-digit account id")
    elif not ACCOUNT_ID.fullmatch(account_id):
        raise MalformedInput(
            f"account_id is {shown(account_id)}, not a 12-digit account id: say which account the record was delivered to."
        )
    root.text("eventSource", EVENT_SOURCE, "the DNS name of an AWS service")
    return _interpret(root, account_id, "the expected", root.text("awsRegion", REGION, "a region"), None)


_VIA_CLOUDTRAIL: Final = " via CloudTrail"
_CHINA: Final = ".amazonaws.com.cn"
_API_DATE: Final = re.compile(r"20[0-9]{6}(v[0-9]+)?$", re.ASCII)
_LATER: Final[Mapping[str, Part]] = {
    **dict.fromkeys(
        [
            "CreateDelegationRequest",
            "AssociateDelegationRequest",
            "UpdateDelegationRequest",
            "RejectDelegationRequest",
        ],
        Part.DELEGATION,
    ),
    **dict.fromkeys(
        [
            "CreateUser",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "CreateAccessKey",
            "AttachUserPolicy",
            "PutUserPolicy",
            "AddUserToGroup",
            "CreateVirtualMFADevice",
            "EnableMFADevice",
        ],
        Part.PERSISTENCE,
    ),
}
_IAM: Final = "iam.amazonaws.com"


def parse_file(content: str | bytes) -> Iterator[tuple[int, Event | Skipped | MalformedInput]]:
    """Every record of a file, with its position from 0: `{"Records": […]}`, a list, one record or envelope, or one a line.

    A record that cannot be used is a value, so that it hides no other. A digest file holds none. Raises MalformedInput where the file as a
    whole is none of these. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
    """
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    for position, each in enumerate(_records(text)):
        try:
            if isinstance(each, MalformedInput):
                raise each
            yield position, parse_envelope(each) if isinstance(each, Mapping) and "detail" in each else parse_record(each)
        except MalformedInput as error:
            yield position, error


def _records(text: str) -> Iterator[Any]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [each for each in text.splitlines() if each.strip()]
        if len(lines) < 2:  # noqa: PLR2004 - one line is the whole file, and that is no JSON
            raise MalformedInput(f"$ is not JSON ({shown(str(error), most=120)}): give a file of CloudTrail records.") from None
        yield from lines
        return
    if isinstance(whole, Mapping) and "digestS3Object" in whole:
        return
    records = whole.get("Records") if isinstance(whole, Mapping) and "Records" in whole else whole if isinstance(whole, list) else [whole]
    if not isinstance(records, list):
        raise MalformedInput("$.Records is no list: give a file of CloudTrail records.")
    for position, each in enumerate(records):
        yield each if isinstance(each, Mapping) else MalformedInput(f"$.Records[{position}] is no object: it is no record.")


def _interpret(record: JsonObject, account_id: str, whose: str, region: str, replay_name: str | None) -> Event | Skipped:
    event_id = record.text("eventID", EVENT_ID, "an event id")
    event_name = record.text("eventName", ANY, "the name of an event")
    event_source = record.value["eventSource"].replace(_CHINA, ".amazonaws.com")
    if record.has("recipientAccountId") and record.text("recipientAccountId", ACCOUNT_ID, "a 12-digit account id") != account_id:
        contradiction = f"{record.path}.recipientAccountId is {shown(record.value['recipientAccountId'])}, not {whose} {account_id}"
        raise MalformedInput(f"{contradiction}: the event is forged. Find out who may put events on the bus.")
    if event_source == LAMBDA:
        event_name = _API_DATE.sub("", event_name)
    call = Call(record, event_id, event_name, event_source, account_id, region, replay_name)
    # The name decides before `readOnly` does: a flag must not hide a change.
    for names, read in (
        (CHANGE_EVENTS, read_change),
        (SESSION_EVENTS, read_session),
        (ORGANIZATION_EVENTS, read_organization_event),
        (GUARD_EVENTS, read_guard_event),
        (SECRET_READS, read_guard_event),
    ):
        if event_name in names.get(event_source, ()):
            return read(call)
    return _skip(call)


def _skip(call: Call) -> Skipped:
    later = _LATER.get(call.event_name) if call.event_source == _IAM else None
    if later is not None:
        return Skipped(call.event_id, call.event_name, call.account_id, SkipReason.LATER_PART, handled_by=later)
    if call.record.value.get("readOnly") is True:
        return Skipped(call.event_id, call.event_name, call.account_id, SkipReason.READ_ONLY)
    reason = SkipReason.OF_NO_INTEREST if call.event_source == _IAM else SkipReason.ANOTHER_SERVICE
    return Skipped(call.event_id, call.event_name, call.account_id, reason)
