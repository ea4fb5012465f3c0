"""Tokens of GitHub Actions: what a workflow's subject and claims can be.

Subjects: https://docs.github.com/en/actions/reference/security/oidc
"""

from functools import lru_cache, partial

from doorward.iam.callers import DIGITS, LETTERS, RUN, SOME_TEXT, Resource
from doorward.iam.names import GITHUB
from doorward.iam.search import Callers, Domain, Key, ignoring_case, lifted
from doorward.iam.sets import Chars, Either, Grammar, Many, Part, Pattern, pattern, perhaps, some
from doorward.iam.tokens import Tokens, web_identities

_OWNER = (Chars(LETTERS + DIGITS), Many((perhaps(Chars("-_")), Chars(LETTERS + DIGITS))))
_REPO = some(Chars(LETTERS + DIGITS + "._-"))
_NUMBER = (Chars("123456789"), Many(Chars(DIGITS)))
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
_NO_COLON = Chars(":", negated=True)
# GitHub writes %3A for a colon within a value, so that no value can imitate a claim.
_CLAIM: Part = Either(
    (
        (Either(_FREE_CLAIMS), ":", some(_NO_COLON)),
        ("repository:", _REPOSITORY),
        ("repository_owner:", _OWNER),
        (Either(("repository_id:", "repository_owner_id:", "enterprise_id:")), _NUMBER),
    )
)
_CONTEXT: Part = Either((":pull_request", some((":", _CLAIM))))
_BY_NAME = ("repo:", _REPOSITORY, _CONTEXT)
_IMMUTABLE = ("repo:", _OWNER, "@", _NUMBER, "/", _REPO, "@", _NUMBER, _CONTEXT)
_CUSTOM = (_CLAIM, Many((":", _CLAIM)), perhaps(":pull_request"))


# Claims that an owner can put first too, whose values are not described here: nobody can tell whose tokens these are.
_NOT_DESCRIBED = Grammar(
    (
        Either(("enterprise:", "environment_node_id:", "check_run_id:", "issuer_scope:", ("repo_property_", some(_NO_COLON), ":"))),
        some(_NO_COLON),
        Many((":", _CLAIM)),
    )
)


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


def _first_that_matches(patterns: tuple[Pattern, ...], text: str) -> Pattern | None:
    return next((each for each in patterns if each.matches(text)), None)


@lru_cache(maxsize=1024)
def _imitate_subject(part: Pattern) -> tuple[str, ...]:
    """What somebody would register to fit a pattern: `repo:acme*` is fitted by `repo:acme-evil/any:ref:refs/heads/main`."""
    text = part.written("x")
    owner, _, rest = text.removeprefix("repo:").partition("/")
    repository, _, context = rest.partition(":")
    owner = _STRANGERS[0] if owner == "*" else owner.replace("*", "-evil")
    repository = "any" if repository in {"", "*"} else repository.replace("*", "-any")
    context = _MAIN if context in {"", "*"} else context.replace("refs/*", "refs/heads/main").replace("*", "main")
    told = (f"repo:{owner}/{repository}:{context}", f"repo:{owner}@1/{repository}@1:{context}")
    if not text.startswith("repo:*"):
        return told
    # What the pattern asks for may stand in the name of a branch: `repo:*@4711/*`.
    branch = f"{_MAIN.removesuffix('main')}x{text.removeprefix('repo:*').replace('*', 'x')}"
    return (*told, f"repo:{_STRANGERS[0]}/any:{branch}", f"repo:{_STRANGERS[0]}@1/any@1:{branch}")


@lru_cache(maxsize=512)
def github_callers(resource: Resource, provider: str, tokens: Tokens, *, by_name: bool) -> Callers:
    """Workflows with a token of GitHub Actions. `by_name`: subjects `repo:OWNER/REPO:…`; else those with ids, and customised ones."""
    subject = f"{GITHUB}:sub"
    claims_excluded = dict(tokens.claims_excluded)
    owners = tuple(pattern((*ignoring_case(each),)) for each in tokens.owners_excluded)
    their_repositories = tuple(pattern((*ignoring_case(each), "/", RUN)) for each in tokens.owners_excluded)
    domains = {
        subject: Domain(
            optional=False,
            grammar=_subject_grammar(by_name),
            samples=_SUBJECTS if by_name else (),
            excluded=tokens.subjects_excluded,
            rejects=None if by_name or not tokens.customised_excluded else partial(_first_that_matches, tokens.customised_excluded),
            doubtful=None if by_name else _NOT_DESCRIBED,
            imitate=_imitate_subject,
        ),
        f"{GITHUB}:aud": Domain(
            optional=False,
            grammar=SOME_TEXT,
            samples=_AUDIENCES,
            excluded=tokens.audiences_excluded,
        ),
    }
    keys = {subject: Key(subject), f"{GITHUB}:aud": Key(f"{GITHUB}:aud")}
    for claim in _FREE_CLAIMS:
        domains[f"{GITHUB}:{claim}"] = Domain(optional=True, grammar=SOME_TEXT, samples=("any",))
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
    return web_identities(resource, provider, GITHUB, keys, domains, (subject, f"{GITHUB}:aud"), tokens.base)


def _on_repository(part: Pattern) -> tuple[Pattern, ...]:
    return lifted(part, tuple("repo:"), (":", RUN), ":")


def _on_owner(part: Pattern) -> tuple[Pattern, ...]:
    return lifted(part, tuple("repo:"), ("/", RUN), "/:")
