"""Is this one request allowed? The concrete evaluator: it replays every witness of the search, and `doorward evaluate` is its face.

The order, for a caller with an ARN; the first layer that does not allow is the one that an implicit denial names:

1. A Deny that applies, in any policy, decides: explicitly denied.
2. Every level of resource control policies. RCPFullAWSAccess stands at each, so that they only deny. They bind actions of the services
   that support them, and neither resources of the management account, nor calls of service-linked roles, nor `kms:RetireGrant`, nor who
   may assume a service-linked role.
3. Every level of service control policies must allow. They bind neither principals of the management account nor service-linked roles.
4. The resource's policy: a role's trust policy where the action assumes a role. It must allow where the accounts differ, and where the
   service asks for it in the same account too: STS for roles, KMS for keys.
5. The caller's identity policies must allow, unless in the same account the resource's policy names the caller: by his user ARN, session
   ARN, the ARN of his role, or `*`. An account as Principal only delegates. The root user needs no identity policy.
6. Permissions boundary and 7. session policy must allow, unless step 5 passed by a user ARN, a session ARN or `*`: what is granted to
   the ARN of a role stays limited by both. A federated-user session without a session policy has only what names it.

Services, federated callers and anonymous callers have no policies of their own: for them the steps are 1, 2 and 4.

Of STS, three calls are not decided so. `sts:AssumeRoot` reaches into another account by no policy of that account: Organizations lets the
management account and a delegated administrator call it, which is not looked at, and never the root user. `sts:GetCallerIdentity` is
everybody's, and `sts:GetSessionToken` every user's, whatever any policy says.

Where AWS is silent, or a document says what IAM would refuse to store:

* A statement that cannot be decided (`conditions.read_condition` is None; no Principal, Action or Resource where its kind of policy needs
  one; a Principal in a policy that takes none) allows nothing and denies what it might deny.
* `Resource` and `NotResource` have no meaning in a trust policy and are not looked at. A resource's policy without them means its resource.
* `{"AWS": "*"}` covers IAM and STS principals of every account, in Allow and Deny alike, and neither services nor federated callers:
  Access Analyzer calls `sts:AssumeRoleWithWebIdentity` for an AWS principal a mismatch, and whether a Deny of it stops a token or a
  service is undocumented. So no Deny is trusted to cover more than it names. `"*"` alone, which IAM refuses, covers everyone.
* `Service` and `Federated` principals are compared exactly, and so is every `AWS` principal but `"*"`: no globs.
* An anonymous caller is allowed only by services that take unsigned requests.
* `NotPrincipal` covers exactly the callers that the same list as a Principal would not; an Allow with it grants as an account does.
* Which API a type of caller can use is not the policy's business: a federated caller's `sts:AssumeRole` is judged by the text.
* A `*` within one of the first five parts of a Resource's ARN, but not at its end, may or may not reach over a colon: undecided.
* A request whose resource is not known (None) is covered by `*` and by nothing else for certain; "*" is an action without a resource.
* A session is told for a service-linked role's by the path in its `aws:PrincipalArn`, never by its name.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Literal

from doorward.iam.arns import is_account_id, parse_arn
from doorward.iam.conditions import (
    Answer,
    Context,
    FoldedContext,
    Test,
    any_of,
    by_context,
    fill_in,
    fold,
    fold_context,
    hold,
    read_condition,
)
from doorward.iam.documents import VERSION_2012, PlainCondition, PlainDocument, PlainStatement
from doorward.iam.matching import matches, matches_glob
from doorward.values import NamedTuple

PrincipalType = Literal["AWS", "Service", "Federated", "Anonymous"]
Outcome = Literal["allowed", "implicitly_denied", "explicitly_denied"]


class Request(NamedTuple):
    """Who asks for what, and what else is known; nothing is derived from one field into another.

    `principal`: an IAM or STS ARN (user, role, assumed-role session, federated user, root), a service principal, or the ARN or name of
    an identity provider. `context`: keys compare without case, and a FoldedContext saves the look; a tuple is a multivalued
    key, an empty one is present and empty.
    `resource`: None where it is not known, "*" where the action has none. `resource_account`: None, that of the ARN, else the caller's
    where the action has no resource, else another.
    """

    principal: str
    principal_type: str
    action: str
    context: Mapping[str, str | tuple[str, ...]]
    resource: str | None = None
    resource_account: str | None = None
    principal_in_management_account: bool = False
    resource_in_management_account: bool = False


class Policies(NamedTuple):
    """Every policy that has a say. `identity` None: the caller's own policies are not known, and no Allow is asked of them.

    SCPs and RCPs are levels from the root down to the account, each a list of documents; no level: none apply.
    """

    identity: tuple[PlainDocument, ...] | None = None
    resource: PlainDocument | None = None
    permissions_boundary: PlainDocument | None = None
    session: PlainDocument | None = None
    service_control_policies: tuple[tuple[PlainDocument, ...], ...] = ()
    resource_control_policies: tuple[tuple[PlainDocument, ...], ...] = ()


class Because(NamedTuple):
    """A statement that decided; `statement` is None where a layer decided by allowing nothing. `level`: of an SCP or RCP."""

    policy: str
    level: int | None
    index: int  # type: ignore[assignment]  # the field of the JSON form; nobody searches a Because
    statement: int | None
    sid: str | None
    effect: str


class Decision(NamedTuple):
    """`because`: every Deny that applies; else every Allow that does, of the layers that were asked; else the layer that did not."""

    outcome: Outcome
    because: tuple[Because, ...]


def compile_policies(policies: Policies) -> "CompiledPolicies":
    """For many requests: what the policies say is worked out once for each action that is asked, and kept."""
    return CompiledPolicies(policies)


def evaluate(policies: Policies, request: Request) -> Decision:
    """Total: any policies and any request have a decision. For one request, cheaper than compiling."""
    asked, context = _asked(request)
    return _decide(_read_view(policies, asked, read_condition), context)


def evaluate_trust_policy(document: PlainDocument, request: Request) -> Decision:
    """The trust policy alone: explicit Deny before Allow before implicit deny. Total."""
    global _last_compiled  # noqa: PLW0603 - one document is asked several times in a row; replaced as a whole, so safe among threads
    kept, compiled = _last_compiled
    if kept is not document:
        compiled = CompiledPolicies(Policies(resource=document), is_trust=True)
        _last_compiled = document, compiled
    return compiled.decide(request)


_IDENTITY = "identity"
_RESOURCE = "resource"
_BOUNDARY = "permissions_boundary"
_SESSION = "session"
_SCP = "service_control_policies"
_RCP = "resource_control_policies"


# A NamedTuple's own constructor costs three times as much.
_new = tuple.__new__
_ARN_COLONS = 5


def _not_allowed_by(policy: str, level: int | None = None) -> Decision:
    return Decision("implicitly_denied", (Because(policy, level, 0, None, None, "Deny"),))


_NOT_BY_RESOURCE = _not_allowed_by(_RESOURCE)
_NOT_BY_IDENTITY = _not_allowed_by(_IDENTITY)
_NOT_BY_BOUNDARY = _not_allowed_by(_BOUNDARY)
_NOT_BY_SESSION = _not_allowed_by(_SESSION)
# An organization has at most a root, five levels of OUs, and the account.
_NOT_BY_SCP = tuple([_not_allowed_by(_SCP, level) for level in range(7)])

# Views kept per set of policies: who asks for every action there is must not fill the memory.
_KEPT_VIEWS = 256
# And decisions kept of a view: one for each way in which its conditions can come out, of which most never come.
_KEPT_DECISIONS = 64
_UNIQUE_ID_PREFIXES = ("AROA", "AIDA")
_SERVICE_LINKED = "role/aws-service-role/"
_ASSUME = "sts:assumerole"
_ASSUME_ROOT = "sts:assumeroot"
_EVERYBODYS = "sts:getcalleridentity"
_EVERY_USERS = "sts:getsessiontoken"
# Authorized by the trust policy of the role together with the call that assumes it.
_BY_TRUST_POLICY = frozenset({"sts:tagsession", "sts:setsourceidentity", "sts:setcontext"})
# Services that answer requests without a signature where a resource's policy lets everyone in.
_UNSIGNED = frozenset({"s3", "sqs", "sns", "execute-api", "lambda"})
_NOT_BOUND_BY_RCPS = frozenset({"kms:retiregrant"})
# "List of AWS services that support RCPs", by action prefix:
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html#rcp-supported-services
_BOUND_BY_RCPS = frozenset({
    "aoss", "appconfig", "appstream", "autoscaling", "autoscaling-plans", "budgets", "clouddirectory", "cloudfront", "cloudsearch",
    "cloudtrail-data", "codeartifact", "codebuild", "codecommit", "codepipeline", "cognito-identity", "cognito-idp", "comprehend",
    "comprehendmedical", "compute-optimizer", "cost-optimization-hub", "dax", "dsql", "dynamodb", "ecr", "ecr-public", "events",
    "firehose", "fis", "fms", "gamelift", "health", "inspector-scan", "kendra", "kinesisvideo", "kms", "logs", "memorydb",
    "networkmonitor", "notifications", "opensearch", "pca-connector-ad", "personalize", "polly", "pricing", "resource-groups",
    "rolesanywhere", "s3", "secretsmanager", "servicediscovery", "signin", "sqs", "sts", "support", "swf", "textract",
    "timestream-influxdb", "transcribe", "transfer", "translate", "wafv2", "workspaces", "xray",
})  # fmt: skip


type _Read = Callable[[PlainCondition, bool], Test]
# For policies that are kept, which often ask for the same; for one request it costs more than it saves.
_read_and_keep = lru_cache(maxsize=4096)(read_condition)


def forget() -> None:
    """Drop everything kept from earlier requests; no decision changes."""
    global _last_compiled  # noqa: PLW0603
    _last_compiled = _NOTHING_COMPILED
    _read_and_keep.cache_clear()


# Who asks


type _Given = str | tuple[str, ...] | None


class _Call:
    """Who asks for what. `action` in lower case, `written` as asked; `account` is None unless the caller has an ARN.

    `names`: what an `AWS` principal may be that means the caller, and how. `is_trust`: the resource's policy is a trust policy.
    `read` makes a test of a condition. Of a session whose role's ARN is not known, `role_prefix` and `name` are what that begins and
    ends with.
    """

    __slots__ = (
        "account",
        "action",
        "is_federated_user",
        "is_root",
        "is_service_linked",
        "is_trust",
        "is_user",
        "name",
        "names",
        "principal",
        "read",
        "resource",
        "role_prefix",
        "type",
        "written",
    )

    def __init__(self, asked: "_Asked", is_trust: bool, read: _Read) -> None:
        self.read = read
        self.principal, self.type, self.written, self.resource, _, _, _, given_arn, given_id = asked
        self.action = action = self.written.lower()
        self.is_trust = is_trust or action.startswith(_ASSUME) or action in _BY_TRUST_POLICY
        self.account: str | None = None
        self.role_prefix: str | None = None
        self.name = ""
        self.is_root = self.is_federated_user = self.is_service_linked = self.is_user = False
        if self.type != "AWS":
            self.names = _EVERY_NAME if self.type == "Anonymous" else _NO_NAME
            return
        parts = self.principal.split(":", _ARN_COLONS)
        self.names = self._names(parts, given_arn) if len(parts) > _ARN_COLONS and parts[0] == "arn" else dict(_EVERY_NAME)
        if given_id is not None:
            unique_id = _only(given_id).partition(":")[0]
            if unique_id.startswith(_UNIQUE_ID_PREFIXES):
                # What is left in a policy of a role or user that was deleted; a role of the same name has another.
                self.names[unique_id] = _DIRECTLY if unique_id.startswith("AIDA") else _BY_ROLE

    def _names(self, parts: list[str], given_arn: _Given) -> dict[str, int]:
        _, partition, service, _, account, identity = parts
        self.account = account
        in_account = f"arn:{partition}:iam::{account}:"
        by_arn, by_account, session_of = _DIRECTLY, _BY_ACCOUNT, None
        if service == "iam":
            if identity.startswith("role/"):
                by_arn = _BY_ROLE
                self.is_service_linked = identity.startswith(_SERVICE_LINKED)
            elif identity == "root":
                self.is_root = self.is_user = True
                by_account = _DIRECTLY
            else:
                self.is_user = identity.startswith("user/")
        elif service == "sts":
            if identity.startswith("assumed-role/"):
                session_of = self._role_of_session(f"{in_account}role/", f"/{identity.split('/', 2)[1]}", given_arn)
            else:
                self.is_federated_user = identity.startswith("federated-user/")
        names = {"*": _DIRECTLY, self.principal: by_arn, f"{in_account}root": by_account}
        if session_of is not None:
            names[session_of] = _BY_ROLE
        if is_account_id(account):
            names[account] = by_account
        return names

    def _role_of_session(self, prefix: str, name: str, given_arn: _Given) -> str | None:
        """A session's ARN has its role's account and name, and not its path; `aws:PrincipalArn` tells roles of one name apart.

        Where that is given it must be a role of this account and name, or no role covers the session.
        """
        if given_arn is None:
            self.role_prefix, self.name = prefix, name
            return None
        role_arn = _only(given_arn)
        if not (role_arn.startswith(prefix) and role_arn.endswith(name)):
            return None
        self.is_service_linked = role_arn.startswith(_SERVICE_LINKED, len(prefix) - len("role/"))
        return role_arn


def _only(value: str | tuple[str, ...]) -> str:
    """The one value of a key; of a multivalued one of several or none, a text that is nobody's."""
    if isinstance(value, str):
        return value
    return value[0] if len(value) == 1 else ""


