"""What is Doorward's among the names that a call can carry."""

from typing import NamedTuple

from doorward.organization.installation import BUS, PREFIX

STACK_SET_PREFIX = "StackSet-doorward"
"""CloudFormation calls the stack of a stack set `StackSet-<name>-<uuid>`."""


class Ours(NamedTuple):
    """The installation. `stack`: the hub stack's name, with which CloudFormation begins the names of most of its resources.

    `identifiers`: what carries no such name, as id or ARN: keys, secrets.
    """

    hub_account: str
    stack: str
    identifiers: frozenset[str] = frozenset()

    def is_ours(self, name: str, account_id: str) -> bool:
        """Whether a name or an ARN that stands in a call of this account is one of ours."""
        segments = [each for part in name.split(":") for each in part.split("/")]
        if any(each == BUS or each.startswith((PREFIX, STACK_SET_PREFIX)) for each in segments):
            return True
        if account_id != self.hub_account:
            return False
        if any(each == self.stack or each.startswith(f"{self.stack}-") for each in segments):
            return True
        # A secret is called by its ARN, or by its name, after which Secrets Manager puts six characters in the ARN.
        return any(segments[-1] == last or last.startswith(f"{segments[-1]}-") for last in map(_last, self.identifiers) if segments[-1])


def _last(identifier: str) -> str:
    return identifier.rpartition(":")[2].rpartition("/")[2]
