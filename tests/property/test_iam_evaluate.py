"""The evaluator as theorems: total, Deny only narrows, and set semantics agree with a second, naive reading."""

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward.iam.conditions import _OPERATORS
from doorward.iam.documents import Document, parse_document
from doorward.iam.evaluate import Decision, Policies, Request, compile_policies, evaluate, evaluate_trust_policy, forget
from doorward.iam.matching import compile_globs, matches, matches_glob, read_glob
from doorward.iam.requests import evaluate_json, parse_question, render_decision

KEYS = ["aws:PrincipalOrgID", "AWS:principalorgid", "sts:ExternalId", "aws:SourceIp", "aws:PrincipalArn", "aws:userid", "k"]
VALUES = ["", "*", "x", "x*", "?", "true", "False", "5", "-0.5", "1e3", "2026-01-01T00:00:00Z", "1767225600", "192.0.2.0/24", "192.0.2.1",
          "2001:db8::1", "QUJD", "arn:aws:iam::111122223333:role/a/ci", "arn:aws:iam::*:role/*", "${k}", "${k, 'x'}", "${*}", "${", "${}",
          "AROAEXAMPLEEXAMPLE123:s", "\ud800", "\u0130", "0" * 400]  # fmt: skip
CALLERS = ["arn:aws:iam::111122223333:user/ann", "arn:aws:iam::111122223333:role/a/ci", "arn:aws:sts::111122223333:assumed-role/ci/s",
           "arn:aws:sts::111122223333:federated-user/bob", "arn:aws:iam::111122223333:root", "ec2.amazonaws.com", "accounts.google.com",
           "*", "", ":::::", "\ud800"]  # fmt: skip
OPERATORS = [*_OPERATORS, "Null", "StringMatches", ""]

values = st.sampled_from(VALUES) | st.text(max_size=6)
keys = st.sampled_from(KEYS) | st.text(max_size=4)
operators = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:", ":", "x:"]),
    st.sampled_from(OPERATORS),
    st.sampled_from(["", "", "IfExists", "ifexists"]),
)
many = st.lists(values, max_size=3)
principals = st.just("*") | st.dictionaries(
    st.sampled_from(["AWS", "Service", "Federated", "CanonicalUser"]),
    st.lists(st.sampled_from([*CALLERS, "111122223333", "AROAEXAMPLEEXAMPLE123"]), max_size=3),
    max_size=3,
)
actions = st.sampled_from(["sts:AssumeRole", "STS:*", "*", "sts:TagSession", "sts:Assume?ole", ""])
effects = st.sampled_from(["Allow", "Deny"])