# How a policy means a caller: not at all, by his account, by his role, or him (or everyone).
_NOT, _BY_ACCOUNT, _BY_ROLE, _DIRECTLY = range(4)


# AWS on `"*"` and `{"AWS": "*"}`: equivalent for anonymous users.
_EVERY_NAME = {"*": _DIRECTLY}
_NO_NAME: dict[str, int] = {}
_NAMED_EXACTLY = frozenset({"Service", "Federated"})


def _means(principals: tuple[tuple[str, str], ...], caller: _Call) -> int:
    best = _NOT
    names = caller.names
    for kind, value in principals:
        if kind == "AWS":
            means = names.get(value, _NOT)
            if means == _NOT and caller.role_prefix is not None and value.startswith(caller.role_prefix) and value.endswith(caller.name):
                means = _BY_ROLE
            if means > best:  # noqa: PLR1730 - max costs more than the look-up
                best = means
        elif kind == "*" or (kind == caller.type and value == caller.principal and kind in _NAMED_EXACTLY):
            return _DIRECTLY
    return best


# What a statement says once everything but the context is known.


# Plain tuples: a rule is made of each statement of each request, and a NamedTuple costs three times as much.
# The statement, what the context must hold, and whether it is undecided whatever that holds.
type _Rule = tuple[Because, tuple[Test, ...], bool]
# The Allow and the Deny rules of one kind of policy, or of one level of it; how each Allow means the caller, where the policy says whom.
type _Layer = tuple[tuple[_Rule, ...], tuple[_Rule, ...], tuple[int, ...]]
_EMPTY: _Layer = ((), (), ())


