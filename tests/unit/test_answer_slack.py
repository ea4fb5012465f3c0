"""What people do in Slack, on fakes: by the same use cases as on the API, as whom they are linked to, and told to them alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doorward.decisions.actions import ACTIONS
from doorward.decisions.model import EVER, State
from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.findings.dismissal import is_dismissed
from doorward.people.model import Caller, Machine, Refusal, SlackUser, Via
from doorward.ports.slack import Interaction, Kind, Link
from doorward.usecases import link_slack
from doorward.usecases.answer_slack import Tools, answer_slack
from doorward.usecases.decide_finding import APPLY, DISMISS, UNDO, WAIVE, choices_of, shown_hash
from doorward.usecases.link_slack import DETECTION, WITHIN, bind_link, hash_of_code, offer_link, show_links, unbind_link
from tests.fakes import START, FakeDesk, FakeLinks
from tests.unit.test_decide_finding import ANN, EVE, JOE, PAYMENTS, Office, replace_deciders
from tests.unit.test_react_to_change import ALL_BAD, event, role

TEAM = "T0ACME"
OF_ANN, OF_JOE, OF_EVE, SECOND_OF_ANN = (SlackUser(TEAM, each) for each in ("U0ANN", "U0JOE", "U0EVE", "U0ANN2"))
ANSWER_TO = "https://hooks.slack.com/actions/T0ACME/1/x"


class SlackOffice(Office):
    """An office whose people have Slack."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.links, self.desk = FakeLinks(), FakeDesk()
        for user, person in ((OF_ANN, ANN), (OF_JOE, JOE), (OF_EVE, EVE), (SECOND_OF_ANN, ANN)):
            self.links.links[user] = Link(user, person.user_id, START)
        self.people = {each.user_id: each for each in (ANN, JOE, EVE)}
        self.counts = True
        self.codes = iter(f"{number:032x}" for number in range(9))
        self.linking = link_slack.Tools(
            self.links, self.people.get, lambda: next(self.codes), lambda: self.counts, self.world.clock, "111122223333"
        )
        no_grants: Any = None  # tests/slack_grants.py has them
        self.slack = Tools(self.linking, self.tools, self.world.roles.roles.get, self.desk, no_grants)

    def does(self, interaction: Interaction) -> tuple[str, str]:
        """What came of it, and what he was told."""
        before = len(self.desk.told)
        now = int(self.world.clock.now().timestamp())
        outcome = answer_slack(interaction if interaction.at else interaction._replace(at=now), self.slack)
        return outcome, " ".join(line for _, lines in self.desk.told[before:] for line in lines)

    def presses(self, user: SlackUser, action: str = "apply", value: str | None = None, **more: Any) -> tuple[str, str]:
        return self.does(Interaction(Kind.PRESSED, user, action, self.value if value is None else value, "x", ANSWER_TO, "1.2", **more))

    def submits(self, user: SlackUser, action: str, value: str | None = None, **fields: str) -> tuple[str, str]:
        value = self.value if value is None else value
        return self.does(Interaction(Kind.SUBMITTED, user, action, value, "x", ANSWER_TO, fields=fields))

    def commands(self, user: SlackUser, what: str, value: str = "", name: str = "x") -> tuple[str, str]:
        return self.does(Interaction(Kind.COMMANDED, user, what, value, name, ANSWER_TO))

    @property
    def value(self) -> str:
        return self.value_of(APPLY)

    def value_of(self, what: str, detail_type: str = "TrustViolationFound") -> str:
        """Of the buttons under the message that told of this."""
        told = next(each for each in self.world.ledger.outbox.values() if each.detail_type == detail_type)
        choice = next(each for each in choices_of(told.detail_type, told.detail) if each.what == what)
        return f"{choice.about}/{choice.shown}"


@pytest.fixture
def office() -> SlackOffice:
    return SlackOffice()


