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
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from doorward.iam.arns import is_account_id, parse_arn
from doorward.iam.conditions import Context, Test, all_of, any_of, fill_in, read_condition
from doorward.iam.documents import VERSION_2012, Condition, Document, Principal, Statement
from doorward.iam.matching import Matcher, compile_globs, matches, matches_glob

PrincipalType = Literal["AWS", "Service", "Federated", "Anonymous"]
Outcome = Literal["allowed", "implicitly_denied", "explicitly_denied"]


class Request(NamedTuple):
    """Who asks for what, and what else is known; nothing is derived from one field into another.

    `principal`: an IAM or STS ARN (user, role, assumed-role session, federated user, root), a service principal, or the ARN or name of
    an identity provider. `context`: keys compare without case; a tuple is a multivalued key, an empty one is present and empty.
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

    identity: tuple[Document, ...] | None = None
    resource: Document | None = None
    permissions_boundary: Document | None = None
    session: Document | None = None
    service_control_policies: tuple[tuple[Document, ...], ...] = ()
    resource_control_policies: tuple[tuple[Document, ...], ...] = ()


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
    """Total: any policies and any request have a decision."""
    return CompiledPolicies(policies).decide(request)


def evaluate_trust_policy(document: Document, request: Request) -> Decision:
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


def _not_allowed_by(policy: str, level: int | None = None) -> Decision:
    return Decision("implicitly_denied", (Because(policy, level, 0, None, None, "Deny"),))


_NOT_BY_RESOURCE = _not_allowed_by(_RESOURCE)
_NOT_BY_IDENTITY = _not_allowed_by(_IDENTITY)
_NOT_BY_BOUNDARY = _not_allowed_by(_BOUNDARY)
_NOT_BY_SESSION = _not_allowed_by(_SESSION)

# Actions kept per set of policies: a caller who asks for every action there is must not fill the memory.
_KEPT_ACTIONS = 64
_UNIQUE_ID_PREFIXES = ("AROA", "AIDA")
_SERVICE_LINKED = "role/aws-service-role/"
_ASSUME = "sts:assume"
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


# Who asks. Principals of a policy and of a request meet as tokens: a principal covers a caller if they have one in common.

_EVERYONE = "*"
_ANY_AWS = "AWS:*"
_NAMED_EXACTLY = frozenset({"Service", "Federated"})


class _Caller:
    """`direct`: tokens by which a policy grants to him and nobody else, or to everyone. `by_role`: those that mean his role."""

    __slots__ = ("account", "by_role", "direct", "is_federated_user", "is_root", "is_service_linked", "tokens")

    def __init__(self, tokens: tuple[str, ...], direct: tuple[str, ...], by_role: tuple[str, ...], account: str | None) -> None:
        self.tokens = tokens
        self.direct = direct
        self.by_role = by_role
        self.account = account
        self.is_root = self.is_federated_user = self.is_service_linked = False


# What comes back again and again is read once: keys, callers, and the parts of statements. How much is kept is bounded, since callers
# and policies choose it. Values are only ever added, or all dropped, so that threads may share them.
_KEPT = 4096
_kept_keys: set[str] = set()
_kept_callers: "dict[tuple[str, str | None, str | None], _Caller]" = {}
_kept_names: dict[tuple[Principal, ...], frozenset[str]] = {}
_kept_tests: dict[tuple[tuple[Condition, ...], bool], tuple[Test, ...]] = {}
_kept_resources: "dict[tuple[tuple[str, ...], bool], tuple[Matcher | None, _Covers | None]]" = {}


def _bound(kept: set[Any] | dict[Any, Any]) -> None:
    if len(kept) > _KEPT:
        kept.clear()


def forget() -> None:
    """Drop everything kept from earlier requests; no decision changes."""
    global _last_compiled  # noqa: PLW0603
    _last_compiled = _NOTHING_COMPILED
    for kept in (_kept_keys, _kept_callers, _kept_names, _kept_tests, _kept_resources):
        kept.clear()


def _folded(given: Mapping[str, str | tuple[str, ...]]) -> Context:
    if given.keys() <= _kept_keys:
        return given
    context = {key.lower(): value for key, value in given.items()}
    _kept_keys.update(context)
    _bound(_kept_keys)
    return context


def _read_caller(principal: str, principal_type: str, context: Context) -> _Caller:
    if principal_type == "AWS":
        principal_arn, user_id = context.get("aws:principalarn"), context.get("aws:userid")
        if principal_arn.__class__ is tuple or user_id.__class__ is tuple:
            return _read_aws_caller(principal, _only(principal_arn), _only(user_id))
        key = principal, principal_arn, user_id
        caller = _kept_callers.get(key)  # type: ignore[arg-type]  # no tuple, as just seen
        if caller is None:
            caller = _read_aws_caller(principal, principal_arn, user_id)  # type: ignore[arg-type]
            _kept_callers[key] = caller  # type: ignore[index]
            _bound(_kept_callers)
        return caller
    if principal_type == "Anonymous":
        return _Caller((_EVERYONE, _ANY_AWS), (), (), None)
    if principal_type in _NAMED_EXACTLY:
        return _Caller((_EVERYONE, f"{principal_type}:{principal}"), (), (), None)
    return _Caller((_EVERYONE,), (), (), None)


def _read_aws_caller(principal: str, principal_arn: str | None, user_id: str | None) -> _Caller:
    unique_id = () if user_id is None else (user_id.partition(":")[0],)
    if unique_id and not user_id.startswith(_UNIQUE_ID_PREFIXES):  # type: ignore[union-attr]  # not None, as just seen
        unique_id = ()
    parts = principal.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - an ARN
        return _Caller((_EVERYONE, _ANY_AWS, *unique_id), (_EVERYONE, _ANY_AWS), unique_id, None)
    _, partition, service, _, account, resource = parts
    account_root = f"arn:{partition}:iam::{account}:root"
    if service == "sts" and resource.startswith("assumed-role/"):
        role = _role_of_session(partition, account, resource.split("/", 2)[1], principal_arn)
        caller = _Caller(
            (_EVERYONE, _ANY_AWS, principal, account_root, account, role, *unique_id),
            (_EVERYONE, _ANY_AWS, principal),
            (role, *unique_id),
            account,
        )
        caller.is_service_linked = role == f"session of {principal_arn}" and _is_service_linked_role(principal_arn)
        return caller
    is_role = service == "iam" and resource.startswith("role/")
    tokens = (_EVERYONE, _ANY_AWS, principal, account_root, account, *unique_id)
    if is_role:
        caller = _Caller(tokens, (_EVERYONE, _ANY_AWS), (principal, *unique_id), account)
        caller.is_service_linked = resource.startswith(_SERVICE_LINKED)
        return caller
    caller = _Caller(tokens, (_EVERYONE, _ANY_AWS, principal, *unique_id), (), account)
    caller.is_root = service == "iam" and resource == "root"
    caller.is_federated_user = service == "sts" and resource.startswith("federated-user/")
    return caller


def _role_of_session(partition: str, account: str, name: str, principal_arn: str | None) -> str:
    """A session's ARN has its role's account and name, and not its path; `aws:PrincipalArn` tells roles of one name apart.

    Where that is given it must be a role of this account and name, or no role covers the session.
    """
    if principal_arn is None:
        return f"session:{partition}:{account}:{name}"
    is_its_role = principal_arn.startswith(f"arn:{partition}:iam::{account}:role/") and principal_arn.endswith(f"/{name}")
    return f"session of {principal_arn}" if is_its_role else "session of nobody"


def _only(value: str | tuple[str, ...] | None) -> str | None:
    """A multivalued key of one value; of several or none, a text that is nobody's."""
    if value is None or isinstance(value, str):
        return value
    return value[0] if len(value) == 1 else ""