def _applying(rules: tuple[_Rule, ...], context: Context, if_open: bool) -> tuple[Because, ...]:
    """The statements that apply, and with `if_open` those too that may."""
    found: tuple[Because, ...] = ()
    for because, tests, is_open in rules:
        if tests:
            holds = hold(tests, context)
            if holds is False or (holds is None and not if_open):
                continue
        if if_open or not is_open:
            found += (because,)
    return found


# Policies that say whom they are about; the others are about those they are attached to.
_NAMING = frozenset({_RESOURCE, _RCP})


def _read_layer(policy: str, level: int | None, documents: Iterable[PlainDocument], call: _Call) -> _Layer:
    """Of each statement, what may apply to this call."""
    allows: tuple[_Rule, ...] = ()
    denies: tuple[_Rule, ...] = ()
    all_means: tuple[int, ...] = ()
    is_naming = policy in _NAMING
    is_trust_policy = call.is_trust and policy == _RESOURCE
    written, read = call.written, call.read
    index = -1
    for version, _, statements in documents:
        index += 1
        for statement in statements:
            position, sid, effect, principals, not_principals, actions, not_actions, resources, _, conditions = statement
            is_open = False
            if actions is not None:
                if written not in actions and "*" not in actions and not _is_one_of(actions, call.action):
                    continue
            elif not_actions is None:
                is_open = True
            elif _is_one_of(not_actions, call.action):
                continue
            means = _BY_ACCOUNT
            if principals is not None:
                if is_naming:
                    means = _means(principals, call)
                    if means == _NOT:
                        continue
                else:
                    is_open = True
            elif not_principals is not None:
                if is_naming and _means(not_principals, call) != _NOT:
                    continue
                is_open = is_open or not is_naming
            elif is_naming:
                is_open = True
            if is_trust_policy or (resources is not None and "*" in resources):
                covered: bool | Answer | None = True
            else:
                covered = _covers_resource(policy, statement, call.resource, version)
            if covered is False:
                continue
            tests: tuple[Test, ...] = ()
            for each in conditions:
                tests += (read(each, version == VERSION_2012),)
            if covered is None:
                is_open = True
            elif covered is not True:
                tests = (by_context(covered), *tests)
            rule = _new(Because, (policy, level, index, position, sid, effect)), tests, is_open
            if effect == "Deny":
                denies += (rule,)
            else:
                allows += (rule,)
                all_means += (means,)
    return allows, denies, all_means


