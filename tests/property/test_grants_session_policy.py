"""Theorems about session policies, judged by the evaluator; the templates are read a second time by a naive reader of their own."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from doorward.grants.model import Target
from doorward.grants.parameters import TYPES, is_of_type
from doorward.grants.parsing import entitlements_from
from doorward.grants.session_policy import LONGEST, SessionPolicy, compile_policy
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.people.model import Refusal
from tests.grants_world import GRANT_ID, ORDERS, PROD, hours

END = hours(1)
SESSION = f"arn:aws:sts::{PROD.id}:assumed-role/{ORDERS.name}/jane@acme.example={GRANT_ID}"
EVERYTHING = parse_document({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
EXAMPLES = {
    "account-id": "777788889999",
    "region": "eu-central-1",
    "s3-bucket": "acme-orders",
    "s3-prefix": "2026/07/",
    "dynamodb-table": "Orders.v2",
    "sqs-queue": "orders.fifo",
    "sns-topic": "orders",
    "lambda-function": "orders_v2",
    "log-group": "/aws/lambda/orders",
    "secret": "prod/orders",
    "ssm-parameter": "/prod/orders",
    "ec2-instance": "i-0123456789abcdef0",
    "rds-instance": "orders-1",
    "kms-key": "12345678-1234-1234-1234-123456789012",
}
HOSTILE = [
    *("*", "?", "${aws:username}", "${", "}", '"', "'", "\\", "..", "/../", "/./", " ", "\n", "\x00", ":", "<account>", "<", ">", ',"'),
    *("\u00e9", "\u0667", "\uff0f"),
]

statements = st.fixed_dictionaries(
    {
        "actions": st.lists(
            st.sampled_from(["s3:GetObject", "s3:Get*", "s3:*", "*", "dynamodb:GetItem", "iam:*", "iam:PassRole", "S3:ListBucket".lower()]),
            min_size=1, max_size=2, unique=True,
        ),
        "resources": st.lists(
            st.sampled_from([
                "arn:aws:s3:::<bucket>/*", "arn:aws:s3:::<bucket>", "arn:<partition>:dynamodb:<region>:<account>:table/<table>", "*",
                "arn:aws:s3:::<bucket>/<prefix>*", "arn:aws:iam::<account>:role/app/*",
            ]),
            min_size=1, max_size=2, unique=True,
        ),
    },
    optional={"conditions": st.sampled_from([{"StringLike": {"s3:prefix": ["<prefix>*"]}}, {"Bool": {"aws:SecureTransport": ["true"]}}])},
)  # fmt: skip
PARAMETERS = {"bucket": "s3-bucket", "region": "region", "table": "dynamodb-table", "prefix": "s3-prefix"}
GIVEN = {name: EXAMPLES[kind] for name, kind in PARAMETERS.items()}
templates = st.lists(statements, min_size=1, max_size=3)
requests = st.tuples(
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket", "dynamodb:GetItem", "sts:AssumeRole", "sts:AssumeRoot",
                     "sts:GetWebIdentityToken", "iam:UpdateAssumeRolePolicy", "iam:PassRole", "iam:DeleteRolePermissionsBoundary",
                     "iam:CreatePolicyVersion", "ec2:RunInstances"]),
    st.sampled_from(["arn:aws:s3:::acme-orders", "arn:aws:s3:::acme-orders/2026/07/x", "arn:aws:s3:::acme-orders/x",
                     "arn:aws:s3:::acme-other/x",
                     f"arn:aws:dynamodb:eu-central-1:{PROD.id}:table/Orders.v2", f"arn:aws:dynamodb:us-east-1:{PROD.id}:table/Orders.v2",
            "arn:aws:dynamodb:eu-central-1:222233334444:table/Orders.v2", "arn:aws:iam::222233334444:role/app/x",
                     ORDERS.arn, f"arn:aws:iam::{PROD.id}:role/doorward/doorward-read", f"arn:aws:iam::{PROD.id}:role/app/x",
                     f"arn:aws:iam::{PROD.id}:policy/doorward/Boundary", "*"]),
    st.sampled_from([{}, {"s3:prefix": "2026/07/x"}, {"s3:prefix": "x"}, {"aws:SecureTransport": "true"}]),
)  # fmt: skip


def template_of(written: list[dict[str, Any]]) -> Any:
    used = set(re.findall(r"<([a-z]+)>", json.dumps(written))) & PARAMETERS.keys()
    parameters = {name: {"type": PARAMETERS[name]} for name in sorted(used)}
    return entitlements_from({"templates": {"t": {"parameters": parameters, "statements": written}}}).templates["t"]


def compiled(written: list[dict[str, Any]], end: datetime = END) -> SessionPolicy:
    template = template_of(written)
    found = compile_policy(template, {name: GIVEN[name] for name in template.parameters}, ORDERS, end)
    assume(not isinstance(found, Refusal))
    assert isinstance(found, SessionPolicy)
    return found


def allows(
    policy: SessionPolicy, action: str, resource: str, context: Mapping[str, str], at: datetime | None, *, by_resource: bool = False
) -> bool:
    """By a role that may do everything itself, and, if asked for, a resource's policy that names the session and allows everything."""
    of_resource = {"Effect": "Allow", "Principal": {"AWS": SESSION}, "Action": "*", "Resource": "*"}
    policies = Policies(
        identity=(EVERYTHING,),
        resource=parse_document({"Version": "2012-10-17", "Statement": [of_resource]}) if by_resource else None,
        session=parse_document(policy.text),
    )
    now = {} if at is None else {"aws:CurrentTime": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}
    asked = Request(SESSION, "AWS", action, {**context, **now}, resource, PROD.id)
    return evaluate(policies, asked).outcome == "allowed"


