"""What people have at hand, recognised by content: trust policies, what the AWS CLI prints about roles, templates, Terraform's JSON.

Nothing here judges. A document is handed on as text, as it was written, so that the judge sees what IAM would see. What cannot be read is
a value (`Unreadable`), so that one bad file never hides the others.
"""

import codecs
import gzip
import json
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote

from doorward.errors import MalformedInput
from doorward.findings.model import StatementRef
from doorward.guardrails.model import Permissions
from doorward.guardrails.protected import RESERVED_PATH, SERVICE_LINKED_PATH
from doorward.iam.arns import is_account_id, parse_arn, role_arn
from doorward_cli import permissions, templates, terraform
from doorward_cli.located import Located, NotYaml, Position, Repeated, Text, find, locate_json, locate_yaml, parse_json, repeated_name
from doorward_cli.unresolved import Unresolved, bound

__all__ = [
    "STDIN", "Item", "Region", "Skipped", "Subject", "TemplateOrigin", "TerraformOrigin", "Unreadable",
    "parse_json", "read_inputs", "read_text", "repeated_name", "role_of",
]  # fmt: skip

STDIN = "-"

# The largest account that AWS allows (5 000 roles by default, policies of 10 240 characters) prints about 200 MB.
_LARGEST_BYTES = 512 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_DEFAULT_SESSION_SECONDS = 3600
_SEARCHED = (".json", ".yaml", ".yml", ".template")
# What belongs to tools, not to whoever wrote the folder; both hold thousands of JSON files.
_NOT_SEARCHED = frozenset({".git", "node_modules"})

_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_ROLE_LISTS = frozenset({"Roles", "RoleDetailList"})
_DETAIL_LISTS = frozenset({"UserDetailList", "GroupDetailList", "Policies"})
_EXPECTED = (
    "a trust policy, the output of aws iam get-role, list-roles or get-account-authorization-details, "
    "a CloudFormation or SAM template, or terraform show -json"
)
_TEMPLATE_LINE = re.compile(r"^(?:AWSTemplateFormatVersion|Transform|Resources)\s*:", re.MULTILINE)
_TERRAFORM_LINE = re.compile(r'^[ \t]*(?:resource|data|module|terraform|provider|variable)[ \t]+(?:"[^"\n]+"[ \t]*)*\{', re.MULTILINE)
_SPEAKS_OF_ROLES = re.compile(r"AssumeRolePolicyDocument|AWS::IAM::Role|assume_role_policy|sts:AssumeRole")
_TEMPLATE_SAYS = "which the template itself does not hold; give a parameter a Default, or check the deployed role"
_PLAN_SAYS = "which the plan does not hold; check the role once it is applied"


