"""The hub stack: what may do what, what is kept how, and that nothing can be left lying unseen."""

import json
import re
from typing import Any

import pytest
import yaml

from doorward.aws.ledger import LEASE
from doorward.organization.installation import ENTERING
from doorward.ports.organization import REFRESH
from tests.template.conftest import REPOSITORY, TEMPLATES, as_list, events_of, parsed, resources_of, source, statements_of

type Template = dict[str, Any]

# Every permission of every function, each on what. Whoever adds one changes this line too, and says why beside the statement.
EVERYTHING = "*"
"""Only of a list, or of the delivery of logs, that the service knows no narrower resource for."""
PERMISSIONS = {
    "ReactToChangeRole": {
        "sts:AssumeRole": {"doorward-read", "doorward-remedy", "doorward-cut"},
        "sts:SetSourceIdentity": {"doorward-read", "doorward-remedy", "doorward-cut"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"LedgerTable", "BaselinesTable", "FactsTable", "AuditTable"},
        "dynamodb:BatchGetItem": {"LedgerTable"},
        "dynamodb:PutItem": {"LedgerTable", "BaselinesTable", "FactsTable", "AuditTable"},
        "dynamodb:UpdateItem": {"BaselinesTable", "LedgerTable"},
        "dynamodb:Query": {"SessionsTable"},
        "dynamodb:DeleteItem": {"LedgerTable"},
        "dynamodb:ConditionCheckItem": {"LedgerTable"},
        "sqs:ReceiveMessage": {"ChangeQueue", "HintQueue"},
        "sqs:DeleteMessage": {"ChangeQueue", "HintQueue"},
        "sqs:GetQueueAttributes": {"ChangeQueue", "HintQueue"},
        "sqs:SendMessage": {"ChangeDeadLetters", "HintQueue", "OrganizationQueue"},
        "states:StartExecution": {"doorward-sweep"},
        "logs:CreateLogStream": {"ReactToChangeLogs"},
        "logs:PutLogEvents": {"ReactToChangeLogs"},
    },
    "AuthorizeTokenRole": {"logs:CreateLogStream": {"AuthorizeTokenLogs"}, "logs:PutLogEvents": {"AuthorizeTokenLogs"}},
    "ServeApiRole": {
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"LedgerTable", "FactsTable", "AuditTable", "BaselinesTable", "GrantsTable"},
        "dynamodb:Query": {"LedgerTable", "GrantsTable", "FactsTable"},
        "dynamodb:PutItem": {"LedgerTable", "AuditTable", "GrantsTable"},
        "dynamodb:UpdateItem": {"LedgerTable"},
        "dynamodb:DeleteItem": {"LedgerTable"},
        "sqs:SendMessage": {"HintQueue"},
        "lambda:InvokeFunction": {"MintCredentialsFunction"},
        "logs:CreateLogStream": {"ServeApiLogs"},
        "logs:PutLogEvents": {"ServeApiLogs"},
    },
    "MintCredentialsRole": {
        "sts:AssumeRole": {"grants/*"},
        "sts:SetSourceIdentity": {"grants/*"},
        "sts:TagSession": {"grants/*"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"GrantsTable"},
        "dynamodb:UpdateItem": {"GrantsTable"},
        "logs:CreateLogStream": {"MintCredentialsLogs"},
        "logs:PutLogEvents": {"MintCredentialsLogs"},
    },
    "ReceiveSlackRole": {
        "dynamodb:PutItem": {"LedgerTable"},
        "sqs:SendMessage": {"SlackQueue"},
        "logs:CreateLogStream": {"ReceiveSlackLogs"},
        "logs:PutLogEvents": {"ReceiveSlackLogs"},
    },
    "AnswerSlackRole": {
        "sqs:ReceiveMessage": {"SlackQueue"},
        "sqs:DeleteMessage": {"SlackQueue"},
        "sqs:GetQueueAttributes": {"SlackQueue"},
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"LedgerTable", "FactsTable", "AuditTable", "GrantsTable"},
        "dynamodb:PutItem": {"LedgerTable", "AuditTable", "GrantsTable"},
        "dynamodb:Query": {"GrantsTable", "FactsTable"},
        "dynamodb:UpdateItem": {"LedgerTable"},
        "sqs:SendMessage": {"HintQueue"},
        "logs:CreateLogStream": {"AnswerSlackLogs"},
        "logs:PutLogEvents": {"AnswerSlackLogs"},
    },
    "FinishStartedRole": {
        "dynamodb:Query": {"LedgerTable"},
        "dynamodb:GetItem": {"LedgerTable", "FactsTable"},
        "dynamodb:UpdateItem": {"LedgerTable"},
        "events:PutEvents": {"Bus"},
        "sqs:SendMessage": {"HintQueue"},
        "logs:CreateLogStream": {"FinishStartedLogs"},
        "logs:PutLogEvents": {"FinishStartedLogs"},
    },
    "PublishOutboxRole": {
        "dynamodb:DescribeStream": {"LedgerTable"},
        "dynamodb:GetRecords": {"LedgerTable"},
        "dynamodb:GetShardIterator": {"LedgerTable"},
        "dynamodb:ListStreams": {"LedgerTable"},
        "dynamodb:GetItem": {"LedgerTable"},
        "dynamodb:PutItem": {"LedgerTable"},
        "dynamodb:UpdateItem": {"LedgerTable"},
        "events:PutEvents": {"Bus"},
        "sqs:SendMessage": {"OutboxDeadLetters"},
        "logs:CreateLogStream": {"PublishOutboxLogs"},
        "logs:PutLogEvents": {"PublishOutboxLogs"},
    },
    "TellManagementRole": {"sns:Publish": {"GuardTopicArn"}},
    "NotifyPeopleRole": {
        "sqs:ReceiveMessage": {"NotifyQueue"},
        "sqs:DeleteMessage": {"NotifyQueue"},
        "sqs:GetQueueAttributes": {"NotifyQueue"},
        "dynamodb:GetItem": {"LedgerTable", "FactsTable"},
        "dynamodb:PutItem": {"LedgerTable"},
        "dynamodb:UpdateItem": {"LedgerTable"},
        "dynamodb:Query": {"LedgerTable"},
        "dynamodb:BatchWriteItem": {"LedgerTable"},
        "sns:Publish": {"Topic", "doorward-people-*"},
        "kms:Decrypt": {"TopicKey"},
        "kms:GenerateDataKey": {"TopicKey"},
        "logs:CreateLogStream": {"NotifyPeopleLogs"},
        "logs:PutLogEvents": {"NotifyPeopleLogs"},
    },
    "KeepEvidenceRole": {
        "sqs:ReceiveMessage": {"EvidenceQueue"},
        "sqs:DeleteMessage": {"EvidenceQueue"},
        "sqs:GetQueueAttributes": {"EvidenceQueue"},
        "sqs:SendMessage": {"EvidenceDeadLetters"},
        "dynamodb:GetItem": {"LedgerTable"},
        "dynamodb:UpdateItem": {"LedgerTable"},
        "s3:PutObject": {"EvidenceBucket"},
        "logs:CreateLogStream": {"KeepEvidenceLogs"},
        "logs:PutLogEvents": {"KeepEvidenceLogs"},
    },
    "SealAuditRole": {
        "dynamodb:Query": {"AuditTable"},
        "dynamodb:GetItem": {"AuditTable"},
        "dynamodb:PutItem": {"AuditTable"},
        "kms:Sign": {"AuditKey"},
        "s3:PutObject": {"EvidenceBucket"},
        "logs:CreateLogStream": {"SealAuditLogs"},
        "logs:PutLogEvents": {"SealAuditLogs"},
    },
    "AuditorRole": {
        "s3:ListBucket": {"EvidenceBucket"},
        "s3:ListBucketVersions": {"EvidenceBucket"},
        "s3:GetBucketVersioning": {"EvidenceBucket"},
        "s3:GetBucketObjectLockConfiguration": {"EvidenceBucket"},
        "s3:GetBucketPolicy": {"EvidenceBucket"},
        "s3:GetObject": {"EvidenceBucket"},
        "s3:GetObjectVersion": {"EvidenceBucket"},
        "s3:GetObjectRetention": {"EvidenceBucket"},
        "dynamodb:Query": {"AuditTable"},
        "dynamodb:Scan": {"AuditTable"},
        "kms:GetPublicKey": {"AuditKey"},
        "cloudformation:DescribeStackResource": {"AWS::StackName"},
    },
    "ReportFindingsRole": {
        "sqs:ReceiveMessage": {"ReportQueue"},
        "sqs:DeleteMessage": {"ReportQueue"},
        "sqs:GetQueueAttributes": {"ReportQueue"},
        "sqs:SendMessage": {"ReportDeadLetters"},
        "dynamodb:GetItem": {"LedgerTable"},
        "dynamodb:PutItem": {"LedgerTable"},
        "events:PutEvents": {"Bus"},
        "logs:CreateLogStream": {"ReportFindingsLogs"},
        "logs:PutLogEvents": {"ReportFindingsLogs"},
    },
    "RefreshOrganizationRole": {
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"FactsTable"},
        "dynamodb:PutItem": {"FactsTable", "LedgerTable"},
        "dynamodb:UpdateItem": {"FactsTable"},
        "dynamodb:DeleteItem": {"FactsTable"},
        "sqs:ReceiveMessage": {"OrganizationQueue"},
        "sqs:DeleteMessage": {"OrganizationQueue"},
        "sqs:GetQueueAttributes": {"OrganizationQueue"},
        "sqs:SendMessage": {"OrganizationQueue", "HintQueue", "OrganizationDeadLetters"},
        "dynamodb:Query": {"FactsTable"},
        "states:StartExecution": {"doorward-sweep"},
        "logs:CreateLogStream": {"RefreshOrganizationLogs"},
        "logs:PutLogEvents": {"RefreshOrganizationLogs"},
    },
    "SendHeartbeatsRole": {
        "sts:AssumeRole": {"doorward-canary"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"FactsTable"},
        "dynamodb:BatchGetItem": {"FactsTable"},
        "dynamodb:BatchWriteItem": {"FactsTable"},
        "dynamodb:PutItem": {"FactsTable", "LedgerTable"},
        "sqs:SendMessage": {"OrganizationQueue"},
        "states:StartExecution": {"doorward-sweep"},
        "logs:CreateLogStream": {"SendHeartbeatsLogs"},
        "logs:PutLogEvents": {"SendHeartbeatsLogs"},
    },
    "SweepRole": {
        "lambda:InvokeFunction": {"PlanSweepFunction", "SweepAccountFunction"},
        "states:StartExecution": {"doorward-sweep"},
        "states:DescribeExecution": {"doorward-sweep"},
        "states:StopExecution": {"doorward-sweep"},
    },
    "StartSweepRole": {"states:StartExecution": {"Sweep"}},
    "GrantRole": {
        "lambda:InvokeFunction": {"AdvanceGrantFunction", "KeepTokenFunction"},
        "kms:Decrypt": {"ExecutionsKey"},
        "kms:GenerateDataKey": {"ExecutionsKey"},
        "logs:CreateLogDelivery": {EVERYTHING},
        "logs:DeleteLogDelivery": {EVERYTHING},
        "logs:DescribeLogGroups": {EVERYTHING},
        "logs:DescribeResourcePolicies": {EVERYTHING},
        "logs:GetLogDelivery": {EVERYTHING},
        "logs:ListLogDeliveries": {EVERYTHING},
        "logs:PutResourcePolicy": {EVERYTHING},
        "logs:UpdateLogDelivery": {EVERYTHING},
    },
    "AdvanceGrantRole": {
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"GrantsTable", "LedgerTable", "AuditTable", "FactsTable"},
        "dynamodb:PutItem": {"GrantsTable", "LedgerTable", "AuditTable"},
        "dynamodb:DeleteItem": {"GrantsTable"},
        "logs:CreateLogStream": {"AdvanceGrantLogs"},
        "logs:PutLogEvents": {"AdvanceGrantLogs"},
    },
    "ReconcileGrantsRole": {
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:Query": {"GrantsTable"},
        "dynamodb:GetItem": {"GrantsTable", "LedgerTable", "AuditTable", "FactsTable"},
        "dynamodb:PutItem": {"GrantsTable", "LedgerTable", "AuditTable", "FactsTable"},
        "dynamodb:DeleteItem": {"GrantsTable", "FactsTable"},
        "states:DescribeExecution": {"doorward-grant"},
        "sqs:SendMessage": {"GrantQueue", "HintQueue"},
        "logs:CreateLogStream": {"ReconcileGrantsLogs"},
        "logs:PutLogEvents": {"ReconcileGrantsLogs"},
    },
    "KeepTokenRole": {
        "kms:Encrypt": {"GrantsKey"},
        "dynamodb:GetItem": {"GrantsTable", "LedgerTable"},
        "dynamodb:PutItem": {"GrantsTable"},
        "dynamodb:ConditionCheckItem": {"GrantsTable", "LedgerTable"},
        "logs:CreateLogStream": {"KeepTokenLogs"},
        "logs:PutLogEvents": {"KeepTokenLogs"},
    },
    "WakeGrantRole": {
        "sqs:ReceiveMessage": {"GrantQueue"},
        "sqs:DeleteMessage": {"GrantQueue"},
        "sqs:GetQueueAttributes": {"GrantQueue"},
        "sqs:SendMessage": {"GrantDeadLetters"},
        "states:StartExecution": {"GrantStateMachine"},
        "states:SendTaskSuccess": {"GrantStateMachine"},
        "kms:Decrypt": {"GrantsKey"},
        "dynamodb:GetItem": {"GrantsTable"},
        "dynamodb:DeleteItem": {"GrantsTable"},
        "logs:CreateLogStream": {"WakeGrantLogs"},
        "logs:PutLogEvents": {"WakeGrantLogs"},
    },
    "PlanSweepRole": {
        "dynamodb:GetItem": {"FactsTable"},
        "logs:CreateLogStream": {"PlanSweepLogs"},
        "logs:PutLogEvents": {"PlanSweepLogs"},
    },
    "SweepAccountRole": {
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "dynamodb:GetItem": {"FactsTable"},
        "dynamodb:BatchGetItem": {"LedgerTable"},
        "dynamodb:Query": {"LedgerTable"},
        "dynamodb:PutItem": {"FactsTable", "LedgerTable"},
        "dynamodb:UpdateItem": {"SessionsTable"},
        "dynamodb:DeleteItem": {"FactsTable"},
        "sqs:SendMessage": {"HintQueue"},
        "logs:CreateLogStream": {"SweepAccountLogs"},
        "logs:PutLogEvents": {"SweepAccountLogs"},
    },
    "CheckInstallationRole": {
        "sts:AssumeRole": {"doorward-read"},
        "secretsmanager:GetSecretValue": {"ExternalIdSecret"},
        "events:DescribeRule": {
            "ChangeRule",
            "SessionRule",
            "OrganizationRule",
            "IdentityCenterRule",
            "GuardRule",
            "OwnRoleRule",
            "OwnServicesRule",
            "SigningSecretRule",
            "NotifyRule",
            "DigestRule",
            "HeldBackRule",
            "CaseRule",
            "GrantRule",
            "DailyRule",
            "SweepRule",
            "RedriveRule",
            "HeartbeatRule",
            "FinishRule",
            "SealRule",
            "ReconcileRule",
            "TellManagementOfStoresRule",
            "TellManagementRule",
        },
        "sqs:GetQueueAttributes": {
            "ChangeQueue",
            "HintQueue",
            "SessionQueue",
            "OrganizationQueue",
            "GuardQueue",
            "NotifyQueue",
            "EvidenceQueue",
            "ReportQueue",
            "GrantQueue",
            "SlackQueue",
            "ChangeDeadLetters",
            "SessionDeadLetters",
            "OrganizationDeadLetters",
            "GuardDeadLetters",
            "NotifyDeadLetters",
            "EvidenceDeadLetters",
            "ReportDeadLetters",
            "GrantDeadLetters",
            "SlackDeadLetters",
            "OutboxDeadLetters",
            "RuleDeadLetters",
        },
        "lambda:ListEventSourceMappings": {EVERYTHING},
        "dynamodb:GetItem": {"FactsTable"},
        "logs:CreateLogStream": {"CheckInstallationLogs"},
        "logs:PutLogEvents": {"CheckInstallationLogs"},
    },
    "WatchSessionRole": {
        "sqs:ReceiveMessage": {"SessionQueue"},
        "sqs:DeleteMessage": {"SessionQueue"},
        "sqs:GetQueueAttributes": {"SessionQueue"},
        "sqs:SendMessage": {"SessionDeadLetters", "OrganizationQueue"},
        "dynamodb:GetItem": {"SessionsTable", "FactsTable"},
        "dynamodb:PutItem": {"SessionsTable", "LedgerTable", "FactsTable"},
        "dynamodb:UpdateItem": {"SessionsTable"},
        "dynamodb:Query": {"SessionsTable"},
        "logs:CreateLogStream": {"WatchSessionLogs"},
        "logs:PutLogEvents": {"WatchSessionLogs"},
    },
    "WatchGuardRole": {
        "sqs:ReceiveMessage": {"GuardQueue"},
        "sqs:DeleteMessage": {"GuardQueue"},
        "sqs:GetQueueAttributes": {"GuardQueue"},
        "sqs:SendMessage": {"GuardDeadLetters"},
        "dynamodb:GetItem": {"FactsTable"},
        "dynamodb:PutItem": {"LedgerTable"},
        "logs:CreateLogStream": {"WatchGuardLogs"},
        "logs:PutLogEvents": {"WatchGuardLogs"},
    },
}


