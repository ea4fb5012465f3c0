"""What is told of a grant, to whom and where; what people decide about it in Slack, and that they are shown all of it."""

import json
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.decisions.actions import LONGEST_REASON
from doorward.findings.escaping import for_slack, for_terminal
from doorward.grants.grant import State
from doorward.notices.routing import addressed
from doorward.notices.telling import notice_of
from doorward.organization.model import Notifications, Organization, Route
from doorward.people.model import SlackUser, Via
from doorward.ports.announcing import Message
from doorward.slack.cards import render_card
from doorward.usecases.advance_grant import advance_grant
from local.slack.blocks import message_problems
from tests.fakes import FakeChannel
from tests.grants_world import ANN, JANE, JOE, PROD, rule
from tests.slack_grants import JANES_SECOND, OF_ANN, OF_EVE, OF_JANE, OF_JOE, STRANGER, GrantOffice
from tests.unit.test_slack_cards import EVIL, buttons_of, harmless, mrkdwn_of


def asked(*rules: dict[str, Any], **fields: str) -> GrantOffice:
    office = GrantOffice(*rules)
    assert office.asks(**fields)[0] == "asked"
    return office


def active(*rules: dict[str, Any]) -> GrantOffice:
    office = asked(*rules)
    assert office.presses(OF_JOE, "approve", office.value)[0] == "pending"  # until its execution looks
    assert office.runs() == "active"
    return office


@pytest.fixture
def office() -> GrantOffice:
    return asked()


def texts_of(card: dict[str, Any]) -> list[str]:
    return [block["text"]["text"] for block in card["blocks"] if "text" in block]


def actions_of(message: Message) -> list[str]:
    return [each["action_id"] for each in buttons_of(render_card(message))]


def letters(text: str) -> str:
    """Those that no escape replaces."""
    return "".join(each for each in text if each.isascii() and each.isalnum())


# The card


