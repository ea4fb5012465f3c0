"""What the condition keys of a trust policy can be, for each kind of caller: who sets a key, and to which values.

Keys that belong together share a dimension, so that no request is imagined whose account, ARN, organization or user id contradict each
other. A key that nobody described here may be anything or absent: what depends on it is a doubt.

Keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
STS and OIDC keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
GitHub subjects: https://docs.github.com/en/actions/reference/security/oidc
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from doorward.iam.arns import UNIQUE_ID, is_account_id, parse_arn
from doorward.iam.documents import Principal
from doorward.iam.search import NEVER, UNKNOWN, Callers, Domain, Key, Kind, Placed, Region, Test, ignoring_case, lifted
from doorward.iam.sets import ANY, Chars, Either, Grammar, Many, Part, Pattern, Wild, literal, pattern, perhaps, some, starting_with
from doorward.iam.spans import IPV4, IPV6, Span, Spans, address, ipv4_block, iso_time, united, without

ASSUME_ROLE = "sts:AssumeRole"
WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
WITH_SAML = "sts:AssumeRoleWithSAML"
GITHUB = "token.actions.githubusercontent.com"

Form = Literal["role", "user", "federated-user"]
FORMS: tuple[Form, ...] = ("role", "user", "federated-user")

CALLER = "caller"
ORGANIZATION = "organization"
PROVIDER = "provider"
USER_ID = "aws:userid"
EXTERNAL_ID = "sts:externalid"
_RUN = Wild(many=True)

_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_UPPER = _LOWER.upper()
_LETTERS = _LOWER + _UPPER
_NAME = some(Chars(_LETTERS + _DIGITS + "_+=,.@-"))
# IAM allows any visible ASCII character in a path, a colon too: a path can imitate the text of another account's ARN.
_PATH = perhaps((some(Chars("".join(map(chr, range(0x21, 0x7F))))), "/"))
_LONGEST_ARN = 640
_LONGEST_TAG_VALUE = 256
_LONGEST_SESSION_NAME = 64
_LONGEST_EXTERNAL_ID = 1224
_UNIQUE_ID_TAIL = 17
_ACCOUNT_ID_DIGITS = 12
_SESSION = (Chars(_LETTERS + _DIGITS + "_+=,.@-"), _NAME)
_NOBODY = Grammar(Either(()))
_FEDERATED_USER_ID = Grammar(((Chars(_DIGITS),) * _ACCOUNT_ID_DIGITS, ":", _NAME))
_TRUE_OR_FALSE = Grammar(Either(("true", "false")))
_ANY_TEXT = Grammar(Many(ANY))
_SOME_TEXT = Grammar(some(ANY))
_SESSION_NAME = Grammar(_SESSION)
# `us-east-1`, `us-gov-west-1`, `us-isob-east-1`, `eusc-de-east-1`
_REGION = Grammar((some(Chars(_LOWER)), some(("-", some(Chars(_LOWER)))), "-", some(Chars(_DIGITS))))


class Text(NamedTuple):
    """A key: its name as AWS spells it, and what it can be. `dimension` where it shares one with another key."""

    name: str
    domain: Domain
    kind: Kind = "string"
    write: Callable[[int], str] | None = None
    dimension: str | None = None


@lru_cache(maxsize=512)
def _constant(value: str) -> Domain:
    return Domain(optional=False, grammar=Grammar(value), samples=(value,), constant=value)


_FREE_TEXT = Domain(optional=True, grammar=_ANY_TEXT, samples=("any",), longest=_LONGEST_TAG_VALUE)
_SOURCE_IDENTITY = Domain(optional=True, grammar=_SESSION_NAME, samples=("any",), longest=_LONGEST_SESSION_NAME)

_HEX = Chars(_DIGITS + "abcdef")
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
_SOME_TEXTS = Domain(optional=True, grammar=_SOME_TEXT, samples=("any",), longest=_LONGEST_TAG_VALUE, several=True)


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
_COMMON = (
    Text("aws:SecureTransport", _constant("true"), "bool"),
    # Nobody says that STS never sees a call that a service makes on somebody's behalf.
    Text("aws:ViaAWSService", Domain(optional=False, grammar=Grammar("false"), samples=("false",), doubtful=_TRUE_OR_FALSE), "bool"),
    Text("aws:PrincipalIsAWSService", _constant("false"), "bool"),
    Text("aws:UserAgent", _FREE_TEXT),
    Text("aws:Referer", _FREE_TEXT),
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
_EXTERNAL_ID_CHAR = Chars(_LETTERS + _DIGITS + "_+=,.@:/-")
_EXTERNAL_ID = Text(
    "sts:ExternalId",
    Domain(
        optional=True,
        grammar=Grammar((_EXTERNAL_ID_CHAR, _EXTERNAL_ID_CHAR, Many(_EXTERNAL_ID_CHAR))),
        samples=("any-other-id",),
        longest=_LONGEST_EXTERNAL_ID,
    ),
)
_AWS = (
    *_COMMON,
    _EXTERNAL_ID,
    Text("aws:SourceIdentity", _SOURCE_IDENTITY),
)
# Only principals of IAM have these.
_NOT_FEDERATED = (
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalType",
    "aws:userid",
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

    `org_id` None: not known. `addresses`, `vpcs` and `vpc_endpoints` are ours: no stranger calls from there.
    """

    partition: str
    account_id: str
    org_id: str | None
    addresses: Spans = ()
    vpcs: tuple[str, ...] = ()
    vpc_endpoints: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def _resource_keys(resource: Resource) -> tuple[Text, ...]:
    organization = UNKNOWN if resource.org_id is None else _constant(resource.org_id)
    theirs = without(PUBLIC_ADDRESSES, resource.addresses)
    return (
        Text("aws:ResourceAccount", _constant(resource.account_id)),
        Text("aws:ResourceOrgID", organization),
        Text("aws:SourceIp", Domain(optional=True, grammar=None, spans=theirs), "address", address),
        Text("aws:SourceVpc", _identified("vpc", resource.vpcs)),
        Text("aws:SourceVpce", _identified("vpce", resource.vpc_endpoints)),
    )