def _read_principals(principals: tuple[Principal, ...]) -> frozenset[str]:
    names = _kept_names.get(principals)
    if names is not None:
        return names
    tokens: list[str] = []
    for kind, value in principals:
        if kind == "AWS":
            if value == "*":
                # AWS on `"*"` and this: equivalent for anonymous users.
                tokens.append(_ANY_AWS)
            else:
                _read_aws_principal(value, tokens)
        elif kind == "*":
            tokens.append(_EVERYONE)
        elif kind in _NAMED_EXACTLY:
            tokens.append(f"{kind}:{value}")
    names = _kept_names[principals] = frozenset(tokens)
    _bound(_kept_names)
    return names


def _read_aws_principal(value: str, into: list[str]) -> None:
    parts = value.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - an ARN
        # A unique id is what is left in a policy of a role or user that was deleted; a role of the same name has another.
        if is_account_id(value) or (value.startswith(_UNIQUE_ID_PREFIXES) and value.isascii() and value.isalnum()):
            into.append(value)
        return
    _, partition, service, _, account, resource = parts
    if service != "iam":
        into.append(value)
    elif resource == "root":
        into.append(f"arn:{partition}:iam::{account}:root" if is_account_id(account) else value)
    else:
        into.append(value)
        if resource.startswith("role/"):
            into += (f"session of {value}", f"session:{partition}:{account}:{resource.rpartition('/')[2]}")


