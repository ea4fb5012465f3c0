"""`doorward grants`: what may be asked for, what somebody asked for, and what people say to it.

Shown for two readers: who only wants to know what he is about to allow, and who reads the policy.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import IO, Any, Final

from rich.text import Text

from doorward.errors import MalformedInput, Unavailable
from doorward.findings.escaping import for_terminal
from doorward.grants.wording import statement_in_words
from doorward_cli import usage
from doorward_cli.api import Api, Refused, every
from doorward_cli.grant_credentials import every_grant
from doorward_cli.tables import print_lines

OVERVIEW: Final = "doorward.grants-overview/1"
_STYLES: Final = {
    "requested": "yellow",
    "pending": "yellow",
    "approved": "cyan",
    "active": "bold green",
    "ending": "yellow",
    "closed": "dim",
    "refused": "red",
    "expired": "red",
    "cancelled": "dim",
    "revoked": "red",
}
_RISK_STYLES: Final = {"low": "green", "medium": "yellow", "high": "bold red"}
OVER: Final = frozenset({"closed", "refused", "expired", "cancelled", "revoked"})
_STATE_WIDTH: Final = 10
_EVERY_SECONDS: Final = 3
"""How often it is asked what became of one: a third of what the API takes from one caller."""
_MOST_FAILURES: Final = 10
_TOO_OFTEN: Final = 429


def overview(api: Api, *, with_over: bool) -> dict[str, Any]:
    """What he may ask for, and the grants that concern him; `with_over`: also those that are over. Raises as Api.call."""
    offers = list(every(api, "/entitlements", "offers"))
    return {"format": OVERVIEW, "offers": offers, "grants": list(every_grant(api, with_over=with_over))}


def one(api: Api, grant_id: str) -> dict[str, Any]:
    """Raises as Api.call."""
    found: dict[str, Any] = api.call("GET", f"/grants/{grant_id}")
    return found


def request(api: Api, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`wanted`: the body of POST /grants. Raises as Api.call."""
    asked: dict[str, Any] = api.call("POST", "/grants", wanted)
    return asked


def say(api: Api, grant: Mapping[str, Any], what: str, reason: str) -> dict[str, Any]:
    """`what`: approve or refuse, about the grant as it was shown; or cancel or revoke, of which what comes goes by who says it.

    Raises as Api.call.
    """
    shown = {"shown": grant["shown"]} if what in {"approve", "refuse"} else {}
    said: dict[str, Any] = api.call("POST", f"/grants/{grant['grant_id']}/{what}", shown | ({"reason": reason} if reason else {}))
    return said


