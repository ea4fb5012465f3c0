"""What the condition keys of a trust policy can be, for each kind of caller: who sets a key, and to which values.

Keys that belong together share a dimension, so that no request is imagined whose account, ARN, organization or user id contradict each
other. A key that nobody described here may be anything or absent: what depends on it is a doubt.

Keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
STS and OIDC keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
GitHub subjects: https://docs.github.com/en/actions/reference/security/oidc
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Literal

from doorward.iam.arns import is_account_id, is_unique_id, parse_arn
from doorward.iam.documents import Principal
from doorward.iam.names import ASSUME_ROLE, EXTERNAL_ID
from doorward.iam.search import NEVER, UNKNOWN, Callers, Domain, Key, Kind, Placed, Region, Test, ignoring_case, lifted
from doorward.iam.sets import ANY, Chars, Either, Grammar, Many, Part, Pattern, Wild, literal, pattern, perhaps, some, starting_with
from doorward.iam.spans import IPV4, IPV6, Span, Spans, address, ipv4_block, iso_time, united, without
from doorward.values import NamedTuple

Form = Literal["role", "user", "federated-user"]
FORMS: tuple[Form, ...] = ("role", "user", "federated-user")

CALLER = "caller"
ORGANIZATION = "organization"
PROVIDER = "provider"
USER_ID = "aws:userid"
RUN = Wild(many=True)

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
_UPPER = LOWER.upper()
LETTERS = LOWER + _UPPER
_NAME = some(Chars(LETTERS + DIGITS + "_+=,.@-"))
# IAM allows any visible ASCII character in a path, a colon too: a path can imitate the text of another account's ARN.
_PATH = perhaps((some(Chars("".join(map(chr, range(0x21, 0x7F))))), "/"))
_LONGEST_ARN = 640
_LONGEST_TAG_VALUE = 256
_LONGEST_SESSION_NAME = 64
_LONGEST_EXTERNAL_ID = 1224
_UNIQUE_ID_TAIL = 17
_ACCOUNT_ID_DIGITS = 12
_SESSION = (Chars(LETTERS + DIGITS + "_+=,.@-"), _NAME)
_NOBODY = Grammar(Either(()))
_FEDERATED_USER_ID = Grammar(((Chars(DIGITS),) * _ACCOUNT_ID_DIGITS, ":", _NAME))
_TRUE_OR_FALSE = Grammar(Either(("true", "false")))
_ANY_TEXT = Grammar(Many(ANY))
SOME_TEXT = Grammar(some(ANY))
_SESSION_NAME = Grammar(_SESSION)
# `us-east-1`, `us-gov-west-1`, `us-isob-east-1`, `eusc-de-east-1`
REGION: Part = (some(Chars(LOWER)), some(("-", some(Chars(LOWER)))), "-", some(Chars(DIGITS)))
_REGION = Grammar(REGION)


class Text(NamedTuple):
    """A key: its name as AWS spells it, and what it can be. `dimension` where it shares one with another key."""

    name: str
    domain: Domain
    kind: Kind = "string"
    write: Callable[[int], str] | None = None
    dimension: str | None = None


@lru_cache(maxsize=512)
def constant(value: str) -> Domain:
    return Domain(optional=False, grammar=SOME_TEXT, samples=(value,), constant=value)


FREE_TEXT = Domain(optional=True, grammar=_ANY_TEXT, samples=("any",), longest=_LONGEST_TAG_VALUE)
_SOURCE_IDENTITY = Domain(optional=True, grammar=_SESSION_NAME, samples=("any",), longest=_LONGEST_SESSION_NAME)

_HEX = Chars(DIGITS + "abcdef")
UUID: Part = ((_HEX,) * 8, "-", (_HEX,) * 4, "-", (_HEX,) * 4, "-", (_HEX,) * 4, "-", (_HEX,) * 12)
_LONGEST_SESSION_SECONDS = 43_200
_LONGEST_MFA_AGE_SECONDS = 129_600
ALL_ADDRESSES: Spans = united((IPV4, IPV6))
# All but those that nobody has on the internet: https://www.iana.org/assignments/iana-ipv4-special-registry; of IPv6, 2000::/3.
PUBLIC_ADDRESSES = united(
    (
        *without(
            (IPV4,),
            tuple(
                ipv4_block(*block)
                for block in (
                    ((0,), 8),
                    ((10,), 8),
                    ((100, 64), 10),
                    ((127,), 8),
                    ((169, 254), 16),
                    ((172, 16), 12),
                    ((192, 168), 16),
                    ((224,), 3),
                )
            ),
        ),
        Span(IPV6.low + (0x2000 << 112), IPV6.low + (0x4000 << 112) - 1),
    )
)
TIME = "time"
"""The dimension of `aws:CurrentTime` and `aws:EpochTime`."""
# The last second that an ISO 8601 date of four digits can tell.
_LAST_SECOND = 253_402_300_799
_ANY_TIME = Domain(optional=False, grammar=None, spans=(Span(0, _LAST_SECOND),))
_SOME_TEXTS = Domain(optional=True, grammar=SOME_TEXT, samples=("any",), longest=_LONGEST_TAG_VALUE, several=True)


@lru_cache(maxsize=32)
def _identified(kind: str, ours: tuple[str, ...]) -> Domain:
    """Ids that AWS gives (`vpc-…`): somebody has his own; whose a given one is, is not known, but that ours are ours."""
    theirs = Grammar(Either(tuple(f"{kind}-0{each * 4}" for each in ("d0a4", "b1c5"))))
    return Domain(
        optional=True,
        grammar=theirs,
        doubtful=Grammar((kind, "-", _HEX, Many(_HEX))),
        never_had=tuple(map(literal, ours)),
    )


# The same for whoever calls STS.
COMMON = (
    Text("aws:SecureTransport", constant("true"), "bool"),
    # Nobody says that STS never sees a call that a service makes on somebody's behalf.
    Text("aws:ViaAWSService", Domain(optional=False, grammar=Grammar("false"), samples=("false",), doubtful=_TRUE_OR_FALSE), "bool"),
    Text("aws:PrincipalIsAWSService", constant("false"), "bool"),
    Text("aws:UserAgent", FREE_TEXT),
    Text("aws:Referer", FREE_TEXT),
    Text("aws:RequestedRegion", Domain(optional=False, grammar=_REGION, samples=("us-east-1",))),
    Text("aws:CurrentTime", _ANY_TIME, "instant", iso_time, TIME),
    Text("aws:EpochTime", _ANY_TIME, "instant", str, TIME),
    Text("aws:VpcSourceIp", Domain(optional=True, grammar=None, spans=ALL_ADDRESSES), "address", address),
    Text("aws:TagKeys", _SOME_TEXTS),
    Text("sts:TransitiveTagKeys", _SOME_TEXTS),
    Text("sts:DurationSeconds", Domain(optional=True, grammar=None, spans=(Span(900, _LONGEST_SESSION_SECONDS),)), "number", str),
    Text("sts:RoleSessionName", Domain(optional=False, grammar=_SESSION_NAME, samples=("any",), longest=_LONGEST_SESSION_NAME)),
    Text("sts:SourceIdentity", _SOURCE_IDENTITY),
    # Services send these; neither an IAM principal nor a token can.
    Text("aws:SourceArn", NEVER),
    Text("aws:SourceAccount", NEVER),
    Text("aws:SourceOrgID", NEVER),
    Text("aws:SourceOrgPaths", NEVER),
    Text("aws:PrincipalServiceName", NEVER),
    Text("aws:PrincipalServiceNamesList", NEVER),
)
_EXTERNAL_ID_CHAR = Chars(LETTERS + DIGITS + "_+=,.@:/-")
EXTERNAL_ID_KEY = Text(
    "sts:ExternalId",
    Domain(
        optional=True,
        grammar=Grammar((_EXTERNAL_ID_CHAR, _EXTERNAL_ID_CHAR, Many(_EXTERNAL_ID_CHAR))),
        samples=("any-other-id",),
        longest=_LONGEST_EXTERNAL_ID,
    ),
)
_AWS = (
    *COMMON,
    EXTERNAL_ID_KEY,
    Text("aws:SourceIdentity", _SOURCE_IDENTITY),
)
# Only principals of IAM have these. What aws:userid and aws:PrincipalType are for others is not known: AWS's pages say that every request
# has them, and its sample for jobs on a cluster compares aws:userid with the token's subject:
# https://docs.aws.amazon.com/emr/latest/EMR-on-EKS-DevelopmentGuide/iam-execution-role.html
NOT_FEDERATED = (
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:username",
    "aws:MultiFactorAuthPresent",
    "aws:MultiFactorAuthAge",
    "aws:TokenIssueTime",
    "sts:ExternalId",
)
_MFA_AGE = Domain(optional=True, grammar=None, spans=(Span(0, _LONGEST_MFA_AGE_SECONDS),))
_FRESH = ("999988887777",)
_TYPES = {"role": "AssumedRole", "user": "User", "federated-user": "FederatedUser"}


class Resource(NamedTuple):
    """The role whose policy is judged, and the networks of its organization: the same for every request.

    `org_id` None and `org_path` "": not known. `addresses`, `vpcs`, `vpc_endpoints` and the `accounts` of endpoints are ours: no stranger
    calls from there.
    """

    partition: str
    account_id: str
    org_id: str | None
    addresses: Spans = ()
    vpcs: tuple[str, ...] = ()
    vpc_endpoints: tuple[str, ...] = ()
    org_path: str = ""
    accounts: frozenset[str] = frozenset()


@lru_cache(maxsize=256)
def resource_keys(resource: Resource) -> tuple[Text, ...]:
    organization = UNKNOWN if resource.org_id is None else constant(resource.org_id)
    theirs = without(PUBLIC_ADDRESSES, resource.addresses)
    if resource.org_path:
        paths = Domain(optional=False, grammar=Grammar(resource.org_path), samples=(resource.org_path,), several=True)
    elif resource.org_id is not None:
        paths = Domain(optional=False, grammar=_NOBODY, doubtful=Grammar((resource.org_id, "/", _ORG_PATH_TAIL)), several=True)
    else:
        paths = UNKNOWN
    # An endpoint of the caller's own, in whichever account and organization of his.
    elsewhere = organizations_other_than(resource.org_id)
    return (
        Text("aws:ResourceAccount", constant(resource.account_id)),
        Text("aws:ResourceOrgID", organization),
        Text("aws:ResourceOrgPaths", paths),
        Text("aws:VpceAccount", _endpoint_account(resource.accounts)),
        Text("aws:VpceOrgID", Domain(optional=True, grammar=_ORG_ID, samples=("o-q7w8e9rq7w",), excluded=_ids(resource.org_id))),
        Text("aws:VpceOrgPaths", elsewhere.domain()._replace(several=True, optional=True)),
        Text("aws:SourceIp", Domain(optional=True, grammar=None, spans=theirs), "address", address),
        Text("aws:SourceVpc", _identified("vpc", resource.vpcs)),
        Text("aws:SourceVpce", _identified("vpce", resource.vpc_endpoints)),
    )


@lru_cache(maxsize=64)
def _endpoint_account(ours: frozenset[str]) -> Domain:
    return Domain(
        optional=True,
        grammar=Grammar((Chars(DIGITS),) * _ACCOUNT_ID_DIGITS),
        samples=_FRESH,
        rejects=lambda account: literal(account) if account in ours else None,
    )


def _ids(org_id: str | None) -> tuple[Pattern, ...]:
    return () if org_id is None else (literal(org_id),)


# Callers of AWS type


class Organizations(NamedTuple):
    """In which organizations callers can be: in none (`absent`), in some (`grammar` over org paths), never in `excluded`."""

    absent: bool
    grammar: Grammar | None
    excluded: tuple[Pattern, ...] = ()
    samples: tuple[str, ...] = ()

    def domain(self) -> Domain:
        return Domain(optional=self.absent, grammar=self.grammar, samples=self.samples, excluded=self.excluded, never=self.grammar is None)


_LOWER_AND_DIGITS = Chars(LOWER + DIGITS)
_SHORT_ID = (_LOWER_AND_DIGITS,) * 4 + (Many(_LOWER_AND_DIGITS),)
_ORG_PATH_TAIL: Part = (
    "r-",
    _SHORT_ID,
    "/",
    Many(("ou-", _SHORT_ID, "-", (_LOWER_AND_DIGITS,) * 8, Many(_LOWER_AND_DIGITS), "/")),
)
_ORG_ID_PART: Part = ("o-", (_LOWER_AND_DIGITS,) * 10, Many(_LOWER_AND_DIGITS))
_ORG_ID = Grammar(_ORG_ID_PART)
_ORG_PATH = Grammar((_ORG_ID_PART, "/", _ORG_PATH_TAIL))


@lru_cache(maxsize=8)
def organizations_other_than(org_id: str | None) -> Organizations:
    """Every organization but this one, and none at all."""
    likely = ("o-q7w8e9rq7w/r-q7w8/", "o-a1s2d3fa1s/r-a1s2/")
    return Organizations(True, _ORG_PATH, () if org_id is None else (starting_with(f"{org_id}/"),), likely)


NO_ORGANIZATION = Organizations(absent=True, grammar=None)


@lru_cache(maxsize=8)
def one_organization(org_id: str) -> Organizations:
    """Callers of one organization whose root and OU ids are nobody else's."""
    tail = org_id[2:6]
    root = f"{org_id}/r-{tail}/"
    return Organizations(absent=False, grammar=Grammar(Either((root, f"{root}ou-{tail}-{tail}{tail}/"))), samples=(root,))


