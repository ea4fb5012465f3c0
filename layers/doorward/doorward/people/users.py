"""From a user name to a person, or to nobody."""

from collections.abc import Sequence

from doorward.people.model import Person, Refusal, User


def person_of(user_name: str, found: Sequence[User]) -> Person | Refusal:
    """`found`: whom Identity Center has under this name.

    Compared here once more, character by character: no case, no Unicode normal form, no blank is forgiven, whatever Identity Center
    forgives.
    """
    if len(found) > 1:
        return Refusal(
            "Several users of Identity Center answer to this user name.",
            "Have all but one of them renamed in Identity Center, and sign in again.",
        )
    if not found or found[0].person.user_name != user_name:
        return Refusal(
            "No user of Identity Center has exactly this user name.",
            "Sign out and in again: the name may have changed. It must be the user name to the letter, capitals included.",
        )
    if not found[0].enabled:
        return Refusal("This user is switched off in Identity Center.", "Have an administrator of Identity Center enable the user.")
    return found[0].person