# Callers of AWS type


class Organizations(NamedTuple):
    """In which organizations callers can be: in none (`absent`), in some (`grammar` over org paths), never in `excluded`."""

    absent: bool
    grammar: Grammar | None
    excluded: tuple[Pattern, ...] = ()
    samples: tuple[str, ...] = ()

    def domain(self) -> Domain:
        return Domain(optional=self.absent, grammar=self.grammar, samples=self.samples, excluded=self.excluded, never=self.grammar is None)


_LOWER_AND_DIGITS = Chars(_LOWER + _DIGITS)
_SHORT_ID = (_LOWER_AND_DIGITS,) * 4 + (Many(_LOWER_AND_DIGITS),)
_ORG_PATH = Grammar(
    (
        "o-",
        (_LOWER_AND_DIGITS,) * 10,
        Many(_LOWER_AND_DIGITS),
        "/r-",
        _SHORT_ID,
        "/",
        Many(("ou-", _SHORT_ID, "-", (_LOWER_AND_DIGITS,) * 8, Many(_LOWER_AND_DIGITS), "/")),
    )
)


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
    return Organizations(absent=False, grammar=Grammar(Either((root, f"{root}ou-{tail}-{tail}{tail}/"))))


@lru_cache(maxsize=16)
def _caller_grammar(partition: str, form: Form) -> Grammar:
    account: Part = (Chars(_DIGITS),) * _ACCOUNT_ID_DIGITS
    if form == "federated-user":
        return Grammar((f"arn:{partition}:sts::", account, ":federated-user/", _NAME))
    return Grammar((f"arn:{partition}:iam::", account, f":{form}/", _PATH, _NAME))


