"""Who is kept from deciding about a change: whoever may have made it, by any name that he is known under."""

import pytest

from doorward.errors import Unavailable
from doorward.organization.model import Identity, Organization
from doorward.people.model import Person, User
from doorward.usecases.who_is_behind import who_is_behind
from tests.fakes import FakeDirectory

PROD = "777788889999"
JANE, JOE = (Person(f"906-{name}", f"{name}@acme.example", name.title()) for name in ("jane", "joe"))
USER = f"arn:aws:iam::{PROD}:user/jane"
RESERVED = f"arn:aws:iam::{PROD}:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Admin_0123456789abcdef"
ORGANIZATION = Organization(identity=Identity("d-1", "eu-central-1", aliases=((JANE.user_name, USER), ("gone@acme.example", USER))))


def behind(arn: str | None, session_name: str | None = None, *, directory: FakeDirectory | None = None) -> frozenset[str]:
    found = directory or FakeDirectory([User(JANE, enabled=False), User(JOE)])
    return who_is_behind({"arn": arn, "session_name": session_name}, ORGANIZATION, found)


def test_a_session_of_identity_center_is_whom_its_name_says_in_whatever_account() -> None:
    assert behind(RESERVED, JOE.user_name) == {JOE.user_id}
    assert behind(RESERVED, JANE.user_name) == {JANE.user_id}  # switched off by now, and still not to decide
    assert behind(RESERVED, "nobody") == frozenset()
    assert behind(RESERVED, None) == frozenset()


@pytest.mark.parametrize(
    "arn", [f"arn:aws:iam::{PROD}:role/Admin", RESERVED.replace("/aws-reserved/", "/x/"), RESERVED.replace(":role/", ":role/x:role/"), None]
)
def test_any_other_session_s_name_was_chosen_by_the_caller_and_says_nothing(arn: str | None) -> None:
    assert behind(arn, JOE.user_name) == frozenset()


def test_an_alias_of_the_file_is_whom_it_names_to_the_letter() -> None:
    assert behind(USER) == {JANE.user_id}
    assert behind(USER.replace("jane", "Jane")) == frozenset()
    assert behind(f"{USER}2") == frozenset()


def test_where_nobody_can_be_looked_up_nothing_is_decided() -> None:
    directory = FakeDirectory([], fail_next=[Unavailable("later")])
    with pytest.raises(Unavailable):
        behind(USER, directory=directory)
