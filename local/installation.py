"""Doorward on a local stack: the real templates in five accounts and two regions, Slack's stand-in, and the people of the story.

The integration tests and the demo start from the same installation.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import boto3

from doorward.organization.installation import CONTAINED_POLICY
from doorward.usecases.notify_people import FOR_PROGRAMS
from doorward_cli.api import Api
from local import identity_center
from local.slack import SlackSink
from local.stack import HUB_STACK, ROOT, Stack, StackError
from local.world import (
    HUB,
    IN_OTHER_REGION,
    MANAGEMENT,
    ORGANIZATION,
    ORGANIZATION_ID,
    OTHER_REGION,
    PROD,
    REGION,
    SHARED_SERVICES,
    SLACK_CHANNEL,
    SLACK_TEAM,
    STAGING,
    Account,
    Person,
)

WITH_REMEDIES: Final = (SHARED_SERVICES, STAGING, PROD)
WITH_GRANTS: Final = (STAGING, PROD)
GITHUB: Final = "token.actions.githubusercontent.com"
GUARD_TOPIC: Final = f"arn:aws:sns:us-east-1:{MANAGEMENT.id}:doorward-guard"
AUDITORS: Final = f"arn:aws:iam::{HUB.id}:role/audit/auditors"
_ACCOUNTS: Final = ROOT / "accounts"
_TOLD_TO_NOBODY: Final = FOR_PROGRAMS | {"TrustBaselineAccepted"}  # whose source has no rule that leads to people
# The emulator answers at once; the waits of the template's default would only slow the story.
_READ_DELAYS_SECONDS: Final = "0.1,0.2,0.4"


class Told(NamedTuple):
    """An alert in the outbox: about a session, a change, the organization, or Doorward itself."""

    at: datetime
    detail_type: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Installation:
    """A deployed Doorward. `outputs` are those of the hub stack."""

    stack: Stack
    slack: SlackSink
    outputs: Mapping[str, str]
    external_id: str = field(repr=False)

    def deploy_account(self, account: Account) -> None:
        """Deploy what StackSets deploy into an account, roles before the rules of another region that use one; raises StackError.

        Into the management account its own template, since StackSets do not reach it.
        """
        bus = {"HubBusArn": self.outputs["BusArn"]}
        hub = bus | {"HubAccountId": HUB.id, "OrganizationId": ORGANIZATION_ID, "ExternalId": self.external_id}
        if account == MANAGEMENT:
            contains = {"AllowContainment": "true"}
            self.stack.deploy_stack(account.id, "doorward-management", _ACCOUNTS / "management.yaml", hub | contains)
        else:
            allowed = {"AllowRemedies": WITH_REMEDIES, "AllowGrants": WITH_GRANTS}
            opted = {name: "true" if account in accounts else "false" for name, accounts in allowed.items()}
            self.stack.deploy_stack(account.id, "doorward-member", _ACCOUNTS / "member.yaml", hub | opted)
        if account in IN_OTHER_REGION:
            self.stack.deploy_stack(account.id, "doorward-member-region", _ACCOUNTS / "member-region.yaml", bus, region=OTHER_REGION)

    def ledger(self) -> list[dict[str, str]]:
        """Every item of the ledger table, attributes as text."""
        client = self.stack.client("dynamodb", HUB.id)
        pages = client.get_paginator("scan").paginate(TableName=self.outputs["LedgerTableName"], ConsistentRead=True)
        return [{name: str(next(iter(value.values()))) for name, value in item.items()} for page in pages for item in page["Items"]]

    def outcomes(self, role_ref: str, event_name: str | None = None) -> list[str]:
        """What came of the events about one role, in order of time."""
        items = [
            item
            for item in self.ledger()
            if item["pk"].startswith("EVENT#") and item["sk"] == f"ROLE#{role_ref}" and event_name in {None, item["event_name"]}
        ]
        return [item["outcome"] for item in sorted(items, key=lambda item: item["at"])]

    def cases(self, role_ref: str) -> list[dict[str, str]]:
        items = [item for item in self.ledger() if item["pk"] == f"ROLE#{role_ref}" and item["sk"].startswith("CASE#")]
        return sorted(items, key=lambda item: item["opened_at"])

    def grant_state(self, grant_id: str) -> str:
        """How a grant is, as it is kept: whoever waits for it does not use up anybody's calls to the API."""
        key = {"pk": {"S": f"GRANT#{grant_id}"}, "sk": {"S": "GRANT"}}
        answer = self.stack.client("dynamodb", HUB.id).get_item(TableName=self.outputs["GrantsTableName"], Key=key, ConsistentRead=True)
        return str(json.loads(answer["Item"]["document"]["S"])["state"])

    def alerts(self, detection: str) -> list[Told]:
        """What was told under a detection (docs/detections), the oldest first."""
        told = [
            Told(datetime.fromisoformat(item["at"]), item["detail_type"], json.loads(item["detail"]))
            for item in self.ledger()
            if item["sk"] == "ANNOUNCEMENT"
        ]
        return sorted((each for each in told if each.detail.get("detection") == detection), key=lambda each: each.at)

    @property
    def api_url(self) -> str:
        """Where people decide."""
        api_id = self.outputs["ApiUrl"].partition("//")[2].partition(".")[0]
        return self.stack.rest_api_url(api_id, "v1")

    def api_of(self, person: Person) -> Api:
        """As whom Identity Center has signed in now."""
        return self.api_by(identity_center.sign_in(self.stack, person))

    def api_by(self, keys: Mapping[str, str]) -> Api:
        """`keys` as `Stack.client` takes them."""
        session: Any = boto3.Session
        return Api(self.api_url, session(region_name=REGION, **keys))

    def contained(self) -> tuple[str, Any, list[str]]:
        """The service control policy that stops authors: its id, what it says, and the accounts that it is attached to."""
        organizations = self.stack.client("organizations", MANAGEMENT.id)
        policies = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
        (policy_id,) = [each["Id"] for each in policies if each["Name"] == CONTAINED_POLICY]
        targets = organizations.list_targets_for_policy(PolicyId=policy_id)["Targets"]
        content = organizations.describe_policy(PolicyId=policy_id)["Policy"]["Content"]
        return policy_id, json.loads(content), [each["TargetId"] for each in targets]

    def untold(self) -> int:
        """Announcements that people have not been told of yet, and that are not kept to be told with others.

        What is only observed, accepted or verified is told to nobody.
        """
        items = self.ledger()
        told = {item["pk"] for item in items if item["sk"] == "SENT#slack"}
        waiting = [item for item in items if item["sk"] == "ANNOUNCEMENT" and item["pk"] not in told]
        return sum(item["detail_type"] not in _TOLD_TO_NOBODY and json.loads(item["detail"]).get("mode") != "observe" for item in waiting)

    def sweeps(self, account_id: str) -> list[Mapping[str, Any]]:
        """The executions that were asked for this account, the latest first: as DescribeExecution answers."""
        states = self.stack.client("stepfunctions", HUB.id)
        every = states.list_executions(stateMachineArn=self.outputs["SweepArn"])["executions"]
        described = [states.describe_execution(executionArn=each["executionArn"]) for each in every]
        asked = [each for each in described if account_id in json.loads(each["input"]).get("accounts", [])]
        return sorted(asked, key=lambda each: each["startDate"], reverse=True)

    def invoke(self, logical_id: str) -> None:
        """Run a function of the hub as its schedule does; raises StackError where it fails."""
        answer = self.stack.client("lambda", HUB.id).invoke(FunctionName=self.physical_id(logical_id), Payload=b"{}")
        if "FunctionError" in answer:
            raise StackError(f"{logical_id} failed: {answer['Payload'].read().decode()}")

    @contextmanager
    def configured(self, logical_id: str, **variables: str) -> Iterator[None]:
        """Within it a function has these environment variables too. It starts afresh, as after any change of its configuration."""
        functions, name = self.stack.client("lambda", HUB.id), self.physical_id(logical_id)
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    def physical_id(self, logical_id: str) -> str:
        cloudformation = self.stack.client("cloudformation", HUB.id)
        resource = cloudformation.describe_stack_resource(StackName=HUB_STACK, LogicalResourceId=logical_id)["StackResourceDetail"]
        return str(resource["PhysicalResourceId"])

    def trust_policy(self, account: Account, role_name: str) -> Any:
        return self.stack.client("iam", account.id).get_role(RoleName=role_name)["Role"]["AssumeRolePolicyDocument"]

    def dead_letters(self, of: str = "Change") -> list[tuple[str, str]]:
        """(body, reason) of what was put aside of a queue; it stays there."""
        answer = self.stack.client("sqs", HUB.id).receive_message(
            QueueUrl=self.physical_id(f"{of}DeadLetters"),
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
        )
        return [
            (each["Body"], each.get("MessageAttributes", {}).get("reason", {}).get("StringValue", ""))
            for each in answer.get("Messages", [])
        ]

    def deliver(self, body: str, to: str = "Change") -> None:
        """Into a queue directly, as EventBridge does: to deliver again, late, or what is no event at all."""
        self.stack.client("sqs", HUB.id).send_message(QueueUrl=self.physical_id(f"{to}Queue"), MessageBody=body)