@lru_cache(maxsize=16)
def _caller_grammar(partition: str, form: Form) -> Grammar:
    account: Part = (Chars(DIGITS),) * _ACCOUNT_ID_DIGITS
    if form == "federated-user":
        return Grammar((f"arn:{partition}:sts::", account, ":federated-user/", _NAME))
    return Grammar((f"arn:{partition}:iam::", account, f":{form}/", _PATH, _NAME))


@lru_cache(maxsize=8)
def _user_id_grammar(form: Form) -> Grammar:
    head = "AROA" if form == "role" else "AIDA"
    tail = (Chars(_UPPER + DIGITS),) * _UNIQUE_ID_TAIL
    return Grammar((head, tail, ":", _SESSION)) if form == "role" else Grammar((head, tail))


@lru_cache(maxsize=256)
def _user_id(form: Form, unique_ids: tuple[str, ...]) -> Domain:
    if form == "federated-user":
        # The account and the name again: not told apart here, so only a doubt.
        return Domain(optional=False, grammar=_NOBODY, doubtful=_FEDERATED_USER_ID)
    grammar = _user_id_grammar(form)
    return Domain(
        optional=False,
        grammar=grammar,
        samples=("AROAANYROLEANYROLEANY:any" if form == "role" else "AIDAANYUSERANYUSERANY",),
        excluded=tuple(starting_with(each) for each in unique_ids),
        doubtful=grammar if unique_ids else None,
    )