def _covers_resource(policy: str, statement: PlainStatement, resource: str | None, version: str) -> bool | Answer | None:
    patterns = statement[7]
    if patterns is not None:
        return _covers(patterns, resource, version)
    patterns = statement[8]
    if patterns is not None:
        return _negated(_covers(patterns, resource, version))
    return True if policy == _RESOURCE else None


def _is_one_of(patterns: tuple[str, ...], action: str) -> bool:
    for each in patterns:
        if each == "*":
            return True
        if "*" in each or "?" in each:
            if matches_glob(each.lower(), action):
                return True
        elif len(each) == len(action) and each.lower() == action:
            return True
    return False


def _covers(patterns: tuple[str, ...], resource: str | None, version: str) -> bool | Answer | None:
    """Whether one of the patterns means the resource; a test where that hangs on a variable; None where it is open."""
    if "*" in patterns:
        return True
    if resource is None:
        return None if patterns else False
    best: bool | None = False
    with_variables: tuple[str, ...] = ()
    for pattern in patterns:
        if "${" in pattern and version == VERSION_2012:
            with_variables += (pattern,)
            continue
        if pattern == resource:
            return True
        answer = _covers_literally(pattern, resource)
        if answer is True:
            return True
        best = best if answer is False else None
    if not with_variables:
        return best
    return lambda context: any_of((best, *[_covers_filled_in(each, resource, context) for each in with_variables]))


