"""What holds grants together in the hub stack: who may start and wake their executions, and who may read what they are woken by."""

import json
from typing import Any

import pytest

from doorward.usecases.wake_grant import WOKEN_BY
from tests.template.conftest import REPOSITORY, as_list, resources_of, statements_of

type Template = dict[str, Any]

STATE_MACHINE = "doorward-grant"


def _allowed(hub: Template, action: str) -> dict[str, list[str]]:
    """By role: the Sids of the statements that allow an action, on whatever."""
    found = {
        name: [statement["Sid"] for statement in statements_of(role) if action in as_list(statement["Action"])]
        for name, role in resources_of(hub, "AWS::IAM::Role").items()
    }
    managed = {
        name: [each["Sid"] for each in policy["Properties"]["PolicyDocument"]["Statement"] if action in as_list(each["Action"])]
        for name, policy in resources_of(hub, "AWS::IAM::ManagedPolicy").items()
    }
    return {name: sids for name, sids in (found | managed).items() if sids}


def _on(hub: Template, action: str, logical_id: str) -> set[str]:
    """The roles that may do this with one thing of the stack, by its logical id or, of the state machine, by its name."""
    names = {logical_id} | ({STATE_MACHINE} if logical_id == "GrantStateMachine" else set())
    return {
        name
        for name in _allowed(hub, action)
        for statement in statements_of(hub["Resources"][name])
        if action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if resource == "*" or any(f'"{each}"' in json.dumps(resource) or f":{each}" in json.dumps(resource) for each in names)
    }


def test_only_wake_grant_answers_for_an_execution_and_starts_one(hub: Template) -> None:
    assert set(_allowed(hub, "states:SendTaskSuccess")) == {"WakeGrantRole"}
    assert _on(hub, "states:StartExecution", "GrantStateMachine") == {"WakeGrantRole"}
    for action in ("states:SendTaskFailure", "states:SendTaskHeartbeat", "states:RedriveExecution", "states:GetExecutionHistory"):
        assert _allowed(hub, action) == {}
    assert _on(hub, "states:StopExecution", "GrantStateMachine") == set()


def test_only_wake_grant_opens_a_token_and_only_keep_token_seals_one(hub: Template) -> None:
    assert _on(hub, "kms:Decrypt", "GrantsKey") == {"WakeGrantRole"}
    assert _on(hub, "kms:Encrypt", "GrantsKey") == {"KeepTokenRole"}
    statements = {each["Sid"]: each for each in hub["Resources"]["GrantsKey"]["Properties"]["KeyPolicy"]["Statement"]}
    for sid, role, actions in (
        ("OnlyWakeGrantOpens", "doorward-wake-grant", {"kms:Decrypt", "kms:ReEncryptFrom"}),
        ("OnlyKeepTokenSeals", "doorward-keep-token", {"kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncryptTo"}),
    ):
        assert (statements[sid]["Effect"], statements[sid]["Principal"], set(statements[sid]["Action"])) == ("Deny", "*", actions)
        excepted = statements[sid]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]["Fn::Sub"]
        assert excepted.endswith(f":role/doorward/{role}")
        assert list(statements[sid]["Condition"]) == ["ArnNotEquals"]
    assert {hub["Resources"][each]["Properties"]["RoleName"] for each in ("WakeGrantRole", "KeepTokenRole")} == {
        "doorward-wake-grant",
        "doorward-keep-token",
    }