def test_whoever_enters_other_accounts_is_known_to_whoever_watches_sessions(hub_source: Template) -> None:
    """By name and unique id: else Doorward's own sessions are told of as somebody else's."""
    setting = hub_source["Resources"]["WatchSessionFunction"]["Properties"]["Environment"]["Variables"]["ENTERING_ROLES"]
    known = {each["Fn::Sub"].partition("=")[0] for each in setting["Fn::Join"][1]}
    assert known == ENTERING


def test_nobody_but_the_function_that_checks_signatures_reads_slacks_signing_secret(hub: Template) -> None:
    of_secret = {
        name: [statement["Sid"] for statement in statements if "SlackSigningSecretArn" in json.dumps(statement)]
        for name, resource in hub["Resources"].items()
        if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
        for statements in [resource["Properties"].get("PolicyDocument", {}).get("Statement") or statements_of(resource)]
    }
    assert {name: sids for name, sids in of_secret.items() if sids} == {"ReceiveSlackSigningSecret": ["ReadSigningSecret"]}
    assert hub["Resources"]["ReceiveSlackSigningSecret"]["Properties"]["Roles"] == [{"Ref": "ReceiveSlackRole"}]
    may_read_any = [
        name
        for name, role in resources_of(hub, "AWS::IAM::Role").items()
        for statement in statements_of(role)
        if statement["Action"] == "secretsmanager:GetSecretValue" and statement["Resource"] != EXTERNAL_ID_SECRET
    ]
    assert may_read_any == []
    told = {
        name
        for name, function in resources_of(hub, "AWS::Lambda::Function").items()
        if "SlackSigningSecretArn" in json.dumps(function["Properties"]["Environment"])
    }
    assert "ReceiveSlackFunction" in told


