"""Grants as auditors read them: who had what, why, from when until when, who agreed, how often credentials were issued, who ended it.

| format | is                                                                                                                     |
|--------|------------------------------------------------------------------------------------------------------------------------|
| csv    | a line of names, and one of each grant; what a spreadsheet would calculate has an apostrophe before it                   |
| jsonl  | docs/schemas/doorward.grants-report.1.json, one of each grant a line                                                     |
| ocsf   | User Access Management (3005) of OCSF 1.1.0, profile `cloud`, one of each grant a line: privileges assigned, or not      |

https://schema.ocsf.io/1.1.0/classes/user_access?profiles=cloud
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from doorward.decisions.model import Question
from doorward.decisions.model import State as Decision
from doorward.findings.escaping import for_csv
from doorward.findings.reported import shown
from doorward.grants.grant import Grant
from doorward.grants.lifecycle import DOORWARD
from doorward.grants.model import Risk
from doorward.grants.telling import grant_as_json, time_as_text
from doorward.values import NamedTuple

FORMAT: Final = "doorward.grants-report/1"
_OCSF: Final = "1.1.0"
_CLASS: Final = (3005, "User Access Management")
_CATEGORY: Final = (3, "Identity & Access Management")
_ASSIGN: Final = (1, "Assign Privileges")
_SUCCESS, _FAILURE, _OTHER = (1, "Success"), (2, "Failure"), (99, "Open")
_SEVERITIES: Final[Mapping[Risk, tuple[int, str]]] = {Risk.LOW: (2, "Low"), Risk.MEDIUM: (3, "Medium"), Risk.HIGH: (4, "High")}
_UNKNOWN: Final = (0, "Unknown")
_AWS_ACCOUNT: Final = (10, "AWS Account")
_LONGEST: Final = 1024


class Form(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    OCSF = "ocsf"


class Wanted(NamedTuple):
    """`until` is not in it. `after`: the id of the last grant of the page before, "" for the first."""

    since: datetime
    until: datetime
    form: Form
    after: str = ""


class Page(NamedTuple):
    """`next`: the `after` of the page that follows; "" where none does."""

    text: str
    next: str


class Reckoned(NamedTuple):
    """How often something was issued for a grant, and when first and last; by kind."""

    credentials: int = 0
    console: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Entry(NamedTuple):
    """One grant with what became of it. `name_of`: the user name that belongs to an id, None where he is gone."""

    grant: Grant
    question: Question | None
    issued: Reckoned
    account_name: str | None
    name_of: Callable[[str], str | None]


def as_report(entry: Entry) -> dict[str, Any]:
    """docs/schemas/doorward.grants-report.1.json."""
    grant, issued = entry.grant, entry.issued
    return {
        "format": FORMAT,
        "grant": grant_as_json(grant, entry.account_name, entry.question),
        "answers": _answers(entry),
        "ended_early_by": None if not grant.ended_by else _who(grant.ended_by, entry),
        "issued": {
            "credentials": issued.credentials,
            "console": issued.console,
            "first_at": time_as_text(issued.first),
            "last_at": time_as_text(issued.last),
        },
    }


def _answers(entry: Entry) -> list[dict[str, Any]]:
    question = entry.question
    if question is None:
        return []
    said = [
        {"by": _who(each.user_id, entry), "said": "yes", "via": str(each.via), "at": time_as_text(each.at)}
        for each in sorted(question.votes, key=lambda each: each.at)
    ]
    if question.state is Decision.REFUSED and question.answer:
        said.append({"by": _who(question.answer, entry), "said": "no", "via": None, "at": time_as_text(question.refused_at)})
    return said


def _who(user_id: str, entry: Entry) -> dict[str, str | None]:
    return {"id": user_id, "name": None if user_id == DOORWARD else entry.name_of(user_id)}


# CSV

_COLUMNS: Final = (
    "grant_id", "asked_at", "person", "person_id", "account_id", "account", "role", "template", "parameters", "minutes", "reason", "ticket",
    "state", "starts_at", "ends_at", "risk", "automatic", "rules", "said_yes", "said_no", "because", "ended_early_by", "credentials_issued",
    "console_issued", "first_issued_at", "last_issued_at", "policy_sha256", "opened_at", "ended_at",
)  # fmt: skip

_OF_THE_GRANT: Final = (
    "grant_id", "asked_at", "role", "template", "minutes", "reason", "ticket", "state", "starts_at", "ends_at", "risk", "because",
    "policy_sha256", "opened_at", "ended_at",
)  # fmt: skip


def csv_header() -> str:
    return _csv(_COLUMNS)


def as_csv(entry: Entry) -> str:
    """One line, with its end."""
    report = as_report(entry)
    grant, issued, answers = report["grant"], report["issued"], report["answers"]
    fields = {
        **{name: grant[name] for name in _OF_THE_GRANT},
        "person": grant["person"]["name"],
        "person_id": grant["person"]["id"],
        "account_id": grant["account"]["id"],
        "account": grant["account"]["name"],
        "parameters": json.dumps(grant["parameters"], sort_keys=True),
        "automatic": "yes" if grant["automatic"] else "no",
        "rules": ", ".join(grant["rules"]),
        "said_yes": _named(answers, "yes"),
        "said_no": _named(answers, "no"),
        "ended_early_by": _name(report["ended_early_by"]),
        "credentials_issued": issued["credentials"],
        "console_issued": issued["console"],
        "first_issued_at": issued["first_at"],
        "last_issued_at": issued["last_at"],
    }
    return _csv([fields[each] for each in _COLUMNS])


def _csv(fields: Sequence[object]) -> str:
    return ",".join("" if each is None else for_csv(str(each)) for each in fields) + "\r\n"


def _named(answers: Sequence[Mapping[str, Any]], said: str) -> str:
    return ", ".join(_name(each["by"]) for each in answers if each["said"] == said)


def _name(who: Mapping[str, str | None] | None) -> str:
    return "" if who is None else who["name"] or who["id"] or ""


# OCSF


def as_ocsf(entry: Entry, region: str) -> dict[str, Any]:
    """`region`: the hub's. Times are milliseconds since the epoch.

    | it                                      | status    | start_time, end_time                                          |
    |-----------------------------------------|-----------|---------------------------------------------------------------|
    | is or was active                        | `Success` | when it opened, when it ended or, while it stands, is to end  |
    | is over, and never was: nobody had it   | `Failure` | none                                                          |
    | may become active yet                   | `Open`    | none                                                          |
    """
    grant, report = entry.grant, as_report(entry)
    told = report["grant"]
    status = _SUCCESS if grant.opened_at is not None else _FAILURE if grant.is_over else _OTHER
    severity = _UNKNOWN if grant.ruling is None else _SEVERITIES[grant.ruling.risk]
    account = {"uid": told["account"]["id"], "type_id": _AWS_ACCOUNT[0], "type": _AWS_ACCOUNT[1]}
    if entry.account_name:
        account["name"] = shown(entry.account_name, _LONGEST)
    event: dict[str, Any] = {
        "activity_id": _ASSIGN[0],
        "activity_name": _ASSIGN[1],
        "category_uid": _CATEGORY[0],
        "category_name": _CATEGORY[1],
        "class_uid": _CLASS[0],
        "class_name": _CLASS[1],
        "type_uid": _CLASS[0] * 100 + _ASSIGN[0],
        "type_name": f"{_CLASS[1]}: {_ASSIGN[1]}",
        "time": _millis(grant.opened_at or grant.request.asked_at),
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "status_code": str(grant.state),
        "status_detail": shown(grant.because or told["title"], _LONGEST),
        "message": shown(told["title"], _LONGEST),
        "metadata": {
            "version": _OCSF,
            "uid": f"{grant.id}-{grant.version}",
            "event_code": f"grant-{grant.state}",
            "product": {"name": "Doorward", "vendor_name": "Doorward"},
            "profiles": ["cloud"],
        },
        "cloud": {"provider": "AWS", "region": region, "account": account},
        "actor": {"invoked_by": "Doorward"},
        "user": {"uid": grant.person.user_id, "name": shown(grant.person.user_name, _LONGEST), "type_id": 1, "type": "User"},
        "privileges": sorted({action for each in told["scope"] for action in _listed(each.get("Action"))}) or [told["template"]],
        "resource": {"uid": grant.role_arn or told["role"], "name": told["role"].partition("/")[2], "type": "AWS::IAM::Role"},
        "unmapped": report,
    }
    until = grant.ended_at or grant.ends_at
    if grant.opened_at is not None and until is not None:
        event |= {"start_time": _millis(grant.opened_at), "end_time": _millis(until)}
    return event


def _listed(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value] if isinstance(value, list) else []


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
