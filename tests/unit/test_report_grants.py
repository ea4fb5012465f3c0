"""What auditors read of grants: by whom, whole, page by page, and harmless in a spreadsheet.

The required attributes of OCSF's class are those of https://schema.ocsf.io/1.1.0/classes/user_access?profiles=cloud.
"""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from doorward.grants.grant import Grant, State
from doorward.grants.model import Asker
from doorward.grants.reporting import Form, Page, Wanted
from doorward.people.model import Caller, Machine, Person, Refusal, Via
from doorward.ports.grants import Issued, Kind
from doorward.usecases.report_grants import LONGEST, MOST, Tools, report_grants
from tests.granting_world import World
from tests.grants_world import ANN, EVE, JANE, JOE, PROD, START, entitlements, hours, request, rule
from tests.template.conftest import REPOSITORY

REPORT = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.grants-report.1.json").read_text("utf-8")))
GRANT = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.grants.1.json").read_text("utf-8")))
NAMES = {each.user_id: each.user_name for each in (JANE, JOE, ANN)}
FIRST = Wanted(START, hours(24), Form.JSONL)
LAMBDAS_ANSWER = 6 * 1024 * 1024


def tools(world: World) -> Tools:
    return Tools(world.tools, NAMES.get, "us-east-1")


def page(world: World, wanted: Wanted = FIRST, by: Person = JOE) -> Page:
    found = report_grants(wanted, Caller(by, Via.SIGV4), tools(world))
    assert isinstance(found, Page), found
    return found


def entries(world: World) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in page(world).text.splitlines()]
    for each in found:
        REPORT.validate(each)
        GRANT.validate(each["grant"])
    return found


def rows(world: World, **wanted: Any) -> list[dict[str, str]]:
    text = page(world, FIRST._replace(form=Form.CSV, **wanted)).text
    return list(csv.DictReader(io.StringIO(text, newline="")))


def issue(world: World, grant: Grant, number: int, kind: Kind = Kind.CREDENTIALS, *, used: bool = True) -> None:
    at = START + timedelta(minutes=number)
    issued = Issued(
        f"issue-{number}", grant.id, kind, at, Caller(JANE, Via.SIGV4), "203.0.113.7", at if used else None, "cafe" if used else ""
    )
    world.grants.keep_issue(issued)


def test_what_the_broker_used_up_and_did_not_mint_is_not_reported_as_issued() -> None:
    """STS refused it, or failed."""
    world = World()
    grant = world.opened()
    for number in range(2):
        issue(world, grant, number)
        kept = world.grants.issued[grant.id, f"issue-{number}"]
        world.grants.issued[grant.id, f"issue-{number}"] = kept._replace(key_hash="cafe" * number)
    (entry,) = entries(world)
    assert (entry["issued"]["credentials"], entry["issued"]["first_at"]) == (1, (START + timedelta(minutes=1)).isoformat())


@pytest.fixture
def ended() -> tuple[World, Grant]:
    """Jane's, that Joe approved and Ann ended; credentials were issued twice, a console once, and once it came to nothing."""
    world = World()
    grant = world.opened()
    for number, kind in enumerate([Kind.CREDENTIALS, Kind.CONSOLE, Kind.CREDENTIALS]):
        issue(world, grant, number, kind)
    issue(world, grant, 3, used=False)
    world.end(grant, ANN, "Enough.")
    world.step(grant, "end")
    return world, world.now(grant)


def test_who_had_what_when_why_who_agreed_how_often_and_who_ended_it(ended: tuple[World, Grant]) -> None:
    world, grant = ended
    (entry,) = entries(world)
    assert (entry["grant"]["grant_id"], entry["grant"]["state"], entry["grant"]["reason"]) == (grant.id, "revoked", "Order 4711 is lost.")
    assert entry["answers"] == [{"by": {"id": JOE.user_id, "name": JOE.user_name}, "said": "yes", "via": "sigv4", "at": START.isoformat()}]
    assert entry["ended_early_by"] == {"id": ANN.user_id, "name": ANN.user_name}
    last = (START + timedelta(minutes=2)).isoformat()
    assert entry["issued"] == {"credentials": 2, "console": 1, "first_at": START.isoformat(), "last_at": last}
    (row,) = rows(world)
    assert (row["person"], row["said_yes"], row["said_no"], row["ended_early_by"]) == (JANE.user_name, JOE.user_name, "", ANN.user_name)
    assert (row["credentials_issued"], row["console_issued"], row["account"], row["automatic"]) == ("2", "1", "prod", "no")
    assert json.loads(row["parameters"]) == {"bucket": "acme-orders"}


def _ended_after(minutes: int) -> tuple[World, Grant]:
    """An hour of Jane's, that opened ten minutes after it should have, and that Ann ended or, after its end, nobody."""
    world = World()
    grant = world.asked()
    world.say(grant)
    world.step(grant, "decide")
    world.pass_time(timedelta(minutes=10))
    world.step(grant, "begin")
    world.pass_time(START + timedelta(minutes=minutes))
    world.end(grant, ANN, "Enough.") if minutes < 60 else None
    world.pass_time(timedelta(minutes=3))  # whatever ends it takes its time
    world.step(grant, "end")
    return world, world.now(grant)


