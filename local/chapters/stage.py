"""What every chapter needs: a screen, the deployed Doorward, the people, and ways to wait for what it does.

Nothing that is shown is written down beforehand: each line comes from the ledger, or from what stands in an account.
"""

import html
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from doorward.findings.escaping import for_terminal
from doorward.findings.wording import witness_in_words
from doorward_cli.usage import DONE, REPORTED, WRONG_INPUT
from local import identity_center
from local.aws_cli import aws_cli
from local.installation import Installation, People, Told
from local.slack import SlackMessage
from local.stack import StackError
from local.world import HUB, REGION, SLACK_CHANNEL, SLACK_TEAM, Account, Person, SlackUser

LONG_SECONDS: Final = 60.0
"""On a busy machine a function that starts takes many times as long as it does here."""


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
    """One thing that happened, for the summary. `seconds`: from the act to what Doorward did about it."""

    title: str
    did: str
    seconds: float | None = None


@dataclass
class Stage:
    """`people` by account id. `patience`: how many seconds to wait for what Doorward does, where a chapter says nothing else."""

    screen: Screen
    doorward: Installation
    people: Mapping[str, People]
    patience: float = LONG_SECONDS
    chapters: list[Chapter] = field(default_factory=list)

    def opens(self, title: str, *happens: str) -> None:
        """Begin a chapter: its title, and what happens in plain sentences."""
        self.screen.heading(f"{len(self.chapters) + 1}  {title}")
        for line in happens:
            self.screen.say(line)

    def ends(self, title: str, did: str, seconds: float | None = None) -> None:
        self.screen.say(f"{self.screen.paint('✓', '32')} {did}")
        self.chapters.append(Chapter(title, did, seconds))

    def prove(self, detail: Mapping[str, Any]) -> None:
        """Each finding, and the request that shows it."""
        for finding in detail["findings"]:
            if finding["severity"] == "info":
                continue
            self.screen.say(f"Found {self.screen.paint(finding['rule'], '1')} ({finding['severity']}): {for_terminal(finding['title'])}.")
            self.screen.say(f"The request that shows it: {for_terminal(witness_in_words(finding['witness']))}")

    def shows(self, told: Told, seconds: float) -> None:
        """An alert, as people are told of it."""
        label = self.screen.paint(told.detail["detection"], "1")
        self.screen.say(f"After {self.screen.paint(f'{seconds:.2f} s', '1;32')} {label} ({told.detail['severity']}):")
        self.screen.say(f"  {for_terminal(told.detail['because'])}")
        self.screen.say(f"  What to do: {for_terminal(told.detail['what_to_do'])}")

    def quotes(self, message: SlackMessage, heading: str) -> None:
        """What stands under this heading of a message on Slack."""
        texts = (str(block.get("text", {}).get("text", "")) for block in message.blocks)
        quoted = next((html.unescape(each) for each in texts if each.startswith(heading)), None)
        if quoted is None:
            raise StackError(f"a message to {message.channel} says nothing under {heading!r}")
        for line in quoted.splitlines():
            self.screen.say(f"  {for_terminal(line)}")

    def command(self, *arguments: str) -> None:
        """Run `doorward` as whoever operates the hub does, and show what it prints."""
        done = self._run(arguments, {"AWS_ACCESS_KEY_ID": HUB.id, "AWS_SECRET_ACCESS_KEY": "test"})
        if done.returncode not in {DONE, REPORTED}:
            raise StackError(f"doorward {' '.join(arguments)} failed: {done.stderr or done.stdout}")
        self._show(arguments, "", done.stdout)

    def command_of(self, person: Person, *arguments: str, last: int | None = None) -> bool:
        """Run `doorward` as somebody whom Identity Center has signed in; show what it prints, or why he is refused. False where he is.

        `last`: so many lines, where the others are known.
        """
        done = self._run(arguments, self._keys_of(person))
        if done.returncode not in {DONE, REPORTED, WRONG_INPUT}:
            raise StackError(f"doorward {' '.join(arguments)} failed: {done.stderr or done.stdout}")
        self._show(arguments, f"   (as {person.user_name})", done.stdout if done.returncode == DONE else done.stderr, last)
        return done.returncode == DONE

    def aws(self, person: Person, *arguments: str, keys: Mapping[str, str] | None = None) -> bool:
        """Run AWS's own command line as somebody has it on his machine; show what it prints, or why it is refused. False where it is.

        `keys`: environment variables of the credentials that he holds, in the place of those that he signed in with.
        """
        environment = self._environment(keys or self._keys_of(person))
        done = subprocess.run(
            [str(aws_cli()), *arguments], env=environment, capture_output=True, text=True, timeout=self.patience, check=False
        )
        self._show(arguments, f"   (as {person.user_name})", (done.stderr if done.returncode else done.stdout).strip(), command="aws")
        return done.returncode == DONE

    def link(self, person: Person, user: SlackUser) -> None:
        """He runs `doorward grants link`, and gives its code in Slack; what it prints is not shown, for the code is his alone."""
        ref = f"{SLACK_TEAM}/{user.id}"
        command = [sys.executable, "-m", "doorward_cli.main", "grants", "link", "--slack-user", ref]
        running = subprocess.Popen(
            command, env=self._environment(self._keys_of(person)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with running:
            printed = ""
            for line in running.stdout or ():
                printed += line
                given = re.search(r"/doorward (link \S+)", line)
                if given is not None:
                    self.doorward.slack.command(user, "/doorward", given[1])
        if running.returncode != DONE:
            raise StackError(f"{person.user_name} could not be linked to {ref}: {printed}")

    def presses(self, user: SlackUser, message: SlackMessage, action: str) -> str:
        """What he alone is told of it."""
        before = len(self.doorward.slack.ephemerals(user))
        self.doorward.slack.click(user, message, action)
        told = self.until(lambda: self.doorward.slack.ephemerals(user)[before:], f"{user.name} to be told what came of it")
        return " ".join(html.unescape(told[0].text).split())

    def buttons_about(self, finding_id: str) -> SlackMessage:
        """The message to everybody with buttons about a finding."""

        def sent() -> SlackMessage | None:
            asking = (each for each in self.doorward.slack.messages if each.channel == SLACK_CHANNEL)
            return next((each for each in asking if any(finding_id in str(block) for block in each.blocks if "elements" in block)), None)

        return self.until(sent, "Slack to have the message with its buttons")

    def _run(self, arguments: Sequence[str], credentials: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "doorward_cli.main", *arguments]
        environment = self._environment(credentials)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=self.patience, check=False)

    def _environment(self, credentials: Mapping[str, str]) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DOORWARD_"))}
        return others | {
            "AWS_ENDPOINT_URL": self.doorward.stack.url,
            "AWS_DEFAULT_REGION": REGION,
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # Profiles and credentials of whoever plays this stay as they are.
            "AWS_CONFIG_FILE": str(self.doorward.stack.folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.doorward.stack.folder / "aws-credentials"),
            "XDG_CACHE_HOME": str(self.doorward.stack.folder / "cache"),
            **credentials,
        }

    def _keys_of(self, person: Person) -> dict[str, str]:
        """As whom Identity Center has signed in, and where the API is."""
        keys = identity_center.sign_in(self.doorward.stack, person)
        return {name.upper(): value for name, value in keys.items()} | {"DOORWARD_API_URL": self.doorward.api_url}

    def _show(self, arguments: Sequence[str], by: str, printed: str, last: int | None = None, command: str = "doorward") -> None:
        self.screen.say(self.screen.paint(f"$ {command} {shlex.join(arguments)}{by}", "1"))
        lines = printed.splitlines()
        for line in lines[-last:] if last else lines:
            self.screen.say(f"  {for_terminal(line)}")

    # Waiting and looking

    def wait(self, account: Account, role: str, event_name: str, count: int) -> str:
        outcomes = self.until(
            lambda: found if len(found := self.doorward.outcomes(f"{account.id}/{role}", event_name)) >= count else None,
            f"{event_name} of {role} to be judged",
        )
        return outcomes[-1]

    def alert(self, detection: str, *about: str, detail_type: str | None = None, seconds: float | None = None) -> Told:
        """The first alert under a detection whose sentence has all of `about` in it."""

        def look() -> Told | None:
            fits = (
                each
                for each in self.doorward.alerts(detection)
                if all(part in each.detail["because"] for part in about) and detail_type in {None, each.detail_type}
            )
            return next(fits, None)

        return self.until(look, f"{detection} to be told, with {' and '.join(about)}", seconds=seconds)

    def expect(self, outcome: str, told: str) -> None:
        if outcome != told:
            raise StackError(f"this chapter should have ended with {told}, and ended with {outcome}: was config/ or the judge changed?")

    def closed_cases(self, account: Account, role: str) -> list[dict[str, str]]:
        return [case for case in self.doorward.cases(f"{account.id}/{role}") if case["status"] == "remedied"]

    def closed_case(self, account: Account, role: str, number: int = 0) -> dict[str, str] | None:
        closed = self.closed_cases(account, role)
        return closed[number] if len(closed) > number else None

    def closed_until(self, account: Account, role: str, count: int) -> dict[str, str]:
        """The role's closed case of this number, counted from 1, once it is closed."""
        return self.until(lambda: self.closed_case(account, role, count - 1), f"case {count} of {role} to be closed")

    def has_come(self, role_ref: str, principal: str) -> bool:
        """Whether this principal is known to have opened a session of the role; of an account that is not ours, the account."""
        key = {"pk": {"S": f"ROLE#{role_ref}"}, "sk": {"S": f"EDGE#{principal}"}}
        sessions = self.doorward.outputs["SessionsTableName"]
        return "Item" in self.doorward.stack.client("dynamodb", HUB.id).get_item(TableName=sessions, Key=key, ConsistentRead=True)

    def message(self, channel: str, about: str) -> SlackMessage | None:
        """The first to this place on Slack that names it."""
        return next((each for each in self.doorward.slack.messages if each.channel == channel and about in str(each)), None)

    def queue_is_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.doorward.stack.client("sqs", HUB.id).get_queue_attributes(
            QueueUrl=self.doorward.outputs["ChangeQueueUrl"], AttributeNames=names
        )
        return all(answer["Attributes"][name] == "0" for name in names)

    def until[T](self, condition: Callable[[], T | None], what: str, *, seconds: float | None = None) -> T:
        """The condition's first true value; raises StackError, saying what was awaited."""
        found = self.doorward.stack.until(condition, what, seconds=seconds or self.patience)
        assert found is not None  # noqa: S101 - for the type checker: until returns true values only
        return found
