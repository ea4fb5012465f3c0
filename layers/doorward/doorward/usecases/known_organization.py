"""The organization as every function knows it: the file and what was read last, kept for a minute."""

from datetime import datetime, timedelta
from typing import Final

from doorward.organization.facts import OrganizationFacts, combine
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.organization import OrganizationStore

KEPT_FOR: Final = timedelta(seconds=60)


class KnownOrganization:
    """Built once per execution environment. Before the first read the file counts as it stands: never is nobody ours."""

    def __init__(self, configured: Organization, store: OrganizationStore, clock: Clock) -> None:
        self._configured = configured
        self._store = store
        self._clock = clock
        self._loaded_at: datetime | None = None
        self._facts: OrganizationFacts | None = None
        self._organization = configured

    def organization(self, knowing: object = None) -> Organization:
        """`knowing`: id of an account that somebody speaks of. Where what is kept does not know it, it may have joined since: loaded anew.

        Raises Unavailable where nothing could be loaded for a minute: to go on by what is old would be to judge by what may be wrong.
        """
        self._load()
        if isinstance(knowing, str) and self._organization.account(knowing) is None:
            self._loaded_at = None
            self._load()
        return self._organization

    def facts(self) -> OrganizationFacts | None:
        """As last read. Raises as `organization` does."""
        self._load()
        return self._facts

    def _load(self) -> None:
        now = self._clock.now()
        if self._loaded_at is not None and now - self._loaded_at < KEPT_FOR:
            return
        kept = self._store.load()
        self._facts = None if kept is None else kept.facts
        self._organization = combine(self._configured, self._facts).organization
        self._loaded_at = now
