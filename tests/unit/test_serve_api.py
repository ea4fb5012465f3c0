"""Who calls the API: on each path one word counts, and the other never."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.people.model import Caller, Machine, Refusal, Via
from doorward.usecases.serve_api import GUARDED, MOST_A_MINUTE, TooOften, admit_caller
from tests.fakes import FakeRates
from tests.unit.test_identify_caller import BOT_USER, CLAIMS, JANE, JOE, World, session, user


def admitted(resource: object, *, identity: object = None, authorizer: object = None, rates: FakeRates | None = None) -> Caller | Refusal:
    context = {"resourcePath": resource, "identity": identity, "authorizer": authorizer}
    return admit_caller(context, World().tools, rates or FakeRates())


def claiming(**changes: Any) -> dict[str, str]:
    return {"claims": json.dumps({**CLAIMS, **changes}), "principalId": "x", "integrationLatency": "12"}


def test_on_each_path_one_word_counts_though_the_other_is_there() -> None:
    both: dict[str, Any] = {"identity": session(name="joe"), "authorizer": claiming()}
    assert admitted("/me", **both) == Caller(JOE, Via.SIGV4)
    assert admitted(GUARDED, **both) == Caller(JANE, Via.JWT)


NO_TOKENS_PATH = [
    "/me",
    "/findings/{finding_id}/apply",
    "/token",
    "/token/",
    "/token/me",
    "/x/token/{proxy+}",
    "/Token/{proxy+}",
    "",
    None,
    7,
]


@pytest.mark.parametrize("resource", NO_TOKENS_PATH)
def test_claims_count_nowhere_but_where_the_authorizer_stands(resource: object) -> None:
    assert isinstance(admitted(resource, identity={}, authorizer=claiming()), Refusal)
    assert isinstance(admitted(resource, identity=claiming(), authorizer=claiming()), Refusal)


def test_a_signature_counts_for_nothing_where_a_token_is_asked_for() -> None:
    for authorizer in (None, {}, session(), {"claims": ""}, {"claims": "{"}, {"claims": "[]"}, {"claims": CLAIMS}, "x"):
        assert isinstance(admitted(GUARDED, identity=session(), authorizer=authorizer), Refusal)


@given(
    st.none()
    | st.dictionaries(st.sampled_from(["resourcePath", "identity", "authorizer"]), st.none() | st.integers() | st.text() | st.just({}))
)
def test_whatever_stands_there_makes_nobody(context: object) -> None:
    assert isinstance(admit_caller(context, World().tools, FakeRates()), Refusal)


def test_a_machine_comes_by_either_way_and_is_one() -> None:
    assert admitted(GUARDED, authorizer=claiming(sub="bot")) == Caller(Machine(f"{CLAIMS['iss']} bot"), Via.JWT)
    assert admitted("/me", identity=user()) == Caller(Machine(BOT_USER), Via.SIGV4)


def test_the_token_is_looked_at_once_more_by_what_stands_now() -> None:
    """The authorizer's word is a moment old; and the file may name the issuer no more."""
    for changed in ({"iss": "https://other.example"}, {"aud": "them"}, {"exp": 1}, {"sub": "00u1off"}, {"sub": "x"}):
        assert isinstance(admitted(GUARDED, authorizer=claiming(**changed)), Refusal)


def test_one_person_has_one_count_by_whichever_way_he_comes() -> None:
    rates = FakeRates()
    for number in range(MOST_A_MINUTE):
        resource, word = ("/me", {"identity": session()}) if number % 2 else (GUARDED, {"authorizer": claiming()})
        assert isinstance(admitted(resource, rates=rates, **word), Caller)
    assert admitted("/me", identity=session(name="joe"), rates=rates) == Caller(JOE, Via.SIGV4)
    for resource, word in (("/me", {"identity": session()}), (GUARDED, {"authorizer": claiming()})):
        with pytest.raises(TooOften):
            admitted(resource, rates=rates, **word)


def test_who_is_nobody_is_not_counted() -> None:
    rates = FakeRates()
    admitted("/me", rates=rates)
    admitted(GUARDED, rates=rates)
    assert rates.calls == {}
