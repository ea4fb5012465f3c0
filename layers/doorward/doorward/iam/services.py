"""AWS services that assume a role, for somebody: for whom is told by the keys `aws:Source…`, by those services that send them.

Keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourcearn
Roles Anywhere: https://docs.aws.amazon.com/rolesanywhere/latest/userguide/trust-model.html
"""

from functools import lru_cache

from doorward.iam.callers import (
    COMMON,
    DIGITS,
    EXTERNAL_ID_KEY,
    FREE_TEXT,
    LOWER,
    NOT_FEDERATED,
    ORGANIZATION,
    REGION,
    RUN,
    UUID,
    Organizations,
    Resource,
    Space,
    Text,
    admitting,
    by_name,
    constant,
    on_org_id,
    resource_keys,
    undocumented,
)
from doorward.iam.documents import Principal
from doorward.iam.names import ASSUME_ROLE, ROLES_ANYWHERE
from doorward.iam.search import NEVER, UNKNOWN, Callers, Domain, Key, lifted
from doorward.iam.sets import Chars, Grammar, Pattern, Wild, literal, pattern, perhaps, some

SOURCE = "source"
"""The dimension of `aws:SourceArn`, and of `aws:SourceAccount` where the ARN says the account."""
SOURCE_ACCOUNT = "aws:sourceaccount"
"""The dimension of `aws:SourceAccount` where the ARN says none."""

_ACCOUNT_ID_DIGITS = 12
_PART = Wild(many=True, barred=":")
_BEFORE_ACCOUNT = (*"arn:", _PART, ":", _PART, ":", _PART, ":")
_RESOURCE = some(Chars("".join(map(chr, range(0x21, 0x7F)))))
_ACCOUNT = (Chars(DIGITS),) * _ACCOUNT_ID_DIGITS
_BUCKET = some(Chars(LOWER + DIGITS + ".-"))
_UNDOCUMENTED = undocumented(ORGANIZATION, "a service")


@lru_cache(maxsize=512)
def acting_for_others(resource: Resource, service: str, organizations: Organizations, ours: frozenset[str]) -> Callers:
    """A service that says for whom it acts: for a resource in none of our accounts."""
    named = (some(Chars(LOWER + DIGITS + "-")), ":", perhaps(REGION), ":")
    prefix = service.partition(".")[0]
    is_usual = prefix != "" and not prefix.strip(LOWER + DIGITS + "-")

    def rejects(arn: str) -> Pattern | None:
        parts = arn.split(":", 5)
        return pattern((*_BEFORE_ACCOUNT, *parts[4], ":", RUN)) if len(parts) > 4 and parts[4] in ours else None  # noqa: PLR2004 - the account's

    def imitate(part: Pattern) -> tuple[str, ...]:
        """What a stranger would name his own resource to fit a pattern."""
        text = part.written("9")
        given = [*text.split(":", 5), "*", "*", "*", "*", "*"][:6]
        usual = ("arn", resource.partition, prefix, "eu-west-1", "999988887777", "any")
        filled = [own if each in {"*", ""} else each.replace("*", "any") for each, own in zip(given, usual, strict=True)]
        return (":".join(filled),)

    source = Domain(
        optional=False,
        grammar=Grammar(("arn:", resource.partition, ":", named, _ACCOUNT, ":", _RESOURCE)),
        samples=(f"arn:{resource.partition}:{prefix}:eu-west-1:999988887777:any",) if is_usual else (),
        rejects=rejects,
        imitate=imitate,
    )
    return _service(resource, service, source, organizations.domain(), required=(SOURCE, ORGANIZATION))


