"""What a change newly lets in, against drawn requests; and statements that are called narrow without a search."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.findings.model import Verdict
from doorward.guardrails import plain
from doorward.guardrails.diff import compare, newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails
from doorward.guardrails.setting import Ground
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.iam.invalid import refused_because
from tests.property.test_judge import organizations, policies, stranger_tokens, strangers
from tests.unit.test_diff import LAMBDA, ROOT, SAML, STRANGER, allow, deny, subject
from tests.unit.test_guardrails_rules import GITHUB, NOW, ORGANIZATIONS, role

KNOWN = ORGANIZATIONS["known"]


@settings(deadline=None, max_examples=250)
@given(policies, policies, st.lists(strangers() | stranger_tokens(), min_size=6, max_size=20))
def test_no_request_that_is_newly_allowed_is_missed(old: Any, new: Any, requests: list[Request]) -> None:
    before, after = parse_document(json.dumps(old)), parse_document(json.dumps(new))
    changed = compare(before, after, role("{}"), KNOWN, now=NOW)
    for request in requests:
        was, is_ = (evaluate_trust_policy(each, request).outcome == "allowed" for each in (before, after))
        assert was >= is_ or changed.gained.is_there is not False
        assert is_ >= was or changed.lost.is_there is not False


@settings(deadline=None, max_examples=150)
@given(policies)
def test_a_statement_less_and_a_deny_more_let_nobody_new_in(policy: Any) -> None:
    document = parse_document(json.dumps(policy))
    assert newly_allowed(document, document, role("{}"), KNOWN, now=NOW).is_there is False
    fewer = document._replace(statements=tuple(each for each in document.statements if each.position != 0 or each.effect == "Deny"))
    fewer = fewer._replace(statements=tuple(each._replace(position=at) for at, each in enumerate(fewer.statements)))
    if fewer.statements:
        assert newly_allowed(document, fewer, role("{}"), KNOWN, now=NOW).is_there is False


narrow_looking = st.sampled_from(
    [
        allow(ROOT),
        allow(STRANGER),
        allow({"AWS": "*"}),
        allow(LAMBDA, {"StringEquals": {"aws:SourceAccount": "777788889999"}}),
        allow({"AWS": "*"}, {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
        *(
            allow({"AWS": who}, {operator: {key: paths}})
            for key in ("aws:PrincipalOrgPaths", "aws:PrincipalTag/paths", "aws:SourceOrgPaths")
            for who in ("*", "arn:aws:iam::999988887777:root", "arn:aws:iam::555566667777:root")
            for operator in ("ForAnyValue:StringLike", "StringLike", "ForAllValues:StringLike", "ForAnyValue:StringNotLike")
            for paths in ("o-a1b2c3d4e5/*", "o-a1b2c3d4e5*", ["o-a1b2c3d4e5/r-ab12/*", "o-zzzz999988/*"], "o-a1b2c3d4e5/${aws:userid}*")
        ),
        allow({"AWS": "*"}, {"StringEquals": {"aws:PrincipalAccount": ["777788889999", "444455556666"]}}),
        # Near misses: by another key, or by an operator that lets in whoever has no such key.
        *(
            allow({"AWS": "*"}, {operator: {key: values}})
            for operator in ("StringEquals", "StringEqualsIfExists", "StringNotEquals", "StringLike")
            for key, values in (
                ("aws:PrincipalOrgID", "o-a1b2c3d4e5"),
                ("aws:PrincipalOrgID", ["o-a1b2c3d4e5", "o-zzzz999988"]),
                ("aws:PrincipalAccount", ["777788889999", "999988887777"]),
                ("aws:PrincipalTag/org", "o-a1b2c3d4e5"),
                ("aws:SourceAccount", "777788889999"),
            )
        ),
        *(
            allow(LAMBDA, {operator: {key: "777788889999"}})
            for operator in ("StringEquals", "StringEqualsIfExists", "StringLike")
            for key in ("aws:SourceAccount", "aws:PrincipalAccount", "aws:PrincipalTag/a")
        ),
        allow({"AWS": "arn:aws:iam::555566667777:root"}, {"StringEquals": {"sts:ExternalId": "4f1c2d3e4b5a6978"}}),
        allow({"AWS": "arn:aws:iam::666677778888:role/partner"}),
        allow(SAML, {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}, "sts:AssumeRoleWithSAML"),
    ]
)


shutting = st.builds(
    lambda operator, key, conditions, action, principal: deny(principal, {operator: {key: "o-a1b2c3d4e5"}, **conditions}, action),
    st.sampled_from(["StringNotEquals", "StringNotEqualsIfExists", "StringEquals", "ForAnyValue:StringNotEquals"]),
    st.sampled_from(["aws:PrincipalOrgID", "aws:PrincipalTag/org"]),
    st.sampled_from([{}, {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}, {"Bool": {"aws:PrincipalIsAWSService": "true"}}]),
    st.sampled_from(["sts:AssumeRole", "sts:*", "sts:TagSession"]),
    st.sampled_from([{"AWS": "*"}, ROOT]),
)


@settings(deadline=None, max_examples=400)
@given(st.lists(narrow_looking | st.just(None), max_size=3), policies, organizations, st.data())
def test_what_is_called_narrow_has_nothing_that_the_search_finds(
    plain_ones: Any, policy: Any, organization: Any, data: st.DataObject
) -> None:
    """A rule of one's own turns the short way off, so that everything is searched."""
    token = subject("repo:acme/*", "repo:acme/app:*")
    token["Condition"]["StringEquals"] = {f"{GITHUB}:aud": data.draw(st.sampled_from(["sts.amazonaws.com", "x"]))}
    written = [token if each is None else each for each in plain_ones] + policy["Statement"]
    if data.draw(st.booleans()):
        written.append(data.draw(shutting))
    _look_for_more(written, policy["Version"], organization)


@settings(deadline=None, max_examples=300)
@given(st.lists(narrow_looking, min_size=1, max_size=2), shutting)
def test_what_a_deny_seems_to_shut_is_shut(allowed: Any, denied: Any) -> None:
    _look_for_more([*allowed, denied], "2012-10-17", KNOWN)


def _look_for_more(written: list[Any], version: str, organization: Any) -> None:
    document = parse_document(json.dumps({"Version": version, "Statement": written}))
    ground = Ground(role("{}"), organization)
    is_shut = any(plain.shuts_strangers_out(each, ground) for each in document.statements)
    denies = [each for each in written if each["Effect"] == "Deny"]
    for statement in document.statements:
        if plain.is_narrow(statement, ground, is_shut=is_shut):
            alone = json.dumps({"Version": version, "Statement": [written[statement.position], *denies]})
            assert refused_because(parse_document(alone), alone) is None
            searched = judge(role(alone), organization, SEARCHED, now=NOW, strict=True)
            assert (searched.verdict, searched.findings, searched.undecidable) == (Verdict.COMPLIANT, (), ())


def _searched() -> Guardrails:
    from doorward.guardrails.parsing import guardrails_from

    world = {"type": "AWS", "accounts": ["000000000000"], "where": {"StringEquals": {"aws:PrincipalAccount": "000000000001"}}}
    nobody = {"id": "custom-nobody", "severity": "high", "title": "nobody", "because": "lets nobody in.", "callers": world}
    return guardrails_from({"custom_rules": [nobody]})


SEARCHED = _searched()
