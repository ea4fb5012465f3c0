"""What a call to STS asks for, as several gap modules read it. Not a gap."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

_KEYS: Final = {"ExternalId": "sts:ExternalId", "RoleSessionName": "sts:RoleSessionName", "SourceIdentity": "sts:SourceIdentity"}


def parameters(body: bytes, query: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Of the form in the body, or of the address."""
    return {name: values[0] for name, values in {**query, **parse_qs(body.decode(errors="replace"))}.items()}


def condition_keys(given: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of a call to assume a role that any policy may ask for.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
    """
    return {key: given[name] for name, key in _KEYS.items() if given.get(name)}