def test_a_button_of_the_message_is_about_what_the_finding_shows(office: SlackOffice) -> None:
    assert office.value == f"{office.case.id}/{shown_hash(office.case, APPLY)}"


def test_one_click_of_a_linked_approver_closes_the_door(office: SlackOffice) -> None:
    assert office.presses(OF_ANN) == ("approved", f"apply finding {office.case.id}: people said yes.")
    assert office.desk.told[0][0] == ANSWER_TO
    assert office.carried_out() == ["reverted"]
    assert [each.via for each in office.question().votes] == [Via.SLACK]
    assert office.world.questions.audit[0][3] == f"{ANN.user_id} slack"


def test_a_double_click_and_a_message_that_comes_twice_are_done_once(office: SlackOffice) -> None:
    assert office.presses(OF_ANN)[0] == "approved"
    outcome, told = office.presses(OF_ANN)
    assert (outcome, "decided already" in told) == ("refused", True)
    assert office.carried_out() == ["reverted"]
    assert len(office.world.roles.writes) == 1


def test_what_is_dismissed_by_its_button_is_hidden(office: SlackOffice) -> None:
    value = office.value_of(DISMISS)
    assert office.submits(OF_ANN, "dismiss", value, reason="known")[0] == "approved"
    assert office.carried_out() == ["done"]
    assert is_dismissed(office.case.detail)


def test_two_who_choose_the_same_day_waive_what_was_found(office: SlackOffice) -> None:
    value = office.value_of(WAIVE)
    assert office.presses(OF_ANN, "waive", value)[0] == "asked"
    assert office.submits(OF_ANN, "waive", value, day="2026-12-24", reason="CHANGE-1")[0] == "open"
    assert office.submits(OF_ANN, "waive", value, day="2026-12-24", reason="CHANGE-1")[0] == "open"
    assert office.submits(OF_JOE, "waive", value, day="2026-12-25", reason="CHANGE-1")[0] == "open"
    assert office.carried_out() == []
    assert office.submits(OF_JOE, "waive", value, day="2026-12-24", reason="CHANGE-1")[0] == "approved"
    assert office.carried_out() == ["done"]
    waivers = office.world.ledger.head(PAYMENTS).waivers
    assert {each.until for each in waivers} == {datetime(2026, 12, 24, tzinfo=UTC)}


@pytest.mark.parametrize("day", ["", "tomorrow", "2027-12-24", "2026-11-24"])
def test_a_waiver_until_no_day_or_too_late_a_one_is_none(office: SlackOffice, day: str) -> None:
    value = office.value_of(WAIVE)
    assert office.submits(OF_ANN, "waive", value, day=day, reason="x")[0] == "refused"
    assert office.world.questions.kept == {}


def test_what_a_remedy_replaced_is_put_back_by_two_by_the_button_under_what_it_did(office: SlackOffice) -> None:
    found = office.case.found_document
    assert office.presses(OF_ANN)[0] == "approved"
    assert office.carried_out() == ["reverted"]
    value = office.value_of(UNDO, "TrustPolicyReverted")
    assert office.submits(OF_ANN, "undo", value, reason="it broke the night's run")[0] == "open"
    assert office.submits(OF_JOE, "undo", value, reason="it did")[0] == "approved"
    assert office.carried_out() == ["done"]
    assert json.loads(office.world.roles.roles[PAYMENTS].trust_policy) == json.loads(found)


@pytest.mark.parametrize("failure", [Unavailable("Slack does not answer"), Misconfigured("no_permission")])
def test_an_answer_that_slack_does_not_take_undoes_nothing(office: SlackOffice, failure: Exception) -> None:
    office.desk.fail_next = [failure]  # type: ignore[list-item]
    assert office.presses(OF_ANN) == ("approved, not answered", "")
    assert office.carried_out() == ["reverted"]