def naive(written: list[dict[str, Any]], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether the template means it, by its own words."""
    values = {**GIVEN, "account": PROD.id, "partition": "aws"}

    def fits(pattern: str, text: str, *, ignoring_case: bool = False) -> bool:
        for name, value in values.items():
            pattern = pattern.replace(f"<{name}>", value)
        return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.IGNORECASE if ignoring_case else 0) is not None

    def holds(conditions: Mapping[str, Mapping[str, list[str]]]) -> bool:
        return all(
            key in context and any(fits(value, context[key]) for value in wanted)
            for keys in conditions.values()
            for key, wanted in keys.items()
        )

    if action.startswith("sts:") or (action.startswith("iam:") and re.match(rf"arn:aws:iam::{PROD.id}:(role|policy)/doorward/", resource)):
        return False
    return any(
        any(fits(each, action, ignoring_case=True) for each in statement["actions"])
        and any(each == "*" or fits(each, resource) for each in statement["resources"])
        and holds(statement.get("conditions", {}))
        for statement in written
    )


@given(templates, requests, st.timedeltas(timedelta(days=-3), timedelta(microseconds=-1)))
def test_before_the_end_exactly_what_the_template_says_is_allowed(
    written: list[dict[str, Any]], asked: tuple[str, str, dict[str, str]], before: timedelta
) -> None:
    assert allows(compiled(written), *asked, END + before) == naive(written, *asked)


@given(templates, requests, st.timedeltas(timedelta(0), timedelta(days=3)), st.booleans())
def test_from_the_end_on_nothing_is_allowed_whatever_else_allows_it(
    written: list[dict[str, Any]], asked: tuple[str, str, dict[str, str]], after: timedelta, by_resource: bool
) -> None:
    for at in (END + after, END + timedelta(seconds=1), None):
        assert not allows(compiled(written), *asked, at, by_resource=by_resource)


@given(templates, requests, st.booleans())
def test_no_session_opens_another_or_touches_doorward(
    written: list[dict[str, Any]], asked: tuple[str, str, dict[str, str]], by_resource: bool
) -> None:
    _, resource, context = asked
    policy, before = compiled(written), END - timedelta(minutes=1)
    for action in ("sts:AssumeRole", "sts:AssumeRoot", "sts:TagSession", "sts:GetFederationToken", "sts:GetWebIdentityToken"):
        assert not allows(policy, action, resource, context, before, by_resource=by_resource)
    for action in ("iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePolicy", "iam:PassRole"):
        for path in ("doorward/grants/orders", "doorward/doorward-read"):
            assert not allows(policy, action, f"arn:aws:iam::{PROD.id}:role/{path}", context, before, by_resource=by_resource)
    assert not allows(policy, "iam:SetDefaultPolicyVersion", f"arn:aws:iam::{PROD.id}:policy/doorward/B", context, before)


@given(templates, st.datetimes(datetime(2026, 1, 1), datetime(2037, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - the bounds of aware ones
def test_the_same_scope_has_one_hash_and_one_length_whenever_it_ends_and_another_scope_another(
    written: list[dict[str, Any]], end: datetime
) -> None:
    one, other = compiled(written), compiled(written, end)
    assert one.sha256 == other.sha256
    assert len(one.text) == len(other.text) <= LONGEST
    assert parse_document(one.text)
    wider = compiled([*written, {"actions": ["ec2:Describe*"], "resources": ["*"]}])
    assert wider.sha256 != one.sha256
    elsewhere = compile_policy(template_of(written), {name: GIVEN[name] for name in template_of(written).parameters},
                               Target("222233334444", "orders", "/doorward/grants/"), END)  # fmt: skip
    assert isinstance(elsewhere, SessionPolicy)
    assert elsewhere.sha256 != one.sha256


@pytest.mark.parametrize("kind", TYPES)
class TestParameters:
    def test_its_example_is_of_it(self, kind: str) -> None:
        assert is_of_type(EXAMPLES[kind], kind)

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_nothing_hostile_is_at_any_place(self, kind: str, hostile: str) -> None:
        example = EXAMPLES[kind]
        assert not is_of_type(hostile, kind)
        for at in range(len(example) + 1):
            assert not is_of_type(example[:at] + hostile + example[at:], kind)

    @given(st.data())
    def test_whatever_is_of_it_means_itself_in_a_policy(self, kind: str, data: st.DataObject) -> None:
        alphabet = "abcXYZ019-_./=+@!()#,*?$" + "{}\"'\\:<> "
        value = data.draw(st.text(alphabet, max_size=20) | st.text(max_size=5))
        value = data.draw(st.sampled_from([value, EXAMPLES[kind] + value, value + EXAMPLES[kind]]))
        if not is_of_type(value, kind):
            return
        assert not set(value) & set("*?${}<>\"'\\:")
        assert value.isprintable()
        assert value.isascii()
        assert " " not in value
        template = entitlements_from({"templates": {"t": {
            "parameters": {"x": {"type": kind}}, "statements": [{"actions": ["a:B"], "resources": ["arn:aws:a:::<x>"]}],
        }}}).templates["t"]  # fmt: skip
        found = compile_policy(template, {"x": value}, ORDERS, END)
        assert isinstance(found, SessionPolicy)
        first = parse_document(found.text).statements[0]
        assert (first.resources, first.actions, first.effect) == ((f"arn:aws:a:::{value}",), ("a:B",), "Allow")
        assert len(parse_document(found.text).statements) == 4
