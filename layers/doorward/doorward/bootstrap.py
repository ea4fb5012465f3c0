"""The composition root: the only module that knows every concrete class. Nothing is built before it is needed.

Settings come from the environment that template.yaml gives each function.
"""

import json
import os
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from doorward.aws.clock import SystemClock
from doorward.aws.ledger import DynamoLedger
from doorward.errors import Misconfigured

if TYPE_CHECKING:
    from doorward.aws.members import Members
    from doorward.ports.announcing import Bus, Channel, DeadLetters
    from doorward.usecases import watch_guard
    from doorward.usecases.react_to_change import Tools


@cache
def reaction_tools() -> "Tools":
    """For react_to_change."""
    from doorward.aws.roles import StsRoles
    from doorward.guardrails.parsing import guardrails_from
    from doorward.organization.parsing import organization_from
    from doorward.usecases.react_to_change import Tools

    organization = organization_from(configuration("organization"))
    clock = SystemClock()
    return Tools(
        roles=StsRoles(members(organization.partition)),
        ledger=ledger(),
        clock=clock,
        organization=organization,
        guardrails=guardrails_from(configuration("guardrails")),
        read_delays_seconds=_seconds("READ_DELAYS_SECONDS"),
    )


@cache
def members(partition: str) -> "Members":
    """The way into the accounts, for every function that enters them."""
    from doorward.aws.members import Members
    from doorward.aws.secrets import secret_reader

    external_id = secret_reader(lambda: client("secretsmanager"), _setting("EXTERNAL_ID_SECRET"))
    return Members(client("sts"), external_id, SystemClock(), partition)


@cache
def guard_tools() -> "watch_guard.Tools":
    """For watch_guard."""
    from doorward.guard.ours import Ours
    from doorward.organization.parsing import organization_from
    from doorward.usecases.watch_guard import Tools

    identifiers = frozenset(each for each in os.environ.get("GUARDED_IDENTIFIERS", "").split(",") if each)
    return Tools(
        ledger=ledger(),
        clock=SystemClock(),
        organization=organization_from(configuration("organization")),
        ours=Ours(_setting("HUB_ACCOUNT"), _setting("HUB_STACK"), identifiers),
    )


@cache
def ledger() -> DynamoLedger:
    return DynamoLedger(client("dynamodb"), _setting("LEDGER_TABLE"), _setting("BASELINES_TABLE"), SystemClock())


@cache
def bus() -> "Bus":
    from doorward.aws.announcing import EventBridgeBus

    return EventBridgeBus(client("events"), _setting("BUS_NAME"))


@cache
def channels() -> "tuple[Channel, ...]":
    """SNS always; Slack where a channel and the secret with its token are set."""
    from doorward.aws.announcing import SnsTopic
    from doorward.aws.secrets import secret_reader
    from doorward.slack.channel import SlackChannel

    topic = SnsTopic(client("sns"), _setting("TOPIC_ARN"))
    slack_channel = os.environ.get("SLACK_CHANNEL", "")
    if not slack_channel:
        return (topic,)
    token = secret_reader(lambda: client("secretsmanager"), _setting("SLACK_TOKEN_SECRET"))
    return (topic, SlackChannel(_setting("SLACK_API_URL").rstrip("/"), slack_channel, token))


@cache
def dead_letters() -> "DeadLetters":
    from doorward.aws.announcing import SqsDeadLetters

    return SqsDeadLetters(client("sqs"), _setting("DEAD_LETTERS_URL"))


@cache
def client(service: str) -> Any:
    """A client of this function's own role, made once per execution environment."""
    import boto3

    return boto3.client(service)  # type: ignore[call-overload]


def configuration(name: str) -> Any:
    """The reviewed policy files, put beside this module as JSON when the layer was built (`make build`).

    Raises Misconfigured where they are not there.
    """
    resource = files("doorward") / "configuration" / f"{name}.json"
    try:
        return json.loads(resource.read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"configuration/{name}.json is not in the layer: build with `make build`, then deploy again") from None


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Misconfigured(f"the environment variable {name} is not set: deploy template.yaml as it is")
    return value


def _seconds(name: str) -> tuple[float, ...]:
    text = _setting(name)
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise Misconfigured(f"{name} must be seconds separated by commas, such as 1,2,4, not {text!r}") from None
