"""Callers who come by a token of an OIDC issuer, whoever the issuer is.

Keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
"""

from collections.abc import Mapping
from functools import lru_cache

from doorward.iam.callers import (
    COMMON,
    NOT_FEDERATED,
    PROVIDER,
    Resource,
    Space,
    Text,
    admitting,
    by_name,
    constant,
    resource_keys,
    undocumented,
)
from doorward.iam.documents import Principal
from doorward.iam.names import GITHUB, WITH_WEB_IDENTITY
from doorward.iam.search import NEVER, UNKNOWN, Callers, Domain, Key, Placed, Region
from doorward.iam.sets import Pattern
from doorward.values import NamedTuple


class Tokens(NamedTuple):
    """Which tokens of an issuer: subjects that are none of `subjects_excluded`, audiences none of `audiences_excluded`.

    `claims_excluded` are, by claim, values that these tokens never have; `base` restricts further. `customised_excluded` are subjects, too,
    of which few are ever asked for: they are looked at once one of them is found.
    """

    subjects_excluded: tuple[Pattern, ...] = ()
    audiences_excluded: tuple[Pattern, ...] = ()
    claims_excluded: tuple[tuple[str, tuple[Pattern, ...]], ...] = ()
    owners_excluded: tuple[str, ...] = ()
    customised_excluded: tuple[Pattern, ...] = ()
    base: Region = ()


_UNDOCUMENTED = undocumented(PROVIDER, "a web identity")


def web_identities(  # noqa: PLR0917 - one caller each
    resource: Resource,
    provider: str,
    issuer: str,
    keys: Mapping[str, Key],
    domains: Mapping[str, Domain],
    required: tuple[str, ...],
    base: tuple[Placed, ...],
) -> Callers:
    provided = constant(provider)

    def otherwise(dimension: str) -> Domain:
        host = dimension.rpartition(":")[0]
        # A token has one issuer: keys of another are not in its request.
        return NEVER if "." in host and host != issuer else UNKNOWN

    space = Space(keys, {PROVIDER: provided, "aws:federatedprovider": provided, **domains}, _texts(resource), otherwise)
    admits = admitting(Principal("Federated", provider), _UNDOCUMENTED)
    return Callers(WITH_WEB_IDENTITY, space.key_of, space.domain_of, admits, required=required, base=base)


@lru_cache(maxsize=64)
def _texts(resource: Resource) -> dict[str, Text]:
    """The same for every bearer of a token. `iss` is often asked for, and never sent."""
    return by_name((*COMMON, *resource_keys(resource), *(Text(each, NEVER) for each in NOT_FEDERATED), Text(f"{GITHUB}:iss", NEVER)))


@lru_cache(maxsize=64)
def unnamed_web_identities(resource: Resource, action: str) -> Callers:
    """Whoever comes by a token or an assertion of a provider that the policy does not name: only for `{"AWS": "*"}`, and only a doubt."""

    def admits(principal: Principal) -> Region | None:
        return _UNDOCUMENTED if principal in {Principal("AWS", "*"), Principal("*", "*")} else None

    texts = (*COMMON, *resource_keys(resource), *(Text(each, NEVER) for each in NOT_FEDERATED))
    space = Space({}, {PROVIDER: constant("any")}, by_name(texts), lambda _: UNKNOWN)
    return Callers(action, space.key_of, space.domain_of, admits)
