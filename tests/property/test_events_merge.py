"""The two accounts' copies of one call make one event, whichever comes first, and however often each comes."""

from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from doorward.events.model import SessionEvent
from doorward.events.records import parse_record
from doorward.events.sessions import merge_copies

PROD, VENDOR = "777788889999", "555566667777"
ROLE = f"arn:aws:iam::{PROD}:role/collector"


def copy(
    account: str, identity: dict[str, Any], replay: str | None, *, event_id: str, external_id: bool, source: str | None
) -> SessionEvent:
    parameters = {"roleArn": ROLE, "roleSessionName": "run-7", "sourceIdentity": source} | ({"externalId": "x"} if external_id else {})
    parsed = parse_record(
        {
            "eventID": event_id,
            "eventTime": "2026-11-25T12:00:00Z",
            "eventName": "AssumeRole",
            "eventSource": "sts.amazonaws.com",
            "awsRegion": "eu-west-1",
            "recipientAccountId": account,
            "sharedEventID": "shared-1",
            "userIdentity": identity,
            "requestParameters": parameters,
        }
    )
    assert isinstance(parsed, SessionEvent)
    return (
        parsed if replay is None else type(parsed)(**{name: getattr(parsed, name) for name in parsed.__slots__} | {"replay_name": replay})
    )


owners = st.builds(
    copy,
    st.just(PROD),
    st.just({"type": "AWSAccount", "principalId": "AROAVENDOR:i-1", "accountId": VENDOR}),
    st.sampled_from([None, "after-the-outage", "once-more"]),
    event_id=st.just("e-owner"),
    external_id=st.just(True),
    source=st.just(None),
)
callers = st.builds(
    copy,
    st.just(VENDOR),
    st.just({"type": "IAMUser", "arn": f"arn:aws:iam::{VENDOR}:user/jane", "accountId": VENDOR}),
    st.sampled_from([None, "after-the-outage", "once-more"]),
    event_id=st.just("e-caller"),
    external_id=st.just(True),
    source=st.just(None),
)


@given(st.lists(owners | callers, min_size=2, max_size=5), st.randoms())
def test_any_order_and_any_repetition_of_the_copies_make_the_same_event(copies: list[SessionEvent], chance: Any) -> None:
    shuffled = copies + chance.sample(copies, len(copies))
    chance.shuffle(shuffled)
    assert reduce(merge_copies, copies) == reduce(merge_copies, shuffled)


@given(owners | callers, owners | callers)
def test_the_order_of_two_copies_does_not_matter(one: SessionEvent, other: SessionEvent) -> None:
    assert merge_copies(one, other) == merge_copies(other, one)


@given(owners, callers)
def test_who_called_is_from_the_callers_copy_and_whose_role_it_is_from_the_owners(owner: SessionEvent, caller: SessionEvent) -> None:
    merged = merge_copies(owner, caller)
    assert (merged.actor, merged.account_id, merged.event_id) == (caller.actor, PROD, owner.event_id)
