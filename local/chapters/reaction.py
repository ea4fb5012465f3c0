"""Chapters 7 to 11: what keeps the reaction from doing harm, and from being worn out: loops, storms, use, sessions."""

import contextlib
import html
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from doorward.findings.escaping import for_terminal
from doorward.guardrails.brakes import BUDGET, MOST_WRITES
from doorward.guardrails.containment import CONTAINED, PING_PONG, STORM, containment_policy
from doorward.guardrails.cuts import POLICY_NAME, SKEW
from doorward.iam.requests import evaluate_json
from doorward.organization.installation import CONTAINED_POLICY
from local.chapters.stage import Stage
from local.installation import new_role, new_user, trusting
from local.slack import SlackMessage
from local.stack import StackError
from local.world import ANN, JANE, JOE, PROD, SHARED_SERVICES, SLACK_ANN, SLACK_JANE, STRANGER, VENDOR, Account

_NIGHTLY: Final = f"arn:aws:iam::{SHARED_SERVICES.id}:role/nightly"
_STRANGER: Final = f"arn:aws:iam::{STRANGER.id}:root"
_JUNK: Final = BUDGET + 5
_AT_ONCE: Final = 2
"""Of the parameter ReactionConcurrency: each that is under way when the last of a budget is spent still writes."""
_A_STORM_LASTS: Final = 240.0
"""Seconds at most, on a busy machine; it takes some fifteen on an idle one."""
_BEFORE_THE_HOUR: Final = 20
"""Seconds. Budgets are counted by the hour of the clock: a storm that lasts beyond it would have two."""


def applied_again(stage: Stage) -> None:
    stage.opens(
        "Code that puts its own policy back",
        "A pipeline takes whatever differs from its source for drift, and applies its source again. Undoing it once more would be a fight",
        "that flickers for ever. First a pipeline that organization.yaml names: it opens prod's export to everybody, at each run.",
    )
    pipeline, export = stage.people[PROD.id].pipeline(), f"{PROD.id}/export"
    everybody = json.dumps(trusting("*"))
    pipeline.create_role(RoleName="export", AssumeRolePolicyDocument=everybody)
    stage.expect(stage.wait(PROD, "export", "CreateRole", 1), "asked")
    pipeline.update_assume_role_policy(RoleName="export", PolicyDocument=everybody)
    stage.expect(stage.wait(PROD, "export", "UpdateAssumeRolePolicy", 1), "asked")
    (case,) = stage.doorward.cases(export)
    detail = json.loads(case["detail"])
    stage.prove(detail)
    stage.screen.say(for_terminal(detail["because"]))
    if stage.doorward.trust_policy(PROD, "export") != trusting("*"):
        raise StackError("a known pipeline was fought")
    message = stage.until(lambda: stage.message("C0PLATFORM1", export), "the pipeline's owner to be told")
    stage.screen.say("Two runs, one case, nothing written. The pipeline's owner is told first, and how to do it right in the source:")
    stage.quotes(message, "How to do it right")

    stage.screen.say("Then code that nobody has named: release-bot lets an outside account into its own role mirror, and never stops.")
    bot = stage.doorward.stack.client("iam", PROD.id, **new_user(stage.doorward.stack, PROD, "release-bot", "iam:*"))
    source = json.dumps(trusting(_NIGHTLY, _STRANGER))
    bot.create_role(RoleName="mirror", AssumeRolePolicyDocument=source)
    began = time.monotonic()
    for run in range(MOST_WRITES):
        closed = stage.closed_until(PROD, "mirror", run + 1)
        stage.screen.say(f"run {run + 1}: {STRANGER.id} is in, and out again ({closed['remedy_kind']})")
        began = time.monotonic()
        bot.update_assume_role_policy(RoleName="mirror", PolicyDocument=source)
    told = stage.alert(PING_PONG, "role/mirror.")
    stage.shows(told, time.monotonic() - began)
    _expect_asked(stage, "mirror", trusting(_NIGHTLY, _STRANGER))
    if "the very same policy" not in told.detail["because"]:
        raise StackError("that it is the same policy each time was not told")
    stage.ends("Code puts the same policy back", f"the named pipeline is asked; the other after {MOST_WRITES} writes, with an alert")


