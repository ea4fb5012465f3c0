"""`terraform show -json` of a plan or a state: the roles that will be, or that are.

Format: https://developer.hashicorp.com/terraform/internals/json-format. Policies that data sources put together stand there as JSON; what
is only known after apply is left out, and is then `unknown` here, with the expressions that it hangs on.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from doorward.errors import MalformedInput
from doorward_cli.located import Located, Position, Text, find

# Terraform itself nests modules a handful deep.
_DEEPEST_MODULES = 32
_LARGEST_SOURCE_BYTES = 4 * 1024 * 1024
_MOST_SOURCES = 200
_LONGEST_CONSTRUCT = 120
_POLICY_OF = {"aws_iam_role": "assume_role_policy", "awscc_iam_role": "assume_role_policy_document"}


class TerraformRole(NamedTuple):
    """`policy` is the trust policy as JSON text; None: known after apply, by `construct`. `at` is where it stands in the plan.

    `is_to_be_written`: whether the plan makes or changes the policy.
    `written_by` is the data source that put it together, if one did. `module` is the folder of its module, from the plan's own.
    """

    address: str
    attribute: str
    values: Mapping[str, Any]
    policy: str | None
    construct: str
    at: Located
    written_by: str | None
    module: str | None
    is_to_be_written: bool


def is_terraform(names: set[str]) -> bool:
    """By the names of the outermost object; an empty state has only its format's version."""
    marks = {"values", "terraform_version"} & names
    return bool({"planned_values", "prior_state"} & names) or ("format_version" in names and (bool(marks) or len(names) == 1))


def is_raw_state(names: set[str]) -> bool:
    """A `terraform.tfstate` as it lies on disk."""
    return {"terraform_version", "serial", "lineage"} <= names


def roles_of(document: Located) -> Iterator[TerraformRole]:
    """Roles of a plan as planned, those that it leaves alone as they stand, and those of a state. Raises MalformedInput."""
    for path in (("planned_values",), ("planned_values", "root_module"), ("values",), ("values", "root_module")):
        _is(find(document, *path), "object", ".".join(path))
    configuration = find(document, "configuration", "root_module")
    modules = _Modules(configuration.value() if configuration is not None else None)
    planned = find(document, "planned_values", "root_module")
    standing = find(document, "prior_state", "values", "root_module") or find(document, "values", "root_module")
    accounted_for: set[str] = set()
    if planned is not None:
        accounted_for, kept = _deleted(document), _kept(document)
        for address, role in _resources(planned, 0):
            accounted_for.add(address)
            yield _role(address, role, modules, is_to_be_written=address not in kept)
    for address, role in _resources(standing, 0) if standing is not None else ():
        if address not in accounted_for:
            yield _role(address, role, modules, is_to_be_written=False)


def _resources(module: Located, depth: int) -> Iterator[tuple[str, Located]]:
    if depth > _DEEPEST_MODULES:
        raise MalformedInput(f"modules nested more than {_DEEPEST_MODULES} deep")
    for name, inner in module.members():
        if name in {"resources", "child_modules"}:
            _is(inner, "array", name)
        if name == "resources":
            for each in inner.elements():
                _is(each, "object", "resources[]")
                kind, mode = find(each, "type"), find(each, "mode")
                if kind is not None and _plain(kind) in _POLICY_OF and (mode is None or _plain(mode) != "data"):
                    address = find(each, "address")
                    yield (_plain(address) if address is not None else "") or _plain(kind), each
        elif name == "child_modules":
            for each in inner.elements():
                yield from _resources(each, depth + 1)


def _is(value: Located | None, kind: str, name: str) -> None:
    """What is of another form holds roles that nobody would look at. Terraform writes null where there is nothing."""
    if value is not None and value.kind != kind and not (value.kind == "scalar" and value.value() is None):
        raise MalformedInput(f"{name}: must be {'a list' if kind == 'array' else 'an object'}; give what terraform show -json prints")


def _plain(value: Located) -> str:
    found = value.value() if value.kind == "scalar" else None
    return found if isinstance(found, str) else ""


def _deleted(document: Located) -> set[str]:
    return {address for address, change in _changes(document) if change.get("actions") == ["delete"]}


def _kept(document: Located) -> set[str]:
    """Roles whose trust policy stays as it is; what is only known after apply is not in `after`, and differs."""
    return {
        address
        for address, change in _changes(document)
        if change.get("actions") in (["no-op"], ["update"]) and any(_is_kept(change, each) for each in _POLICY_OF.values())
    }