@pytest.mark.parametrize("minutes", [11, 59, 60, 90])
def test_each_form_says_from_when_until_when_somebody_had_it(minutes: int) -> None:
    """Who was let in late had it from then on, and from its planned end on nobody has it, however late that is written down."""
    world, grant = _ended_after(minutes)
    assert grant.state is (State.REVOKED if minutes < 60 else State.CLOSED)
    assert grant.starts_at == START
    opened, ended = START + timedelta(minutes=10), START + timedelta(minutes=min(minutes, 60))
    (entry,) = entries(world)
    (row,) = rows(world)
    assert list(row)[-2:] == ["opened_at", "ended_at"]
    for told in (entry["grant"], row):
        assert (told["opened_at"], told["ended_at"]) == (opened.isoformat(), ended.isoformat())
    (event,) = ocsf(world)
    assert (event["time"], event["start_time"], event["end_time"]) == tuple(int(at.timestamp() * 1000) for at in (opened, opened, ended))


def test_what_stands_has_not_ended_and_is_to_end_as_planned() -> None:
    world = World()
    grant = world.opened()
    (entry,) = entries(world)
    (row,) = rows(world)
    assert (entry["grant"]["opened_at"], entry["grant"]["ended_at"], row["ended_at"]) == (START.isoformat(), None, "")
    (event,) = ocsf(world)
    assert (event["status"], event["end_time"]) == ("Success", int(hours(1).timestamp() * 1000))
    world.end(grant, ANN, "Enough.")
    assert world.now(grant).state is State.ENDING
    assert entries(world)[0]["grant"]["ended_at"] == START.isoformat()  # from now on nothing is issued


def test_who_said_no_and_who_is_gone_are_told_by_what_is_known_of_them() -> None:
    world = World()
    asked = world.asked()
    world.pass_time(timedelta(minutes=5))
    world.say(asked, ANN, yes=False)
    mine = world.ask(EVE)
    assert isinstance(mine, Grant)
    world.end(mine, EVE)
    refused, cancelled = entries(world)
    at = (START + timedelta(minutes=5)).isoformat()
    assert refused["answers"] == [{"by": {"id": ANN.user_id, "name": ANN.user_name}, "said": "no", "via": None, "at": at}]
    assert cancelled["ended_early_by"] == {"id": EVE.user_id, "name": None}
    assert [each["ended_early_by"] for each in rows(world)] == ["", EVE.user_id]


def test_only_revokers_and_auditors_read_it() -> None:
    world = World()
    world.asked()
    machine, stranger = Machine("arn:aws:iam::444455556666:role/ci"), Person("9", "x", "X")
    callers = [Caller(JANE, Via.SIGV4), Caller(machine, Via.SIGV4), Caller(stranger, Via.JWT)]
    for caller in callers:
        assert isinstance(report_grants(FIRST, caller, tools(world)), Refusal)
    assert page(world, by=ANN).text
    world.people[EVE.user_id] = Asker(EVE, frozenset({"audit"}), {}, frozenset())
    assert isinstance(report_grants(FIRST, Caller(EVE, Via.SLACK), tools(world)), Refusal)
    world.rules = world.rules._replace(auditors=frozenset({"audit"}))
    assert page(world, by=EVE).text
    del world.people[ANN.user_id]
    assert isinstance(report_grants(FIRST, Caller(ANN, Via.SIGV4), tools(world)), Refusal)


def test_only_what_was_asked_for_within_the_days_is_in_it() -> None:
    world = World()
    world.asked()
    assert page(world, Wanted(hours(1), hours(2), Form.JSONL)).text == ""
    assert rows(world, since=START - timedelta(days=1), until=START) == []
    assert len(rows(world, since=START, until=START + timedelta(seconds=1))) == 1


@pytest.mark.parametrize("form", Form)
def test_pages_together_are_the_whole_and_each_is_short_enough_for_lambda(form: Form) -> None:
    world = World(entitlements(rule(automatic={"always": True})))
    grant = world.asked(reason="🙈" * 1000)
    for number in range(2 * MOST + 1):
        kept = grant._replace(id=f"01JZ1M5T00000000{number:010}")
        world.grants.kept[kept.id] = kept
    del world.grants.kept[grant.id]
    texts, after = [], None
    while after != "":
        found = page(world, FIRST._replace(form=form, after=after or ""))
        assert len(json.dumps({"body": found.text})) < LAMBDAS_ANSWER
        texts.append(found.text)
        after = found.next
    assert len(texts) == 3
    lines = "".join(texts).splitlines()
    assert len(lines) == 2 * MOST + 1 + (form is Form.CSV)
    assert len(set(lines)) == len(lines)