def ping_pong(stage: Stage) -> None:
    stage.opens(
        "An attacker who opens the door as fast as it closes",
        "With jane's key everybody is let into prod's vault: critical. He watches, and writes another policy as soon as it is closed.",
    )
    stage.people[PROD.id].pipeline().create_role(RoleName="vault", AssumeRolePolicyDocument=json.dumps(trusting(_NIGHTLY)))
    stage.expect(stage.wait(PROD, "vault", "CreateRole", 1), "accepted")
    _nightly(stage, "vault")
    developer = stage.people[PROD.id].developer()
    tries = (trusting("*"), trusting(_NIGHTLY, "*"), trusting("*", Bool={"aws:SecureTransport": "true"}), trusting("*", _STRANGER))
    for number, policy in enumerate(tries, 1):
        began = time.monotonic()
        developer.update_assume_role_policy(RoleName="vault", PolicyDocument=json.dumps(policy))
        case = stage.closed_until(PROD, "vault", number)
        seconds = time.monotonic() - began
        stage.screen.say(f"try {number}: closed after {seconds:.2f} s ({case['remedy_kind']})")
    stands = stage.doorward.trust_policy(PROD, "vault")
    if case["remedy_kind"] != "quarantine" or any(each["Effect"] == "Allow" for each in stands["Statement"]):
        raise StackError(f"after {MOST_WRITES} writes nobody was to be let in, and what stands is {json.dumps(stands)}")
    _refused(lambda: _nightly(stage, "vault"), "the nightly job assumed a role that is closed to everybody")
    stage.screen.say(f"After {MOST_WRITES} writes nothing is put back any more: the next lets nobody in. The nightly job, which the")
    stage.screen.say("accepted policy lets in, is refused as well, until a person has ended this.")
    told = stage.alert(PING_PONG, "role/vault.")
    stage.shows(told, seconds)
    jane = f"arn:aws:iam::{PROD.id}:user/jane"
    if json.dumps(containment_policy(jane), separators=(",", ":")) not in told.detail["what_to_do"]:
        raise StackError("the service control policy for this author alone was not offered")
    stage.ends("An attacker opens a role again and again", "closed each time, at last to everybody; an SCP against him is offered", seconds)


def storm(stage: Stage) -> None:
    _well_before_the_hour(stage)
    stage.opens(
        "A storm of junk, to hide one door behind it",
        f"Somebody with the key of a temp makes {_JUNK} roles in prod that are open to the stranger. Then he opens the one that he wants:",
        "breakglass-keys, a privileged role by config/guardrails.yaml, for its path is /admin/.",
    )
    stage.people[PROD.id].pipeline().create_role(
        RoleName="breakglass-keys", Path="/admin/", AssumeRolePolicyDocument=json.dumps(trusting(_NIGHTLY))
    )
    stage.expect(stage.wait(PROD, "breakglass-keys", "CreateRole", 1), "accepted")
    temp = stage.doorward.stack.client("iam", PROD.id, **new_user(stage.doorward.stack, PROD, "temp", "iam:*"))
    names = [f"junk-{number:02}" for number in range(_JUNK)]
    began = time.monotonic()
    for each in names:
        temp.create_role(RoleName=each, AssumeRolePolicyDocument=json.dumps(trusting(_STRANGER)))
    came_of = stage.until(lambda: _came_of(stage, names), f"all {_JUNK} to be judged", seconds=_A_STORM_LASTS)
    undone = sum(each == "undone" for each in came_of.values())
    asked = _JUNK - undone
    took = time.monotonic() - began
    stage.screen.say(f"Of {_JUNK} changes {undone} were undone and {asked} only asked about, in {took:.1f} s all told.")
    if not BUDGET <= undone < BUDGET + _AT_ONCE:
        raise StackError(f"{BUDGET} of an author's changes are undone within an hour, and {undone} were: {came_of}")
    stage.shows(stage.alert(STORM, "user/temp."), took)
    stage.shows(stage.alert(CONTAINED, "user/temp "), time.monotonic() - began)
    _stopped(stage, author="temp", other="jane")
    began = time.monotonic()
    temp.update_assume_role_policy(RoleName="breakglass-keys", PolicyDocument=json.dumps(trusting(_NIGHTLY, _STRANGER)))
    case = stage.closed_until(PROD, "breakglass-keys", 1)
    seconds = time.monotonic() - began
    stage.prove(json.loads(case["detail"]))
    if STRANGER.id in json.dumps(stage.doorward.trust_policy(PROD, "breakglass-keys")):
        raise StackError("the junk has hidden the door that mattered")
    stage.screen.say(f"Privileged roles have a budget of their own: closed all the same ({case['remedy_kind']}) after {seconds:.2f} s.")
    stage.ends(
        f"{_JUNK} junk roles, and then the one that matters",
        f"{undone} undone, {asked} asked about; the one that matters closed ({case['remedy_kind']}); the author stopped",
        seconds,
    )