def test_the_api_is_open_for_slacks_two_calls_alone(hub_source: Template, hub: Template) -> None:
    statements = hub_source["Resources"]["Api"]["Properties"]["Auth"]["ResourcePolicy"]["CustomStatements"]
    unconditional = [each for each in statements if "Condition" not in each]
    assert [each["Resource"] for each in unconditional] == [
        ["execute-api:/v1/POST/slack/interactions", "execute-api:/v1/POST/slack/commands"]
    ]
    api = hub["Resources"]["Api"]["Properties"]["Body"]
    unsigned = {
        (method, path)
        for path, methods in api["paths"].items()
        for method, each in methods.items()
        if each.get("security") in (None, [{"NONE": []}]) or each["security"] == []
    }
    assert unsigned == {("post", "/slack/interactions"), ("post", "/slack/commands")}


def test_without_its_parameters_nothing_comes_from_slack_and_nothing_is_decided_by_it(hub_source: Template) -> None:
    functions = resources_of(hub_source, "AWS::Serverless::Function")
    assert hub_source["Parameters"]["SlackSigningSecretArn"]["Default"] == hub_source["Parameters"]["SlackTeamIds"]["Default"] == ""
    deciding = {
        name: each["Properties"]["Environment"]["Variables"].get("DECIDE_BY_SLACK")
        for name, each in functions.items()
        if "DECIDE_BY_SLACK" in each["Properties"]["Environment"]["Variables"]
    }
    assert set(deciding) == {
        "ServeApiFunction",
        "AdvanceGrantFunction",
        "AnswerSlackFunction",
        "ReconcileGrantsFunction",
        "NotifyPeopleFunction",
        "ReactToChangeFunction",
    }
    assert all(each == {"Fn::If": ["DecidesBySlack", "true", "false"]} for each in deciding.values())
    needed = hub_source["Rules"]["SlackDecidesForKnownTeams"]["Assertions"]
    assert [each["Assert"]["Fn::Not"][0]["Fn::Equals"] for each in needed] == [[{"Ref": "SlackTeamIds"}, ""], [{"Ref": "SlackChannel"}, ""]]