def test_the_card_shows_all_that_a_yes_is_said_to(office: GrantOffice) -> None:
    card = render_card(office.composed("DecisionAwaited"))
    whole = "\n".join(texts_of(card))
    grant = office.grant
    for each in (
        for_slack(f"{JANE.user_name} asks for orders in prod ({PROD.id}), for 30 minutes, from when it is approved."),
        "Order 4711 is lost.",
        "s3:GetObject on arn:aws:s3:::acme-orders/*",
        json.dumps({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::acme-orders"}),
        "Risk: low. Rules: payments.",
        grant.policy_sha256,
        grant.id,
        "1 more of security",
        "No ticket.",
    ):
        assert each in whole
    approve, refuse = buttons_of(card)
    assert approve["value"] == refuse["value"] == f"{grant.id}/{grant.shown_hash}"
    assert ("confirm" in approve, "confirm" in refuse) == (True, False)
    assert message_problems(card["blocks"]) == []


def test_what_is_asked_otherwise_is_another_button() -> None:
    assert len({asked(**fields).composed("DecisionAwaited").choices[0].shown for fields in ({}, {"minutes": "31"}, {"reason": "x"})}) == 3


@given(st.text(min_size=1, max_size=LONGEST_REASON) | st.lists(st.sampled_from(EVIL), min_size=1, max_size=80).map("".join))
def test_no_reason_is_cut_or_does_anything_in_slack(reason: str) -> None:
    message = asked().composed("DecisionAwaited")
    detail = {**message.detail, "grant": {**message.detail["grant"], "reason": reason, "ticket": reason[:64]}}
    card = render_card(replace(message, detail=detail))
    assert message_problems(card["blocks"]) == []
    for text in mrkdwn_of(card):
        harmless(text)
    assert letters(for_terminal(reason)) in letters(unescape("".join(texts_of(card))))


def test_the_longest_scope_and_reason_are_shown_whole_and_slack_takes_them() -> None:
    message = asked().composed("DecisionAwaited")
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{number:040}/*"} for number in range(40)]
    reason = "\U000e0041" * LONGEST_REASON
    card = render_card(
        replace(message, detail={**message.detail, "grant": {**message.detail["grant"], "scope": statements, "reason": reason}})
    )
    assert message_problems(card["blocks"]) == []
    whole = "\n".join(texts_of(card))
    assert whole.count(r"\U000e0041") == LONGEST_REASON
    for each in statements:
        assert json.dumps(each) in whole
    assert "…" not in whole


def test_a_condition_is_said_in_words() -> None:
    message = asked().composed("DecisionAwaited")
    statement = {"Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": ["x"], "Condition": {"StringLike": {"s3:prefix": ["p/*", "q/*"]}}}
    card = render_card(replace(message, detail={**message.detail, "grant": {**message.detail["grant"], "scope": [statement]}}))
    assert "- a:B, a:C on x, where StringLike s3:prefix p/* or q/*" in "\n".join(texts_of(card))


def test_by_mail_the_same_is_said_in_text(office: GrantOffice) -> None:
    message = office.composed("DecisionAwaited")
    assert message.subject == f"Doorward [low] {JANE.user_name} asks for orders in prod"
    for each in ("Order 4711 is lost.", office.grant.policy_sha256, f"doorward grants approve {office.grant.id}", "docs/runbooks/"):
        assert each in message.text


# What people decide


def test_another_approves_and_it_is_his_word_by_slack(office: GrantOffice) -> None:
    outcome, told = office.presses(OF_JOE, "approve", office.value)
    assert (outcome, "people have answered" in told, "people have to agree" in told) == ("pending", True, False)
    (question,) = office.grants.questions.kept.values()
    assert [(each.user_id, each.via) for each in question.votes] == [(JOE.user_id, Via.SLACK)]
    assert office.runs() == "active"


@pytest.mark.parametrize("user", [OF_JANE, JANES_SECOND])
def test_nobody_approves_for_himself_by_any_of_his_slack_users(user: SlackUser) -> None:
    office = asked()
    office.groups[JANE.user_id] |= {"security"}
    outcome, told = office.presses(user, "approve", office.value)
    assert (outcome, "asked for this" in told) == ("refused", True)
    assert office.runs() == "pending"


def test_two_slack_users_of_one_person_are_one_of_the_two_that_it_takes() -> None:
    office = asked(rule(approve={"groups": ["security"], "quorum": 2}))
    office.links.links[STRANGER] = office.links.links[OF_JOE]._replace(user=STRANGER)
    office.presses(OF_JOE, "approve", office.value)
    office.presses(STRANGER, "approve", office.value)
    assert office.runs() == "pending"
    office.presses(OF_ANN, "approve", office.value)
    assert office.runs() == "active"


@pytest.mark.parametrize("user", [OF_EVE, STRANGER])
def test_who_has_nothing_to_do_with_it_decides_nothing_and_is_told_nothing_of_it(office: GrantOffice, user: SlackUser) -> None:
    for action in ("approve", "refuse-grant", "revoke"):
        value = office.value if action != "revoke" else f"{office.grant.id}/"
        outcome, told = office.presses(user, action, value) if action == "approve" else office.says(user, action, value)
        assert outcome in {"unknown", "nobody"}
        assert "orders" not in told
    assert office.runs() == "pending"


def test_a_refusal_asks_why_and_says_so_to_whoever_asked(office: GrantOffice) -> None:
    assert office.presses(OF_JOE, "refuse-grant", office.value)[0] == "asked"
    assert office.says(OF_JOE, "refuse-grant", office.value, "  ")[0] == "refused"
    assert office.grant.state is State.PENDING
    assert office.says(OF_JOE, "refuse-grant", office.value, "Use the replica.")[0] == "pending"
    assert office.runs() == "refused"
    office.tells()
    letter = office.of[f"{OF_JANE.user_id}"].messages[-1].text
    assert "Use the replica." in letter


def test_what_was_shown_is_not_what_it_is(office: GrantOffice) -> None:
    outcome, told = office.presses(OF_JOE, "approve", f"{office.grant.id}/{'0' * 64}")
    assert (outcome, "not what you were shown" in told) == ("refused", True)


@pytest.mark.parametrize("value", ["", "/", "x/y", f"{'0' * 26}/{'0' * 63}", f"{'I' * 26}/{'0' * 64}", f"dw-{'0' * 20}/{'0' * 64}"])
@pytest.mark.parametrize("action", ["approve", "refuse-grant", "revoke"])
def test_a_value_that_no_button_of_a_grant_has_is_none(office: GrantOffice, action: str, value: str) -> None:
    assert office.presses(OF_JOE, action, value)[0] == "unknown"
    assert office.says(OF_JOE, action, value)[0] == "unknown"


def test_what_stands_is_taken_back_with_a_reason_by_who_may() -> None:
    office = active()
    value = f"{office.grant.id}/"
    assert office.presses(OF_ANN, "revoke", value)[0] == "asked"
    assert office.says(OF_ANN, "revoke", value, "")[0] == "refused"
    assert office.grant.state is State.ACTIVE
    assert office.says(OF_ANN, "revoke", value, "The ticket is closed.")[0] == "ending"
    assert (office.grant.ended_by, office.grant.because) == (ANN.user_id, "The ticket is closed.")
    assert office.runs() == "revoked"


def test_while_slack_does_not_count_nothing_is_decided_or_taken_back_by_it() -> None:
    office = active()
    office.ways = {}
    assert office.says(OF_ANN, "revoke", f"{office.grant.id}/")[0] == "refused"
    assert office.grant.state is State.ACTIVE


# What is told


def test_a_grant_has_one_thread_and_its_card_says_how_it_is(office: GrantOffice) -> None:
    office.tells()
    (card,) = office.channel.sent
    assert actions_of(card.message) == ["approve", "refuse-grant"]
    office.clock.sleep(20 * 60)  # longer than what is found alike belongs together
    office.presses(OF_JOE, "approve", office.value)
    office.tells()
    (card,) = office.channel.sent  # that it was approved, the card alone says
    assert actions_of(card.message) == []
    assert JOE.user_name in card.message.outcomes["grant"]
    assert office.runs() == "active"
    office.tells()
    card, started = office.channel.sent
    assert (started.message.detail_type, started.thread, started.aloud) == ("GrantStarted", card.id, False)
    assert actions_of(started.message) == ["revoke"]
    assert "Active until" in card.message.outcomes["grant"]
    office.clock.sleep(31 * 60)
    assert office.runs() == "closed"
    office.tells()
    card, started, ended = office.channel.sent
    assert (ended.message.detail_type, ended.thread) == ("GrantEnded", card.id)
    assert actions_of(started.message) == actions_of(card.message) == []
    assert "Ended" in card.message.outcomes["grant"]


def test_whoever_asked_hears_how_to_use_it_and_that_it_is_over() -> None:
    office = active()
    office.tells()
    for each in (OF_JANE, JANES_SECOND):
        (letter,) = office.of[each.user_id].messages
        assert f"doorward grants configure {office.grant.id}" in letter.text
        assert actions_of(letter) == []
    office.says(OF_ANN, "revoke", f"{office.grant.id}/", "No more.")
    office.runs()
    office.tells()
    assert "No more." in office.of[OF_JANE.user_id].messages[-1].text
    assert len(office.of[OF_JANE.user_id].messages) == 2, "and each once"


def test_who_is_linked_to_nobody_gets_no_letter_and_the_others_are_told() -> None:
    office = active()
    office.links.links = {}
    office.tells()
    assert office.of == {}
    assert "GrantStarted" in [each.detail_type for each in office.messages()]


def test_two_grants_of_one_role_have_two_threads() -> None:
    office = asked()
    office.asks(OF_EVE)
    office.tells()
    assert [each.thread for each in office.channel.sent] == ["", ""]


def test_a_card_is_never_held_back_or_kept_for_the_digest() -> None:
    office = asked()
    office.telling = replace(office.telling, organization=Organization(accounts=(PROD,), notifications=Notifications(most_per_minute=0)))
    office.tells()
    assert len(office.channel.sent) == 1


def test_what_nobody_has_to_approve_is_told_whole_when_it_begins() -> None:
    office = asked(rule(automatic={"risk": "medium"}))
    office.telling = replace(office.telling, organization=Organization(notifications=Notifications(digest_below="info")))
    assert office.runs() == "active"
    office.tells()
    (message,) = office.messages()
    assert message.detail_type == "GrantStarted"
    assert "on nobody's word" in message.text
    assert office.grant.policy_sha256 in "\n".join(texts_of(render_card(message)))
    assert actions_of(message) == ["revoke"]


def test_an_approved_one_that_begins_later_is_told_and_can_be_taken_back() -> None:
    office = GrantOffice(rule(start_within_hours=24))
    later = office.clock.now() + timedelta(hours=2)
    office.asks(start=str(int(later.timestamp())))
    office.presses(OF_JOE, "approve", office.value)
    assert office.runs() == "approved"
    office.tells()
    approved = office.messages()[-1]
    assert (approved.detail_type, actions_of(approved)) == ("GrantApproved", ["revoke"])
    assert f"{later:%Y-%m-%d %H:%M} UTC" in office.of[OF_JANE.user_id].messages[-1].text


def test_where_a_route_takes_it_from_everybody_their_card_shows_what_came_of_it_all_the_same() -> None:
    office = asked()
    route = Route(channels=("C0TEAM1",))
    office.telling = replace(office.telling, organization=Organization(accounts=(PROD,), notifications=Notifications((route,))))
    office.tells()
    assert [actions_of(each.message) for each in office.channel.sent] == [["approve", "refuse-grant"]]
    office.presses(OF_JOE, "approve", office.value)
    office.runs()
    office.tells()
    (card,) = office.channel.sent
    assert actions_of(card.message) == []
    assert [each.detail_type for each in office.of["C0TEAM1"].messages] == ["DecisionAwaited", "GrantStarted"]


def test_by_mail_each_step_is_a_message() -> None:
    office = asked()
    topic = FakeChannel("sns")
    office.telling = replace(office.telling, channels=(topic,))
    office.tells()
    office.presses(OF_JOE, "approve", office.value)
    office.runs()
    office.tells()
    assert [each.detail_type for each in topic.messages] == ["DecisionAwaited", "GrantStarted"]


def test_what_cannot_be_ended_asks_everybody_at_any_hour() -> None:
    office = active()
    office.tells()
    before = office.channel.sent[0].message.outcomes
    office.clock.time += office.grant.lasts
    advance_grant(office.grant.id, "page", office.tools)
    office.tells()
    assert office.channel.sent[0].message.outcomes == before, "how it is, is not known"
    assert office.channel.sent[-1].aloud
    message = office.composed("GrantEndFailed")
    assert "See why, as the runbook says." in message.text
    notice = notice_of(message.announcement_id, message.detail_type, message.detail)
    assert notice.asks
    quiet = Organization(accounts=(PROD,), notifications=Notifications((Route(channels=("C0TEAM1",)),)))
    assert addressed(PROD.id, message.detail_type, notice, quiet).everybody
    assert office.value not in json.dumps(render_card(message))


def test_a_role_of_an_account_without_a_name_is_told_by_its_id() -> None:
    nameless = PROD._replace(name="")
    office = GrantOffice(accounts=(nameless,))
    office.commands()
    assert f"orders in {PROD.id}" in office.form.lines[0]
    assert office.asks()[0] == "asked"
    assert f"asks for orders in {PROD.id}" in office.composed("DecisionAwaited").headline
