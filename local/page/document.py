"""The page itself: one document, readable without a script, in light and dark, wide and narrow.

Whatever comes from the snapshot goes through `markup.tag`, which escapes it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from doorward_cli.markup import Html, join, tag
from local.page.words import at_text, counted, duration, remedy_words, status_words
from local.slack import rendering
from local.snapshot import ShownAlert, ShownCase, ShownEvent, ShownLetter, ShownRule, Snapshot
from local.web import frame
from local.web.frame import time_tag
from local.world import SLACK_PLACES

TITLE: Final = "Doorward on the local stack"
_WHO_IS_TOLD: Final = "What people were told, as Slack shows it: the author of a change first, then the account's owner, then everybody."
_SEVERITIES: Final = frozenset({"critical", "high", "medium", "low", "info"})
_OUTCOMES: Final = {
    "reverted": "good",
    "accepted": "good",
    "passed": "good",
    "alerted": "open",
    "asked": "open",
    "remedy-failed": "bad",
}


def style() -> Html:
    return frame.style_sheet(rendering.STYLE, Path(__file__).parent / "style.css")


def content_security_policy() -> str:
    """No form either."""
    return frame.content_security_policy(style())


def render_page(snapshot: Snapshot) -> str:
    return frame.document(
        TITLE,
        style(),
        tag("a", "To the findings", class_="skip", href="#findings"),
        _header(snapshot),
        tag(
            "main",
            _section("findings", "Findings", "Trust policies that broke a guardrail, and what became of them.", _cases(snapshot)),
            _section("alerts", "Alerts", "Who came in, who hides, what became of accounts and of Doorward itself.", _alerts(snapshot)),
            _section("events", "Events", "Every CloudTrail event that reached Doorward, and what came of it.", _events(snapshot)),
            _section("messages", "Slack", _WHO_IS_TOLD, _messages(snapshot)),
            _section("letters", "Dead letters", "Messages that could not be handled, kept for a person.", _letters(snapshot)),
        ),
        tag("footer", tag("p", "Everything on this page happened on an emulated AWS on this machine. Times are UTC.")),
    )


def _header(snapshot: Snapshot) -> Html:
    slowest = snapshot.slowest_seconds
    letters = len(snapshot.dead_letters) + snapshot.more_letters
    return tag(
        "header",
        tag("p", "Local stack", class_="kicker"),
        tag("h1", "Doorward"),
        tag(
            "p",
            "Watches who may assume which role across an AWS organization, and puts back a trust policy that lets the wrong ones in.",
            class_="lead",
        ),
        tag(
            "dl",
            _count("Events looked at", str(len(snapshot.events)), "#events"),
            _count("Findings", str(len(snapshot.cases)), "#findings", f"{snapshot.open_cases} still open"),
            _count("Closed", str(snapshot.put_back), "#findings", f"slowest {duration(slowest)}" if slowest is not None else None),
            _count("Alerts", str(len(snapshot.alerts)), "#alerts"),
            _count("Slack messages", str(len(snapshot.messages)), "#messages"),
            _count("Dead letters", str(letters), "#letters"),
            class_="counts",
        ),
        tag(
            "p",
            "As of ",
            time_tag(snapshot.taken_at, at_text(snapshot.taken_at)),
            " UTC. Reload the page for what happened since. To take along: ",
            tag("a", "findings.csv", href="findings.csv"),
            ", ",
            tag("a", "summary.md", href="summary.md"),
            ".",
            class_="asof",
        ),
    )


def _count(name: str, number: str, to: str, note: str | None = None) -> Html:
    small = None if note is None else tag("span", note, class_="note")
    return tag("div", tag("dt", name), tag("dd", tag("a", number, href=to), small))


def _section(anchor: str, heading: str, says: str, content: Html) -> Html:
    label = f"{anchor}-heading"
    return tag("section", tag("h2", heading, id=label), tag("p", says, class_="says"), content, id=anchor, aria_labelledby=label)


def _empty(*what_to_do: Html | str) -> Html:
    return tag("p", *what_to_do, class_="empty")


# Findings


def _cases(snapshot: Snapshot) -> Html:
    if not snapshot.cases:
        return _empty(
            "No finding yet. Play the story with ",
            tag("code", "make demo"),
            ", or change a role's trust policy on the local stack, and reload.",
        )
    return join(*(_case(case) for case in snapshot.cases))


def _case(case: ShownCase) -> Html:
    status = status_words(case)
    label = f"case-{case.finding_id}"
    return tag(
        "article",
        tag(
            "div",
            _severity(case.severity),
            tag("h3", case.role_ref, id=label),
            tag("span", case.account_name, class_="account") if case.account_name else None,
            tag("span", status.text, class_=f"status {status.tone}"),
            class_="head",
        ),
        tag(
            "div",
            tag(
                "div",
                tag("ul", *(_rule(each, case.severity) for each in case.rules), class_="rules"),
                tag("p", tag("b", "Proof"), case.witness, class_="proof") if case.witness is not None else None,
            ),
            tag(
                "dl",
                _fact("Changed by", tag("code", case.actor), f" with {case.event_name}" if case.event_name else None),
                _fact("Found", time_tag(case.opened_at)),
                _fact("Closed", time_tag(case.closed_at)) if case.closed_at is not None else None,
                _fact("Written", remedy_words(case.remedy_kind) if case.diff and case.remedy_kind else "nothing"),
                _fact("Why so", case.failed_because or case.because),
                _fact("Finding", tag("code", case.finding_id)),
                class_="facts",
            ),
            class_="what",
        ),
        _diff(case.diff) if case.diff else None,
        class_="case" if case.diff else "case unwritten",
        aria_labelledby=label,
    )


def _severity(severity: str) -> Html:
    known = severity if severity in _SEVERITIES else "unknown"
    return tag("span", severity or "unknown", class_=f"severity {known}")


def _rule(rule: ShownRule, case_severity: str) -> Html:
    level = tag("span", f" {rule.severity}", class_="level") if rule.severity != case_severity else None
    return tag("li", tag("b", rule.rule), level, tag("p", rule.because))


def _fact(name: str, *value: Html | str | None) -> Html:
    return tag("div", tag("dt", name), tag("dd", *value))


def _diff(lines: Iterable[str]) -> Html:
    return tag(
        "figure",
        tag("figcaption", "The change that Doorward wrote"),
        # A scrolling box must be reachable by the keyboard.
        tag("pre", *(_diff_line(line) for line in lines), tabindex="0", role="group", aria_label="Changed lines of the trust policy"),
        class_="diff",
    )


def _diff_line(line: str) -> Html:
    """The sign stays in the text: colour alone says nothing to some people."""
    name = {"+": "ins", "-": "del"}.get(line[:1], "span")
    # The newline stands inside: between two blocks it would be an empty line.
    return tag(name, line, Html("\n"), class_="hunk" if line.startswith("@@") else None)


# Alerts


def _alerts(snapshot: Snapshot) -> Html:
    if not snapshot.alerts:
        return _empty("No alert yet. ", tag("code", "make demo"), " lets an outsider in, silences an account and switches a rule off.")
    return tag("ol", *(_alert(each) for each in snapshot.alerts), class_="alerts")


def _alert(alert: ShownAlert) -> Html:
    return tag(
        "li",
        tag(
            "div",
            _severity(alert.severity),
            tag("h3", alert.detection),
            tag("span", alert.about, class_="account"),
            tag("span", time_tag(alert.at), class_="status quiet"),
            class_="head",
        ),
        tag("p", alert.because),
        tag("p", tag("b", "What to do"), alert.what_to_do, class_="todo"),
    )


# Events


def _events(snapshot: Snapshot) -> Html:
    if not snapshot.events:
        return _empty("No event yet. They arrive within seconds of a change in IAM; ", tag("code", "make demo"), " makes some.")
    columns = ("Time (UTC)", "Account", "Event", "Role", "Outcome")
    # Narrow screens show each row as a block, and an element that is no table any more must be told that it is one.
    return tag(
        "table",
        tag("caption", f"{counted(len(snapshot.events), 'event', 'events')}, the oldest first"),
        tag("thead", tag("tr", *(tag("th", each, scope="col", role="columnheader") for each in columns), role="row"), role="rowgroup"),
        tag("tbody", *(_event(each) for each in snapshot.events), role="rowgroup"),
        role="table",
    )


def _event(event: ShownEvent) -> Html:
    tone = _OUTCOMES.get(event.outcome, "quiet")
    role_name = event.role_ref.partition("/")[2]
    return tag(
        "tr",
        _cell("Time", time_tag(event.time)),
        _cell("Account", event.account_name or event.account_id),
        _cell("Event", tag("span", event.event_name, class_="mono")),
        _cell("Role", tag("span", role_name, class_="mono") if role_name else tag("span", "none", class_="none")),
        _cell("Outcome", tag("span", event.outcome, class_=f"status {tone}"), tag("p", event.because)),
        role="row",
    )


def _cell(label: str, *inside: Html | str) -> Html:
    return tag("td", tag("div", *inside), role="cell", data_label=label)


# Slack


def _messages(snapshot: Snapshot) -> Html:
    if not snapshot.messages:
        return _empty("No message yet. People are told of each finding whose mode is not ", tag("code", "observe"), ".")
    shown = (rendering.message_item(each, f" to {SLACK_PLACES.get(each.channel, each.channel)}") for each in snapshot.messages)
    return tag("ol", *shown, class_="messages")


# Dead letters


def _letters(snapshot: Snapshot) -> Html:
    if not snapshot.dead_letters:
        return _empty("None, as it should be. What cannot be handled comes here with the reason, and is never dropped in silence.")
    more = _empty(f"And {snapshot.more_letters} more in the queues.") if snapshot.more_letters else None
    return join(tag("ul", *(_letter(each) for each in snapshot.dead_letters), class_="letters"), more)


def _letter(letter: ShownLetter) -> Html:
    return tag(
        "li",
        tag("p", time_tag(letter.at), " in ", tag("code", letter.queue), class_="from"),
        tag("p", letter.reason, class_="reason"),
        tag("pre", letter.body, " …" if letter.is_cut else None, tabindex="0", role="group", aria_label="Beginning of the message"),
    )
