"""Whatever the unknown parts of a policy turn out to be, what was found in its bound is found in it."""

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward.findings.model import Judgement, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Role
from doorward.guardrails.parsing import guardrails_from
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.organization.model import Organization
from doorward_cli.templates import Unknown
from doorward_cli.unresolved import bound, with_unresolved
from tests.fakes import START as NOW
from tests.mutations import paths, put

OURS = "777788889999"
ACCOUNTS = st.sampled_from(["*", OURS, "999988887777", "555566667777", "arn:aws:iam::999988887777:role/x"])
EFFECTS = st.sampled_from(["Allow", "Allow", "Deny"])
ACTIONS = st.sampled_from(["sts:AssumeRole", "sts:*", ["sts:TagSession", "sts:AssumeRole"], "sts:TagSession"])
VALUES = st.one_of(ACCOUNTS, st.lists(ACCOUNTS, min_size=1, max_size=3))
CONDITIONS = st.sampled_from(
    [
        {},
        {"StringEquals": {"aws:PrincipalAccount": "999988887777"}},
        {"StringEquals": {"aws:PrincipalAccount": [OURS, "555566667777"]}},
        {"StringNotEquals": {"aws:PrincipalAccount": [OURS, "999988887777"]}},
        {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::9999*"}, "Bool": {"aws:SecureTransport": "true"}},
    ]
)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": EFFECTS, "Principal": VALUES.map(lambda each: {"AWS": each}), "Action": ACTIONS, "Condition": CONDITIONS}
)
DOCUMENTS = st.lists(STATEMENTS, min_size=1, max_size=3).map(lambda each: {"Version": "2012-10-17", "Statement": each})


def judged(document: Any) -> Judgement:
    bounded = bound(document)
    if bounded.document is None:
        return with_unresolved(Judgement(Verdict.UNDECIDABLE), bounded.unresolved, bounded.stand_ins, "…")
    role = Role(OURS, "x", "/", f"arn:aws:iam::{OURS}:role/x", "", json.dumps(bounded.document))
    return with_unresolved(judge(role, Organization(), guardrails_from({}), now=NOW), bounded.unresolved, bounded.stand_ins, "…")


@settings(max_examples=500, deadline=None)
@given(st.data(), DOCUMENTS)
def test_what_a_bound_lets_in_the_real_policy_lets_in(data: st.DataObject, real: Any) -> None:
    """The real policy is drawn first; parts of it are then made unknown, so that it is one of those that they stand for."""
    document = real
    for _ in range(data.draw(st.integers(1, 3))):
        inside = [each for each in paths(document) if len(each) > 1]
        document = put(document, data.draw(st.sampled_from(inside)), Unknown("Ref X"))
    judgement = judged(document)
    assert judgement.verdict is not Verdict.COMPLIANT
    assume(judgement.verdict is not Verdict.INVALID)
    try:
        parsed = parse_document(real)
    except MalformedInput:
        return
    assert all(parsed.statements[each.statement.index].effect == "Allow" for each in judgement.findings)
    for witness in (each.witness for each in judgement.findings if each.witness is not None):
        request = Request(witness.principal, witness.principal_type, witness.action, witness.context, f"arn:aws:iam::{OURS}:role/x", OURS)
        assert evaluate_trust_policy(parsed, request).outcome == "allowed"