def test_what_fails_before_the_commit_is_told_to_nobody_and_comes_again(office: SlackOffice) -> None:
    office.world.questions.fail_next = [Throttled("slower")]
    with pytest.raises(Throttled):
        office.presses(OF_ANN)
    assert office.desk.told == []
    assert office.presses(OF_ANN)[0] == "approved"


def test_two_slack_users_of_one_person_are_one_person() -> None:
    office = SlackOffice(replace_deciders(quorum=2))
    assert office.presses(OF_ANN)[0] == "open"
    outcome, told = office.presses(SECOND_OF_ANN)
    assert (outcome, "1 more of security" in told) == ("open", True)
    assert office.carried_out() == []
    assert office.presses(OF_JOE)[0] == "approved"


def test_two_who_press_at_once_are_both_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    office = SlackOffice(replace_deciders(quorum=2))
    ask = office.world.questions.ask

    def while_joe_is_faster(*arguments: Any) -> bool:
        monkeypatch.undo()
        assert office.presses(OF_JOE)[0] == "open"
        return ask(*arguments)

    monkeypatch.setattr(office.world.questions, "ask", while_joe_is_faster)
    assert office.presses(OF_ANN)[0] == "approved"
    assert office.question().yes == {ANN.user_id, JOE.user_id}
    assert office.carried_out() == ["reverted"]
    assert len(office.world.roles.writes) == 1


@pytest.mark.parametrize("user", [OF_EVE, SlackUser(TEAM, "U0EVE2")])
def test_whoever_caused_it_does_not_decide_it_by_any_slack_user(office: SlackOffice, user: SlackUser) -> None:
    office.behind = frozenset({EVE.user_id})
    office.links.links[user] = Link(user, EVE.user_id, START)
    outcome, told = office.presses(user)
    assert (outcome, "caused it" in told) == ("refused", True)
    assert office.world.questions.kept == {}


def test_a_slack_user_who_is_linked_to_nobody_decides_nothing_whatever_he_is_called(office: SlackOffice) -> None:
    outcome, told = office.presses(SlackUser(TEAM, "U0STRANGER"))
    assert (outcome, "doorward grants link" in told) == ("nobody", True)
    assert office.presses(SlackUser("T0OTHER", OF_ANN.user_id))[0] == "nobody"  # the same id in another workspace is somebody else
    assert office.submits(SlackUser(TEAM, "U0STRANGER"), "refuse", reason="x")[0] == "nobody"
    assert office.presses(SlackUser(TEAM, "U0STRANGER"), "refuse")[0] == "nobody"
    assert (office.world.questions.kept, office.desk.forms) == ({}, [])


def test_who_is_switched_off_decides_nothing(office: SlackOffice) -> None:
    del office.people[ANN.user_id]
    outcome, told = office.presses(OF_ANN)
    assert (outcome, "enabled user" in told) == ("nobody", True)
    assert office.world.questions.kept == {}


def test_who_is_switched_off_between_two_decisions_has_not_said_yes() -> None:
    office = SlackOffice(replace_deciders(quorum=2))
    assert office.presses(OF_ANN)[0] == "open"
    del office.standings[ANN.user_id]
    assert office.presses(OF_JOE)[0] == "open"
    assert office.question().yes == {JOE.user_id}


def test_while_slack_does_not_count_nothing_is_decided_by_it(office: SlackOffice) -> None:
    office.ways = {Via.SIGV4: EVER}
    outcome, told = office.presses(OF_ANN)
    assert (outcome, "by slack do not count" in told) == ("refused", True)
    assert office.world.questions.kept == {}


def test_what_was_shown_is_not_what_it_is_any_more(office: SlackOffice) -> None:
    before = office.value
    office.world.roles.put(role(ALL_BAD))
    office.world.clock.sleep(5)
    office.world.react(event(document=ALL_BAD, event_id="e-2", at=office.world.clock.now()))
    outcome, told = office.presses(OF_ANN, value=before)
    assert (outcome, "does not stand" in told) == ("refused", True)
    outcome, told = office.presses(OF_ANN, value=f"{office.case.id}/{before.rpartition('/')[2]}")
    assert (outcome, "not what you were shown" in told) == ("refused", True)


