"""What a role may do, held beside who from outside may assume it: what waivers, modes and remedies make of it; the curated policies."""

import json
import re
from copy import replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest

from doorward.events.model import Cause
from doorward.findings.as_json import finding_as_json
from doorward.findings.model import Judgement, Verdict
from doorward.guardrails import escalations
from doorward.guardrails.accepted import give_back
from doorward.guardrails.decide import Action, Circumstances, decide
from doorward.guardrails.decided import waivers_for, with_waivers
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Mode, Permissions, PermissionsPolicy, Role, Rule, Waiver, Where
from doorward.guardrails.outsiders import depends_on_permissions
from doorward.guardrails.policies_of_aws import DEPENDING, PASSING, PRIVILEGED
from doorward.guardrails.privileges import Power, Unsure, power_of
from doorward.guardrails.remedies import propose
from doorward.iam.arns import account_of_principal
from doorward.iam.documents import Principal
from doorward.organization.model import Account
from tests.unit.test_guardrails_rules import NOW, ORGANIZATIONS, page_of, role

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


def given(*statements: dict[str, Any]) -> PermissionsPolicy:
    return PermissionsPolicy("given", json.dumps({"Version": "2012-10-17", "Statement": statements}))


LESS = given({"Effect": "Allow", "Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "Resource": "*"})
UNSURE = PermissionsPolicy("arn:aws:iam::777788889999:policy/not-read", None)


def decided(its_role: Role) -> Guardrails:
    """People waive all that is found now."""
    found = [finding_as_json(each, None) for each in judged(its_role).findings]
    shared = Waiver("ann", "q-1", NOW, NOW + timedelta(days=90), its_role.ref, (), its_role.role_id, decided="q-1")
    return with_waivers(Guardrails(), waivers_for(its_role, found, shared))


def test_what_people_waived_does_not_grow_with_what_the_role_may_do() -> None:
    little, much = holding(trusting(VENDOR), LESS), holding(trusting(VENDOR))
    assert of_rule(judged(little)) == [("medium", False)]
    shown = decided(little)
    assert of_rule(judged(little, shown)) == [("medium", True)]
    assert (judged(much, shown).verdict, of_rule(judged(much, shown))) == (Verdict.VIOLATING, [("high", False)])
    assert of_rule(judged(much, decided(much))) == [("high", True)]
    assert of_rule(judged(little, decided(much))) == [("medium", True)]


def test_what_people_waived_is_not_hidden_behind_a_policy_that_nobody_can_read() -> None:
    shown = decided(holding(trusting(VENDOR), LESS))
    after = judged(holding(trusting(VENDOR), UNSURE), shown)
    assert [each.rule for each in after.undecidable] == ["privileged-outsider"]


def test_what_is_accepted_of_a_trusted_account_is_not_accepted_of_a_stranger_who_is_graver() -> None:
    its = holding(trusting(VENDOR, STRANGER), LESS)
    both = decided(its)
    (accepted,) = [each for each in both.waivers if "privileged-outsider" in each.rules and account_in(each) == VENDOR]
    everybody = accepted._replace(where=Where())
    found = judged(its, Guardrails(waivers=(everybody,)))
    assert sorted(of_rule(found)) == [("high", False), ("medium", True)]
    assert sorted(of_rule(judged(its, both))) == [("high", True), ("medium", True)]
    (stranger,) = [each for each in both.waivers if "privileged-outsider" in each.rules and account_in(each) == STRANGER]
    another = judged(holding(trusting(VENDOR, STRANGER, "888877776666"), LESS), Guardrails(waivers=(everybody, stranger)))
    assert sorted(of_rule(another)) == [("high", False), ("high", True), ("medium", True)]


def account_in(waiver: Waiver) -> str:
    (principal,) = waiver.where.principals
    return account_of_principal(principal.value) or ""


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
    decision = decide(judgement, its_role, ACCOUNT, guardrails, Circumstances(Cause.TRUST, widens=True))
    assert (decision.mode, decision.action) == (Mode.ENFORCE, Action.ALERT)
    assert "what the role may do" in decision.because
    assert list(propose(its_role, judgement, None, KNOWN, guardrails, closing=judgement.counting, now=NOW)) == []


@pytest.mark.parametrize("policy", [ADMINISTRATOR, "arn:aws:iam::777788889999:policy/not-read"])
def test_what_a_role_may_do_keeps_no_hole_of_its_trust_policy_from_being_closed(policy: str) -> None:
    guardrails = Guardrails(mode=Mode.ENFORCE)
    its_role = holding(trusting(VENDOR, STRANGER), PermissionsPolicy(policy, None))
    judgement = judged(its_role, guardrails)
    assert decide(judgement, its_role, ACCOUNT, guardrails, Circumstances(Cause.TRUST, widens=True)).action is Action.WRITE
    remedy = next(propose(its_role, judgement, None, KNOWN, guardrails, closing=judgement.counting, now=NOW))
    assert remedy.trust_policy["Statement"] == trusting(VENDOR)["Statement"]


def test_an_accepted_trust_policy_is_put_back_though_it_is_not_known_what_the_role_may_do() -> None:
    its_role = holding(trusting(STRANGER), PermissionsPolicy("arn:aws:iam::777788889999:policy/not-read", None))
    judgement = judged(its_role)
    accepted = json.dumps(trusting(VENDOR))
    offered = propose(its_role, judgement, accepted, KNOWN, Guardrails(), closing=judgement.counting, now=NOW)
    closed = [replace(its_role, trust_policy=json.dumps(each.trust_policy)) for each in offered]
    given_back = [give_back(each, accepted, KNOWN, Guardrails(), now=NOW) for each in closed]
    assert [each and each.trust_policy for each in given_back] == [trusting(VENDOR)]


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
    power = power_of(holding(trusting(VENDOR), given(statement)))
    assert isinstance(power, Power)
    assert power.calls == ("lambda:UpdateFunctionCode",)


def test_no_policy_can_name_what_it_will_be_asked_for() -> None:
    statements = [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]
    named = "whichever-8f3a61"
    for _ in range(3):  # what was asked for is known only of the policy before
        denied = {"Effect": "Deny", "Action": "iam:*", "Resource": [f"*{named}*", "arn:aws:iam::777788889999:role/door"]}
        policy = given(*statements, denied)
        assert isinstance(power_of(holding(trusting(VENDOR), policy)), Power)
        named = f"whichever-{sha256(repr(Permissions((policy,))).encode()).hexdigest()[:12]}"


def test_what_a_role_takes_first_is_told_first() -> None:
    limit = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": "*"}]}
    its_role = holding(trusting(VENDOR))
    bounded = its_role._replace(
        permissions=its_role.permissions and its_role.permissions._replace(boundary=json.dumps(limit)),
        permissions_boundary="arn:aws:iam::777788889999:policy/limit",
    )
    (finding,) = [each for each in judged(bounded).findings if each.rule == "privileged-outsider"]
    assert f"{ADMINISTRATOR} allows iam:DeleteRolePermissionsBoundary on itself, then iam:AttachRolePolicy on itself" in finding.because


def test_who_the_role_is_decides_nothing_where_that_is_not_known() -> None:
    """A template may leave the role's name to CloudFormation."""
    all_but_one = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}},
    }
    its_role = holding(trusting(VENDOR), given({"Effect": "Allow", "Action": "*", "Resource": "*"}, all_but_one))
    assert power_of(its_role) is None
    assert isinstance(power_of(its_role._replace(arn="")), Unsure)