@lru_cache(maxsize=64)
def _aws_texts(resource: Resource, form: Form) -> dict[str, Text]:
    """The same for every account."""
    return by_name(
        (
            *_AWS,
            *resource_keys(resource),
            Text("aws:PrincipalType", constant(_TYPES[form])),
            Text("aws:TokenIssueTime", _ANY_TIME._replace(optional=form == "user"), "instant", iso_time),
            Text(
                "aws:MultiFactorAuthPresent",
                # Long-term keys of a user carry no such key at all.
                Domain(optional=form == "user", grammar=_TRUE_OR_FALSE, samples=("false", "true")),
                "bool",
            ),
            Text("aws:MultiFactorAuthAge", _MFA_AGE, "number", str),
            *(() if form == "user" else (Text("aws:username", NEVER),)),
        )
    )


class Accounts(NamedTuple):
    """Which accounts: one (`only`), or every one that is not `shut_out`; `likely` are tried first."""

    only: str | None = None
    shut_out: frozenset[str] = frozenset()
    likely: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def aws_callers(
    resource: Resource,
    form: Form,
    organizations: Organizations,
    accounts: Accounts,
    *,
    unique_ids: tuple[str, ...] = (),
    external_ids_taken: tuple[str, ...] = (),
    base: Region = (),
) -> Callers:
    """Principals of one form who call AssumeRole.

    `unique_ids` are AROA… and AIDA… of a policy, which belong to nobody else. `external_ids_taken` are external IDs that these callers
    never send.
    """
    service = "sts" if form == "federated-user" else "iam"
    before = f"arn:{resource.partition}:{service}::"
    account_end = len(before) + _ACCOUNT_ID_DIGITS
    likely = accounts.likely if accounts.only is None else (accounts.only,)

    def rejects(arn: str) -> Pattern | None:
        account = arn[len(before) : account_end]
        return starting_with(f"{before}{account}:") if account in accounts.shut_out else None

    def imitate(part: Pattern) -> tuple[str, ...]:
        beginning, usual = part.prefix, f"{before}{(likely or _FRESH)[0]}:{form}/any"
        if len(beginning) <= account_end:
            return (beginning + usual[len(beginning) :],)
        kind = f"{beginning[: account_end + 1]}{form}/"
        return ((beginning if beginning.startswith(kind) else kind) + "any",)

    def on_account(part: Pattern) -> tuple[Pattern, ...]:
        return lifted(part, tuple(before), (":", RUN), ":")

    def on_user_name(part: Pattern) -> tuple[Pattern, ...]:
        whose = (*before, Wild(many=True, barred=":"), *":user/")
        return (*lifted(part, whose, (), "/"), *lifted(part, (*whose, RUN, "/"), (), "/"))

    domains = {
        CALLER: Domain(
            optional=False,
            grammar=_caller_grammar(resource.partition, form),
            samples=tuple(f"{before}{each}:{form}/any" for each in likely),
            rejects=rejects if accounts.only is None else None,
            longest=_LONGEST_ARN,
            imitate=imitate,
        ),
        ORGANIZATION: organizations.domain(),
        USER_ID: _user_id(form, unique_ids),
    }
    keys = {
        "aws:principalarn": Key(CALLER),
        "aws:principalaccount": Key(CALLER, lift=on_account, read=lambda arn: arn[len(before) : account_end]),
        "aws:principalorgid": Key(ORGANIZATION, lift=on_org_id, read=lambda path: path.partition("/")[0]),
        "aws:principalorgpaths": Key(ORGANIZATION, multivalued=True),
    }
    if form == "user":
        keys["aws:username"] = Key(CALLER, lift=on_user_name, read=lambda arn: arn.rpartition("/")[2])
    if external_ids_taken:
        taken = tuple(pattern(ignoring_case(each)) for each in external_ids_taken)
        domains[EXTERNAL_ID] = EXTERNAL_ID_KEY.domain._replace(excluded=taken)

    def admits(principal: Principal) -> tuple[Placed, ...] | None:
        return _admits_aws(principal, resource.partition, form)

    space = Space(keys, domains, _aws_texts(resource, form), _aws_otherwise)
    required = (CALLER, ORGANIZATION, USER_ID) if form == "role" else (CALLER, ORGANIZATION)
    whose = () if accounts.only is None else (stands_at(CALLER, starting_with(f"{before}{accounts.only}:")),)
    return Callers(ASSUME_ROLE, space.key_of, space.domain_of, admits, required=required, base=(*whose, *base))