def test_who_comes_too_late_is_told_so() -> None:
    office = SlackOffice(replace_deciders(quorum=2))
    office.presses(OF_ANN)
    office.world.clock.sleep(24 * 3600)
    outcome, told = office.presses(OF_JOE)
    assert (outcome, "too late" in told) == ("refused", True)


def test_what_lay_about_for_half_an_hour_decides_nothing(office: SlackOffice) -> None:
    """Among the dead letters, say, from where somebody moves it back."""
    now = int(office.world.clock.now().timestamp())
    assert office.presses(OF_ANN, at=now - 1801) == ("too old", "")
    assert office.world.questions.kept == {}
    assert office.presses(OF_ANN, at=now - 1799)[0] == "approved"


def test_critical_is_not_slacks_alone_to_decide() -> None:
    office = SlackOffice(trust=ALL_BAD)
    outcome, told = office.presses(OF_ANN)
    assert (outcome, "signed with AWS credentials" in told) == ("open", True)
    assert office.carried_out() == []


def test_a_no_asks_why_and_is_said_by_the_form(office: SlackOffice) -> None:
    assert office.presses(OF_JOE, "refuse") == ("asked", "")
    assert office.world.questions.kept == {}
    (form,) = office.desk.forms
    outcome, told = office.submits(OF_JOE, form.what, form.value, reason="it is meant to be")
    assert (outcome, "somebody said no" in told) == ("refused", True)
    assert (office.question().state, office.question().because) == (State.REFUSED, "it is meant to be")


def test_a_form_that_cannot_be_opened_any_more_is_said(office: SlackOffice) -> None:
    office.desk.too_late = True
    outcome, told = office.presses(OF_JOE, "refuse")
    assert (outcome, "Press the button again" in told) == ("too late", True)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001, "fine \x00", "fine \u202e"])
def test_a_form_without_its_reason_says_nothing(office: SlackOffice, reason: str) -> None:
    assert office.submits(OF_JOE, "refuse", reason=reason)[0] == "refused"
    assert office.world.questions.kept == {}


def test_a_role_is_held_by_a_form(office: SlackOffice) -> None:
    office.behind = frozenset({EVE.user_id})
    assert office.presses(OF_ANN, "hold", f"{PAYMENTS}/")[0] == "asked"
    until = (START + timedelta(hours=2)).isoformat()
    assert office.submits(OF_ANN, "hold", f"{PAYMENTS}/", hour=until, reason="a release")[0] == "approved"
    assert office.carried_out() == ["done"]
    (stop,) = office.world.brakes.stops
    assert (stop.scope, stop.because) == (f"role {PAYMENTS}", "a release")


@pytest.mark.parametrize(
    ("value", "hours"),
    [
        (f"{PAYMENTS}/", None),
        (f"{PAYMENTS}/", 5),
        (f"{PAYMENTS}/", -1),
        ("payments/", 1),
        (f"{PAYMENTS}/x", 1),
    ],
)
def test_what_is_no_hold_holds_nothing(office: SlackOffice, value: str, hours: int | None) -> None:
    hour = "²" if hours is None else (START + timedelta(hours=hours)).isoformat()
    assert office.submits(OF_ANN, "hold", value, hour=hour, reason="x")[0] in {"refused", "unknown"}
    assert office.submits(OF_ANN, "hold", value, reason="x")[0] in {"refused", "unknown"}
    assert office.world.questions.kept == {}


