"""People who ask for grants and decide about them in Slack, on fakes; the grant's execution takes its steps when it is told to."""

import json
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import datetime
from itertools import product
from typing import Any

from doorward.decisions.model import EVER, Ways
from doorward.findings.escaping import for_terminal
from doorward.grants.entitled import offer
from doorward.grants.grant import Grant
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest, Target
from doorward.organization.model import Account, Contact, Organization
from doorward.people.model import Person, Refusal, SlackUser, Via
from doorward.ports.announcing import Channel, Message
from doorward.ports.ledger import Announcement
from doorward.ports.slack import Asking, Form, Interaction, Kind, Link
from doorward.slack.forms import view_of
from doorward.usecases import ask_by_slack, grant_standing
from doorward.usecases.advance_grant import STEPS, advance_grant
from doorward.usecases.answer_slack import Tools, answer_slack
from doorward.usecases.compose_message import compose_announced
from doorward.usecases.link_slack import Tools as LinkTools
from doorward.usecases.list_entitlements import offer_as_json
from doorward.usecases.notify_people import Tools as NotifyTools
from doorward.usecases.notify_people import notify_people
from local.slack.blocks import view_problems
from tests.fakes import FakeChannel, FakeClock, FakeDesk, FakeGrants, FakeLedger, FakeLinks, FakeNotices, FakeRates
from tests.grants_world import ANN, EVE, JANE, JOE, ORDERS, PEOPLE, PROD, entitlements, rule
from tests.unit.test_decide_finding import Office

TEAM = "T0ACME"
OF_JANE, OF_JOE, OF_ANN, OF_EVE, JANES_SECOND = (SlackUser(TEAM, each) for each in ("U0JANE", "U0JOE", "U0ANN", "U0EVE", "U0JANE2"))
STRANGER = SlackUser(TEAM, "U0MAX")
ANSWER_TO = "https://hooks.slack.com/commands/T0ACME/1/x"
KEY = f"{ORDERS.ref}/read-bucket"
"""Of the one thing that may be asked for."""
FILLED = {"parameter-bucket": "acme-orders", "minutes": "30", "reason": "Order 4711 is lost."}


