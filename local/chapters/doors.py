"""Chapters 1 to 6: a trust policy is changed, and Doorward judges it and does what the mode says."""

import json
import time
from datetime import UTC, datetime
from typing import Any, Final

from doorward.findings.escaping import for_terminal
from doorward.findings.wording import closed_by
from local.chapters.stage import Stage
from local.installation import trusting, trusting_github
from local.stack import ROOT, StackError
from local.world import PROD, SHARED_SERVICES, STAGING, STRANGER, VENDOR

ROLE: Final = "payments"


def legitimate_change(stage: Stage) -> None:
    stage.opens("A legitimate change passes")
    pipeline = stage.people[PROD.id].pipeline()
    stage.screen.say(f"The pipeline creates prod's role {ROLE}, for the shared services' batch jobs, then lets their auditor in too.")
    before, after = _legitimate_policies()
    pipeline.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(before))
    stage.wait(PROD, ROLE, "CreateRole", 1)
    pipeline.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(after))
    stage.expect(stage.wait(PROD, ROLE, "UpdateAssumeRolePolicy", 1), "accepted")
    stage.ends("A legitimate change by the pipeline", "judged, accepted as the new baseline, nobody disturbed")


def attack(stage: Stage) -> None:
    stage.opens("An attacker opens a prod role to an outside account")
    stage.screen.say(f"jane's access key has leaked. Whoever has it lets account {STRANGER.id} into {ROLE}.")
    opened = opened_policy()
    began = time.monotonic()
    stage.people[PROD.id].developer().update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(opened))
    stage.until(lambda: STRANGER.id not in json.dumps(stage.doorward.trust_policy(PROD, ROLE)), "the stranger to be out again")
    seconds = time.monotonic() - began
    case = stage.until(lambda: stage.closed_case(PROD, ROLE), "the case to be closed")
    detail = json.loads(case["detail"])
    stage.prove(detail)
    stage.screen.say(f"{STRANGER.id} is out again after {stage.screen.paint(f'{seconds:.2f} s', '1;32')}. What Doorward wrote:")
    stage.screen.diff(detail["diff"])
    stage.ends("An attacker opens prod's payments to a stranger", f"put back ({case['remedy_kind']})", seconds)


def wildcard_subject(stage: Stage) -> None:
    stage.opens("A new role that any GitHub repository could assume")
    stage.screen.say("A developer in staging creates release-notes for GitHub Actions, and writes the subject as repo:*.")
    began = time.monotonic()
    stage.people[STAGING.id].developer().create_role(
        RoleName="release-notes", AssumeRolePolicyDocument=json.dumps(trusting_github(STAGING, "repo:*"))
    )
    case = stage.until(lambda: stage.closed_case(STAGING, "release-notes"), "the new role to be narrowed or closed")
    seconds = time.monotonic() - began
    stage.prove(json.loads(case["detail"]))
    stage.screen.say(f"Not even staging waits for a person with this one: {case['remedy_kind']} after {seconds:.2f} s.")
    stage.screen.diff(json.loads(case["detail"])["diff"])
    stage.ends(
        "A wildcard GitHub subject on a new staging role",
        closed_by(case["remedy_kind"]),
        seconds,
    )


def pipeline_mistake(stage: Stage) -> None:
    stage.opens("The pipeline itself makes a mistake")
    stage.screen.say(f"A release lets the vendor {VENDOR.id} into prod's metrics without an external ID.")
    pipeline = stage.people[PROD.id].pipeline()
    trust = json.dumps(trusting(f"arn:aws:iam::{VENDOR.id}:role/collector"))
    pipeline.create_role(RoleName="metrics", AssumeRolePolicyDocument=trust)
    stage.expect(stage.wait(PROD, "metrics", "CreateRole", 1), "alerted")
    stage.prove(json.loads(stage.doorward.cases(f"{PROD.id}/metrics")[0]["detail"]))
    stage.screen.say("Known pipelines are not fought: people are told, the policy stands.")
    stage.ends("The pipeline admits a vendor without external ID", "alerted, not reverted")


def repeated_and_late(stage: Stage) -> None:
    stage.opens("One event three times, and an old one after it")
    stage.screen.say("EventBridge delivers at least once and in any order. The attack of chapter 2 is delivered three times more,")
    stage.screen.say("and the older, legitimate change after it.")
    before = len(stage.doorward.cases(f"{PROD.id}/{ROLE}"))
    attack = _envelope("repeated-attack", opened_policy(), "user/jane")
    for body in (attack, attack, attack, _envelope("late-change", _legitimate_policies()[0], "role/deploy/DeployRole")):
        stage.doorward.deliver(body)
    stage.until(
        lambda: (
            {"EVENT#777788889999#repeated-attack", "EVENT#777788889999#late-change"} <= {item["pk"] for item in stage.doorward.ledger()}
        ),
        "all of them to be handled",
    )
    stage.until(stage.queue_is_empty, "the queue to be empty")
    cases = len(stage.doorward.cases(f"{PROD.id}/{ROLE}"))
    stage.screen.say(f"What stands was judged each time; nothing was written. Remedies on {ROLE}: {cases}, as before.")
    if cases != before:
        raise StackError(f"a repeated event made a new case on {ROLE}: {before} before, {cases} after")
    stage.ends("The same event three times, and one out of order", "one remedy in all")


def malformed(stage: Stage) -> None:
    stage.opens("Something that is no event")
    stage.doorward.deliver('{"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": 7}}')
    letters = stage.until(stage.doorward.dead_letters, "the message in the dead letters")
    reason = letters[0][1]
    stage.screen.say(f"It lies in the dead-letter queue, with the reason: {for_terminal(reason)}")
    stage.ends("A malformed event", "put aside with its reason (on AWS an alarm tells people; alarms do not fire here)")


def _legitimate_policies() -> tuple[dict[str, Any], dict[str, Any]]:
    batch = f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch"
    return trusting(batch), trusting(batch, f"arn:aws:iam::{SHARED_SERVICES.id}:role/auditor")


def opened_policy() -> dict[str, Any]:
    shared = f"arn:aws:iam::{SHARED_SERVICES.id}"
    return trusting(f"{shared}:role/batch", f"{shared}:role/auditor", f"arn:aws:iam::{STRANGER.id}:root")


def _envelope(event_id: str, trust: dict[str, Any], actor: str) -> str:
    """An UpdateAssumeRolePolicy on prod's role as EventBridge delivers it; made up, because here the point is the delivery."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sample = json.loads((ROOT / "events" / "iam.UpdateAssumeRolePolicy.stranger.json").read_text("utf-8"))
    sample["time"] = sample["detail"]["eventTime"] = now
    sample["detail"]["eventID"] = event_id
    sample["detail"]["userIdentity"] = {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLEEXAMPLE000",
        "arn": f"arn:aws:iam::{PROD.id}:{actor}",
        "accountId": PROD.id,
        "userName": actor.rsplit("/", 1)[-1],
    }
    sample["detail"]["requestParameters"] = {"roleName": ROLE, "policyDocument": json.dumps(trust)}
    return json.dumps(sample)


CHAPTERS: Final = (legitimate_change, attack, wildcard_subject, pipeline_mistake, repeated_and_late, malformed)
