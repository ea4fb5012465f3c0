"""The evaluator against decision tables that were written from AWS's documentation (`tests/cases/evaluate`)."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from doorward.errors import MalformedInput
from doorward.iam import evaluate as evaluate_module
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Because, Decision, Policies, Request, compile_policies, evaluate, evaluate_trust_policy
from doorward.iam.requests import evaluate_json, parse_question

CASES = Path(__file__).parents[1] / "cases" / "evaluate"
SESSION = "arn:aws:sts::111122223333:assumed-role/ci/run-1"
USER = "arn:aws:iam::444455556666:user/ann"
ROLE = "arn:aws:iam::444455556666:role/deploy"
ALLOW_ALL = {"Effect": "Allow", "Principal": "*", "Action": "*"}


def table(name: str) -> list[Any]:
    rows = json.loads((CASES / f"{name}.json").read_text())
    return [pytest.param(row, id=row["says"]) for row in rows]


def multivalued(context: dict[str, Any]) -> dict[str, str | tuple[str, ...]]:
    return dict(parse_question(question(context=context)).request.context)


def question(**changes: Any) -> dict[str, Any]:
    asked = {"principal": SESSION, "action": "sts:AssumeRole", **changes}
    return {"request": asked, "policies": {"resource": {"Version": "2012-10-17", "Statement": [ALLOW_ALL]}}}


def decide(statements: list[dict[str, Any]], request: Request, version: str | None = "2012-10-17") -> Decision:
    written = {} if version is None else {"Version": version}
    return evaluate_trust_policy(parse_document({**written, "Statement": statements}), request)


def assert_covers(statement: dict[str, Any], request: Request, expected: bool | None, version: str | None = "2012-10-17") -> None:
    """As an Allow and as a Deny: what is open (None) allows nothing and denies."""
    allowing = decide([{**statement, "Effect": "Allow"}], request, version)
    assert allowing.outcome == ("allowed" if expected else "implicitly_denied")
    denying = decide([ALLOW_ALL, {**statement, "Effect": "Deny"}], request, version)
    assert denying.outcome == ("allowed" if expected is False else "explicitly_denied")


@pytest.mark.parametrize("row", [*table("conditions"), *table("variables")])
def test_a_condition_holds_as_documented(row: dict[str, Any]) -> None:
    request = Request(SESSION, "AWS", "sts:AssumeRole", multivalued(row["context"]))
    statement = {"Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": row["condition"]}
    assert_covers(statement, request, row["holds"], row.get("version", "2012-10-17"))


PRESENCE = json.loads((CASES / "presence.json").read_text())


@pytest.mark.parametrize("form", PRESENCE["forms"], ids=lambda form: str(form["form"]))
@pytest.mark.parametrize("operator", PRESENCE["operators"], ids=lambda operator: str(operator["operator"]))
def test_an_operator_minds_what_is_there(operator: dict[str, str], form: dict[str, Any]) -> None:
    fits, other = operator["fits"], operator["other"]
    contexts: dict[str, dict[str, str | tuple[str, ...]]] = {
        "absent": {},
        "empty": {"k": ()},
        "fits": {"k": fits},
        "other": {"k": other},
        "both": {"k": (fits, other)},
    }
    condition = {form["form"].replace("Op", operator["operator"]): {"K": operator["policy"]}}
    statement = {"Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}
    for state, expected in zip(PRESENCE["states"], form[operator["is"]], strict=True):
        assert_covers(statement, Request(SESSION, "AWS", "sts:AssumeRole", contexts[state]), expected)


@pytest.mark.parametrize("row", table("principals"))
def test_a_principal_covers_whom_it_names(row: dict[str, Any]) -> None:
    request = Request(row["caller"], row.get("type", "AWS"), "sts:AssumeRole", multivalued(row.get("context", {})))
    assert_covers({"Principal": row["principal"], "Action": "sts:AssumeRole"}, request, row["covers"])
    assert_covers({"NotPrincipal": row["principal"], "Action": "sts:AssumeRole"}, request, not row["covers"])


@pytest.mark.parametrize("row", table("actions"))
def test_an_action_element_covers_what_it_names(row: dict[str, Any]) -> None:
    assert_covers({"Principal": {"AWS": "*"}, **row["element"]}, Request(SESSION, "AWS", row["action"], {}), row["covers"])


@pytest.mark.parametrize("row", table("policies"))
def test_statements_combine_as_documented(row: dict[str, Any]) -> None:
    decision = decide(row["statements"], Request(SESSION, "AWS", "sts:AssumeRole", {"sts:ExternalId": "x"}))
    assert decision.outcome == row["decision"]
    deciding = [each.statement for each in decision.because if each.statement is not None]
    assert deciding == row["because"]
    assert all(each.sid == row["statements"][each.statement].get("Sid") for each in decision.because if each.statement is not None)


ORDER = json.loads((CASES / "order.json").read_text())


@pytest.mark.parametrize("row", ORDER["rows"], ids=lambda row: str(row["says"]))
def test_the_layers_decide_in_their_order(row: dict[str, Any]) -> None:
    documents = ORDER["documents"]

    def named(given: Any) -> Any:
        return [named(each) for each in given] if isinstance(given, list) else documents[given] if given is not None else None

    caller, asked = ORDER["callers"][row["caller"]], ORDER["requests"][row["request"]]
    flags = {each: row[each] for each in row if each.endswith("_in_management_account")}
    request = {**caller, **asked, **flags, "context": {**caller.get("context", {}), **row.get("context", {})}}
    result = evaluate_json({"request": request, "policies": {layer: named(given) for layer, given in row["policies"].items()}})
    assert result["decision"] == row["decision"]
    assert [each["policy"] for each in result["because"]] == row["by"]
    if "level" in row:
        assert [each["level"] for each in result["because"]] == [row["level"]]
    if row["decision"] == "implicitly_denied":
        [because] = result["because"]
        assert (because["statement"], because["effect"]) == (None, "Deny")
    else:
        assert all(each["statement"] == 0 for each in result["because"])


@pytest.mark.parametrize("row", table("resources"))
def test_a_resource_element_covers_what_it_names(row: dict[str, Any]) -> None:
    statement = {"Action": "s3:*", **row["element"]}
    request = Request(USER, "AWS", "s3:GetObject", multivalued(row.get("context", {})), row["resource"], "444455556666")

    def outcome(*statements: dict[str, Any]) -> str:
        document = parse_document({"Version": row.get("version", "2012-10-17"), "Statement": list(statements)})
        return evaluate(Policies(identity=(document,)), request).outcome

    assert outcome({**statement, "Effect": "Allow"}) == ("allowed" if row["covers"] else "implicitly_denied")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    assert outcome(everything, {**statement, "Effect": "Deny"}) == ("allowed" if row["covers"] is False else "explicitly_denied")


def test_a_resource_policy_without_a_resource_means_its_own() -> None:
    document = parse_document({"Statement": {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "ecr:*"}})
    request = Request(USER, "AWS", "ecr:BatchGetImage", {}, "arn:aws:ecr:eu-west-1:444455556666:repository/x")
    assert evaluate(Policies(identity=(), resource=document), request).outcome == "allowed"


def test_a_trust_policys_resource_is_not_looked_at() -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "sts:*", "Resource": "arn:aws:s3:::x"}
    assert decide([statement], Request(USER, "AWS", "sts:AssumeRole", {}, ROLE)).outcome == "allowed"


def test_compiled_policies_decide_every_action_by_itself() -> None:
    document = parse_document({"Statement": {"Effect": "Allow", "Action": ["s3:Get*", "ec2:*"], "Resource": "*"}})
    compiled = compile_policies(Policies(identity=(document,)))
    for action, expected in (("s3:GetObject", "allowed"), ("s3:PutObject", "implicitly_denied"), ("S3:GETOBJECT", "allowed")) * 2:
        assert compiled.decide(Request(USER, "AWS", action, {}, "*")).outcome == expected


def test_what_compiled_policies_keep_is_bounded() -> None:
    compiled = compile_policies(Policies(identity=None, resource=parse_document({"Statement": ALLOW_ALL})))
    for number in range(evaluate_module._KEPT_VIEWS * 2):
        request = Request(f"arn:aws:iam::{number:012}:user/u", "AWS", f"s3:Get{number}", {f"K{number}": "false"}, "*")
        assert compiled.decide(request).outcome == "allowed"
        assert 0 < len(compiled._kept) <= evaluate_module._KEPT_VIEWS


def test_what_compiled_policies_keep_of_one_caller_is_bounded() -> None:
    keys = [f"k{number}" for number in range(8)]
    several = [{**ALLOW_ALL, "Condition": {"Bool": {each: "true"}}} for each in keys]
    compiled = compile_policies(Policies(identity=None, resource=parse_document({"Statement": several})))
    for number in range(2 ** len(keys)):
        given = {each: "true" if number >> bit & 1 else "false" for bit, each in enumerate(keys)}
        because = compiled.decide(Request(USER, "AWS", "s3:GetObject", given, "*")).because
        applying: set[int | None] = {bit for bit in range(len(keys)) if number >> bit & 1}
        assert {each.statement for each in because} == (applying or {None})
        ((_, _, _, decisions),) = compiled._kept.values()
        assert 0 < len(decisions) <= evaluate_module._KEPT_DECISIONS


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}])
def test_an_anonymous_caller_is_denied_but_never_allowed(principal: object) -> None:
    anonymous = Request("*", "Anonymous", "sts:AssumeRole", {})
    assert decide([{"Effect": "Allow", "Principal": principal, "Action": "*"}], anonymous).outcome == "implicitly_denied"
    assert decide([{"Effect": "Deny", "Principal": principal, "Action": "*"}], anonymous).outcome == "explicitly_denied"


def test_an_implicit_denial_names_the_layer() -> None:
    assert decide([], Request(SESSION, "AWS", "sts:AssumeRole", {})).because == (Because("resource", None, 0, None, None, "Deny"),)


def test_nothing_is_derived_from_the_caller_into_the_context() -> None:
    condition = {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}
    assert decide([statement], Request(SESSION, "AWS", "sts:AssumeRole", {})).outcome == "implicitly_denied"


@pytest.mark.parametrize("pattern", ["*a" * 200 + "b", "*?" * 200 + "b", "a*" * 200, "*" * 2000 + "b"])
def test_no_pattern_makes_matching_slow(pattern: str) -> None:
    condition = {"StringLike": {"k": pattern}}
    started = time.perf_counter()
    decide([{**ALLOW_ALL, "Condition": condition}], Request(SESSION, "AWS", "sts:AssumeRole", {"k": "a" * 20_000}))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("pattern", ["*a" * 200 + "b", "*?" * 200 + "b", "a*" * 200, "*" * 2000 + "b", "arn:*a*:" * 50, "?" * 2000 + "*"])
def test_no_pattern_of_a_resource_or_an_action_makes_deciding_slow(pattern: str) -> None:
    resource, action = "arn:aws:s3:::" + "a" * 20_000, "s3:" + "a" * 20_000
    statement = {"Effect": "Deny", "Action": [pattern, "*"], "NotResource": [pattern] * 10}
    document = parse_document({"Statement": [statement] * 5})
    started = time.perf_counter()
    evaluate(Policies(identity=(document,)), Request(USER, "AWS", action, {}, resource, "444455556666"))
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("value", ["${" * 20_000, "${a,'" * 20_000, "${a" + " " * 20_000, "${a, 'b'" + " " * 20_000])
def test_no_variable_makes_reading_slow(value: str) -> None:
    started = time.perf_counter()
    decide([{**ALLOW_ALL, "Condition": {"StringEquals": {"k": value}}}], Request(SESSION, "AWS", "sts:AssumeRole", {"k": "a"}))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("exponent", ["1e999999999", "-1E-999999999", "1e9999999999"])
def test_no_number_makes_comparing_slow(exponent: str) -> None:
    started = time.perf_counter()
    condition = {"NumericLessThan": {"k": exponent}}
    decide([{**ALLOW_ALL, "Condition": condition}], Request(SESSION, "AWS", "sts:AssumeRole", {"k": "1"}))
    assert time.perf_counter() - started < 1


# The JSON form.


def test_a_result_has_the_form_of_the_contract() -> None:
    asked = {
        "id": "first",
        "request": {
            "principal": SESSION,
            "principal_type": "AWS",
            "action": "sts:AssumeRole",
            "resource": ROLE,
            "resource_account": "444455556666",
            "context": {"sts:ExternalId": "x", "aws:PrincipalOrgPaths": ["o-a/r-b/ou-c/"]},
        },
        "policies": {
            "identity": None,
            "resource": {
                "Version": "2012-10-17",
                "Statement": {
                    "Sid": "In",
                    "Effect": "Allow",
                    "Principal": {"AWS": "111122223333"},
                    "Action": "sts:AssumeRole",
                    "Condition": {
                        "StringEquals": {"sts:ExternalId": "x"},
                        "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a/*"},
                    },
                },
            },
            "permissions_boundary": None,
            "session": None,
            "service_control_policies": [],
            "resource_control_policies": [],
        },
    }
    assert evaluate_json(asked) == {
        "id": "first",
        "decision": "allowed",
        "because": [{"policy": "resource", "level": None, "index": 0, "statement": 0, "sid": "In", "effect": "Allow"}],
    }


def test_a_result_echoes_an_id_only_where_one_was_given() -> None:
    assert "id" not in evaluate_json(question())
    assert evaluate_json({**question(), "id": 7})["id"] == 7


@pytest.mark.parametrize("policies", [{}, {"resource": None}, {"identity": None, "service_control_policies": None}])
def test_a_missing_trust_policy_allows_nothing(policies: dict[str, Any]) -> None:
    assert evaluate_json({**question(), "policies": policies})["decision"] == "implicitly_denied"


@pytest.mark.parametrize(
    ("layer", "value", "reason"),
    [
        ("identity", {}, "policies.identity: must be a list of policies, not an object"),
        ("identity", [[]], "policies.identity[0]: must be a policy as an object, not a list"),
        ("identity", [{}], "policies.identity[0]: Statement: missing"),
        ("resource", "{}", "policies.resource: must be a policy as an object, not text"),
        ("resource", {}, "policies.resource: Statement: missing"),
        ("permissions_boundary", [], "policies.permissions_boundary: must be a policy as an object, not a list"),
        ("session", {"Statement": 1}, "policies.session: Statement: must be an object"),
        ("service_control_policies", {}, "policies.service_control_policies: must be a list of levels"),
        ("service_control_policies", [{}], "policies.service_control_policies[0]: must be a list of policies, not an object"),
        ("resource_control_policies", [[], [{"Statement": [], "Extra": 1}]], "policies.resource_control_policies[1][0]: the document"),
    ],
)
def test_a_layer_that_is_none_is_refused_with_what_and_where(layer: str, value: object, reason: str) -> None:
    asked = question()
    asked["policies"][layer] = value
    with pytest.raises(MalformedInput) as refused:
        evaluate_json(asked)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("layer", ["identity", "permissions_boundary", "session"])
@pytest.mark.parametrize("principal_type", ["Service", "Federated", "Anonymous"])
def test_a_caller_without_policies_of_its_own_is_given_none(layer: str, principal_type: str) -> None:
    asked = question(principal_type=principal_type, principal="x")
    asked["policies"][layer] = [{}] if layer == "identity" else {}
    assert evaluate_json({**asked, "policies": {**asked["policies"], layer: None}})["decision"]
    asked["policies"][layer] = [{"Statement": []}] if layer == "identity" else {"Statement": []}
    with pytest.raises(MalformedInput, match=rf"^policies\.{layer}: a caller of type {principal_type} has none; set it to null"):
        evaluate_json(asked)


def test_whose_a_resource_is_must_be_known_where_it_matters() -> None:
    asked = question(action="s3:GetObject", resource="arn:aws:s3:::data/x")
    asked["policies"]["identity"] = []
    with pytest.raises(MalformedInput, match=r"^request\.resource_account: missing"):
        evaluate_json(asked)
    asked["request"]["resource_account"] = "444455556666"
    assert evaluate_json(asked)["decision"] == "implicitly_denied"


def test_values_of_the_context_become_text() -> None:
    context = {"a": True, "b": False, "c": 5, "d": 0.5, "e": [], "f": [True, 1, "x"], "g": ""}
    assert parse_question(question(context=context)).request.context == {
        "a": "true", "b": "false", "c": "5", "d": "0.5", "e": (), "f": ("true", "1", "x"), "g": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"principal": None}, "request.principal: must be who calls"),
        ({"principal": ""}, "request.principal: must be who calls"),
        ({"principal": "111122223333"}, "is no ARN of a user, role"),
        ({"principal": "*"}, "is no ARN of a user, role"),
        ({"principal": "arn:aws:iam::111122223333:group/x"}, "is no ARN of a user, role"),
        ({"principal": "arn:aws:iam::111122223333:role/*"}, "is no ARN of a user, role"),
        ({"principal": "arn:aws:sts::111122223333:assumed-role/ci"}, "is no ARN of a user, role"),
        ({"principal": "arn:aws:sts::111122223333:assumed-role/a/ci/run-1"}, "is no ARN of a user, role"),
        ({"principal": "arn:aws:iam::11112222333:root"}, "is no ARN of a user, role"),
        ({"principal": "arn:aws:iam:eu-west-1:111122223333:root"}, "is no ARN of a user, role"),
        ({"principal": "ec2.amazonaws.com"}, 'say in principal_type that the caller is "Service"'),
        ({"principal_type": "aws"}, "request.principal_type: must be one of AWS, Service, Federated, Anonymous"),
        ({"principal_type": ["AWS"]}, "request.principal_type: must be one of"),
        ({"action": None}, "request.action: must be one action"),
        ({"action": "sts:*"}, "request.action: must be one action"),
        ({"action": "AssumeRole"}, "request.action: must be one action"),
        ({"action": "sts:AssumeRole\n"}, "request.action: must be one action"),
        ({"resource": 1}, 'request.resource: must be an ARN, "*" where the action has none, or null, not a number'),
        ({"resource_account": "1"}, "request.resource_account: must be an account id"),
        ({"resource_account": 111122223333}, "request.resource_account: must be an account id"),
        ({"context": None}, "request.context: must be an object"),
        ({"context": []}, "request.context: must be an object"),
        ({"context": {"a": None}}, 'request.context, "a": must be text'),
        ({"context": {"a": [["b"]]}}, 'request.context, "a": must be text'),
        ({"context": {"a": {}}}, 'request.context, "a": must be text'),
        ({"context": {"a": float("inf")}}, 'request.context, "a": not a number'),
        ({"context": {"a": 10**5000}}, 'request.context, "a": not a number'),
        ({"context": {"": "x"}}, "request.context: a condition key must be text"),
        ({"context": {"aws:UserId": "x", "aws:userid": "y"}}, "given twice, in different case"),
        ({"context": {"aws:userid": "x", "aws:UserId": "y"}}, "given twice, in different case"),
        ({"conditions": {}}, 'request: unknown field "conditions"'),
        ({"principal_in_management_account": "no"}, "principal_in_management_account: must be true or false"),
    ],
)
def test_a_request_that_is_none_is_refused_with_what_and_where(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedInput) as refused:
        evaluate_json(question(**changes))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "the request: must be an object, not null"),
        ([], "the request: must be an object, not a list"),
        ({}, "request: missing"),
        ({"request": {}}, "policies: missing"),
        ({"request": [], "policies": {}}, "request: must be an object"),
        ({**question(), "policies": []}, "policies: must be an object"),
        ({**question(), "policies": {"trust": {}}}, 'policies: unknown field "trust"'),
        ({**question(), "id": []}, "id: must be text or a number"),
        ({**question(), "polices": {}}, 'unknown field "polices"'),
        ({**question(), "resource_in_management_account": 1}, "resource_in_management_account: must be true or false"),
        (
            {**question(principal_in_management_account=True), "principal_in_management_account": False},
            "principal_in_management_account: given twice",
        ),
    ],
)
def test_what_is_no_question_is_refused_with_what_and_where(raw: object, reason: str) -> None:
    with pytest.raises(MalformedInput) as refused:
        evaluate_json(raw)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("principal_type", "principal"),
    [
        ("Service", "ec2.amazonaws.com"),
        ("Federated", "arn:aws:iam::111122223333:saml-provider/okta"),
        ("Federated", "accounts.google.com"),
        ("AWS", "arn:aws-us-gov:iam::111122223333:role/a/b"),
        ("AWS", "arn:aws:iam::111122223333:role/a:*/b/ci"),
        ("AWS", "arn:aws:sts::111122223333:federated-user/bob"),
        ("AWS", "arn:aws:iam::111122223333:root"),
    ],
)
def test_every_kind_of_caller_can_ask(principal_type: str, principal: str) -> None:
    assert evaluate_json(question(principal_type=principal_type, principal=principal))["decision"] == "allowed"


def test_an_anonymous_caller_needs_no_name() -> None:
    asked = question(principal_type="Anonymous")
    del asked["request"]["principal"]
    assert evaluate_json(asked)["decision"] == "implicitly_denied"