def on_org_id(part: Pattern) -> tuple[Pattern, ...]:
    """A pattern on an organization's id, as one on paths within organizations."""
    return lifted(part, (), ("/", RUN), "/")


def _admits_aws(principal: Principal, partition: str, form: Form) -> tuple[Placed, ...] | None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html."""
    kind, value = principal
    if kind == "*" or (kind == "AWS" and value == "*"):
        return ()
    if kind != "AWS" or is_unique_id(value):
        return None
    service = "sts" if form == "federated-user" else "iam"
    if is_account_id(value):
        return (stands_at(CALLER, starting_with(f"arn:{partition}:{service}::{value}:")),)
    arn = parse_arn(value)
    if arn is None or arn.partition != partition:
        return None
    kind_of, _, rest = arn.resource.partition("/")
    if arn.service == "iam" and arn.resource == "root":
        return (stands_at(CALLER, starting_with(f"arn:{partition}:{service}::{arn.account_id}:")),)
    if (arn.service, kind_of) == ("sts", "assumed-role") and form == "role":
        role, _, session = rest.partition("/")
        whose = f"arn:{partition}:iam::{arn.account_id}:role/"
        return (
            stands_at(CALLER, literal(whose + role), pattern((*whose, RUN, "/", *role))),
            stands_at(USER_ID, pattern((Wild(many=True, barred=":"), ":", *session))),
        )
    if (arn.service, kind_of) in {("iam", form), ("sts", form)}:
        return (stands_at(CALLER, literal(value)),)
    return None


def stands_at(dimension: str, *patterns: Pattern) -> Placed:
    return Placed(dimension, Test(absent=False, negated=False, patterns=patterns, unknown=False, construct="Principal"))


def undocumented(dimension: str, whom: str) -> Region:
    """A doubt: whether `{"AWS": "*"}` means these callers, too, is not documented."""
    return (
        Placed(dimension, Test(absent=None, negated=False, patterns=(), unknown=True, construct=f'Principal {{"AWS": "*"}} for {whom}')),
    )


def admitting(named: Principal, otherwise: Region) -> Callable[[Principal], Region | None]:
    """Which principals mean callers who are named to the letter; `otherwise` is for `{"AWS": "*"}`."""

    def admits(principal: Principal) -> Region | None:
        if principal.type == "*" or principal == named:
            return ()
        return otherwise if principal == Principal("AWS", "*") else None

    return admits


class Space:
    """Keys that share dimensions, and what every dimension can be: described ones first, then what `otherwise` says."""

    __slots__ = ("_domains", "_keys", "_otherwise", "_texts")

    def __init__(
        self, keys: Mapping[str, Key], domains: Mapping[str, Domain], texts: Mapping[str, Text], otherwise: Callable[[str], Domain]
    ) -> None:
        self._keys = dict(keys)
        self._domains = domains
        self._texts = texts
        self._otherwise = otherwise

    def key_of(self, name: str) -> Key:
        known = self._keys.get(name)
        if known is None:
            text = self._texts.get(name)
            if text is None:
                return Key(name)
            known = Key(text.dimension or name, text.kind, multivalued=text.domain.several, write=text.write)
            self._keys[name] = known
        return known

    def domain_of(self, dimension: str) -> Domain:
        known = self._domains.get(dimension)
        if known is not None:
            return known
        if dimension == TIME:
            return _ANY_TIME
        text = self._texts.get(dimension)
        return self._otherwise(dimension) if text is None else text.domain


def by_name(texts: Iterable[Text]) -> dict[str, Text]:
    """The last description of a key counts."""
    return {each.name.lower(): each for each in texts}


def _aws_otherwise(dimension: str) -> Domain:
    return FREE_TEXT if dimension.startswith(("aws:principaltag/", "aws:requesttag/")) else UNKNOWN


_SPELLING = {
    each.lower(): each
    for each in (
        *(each.name for each in _AWS),
        *NOT_FEDERATED,
        "aws:PrincipalType",
        "aws:userid",
        "aws:ResourceAccount",
        "aws:ResourceOrgID",
        "aws:ResourceOrgPaths",
        "aws:VpceAccount",
        "aws:VpceOrgID",
        "aws:VpceOrgPaths",
        "aws:FederatedProvider",
        "SAML:aud",
        "SAML:sub",
        "SAML:iss",
        "SAML:sub_type",
    )
}


def spelled(key: str) -> str:
    """A key as AWS spells it; keys compare without case."""
    name = key.lower()
    for family, spelling in (("aws:principaltag/", "aws:PrincipalTag/"), ("aws:requesttag/", "aws:RequestTag/")):
        if name.startswith(family):
            return spelling + key[len(family) :]
    return _SPELLING.get(name, key)
