"""The search against plain enumeration, and against the evaluator."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.iam.matching import matches, read_glob
from doorward.iam.search import glob
from doorward.iam.sets import ANY, Budget, Chars, Either, Grammar, Many, Part, Pattern, Wild, find_text, perhaps, some

LETTERS = "ab:"
TEXTS = ["".join(each) for length in range(6) for each in product(LETTERS, repeat=length)]
globs = st.text("ab:*?", max_size=6)
tokens = st.lists(
    st.one_of(st.sampled_from(["a", "b", ":", "aA", "ab"]), st.builds(Wild, st.booleans(), st.sampled_from(["", ":"]))), max_size=6
)
grammars: st.SearchStrategy[Part] = st.recursive(
    st.sampled_from(["", "a", "b", ":", "ab", Chars("ab"), Chars("a", negated=True), ANY]),
    lambda inner: st.one_of(
        st.builds(Many, inner),
        st.builds(lambda *each: Either(each), inner, inner),
        st.tuples(inner, inner),
        st.builds(some, inner),
        st.builds(perhaps, inner),
    ),
    max_leaves=5,
)


@given(globs, st.text("ab:", max_size=8))
def test_a_pattern_matches_what_the_evaluator_matches(pattern: str, text: str) -> None:
    assert Pattern(glob(pattern)).matches(text) is matches(read_glob(pattern), text)


def plainly(pattern: tuple[str | Wild, ...], text: str) -> bool:
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if isinstance(first, Wild) and first.many:
        return plainly(rest, text) or (bool(text) and text[0] not in first.barred and plainly(pattern, text[1:]))
    fits = bool(text) and (text[0] not in first.barred if isinstance(first, Wild) else text[0] in first)
    return fits and plainly(rest, text[1:])


@given(tokens, st.text("abA:", max_size=8))
def test_barred_wildcards_and_alternatives_match_as_they_read(pattern: list[str | Wild], text: str) -> None:
    assert Pattern(pattern).matches(text) is plainly(tuple(pattern), text)


def ends_of(part: Part, text: str, start: int) -> set[int]:
    """Where a part that begins there can end."""
    if isinstance(part, str):
        return {start + len(part)} if text.startswith(part, start) else set()
    if isinstance(part, Chars):
        return {start + 1} if start < len(text) and (text[start] in part.chars) is not part.negated else set()
    if isinstance(part, Either):
        return set().union(*(ends_of(each, text, start) for each in part.parts))
    if isinstance(part, Many):
        ends, new = {start}, {start}
        while new:
            new = set().union(*(ends_of(part.part, text, each) for each in new)) - ends
            ends |= new
        return ends
    ends = {start}
    for each in part:
        ends = set().union(*(ends_of(each, text, end) for end in ends))
    return ends


@given(grammars, st.text("abA:", max_size=8))
def test_a_grammar_has_the_members_that_it_spells_out(part: Part, text: str) -> None:
    assert Grammar(part).matches(text) is (len(text) in ends_of(part, text, 0))


@settings(max_examples=300)
@given(grammars, st.lists(tokens, max_size=2), st.lists(tokens, max_size=3))
def test_find_text_finds_a_member_and_misses_none(part: Part, wanted: list[list[str | Wild]], unwanted: list[list[str | Wild]]) -> None:
    grammar = Grammar(part)
    good, bad = [Pattern(each) for each in wanted], [Pattern(each) for each in unwanted]
    found = find_text(grammar, good, bad, Budget(2_000_000))
    members = [
        text
        for text in TEXTS
        if grammar.matches(text) and all(each.matches(text) for each in good) and not any(each.matches(text) for each in bad)
    ]
    if found is None:
        assert members == []
    else:
        assert grammar.matches(found)
        assert all(each.matches(found) for each in good)
        assert not any(each.matches(found) for each in bad)


@given(tokens, tokens)
def test_includes_never_claims_too_much(outer: list[str | Wild], inner: list[str | Wild]) -> None:
    one, other = Pattern(outer), Pattern(inner)
    if one.includes(other):
        assert all(one.matches(text) for text in TEXTS if other.matches(text))
