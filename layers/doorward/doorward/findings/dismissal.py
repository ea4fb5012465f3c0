"""A finding that people dismissed: nobody is told of it any more, and nothing else changes. By a case's detail, or an announcement's.

| compared with what was dismissed, there is found now  | then             |
|-------------------------------------------------------|------------------|
| the same, or less of it, or milder                    | it stays hidden  |
| another rule, a graver one, or a new doubt            | it is back       |
| another trust policy                                  | another finding  |
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from doorward.findings.model import Severity

DOUBT: Final = "undecidable"
"""What stands instead of a severity where that was not decided."""


def said(detail: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """What of a case depends on more than its trust policy: rules that count with their severity, and rules in doubt."""
    found = {(each["rule"], each["severity"]) for each in detail.get("findings", ()) if each.get("waiver") is None}
    return frozenset(found | {(each["rule"], DOUBT) for each in detail.get("undecidable", ())})


def dismissed(detail: Mapping[str, Any], by: str, at: datetime) -> dict[str, Any]:
    """What is kept of it in the detail, under this name. `by`: names."""
    return {"by": by, "at": at.isoformat(), "found": sorted(map(list, said(detail)))}


def is_dismissed(detail: Mapping[str, Any]) -> bool:
    """The table above."""
    mark = detail.get("dismissed")
    if mark is None:
        return False
    before = {(rule, severity) for rule, severity in mark["found"]}
    return all(any(is_no_graver(each, one) for one in before) for each in said(detail))


def is_no_graver(now: tuple[str, str], before: tuple[str, str]) -> bool:
    """Of a rule each, with its severity or DOUBT: a finding where a doubt was is graver, and so is a doubt where a finding was."""
    if now[0] != before[0] or (now[1] == DOUBT) != (before[1] == DOUBT):
        return False
    return now[1] == DOUBT or Severity(now[1]).rank <= Severity(before[1]).rank