class Region(NamedTuple):
    """Part of a file; `end` is the position after its last character."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class TemplateOrigin:
    """Where a template writes a trust policy: as it stands there, and with its functions resolved: a bound, where some are not known."""

    document: Located
    raw: Any
    resolved: Any
    path: str


@dataclass(frozen=True, slots=True)
class TerraformOrigin:
    """The resource and attribute of a plan or state; `written_by` is the data source that put the policy together, if one did."""

    address: str
    attribute: str
    written_by: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """One trust policy and the role it belongs to. `arn` and `account` are None where neither the input nor the user says.

    `flaw` is a sentence where the input shows a document that IAM could not hold, so that there is nothing to judge. Where something is
    `unresolved`, `trust_policy` is a bound of the real one (`doorward_cli.unresolved`), and empty where nothing is known of it.
    `is_to_be_written`: whether the input says that the policy will be, not that it stands.
    `file`, `at` and `statements` say where the document and its statements stand; None and empty where no place in a file is meant.
    """

    source: str
    trust_policy: str
    arn: str | None = None
    account: str | None = None
    name: str = ""
    path: str = "/"
    role_id: str = ""
    max_session_duration_seconds: int = _DEFAULT_SESSION_SECONDS
    tags: Mapping[str, str] = field(default_factory=dict)
    flaw: str | None = None
    unresolved: tuple[Unresolved, ...] = ()
    stand_ins: frozenset[int] = frozenset()
    unresolved_because: str = ""
    file: str | None = None
    at: Region | None = None
    statements: tuple[Region, ...] = ()
    origin: TemplateOrigin | TerraformOrigin | None = None
    permissions: Permissions | None = None
    permissions_boundary: str | None = None
    is_to_be_written: bool = False

    @property
    def owner(self) -> str:
        """The account to judge by: in a template that names its own account without saying which, the id that stands for it."""
        return self.account or (templates.OWN_ACCOUNT if isinstance(self.origin, TemplateOrigin) else "")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`position` is where in the file, in words; None: all of it."""

    file: str
    position: str | None
    reason: str

    def __str__(self) -> str:
        return ": ".join(each for each in (self.file, self.position, self.reason) if each)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file of a folder that is none of the inputs, and a folder that is not searched."""

    file: str
    reason: str


type Item = Subject | Unreadable | Skipped


def read_inputs(arguments: Iterable[str], account: str | None) -> Iterator[Item]:
    """Files, folders (what is recognised below them, in the order of its names) and `-`, in the order given."""
    for argument in arguments:
        if argument != STDIN and os.path.isdir(argument):  # noqa: PTH112 - Path's own raises for some names
            yield from _read_folder(argument, account)
        else:
            yield from _read_file(argument, account)


def read_text(file: str) -> str:
    """The text of a file or of standard input, decompressed. Raises MalformedInput, saying why not, without the file's name."""
    raw = _read_bytes(file)
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # what PowerShell's `>` writes
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedInput(f"not UTF-8 text at byte {error.start}; save it as UTF-8") from None


# From arguments to text


def _read_folder(argument: str, account: str | None) -> Iterator[Item]:
    found: list[str] = []
    refused: list[Unreadable] = []
    for folder, folders, names in Path(argument).walk(on_error=lambda error: refused.append(_closed_folder(argument, error))):
        for each in _NOT_SEARCHED.intersection(folders):
            folders.remove(each)
            yield Skipped(str(folder / each), "not searched")
        found += [str(folder / each) for each in names if each.removesuffix(".gz").endswith(_SEARCHED) and _is_read(folder / each)]
    yield from refused
    recognised = bool(refused)
    for file in sorted(found):
        items = list(_read_file(file, account, is_asked_for=False))
        recognised = recognised or not any(isinstance(each, Skipped) for each in items)
        yield from items
    if not recognised:
        what = f"none of its {len(found)} files is" if found else f"no {', '.join(_SEARCHED)} file in this folder or below it:"
        yield Unreadable(argument, None, f"{what} {_EXPECTED}")


def _is_read(file: Path) -> bool:
    """A device or a pipe named like a file would never end. What cannot be looked at is tried, and then told."""
    try:
        return file.is_file()
    except OSError:
        return True


def _closed_folder(argument: str, error: OSError) -> Unreadable:
    return Unreadable(str(error.filename or argument), None, f"cannot be read: {error.strerror or error}")