@pytest.mark.parametrize("value", ["", "/", "dw-1/2", "dw-" + "0" * 20 + "/" + "0" * 63, "x" * 3000, "dw-" + "0" * 20 + "\n/" + "0" * 64])
def test_a_value_that_no_button_of_ours_has_decides_nothing(office: SlackOffice, value: str) -> None:
    for action in ACTIONS:
        assert office.presses(OF_ANN, action, value)[0] == "unknown"
        assert office.submits(OF_ANN, action, value, hour="2026-11-24T10:00:00+00:00", day="2026-11-25", reason="x")[0] == "unknown"
    assert (office.world.questions.kept, office.desk.forms) == ({}, [])


@pytest.mark.parametrize("action", ["", "extend", "kill-switch", "APPLY"])
def test_a_button_of_no_action_is_said(office: SlackOffice, action: str) -> None:
    assert office.presses(OF_ANN, action)[0] == "unknown"
    assert office.submits(OF_ANN, action, reason="x")[0] == "unknown"
    assert office.world.questions.kept == {}


def test_every_action_but_a_yes_says_why(office: SlackOffice) -> None:
    assert all("reason" in each.asks for name, each in ACTIONS.items() if name not in {"apply", "approve"})


def test_a_command_says_what_there_is_and_who_one_is(office: SlackOffice) -> None:
    assert "You decide as ann@acme.example" in office.commands(OF_ANN, "help")[1]
    assert "linked to nobody" in office.commands(SlackUser(TEAM, "U0NEW"), "help")[1]
    assert office.commands(OF_ANN, "link")[0] == "help"


# Links

NEW = SlackUser(TEAM, "U0NEW")
SIGNED = Caller(ANN, Via.SIGV4)


def offered(office: SlackOffice, caller: Caller = SIGNED) -> str:
    offer = offer_link(caller, office.linking)
    assert isinstance(offer, dict), offer
    return str(offer["code"])


def test_a_slack_user_becomes_the_person_who_asked_for_the_code_and_then_said_yes_to_him(office: SlackOffice) -> None:
    code = offered(office)
    assert office.presses(NEW)[0] == "nobody"
    outcome, told = office.commands(NEW, "link", code, "Ann")
    assert (outcome, "ann@acme.example" in told, "Nothing is linked yet" in told) == ("code taken", True, True)
    assert office.presses(NEW)[0] == "nobody"  # not by the code alone
    shown = show_links(SIGNED, office.linking)
    assert isinstance(shown, dict)
    assert shown["taken_by"] == {"team_id": TEAM, "user_id": "U0NEW", "name": "Ann"}
    bound = bind_link(SIGNED, NEW, office.linking)
    assert isinstance(bound, dict)
    assert (bound["linked"][-1]["user_id"], bound["waiting"]) == ("U0NEW", False)
    assert office.links.audit == [("linked", NEW.ref, ANN.user_id)]
    (told_of,) = office.links.announced
    assert told_of.detail["detection"] == DETECTION
    assert office.presses(NEW)[0] == "approved"


def test_a_code_is_kept_as_its_hash_alone_and_nobody_can_guess_it(office: SlackOffice) -> None:
    code = offered(office)
    assert len(bytes.fromhex(code)) * 8 == 128
    assert code not in str(vars(office.links))
    assert hash_of_code(code) in office.links.offers


def test_a_code_is_taken_once_and_for_five_minutes_and_only_the_last_one_counts(office: SlackOffice) -> None:
    code = offered(office)
    assert office.commands(NEW, "link", code)[0] == "code taken"
    assert office.commands(OF_JOE, "link", code)[0] == "no code"  # read over his shoulder, or in the channel
    later = offered(office)
    office.world.clock.sleep(WITHIN.total_seconds())
    assert office.commands(NEW, "link", later)[0] == "no code"
    assert isinstance(bind_link(SIGNED, NEW, office.linking), Refusal)
    earlier, _last = offered(office), offered(office)
    assert office.commands(NEW, "link", earlier)[0] == "code taken"
    assert isinstance(bind_link(SIGNED, NEW, office.linking), Refusal)  # he asked for another one since
    assert office.presses(NEW)[0] == "nobody"


