"""CloudFormation and SAM templates: the trust policies in them, intrinsic functions resolved where the template itself says their value.

Parameters are their Default, conditions follow from these. `AWS::AccountId` is the account that owns the role: `--account`, or else
`OWN_ACCOUNT`, which stands for it. `AWS::Partition` is `aws`, and `AWS::Region` inside of a text is `us-east-1`: neither decides who may
come in. Whatever is decided *by* the region, by an import, by a parameter without Default, or by a function that reads something else is
`Unknown`, and says which construct it was.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from doorward.iam.arns import role_arn
from doorward_cli.located import Repeated

OWN_ACCOUNT = "000000000000"
"""Stands for the account of the role where nobody says which it is; AWS gives this id to nobody."""
ROLE_TYPE = "AWS::IAM::Role"

_LONGEST_TEXT = 131_072  # what IAM's API accepts of a whole document
_DEEPEST = 100
_LONGEST_CONSTRUCT = 120
_SUB = re.compile(r"\$\{([^}]*)\}")
_INTRINSIC = re.compile(r"Ref|Fn::.+", re.DOTALL)
# Transforms that leave AWS::IAM::Role and its properties as they are.
_HARMLESS_TRANSFORMS = frozenset(
    {"AWS::Serverless-2016-10-31", "AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen", "AWS::SecretsManager-2020-07-23"}
)
_FIXED_PSEUDO = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
_REGION = "us-east-1"


class Unknown(NamedTuple):
    """A value that the template does not hold. `construct` names what would: `Fn::ImportValue hub-account`."""

    construct: str


class _NoValue:
    """`AWS::NoValue`: the property is as if it were not written."""


NO_VALUE = _NoValue()


class TemplateRole(NamedTuple):
    """A role that a template makes. `document` is its trust policy with `Unknown` where its parts are; `raw` is as written.

    `path` leads to the document in the template. `name`, `role_path`: None where the template does not say.
    """

    logical_id: str
    path: tuple[str | int, ...]
    raw: Any
    document: Any
    name: str | None
    role_path: str | None
    max_session_duration_seconds: int | None
    tags: Mapping[str, str]
    unknown: tuple[Unknown, ...]


def is_template(value: object) -> bool:
    return isinstance(value, dict) and ("AWSTemplateFormatVersion" in value or _has_resources(value.get("Resources")))


def _has_resources(resources: object) -> bool:
    return isinstance(resources, dict) and any(
        isinstance(each, dict) and isinstance(each.get("Type"), str) and "::" in each["Type"] for each in resources.values()
    )


def roles_of(template: Mapping[str, Any], account: str | None) -> Iterator[TemplateRole]:
    """Every role whose trust policy the template writes, by logical id, whether or not its Condition holds by default."""
    resources = template.get("Resources")
    if not isinstance(resources, dict):
        return
    resolver = Resolver(template, account)
    unknown = tuple(Unknown(f"Transform {each}") for each in _other_transforms(template.get("Transform")))
    for logical_id, resource in resources.items():
        if logical_id.startswith("Fn::"):
            if logical_id == "Fn::Transform" or _mentions_a_role(resource):
                yield _opaque(logical_id, ("Resources", logical_id), resource, unknown)
        elif isinstance(resource, dict):
            yield from _roles_of(logical_id, resource, resolver, unknown)
    document = _member(template, "Globals", "Function", "AssumeRolePolicyDocument")
    if document is not None and any(_member(each, "Type") == "AWS::Serverless::Function" for each in resources.values()):
        path = ("Globals", "Function", "AssumeRolePolicyDocument")
        yield TemplateRole("Globals.Function", path, document, resolver.resolve(document), None, "/", None, {}, unknown)


def types_of(template: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each resource's Type, by logical id; None where there is none."""
    resources = _section(template, "Resources")
    return ((name, _member(each, "Type")) for name, each in resources.items() if not name.startswith("Fn::"))


