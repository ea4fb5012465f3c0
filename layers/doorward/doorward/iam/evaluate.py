"""Is this one request allowed? The concrete evaluator: it replays every witness of the search, and `doorward evaluate` is its face.

This version judges one layer, the trust policy of the role to be assumed. The layers above it (service and resource control policies,
identity policies, permissions boundaries, session policies) are compositions of `_judge`, one call per policy.

Where AWS is silent, or a document says what IAM would refuse to store:

* A statement that cannot be decided (`conditions.holds` is None; no Principal or no Action at all) allows nothing and denies what it
  might deny.
* `Resource` and `NotResource` have no meaning in a trust policy and are not looked at.
* `{"AWS": "*"}` covers IAM and STS principals of every account, in Allow and Deny alike, and neither services nor federated callers:
  Access Analyzer calls `sts:AssumeRoleWithWebIdentity` for an AWS principal a mismatch, and whether a Deny of it stops a token or a
  service is undocumented. So no Deny is trusted to cover more than it names. `"*"` alone, which IAM refuses, covers everyone.
* `Service` and `Federated` principals are compared exactly, and so is every `AWS` principal but `"*"`: no globs.
* An anonymous caller is never allowed: STS asks `sts:AssumeRole` for a signature whatever the policy says.
* `NotPrincipal`, which IAM refuses, covers exactly the callers that the same list as a Principal would not.
* Which API a type of caller can use is not the policy's business: a federated caller's `sts:AssumeRole` is judged by the text.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from doorward.errors import MalformedInput
from doorward.iam.arns import Arn, is_account_id, parse_arn
from doorward.iam.conditions import Context, all_of, fold, holds
from doorward.iam.documents import VERSION_2012, Document, Principal, Statement, parse_document
from doorward.iam.matching import matches, read_glob

PrincipalType = Literal["AWS", "Service", "Federated", "Anonymous"]
Outcome = Literal["allowed", "implicitly_denied", "explicitly_denied"]


class Request(NamedTuple):
    """Who asks for what, and what else is known; nothing is derived from one field into another.

    `principal`: an IAM or STS ARN (user, role, assumed-role session, federated user, root), a service principal, or the ARN or name of
    an identity provider. `context`: keys compare without case; a tuple is a multivalued key, an empty one is present and empty.
    """

    principal: str
    principal_type: str
    action: str
    context: Mapping[str, str | tuple[str, ...]]
    resource: str | None = None
    resource_account: str | None = None


class Because(NamedTuple):
    """A statement that decided; `statement` is None where a layer decided by allowing nothing. `level`: of an SCP or RCP."""

    policy: str
    level: int | None
    index: int  # type: ignore[assignment]  # the field of the JSON form; nobody searches a Because
    statement: int | None
    sid: str | None
    effect: str


class Decision(NamedTuple):
    """`because`: every Deny that applies; else every Allow that does; else the layer that allowed nothing."""

    outcome: Outcome
    because: tuple[Because, ...]


class Question(NamedTuple):
    """One request of `doorward evaluate`, read. `trust_policy` is None where there is none."""

    request: Request
    trust_policy: Document | None


_RESOURCE = "resource"
_NOTHING_ALLOWED = Decision("implicitly_denied", (Because(_RESOURCE, None, 0, None, None, "Deny"),))


def evaluate_trust_policy(document: Document, request: Request) -> Decision:
    """Explicit Deny before Allow before implicit deny. Total: any document and any request have a decision."""
    judged = _judge(document, request, _RESOURCE, None, 0)
    if judged.denies:
        return Decision("explicitly_denied", judged.denies)
    if judged.allows and request.principal_type != "Anonymous":
        return Decision("allowed", judged.allows)
    return _NOTHING_ALLOWED


class _Judged(NamedTuple):
    allows: tuple[Because, ...]
    denies: tuple[Because, ...]


def _judge(document: Document, request: Request, policy: str, level: int | None, index: int) -> _Judged:
    """The statements of one policy that apply to the request."""
    context = {fold(key): value for key, value in request.context.items()}
    allows: list[Because] = []
    denies: list[Because] = []
    for statement in document.statements:
        applies = _applies(statement, request, context, has_variables=document.version == VERSION_2012)
        because = Because(policy, level, index, statement.position, statement.sid, statement.effect)
        if statement.effect == "Deny" and applies is not False:
            denies.append(because)
        elif statement.effect == "Allow" and applies is True:
            allows.append(because)
    return _Judged(tuple(allows), tuple(denies))


def _applies(statement: Statement, request: Request, context: Context, *, has_variables: bool) -> bool | None:
    named = all_of((_names_caller(statement, request, context), _names_action(statement, request.action)))
    if named is False:
        return False
    return all_of((named, all_of(holds(each, context, has_variables=has_variables) for each in statement.conditions)))


def _names_action(statement: Statement, action: str) -> bool | None:
    if statement.actions is not None:
        return _is_one_of(statement.actions, action)
    return None if statement.not_actions is None else not _is_one_of(statement.not_actions, action)


def _is_one_of(patterns: tuple[str, ...], action: str) -> bool:
    return any(matches(read_glob(each.lower()), action.lower()) for each in patterns)


def _names_caller(statement: Statement, request: Request, context: Context) -> bool | None:
    if statement.principals is not None:
        return any(_is(each, request, context) for each in statement.principals)
    return None if statement.not_principals is None else not any(_is(each, request, context) for each in statement.not_principals)


def _is(principal: Principal, request: Request, context: Context) -> bool:
    """Whether one entry of a Principal element means the caller."""
    if principal.type == "*":
        return True
    if principal.type == "AWS":
        if principal.value == "*":
            # AWS on `"*"` and this: equivalent for anonymous users.
            return request.principal_type in {"AWS", "Anonymous"}
        return request.principal_type == "AWS" and _is_aws(principal.value, request.principal, context)
    return principal.type in {"Service", "Federated"} and (principal.type, principal.value) == (request.principal_type, request.principal)


def _is_aws(value: str, caller: str, context: Context) -> bool:
    caller_arn = parse_arn(caller)
    if is_account_id(value):
        return caller_arn is not None and caller_arn.account_id == value
    arn = parse_arn(value)
    if arn is None:
        return _is_unique_id(value) and _begins_with(context.get("aws:userid"), value)
    if _is_account_root(arn):
        return caller_arn is not None and (caller_arn.partition, caller_arn.account_id) == (arn.partition, arn.account_id)
    if value == caller:
        return True
    return caller_arn is not None and _is_role(arn) and _is_session_of(arn, caller_arn) and _agrees(context.get("aws:principalarn"), value)


def _is_account_root(arn: Arn) -> bool:
    return arn.service == "iam" and arn.resource == "root" and is_account_id(arn.account_id)


def _is_role(arn: Arn) -> bool:
    return arn.service == "iam" and arn.resource.startswith("role/")


def _is_session_of(role: Arn, caller: Arn) -> bool:
    """A session's ARN has its role's account and name, and not its path."""
    kind, _, rest = caller.resource.partition("/")
    return (caller.service, kind) == ("sts", "assumed-role") and (caller.partition, caller.account_id, rest.partition("/")[0]) == (
        role.partition,
        role.account_id,
        role.name,
    )


def _agrees(principal_arn: str | tuple[str, ...] | None, role: str) -> bool:
    """`aws:PrincipalArn` of a session is its role's ARN, path included: it tells roles of one name apart where it is given."""
    return principal_arn is None or principal_arn in (role, (role,))


