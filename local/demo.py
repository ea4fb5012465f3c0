"""`make demo`: the whole of Doorward on this machine, and what it does when doors between accounts are opened.

Nothing here is Doorward: this file deploys it, plays the people, and reads what it did from where anybody could.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from botocore.exceptions import ClientError

from doorward.findings.escaping import for_terminal
from doorward.findings.wording import witness_in_words
from local.cloud.not_emulated import lines as not_emulated_lines
from local.installation import Installation, People, found_delivery_pipeline, install, trusting, trusting_github
from local.page import serve
from local.page.files import summary_markdown
from local.slack_sink import SlackSink
from local.snapshot import Snapshot, take_snapshot
from local.stack import ROOT, Stack, StackError
from local.world import HUB, ORGANIZATION, PROD, SHARED_SERVICES, STAGING, STRANGER, VENDOR, Account

FOLDER: Final = ROOT / ".demo"
_ROLE: Final = "payments"
# Found and put back, twice; and the pipeline's mistake.
_MESSAGES: Final = 5


class Screen:
    """Plain lines with the seconds since the start; colour on terminals only, unless NO_COLOR is set."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def progress(self, line: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {line}", flush=True)

    def heading(self, line: str) -> None:
        print(f"\n{self.paint(line, '1')}", flush=True)

    def say(self, line: str = "") -> None:
        print(f"  {line}" if line else "", flush=True)

    def diff(self, lines: list[str]) -> None:
        for line in lines:
            colour = {"+": "32", "-": "31"}.get(line[:1], "2")
            print(f"      {self.paint(for_terminal(line), colour)}")

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


@dataclass
class Chapter:
    """One thing that happened, for the summary."""

    title: str
    did: str
    seconds: float | None = None


