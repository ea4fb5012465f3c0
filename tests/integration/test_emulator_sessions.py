"""Role sessions on the emulator: what `local/cloud` adds, each shown to be missing on the bare one, and what is relied on."""

import base64
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.stack import Stack
from local.world import HUB, PROD, STAGING
from tests.integration.emulated import (
    allowing,
    closed_only_by_us,
    document,
    is_denied,
    records,
    refusal,
    role,
    root_of,
    trusting,
    unique,
    user,
)

MAY_SET: Mapping[str, Any] = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"], "Resource": "*"}
EVERYTHING: Mapping[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
UNPACKABLE = base64.b64encode(random.Random(6).randbytes(1350)).decode()  # noqa: S311 - no secret
TAGS = [{"Key": "doorward:grant", "Value": "1"}]


def assuming(stack: Stack, arn: str, credentials: Mapping[str, str], **request: Any) -> str | None:
    """The error code of a refused AssumeRole, None when it was accepted."""
    return refusal(lambda: stack.assume(HUB.id, arn, credentials=credentials, **request))


def under(key: str, *values: str, effect: str = "Deny", operator: str = "StringLike", action: Any = "*") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*", "Condition": {operator: {key: list(values)}}}


def open_role(stack: Stack, *policies: str, **request: Any) -> str:
    """A role of prod whom everybody of the hub and of prod may assume in every way."""
    trust = trusting({"AWS": [HUB.id, PROD.id]}, ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"])
    return role(stack, PROD.id, trust, *(policies or (document(EVERYTHING),)), **request)


# -- source_identity -------------------------------------------------------------------------------


def test_setting_a_source_identity_must_be_allowed_by_the_trust_policy(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        caller = user(stack, HUB.id, document(MAY_SET))
        without, allowed = (role(stack, PROD.id, trusting(root_of(HUB.id), actions)) for actions in (["sts:AssumeRole"], ["sts:*"]))
        return [assuming(stack, arn, caller, SourceIdentity="finding-1") for arn in (without, allowed)] == ["AccessDenied", None]

    closed_only_by_us(probe, cloud, bare, "source_identity")


def test_setting_a_source_identity_must_be_allowed_to_the_caller(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        arn = open_role(stack)
        without, allowed = (user(stack, HUB.id, policy) for policy in (allowing("sts:AssumeRole", "*"), document(MAY_SET)))
        assert assuming(stack, arn, without) is None, "without a source identity there is nothing to be allowed"
        return [assuming(stack, arn, each, SourceIdentity="grant-1") for each in (without, allowed)] == ["AccessDenied", None]

    closed_only_by_us(probe, cloud, bare, "source_identity")


def test_the_refusal_of_a_source_identity_names_the_permission_and_is_recorded(cloud: Stack) -> None:
    arn, inbox = open_role(cloud), records(cloud, HUB.id, "AssumeRole")
    assert assuming(cloud, arn, user(cloud, HUB.id, allowing("sts:AssumeRole", "*")), SourceIdentity="grant-1") == "AccessDenied"
    (event,) = inbox.wait()
    assert event["detail"]["errorMessage"].endswith(f"is not authorized to perform: sts:SetSourceIdentity on resource: {arn}")


@pytest.mark.parametrize("side", ["trust", "caller"])
def test_either_side_may_ask_for_a_source_identity(cloud: Stack, bare: Stack, side: str) -> None:
    def probe(stack: Stack) -> bool:
        condition = {"StringLike": {"sts:SourceIdentity": "ann=*"}}
        of_role, of_caller = (condition, {}) if side == "trust" else ({}, {"Condition": condition})
        arn = role(stack, PROD.id, trusting(root_of(HUB.id), "sts:*", **of_role))
        caller = user(stack, HUB.id, document({**MAY_SET, **of_caller}))
        given: list[dict[str, str]] = [{"SourceIdentity": "ann=grant-1"}, {"SourceIdentity": "bob=grant-1"}, {}]
        return [assuming(stack, arn, caller, **each) for each in given] == [None, "AccessDenied", "AccessDenied"]

    closed_only_by_us(probe, cloud, bare, "source_identity")


@pytest.mark.parametrize(
    ("key", "value", "other"), [("sts:ExternalId", "right", "wrong"), ("sts:RoleSessionName", "ann=1", "bob=1")], ids=["id", "name"]
)
def test_a_callers_policy_may_ask_for_what_is_in_the_request(cloud: Stack, bare: Stack, key: str, value: str, other: str) -> None:
    def probe(stack: Stack) -> bool:
        arn, parameter = open_role(stack), key.partition(":")[2]
        caller = user(stack, HUB.id, document({**MAY_SET, "Condition": {"StringEquals": {key: value}}}))
        return [assuming(stack, arn, caller, **{parameter: each}) for each in (value, other)] == [None, "AccessDenied"]

    closed_only_by_us(probe, cloud, bare, "request_keys")


def test_a_source_identity_stays_with_the_session_and_its_records(cloud: Stack) -> None:
    arn = open_role(cloud)
    answer = cloud.client("sts", HUB.id).assume_role(RoleArn=arn, RoleSessionName="ann", SourceIdentity="finding-7")
    assert answer["SourceIdentity"] == "finding-7"
    session = cloud.assume(HUB.id, arn, SourceIdentity="finding-7")
    inbox = records(cloud, PROD.id, "TagRole")
    cloud.client("iam", PROD.id, **session).tag_role(RoleName=arn.rpartition("/")[2], Tags=[{"Key": "a", "Value": "b"}])
    (event,) = inbox.wait()
    assert event["detail"]["userIdentity"]["sessionContext"]["sourceIdentity"] == "finding-7"


def test_a_source_identity_is_handed_on_through_a_chain_and_cannot_be_changed_there(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        first, second = open_role(stack), open_role(stack, document(EVERYTHING, under("aws:SourceIdentity", "ann")))
        session = stack.assume(HUB.id, first, SourceIdentity="ann")
        changed = refusal(lambda: stack.assume(PROD.id, second, credentials=session, SourceIdentity="bob"))
        codes = []
        requests: list[dict[str, Any]] = [{}, {"SourceIdentity": "ann"}]
        for request in requests:
            chained = stack.assume(PROD.id, second, credentials=session, **request)
            codes.append(refusal(stack.client("iam", PROD.id, **chained).list_roles))
        return [changed, *codes] == ["AccessDenied"] * 3

    closed_only_by_us(probe, cloud, bare, "source_identity")


@pytest.mark.parametrize("side", ["trust", "caller"])
def test_a_chain_with_a_source_identity_ends_where_either_side_may_not_set_it(cloud: Stack, bare: Stack, side: str) -> None:
    def probe(stack: Stack) -> bool:
        assume = allowing("sts:AssumeRole", "*")
        first = open_role(stack, *([assume] if side == "caller" else []))
        second = role(stack, PROD.id, trusting(root_of(PROD.id))) if side == "trust" else open_role(stack)
        sessions = [stack.assume(HUB.id, first, SourceIdentity="ann"), stack.assume(HUB.id, first)]
        codes = [refusal(lambda of=of: stack.assume(PROD.id, second, credentials=of)) for of in sessions]  # type: ignore[misc]
        return codes == ["AccessDenied", None]

    closed_only_by_us(probe, cloud, bare, "source_identity")


def of_role(stack: Stack, arn: str, statement: Mapping[str, Any]) -> None:
    stack.client("iam", PROD.id).put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="cut", PolicyDocument=document(statement))


def of_boundary(stack: Stack, arn: str, statement: Mapping[str, Any]) -> None:
    iam = stack.client("iam", PROD.id)
    boundary = iam.create_policy(PolicyName=unique("boundary"), PolicyDocument=document(EVERYTHING, statement))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=arn.rpartition("/")[2], PermissionsBoundary=boundary)


def of_bucket(stack: Stack, arn: str, statement: Mapping[str, Any]) -> None:
    del arn
    for bucket in stack.client("s3", PROD.id).list_buckets()["Buckets"]:
        policy = document({**statement, "Principal": "*", "Resource": f"arn:aws:s3:::{bucket['Name']}/*"})
        stack.client("s3", PROD.id).put_bucket_policy(Bucket=bucket["Name"], Policy=policy)


@pytest.mark.parametrize("layer", [of_role, of_boundary, of_bucket])
def test_a_deny_of_a_source_identity_cuts_that_persons_sessions_and_no_others(
    cloud: Stack, bare: Stack, layer: Callable[[Stack, str, Mapping[str, Any]], None]
) -> None:
    """However many roles he went through, and whatever he was issued before."""

    def probe(stack: Stack) -> bool:
        bucket, s3 = unique("bucket"), stack.client("s3", PROD.id)
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        first, second = open_role(stack), open_role(stack)
        ann, bob = (stack.assume(HUB.id, first, SourceIdentity=f"{who}=1") for who in ("ann", "bob"))
        sessions = [stack.assume(PROD.id, second, credentials=ann), stack.assume(PROD.id, second, credentials=bob)]
        layer(stack, second, under("aws:SourceIdentity", "ann=*", action="s3:*"))
        try:
            codes = [refusal(lambda of=of: stack.client("s3", PROD.id, **of).get_object(Bucket=bucket, Key="k")) for of in sessions]  # type: ignore[misc]
        finally:
            s3.delete_bucket_policy(Bucket=bucket)
        return codes == ["AccessDenied", None]

    closed_only_by_us(probe, cloud, bare, "source_identity")


# -- session_tags ----------------------------------------------------------------------------------


def test_tagging_a_session_must_be_allowed_to_the_caller(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        arn = open_role(stack)
        without, allowed = (
            user(stack, HUB.id, allowing(actions, "*")) for actions in ("sts:AssumeRole", ["sts:AssumeRole", "sts:TagSession"])
        )
        assert assuming(stack, arn, without) is None, "without tags there is nothing to be allowed"
        return [assuming(stack, arn, each, Tags=TAGS) for each in (without, allowed)] == ["AccessDenied", None]

    closed_only_by_us(probe, cloud, bare, "session_tags")


def test_tagging_a_session_must_be_allowed_by_the_trust_policy_and_its_tags_are_the_callers_from_then_on(cloud: Stack) -> None:
    """Relied on."""
    caller = user(cloud, HUB.id, allowing("sts:*", "*"))
    untagged = role(cloud, PROD.id, trusting(root_of(HUB.id)))
    assert [assuming(cloud, untagged, caller), assuming(cloud, untagged, caller, Tags=TAGS)] == [None, "AccessDenied"]
    of_grant = {**EVERYTHING, "Condition": {"StringEquals": {"aws:PrincipalTag/doorward:grant": "1"}}}
    sessions = [cloud.assume(HUB.id, open_role(cloud, document(of_grant)), credentials=caller, **given) for given in ({"Tags": TAGS}, {})]
    assert [refusal(cloud.client("iam", PROD.id, **each).list_roles) for each in sessions] == [None, "AccessDenied"]


# -- session_limits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"RoleSessionName": "a b"}, "ValidationError"),
        ({"RoleSessionName": "x" * 65}, "ValidationError"),
        ({"SourceIdentity": "aws:ann"}, "ValidationError"),
        ({"SourceIdentity": "ann" * 22}, "ValidationError"),
        ({"DurationSeconds": 3601}, "ValidationError"),
        ({"DurationSeconds": 43201}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}] * 11}, "ValidationError"),
        (
            {"Policy": allowing("s3:*", "arn:aws:s3:::" + "x" * 1930), "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]},
            "ValidationError",
        ),
        ({"Policy": allowing("s3:*", UNPACKABLE)}, "PackedPolicyTooLarge"),
    ],
    ids=["name", "long-name", "identity", "long-identity", "role", "twelve-hours", "arns", "characters", "packed"],
)
def test_a_session_outside_the_limits_is_not_issued(cloud: Stack, bare: Stack, given: dict[str, Any], code: str) -> None:
    def probe(stack: Stack) -> bool:
        return assuming(stack, open_role(stack), user(stack, HUB.id, document(MAY_SET)), **given) == code

    closed_only_by_us(probe, cloud, bare, "session_limits")


