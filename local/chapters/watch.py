"""Chapters 12 to 16: what the event of a trust policy does not tell, or too late: who came in, meddles, joins, hides, is silent."""

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from doorward.findings.escaping import for_terminal
from doorward.guard.heartbeats import OVERDUE
from doorward.organization.installation import FORWARD_ROLE
from local.chapters.doors import ROLE, opened_policy
from local.chapters.stage import Stage
from local.installation import new_user, trusting
from local.stack import StackError, rules_off
from local.world import HUB, MANAGEMENT, PROD, REGION, SHARED_SERVICES, STAGING, STRANGER, Account

_PADDING: Final = 120_000
"""Blanks. CloudTrail leaves out parameters of more than 100 KB, and IAM does not count white space."""
_A_MINUTE_OR_TWO: Final = 120
"""The organization is read at most once a minute, and each function keeps what was read for a minute."""


def outsider(stage: Stage) -> None:
    stage.opens(
        "An outsider walks through the door that he opened",
        f"With jane's key {STRANGER.id} lets himself into prod's reports, and takes a session of it before Doorward has heard of anything.",
        "CloudTrail promises no order: here the event of the change is kept back until that of his visit has come.",
    )
    role_arn = f"arn:aws:iam::{PROD.id}:role/reports"
    batch = f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch"
    visitor = new_user(stage.doorward.stack, STRANGER, "visitor", "sts:AssumeRole")
    stage.people[PROD.id].pipeline().create_role(RoleName="reports", AssumeRolePolicyDocument=json.dumps(trusting(batch)))
    stage.expect(stage.wait(PROD, "reports", "CreateRole", 1), "accepted")
    opened = trusting(batch, f"arn:aws:iam::{STRANGER.id}:root")
    developer = stage.people[PROD.id].developer()
    with stage.doorward.stack.holding("UpdateAssumeRolePolicy"):
        began = time.monotonic()
        developer.update_assume_role_policy(RoleName="reports", PolicyDocument=json.dumps(opened))
        stage.doorward.stack.assume(STRANGER.id, role_arn, credentials=visitor, RoleSessionName="audit")
        came = stage.alert("external-caller", role_arn)
        seconds = time.monotonic() - began
        stage.shows(came, seconds)
    stage.screen.say("Now the event of the change comes.")
    came_late = time.monotonic()
    used = stage.alert("opened-door-used", role_arn)
    stage.shows(used, time.monotonic() - came_late)
    stage.until(lambda: STRANGER.id not in json.dumps(stage.doorward.trust_policy(PROD, "reports")), "the door to be closed")
    case = stage.until(lambda: stage.closed_case(PROD, "reports"), "the case to be closed")
    if not (json.loads(case["detail"])["sessions"] or {}).get("cut"):
        raise StackError("the session that he took was not cut")
    stage.screen.say(f"The door is closed again ({case['remedy_kind']}), and the session that he has can do nothing any more.")
    stage.ends("An outsider uses the door that he opened", "told though his event came first, and once more with who opened it", seconds)


def switched_off(stage: Stage) -> None:
    stage.opens(
        "Somebody tries to switch the guard off",
        "jane's key disables prod's rule doorward-changes, which forwards changes of roles, and is refused. The account's root does it.",
    )
    rule, call = "doorward-changes", "called DisableRule on"
    developer = stage.people[PROD.id].developer("events")
    began = time.monotonic()
    try:
        developer.disable_rule(Name=rule)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"AccessDenied", "AccessDeniedException"}:
            raise
    else:
        raise StackError("jane may do more than she should: her call was to be refused")
    stage.shows(stage.alert("guard-tampered", call, rule, "was refused"), time.monotonic() - began)
    root = stage.doorward.stack.client("events", PROD.id)
    began = time.monotonic()
    with rules_off(root, rule):
        told = stage.alert("guard-tampered", call, rule, "it went through")
        seconds = time.monotonic() - began
    stage.shows(told, seconds)
    stage.screen.say("The call travels by another rule than the one that it switches off, and is told while that one is still dead.")
    stage.ends(
        "Somebody switches one of Doorward's rules off", "told: the attempt that was refused, and the one that went through", seconds
    )