def install(stack: Stack, slack: SlackSink, progress: Callable[[str], None] = lambda _line: None) -> Installation:
    """Deploy the hub, then the stacks of every account; raises StackError."""
    token = _new_secret(stack, "slack-bot-token", "xoxb-local")
    signing_secret = secrets.token_hex(16)
    # Before the hub: what touches it afterwards is told of. Slack's stand-in knows it from here, and reads it nowhere.
    signing = _new_secret(stack, "slack-signing-secret", signing_secret)
    for account in ORGANIZATION:
        _log_everything(stack, account)
    identity_center.found(stack)
    progress("sam deploy of the hub stack (template.yaml)")
    outputs = stack.deploy_hub(
        {
            "OrganizationId": ORGANIZATION_ID,
            "SlackChannel": SLACK_CHANNEL,
            "SlackTokenSecretArn": token,
            "SlackApiUrl": slack.url,
            "SlackSigningSecretArn": signing,
            "SlackTeamIds": SLACK_TEAM,
            "ReactionConcurrency": "2",  # ten functions that start at once take ten seconds on two cores
            "ReadDelaysSeconds": _READ_DELAYS_SECONDS,
            "EventsTakeSeconds": "2",
            "GuardTopicArn": GUARD_TOPIC,
            "AuditorPrincipalArn": AUDITORS,
            "ContainAuthors": "true",
            "FederationUrl": stack.federation_url,
        }
    )
    kept = stack.client("secretsmanager", HUB.id).get_secret_value(SecretId=outputs["ExternalIdSecretArn"])
    installation = Installation(stack, slack, outputs, kept["SecretString"])
    slack.app(
        interactions_url=f"{installation.api_url}/slack/interactions",
        commands_url=f"{installation.api_url}/slack/commands",
        signing_secret=signing_secret,
    )
    progress(f"accounts/management.yaml, member.yaml and member-region.yaml into {len(ORGANIZATION)} accounts")
    with ThreadPoolExecutor(len(ORGANIZATION)) as pool:
        list(pool.map(installation.deploy_account, ORGANIZATION))
    return installation