def test_each_function_has_one_role_of_its_own_and_no_other_role_exists(hub: Template) -> None:
    roles = {function["Properties"]["Role"]["Fn::GetAtt"][0] for function in resources_of(hub, "AWS::Lambda::Function").values()}
    assert len(roles) == len(resources_of(hub, "AWS::Lambda::Function"))
    by_services = {"TellManagementRole", "StartSweepRole", "SweepRole", "GrantRole"}  # EventBridge and Step Functions
    by_people = {"AuditorRole"}
    assert roles | by_services | by_people == set(resources_of(hub, "AWS::IAM::Role")) == set(PERMISSIONS)


EXTERNAL_ID_SECRET = {"Fn::If": ["NewExternalId", {"Ref": "ExternalIdSecret"}, {"Ref": "ExternalIdSecretArn"}]}
"""The new one, or that of an earlier installation."""


@pytest.mark.parametrize("role", PERMISSIONS)
def test_a_function_may_do_exactly_what_is_written_down_for_it(hub: Template, role: str) -> None:
    granted: dict[str, set[str]] = {}
    for statement in statements_of(hub["Resources"][role]):
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            granted.setdefault(action, set()).update(_named(each) for each in as_list(statement["Resource"]))
    assert granted == PERMISSIONS[role]


def _named(resource: Any) -> str:
    """The logical id, or the role name, that a resource ARN names. `*` stands for itself; anything else names nothing that is allowed."""
    if resource == EVERYTHING:
        return EVERYTHING
    text = json.dumps(resource).replace(json.dumps(EXTERNAL_ID_SECRET), '{"Ref": "ExternalIdSecret"}')
    by_name = (
        r"stack/\$\{(AWS::StackName)\}|"
        r"(?:role/doorward/|stateMachine:|execution:|sns:\$\{AWS::Region\}:\$\{AWS::AccountId\}:)(grants/\*|[a-z-]+\*?)"
    )
    found = re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)\.Arn\}|' + by_name, text)
    names: list[str] = [name for groups in found for name in groups if name]
    assert len(names) == 1, f"not one named resource: {text}"
    return names[0]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_statement_has_a_sid_and_says_why(name: str) -> None:
    lines = source(name).splitlines()
    effects = [number for number, line in enumerate(lines) if re.match(r"\s+(- )?Effect:", line)]
    sids = [number for number, line in enumerate(lines) if re.match(r"\s+- Sid: \w+", line)]
    forwarded = 1 if name == "template.yaml" else 0  # the bus policy is one statement, named by its StatementId
    assert len(effects) == len(sids) + forwarded
    for number in sids:
        above = number - 1
        while lines[above].strip().startswith("#") and "Why:" not in lines[above]:
            above -= 1
        assert "# Why: " in lines[above], f"{name}:{number + 1}: {lines[number].strip()} has no reason"