@dataclass
class Story:
    screen: Screen
    doorward: Installation
    people: dict[str, People]
    chapters: list[Chapter] = field(default_factory=list)

    def tell(self) -> None:
        self.legitimate_change()
        self.attack()
        self.wildcard_subject()
        self.pipeline_mistake()
        self.repeated_and_late()
        self.malformed()

    def legitimate_change(self) -> None:
        self.screen.heading("1  A legitimate change passes")
        pipeline = self.people[PROD.id].pipeline()
        self.screen.say(f"The pipeline creates prod's role {_ROLE}, for the shared services' batch jobs, then lets their auditor in too.")
        before, after = _legitimate_policies()
        pipeline.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=json.dumps(before))
        self._wait(PROD, _ROLE, "CreateRole", 1)
        pipeline.update_assume_role_policy(RoleName=_ROLE, PolicyDocument=json.dumps(after))
        self._expect(self._wait(PROD, _ROLE, "UpdateAssumeRolePolicy", 1), "accepted")
        self._ends("A legitimate change by the pipeline", "judged, accepted as the new baseline, nobody disturbed")

    def attack(self) -> None:
        self.screen.heading("2  An attacker opens a prod role to an outside account")
        self.screen.say(f"jane's access key has leaked. Whoever has it lets account {STRANGER.id} into {_ROLE}.")
        opened = _opened_policy()
        began = time.monotonic()
        self.people[PROD.id].developer().update_assume_role_policy(RoleName=_ROLE, PolicyDocument=json.dumps(opened))
        self._until(lambda: STRANGER.id not in json.dumps(self.doorward.trust_policy(PROD, _ROLE)), "the stranger to be out again")
        seconds = time.monotonic() - began
        case = self._until(lambda: self._closed_case(PROD, _ROLE), "the case to be closed")
        detail = json.loads(case["detail"])
        self._prove(detail)
        self.screen.say(f"{STRANGER.id} is out again after {self.screen.paint(f'{seconds:.2f} s', '1;32')}. What Doorward wrote:")
        self.screen.diff(detail["diff"])
        self._ends("An attacker opens prod's payments to a stranger", f"put back ({case['remedy_kind']})", seconds)

    def wildcard_subject(self) -> None:
        self.screen.heading("3  A new role that any GitHub repository could assume")
        self.screen.say("A developer in staging creates release-notes for GitHub Actions, and writes the subject as repo:*.")
        began = time.monotonic()
        self.people[STAGING.id].developer().create_role(
            RoleName="release-notes", AssumeRolePolicyDocument=json.dumps(trusting_github(STAGING, "repo:*"))
        )
        case = self._until(lambda: self._closed_case(STAGING, "release-notes"), "the new role to be narrowed or closed")
        seconds = time.monotonic() - began
        self._prove(json.loads(case["detail"]))
        self.screen.say(f"Not even staging waits for a person with this one: {case['remedy_kind']} after {seconds:.2f} s.")
        self.screen.diff(json.loads(case["detail"])["diff"])
        self._ends(
            "A wildcard GitHub subject on a new staging role",
            f"{case['remedy_kind']}ed" if case["remedy_kind"] == "tighten" else "closed",
            seconds,
        )

    def pipeline_mistake(self) -> None:
        self.screen.heading("4  The pipeline itself makes a mistake")
        self.screen.say(f"A release lets the vendor {VENDOR.id} into prod's metrics without an external ID.")
        pipeline = self.people[PROD.id].pipeline()
        trust = json.dumps(trusting(f"arn:aws:iam::{VENDOR.id}:role/collector"))
        pipeline.create_role(RoleName="metrics", AssumeRolePolicyDocument=trust)
        self._expect(self._wait(PROD, "metrics", "CreateRole", 1), "alerted")
        self._prove(json.loads(self.doorward.cases(f"{PROD.id}/metrics")[0]["detail"]))
        self.screen.say("Known pipelines are not fought: people are told, the policy stands.")
        self._ends("The pipeline admits a vendor without external ID", "alerted, not reverted")

    def repeated_and_late(self) -> None:
        self.screen.heading("5  One event three times, and an old one after it")
        self.screen.say("EventBridge delivers at least once and in any order. The attack of chapter 2 is delivered three times more,")
        self.screen.say("and the older, legitimate change after it.")
        before = len(self.doorward.cases(f"{PROD.id}/{_ROLE}"))
        attack = _envelope("repeated-attack", _opened_policy(), "user/jane")
        for body in (attack, attack, attack, _envelope("late-change", _legitimate_policies()[0], "role/deploy/DeployRole")):
            self.doorward.deliver(body)
        self._until(
            lambda: (
                {"EVENT#777788889999#repeated-attack", "EVENT#777788889999#late-change"} <= {item["pk"] for item in self.doorward.ledger()}
            ),
            "all of them to be handled",
        )
        self._until(self._queue_is_empty, "the queue to be empty")
        cases = len(self.doorward.cases(f"{PROD.id}/{_ROLE}"))
        self.screen.say(f"What stands was judged each time; nothing was written. Remedies on {_ROLE}: {cases}, as before.")
        if cases != before:
            raise StackError(f"a repeated event made a new case on {_ROLE}: {before} before, {cases} after")
        self._ends("The same event three times, and one out of order", "one remedy in all")

    def malformed(self) -> None:
        self.screen.heading("6  Something that is no event")
        self.doorward.deliver('{"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": 7}}')
        letters = self._until(self.doorward.dead_letters, "the message in the dead letters")
        reason = letters[0][1]
        self.screen.say(f"It lies in the dead-letter queue, with the reason: {for_terminal(reason)}")
        self._ends("A malformed event", "put aside with its reason (on AWS an alarm tells people; alarms do not fire here)")

    def _prove(self, detail: Mapping[str, Any]) -> None:
        """Each finding, and the request that shows it."""
        for finding in detail["findings"]:
            if finding["severity"] == "info":
                continue
            self.screen.say(f"Found {self.screen.paint(finding['rule'], '1')} ({finding['severity']}): {for_terminal(finding['title'])}.")
            self.screen.say(f"The request that shows it: {for_terminal(witness_in_words(finding['witness']))}")

    # Waiting and looking

    def _wait(self, account: Account, role: str, event_name: str, count: int) -> str:
        outcomes = self._until(
            lambda: found if len(found := self.doorward.outcomes(f"{account.id}/{role}", event_name)) >= count else None,
            f"{event_name} of {role} to be judged",
        )
        return outcomes[-1]

    def _expect(self, outcome: str, told: str) -> None:
        if outcome != told:
            raise StackError(f"this chapter should have ended with {told}, and ended with {outcome}: was config/ or the judge changed?")

    def _closed_case(self, account: Account, role: str) -> dict[str, str] | None:
        return next((case for case in self.doorward.cases(f"{account.id}/{role}") if case["status"] == "remedied"), None)

    def _queue_is_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.doorward.stack.client("sqs", HUB.id).get_queue_attributes(
            QueueUrl=self.doorward.outputs["ChangeQueueUrl"], AttributeNames=names
        )
        return all(answer["Attributes"][name] == "0" for name in names)

    def _until[T](self, condition: Callable[[], T | None], what: str) -> T:
        found = self.doorward.stack.until(condition, what)
        assert found is not None  # noqa: S101 - for the type checker: until returns true values only
        return found

    def _ends(self, title: str, did: str, seconds: float | None = None) -> None:
        self.screen.say(f"{self.screen.paint('✓', '32')} {did}")
        self.chapters.append(Chapter(title, did, seconds))