def _read_bytes(file: str) -> bytes:
    try:
        if file == STDIN:
            raw = sys.stdin.buffer.read(_LARGEST_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                raw = stream.read(_LARGEST_BYTES + 1)
        if raw.startswith(_GZIP_MAGIC):
            with gzip.GzipFile(fileobj=BytesIO(raw)) as stream:
                raw = stream.read(_LARGEST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise MalformedInput("damaged gzip; fetch the file again") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise MalformedInput(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > _LARGEST_BYTES:
        raise MalformedInput(f"larger than {_LARGEST_BYTES // 1024 // 1024} MiB; split it")
    return raw


# From text to subjects


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands, in words, and what holds for all of its file. `is_asked_for`: by name, not found in a folder."""

    file: str
    source: str
    position: str | None
    account: str | None
    is_asked_for: bool
    text: str

    def unreadable(self, reason: str, inside: str | None = None) -> Unreadable:
        return Unreadable(self.file, ", ".join(each for each in (self.position, inside) if each) or None, reason)

    def unrecognised(self, reason: str | None = None, position: str | None = None) -> Unreadable | Skipped:
        """In a folder it is passed over, but for a text that cannot be read (`reason` says why) and speaks of roles."""
        if self.is_asked_for or (reason is not None and _SPEAKS_OF_ROLES.search(self.text)):
            return Unreadable(self.file, position or self.position, reason or f"not recognised; expected {_EXPECTED}")
        return Skipped(self.file, "not recognised" if reason is None else reason.partition(":")[0].partition(";")[0])


def _read_file(file: str, account: str | None, *, is_asked_for: bool = True) -> Iterator[Item]:
    try:
        content = read_text(file)
        if content.lstrip()[:3].upper() == "%7B":  # a document as IAM's API gives it
            content = unquote(content)
    except MalformedInput as error:
        yield Unreadable(file, None, str(error))
        return
    text, place = Text(content), _Place(file, file, None, account, is_asked_for, content)
    start, number = _next(content, 0), 0
    if start == len(content):
        yield Unreadable(file, None, f"empty; expected {_EXPECTED}") if is_asked_for else Skipped(file, "empty")
        return
    if content[start] not in '{["':
        yield from _read_yaml(text, place)
        return
    while start < len(content):
        number += 1
        if number > 1:
            place = _Place(file, f"{file}#{number}", str(text.position(start)), account, is_asked_for, content)
        try:
            value = locate_json(text, start)
            yield from _recognise(value, place)
        except json.JSONDecodeError as error:
            flow = _flow_yaml(text) if number == 1 else None
            if flow is not None:
                yield from _recognised(flow, place)
            else:
                reason = f"not JSON: {error.msg}; expected {_EXPECTED}"
                yield place.unrecognised(reason, str(text.position(error.pos)))
            return
        except MalformedInput as error:
            yield Unreadable(file, str(text.position(start)), f"not usable JSON: {error}")
            return
        start = _next(content, value.end)


def _read_yaml(text: Text, place: _Place) -> Iterator[Item]:
    is_template = _TEMPLATE_LINE.search(text.text) is not None
    if not is_template and _TERRAFORM_LINE.search(text.text):
        yield place.unrecognised("Terraform source: not read; give what terraform show -json prints of a plan or a state")
        return
    try:
        value = locate_yaml(text)
    except NotYaml as error:
        if is_template:
            yield Unreadable(place.file, None if error.position is None else str(error.position), f"not YAML: {error}")
        else:
            yield place.unrecognised(f"neither JSON nor YAML; expected {_EXPECTED}")
        return
    yield from _recognised(value, place) if value is not None else [place.unrecognised()]


def _flow_yaml(text: Text) -> Located | None:
    """A template in YAML's flow style, which begins like JSON."""
    try:
        value = locate_yaml(text)
        return value if value is not None and any(name == "Resources" for name, _ in value.members()) else None
    except MalformedInput:
        return None


def _recognised(value: Located, place: _Place) -> Iterator[Item]:
    try:
        yield from _recognise(value, place)
    except MalformedInput as error:
        position = getattr(error, "position", None)
        yield Unreadable(place.file, None if position is None else str(position), str(error))


def _recognise(value: Located, place: _Place) -> Iterator[Item]:
    """Raises MalformedInput where a value cannot be had."""
    if value.kind == "array":
        yield from _recognise_list(value, place)
        return
    members = list(value.members())
    names = {name for name, _ in members}
    last = dict(members)
    lists = [(name, inner) for name, inner in members if name in _ROLE_LISTS and inner.kind == "array"]
    if "Role" in last and last["Role"].kind == "object":
        yield _role(last["Role"], place, "Role")
    elif lists:
        texts = permissions.texts_of(last["Policies"].value()) if "Policies" in last else {}
        for name, inner in lists:
            for index, each in enumerate(inner.elements()):
                yield _role(each, place, f"{name}[{index}]", texts)
    elif "AssumeRolePolicyDocument" in names:
        yield _role(value, place, None)
    elif "Statement" in names or (names and _POLICY_ELEMENTS.issuperset(names)):
        yield _policy(value, place)
    elif terraform.is_terraform(names):
        yield from _terraform(value, members, place)
    elif "AWSTemplateFormatVersion" in names or ("Resources" in last and last["Resources"].kind == "object"):
        yield from _template(value, place)
    elif not _DETAIL_LISTS & names:  # such a dump without roles: nothing to judge in it
        reason = _unsupported(names) if place.is_asked_for else None
        yield place.unrecognised(reason)


def _recognise_list(value: Located, place: _Place) -> Iterator[Item]:
    found: list[Item] = []
    for index, each in enumerate(value.elements()):
        names = {name for name, _ in each.members()}
        position = ", ".join(part for part in (place.position, f"[{index}]") if part)
        inside = _Place(place.file, place.source, position, place.account, place.is_asked_for, place.text)
        if "AssumeRolePolicyDocument" in names:  # what --query Roles leaves
            found.append(_role(each, inside, None))
        elif each.kind == "object":
            found += _recognise(each, _Place(place.file, f"{place.source}#{index + 1}", position, place.account, True, place.text))
        else:
            found.append(inside.unreadable(f"not recognised; expected {_EXPECTED}"))
    if any(isinstance(each, Subject) for each in found):
        yield from found
    else:  # one line, not one for each element of some other list
        yield place.unrecognised()


def _policy(value: Located, place: _Place) -> Item:
    raw = value.value()
    if not place.is_asked_for and _is_another_policy(raw):
        return Skipped(place.file, "a policy, and no trust policy")
    is_json = value.text.text.startswith("{", value.start)
    repeated = None if is_json else repeated_name(raw)  # in JSON, the judge sees it for itself
    at, statements = _regions(value)
    return Subject(
        place.source,
        value.text.text[value.start : value.end] if is_json else json.dumps(raw),
        account=place.account,
        flaw=None if repeated is None else _twice(repeated),
        file=place.file,
        at=at,
        statements=statements,
    )


def _is_another_policy(raw: Any) -> bool:
    """Of a folder's policies, those that name no caller, and those of other services, are no trust policies."""
    given = raw.get("Statement") if isinstance(raw, dict) else None
    listed = given if isinstance(given, list) else [given]
    statements = [each for each in listed if isinstance(each, dict)]
    if not statements or len(statements) < len(listed):
        return False
    if not any("Principal" in each or "NotPrincipal" in each for each in statements):
        return True
    actions = [action for each in statements for action in _texts(each.get("Action"))]
    return all("Action" in each for each in statements) and not any(_may_be_of_sts(each) for each in actions)


def _may_be_of_sts(action: str) -> bool:
    service = action.partition(":")[0].lower()
    return service == "sts" or "*" in service or "?" in service


def _texts(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def role_of(
    raw: Any, source: str, account: str | None, texts: Mapping[str, str] = MappingProxyType({}), *, tells_boundary: bool = False
) -> Subject | None:
    """A role as IAM's API gives it; None where it is none, or has no trust policy. `texts`: of managed policies, by ARN."""
    if not isinstance(raw, dict) or not isinstance(raw.get("AssumeRolePolicyDocument"), str | dict):
        return None
    document = raw["AssumeRolePolicyDocument"]
    name, path = _text(raw.get("RoleName")), _text(raw.get("Path")) or "/"
    arn, account, name = _identity(_text(raw.get("Arn")), account, name, path)
    repeated = repeated_name(raw)
    known = permissions.of_role(raw, texts, tells_boundary=tells_boundary)
    return Subject(
        source=f"{source}#{name}" if name else source,
        trust_policy=document if isinstance(document, str) else json.dumps(document),
        arn=arn,
        account=account,
        name=name,
        path=path,
        role_id=_text(raw.get("RoleId")),
        max_session_duration_seconds=_seconds(raw.get("MaxSessionDuration")),
        tags=_tags(raw.get("Tags")),
        flaw=None if repeated is None else _twice(repeated),
        permissions=known.permissions,
        permissions_boundary=known.boundary,
    )


def _role(value: Located, place: _Place, inside: str | None, texts: Mapping[str, str] = MappingProxyType({})) -> Subject | Unreadable:
    raw = value.value()
    role = role_of(raw, place.source, place.account, texts, tells_boundary=inside == "Role")
    if role is None:
        what = "no AssumeRolePolicyDocument, so there is no trust policy to judge" if isinstance(raw, dict) else "not a role"
        return place.unreadable(what, inside)
    at, statements = _regions(find(value, "AssumeRolePolicyDocument"))
    return replace(role, file=place.file, at=at, statements=statements)


def _identity(stated: str, account: str | None, name: str, path: str) -> tuple[str | None, str | None, str]:
    """ARN, account and name. What the input states outweighs what the user says."""
    arn = parse_arn(stated)
    if arn is not None and is_account_id(arn.account_id):
        return stated, arn.account_id, name or arn.name
    made = role_arn(account, name, path) if account and name and path.startswith("/") and path.endswith("/") else None
    return made, account, name


def _template(value: Located, place: _Place) -> Iterator[Item]:
    raw = value.value()
    twice = _ambiguous(raw)
    if twice is not None:
        yield place.unreadable(_twice(twice))
        return
    located = find(value, "Resources")
    if located is None or located.kind != "object":
        yield place.unreadable("must be an object of resources; CloudFormation refuses the template", "Resources")
        return
    resources = dict(located.members())
    untyped = [name for name, kind in templates.types_of(raw) if not isinstance(kind, str)]
    if untyped and not place.is_asked_for and not templates.is_template(raw):
        yield place.unrecognised()
        return
    for name in untyped:
        yield place.unreadable("no Type, or none that is text; CloudFormation refuses the template", f"Resources.{name}")
    for role in templates.roles_of(raw, place.account):
        if role.raw is None:
            yield place.unreadable("no AssumeRolePolicyDocument, so there is no trust policy to judge", f"Resources.{role.logical_id}")
            continue
        document = find(resources[role.logical_id], *role.path[2:]) if role.logical_id in resources else find(value, *role.path)
        is_role = role.path[:1] == ("Resources",) and "AssumeRolePolicyDocument" in role.path
        known = permissions.of_template(raw, role.logical_id, place.account) if is_role else permissions.Known()
        yield _template_subject(role, document, place, known)


def _template_subject(role: templates.TemplateRole, document: Located | None, place: _Place, known: permissions.Known) -> Subject:
    bounded = bound(role.document)
    everywhere = tuple(Unresolved(_FIRST, each.construct) for each in role.unknown)
    path = role.role_path or "/"
    arn, account, name = _identity("", place.account, role.name or "", path)
    repeated = repeated_name(role.raw)
    flaw = _twice(repeated) if repeated is not None else _reserved(path)
    at, statements = _regions(document)
    return Subject(
        source=f"{place.source}#{role.logical_id}",
        trust_policy="" if bounded.document is None and bounded.unresolved else _document_text(bounded.document),
        arn=arn,
        account=account,
        name=name,
        path=path,
        max_session_duration_seconds=role.max_session_duration_seconds or _DEFAULT_SESSION_SECONDS,
        tags=role.tags,
        flaw=flaw,
        unresolved=(*everywhere, *bounded.unresolved),
        stand_ins=bounded.stand_ins,
        unresolved_because=_TEMPLATE_SAYS,
        file=place.file,
        at=at,
        statements=statements,
        origin=None if document is None else TemplateOrigin(document, role.raw, bounded.document, ".".join(map(str, role.path))),
        permissions=known.permissions,
        permissions_boundary=known.boundary,
        is_to_be_written=True,
    )


def _terraform(value: Located, members: list[tuple[str, Located]], place: _Place) -> Iterator[Item]:
    names = [name for name, _ in members]
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        yield place.unreadable(_twice(twice))
        return
    for role in terraform.roles_of(value):
        yield _terraform_subject(role, place)


def _terraform_subject(role: terraform.TerraformRole, place: _Place) -> Subject:
    values = role.values
    path = _text(values.get("path")) or "/"
    arn, account, name = _identity(_text(values.get("arn")), place.account, _text(values.get("name")), path)
    repeated = repeated_name(values)
    source = terraform.find_source(place.file, role)
    here = Region(role.at.text.position(role.at.start), role.at.text.position(role.at.end))
    tags = values.get("tags")
    known = permissions.of_terraform(values) if role.attribute == "assume_role_policy" else permissions.Known()
    return Subject(
        source=f"{place.source}#{role.address}",
        trust_policy=role.policy or "",
        arn=arn,
        account=account,
        name=name,
        path=path,
        role_id=_text(values.get("unique_id")),
        max_session_duration_seconds=_seconds(values.get("max_session_duration")),
        tags={key: each for key, each in tags.items() if isinstance(each, str)} if isinstance(tags, dict) else {},
        flaw=_twice(repeated) if repeated is not None else _reserved(path),
        unresolved=() if role.policy is not None else (Unresolved(_FIRST, role.construct),),
        unresolved_because=_PLAN_SAYS,
        file=place.file if source is None else source[0],
        at=here if source is None else Region(source[1], source[1]),
        origin=TerraformOrigin(role.address, role.attribute, role.written_by),
        permissions=known.permissions,
        permissions_boundary=known.boundary,
        is_to_be_written=role.is_to_be_written,
    )


_FIRST = StatementRef(0, None)


def _reserved(path: str) -> str | None:
    """Nobody makes such a role by a template; read as one, it would pass as one that nobody can change."""
    if path.startswith((SERVICE_LINKED_PATH, RESERVED_PATH)):
        return f"IAM refuses to make a role under {SERVICE_LINKED_PATH} or {RESERVED_PATH}"
    return None


def _ambiguous(raw: Any) -> str | None:
    """A name that is written twice where it decides which roles there are or what a function's value is."""
    resources = raw.get("Resources") if isinstance(raw, dict) else None
    shallow = [raw, resources]
    for each in resources.values() if isinstance(resources, dict) else ():
        if isinstance(each, dict):
            shallow += [each, each.get("Properties")]
    twice = next((each.name for each in shallow if isinstance(each, Repeated)), None)
    return twice or repeated_name([raw.get(name) for name in ("Parameters", "Mappings", "Conditions", "Globals", "Transform")])


def _document_text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _regions(document: Located | None) -> tuple[Region | None, tuple[Region, ...]]:
    """Where a document and each of its statements stand."""
    if document is None:
        return None, ()
    statements = find(document, "Statement")
    each_of = [] if statements is None else list(statements.elements()) if statements.kind == "array" else [statements]
    return _region(document), tuple(_region(each) for each in each_of)


def _region(value: Located) -> Region:
    return Region(value.text.position(value.start), value.text.position(value.end))


def _twice(name: str) -> str:
    return f"{json.dumps(name)} is written twice in one object; keep one"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _DEFAULT_SESSION_SECONDS


def _tags(value: Any) -> dict[str, str]:
    tags = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return {_text(each.get("Key")): _text(each.get("Value")) for each in tags}


def _unsupported(names: set[str]) -> str | None:
    if terraform.is_raw_state(names):
        return "a Terraform state file: not read as it lies on disk; give what terraform show -json prints"
    if names & {"Records", "eventVersion", "detail-type"}:
        return "CloudTrail records: not read by this command"
    return None


def _next(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start
