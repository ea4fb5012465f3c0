"""What a role may do, held beside who from outside may assume it: what waivers, modes and remedies make of it; the curated policies."""

import json
from copy import replace
from datetime import date
from hashlib import sha256
from typing import Any

import pytest

from doorward.events.model import Cause
from doorward.findings.model import Judgement, Verdict
from doorward.guardrails.decide import Action, Circumstances, decide
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Mode, Permissions, PermissionsPolicy, Role, Rule, Waiver, Where
from doorward.guardrails.outsiders import depends_on_permissions
from doorward.guardrails.privileges import CURATED, Power, power_of
from doorward.guardrails.remedies import propose
from doorward.iam.documents import Principal
from doorward.organization.model import Account
from tests.unit.test_guardrails_rules import NOW, ORGANIZATIONS, role

VENDOR, PARTNER, STRANGER, OURS = "555566667777", "666677778888", "999988887777", "444455556666"
KNOWN = ORGANIZATIONS["known"]
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ACCOUNT = Account("777788889999", "prod", "/workloads/prod")


def trusting(*accounts: str) -> dict[str, Any]:
    """Each by a statement of its own."""
    condition = {"StringEquals": {"sts:ExternalId": "4f1c2d3e-5b6a-4c7d-8e9f-0a1b2c3d4e5f"}}
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{each}:root"}, "Action": "sts:AssumeRole", "Condition": condition}
        for each in accounts
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def holding(trust: Any, *policies: PermissionsPolicy) -> Role:
    given = policies or (PermissionsPolicy(ADMINISTRATOR, None),)
    return role(trust)._replace(permissions=Permissions(given), permissions_boundary="")


def judged(its_role: Role, guardrails: Guardrails | None = None) -> Judgement:
    return judge(its_role, KNOWN, guardrails or Guardrails(), now=NOW, strict=True)


def waiver(principal: str, *rules: str) -> Waiver:
    where = Where((Principal("AWS", f"arn:aws:iam::{principal}:root"),))
    return Waiver("jane", "their platform", date(2026, 11, 1), date(2027, 1, 15), "777788889999/door", rules, None, where)


def of_rule(judgement: Judgement, rule: str = "privileged-outsider") -> list[tuple[str, bool]]:
    return [(str(each.severity), each.waiver is not None) for each in judgement.findings if each.rule == rule]


def test_a_finding_shows_the_request_by_which_the_outsider_enters_and_the_permission_that_makes_it_grave() -> None:
    (finding,) = [each for each in judged(holding(trusting(VENDOR))).findings if each.rule == "privileged-outsider"]
    assert finding.witness is not None
    assert (finding.witness.action, finding.witness.context["aws:PrincipalAccount"]) == ("sts:AssumeRole", VENDOR)
    assert ADMINISTRATOR in finding.because
    assert "iam:AttachRolePolicy" in finding.because


def test_an_accepted_outsider_is_waived_and_another_is_not() -> None:
    guardrails = Guardrails(waivers=(waiver(VENDOR, "privileged-outsider"),))
    alone = judged(holding(trusting(VENDOR)), guardrails)
    assert (alone.verdict, of_rule(alone)) == (Verdict.WAIVED, [("high", True)])
    both = judged(holding(trusting(VENDOR, PARTNER)), guardrails)
    assert (both.verdict, sorted(of_rule(both))) == (Verdict.VIOLATING, [("high", False), ("high", True)])


def test_a_waiver_of_a_rule_about_permissions_is_never_called_unused() -> None:
    guardrails = Guardrails(waivers=(waiver(VENDOR, "privileged-outsider"),))
    assert judged(role(trusting(VENDOR)), guardrails).findings == ()


def test_each_rule_can_be_turned_off() -> None:
    its_role = holding(trusting(VENDOR))
    for rule in ("privileged-outsider", "missing-boundary"):
        off = Guardrails(rules={rule: Rule(rule, enabled=False)})
        assert of_rule(judged(its_role), rule)
        assert not of_rule(judged(its_role, off), rule)
    assert not depends_on_permissions(
        its_role, KNOWN, Guardrails(rules={"privileged-outsider": Rule("privileged-outsider", enabled=False)}), now=NOW
    )


@pytest.mark.parametrize(
    ("trust", "depends"), [(trusting(OURS), False), (trusting(VENDOR), True), (trusting(STRANGER), True), ("{", False)]
)
def test_what_a_role_may_do_is_worth_reading_where_somebody_from_outside_comes_in(trust: Any, depends: bool) -> None:
    assert depends_on_permissions(role(trust), KNOWN, Guardrails(), now=NOW) is depends


