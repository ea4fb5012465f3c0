"""The page, its files and its server."""

import csv
import http.client
import io
import itertools
import re
from copy import replace
from html.parser import HTMLParser

import pytest

from doorward_cli.markup import join, tag
from local.page import serve
from local.page.document import TITLE, content_security_policy, render_page, style
from local.page.files import COLUMNS, findings_csv, summary_markdown
from local.slack.mrkdwn import Piece, parse, to_html
from local.snapshot import Snapshot
from tests.browser.samples import START, ordinary

ROUTES = {"/": "text/html", "/findings.csv": "text/csv", "/summary.md": "text/markdown", "/healthz": "text/plain"}


class Answer:
    def __init__(self, url: str, path: str, *, method: str = "GET", host: str | None = None) -> None:
        authority = url.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(authority, timeout=5)
        connection.request(method, path, headers={"Host": host if host is not None else authority})
        response = connection.getresponse()
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()
        connection.close()


# The server


@pytest.mark.parametrize("path", ROUTES)
def test_each_route_answers_with_its_type_and_the_same_strict_headers(path: str) -> None:
    with serve(ordinary) as url:
        answer = Answer(url, path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"{ROUTES[path]}; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/nothing", "/style.css", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/<script>", "/favicon.ico"])
def test_anything_else_is_not_found_and_is_not_repeated(path: str) -> None:
    with serve(ordinary) as url:
        answer = Answer(url, path)
    assert answer.status == 404
    assert "<script>" not in answer.text
    assert answer.headers["Content-Security-Policy"] == content_security_policy()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""])
def test_another_name_for_this_machine_gets_nothing(host: str) -> None:
    with serve(ordinary) as url:
        answer = Answer(url, "/", host=host)
    assert answer.status == 421
    assert "payments" not in answer.text


def test_localhost_is_a_name_of_it() -> None:
    with serve(ordinary) as url:
        port = url.rstrip("/").rpartition(":")[2]
        assert Answer(url, "/", host=f"localhost:{port}").status == 200


def test_a_head_request_gets_no_body_and_a_post_changes_nothing() -> None:
    with serve(ordinary) as url:
        head = Answer(url, "/", method="HEAD")
        assert (head.status, head.text) == (200, "")
        assert int(head.headers["Content-Length"]) > 1000
        assert Answer(url, "/", method="POST").status == 501


def test_each_view_is_taken_anew_and_a_stack_that_is_gone_takes_nothing_with_it() -> None:
    snapshots = iter([Snapshot(START), ordinary()])
    with serve(lambda: next(snapshots)) as url:
        assert "No finding yet" in Answer(url, "/").text
        assert "payments" in Answer(url, "/").text
        gone = Answer(url, "/")  # the source raises
        assert (gone.status, "Traceback" in gone.text) == (503, False)
        assert "Is it still running?" in gone.text
        assert Answer(url, "/healthz").text == "ok\n"


def test_two_pages_have_two_ports_and_a_taken_port_is_refused() -> None:
    with serve(ordinary) as one, serve(ordinary) as other:
        assert one != other
        with pytest.raises(OSError, match="in use"), serve(ordinary, port=int(one.rstrip("/").rpartition(":")[2])):
            pass


# The document


class Outline(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "hr", "link", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == name]


@pytest.fixture(scope="module")
def page() -> Outline:
    return Outline(render_page(ordinary()))


def test_the_page_is_well_formed_and_has_landmarks_and_one_heading_of_the_first_order(page: Outline) -> None:
    assert page.open == []
    names = [name for name, _ in page.tags]
    assert [names.count(each) for each in ("html", "header", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    assert page.texts["title"] == [TITLE]
    assert page.named("html") == [{"lang": "en"}]
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_there_is_no_script_no_handler_no_inline_style_and_nothing_from_elsewhere(page: Outline) -> None:
    names = {name for name, _ in page.tags}
    assert names.isdisjoint({"script", "img", "iframe", "object", "embed", "form", "base", "link", "svg", "input", "button"})
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in {"style", "src", "http-equiv"} for name in attributes)
    assert {each["href"] for each in page.named("a")} == {
        "#findings",
        "#alerts",
        "#events",
        "#messages",
        "#letters",
        "findings.csv",
        "summary.md",
    }


def test_every_reference_on_the_page_leads_somewhere(page: Outline) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        if (label := attributes.get("aria-labelledby")) is not None:
            assert label in ids
        if (to := attributes.get("href") or "").startswith("#"):
            assert to[1:] in ids


def test_every_column_has_a_header_and_every_cell_of_a_narrow_screen_its_label(page: Outline) -> None:
    heads = page.named("th")
    assert all(each["scope"] == "col" for each in heads)
    cells = page.named("td")
    assert len(cells) == len(heads) * len(ordinary().events)
    assert all(each["data-label"] for each in cells)


def test_the_page_says_what_was_found_what_was_done_and_what_was_not() -> None:
    text = render_page(ordinary())
    for part in (
        "777788889999/payments",
        "external-account",
        "Closed after 3.2 s",
        "Open, people were told",
        "Could not be closed",
        "Over, not by Doorward",
        "took out the statement",
        "may call sts:AssumeRole",
        "the event is forged",
        "UpdateAssumeRolePolicy",
        "user/jane",
        "opened-door-used",
        "1 s after the change that let him in",
        "Look for who stopped its trail",
    ):
        assert part in text, part


def test_a_changed_line_is_told_by_its_sign_and_not_by_colour_alone() -> None:
    case = replace(ordinary().cases[0], diff=("@@ -1 +1 @@", "-  old", "+  new", "   same"))
    text = render_page(Snapshot(START, cases=(case,)))
    assert "<del>-  old\n</del><ins>+  new\n</ins><span>   same\n</span>" in text


def test_an_empty_page_says_what_to_do() -> None:
    text = render_page(Snapshot(START))
    for part in ("No finding yet", "make demo", "No alert yet", "No event yet", "No message yet", "None, as it should be"):
        assert part in text


def test_letters_that_were_not_read_are_counted() -> None:
    text = render_page(replace(ordinary(), more_letters=3))
    assert "And 3 more in the queues." in text
    assert '<a href="#letters">4</a>' in text


# Colours

PAIRS = [
    *((ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "card", "sunken")),
    *((tone, f"{tone}-paper") for tone in ("good", "bad", "open", "quiet", "mention")),
    *(("on-severity", severity) for severity in ("critical", "high", "medium", "low", "quiet")),
    ("bad", "sunken"),
    *(("card", fill) for fill in ("link", "quiet", "good", "bad")),
]
AA = 4.5  # WCAG 2.2, success criterion 1.4.3
AA_NOT_TEXT = 3.0  # success criterion 1.4.11


def colours(scheme: str) -> dict[str, str]:
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", style(), re.DOTALL)[:2]
    )
    return light if scheme == "light" else light | dark


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(scheme: str, ink: str, paper: str) -> float:
    palette = colours(scheme)
    dark, light = sorted((luminance(palette[ink]), luminance(palette[paper])))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), PAIRS)
