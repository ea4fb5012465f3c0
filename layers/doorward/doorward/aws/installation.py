"""What stands of an installation, as the hub sees it.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackInstances.html
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.errors import Misconfigured
from doorward.guard.doctor import AccountSeen, HubSeen, QueueSeen, RegionSeen, StackSetSeen, Trail
from doorward.organization.installation import IAM_REGION_RULES

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

    from doorward.aws.members import Members

STACK_SETS = ("doorward-member", "doorward-member-region")
_MAY_BE_LEFT_OUT = {"kms.amazonaws.com", "rdsdata.amazonaws.com"}
_NO_SUCH_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
# A member account sees the organization's trail, and may not be let see how it is set.
_NOT_OURS_TO_READ = frozenset({"AccessDeniedException", "TrailNotFoundException", "InsufficientDependencyServiceAccessPermissionException"})


class AwsInstallation:
    """The Installation port. Rules as CloudFormation refers to them (`bus|name`); `queues` by name; `facts_read_at` asks the facts."""

    def __init__(  # noqa: PLR0917 - what there is to look at
        self,
        members: "Members",
        clients: "tuple[EventBridgeClient, LambdaClient, SQSClient]",
        hub_account: str,
        management_account: str | None,
        iam_region: str,
        stack: str,
        listening: tuple[str, ...],
        other_rules: tuple[str, ...],
        queues: Mapping[str, str],
        facts_read_at: Callable[[], datetime | None],
    ) -> None:
        self._members = members
        self._events, self._lambda, self._sqs = clients
        self._hub_account = hub_account
        self._management_account = management_account
        self._iam_region = iam_region
        self._stack = stack
        self._listening = listening
        self._other_rules = other_rules
        self._queues = queues
        self._facts_read_at = facts_read_at

    # The hub

    def hub(self) -> HubSeen:
        return HubSeen(
            self._hub_account,
            listening={each.rpartition("|")[2]: _rule_state(self._events, each) for each in self._listening},
            other_rules={each.rpartition("|")[2]: _rule_state(self._events, each) for each in self._other_rules},
            sources=dict(self._sources()),
            queues=tuple(self._queue(name, url) for name, url in self._queues.items()),
            facts_read_at=self._facts_read_at(),
            stack_sets=self._stack_sets(),
        )

    def _sources(self) -> Iterator[tuple[str, str]]:
        with translated("listing what feeds the functions"):
            for page in self._lambda.get_paginator("list_event_source_mappings").paginate():
                for each in page["EventSourceMappings"]:
                    name = each["FunctionArn"].split(":")[6]
                    if name.startswith(f"{self._stack}-"):
                        yield name, each["State"]

    def _queue(self, name: str, url: str) -> QueueSeen:
        with translated(f"looking into queue {name}"):
            try:
                answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
                waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
            except ClientError as error:
                if code_of(error) not in _NO_SUCH_QUEUE:
                    raise
                waiting = None
        return QueueSeen(name, waiting, is_dead_letters="DeadLetters" in name)

    def _stack_sets(self) -> tuple[StackSetSeen, ...] | None:
        if self._management_account is None:
            return None
        try:
            stacks = self._members.reader("cloudformation", self._management_account, self._iam_region)
            return tuple(_stack_set(stacks, each) for each in STACK_SETS)
        except Misconfigured:
            return None

    # Accounts

    def account(self, account_id: str, *, is_management: bool) -> AccountSeen:
        try:
            regions = self._regions(account_id)
            seen = tuple(self._region(account_id, each) for each in regions)
        except Misconfigured as error:
            return AccountSeen(account_id, is_management, str(error))
        return AccountSeen(account_id, is_management, None, seen)

    def _regions(self, account_id: str) -> list[str]:
        """Those that are enabled there: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html."""
        ec2 = self._members.reader("ec2", account_id, self._iam_region)
        with translated(f"listing the regions of account {account_id}"):
            answer = ec2.describe_regions(AllRegions=False)
        return sorted(each["RegionName"] for each in answer["Regions"])

    def _region(self, account_id: str, region: str) -> RegionSeen:
        cloudtrail = self._members.reader("cloudtrail", account_id, region)
        events = self._members.reader("events", account_id, region)
        with translated(f"reading the trails of account {account_id} in {region}"):
            described = cloudtrail.describe_trails(includeShadowTrails=True)["trailList"]
            trails = tuple(_trail(cloudtrail, each["TrailARN"]) for each in described)
        return RegionSeen(region, trails, {each: _rule_state(events, each) for each in sorted(IAM_REGION_RULES)})


def _trail(cloudtrail: Any, arn: str) -> Trail:
    is_logging = bool(cloudtrail.get_trail_status(Name=arn)["IsLogging"])
    try:
        reads, writes = management_events(cloudtrail.get_event_selectors(TrailName=arn))
    except ClientError as error:
        if code_of(error) not in _NOT_OURS_TO_READ:
            raise
        return Trail(arn, is_logging, None, None)
    return Trail(arn, is_logging, reads, writes)


def management_events(selectors: Mapping[str, Any]) -> tuple[bool, bool]:
    """(reads, writes): which management events a trail logs, by its basic or its advanced selectors.

    A selector that narrows to some services is not counted: EventBridge would not hear of the others. KMS and the RDS Data API may be left
    out, as the console offers it.
    """
    reads = writes = False
    for each in selectors.get("EventSelectors") or ():
        if each.get("IncludeManagementEvents"):
            kind = each.get("ReadWriteType", "All")
            reads, writes = reads or kind in {"All", "ReadOnly"}, writes or kind in {"All", "WriteOnly"}
    for each in selectors.get("AdvancedEventSelectors") or ():
        fields = {field["Field"]: {name: value for name, value in field.items() if name != "Field"} for field in each["FieldSelectors"]}
        category, read_only = fields.pop("eventCategory", None), fields.pop("readOnly", None)
        left_out = set(fields.pop("eventSource", {"NotEquals": []}).get("NotEquals", ("everything",)))
        if category != {"Equals": ["Management"]} or fields or not left_out <= _MAY_BE_LEFT_OUT:
            continue
        reads = reads or read_only in (None, {"Equals": ["true"]})
        writes = writes or read_only in (None, {"Equals": ["false"]})
    return reads, writes


def _rule_state(events: Any, reference: str) -> str | None:
    bus, _, name = reference.rpartition("|")
    with translated(f"reading rule {name}"):
        try:
            return str(events.describe_rule(Name=name, **({"EventBusName": bus} if bus else {}))["State"])
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise


def _stack_set(stacks: Any, name: str) -> StackSetSeen:
    with translated(f"reading StackSet {name}"):
        try:
            described = stacks.describe_stack_set(StackSetName=name)["StackSet"]
        except ClientError as error:
            if code_of(error) == "StackSetNotFoundException":
                return StackSetSeen(name, exists=False, is_automatic=False, instances=0, outdated=())
            raise
        instances = [
            each for page in stacks.get_paginator("list_stack_instances").paginate(StackSetName=name) for each in page["Summaries"]
        ]
    outdated = tuple(f"{each['Account']}/{each['Region']}: {each['Status']}" for each in instances if each["Status"] != "CURRENT")
    is_automatic = bool((described.get("AutoDeployment") or {}).get("Enabled"))
    return StackSetSeen(name, exists=True, is_automatic=is_automatic, instances=len(instances), outdated=outdated)
