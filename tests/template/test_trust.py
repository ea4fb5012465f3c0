"""Doorward's own doors, judged by Doorward itself, and by its evaluator."""

import json
import pathlib
from typing import Any

import pytest
from typer.testing import CliRunner

from doorward_cli.main import app
from tests.template.conftest import REPOSITORY, TEMPLATES, parsed, resources_of

HUB, PROD = "111122223333", "777788889999"
GIVEN = {
    "HubAccountId": HUB,
    "HubBusArn": f"arn:aws:events:us-east-1:{HUB}:event-bus/doorward",
    "OrganizationId": "o-a1b2c3d4e5",
    "ExternalId": "q7Vw2ZrT9LxK4mB8sYcD1nGhJ6pFvR3tEuA5XzQyWbNkCdMe",  # as Secrets Manager makes one; nobody's
    "AllowRemedies": "true",
    "AllowGrants": "true",
    "AuditorPrincipalArn": f"arn:aws:iam::{HUB}:role/audit/Auditors",
    "GuardTopicArn": "arn:aws:sns:us-east-1:123456789012:doorward-guard",
}


@pytest.mark.parametrize("name", [each for each in TEMPLATES if resources_of(parsed(each), "AWS::IAM::Role")])
def test_the_engine_finds_nothing_above_info_in_any_trust_policy_of_ours(name: str, tmp_path: pathlib.Path) -> None:
    report = _judged(name, parsed(name), tmp_path)
    roles = resources_of(parsed(name), "AWS::IAM::Role")
    assert len(report["roles"]) == len(roles)
    for role in report["roles"]:
        assert role["verdict"] == "compliant", role
        assert {finding["severity"] for finding in role["findings"]} <= {"info"}, role
        assert role["undecidable"] == []


def test_the_engine_would_find_it_if_the_external_id_and_the_callers_were_left_out(tmp_path: pathlib.Path) -> None:
    template = parsed("accounts/member.yaml")
    (statement,) = template["Resources"]["ReadRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    del statement["Condition"]
    statement["Principal"] = {"AWS": "*"}
    assert {role["verdict"] for role in _judged("open", template, tmp_path)["roles"]} == {"compliant", "violating"}


def _judged(name: str, template: dict[str, Any], folder: pathlib.Path) -> Any:
    """What `doorward check` says of a template whose parameters are given."""
    for parameter, value in GIVEN.items():
        if parameter in template["Parameters"]:
            template["Parameters"][parameter]["Default"] = value
    file = folder / f"{pathlib.PurePath(name).stem}.json"
    file.write_text(json.dumps(template), "utf-8")
    config = str(REPOSITORY / "config")
    result = CliRunner().invoke(app, ["check", str(file), "--account", PROD, "--config", config, "--format", "json", "--fail-on", "never"])
    report = json.loads(result.stdout)
    assert report["errors"] == []
    return report