# What a statement says of a request whose action it covers.


class _Rule(NamedTuple):
    """`names` None: no matter who. `fits`: a test of the resource; None: no matter which. `tests` of the context."""

    because: Because
    names: frozenset[str] | None
    is_negated: bool
    fits: Matcher | None
    covers: "_Covers | None"
    tests: tuple[Test, ...]
    is_open: bool


# (the request's resource, context) → whether the statement is about it, where that takes more than the text of the resource.
type _Covers = Callable[[str | None, Context], bool | None]


def _applying(
    rules: Iterable[_Rule], tokens: tuple[str, ...], resource: str | None, context: Context, *, if_open: bool
) -> tuple[Because, ...]:
    """The statements that apply, and with `if_open` those too that may."""
    found: tuple[Because, ...] = ()
    for because, names, is_negated, fits, covers, tests, is_open in rules:
        if names is not None and names.isdisjoint(tokens) is not is_negated:
            continue
        if fits is not None:
            if resource is None:
                is_open = True  # noqa: PLW2901 - of this turn alone
            elif not fits(resource):
                continue
        if covers is not None:
            answer = covers(resource, context)
            if answer is not True:
                if answer is False:
                    continue
                is_open = True  # noqa: PLW2901
        for test in tests:
            answer = test(context)
            if answer is not True:
                if answer is False:
                    break
                is_open = True  # noqa: PLW2901
        else:
            if if_open or not is_open:
                found += (because,)
    return found


class _Layer(NamedTuple):
    """The statements of one kind of policy, or of one level of it, that cover an action."""

    allows: tuple[_Rule, ...]
    denies: tuple[_Rule, ...]


_EMPTY = _Layer((), ())
# Policies that say whom they are about; the others are about those they are attached to.
_NAMING = frozenset({_RESOURCE, _RCP})


def _read_layer(policy: str, level: int | None, documents: Iterable[Document], action: str, *, is_trust: bool = False) -> _Layer:
    allows: tuple[_Rule, ...] = ()
    denies: tuple[_Rule, ...] = ()
    index = 0
    for version, _, statements in documents:
        for statement in statements:
            covered = _covers_action(statement, action)
            if covered is False:
                continue
            because = _new(Because, (policy, level, index, statement[0], statement[1], statement[2]))
            rule = _read_rule(statement, because, has_variables=version == VERSION_2012, is_trust=is_trust, is_open=covered is None)
            if because[5] == "Deny":
                denies += (rule,)
            else:
                allows += (rule,)
        index += 1
    return _new(_Layer, (allows, denies))


def _covers_action(statement: Statement, action: str) -> bool | None:
    actions = statement[5]
    if actions is not None:
        return _is_one_of(actions, action)
    not_actions = statement[6]
    return None if not_actions is None else not _is_one_of(not_actions, action)