def test_a_code_that_was_taken_in_time_is_not_bound_later(office: SlackOffice) -> None:
    assert office.commands(NEW, "link", offered(office))[0] == "code taken"
    office.world.clock.sleep(WITHIN.total_seconds())
    assert isinstance(bind_link(SIGNED, NEW, office.linking), Refusal)


def test_a_code_that_somebody_else_gave_links_nobody_else_than_the_person_says_yes_to(office: SlackOffice) -> None:
    thief = SlackUser(TEAM, "U0THIEF")
    assert office.commands(thief, "link", offered(office))[0] == "code taken"
    assert isinstance(bind_link(SIGNED, NEW, office.linking), Refusal)
    assert isinstance(bind_link(Caller(JOE, Via.SIGV4), thief, office.linking), Refusal)  # not his code
    assert (office.links.of(thief), office.links.of(NEW)) == (None, None)


@pytest.mark.parametrize(
    "caller", [Caller(ANN, Via.JWT), Caller(ANN, Via.SLACK), Caller(Machine("arn:aws:iam::444455556666:role/bot"), Via.SIGV4)]
)
def test_only_a_person_who_signs_links_himself(office: SlackOffice, caller: Caller) -> None:
    for refused in (
        offer_link(caller, office.linking),
        show_links(caller, office.linking),
        bind_link(caller, NEW, office.linking),
        unbind_link(caller, OF_ANN, office.linking),
    ):
        assert isinstance(refused, Refusal)
    assert (office.links.offers, office.links.audit) == ({}, [])


def test_a_slack_user_of_somebody_else_stays_his_until_he_takes_the_link_back(office: SlackOffice) -> None:
    assert office.commands(OF_JOE, "link", offered(office))[0] == "code taken"
    refusal = bind_link(SIGNED, OF_JOE, office.linking)
    assert isinstance(refusal, Refusal)
    assert "--remove T0ACME/U0JOE" in refusal.cure
    assert office.links.of(OF_JOE) == JOE.user_id
    assert isinstance(unbind_link(SIGNED, OF_JOE, office.linking), Refusal)  # not for him
    assert isinstance(unbind_link(Caller(JOE, Via.SIGV4), OF_JOE, office.linking), dict)
    assert isinstance(bind_link(SIGNED, OF_JOE, office.linking), dict)
    assert office.links.of(OF_JOE) == ANN.user_id


def test_a_slack_user_of_one_who_is_gone_can_be_linked_anew(office: SlackOffice) -> None:
    del office.people[JOE.user_id]
    assert office.commands(OF_JOE, "link", offered(office))[0] == "code taken"
    assert isinstance(bind_link(SIGNED, OF_JOE, office.linking), dict)
    assert office.links.of(OF_JOE) == ANN.user_id


def test_a_link_that_was_taken_back_decides_nothing(office: SlackOffice) -> None:
    assert isinstance(unbind_link(SIGNED, OF_ANN, office.linking), dict)
    assert office.presses(OF_ANN)[0] == "nobody"
    assert office.links.audit == [("unlinked", OF_ANN.ref, ANN.user_id)]


def test_where_slack_does_not_count_nobody_is_linked(office: SlackOffice) -> None:
    office.counts = False
    assert isinstance(offer_link(SIGNED, office.linking), Refusal)
    assert isinstance(bind_link(SIGNED, NEW, office.linking), Refusal)


def test_a_code_of_one_who_was_switched_off_is_none(office: SlackOffice) -> None:
    code = offered(office)
    del office.people[ANN.user_id]
    assert office.commands(NEW, "link", code)[0] == "no code"


def test_a_name_makes_nobody(office: SlackOffice) -> None:
    """A Slack user who calls himself like an approver is nobody all the same."""
    impostor = Interaction(Kind.PRESSED, SlackUser(TEAM, "U0FAKE"), "apply", office.value, ANN.user_name, ANSWER_TO)
    assert office.does(impostor)[0] == "nobody"
