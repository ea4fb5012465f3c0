"""What an input says of what a role may do. What it leaves out is not known, and what it names without its text is not read.

| input                                                     | policies                          | permissions boundary |
|-----------------------------------------------------------|-----------------------------------|----------------------|
| a trust policy, `list-roles`                              | not known                         | not known            |
| `get-role`                                                | not known                         | known                |
| `get-account-authorization-details`, `--live`             | known, with the texts it holds    | known                |
| a template                                                | what its own resources attach     | known, or a function |
| a plan or a state                                         | the role's own arguments, if any  | known, unless later  |
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from doorward.guardrails.model import Permissions, PermissionsPolicy
from doorward_cli.templates import NO_VALUE, Resolver, Unknown

_TEXT_UNKNOWN = "the input does not hold its text"
# A policy variable: what it stands for is nowhere known, so that nothing is sure which hangs on it.
_VARIABLE = "${Unknown}"
_MANAGED = "AWS::IAM::ManagedPolicy"
_ATTACHING = frozenset({_MANAGED, "AWS::IAM::Policy", "AWS::IAM::RolePolicy"})


class Known(NamedTuple):
    """As `doorward.guardrails.model.Role` has them."""

    permissions: Permissions | None = None
    boundary: str | None = None


def texts_of(policies: Any) -> dict[str, str]:
    """By ARN, the default versions of `Policies` of `get-account-authorization-details`."""
    found: dict[str, str] = {}
    for policy in _objects(policies):
        for version in _objects(policy.get("PolicyVersionList")):
            if version.get("IsDefaultVersion") is True and isinstance(policy.get("Arn"), str):
                found[policy["Arn"]] = _document(version.get("Document"))
    return found


def of_role(raw: Mapping[str, Any], texts: Mapping[str, str], *, tells_boundary: bool) -> Known:
    """Of a role as IAM's API gives it. `tells_boundary`: whether such an answer would hold a permissions boundary."""
    is_detail = "AttachedManagedPolicies" in raw or "RolePolicyList" in raw
    limit = raw.get("PermissionsBoundary")
    stated = limit.get("PermissionsBoundaryArn") if isinstance(limit, dict) else None
    arn = stated if isinstance(stated, str) else "" if limit is None and (is_detail or tells_boundary) else None
    if not is_detail:
        return Known(None, arn)
    attached = [str(each.get("PolicyArn")) for each in _objects(raw.get("AttachedManagedPolicies"))]
    inline = _objects(raw.get("RolePolicyList"))
    policies = (
        *(PermissionsPolicy(each, texts.get(each)) for each in attached),
        *(PermissionsPolicy(str(each.get("PolicyName")), _document(each.get("PolicyDocument"))) for each in inline),
    )
    return Known(Permissions(policies, texts.get(arn or ""), _TEXT_UNKNOWN), arn)


def of_terraform(values: Mapping[str, Any]) -> Known:
    """Of the role's own arguments; what is only known after apply is left out of them."""
    limit = values.get("permissions_boundary")
    boundary = limit if isinstance(limit, str) else "" if "permissions_boundary" in values else None
    attached, inline = values.get("managed_policy_arns"), values.get("inline_policy")
    if not isinstance(attached, list) and not inline:
        return Known(None, boundary)
    policies = (
        *(PermissionsPolicy(str(each), None) for each in (attached if isinstance(attached, list) else ())),
        *(PermissionsPolicy(str(each.get("name")), _document(each.get("policy"))) for each in _objects(inline)),
    )
    return Known(Permissions(policies, None, _TEXT_UNKNOWN), boundary)


def of_template(template: Mapping[str, Any], logical_id: str, account: str | None) -> Known:
    """Of a role that a template makes, with what its other resources attach to it by reference."""
    return _Template(template, account).known(logical_id)


