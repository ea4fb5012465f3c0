"""Which grants somebody sees: his own, those that he may decide about, said yes to or may end, and all of them where he oversees them.

Where rosters cannot be looked up, a list has those that he sees whatever they are: what is his own waits for no pager.
"""

from collections.abc import Sequence
from typing import Any, Final

from doorward.grants.grant import Grant
from doorward.grants.model import Asker
from doorward.people.model import Caller, Refusal
from doorward.usecases.grant_standing import Tools, as_json, may_see, person_calling, sees

FORMAT: Final = "doorward.grants-list/1"
MOST: Final = 25
"""On a page."""


def show_grant(grant_id: str, caller: Caller, tools: Tools) -> dict[str, Any] | Refusal | None:
    """docs/schemas/doorward.grants.1.json; None where there is none, or it is nothing to him. Raises Unavailable."""
    asker = person_calling(caller, tools)
    if isinstance(asker, Refusal):
        return asker
    grant = tools.grants.grant(grant_id)
    return None if grant is None or not may_see(asker, grant, tools) else as_json(grant, tools)


def list_grants(caller: Caller, tools: Tools, after: str = "", *, mine: bool = True, standing: bool = True) -> dict[str, Any] | Refusal:
    """A page, the latest first. `mine`: his own; `standing`: those that are not over and that he sees. `after`: `next` of the page before.

    Raises Unavailable.
    """
    asker = person_calling(caller, tools)
    if isinstance(asker, Refusal):
        return asker
    found = _found(asker, tools, after, mine=mine, standing=standing)
    return {
        "format": FORMAT,
        "grants": [as_json(each, tools) for each in found[:MOST]],
        "next": found[MOST - 1].id if len(found) > MOST else None,
    }


def _found(asker: Asker, tools: Tools, after: str, *, mine: bool, standing: bool) -> Sequence[Grant]:
    """Enough of them to tell whether there are more."""
    own = tools.grants.of_person(asker.person.user_id, after, MOST + 1) if mine else ()
    seen = (
        [each for each in tools.grants.standing() if not each.is_over and (not after or each.id < after) and sees(asker, each, tools)]
        if standing
        else []
    )
    return sorted({each.id: each for each in (*own, *seen)}.values(), key=lambda each: each.id, reverse=True)