def _negated(answer: bool | Answer | None) -> bool | Answer | None:
    if answer is None or isinstance(answer, bool):
        return None if answer is None else not answer
    covers = answer

    def others(context: Context) -> bool | None:
        covered = covers(context)
        return None if covered is None else not covered

    return others


def _completed(pattern: str) -> str:
    # "If you specify an incomplete ARN … AWS automatically completes" it by wildcards for the parts that are missing.
    missing = _ARN_COLONS - pattern.count(":")
    return pattern + ":*" * missing if missing > 0 and pattern.startswith("arn:") else pattern


def _covers_literally(pattern: str, resource: str) -> bool | None:
    if "?" not in pattern:
        head, _, rest = pattern.partition("*")
        if not resource.startswith(head):
            return False
        if not rest and head != pattern and head.count(":") >= _ARN_COLONS:
            return True
    pattern = _completed(pattern)
    if not matches_glob(pattern, resource):
        return False
    if not _may_reach_over_colons(pattern):
        return True
    parts, given = pattern.split(":", _ARN_COLONS), resource.split(":", _ARN_COLONS)
    is_within = len(given) == len(parts) and all(matches_glob(each, part) for each, part in zip(parts, given, strict=True))
    return True if is_within else None


def _covers_filled_in(pattern: str, resource: str, context: Context) -> bool | None:
    try:
        tokens = fill_in(_completed(pattern), context, is_glob=True)
    except ValueError:
        return None
    return tokens is not None and matches(tokens, resource)


def _may_reach_over_colons(pattern: str) -> bool:
    """Whether a `*` stands in one of the first five parts, and not at its end: whether it stops at the colon is not documented."""
    if pattern.partition("*")[0].count(":") >= _ARN_COLONS:
        return False
    parts = pattern.split(":", _ARN_COLONS)
    return len(parts) > _ARN_COLONS and any("*" in part.rstrip("*") for part in parts[:-1])


# The decision


# Rules of which one must allow, the decision where none does, and the reasons where one does whatever the context holds.
type _Gate = tuple[tuple[_Rule, ...], Decision, tuple[Because, ...]]


def _gate(allows: tuple[_Rule, ...], denial: Decision) -> _Gate:
    always: tuple[Because, ...] = ()
    for because, tests, is_open in allows:
        if tests:
            return allows, denial, ()
        if not is_open:
            always += (because,)
    return allows, denial, always


