"""Whether a token is true, for us, and of somebody whom the file names. Who that is in Identity Center, identify_caller finds out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from doorward.organization.model import Identity
from doorward.people.jwt import read_token
from doorward.people.model import Refusal
from doorward.people.rs256 import verifies
from doorward.people.tokens import accepted_issuer
from doorward.ports.people import SigningKeys

KEPT: Final = ("iss", "aud", "sub", "exp", "nbf")
"""The claims that count; nothing else of a token is handed on."""


def authorize_token(text: object, identity: Identity, keys: SigningKeys, now: datetime) -> Mapping[str, object] | Refusal:
    """The claims of a true token. Its own word is looked at only for which issuer's key to take. Raises Unavailable."""
    token = read_token(text)
    if isinstance(token, Refusal):
        return token
    issuer = accepted_issuer(token.claims, identity, now)
    if isinstance(issuer, Refusal):
        return issuer
    key = keys.key(issuer, token.kid)
    if key is None or not verifies(token.signed, token.signature, key):
        return Refusal("The token's signature is not its issuer's.", "Get a new token from the issuer, and send it as it is.")
    return {name: token.claims[name] for name in KEPT if name in token.claims}
