"""The parser is total: a change, a skipped record or MalformedInput, and nothing else, whatever comes in."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward.events.model import Change, Event, GuardEvent, OrganizationEvent, RolesTarget, RoleTarget, SessionEvent, Skipped
from doorward.events.records import parse_envelope, parse_record

REPO = Path(__file__).parents[2]
REAL = REPO.parent / "shared" / "cloudtrail"
SAMPLES = [json.loads(path.read_text()) for path in sorted((REPO / "events").glob("iam.*.json"))]
REAL_RECORDS = [json.loads(path.read_text()) for path in sorted(REAL.glob("*.json"))]

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too, which JSON can carry
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
near_misses = st.sampled_from(
    [
        "",
        "0" * 12,
        "\u0661" * 12,
        "\ud800",
        "aws.iam",
        "aws.",
        "iam.amazonaws.com",
        "CreateRole",
        "DeleteSAMLProvider",
        "arn:aws:iam::1:role/x",
        [],
        {},
    ]
)


def outcome(value: Any) -> Event | Skipped | None:
    results = []
    for parse in (parse_envelope, parse_record):
        try:
            parsed = parse(value)
        except MalformedInput:
            continue
        assert isinstance(parsed, Change | SessionEvent | OrganizationEvent | GuardEvent | Skipped)
        json.dumps(repr(parsed)).encode()
        assert parsed.account_id.isascii()
        assert len(parsed.account_id) == 12
        if isinstance(parsed, Change):
            assert parsed.event_time.utcoffset() is not None
            assert isinstance(parsed.target, RolesTarget) or parsed.target.account_id == parsed.account_id
            assert not isinstance(parsed.target, RoleTarget) or 0 < len(parsed.target.role_name.encode("ascii")) <= 64
            repr(parsed).encode()
            (parsed.document or "").encode()
            parsed.actor.name_for_people.encode()
        elif isinstance(parsed, Skipped):
            parsed.because.encode()
        else:
            repr(parsed).encode()
        results.append(parsed)
    return results[0] if results else None


@given(any_json)
def test_any_json_is_parsed_skipped_or_refused(value: Any) -> None:
    outcome(json.dumps(value))
    outcome(value)


@given(any_text | st.binary())
def test_any_text_or_bytes_are_refused_or_parsed(text: str | bytes) -> None:
    outcome(text)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, element in inner for place in [(*path, key), *places(element, (*path, key))]]


@st.composite
def mutated(draw: st.DrawFn, originals: list[Any]) -> Any:
    """Return an event with one to three values deleted or replaced by anything."""
    event = copy.deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(event) or [()]))
        if not path:
            break
        parent = event
        for key in path[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            del parent[path[-1]]
        else:
            parent[path[-1]] = draw(any_json | near_misses)
    return event


@settings(max_examples=300)
@given(mutated(SAMPLES))
def test_a_sample_changed_anywhere_is_parsed_skipped_or_refused(event: Any) -> None:
    outcome(event)
    outcome(event.get("detail"))
    outcome(json.dumps(event))


@pytest.mark.skipif(not REAL_RECORDS, reason="the real CloudTrail records are not at hand (../shared/cloudtrail)")
def test_a_real_record_changed_anywhere_is_parsed_skipped_or_refused() -> None:
    @settings(max_examples=300)
    @given(mutated(REAL_RECORDS))
    def holds(record: Any) -> None:
        outcome(record)
        outcome(json.dumps(record))

    holds()


@given(st.sampled_from(SAMPLES), st.integers(0, 5000))
def test_a_sample_cut_anywhere_is_refused(event: Any, length: int) -> None:
    text = json.dumps(event)
    with pytest.raises(MalformedInput):
        parse_envelope(text[: min(length, len(text) - 1)])


@given(st.sampled_from(SAMPLES), st.from_regex(r"\A[0-9]{12}\Z"))
def test_the_account_is_never_taken_from_inside_the_record(event: Any, account_id: str) -> None:
    """A record may say what it likes about accounts: the outcome has the envelope's, or there is none."""
    forged = copy.deepcopy(event)
    forged["detail"]["recipientAccountId"] = account_id
    forged["detail"]["userIdentity"]["accountId"] = account_id
    try:
        parsed = parse_envelope(forged)
    except MalformedInput:
        return
    assert parsed.account_id == event["account"]


@given(st.sampled_from(SAMPLES), st.sampled_from(["eventVersion", "readOnly", "userAgent", "requestID", "tlsDetails"]), any_json)
def test_no_other_field_can_hide_a_change(event: Any, key: str, value: Any) -> None:
    """Nothing but the name of the event, its source, its error and its account decides whether it is looked at."""
    before = parse_envelope(event)
    changed = copy.deepcopy(event)
    changed["detail"][key] = value
    after = parse_envelope(changed)
    assert isinstance(after, Change) == isinstance(before, Change)
    if isinstance(after, Change):
        assert isinstance(before, Change)
        assert (after.target, after.cause) == (before.target, before.cause)
