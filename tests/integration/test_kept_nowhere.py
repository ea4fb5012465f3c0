"""What somebody sends to the API stands in no log and no table, but for the reason that he gives, which stands in the question."""

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from local import identity_center
from local.installation import Installation, People
from local.world import ANN, HUB
from tests.integration.emulated import unique
from tests.integration.test_openapi import asked_about, session_of
from tests.unit.test_authorize_token import token

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

PLACES = ("reason", "malformed", "field", "query", "parameter", "header", "agent", "key", "path", "signature", "claims", "bearer")
"""Where a canary is sent."""


@pytest.fixture(scope="module")
def canaries() -> dict[str, str]:
    return {place: unique(f"canary-{place}") for place in PLACES}


@pytest.fixture(scope="module")
def sent(doorward: Installation, people: dict[str, People], canaries: dict[str, str]) -> str:
    """The id of the finding about which the reason was given."""
    finding_id, _ = asked_about(doorward, people)
    url, nobody = doorward.api_url, requests.Session()
    with session_of(identity_center.sign_in(doorward.stack, ANN)) as ann:
        apply = f"{url}/findings/{finding_id}/apply"
        shown = ann.get(f"{url}/findings/{finding_id}").json()["decisions"]["apply"]["shown"]
        answer = {"answer": "no", "shown": shown, "reason": canaries["reason"]}
        answers = [
            ann.post(apply, json=answer, headers={"Idempotency-Key": canaries["key"]}),
            ann.post(apply, json=answer, headers={"Idempotency-Key": canaries["key"]}),
            ann.post(apply, data="{" + canaries["malformed"]),
            ann.post(apply, json={canaries["field"]: 1}),
            ann.get(f"{url}/findings", params={"after": canaries["query"], canaries["parameter"]: "x"}),
            ann.get(f"{url}/me", headers={"X-Canary": canaries["header"], "User-Agent": canaries["agent"]}),
            ann.get(f"{url}/findings/{canaries['path']}"),
            nobody.get(f"{url}/me", headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={canaries['signature']}"}),
            nobody.get(f"{url}/token/me", headers={"Authorization": f"Bearer {token({'iss': canaries['claims']})}"}),
            nobody.get(f"{url}/token/me", headers={"Authorization": f"Bearer {canaries['bearer']}"}),
        ]
    assert [each.status_code for each in answers] == [200, 200, 400, 400, 400, 200, 404, 403, 403, 403]
    return finding_id


def items(doorward: Installation) -> Iterator[tuple[str, dict[str, Any]]]:
    dynamodb = doorward.stack.client("dynamodb", HUB.id)
    for table in dynamodb.list_tables()["TableNames"]:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            yield from ((table, each) for each in page["Items"])


def readable(item: Mapping[str, Any]) -> str:
    """Also what is kept compressed."""

    def unpacked(value: bytes) -> str:
        return (gzip.decompress(value) if value.startswith(b"\x1f\x8b") else value).decode(errors="replace")

    return json.dumps(item, default=unpacked)


def logged(doorward: Installation) -> str:
    logs = doorward.stack.client("logs", HUB.id)
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    pages = (page for group in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group))
    return "\n".join(event["message"] for page in pages for event in page["events"])


def test_no_log_has_anything_that_was_sent(doorward: Installation, sent: str, canaries: dict[str, str]) -> None:
    everything = logged(doorward) + doorward.stack.log_path.read_text(errors="replace")
    assert "Refused a token" in everything  # the functions' own lines are among it
    assert [place for place, canary in canaries.items() if canary in everything] == []


def test_no_table_has_anything_that_was_sent_but_the_reason_in_its_question(
    doorward: Installation, sent: str, canaries: dict[str, str]
) -> None:
    found = [
        (place, table, item["sk"]["S"].partition(":")[0])
        for table, item in items(doorward)
        for place, canary in canaries.items()
        if canary in readable(item)
    ]
    assert found == [("reason", doorward.physical_id("LedgerTable"), "QUESTION")]
    assert any(item["pk"]["S"] == "REPEAT" for _, item in items(doorward))  # the answer was kept, without its key


def test_no_message_has_anything_that_was_sent(doorward: Installation, sent: str, canaries: dict[str, str]) -> None:
    assert doorward.slack.messages
    told = "\n".join(str(each) for each in doorward.slack.messages)
    assert [place for place, canary in canaries.items() if canary in told] == []
