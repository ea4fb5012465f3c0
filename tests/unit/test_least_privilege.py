"""The judge of permissions, on a role that may read two queues and a table that lets one rule in."""

import copy
from typing import Any

import pytest

from tests.least_privilege import Call, Given, Place, Verdict, call, call_of_record, judge, permissions_of, without

HUB, PROD = "111122223333", "777788889999"
ROLE = f"arn:aws:iam::{HUB}:role/doorward/doorward-reader"
READ = f"arn:aws:iam::{PROD}:role/doorward/doorward-read"
ONE, TWO = f"arn:aws:sqs:us-east-1:{HUB}:one", f"arn:aws:sqs:us-east-1:{HUB}:two"
TABLE = f"arn:aws:dynamodb:us-east-1:{HUB}:table/t"
IDENTITY = Place("template.yaml", "ReaderRole", "reader")


def statement(sid: str, action: Any, resource: Any, **condition: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource} | ({"Condition": condition} if condition else {})


def of_role(*statements: dict[str, Any], role: str = ROLE) -> Given:
    return Given(IDENTITY, "identity", role, {"Version": "2012-10-17", "Statement": list(statements)})


READER = of_role(
    statement("Take", ["sqs:ReceiveMessage", "sqs:DeleteMessage"], [ONE, TWO]),
    statement("Keep", "dynamodb:PutItem", TABLE, **{"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["A#*", "B#*"]}}),
)
CALLS = frozenset(
    {
        *(call(f"sqs:{action}", queue, role=ROLE) for action in ("ReceiveMessage", "DeleteMessage") for queue in (ONE, TWO)),
        call("dynamodb:PutItem", TABLE, role=ROLE, dynamodb__LeadingKeys=("A#1", "B#1")),
    }
)


def unneeded(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(each.sid, each.element, each.value) for each in verdict.unneeded]


def test_what_is_called_is_allowed_and_needed_to_the_last_resource_and_key() -> None:
    verdict = judge(CALLS, (READER,))
    assert verdict.refused == ()
    assert unneeded(verdict) == []
    assert len(verdict.permissions) == 7


@pytest.mark.parametrize("taken", list(permissions_of(READER)), ids=str)
def test_whatever_is_taken_away_a_call_is_refused(taken: Any) -> None:
    verdict = judge(CALLS, (without(taken, READER),))
    assert verdict.refused


def test_an_action_that_nothing_calls_is_not_needed() -> None:
    wide = of_role(statement("Take", ["sqs:ReceiveMessage", "sqs:PurgeQueue"], ONE))
    verdict = judge(frozenset({call("sqs:ReceiveMessage", ONE, role=ROLE)}), (wide,))
    assert unneeded(verdict) == [("Take", "Action", "sqs:PurgeQueue")]


def test_a_permission_that_two_statements_give_is_needed_in_neither() -> None:
    twice = of_role(statement("One", "sqs:ReceiveMessage", ONE), statement("Same", "sqs:ReceiveMessage", ONE))
    assert len(unneeded(judge(frozenset({call("sqs:ReceiveMessage", ONE, role=ROLE)}), (twice,)))) == 2


def test_a_permission_is_needed_if_any_of_the_accounts_that_have_it_needs_it() -> None:
    place = Place("accounts/member.yaml", "ReadRole", "read")
    roles = [f"arn:aws:iam::{account}:role/doorward/doorward-read" for account in (HUB, PROD)]
    policies = tuple(
        of_role(statement("Read", "iam:GetRole", role.replace("doorward/doorward-read", "*")), role=role)._replace(place=place)
        for role in roles
    )
    made = call("iam:GetRole", f"arn:aws:iam::{PROD}:role/x", role=roles[1])
    assert unneeded(judge(frozenset({made}), policies)) == []
    assert len(judge(frozenset({made}), policies).permissions) == 1


def test_a_statement_that_two_templates_have_word_for_word_is_one_permission() -> None:
    here, there = (Place(f"accounts/{name}.yaml", "ReadRole", "read") for name in ("member", "management"))
    both = [statement("Read", "iam:GetRole", "*"), statement("List", "iam:ListRoles", "*")]
    roles = [f"arn:aws:iam::{account}:role/doorward/doorward-read" for account in (HUB, PROD)]
    policies = (
        of_role(*both, role=roles[0])._replace(place=here),
        of_role(*both, role=roles[1])._replace(place=there, shared={"Read": here}),
    )
    made = frozenset({call("iam:GetRole", "*", role=roles[1]), call("iam:ListRoles", "*", role=roles[0])})
    verdict = judge(made, policies)
    assert len(verdict.permissions) == 3
    assert [(str(each.place.template), each.sid) for each in verdict.unneeded] == [("accounts/management.yaml", "List")]


def test_a_call_that_no_statement_allows_is_told_by_its_role_action_and_resource() -> None:
    verdict = judge(frozenset({call("sqs:SendMessage", ONE, role=ROLE)}), (READER,))
    (refused,) = verdict.refused
    assert str(refused).startswith(f"{ROLE}: sqs:SendMessage on {ONE}")


TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": {
        "Sid": "Hub",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "secret"}, "ArnEquals": {"aws:PrincipalArn": [ROLE, READ]}},
    },
}


