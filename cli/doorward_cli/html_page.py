"""One HTML file that needs nothing else: no script, no font, no image, and a policy that forbids them.

Whatever comes from an input goes through `markup.tag`, which escapes it.
"""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import IO

from doorward.findings.model import Finding, Undecided, Verdict
from doorward_cli import words
from doorward_cli.checking import FOREIGN_BY_DEFAULT, Checked, Report
from doorward_cli.markup import Html, join, tag

_TITLE = "Doorward: trust policies"
_ORDER = (Verdict.VIOLATING, Verdict.UNDECIDABLE, Verdict.INVALID, Verdict.WAIVED, Verdict.COMPLIANT)
_SAYS = {
    Verdict.VIOLATING: "Somebody can come in who must not.",
    Verdict.UNDECIDABLE: "Not proved either way, and so not known to be safe.",
    Verdict.INVALID: "IAM would refuse to store it.",
    Verdict.WAIVED: "Open, and accepted by somebody until a date.",
    Verdict.COMPLIANT: "Nobody comes in who must not.",
}


def write_report(report: Report, stream: IO[str]) -> None:
    """Role by role, so that a page of thousands is never in memory as a whole."""
    stream.write(f'<!doctype html>\n<html lang="en">{_head()}<body>{_header(report)}<main>')
    stream.write(_errors(report))
    for verdict in _ORDER:
        roles = [each for each in report.roles if each.judgement.verdict is verdict]
        if roles:
            stream.write(f'<section id="{verdict}">')
            stream.write(join(tag("h2", verdict.capitalize(), Html("&nbsp;"), tag("span", str(len(roles)), class_="count"))))
            stream.write(tag("p", _SAYS[verdict], class_="says"))
            for each in roles:
                stream.write(_role(each, is_open=verdict is Verdict.VIOLATING))
            stream.write("</section>")
    stream.write(f"</main>{_footer(report)}</body></html>\n")


@cache
def style() -> Html:
    return Html(resources.files("doorward_cli").joinpath("html_page.css").read_text(encoding="utf-8"))


def content_security_policy() -> str:
    """Our own style sheet, by its hash, and nothing else. A meta element may not say `frame-ancestors`."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _head() -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{content_security_policy()}">'),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", _TITLE),
        tag("style", style()),
    )


def _header(report: Report) -> Html:
    counts = report.summary()
    cells = [
        tag("a", tag("b", str(counts[verdict])), tag("span", str(verdict)), href=f"#{verdict}", class_=f"tile {verdict}")
        if counts[verdict]
        else tag("div", tag("b", "0"), tag("span", str(verdict)), class_="tile none")
        for verdict in _ORDER
    ]
    return tag(
        "header",
        tag("p", "Doorward", class_="kicker"),
        tag("h1", "Who can come in"),
        tag("p", f"{words.summary(report)}.", class_="lead"),
        tag("nav", *cells, aria_label="Verdicts"),
    )


def _errors(report: Report) -> Html:
    if not report.errors:
        return Html("")
    return tag(
        "section",
        tag("h2", "Could not be read"),
        tag("ul", *(tag("li", str(each)) for each in report.errors), class_="errors"),
        id="errors",
    )


def _footer(report: Report) -> Html:
    return tag(
        "footer",
        tag("p", FOREIGN_BY_DEFAULT) if report.foreign_by_default else None,
        tag("p", "Pages of rules are in Doorward's repository. External IDs are shown as ***."),
    )


def _role(checked: Checked, *, is_open: bool) -> Html:
    judgement, subject = checked.judgement, checked.subject
    worst = words.worst(judgement.findings)
    head = tag(
        "summary",
        tag("span", str(worst or judgement.verdict), class_=f"badge {worst or judgement.verdict}"),
        tag("span", words.who(checked), class_="who"),
        tag("span", subject.source, class_="source"),
    )
    body = join(
        tag("p", judgement.because, class_="because") if judgement.because is not None else None,
        *(_finding(checked, each) for each in judgement.findings),
        *(_undecided(each) for each in judgement.undecidable),
        *_remedy(checked),
        None if judgement.findings or judgement.undecidable or judgement.because else tag("p", "No finding.", class_="because"),
    )
    opened = Html("<details open>") if is_open else Html("<details>")
    return Html(f"{opened}{head}{tag('div', body, class_='body')}</details>")


def _finding(checked: Checked, finding: Finding) -> Html:
    return tag(
        "article",
        tag(
            "h3",
            tag("span", str(finding.severity), class_=f"badge {finding.severity}"),
            Html(" "),
            finding.title,
        ),
        _facts(
            ("Why", finding.because),
            ("Where", words.where(finding.statement)),
            ("Witness", words.witness(finding)),
            ("Waiver", words.waiver(finding)),
            ("Remedy of this alone", words.own_remedy_if_another(checked, finding)),
            ("Rule", f"{finding.rule} ({words.page(finding.rule)})"),
        ),
    )


def _undecided(undecided: Undecided) -> Html:
    return tag(
        "article",
        tag("h3", tag("span", "undecided", class_="badge undecidable"), Html(" "), undecided.construct),
        _facts(
            ("Why", undecided.because),
            ("Where", words.where(undecided.statement)),
            ("Rule", f"{undecided.rule} ({words.page(undecided.rule)})"),
        ),
    )


def _facts(*facts: tuple[str, str | None]) -> Html:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value is not None))


def _remedy(checked: Checked) -> Iterator[Html]:
    if checked.whole is None:
        return
    yield tag("h3", "Remedy")
    yield tag("p", words.remedy(checked.whole.remedy))
    if not checked.whole.patch:
        yield _diff(words.remedy_diff(checked))
    for hint in checked.whole.patch:
        yield tag("p", words.patch_place(hint), class_="place")
        yield _diff(words.patch_diff(checked, hint))


def _diff(lines: list[str]) -> Html:
    kinds = {"+": "ins", "-": "del"}
    return tag("pre", *(tag(kinds.get(line[:1], "span"), line) for line in lines), class_="diff")
