"""Each row of the tables of when credentials are issued, by whoever serves people and by the broker, and of where the console leads."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.grants.agreement import Agreement, why_it_falls
from doorward.grants.console import CONSOLES, LONGEST, destination_in
from doorward.grants.entitled import TICKET
from doorward.grants.grant import Grant, State
from doorward.grants.issuing import Issue, opening_of, what_is_issued, why_not_now
from doorward.grants.names import handle_of
from doorward.people.model import Refusal
from tests.grants_world import GRANT_ID, JANE, ORDERS, READ_BUCKET, entitlements, hours
from tests.unit.test_grants_lifecycle import NO, TWO, active, ruling

TEMPLATE = entitlements().templates["read-bucket"]
TAG_VALUE = re.compile(r"[\w .:/=+\-@]{0,256}")
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html"""


def granted(**asked: Any) -> tuple[Grant, Agreement]:
    """Active from 0.5 to 1.5 hours."""
    grant, found = active()
    return grant._replace(role_arn=ORDERS.arn, request=grant.request._replace(**asked)), found


def issued(grant: Grant, at: datetime, template: Any = TEMPLATE, *, console: bool = False) -> Issue | Refusal:
    return what_is_issued(grant, opening_of(grant), template, at, console=console)


def tags(grant: Grant) -> Mapping[str, str]:
    found = issued(grant, hours(1))
    assert isinstance(found, Issue)
    return found.tags


class TestBothLookAt:
    @pytest.mark.parametrize("state", [each for each in State if each is not State.ACTIVE])
    def test_only_while_it_is_active(self, state: State) -> None:
        grant = granted()[0]._replace(state=state)
        assert why_not_now(grant, hours(1), console=False)
        assert isinstance(issued(grant, hours(1)), Refusal)

    @pytest.mark.parametrize(("at", "allowed"), [(0.49, False), (0.5, True), (1.4999, True), (1.5, False), (9, False)])
    def test_only_in_its_time(self, at: float, allowed: bool) -> None:
        grant, _ = granted()
        assert (why_not_now(grant, hours(at), console=False) is None) is allowed
        assert isinstance(issued(grant, hours(at)), Issue) is allowed

    @pytest.mark.parametrize(("at", "allowed"), [(0.49, False), (0.5, True), (1.25, True), (1.2501, False), (1.5, False)])
    def test_the_console_only_while_fifteen_minutes_are_left(self, at: float, allowed: bool) -> None:
        grant, _ = granted()
        assert (why_not_now(grant, hours(at), console=True) is None) is allowed
        assert isinstance(issued(grant, hours(at), console=True), Issue) is allowed

    @pytest.mark.parametrize("missing", [{"starts_at": None}, {"ends_at": None}])
    def test_what_has_no_time_has_no_credentials(self, missing: dict[str, Any]) -> None:
        grant = granted()[0]._replace(**missing)
        assert why_not_now(grant, hours(1), console=False)
        assert isinstance(issued(grant, hours(1)), Refusal)


class TestWhoeverServesPeople:
    def test_asks_the_broker(self) -> None:
        assert why_it_falls(*granted()) is None

    def test_only_while_it_stands(self) -> None:
        grant, found = granted()
        fallen = (found._replace(ruling=NO), found._replace(groups={}), found._replace(ruling=ruling(TWO)), found._replace(question=None))
        for each in fallen:
            assert why_it_falls(grant, each)