def test_another_account_is_entered_by_both_policies_and_the_external_id_is_never_shown() -> None:
    enter = of_role(statement("Enter", "sts:AssumeRole", READ))
    trust = Given(Place("accounts/member.yaml", "ReadRole", "trust"), "trust", READ, TRUST)
    made = call("sts:AssumeRole", READ, role=ROLE, sts__ExternalId="secret", aws__PrincipalArn=ROLE)
    verdict = judge(frozenset({made}), (enter, trust))
    assert verdict.refused == ()
    assert unneeded(verdict) == [("Hub", "ArnEquals aws:PrincipalArn", READ.replace(PROD, "…"))]
    assert "secret" not in str(made)
    for policies in ((enter,), (trust,)):
        assert judge(frozenset({made}), policies).refused == (made,)
    wrong = call("sts:AssumeRole", READ, role=ROLE, sts__ExternalId="guess", aws__PrincipalArn=ROLE)
    assert judge(frozenset({wrong}), (enter, trust)).refused == (wrong,)


def test_a_session_may_do_no_more_than_its_session_policy() -> None:
    record = {"role": ROLE, "action": "sqs:ReceiveMessage", "resource": ONE, "context": {}}
    narrow = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "%s"}}'
    for queue, is_refused in ((ONE, False), (TWO, True)):
        made = call_of_record({**record, "session_policies": {"Policy": narrow % queue}})
        assert bool(judge(frozenset({made}), (READER,)).refused) is is_refused


def test_a_service_is_let_in_by_the_policy_of_the_resource_alone() -> None:
    policy = copy.deepcopy(TRUST)
    policy["Statement"] |= {
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": ONE,
        "Condition": {"ArnEquals": {"aws:SourceArn": ["arn:aws:events:us-east-1:1:rule/a", "arn:aws:events:us-east-1:1:rule/b"]}},
    }
    queue = Given(Place("template.yaml", "QueuePolicy", "policy"), "resource", ONE, policy)
    made = call("sqs:SendMessage", ONE, service="events.amazonaws.com", aws__SourceArn="arn:aws:events:us-east-1:1:rule/a")
    verdict = judge(frozenset({made}), (queue,))
    assert verdict.refused == ()
    assert [each.value for each in verdict.unneeded] == ["arn:aws:events:us-east-1:1:rule/b"]
    assert judge(frozenset({made._replace(service="sns.amazonaws.com")}), (queue,)).refused


def test_an_object_goes_by_the_policy_of_its_bucket_and_is_of_the_callers_account() -> None:
    bucket = "arn:aws:s3:::evidence"
    writer = of_role(statement("Write", "s3:PutObject", f"{bucket}/incidents/*"))
    made = frozenset({call("s3:PutObject", f"{bucket}/incidents/1.json", role=ROLE)})
    never = {"Sid": "Never", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{bucket}/*"}
    policy = Given(Place("template.yaml", "BucketPolicy", "policy"), "resource", bucket, {"Version": "2012-10-17", "Statement": [never]})
    assert not judge(made, (writer,)).refused
    assert judge(made, (writer, policy)).refused


def test_what_is_denied_is_refused_whatever_allows_it() -> None:
    never = {"Sid": "Never", "Effect": "Deny", "Action": "sqs:*", "Resource": TWO}
    denied = {each for each in CALLS if each.resource == TWO}
    assert set(judge(CALLS, (of_role(*READER.document["Statement"], never),)).refused) == denied


def test_without_a_call_nothing_is_needed() -> None:
    verdict = judge(frozenset[Call](), (READER,))
    assert len(verdict.unneeded) == len(verdict.permissions) == 7
