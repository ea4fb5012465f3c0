"""All that a look at a role goes by, as a sweep asks for it and as the reaction keeps it (docs/adr/0050-the-sweep.md).

Apart from what a sweep makes it of (`inventory`): the reaction imports this, and nothing of that.
"""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from doorward.guardrails.model import Guardrails
from doorward.values import NamedTuple


class Look(NamedTuple):
    """All that a look at a role goes by, as short hashes. Two looks at the same find the same.

    `trust` is of the role's unique id and its trust policy. `under` is of what is not the role's own. `day` is "" once anything but a sweep
    had the role looked at: then only the next sweep says what was seen.
    """

    trust: str
    boundary: str
    permissions: str
    session: str
    tags: str
    under: str
    day: str

    @classmethod
    def from_text(cls, text: str) -> "Look | None":
        parts = text.split("/")
        return cls._make(parts) if len(parts) == len(cls._fields) else None

    def __str__(self) -> str:
        return "/".join(self)

    def is_at(self, role_id: str, trust_hash: str) -> bool:
        return self.trust == trust_hash_of(role_id, trust_hash)


def out_of_date(look: str) -> str:
    """What was looked at last, where another look has come after it."""
    return look and f"{look.rpartition('/')[0]}/"


def judged_under(organization_hash: str, guardrails: Guardrails, now: datetime) -> str:
    """What besides a role and its organization a look goes by: both files, and which waivers count now.

    Of a role for which people decided some, those are to be among the guardrails' (guardrails/decided.py).
    """
    waivers = [each.has_begun(now) and not each.has_ended(now) for each in guardrails.waivers]
    return short_hash([organization_hash, guardrails.hash, waivers])


def trust_hash_of(role_id: str, policy_hash: str) -> str:
    """Of this very role with this trust policy."""
    return short_hash([role_id, policy_hash])


def short_hash(value: Any) -> str:
    """Of anything that JSON holds; hex SHA-256, cut short, since nobody compares it with anything but its like."""
    return sha256(json.dumps(value, default=list, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:20]