def _is_unique_id(value: str) -> bool:
    # What is left in a policy of a role or user that was deleted; a role of the same name has another id.
    return value[:4] in {"AROA", "AIDA"} and value.isascii() and value.isalnum()


def _begins_with(userid: str | tuple[str, ...] | None, unique_id: str) -> bool:
    """`aws:userid` is `AIDA…` of a user, `AROA…:session` of a session."""
    if isinstance(userid, tuple):
        return len(userid) == 1 and _begins_with(userid[0], unique_id)
    return userid is not None and userid.partition(":")[0] == unique_id


# The JSON form: one object per request, as docs/contracts.md shows it.

_LAYERS = ("identity", "resource", "permissions_boundary", "session", "service_control_policies", "resource_control_policies")
_ONLY_TRUST = "this version evaluates the trust policy alone"
_OUTSIDE_THIS_VERSION = {
    "identity": "null (the caller's own policies are not known)",
    "permissions_boundary": "null",
    "session": "null",
    "service_control_policies": "[] (none apply)",
    "resource_control_policies": "[] (none apply)",
}
_MANAGEMENT_FLAGS = ("principal_in_management_account", "resource_in_management_account")
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+", re.ASCII)
# A path may hold any visible character, `*` and `:` too; a name may not.
_AWS_CALLER = re.compile(
    r"iam::[0-9]{12}:(?:root|(?:user|role)/(?:[!-~]+/)?[^/*?\s]+)|sts::[0-9]{12}:(?:assumed-role/[^/*?\s]+/|federated-user/)[^/*?\s]+",
    re.ASCII,
)


def evaluate_json(raw: object) -> dict[str, Any]:
    """Decide one request of `doorward evaluate`: `{"id"?, "decision", "because"}`. Raises MalformedInput for anything else."""
    question = parse_request(raw)
    decision = _NOTHING_ALLOWED if question.trust_policy is None else evaluate_trust_policy(question.trust_policy, question.request)
    echoed = {"id": raw["id"]} if isinstance(raw, dict) and "id" in raw else {}
    return {**echoed, "decision": decision.outcome, "because": [each._asdict() for each in decision.because]}