@pytest.mark.parametrize(
    ("resource", "action"),
    [("arn:aws:lambda:{}:777788889999:function:*", "lambda:UpdateFunctionCode"), ("arn:aws:iam::777788889999:role/{}-*", "iam:CreateRole")],
)
def test_what_names_more_than_is_looked_at_is_never_called_harmless(resource: str, action: str) -> None:
    names = [f"aa-aaa{chr(97 + each % 26) * (1 + each // 26)}-1" for each in range(100)]
    crowd = {"Effect": "Allow", "Action": ["lambda:GetFunction", "iam:GetRole"], "Resource": [resource.format(each) for each in names]}
    assert power_of(holding(trusting(VENDOR), given({**crowd, "Resource": "*"}))) is None
    found = power_of(holding(trusting(VENDOR), given(crowd, {"Effect": "Allow", "Action": action, "Resource": resource.format("zz-zz-1")})))
    assert isinstance(found, Unsure)


def test_a_role_is_passed_to_a_service_by_the_name_that_it_has_in_the_partition() -> None:
    passing = {"Action": "iam:PassRole", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com.cn"}}}
    both = given(*({"Effect": "Allow", "Resource": "*", **each} for each in (passing, {"Action": "ec2:RunInstances"})))
    its_role = holding(trusting(VENDOR), both)
    assert power_of(its_role) is None
    assert isinstance(power_of(its_role._replace(arn=its_role.arn.replace("arn:aws:", "arn:aws-cn:"))), Power)


def test_the_page_has_every_call_of_every_way() -> None:
    calls = {
        *escalations.REWRITES,
        *escalations.LIFTS,
        escalations.NEW_VERSION,
        escalations.OLD_VERSION,
        *(each for ways in (escalations.CHANGES, escalations.GIVES, escalations.TAKES_OVER) for way in ways for each in way),
        *(each for kinds in (escalations.MAKES, escalations.RUNS_AS) for ways in kinds.values() for way in ways for each in way),
    }
    written = set(re.findall(r"`([a-z0-9-]+:[A-Za-z]+)`", page_of("privileged-outsider")))
    assert {escalations.action_of(each) for each in calls} | {"iam:PassRole", "sts:AssumeRole"} == written


def _texts_of_aws() -> dict[str, str]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    every = json.loads(aws_managed_policies_data)
    return {each["Path"].removeprefix("/") + name: json.dumps(each["Document"]) for name, each in every.items()}


def of_aws(name: str, text: str | None) -> Power | Unsure | None:
    return power_of(holding(trusting(VENDOR), PermissionsPolicy(f"arn:aws:iam::aws:policy/{name}", text)))


def told(power: Power | Unsure | None) -> Any:
    """Without the names that were asked for."""
    return (power.follows, power.policy, [(each.calls, each.on) for each in power.steps]) if isinstance(power, Power) else power


@pytest.mark.parametrize("name", sorted(PRIVILEGED))
def test_a_policy_of_aws_that_is_known_by_name_gives_the_power_that_its_whole_text_gives(name: str) -> None:
    known, whole = of_aws(name, None), of_aws(name, _texts_of_aws()[name])
    assert isinstance(known, Power)
    assert told(known) == told(whole)


def test_no_policy_of_aws_that_is_privileged_or_may_be_is_missing_among_those_known_by_name() -> None:
    texts = {name: text for name, text in _texts_of_aws().items() if not name.startswith("aws-service-role/")}
    whole = {name: of_aws(name, text) for name, text in texts.items()}
    assert {name for name, power in whole.items() if isinstance(power, Power)} == PRIVILEGED
    assert {name for name, power in whole.items() if isinstance(power, Unsure)} == DEPENDING
    assert isinstance(of_aws(min(DEPENDING), None), Unsure)


def test_every_policy_of_aws_that_holds_half_of_a_way_is_known_by_name() -> None:
    running = {
        "Effect": "Allow",
        "Action": sorted({each for ways in escalations.RUNS_AS.values() for way in ways for each in way}),
        "Resource": "*",
    }
    rest = PermissionsPolicy("rest", json.dumps({"Version": "2012-10-17", "Statement": [running]}))
    halves = set()
    for name, text in _texts_of_aws().items():
        if name not in PRIVILEGED | DEPENDING and not name.startswith("aws-service-role/"):
            known, whole = (
                power_of(holding(trusting(VENDOR), PermissionsPolicy(f"arn:aws:iam::aws:policy/{name}", each), rest))
                for each in (None, text)
            )
            assert told(known) == told(whole)
            halves |= set() if whole is None else {name}
    assert halves == PASSING
