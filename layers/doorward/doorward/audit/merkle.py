"""Merkle trees as of RFC 9162, section 2.1.1: leaves and nodes are hashed under different prefixes, so that neither passes for the other.

https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def merkle_root(leaves: Iterable[bytes]) -> str:
    """In hex digits. Of no leaves: the hash of nothing."""
    level = [sha256(_LEAF + each).digest() for each in leaves]
    while len(level) > 1:
        pairs = [sha256(_NODE + level[place] + level[place + 1]).digest() for place in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]  # an odd one goes up as it is
    return (level[0] if level else sha256().digest()).hex()
