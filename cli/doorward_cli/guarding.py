"""`doorward guard export`: the SCP that keeps everybody's hands off Doorward, proved, printed and written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from doorward.findings.escaping import for_terminal
from doorward.guard.protection import LONGEST_POLICY, Protected, attempts, compact, faults, policy
from doorward_cli.tables import print_lines

FORMAT = "doorward.guard-export/1"
# Any member account: nothing in the SCP names one but the hub.
_SOME_MEMBER, _ANOTHER_MEMBER = "777788889999", "222233334444"
_NOT_COVERED = (
    "An SCP binds no principal of the management account, no service-linked role, and no AWS service that calls for itself.",
    "Attach it to the root; who may detach it is for the management account.",
)


@dataclass(frozen=True, slots=True)
class GuardExport:
    """`tried`: how many requests the evaluator decided, of which `denied` had to be denied. `faults`: those it decided otherwise."""

    protected: Protected
    policy: dict[str, Any]
    tried: int
    denied: int
    faults: tuple[str, ...]


def export(protected: Protected) -> GuardExport:
    """Make the SCP and prove it. Raises Misconfigured for an exception that is a pattern, and for what is too long."""
    made = policy(protected)
    member = _SOME_MEMBER if protected.hub_account != _SOME_MEMBER else _ANOTHER_MEMBER
    tried = list(attempts(protected, member))
    return GuardExport(protected, made, len(tried), sum(each.is_denied for each in tried), faults(made, protected, member))


def write_policy(exported: GuardExport, path: Path) -> None:
    """Without a line's end: Organizations counts every character. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(compact(exported.policy), encoding="ascii")


def as_json(exported: GuardExport) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "proved": not exported.faults,
        "policy": exported.policy,
        "characters": len(compact(exported.policy)),
        "denied": exported.denied,
        "allowed": exported.tried - exported.denied,
        "faults": list(exported.faults),
        "not_covered": list(_NOT_COVERED),
    }


def print_table(exported: GuardExport) -> None:
    print_lines(_lines(exported))


def _lines(exported: GuardExport) -> Iterator[tuple[int, Text]]:
    for each in exported.policy["Statement"]:
        unless = each.get("Condition", {}).get("ArnNotEquals", {}).get("aws:PrincipalArn", [])
        yield 0, Text(each["Sid"], style="bold")
        yield 4, Text(f"denies {', '.join(each['Action'])}" + (", but for:" if unless else " to everybody"), style="dim")
        yield from ((6, Text(for_terminal(arn))) for arn in unless)
    verdict = ("proved: false", "bold red") if exported.faults else ("proved: true", "green")
    yield 0, Text()
    tried = f" ({exported.denied} requests denied, {exported.tried - exported.denied} that must go on not)"
    yield 0, Text().append(*verdict).append(tried if not exported.faults else "")
    yield from ((4, Text(for_terminal(each))) for each in exported.faults)
    yield 0, Text(f"SCP: {len(compact(exported.policy))} of {LONGEST_POLICY} characters")
    yield from ((0, Text(f"Note: {each}", style="dim")) for each in _NOT_COVERED)
