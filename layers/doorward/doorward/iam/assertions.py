"""Callers who come by an assertion of a SAML identity provider.

Keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-saml
Where AWS takes assertions: https://docs.aws.amazon.com/general/latest/gr/signin-service.html
"""

from functools import lru_cache

from doorward.iam.callers import (
    COMMON,
    DIGITS,
    LETTERS,
    NOT_FEDERATED,
    PROVIDER,
    RUN,
    SOME_TEXT,
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
from doorward.iam.names import WITH_SAML
from doorward.iam.search import NEVER, UNKNOWN, Callers, Domain
from doorward.iam.sets import Chars, Either, Grammar, Pattern, Wild, pattern, perhaps, some

RECIPIENT = "saml:aud"
_HOSTS = {
    "aws": ("signin.aws.amazon.com", ".signin.aws.amazon.com"),
    "aws-us-gov": ("signin.amazonaws-us-gov.com", ".signin.amazonaws-us-gov.com"),
    "aws-cn": ("signin.amazonaws.cn", ".signin.amazonaws.cn"),
}
_ADDRESS = Grammar(("http", perhaps("s"), "://", some(Chars(LETTERS + DIGITS + ".-/_:~%?=&+@"))))
# Of a NameID in another format, the format's whole URI.
_NAME_FORMAT = Grammar(Either(("persistent", "transient", ("urn:oasis:names:tc:SAML:", some(Chars(LETTERS + DIGITS + ".:-"))))))
_REGION_TOKEN = Wild(many=True, barred=".:/")
_FREE = tuple(
    f"saml:{each}"
    for each in (
        *("cn", "commonName", "doc", "eduorghomepageuri", "givenName", "mail", "name", "namequalifier", "organizationStatus"),
        *("primaryGroupSID", "surname", "uid", "x500UniqueIdentifier"),
    )
)
_SEVERAL = tuple(
    f"saml:eduperson{each}"
    for each in (
        *("affiliation", "assurance", "entitlement", "nickname", "orgdn", "orgunitdn", "primaryaffiliation", "primaryorgunitdn"),
        *("principalname", "scopedaffiliation", "targetedid"),
    )
)
_UNDOCUMENTED = undocumented(PROVIDER, "an assertion")


def _imitate_recipient(part: Pattern) -> tuple[str, ...]:
    """An application's own address that fits a pattern: `https://*.signin.aws.amazon.com/saml` is fitted by `https://app.example/x.signin…`."""
    text = part.written("x")
    return (text.replace("https://*", "https://app.example/x", 1).replace("*", "x"),)


def sign_in_page(partition: str) -> str | None:
    """Where AWS takes assertions in this partition; None where it is not known here."""
    hosts = _HOSTS.get(partition)
    return None if hosts is None else f"https://{hosts[0]}/saml"


@lru_cache(maxsize=8)
def endpoints(partition: str) -> tuple[Pattern, ...]:
    """The recipients that are AWS's own: its sign-in pages, of all regions."""
    found: list[Pattern] = []
    for host, regional in (_HOSTS.get(partition, _HOSTS["aws"]),):
        for head in (tuple(host), (_REGION_TOKEN, *regional)):
            found += [pattern((*"https://", *head, *"/saml")), pattern((*"https://", *head, *"/saml/acs/", RUN))]
    return tuple(found)


@lru_cache(maxsize=128)
def saml_callers(resource: Resource, provider: str, *, stray: bool) -> Callers:
    """Users of a SAML provider. `stray`: their assertion was made for somebody else than AWS."""
    own = endpoints(resource.partition)
    if stray:
        recipient = Domain(
            optional=False,
            grammar=_ADDRESS,
            samples=("https://app.example/saml",),
            excluded=own,
            imitate=_imitate_recipient,
        )
    else:
        host = _HOSTS.get(resource.partition, _HOSTS["aws"])[0]
        recipient = Domain(optional=False, grammar=SOME_TEXT, samples=(f"https://{host}/saml",))
    free = Domain(optional=True, grammar=SOME_TEXT, samples=("any",))
    texts = (
        *COMMON,
        *resource_keys(resource),
        *(Text(each, NEVER) for each in NOT_FEDERATED),
        Text("aws:FederatedProvider", constant(provider)),
        Text("SAML:aud", recipient),
        Text("SAML:iss", Domain(optional=False, grammar=SOME_TEXT, samples=("https://idp.example",))),
        Text("SAML:sub", Domain(optional=False, grammar=SOME_TEXT, samples=("any-user",))),
        Text(
            "SAML:sub_type",
            Domain(optional=False, grammar=_NAME_FORMAT, samples=("persistent", "transient")),
        ),
        *(Text(each, free) for each in _FREE),
        *(Text(each, free._replace(several=True)) for each in _SEVERAL),
    )

    def otherwise(dimension: str) -> Domain:
        if dimension.startswith(("aws:principaltag/", "aws:requesttag/")):
            return free
        host = dimension.rpartition(":")[0]
        return NEVER if "." in host else UNKNOWN

    space = Space({}, {PROVIDER: constant(provider)}, by_name(texts), otherwise)
    admits = admitting(Principal("Federated", provider), _UNDOCUMENTED)
    return Callers(WITH_SAML, space.key_of, space.domain_of, admits, required=(RECIPIENT, "saml:sub"))
