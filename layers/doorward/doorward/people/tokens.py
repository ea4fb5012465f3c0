"""Who a signed token (JWT) is of, by its claims. That its signature is true was found before, by a key of the issuer's (rs256.py).

The first line that fits counts.

| the token                                                            | is                |
|----------------------------------------------------------------------|-------------------|
| has no `iss` that the file names, letter by letter                   | refused           |
| is for another audience, or for others beside us                     | refused           |
| has no `exp` that is a number; is past it; is not yet valid          | refused           |
| has no `sub`                                                         | refused           |
| is of a `sub` that the file maps to a user name: of none, several, or one who is switched off | refused |
| … of exactly one                                                     | that Person       |
| is of a `sub` that the file names as a machine                       | that Machine      |
| is of any other `sub`                                                | refused           |

A second or a minute of difference between two clocks refuses nobody: LEEWAY. Nothing else of it counts: neither e-mail nor groups.

https://datatracker.ietf.org/doc/html/rfc7519#section-4.1
https://datatracker.ietf.org/doc/html/rfc8725
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from doorward.organization.model import Identity, TokenIssuer
from doorward.people.model import Caller, Machine, Refusal, User, Via
from doorward.people.users import person_of

LEEWAY: Final = timedelta(seconds=60)
_ANOTHER: Final = "Get a new token from the issuer, for Doorward."


def caller_of_token(
    claims: Mapping[str, object], identity: Identity, now: datetime, users_named: Callable[[str], Sequence[User]]
) -> Caller | Refusal:
    """The table above. Raises what `users_named` raises."""
    issuer = accepted_issuer(claims, identity, now)
    if isinstance(issuer, Refusal):
        return issuer
    subject = claims["sub"]
    user_name = issuer.people.get(str(subject))
    if user_name is not None:
        found = person_of(user_name, users_named(user_name))
        return found if isinstance(found, Refusal) else Caller(found, Via.JWT)
    return Caller(Machine(f"{issuer.issuer} {subject}"), Via.JWT)


def accepted_issuer(claims: Mapping[str, object], identity: Identity, now: datetime) -> TokenIssuer | Refusal:
    """What of the table needs no look into Identity Center: the issuer of a token that is for us, now, of somebody whom the file names."""
    named = claims.get("iss")
    issuer = identity.issuer(named) if isinstance(named, str) else None
    if issuer is None:
        return Refusal(
            "The token is of no issuer that Doorward knows.", "Have its issuer named under identity.tokens of config/organization.yaml."
        )
    if claims.get("aud") not in (issuer.audience, [issuer.audience]):
        return Refusal("The token is for another audience.", f"Get a token whose audience is {issuer.audience} and nothing else.")
    expires, begins = _seconds(claims, "exp"), _seconds(claims, "nbf")
    if expires is None or now.timestamp() >= expires + LEEWAY.total_seconds():
        return Refusal("The token has expired, or does not say when it does.", _ANOTHER)
    if "nbf" in claims and (begins is None or now.timestamp() < begins - LEEWAY.total_seconds()):
        return Refusal("The token is not valid yet.", "Have the clocks of the issuer and its host set right, and get a new token.")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        return Refusal("The token does not say whose it is.", _ANOTHER)
    if subject not in issuer.people and subject not in issuer.machines:
        return Refusal(
            "The token is of nobody whom Doorward knows.",
            "Have its subject named under people or machines of the issuer, in identity.tokens of config/organization.yaml.",
        )
    return issuer


def _seconds(claims: Mapping[str, object], name: str) -> float | None:
    """A NumericDate; None where it is absent or is none."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:  # noqa: PLR2004 - NaN and infinity, too
        return None
    return float(value)
