"""Secrets, read when first needed and kept in memory only.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
"""

from collections.abc import Callable

from botocore.client import BaseClient

from doorward.aws.errors import translated


def secret_reader(client: Callable[[], BaseClient], secret_id: str) -> Callable[[], str]:
    """A function that gives the secret's text. `client` makes the Secrets Manager client, only if the secret is needed."""
    kept: list[str] = []

    def read() -> str:
        if not kept:
            with translated("reading a secret of Doorward's own"):
                kept.append(client().get_secret_value(SecretId=secret_id)["SecretString"])  # type: ignore[attr-defined]
        return kept[0]

    return read