def _is_one_of(patterns: tuple[str, ...], action: str) -> bool:
    for each in patterns:
        if "*" in each or "?" in each:
            if each == "*" or matches_glob(each.lower(), action):
                return True
        elif len(each) == len(action) and each.lower() == action:
            return True
    return False


def _read_rule(statement: Statement, because: Because, *, has_variables: bool, is_trust: bool, is_open: bool) -> _Rule:
    _, _, _, principals, not_principals, _, _, resources, not_resources, conditions = statement
    tests = _read_conditions(conditions, has_variables=has_variables) if conditions else ()
    names = None
    is_negated = False
    if because[0] in _NAMING:
        if principals is not None:
            names = _read_principals(principals)
        elif not_principals is not None:
            names = _read_principals(not_principals)
            is_negated = True
        else:
            is_open = True
    elif principals is not None or not_principals is not None:
        is_open = True
    fits = covers = None
    if not is_trust:
        if resources is not None:
            fits, covers = _read_resources(resources, has_variables=has_variables)
        elif not_resources is not None:
            covers = _all_but(*_read_resources(not_resources, has_variables=has_variables))
        elif because[0] != _RESOURCE:
            is_open = True
    return _new(_Rule, (because, names, is_negated, fits, covers, tests, is_open))


def _read_conditions(conditions: tuple[Condition, ...], *, has_variables: bool) -> tuple[Test, ...]:
    key = conditions, has_variables
    tests = _kept_tests.get(key)
    if tests is None:
        tests = _kept_tests[key] = tuple([read_condition(each, has_variables=has_variables) for each in conditions])
        _bound(_kept_tests)
    return tests


def _all_but(fits: Matcher | None, covers: _Covers | None) -> _Covers:
    def others(resource: str | None, context: Context) -> bool | None:
        if fits is not None:
            answer = None if resource is None else fits(resource)
        else:
            answer = True if covers is None else covers(resource, context)
        return None if answer is None else not answer

    return others


_ARN_COLONS = 5


def _read_resources(patterns: tuple[str, ...], *, has_variables: bool) -> tuple[Matcher | None, _Covers | None]:
    """At most one of the two: neither means every resource."""
    if "*" in patterns:
        return None, None
    key = patterns, has_variables
    known = _kept_resources.get(key)
    if known is None:
        known = _kept_resources[key] = _compile_resources(patterns, has_variables=has_variables)
        _bound(_kept_resources)
    return known


def _compile_resources(patterns: tuple[str, ...], *, has_variables: bool) -> tuple[Matcher | None, _Covers | None]:
    plain: list[str] = []
    others: list[_Covers] = []
    for pattern in patterns:
        completed = pattern
        if (missing := _ARN_COLONS - pattern.count(":")) > 0 and pattern.startswith("arn:"):
            completed = pattern + ":*" * missing  # as IAM completes an ARN of fewer parts
        if has_variables and "${" in completed:
            others.append(_filled_in(completed))
        elif "*" in completed and _may_reach_over_colons(completed):
            others.append(_in_doubt(completed))
        else:
            plain.append(completed)
    fits = compile_globs(plain)
    if not others:
        return fits, None

    def covers(resource: str | None, context: Context) -> bool | None:
        if resource is None:
            return None
        return True if fits(resource) else any_of([each(resource, context) for each in others])

    return None, covers


def _filled_in(pattern: str) -> _Covers:
    def covers(resource: str | None, context: Context) -> bool | None:
        try:
            tokens = fill_in(pattern, context, is_glob=True)
        except ValueError:
            return None
        return tokens is not None and resource is not None and matches(tokens, resource)

    return covers


def _may_reach_over_colons(pattern: str) -> bool:
    """Whether a `*` stands in one of the first five parts, and not at its end: whether it stops at the colon is not documented."""
    parts = pattern.split(":", _ARN_COLONS)
    return len(parts) > _ARN_COLONS and any("*" in part.rstrip("*") for part in parts[:-1])