def parse_request(raw: object) -> Question:
    """Raises MalformedInput, saying what, where and what to do, for what is no request or needs a layer that this version has not."""
    whole = _object(raw, "the request", ("id", "request", "policies", *_MANAGEMENT_FLAGS))
    if not isinstance(whole.get("id"), str | int | float | None):
        raise MalformedInput(f"id: must be text or a number, not {_kind(whole['id'])}")
    for each in ("request", "policies"):
        if each not in whole:
            raise MalformedInput(f'{each}: missing; give {{"request": {{…}}, "policies": {{…}}}}')
    asked = _object(
        whole["request"],
        "request",
        ("principal", "principal_type", "action", "resource", "resource_account", "context", *_MANAGEMENT_FLAGS),
    )
    for place in (whole, asked):
        for each in _MANAGEMENT_FLAGS:
            if not isinstance(place.get(each, False), bool):
                raise MalformedInput(f"{each}: must be true or false, not {_kind(place[each])}")
    policies = _object(whole["policies"], "policies", _LAYERS)
    for layer, instead in _OUTSIDE_THIS_VERSION.items():
        if policies.get(layer) is not None and not (layer.endswith("_control_policies") and policies[layer] == []):
            raise MalformedInput(f"policies.{layer}: {_ONLY_TRUST}; set it to {instead}")
    request = _parse_asked(asked)
    if policies.get("resource") is None:
        return Question(request, None)
    if not request.action.lower().startswith("sts:"):
        raise MalformedInput(f"request.action: {_ONLY_TRUST}; ask for an sts: action, or set policies.resource to null")
    policy = policies["resource"]
    if not isinstance(policy, dict):
        raise MalformedInput(f"policies.resource: must be the trust policy as an object, or null, not {_kind(policy)}")
    try:
        return Question(request, parse_document(policy))
    except MalformedInput as error:
        raise MalformedInput(f"policies.resource: {error}") from None


def _parse_asked(asked: dict[str, Any]) -> Request:
    principal_type = asked.get("principal_type", "AWS")
    if principal_type not in get_args(PrincipalType):
        raise MalformedInput(f"request.principal_type: must be one of {', '.join(get_args(PrincipalType))}, not {_shown(principal_type)}")
    principal = asked.get("principal", "*" if principal_type == "Anonymous" else None)
    if not isinstance(principal, str) or not principal:
        raise MalformedInput(f"request.principal: must be who calls, as text, not {_shown(principal)}")
    if principal_type == "AWS":
        _require_aws_caller(principal)
    action = asked.get("action")
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        raise MalformedInput(f"request.action: must be one action such as sts:AssumeRole, without wildcards, not {_shown(action)}")
    resource, account = asked.get("resource"), asked.get("resource_account")
    if not isinstance(resource, str | None):
        raise MalformedInput(f"request.resource: must be an ARN or null, not {_kind(resource)}")
    if account is not None and not (isinstance(account, str) and is_account_id(account)):
        raise MalformedInput(f"request.resource_account: must be an account id, twelve digits as text, or null, not {_shown(account)}")
    return Request(principal, principal_type, action, _parse_context(asked.get("context", {})), resource, account)


def _require_aws_caller(principal: str) -> None:
    arn, scheme = parse_arn(principal), principal.split(":", 2)
    if arn is None or not arn.partition or not _AWS_CALLER.fullmatch(scheme[2]):
        raise MalformedInput(
            f"request.principal: {_shown(principal)} is no ARN of a user, role, assumed-role session, federated user or root; "
            'give one, or say in principal_type that the caller is "Service" or "Federated"'
        )


def _parse_context(raw: object) -> dict[str, str | tuple[str, ...]]:
    if not isinstance(raw, dict):
        raise MalformedInput(f"request.context: must be an object of condition keys, not {_kind(raw)}")
    context: dict[str, str | tuple[str, ...]] = {}
    seen: set[str] = set()
    for key, value in raw.items():
        if not isinstance(key, str) or not key:
            raise MalformedInput("request.context: a condition key must be text, and not empty")
        if fold(key) in seen:
            raise MalformedInput(f"request.context: {_shown(key)} is given twice, in different case; keep one")
        seen.add(fold(key))
        where = f"request.context, {_shown(key)}"
        context[key] = tuple(_parse_value(each, where) for each in value) if isinstance(value, list) else _parse_value(value, where)
    return context


def _parse_value(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        try:
            return json.dumps(value, allow_nan=False)
        except ValueError:  # infinite, or an integer past Python's digit limit
            raise MalformedInput(f"{where}: not a number that AWS could send; write it as text") from None
    raise MalformedInput(f"{where}: must be text, a number, a boolean or a list of them, not {_kind(value)}; leave an absent key out")


def _object(raw: object, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise MalformedInput(f"{where}: must be an object, not {_kind(raw)}")
    for key in raw:
        if key not in known:
            raise MalformedInput(f"{where}: unknown field {_shown(key)}; known are {', '.join(known)}")
    return raw


def _kind(value: object) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


def _shown(value: object) -> str:
    return json.dumps(value)[:80] if isinstance(value, str) else _kind(value)
