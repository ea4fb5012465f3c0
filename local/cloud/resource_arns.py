"""What the emulator checks a caller's permission on. Gaps of single services correct it, one after the other; none is a gap here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from ministack.core import iam_actions

READ_AGAINST = {"ministack.core.iam_actions:extract_resource_arn": "82f51700695c"}


class Call(NamedTuple):
    service: str
    body: bytes
    query: Mapping[str, Sequence[str]]
    region: str
    account_id: str

    def parameter(self, name: str, default: str) -> str:
        """Of the query, or of a form in the body; read only when asked, for a body can be a file."""
        return {**parse_qs(self.body.decode(errors="replace")), **self.query}.get(name, [default])[0]


def correct(by: Callable[[Call, Any], Any]) -> None:
    """`by` gets a call and what its permission would be checked on, and gives what it is to be checked on."""
    inner = iam_actions.extract_resource_arn

    def extract(  # noqa: PLR0917 - the emulator's signature
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
        region: str,
        account_id: str,
    ) -> Any:
        arn = inner(service, method, path, headers, body, query, region, account_id)
        return by(Call(service, body, query, region, account_id), arn)

    iam_actions.extract_resource_arn = extract