def _in_doubt(pattern: str) -> _Covers:
    parts = pattern.split(":", _ARN_COLONS)

    def covers(resource: str | None, _: Context) -> bool | None:
        if resource is None or not matches_glob(pattern, resource):
            return False
        given = resource.split(":", _ARN_COLONS)
        within = len(given) == len(parts) and all_of(matches_glob(each, part) for each, part in zip(parts, given, strict=True))
        return True if within else None

    return covers


# The decision


class _Plan:
    """What all policies say of one action: who denies, in the order of the layers, and who allows."""

    __slots__ = (
        "caller_denies",
        "denies",
        "identity_allows",
        "is_kms",
        "is_trust",
        "limits",
        "rcp_denies",
        "resource_allows",
        "resource_denies",
        "scp_allows",
        "scp_always",
        "scp_denies",
        "takes_unsigned",
    )

    denies: tuple[_Rule, ...]
    rcp_denies: tuple[_Rule, ...]
    scp_denies: tuple[_Rule, ...]
    resource_denies: tuple[_Rule, ...]
    caller_denies: tuple[_Rule, ...]
    scp_allows: tuple[tuple[_Rule, ...], ...]
    scp_always: tuple[Because, ...] | None
    resource_allows: tuple[_Rule, ...]
    identity_allows: tuple[_Rule, ...] | None
    limits: tuple[tuple[tuple[_Rule, ...], Decision], ...]
    is_trust: bool
    is_kms: bool
    takes_unsigned: bool

    def denying(self, caller: _Caller, resource: str | None, *, is_aws: bool, is_bound: bool, is_managed: bool) -> tuple[_Rule, ...]:
        """`is_bound`: SCPs bind the caller; `is_managed`: the resource is the management account's."""
        spares_resource = is_managed or caller.is_service_linked or (self.is_trust and _is_service_linked_role(resource))
        return (
            (() if spares_resource else self.rcp_denies)
            + (self.scp_denies if is_bound else ())
            + self.resource_denies
            + (self.caller_denies if is_aws else ())
        )


