"""What somebody sends to the API stands in no log and no table, but for the reason that he gives, which stands in the question.

And no secret of a grant's life stands anywhere but in the answer that hands it over: not in tables, queues, events, logs, histories of
executions, the evidence bucket or Slack. Of two it is known where they are kept, and that is looked at as well: the task token, which Step
Functions writes into its own history, and the secrets of Secrets Manager.
"""

import base64
import gzip
import json
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest
import requests

from local import identity_center
from local.installation import Installation, People
from local.world import ANN, HUB, JANE, PROD
from tests.integration.emulated import Inbox, listen, records, unique
from tests.integration.test_grants import Grants
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


# -- a grant's life --------------------------------------------------------------------------------


_PATIENCE: Final = 120.0
"""Seconds for each of its steps: it is not about how long they take."""


class Life(NamedTuple):
    """`secrets` of all that it went through, by what they are; `events`: all that Doorward told of meanwhile; `records`: the trail's."""

    grant: Mapping[str, Any]
    secrets: Mapping[str, str]
    events: list[Any]
    records: list[Any]


@pytest.fixture(scope="module")
def life(doorward: Installation) -> Life:
    """Jane asks, Ann agrees, both kinds are issued, refused, and asked for by who is nobody, and Jane ends it."""
    heard = listen(doorward.stack, HUB.id, {"source": [{"prefix": "doorward."}]}, bus="doorward")
    opened = records(doorward.stack, PROD.id, "AssumeRole")  # as they go on to the hub
    grants, signed_in = Grants(doorward), identity_center.sign_in(doorward.stack, JANE)
    bearer = token({"iss": "https://nobody.example"})
    grant = grants.ask(JANE, PROD, minutes=60)
    path = f"{doorward.api_url}/grants/{grant['grant_id']}"
    doorward.stack.until(lambda: grants.waits(grant), "its execution to wait for people", seconds=_PATIENCE)
    grants.say(ANN, grant, "approve", shown=grant["shown"])
    grants.until(grant, "active", seconds=_PATIENCE)
    doorward.stack.until(lambda: grants.waits(grant), "its execution to wait for its end", seconds=_PATIENCE)
    with session_of(signed_in) as jane:
        given = [jane.post(f"{path}/credentials", headers={"Idempotency-Key": "canary"}) for _ in range(2)]
        links = [jane.post(f"{path}/console", json={"destination": "https://console.aws.amazon.com/s3"}) for _ in range(2)]
        refused = jane.post(f"{path}/console", json={"destination": "https://evil.example/"})
        nobody = requests.post(
            f"{doorward.api_url}/token/grants/{grant['grant_id']}/credentials", headers={"Authorization": f"Bearer {bearer}"}, timeout=40
        )
    assert [each.status_code for each in (*given, *links, refused, nobody)] == [200, 200, 200, 200, 409, 403]
    tokens = [each["taskScheduledEventDetails"] for each in grants.history(grant) if "taskScheduledEventDetails" in each]
    task_tokens = [json.loads(each["parameters"])["Payload"]["token"] for each in tokens if ".waitForTaskToken" in each["resource"]]
    assert len(task_tokens) >= 2
    grants.say(JANE, grant, "revoke")
    grants.until(grant, "revoked", seconds=_PATIENCE)
    grants.ends(grant)
    events = list[Any]()

    def is_told() -> bool:
        events.extend(heard.read())
        return "GrantRevoked" in _told(events, grant)

    doorward.stack.until(is_told, "everybody to be told of its end", seconds=_PATIENCE)
    secrets = {
        **{f"{name} {number}": each.json()[name] for number, each in enumerate(given) for name in ("secret_access_key", "session_token")},
        **{f"link {number}": each.json()["url"] for number, each in enumerate(links)},
        **{f"sign-in token {number}": _sign_in_token(each.json()["url"]) for number, each in enumerate(links)},
        **{f"task token {number}": each for number, each in enumerate(task_tokens)},
        **{f"signed in by {name}": signed_in[name] for name in ("aws_secret_access_key", "aws_session_token")},
        "bearer": bearer,
        "external ID": doorward.external_id,
        "signing secret": doorward.slack._installed.signing_secret,
        "bot token": "xoxb-local",
    }
    return Life(grant, secrets, events + _all(heard), _all(opened))


def _told(events: list[Any], grant: Mapping[str, Any]) -> set[str]:
    return {each["detail-type"] for each in events if grant["grant_id"] in json.dumps(each)}