class _Template:
    def __init__(self, template: Mapping[str, Any], account: str | None) -> None:
        resources = template.get("Resources")
        self._resources: Mapping[str, Any] = resources if isinstance(resources, dict) else {}
        self._resolver = Resolver(template, account)

    def known(self, logical_id: str) -> Known:
        properties = _properties(self._resources.get(logical_id))
        boundary, text = self._boundary(properties)
        policies = (*self._managed(properties), *self._inline(properties), *self._attached_to(logical_id))
        return Known(Permissions(policies, text, _TEXT_UNKNOWN), boundary)

    def _boundary(self, properties: Mapping[str, Any]) -> tuple[str | None, str | None]:
        raw = properties.get("PermissionsBoundary", NO_VALUE)
        resolved = self._resolver.resolve(raw)
        if resolved is NO_VALUE:
            return "", None
        return (resolved if isinstance(resolved, str) else None), self._text_of(_reference(raw))

    def _managed(self, properties: Mapping[str, Any]) -> Iterator[PermissionsPolicy]:
        raw = properties.get("ManagedPolicyArns", [])
        for each in raw if isinstance(raw, list) else [raw]:
            name, resolved = _reference(each), self._resolver.resolve(each)
            if name is not None and _type(self._resources.get(name)) == _MANAGED:
                yield PermissionsPolicy(name, self._text_of(name))
            elif resolved is not NO_VALUE:
                for arn in resolved if isinstance(resolved, list) else [resolved]:
                    yield PermissionsPolicy(arn if isinstance(arn, str) else f"ManagedPolicyArns ({_construct(arn)})", None)

    def _inline(self, properties: Mapping[str, Any]) -> Iterator[PermissionsPolicy]:
        resolved = self._resolver.resolve(properties.get("Policies", []))
        for each in resolved if isinstance(resolved, list) else [resolved]:
            if isinstance(each, dict):
                yield PermissionsPolicy(str(each.get("PolicyName", "Policies")), _bounded(each.get("PolicyDocument")))
            elif each is not NO_VALUE:
                yield PermissionsPolicy(f"Policies ({_construct(each)})", None)

    def _attached_to(self, logical_id: str) -> Iterator[PermissionsPolicy]:
        for name, resource in self._resources.items():
            properties = _properties(resource)
            roles = properties.get("Roles", [])
            named = [*(roles if isinstance(roles, list) else [roles]), properties.get("RoleName")]
            if _type(resource) in _ATTACHING and logical_id in map(_reference, named):
                yield PermissionsPolicy(name, self._text_of(name))

    def _text_of(self, logical_id: str | None) -> str | None:
        """Of a policy that the template makes."""
        properties = _properties(self._resources.get(logical_id or ""))
        return _bounded(self._resolver.resolve(properties["PolicyDocument"])) if "PolicyDocument" in properties else None


def _bounded(document: Any) -> str | None:
    """The text of a document whose resources and conditions may be unknown in parts; None where more is."""
    statements = document.get("Statement") if isinstance(document, dict) else None
    if statements is None or isinstance(statements, Unknown):
        return document if isinstance(document, str) else None
    kept = []
    for each in statements if isinstance(statements, list) else [statements]:
        if not isinstance(each, dict):
            return None
        kept.append({name: _filled(inner) if name in {"Resource", "NotResource", "Condition"} else inner for name, inner in each.items()})
    # Variables mean something in this version alone.
    return None if _is_unknown(kept) else json.dumps({"Version": "2012-10-17", "Statement": kept})


def _is_unknown(value: Any) -> bool:
    """Whether any part of it is."""
    if isinstance(value, dict):
        return any(map(_is_unknown, value.values()))
    return isinstance(value, Unknown) or (isinstance(value, list) and any(map(_is_unknown, value)))


def _filled(value: Any) -> Any:
    if isinstance(value, Unknown):
        return _VARIABLE
    if isinstance(value, dict):
        return {name: _filled(inner) for name, inner in value.items()}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def _reference(value: Any) -> str | None:
    """Of which resource this is the name."""
    name = value.get("Ref") if isinstance(value, dict) and len(value) == 1 else None
    return name if isinstance(name, str) else None


def _construct(value: Any) -> str:
    return value.construct if isinstance(value, Unknown) else "which is no text"


def _type(resource: Any) -> str | None:
    kind = resource.get("Type") if isinstance(resource, dict) else None
    return kind if isinstance(kind, str) else None


def _properties(resource: Any) -> Mapping[str, Any]:
    properties = resource.get("Properties") if isinstance(resource, dict) else None
    return properties if isinstance(properties, dict) else {}


def _document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
