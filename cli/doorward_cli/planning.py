"""`doorward plan`: what the hub would do about a role now. The hub's own function makes the plan, and carries out nothing of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from doorward.findings.escaping import for_terminal
from doorward.findings.wording import witness_in_words
from doorward_cli.hub import function_of
from doorward_cli.tables import print_lines

_FUNCTION = "ReactToChangeFunction"
_SESSIONS = {
    "cut": "sessions opened since the change would be ended; older ones live on",
    "ask": "a person would decide about sessions opened since the change",
}


def read_plan(role_ref: str, by: str | None, stack: str) -> dict[str, Any]:
    """`by`: ARN of who is taken to have changed the role just now. Raises Unavailable, Misconfigured."""
    account_id, _, name = role_ref.partition("/")
    return function_of(stack, _FUNCTION, answers="writes")({"foresee": {"account": account_id, "role": name, "by": by}})


def is_quiet(plan: Mapping[str, Any]) -> bool:
    """Whether the hub would do nothing."""
    return plan["action"] in {"pass", "none"}


def print_table(plan: Mapping[str, Any]) -> None:
    print_lines(_lines(plan))


def _lines(plan: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    style = "green" if is_quiet(plan) else "bold red" if plan.get("door_open") else "yellow"
    yield 0, Text().append(plan["action"].ljust(8), style=style).append(_safe(f"{plan['role_ref']}: {plan['because']}"))
    for each in plan.get("findings", ()):
        yield 2, Text(_safe(f"{each['severity']} {each['rule']}: {each['because']}"))
        if each.get("witness"):
            yield 4, Text(_safe(f"proof  {witness_in_words(each['witness'])}"), style="dim")
    for each in plan.get("undecidable", ()):
        yield 2, Text(_safe(f"undecided {each['rule']}: {each['because']}"))
    for number, each in enumerate(plan["writes"]):
        yield 2, Text(_safe(f"{'would write' if number == 0 else 'if IAM refuses that'}: {each['kind']}"), style="bold")
        for line in each["diff"]:
            yield 4, Text(_safe(line), style={"+": "green", "-": "red"}.get(line[:1], "dim"))
    if plan.get("contains"):
        yield 2, Text(_safe(f"would ask to have {plan['contains']} denied everything in the account"), style="bold red")
    if plan.get("sessions") in _SESSIONS:
        yield 2, Text(_SESSIONS[plan["sessions"]])
    yield 0, Text("Nothing was done: this is what a change seen now would lead to.", style="dim")


def _safe(text: str) -> str:
    return for_terminal(text)