def test_text_stands_out_from_its_background(scheme: str, ink: str, paper: str) -> None:
    assert contrast(scheme, ink, paper) >= AA


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("paper", ["paper", "card", "sunken"])
def test_the_edge_of_a_control_can_be_seen(scheme: str, paper: str) -> None:
    assert contrast(scheme, "edge", paper) >= AA_NOT_TEXT


# Markup and mrkdwn


def test_whatever_is_not_our_own_markup_is_escaped() -> None:
    inside = tag("b", "x")
    assert (
        tag("p", '<i title="a">', inside, None, title='"<', class_="c")
        == '<p title="&quot;&lt;" class="c">&lt;i title=&quot;a&quot;&gt;<b>x</b></p>'
    )
    assert join("a" + inside) == "a&lt;b&gt;x&lt;/b&gt;", "markup that was put together by hand is text again"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("*bold* and &lt;b&gt; &amp;amp;", [Piece("bold", inside=(Piece("text", "bold"),)), Piece("text", " and <b> &amp;")]),
        (":red_circle: x", [Piece("emoji", "red_circle"), Piece("text", " x")]),
        ("arn:aws:iam::777788889999:role/x at 09:00:00", [Piece("text", "arn:aws:iam::777788889999:role/x at 09:00:00")]),
        ("<!channel>", [Piece("mention", "@channel")]),
        ("<@U1> <@U0JANEDOE1> <#C0123456789>", ["mention", "text", Piece("mention", "@Jane"), "text", Piece("mention", "#security")]),
        ("<https://evil.example|x>", [Piece("link", "x")]),
        ("a\n&gt; b", [Piece("text", "a"), Piece("break"), Piece("quote", inside=(Piece("text", " b"),))]),
        ("`a` ~b~ _c_", ["code", "text", "strike", "text", "italic"]),
        ("2 * 3 * 4, snake_case_name", [Piece("text", "2 * 3 * 4, snake_case_name")]),
        ("```a\nb```c", [Piece("pre", "a\nb"), Piece("text", "c")]),
        ("```a", [Piece("text", "```a")]),
        ("", []),
    ],
)
def test_mrkdwn_is_read_as_slack_reads_it(text: str, pieces: list[Piece | str]) -> None:
    assert [each.kind if isinstance(want, str) else each for each, want in zip(parse(text), pieces, strict=True)] == pieces


def test_a_card_that_forgot_to_escape_looks_wrong_and_harms_nobody() -> None:
    html = to_html("<!channel> <https://evil.example|console> <script>alert(1)</script> \x1b[2J *x*")
    assert '<span class="mention">@channel</span>' in html
    assert "href" not in html
    assert "<script" not in html
    assert "\x1b" not in html
    assert "<strong>x</strong>" in html


# The files


def test_the_findings_as_csv_are_one_line_each_with_a_header() -> None:
    rows = list(csv.DictReader(io.StringIO(findings_csv(ordinary()), newline="")))
    assert [row["finding_id"] for row in rows] == [case.finding_id for case in ordinary().cases]
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["seconds"], rows[0]["remedy"], rows[0]["closed_at"]) == ("3.2", "drop", "2026-11-24T09:00:04.200+00:00")
    assert (rows[1]["seconds"], rows[1]["remedy"], rows[1]["closed_at"]) == ("", "", "")
    assert rows[2]["because"].startswith("Doorward could not close this")


def test_an_empty_csv_still_has_its_header() -> None:
    assert next(csv.reader([findings_csv(Snapshot(START))])) == list(COLUMNS)


def test_the_summary_says_the_counts_the_findings_and_the_change() -> None:
    text = summary_markdown(ordinary())
    assert "- 4 findings: 1 closed, 2 open; the slowest was closed after 3.2 s" in text
    assert "```diff\n@@ -5,7 +5,6 @@\n" in text
    assert "- 2 alerts" in text
    assert "| high | heartbeat\\-missed | staging | No heartbeat has come back from account 222233334444" in text
    assert summary_markdown(Snapshot(START)).count("None.") == 4
