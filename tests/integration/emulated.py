"""What the tests of the emulator build in it: queues that rules deliver to, roles, functions."""

import io
import json
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local.stack import Stack
from local.world import REGION

ALL_MANAGEMENT_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


type Probe = Callable[[Stack], bool]
"""Whether a stack does what a gap module of `local/cloud` is for."""


def closed_only_by_us(probe: Probe, cloud: Stack, bare: Stack, module: str) -> None:
    assert probe(cloud), f"local/cloud/{module}.py does not do what it says"
    assert not probe(bare), f"the emulator does this itself now: delete local/cloud/{module}.py"


def refusal(call: Callable[[], Any]) -> str | None:
    """The error code of a refused call, None when it was accepted."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def is_denied(call: Callable[[], Any]) -> bool:
    """Whether the caller lacks the permission; refused for anything else, the call shows nothing."""
    code = refusal(call)
    assert code in {None, "AccessDenied", "AccessDeniedException"}, code
    return code is not None


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusting(principal: Any, actions: Any = "sts:AssumeRole", **condition: Mapping[str, Any]) -> str:
    """A trust policy of one Allow; `condition` by operator."""
    conditions = {"Condition": condition} if condition else {}
    return document({"Effect": "Allow", "Principal": principal, "Action": actions, **conditions})


def root_of(account_id: str) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{account_id}:root"}


def allowing(action: Any, resource: Any) -> str:
    return document({"Effect": "Allow", "Action": action, "Resource": resource})


class Inbox(NamedTuple):
    """A queue that one rule delivers to."""

    stack: Stack
    account_id: str
    url: str
    arn: str
    region: str = REGION

    def read(self) -> list[Any]:
        """Take what has arrived: bodies, decoded."""
        sqs = self.stack.client("sqs", self.account_id, region=self.region)
        bodies = []
        while messages := sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def is_empty(self) -> bool:
        """Nothing waits, and nothing is being worked on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.stack.client("sqs", self.account_id, region=self.region).get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return {answer["Attributes"][name] for name in names} == {"0"}

    def wait(self, count: int = 1, *, seconds: float = 5.0) -> list[Any]:
        """Return at least `count` bodies, or fewer when the time is up."""
        bodies, deadline = self.read(), time.monotonic() + seconds
        while len(bodies) < count and time.monotonic() < deadline:
            time.sleep(0.02)
            bodies += self.read()
        return bodies


def queue(stack: Stack, account_id: str, policy_for: str | None, *, region: str = REGION, **attributes: str) -> Inbox:
    """A queue; `policy_for` is the ARN of the rule whose events it accepts, None for no policy."""
    sqs = stack.client("sqs", account_id, region=region)
    url = sqs.create_queue(QueueName=unique("inbox"), Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if policy_for:
        statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        condition = {"Condition": {"ArnEquals": {"aws:SourceArn": policy_for}}}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({**statement, **condition})})
    return Inbox(stack, account_id, url, arn, region)


def listen(
    stack: Stack, account_id: str, pattern: Mapping[str, Any], *, bus: str = "default", state: str = "ENABLED", region: str = REGION
) -> Inbox:
    """A rule with this pattern and the queue that it delivers to, whose policy names the rule."""
    events, name = stack.client("events", account_id, region=region), unique("rule")
    rule = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern), State=state)["RuleArn"]
    inbox = queue(stack, account_id, rule, region=region)
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "inbox", "Arn": inbox.arn}])
    return inbox


def records(stack: Stack, account_id: str, *names: str) -> Inbox:
    """Listen to CloudTrail's events of these names, read-only ones too."""
    pattern = {"source": ["aws.iam", "aws.sts"], "detail": {"eventName": list(names)}}
    return listen(stack, account_id, pattern, state=ALL_MANAGEMENT_EVENTS)


def role(stack: Stack, account_id: str, trust: str, *policies: str, path: str = "/", name: str | None = None) -> str:
    """Create a role with these inline policies and return its ARN."""
    iam, name = stack.client("iam", account_id), name or unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Path=path)["Role"]["Arn"]
    for number, policy in enumerate(policies):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=policy)
    return str(arn)


def user(stack: Stack, account_id: str, *policies: str) -> dict[str, str]:
    """Create a user with these inline policies and return its keys, as `Stack.client` takes them."""
    iam, name = stack.client("iam", account_id), unique("user")
    iam.create_user(UserName=name)
    for number, policy in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def function(stack: Stack, account_id: str, source: str, *policies: str, path: str = "/") -> str:
    """Create a function from the source of its module and return its name; its handler is `handler(event, context)`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("app.py", source)
    name = unique("function")
    runs_as = role(stack, account_id, trusting({"Service": "lambda.amazonaws.com"}), *policies, path=path)
    stack.client("lambda", account_id).create_function(
        FunctionName=name, Runtime="python3.13", Role=runs_as, Handler="app.handler", Timeout=10, Code={"ZipFile": archive.getvalue()}
    )
    return name


def bus_arn(account_id: str, name: str, region: str = REGION) -> str:
    return f"arn:aws:events:{region}:{account_id}:event-bus/{name}"


class EchoApi(NamedTuple):
    """The REST API of echo-api.yaml, whose function answers with the event it got."""

    stack: Stack
    account_id: str
    id: str

    def govern(self, *statements: Mapping[str, Any]) -> None:
        """Give it a resource policy of these statements, or none."""
        policy = {"op": "replace", "path": "/policy", "value": document(*statements) if statements else ""}
        self.stack.client("apigateway", self.account_id).update_rest_api(restApiId=self.id, patchOperations=[policy])

    def call(
        self, path: str, credentials: Mapping[str, str] | None = None, *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the decoded answer; `credentials` as `Stack.client` takes them, None for an unsigned call."""
        url = self.stack.rest_api_url(self.id, "v1") + path
        request = AWSRequest(method, url, headers={"User-Agent": "echo/1"})
        if credentials:
            names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            keys: list[Any] = [credentials.get(each) for each in names]
            SigV4Auth(Credentials(*keys), "execute-api", REGION).add_auth(request)
        sent = urllib.request.Request(url, method=method, headers={**dict(request.headers), **(headers or {})})
        try:
            with urllib.request.urlopen(sent, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)


def echo_api(stack: Stack, account_id: str, *statements: Mapping[str, Any]) -> EchoApi:
    """Deploy echo-api.yaml with a resource policy of these statements."""
    name, template = unique("echo"), Path(__file__).with_name("echo-api.yaml")
    body = template.read_text().replace("CustomStatements: []", f"CustomStatements: {json.dumps(statements)}")
    filled = stack.folder / f"{name}.yaml"
    filled.write_text(body)
    return EchoApi(stack, account_id, stack.deploy_stack(account_id, name, filled, {})["ApiId"])


def invoking(effect: str, resource: str = "execute-api:/*", **condition: Any) -> dict[str, Any]:
    """A statement of a resource policy about whoever calls; `condition` by operator."""
    conditions = {"Condition": condition} if condition else {}
    return {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource, **conditions}


def root_keys(account_id: str) -> dict[str, str]:
    """What stands for the keys of an account's root, as `Stack.client` takes them."""
    return {"aws_access_key_id": account_id, "aws_secret_access_key": "test"}