def test_a_session_lasts_as_long_as_its_role_says_and_a_chained_one_an_hour(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        arn = open_role(stack)
        stack.client("iam", PROD.id).update_role(RoleName=arn.rpartition("/")[2], MaxSessionDuration=7200)
        caller = user(stack, HUB.id, document(MAY_SET))
        codes = [assuming(stack, arn, caller, DurationSeconds=seconds) for seconds in (7200, 7201)]
        session = stack.assume(HUB.id, arn, credentials=caller)
        chained = [refusal(lambda s=s: stack.assume(PROD.id, arn, credentials=session, DurationSeconds=s)) for s in (3600, 3601)]  # type: ignore[misc]
        return [*codes, *chained] == [None, "ValidationError"] * 2

    closed_only_by_us(probe, cloud, bare, "session_limits")


def test_who_may_not_assume_a_role_does_not_learn_its_limits(cloud: Stack) -> None:
    arn = role(cloud, PROD.id, trusting(root_of(STAGING.id)))
    assert assuming(cloud, arn, user(cloud, HUB.id, document(MAY_SET)), DurationSeconds=43200) == "AccessDenied"


def test_an_answer_says_how_much_of_the_packed_size_is_used(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        request = {"RoleArn": open_role(stack), "RoleSessionName": "ann"}
        sts = stack.client("sts", HUB.id)
        small, larger = (
            sts.assume_role(**request, Policy=allowing("s3:GetObject", [f"arn:aws:s3:::{n * 7919}/*" for n in range(count)]))
            for count in (1, 40)
        )
        return bool(0 < small["PackedPolicySize"] < larger["PackedPolicySize"] <= 100)

    closed_only_by_us(probe, cloud, bare, "session_limits")


# -- signin ----------------------------------------------------------------------------------------


def federate(stack: Stack, credentials: Mapping[str, str], *, method: str = "GET", **more: str) -> tuple[int, str]:
    """The status, and the sign-in token or why there is none."""
    names = {"sessionId": "aws_access_key_id", "sessionKey": "aws_secret_access_key", "sessionToken": "aws_session_token"}
    session = json.dumps({name: credentials.get(key, "") for name, key in names.items()})
    return asked(stack, method, Action="getSigninToken", Session=session, **more)


def asked(stack: Stack, method: str, **parameters: str) -> tuple[int, str]:
    form = urllib.parse.urlencode(parameters)
    address, body = (f"{stack.federation_url}?{form}", None) if method == "GET" else (stack.federation_url, form.encode())
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data=body, method=method)) as answer:
            return answer.status, next(iter(json.load(answer).values()))
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_is_signed_in_to_the_console(cloud: Stack, bare: Stack, method: str) -> None:
    def probe(stack: Stack) -> bool:
        arn = open_role(stack)
        broker = stack.assume(HUB.id, arn)
        session = stack.assume(PROD.id, arn, credentials=broker, RoleSessionName="ann")
        status, token = federate(stack, session, method=method)
        if status != 200:
            return False
        signed_in = asked(stack, "GET", Action="login", SigninToken=token, Destination="https://console.aws.amazon.com/")
        log = stack.log_path.read_text()
        assert token not in log
        assert not any(secret in log for name, secret in session.items() if name != "aws_access_key_id")
        return signed_in == (200, f"arn:aws:sts::{PROD.id}:assumed-role/{arn.rpartition('/')[2]}/ann")

    closed_only_by_us(probe, cloud, bare, "signin")


