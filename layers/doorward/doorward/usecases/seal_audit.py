"""Seal where every chain of the audit ends: a signed root, each five minutes, whether or not something happened.

A root counts before it is put, and what counts and was not put is put by the next turn. So whoever dies when, two roots never bear the
same number: what lies in the bucket under one number is the same root.
"""

from doorward.audit.roots import Root, Sealed, key_of, next_root, text_of_sealed
from doorward.ports.audit import Seals
from doorward.ports.clock import Clock


def seal_audit(seals: Seals, clock: Clock) -> Root:
    """The root of this turn. Raises Conflict where another turn was faster, Unavailable, Misconfigured, MalformedInput."""
    last = seals.last()
    if last is not None and not last.is_kept:
        _keep(last.sealed, seals)
    root, pages = next_root(None if last is None else last.sealed.root, seals.heads(), clock.now(), seals.key())
    for page, text in pages.items():
        seals.put(page.key, text)
    sealed = seals.sign(root)
    seals.count(sealed)
    _keep(sealed, seals)
    return root


def _keep(sealed: Sealed, seals: Seals) -> None:
    seals.put(key_of(sealed.root.number), text_of_sealed(sealed))
    seals.kept(sealed)