@lru_cache(maxsize=512)
def acting_for_a_bucket(
    resource: Resource, service: str, organizations: Organizations, ours: frozenset[str], buckets_excluded: tuple[str, ...]
) -> Callers:
    """A service that acts for a bucket of none of our accounts, none of `buckets_excluded` (ARNs): its ARN names no account."""
    source = Domain(
        optional=False,
        grammar=Grammar((f"arn:{resource.partition}:s3:::", _BUCKET)),
        samples=(f"arn:{resource.partition}:s3:::any-bucket",),
        excluded=tuple(map(literal, buckets_excluded)),
    )
    account = Domain(
        optional=False,
        grammar=Grammar(_ACCOUNT),
        samples=("999988887777",),
        rejects=lambda account: literal(account) if account in ours else None,
    )
    organization = organizations.domain()
    return _service(resource, service, source, organization, account=account, required=(SOURCE, SOURCE_ACCOUNT, ORGANIZATION))


def acting(resource: Resource, service: str, organizations: Organizations) -> tuple[Callers, ...]:
    """The service, for whomever in these organizations it acts, and whether it says so or not."""
    return (
        acting_silently(resource, service),
        acting_for_others(resource, service, organizations, frozenset()),
        acting_for_a_bucket(resource, service, organizations, frozenset(), ()),
    )


@lru_cache(maxsize=512)
def acting_silently(resource: Resource, service: str) -> Callers:
    """A service that does not say for whom it acts."""
    return _service(resource, service, NEVER, NEVER, required=())


@lru_cache(maxsize=512)
def by_trust_anchor(resource: Resource, anchors_excluded: tuple[str, ...]) -> Callers:
    """A certificate of a trust anchor of the role's account, none of `anchors_excluded`: Roles Anywhere names it in `aws:SourceArn`."""
    anchor = ("arn:", resource.partition, ":rolesanywhere:", REGION, f":{resource.account_id}:trust-anchor/", UUID)
    sample = f"arn:{resource.partition}:rolesanywhere:%s:{resource.account_id}:trust-anchor/9b8a7c6d-1e2f-4a3b-8c9d-5e6f7a8b9c0d"
    source = Domain(
        optional=False,
        grammar=Grammar(anchor),
        samples=tuple(sample % region for region in ("eu-west-1", "us-east-1")),
        excluded=tuple(map(literal, anchors_excluded)),
    )
    organization = UNKNOWN if resource.org_id is None else NEVER
    return _service(resource, ROLES_ANYWHERE, source, organization, required=(SOURCE,))


def _service(
    resource: Resource, service: str, source: Domain, organization: Domain, *, account: Domain | None = None, required: tuple[str, ...]
) -> Callers:
    """`account` None: the source's ARN says it."""
    keys = {
        "aws:sourcearn": Key(SOURCE),
        "aws:sourceaccount": Key(SOURCE, lift=_on_account) if account is None else Key(SOURCE_ACCOUNT),
        "aws:sourceorgid": Key(ORGANIZATION, lift=on_org_id),
        "aws:sourceorgpaths": Key(ORGANIZATION, multivalued=True),
    }

    def otherwise(dimension: str) -> Domain:
        return FREE_TEXT if dimension.startswith(("aws:principaltag/", "aws:requesttag/")) else UNKNOWN

    domains = {SOURCE: source, ORGANIZATION: organization, "aws:principalservicename": constant(service)}
    if account is not None:
        domains[SOURCE_ACCOUNT] = account
    space = Space(keys, domains, _texts(resource), otherwise)
    admits = admitting(Principal("Service", service), _UNDOCUMENTED)
    return Callers(ASSUME_ROLE, space.key_of, space.domain_of, admits, required=required)


@lru_cache(maxsize=64)
def _texts(resource: Resource) -> dict[str, Text]:
    """The same for every service."""
    return by_name(
        (
            *(each for each in COMMON if not each.name.startswith("aws:Source")),
            *(each for each in resource_keys(resource) if each.name != "aws:SourceIp"),
            *(Text(each, NEVER) for each in NOT_FEDERATED),
            Text("aws:PrincipalIsAWSService", constant("true"), "bool"),
            EXTERNAL_ID_KEY,
            # Whose address a service calls from is not known.
            Text("aws:SourceIp", UNKNOWN, "address"),
        )
    )


def _on_account(part: Pattern) -> tuple[Pattern, ...]:
    return lifted(part, _BEFORE_ACCOUNT, (":", RUN), ":")