MORE_KEYS = {
    ("PublishOutboxRole", "ReadWhatPeopleTurn"): ["STOP", "SUSPENDED"],
    ("NotifyPeopleRole", "RememberWhatChannelsWereTold"): "NOTICES#*",
    ("NotifyPeopleRole", "KnowSlackUsers"): "SLACKOF#*",
    ("NotifyPeopleRole", "KnowTheOrganization"): "ORGANIZATION",
}
"""What outbox functions touch beside the outbox."""


def test_outbox_functions_touch_outbox_items_alone(hub: Template) -> None:
    for role in ("PublishOutboxRole", "NotifyPeopleRole", "ReportFindingsRole"):
        for statement in statements_of(hub["Resources"][role]):
            if any(
                action.startswith("dynamodb:") and not action.endswith(("Stream", "Streams", "Records", "ShardIterator"))
                for action in as_list(statement["Action"])
            ):
                (keys,) = [each for operator, each in statement["Condition"].items() if operator.startswith("ForAllValues:")]
                assert keys == {"dynamodb:LeadingKeys": MORE_KEYS.get((role, statement["Sid"]), "OUTBOX#*")}
                assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}  # ForAllValues is true on none


def test_only_this_source_can_be_announced(hub: Template) -> None:
    statement = next(each for each in statements_of(hub["Resources"]["PublishOutboxRole"]) if each["Action"] == "events:PutEvents")
    assert statement["Condition"] == {
        "StringEquals": {
            "events:source": [
                "doorward.baseline",
                "doorward.decisions",
                "doorward.grants",
                "doorward.guardrails",
                "doorward.sessions",
                "doorward.guard",
            ]
        }
    }


CLOUDTRAIL = {"AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail", "AWS Service Event via CloudTrail"}
"""What EventBridge carries of CloudTrail, without insights: they are no calls."""


