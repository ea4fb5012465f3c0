"""Where findings are reported for programs."""

from typing import Protocol

from doorward.findings.reported import Reported


class Reporter(Protocol):
    @property
    def name(self) -> str:
        """Under which it is remembered that this reporter has had a step."""

    def report(self, case: Reported) -> None:
        """Harmless where it was reported before. Raises Unavailable, Misconfigured."""