class CompiledPolicies:
    """Safe to share among threads: what is kept is only ever added."""

    __slots__ = ("_is_trust", "_plans", "_policies")

    def __init__(self, policies: Policies, *, is_trust: bool = False) -> None:
        self._policies = policies
        self._is_trust = is_trust
        self._plans: dict[str, _Plan] = {}

    def decide(self, request: Request) -> Decision:
        """Total: any request has a decision."""
        principal, principal_type, action, given, resource, resource_account, caller_manages, resource_managed = request
        plan = self._plans.get(action) or self._read(action)
        context = _folded(given)
        caller = _read_caller(principal, principal_type, context)
        tokens = caller.tokens
        is_aws = principal_type == "AWS"
        is_bound = is_aws and not (caller_manages or caller.is_service_linked)

        # 1. What denies, whoever says it.
        denies = plan.denies
        if denies:
            if not is_bound or resource_managed or plan.is_trust:
                denies = plan.denying(caller, resource, is_aws=is_aws, is_bound=is_bound, is_managed=resource_managed)
            because = _applying(denies, tokens, resource, context, if_open=True)
            if because:
                return _new(Decision, ("explicitly_denied", because))

        # 3. Every level of SCPs; RCPs (2.) allow whatever they do not deny.
        reasons: tuple[Because, ...] = ()
        if is_bound:
            if plan.scp_always is not None:
                reasons = plan.scp_always
            else:
                for level, allows in enumerate(plan.scp_allows):
                    found = _applying(allows, tokens, resource, context, if_open=False)
                    if not found:
                        return _not_allowed_by(_SCP, level)
                    reasons += found

        # 4. The resource's policy.
        granted = _applying(plan.resource_allows, tokens, resource, context, if_open=False)
        if not is_aws:
            if not granted or (principal_type == "Anonymous" and not plan.takes_unsigned):
                return _NOT_BY_RESOURCE
            return _new(Decision, ("allowed", reasons + granted))
        account = caller.account
        if resource_account is None:
            resource_account = _account_of(resource, account)
        is_same_account = account is not None and account == resource_account
        identity = plan.identity_allows
        names_role = False
        if granted:
            reasons += granted
            if is_same_account:
                names = [rule.names for rule in plan.resource_allows if rule.because in granted and not rule.is_negated]
                if any(each is not None and not each.isdisjoint(caller.direct) for each in names):
                    return _new(Decision, ("allowed", reasons))
                names_role = any(each is not None and not each.isdisjoint(caller.by_role) for each in names)
        elif identity is None or not is_same_account or plan.is_trust or (plan.is_kms and _may_be_key(resource)):
            return _NOT_BY_RESOURCE

        # 5. to 7. The caller's own policies.
        if identity is not None and not names_role and not caller.is_root:
            found = _applying(identity, tokens, resource, context, if_open=False)
            if not found:
                return _NOT_BY_IDENTITY
            reasons += found
        for allows, denial in plan.limits:
            found = _applying(allows, tokens, resource, context, if_open=False)
            if not found:
                return denial
            reasons += found
        if caller.is_federated_user and identity is not None and self._policies.session is None:
            return _NOT_BY_SESSION
        return _new(Decision, ("allowed", reasons))

    def _read(self, asked: str) -> _Plan:
        action = asked.lower()
        identity, resource, boundary, session, scps, rcps = self._policies
        service = action.partition(":")[0]
        plan = _Plan()
        plan.is_trust = is_trust = self._is_trust or action.startswith(_ASSUME) or action in _BY_TRUST_POLICY
        plan.is_kms = service == "kms"
        plan.takes_unsigned = service in _UNSIGNED and not is_trust
        plan.resource_allows, plan.resource_denies = (
            _EMPTY if resource is None else _read_layer(_RESOURCE, None, (resource,), action, is_trust=is_trust)
        )
        plan.rcp_denies = ()
        if rcps and service in _BOUND_BY_RCPS and action not in _NOT_BOUND_BY_RCPS:
            for level, documents in enumerate(rcps):
                plan.rcp_denies += _read_layer(_RCP, level, documents, action).denies
        levels = [_read_layer(_SCP, level, documents, action) for level, documents in enumerate(scps)]
        plan.scp_allows = tuple([each.allows for each in levels])
        plan.scp_always = _always(plan.scp_allows)
        plan.scp_denies = tuple([rule for each in levels for rule in each.denies])
        plan.identity_allows = None
        plan.caller_denies = ()
        plan.limits = ()
        if identity is not None:
            plan.identity_allows, plan.caller_denies = _read_layer(_IDENTITY, None, identity, action)
        if boundary is not None:
            allows, denies = _read_layer(_BOUNDARY, None, (boundary,), action)
            plan.caller_denies += denies
            plan.limits = ((allows, _NOT_BY_BOUNDARY),)
        if session is not None:
            allows, denies = _read_layer(_SESSION, None, (session,), action)
            plan.caller_denies += denies
            plan.limits += ((allows, _NOT_BY_SESSION),)
        plan.denies = plan.rcp_denies + plan.scp_denies + plan.resource_denies + plan.caller_denies
        if len(self._plans) < _KEPT_ACTIONS:
            self._plans[asked] = plan
        return plan


def _always(levels: tuple[tuple[_Rule, ...], ...]) -> tuple[Because, ...] | None:
    """The reasons of levels that allow whatever the request is; None where one of them depends on it."""
    reasons: tuple[Because, ...] = ()
    for rules in levels:
        if not rules:
            return None
        for rule in rules:
            if rule.tests or rule.is_open or rule.fits is not None or rule.covers is not None:
                return None
            reasons += (rule.because,)
    return reasons


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


_NOTHING_COMPILED: tuple[Document | None, CompiledPolicies] = (None, CompiledPolicies(Policies(), is_trust=True))
_last_compiled = _NOTHING_COMPILED
