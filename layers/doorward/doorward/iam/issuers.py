"""Tokens of issuers besides GitHub: whose tenants they speak of, and what their subjects look like.

A described issuer has a grammar of subjects, so that a subject found is one that somebody can have. Of others a subject may be any text:
then only emptiness is a proof, and whatever is found is a doubt.

Shared issuers and their tenants:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
GitLab: https://docs.gitlab.com/ci/secrets/id_token_authentication/ · HCP Terraform:
https://developer.hashicorp.com/terraform/cloud-docs/dynamic-provider-credentials/workload-identity-tokens ·
Buildkite: https://buildkite.com/docs/pipelines/security/oidc ·
CircleCI: https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/ ·
EKS: https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
"""

from functools import lru_cache

from doorward.iam.callers import DIGITS, LETTERS, LOWER, REGION, RUN, SOME_TEXT, UUID, Resource
from doorward.iam.names import COGNITO, is_cluster
from doorward.iam.search import Callers, Domain, Key, Placed, Test
from doorward.iam.sets import Chars, Either, Grammar, Many, Part, Pattern, literal, pattern, perhaps, some
from doorward.iam.tokens import Tokens, web_identities
from doorward.values import NamedTuple

_SLUG = (Chars(LETTERS + DIGITS), Many(Chars(LETTERS + DIGITS + "_.-")))
# A name that people give: it has no separator of its own.
_TITLE = some(Chars(":", negated=True))
# RFC 1123, as Kubernetes names things.
_LABEL = (Chars(LOWER + DIGITS), Many((Many("-"), Chars(LOWER + DIGITS))))
_SERVICE_ACCOUNT = (_LABEL, Many((".", _LABEL)))
_ANY_ID = "9b8a7c6d-1e2f-4a3b-8c9d-5e6f7a8b9c0d"


class Profile(NamedTuple):
    """What is known of an issuer. A subject tells its tenant between `head` and the first `end` after it; `end` "": all the rest.

    `samples` are likely subjects of strangers; `%s` in `imitation` is put where a pattern leaves the tenant open.
    """

    head: str
    end: str
    grammar: Grammar
    samples: tuple[str, ...]
    audiences: tuple[str, ...] = ("sts.amazonaws.com",)
    audience_grammar: Grammar = SOME_TEXT

    def tenant_of(self, subject: str) -> tuple[Pattern, ...]:
        """Subjects of the tenant that this pattern on subjects spells out; none where it leaves the tenant open."""
        if not subject.startswith(self.head):
            return ()
        tenant, end, _ = subject.removeprefix(self.head).partition(self.end) if self.end else (subject.removeprefix(self.head), "", "")
        if not tenant or (self.end and not end) or "*" in tenant or "?" in tenant:
            return ()
        known = (*self.head, *tenant)
        return (pattern((*known, *self.end, RUN)) if self.end else literal(self.head + tenant),)


def _profile(head: str, end: str, grammar: Part, *samples: str, audiences: tuple[str, ...] = ("sts.amazonaws.com",)) -> Profile:
    return Profile(head, end, Grammar(grammar), samples, audiences)


_REF = some(Chars("", negated=True))
_GITLAB = _profile(
    "project_path:",
    "/",
    ("project_path:", _SLUG, some(("/", _SLUG)), ":ref_type:", Either(("branch", "tag")), ":ref:", _REF),
    "project_path:stranger/any:ref_type:branch:ref:main",
    "project_path:outsider/any:ref_type:tag:ref:v1",
)
_TERRAFORM = _profile(
    "organization:",
    ":",
    ("organization:", _SLUG, ":project:", _TITLE, ":workspace:", _SLUG, ":run_phase:", Either(("plan", "apply"))),
    "organization:stranger:project:any:workspace:any:run_phase:apply",
    "organization:outsider:project:any:workspace:any:run_phase:plan",
    audiences=("aws.workload.identity",),
)
_BUILDKITE = _profile(
    "organization:",
    ":",
    (
        "organization:",
        _SLUG,
        ":pipeline:",
        _SLUG,
        ":ref:",
        _REF,
        ":commit:",
        some(Chars(LETTERS + DIGITS)),
        ":step:",
        Many(Chars(":", negated=True)),
    ),
    "organization:stranger:pipeline:any:ref:refs/heads/main:commit:0a1b2c3d:step:any",
)
_VERCEL = _profile(
    "owner:",
    ":",
    ("owner:", _SLUG, ":project:", _SLUG, ":environment:", _SLUG),
    "owner:stranger:project:any:environment:production",
    "owner:outsider:project:any:environment:preview",
)
_BITBUCKET = _profile(
    "{",
    "}",
    ("{", UUID, "}", perhaps((":{", UUID, "}")), ":{", UUID, "}"),
    f"{{{_ANY_ID}}}:{{{_ANY_ID}}}:{{{_ANY_ID}}}",
    f"{{{_ANY_ID}}}:{{{_ANY_ID}}}",
)
_GOOGLE = _profile("", "", (Chars("123456789"), Many(Chars(DIGITS))), "998877665544332211009", "887766554433221100998")
_CLUSTERS = _profile(
    "system:serviceaccount:",
    ":",
    ("system:serviceaccount:", _LABEL, ":", _SERVICE_ACCOUNT),
    "system:serviceaccount:any-namespace:any",
    "system:serviceaccount:other:any",
)


