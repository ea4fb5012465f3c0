"""What every ledger owes, the fake and DynamoDB alike."""

import os
from collections.abc import Iterator
from copy import replace
from datetime import timedelta
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from doorward.aws.ledger import DynamoLedger
from doorward.errors import Conflict
from doorward.events.redaction import LARGEST
from doorward.guardrails.brakes import Write
from doorward.guardrails.cuts import Cut, Window
from doorward.guardrails.model import Waiver, Where
from doorward.iam.documents import Condition, Principal
from doorward.ports.ledger import ENDS_WAIVERS, PUBLISHED_WITHIN, Announcement, Baseline, Case, CaseStatus, Due, EventOutcome, Head, Lock
from tests.contract.tables import create_table
from tests.fakes import LEASE, START, FakeClock, FakeLedger

type AnyLedger = FakeLedger | DynamoLedger

REF = "777788889999/payments"
CASE = Case(
    id="dw-1",
    role_ref=REF,
    role_id="AROAX",
    found_hash="bad",
    generation=0,
    status=CaseStatus.STANDING,
    opened_at=START,
    event_id="e-1",
    found_document='{"Statement": []}',
    detail={"findings": [{"rule": "external-account"}], "seconds": None},
    by_pipeline=False,
)
FOUND = Announcement("dw-1-found", "TrustViolationFound", {"a": [1, None, "x"]}, START)
ENDED = Announcement("dw-1-ended", "TrustViolationEnded", {}, START)
BASELINE = Baseline(REF, "AROAX", "good", "{}", "arn:aws:iam::444455556666:role/ci/deployer", "a pipeline wrote it", "e-0", START)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["fake", "dynamodb"])
def ledger(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[AnyLedger]:
    if request.param == "fake":
        yield FakeLedger(clock)
        return
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        create_table(client, "baselines", "BaselinesTable")
        yield DynamoLedger(client, "ledger", "baselines", clock)


def test_a_role_is_held_by_one_at_a_time(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    with pytest.raises(Conflict):
        ledger.lock(REF)
    ledger.lock("777788889999/another")
    ledger.unlock(lock)
    ledger.lock(REF)


def test_the_dead_lose_their_lock_after_the_lease(ledger: AnyLedger, clock: FakeClock) -> None:
    lost = ledger.lock(REF)
    clock.sleep(LEASE.total_seconds() + 1)
    ledger.lock(REF)
    ledger.unlock(lost)  # harmless
    with pytest.raises(Conflict):
        ledger.lock(REF)


@pytest.mark.parametrize("change", ["judged", "open", "open again", "intend", "close"])
def test_nothing_changes_by_a_lock_that_was_lost(ledger: AnyLedger, clock: FakeClock, change: str) -> None:
    lost = ledger.lock(REF)
    if change != "open":
        ledger.open_case(lost, CASE, Head(case_id=CASE.id), FOUND)
    before = (ledger.head(REF), ledger.case(REF, CASE.id))
    clock.sleep(LEASE.total_seconds() + 1)
    ledger.lock(REF)
    with pytest.raises(Conflict):
        _change(ledger, lost, change)
    assert (ledger.head(REF), ledger.case(REF, CASE.id)) == before


def _change(ledger: AnyLedger, lock: Lock, change: str) -> None:
    head = Head(generation=7)
    match change:
        case "judged":
            ledger.judged(lock, head)
        case "open" | "open again":
            ledger.open_case(lock, CASE, head, FOUND)
        case "intend":
            ledger.intend(lock, replace(CASE, status=CaseStatus.INTENDED))
        case _:
            ledger.close_case(lock, replace(CASE, status=CaseStatus.ENDED), head, ENDED)


def test_a_role_never_seen_has_an_empty_head_and_no_case(ledger: AnyLedger) -> None:
    assert ledger.head(REF) == Head()
    assert ledger.case(REF, "dw-1") is None
    assert ledger.baseline(REF, "AROAX") is None


def test_a_case_head_and_announcement_are_written_together_and_read_back(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    head = Head(generation=3, role_id="AROAX", judged_hash="bad", written_at=START, written_for="e-1", case_id=CASE.id)
    assert ledger.open_case(lock, CASE, head, FOUND) is True
    assert ledger.head(REF) == head
    assert ledger.case(REF, CASE.id) == CASE
    assert ledger.pending(FOUND.id) == FOUND


def test_who_had_a_hand_in_it_is_read_back(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    case = replace(CASE, detail={**CASE.detail, "actor": {"arn": "a"}}, others=({"arn": None, "wrote_what_stands": True}, {"arn": "b"}))
    head = Head(case_id=CASE.id, stands_by=(("arn:aws:iam::777788889999:user/jane", None), ("", "run-1")))
    ledger.open_case(lock, case, head, FOUND)
    kept = ledger.case(REF, CASE.id)
    assert kept == case
    assert kept.actors == ({"arn": "a"}, *case.others)
    assert ledger.head(REF) == head


def test_the_open_cases_of_an_account_are_those_not_closed_yet(ledger: AnyLedger) -> None:
    account_id, name = REF.split("/")
    lock = ledger.lock(REF)
    assert ledger.open_cases(account_id) == {}
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND)
    assert ledger.open_cases(account_id) == {name: CASE.id}
    assert ledger.open_cases("222233334444") == {}
    ledger.intend(lock, replace(CASE, status=CaseStatus.INTENDED))
    assert ledger.open_cases(account_id) == {name: CASE.id}
    ledger.close_case(lock, replace(CASE, status=CaseStatus.ENDED, closed_at=START), Head(generation=1), FOUND)
    assert ledger.open_cases(account_id) == {}


def test_heads_of_many_roles_are_those_of_each(ledger: AnyLedger) -> None:
    refs = [f"{REF}-{number}" for number in range(230)]
    judged = {each: Head(role_id=f"AROA{number}", judged_hash="bad") for number, each in enumerate(refs) if number % 3 == 0}
    for ref, head in judged.items():
        ledger.judged(ledger.lock(ref), head)
    assert ledger.heads_of(refs) == judged
    assert ledger.heads_of([]) == {}


def test_a_case_is_found_by_its_id_alone_open_or_closed(ledger: AnyLedger) -> None:
    assert ledger.role_ref_of(CASE.id) is None
    lock = ledger.lock(REF)
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND)
    assert ledger.role_ref_of(CASE.id) == REF
    ledger.close_case(lock, replace(CASE, status=CaseStatus.ENDED), Head(1), ENDED)
    assert ledger.role_ref_of(CASE.id) == REF


def test_a_case_that_is_known_is_not_announced_again_but_its_head_moves(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND)
    ledger.published(FOUND.id)
    again = replace(CASE, event_id="e-2")
    assert ledger.open_case(lock, again, Head(case_id=CASE.id, judged_hash="bad"), FOUND) is False
    assert ledger.case(REF, CASE.id) == CASE
    assert ledger.head(REF).judged_hash == "bad"
    assert ledger.pending(FOUND.id) is None


def test_what_led_to_a_case_is_written_with_it_once_and_by_nobody_who_lost_the_lock(ledger: AnyLedger, clock: FakeClock) -> None:
    lock = ledger.lock(REF)
    assert ledger.record_of(REF, CASE.id) == ""
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND, '{"event": 1}')
    assert ledger.record_of(REF, CASE.id) == '{"event": 1}'
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND, '{"event": 2}')
    assert ledger.record_of(REF, CASE.id) == '{"event": 1}'
    clock.sleep(LEASE.total_seconds() + 1)
    ledger.lock(REF)
    with pytest.raises(Conflict):
        ledger.open_case(lock, replace(CASE, id="dw-2"), Head(), replace(FOUND, id="dw-2-found"), "{}")
    assert ledger.record_of(REF, "dw-2") == ""