def _stopped(stage: Stage, author: str, other: str) -> None:
    _policy_id, scp, accounts = stage.doorward.contained()
    said = {each: under_scp(scp, f"arn:aws:iam::{PROD.id}:user/{each}", PROD) for each in (author, other)}
    if (said, accounts) != ({author: "explicitly_denied", other: "allowed"}, [PROD.id]):
        raise StackError(f"the author is not stopped, or others are: {said}, attached to {accounts}")
    stage.screen.say(f"That is opted into here, and bounded by a function in the management account: {CONTAINED_POLICY}, attached to prod,")
    stage.screen.say(
        f"denies {author} everything and {other} nothing, as `doorward evaluate` decides. AWS would stop him here. The emulator asks"
    )
    stage.screen.say("no service control policies, so he goes on:")


def under_scp(scp: Any, caller: str, account: Account) -> str:
    """What comes of a call by somebody who may do everything, under this policy; as our evaluator decides, since the emulator does not."""
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    asked = {"principal": caller, "principal_type": "AWS", "action": "iam:CreateRole", "resource": "*", "resource_account": account.id}
    policies = {"identity": [everything], "service_control_policies": [[everything, scp]]}
    return str(evaluate_json({"request": {**asked, "context": {"aws:PrincipalArn": caller}}, "policies": policies})["decision"])


def in_use(stage: Stage) -> None:
    stage.opens(
        "A role in use",
        f"jane lets the vendor {VENDOR.id} into prod's monitoring as she should, by his external ID. He comes in by it and works.",
        "Then somebody takes the condition out: now any other customer of the vendor's may have him act on prod.",
    )
    stack, arn = stage.doorward.stack, f"arn:aws:iam::{VENDOR.id}:role/collector"
    external_id = "4f1c2a9e-7b3d-4e55-9a61-0c8d2f6b7e10"
    developer = stage.people[PROD.id].developer()
    proper = trusting(arn, StringEquals={"sts:ExternalId": external_id})
    developer.create_role(RoleName="monitoring", AssumeRolePolicyDocument=json.dumps(proper))
    stage.expect(stage.wait(PROD, "monitoring", "CreateRole", 1), "passed")
    collector = _of_role(stage, VENDOR, "collector")
    monitoring = f"arn:aws:iam::{PROD.id}:role/monitoring"
    stack.assume(VENDOR.id, monitoring, credentials=collector, RoleSessionName="scrape", ExternalId=external_id)
    used = time.monotonic()
    stage.until(lambda: stage.has_come(f"{PROD.id}/monitoring", VENDOR.id), "the vendor's visit to be kept")
    time.sleep(max(0.0, used + 1.1 - time.monotonic()))  # CloudTrail tells whole seconds: in the same one he would not have come before
    developer.update_assume_role_policy(RoleName="monitoring", PolicyDocument=json.dumps(trusting(arn)))
    stage.expect(stage.wait(PROD, "monitoring", "UpdateAssumeRolePolicy", 1), "asked")
    (case,) = stage.doorward.cases(f"{PROD.id}/monitoring")
    detail = json.loads(case["detail"])
    stage.prove(detail)
    stage.screen.say(for_terminal(detail["because"]))
    _expect_asked(stage, "monitoring", trusting(arn))
    stack.assume(VENDOR.id, monitoring, credentials=collector, RoleSessionName="scrape", ExternalId=external_id)
    stage.screen.say("The vendor still comes in. What Doorward would do now can be asked beforehand as well, and nothing of it is done:")
    stage.command("plan", f"{PROD.id}/monitoring", "--by", f"arn:aws:iam::{PROD.id}:user/jane")
    finding_id = detail["finding_id"]
    seconds = _decided(stage, finding_id)
    _undone(stage, finding_id, trusting(arn))
    stage.ends(
        "A role in use, which every remedy would take from its user",
        "asked; jane may not decide about her own change, ann does, in Slack; two have it undone",
        seconds,
    )


