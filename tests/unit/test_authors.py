"""The author hears first: who is one, who is told, in which order, whatever fails."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.findings.authors import who_wrote
from doorward.findings.cures import CURES
from doorward.guardrails.rules import ALL_RULES
from doorward.organization.model import Account, Author, Contact, Organization, Owner, Pipeline
from doorward.ports.announcing import Channel
from doorward.slack.cards import render_card
from doorward.usecases.address_author import address_author
from doorward.usecases.compose_message import compose_message
from doorward.usecases.notify_people import Tools, notify_people
from tests.browser.samples import harmless, record
from tests.fakes import FakeChannel, FakeClock, FakeLedger, FakeNotices

REPOSITORY = Path(__file__).resolve().parents[2]
PROD, STRANGER = "777788889999", "999988887777"
JANE, PLATFORM = Contact(slack="U0JANEDOE1"), Contact(slack="C0PLATFORM")
PAYMENTS = Contact(topic="arn:aws:sns:us-east-1:111122223333:doorward-people-payments")
DEPLOYER = f"arn:aws:iam::{PROD}:role/deploy/DeployRole"
USER = f"arn:aws:iam::{PROD}:user/jane"
SSO = f"arn:aws:iam::{PROD}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Administrator_0123456789abcdef"
ACME = Organization(
    accounts=(Account(PROD, "prod", owner=Owner("payments team", PAYMENTS)), Account("222233334444", "staging")),
    pipelines=(Pipeline(DEPLOYER, "platform"),),
    authors=(
        Author(PLATFORM, owner="platform"),
        Author(JANE, "Jane", principal=USER),
        Author(JANE, "Jane", permission_set="*", session="jane@acme.example"),
        Author(JANE, "Jane", principal="arn:aws:iam::*:role/own/*"),
        Author(JANE, "everybody", principal="arn:aws:iam::*:role/doorward/*"),
    ),
)


def detail(actor: dict[str, Any] | None = None, *, event: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    who = {"kind": "IAMUser", "arn": USER, "session_name": None, "account_id": PROD, "pipeline": False, "wrote_what_stands": True}
    return {**record(harmless).detail, "remedy": None, "diff": [], "actor": who | (actor or {}), **changes} | (
        {"event": {**record(harmless).detail["event"], **event}} if event else {}
    )


def envelope(detail_type: str = "TrustViolationFound", **given: Any) -> str:
    told = {"announcement_id": "dw-1-found", **detail(**given)}
    return json.dumps({"source": "doorward.guardrails", "detail-type": detail_type, "detail": told})


# Who is told


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        ({}, JANE),
        ({"kind": "AssumedRole", "arn": DEPLOYER, "session_name": "release-42"}, PLATFORM),
        ({"kind": "AssumedRole", "arn": SSO, "session_name": "jane@acme.example"}, JANE),
        ({"kind": "AssumedRole", "arn": SSO, "session_name": "joe@acme.example"}, None),
        ({"kind": "AssumedRole", "arn": f"arn:aws:iam::{PROD}:role/any", "session_name": "jane@acme.example"}, None),
        ({"kind": "AssumedRole", "arn": SSO.replace("aws-reserved", "aws-reversed"), "session_name": "jane@acme.example"}, None),
        ({"kind": "AssumedRole", "arn": "arn:aws:iam::222233334444:role/own/x", "account_id": "222233334444"}, JANE),
        ({"kind": "AssumedRole", "arn": f"arn:aws:iam::{STRANGER}:role/own/x", "account_id": STRANGER}, None),
        ({"kind": "AssumedRole", "arn": f"arn:aws:iam::{PROD}:role/doorward/doorward-remedy"}, None),
        ({"kind": "AssumedRole", "arn": f"arn:aws:iam::{PROD}:role/own/x:role/doorward/any"}, JANE),
        ({"kind": "IAMUser", "arn": f"arn:aws:iam::{PROD}:user/joe"}, None),
        ({"kind": "Root", "arn": f"arn:aws:iam::{PROD}:root"}, None),
        ({"kind": "AWSService", "arn": None, "account_id": None}, None),
        ({"kind": "Doorward", "arn": None, "account_id": None, "wrote_what_stands": None}, None),
        ({"wrote_what_stands": None}, JANE),
        ({"wrote_what_stands": False}, None),
    ],
)
def test_who_is_told_as_the_author(actor: dict[str, Any], told: Contact | None) -> None:
    found = who_wrote("TrustViolationFound", detail(actor), ACME)
    assert found is not None
    assert found.contact == told
    assert bool(found.because) is (told is None)


def test_whoever_hid_what_he_changed_is_not_told_how_he_was_found() -> None:
    found = who_wrote("TrustViolationFound", detail(event={"parameters_hidden": True}), ACME)
    assert found is not None
    assert found.contact is None


@pytest.mark.parametrize("detail_type", ["TrustChangeUnread", "SuspiciousSessionFound", "GuardProblemFound", "SuspiciousChangeFound"])
def test_what_is_about_no_judged_trust_policy_has_no_author(detail_type: str) -> None:
    assert who_wrote(detail_type, detail(), ACME) is None


# Order, failures, repetition


@dataclass
class People:
    """Jane, the payments team, the mail and the channel; `order`: who was told, in order."""

    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(FakeClock())
        self.sns, self.slack = (FakeChannel(each, order=self.order) for each in ("sns", "slack"))
        self.slack.address = "slack:C0HOUSE000"
        self.of: dict[Contact, FakeChannel] = {
            each: FakeChannel(name, order=self.order) for each, name in ((JANE, "jane"), (PAYMENTS, "payments"), (PLATFORM, "platform"))
        }
        self.tools = Tools((self.sns, self.slack), self.reach, ACME, self.ledger, FakeNotices(), FakeClock())

    def reach(self, contact: Contact) -> Channel:
        return self.of[contact]

    @property
    def everybody(self) -> str:
        return self.sns.messages[-1].text


def test_the_author_is_told_before_the_owner_and_the_owner_before_everybody() -> None:
    people = People()
    assert notify_people(envelope(), people.tools) == ("jane", "payments", "sns", "slack")
    assert people.order == ["jane", "payments", "sns", "slack"]
    assert "The author (Jane, arn" in people.everybody
    assert "was told first" in people.everybody
    assert "The account's owner (payments team) was told first." in people.everybody
    assert "was told first" in json.dumps(render_card(people.slack.messages[0]))
    assert notify_people(envelope(), people.tools) == ()


@pytest.mark.parametrize("failing", list(product([None, Misconfigured, Unavailable], repeat=3)))
def test_who_cannot_be_told_keeps_nobody_else_from_it(failing: tuple[Callable[[str], DoorwardError] | None, ...]) -> None:
    people = People()
    channels = (people.of[JANE], people.of[PAYMENTS], people.sns)
    for channel, error in zip(channels, failing, strict=True):
        channel.fail_next = [] if error is None else [error("the line is dead")]
    again = Unavailable in failing or failing[2] is not None
    try:
        sent = notify_people(envelope(), people.tools)
    except DoorwardError:
        sent = tuple(people.order)
        assert again
    else:
        assert not again
    working = [channel.name for channel, error in zip(channels, failing, strict=True) if error is None]
    assert list(sent) == [*working, "slack"]
    whoever = people.slack.messages[0].text
    assert whoever.count("could not be reached") == sum(each is not None for each in failing[:2])
    assert whoever.count("the line is dead") == sum(each is not None for each in failing[:2])
    if again:
        notify_people(envelope(), people.tools)
        assert sorted(people.order) == sorted({"jane", "payments", "sns", "slack"}), "nobody twice, nobody never"


def test_an_author_whom_nobody_can_reach_is_named_to_the_owner_and_everybody() -> None:
    people = People()
    joe = {"kind": "AssumedRole", "arn": f"arn:aws:iam::{PROD}:role/admin", "session_name": "joe"}
    assert notify_people(envelope(actor=joe), people.tools) == ("payments", "sns", "slack")
    for each in (people.of[PAYMENTS].messages[0].text, people.everybody):
        assert f"The author (arn:aws:iam::{PROD}:role/admin as joe) could not be reached: no entry of `authors`" in each


def test_a_bug_in_the_letter_keeps_nobody_else_from_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("of ours")

    people = People()
    monkeypatch.setattr("doorward.usecases.notify_people.address_author", broken)
    with pytest.raises(KeyError):
        notify_people(envelope(), people.tools)
    assert people.order == ["payments", "sns", "slack"]
    assert "of ours" not in people.everybody


def test_one_place_is_told_once() -> None:
    people = People()
    people.of[PAYMENTS] = people.of[JANE]
    assert notify_people(envelope(), people.tools) == ("jane", "sns", "slack")
    assert people.of[JANE].messages[0].letter, "as the author"
    people = People()
    people.of[PAYMENTS].address = people.of[JANE].address = people.slack.address
    assert notify_people(envelope(), people.tools) == ("sns", "slack")
    assert not people.slack.messages[0].letter, "as everybody"
    assert people.everybody.count("reads this here") == 2


def test_an_alert_is_told_to_the_owner_and_everybody() -> None:
    people = People()
    raw = {"announcement_id": "dw-2", "detection": "external-caller", "title": "x", "account": {"id": PROD, "name": "prod"}}
    alert = json.dumps({"source": "doorward.sessions", "detail-type": "SuspiciousSessionFound", "detail": raw})
    assert notify_people(alert, people.tools) == ("payments", "sns", "slack")
    assert "author" not in people.everybody


def test_in_mode_observe_not_even_the_author_is_disturbed() -> None:
    people = People()
    assert notify_people(envelope(mode="observe"), people.tools) == ()
    assert people.order == []


# What he reads


def test_the_letter_says_what_happened_why_what_proves_it_and_how_to_do_it_right() -> None:
    people = People()
    notify_people(envelope(), people.tools)
    (letter,) = people.of[JANE].messages
    for part in (
        "Hello Jane, your change of a role lets more in than our guardrails allow.",
        f"Role {PROD}/payments",
        "The request that proves it: ",
        CURES["external-account"],
        "More: docs/rules/external-account.md",
        "The owner of the account is told, too.",
        "If you did not make this change, say so at once",
        "dw-0123456789abcdef0001",
    ):
        assert part in letter.text, part
        assert part.replace("_", "＿") in "\n".join(each["text"]["text"] for each in render_card(letter)["blocks"]), part  # noqa: RUF001
    assert "never-shown" not in letter.text, "the external ID"
    assert letter.subject != people.sns.messages[0].subject


def test_the_letter_of_a_remedy_shows_what_stands_now() -> None:
    done = {"remedy": {"kind": "drop", "proved": True}, "diff": ["@@ -1 +1 @@", "-  stranger", "+  nobody"]}
    letter = address_author(compose_message(envelope("TrustPolicyReverted", **done)), "").text
    assert letter.startswith("Hello, your change")
    assert "What was done: the trust policy was narrowed" in letter
    assert "What stands now, against what you wrote:\n-  stranger\n+  nobody" in letter
    assert "@@" not in letter


def test_whoever_owns_a_pipeline_is_told_where_to_change_it() -> None:
    assert "Change it where the pipeline takes it from" in address_author(compose_message(envelope(actor={"pipeline": True})), "").text
    assert "pipeline" not in address_author(compose_message(envelope()), "").text


def test_each_rule_says_how_to_do_it_right() -> None:
    assert CURES.keys() == ALL_RULES.keys()


@pytest.mark.parametrize("detail_type", ["TrustPolicyUndecidable", "TrustRemedyFailed", "TrustViolationEnded"])
def test_each_kind_of_event_has_a_letter(detail_type: str) -> None:
    undecided = [{"rule": "external-account", "because": "x"}]
    assert "Hello, " in address_author(compose_message(envelope(detail_type, undecidable=undecided)), "").text


def test_what_is_on_the_bus_keeps_to_its_schema() -> None:
    schema = json.loads((REPOSITORY / "docs/schemas/doorward.guardrails.1.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(record(harmless).detail)
