"""An audit and its roots, made by Doorward's own code on fakes, and whoever verifies both."""

from typing import Any

from doorward.audit.chain import Head, next_item
from doorward.audit.stored import head_as_stored, head_key
from doorward.audit.verifying import Found, Verified, read_chains, verify
from doorward.usecases.seal_audit import seal_audit
from tests.fakes import FakeAudit, FakeClock, FakeSeals

type Stored = dict[str, str]


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.audit = FakeAudit()
        self.seals = FakeSeals(self.audit)

    def happen(self, object_id: str, detail: Any = None) -> None:
        self.clock.sleep(1)
        head = self.audit.head(object_id)
        self.audit.append(next_item(head, what="approved", by="u-1", via="sigv4", at=self.clock.now(), detail={"of": detail}))

    def seal(self) -> None:
        seal_audit(self.seals, self.clock)
        self.clock.sleep(300)

    def items(self) -> list[Stored]:
        return [each for (pk, _), each in sorted(self.audit.table.items()) if pk.startswith("AUDIT#")]

    def chain(self, object_id: str) -> list[Stored]:
        return [each for each in self.items() if each["pk"] == f"AUDIT#{object_id}"]

    def put(self, stored: Stored) -> None:
        self.audit.table[stored["pk"], stored["sk"]] = stored

    def remove(self, stored: Stored) -> None:
        del self.audit.table[stored["pk"], stored["sk"]]

    def put_head(self, head: Head) -> None:
        self.put(head_as_stored(head))

    def remove_head(self, object_id: str) -> None:
        self.remove(head_key(object_id))

    def verified(self) -> Verified:
        heads = [each for (pk, _), each in self.audit.table.items() if pk.startswith("HEADS#")]
        roots = {key: texts for key, texts in self.seals.bucket.items() if key.startswith("audit/roots/")}
        found = Found(roots, heads, read_chains(self.items()), heads)
        return verify(found, self._pages, FakeSeals.is_signed, self.clock.now())

    def _pages(self, pages: Any) -> list[str | None]:
        return [self.seals.bucket[each.key][-1] if each.key in self.seals.bucket else None for each in pages]


def kinds(world: World) -> set[str]:
    """Of faults."""
    return {each.kind for each in world.verified().faults}