def test_a_broker_that_is_a_role_asks_for_no_duration(cloud: Stack) -> None:
    """Neither of the console's session nor of the credentials."""
    arn = open_role(cloud)
    broker = cloud.assume(HUB.id, arn)
    plain, lasting = (cloud.assume(PROD.id, arn, credentials=broker, **given) for given in ({}, {"DurationSeconds": 900}))
    assert [federate(cloud, plain)[0], federate(cloud, plain, SessionDuration="900")[0], federate(cloud, lasting)[0]] == [200, 400, 400]


@pytest.mark.parametrize(("seconds", "status"), [("899", 400), ("900", 200), ("43200", 200), ("43201", 400), ("1h", 400), ("", 400)])
def test_a_user_may_ask_for_a_duration(cloud: Stack, seconds: str, status: int) -> None:
    session = cloud.assume(HUB.id, open_role(cloud), credentials=user(cloud, HUB.id, document(MAY_SET)), DurationSeconds=900)
    assert federate(cloud, session, SessionDuration=seconds)[0] == status


@pytest.mark.parametrize("wrong", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"])
def test_wrong_credentials_are_not_signed_in(cloud: Stack, wrong: str) -> None:
    session = cloud.assume(HUB.id, open_role(cloud))
    assert federate(cloud, session | {wrong: "wrong"})[0] == 400


def test_no_user_and_no_made_up_token_is_signed_in(cloud: Stack) -> None:
    person = user(cloud, HUB.id)
    assert federate(cloud, person)[0] == 400
    of_user = cloud.client("sts", HUB.id, **person).get_session_token()["Credentials"]
    keys = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey", "aws_session_token": "SessionToken"}
    assert federate(cloud, {name: of_user[key] for name, key in keys.items()})[0] == 400
    assert asked(cloud, "GET", Action="login", SigninToken="made up")[0] == 400
    assert asked(cloud, "GET", Action="getSigninToken", Session="[]")[0] == 400
    assert asked(cloud, "GET", Action="logout")[0] == 400


# -- relied on: session policies, boundaries -------------------------------------------------------


class Calls:
    """One call of each service that a grant's scope may be about, by a session."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.bucket, self.table = stack, unique("bucket"), unique("table")
        self.next = open_role(stack)
        stack.client("s3", PROD.id).create_bucket(Bucket=self.bucket)
        stack.client("dynamodb", PROD.id).create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def refused(self, session: Mapping[str, str]) -> set[str]:
        """The services that refuse the session."""
        client: Callable[[str], Any] = lambda service: self.stack.client(service, PROD.id, **session)  # noqa: E731 - short beside what it is for
        calls: dict[str, Callable[[], Any]] = {
            "s3": lambda: client("s3").put_object(Bucket=self.bucket, Key="k", Body=b"x"),
            "dynamodb": lambda: client("dynamodb").put_item(TableName=self.table, Item={"pk": {"S": "k"}}),
            "sts": lambda: client("sts").assume_role(RoleArn=self.next, RoleSessionName="on"),
            "iam": lambda: client("iam").get_role(RoleName=self.next.rpartition("/")[2]),
            "sqs": lambda: client("sqs").create_queue(QueueName=unique("queue")),
            "lambda": client("lambda").list_functions,
        }
        return {service for service, call in calls.items() if is_denied(call)}


EVERY_SERVICE = {"s3", "dynamodb", "sts", "iam", "sqs", "lambda"}


@pytest.fixture(scope="module")
def calls(cloud: Stack) -> Calls:
    return Calls(cloud)


def test_a_session_policy_is_an_intersection_in_every_service(cloud: Stack, calls: Calls) -> None:
    arn = open_role(cloud, document({"Effect": "Allow", "Action": ["s3:*", "dynamodb:*", "iam:*"], "Resource": "*"}))
    assert calls.refused(cloud.assume(HUB.id, arn)) == {"sts", "sqs", "lambda"}
    narrow = document({"Effect": "Allow", "Action": ["dynamodb:*", "sqs:*"], "Resource": "*"})
    assert calls.refused(cloud.assume(HUB.id, arn, Policy=narrow)) == EVERY_SERVICE - {"dynamodb"}


def test_managed_session_policies_are_one_union_that_narrows(cloud: Stack, calls: Calls) -> None:
    iam = cloud.client("iam", PROD.id)
    made = [iam.create_policy(PolicyName=unique("p"), PolicyDocument=allowing(f"{each}:*", "*"))["Policy"]["Arn"] for each in ("s3", "iam")]
    session = cloud.assume(HUB.id, open_role(cloud), PolicyArns=[{"arn": each} for each in made], Policy=allowing("sqs:*", "*"))
    assert calls.refused(session) == EVERY_SERVICE - {"s3", "iam", "sqs"}
    gone = f"arn:aws:iam::{PROD.id}:policy/none"
    assert assuming(cloud, open_role(cloud), user(cloud, HUB.id, document(MAY_SET)), PolicyArns=[{"arn": gone}]) == "ValidationError"


def test_a_session_policy_ends_a_session_at_its_time_in_every_service_and_in_presigned_addresses(cloud: Stack, calls: Calls) -> None:
    """The hard stop of a grant: the credentials go on, and are good for nothing."""
    end = datetime.now(UTC) + timedelta(seconds=3)
    stop = under("aws:CurrentTime", f"{end:%Y-%m-%dT%H:%M:%SZ}", operator="DateGreaterThanEquals")
    session = cloud.assume(HUB.id, open_role(cloud), Policy=document(EVERYTHING, stop))
    assert calls.refused(session) == set()
    address = cloud.client("s3", PROD.id, **session).generate_presigned_url("get_object", Params={"Bucket": calls.bucket, "Key": "k"})
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
    assert calls.refused(session) == EVERY_SERVICE
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address)


def test_a_session_policy_is_not_handed_on_through_a_chain(cloud: Stack, calls: Calls) -> None:
    """So a scope must deny sts:AssumeRole. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session"""
    session = cloud.assume(HUB.id, open_role(cloud), Policy=allowing("sts:*", "*"))
    assert calls.refused(session) == EVERY_SERVICE - {"sts"}
    assert calls.refused(cloud.assume(PROD.id, calls.next, credentials=session)) == set()


def test_a_boundary_is_the_most_that_a_role_may_do(cloud: Stack, calls: Calls) -> None:
    iam, arn = cloud.client("iam", PROD.id), open_role(cloud)
    session, name = cloud.assume(HUB.id, arn), arn.rpartition("/")[2]
    assert calls.refused(session) == set()
    boundary = document(
        EVERYTHING, {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}, under("aws:TokenIssueTime", "2000-01-01T00:00:00Z")
    )
    limits = allowing(["s3:*", "iam:*"], "*"), boundary
    first, second = (iam.create_policy(PolicyName=unique("b"), PolicyDocument=each)["Policy"]["Arn"] for each in limits)
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=first)
    assert calls.refused(session) == EVERY_SERVICE - {"s3", "iam"}
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=second)
    assert calls.refused(session) == {"sts"}
    version = document(under("aws:TokenIssueTime", "2100-01-01T00:00:00Z", operator="DateLessThan"), EVERYTHING)
    iam.create_policy_version(PolicyArn=second, PolicyDocument=version, SetAsDefault=True)
    assert calls.refused(session) == EVERY_SERVICE, "a new default version counts at once"
    iam.delete_role_permissions_boundary(RoleName=name)
    assert calls.refused(session) == set()


def test_who_must_set_a_boundary_may_set_that_one_alone(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        iam = stack.client("iam", PROD.id)
        right, wrong = (iam.create_policy(PolicyName=unique("b"), PolicyDocument=document(EVERYTHING))["Policy"]["Arn"] for _ in range(2))
        condition = {"StringEquals": {"iam:PermissionsBoundary": right}}
        maker = user(stack, PROD.id, document({"Effect": "Allow", "Action": "iam:CreateRole", "Resource": "*", "Condition": condition}))

        def making(**boundary: str) -> str | None:
            create = stack.client("iam", PROD.id, **maker).create_role
            return refusal(lambda: create(RoleName=unique("role"), AssumeRolePolicyDocument=trusting(root_of(PROD.id)), **boundary))

        return [making(PermissionsBoundary=right), making(PermissionsBoundary=wrong), making()] == [None, "AccessDenied", "AccessDenied"]

    closed_only_by_us(probe, cloud, bare, "request_keys")
