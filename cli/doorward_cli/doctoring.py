"""`doorward doctor`: an installation's check-up, done by the hub's own function, printed requirement by requirement."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from doorward.findings.escaping import for_terminal
from doorward_cli.hub import function_of
from doorward_cli.tables import print_lines

FORMAT = "doorward.doctor/1"
_FUNCTION = "CheckInstallationFunction"
# Lambda answers each within a minute; more at once would only queue at IAM.
_AT_ONCE = 8
_STYLES = {"ok": "green", "broken": "bold red", "unknown": "yellow"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every check as the function gives it: check, account, region, state, says, cure."""

    checks: tuple[dict[str, Any], ...]

    @property
    def is_healthy(self) -> bool:
        return all(each["state"] == "ok" for each in self.checks)


def diagnose(ask: Callable[[dict[str, Any]], dict[str, Any]], told: Callable[[int], Callable[[], None]]) -> Diagnosis:
    """`ask` asks the hub's function. `told` is given how many accounts there are, and what it gives is called after each."""
    first = ask({})
    accounts: list[str] = first["accounts"]
    done = told(len(accounts))
    checks: list[dict[str, Any]] = list(first["checks"])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for answer in pool.map(lambda account: ask({"account": account}), accounts):
            checks += answer["checks"]
            done()
    return Diagnosis(tuple(checks))


def asking(stack: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The function of the hub stack. Raises as `function_of`."""
    return function_of(stack, _FUNCTION, answers="checks")


def as_json(diagnosis: Diagnosis, format_: str = FORMAT) -> dict[str, Any]:
    return {
        "format": format_,
        "healthy": diagnosis.is_healthy,
        "checks": list(diagnosis.checks),
        "summary": {state: sum(each["state"] == state for each in diagnosis.checks) for state in _STYLES},
    }


def print_table(diagnosis: Diagnosis) -> None:
    print_lines(_lines(diagnosis))


def _lines(diagnosis: Diagnosis) -> Iterator[tuple[int, Text]]:
    width = max((len(each["check"]) for each in diagnosis.checks), default=0)
    for each in diagnosis.checks:
        where = " ".join(part for part in (each["account"], each["region"]) if part)
        line = Text().append(each["state"].ljust(8), style=_STYLES[each["state"]]).append(each["check"].ljust(width + 2))
        yield 0, line.append(for_terminal(f"{where}  {each['says']}"))
        if each["cure"]:
            yield 8, Text(for_terminal(each["cure"]), style="dim")
    counts = [f"{sum(each['state'] == state for each in diagnosis.checks)} {state}" for state in _STYLES]
    yield 0, Text()
    yield 0, Text(", ".join(counts), style="green" if diagnosis.is_healthy else "bold red")