def test_the_bus_takes_only_forwarded_cloudtrail_events_of_the_own_organization(hub: Template) -> None:
    policy = hub["Resources"]["BusPolicy"]
    assert policy["Condition"] == "InOrganization"
    assert policy["Properties"]["Statement"]["Action"] == "events:PutEvents"
    condition = policy["Properties"]["Statement"]["Condition"]
    assert set(condition) == {"StringEquals", "Bool"}
    assert condition["Bool"] == {"events:eventBusInvocation": "true"}
    assert set(condition["StringEquals"]) == {"aws:PrincipalOrgID", "events:source", "events:detail-type"}
    assert condition["StringEquals"]["aws:PrincipalOrgID"] == {"Ref": "OrganizationId"}
    assert set(condition["StringEquals"]["events:detail-type"]) == CLOUDTRAIL
    assert all(each.startswith("aws.") and "*" not in each for each in condition["StringEquals"]["events:source"])


def test_every_rule_on_the_bus_is_about_sources_that_the_bus_takes_or_doorwards_own(hub: Template) -> None:
    taken = set(hub["Resources"]["BusPolicy"]["Properties"]["Statement"]["Condition"]["StringEquals"]["events:source"])
    asked = {
        each
        for rule in resources_of(hub, "AWS::Events::Rule").values()
        if "EventBusName" in rule["Properties"]
        for each in events_of(rule["Properties"]["EventPattern"])
    }
    assert {each for each in asked if not each.startswith("doorward.")} == taken


def test_every_rule_on_cloudtrail_events_sees_all_management_events_and_pins_source_and_name(hub: Template) -> None:
    rules = {name: rule["Properties"] for name, rule in resources_of(hub, "AWS::Events::Rule").items()}
    ours = {"NotifyRule", "CaseRule", "GrantRule"}
    on_cloudtrail = {name: rule for name, rule in rules.items() if name not in ours and "ScheduleExpression" not in rule}
    assert len(on_cloudtrail) == 11
    for name, rule in on_cloudtrail.items():
        assert rule["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", name
        assert set(rule["EventPattern"]["detail-type"]) <= CLOUDTRAIL, name
        assert len(json.dumps(rule["EventPattern"], separators=(",", ":"))) <= 2048, name  # EventBridge's quota
        if name != "OwnRoleRule":  # whatever IAM call names one of Doorward's own roles
            assert all(events_of(rule["EventPattern"]).values()), name


def test_what_a_rule_cannot_deliver_has_a_queue_that_takes_it_from_that_rule(hub: Template) -> None:
    policies = resources_of(hub, "AWS::SQS::QueuePolicy")
    for rule_name, rule in resources_of(hub, "AWS::Events::Rule").items():
        for target in rule["Properties"]["Targets"]:
            assert _may_send(policies, rule_name, target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0])
            if target["Arn"] == {"Ref": "GuardTopicArn"}:
                continue  # in the management account, whose template says who may publish
            receiver = target["Arn"]["Fn::GetAtt" if "Fn::GetAtt" in target["Arn"] else "Ref"]
            receiver = receiver[0] if isinstance(receiver, list) else receiver
            match hub["Resources"][receiver]["Type"]:
                case "AWS::Lambda::Function":
                    assert _may_start(hub, rule_name, receiver), f"{rule_name} may not start {receiver}"
                case "AWS::StepFunctions::StateMachine":
                    # Under a role, whose permissions are among PERMISSIONS.
                    assert statements_of(hub["Resources"][target["RoleArn"]["Fn::GetAtt"][0]])[0]["Action"] == "states:StartExecution"
                case _:
                    assert _may_send(policies, rule_name, receiver), f"{rule_name} may not send to {receiver}"


def _may_start(hub: Template, rule_name: str, function: str) -> bool:
    return {
        "FunctionName": {"Ref": function},
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": [rule_name, "Arn"]},
    } in [each["Properties"] for each in resources_of(hub, "AWS::Lambda::Permission").values()]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("ReactToChangeRole", {"ORGANIZATION", "BEAT#*"}),
        ("RefreshOrganizationRole", {"ORGANIZATION", "INVENTORY", "INVENTORY#*"}),
        ("WatchGuardRole", {"ORGANIZATION"}),
        ("WatchSessionRole", {"ORGANIZATION", "BEAT#*"}),
        ("SendHeartbeatsRole", {"ORGANIZATION", "BEAT#*"}),
        ("FinishStartedRole", {"ORGANIZATION"}),
    ],
)
def test_facts_are_touched_under_the_keys_of_each_functions_own_work(hub: Template, role: str, expected: set[str]) -> None:
    keys = set()
    for statement in statements_of(hub["Resources"][role]):
        if "FactsTable" not in json.dumps(statement["Resource"]):
            continue
        (operator,) = {each for each in statement["Condition"] if each.startswith("ForAllValues:")}
        keys.update(as_list(statement["Condition"][operator]["dynamodb:LeadingKeys"]))
        assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}  # ForAllValues is true on none
    assert keys == expected


def test_dead_letters_of_changes_that_are_moved_back_start_a_sweep(hub: Template) -> None:
    queues = hub["Resources"]
    pattern = queues["RedriveRule"]["Properties"]["EventPattern"]["detail"]
    moved = {each["Fn::GetAtt"][0] for each in pattern["requestParameters"]["sourceArn"]}
    # Those of sessions, of the guard and of messages hold nothing that tells of a role.
    about_roles = {"ChangeDeadLetters", "OrganizationDeadLetters", "RuleDeadLetters"}
    assert moved == about_roles
    (target,) = queues["RedriveRule"]["Properties"]["Targets"]
    assert "accounts" not in json.loads(target["Input"])  # all of them


