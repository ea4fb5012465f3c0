"""What was deployed, as `tests.least_privilege` takes it: every policy of every stack of Doorward, with its references resolved."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from local.installation import Installation
from local.stack import HUB_STACK
from local.world import HUB, MANAGEMENT, REGION, regions_of
from tests.least_privilege import Given, Place
from tests.template.conftest import as_list, parsed

TEMPLATE_OF: Final = {f"doorward-{name}": f"accounts/{name}.yaml" for name in ("management", "member", "member-region")}
"""Which template an account's stack of this name was made from."""
POLICY_TYPES: Final = {
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}


class Deployed(NamedTuple):
    """A stack; `ids`: the physical id of each resource, by its logical id."""

    template: str
    account_id: str
    region: str
    ids: Mapping[str, str]

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Logical id and properties, as written, of each resource of the type that was deployed."""
        for logical_id, resource in parsed(self.template)["Resources"].items():
            if resource["Type"] == kind and logical_id in self.ids:
                yield logical_id, resource["Properties"]


def stacks(doorward: Installation) -> tuple[Deployed, ...]:
    """The hub's stack first; then those of every account of the organization, of which tests make some."""
    found = [_stack(doorward, "template.yaml", HUB.id, HUB_STACK)]
    accounts = doorward.stack.client("organizations", MANAGEMENT.id).get_paginator("list_accounts").paginate()
    for account in (each for page in accounts for each in page["Accounts"]):
        for region in regions_of(account["Id"]):
            cloudformation = doorward.stack.client("cloudformation", account["Id"], region=region)
            names = {each["StackName"] for each in cloudformation.list_stacks()["StackSummaries"]}
            found += [_stack(doorward, TEMPLATE_OF[name], account["Id"], name, region) for name in sorted(names & TEMPLATE_OF.keys())]
    return tuple(found)


def _stack(doorward: Installation, template: str, account_id: str, name: str, region: str = REGION) -> Deployed:
    client = doorward.stack.client("cloudformation", account_id, region=region)
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    return Deployed(template, account_id, region, {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources})


def given(doorward: Installation) -> tuple[Given, ...]:
    """Every policy that any of the stacks has."""
    return tuple(each for stack in stacks(doorward) for each in _of_stack(doorward, stack))