def _roles_of(logical_id: str, resource: dict[str, Any], resolver: "Resolver", unknown: tuple[Unknown, ...]) -> Iterator[TemplateRole]:
    kind, properties = resource.get("Type"), resource.get("Properties")
    is_role = kind == ROLE_TYPE
    if not is_role and not (isinstance(kind, str) and kind.startswith("AWS::Serverless::")):
        return
    path = ("Resources", logical_id, "Properties")
    if isinstance(properties, dict) and _intrinsic(properties) is not None:
        if is_role:
            yield _opaque(logical_id, path, properties, unknown)
        return
    if "Fn::Transform" in resource:
        unknown = (*unknown, Unknown("Fn::Transform"))
    raw = properties.get("AssumeRolePolicyDocument") if isinstance(properties, dict) else None
    if raw is None and not is_role:
        return
    given = properties if isinstance(properties, dict) and is_role else {}
    duration = resolver.resolve(given.get("MaxSessionDuration"))
    yield TemplateRole(
        logical_id,
        (*path, "AssumeRolePolicyDocument"),
        raw,
        resolver.resolve(raw),
        _text_or_none(resolver.resolve(given.get("RoleName", NO_VALUE))),
        _text_or_none(resolver.resolve(given.get("Path", "/"))),
        duration if isinstance(duration, int) and not isinstance(duration, bool) else None,
        _tags(resolver.resolve(given.get("Tags"))),
        unknown,
    )


def _opaque(logical_id: str, path: tuple[str | int, ...], raw: Any, unknown: tuple[Unknown, ...]) -> TemplateRole:
    construct = logical_id if logical_id.startswith("Fn::") else next(iter(raw), "its properties")
    return TemplateRole(logical_id, path, raw, Unknown(_shortened(construct)), None, None, None, {}, unknown)


def _other_transforms(transform: object) -> list[str]:
    given = transform if isinstance(transform, list) else [] if transform is None else [transform]
    names = [each if isinstance(each, str) else _member(each, "Name") for each in given]
    return [_shortened(str(each)) for each in names if not isinstance(each, str) or each not in _HARMLESS_TRANSFORMS]