class TestTheBroker:
    def test_asks_sts_for_this(self) -> None:
        found = issued(granted(ticket="OPS-12")[0], hours(1))
        assert isinstance(found, Issue)
        assert (found.role_arn, found.session_name) == (ORDERS.arn, f"jane@acme.example={GRANT_ID}")
        assert (found.duration_seconds, found.ends_at) == (1800, hours(1.5))
        assert "2026-07-01T13:30:00Z" in found.policy
        assert found.tags == {"doorward:grant": GRANT_ID, "doorward:user": "jane@acme.example", "doorward:ticket": "OPS-12"}

    def test_asks_for_no_duration_where_it_is_for_the_console(self) -> None:
        found, plain = issued(granted()[0], hours(1), console=True), issued(granted()[0], hours(1))
        assert isinstance(found, Issue)
        assert isinstance(plain, Issue)
        assert found == plain._replace(duration_seconds=None)

    def test_names_no_ticket_where_there_is_none(self) -> None:
        assert tags(granted()[0]) == {"doorward:grant": GRANT_ID, "doorward:user": handle_of(JANE)}

    @given(st.from_regex(TICKET, fullmatch=True), st.from_regex(TICKET, fullmatch=True))
    def test_writes_each_ticket_so_that_sts_takes_it_and_no_two_alike(self, one: str, other: str) -> None:
        written = [tags(granted(ticket=each)[0])["doorward:ticket"] for each in (one, other)]
        assert all(TAG_VALUE.fullmatch(each) for each in written)
        assert (written[0] == written[1]) is (one == other)

    def test_tells_a_ticket_of_a_repository_from_one_without_its_sign(self) -> None:
        written = [tags(granted(ticket=each)[0])["doorward:ticket"] for each in ("acme/app#12", "acme/app12")]
        assert written == ["acme/app:12", "acme/app12"]

    def test_only_what_was_approved(self) -> None:
        everything = {**READ_BUCKET, "statements": [{"actions": ["s3:*"], "resources": ["arn:aws:s3:::<bucket>"]}]}
        wider = entitlements(t=everything).templates["t"]
        for template in (None, wider, wider._replace(parameters={})):
            assert isinstance(issued(granted()[0], hours(1), template), Refusal)
        assert isinstance(issued(granted(parameters={"bucket": "acme-other"})[0], hours(1)), Refusal)
        assert isinstance(issued(granted()[0]._replace(policy_sha256="cafe"), hours(1)), Refusal)

    def test_only_what_was_opened(self) -> None:
        grant, template = granted(ticket="OPS-12")[0], TEMPLATE
        opening = opening_of(grant)
        assert isinstance(what_is_issued(grant, opening, template, hours(1), console=False), Issue)
        assert isinstance(what_is_issued(grant, None, template, hours(1), console=False), Refusal)
        for name, value in opening._asdict().items():
            other: Any = value + timedelta(seconds=1) if isinstance(value, datetime) else f"{value}x"
            assert isinstance(what_is_issued(grant, opening._replace(**{name: other}), template, hours(1), console=False), Refusal), name

    @pytest.mark.parametrize(
        "role_arn",
        [
            "",
            "arn:aws:iam::777788889999:role/orders",
            "arn:aws:iam::777788889999:role/doorward/orders",
            "arn:aws:iam::777788889999:role/doorward/grants/other",
            "arn:aws:iam::222233334444:role/doorward/grants/orders",
            "arn:aws:iam::777788889999:user/doorward/grants/orders",
            "arn:aws:sts::777788889999:assumed-role/doorward/grants/orders",
        ],
    )
    def test_only_the_grants_own_role_and_only_one_that_can_be_asked_for(self, role_arn: str) -> None:
        assert isinstance(issued(granted()[0]._replace(role_arn=role_arn), hours(1)), Refusal)


class TestTheConsole:
    @pytest.mark.parametrize("partition", CONSOLES)
    def test_opens_on_its_own_page_where_nothing_else_is_asked_for(self, partition: str) -> None:
        assert destination_in("", partition) == f"https://{CONSOLES[partition]}/"

    @pytest.mark.parametrize(
        "destination",
        [
            "https://console.aws.amazon.com",
            "https://console.aws.amazon.com/s3/buckets/acme-orders?region=eu-central-1&tab=objects",
            "https://eu-central-1.console.aws.amazon.com/s3/home#x",
            "https://777788889999-abcdefgh.eu-central-1.console.aws.amazon.com/console/home?region=eu-central-1#",
            "https://console.aws.amazon.com?a=https://elsewhere.example",
        ],
    )
    def test_opens_on_any_page_of_it(self, destination: str) -> None:
        assert destination_in(destination, "aws") == destination

    @pytest.mark.parametrize(
        "destination",
        [
            "http://console.aws.amazon.com/",
            "//console.aws.amazon.com/",
            "console.aws.amazon.com",
            "javascript://console.aws.amazon.com/%0aalert(1)",
            "https://console.aws.amazon.com.evil.example/",
            "https://console.aws.amazon.com@evil.example/",
            "https://evil.example#@console.aws.amazon.com/",
            "https://evil.example\\@console.aws.amazon.com/",
            "https://console.aws.amazon.com\\.evil.example/",
            "https://console.aws.amazon.com/\\evil.example",
            "https://evilconsole.aws.amazon.com/",
            "https://console.aws.amazon.com:8443/",
            "https://user@console.aws.amazon.com/",
            "https://CONSOLE.aws.amazon.com/",
            "https://x_y.console.aws.amazon.com/",
            "https://console.aws.amazon.com/ x",
            "https://console.aws.amazon.com/\n",
            "https://console.aws.amazon.com/\u00e4",
            "https://consoleXaws.amazon.com/",
            "https://signin.aws.amazon.com/",
            "https://console.amazonaws.cn/",
            "https://console.aws.amazon.com/" + "x" * LONGEST,
            " https://console.aws.amazon.com/",
        ],
    )
    def test_leads_nowhere_else(self, destination: str) -> None:
        assert isinstance(destination_in(destination, "aws"), Refusal)

    def test_of_a_partition_that_is_not_known_is_not_opened(self) -> None:
        assert isinstance(destination_in("", "aws-iso"), Refusal)