def _decided(stage: Stage, finding_id: str) -> float:
    """By somebody else than who caused it. Seconds from the click to the write."""
    stage.screen.say("People decide, in Slack. What somebody presses there counts once he has linked his Slack user to himself, by")
    stage.screen.say(
        "`doorward grants link`: jane and ann do. jane first, whose change it is (organization.yaml knows her IAM user as hers):"
    )
    stage.link(JANE, SLACK_JANE)
    stage.link(ANN, SLACK_ANN)
    card = stage.buttons_about(finding_id)
    told = stage.presses(SLACK_JANE, card, "apply")
    stage.screen.say(f"  jane presses Apply, and is told: {for_terminal(told)}")
    if "does not decide" not in told:
        raise StackError("jane has decided about what she did herself")
    decided = time.monotonic()
    told = stage.presses(SLACK_ANN, card, "apply")
    closed = stage.closed_until(PROD, "monitoring", 1)
    seconds = time.monotonic() - decided
    stage.screen.say(f"  ann presses Apply, and is told: {for_terminal(told)}")
    stage.screen.say(
        f"It is written ({closed['remedy_kind']}) after {seconds:.2f} s, on {json.loads(closed['detail'])['approver']}'s word;"
    )
    shown = stage.until(lambda: _outcome(stage, card), "the card to show what came of it")
    stage.screen.say(f"the buttons have made way for what came of it: {for_terminal(shown)}")
    return seconds


def _outcome(stage: Stage, card: SlackMessage) -> str | None:
    """What stands on the card in the place of its buttons, once there are none any more."""
    now = stage.doorward.slack.workspace.message(card.channel, card.ts)
    if now is None or any("elements" in block for block in now.blocks):
        return None
    return html.unescape(str(now.blocks[-1]["text"]["text"]))


def _undone(stage: Stage, finding_id: str, found: dict[str, Any]) -> None:
    """By two, since it is high; the first shows it."""
    stage.screen.say("The vendor's work stands still, and nobody of his answers the phone. Two have it undone, for a day:")
    stage.command_of(ANN, "undo", finding_id, "--yes", "--reason", "the vendor needs a day")
    stage.command_of(JOE, "undo", finding_id, "--yes", "--reason", "agreed", last=2)
    stage.until(lambda: stage.doorward.trust_policy(PROD, "monitoring") == found or None, "what was replaced to be put back")
    stage.screen.say("The very policy that was replaced stands again. When the day is over the role is judged again, and closed again.")


def sessions_of_the_window(stage: Stage) -> None:
    stage.opens(
        "Closing a door ends no session: those of the window are cut, older ones live on",
        "The nightly job works with a session of prod's statements. Then jane's key lets the stranger in, who takes a session of his own",
        "before Doorward has heard of it.",
    )
    stack, role_arn = stage.doorward.stack, f"arn:aws:iam::{PROD.id}:role/statements"
    pipeline = stage.people[PROD.id].pipeline()
    pipeline.create_role(RoleName="statements", AssumeRolePolicyDocument=json.dumps(trusting(_NIGHTLY)))
    look = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:ListAccountAliases", "Resource": "*"}]}
    pipeline.put_role_policy(RoleName="statements", PolicyName="look", PolicyDocument=json.dumps(look))
    stage.expect(stage.wait(PROD, "statements", "CreateRole", 1), "accepted")
    older = _working(stage, _nightly(stage, "statements"))
    opened = datetime.now(UTC)
    stage.screen.say(f"(CloudTrail tells whole seconds, so what began up to {SKEW.seconds} s before a change is cut as well: we wait.)")
    intruder = new_user(stack, STRANGER, "intruder", "sts:AssumeRole")
    time.sleep(max(0.0, (opened + SKEW + timedelta(seconds=2) - datetime.now(UTC)).total_seconds()))
    with stack.holding("UpdateAssumeRolePolicy"):
        stage.people[PROD.id].developer().update_assume_role_policy(
            RoleName="statements", PolicyDocument=json.dumps(trusting(_NIGHTLY, _STRANGER))
        )
        within = _working(stage, stack.assume(STRANGER.id, role_arn, credentials=intruder, RoleSessionName="look-around"))
        stage.screen.say("Both sessions work: each lists the account's aliases. Now the event of the change comes.")
    began = time.monotonic()
    case = stage.closed_until(PROD, "statements", 1)
    seconds = time.monotonic() - began
    sessions = json.loads(case["detail"])["sessions"]
    if not (sessions or {}).get("cut"):
        raise StackError(f"the sessions of the window were not cut: {sessions}")
    stage.screen.say(f"{seconds:.2f} s later the door is closed ({case['remedy_kind']}), and the role has an inline policy, {POLICY_NAME}:")
    cut = stack.client("iam", PROD.id).get_role_policy(RoleName="statements", PolicyName=POLICY_NAME)["PolicyDocument"]
    stage.screen.say(f"  {json.dumps(cut['Statement'])}")
    _refused(within, "the stranger's session still works")
    older()
    stage.screen.say("The stranger's session can do nothing any more; the nightly job's, which is older, has listed the aliases again.")
    _newer_works(stage, role_arn, [cut, look], datetime.fromisoformat(sessions["until"]))
    stage.screen.say("All of it, as `doorward history` tells it afterwards:")
    stage.command("history", f"{PROD.id}/statements")
    stage.ends("A session that was taken while the door was open", "cut; the session from before lives on", seconds)


