"""Somebody asks for a grant by forms in Slack: they offer what he may have, and nothing that comes back is believed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.findings.escaping import for_slack
from doorward.grants.grant import State
from doorward.grants.model import Target
from doorward.organization.model import Account
from doorward.ports.slack import Asking, Input
from doorward.slack.forms import view_of
from doorward.usecases.request_grant import MOST_AN_HOUR
from local.slack.blocks import view_problems
from tests.grants_world import JANE, ORDERS, PROD, rule
from tests.slack_grants import ANSWER_TO, FILLED, KEY, OF_EVE, OF_JANE, OF_JOE, STRANGER, GrantOffice, seconds


def many(roles: int, accounts: int = 1) -> GrantOffice:
    known = [Account(f"{number:012}", f"team {number}", "/workloads") for number in range(1, accounts + 1)]
    targets = [Target(each.id, f"role-{number}", "/doorward/grants/") for each in known for number in range(roles)]
    return GrantOffice(rule(match={"role_path": "/doorward/grants/"}), roles=targets, accounts=known)


@pytest.fixture
def office() -> GrantOffice:
    return GrantOffice()


@pytest.mark.parametrize("word", ["", "request"])
def test_who_may_ask_for_one_thing_is_asked_about_it_at_once(office: GrantOffice, word: str) -> None:
    assert office.commands(what=word) == (Asking.DETAILS, "")
    form = office.form
    assert [each.name for each in form.fields] == ["parameter-bucket", "minutes", "reason", "ticket"]
    assert (form.fields[0].hint, form.fields[1].value, form.fields[1].most) == ("s3-bucket. One of acme-*.", "60", 60)
    assert "orders in prod" in form.lines[0]
    assert "security" in form.lines[1]


def test_what_is_asked_for_is_asked_as_on_the_api_by_whom_the_slack_user_is_linked_to(office: GrantOffice) -> None:
    office.commands()
    assert office.submits(Asking.DETAILS, FILLED, office.form.value) == ("asked", "")
    grant = office.grant
    assert (grant.person, grant.state, grant.request.parameters, grant.request.minutes) == (
        JANE,
        State.PENDING,
        {"bucket": "acme-orders"},
        30,
    )
    assert office.grants.audit[0][2:] == ("requested", f"{JANE.user_id} slack")
    assert grant.id in " ".join(office.form.lines)
    assert "1 more of security" in " ".join(office.form.lines)
    assert office.form.submit == ""


def test_only_what_he_may_have_is_offered(office: GrantOffice) -> None:
    assert office.commands(OF_JOE) == ("nothing", "")
    assert "nothing that you may ask for" in office.form.lines[0]
    assert office.form.fields == ()


def test_of_several_he_chooses_one_and_is_asked_about_that() -> None:
    office = many(3)
    assert office.commands()[0] == Asking.OFFER
    (field,) = office.form.fields
    assert len(field.options) == 3
    assert office.submits(Asking.OFFER, {"offer": field.options[1][0]})[0] == Asking.DETAILS
    assert office.form.value == field.options[1][0]


def test_of_more_than_a_list_takes_he_chooses_the_account_first() -> None:
    office = many(2, accounts=60)
    assert office.commands()[0] == Asking.ACCOUNT
    (field,) = office.form.fields
    assert (len(field.options), field.options[0][1]) == (60, "team 1")
    assert office.submits(Asking.ACCOUNT, {"account": field.options[3][0]})[0] == Asking.OFFER
    chosen = [each for each, _ in office.form.fields[0].options]
    assert [each.partition("/")[0] for each in chosen] == [field.options[3][0]] * 2


@pytest.mark.parametrize(("roles", "accounts", "step"), [(130, 1, Asking.OFFER), (1, 130, Asking.ACCOUNT)])
def test_what_no_list_takes_is_said_with_where_all_of_it_is(roles: int, accounts: int, step: Asking) -> None:
    office = many(roles, accounts)
    assert office.commands()[0] == step
    assert len(office.form.fields[0].options) == 100
    assert "100 of 130" in office.form.lines[-1]


@pytest.mark.parametrize(
    ("step", "value", "fields"),
    [
        (Asking.OFFER, "", {"offer": f"{PROD.id}/other/read-bucket"}),
        (Asking.OFFER, "", {}),
        (Asking.ACCOUNT, "", {"account": "999988887777"}),
        (Asking.DETAILS, f"{PROD.id}/other/read-bucket", FILLED),
        (Asking.DETAILS, "", FILLED),
        (Asking.DETAILS, f"{ORDERS.ref}/admin", FILLED),
    ],
)
def test_what_he_may_not_have_is_not_asked_for_whatever_the_form_says(
    office: GrantOffice, step: Asking, value: str, fields: dict[str, str]
) -> None:
    assert office.submits(step, fields, value)[0] == Asking.DETAILS  # the one thing that he may
    assert office.form.value == KEY
    assert office.grants.kept == {}


def test_who_lost_his_right_meanwhile_gets_no_further(office: GrantOffice) -> None:
    office.commands()
    office.groups[JANE.user_id] = frozenset()
    assert office.asks()[0] == "nothing"
    assert office.grants.kept == {}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("parameter-bucket", "acme-*", "no s3-bucket"),
        ("parameter-bucket", "other", "one of acme-*"),
        ("parameter-bucket", "", "no s3-bucket"),
        ("minutes", "61", "From 1 to 60"),
        ("minutes", "0", "From 1 to 60"),
        ("minutes", "-5", "From 1 to 60"),
        ("minutes", "1e1", "From 1 to 60"),
        ("minutes", "²", "From 1 to 60"),
        ("minutes", "9" * 3000, "From 1 to 60"),
        ("reason", "  ", "Say why"),
        ("reason", "x" * 1001, "Say why"),
        ("ticket", "a b", "its id alone"),
    ],
)
def test_what_is_wrong_with_a_field_is_said_at_the_field_and_the_rest_stays(office: GrantOffice, name: str, value: str, said: str) -> None:
    assert office.submits(Asking.DETAILS, {**FILLED, name: value})[0] == Asking.DETAILS
    wrong = {each.name: each.error for each in office.form.fields if each.error}
    assert wrong.keys() == {name}
    assert said in wrong[name]
    blocks = view_of(office.form, ANSWER_TO)["blocks"]
    (at,) = [place for place, each in enumerate(blocks) if each.get("block_id") == name]
    assert for_slack(wrong[name]) in blocks[at + 1]["text"]["text"]
    others = {each.name: each.value for each in office.form.fields if each.name not in {name, "ticket"}}
    assert others == {each: text for each, text in FILLED.items() if each != name}
    assert office.grants.kept == {}


def test_a_ticket_and_a_start_are_asked_for_where_the_rules_do() -> None:
    office = GrantOffice(rule(tickets=["CHANGE-<number>"], start_within_hours=24))
    office.commands()
    *_, ticket, start = office.form.fields
    assert (ticket.optional, "CHANGE-<number>" in ticket.hint, start.input, start.optional) == (False, True, Input.MOMENT, True)
    tomorrow = office.clock.now() + timedelta(hours=23)
    late, past = (seconds(office.clock.now() + timedelta(hours=each)) for each in (25, -1))
    for wrong in ({"ticket": "x"}, *({"ticket": "CHANGE-1", "start": each} for each in (late, past, "soon"))):
        assert office.asks(**wrong)[0] == Asking.DETAILS
        assert len([each for each in office.form.fields if each.error]) == 1
    assert office.asks(ticket="CHANGE-1", start=seconds(tomorrow))[0] == "asked"
    assert (office.grant.request.ticket, office.grant.request.starts_at) == ("CHANGE-1", tomorrow.replace(microsecond=0))


def test_where_no_start_may_be_named_none_is_taken(office: GrantOffice) -> None:
    assert office.asks(start=seconds(office.clock.now() + timedelta(minutes=5)))[0] == Asking.DETAILS
    assert "next 0 hours" in office.form.wrong[0]
    assert office.grants.kept == {}


def test_what_the_rules_refuse_is_said_in_the_form(office: GrantOffice) -> None:
    """What the form cannot know: a character that nobody can read."""
    assert office.asks(reason="x\u202e") == (Asking.DETAILS, "")
    assert "nobody can read" in office.form.wrong[0]
    assert {each.name: each.value for each in office.form.fields}["parameter-bucket"] == "acme-orders"
    assert office.grants.kept == {}


def test_also_the_last_that_he_may_ask_for_within_an_hour_may_come_twice(office: GrantOffice) -> None:
    at = int(office.clock.now().timestamp())
    for number in range(MOST_AN_HOUR):
        office.submits(Asking.DETAILS, FILLED, view=f"V{number}", at=at)
    assert office.submits(Asking.DETAILS, FILLED, view=f"V{MOST_AN_HOUR - 1}", at=at)[0] == "asked"
    assert len(office.grants.kept) == MOST_AN_HOUR
    assert office.submits(Asking.DETAILS, FILLED, view="one more", at=at)[0] == Asking.DETAILS


def test_what_comes_twice_asks_once_and_another_form_asks_again(office: GrantOffice) -> None:
    at = int(office.clock.now().timestamp())
    for _ in range(2):
        assert office.submits(Asking.DETAILS, FILLED, at=at)[0] == "asked"
    assert len(office.grants.kept) == 1
    assert office.submits(Asking.DETAILS, FILLED, view="V9", at=at)[0] == "asked"
    assert office.submits(Asking.DETAILS, FILLED, user=OF_EVE, at=at)[0] == "asked"
    assert len(office.grants.kept) == 3


def test_who_dies_after_asking_is_shown_what_he_asked_for(office: GrantOffice) -> None:
    office.desk.fail_next = [Unavailable("Slack does not answer")]
    at = int(office.clock.now().timestamp())
    with pytest.raises(Unavailable):
        office.submits(Asking.DETAILS, FILLED, at=at)
    assert office.submits(Asking.DETAILS, FILLED, at=at)[0] == "asked"
    assert len(office.grants.kept) == 1


def test_what_cannot_be_looked_up_is_said(office: GrantOffice) -> None:
    office.fail_next = [Throttled("slower")]
    assert office.commands()[0] == "later"
    assert "cannot be looked up" in office.form.lines[0]
    office.fail_next = [Misconfigured("no such account")]
    assert office.submits(Asking.OFFER, {"offer": KEY})[0] == "later"


def test_what_may_have_been_asked_for_comes_again(office: GrantOffice) -> None:
    office.grants.fail_next = [Throttled("slower")]
    with pytest.raises(Throttled):
        office.asks()
    assert office.asks()[0] == "asked"


def test_a_command_that_waited_too_long_opens_nothing_and_says_so(office: GrantOffice) -> None:
    office.desk.too_late = True
    outcome, told = office.commands()
    assert (outcome, "Give the command again" in told) == ("too late", True)


def test_who_closed_the_form_hears_of_it_otherwise(office: GrantOffice) -> None:
    office.desk.closed = True
    outcome, told = office.asks()
    assert (outcome, office.grant.id in told) == ("asked", True)


def test_who_is_linked_to_nobody_asks_for_nothing(office: GrantOffice) -> None:
    for outcome, told in (office.commands(STRANGER), office.asks(STRANGER)):
        assert outcome in {"help", "nobody"}
        assert "doorward grants link" in told
    assert (office.grants.kept, office.desk.shown) == ({}, {})


def test_while_slack_does_not_count_nothing_is_asked_for_by_it(office: GrantOffice) -> None:
    office.ways = {}
    assert office.asks()[0] == "over"
    assert office.grants.kept == {}


def test_no_credentials_and_no_console_go_by_slack(office: GrantOffice) -> None:
    for word in ("credentials", "console", "configure"):
        assert office.commands(what=word)[0] == "help"
        assert office.presses(OF_JANE, word, f"{'0' * 26}/")[0] == "unknown"


ANY = st.text(max_size=40) | st.sampled_from(["<!channel>", "\x00", "\u202e", "*", "${aws:username}", "x" * 3000, "9" * 20, "-1"])


@given(
    st.dictionaries(st.sampled_from([*FILLED, "ticket", "start", "offer", "account", "x"]), ANY),
    st.sampled_from(list(Asking)),
    ANY | st.just(KEY),
)
def test_whatever_comes_back_slack_takes_the_answer_and_what_is_kept_keeps_to_the_rules(
    fields: dict[str, str], step: Asking, value: str
) -> None:
    office = GrantOffice(rule(start_within_hours=1))
    office.submits(step, {**FILLED, **fields}, value)
    assert view_problems(view_of(office.form, ANSWER_TO)) == []
    for grant in office.grants.kept.values():
        assert 1 <= grant.request.minutes <= 60
        assert grant.request.parameters["bucket"].startswith("acme-")


@given(st.text(min_size=1, max_size=60), st.sampled_from(["a", "Z" * 64]))
def test_names_of_any_length_are_cut_to_what_slack_takes(account: str, role: str) -> None:
    office = GrantOffice(
        rule(match={"role_path": "/doorward/grants/"}),
        roles=(Target(PROD.id, role, "/doorward/grants/"), ORDERS),
        accounts=(PROD._replace(name=account),),
    )
    office.commands()
    assert view_problems(view_of(office.form, ANSWER_TO)) == []


def test_what_comes_next_stands_in_the_place_of_the_very_form(office: GrantOffice) -> None:
    office.submits(Asking.DETAILS, FILLED, view="V77")
    assert list(office.desk.shown) == ["V77"]
