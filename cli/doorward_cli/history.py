"""`doorward history`: what happened to a role's trust, read from the hub's tables with the current credentials. Reads, and never writes.

The tables' keys are those of doorward/aws/ledger.py (a test compares by reading what that writes).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from doorward.findings.escaping import for_terminal, mask_external_ids
from doorward.findings.wording import witness_in_words
from doorward_cli.hub import failing_clearly, resource_of
from doorward_cli.tables import print_lines

FORMAT = "doorward.history/1"
_OPEN = {"standing", "intended"}
_STYLES = {"standing": "bold red", "intended": "yellow", "remedied": "green", "ended": "cyan"}


@dataclass(frozen=True, slots=True)
class History:
    """`cases` from the newest to the oldest; `accepted`, one a unique id of the role; `versions` that broke no guardrail."""

    role_ref: str
    cases: tuple[dict[str, Any], ...]
    accepted: tuple[dict[str, Any], ...]
    versions: tuple[dict[str, Any], ...]

    @property
    def open(self) -> int:
        return sum(each["status"] in _OPEN for each in self.cases)


def read_history(role_ref: str, stack: str) -> History:
    """Raises Unavailable, Misconfigured."""
    import boto3

    session = boto3.Session()
    cases = [_case(each) for each in _items(session, stack, "LedgerTable", role_ref, "CASE#")]
    baselines = list(_items(session, stack, "BaselinesTable", role_ref, ""))
    return History(
        role_ref,
        tuple(sorted(cases, key=lambda each: each["steps"]["opened"], reverse=True)),
        tuple(_newest_first(each for each in baselines if each["sk"].startswith("ACCEPTED#"))),
        tuple(_newest_first(each for each in baselines if each["sk"].startswith("VERSION#") and "document" in each)),
    )


def _items(session: Any, stack: str, table: str, role_ref: str, beginning: str) -> Iterator[dict[str, str]]:
    condition, values = "pk = :pk", {":pk": {"S": f"ROLE#{role_ref}"}}
    if beginning:
        condition, values = "pk = :pk AND begins_with(sk, :sk)", {**values, ":sk": {"S": beginning}}
    name = resource_of(session, stack, table)
    with failing_clearly(f"reading {name}", f"dynamodb:Query on the hub's {table}"):
        pages = (
            session.client("dynamodb")
            .get_paginator("query")
            .paginate(TableName=name, KeyConditionExpression=condition, ExpressionAttributeValues=values, ConsistentRead=True)
        )
        for page in pages:
            for item in page["Items"]:
                yield {attribute: next(iter(value.values())) for attribute, value in item.items()}


def _case(item: Mapping[str, str]) -> dict[str, Any]:
    detail = json.loads(item["detail"])
    kind = item.get("remedy_kind")
    written = item["status"] == "remedied"
    return {
        "id": item["sk"].removeprefix("CASE#"),
        "status": item["status"],
        "role": detail.get("role"),
        "role_id": item["role_id"],
        **{name: detail.get(name) for name in ("verdict", "severity", "mode", "action", "because", "actor", "event")},
        "findings": mask_external_ids(detail.get("findings", [])),
        "undecidable": detail.get("undecidable", []),
        "found": _policy(item["found_document"]),
        "remedy": None if kind is None else {"kind": kind, "written": written, "trust_policy": _policy(item.get("planned_document", ""))},
        "diff": detail.get("diff", []),
        "steps": _steps(item, detail),
        "guardrails_hash": detail.get("guardrails_hash"),
    }


def _steps(item: Mapping[str, str], detail: Mapping[str, Any]) -> dict[str, str]:
    changed, closed = (detail.get("event") or {}).get("time"), item.get("closed_at")
    times: dict[str, str] = {"opened": item["opened_at"], **json.loads(item.get("steps", "{}"))}
    times |= ({"changed": changed} if changed else {}) | ({"closed": closed} if closed else {})
    return dict(sorted(times.items(), key=lambda step: datetime.fromisoformat(step[1])))


def _newest_first(items: Iterator[dict[str, str]]) -> list[dict[str, Any]]:
    versions = [
        {
            "policy_hash": each["policy_hash"],
            "role_id": each["role_id"],
            "trust_policy": _policy(each["document"]),
            "by": each["accepted_by"],
            "because": each["because"],
            "at": each["at"],
            "replaced_at": each.get("replaced_at"),
        }
        for each in items
    ]
    return sorted(versions, key=lambda each: str(each["at"]), reverse=True)


def _policy(text: str) -> Any:
    if not text:
        return None
    try:
        return mask_external_ids(json.loads(text))
    except (ValueError, RecursionError):
        return "***"  # no JSON, so that an external ID in it could not be told from the rest


def as_json(history: History) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "role": history.role_ref,
        "cases": list(history.cases),
        "accepted": list(history.accepted),
        "versions": list(history.versions),
        "summary": {"cases": len(history.cases), "open": history.open},
    }


def print_table(history: History) -> None:
    print_lines(_lines(history))


def _lines(history: History) -> Iterator[tuple[int, Text]]:
    for case in history.cases:
        yield from _case_lines(case)
        yield 0, Text()
    for each in history.accepted:
        line = Text().append("accepted", style="green").append(_safe(f"  since {each['at']} by {each['by']}: {each['because']}"))
        yield 0, line.append(_safe(f"  ({each['policy_hash'][:12]}, {each['role_id']})"), style="dim")
    if not history.accepted:
        yield 0, Text("No trust policy of this role is accepted: none can be put back.")
    total = f"{len(history.cases)} case{'' if len(history.cases) == 1 else 's'}, {history.open} open"
    yield 0, Text(f"{history.role_ref}: {total}", style="bold red" if history.open else "green")


def _case_lines(case: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    head = Text().append(str(case["status"]).ljust(10), style=_STYLES.get(case["status"], ""))
    yield 0, head.append(_safe(f"{case['id']}  {case['severity']}  {case['mode']}"), style="bold")
    actor, event = case["actor"] or {}, case["event"] or {}
    yield 2, _labelled("who", f"{actor.get('arn') or actor.get('kind')}{' (a known pipeline)' if actor.get('pipeline') else ''}")
    yield 2, _labelled("event", f"{event.get('name')} at {event.get('time')} ({event.get('id')})")
    for each in case["findings"]:
        yield 2, _labelled("what", f"{each['severity']} {each['rule']}: {each['because']}")
        if each.get("witness"):
            yield 4, _labelled("proof", witness_in_words(each["witness"]))
    for each in case["undecidable"]:
        yield 2, _labelled("what", f"undecided {each['rule']}: {each['because']}")
    yield 2, _labelled("then", str(case["because"]))
    if case["remedy"] is not None:
        yield (
            2,
            _labelled(
                "remedy", f"{case['remedy']['kind']}, {'written' if case['remedy']['written'] else 'planned, not known to be written'}"
            ),
        )
    for line in case["diff"]:
        yield 4, Text(_safe(line), style={"+": "green", "-": "red"}.get(line[:1], "dim"))
    for name, at in case["steps"].items():
        yield 2, _labelled("when", f"{at}  {name}")


def _labelled(label: str, text: str) -> Text:
    return Text().append(label.ljust(8), style="dim").append(_safe(text))


def _safe(text: str) -> str:
    return for_terminal(text)
