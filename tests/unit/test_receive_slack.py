"""Slack calls, on fakes: what is taken, what is refused, and that nothing is read of what Slack did not sign."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import MalformedInput, Unavailable
from doorward.people.model import Refusal, SlackUser
from doorward.people.slack import FRESH_SECONDS, nonce_of, signature_of
from doorward.ports.slack import Asking, Interaction, Kind
from doorward.slack.forms import answer_to_call
from doorward.slack.interactions import interaction_as_text, interaction_from, parse_call
from doorward.usecases.receive_slack import LONGEST, Call, Received, Tools, receive_slack
from local.slack.blocks import view_problems
from tests.fakes import START, FakeClock, FakeInteractions, FakeNonces

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TEAM, STRANGE_TEAM, USER = "T0ACME", "T0OTHER", "U0JANEDOE1"
SHOWN = f"dw-{'0' * 20}/{'a' * 64}"
ANSWER_TO = "https://hooks.slack.com/actions/T0ACME/1/x"
TOKEN = "the-token-that-slack-still-sends-along"


def pressed(by_team: str | None = TEAM, own_team: str | None = TEAM, **changes: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "token": TOKEN,
        "user": {"id": USER, "username": "jane", "name": "jane", "team_id": own_team},
        "team": None if by_team is None else {"id": by_team, "domain": "acme"},
        "enterprise": None,
        "is_enterprise_install": by_team is None,
        "api_app_id": "A0APP",
        "trigger_id": "1.2.3",
        "response_url": ANSWER_TO,
        "message": {"text": "whatever it said", "blocks": []},
        "actions": [{"type": "button", "action_id": "apply", "block_id": "b", "value": SHOWN, "action_ts": "1"}],
        **changes,
    }


def submitted(values: object = None, **changes: Any) -> dict[str, Any]:
    """A form with a reason, a time and a choice."""
    filled = {
        "reason": {"reason": {"type": "plain_text_input", "value": "the release"}},
        "until": {"until": {"type": "datepicker", "selected_date": "2027-01-31"}},
        "hours": {"hours": {"type": "static_select", "selected_option": {"value": "4"}}},
        "nothing": {"nothing": {"type": "plain_text_input", "value": None}},
    }
    view = {
        "id": "V0FORM",
        "callback_id": "refuse",
        "private_metadata": f"{SHOWN}\n{ANSWER_TO}",
        "state": {"values": filled if values is None else values},
    }
    return {**pressed(), "type": "view_submission", "response_urls": [], "view": view, **changes}


def body_of(payload: object) -> bytes:
    return urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)}).encode()


def command(text: str = "link 0123", **changes: str) -> bytes:
    fields = {"token": TOKEN, "team_id": TEAM, "user_id": USER, "user_name": "jane", "command": "/doorward", "text": text}
    return urlencode({**fields, "response_url": ANSWER_TO, "trigger_id": "1.2.3", **changes}).encode()


class Slack:
    """A line to Doorward, and what is queued behind it."""

    def __init__(self, secret: str = SECRET) -> None:
        self.clock, self.nonces, self.interactions = FakeClock(), FakeNonces(), FakeInteractions()
        self.tools = Tools(lambda: secret, (TEAM,), self._parse, answer_to_call, self.nonces, self.interactions, self.clock)
        self.read = 0

    def _parse(self, about: str, body: bytes) -> tuple[Interaction, frozenset[str]] | None:
        self.read += 1
        return parse_call(about, body)

    def signed(self, body: bytes, about: str = "interactions", *, secret: str = SECRET, ago: float = 0) -> Call:
        timestamp = str(int((self.clock.now() - timedelta(seconds=ago)).timestamp()))
        return Call(about, timestamp, signature_of(timestamp, body, secret), body)

    def calls(self, call: Call) -> Received:
        received, self.answer = receive_slack(call, self.tools)
        return received


def test_the_signature_is_that_of_slacks_own_example() -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert signature_of("1531420618", body, SECRET) == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def test_what_slack_signed_waits_in_line_once() -> None:
    slack = Slack()
    call = slack.signed(body_of(pressed()))
    assert slack.calls(call) is Received.QUEUED
    assert slack.calls(call) is Received.REPLAYED
    [(interaction, nonce)] = slack.interactions.put_in
    at = int(START.timestamp())
    assert interaction == Interaction(Kind.PRESSED, SlackUser(TEAM, USER), "apply", SHOWN, "jane", ANSWER_TO, "1.2.3", at=at)
    assert nonce in slack.nonces.seen
    assert TOKEN not in interaction_as_text(interaction)


def test_a_replay_a_moment_before_it_is_too_old_is_one_still() -> None:
    slack = Slack()
    call = slack.signed(body_of(pressed()), ago=-FRESH_SECONDS)  # Slack's clock is ahead
    assert slack.calls(call) is Received.QUEUED
    slack.clock.sleep(2 * FRESH_SECONDS)
    assert slack.calls(call) is Received.REPLAYED
    slack.clock.sleep(1)
    assert slack.calls(call) is Received.NOT_SLACK


@pytest.mark.parametrize(
    "forged",
    [
        lambda slack, body: slack.signed(body, secret="another"),
        lambda slack, body: slack.signed(body, secret=""),
        lambda slack, body: replace(slack.signed(body), body=body + b"&x=1"),
        lambda slack, body: replace(slack.signed(body), timestamp=str(int(slack.clock.now().timestamp()) + 1)),
        lambda slack, body: replace(slack.signed(body), signature=""),
        lambda slack, body: replace(slack.signed(body), timestamp=""),
        lambda slack, body: replace(slack.signed(body), signature=slack.signed(body).signature.upper()),
        lambda slack, body: replace(slack.signed(body), signature=slack.signed(body).signature + "0"),
        lambda slack, body: replace(slack.signed(body), signature=slack.signed(body).signature[3:]),
        lambda slack, body: replace(slack.signed(body), timestamp=" " + slack.signed(body).timestamp),
        lambda slack, body: replace(slack.signed(body), timestamp="9" * 400),
        lambda slack, body: slack.signed(body, ago=FRESH_SECONDS + 1),
        lambda slack, body: slack.signed(body, ago=-FRESH_SECONDS - 1),
    ],
)
def test_what_is_forged_or_late_is_refused_before_anything_of_it_is_read(forged: Any) -> None:
    slack = Slack()
    assert slack.calls(forged(slack, body_of(pressed()))) is Received.NOT_SLACK
    assert (slack.read, slack.nonces.seen, slack.interactions.put_in) == (0, set(), [])


def test_without_a_secret_nothing_is_slacks() -> None:
    slack = Slack(secret="")
    assert slack.calls(slack.signed(body_of(pressed()), secret="")) is Received.NOT_SLACK


def test_what_is_too_long_is_not_even_verified() -> None:
    slack = Slack()
    assert slack.calls(slack.signed(b"x" * (LONGEST + 1))) is Received.TOO_LONG
    assert slack.calls(slack.signed(b"x" * LONGEST)) is Received.MALFORMED


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (body_of(pressed(STRANGE_TEAM, STRANGE_TEAM)), "interactions"),
        (body_of(pressed(TEAM, STRANGE_TEAM)), "interactions"),  # somebody else's, in a channel that is shared with us
        (body_of(pressed(STRANGE_TEAM, TEAM)), "interactions"),
        (body_of(pressed(None, STRANGE_TEAM)), "interactions"),
        (body_of(pressed(STRANGE_TEAM, None)), "interactions"),
        (body_of(submitted(team={"id": STRANGE_TEAM})), "interactions"),
        (command(team_id=STRANGE_TEAM), "commands"),
    ],
)
def test_another_teams_calls_are_refused_and_not_queued(body: bytes, about: str) -> None:
    slack = Slack()
    assert slack.calls(slack.signed(body, about)) is Received.ANOTHER_TEAM
    assert slack.interactions.put_in == []
    ours = replace(slack.tools, teams=())
    assert receive_slack(slack.signed(command(), "commands"), ours)[0] is Received.ANOTHER_TEAM


@pytest.mark.parametrize(("team", "own_team"), [(TEAM, TEAM), (TEAM, None), (None, TEAM)])
def test_an_app_of_a_whole_organization_names_only_the_users_team(team: str | None, own_team: str | None) -> None:
    slack = Slack()
    assert slack.calls(slack.signed(body_of(pressed(team, own_team)))) is Received.QUEUED
    assert slack.interactions.put_in[0][0].user == SlackUser(TEAM, USER)


def test_a_form_and_a_command_are_what_was_entered() -> None:
    slack = Slack()
    assert slack.calls(slack.signed(body_of(submitted()))) is Received.QUEUED
    assert slack.answer == ""  # and so closed
    assert slack.calls(slack.signed(command("  Link  0123 4 "), "commands")) is Received.QUEUED
    form, link = [each for each, _ in slack.interactions.put_in]
    assert form.fields == {"reason": "the release", "until": "2027-01-31", "hours": "4", "nothing": ""}
    assert (form.kind, form.what, form.value, form.answer_to) == (Kind.SUBMITTED, "refuse", SHOWN, ANSWER_TO)
    assert form.view == "V0FORM"
    assert (link.kind, link.what, link.value, link.name) == (Kind.COMMANDED, "link", "0123 4", "jane")
    assert link.trigger == "1.2.3"


@pytest.mark.parametrize("step", list(Asking))
def test_a_form_whose_next_step_is_looked_up_stays_and_says_so(step: Asking) -> None:
    slack, form = Slack(), submitted()
    assert slack.calls(slack.signed(body_of({**form, "view": {**form["view"], "callback_id": step}}))) is Received.QUEUED
    answer = json.loads(slack.answer)
    assert answer["response_action"] == "update"
    assert view_problems(answer["view"]) == []
    assert slack.calls(slack.signed(body_of(pressed(actions=[{"type": "button", "action_id": step, "value": SHOWN}])))) is Received.QUEUED
    assert slack.answer == ""


@pytest.mark.parametrize(("moment", "entered"), [(1795703400, "1795703400"), (None, ""), (0, "0")])
def test_a_moment_is_what_slack_counts_in(moment: object, entered: str) -> None:
    slack = Slack()
    assert slack.calls(slack.signed(body_of(submitted({"start": {"start": {"selected_date_time": moment}}})))) is Received.QUEUED
    assert slack.interactions.put_in[0][0].fields == {"start": entered}


def test_what_is_nothing_for_us_is_acknowledged_and_dropped() -> None:
    slack = Slack()
    for payload in (pressed(type="view_closed"), pressed(type="shortcut"), pressed(actions=[{"type": "datepicker"}])):
        assert slack.calls(slack.signed(body_of(payload))) is Received.NOTHING
    assert slack.interactions.put_in == []


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "[]",
        "7",
        "[" * 30_000,
        pressed(user=None),
        pressed(user={"id": "U1"}, team=None),
        pressed(user={"id": "u0janedoe1", "team_id": TEAM}),
        pressed(user={"id": f"{USER}\n", "team_id": TEAM}),
        pressed(team=[]),
        pressed(team={"id": 7}),
        pressed(actions=[]),
        pressed(actions="apply"),
        pressed(actions=[{"type": "button", "action_id": "a"}] * 2),
        pressed(actions=[{"type": "button", "action_id": "a" * 256}]),
        pressed(actions=[{"type": "button", "action_id": "a", "value": {"x": 1}}]),
        pressed(response_url=["x"]),
        submitted(view=None),
        submitted([]),
        submitted({"reason": {}}),
        submitted({"reason": {"a": {"value": "1"}, "b": {"value": "2"}}}),
        submitted({"reason": {"a": {"value": "x" * 3001}}}),
        submitted({"reason": {"a": {"value": 7}}}),
        submitted(view={**submitted()["view"], "id": None}),
        submitted({f"f{number}": {"a": {"value": "1"}} for number in range(51)}),
    ],
    ids=lambda _payload: "",
)
def test_what_slack_never_sends_is_malformed_even_with_its_signature(payload: object) -> None:
    slack = Slack()
    assert slack.calls(slack.signed(body_of(payload))) is Received.MALFORMED
    assert slack.interactions.put_in == []


@pytest.mark.parametrize("body", [b"", b"payload=1&payload=2", b"payload=%ff", b"\xff=1", b"&".join(b"a%d=1" % n for n in range(60))])
@pytest.mark.parametrize("about", ["interactions", "commands", "events", ""])
def test_a_body_that_is_no_form_is_malformed(body: bytes, about: str) -> None:
    slack = Slack()
    assert slack.calls(slack.signed(body, about)) is Received.MALFORMED


def test_a_name_that_stands_twice_is_malformed() -> None:
    """Readers disagree on which one counts."""
    slack = Slack()
    assert slack.calls(slack.signed(body_of(pressed()) + b"&payload=%7B%7D")) is Received.MALFORMED
    assert slack.calls(slack.signed(command() + b"&team_id=T0OTHER", "commands")) is Received.MALFORMED


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([TEAM, USER, "button", "block_actions"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "user", "team", "id", "view", "state", "values", "actions"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(["block_actions", "view_submission", "else"]), st.dictionaries(st.sampled_from(list(submitted())), _JSON, max_size=6)
)
def test_whatever_is_signed_is_read_or_malformed_and_nothing_else(kind: str, changes: Mapping[str, Any]) -> None:
    try:
        found = parse_call("interactions", body_of({**submitted(), **changes, "type": kind}))
    except MalformedInput:
        return
    if found is not None:
        assert interaction_from(interaction_as_text(found[0])) == found[0]


@given(st.text(max_size=40) | _JSON.map(json.dumps))
def test_what_lies_in_the_line_is_ours_or_malformed(text: str) -> None:
    with pytest.raises(MalformedInput):
        interaction_from(text)


@pytest.mark.parametrize("change", [{"view": 7}, {"view": None}, {"fields": {"reason": 7}}, {"at": "1"}, {"more": ""}])
def test_what_lies_in_the_line_is_text_throughout(change: dict[str, Any]) -> None:
    slack = Slack()
    slack.calls(slack.signed(body_of(submitted())))
    kept = json.loads(interaction_as_text(slack.interactions.put_in[0][0]))
    assert interaction_from(json.dumps(kept)).view == "V0FORM"
    with pytest.raises(MalformedInput):
        interaction_from(json.dumps({**kept, **change}))


def test_a_line_that_takes_nothing_is_said_and_the_button_can_be_pressed_again() -> None:
    slack = Slack()
    slack.interactions.fail_next = [Unavailable("SQS does not answer")]
    with pytest.raises(Unavailable):
        slack.calls(slack.signed(body_of(pressed())))
    slack.clock.sleep(1)
    assert slack.calls(slack.signed(body_of(pressed()))) is Received.QUEUED


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_two_calls_never_have_one_nonce(one: bytes, other: bytes) -> None:
    timestamp = str(int(START.timestamp()))
    nonces = [nonce_of(timestamp, signature_of(timestamp, each, SECRET), each, SECRET, START) for each in (one, other)]
    assert not any(isinstance(each, Refusal) for each in nonces)
    assert (nonces[0] == nonces[1]) == (one == other)
