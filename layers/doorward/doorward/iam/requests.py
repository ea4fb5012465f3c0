"""The JSON form of one request and all its policies, as docs/contracts.md shows it, read and answered."""

import json
import re
from collections.abc import Iterable
from typing import Any, get_args

from doorward.errors import MalformedInput
from doorward.iam.arns import is_account_id, parse_arn
from doorward.iam.conditions import FoldedContext, fold_context
from doorward.iam.documents import PlainDocument, parse_document, read_all_usual, read_usual, scalar_text
from doorward.iam.evaluate import Decision, Policies, PrincipalType, Request, evaluate
from doorward.values import NamedTuple

# A NamedTuple's own constructor costs three times as much.
_new = tuple.__new__


class Question(NamedTuple):
    """One request of `doorward evaluate`, read."""

    request: Request
    policies: Policies


_FIELDS = frozenset({"id", "request", "policies", "principal_in_management_account", "resource_in_management_account"})
_ASKED = frozenset(
    {
        "principal",
        "principal_type",
        "action",
        "resource",
        "resource_account",
        "context",
        "principal_in_management_account",
        "resource_in_management_account",
    }
)
_LAYERS = frozenset(Policies._fields)
_OF_CALLERS_WITH_ARN = ("identity", "permissions_boundary", "session")
_IDENTIFIERS = (str, int, float)
_MANAGEMENT_FLAGS = ("principal_in_management_account", "resource_in_management_account")
_PRINCIPAL_TYPES = get_args(PrincipalType)
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+", re.ASCII)
# A path may hold any visible character, `*` and `:` too; a name may not.
_AWS_CALLER = re.compile(
    r"arn:[^:]+:(?:iam::[0-9]{12}:(?:root|(?:user|role)/(?:[!-~]+/)?[^/*?\s]+)"
    r"|sts::[0-9]{12}:(?:assumed-role/[^/*?\s]+/|federated-user/)[^/*?\s]+)",
    re.ASCII,
)


def evaluate_json(raw: object) -> dict[str, Any]:
    """Decide one request of `doorward evaluate`: `{"id"?, "decision", "because"}`. Raises MalformedInput for anything else."""
    request, policies = parse_question(raw)
    result = render_decision(evaluate(policies, request))
    return {"id": raw["id"], **result} if isinstance(raw, dict) and "id" in raw else result


def render_decision(decision: Decision) -> dict[str, Any]:
    """Without the id."""
    return {
        "decision": decision.outcome,
        "because": [
            {"policy": policy, "level": level, "index": index, "statement": statement, "sid": sid, "effect": effect}
            for policy, level, index, statement, sid, effect in decision.because
        ],
    }


def parse_question(raw: object) -> Question:
    """Raises MalformedInput, saying what, where and what to do."""
    whole = _object(raw, "the request", _FIELDS)
    identifier = whole.get("id")
    if not (identifier is None or isinstance(identifier, _IDENTIFIERS)):
        raise MalformedInput(f"id: must be text or a number, not {_kind(identifier)}")
    for each in ("request", "policies"):
        if each not in whole:
            raise MalformedInput(f'{each}: missing; give {{"request": {{…}}, "policies": {{…}}}}')
    asked = _object(whole["request"], "request", _ASKED)
    given = _object(whole["policies"], "policies", _LAYERS)
    request = _parse_asked(asked, _flag(whole, asked, _MANAGEMENT_FLAGS[0]), _flag(whole, asked, _MANAGEMENT_FLAGS[1]))
    if request.principal_type != "AWS":
        _refuse_own_policies(given, request.principal_type)
    layer = given.get
    identity, resource, boundary, session, scps, rcps = (
        layer("identity"),
        layer("resource"),
        layer("permissions_boundary"),
        layer("session"),
        layer("service_control_policies"),
        layer("resource_control_policies"),
    )
    policies = _new(
        Policies,
        (
            None if identity is None else _documents(identity, "identity"),
            None if resource is None else read_usual(resource) or _document(resource, "resource"),
            None if boundary is None else read_usual(boundary) or _document(boundary, "permissions_boundary"),
            None if session is None else read_usual(session) or _document(session, "session"),
            () if scps is None else _parse_levels(scps, "service_control_policies"),
            () if rcps is None else _parse_levels(rcps, "resource_control_policies"),
        ),
    )
    if request.resource_account is None:
        _require_account(request, policies)
    return _new(Question, (request, policies))


def _flag(whole: dict[str, Any], asked: dict[str, Any], name: str) -> bool:
    if name not in whole and name not in asked:
        return False
    for place in (whole, asked):
        if not isinstance(place.get(name, False), bool):
            raise MalformedInput(f"{name}: must be true or false, not {_kind(place[name])}")
    if name in whole and name in asked and whole[name] != asked[name]:
        raise MalformedInput(f"{name}: given twice, and not the same; keep one")
    return bool(whole.get(name) or asked.get(name))


def _refuse_own_policies(given: dict[str, Any], principal_type: str) -> None:
    for layer in _OF_CALLERS_WITH_ARN:
        if given.get(layer):
            raise MalformedInput(f"policies.{layer}: a caller of type {principal_type} has none; set it to null")