class _View(NamedTuple):
    """What is left of all policies once everything but the context is known. Layers that cannot bind the caller are not in it."""

    denies: tuple[_Rule, ...]
    organization: tuple[_Gate, ...]
    grants: tuple[_Rule, ...]
    """Of the resource's policy."""
    means: tuple[int, ...] | None
    """How each of the grants means the caller; None where that counts for nothing: he is of another account, or has no ARN."""
    must_be_granted: bool
    identity: tuple[_Gate, ...]
    limits: tuple[_Gate, ...]
    """Permissions boundary and session policy."""


# Nothing denies, and nothing has to allow.
_NOTHING_SEEN = _View((), (), (), None, must_be_granted=False, identity=(), limits=())


# All that a request says but its context, and what that says in the keys aws:PrincipalArn and aws:userid.
type _Asked = tuple[str, str, str, str | None, str | None, bool, bool, _Given, _Given]


# As a context has them: equal keys are found without a look at the text.
_PRINCIPAL_ARN = fold("aws:PrincipalArn")
_USER_ID = fold("aws:userid")


# What is kept of a caller, an action and a resource: they, the view, the conditions of each rule in it that has any, and the decision by
# whether each of those holds.
type _Kept = tuple[_Asked | None, _View, tuple[tuple[Test, ...], ...], dict[tuple[bool | None, ...], Decision]]


class CompiledPolicies:
    """Safe to share among threads: what is kept is only ever added, or all dropped."""

    __slots__ = ("_is_trust", "_kept", "_last", "_policies")

    def __init__(self, policies: Policies, *, is_trust: bool = False) -> None:
        self._policies = policies
        self._is_trust = is_trust
        self._kept: dict[_Asked, _Kept] = {}
        # What was asked last, replaced as a whole: to compare costs less than to hash what is asked.
        self._last: _Kept = None, _NOTHING_SEEN, (), {}

    def decide(self, request: Request) -> Decision:
        """Total: any request has a decision."""
        principal, principal_type, action, given, resource, owner, caller_manages, resource_managed = request
        context = given if given.__class__ is FoldedContext else fold_context(given)
        get = context.get
        asked = principal, principal_type, action, resource, owner, caller_manages, resource_managed, get(_PRINCIPAL_ARN), get(_USER_ID)
        last, view, conditions, decisions = self._last
        if asked != last:
            kept = self._kept.get(asked) or self._keep(asked)
            _, view, conditions, decisions = kept
            self._last = kept
        answers = tuple([hold(each, context) for each in conditions])
        decision = decisions.get(answers)
        if decision is None:
            decision = _decide(view, context)
            if len(decisions) >= _KEPT_DECISIONS:
                decisions.clear()
            decisions[answers] = decision
        return decision

    def _keep(self, asked: _Asked) -> _Kept:
        view = _read_view(self._policies, asked, _read_and_keep, is_trust=self._is_trust)
        conditions = tuple([tests for _, tests, _ in _rules(view) if tests])
        kept: _Kept = asked, view, conditions, {}
        if len(self._kept) >= _KEPT_VIEWS:
            self._kept.clear()
        self._kept[asked] = kept
        return kept


def _asked(request: Request) -> tuple[_Asked, Context]:
    principal, principal_type, action, given, resource, owner, caller_manages, resource_managed = request
    context = given if given.__class__ is FoldedContext else fold_context(given)
    arn, user_id = context.get(_PRINCIPAL_ARN), context.get(_USER_ID)
    return (principal, principal_type, action, resource, owner, caller_manages, resource_managed, arn, user_id), context


