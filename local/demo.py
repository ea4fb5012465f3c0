"""`make demo`: the whole of Doorward on this machine, and what it does when doors between accounts are opened.

Nothing here is Doorward: this file deploys it, plays the people, and reads what it did from where anybody could.
"""

import argparse
import contextlib
import json
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from botocore.exceptions import ClientError

from doorward.findings.escaping import for_terminal
from local.chapters import ALL, SHORT, tell, with_what_it_needs
from local.chapters.doors import ROLE
from local.chapters.stage import Screen, Stage
from local.cloud.not_emulated import lines as not_emulated_lines
from local.installation import Installation, People, found_delivery_pipeline, install, trusting
from local.page import serve
from local.page.files import summary_markdown
from local.slack import SlackMessage, SlackSink
from local.snapshot import Snapshot, take_snapshot
from local.stack import ROOT, Stack, StackError
from local.world import HUB, ORGANIZATION, PROD, SLACK_PLACES, STAGING, STRANGER

FOLDER: Final = ROOT / ".demo"
_TOLD_SECONDS: Final = 180.0
"""At most, on a busy machine: a storm leaves a hundred messages."""
_NUMBERED: Final = re.compile(r"-[0-9]+$")


def summarize(screen: Screen, stage: Stage, page_url: str | None) -> None:
    screen.heading("What happened")
    for number, chapter in enumerate(stage.chapters, 1):
        seconds = f"{chapter.seconds:5.2f} s" if chapter.seconds is not None else "       "
        screen.say(f"{number:2}  {seconds}  {chapter.title}: {chapter.did}")
    screen.say()
    screen.say("Messages to people, in the order in which Slack got them; of numbered roles the first stands for all:")
    for (channel, text), times in told_alike(stage.doorward.slack.messages).items():
        screen.say(f"  to {SLACK_PLACES.get(channel, channel)}: {for_terminal(text)}{f'  ({times} times)' if times > 1 else ''}")
    screen.heading("Where to look")
    screen.say(f"{FOLDER.relative_to(ROOT)}/summary.md   this, as a document, with every diff")
    screen.say("config/guardrails.yaml   why prod was put back and staging's other findings would only alert")
    screen.say("template.yaml, accounts/*.yaml   what was deployed, unchanged, for AWS too")
    if page_url is None:
        screen.say("make demo KEEP=1   keeps all of this running, with a page of the timeline, findings and messages, and one for Slack")
        screen.say(f"make demo-all, make demo CHAPTER=…   {len(ALL)} chapters: {', '.join(ALL)}")


def told_alike(messages: Iterable[SlackMessage]) -> dict[tuple[str, str], int]:
    """How often each place got each text; of roles that are numbered, the first stands for all."""
    times: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for each in messages:
        alike = each.channel, _NUMBERED.sub("", each.text)
        times[each.channel, first.setdefault(alike, each.text)] += 1
    return dict(times)


def look_around(screen: Screen, doorward: Installation, page_url: str) -> None:
    """What a visitor can do while the stack stays up."""
    screen.heading("It stays up; Ctrl-C ends it")
    screen.say(f"Timeline, findings, messages: {page_url}")
    screen.say(f"Slack, as each of its people: {doorward.slack.page_url}")
    screen.say(f"AWS: {doorward.stack.url} (account root: access key = the 12 digits of the account, secret: test)")
    screen.say()
    screen.say("Open the door yourself, from another terminal in this folder, and watch it close:")
    print(f"\n{door_opener(doorward.stack.url, ROLE)}", flush=True)  # from the first column, so that it can be pasted


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
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--chapter", choices=tuple(ALL), metavar="NAME", help=f"this chapter alone: {', '.join(ALL)}")
    which.add_argument("--all", action="store_true", help="every chapter")
    given = parser.parse_args()
    keep = given.keep
    names = tuple(ALL) if given.all else with_what_it_needs(given.chapter) if given.chapter else SHORT
    screen = Screen()
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with _ended_by_signals(), Stack(progress=screen.progress, folder=FOLDER) as stack, SlackSink() as slack:
            _play(screen, stack, slack, names, keep=keep)
    except (StackError, ClientError) as error:
        print(f"demo: {error}\ndemo: the logs are in {FOLDER.relative_to(ROOT)}/", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        screen.say()
        return 0 if keep else 130
    return 0


def _play(screen: Screen, stack: Stack, slack: SlackSink, names: Sequence[str], *, keep: bool) -> None:
    print("Doorward on this machine: an organization of five accounts, no AWS. What the local cloud lacks:")
    for line in not_emulated_lines():
        screen.say(line)
    # Before Doorward comes: what was there before it, it takes as it is.
    found_delivery_pipeline(stack)
    people = {account.id: People(stack, account) for account in (PROD, STAGING)}
    doorward = install(stack, slack, screen.progress)
    doorward.invoke("SendHeartbeatsFunction")  # the first turn of its schedule, which also has the organization read
    screen.progress("five accounts are guarded: " + ", ".join(f"{account.name} {account.id}" for account in ORGANIZATION))
    stage = Stage(screen, doorward, people)
    tell(stage, names)

    def snapshot() -> Snapshot:
        return take_snapshot(
            stack.client("dynamodb", HUB.id),
            stack.client("sqs", HUB.id),
            ledger_table=doorward.outputs["LedgerTableName"],
            dead_letter_queues={
                name: doorward.outputs[f"{output}DeadLettersUrl"]
                for name, output in (
                    ("changes", "Change"),
                    ("sessions", "Session"),
                    ("organization", "Organization"),
                    ("guard", "Guard"),
                    ("messages", "Notify"),
                )
            },
            slack=slack,
        )

    stage.until(lambda: doorward.untold() == 0, "people to be told of everything", seconds=_TOLD_SECONDS)
    (FOLDER / "summary.md").write_text(summary_markdown(snapshot()), "utf-8")
    if not keep:
        summarize(screen, stage, None)
        return
    with serve(snapshot) as page:
        summarize(screen, stage, page)
        look_around(screen, doorward, page)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