def _require_account(request: Request, policies: Policies) -> None:
    """Whether both sides must allow hangs on whose the resource is."""
    if request.principal_type != "AWS" or policies.identity is None or request.resource == "*":
        return
    arn = None if request.resource is None else parse_arn(request.resource)
    if arn is None or not is_account_id(arn.account_id):
        raise MalformedInput(
            "request.resource_account: missing, and request.resource does not say it; give the account id of the resource's owner"
        )


def _parse_levels(raw: object, layer: str) -> tuple[tuple[PlainDocument, ...], ...]:
    if isinstance(raw, list):
        return tuple([_documents(each, layer, level) for level, each in enumerate(raw)])
    raise MalformedInput(f"policies.{layer}: must be a list of levels, each a list of policies, not {_kind(raw)}; [] where none apply")


def _documents(raw: object, layer: str, level: int | None = None) -> tuple[PlainDocument, ...]:
    if not isinstance(raw, list):
        raise MalformedInput(f"{_place(layer, level)}: must be a list of policies, not {_kind(raw)}")
    documents = read_all_usual(raw)
    return tuple([_document(each, layer, level, index) for index, each in enumerate(raw)]) if documents is None else documents


def _document(raw: object, layer: str, level: int | None = None, index: int | None = None) -> PlainDocument:
    if not isinstance(raw, dict):
        raise MalformedInput(f"{_place(layer, level, index)}: must be a policy as an object, not {_kind(raw)}")
    try:
        return parse_document(raw)
    except MalformedInput as error:
        raise MalformedInput(f"{_place(layer, level, index)}: {error}") from None


def _place(layer: str, *indices: int | None) -> str:
    return f"policies.{layer}{''.join(f'[{each}]' for each in indices if each is not None)}"


def _parse_asked(asked: dict[str, Any], caller_manages: bool, resource_managed: bool) -> Request:
    principal_type = asked.get("principal_type", "AWS")
    if principal_type not in _PRINCIPAL_TYPES:
        raise MalformedInput(f"request.principal_type: must be one of {', '.join(_PRINCIPAL_TYPES)}, not {_shown(principal_type)}")
    principal = asked.get("principal", "*" if principal_type == "Anonymous" else None)
    if not isinstance(principal, str) or not principal:
        raise MalformedInput(f"request.principal: must be who calls, as text, not {_shown(principal)}")
    if principal_type == "AWS" and not _AWS_CALLER.fullmatch(principal):
        raise MalformedInput(
            f"request.principal: {_shown(principal)} is no ARN of a user, role, assumed-role session, federated user or root; "
            'give one, or say in principal_type that the caller is "Service" or "Federated"'
        )
    action = asked.get("action")
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        raise MalformedInput(f"request.action: must be one action such as sts:AssumeRole, without wildcards, not {_shown(action)}")
    resource, account = asked.get("resource"), asked.get("resource_account")
    if not (resource is None or isinstance(resource, str)):
        raise MalformedInput(f'request.resource: must be an ARN, "*" where the action has none, or null, not {_kind(resource)}')
    if account is not None and not (isinstance(account, str) and is_account_id(account)):
        raise MalformedInput(f"request.resource_account: must be an account id, twelve digits as text, or null, not {_shown(account)}")
    context = _parse_context(asked.get("context", {}))
    return _new(Request, (principal, principal_type, action, context, resource, account, caller_manages, resource_managed))


def _parse_context(raw: object) -> FoldedContext:
    if not isinstance(raw, dict):
        raise MalformedInput(f"request.context: must be an object of condition keys, not {_kind(raw)}")
    for key, value in raw.items():
        if value.__class__ is not str or key.__class__ is not str or not key:
            raw = _parse_values(raw)
            break
    context = fold_context(raw)
    if len(context) != len(raw):
        raise MalformedInput(f"request.context: {_shown(_repeated(raw))} is given twice, in different case; keep one")
    return context


def _parse_values(raw: dict[Any, Any]) -> dict[str, str | tuple[str, ...]]:
    """Of a context whose values are not all text."""
    context: dict[str, str | tuple[str, ...]] = {}
    for key, value in raw.items():
        if not isinstance(key, str) or not key:
            raise MalformedInput("request.context: a condition key must be text, and not empty")
        where = f"request.context, {_shown(key)}"
        context[key] = tuple([_parse_value(each, where) for each in value]) if isinstance(value, list) else _parse_value(value, where)
    return context


def _repeated(keys: Iterable[str]) -> str:
    """The first key that came before in another spelling."""
    seen: set[str] = set()
    for key in keys:
        if key.lower() in seen:
            return key
        seen.add(key.lower())
    return ""


def _parse_value(value: object, where: str) -> str:
    try:
        text = scalar_text(value)
    except ValueError:
        raise MalformedInput(f"{where}: not a number that AWS could send; write it as text") from None
    if text is None:
        raise MalformedInput(f"{where}: must be text, a number, a boolean or a list of them, not {_kind(value)}; leave an absent key out")
    return text


def _object(raw: object, where: str, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise MalformedInput(f"{where}: must be an object, not {_kind(raw)}")
    if not known.issuperset(raw):
        unknown = next(key for key in raw if key not in known)
        raise MalformedInput(f"{where}: unknown field {_shown(unknown)}; known are {', '.join(sorted(known))}")
    return raw


def _kind(value: object) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


def _shown(value: object) -> str:
    return json.dumps(value)[:80] if isinstance(value, str) else _kind(value)
