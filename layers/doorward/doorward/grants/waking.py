"""Of which grant a message speaks that has its execution look again.

| the message                                              | the grant                |
|----------------------------------------------------------|--------------------------|
| an EventBridge event of a grant                          | `detail.grant_id`        |
| an EventBridge event of a question about one             | `detail.grant.grant_id`  |
| `{"format": "doorward.wake/1", "grant_id": …}`           | that one                 |

The last is Doorward's own word, for whoever finds that an execution has missed something. All of them only make it look.
"""

from typing import Final

from doorward.errors import MalformedInput
from doorward.events.reading import read_json
from doorward.grants.names import is_grant_id

WAKE: Final = "doorward.wake/1"
_WRITER: Final = "Doorward"


def grant_to_wake(body: str) -> str:
    """Its id. Raises MalformedInput."""
    said = read_json(body, writer=_WRITER)
    detail = said.object("detail")
    of = said if said.value.get("format") == WAKE else detail if detail.has("grant_id") else detail.object("grant")
    grant_id = of.value.get("grant_id")
    if not isinstance(grant_id, str) or not is_grant_id(grant_id):
        raise MalformedInput(f"{of.path}.grant_id is no grant's id: put the message aside, and find out who sent it.")
    return grant_id
