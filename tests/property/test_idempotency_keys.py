"""`Idempotency-Key`: a string of RFC 9651, or its bare text; the same key either way, and nothing else is one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.aws.api import Denied, key_of

VISIBLE = "".join(each for each in string.printable[:94] if each not in '"\\')


@given(st.text(VISIBLE, min_size=1, max_size=100))
def test_a_key_is_the_same_with_quotation_marks_and_without(key: str) -> None:
    assert key_of({"Idempotency-Key": key}) == key_of({"Idempotency-Key": f'"{key}"'}) == key


@given(st.text(st.characters(exclude_characters='"')), st.sampled_from(["", '"']), st.sampled_from(["", '"']))
def test_whatever_else_stands_there_is_refused(text: str, before: str, after: str) -> None:
    is_key = 1 <= len(text) <= 100 and set(text) <= set(VISIBLE) and before == after
    header = {"Idempotency-Key": f"{before}{text}{after}"}
    if is_key:
        assert key_of(header) == text
    else:
        with pytest.raises(Denied, match="Idempotency-Key"):
            key_of(header)