def _new_secret(stack: Stack, name: str, value: str) -> str:
    """The ARN of a new secret of the hub account."""
    return str(stack.client("secretsmanager", HUB.id).create_secret(Name=name, SecretString=value)["ARN"])


def _log_everything(stack: Stack, account: Account) -> None:
    """The trail that docs/install.md asks for; of its own, since the emulator shows a member nothing of an organization's."""
    trails = stack.client("cloudtrail", account.id)
    trails.create_trail(Name="everything", S3BucketName="trails", IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True)
    trails.start_logging(Name="everything")


class People:
    """Whoever acts in a workload account: the delivery pipeline, and a developer whose keys leak."""

    def __init__(self, stack: Stack, account: Account) -> None:
        """Make the pipeline's role and the developer in the account."""
        self._stack = stack
        self._account = account
        root = stack.client("iam", account.id)
        administer = _permitting("iam:*")
        root.create_role(
            RoleName="DeployRole",
            Path="/deploy/",
            AssumeRolePolicyDocument=json.dumps(trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:role/ci/deployer")),
        )
        root.put_role_policy(RoleName="DeployRole", PolicyName="deploy", PolicyDocument=json.dumps(administer))
        self._developer_key = new_user(stack, account, "jane", "iam:*")

    def pipeline(self) -> Any:
        """IAM as the pipeline: shared services' deployer, gone over into this account's DeployRole."""
        deployer = self._stack.assume(SHARED_SERVICES.id, f"arn:aws:iam::{SHARED_SERVICES.id}:role/ci/deployer")
        session = self._stack.assume(
            SHARED_SERVICES.id,
            f"arn:aws:iam::{self._account.id}:role/deploy/DeployRole",
            credentials=deployer,
            RoleSessionName="release-42",
        )
        return self._stack.client("iam", self._account.id, **session)

    def developer(self, service: str = "iam") -> Any:
        """A client with jane's own long-lived key: hers, or whoever found it."""
        return self._stack.client(service, self._account.id, **self._developer_key)


def new_user(stack: Stack, account: Account, name: str, action: str) -> dict[str, str]:
    """The long-lived key of a new user who may do this everywhere, as `Stack.client` takes it."""
    iam = stack.client("iam", account.id)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(_permitting(action)))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def new_role(stack: Stack, account: Account, name: str, action: str) -> None:
    """A role that its own account may assume, and that may do this everywhere."""
    iam = stack.client("iam", account.id)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trusting(f"arn:aws:iam::{account.id}:root")))
    iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=json.dumps(_permitting(action)))


def _permitting(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def found_delivery_pipeline(stack: Stack) -> None:
    """The role in shared services that the pipelines of every account start from."""
    root = stack.client("iam", SHARED_SERVICES.id)
    go_over = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/deploy/DeployRole"}],
    }
    own_account = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:root")
    root.create_role(RoleName="deployer", Path="/ci/", AssumeRolePolicyDocument=json.dumps(own_account))
    root.put_role_policy(RoleName="deployer", PolicyName="deploy", PolicyDocument=json.dumps(go_over))


def trusting(*principals: str, **condition: Any) -> dict[str, Any]:
    """A trust policy for AWS principals; `condition` is its Condition element where given."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": principals[0] if len(principals) == 1 else list(principals)},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}


def trusting_github(account: Account, *subjects: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account.id}:oidc-provider/{GITHUB}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"},
                    "StringLike": {f"{GITHUB}:sub": subjects[0] if len(subjects) == 1 else list(subjects)},
                },
            }
        ],
    }
