r"""What a session of a grant is called, and how long its credentials are good for.

Source identity and session name are the same `<handle>=<grant id>`: CloudTrail shows both on every call, nobody but STS can set them
afterwards, and a Deny on `*=<grant id>` means one grant, one on `<handle>=*` one person. Both take 2 to 64 characters of `[\w+=,.@-]`.

| the user name                                                          | the handle                                     |
|------------------------------------------------------------------------|------------------------------------------------|
| up to 37 of `a-z 0-9 . _ @ + -`, and not ending as the next row's do   | itself                                         |
| anything else                                                          | what of it can be kept, `-`, 8 digits of a hash |

The hash is of the user's id, so that two people whose names are alike have two handles.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from doorward.people.model import Person

SHORTEST_SESSION: Final = timedelta(minutes=15)
LONGEST_SESSION: Final = timedelta(hours=1)
"""STS gives no less; whoever is a role's session himself, as a function is, gets no more."""
_GRANT_ID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
"""A ULID: 48 bits of time and 80 of chance, in Crockford's base 32."""
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_HANDLE: Final = re.compile(r"[a-z0-9._@+-]{1,37}")
_LIKE_A_MADE_ONE: Final = re.compile(r".*-[0-9a-f]{8}")
_KEPT: Final = 28


def is_grant_id(text: str) -> bool:
    return _GRANT_ID.fullmatch(text) is not None


def grant_id_of(at: datetime, chance: bytes) -> str:
    """The ULID of a millisecond and ten bytes that nobody can foresee. Later ones sort behind earlier ones.

    https://github.com/ulid/spec
    """
    number = int(at.timestamp() * 1000) << 80 | int.from_bytes(chance)
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(26)))


def handle_of(person: Person) -> str:
    name = person.user_name
    if _HANDLE.fullmatch(name) is not None and _LIKE_A_MADE_ONE.fullmatch(name) is None:
        return name
    kept = re.sub(r"[^a-z0-9._@+-]", "", name.lower())[:_KEPT]
    return f"{kept}-{sha256(person.user_id.encode()).hexdigest()[:8]}"


def session_name(person: Person, grant_id: str) -> str:
    return f"{handle_of(person)}={grant_id}"


def grant_of(name: str) -> str | None:
    """The grant's id in a source identity or a session's name; None where it is not one of ours."""
    handle, _, grant_id = name.rpartition("=")
    return grant_id if _HANDLE.fullmatch(handle) is not None and is_grant_id(grant_id) else None


def duration_seconds(now: datetime, ends_at: datetime) -> int:
    """What STS is asked for. The policy's hard stop, not this, ends what is shorter."""
    left = min(LONGEST_SESSION, max(SHORTEST_SESSION, ends_at - now))
    return left // timedelta(seconds=1)


def expiration(of_sts: datetime, ends_at: datetime) -> datetime:
    """What a client is told: credentials are of no use after the grant's end."""
    return min(of_sts, ends_at)