@st.composite
def statements(draw: st.DrawFn, effects: st.SearchStrategy[str] = effects) -> dict[str, Any]:
    raw: dict[str, Any] = {"Effect": draw(effects)}
    if draw(st.integers(0, 9)):
        raw[draw(st.sampled_from(["Principal", "Principal", "NotPrincipal"]))] = draw(principals)
    if draw(st.integers(0, 9)):
        raw[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(actions | st.lists(actions, max_size=2))
    raw["Condition"] = draw(st.dictionaries(operators, st.dictionaries(keys, values | many, max_size=2), max_size=2))
    return raw


documents = st.builds(
    lambda version, given: {"Version": version, "Statement": given},
    st.sampled_from(["2012-10-17", "2008-10-17"]),
    st.lists(statements(), max_size=3),
)
requests = st.builds(
    Request,
    st.sampled_from(CALLERS) | st.text(max_size=5),
    st.sampled_from(["AWS", "AWS", "Service", "Federated", "Anonymous", "other"]),
    st.sampled_from(["sts:AssumeRole", "STS:TAGSESSION", "*", ""]),
    st.dictionaries(keys, values | many.map(tuple), max_size=4),
)


def decide(raw: dict[str, Any], request: Request) -> Decision:
    return evaluate_trust_policy(parse_document(raw), request)


@settings(deadline=None, max_examples=400)
@given(documents, requests)
def test_any_document_and_request_have_a_decision_and_its_reasons(raw: dict[str, Any], request: Request) -> None:
    decision = decide(raw, request)
    effects = [raw["Statement"][each.statement]["Effect"] for each in decision.because if each.statement is not None]
    assert decision.because
    expected = {"allowed": "Allow", "explicitly_denied": "Deny", "implicitly_denied": None}[decision.outcome]
    assert set(effects) == ({expected} if expected else set())


@settings(deadline=None, max_examples=150)
@given(documents, statements(st.just("Deny")), requests)
def test_adding_a_deny_never_widens(raw: dict[str, Any], deny: dict[str, Any], request: Request) -> None:
    narrowed = decide({**raw, "Statement": [*raw["Statement"], deny]}, request).outcome
    assert narrowed != "allowed" or decide(raw, request).outcome == "allowed"


@settings(deadline=None, max_examples=150)
@given(documents, statements(st.just("Allow")), requests)
def test_adding_an_allow_never_narrows(raw: dict[str, Any], allow: dict[str, Any], request: Request) -> None:
    widened = decide({**raw, "Statement": [*raw["Statement"], allow]}, request).outcome
    assert widened == "allowed" or decide(raw, request).outcome != "allowed"


@settings(deadline=None, max_examples=150)
@given(documents, requests, st.randoms(use_true_random=False))
def test_the_order_of_statements_means_nothing(raw: dict[str, Any], request: Request, luck: Any) -> None:
    shuffled = list(raw["Statement"])
    luck.shuffle(shuffled)
    assert decide({**raw, "Statement": shuffled}, request).outcome == decide(raw, request).outcome


@settings(deadline=None, max_examples=150)
@given(documents, requests)
def test_the_case_of_context_keys_and_of_the_action_means_nothing(raw: dict[str, Any], request: Request) -> None:
    folded = {key.lower(): value for key, value in request.context.items()}
    spelled = {key.upper() if key.isascii() else key: value for key, value in folded.items()}
    same = request._replace(context=spelled, action=request.action.swapcase())
    assert decide(raw, same).outcome == decide(raw, request._replace(context=folded)).outcome


@settings(deadline=None, max_examples=150)
@given(documents, statements(st.just("Allow")), requests, st.sampled_from(KEYS), values)
def test_adding_a_condition_to_an_allow_never_widens(
    raw: dict[str, Any], allow: dict[str, Any], request: Request, key: str, value: str
) -> None:
    tightened = {**allow, "Condition": {**allow["Condition"], "stringEQUALS": {key: value}}}
    with_it = decide({**raw, "Statement": [*raw["Statement"], tightened]}, request).outcome
    assert with_it != "allowed" or decide({**raw, "Statement": [*raw["Statement"], allow]}, request).outcome == "allowed"


@settings(deadline=None, max_examples=400)
@given(st.text("ab*?", max_size=8), st.text("ab*?", max_size=10))
@example("*aba*aba*", "ababa")
def test_globs_match_as_the_naive_matcher_does(pattern: str, text: str) -> None:
    naive = re.fullmatch(fnmatch.translate(pattern), text) is not None
    assert matches(read_glob(pattern), text) == naive
    assert matches_glob(pattern, text) == naive
    assert compile_globs([pattern])(text) == naive


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text("ab*?", max_size=6), max_size=4), st.text("ab*?", max_size=8))
def test_several_globs_match_where_one_does(patterns: list[str], text: str) -> None:
    assert compile_globs(patterns)(text) == any(matches(read_glob(each), text) for each in patterns)


def own_documents(effects: st.SearchStrategy[str] = effects) -> st.SearchStrategy[Document]:
    """Of layers that name no principal."""
    statement = st.builds(
        lambda raw, resource: {**{key: value for key, value in raw.items() if "Principal" not in key}, **resource},
        statements(effects),
        st.sampled_from(
            [{}, {"Resource": "*"}, {"Resource": ["arn:aws:iam::*:role/*", "x"]}, {"NotResource": "arn:aws:iam::1*2:role/${k}"}]
        ),
    )
    return st.lists(statement, max_size=2).map(lambda given: parse_document({"Version": "2012-10-17", "Statement": given}))


def levels(documents: st.SearchStrategy[Document]) -> st.SearchStrategy[tuple[tuple[Document, ...], ...]]:
    return st.lists(st.lists(documents, max_size=2).map(tuple), max_size=2).map(tuple)


all_policies = st.builds(
    Policies,
    st.none() | st.lists(own_documents(), max_size=2).map(tuple),
    st.none() | documents.map(parse_document),
    st.none() | own_documents(),
    st.none() | own_documents(),
    levels(own_documents()),
    levels(documents.map(parse_document)),
)
whole_requests = st.builds(
    lambda request, resource, account, one, other: request._replace(
        resource=resource, resource_account=account, principal_in_management_account=one, resource_in_management_account=other
    ),
    requests,
    st.sampled_from([None, "*", "arn:aws:iam::111122223333:role/x", "arn:aws:iam::444455556666:role/aws-service-role/x/y", "x", ":::::"]),
    st.sampled_from([None, "111122223333", "444455556666"]),
    st.booleans(),
    st.booleans(),
)
more_effects = {"allowed": "Allow", "explicitly_denied": "Deny"}


@settings(deadline=None, max_examples=300)
@given(all_policies, whole_requests)
def test_all_policies_and_any_request_have_a_decision_and_its_reasons(policies: Policies, request: Request) -> None:
    decision = evaluate(policies, request)
    if decision.outcome == "implicitly_denied":
        assert [(each.statement, each.effect) for each in decision.because] == [(None, "Deny")]
    else:
        assert {each.effect for each in decision.because} <= {more_effects[decision.outcome]}
        assert decision.because or request.principal.endswith(":root")


