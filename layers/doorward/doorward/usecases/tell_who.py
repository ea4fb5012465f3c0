"""Who somebody is to Doorward, for himself to see."""

from collections.abc import Callable, Collection
from typing import Any

from doorward.people.model import Caller, Person


def tell_who(caller: Caller, groups_now: Callable[[Person], Collection[str] | None]) -> dict[str, Any]:
    """`groups_now`: None where he is gone or switched off. Raises Unavailable."""
    who = caller.who
    if not isinstance(who, Person):
        return {"kind": "machine", "id": who.id, "via": str(caller.via), "groups": []}
    groups = groups_now(who)
    return {
        "kind": "person",
        "id": who.user_id,
        "user_name": who.user_name,
        "display_name": who.display_name,
        "via": str(caller.via),
        "groups": sorted(groups or ()),
    }