def test_what_a_role_may_do_is_never_a_reason_to_write() -> None:
    guardrails = Guardrails(
        mode=Mode.ENFORCE, rules={each: Rule(each, mode=Mode.ENFORCE) for each in ("privileged-outsider", "missing-boundary")}
    )
    its_role = holding(trusting(VENDOR))
    judgement = judged(its_role, guardrails)
    decision = decide(judgement, its_role, ACCOUNT, guardrails, Circumstances(Cause.TRUST, True, False, None, True))
    assert (decision.mode, decision.action) == (Mode.ENFORCE, Action.ALERT)
    assert "what the role may do" in decision.because
    assert list(propose(its_role, judgement, None, KNOWN, guardrails, closing=judgement.counting, now=NOW)) == []


@pytest.mark.parametrize("policy", [ADMINISTRATOR, "arn:aws:iam::777788889999:policy/not-read"])
def test_what_a_role_may_do_keeps_no_hole_of_its_trust_policy_from_being_closed(policy: str) -> None:
    guardrails = Guardrails(mode=Mode.ENFORCE)
    its_role = holding(trusting(VENDOR, STRANGER), PermissionsPolicy(policy, None))
    judgement = judged(its_role, guardrails)
    assert decide(judgement, its_role, ACCOUNT, guardrails, Circumstances(Cause.TRUST, True, False, None, True)).action is Action.WRITE
    remedy = next(propose(its_role, judgement, None, KNOWN, guardrails, closing=judgement.counting, now=NOW))
    assert remedy.trust_policy["Statement"] == trusting(VENDOR)["Statement"]


def test_an_accepted_trust_policy_is_put_back_though_it_is_not_known_what_the_role_may_do() -> None:
    its_role = holding(trusting(STRANGER), PermissionsPolicy("arn:aws:iam::777788889999:policy/not-read", None))
    judgement = judged(its_role)
    accepted = json.dumps(trusting(VENDOR))
    offered = propose(its_role, judgement, accepted, KNOWN, Guardrails(), closing=judgement.counting, now=NOW)
    assert [each.trust_policy for each in offered if each.kind == "restore"] == [trusting(VENDOR)]


def test_a_policy_that_was_not_read_is_told_with_the_reason() -> None:
    unread = Permissions((PermissionsPolicy("the managed policies", None),), None, "AccessDenied: not authorized")
    found = judged(replace(holding(trusting(VENDOR)), permissions=unread))
    assert found.verdict is Verdict.UNDECIDABLE
    assert "AccessDenied" in found.undecidable[0].because


def test_a_policy_that_was_not_read_hides_no_power_that_another_shows() -> None:
    unread = PermissionsPolicy("arn:aws:iam::777788889999:policy/not-read", None)
    found = judged(holding(trusting(VENDOR), unread, PermissionsPolicy(ADMINISTRATOR, None)))
    assert (found.verdict, of_rule(found)) == (Verdict.VIOLATING, [("high", False)])


LAMBDA_CODE = {"Effect": "Allow", "Action": "lambda:UpdateFunctionCode"}


@pytest.mark.parametrize(
    "statement",
    [
        LAMBDA_CODE | {"Resource": "arn:aws:lambda:eu-west-1:777788889999:function:*"},
        LAMBDA_CODE | {"Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}},
    ],
)
def test_a_power_of_another_region_is_one(statement: dict[str, Any]) -> None:
    given = PermissionsPolicy("deploy", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    power = power_of(holding(trusting(VENDOR), given))
    assert isinstance(power, Power)
    assert power.calls == ("lambda:UpdateFunctionCode",)


def test_no_policy_can_name_what_it_will_be_asked_for() -> None:
    statements = [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]
    named = "whichever-8f3a61"
    for _ in range(3):  # what was asked for is known only of the policy before
        denied = {"Effect": "Deny", "Action": "iam:*", "Resource": [f"*{named}*", "arn:aws:iam::777788889999:role/door"]}
        given = PermissionsPolicy("x", json.dumps({"Version": "2012-10-17", "Statement": [*statements, denied]}))
        assert isinstance(power_of(holding(trusting(VENDOR), given)), Power)
        named = f"whichever-{sha256(repr(Permissions((given,))).encode()).hexdigest()[:12]}"


def _texts_of_aws() -> dict[str, str]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    every = json.loads(aws_managed_policies_data)
    return {each["Path"].removeprefix("/") + name: json.dumps(each["Document"]) for name, each in every.items()}


@pytest.mark.parametrize("name", sorted(CURATED))
def test_a_curated_policy_gives_the_power_that_its_whole_text_gives(name: str) -> None:
    arn, text = f"arn:aws:iam::aws:policy/{name}", _texts_of_aws()[name]
    curated, whole = (power_of(holding(trusting(VENDOR), PermissionsPolicy(arn, each))) for each in (None, text))
    assert curated == whole
    assert isinstance(whole, Power) or name == "AWSDenyAll"


def test_no_policy_of_aws_that_changes_permissions_is_missing_among_the_curated() -> None:
    alone = set()
    for name, text in _texts_of_aws().items():
        power = power_of(holding(trusting(VENDOR), PermissionsPolicy(f"arn:aws:iam::aws:policy/{name}", text)))
        if isinstance(power, Power) and power.alone:
            alone.add(name)
    assert alone <= CURATED
    assert len(alone) >= 3
