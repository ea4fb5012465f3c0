"""Where in AWS's console somebody may be sent: into the console, and nowhere else, whatever he writes.

An address that is read in two ways leads elsewhere in one of them, so only one form counts: `https://`, a host of the partition's console
in small letters with nothing before or after it, and visible ASCII without a backslash.

| `destination`                                                       | he comes to            |
|---------------------------------------------------------------------|------------------------|
| ""                                                                  | the console's own page |
| `https://`, the console's host or one below it, and then whatever   | there                  |
| anything else, or more than 1,000 characters                        | nowhere: it is refused |
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from doorward.people.model import Refusal

LONGEST: Final = 1000
"""Characters. Ours: the link that is made of it has to fit into a browser's address."""
CONSOLES: Final[Mapping[str, str]] = MappingProxyType(
    {"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
)
"""By partition."""


def destination_in(destination: str, partition: str) -> str | Refusal:
    """The address to go on to."""
    host = CONSOLES.get(partition)
    if host is None:
        return Refusal("The console of this partition is not known.", "Use the grant's credentials.")
    if not destination:
        return f"https://{host}/"
    form = rf"https://([a-z0-9-]+\.)*{re.escape(host)}([/?#][!-\[\]-~]*)?"
    if len(destination) > LONGEST or re.fullmatch(form, destination) is None:
        return Refusal(f"The destination is no page of https://{host}/.", "Copy it from the console, or leave it out.")
    return destination