def parameters_of(texts: Sequence[str]) -> dict[str, str]:
    """Of `name=value` each. Raises MalformedInput."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise MalformedInput(f"--param {text}: must be NAME=VALUE")
        if name in found:
            raise MalformedInput(f"--param {text}: {name} is given twice")
        found[name] = value
    return found


def wait(api: Api, grant: Mapping[str, Any], sleep: Callable[[float], object]) -> dict[str, Any]:
    """The grant, once it is active, over, or approved for a start that is still to come. Raises as Api.call."""
    if _is_settled(grant):
        return dict(grant)
    failures = 0
    with _spinner(_waiting_for(grant)) as told:
        while not _is_settled(grant):
            sleep(_EVERY_SECONDS)
            try:
                grant = one(api, grant["grant_id"])
                failures = 0
            except (Unavailable, Refused) as error:
                if isinstance(error, Refused) and error.status != _TOO_OFTEN:
                    raise
                failures += 1
                if failures == _MOST_FAILURES:
                    raise
            told(_waiting_for(grant))
    return dict(grant)


def _is_settled(grant: Mapping[str, Any]) -> bool:
    if grant["state"] == "approved":
        return _time(grant["starts_at"]) > datetime.now().astimezone()
    return grant["state"] not in {"requested", "pending"}


def _waiting_for(grant: Mapping[str, Any]) -> str:
    if grant["state"] == "pending" and grant["decision"]:
        missing = grant["decision"]["missing"] or "what comes of it"
        return f"Waiting for {missing}, until {_clock(grant['decision']['ends_at'])}; Ctrl-C leaves it standing"
    return f"Waiting: it is {grant['state']}; Ctrl-C leaves it standing"


def _spinner(first: str) -> AbstractContextManager[Callable[[str], object]]:
    """On a terminal; anywhere else one line on standard error."""
    if not sys.stderr.isatty():
        usage.say(first, usage.DONE)
        return nullcontext(lambda _: None)
    return _Turning(first)


class _Turning:
    def __init__(self, first: str) -> None:
        from rich.console import Console

        self._status = Console(stderr=True, highlight=False, markup=False, emoji=False).status(Text(_safe(first)))

    def __enter__(self) -> Callable[[str], object]:
        self._status.start()
        return lambda text: self._status.update(Text(_safe(text)))

    def __exit__(self, *_: object) -> None:
        self._status.stop()


def print_overview(shown: Mapping[str, Any]) -> None:
    print_lines(_overview_lines(shown["offers"], shown["grants"]))


def print_grant(grant: Mapping[str, Any], stream: IO[str] | None = None) -> None:
    """`stream` None: standard output."""
    print_lines(_grant_lines(grant), stream)


def print_outcome(grant: Mapping[str, Any]) -> None:
    """What became of it, and what to do now."""
    print_lines(_head(grant))


def print_settled(grant: Mapping[str, Any]) -> None:
    """What became of one that was waited for, and how it is used."""
    print_lines(_settled_lines(grant))


def _settled_lines(grant: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    yield from _head(grant)
    if grant["state"] == "active":
        for each in ("run {} -- aws s3 ls", "configure {} --profile-name NAME", "console {}"):
            yield 4, _command_line(f"doorward grants {each.format(grant['grant_id'])}")


def _overview_lines(offers: Sequence[Mapping[str, Any]], grants: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Text]]:
    yield 0, Text("Grants", style="bold")
    for each in grants:
        yield 2, Text().append(f"{each['state']:<{_STATE_WIDTH}}", style=_STYLES.get(each["state"], "")).append(_safe(each["grant_id"]))
        yield 2 + _STATE_WIDTH, Text(_safe(f"{each['person']['name']}, {_role(each)}: {_template(each)}{_when(each)}"), style="dim")
    if not grants:
        yield 2, Text("None.", style="dim")
    yield 0, Text()
    yield 0, Text("You may ask for", style="bold")
    for each in offers:
        yield 2, Text(_safe(f"{_role(each)}: {each['template']}"))
        yield 4, Text(_safe(_terms(each)), style="dim")
        yield 4, _command_line(_command(each))
    if not offers:
        because = "no rule of the entitlements is about you, or none of its roles is known yet: they are looked for every five minutes"
        yield 2, Text(f"Nothing: {because}.", style="yellow")


def _grant_lines(grant: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    yield from _head(grant)
    yield from _labelled("id", grant["grant_id"])
    yield from _labelled("who", grant["person"]["name"])
    yield from _labelled("role", _role(grant))
    yield from _labelled("template", _template(grant))
    yield from _labelled("risk", grant["risk"] or "not known yet", style=_RISK_STYLES.get(grant["risk"], ""))
    for number, each in enumerate(grant["scope"]):
        yield from _labelled("may" if number == 0 else "", statement_in_words(each))
    yield from _labelled("how long", f"{grant['minutes']} minutes{_when(grant)}")
    yield from _labelled("why", grant["reason"])
    yield from _labelled("ticket", grant["ticket"] or "none")
    decision = grant["decision"]
    if grant["automatic"]:
        yield from _labelled("agreed", "nobody has to")
    elif decision:
        agreed = ", ".join(decision["yes"]) or ("nobody yet" if decision["state"] == "open" else "nobody")
        missing = f"; it takes {decision['missing']}, until {_clock(decision['ends_at'])}" if decision["missing"] else ""
        yield from _labelled("agreed", f"{agreed}{missing}")
    if grant["rules"]:
        yield from _labelled("rules", ", ".join(grant["rules"]))
        yield from _labelled("policy", f"sha256 {grant['policy_sha256']}")
    yield from _policy_lines(grant["scope"])


def _head(grant: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    style = _STYLES.get(grant["state"], "")
    yield 0, Text().append(f"{grant['state']:<{_STATE_WIDTH}}", style=style).append(_safe(grant["title"]), style="bold")
    for each in (grant["because"], grant["what_to_do"]):
        if each:
            yield 2, Text(_safe(each))


def _policy_lines(scope: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Text]]:
    yield (
        4,
        Text("# and always: nothing after the grant's end, nothing of STS, nothing of IAM on Doorward's roles", style="dim"),
    )
    for line in json.dumps(scope, indent=2, ensure_ascii=True).splitlines():
        # JSON's own escapes stay single, so that it can be copied.
        yield 4, Text(_safe(line).replace("\\\\", "\\"), style="dim")


def _role(each: Mapping[str, Any]) -> str:
    """Of a grant or an offer."""
    account, _, name = each["role"].partition("/")
    return f"{name} in {each['account']['name'] or 'an account without a name'} ({account})"


def _template(grant: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name} = {value}" for name, value in grant["parameters"].items())
    return f"{grant['template']}{': ' if values else ''}{values}"


def _when(grant: Mapping[str, Any]) -> str:
    if grant["ends_at"]:
        until = grant.get("ended_at") or grant["ends_at"]
        return f", from {_clock(grant['starts_at'])} until {_clock(until)}"
    return f", from {_clock(grant['wanted_start'])}" if grant["wanted_start"] else ", from the moment that it is approved"


def _terms(offer: Mapping[str, Any]) -> str:
    parts = [f"risk {offer['risk']}", f"{offer['minutes']} minutes at most"]
    if offer["start_within_hours"]:
        parts.append(f"a start within {offer['start_within_hours']} hours may be named")
    parts += [f"with a ticket such as {' or '.join(forms)}" for forms in offer["tickets"] if forms]
    agree = f"{', '.join(offer['approvers'])} may agree"
    parts.append(agree if offer["automatic"] == "never" else f"{agree}, or nobody has to")
    return "; ".join(parts)


def _command(offer: Mapping[str, Any]) -> str:
    """Ready to be filled in, and harmless where it is not."""
    parts = ["doorward grants request", offer["role"], "--template", offer["template"]]
    for name, parameter in offer["parameters"].items():
        parts += ["--param", f'"{name}={(parameter["like"] or [parameter["type"].upper()])[0]}"']
    parts += ["--minutes", str(offer["minutes"])]
    if any(offer["tickets"]):
        parts += ["--ticket", f'"{next(forms[0] for forms in offer["tickets"] if forms)}"']
    return " ".join([*parts, "--reason", '"…"'])


def _command_line(command: str) -> Text:
    return Text(_safe(command), style="cyan", no_wrap=True)


def _labelled(label: str, text: str, style: str = "") -> Iterator[tuple[int, Text]]:
    yield 2, Text().append(f"{label:<{_STATE_WIDTH}}", style="dim").append(_safe(text), style=style)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def _clock(text: str) -> str:
    """As the clock here shows it; with the day where that is another."""
    time = _time(text)
    return f"{time:%H:%M}" if time.date() == datetime.now().astimezone().date() else f"{time:%Y-%m-%d %H:%M}"


def _safe(text: str) -> str:
    return for_terminal(text)
