"""The search against plain enumeration, and against the evaluator."""

from collections.abc import Iterator
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.iam.assertions import saml_callers
from doorward.iam.callers import FORMS, Accounts, Resource, aws_callers, one_organization, organizations_other_than
from doorward.iam.github import github_callers
from doorward.iam.issuers import SHARED, cognito_callers, issuer_callers
from doorward.iam.matching import matches, read_glob
from doorward.iam.names import GITHUB
from doorward.iam.search import Callers, glob
from doorward.iam.services import acting, by_trust_anchor
from doorward.iam.sets import ANY, Budget, Chars, Either, Grammar, Many, Part, Pattern, Wild, find_text, perhaps, some
from doorward.iam.tokens import Tokens

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


RESOURCE = Resource("aws", "111122223333", "o-a1b2c3d4e5", org_path="o-a1b2c3d4e5/r-a1b2/", accounts=frozenset({"111122223333"}))
ISSUERS = (
    *("gitlab.com", "app.terraform.io", "agent.buildkite.com", "accounts.google.com", "oidc.circleci.com", "oidc.circleci.com/org/"),
    *("oidc.circleci.com/org/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "oidc.vercel.com", "oidc.vercel.com/acme", "login.example", *SHARED),
    *("api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", f"oidc.eks.eu-west-1.amazonaws.com/id/{'A' * 32}"),
)


def every_kind(service: str) -> Iterator[Callers]:
    for organizations in (organizations_other_than("o-a1b2c3d4e5"), one_organization("o-a1b2c3d4e5")):
        for form in FORMS:
            yield aws_callers(RESOURCE, form, organizations, Accounts("999988887777"), unique_ids=("AROAEXAMPLEEXAMPLE12",))
            yield aws_callers(RESOURCE, form, organizations, Accounts(None, frozenset(), ("444455556666",)), external_ids_taken=("abc",))
        yield from acting(RESOURCE, service, organizations)
    yield by_trust_anchor(RESOURCE, ())
    for is_one in (False, True):
        yield saml_callers(RESOURCE, "arn:aws:iam::111122223333:saml-provider/corp", stray=is_one)
        yield github_callers(RESOURCE, GITHUB, Tokens(), by_name=is_one)
        yield cognito_callers(RESOURCE, (), guest=is_one)
    for issuer in ISSUERS:
        yield issuer_callers(RESOURCE, f"arn:aws:iam::111122223333:oidc-provider/{issuer}", issuer, Tokens())


@settings(max_examples=40, deadline=None)
@given(st.text("aA1-_.* é", max_size=4))
def test_what_is_tried_first_is_a_member(service: str) -> None:
    """So that nobody has to look."""
    for callers in every_kind(f"{service}.amazonaws.com"):
        space = callers.key_of.__self__  # type: ignore[attr-defined]
        for dimension in {*space._domains, *(callers.key_of(name).dimension for name in space._texts)}:
            domain = callers.domain_of(dimension)
            assert all(domain.grammar is not None and domain.grammar.matches(each) for each in domain.samples), dimension