def test_as_long_a_record_as_is_ever_made_fits_beside_its_case(ledger: AnyLedger) -> None:
    record = "x" * (LARGEST + 50_000)  # and what was accepted and stood before
    ledger.open_case(ledger.lock(REF), CASE, Head(), FOUND, record)
    assert ledger.record_of(REF, CASE.id) == record


def test_an_intent_needs_an_open_case(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    intended = replace(CASE, status=CaseStatus.INTENDED, planned_hash="good", planned_document="{}", remedy_kind="restore")
    with pytest.raises(Conflict):
        ledger.intend(lock, intended)
    ledger.open_case(lock, CASE, Head(), FOUND)
    ledger.intend(lock, intended)
    ledger.intend(lock, intended)
    assert ledger.case(REF, CASE.id) == intended
    ledger.close_case(lock, replace(intended, status=CaseStatus.REMEDIED, closed_at=START), Head(generation=1), ENDED)
    with pytest.raises(Conflict):
        ledger.intend(lock, intended)


def test_a_closed_case_is_followed_up_with_what_is_told_of_it(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND)
    written = replace(CASE, status=CaseStatus.REMEDIED, closed_at=START, steps={"written": START}, due_at=START + timedelta(minutes=3))
    head = Head(1, "AROAX", writes=(Write(START, "bad", "arn:aws:iam::777788889999:user/jane"),))
    ledger.close_case(lock, written, head, ENDED)
    assert (ledger.case(REF, CASE.id), ledger.head(REF)) == (written, head)
    verified = replace(written, steps={"written": START, "verified": START + timedelta(minutes=2)}, due_at=None)
    ledger.follow_up(lock, verified, Announcement("dw-1-verified", "TrustRemedyVerified", {}, START))
    assert ledger.case(REF, CASE.id) == verified
    assert ledger.pending("dw-1-verified") is not None


def test_what_was_begun_is_due_until_it_is_done(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    intended = replace(CASE, status=CaseStatus.INTENDED, due_at=START + timedelta(seconds=30))
    ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND)
    assert ledger.due(START + timedelta(seconds=59), 9) == []
    ledger.intend(lock, intended)
    later = START + timedelta(minutes=5)
    case = Due("dw-1", START + timedelta(seconds=30), REF)
    announcement = Due("dw-1-found", START + PUBLISHED_WITHIN)
    assert list(ledger.due(later, 9)) == [case, announcement]
    assert list(ledger.due(later, 1)) == [case]
    ledger.put_off(case, later + timedelta(minutes=5))
    ledger.put_off(case._replace(due_at=later), later)  # somebody else was there first
    assert list(ledger.due(later, 9)) == [announcement]
    ledger.published(announcement.id)
    ledger.close_case(lock, replace(intended, status=CaseStatus.ENDED, due_at=None), Head(1), ENDED)
    assert [each.id for each in ledger.due(later + timedelta(hours=1), 9)] == ["dw-1-ended"]


def test_waivers_that_people_decided_are_kept_with_the_head_and_due_at_their_end(ledger: AnyLedger) -> None:
    lock, end = ledger.lock(REF), START + timedelta(days=10)
    narrow = Where((Principal("AWS", "999988887777"),), (Condition("StringEquals", "sts:ExternalId", ("a", "b")),))
    waiver = Waiver("ann, joe", "q-1", START, end, REF, ("external-account",), "AROAX", narrow, decided="q-1")
    undone = Waiver("ann", "q-2", START, end, REF, ("a", "b"), "AROAX", policy_hash="bad", decided="q-2", undoes="dw-1")
    head = Head(generation=1, role_id="AROAX", waivers=(waiver, undone), due_at=end)
    ledger.judged(lock, head)
    assert (ledger.head(REF), ledger.heads_of([REF])) == (head, {REF: head})
    assert list(ledger.due(end - timedelta(seconds=1), 9)) == []
    due = Due(ENDS_WAIVERS, end, REF)
    assert list(ledger.due(end, 9)) == [due]
    ledger.put_off(due, end + timedelta(minutes=5))
    assert list(ledger.due(end, 9)) == []
    assert ledger.head(REF) == head._replace(due_at=end + timedelta(minutes=5))
    ledger.judged(lock, head._replace(due_at=None))
    assert list(ledger.due(end + timedelta(days=1), 9)) == []


def test_which_sessions_are_to_end_is_kept_and_due_until_it_is_removed(ledger: AnyLedger) -> None:
    lock = ledger.lock(REF)
    assert ledger.cut(REF) is None
    cut = Cut(REF, "AROAX", (Window("dw-1", START, START + timedelta(minutes=3)),))
    ledger.keep_cut(lock, cut, START + timedelta(minutes=2))
    assert ledger.cut(REF) == cut
    due = Due("CUT", START + timedelta(minutes=2), REF)
    assert list(ledger.due(START + timedelta(minutes=2), 9)) == [due]
    ledger.put_off(due, START + timedelta(minutes=7))
    assert list(ledger.due(START + timedelta(minutes=2), 9)) == []
    ledger.keep_cut(lock, cut, START + timedelta(hours=12))
    assert list(ledger.due(START + timedelta(minutes=7), 9)) == []
    ledger.remove_cut(lock)
    assert ledger.cut(REF) is None
    assert list(ledger.due(START + timedelta(days=1), 9)) == []


def test_a_version_is_known_once_it_was_seen(ledger: AnyLedger) -> None:
    assert ledger.version(REF, "AROAX", "good") is None
    ledger.replaced(REF, "AROAX", "good")
    assert ledger.version(REF, "AROAX", "good") is None
    kept = replace(BASELINE, ids={"arn:aws:iam::444455556666:role/batch": "AROABATCH"})
    ledger.observe(BASELINE)
    ledger.accept(kept, _accepted("db-1"))
    assert ledger.version(REF, "AROAX", "good") == kept


def test_an_announcement_waits_until_it_was_published(ledger: AnyLedger) -> None:
    assert ledger.pending(ENDED.id) is None
    assert ledger.was_announced(ENDED.id) is False
    assert ledger.announce(ENDED) is True
    assert ledger.announce(ENDED) is False
    assert ledger.was_announced(ENDED.id) is True
    assert ledger.pending(ENDED.id) == ENDED
    ledger.published(ENDED.id)
    assert ledger.pending(ENDED.id) is None
    assert ledger.announce(ENDED) is False
    assert ledger.was_announced(ENDED.id) is True  # published, and still known


def test_each_channel_is_remembered_for_itself(ledger: AnyLedger) -> None:
    ledger.announce(FOUND)
    ledger.sent(FOUND.id, "sns")
    assert ledger.was_sent(FOUND.id, "sns")
    assert not ledger.was_sent(FOUND.id, "slack")
    assert not ledger.was_sent("another", "sns")


def test_what_was_only_seen_is_no_baseline(ledger: AnyLedger) -> None:
    ledger.observe(BASELINE)
    ledger.observe(BASELINE)
    assert ledger.baseline(REF, "AROAX") is None


def test_a_version_that_was_seen_is_found_whether_it_was_accepted_or_not(ledger: AnyLedger) -> None:
    assert ledger.version(REF, "AROAX", "good") is None
    ledger.replaced(REF, "AROAX", "good")  # before it was ever kept
    assert ledger.version(REF, "AROAX", "good") is None
    ledger.accept(BASELINE, _accepted("a-1"))
    assert ledger.version(REF, "AROAX", "good") == BASELINE
    seen = replace(BASELINE, policy_hash="other", because="seen")
    ledger.observe(seen)
    assert ledger.version(REF, "AROAX", "other") == seen


def _accepted(id_: str) -> Announcement:
    return Announcement(id_, "TrustBaselineAccepted", {"role_ref": REF}, START)


def test_that_a_violation_replaced_a_version_is_remembered_of_that_version_until_it_is_accepted(ledger: AnyLedger) -> None:
    ledger.observe(BASELINE)
    assert not ledger.was_replaced(REF, "AROAX", "good")
    ledger.replaced(REF, "AROAX", "good")
    ledger.replaced(REF, "AROAX", "good")
    ledger.observe(BASELINE)  # seen once more
    assert ledger.was_replaced(REF, "AROAX", "good")
    assert not ledger.was_replaced(REF, "AROAX", "other")
    assert not ledger.was_replaced(REF, "AROANEW", "good")
    ledger.accept(BASELINE, _accepted("a-1"))  # by somebody who may
    assert not ledger.was_replaced(REF, "AROAX", "good")


def test_the_last_accepted_version_is_the_baseline_of_that_very_role(ledger: AnyLedger) -> None:
    ledger.observe(BASELINE)
    ledger.accept(BASELINE, _accepted("a-1"))
    later = replace(BASELINE, policy_hash="better", at=START + timedelta(days=1))
    ledger.accept(later, _accepted("a-2"))
    assert ledger.baseline(REF, "AROAX") == later
    assert ledger.pending("a-1") == _accepted("a-1")
    assert ledger.baseline(REF, "AROANEW") is None


def test_recording_an_outcome_takes_any_text(ledger: AnyLedger) -> None:
    ledger.record(EventOutcome("777788889999", "e-1", "CreateRole", "", "skipped", "\u202e<script>", None, START))
    ledger.record(EventOutcome("777788889999", "e-1", "CreateRole", REF, "passed", "ok", START, START))