@lru_cache(maxsize=8)
def _user_id_grammar(form: Form) -> Grammar:
    head = "AROA" if form == "role" else "AIDA"
    tail = (Chars(_UPPER + _DIGITS),) * _UNIQUE_ID_TAIL
    return Grammar((head, tail, ":", _SESSION)) if form == "role" else Grammar((head, tail))


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
        return (lifted(part, tuple(before), (":", _RUN), ":"),)

    def on_user_name(part: Pattern) -> tuple[Pattern, ...]:
        whose = (*before, Wild(many=True, barred=":"), *":user/")
        return (lifted(part, whose, (), "/"), lifted(part, (*whose, _RUN, "/"), (), "/"))

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
    }
    keys = {
        "aws:principalarn": Key(CALLER),
        "aws:principalaccount": Key(CALLER, lift=on_account),
        "aws:principalorgid": Key(ORGANIZATION, lift=_on_org_id),
        "aws:principalorgpaths": Key(ORGANIZATION, multivalued=True),
    }
    sample = "AROAANYROLEANYROLEANY:any" if form == "role" else "AIDAANYUSERANYUSERANY"
    if form == "federated-user":
        # The account and the name again: not told apart here, so only a doubt.
        user_id = Domain(optional=False, grammar=_NOBODY, doubtful=_FEDERATED_USER_ID)
    else:
        grammar = _user_id_grammar(form)
        user_id = Domain(
            optional=False,
            grammar=grammar,
            samples=(sample,),
            excluded=tuple(starting_with(each) for each in unique_ids),
            doubtful=grammar if unique_ids else None,
        )
    texts = [
        *_AWS,
        *_resource_keys(resource),
        Text("aws:userid", user_id),
        Text("aws:PrincipalType", _constant(_TYPES[form])),
        Text("aws:TokenIssueTime", _ANY_TIME._replace(optional=form == "user"), "instant", iso_time),
        Text(
            "aws:MultiFactorAuthPresent",
            # Long-term keys of a user carry no such key at all.
            Domain(optional=form == "user", grammar=_TRUE_OR_FALSE, samples=("false", "true")),
            "bool",
        ),
        Text("aws:MultiFactorAuthAge", _MFA_AGE, "number", str),
    ]
    if form == "user":
        keys["aws:username"] = Key(CALLER, lift=on_user_name)
    else:
        texts.append(Text("aws:username", NEVER))
    if external_ids_taken:
        taken = tuple(pattern(ignoring_case(each)) for each in external_ids_taken)
        texts.append(_EXTERNAL_ID._replace(domain=_EXTERNAL_ID.domain._replace(excluded=taken)))

    def admits(principal: Principal) -> tuple[Placed, ...] | None:
        return _admits_aws(principal, resource.partition, form)

    space = _Space(keys, domains, _by_name(texts), _aws_otherwise)
    required = (CALLER, ORGANIZATION, USER_ID) if form == "role" else (CALLER, ORGANIZATION)
    whose = () if accounts.only is None else (_is(CALLER, starting_with(f"{before}{accounts.only}:")),)
    return Callers(ASSUME_ROLE, space.key_of, space.domain_of, admits, required=required, base=(*whose, *base))


def _on_org_id(part: Pattern) -> tuple[Pattern, ...]:
    return (lifted(part, (), ("/", _RUN), "/"),)


