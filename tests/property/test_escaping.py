"""Text that an attacker chose is shown harmlessly, wherever it is shown."""
# ruff: noqa: RUF001 - look-alikes are what is tested

import csv
import html
import io
import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.findings.escaping import (
    LONGEST_SUBJECT,
    for_csv,
    for_html,
    for_html_in_markdown,
    for_markdown,
    for_plain_text,
    for_sarif,
    for_slack,
    for_subject,
    for_terminal,
    mask_external_ids,
)
from doorward.guardrails.announcements import diff_documents

PLACES = (for_terminal, for_slack, for_html, for_html_in_markdown, for_markdown, for_sarif, for_csv, for_plain_text, for_subject)

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\ufe0f\u3164\u115f\U000e0041"
SEPARATORS = "\n\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029\u00a0\u3000"
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
HOSTILE = BIDI + INVISIBLE + SEPARATORS + CONTROLS + "\ud800\udfff"
MARKUP = "<>&\"'`*_~|[]()!#@:/\\=+-;,. 0a\u001b]"

texts = st.one_of(
    st.text(st.characters(categories=None), max_size=40),
    st.text(st.sampled_from(HOSTILE + MARKUP), max_size=40),
    st.lists(
        st.sampled_from(["<!channel>", "<@U1>", "https://", "www.", ":ok:", "`", "=1", "a", "\x1b]8;;", "\u202e", "| |", "](", " "])
    ).map("".join),
)


@pytest.mark.parametrize("place", PLACES)
@given(text=texts)
def test_no_control_bidi_invisible_or_surrogate_character_survives_anywhere(place: Any, text: str) -> None:
    shown = place(text)
    assert not set(shown) & set(HOSTILE)
    assert all(unicodedata.category(each)[0] != "C" and each.isprintable() for each in shown)
    shown.encode("utf-8")


@pytest.mark.parametrize("place", [for_terminal, for_slack, for_html, for_csv])
@given(one=texts, other=texts)
def test_two_different_texts_never_look_the_same_where_the_place_has_an_escape(place: Any, one: str, other: str) -> None:
    # Slack has none: look-alikes stand for themselves, too. There the claim is only about the invisible.
    if place is for_slack:
        one, other = "".join(each for each in one if each in HOSTILE), "".join(each for each in other if each in HOSTILE)
    if place is for_csv:
        one, other = f"x{one}", f"x{other}"
    assert (place(one) == place(other)) == (one == other)