def test_a_page_ends_where_it_becomes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for person in (JANE, EVE, JANE):
        world.ask(person)
    monkeypatch.setattr("doorward.usecases.report_grants.LONGEST", 10)
    assert LONGEST < LAMBDAS_ANSWER
    sizes, after = [], None
    while after != "":
        found = page(world, FIRST._replace(after=after or ""))
        sizes.append(len(found.text.splitlines()))
        after = found.next
    assert sizes == [1, 1, 1]


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", '","=1', "\n=1", "=1\u202e"]
hostile = st.sampled_from(FORMULAS) | st.text()


@given(hostile, hostile)
def test_nothing_that_somebody_writes_is_calculated_or_becomes_another_line_or_field(reason: str, name: str) -> None:
    world = World()
    jane = JANE._replace(user_name=name)
    kept = Grant("01JZ1M5T0000000000000ABCDE", jane, request(reason=reason, ticket=reason, parameters={name: reason}), because=name)
    world.grants.kept[kept.id] = kept
    text = page(world, FIRST._replace(form=Form.CSV)).text
    assert text.count("\n") == 2
    (row,) = rows(world)
    assert len(row) == 29
    assert None not in row
    for value in row.values():
        assert not value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))


# OCSF

REQUIRED = ("activity_id", "category_uid", "class_uid", "cloud", "metadata", "privileges", "severity_id", "time", "type_uid", "user")


def ocsf(world: World) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in page(world, FIRST._replace(form=Form.OCSF)).text.splitlines()]
    for each in events:
        assert set(REQUIRED) <= set(each)
        assert {"product", "version"} <= set(each["metadata"])
        assert "vendor_name" in each["metadata"]["product"]
        assert "provider" in each["cloud"]
        assert each["type_uid"] == each["class_uid"] * 100 + each["activity_id"] == 300501
        assert each["category_uid"] == each["class_uid"] // 1000
        assert all(isinstance(each[name], int) for name in ("time", "activity_id", "type_uid", "severity_id", "status_id"))
        assert each["privileges"]
        REPORT.validate(each["unmapped"])
    return events


def test_ocsf_says_who_was_given_what_where_and_for_how_long(ended: tuple[World, Grant]) -> None:
    world, grant = ended
    (event,) = ocsf(world)
    assert event["user"] == {"uid": JANE.user_id, "name": JANE.user_name, "type_id": 1, "type": "User"}
    assert event["privileges"] == ["s3:GetObject", "s3:ListBucket"]
    assert event["resource"] == {"uid": grant.role_arn, "name": "orders", "type": "AWS::IAM::Role"}
    assert event["cloud"]["account"] == {"uid": PROD.id, "name": "prod", "type": "AWS Account", "type_id": 10}
    assert (event["status"], event["status_code"], event["severity"]) == ("Success", "revoked", "Low")
    assert (event["start_time"], event["end_time"]) == (int(START.timestamp() * 1000),) * 2  # ended as soon as it was open
    assert (event["metadata"]["version"], event["metadata"]["uid"]) == ("1.1.0", f"{grant.id}-{grant.version}")


@pytest.mark.parametrize(("yes", "status"), [(False, "Failure"), (None, "Open")])
def test_what_was_not_given_is_no_success(yes: bool | None, status: str) -> None:
    world = World()
    grant = world.asked()
    if yes is not None:
        world.say(grant, yes=yes)
        world.step(grant, "decide")
        assert world.now(grant).state is State.REFUSED
    (event,) = ocsf(world)
    assert event["status"] == status
    assert "start_time" not in event


@pytest.mark.parametrize("ending", ["waits", "cancelled", "revoked", "refused", "expired"])
def test_what_was_approved_and_never_begun_is_no_success(ending: str) -> None:
    """Nobody ever had it: taken back before its start, or refused or too late at it."""
    world = World(entitlements(rule(start_within_hours=4)))
    grant = world.asked(starts_at=hours(2))
    world.say(grant)
    world.step(grant, "decide")
    assert world.now(grant).state is State.APPROVED
    if ending in {"cancelled", "revoked"}:
        world.end(grant, JANE if ending == "cancelled" else ANN, "Not needed.")
    elif ending in {"refused", "expired"}:
        world.pass_time(hours(2 if ending == "refused" else 3))
        del world.people[JANE.user_id]
        world.step(grant, "begin")
    over = ending != "waits"
    assert world.now(grant).state == (ending if over else "approved")
    (event,) = ocsf(world)
    assert (event["status"], "start_time" in event, "end_time" in event) == ("Failure" if over else "Open", False, False)
    (entry,) = entries(world)
    assert (entry["grant"]["opened_at"], entry["grant"]["ended_at"] is not None) == (None, over)


def test_what_was_refused_before_anybody_knew_what_it_may_do_names_its_template() -> None:
    world = World()
    world.grants.kept["01JZ1M5T0000000000000ABCDE"] = Grant(
        "01JZ1M5T0000000000000ABCDE", JANE, request(), State.REFUSED, because="No rule."
    )
    (event,) = ocsf(world)
    assert (event["privileges"], event["severity"], event["status_detail"]) == (["read-bucket"], "Unknown", "No rule.")