CHAPTERS: Final = (applied_again, ping_pong, storm, in_use, sessions_of_the_window)


def _expect_asked(stage: Stage, role: str, found: dict[str, Any]) -> None:
    """A person is asked about the role, and it stands as it was found."""

    def is_asked() -> bool:
        last = stage.doorward.cases(f"{PROD.id}/{role}")[-1]
        return (last["status"], json.loads(last["detail"])["action"]) == ("standing", "ask")

    stage.until(is_asked, f"a person to be asked about {role}")  # perhaps our own last write's event comes first, and only alerts
    if stage.doorward.trust_policy(PROD, role) != found:
        raise StackError(f"{role} was to stand as it was found: {json.dumps(stage.doorward.trust_policy(PROD, role))}")


def _came_of(stage: Stage, names: list[str]) -> dict[str, str] | None:
    """By role `undone` or `asked`, once that is known of all."""
    refs = {f"ROLE#{PROD.id}/{each}" for each in names}
    found: dict[str, str] = {}
    for item in stage.doorward.ledger():
        if item["pk"] in refs and item["sk"].startswith("CASE#"):
            if item["status"] == "remedied":
                found[item["pk"]] = "undone"
            elif item["status"] == "standing" and json.loads(item["detail"])["action"] == "ask":
                found[item["pk"]] = "asked"
    return found if len(found) == len(names) else None


def _nightly(stage: Stage, role: str) -> dict[str, str]:
    """A session of a role of prod's, opened by shared services' nightly job. Raises ClientError."""
    credentials = _of_role(stage, SHARED_SERVICES, "nightly")
    return stage.doorward.stack.assume(
        SHARED_SERVICES.id, f"arn:aws:iam::{PROD.id}:role/{role}", credentials=credentials, RoleSessionName="nightly"
    )


def _of_role(stage: Stage, account: Account, name: str) -> dict[str, str]:
    """A session of a role that may assume others; it is made where there is none."""
    stack = stage.doorward.stack
    with contextlib.suppress(stack.client("iam", account.id).exceptions.EntityAlreadyExistsException):
        new_role(stack, account, name, "sts:AssumeRole")
    return stack.assume(account.id, f"arn:aws:iam::{account.id}:role/{name}")


def _working(stage: Stage, session: dict[str, str]) -> Callable[[], object]:
    """What the session works at, done once. Raises ClientError, also later."""
    work: Callable[[], object] = stage.doorward.stack.client("iam", PROD.id, **session).list_account_aliases
    work()
    return work


def _refused(call: Callable[[], object], or_else: str) -> None:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
    else:
        raise StackError(or_else)


def _newer_works(stage: Stage, role_arn: str, policies: list[Any], until: datetime) -> None:
    """Decided by the evaluator behind `doorward evaluate`, on the policies that stand: the window's end lies ahead."""

    def decided(issued_at: datetime) -> str:
        caller = f"{role_arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/nightly"
        request = {
            "principal": caller,
            "principal_type": "AWS",
            "action": "iam:ListAccountAliases",
            "resource": "*",
            "resource_account": PROD.id,
            "context": {"aws:PrincipalArn": role_arn, "aws:TokenIssueTime": issued_at.strftime("%Y-%m-%dT%H:%M:%SZ")},
        }
        layers = {"identity": policies, "resource": None, "permissions_boundary": None, "session": None}
        nothing: dict[str, list[Any]] = {"service_control_policies": [], "resource_control_policies": []}
        return str(evaluate_json({"request": request, "policies": layers | nothing})["decision"])

    now, after = datetime.now(UTC), until + timedelta(seconds=1)
    if (decided(now), decided(after)) != ("explicitly_denied", "allowed"):
        raise StackError(f"a session of now is {decided(now)}, and one of {after} {decided(after)}: the window is not what it should be")
    stage.screen.say(f"Whoever comes after {until:%H:%M:%S} UTC works again (decided as `doorward evaluate` does, on the policies that")
    stage.screen.say("stand; the last look at the role, two minutes after the write, moves that end forward; it is not waited for here).")


def _well_before_the_hour(stage: Stage) -> None:
    left = 3600 - time.time() % 3600
    if left < _BEFORE_THE_HOUR:
        stage.screen.say(f"(Budgets are counted by the hour of the clock, which ends in {left:.0f} s: so we wait for the next.)")
        time.sleep(left)
