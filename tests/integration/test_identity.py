"""Who somebody is, on the local stack: nobody, once Identity Center's SAML provider was changed in the hub, until a person has looked."""

from typing import Any

import pytest

from doorward.aws.suspensions import SUSPENDED, DynamoSuspensions
from doorward.people.model import Suspension
from local.installation import Installation
from local.world import HUB, STAGING
from tests.integration.emulated import unique

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

METADATA = "<EntityDescriptor/>" + " " * 1000
"""No shorter one is taken."""


def end(dynamodb: Any, table: str, suspension: Suspension) -> None:
    """As the runbook says."""
    dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": SUSPENDED}, "sk": {"S": suspension.scope}},
        UpdateExpression="SET ended_by = :me",
        ConditionExpression="#change = :seen",
        ExpressionAttributeNames={"#change": "change"},
        ExpressionAttributeValues={":me": {"S": "jane"}, ":seen": {"S": suspension.change}},
    )


def test_a_change_of_identity_centers_provider_in_the_hub_suspends_identity_until_a_person_ends_it(doorward: Installation) -> None:
    dynamodb, table = doorward.stack.client("dynamodb", HUB.id), doorward.outputs["LedgerTableName"]
    suspensions = DynamoSuspensions(dynamodb, table)
    name = unique("AWSSSO_") + "_DO_NOT_DELETE"
    for account in (STAGING, HUB):
        iam = doorward.stack.client("iam", account.id)
        arn = iam.create_saml_provider(Name=name, SAMLMetadataDocument=METADATA)["SAMLProviderArn"]
    # Right after the installation the events of its own roles are still being handled.
    created = doorward.stack.until(lambda: suspensions.of(HUB.id), "the suspension of identity from the hub", seconds=90)
    assert created is not None
    assert f"CreateSAMLProvider on {arn}" in created.because
    alerts = doorward.stack.until(lambda: doorward.alerts("identity-suspended"), "the alert")
    assert alerts is not None
    assert [(each.detail["severity"], each.detail["account"]["id"]) for each in alerts] == [("critical", HUB.id)]
    assert suspensions.of(STAGING.id) is None  # no identity account
    end(dynamodb, table, created)
    assert suspensions.of(HUB.id) is None
    told = doorward.stack.until(
        lambda: [each for each in doorward.alerts("identity-suspended") if each.detail["title"] == "a suspension is over"], "its end"
    )
    assert [each.detail["principal"] for each in told] == ["jane"]
    iam.delete_saml_provider(SAMLProviderArn=arn)
    deleted = doorward.stack.until(lambda: suspensions.of(HUB.id), "the suspension by what was done later")
    assert deleted is not None
    assert "DeleteSAMLProvider" in deleted.because
    end(dynamodb, table, deleted)
    assert suspensions.of(HUB.id) is None
