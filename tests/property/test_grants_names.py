"""What a session is called, and how long it lasts: for whatever people are called and whenever they ask."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from doorward.grants.names import duration_seconds, expiration, grant_id_of, grant_of, handle_of, is_grant_id, session_name
from doorward.iam.matching import matches_glob
from doorward.organization.installation import GRANT_SOURCE_IDENTITIES
from doorward.people.model import Person
from tests.grants_world import GRANT_ID, PEOPLE, START

people = st.builds(Person, st.uuids().map(str), st.text(min_size=1) | st.sampled_from([each.user_name for each in PEOPLE]), st.just(""))


@given(people, people)
def test_a_sessions_name_is_one_that_sts_takes_and_tells_its_grant_and_two_people_apart(one: Person, other: Person) -> None:
    name = session_name(one, GRANT_ID)
    assert 2 <= len(name) <= 64
    assert name.isascii()
    assert all(each.isalnum() or each in "_+=,.@-" for each in name)
    assert grant_of(name) == GRANT_ID
    assert name.count("=") == 1
    assert matches_glob(GRANT_SOURCE_IDENTITIES, name)  # what the roles' trust policies ask for
    if one.user_name != other.user_name:
        assert handle_of(one) != handle_of(other)


@given(people, people)
def test_nobody_is_called_as_somebody_elses_name_was_made(one: Person, other: Person) -> None:
    made = handle_of(one._replace(user_name=one.user_name.upper() + "A"))
    assert handle_of(other._replace(user_name=made)) != made


@given(st.text())
def test_what_is_no_name_of_ours_tells_no_grant(name: str) -> None:
    assert grant_of(name) is None
    assert not matches_glob(GRANT_SOURCE_IDENTITIES, f"={GRANT_ID}")
    assert not matches_glob(GRANT_SOURCE_IDENTITIES, f"{name[:1]}={GRANT_ID[1:]}")
    assert grant_of(f"{name}={GRANT_ID[:-1]}") is None
    assert grant_of(f"{name}={GRANT_ID.lower()}") is None


@given(st.timedeltas(timedelta(hours=-5), timedelta(days=8)), st.timedeltas(timedelta(0), timedelta(hours=1)))
def test_credentials_are_asked_for_within_what_sts_gives_and_never_said_to_outlive_the_grant(left: timedelta, lasts: timedelta) -> None:
    ends_at = START + left
    seconds = duration_seconds(START, ends_at)
    assert 900 <= seconds <= 3600
    assert seconds <= max(900, left.total_seconds())
    assert expiration(START + lasts, ends_at) <= ends_at
    assert expiration(START + lasts, ends_at) <= START + lasts


moments = st.datetimes(timezones=st.just(UTC), min_value=START.replace(tzinfo=None)).filter(lambda each: each.year < 9999)


@given(moments, moments, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ids_of_grants_are_ulids_that_stand_in_the_order_of_their_times(one: datetime, other: datetime, chance: bytes, more: bytes) -> None:
    earlier, later = grant_id_of(one, chance), grant_id_of(other, more)
    assert is_grant_id(earlier)
    if other - one >= timedelta(milliseconds=1):
        assert earlier < later
    assert (grant_id_of(one, chance) == grant_id_of(one, more)) == (chance == more)