def joined(stage: Stage) -> None:
    organizations = stage.doorward.stack.client("organizations", MANAGEMENT.id)
    stage.opens(
        "An account joins the organization",
        "The management account creates newcomer; StackSets bring Doorward's roles and rules. A role in it is open to the stranger.",
        "AWS Organizations is read at most once a minute: that is what this one waits for.",
    )
    began = time.monotonic()
    created = organizations.create_account(Email="newcomer@example.com", AccountName="newcomer")["CreateAccountStatus"]["AccountId"]
    newcomer = Account(created, "newcomer", "/")
    stranger = trusting(f"arn:aws:iam::{STRANGER.id}:root")
    stage.doorward.stack.client("iam", created).create_role(RoleName="inherited", AssumeRolePolicyDocument=json.dumps(stranger))
    stage.doorward.deploy_account(newcomer)
    told = stage.alert("account-joined", created, seconds=_A_MINUTE_OR_TWO)
    seconds = time.monotonic() - began
    stage.shows(told, seconds)
    case = stage.until(
        lambda: next(iter(stage.doorward.cases(f"{created}/inherited")), None), "the sweep of newcomer", seconds=_A_MINUTE_OR_TWO
    )
    swept = time.monotonic() - began - seconds
    stage.screen.say(f"{swept:.2f} s later it has been swept, and its role was judged:")
    detail = json.loads(case["detail"])
    stage.prove(detail)
    if stage.doorward.trust_policy(newcomer, "inherited") != stranger or detail["mode"] != "observe":
        raise StackError("an account that nobody has adopted must only be observed")
    stage.screen.say(f"{for_terminal(detail['because'])}")
    stage.ends("An account joins", "told, swept at once, and only observed until it is adopted", seconds)


def padded(stage: Stage) -> None:
    stage.opens(
        "A change that hides which role it is about",
        f"jane's key again: the stranger into {ROLE}, in a policy padded with {_PADDING:,} blanks. CloudTrail leaves such parameters out",
        "of its event: it names neither the role nor the policy.",
    )
    remedies = len(stage.closed_cases(PROD, ROLE))
    began = time.monotonic()
    padding = " " * _PADDING
    stage.people[PROD.id].developer().update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(opened_policy()) + padding)
    told = stage.alert("omitted-parameters", "UpdateAssumeRolePolicy")
    stage.shows(told, time.monotonic() - began)
    stage.until(lambda: STRANGER.id not in json.dumps(stage.doorward.trust_policy(PROD, ROLE)), "the stranger to be out again")
    seconds = time.monotonic() - began
    case = stage.until(lambda: stage.closed_case(PROD, ROLE, remedies), "the case to be closed")
    detail = json.loads(case["detail"])
    stage.prove(detail)
    by = "the sweep" if detail["event"]["name"] == "Hint" else "the look at what had changed that the event led to"
    stage.screen.say(f"{ROLE} was found by {by}, and {STRANGER.id} is out again after {seconds:.2f} s.")
    sweep = _swept(stage, PROD, "hides its role")
    stage.screen.say(f"The event has started a sweep of prod as well, which has read every role ({sweep:.2f} s).")
    stage.ends("A padded change of a role that its event does not name", f"found, put back ({case['remedy_kind']}), prod swept", seconds)