@settings(deadline=None, max_examples=200)
@given(all_policies, st.lists(whole_requests, max_size=4))
def test_compiled_policies_decide_as_new_ones_do(policies: Policies, asked: list[Request]) -> None:
    compiled = compile_policies(policies)
    kept = [compiled.decide(each) for each in asked * 2]
    forget()
    assert kept == [evaluate(policies, each) for each in asked * 2]


@settings(deadline=None, max_examples=200)
@given(all_policies, whole_requests, st.lists(requests.map(lambda each: each.context), max_size=6))
def test_compiled_policies_decide_as_new_ones_do_whatever_else_the_same_caller_says(
    policies: Policies, request: Request, contexts: list[Mapping[str, str | tuple[str, ...]]]
) -> None:
    compiled = compile_policies(policies)
    who = {key: value for key, value in request.context.items() if key.lower() in {"aws:principalarn", "aws:userid"}}
    for each in [{**context, **who} for context in contexts] * 2:
        assert compiled.decide(request._replace(context=each)) == evaluate(policies, request._replace(context=each))


@settings(deadline=None, max_examples=200)
@given(all_policies, whole_requests, own_documents(st.just("Deny")))
def test_a_deny_in_any_layer_never_widens(policies: Policies, request: Request, deny: Document) -> None:
    narrowed = [
        policies._replace(identity=(*(policies.identity or ()), deny)) if policies.identity is not None else policies,
        policies._replace(service_control_policies=((*policies.service_control_policies[0], deny), *policies.service_control_policies[1:]))
        if policies.service_control_policies
        else policies,
    ]
    for each in narrowed:
        assert evaluate(each, request).outcome != "allowed" or evaluate(policies, request).outcome == "allowed"


@settings(deadline=None, max_examples=200)
@given(all_policies, whole_requests, own_documents())
def test_another_limit_never_widens(policies: Policies, request: Request, limit: Document) -> None:
    limited = [
        policies._replace(service_control_policies=(*policies.service_control_policies, (limit,))),
        policies._replace(resource_control_policies=(*policies.resource_control_policies, (limit,))),
        policies._replace(permissions_boundary=limit) if policies.permissions_boundary is None else policies,
    ]
    for each in limited:
        assert evaluate(each, request).outcome != "allowed" or evaluate(policies, request).outcome == "allowed"


any_text = st.text(st.characters(exclude_categories=()), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | values | any_text
any_value = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(any_text, inner, max_size=2), max_leaves=6)
fields = st.fixed_dictionaries(
    {
        "principal": st.sampled_from(CALLERS) | any_value,
        "action": st.sampled_from(["sts:AssumeRole", "s3:GetObject"]) | any_value,
        "context": st.dictionaries(keys, values | many, max_size=3) | any_value,
    },
    optional={
        "principal_type": st.sampled_from(["AWS", "Service", "Anonymous"]) | any_value,
        "resource": st.sampled_from(["*", "arn:aws:iam::111122223333:role/x"]) | any_value,
        "resource_account": any_value,
    },
)
layers = st.fixed_dictionaries(
    {"resource": documents | any_value},
    optional={
        "identity": st.none() | st.lists(documents, max_size=2) | any_value,
        "session": documents | any_value,
        "service_control_policies": st.lists(st.lists(documents, max_size=1), max_size=2) | any_value,
    },
)


@settings(deadline=None, max_examples=300)
@given(st.fixed_dictionaries({"request": fields | any_value, "policies": layers | any_value}, optional={"id": any_value}) | any_value)
def test_any_json_is_decided_or_refused(raw: Any) -> None:
    try:
        result = evaluate_json(raw)
    except MalformedInput as refused:
        str(refused).encode()
        return
    assert result["decision"] in {"allowed", "implicitly_denied", "explicitly_denied"}


@settings(deadline=None, max_examples=300)
@given(st.fixed_dictionaries({"request": fields, "policies": layers}))
def test_a_question_is_decided_alike_cold_and_compiled_in_the_usual_form_and_in_any_other(raw: Any) -> None:
    try:
        request, policies = parse_question(raw)
    except MalformedInput:
        with pytest.raises(MalformedInput):
            evaluate_json(raw)
        return
    assert evaluate_json(raw) == render_decision(compile_policies(policies).decide(request))
    resource = raw["policies"]["resource"]
    if resource is not None:
        in_other_words = {**raw, "policies": {**raw["policies"], "resource": {**resource, "Id": "not in the usual form"}}}
        assert evaluate_json(in_other_words) == evaluate_json(raw)
