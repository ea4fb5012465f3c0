"""Gap: MiniStack checks a caller's permission on `role/NAME`, AWS on `role/PATH/NAME`.

Statements and session policies that name one role with its path would never match, and `role/NAME` would match too much.
"""

from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_actions

from local.cloud import iam_entities

READ_AGAINST = {"ministack.core.iam_actions:extract_resource_arn": "82f51700695c"}


def install() -> None:
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
        prefix = f"arn:aws:iam::{account_id}:role/"
        if service != "iam" or not isinstance(arn, str) or not arn.startswith(prefix):
            return arn
        name = arn.removeprefix(prefix)
        known = iam_entities.role(account_id, name)
        if known:
            return known["Arn"]
        wanted_path = parse_qs(body.decode(errors="replace")).get("Path", ["/"])[0]  # CreateRole
        return f"arn:aws:iam::{account_id}:role{wanted_path}{name}"

    iam_actions.extract_resource_arn = extract