@pytest.mark.parametrize("place", [for_terminal, for_html, for_csv, for_plain_text, for_subject])
def test_ordinary_names_stay_readable(place: Any) -> None:
    assert "arn:aws:iam::111122223333:role/ci/deploy_prod" in place("arn:aws:iam::111122223333:role/ci/deploy_prod")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u202eevil", "\\u202eevil"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\\u202e", "\\\\u202e"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("Zoë 東京", "Zoë 東京"),
    ],
)
def test_what_is_hidden_becomes_visible(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


@given(texts)
def test_slack_shows_no_markup_of_the_text(text: str) -> None:
    shown = for_slack(text)
    assert not set(shown) & set("<>*_~`@")
    assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", shown)
    assert "://" not in shown
    assert "www." not in shown.lower()
    emoji = re.compile(r"(?=:([a-z0-9_+'-]+):)", re.ASCII | re.IGNORECASE)
    assert all(re.fullmatch("aws|aws-cn|aws-us-gov|iam|sts|[0-9]{12}", each) for each in emoji.findall(shown))
    assert not shown.lstrip().startswith("&gt;")


@pytest.mark.parametrize(
    ("place", "text", "shown"),
    [
        (for_slack, " > quoted", " ＞ quoted"),
        (for_slack, "WWW.evil.example", "WWW[.]evil.example"),
        (for_csv, " =1+1", '"\' =1+1"'),
        (for_csv, "\t=1", '"\\t=1"'),
        (for_csv, "＝1", '"\'＝1"'),
        (for_markdown, "| <img> ![x](y)", "\\| \\<img\\> \\!\\[x\\]\\(y\\)"),
        (for_plain_text, "https://evil.example", "https[:]//evil.example"),
        (for_html_in_markdown, "<b> @jane https://x", "&lt;b&gt; ＠jane https[:]//x"),
        (for_sarif, "[x](https://y) {0}", "［x］(https［:］//y) ｛0｝"),
        (for_subject, "", "(empty)"),
        (for_subject, " a…é\n", "a...\\xe9\\n"),
    ],
)
def test_the_special_cases_of_each_place(place: Any, text: str, shown: str) -> None:
    assert place(text) == shown


def test_a_mention_does_not_form_in_slack() -> None:
    assert for_slack("<!channel> <@U123> @here :white_check_mark:") == "&lt;!channel&gt; &lt;＠U123&gt; ＠here ꞉white＿check＿mark:"
    assert for_slack("arn:aws:iam::111122223333:role/x") == "arn:aws:iam::111122223333:role/x"


@given(texts)
def test_html_reads_back_as_the_visible_text_and_holds_no_markup(text: str) -> None:
    shown = for_html(text)
    assert not set(shown) & set("<>\"'`")
    assert html.unescape(shown) == for_terminal(text)


@given(texts)
def test_every_markdown_character_is_escaped(text: str) -> None:
    shown = for_markdown(text)
    assert not set(re.sub(r"\\[!-/:-@\[-`{-~]", "", shown)) & set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    assert shown == shown.strip()
    assert "@" not in shown


@given(st.lists(texts, min_size=1, max_size=4))
def test_a_csv_row_reads_back_as_its_fields_and_none_is_a_formula(row: list[str]) -> None:
    [read] = csv.reader(io.StringIO(",".join(map(for_csv, row))))
    assert [each.removeprefix("'") if each.lstrip()[:1] == "'" else each for each in read] == [
        each.removeprefix("'") if each.lstrip()[:1] == "'" else each for each in map(for_terminal, row)
    ]
    assert all(not each.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")) for each in read)


@given(texts)
def test_an_email_line_offers_no_link_and_no_second_line(text: str) -> None:
    assert len(for_plain_text(text).splitlines()) <= 1
    assert "://" not in for_plain_text(text)


@given(st.one_of(texts, st.text(min_size=90, max_size=300)))
def test_a_subject_is_what_sns_accepts(text: str) -> None:
    subject = for_subject(text)
    assert subject.isascii()
    assert subject.isprintable()
    assert 1 <= len(subject) <= LONGEST_SUBJECT < 100
    assert subject[0] != " "


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["SECRET", "SECRET-2"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["sts:ExternalId", "STS:EXTERNALID", " sts:externalid"]), inner)
    ),
)


@given(json_values)
def test_no_external_id_survives_masking_whatever_its_shape(value: object) -> None:
    masked = mask_external_ids({"Condition": {"ForAnyValue:StringLikeIfExists": {"sts:eXternalID": value}}, "Sid": "kept"})
    assert "SECRET" not in repr(masked)
    assert "kept" in repr(masked)


def test_masking_changes_nothing_else_and_keeps_the_count() -> None:
    policy = {"Statement": [{"Condition": {"StringEquals": {"sts:ExternalId": ["a", "b"], "aws:PrincipalOrgID": "o-a"}}}]}
    assert mask_external_ids(policy) == {
        "Statement": [{"Condition": {"StringEquals": {"sts:ExternalId": ["***", "***"], "aws:PrincipalOrgID": "o-a"}}}]
    }
    assert policy["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] == ["a", "b"]


def policy(*external_ids: str) -> str:
    return json.dumps({"Condition": {"StringEquals": {"sts:ExternalId": list(external_ids)}}})


def changed(before: str, after: str) -> list[str]:
    return [each for each in diff_documents(before, after) if not each.startswith(("@@", " "))]


def test_an_external_id_that_changed_is_seen_to_have_changed_and_not_shown() -> None:
    assert changed(policy("one"), policy("other")) == ['-        "***"', '+        "*** (another)"']
    assert changed(policy("a", "b"), policy("b", "a"))
    assert changed(policy("a", "b"), policy("a", "c"))[-1] == '+        "*** (another, 2)"'
    assert changed(policy("a"), policy("a")) == []


@given(json_values, json_values)
def test_two_documents_that_differ_never_have_an_empty_diff_and_none_shows_an_id(one: object, other: object) -> None:
    before, after = (json.dumps({"sts:ExternalId": each, "Sid": "kept"}) for each in (one, other))
    found = diff_documents(before, after)
    assert bool(found) is (before != after)
    assert "SECRET" not in "".join(found)


def test_masking_something_absurdly_deep_ends_and_hides_it() -> None:
    value: Any = {"sts:ExternalId": "SECRET"}
    for _ in range(5000):
        value = [value]
    masked: Any = mask_external_ids(value)
    while isinstance(masked, list):
        [masked] = masked
    assert masked == "***"