def _of_stack(doorward: Installation, stack: Deployed) -> Iterator[Given]:
    def client(service: str) -> Any:
        return doorward.stack.client(service, stack.account_id, region=stack.region)

    for logical_id, properties in stack.resources("AWS::IAM::Role"):
        if is_for_people(properties):
            continue
        role = client("iam").get_role(RoleName=stack.ids[logical_id])["Role"]
        yield _policy(Place(stack.template, logical_id, "trust"), "trust", role["Arn"], role["AssumeRolePolicyDocument"])
        for policy in properties.get("Policies", []):
            answer = client("iam").get_role_policy(RoleName=role["RoleName"], PolicyName=policy["PolicyName"])
            yield _policy(Place(stack.template, logical_id, policy["PolicyName"]), "identity", role["Arn"], answer["PolicyDocument"])
    for logical_id, properties in stack.resources("AWS::IAM::ManagedPolicy"):
        arn = stack.ids[logical_id]
        version = client("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = client("iam").get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        if "Roles" not in properties:  # for somebody else's role, such as one that is put into quarantine: nothing of ours may by it
            yield _policy(Place(stack.template, logical_id, "managed"), "resource", arn, document)
        for reference in properties.get("Roles", []):
            role = client("iam").get_role(RoleName=stack.ids[reference["Ref"]])["Role"]
            yield _policy(Place(stack.template, logical_id, "managed"), "identity", role["Arn"], document)
    for logical_id, properties in stack.resources("AWS::SQS::QueuePolicy"):
        for reference in properties["Queues"]:
            answer = client("sqs").get_queue_attributes(QueueUrl=stack.ids[reference["Ref"]], AttributeNames=["All"])["Attributes"]
            yield _policy(Place(stack.template, logical_id, "policy"), "resource", answer["QueueArn"], answer["Policy"])
    for logical_id, properties in stack.resources("AWS::SNS::TopicPolicy"):
        for reference in properties["Topics"]:
            arn = stack.ids[reference["Ref"]]
            answer = client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
            yield _policy(Place(stack.template, logical_id, "policy"), "resource", arn, answer["Policy"])
    for logical_id, properties in stack.resources("AWS::S3::BucketPolicy"):
        bucket = stack.ids[properties["Bucket"]["Ref"]]
        answer = client("s3").get_bucket_policy(Bucket=bucket)
        yield _policy(Place(stack.template, logical_id, "policy"), "resource", f"arn:aws:s3:::{bucket}", answer["Policy"])
    for logical_id, _ in stack.resources("AWS::KMS::Key"):
        key = client("kms").describe_key(KeyId=stack.ids[logical_id])["KeyMetadata"]
        answer = client("kms").get_key_policy(KeyId=key["KeyId"], PolicyName="default")
        yield _policy(Place(stack.template, logical_id, "key policy"), "resource", key["Arn"], answer["Policy"])
    for logical_id, properties in stack.resources("AWS::Events::EventBusPolicy"):
        bus = client("events").describe_event_bus(Name=stack.ids[properties["EventBusName"]["Ref"]])
        yield _policy(Place(stack.template, logical_id, "policy"), "resource", bus["Arn"], bus["Policy"])


def is_for_people(role: Mapping[str, Any]) -> bool:
    """What people may do is for the page that tells them how (tests/template/test_used_permissions.py): no call of Doorward's needs it."""
    return not str(role["Path"]).startswith("/doorward/")


def _policy(place: Place, kind: str, owner: str, document: Any) -> Given:
    return Given(place, kind, owner, document if isinstance(document, dict) else json.loads(document), _shared(place))


@cache
def _shared(place: Place) -> Mapping[str, Place]:
    """What the management account's roles may do as those of any account (tests/template/test_member.py compares them)."""
    if place.template != "accounts/management.yaml":
        return {}
    in_members = place._replace(template="accounts/member.yaml")
    if in_members.logical_id not in parsed(in_members.template)["Resources"]:
        return {}
    written = as_written(in_members)
    return {each["Sid"]: in_members for each in as_written(place) if each in written}


def as_written(place: Place) -> list[dict[str, Any]]:
    """The statements of a policy as the template has them: every condition of the template holds here, references are unresolved."""
    resource = parsed(place.template)["Resources"][place.logical_id]
    properties = _where_conditions_hold(resource["Properties"])
    match resource["Type"]:
        case "AWS::IAM::Role" if place.policy == "trust":
            document = properties["AssumeRolePolicyDocument"]
        case "AWS::IAM::Role":
            document = next(each["PolicyDocument"] for each in properties["Policies"] if each["PolicyName"] == place.policy)
        case "AWS::KMS::Key":
            document = properties["KeyPolicy"]
        case "AWS::Events::EventBusPolicy":
            document = {"Statement": [{"Sid": properties["StatementId"], **properties["Statement"]}]}
        case _:
            document = properties["PolicyDocument"]
    return list(as_list(document["Statement"]))


def outline(statement: Mapping[str, Any]) -> Any:
    """What of a statement can be compared whether or not its references are resolved: its texts, and how many there are of the rest."""
    return (
        (statement["Sid"], statement["Effect"], as_list(statement["Action"])),
        len(as_list(statement.get("Resource", []))),
        {
            f"{operator} {key}": len(as_list(value))
            for operator, keys in statement.get("Condition", {}).items()
            for key, value in keys.items()
        },
    )


def _where_conditions_hold(value: Any) -> Any:
    match value:
        case {"Fn::If": [_, then, _]}:
            return _where_conditions_hold(then)
        case dict():
            return {key: _where_conditions_hold(each) for key, each in value.items()}
        case list():
            return [_where_conditions_hold(each) for each in value]
        case _:
            return value