def _mentions_a_role(value: object) -> bool:
    """A loop might make roles, too."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            if each.get("Type") == ROLE_TYPE or "AssumeRolePolicyDocument" in each or "Fn::Transform" in each:
                return True
            stack += each.values()
        elif isinstance(each, list):
            stack += each
    return False


def _member(value: object, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _tags(value: object) -> dict[str, str]:
    tags = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return {each["Key"]: str(each.get("Value", "")) for each in tags if isinstance(each.get("Key"), str)}


def _intrinsic(value: dict[str, Any]) -> str | None:
    """The function that an object is, if it is one; `Fn::` something that no one knows where it has other members besides."""
    names = [each for each in value if _INTRINSIC.fullmatch(each)]
    if not names:
        return None
    return names[0] if len(value) == 1 else "Fn::"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CONSTRUCT else f"{text[: _LONGEST_CONSTRUCT - 1]}…"


class _NotKnown(Exception):  # noqa: N818 - travels only inside of the resolver
    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown
        super().__init__(unknown.construct)


class Resolver:
    """Values of one template with their intrinsic functions resolved. Total: whatever it is given, it answers."""

    def __init__(self, template: Mapping[str, Any], account: str | None) -> None:
        self._parameters = _section(template, "Parameters")
        self._mappings = _section(template, "Mappings")
        self._conditions = _section(template, "Conditions")
        self._resources = _section(template, "Resources")
        self._account = account
        self._decided: dict[str, bool | Unknown] = {}
        self._open: set[str] = set()
        self._functions: dict[str, Callable[[Any, int], Any]] = {
            "Ref": self._ref,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Split": self._split,
            "Fn::Select": self._select,
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::ImportValue": self._import_value,
            "Fn::Unquoted": self._unquoted,
        }

    def resolve(self, value: Any) -> Any:
        """JSON data with `Unknown` where a function's value is not known, and without what is `AWS::NoValue`."""
        try:
            return self._resolve(value, 0)
        except RecursionError:
            return Unknown("functions nested too deeply")

    def _resolve(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            return Unknown("functions nested too deeply")
        if isinstance(value, dict):
            function = _intrinsic(value)
            if function is not None:
                return self._call(function, value, depth)
            resolved = {name: self._resolve(inner, depth + 1) for name, inner in value.items()}
            kept = {name: inner for name, inner in resolved.items() if inner is not NO_VALUE}
            return value.like(kept) if isinstance(value, Repeated) else kept
        if isinstance(value, list):
            return [each for each in (self._resolve(inner, depth + 1) for inner in value) if each is not NO_VALUE]
        if isinstance(value, str) and "{{resolve:" in value:
            return Unknown(f"dynamic reference {_shortened(value)}")
        return value

    def _call(self, function: str, value: dict[str, Any], depth: int) -> Any:
        resolve = self._functions.get(function)
        if resolve is None:
            return Unknown("a function with other members beside it" if function == "Fn::" else _shortened(function))
        try:
            return resolve(value[function], depth + 1)
        except _NotKnown as error:
            return error.unknown

    # Functions. Each returns the value, or raises or returns Unknown.

    def _ref(self, name: Any, depth: int) -> Any:
        if not isinstance(name, str):
            raise _NotKnown(Unknown("Ref of something that is no name"))
        if name == "AWS::NoValue":
            return NO_VALUE
        if name == "AWS::AccountId":
            return self._account or OWN_ACCOUNT
        if name == "AWS::Region":
            return _REGION
        if name in _FIXED_PSEUDO:
            return _FIXED_PSEUDO[name]
        if name in self._parameters:
            return self._parameter(name)
        return self._of_resource(name, None, depth) or Unknown(f"Ref {_shortened(name)}")

    def _parameter(self, name: str) -> Any:
        parameter = self._parameters[name]
        kind = _member(parameter, "Type")
        default = _member(parameter, "Default")
        if isinstance(kind, str) and kind.startswith("AWS::SSM::Parameter::Value"):
            return Unknown(f"Ref {_shortened(name)} (the value of an SSM parameter)")
        if default is None or not isinstance(default, str | int | float) or (isinstance(default, str) and "{{resolve:" in default):
            return Unknown(f"Ref {_shortened(name)} (a parameter without Default)")
        if isinstance(kind, str) and (kind == "CommaDelimitedList" or kind.startswith("List<")):
            return [each.strip() for each in _scalar_text(default).split(",")]
        return _scalar_text(default)

    def _get_att(self, argument: Any, depth: int) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else self._resolve(argument, depth)
        if not isinstance(parts, list) or len(parts) < 2 or not all(isinstance(each, str) for each in parts):  # noqa: PLR2004 - resource and attribute
            raise _NotKnown(Unknown("Fn::GetAtt of something that is no attribute"))
        name, attribute = parts[0], ".".join(parts[1:])
        return self._of_resource(name, attribute, depth) or Unknown(f"Fn::GetAtt {_shortened(f'{name}.{attribute}')}")

    def _of_resource(self, name: str, attribute: str | None, depth: int) -> str | None:
        """What a resource of this template is called, where that follows from the template. None: it does not."""
        resource = self._resources.get(name)
        kind = _text_or_none(_member(resource, "Type"))
        account = self._account or OWN_ACCOUNT
        if resource is None and attribute == "Arn" and name.endswith("Role"):
            made_by = _text_or_none(_member(self._resources, name.removesuffix("Role"), "Type"))
            if made_by in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}:  # the role that SAM makes
                return role_arn(account, name)
        if kind in {ROLE_TYPE, "AWS::IAM::User"} and attribute == "Arn":
            word, key = ("role", "RoleName") if kind == ROLE_TYPE else ("user", "UserName")
            called = self._property(resource, key, depth) or name
            path = self._property(resource, "Path", depth) or "/"
            return f"arn:aws:iam::{account}:{word}{path}{called}"
        if kind == "AWS::IAM::OIDCProvider" and attribute in {None, "Arn"}:
            url = self._property(resource, "Url", depth)
            return None if url is None else f"arn:aws:iam::{account}:oidc-provider/{url.removeprefix('https://')}"
        if kind == "AWS::IAM::SAMLProvider" and attribute in {None, "Arn"}:
            provider = self._property(resource, "Name", depth)
            return None if provider is None else f"arn:aws:iam::{account}:saml-provider/{provider}"
        if kind in {ROLE_TYPE, "AWS::IAM::User"} and attribute is None:
            return self._property(resource, "RoleName" if kind == ROLE_TYPE else "UserName", depth)
        return None

    def _property(self, resource: Any, name: str, depth: int) -> str | None:
        return _text_or_none(self._resolve(_member(resource, "Properties", name), depth + 1))

    def _sub(self, argument: Any, depth: int) -> Any:
        text, given = argument, {}
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):  # noqa: PLR2004 - text and variables
            text, given = argument
        if not isinstance(text, str):
            raise _NotKnown(Unknown("Fn::Sub of something that is no text"))
        if "{{resolve:" in text:
            raise _NotKnown(Unknown(f"dynamic reference {_shortened(text)}"))
        parts: list[str] = []
        last = 0
        for found in _SUB.finditer(text):
            parts += [text[last : found.start()], self._variable(found[1], given, depth)]
            last = found.end()
        return _joined("", [*parts, text[last:]])

    def _variable(self, name: str, given: Mapping[str, Any], depth: int) -> str:
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in given:
            value = self._resolve(given[name], depth + 1)
        elif "." in name:
            value = self._get_att(name, depth)
        else:
            value = self._ref(name, depth)
        return _need_text(value, f"Fn::Sub ${{{_shortened(name)}}}")

    def _join(self, argument: Any, depth: int) -> Any:
        if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):  # noqa: PLR2004 - separator and list
            raise _NotKnown(Unknown("Fn::Join of something that is no list"))
        return _joined(argument[0], [_need_text(each, "Fn::Join") for each in self._list(argument[1], "Fn::Join", depth)])

    def _split(self, argument: Any, depth: int) -> Any:
        if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str) or not argument[0]:  # noqa: PLR2004 - separator and text
            raise _NotKnown(Unknown("Fn::Split of something that is no text"))
        return _need_text(self._resolve(argument[1], depth + 1), "Fn::Split").split(argument[0])

    def _select(self, argument: Any, depth: int) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:  # noqa: PLR2004 - index and list
            raise _NotKnown(Unknown("Fn::Select of something that is no list"))
        index = _need_text(self._resolve(argument[0], depth + 1), "Fn::Select")
        listed = self._list(argument[1], "Fn::Select", depth)
        if not (index.isascii() and index.isdigit() and len(index) < 7 and int(index) < len(listed)):  # noqa: PLR2004 - no list is longer
            raise _NotKnown(Unknown("Fn::Select of an element that is not there"))
        return listed[int(index)]

    def _if(self, argument: Any, depth: int) -> Any:
        if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):  # noqa: PLR2004 - condition and two values
            raise _NotKnown(Unknown("Fn::If without its three parts"))
        holds = self._condition(argument[0], depth)
        if isinstance(holds, bool):
            return self._resolve(argument[1 if holds else 2], depth + 1)
        one, other = (self._resolve(each, depth + 1) for each in argument[1:])
        if one == other and not _holds_unknown(one):
            return one
        return Unknown(f"Fn::If {_shortened(argument[0])} ({holds.construct})")

    def _find_in_map(self, argument: Any, depth: int) -> Any:
        if not isinstance(argument, list) or len(argument) < 3:  # noqa: PLR2004 - a map and two keys
            raise _NotKnown(Unknown("Fn::FindInMap without its keys"))
        value: Any = self._mappings
        for each in argument[:3]:
            key = _need_text(self._exact(each, depth + 1), f"Fn::FindInMap {_named(argument[0])}")
            value = _member(value, key)
        if value is None and len(argument) > 3:  # noqa: PLR2004 - the language extensions' default
            return self._resolve(_member(argument[3], "DefaultValue"), depth + 1)
        return Unknown(f"Fn::FindInMap {_named(argument[0])}") if value is None else self._resolve(value, depth + 1)

    def _import_value(self, argument: Any, depth: int) -> Any:
        name = self._resolve(argument, depth + 1)
        raise _NotKnown(Unknown(f"Fn::ImportValue {_named(name)}"))

    def _unquoted(self, argument: Any, _: int) -> Any:
        raise _NotKnown(Unknown(f"{_named(argument)} without quotes"))

    def _list(self, value: Any, function: str, depth: int) -> list[Any]:
        resolved = self._resolve(value, depth + 1)
        if isinstance(resolved, Unknown):
            raise _NotKnown(resolved)
        if not isinstance(resolved, list):
            raise _NotKnown(Unknown(f"{function} of something that is no list"))
        return resolved

    # Conditions, where everything that is assumed of a deployment counts as not known

    def _exact(self, value: Any, depth: int) -> Any:
        named = value.get("Ref") if isinstance(value, dict) else None
        if named == "AWS::Region" or (named == "AWS::AccountId" and self._account is None):
            return Unknown(f"Ref {named}")
        if isinstance(value, dict) and _mentions_assumed(value, self._account is None):
            return Unknown(_shortened(next(iter(value))))
        return self._resolve(value, depth)

    def _condition(self, name: str, depth: int) -> bool | Unknown:
        if name in self._decided:
            return self._decided[name]
        if name not in self._conditions or name in self._open or depth > _DEEPEST:
            return Unknown(f"Condition {_shortened(name)}")
        self._open.add(name)
        self._decided[name] = decided = self._decide(self._conditions[name], depth + 1)
        self._open.discard(name)
        return decided

    def _decide(self, value: Any, depth: int) -> bool | Unknown:
        if isinstance(value, dict) and len(value) == 1 and depth <= _DEEPEST:
            [(function, argument)] = value.items()
            if function == "Condition" and isinstance(argument, str):
                return self._condition(argument, depth)
            if function == "Fn::Equals" and isinstance(argument, list) and len(argument) == 2:  # noqa: PLR2004 - two sides
                return _equal(*(self._exact(each, depth + 1) for each in argument))
            if function in {"Fn::And", "Fn::Or", "Fn::Not"} and isinstance(argument, list) and argument:
                return _combined(function, [self._decide(each, depth + 1) for each in argument])
        return Unknown("a condition that is not understood")