def silent(stage: Stage) -> None:
    staging = stage.doorward.stack.client("iam", STAGING.id)
    stage.opens(
        "An account goes silent",
        f"Whoever has jane's key in staging takes the permissions of {FORWARD_ROLE} away: from now on no event leaves staging, not even",
        "that of this call. Then he makes a role for the stranger. (On AWS the SCP of `doorward guard export` forbids the first.)",
    )
    name = staging.list_role_policies(RoleName=FORWARD_ROLE)["PolicyNames"][0]
    permissions = staging.get_role_policy(RoleName=FORWARD_ROLE, PolicyName=name)["PolicyDocument"]
    developer = stage.people[STAGING.id].developer()
    developer.delete_role_policy(RoleName=FORWARD_ROLE, PolicyName=name)
    ref = f"{STAGING.id}/backdoor"
    stranger = trusting(f"arn:aws:iam::{STRANGER.id}:root")
    developer.create_role(RoleName="backdoor", AssumeRolePolicyDocument=json.dumps(stranger))
    stage.doorward.invoke("SendHeartbeatsFunction")
    stage.screen.say(
        f"A heartbeat is sent and does not come back. (Its {OVERDUE.seconds} s are not waited for: its time is set back by as much.)"
    )
    _let_time_pass(stage, STAGING)
    if stage.doorward.cases(ref):
        raise StackError("backdoor is known already: staging is not silent")
    began = time.monotonic()
    stage.doorward.invoke("SendHeartbeatsFunction")
    missed = stage.alert("heartbeat-missed", f"account {STAGING.id} (staging), region {REGION}")
    seconds = time.monotonic() - began
    stage.shows(missed, seconds)
    case = stage.until(lambda: next(iter(stage.doorward.cases(ref)), None), "the sweep to find backdoor")
    found = time.monotonic() - began
    stage.screen.say(f"The silence started a sweep of staging. {found:.2f} s after the alarm it has found what no event told of:")
    stage.prove(json.loads(case["detail"]))
    staging.put_role_policy(RoleName=FORWARD_ROLE, PolicyName=name, PolicyDocument=json.dumps(permissions))
    stage.screen.say(f"{FORWARD_ROLE} is put right, as deploying staging's stack again would. Of the next heartbeats:")
    _heard_again(stage, STAGING)
    stage.ends("An account goes silent", "told by its heartbeat, swept, and what was done in silence found", seconds)


CHAPTERS: Final = (outsider, switched_off, joined, padded, silent)
"""`joined` waits for a minute since the organization was read first; sweeps before it would have it wait longer."""


def _swept(stage: Stage, account: Account, because: str) -> float:
    """Wait for the end of the sweep that was started for this reason; how long it took, in seconds."""

    def ended() -> Mapping[str, Any] | None:
        asked = next((each for each in stage.doorward.sweeps(account.id) if because in each["input"]), None)
        return asked if asked is not None and asked["status"] != "RUNNING" else None

    sweep = stage.until(ended, f"the sweep of {account.name}")
    if sweep["status"] != "SUCCEEDED":
        raise StackError(f"the sweep of {account.name} ended as {sweep['status']}")
    return float((sweep["stopDate"] - sweep["startDate"]).total_seconds())


def _let_time_pass(stage: Stage, account: Account) -> None:
    """Until a heartbeat counts as overdue: what is noted of the account's moves that far into the past."""
    dynamodb, table = stage.doorward.stack.client("dynamodb", HUB.id), stage.doorward.outputs["FactsTableName"]
    key = {"pk": {"S": f"BEAT#{account.id}#{REGION}"}, "sk": {"S": "PULSE"}}
    pulse = json.loads(dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["pulse"]["S"])

    def earlier(at: str) -> str:
        return (datetime.fromisoformat(at) - OVERDUE - timedelta(seconds=1)).isoformat()

    pulse["sent"] = [[nonce, earlier(at)] for nonce, at in pulse["sent"]]
    pulse["alive_at"] = pulse["alive_at"] and earlier(pulse["alive_at"])
    dynamodb.put_item(TableName=table, Item={**key, "pulse": {"S": json.dumps(pulse)}})


def _heard_again(stage: Stage, account: Account) -> None:
    about = f"account {account.id} ({account.name}), region {REGION}"
    began = time.monotonic()

    def heard() -> bool:
        stage.doorward.invoke("SendHeartbeatsFunction")  # looks for the beats before it, and sends one
        ended = [each for each in stage.doorward.alerts("heartbeat-missed") if each.detail_type == "GuardProblemEnded"]
        return any(about in each.detail["because"] for each in ended)

    stage.until(heard, f"{account.name} to be heard again")
    stage.shows(stage.alert("heartbeat-missed", about, detail_type="GuardProblemEnded"), time.monotonic() - began)
