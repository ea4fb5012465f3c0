"""One hostile record through every place that shows text: whatever it says changes the text there, and never the structure.

The structure is that of the same record with harmless texts. Each check is also held against the same place without its escaping:
there it must fail.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import IO, Any, NamedTuple

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from doorward.aws import announcing
from doorward.findings import escaping as escapes
from doorward.findings.escaping import for_terminal
from doorward.findings.model import Judgement, Severity, Verdict
from doorward.guardrails.announcements import diff_documents
from doorward.notices.gathered import Kept, Why
from doorward.organization.model import Organization
from doorward.ports.announcing import Message
from doorward.slack import cards
from doorward.slack.cards import render_card
from doorward.usecases.address_author import address_author
from doorward.usecases.compose_message import compose_message
from doorward.usecases.notify_people import Tools
from doorward.usecases.send_gathered import send_gathered
from doorward_cli import html_page, markdown, markup, sarif
from doorward_cli.checking import Checked, Proposed, Report
from doorward_cli.inputs import Subject, Unreadable
from doorward_cli.patch_hints import PatchHint
from doorward_cli.tables import print_report
from local.page import files, serve
from local.page.document import render_page
from local.slack import mrkdwn
from tests.browser.outline import outline
from tests.browser.outline import text as text_of
from tests.browser.samples import ALL_AT_ONCE, HARMLESS, PAYLOADS, card, envelope, harmless, hostile, record, snapshot_of
from tests.fakes import START, FakeChannel, FakeClock, FakeLedger, FakeNotices
from tests.unit.test_page import Answer

EACH = pytest.mark.parametrize("payload", [*PAYLOADS, ALL_AT_ONCE])
# U+2800 is printable by Unicode and shows nothing. Of the rest, str.isprintable() knows.
UNSEEN = frozenset("\u2800")
FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r")
LONGEST_SUBJECT = 99
LONGEST_SECTION = 2900
LONGEST_CELL = 100


def untouched(text: str) -> str:
    return text


def detail_of(payload: str) -> dict[str, Any]:
    """The record's event, with what IAM would not let through as well."""
    return {**record(hostile(payload)).detail, "role_ref": payload}


def check_visible(text: str) -> None:
    """Lines of characters that show themselves. Only we break a line."""
    unseen = {each for each in text if each != "\n" and (not each.isprintable() or each in UNSEEN)}
    assert not unseen, f"raw in the text: {unseen!a}"


def check_without_links(text: str) -> None:
    assert "://" not in text
    assert "www." not in text.lower()


# Terminal


@EACH
def test_a_terminal_gets_one_line_that_shows_itself(payload: str) -> None:
    shown = for_terminal(payload)
    check_visible(shown)
    assert "\n" not in shown


def test_the_check_of_a_terminals_line_can_fail() -> None:
    for payload in ("\x1b[2J", "\x9b2J", "\u202egnp.exe\u2066", "zero\u200bwidth", "\u2800", "\r", "\ud800"):
        with pytest.raises(AssertionError):
            check_visible(payload)