def test_none_of_doorwards_functions_can_open_an_executions_history(hub: Template) -> None:
    by_functions = {each["Properties"]["Role"]["Fn::GetAtt"][0] for each in resources_of(hub, "AWS::Lambda::Function").values()}
    assert _on(hub, "kms:Decrypt", "ExecutionsKey") == {"GrantRole"}
    assert "GrantRole" not in by_functions
    machine = hub["Resources"]["GrantStateMachine"]["Properties"]
    assert machine["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert machine["EncryptionConfiguration"]["KmsKeyId"] == {"Fn::GetAtt": ["ExecutionsKey", "Arn"]}


def test_an_execution_logs_that_it_failed_and_never_with_what(hub: Template) -> None:
    logging = hub["Resources"]["GrantStateMachine"]["Properties"]["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)


def test_both_keys_of_grants_are_rotated_kept_and_guarded(hub: Template, hub_source: Template) -> None:
    guarded = json.dumps(hub_source["Resources"]["WatchGuardFunction"]["Properties"]["Environment"]["Variables"]["GUARDED_IDENTIFIERS"])
    told = json.dumps(hub["Resources"]["TellManagementOfStoresRule"]["Properties"]["EventPattern"])
    for name in ("GrantsKey", "ExecutionsKey"):
        key = hub["Resources"][name]
        assert key["Properties"]["EnableKeyRotation"] is True
        assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
        assert f'{{"Ref": "{name}"}}' in guarded
        assert f"*${{{name}}}" in told


def test_the_state_machine_s_functions_answer_before_its_steps_give_up(hub: Template) -> None:
    states = json.loads((REPOSITORY / "statemachines" / "grant.asl.json").read_text("utf-8"))["States"]
    steps = [state for state in states.values() if state["Type"] == "Task" and "TimeoutSeconds" in state]
    assert steps
    longest = hub["Resources"]["AdvanceGrantFunction"]["Properties"]["Timeout"]
    assert all(state["TimeoutSeconds"] > longest for state in steps)


@pytest.mark.parametrize("function", ["ServeApiFunction", "AnswerSlackFunction"])
def test_whoever_decides_only_commits_to_the_tables(hub: Template, function: str) -> None:
    role = hub["Resources"][hub["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]]
    assert not [each for statement in statements_of(role) for each in as_list(statement["Action"]) if each.startswith(("states:", "kms:"))]
    assert "GRANTS_KEY" not in hub["Resources"][function]["Properties"]["Environment"]["Variables"]


def test_what_an_execution_waits_for_is_what_wakes_it(hub: Template) -> None:
    """DecisionWithdrawn is not among it: whoever withdraws the question has moved the grant."""
    pattern = hub["Resources"]["GrantRule"]["Properties"]["EventPattern"]["$or"]
    assert {source: set(each["detail-type"]) for each in pattern for source in each["source"]} == WOKEN_BY
    assert [each.keys() for each in pattern] == [{"source", "detail-type"}, {"source", "detail-type", "detail"}]
    assert pattern[1]["detail"] == {"what": ["grant"]}


def test_grants_are_found_by_whether_they_stand_by_person_and_by_month_and_by_keys_alone(hub: Template) -> None:
    indexes = hub["Resources"]["GrantsTable"]["Properties"]["GlobalSecondaryIndexes"]
    keys = {each["IndexName"]: [key["AttributeName"] for key in each["KeySchema"]] for each in indexes}
    assert keys == {name + "-index": [name, "grant_id"] for name in ("standing", "person", "month")}
    assert {each["Projection"]["ProjectionType"] for each in indexes} == {"KEYS_ONLY"}
    assert "TimeToLiveSpecification" not in hub["Resources"]["GrantsTable"]["Properties"]


def test_who_may_do_what_with_which_items_of_grants(hub: Template) -> None:
    """By partition key. What was opened, and what the broker goes by, is written by those alone that begin and end grants."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, role in resources_of(hub, "AWS::IAM::Role").items():
        for statement in statements_of(role):
            if {"Fn::GetAtt": ["GrantsTable", "Arn"]} not in as_list(statement["Resource"]):
                continue
            assert set(statement["Condition"]) == {"ForAllValues:StringLike", "Null"}, (name, statement["Sid"])
            assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}  # ForAllValues is true on none
            for action in as_list(statement["Action"]):
                keys = as_list(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
                found.setdefault((name.removesuffix("Role"), action.removeprefix("dynamodb:")), set()).update(keys)
    grants, opened, tokens = "GRANT#*", "OPEN#*", "TOKEN#*"
    assert found == {
        ("ServeApi", "GetItem"): {grants},
        ("ServeApi", "PutItem"): {grants},
        ("ServeApi", "Query"): {grants},
        ("AnswerSlack", "GetItem"): {grants},
        ("AnswerSlack", "PutItem"): {grants},
        ("MintCredentials", "GetItem"): {grants, opened},
        ("MintCredentials", "UpdateItem"): {grants},
        ("AdvanceGrant", "GetItem"): {grants},
        ("AdvanceGrant", "PutItem"): {grants, opened},
        ("AdvanceGrant", "DeleteItem"): {opened},
        ("ReconcileGrants", "GetItem"): {grants, tokens},
        ("ReconcileGrants", "PutItem"): {grants, opened},
        ("ReconcileGrants", "DeleteItem"): {opened},
        ("KeepToken", "GetItem"): {grants},
        ("KeepToken", "ConditionCheckItem"): {grants},
        ("KeepToken", "PutItem"): {tokens},
        ("WakeGrant", "GetItem"): {grants, tokens},
        ("WakeGrant", "DeleteItem"): {tokens},
    }


def test_grants_are_looked_after_every_five_minutes_and_who_stops_that_is_told_of(hub: Template) -> None:
    """In every installation, and never as a dry run; by what the function itself counts (tests/handlers/test_reconcile_grants.py)."""
    resources = hub["Resources"]
    of_it = ("ReconcileRule", "ReconcilePermission", "ReconcileGrantsFunction", "ReconcilingStoppedAlarm", "ReconcileGrantsErrorsAlarm")
    assert [each for each in of_it if "Condition" in resources[each]] == []
    rule = resources["ReconcileRule"]["Properties"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["ReconcileGrantsFunction", "Arn"]}
    assert not {"Input", "InputPath", "InputTransformer"} & set(target)
    permission = resources["ReconcilePermission"]["Properties"]
    assert (permission["FunctionName"], permission["SourceArn"]) == (
        {"Ref": "ReconcileGrantsFunction"},
        {"Fn::GetAtt": ["ReconcileRule", "Arn"]},
    )
    assert resources["ReconcileGrantsFunction"]["Properties"]["Timeout"] < 300  # a turn ends before the next
    alarm = resources["ReconcilingStoppedAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("Doorward", "GrantsLookedAfter", "Sum")
    assert _fires(alarm) == ("LessThanThreshold", 1, "breaching")
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 30 * 60
    failed = resources["ReconcileGrantsErrorsAlarm"]["Properties"]
    assert (failed["MetricName"], failed["Dimensions"]) == (
        "Errors",
        [{"Name": "FunctionName", "Value": {"Ref": "ReconcileGrantsFunction"}}],
    )
    assert _fires(failed) == ("GreaterThanThreshold", 0, "notBreaching")


@pytest.mark.parametrize(
    ("name", "metric"), [("GrantExecutionsFailedAlarm", "ExecutionsFailed"), ("GrantExecutionsStoppedAlarm", "ExecutionsAborted")]
)
def test_an_execution_that_fails_or_is_stopped_is_told_of_in_every_installation(hub: Template, name: str, metric: str) -> None:
    assert "Condition" not in hub["Resources"][name]
    alarm = hub["Resources"][name]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/States", metric, "Sum")
    assert alarm["Dimensions"] == [{"Name": "StateMachineArn", "Value": {"Ref": "GrantStateMachine"}}]
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 1)
    assert _fires(alarm) == ("GreaterThanThreshold", 0, "notBreaching")


def _fires(alarm: Template) -> tuple[str, int, str]:
    """When, of what, and what no data means. That it is told to people, every alarm's test says (test_hub.py)."""
    return alarm["ComparisonOperator"], alarm["Threshold"], alarm["TreatMissingData"]