def test_hints_keep_no_change_waiting(hub: Template) -> None:
    mappings = [each["Properties"] for each in resources_of(hub, "AWS::Lambda::EventSourceMapping").values()]
    taken = [each for each in mappings if each["FunctionName"] == {"Ref": "ReactToChangeFunction"}]
    assert {each["EventSourceArn"]["Fn::GetAtt"][0]: each["BatchSize"] for each in taken} == {"ChangeQueue": 1, "HintQueue": 1}


def test_who_stops_the_heartbeats_or_the_sweep_is_told_of(hub: Template) -> None:
    sweep = hub["Resources"]["SweepStoppedAlarm"]["Properties"]
    assert (sweep["TreatMissingData"], sweep["MetricName"]) == ("breaching", "ExecutionsSucceeded")
    alarm = hub["Resources"]["HeartbeatStoppedAlarm"]["Properties"]
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["MetricName"] == "Invocations"


def test_accounts_are_beaten_every_five_minutes_unless_told_otherwise_and_the_function_counts_its_turns_alike(hub: Template) -> None:
    assert hub["Parameters"]["HeartbeatMinutes"]["Default"] == 5
    rule = hub["Resources"]["HeartbeatRule"]["Properties"]
    assert rule["ScheduleExpression"] == {"Fn::Sub": "cron(0/${HeartbeatMinutes} * * * ? *)"}
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": ["SendHeartbeatsFunction", "Arn"]}
    variables = hub["Resources"]["SendHeartbeatsFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["HEARTBEAT_MINUTES"] == {"Ref": "HeartbeatMinutes"}


def test_a_daily_read_is_called_for_in_the_form_that_the_function_knows(hub: Template) -> None:
    (target,) = hub["Resources"]["DailyRule"]["Properties"]["Targets"]
    assert json.loads(target["Input"])["format"] == REFRESH
    assert target["Arn"] == {"Fn::GetAtt": ["OrganizationQueue", "Arn"]}


def _may_send(policies: Template, rule_name: str, queue: str) -> bool:
    for policy in policies.values():
        if policy["Properties"]["Queues"] != [{"Ref": queue}]:
            continue
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            sources = as_list(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
            condition = {"SigningSecretRule": "DecidesBySlack"}.get(rule_name, "TellsManagement")
            arn = {"Fn::GetAtt": [rule_name, "Arn"]}
            if arn in sources or {"Fn::If": [condition, arn, {"Ref": "AWS::NoValue"}]} in sources:
                return True
    return False


def test_every_queue_is_encrypted_by_sqs_itself_so_that_eventbridge_can_write_to_it(hub: Template) -> None:
    for name, queue in resources_of(hub, "AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
        assert queue["Properties"]["MessageRetentionPeriod"] == 1209600, name


def test_every_place_for_what_failed_has_an_alarm_that_tells_people(hub: Template) -> None:
    alarms = resources_of(hub, "AWS::CloudWatch::Alarm")
    watched = {json.dumps(alarm["Properties"]["Dimensions"][0]["Value"]) for alarm in alarms.values()}
    dead_letters = [name for name in resources_of(hub, "AWS::SQS::Queue") if "DeadLetters" in name]
    assert dead_letters
    for name in dead_letters:
        assert json.dumps({"Fn::GetAtt": [name, "QueueName"]}) in watched, name
    for name in resources_of(hub, "AWS::Lambda::Function"):
        assert json.dumps({"Ref": name}) in watched, name
    for name, alarm in alarms.items():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "Topic"}], name
        assert alarm["Properties"]["AlarmDescription"].endswith("."), name


def test_every_queue_that_feeds_a_function_gives_up_into_dead_letters_and_reports_partial_batches(hub: Template) -> None:
    mappings = resources_of(hub, "AWS::Lambda::EventSourceMapping")
    for mapping in mappings.values():
        properties = mapping["Properties"]
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        source_id = properties["EventSourceArn"]["Fn::GetAtt"][0]
        if hub["Resources"][source_id]["Type"] == "AWS::SQS::Queue":
            queue = hub["Resources"][source_id]["Properties"]
            function = hub["Resources"][properties["FunctionName"]["Ref"]]["Properties"]
            assert "DeadLetters" in queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
            assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
        else:
            assert properties["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] == "OutboxDeadLetters"


def test_a_lock_outlives_the_function_that_took_it(hub: Template) -> None:
    assert LEASE.total_seconds() > hub["Resources"]["ReactToChangeFunction"]["Properties"]["Timeout"]


def test_every_table_can_be_restored_is_encrypted_and_not_deleted_by_accident(hub: Template) -> None:
    tables = resources_of(hub, "AWS::DynamoDB::Table")
    assert set(tables) == {"LedgerTable", "BaselinesTable", "SessionsTable", "FactsTable", "AuditTable", "GrantsTable"}
    for table in tables.values():
        properties = table["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["SSESpecification"] == {"SSEEnabled": True}
        assert properties["DeletionProtectionEnabled"] is True
        assert table["DeletionPolicy"] == "RetainExceptOnCreate"
        assert table["UpdateReplacePolicy"] == "Retain"
    assert tables["LedgerTable"]["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert "TimeToLiveSpecification" not in tables["BaselinesTable"]["Properties"]  # a baseline never expires
    # The stream carries keys alone: what a case holds does not travel through it.
    assert tables["LedgerTable"]["Properties"]["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}


def test_every_function_logs_into_a_group_of_its_own_that_forgets(hub: Template) -> None:
    groups = resources_of(hub, "AWS::Logs::LogGroup")
    for function in resources_of(hub, "AWS::Lambda::Function").values():
        group = groups.pop(function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"])
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    # What executions of grants log is no function's.
    assert {name: each["Properties"]["RetentionInDays"] for name, each in groups.items()} == {"GrantLogs": {"Ref": "LogRetentionDays"}}


def test_the_topic_is_encrypted_under_a_key_that_alarms_may_use(hub: Template) -> None:
    assert hub["Resources"]["Topic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "TopicKey"}
    key = hub["Resources"]["TopicKey"]["Properties"]
    assert key["EnableKeyRotation"] is True
    alarms = next(each for each in key["KeyPolicy"]["Statement"] if each["Principal"] == {"Service": "cloudwatch.amazonaws.com"})
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    publishers = [
        each["Principal"]
        for each in hub["Resources"]["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow"
    ]
    assert publishers == [{"Service": "cloudwatch.amazonaws.com"}]


def test_the_external_id_is_made_by_the_secret_and_stands_nowhere_in_the_template(hub: Template) -> None:
    assert hub["Resources"]["ExternalIdSecret"]["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32
    assert hub["Resources"]["ExternalIdSecret"]["Condition"] == "NewExternalId"
    uses = [line for line in source("template.yaml").splitlines() if "!Ref ExternalIdSecret" in line]
    # Its ARN only: as a setting, a statement's resource, an output, in a pattern, and among what watch_guard knows to be Doorward's.
    assert all(
        any(each in line for each in ("SECRET", "Resource:", "Value:", "NewExternalId:", "- !If [NewExternalId,", "secretId:"))
        for line in uses
    )


def test_another_account_is_entered_only_within_the_own_organization(hub: Template) -> None:
    statement = next(each for each in statements_of(hub["Resources"]["ReactToChangeRole"]) if each["Sid"] == "EnterMemberAccounts")
    assert statement["Condition"]["Fn::If"][:2] == ["InOrganization", {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}}]
    for resource in statement["Resource"]:
        assert resource["Fn::Sub"][1] == {"Accounts": {"Fn::If": ["InOrganization", "*", {"Ref": "AWS::AccountId"}]}}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_parameter_is_described_and_checked(name: str) -> None:
    for parameter, definition in parsed(name)["Parameters"].items():
        assert definition["Description"].endswith((".", ")")), parameter
        assert {"AllowedPattern", "AllowedValues"} & set(definition) or {"MinValue", "MaxValue"} <= set(definition), parameter
        assert "AllowedValues" in definition or "ConstraintDescription" in definition, parameter


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_yaml_alias_is_used_because_cloudformation_reads_none(name: str) -> None:
    tokens = [token for token in yaml.scan(source(name)) if isinstance(token, yaml.AliasToken | yaml.AnchorToken)]
    assert tokens == []


def test_every_function_folder_is_a_function_and_every_function_has_its_folder_and_use_case(hub_source: Template) -> None:
    functions = resources_of(hub_source, "AWS::Serverless::Function")
    by_folder = {function["Properties"]["CodeUri"].split("/")[1]: name for name, function in functions.items()}
    folders = {each.name for each in (REPOSITORY / "functions").iterdir() if each.is_dir() and not each.name.startswith("__")}
    assert set(by_folder) == folders
    for folder, logical_id in by_folder.items():
        assert logical_id == "".join(word.capitalize() for word in folder.split("_")) + "Function"
        assert (REPOSITORY / "layers/doorward/doorward/usecases" / f"{folder}.py").is_file()
        handlers = {each.name for each in (REPOSITORY / "functions" / folder).iterdir() if not each.name.startswith("__")}
        assert handlers == {"handler.py"}


def test_the_hub_refuses_a_region_without_iam_events(hub_source: Template) -> None:
    assertion = hub_source["Rules"]["IamRegion"]["Assertions"][0]
    assert assertion["Assert"]["Fn::Contains"] == [["us-east-1", "cn-north-1", "us-gov-west-1"], {"Ref": "AWS::Region"}]


def test_the_check_up_looks_at_every_queue_and_every_rule_of_the_stack(hub_source: Template) -> None:
    check_up = hub_source["Resources"]["CheckInstallationFunction"]["Properties"]["Environment"]["Variables"]
    told = json.dumps(check_up["QUEUES"])
    may = json.dumps(statements_of(hub_source["Resources"]["CheckInstallationRole"]))
    for rule, resource in resources_of(hub_source, "AWS::Events::Rule").items():
        hears_all = resource["Properties"].get("State") == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
        names = {each: f'{{"Ref": "{rule}"}}' in json.dumps(check_up[each]) for each in ("LISTENING_RULES", "OTHER_RULES")}
        assert names == {"LISTENING_RULES": hears_all, "OTHER_RULES": not hears_all}, rule
        assert f'"{rule}.Arn"' in may or f'["{rule}", "Arn"]' in may, rule
    for queue in resources_of(hub_source, "AWS::SQS::Queue"):
        assert f"{queue}=${{{queue}}}" in told, queue
        assert f'"{queue}.Arn"' in may or f'["{queue}", "Arn"]' in may, queue
