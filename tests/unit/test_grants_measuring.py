"""What is counted and measured of grants: once for what goes onto the bus, and nothing but numbers."""

import json
from datetime import timedelta

import pytest

from doorward.aws.metrics import emit
from doorward.grants.measuring import measures_of
from doorward.grants.telling import DETAIL_TYPES, END_FAILED
from doorward.ports.ledger import Announcement
from doorward.usecases.publish_outbox import publish_outbox
from tests.fakes import FakeBus, FakeClock, FakeLedger
from tests.grants_world import START

ASKED = {"asked_at": START.isoformat(), "automatic": False, "wanted_start": None, "reason": "nobody's business", "person": {"name": "jane"}}
LATER = START + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("detail_type", "more", "measures"),
    [
        ("GrantApproved", {}, {"GrantsApproved": 1, "SecondsToApproval": 90}),
        ("GrantApproved", {"automatic": True}, {"GrantsApproved": 1}),
        ("GrantStarted", {}, {"GrantsStarted": 1, "SecondsToStart": 90}),
        ("GrantStarted", {"wanted_start": LATER.isoformat()}, {"GrantsStarted": 1}),
        ("GrantRefused", {}, {"GrantsRefused": 1}),
        ("GrantRevoked", {}, {"GrantsRevoked": 1}),
        (END_FAILED, {}, {"GrantsEndFailed": 1}),
        ("GrantRequested", {}, {}),
        ("GrantEnding", {}, {}),
        ("DecisionAwaited", {}, {}),
        ("TrustViolationFound", {"asked_at": None}, {}),
    ],
)
def test_what_is_told_is_counted_and_what_people_wait_for_measured(
    detail_type: str, more: dict[str, object], measures: dict[str, float]
) -> None:
    assert measures_of(detail_type, {**ASKED, **more}, LATER) == measures


def test_each_way_that_a_grant_ends_is_counted() -> None:
    told = [each for state, each in DETAIL_TYPES.items() if state in {"closed", "refused", "expired", "cancelled", "revoked"}]
    assert all(measures_of(each, ASKED, LATER) for each in told)


def test_only_what_went_onto_the_bus_is_measured_and_once() -> None:
    ledger, bus, measured = FakeLedger(FakeClock()), FakeBus(), list[str]()
    ledger.announce(Announcement("g-1", "GrantApproved", dict(ASKED), LATER))
    for announcement_id in ("g-1", "g-1", "g-2"):
        publish_outbox(announcement_id, ledger, bus, lambda each: measured.append(each.id))
    assert measured == ["g-1"]


def test_metrics_are_numbers_in_the_form_that_cloudwatch_reads(capsys: pytest.CaptureFixture[str]) -> None:
    emit({})
    assert capsys.readouterr().out == ""
    emit(measures_of("GrantApproved", ASKED, LATER))
    written = json.loads(capsys.readouterr().out)
    (metrics,) = written["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "Doorward"
    units = {each["Name"]: each["Unit"] for each in metrics["Metrics"]}
    assert units == {"GrantsApproved": "Count", "SecondsToApproval": "Seconds"}
    assert (written["GrantsApproved"], written["SecondsToApproval"]) == ([1.0], [90.0])
    assert "jane" not in json.dumps(written)