def _sign_in_token(url: str) -> str:
    (found,) = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["SigninToken"]
    return found


def _all(heard: Inbox) -> list[Any]:
    """Until nothing more has come for a second."""
    events, last = heard.read(), time.monotonic()
    while time.monotonic() < last + 1:
        if more := heard.read():
            events, last = events + more, time.monotonic()
        time.sleep(0.05)
    return events


def found_in(text: str, life: Life) -> list[str]:
    """Which secrets stand there, as they are, as a URL or JSON writes them, or in base 64."""
    return [
        name
        for name, secret in life.secrets.items()
        if any(
            each in text
            for each in (secret, urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode())
        )
    ]


def test_the_secrets_are_such_as_would_be_found(life: Life) -> None:
    assert len(set(life.secrets.values())) == len(life.secrets) >= 15
    for name, secret in life.secrets.items():
        assert name in found_in(f"before {secret} after", life)
        assert name in found_in(json.dumps({"url": f"https://x/?x={urllib.parse.quote_plus(secret)}"}), life)


def test_no_table_has_a_secret(doorward: Installation, life: Life) -> None:
    kept = list(items(doorward))
    assert any(item["pk"]["S"] == f"GRANT#{life.grant['grant_id']}" and item["sk"]["S"].startswith("ISSUE#") for _, item in kept)
    assert [(table, found) for table, item in kept if (found := found_in(readable(item), life))] == []


def test_no_event_and_no_message_has_a_secret(doorward: Installation, life: Life) -> None:
    assert {"GrantRequested", "DecisionAwaited", "GrantStarted", "GrantRevoked"} <= _told(life.events, life.grant)
    assert found_in(json.dumps(life.events), life) == []
    assert found_in("\n".join(str(each) for each in doorward.slack.workspace.messages()), life) == []


def test_no_queue_has_a_secret_once_what_came_was_looked_at(doorward: Installation, life: Life) -> None:
    """CloudTrail's own record of a session's opening has its token and the external ID, and is on its way through one queue."""
    sqs = doorward.stack.client("sqs", HUB.id)

    def lying(url: str) -> list[str]:
        there = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"])
        return found_in(json.dumps(there.get("Messages", [])), life)

    on_the_way = doorward.outputs["SessionQueueUrl"]
    doorward.stack.until(lambda: not lying(on_the_way), "what came to be looked at", seconds=_PATIENCE)
    for url in set(sqs.list_queues().get("QueueUrls", [])) - {on_the_way}:
        assert lying(url) == [], url


def test_that_a_record_of_the_trail_has_a_token_is_known(doorward: Installation, life: Life) -> None:
    """Otherwise nothing here would show that whoever reads such records keeps none of it."""
    found = set(found_in(json.dumps(life.records), life))
    assert {"session_token 0", "session_token 1", "external ID"} == found


def test_no_log_has_a_secret(doorward: Installation, life: Life) -> None:
    everything = logged(doorward) + doorward.stack.log_path.read_text(errors="replace")
    assert "Minted" in everything
    assert found_in(everything, life) == []


def test_no_history_has_a_secret_but_the_task_tokens_that_step_functions_writes(doorward: Installation, life: Life) -> None:
    states = doorward.stack.client("stepfunctions", HUB.id)
    machine = doorward.outputs["GrantStateMachineArn"]
    found: set[str] = set()
    for execution in states.list_executions(stateMachineArn=machine)["executions"]:
        pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
        found |= set(found_in(json.dumps([page["events"] for page in pages], default=str), life))
    assert {each.partition(" token")[0] for each in found} == {"task"}
    assert states.describe_state_machine(stateMachineArn=machine)["encryptionConfiguration"]["type"] == "CUSTOMER_MANAGED_KMS_KEY"


def test_no_bucket_has_a_secret(doorward: Installation, life: Life) -> None:
    s3 = doorward.stack.client("s3", HUB.id)
    doorward.invoke("SealAuditFunction")  # which writes where the audit of each grant ends
    bucket, kept = doorward.outputs["EvidenceBucketName"], dict[str, str]()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            kept[each["Key"]] = (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode(errors="replace")
    assert any(life.grant["grant_id"] in each for each in kept.values())  # something of this life is among it
    assert [(key, found) for key, text in kept.items() if (found := found_in(text, life))] == []