def _circleci(organization: str | None) -> Profile:
    """CircleCI's issuers are each for one organization; a project is what tells its tokens apart."""
    whose: Part = UUID if organization is None else organization
    shown = organization or _ANY_ID
    user = ("/user/", UUID)
    return Profile(
        f"org/{organization}/project/" if organization else "org/",
        "/",
        Grammar(("org/", whose, "/project/", UUID, user, perhaps(("/vcs-origin/", some(Chars(" ", negated=True)))))),
        (f"org/{shown}/project/{_ANY_ID}/user/{_ANY_ID}",),
        (shown,),
    )


# Anybody can be a tenant of these, and how their subjects are built is not described here.
SHARED = frozenset(
    {
        "oidc.codefresh.io",
        "studio.datachain.ai/api",
        "scalr.io",
        "tokens.cloud.shisho.dev",
        "proidc.upbound.io",
        "api.pulumi.com/oidc",
        "sandboxes.cloud",
        "www.amazon.com",
        "graph.facebook.com",
    }
)
TENANTS = {
    "gitlab.com": _GITLAB,
    "app.terraform.io": _TERRAFORM,
    "agent.buildkite.com": _BUILDKITE,
    "accounts.google.com": _GOOGLE,
    "oidc.circleci.com": _circleci(None),
    "oidc.vercel.com": _VERCEL,
}
"""Issuers that anybody can be a tenant of, and whose subjects are described here."""


@lru_cache(maxsize=256)
def profile_of(issuer: str) -> Profile | None:
    """None where the issuer's subjects are not described here."""
    known = TENANTS.get(issuer)
    if known is not None:
        return known
    if is_cluster(issuer):
        return _CLUSTERS
    if issuer.startswith("oidc.vercel.com/"):
        return _VERCEL
    if issuer.startswith("api.bitbucket.org/2.0/workspaces/"):
        return _BITBUCKET
    if issuer.startswith("oidc.circleci.com/org/"):
        return _circleci(issuer.removeprefix("oidc.circleci.com/org/") or None)
    return None


@lru_cache(maxsize=512)
def issuer_callers(resource: Resource, provider: str, issuer: str, tokens: Tokens) -> Callers:
    """Tokens of an issuer besides GitHub and Cognito. Subjects of an issuer that is not described may be any text."""
    host = issuer.lower()
    profile = profile_of(issuer)
    if profile is None:
        subject = Domain(optional=False, grammar=SOME_TEXT, samples=("any",), excluded=tokens.subjects_excluded)
    else:
        subject = Domain(optional=False, grammar=profile.grammar, samples=profile.samples, excluded=tokens.subjects_excluded)
    audience = Domain(
        optional=False,
        grammar=SOME_TEXT,
        samples=(*(profile.audiences if profile else ()), "sts.amazonaws.com", "https://audience.example/any"),
        excluded=tokens.audiences_excluded,
    )
    domains = {f"{host}:sub": subject, f"{host}:aud": audience}
    for claim, excluded in tokens.claims_excluded:
        domains[f"{host}:{claim.lower()}"] = Domain(optional=True, grammar=SOME_TEXT, excluded=excluded)
    return web_identities(resource, provider, host, {}, domains, (f"{host}:sub", f"{host}:aud"), tokens.base)


# Amazon Cognito identity pools: https://docs.aws.amazon.com/cognito/latest/developerguide/iam-roles.html

_POOL = Grammar((REGION, ":", UUID))
_STRANGE_POOLS = ("eu-west-1:9b8a7c6d-1e2f-4a3b-8c9d-5e6f7a8b9c0d", "us-east-1:0f1e2d3c-4b5a-4968-8776-655443322110")
_GUEST = "unauthenticated"
_SIGNED_IN = "authenticated"
_LOGINS = Grammar(Either((_SIGNED_IN, (some(Chars(LETTERS + DIGITS + "-")), some((".", some(Chars(LETTERS + DIGITS + "-/_:"))))))))


@lru_cache(maxsize=256)
def cognito_callers(
    resource: Resource, pools_excluded: tuple[str, ...], excluded: tuple[str, ...] = (), *, guest: bool, provider: str = COGNITO
) -> Callers:
    """Identities, none of `excluded`, of pools that are none of `pools_excluded`: signed in, or as a guest whom nobody knows.

    `provider`: Cognito by its name, or a provider that somebody made in the account for the same issuer.
    """
    methods = f"{COGNITO}:amr"
    domains = {
        f"{COGNITO}:aud": Domain(
            optional=False, grammar=_POOL, samples=_STRANGE_POOLS, excluded=tuple(map(literal, pools_excluded)), imitate=_imitate_pool
        ),
        f"{COGNITO}:sub": Domain(
            optional=False, grammar=_POOL, samples=_STRANGE_POOLS, excluded=tuple(map(literal, excluded)), imitate=_imitate_pool
        ),
        methods: Domain(
            optional=False,
            grammar=Grammar(_GUEST) if guest else _LOGINS,
            samples=(_GUEST,) if guest else (_SIGNED_IN, "accounts.google.com", "graph.facebook.com"),
            several=True,
        ),
    }
    always = Test(absent=False, negated=False, patterns=(literal(_GUEST if guest else _SIGNED_IN),), unknown=False, construct="amr")
    keys = {methods: Key(methods, multivalued=True)}
    required = (f"{COGNITO}:aud", f"{COGNITO}:sub", methods)
    return web_identities(resource, provider, COGNITO, keys, domains, required, (Placed(methods, always),))


def _imitate_pool(part: Pattern) -> tuple[str, ...]:
    """`eu-west-1:*` is fitted by `eu-west-1:9b8a7c6d-…`, `eu-*` by a pool of eu-west-1."""
    text = part.written("9")
    region, colon, _ = text.partition(":")
    regions = ("eu-west-1", "us-east-1") if "*" in region or not colon else (region,)
    return tuple(f"{each}:{_ANY_ID}" for each in regions)