def _legitimate_policies() -> tuple[dict[str, Any], dict[str, Any]]:
    batch = f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch"
    return trusting(batch), trusting(batch, f"arn:aws:iam::{SHARED_SERVICES.id}:role/auditor")


def _opened_policy() -> dict[str, Any]:
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
    sample["detail"]["requestParameters"] = {"roleName": _ROLE, "policyDocument": json.dumps(trust)}
    return json.dumps(sample)


def summarize(screen: Screen, story: Story, page_url: str | None) -> None:
    screen.heading("What happened")
    for number, chapter in enumerate(story.chapters, 1):
        seconds = f"{chapter.seconds:5.2f} s" if chapter.seconds is not None else "       "
        screen.say(f"{number}  {seconds}  {chapter.title}: {chapter.did}")
    screen.say()
    screen.say("Messages to people, as SNS and Slack got them:")
    for message in story.doorward.slack.messages:
        screen.say(f"  {for_terminal(message.text)}")
    screen.heading("Where to look")
    screen.say(f"{FOLDER.relative_to(ROOT)}/summary.md   this, as a document, with every diff")
    screen.say("config/guardrails.yaml   why prod was put back and staging's other findings would only alert")
    screen.say("template.yaml, accounts/*.yaml   what was deployed, unchanged, for AWS too")
    if page_url is None:
        screen.say("make demo KEEP=1   keeps all of this running, with a page of the timeline, findings and messages")


def look_around(screen: Screen, doorward: Installation, page_url: str) -> None:
    """What a visitor can do while the stack stays up."""
    screen.heading("It stays up; Ctrl-C ends it")
    screen.say(f"Timeline, findings, messages: {page_url}")
    screen.say(f"AWS: {doorward.stack.url} (account root: access key = the 12 digits of the account, secret: test)")
    screen.say()
    screen.say("Open the door yourself, from another terminal in this folder, and watch it close:")
    print(f"\n{door_opener(doorward.stack.url, _ROLE)}", flush=True)  # from the first column, so that it can be pasted


def door_opener(url: str, role_name: str) -> str:
    """A shell command that lets a stranger into a role of prod's and shows what stands two seconds later."""
    stranger = json.dumps(trusting(f"arn:aws:iam::{STRANGER.id}:root"))
    python = Path(sys.executable).relative_to(ROOT) if Path(sys.executable).is_relative_to(ROOT) else Path(sys.executable)
    return f"""\
AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID={PROD.id} AWS_SECRET_ACCESS_KEY=test {python} - <<'EOF'
import boto3, time
iam = boto3.client("iam")
iam.update_assume_role_policy(RoleName="{role_name}", PolicyDocument='{stranger}')
time.sleep(2)
print(iam.get_role(RoleName="{role_name}")["Role"]["AssumeRolePolicyDocument"])
EOF"""


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, with everything it started."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, with a page, until Ctrl-C")
    keep = parser.parse_args().keep
    screen = Screen()
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with _ended_by_signals(), Stack(progress=screen.progress, folder=FOLDER) as stack, SlackSink() as slack:
            _play(screen, stack, slack, keep=keep)
    except (StackError, ClientError) as error:
        print(f"demo: {error}\ndemo: the logs are in {FOLDER.relative_to(ROOT)}/", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        screen.say()
        return 0 if keep else 130
    return 0


def _play(screen: Screen, stack: Stack, slack: SlackSink, *, keep: bool) -> None:
    print("Doorward on this machine: an organization of five accounts, no AWS. What the local cloud lacks:")
    for line in not_emulated_lines():
        screen.say(line)
    doorward = install(stack, slack, screen.progress)
    found_delivery_pipeline(stack)
    people = {account.id: People(stack, account) for account in (PROD, STAGING)}
    screen.progress("five accounts are guarded: " + ", ".join(f"{account.name} {account.id}" for account in ORGANIZATION))
    story = Story(screen, doorward, people)
    story.tell()

    def snapshot() -> Snapshot:
        return take_snapshot(
            stack.client("dynamodb", HUB.id),
            stack.client("sqs", HUB.id),
            ledger_table=doorward.outputs["LedgerTableName"],
            dead_letter_queues={"changes": doorward.outputs["ChangeDeadLettersUrl"], "messages": doorward.outputs["NotifyDeadLettersUrl"]},
            slack=slack,
        )

    stack.until(lambda: len(slack.messages) >= _MESSAGES, "people to be told of everything")
    (FOLDER / "summary.md").write_text(summary_markdown(snapshot()), "utf-8")
    if not keep:
        summarize(screen, story, None)
        return
    with serve(snapshot) as page:
        summarize(screen, story, page)
        look_around(screen, doorward, page)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