def _admits_aws(principal: Principal, partition: str, form: Form) -> tuple[Placed, ...] | None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html."""
    kind, value = principal
    if kind == "*" or (kind == "AWS" and value == "*"):
        return ()
    if kind != "AWS" or UNIQUE_ID.fullmatch(value):
        return None
    service = "sts" if form == "federated-user" else "iam"
    if is_account_id(value):
        return (_is(CALLER, starting_with(f"arn:{partition}:{service}::{value}:")),)
    arn = parse_arn(value)
    if arn is None or arn.partition != partition:
        return None
    kind_of, _, rest = arn.resource.partition("/")
    if arn.service == "iam" and arn.resource == "root":
        return (_is(CALLER, starting_with(f"arn:{partition}:{service}::{arn.account_id}:")),)
    if (arn.service, kind_of) == ("sts", "assumed-role") and form == "role":
        role, _, session = rest.partition("/")
        whose = f"arn:{partition}:iam::{arn.account_id}:role/"
        return (
            _is(CALLER, literal(whose + role), pattern((*whose, _RUN, "/", *role))),
            _is(USER_ID, pattern((Wild(many=True, barred=":"), ":", *session))),
        )
    if (arn.service, kind_of) in {("iam", form), ("sts", form)}:
        return (_is(CALLER, literal(value)),)
    return None


def _is(dimension: str, *patterns: Pattern) -> Placed:
    return Placed(dimension, Test(absent=False, negated=False, patterns=patterns, unknown=False, construct="Principal"))


class _Space:
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


def _by_name(texts: Iterable[Text]) -> dict[str, Text]:
    """The last description of a key counts."""
    return {each.name.lower(): each for each in texts}


def _aws_otherwise(dimension: str) -> Domain:
    return _FREE_TEXT if dimension.startswith(("aws:principaltag/", "aws:requesttag/")) else UNKNOWN


_SPELLING = {
    each.lower(): each
    for each in (
        *(each.name for each in _AWS),
        *_NOT_FEDERATED,
        "aws:ResourceAccount",
        "aws:ResourceOrgID",
        "aws:FederatedProvider",
    )
}


def spelled(key: str) -> str:
    """A key as AWS spells it; keys compare without case."""
    name = key.lower()
    for family, spelling in (("aws:principaltag/", "aws:PrincipalTag/"), ("aws:requesttag/", "aws:RequestTag/")):
        if name.startswith(family):
            return spelling + key[len(family) :]
    return _SPELLING.get(name, key)


# Web identities


_OWNER = (Chars(_LETTERS + _DIGITS), Many((perhaps(Chars("-_")), Chars(_LETTERS + _DIGITS))))
_REPO = some(Chars(_LETTERS + _DIGITS + "._-"))
_NUMBER = (Chars("123456789"), Many(Chars(_DIGITS)))
_REPOSITORY = (_OWNER, "/", _REPO)
_FREE_CLAIMS = (
    "actor",
    "actor_id",
    "base_ref",
    "environment",
    "event_name",
    "head_ref",
    "job_workflow_ref",
    "job_workflow_sha",
    "ref",
    "ref_type",
    "repository_visibility",
    "run_attempt",
    "run_id",
    "run_number",
    "runner_environment",
    "sha",
    "workflow",
    "workflow_ref",
    "workflow_sha",
)
# GitHub writes %3A for a colon within a value, so that no value can imitate a claim.
_CLAIM: Part = Either(
    (
        (Either(_FREE_CLAIMS), ":", some(Chars(":", negated=True))),
        ("repository:", _REPOSITORY),
        ("repository_owner:", _OWNER),
        (Either(("repository_id:", "repository_owner_id:", "enterprise_id:")), _NUMBER),
    )
)
_CONTEXT: Part = Either((":pull_request", some((":", _CLAIM))))
_BY_NAME = ("repo:", _REPOSITORY, _CONTEXT)
_IMMUTABLE = ("repo:", _OWNER, "@", _NUMBER, "/", _REPO, "@", _NUMBER, _CONTEXT)
_CUSTOM = (_CLAIM, Many((":", _CLAIM)), perhaps(":pull_request"))


@lru_cache(maxsize=4)
def _subject_grammar(by_name: bool) -> Grammar:
    return Grammar(_BY_NAME) if by_name else Grammar(Either((_IMMUTABLE, _CUSTOM)))


@lru_cache(maxsize=4)
def _claim_grammar(claim: str) -> Grammar:
    return Grammar({"repository": _REPOSITORY, "repository_owner": _OWNER}.get(claim, _NUMBER))


_ID_CLAIMS = ("repository_id", "repository_owner_id", "enterprise_id")
_AUDIENCES = ("sts.amazonaws.com", "https://audience.example/any", "https://audience.example/other")


_STRANGERS = ("stranger", "outsider", "unrelated-owner")
_MAIN = "ref:refs/heads/main"
_SUBJECTS = tuple(f"repo:{each}/any:{_MAIN}" for each in _STRANGERS)


def _imitate_subject(part: Pattern) -> tuple[str, ...]:
    """What somebody would register to fit a pattern: `repo:acme*` is fitted by `repo:acme-evil/any:ref:refs/heads/main`."""
    text = "".join(("*" if each.many else "x") if isinstance(each, Wild) else each[0] for each in part.tokens)
    owner, _, rest = text.removeprefix("repo:").partition("/")
    repository, _, context = rest.partition(":")
    owner = _STRANGERS[0] if owner == "*" else owner.replace("*", "-evil")
    repository = "any" if repository in {"", "*"} else repository.replace("*", "-any")
    context = _MAIN if context in {"", "*"} else context.replace("refs/*", "refs/heads/main").replace("*", "main")
    return f"repo:{owner}/{repository}:{context}", f"repo:{owner}@1/{repository}@1:{context}"


class Tokens(NamedTuple):
    """Which tokens of an issuer: subjects that are none of `subjects_excluded`, audiences none of `audiences_excluded`.

    `claims_excluded` are, by claim, values that these tokens never have; `base` restricts further.
    """

    subjects_excluded: tuple[Pattern, ...] = ()
    audiences_excluded: tuple[Pattern, ...] = ()
    claims_excluded: tuple[tuple[str, tuple[Pattern, ...]], ...] = ()
    owners_excluded: tuple[str, ...] = ()
    base: Region = ()


@lru_cache(maxsize=512)
def github_callers(resource: Resource, provider: str, tokens: Tokens, *, by_name: bool) -> Callers:
    """Workflows with a token of GitHub Actions. `by_name`: subjects `repo:OWNER/REPO:…`; else those with ids, and customised ones."""
    subject = f"{GITHUB}:sub"
    claims_excluded = dict(tokens.claims_excluded)
    owners = tuple(pattern((*ignoring_case(each),)) for each in tokens.owners_excluded)
    their_repositories = tuple(pattern((*ignoring_case(each), "/", _RUN)) for each in tokens.owners_excluded)
    domains = {
        subject: Domain(
            optional=False,
            grammar=_subject_grammar(by_name),
            samples=_SUBJECTS,
            excluded=tokens.subjects_excluded,
            imitate=_imitate_subject,
        ),
        f"{GITHUB}:aud": Domain(
            optional=False,
            grammar=_SOME_TEXT,
            samples=_AUDIENCES,
            excluded=tokens.audiences_excluded,
        ),
    }
    keys = {subject: Key(subject), f"{GITHUB}:aud": Key(f"{GITHUB}:aud")}
    for claim in _FREE_CLAIMS:
        domains[f"{GITHUB}:{claim}"] = Domain(optional=True, grammar=_SOME_TEXT, samples=("any",))
    for claim in _ID_CLAIMS:
        domains[f"{GITHUB}:{claim}"] = Domain(
            optional=True, grammar=_claim_grammar(claim), samples=("987654321",), excluded=claims_excluded.get(claim, ())
        )
    for claim, theirs in (("repository", their_repositories), ("repository_owner", owners)):
        domains[f"{GITHUB}:{claim}"] = Domain(
            optional=True,
            grammar=_claim_grammar(claim),
            excluded=(*theirs, *claims_excluded.get(claim, ())),
        )
    if by_name:
        keys[f"{GITHUB}:repository"] = Key(subject, sometimes=True, lift=_on_repository)
        keys[f"{GITHUB}:repository_owner"] = Key(subject, sometimes=True, lift=_on_owner)
    return _web_identities(resource, provider, GITHUB, keys, domains, (subject, f"{GITHUB}:aud"), tokens.base)


def _on_repository(part: Pattern) -> tuple[Pattern, ...]:
    return (lifted(part, tuple("repo:"), (":", _RUN), ":"),)


def _on_owner(part: Pattern) -> tuple[Pattern, ...]:
    return (lifted(part, tuple("repo:"), ("/", _RUN), "/:"),)


@lru_cache(maxsize=512)
def issuer_callers(resource: Resource, provider: str, issuer: str, tokens: Tokens) -> Callers:
    """Tokens of an issuer whose subjects nobody described here: a subject may be any text, so only emptiness is a proof."""
    host = issuer.lower()
    domains = {
        f"{host}:sub": Domain(optional=False, grammar=_SOME_TEXT, excluded=tokens.subjects_excluded),
        f"{host}:aud": Domain(optional=False, grammar=_SOME_TEXT, samples=("sts.amazonaws.com",)),
    }
    for claim, excluded in tokens.claims_excluded:
        domains[f"{host}:{claim.lower()}"] = Domain(optional=True, grammar=_SOME_TEXT, excluded=excluded)
    return _web_identities(resource, provider, host, {}, domains, (f"{host}:sub", f"{host}:aud"), tokens.base)


# Whether `{"AWS": "*"}` means the bearers of tokens too is not documented.
_UNDOCUMENTED = (
    Placed(PROVIDER, Test(absent=None, negated=False, patterns=(), unknown=True, construct='Principal {"AWS": "*"} for a web identity')),
)


def _web_identities(  # noqa: PLR0917 - one caller each
    resource: Resource,
    provider: str,
    issuer: str,
    keys: Mapping[str, Key],
    domains: Mapping[str, Domain],
    required: tuple[str, ...],
    base: tuple[Placed, ...],
) -> Callers:
    texts = (
        *_COMMON,
        *_resource_keys(resource),
        *(Text(each, NEVER) for each in _NOT_FEDERATED),
        Text("aws:FederatedProvider", _constant(provider)),
        Text(f"{GITHUB}:iss", NEVER),  # often written, never sent
    )

    def admits(principal: Principal) -> tuple[Placed, ...] | None:
        if principal.type == "*" or principal == Principal("Federated", provider):
            return ()
        return _UNDOCUMENTED if principal == Principal("AWS", "*") else None

    def otherwise(dimension: str) -> Domain:
        host = dimension.rpartition(":")[0]
        # A token has one issuer: keys of another are not in its request.
        return NEVER if "." in host and host != issuer else UNKNOWN

    space = _Space(keys, {PROVIDER: _constant(provider), **domains}, _by_name(texts), otherwise)
    return Callers(WITH_WEB_IDENTITY, space.key_of, space.domain_of, admits, required=required, base=base)


@lru_cache(maxsize=64)
def unnamed_web_identities(resource: Resource, action: str) -> Callers:
    """Whoever comes by a token or an assertion of a provider that the policy does not name: only for `{"AWS": "*"}`, and only a doubt."""

    def admits(principal: Principal) -> tuple[Placed, ...] | None:
        return _UNDOCUMENTED if principal in {Principal("AWS", "*"), Principal("*", "*")} else None

    texts = (*_COMMON, *_resource_keys(resource), *(Text(each, NEVER) for each in _NOT_FEDERATED))
    space = _Space({}, {PROVIDER: _constant("any")}, _by_name(texts), lambda _: UNKNOWN)
    return Callers(action, space.key_of, space.domain_of, admits)