def _read_view(policies: Policies, asked: _Asked, read: _Read, *, is_trust: bool = False) -> _View:
    call = _Call(asked, is_trust, read)
    _, principal_type, _, resource, owner, caller_manages, resource_managed, _, _ = asked
    action, is_trust = call.action, call.is_trust
    service = action.partition(":")[0]
    identity, policy, boundary, session, scps, rcps = policies
    denies: tuple[_Rule, ...] = ()
    organization: tuple[_Gate, ...] = ()
    if rcps and service in _BOUND_BY_RCPS and action not in _NOT_BOUND_BY_RCPS:
        is_spared = resource_managed or call.is_service_linked or (is_trust and _is_service_linked_role(resource))
        for level, documents in enumerate(() if is_spared else rcps):
            denies += _read_layer(_RCP, level, documents, call)[1]
    has_arn = principal_type == "AWS"
    if has_arn and (action == _EVERYBODYS or (action == _EVERY_USERS and call.is_user)):
        return _NOTHING_SEEN
    if scps and has_arn and not (caller_manages or call.is_service_linked):
        for level, documents in enumerate(scps):
            denial = _NOT_BY_SCP[level] if level < len(_NOT_BY_SCP) else _not_allowed_by(_SCP, level)
            allows, its_denies, _ = _read_layer(_SCP, level, documents, call)
            organization += (_gate(allows, denial),)
            denies += its_denies
    grants, its_denies, means = _EMPTY if policy is None else _read_layer(_RESOURCE, None, (policy,), call)
    denies += its_denies
    if not has_arn:
        is_heard = principal_type != "Anonymous" or (service in _UNSIGNED and not is_trust)
        return _new(_View, (denies, organization, grants if is_heard else (), None, True, (), ()))
    own: tuple[_Gate, ...] = ()
    limits: tuple[_Gate, ...] = ()
    if identity is not None:
        allows, its_denies, _ = _read_layer(_IDENTITY, None, identity, call)
        denies += its_denies
        if not call.is_root or action == _ASSUME_ROOT:
            own = (_gate(allows, _NOT_BY_IDENTITY),)
    if boundary is not None:
        allows, its_denies, _ = _read_layer(_BOUNDARY, None, (boundary,), call)
        denies += its_denies
        limits = (_gate(allows, _NOT_BY_BOUNDARY),)
    if session is not None:
        allows, its_denies, _ = _read_layer(_SESSION, None, (session,), call)
        denies += its_denies
        limits += (_gate(allows, _NOT_BY_SESSION),)
    elif call.is_federated_user and identity is not None:
        limits += (_gate((), _NOT_BY_SESSION),)
    if action != _ASSUME_ROOT and (call.account is None or call.account != (owner or _account_of(resource, call.account))):
        return _new(_View, (denies, organization, grants, None, True, own, limits))
    must_be_granted = identity is None or is_trust or (service == "kms" and _may_be_key(resource))
    return _new(_View, (denies, organization, grants, means, must_be_granted, own, limits))


def _decide(view: _View, context: Context) -> Decision:
    denies, organization, grants, means, must_be_granted, identity, limits = view
    if denies:
        denied = _applying(denies, context, True)
        if denied:
            return _new(Decision, ("explicitly_denied", denied))
    reasons: tuple[Because, ...] = ()
    for allows, denial, always in organization:
        found = always or _applying(allows, context, False)
        if not found:
            return denial
        reasons += found
    granted = _applying(grants, context, False) if grants else ()
    if granted:
        reasons += granted
        if means is not None:
            best = means[0] if len(grants) == 1 else _best(grants, means, granted)
            if best == _DIRECTLY:
                return _new(Decision, ("allowed", reasons))
            if best == _BY_ROLE:
                identity = ()
    elif must_be_granted:
        return _NOT_BY_RESOURCE
    for gates in (identity, limits):
        for allows, denial, always in gates:
            found = always or _applying(allows, context, False)
            if not found:
                return denial
            reasons += found
    return _new(Decision, ("allowed", reasons))


def _best(grants: tuple[_Rule, ...], means: tuple[int, ...], granted: tuple[Because, ...]) -> int:
    return max([each for rule, each in zip(grants, means, strict=True) if rule[0] in granted])


def _rules(view: _View) -> tuple[_Rule, ...]:
    denies, organization, grants, _, _, identity, limits = view
    return sum((allows for allows, _, _ in organization + identity + limits), denies + grants)


def _is_service_linked_role(arn: str | None) -> bool:
    """By the part where the resource stands: a path may imitate any text but this beginning, which IAM keeps for itself."""
    return arn is not None and arn.split(":", _ARN_COLONS)[-1].startswith(_SERVICE_LINKED)


def _may_be_key(resource: str | None) -> bool:
    return resource is None or resource.split(":", _ARN_COLONS)[-1].startswith("key/")


def _account_of(resource: str | None, caller_account: str | None) -> str | None:
    if resource == "*":
        return caller_account
    arn = None if resource is None else parse_arn(resource)
    return arn.account_id if arn is not None and is_account_id(arn.account_id) else None


_NOTHING_COMPILED: tuple[PlainDocument | None, CompiledPolicies] = (None, CompiledPolicies(Policies(), is_trust=True))
_last_compiled = _NOTHING_COMPILED