def _combined(function: str, parts: list[bool | Unknown]) -> bool | Unknown:
    if function == "Fn::Not":
        return not parts[0] if isinstance(parts[0], bool) else parts[0]
    decides = function == "Fn::Or"
    if any(each is decides for each in parts):
        return decides
    return next((each for each in parts if isinstance(each, Unknown)), not decides)


def _equal(one: Any, other: Any) -> bool | Unknown:
    for each in (one, other):
        if isinstance(each, Unknown):
            return each
        if isinstance(each, dict | list | _NoValue):
            return Unknown("Fn::Equals of something that is no text")
    return _scalar_text(one) == _scalar_text(other)


def _mentions_assumed(value: object, account_is_assumed: bool) -> bool:
    assumed = ["AWS::Region", *(["AWS::AccountId"] if account_is_assumed else [])]
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            stack += each.values()
        elif isinstance(each, list):
            stack += each
        elif isinstance(each, str) and any(name in each for name in assumed):
            return True
    return False


def _holds_unknown(value: object) -> bool:
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Unknown):
            return True
        stack += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return False


def _section(template: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = template.get(name)
    return section if isinstance(section, dict) else {}


def _named(value: object) -> str:
    return _shortened(value) if isinstance(value, str) else "…"


def _scalar_text(value: object) -> str:
    return "true" if value is True else "false" if value is False else str(value)


def _need_text(value: Any, function: str) -> str:
    if isinstance(value, Unknown):
        raise _NotKnown(value)
    if isinstance(value, str | int | float):
        return _scalar_text(value)
    raise _NotKnown(Unknown(f"{function} of something that is no text"))


def _joined(separator: str, parts: list[str]) -> str:
    if sum(map(len, parts)) + len(separator) * len(parts) > _LONGEST_TEXT:
        raise _NotKnown(Unknown("a text longer than any policy"))
    return separator.join(parts)