@pytest.fixture(params=["file", "terminal"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """`doorward check`'s table of the record, as it goes into a file, and as it goes to a terminal that knows no colours."""
    if request.param == "terminal":
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")

    def show(payload: str) -> str:
        made = record(hostile(payload))
        subject = Subject(source=payload, trust_policy=made.role.trust_policy, arn=payload)
        stream = io.StringIO()
        print_report(Report((Checked(subject, made.judgement, Proposed(made.remedy)),), (), foreign_by_default=False), stream)
        return stream.getvalue()

    return show


@EACH
def test_the_command_lines_table_shows_it_and_nothing_else_happens(table: Callable[[str], str], payload: str) -> None:
    shown = table(payload)
    check_visible(shown)
    if len(shown.splitlines()) == len(table(HARMLESS).splitlines()):  # not wrapped by the terminal's width
        assert for_terminal(payload) in shown, "its markup must not be obeyed: it must show"


def test_the_check_of_the_table_can_fail(table: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["doorward_cli.tables"], "for_terminal", untouched)
    with pytest.raises(AssertionError):
        check_visible(table(ALL_AT_ONCE))


# The other formats of `doorward check`


class Waiver(NamedTuple):
    owner: str
    reason: str
    until: str


def report_of(payload: str) -> Report:
    """The record as a template's role, waived for its second finding, beside an invalid role and a file that cannot be read."""
    made = record(hostile(payload))
    [finding] = made.judgement.findings
    waiver: Any = Waiver(payload, payload, payload)
    waived = finding._replace(waiver=waiver)
    judgement = made.judgement._replace(findings=(finding, waived))
    subject = Subject(source=payload, trust_policy=made.role.trust_policy, arn=payload, name=payload, file=payload)
    line = payload.replace("\n", "")  # in a source, that is where a line of it ends
    hint = PatchHint(payload, 1, 1, payload, f"before\n{line}", f"after\n{line}")
    patched = Proposed(made.remedy, (hint,))
    roles = (
        Checked(subject, judgement, patched, (patched, None)),
        Checked(subject, judgement, Proposed(made.remedy)),
        Checked(subject, Judgement(Verdict.INVALID, because=payload)),
    )
    return Report(roles, (Unreadable(payload, payload, payload),), foreign_by_default=True)


def written(write: Callable[[Report, IO[str]], None], payload: str) -> str:
    stream = io.StringIO()
    write(report_of(payload), stream)
    return stream.getvalue()


def shape(value: Any) -> Any:
    """JSON without its texts, but for what a program reads."""
    if isinstance(value, dict):
        return {
            key: inner if key in {"ruleId", "level", "id", "uri"} and "://" not in str(inner) else shape(inner)
            for key, inner in value.items()
        }
    return [shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def messages(value: Any) -> Iterator[tuple[str, str]]:
    """Every text that a viewer shows, and whether it is Markdown."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"text", "markdown", "justification", "fullyQualifiedName"} and isinstance(inner, str):
                yield key, inner
            else:
                yield from messages(inner)
    elif isinstance(value, list):
        for each in value:
            yield from messages(each)


def without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_places(inner) for key, inner in value.items() if key not in {"uri", "partialFingerprints", "$schema"}}
    return [without_places(each) for each in value] if isinstance(value, list) else value


def check_sarif(payload: str) -> None:
    made, twin = (json.loads(written(sarif.write_report, each)) for each in (payload, HARMLESS))
    assert shape(without_places(made)) == shape(without_places(twin))
    for kind, text in messages(without_places(made)):
        check_visible(text)
        if kind == "markdown":
            check_without_links(text)
        elif kind == "text":
            check_without_links(text)
            assert not set(text) & set("[]{}"), "a viewer would see a link or a placeholder"
    for (kind, text), (_, expected) in zip(messages(made), messages(twin), strict=True):
        assert kind != "markdown" or markdown_outline(text) == markdown_outline(expected)
    for place in (each for run in made["runs"] for result in run["results"] for each in result["locations"]):
        assert re.fullmatch(r"(?:file:///)?[A-Za-z0-9/%._~-]*", place["physicalLocation"]["artifactLocation"]["uri"])


@EACH
def test_a_sarif_log_holds_no_link_placeholder_or_markdown_but_ours(payload: str) -> None:
    check_sarif(payload)


@pytest.mark.parametrize(
    ("escaping", "payload"),
    [("for_sarif", "[the console](https://evil.example)"), ("for_sarif", "{0}"), ("for_sarif", "\x1b[2J"), ("for_markdown", "![x](y)"),
     ("for_markdown", "*bold*"), ("for_terminal", "\u202egnp.exe")],
)  # fmt: skip
def test_the_check_of_a_sarif_log_can_fail(escaping: str, payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, escaping, untouched)
    with pytest.raises(AssertionError):
        check_sarif(payload)


def check_comment(payload: str) -> None:
    made, twin = (written(markdown.write_report, each) for each in (payload, HARMLESS))
    assert markdown_outline(made) == markdown_outline(twin)
    html, expected = ("\n".join(html_blocks(each)) for each in (made, twin))
    assert outline(html) == outline(expected)
    check_visible(made)
    check_without_links(made)
    assert "@" not in re.sub(r"(?ms)^(`{3,})diff$.*?^\1$", "", made), "GitHub notifies whom the rendered page names"
    assert len(made.splitlines()) == len(twin.splitlines())
    shown = for_terminal(payload).replace("://", "[:]//").replace("www.", "www[.]").replace("@", "\N{FULLWIDTH COMMERCIAL AT}").strip()
    if len(shown) < LONGEST_CELL:
        assert markdown_text(made).count(shown) >= markdown_text(twin).count(HARMLESS), "it is not left out, it shows"


def html_blocks(text: str) -> list[str]:
    return [each.content for each in MarkdownIt("commonmark").enable("table").parse(text) if each.type == "html_block"]


@EACH
def test_the_comment_holds_no_markdown_and_no_html_but_ours(payload: str) -> None:
    check_comment(payload)


@pytest.mark.parametrize(
    ("escaping", "payload"),
    [("for_markdown", "a | b"), ("for_markdown", "<b>x</b>"), ("for_markdown", "@octocat"), ("for_html_in_markdown", "<b>x</b>"),
     ("for_html_in_markdown", "@octocat"), ("for_html_in_markdown", "a\n\n# b"), ("for_plain_text", "\x1b[2J"), ("for_plain_text", "https://evil.example")],
)  # fmt: skip
def test_the_check_of_the_comment_can_fail(escaping: str, payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, escaping, untouched)
    with pytest.raises(AssertionError):
        check_comment(payload)


def check_report_page(payload: str) -> None:
    page = written(html_page.write_report, payload)
    assert outline(page) == outline(written(html_page.write_report, HARMLESS))
    check_visible(page)
    assert for_terminal(payload) in text_of(page), "it is not left out, it shows"


@EACH
def test_the_report_page_holds_no_element_and_no_attribute_but_ours(payload: str) -> None:
    check_report_page(payload)


@pytest.mark.parametrize("payload", ["</pre></style><svg onload=document.title='owned'>", '"><img src=x>', "\x1b[2J"])
def test_the_check_of_the_report_page_can_fail(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "for_html", untouched)
    with pytest.raises(AssertionError):
        check_report_page(payload)


def test_no_line_of_a_diff_ends_its_fence() -> None:
    [_, opening, *inside, closing] = markdown._fenced(["+ ```", "- `````` x"])
    assert (opening, closing) == ("```````diff", "```````")
    assert inside == ["+ ```", "- `````` x"]


@pytest.mark.parametrize("write", [sarif.write_report, markdown.write_report, html_page.write_report])
def test_an_external_id_is_in_no_format_that_people_read(write: Callable[[Report, IO[str]], None]) -> None:
    assert "never-shown" not in written(write, HARMLESS)


# The diff, which every place shows


@EACH
def test_the_diff_has_the_lines_of_the_document_and_no_other(payload: str) -> None:
    assert len(record(hostile(payload)).detail["diff"]) == len(record(harmless).detail["diff"])


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_separator_of_unicode_begins_no_line_of_the_diff(separator: str) -> None:
    assert len(diff_documents(f'{{"Sid": "one{separator}two"}}', "{}")) == len(diff_documents('{"Sid": "one"}', "{}"))


# Slack


def kinds(pieces: tuple[mrkdwn.Piece, ...]) -> list[str]:
    """`text` stands once for any number of neighbours; what is inside of a mark stands behind it."""
    found: list[str] = []
    for piece in pieces:
        for kind in (piece.kind, *kinds(piece.inside)):
            if not (kind == "text" and found[-1:] == ["text"]):
                found.append(kind)
    return found


def check_card(payload: str) -> None:
    made, expected = card(detail_of(payload)), card(detail_of(HARMLESS))
    check_visible(made["text"])
    assert kinds(mrkdwn.parse(made["text"])) == ["text"]
    assert len(made["blocks"]) == len(expected["blocks"])
    assert [each for each in made["blocks"] if "elements" in each] == [each for each in expected["blocks"] if "elements" in each] != []
    for block, twin in zip(made["blocks"], expected["blocks"], strict=True):
        if "elements" in block:
            continue
        text = block["text"]["text"]
        found, wanted = kinds(mrkdwn.parse(text)), kinds(mrkdwn.parse(twin["text"]["text"]))
        assert found == (wanted[: len(found)] if len(text) == LONGEST_SECTION else wanted)
        check_visible(text)
        check_without_links(text)


@EACH
def test_a_slack_card_holds_no_mention_link_emoji_or_format_but_ours(payload: str) -> None:
    check_card(payload)


@pytest.mark.parametrize(
    "payload", ["<!channel>", "<@U0123ABCD>", "<https://evil.example|x>", ":rotating_light:", "*bold*", "`code`", "```fence```", "\x1b[2J"]
)
def test_the_check_of_a_card_can_fail(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "for_slack", untouched)
    with pytest.raises(AssertionError):
        check_card(payload)


# SNS: an e-mail's subject and text


def check_mail(payload: str) -> None:
    subject, text = mail(payload)
    assert subject.isascii()
    assert subject.isprintable()
    assert 0 < len(subject) <= LONGEST_SUBJECT
    assert subject.startswith("Doorward [critical] ")
    check_without_links(subject + text)
    check_visible(text)
    assert text.count("\n") == mail(HARMLESS)[1].count("\n")


@EACH
def test_a_letter_to_the_author_is_as_harmless_as_what_everybody_reads(payload: str) -> None:
    letter, harmless = (address_author(compose_message(envelope(detail_of(each))), each) for each in (payload, HARMLESS))
    check_without_links(letter.text)
    check_visible(letter.text)
    assert letter.text.count("\n") == harmless.text.count("\n")
    blocks, expected = (render_card(each)["blocks"] for each in (letter, harmless))
    assert len(blocks) == len(expected)
    for block, twin in zip(blocks, expected, strict=True):
        check_visible(block["text"]["text"])
        assert block["text"]["text"].count("\n") == twin["text"]["text"].count("\n")
        assert not {"<", ">", "`", "*", "~", "@"} & set(block["text"]["text"])


def mail(payload: str) -> tuple[str, str]:
    """Subject and text, as SNS is handed them for people."""
    return mailed(compose_message(envelope(detail_of(payload))))


def mailed(message: Message) -> tuple[str, str]:
    sent: list[dict[str, Any]] = []

    class Sns:
        def publish(self, **request: Any) -> None:
            sent.append(request)

    announcing.SnsTopic(Sns(), "arn").send(message)  # type: ignore[arg-type]
    return sent[0]["Subject"], json.loads(sent[0]["Message"])["default"]


@EACH
@pytest.mark.parametrize("why", list(Why))
def test_what_is_told_together_is_as_harmless_as_what_is_told_alone(payload: str, why: Why) -> None:
    channel = FakeChannel("everybody")
    tools = Tools((channel,), lambda _: channel, Organization(), FakeLedger(FakeClock()), FakeNotices(), FakeClock())
    for what in (payload, HARMLESS):
        tools.notices.gather(why, Kept("everybody", "dw-1-found", Severity.LOW, what, what, START))
        send_gathered(why, tools)
    message, harmless = channel.messages
    subject, text = mailed(message)
    assert subject.isascii()
    assert subject.isprintable()
    check_visible(text)
    check_without_links(text)
    assert text.count("\n") == harmless.text.count("\n")
    blocks, expected = (render_card(each)["blocks"] for each in (message, harmless))
    for block, twin in zip(blocks, expected, strict=True):
        check_visible(block["text"]["text"])
        assert block["text"]["text"].count("\n") == twin["text"]["text"].count("\n")


@EACH
def test_a_mails_subject_is_one_line_and_its_text_has_our_lines_and_no_link(payload: str) -> None:
    check_mail(payload)


@pytest.mark.parametrize(("module", "escaping"), [(announcing, "for_subject"), (escapes, "for_plain_text")])
def test_the_check_of_a_mail_can_fail(module: ModuleType, escaping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, escaping, untouched)
    with pytest.raises(AssertionError):
        check_mail("Subject: x\r\nBcc: all@evil.example\r\n\r\n")


# The page


def check_page(payload: str) -> None:
    page = render_page(snapshot_of(hostile(payload)))
    assert outline(page) == outline(render_page(snapshot_of(harmless)))
    check_visible(page)
    assert for_terminal(payload) in text_of(page), "it is not left out, it shows"


@EACH
def test_the_page_holds_no_element_and_no_attribute_but_ours(payload: str) -> None:
    check_page(payload)


@pytest.mark.parametrize("module", [markup, mrkdwn])
def test_the_check_of_the_page_can_fail(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "for_html", untouched)
    with pytest.raises(AssertionError):
        check_page("</pre></style><svg onload=document.title='owned'>")


@pytest.mark.parametrize("path", ["/", "/findings.csv", "/summary.md"])
def test_no_text_becomes_a_header_of_the_answer(path: str) -> None:
    with serve(lambda: snapshot_of(hostile())) as url, serve(lambda: snapshot_of(harmless)) as twin:
        headers, expected = Answer(url, path).headers, Answer(twin, path).headers
    names = [name for name in expected if name not in {"Date", "Content-Length"}]
    assert headers.keys() == expected.keys()
    assert [headers[name] for name in names] == [expected[name] for name in names]


# CSV


def check_csv(payload: str) -> None:
    text = files.findings_csv(snapshot_of(hostile(payload)))
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert [len(row) for row in rows] == [len(files.COLUMNS)] * 2
    for cell in rows[1]:
        assert not cell.lstrip(" ").startswith(FORMULAS), cell
        check_visible(cell)
        assert "\n" not in cell


@EACH
def test_no_cell_of_the_csv_is_a_formula_or_begins_another_cell(payload: str) -> None:
    check_csv(payload)


@pytest.mark.parametrize("payload", ['=HYPERLINK("https://evil.example","open")', "@SUM(1)", "-2+3", "first\nsecond\x0bthird", 'a","b'])
def test_the_check_of_the_csv_can_fail(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "for_csv", lambda text: f'"{text}"')
    with pytest.raises((AssertionError, csv.Error)):
        check_csv(payload)


# Markdown


def markdown_outline(text: str) -> list[tuple[object, ...]]:
    return _tokens(MarkdownIt("commonmark").enable("table").parse(text))


def markdown_text(text: str) -> str:
    """What a reader sees outside of code blocks."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return "\n".join("".join(child.content for child in token.children or []) for token in tokens)


def _tokens(tokens: list[Token]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for token in tokens:
        if token.type in {"text", "text_special"}:
            if found[-1:] != [("text",)]:
                found.append(("text",))
            continue
        lines = token.content.count("\n") if token.type in {"fence", "code_block", "html_block"} else None
        found.append((token.type, token.tag, token.info, tuple(token.attrs.items()), lines))
        found += _tokens(token.children or [])
    return found


def check_markdown(payload: str) -> None:
    made, twin = (files.summary_markdown(snapshot_of(hostile(each))) for each in (payload, HARMLESS))
    assert markdown_outline(made) == markdown_outline(twin)
    check_visible(made)
    check_without_links(made)
    seen = markdown_text(made)
    assert "@" not in seen, "GitHub notifies whom the rendered page names"
    shown = for_terminal(payload).replace("://", "[:]//").replace("www.", "www[.]").replace("@", "\N{FULLWIDTH COMMERCIAL AT}")
    assert seen.count(shown.strip()) == markdown_text(twin).count(HARMLESS), "it is not left out, it shows"


@EACH
def test_the_summary_holds_no_markdown_but_ours(payload: str) -> None:
    check_markdown(payload)


@pytest.mark.parametrize("payload", ["![x](https://evil.example/x.png)", "<b>x</b>", "*bold*", "`code`", "a | b", "@octocat", "a\n# b"])
def test_the_check_of_the_summary_can_fail(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "for_markdown", untouched)
    with pytest.raises(AssertionError):
        check_markdown(payload)


# The record itself


def test_the_record_reaches_every_place_with_each_of_its_texts() -> None:
    """Nothing above would mean anything if the texts were lost before."""
    shown = str(detail_of("needle")) + str(snapshot_of(hostile("needle")))
    assert shown.count("needle") > 40
    assert datetime.fromisoformat(detail_of("needle")["event"]["time"]).tzinfo == UTC


def test_an_external_id_is_nowhere_to_be_seen() -> None:
    snapshot = snapshot_of(hostile())
    made = (
        render_page(snapshot),
        files.findings_csv(snapshot),
        files.summary_markdown(snapshot),
        str(card(detail_of(HARMLESS))),
        compose_message(envelope(detail_of(HARMLESS))).text,
        address_author(compose_message(envelope(detail_of(HARMLESS))), "Jane").text,
    )
    assert not any("never-shown" in each for each in made)