class GrantOffice:
    """Jane and Eve of payments may ask, Joe and Ann of security decide. `targets`: the roles that there are."""

    def __init__(self, *rules: dict[str, Any], roles: Sequence[Target] = (ORDERS,), accounts: Sequence[Account] = (PROD,)) -> None:
        self.entitlements: Entitlements = entitlements(*(rules or (rule(),)))
        self.clock, self.grants, self.desk, self.links = FakeClock(), FakeGrants(), FakeDesk(), FakeLinks()
        self.targets, self.accounts = {each.ref: each for each in roles}, {each.id: each for each in accounts}
        self.groups = {each.user_id: frozenset({"security" if each in {JOE, ANN} else "payments"}) for each in PEOPLE}
        self.ways: Ways = dict.fromkeys(Via, EVER)
        self.rates = FakeRates(self.clock)
        self.fail_next: list[Exception] = []
        for user, person in ((OF_JANE, JANE), (OF_JOE, JOE), (OF_ANN, ANN), (OF_EVE, EVE), (JANES_SECOND, JANE)):
            self.links.links[user] = Link(user, person.user_id, self.clock.now())
        self.tools = grant_standing.Tools(
            grants=self.grants,
            questions=self.grants.questions,
            entitlements=self.entitlements,
            asker=self._asker,
            voter=self._asker,
            facts=self._facts,
            ways=lambda: self.ways,
            account_name=lambda account_id: self.accounts[account_id].name if account_id in self.accounts else None,
            announce=self._announce,
            new_id=lambda: "never",
            clock=self.clock,
            rates=self.rates,
            measure=lambda _measures: None,
        )
        people = {each.user_id: each for each in PEOPLE}
        linking = LinkTools(self.links, people.get, lambda: "c", lambda: True, self.clock, "111122223333")
        nothing: Any = None
        self.slack = Tools(linking, replace(Office().tools, clock=self.clock), nothing, self.desk, self._asking())
        self.channel = FakeChannel("everybody", has_threads=True)
        self.of: dict[str, FakeChannel] = {}
        organization = Organization(accounts=tuple(accounts))
        ledger = FakeLedger(self.clock)
        self.outbox = ledger.outbox
        self.telling = NotifyTools((self.channel,), self._reach, organization, ledger, FakeNotices(), self.clock, self._slack_users)

    # What people do

    def does(self, interaction: Interaction) -> tuple[str, str]:
        """What came of it, and what he was told beside forms."""
        before = len(self.desk.told)
        self.clock.sleep(1)
        interaction = interaction if interaction.at else interaction._replace(at=int(self.clock.now().timestamp()))
        outcome = answer_slack(interaction, self.slack)
        return outcome, " ".join(line for _, lines in self.desk.told[before:] for line in lines)

    def commands(self, user: SlackUser = OF_JANE, what: str = "", trigger: str = "1") -> tuple[str, str]:
        return self.does(Interaction(Kind.COMMANDED, user, what, "", "x", ANSWER_TO, trigger))

    def submits(
        self, step: Asking, fields: Mapping[str, str], value: str = KEY, user: SlackUser = OF_JANE, *, view: str = "V1", at: int = 0
    ) -> tuple[str, str]:
        return self.does(Interaction(Kind.SUBMITTED, user, step, value, "x", ANSWER_TO, fields=fields, view=view, at=at))

    def asks(self, user: SlackUser = OF_JANE, /, **fields: str) -> tuple[str, str]:
        """By the last form, whatever was before it."""
        filled = {name.replace("_", "-"): value for name, value in fields.items()}
        return self.submits(Asking.DETAILS, FILLED | filled, user=user)

    def presses(self, user: SlackUser, action: str, value: str) -> tuple[str, str]:
        return self.does(Interaction(Kind.PRESSED, user, action, value, "x", ANSWER_TO, "2"))

    def says(self, user: SlackUser, action: str, value: str, reason: str = "because") -> tuple[str, str]:
        """By the form of a button."""
        return self.does(Interaction(Kind.SUBMITTED, user, action, value, "x", ANSWER_TO, fields={"reason": reason}, view="V2"))

    # What is there

    @property
    def form(self) -> Form:
        """What stands there now; Slack takes it."""
        form = list(self.desk.shown.values())[-1]
        assert view_problems(view_of(form, ANSWER_TO)) == []
        return form

    @property
    def grant(self) -> Grant:
        (grant,) = self.grants.kept.values()
        return grant

    @property
    def value(self) -> str:
        """Of the buttons that approve and refuse."""
        return f"{self.grant.id}/{self.grant.shown_hash}"

    def runs(self) -> str:
        """Its execution does whatever is due."""
        for step in (*STEPS, *STEPS):
            self.clock.sleep(0.1)
            if step != "page":
                advance_grant(self.grant.id, step, self.tools)
        return str(self.grant.state)

    def announcements(self) -> list[Announcement]:
        return [*self.grants.questions.announced.values(), *self.grants.announced.values()]

    def tells(self) -> None:
        """Whatever was announced, in its order, and what was told before once more."""
        for each in sorted(self.announcements(), key=lambda each: each.at):
            self.outbox.setdefault(each.id, each)
            notify_people(event_of(each), self.telling)

    def messages(self, channel: FakeChannel | None = None) -> list[Message]:
        return (channel or self.channel).messages

    def composed(self, detail_type: str) -> Message:
        each = next(each for each in self.announcements() if each.detail_type == detail_type)
        return compose_announced(each.id, each.detail_type, each.detail)

    # What is known

    def _asker(self, user_id: str) -> Asker | None:
        person = next((each for each in PEOPLE if each.user_id == user_id), None)
        return None if person is None or user_id not in self.groups else Asker(person, self.groups[user_id], {}, frozenset())

    def _facts(self, request: GrantRequest, asker: Asker) -> Facts:
        target = self.targets.get(request.role_ref)
        return Facts(asker, target, None if target is None else self.accounts.get(target.account_id))

    def _offers(self, person: Person) -> list[dict[str, Any]]:
        if self.fail_next:
            raise self.fail_next.pop(0)
        asker = self._asker(person.user_id)
        assert asker is not None
        found = []
        for target, name in product(self.targets.values(), self.entitlements.templates):
            account = self.accounts[target.account_id]
            made = offer(self.entitlements, name, Facts(asker, target, account))
            if not isinstance(made, Refusal):
                found.append(offer_as_json(made, name, target, account, self.entitlements))
        return found

    def _asking(self) -> ask_by_slack.Tools:
        return ask_by_slack.Tools(self._offers, self.tools, self.desk)

    def _announce(self, announcement: Announcement) -> bool:
        return self.grants.announced.setdefault(announcement.id, announcement) is announcement

    def _slack_users(self, person_id: str) -> list[str]:
        return [each.user.user_id for each in self.links.links_of(person_id)]

    def _reach(self, contact: Contact) -> Channel:
        return self.of.setdefault(contact.slack, FakeChannel(f"slack:{contact.slack}", has_threads=True))


def event_of(announcement: Announcement) -> str:
    """As it is on the bus."""
    source = str(announcement.detail["format"]).partition("/")[0]
    detail = {"announcement_id": announcement.id, "announced_at": announcement.at.isoformat(), **announcement.detail}
    return json.dumps({"source": source, "detail-type": announcement.detail_type, "detail": detail})


def seconds(moment: datetime) -> str:
    """As Slack says a moment."""
    return str(int(moment.timestamp()))


def shown(message: Message) -> str:
    """All that a text of it says."""
    return for_terminal(message.text)