def _is_kept(change: Mapping[str, Any], attribute: str) -> bool:
    before, after = change.get("before"), change.get("after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    policy = _document_text(before.get(attribute))
    return policy is not None and policy == _document_text(after.get(attribute))


def _changes(document: Located) -> Iterator[tuple[str, Mapping[str, Any]]]:
    changes = find(document, "resource_changes")
    for each in changes.elements() if changes is not None else ():
        address, kind, change = (find(each, name) for name in ("address", "type", "change"))
        is_role = kind is None or _plain(kind) in _POLICY_OF
        if is_role and address is not None and change is not None and change.kind == "object":
            yield _plain(address), change.value()


def _role(address: str, resource: Located, modules: "_Modules", *, is_to_be_written: bool) -> TerraformRole:
    kind = find(resource, "type")
    attribute = _POLICY_OF[_plain(kind) if kind is not None else ""]
    values = find(resource, "values")
    held = values.value() if values is not None and values.kind == "object" else {}
    at = find(values, attribute) if values is not None else None
    given = held.get(attribute)
    references = modules.references(address, attribute)
    written_by = next((each for each in references if each.startswith("data.aws_iam_policy_document.")), None)
    hangs_on = ", ".join(references[:3])
    construct = f"{attribute}, known after apply" + (f": {hangs_on}" if hangs_on else "")
    return TerraformRole(
        address,
        attribute,
        held,
        _document_text(given),
        construct if len(construct) <= _LONGEST_CONSTRUCT else f"{construct[: _LONGEST_CONSTRUCT - 1]}…",
        at or resource,
        written_by,
        modules.folder(address),
        is_to_be_written,
    )


def _document_text(given: object) -> str | None:
    if isinstance(given, dict):
        import json

        return json.dumps(given)
    return given if isinstance(given, str) and given.strip() else None


_STEP = re.compile(r"module\.([\w-]+)(?:\[[^\]]*\])?\.")


class _Modules:
    """The configuration part of a plan: which expressions a resource's attribute refers to, and where its module's source is."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def references(self, address: str, attribute: str) -> list[str]:
        module, rest, _ = self._find(address)
        bare = _without_index(rest)
        for each in _list(module, "resources"):
            if isinstance(each, dict) and each.get("address") == bare:
                expression = each.get("expressions")
                expression = expression.get(attribute) if isinstance(expression, dict) else None
                given = [reference for reference in _list(expression, "references") if isinstance(reference, str)]
                # Both `data.x.y.json` and `data.x.y` are listed: the first says it all.
                return [one for one in given if not any(other.startswith(f"{one}.") for other in given)]
        return []

    def folder(self, address: str) -> str | None:
        """From the root module's folder; None where the module comes from elsewhere."""
        return self._find(address)[2]

    def _find(self, address: str) -> tuple[Any, str, str | None]:
        module: Any = self._root
        folder: str | None = "."
        rest = address
        for _ in range(_DEEPEST_MODULES):
            step = _STEP.match(rest)
            if step is None:
                break
            calls = module.get("module_calls") if isinstance(module, dict) else None
            call = calls.get(step[1]) if isinstance(calls, dict) else None
            source = call.get("source") if isinstance(call, dict) else None
            local = isinstance(source, str) and source.startswith(("./", "../"))
            folder = f"{folder}/{source}" if folder is not None and local else None
            module = call.get("module") if isinstance(call, dict) else None
            rest = rest[step.end() :]
        return module, rest, folder


def _without_index(address: str) -> str:
    """`aws_iam_role.x["a"]` and `aws_iam_role.x[0]` as `aws_iam_role.x`."""
    return address[: address.rfind("[")] if address.endswith("]") and "[" in address else address


def _list(value: object, name: str) -> list[Any]:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


# The source, where it lies beside the plan


def find_source(plan: str, role: TerraformRole) -> tuple[str, Position] | None:
    """File and place of the block that writes the policy: its data source, else the resource. Only `.tf` files below the plan's folder."""
    if role.module is None or plan == "-":
        return None
    root = Path(plan).parent
    folder = root / role.module
    try:
        if not folder.resolve().is_relative_to(root.resolve()):
            return None
        files = sorted(folder.glob("*.tf"))[:_MOST_SOURCES]
    except (OSError, ValueError):
        return None
    for kind, name in _blocks(role):
        found = _find_block(files, kind, name)
        if found is not None:
            return found
    return None


def _blocks(role: TerraformRole) -> Iterator[tuple[str, str]]:
    if role.written_by is not None:
        _, kind, name, *_ = role.written_by.split(".")
        yield f"data {kind}", name.partition("[")[0]
    parts = _without_index(role.address).split(".")
    if len(parts) > 1:
        yield f"resource {parts[-2]}", parts[-1]


def _find_block(files: list[Path], kind: str, name: str) -> tuple[str, Position] | None:
    word, _, type_name = kind.partition(" ")
    head = re.compile(rf'^[ \t]*{word}[ \t]+"{re.escape(type_name)}"[ \t]+"{re.escape(name)}"', re.MULTILINE)
    for file in files:
        try:
            if not file.is_file() or file.stat().st_size > _LARGEST_SOURCE_BYTES:
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = head.search(text)
        if found is not None:
            start = found.start() + len(found[0]) - len(found[0].lstrip())
            return str(file), Text(text).position(start)
    return None
