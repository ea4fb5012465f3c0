"""What people have at hand, recognised by content: trust policies, and what the AWS CLI prints about roles.

Nothing here judges. A document is handed on as text, as it was written, so that the judge sees what IAM would see. What cannot be read is
a value (`Unreadable`), so that one bad file never hides the others.
"""

import codecs
import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from doorward.errors import MalformedInput
from doorward.iam.arns import is_account_id, parse_arn, role_arn

STDIN = "-"

# The largest account that AWS allows (5 000 roles by default, policies of 10 240 characters) prints about 200 MB.
_LARGEST_BYTES = 512 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_DEFAULT_SESSION_SECONDS = 3600

_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_DETAIL_LISTS = frozenset({"UserDetailList", "GroupDetailList", "Policies"})
_EXPECTED = "a trust policy, or the output of aws iam get-role, list-roles or get-account-authorization-details"
_TEMPLATE_LINE = re.compile(r"^(?:AWSTemplateFormatVersion|Transform|Resources)\s*:", re.MULTILINE)
_TERRAFORM_LINE = re.compile(r'^\s*(?:resource|data|module|terraform|provider|variable)\s+(?:"[^"\n]+"\s*)*\{', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Subject:
    """One trust policy and the role it belongs to. `arn` and `account` are None where neither the input nor the user says.

    `flaw` is a sentence where the input shows a document that IAM could not hold, so that there is nothing to judge.
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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`position` is where in the file, in words; None: all of it."""

    file: str
    position: str | None
    reason: str

    def __str__(self) -> str:
        return ": ".join(each for each in (self.file, self.position, self.reason) if each)


def read_inputs(arguments: list[str], account: str | None) -> tuple[list[Subject], list[Unreadable]]:
    """Files, folders (every .json and .json.gz below, sorted) and `-`, in the order given."""
    subjects: list[Subject] = []
    unreadable: list[Unreadable] = []
    for argument in arguments:
        for file in _files(argument):
            for each in [file] if isinstance(file, Unreadable) else _read_file(file, account):
                if isinstance(each, Subject):
                    subjects.append(each)
                else:
                    unreadable.append(each)
    return subjects, unreadable


def read_text(file: str) -> str:
    """The text of a file or of standard input, decompressed. Raises MalformedInput, saying why not, without the file's name."""
    raw = _read_bytes(file)
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # what PowerShell's `>` writes
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedInput(f"not UTF-8 text at byte {error.start}; save it as UTF-8") from None


def parse_json(text: str, start: int = 0) -> tuple[Any, int]:
    """One JSON value at `start`, and where it ends. An object with a name written twice is a `Repeated`.

    Raises json.JSONDecodeError, and MalformedInput for what is JSON only to Python.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except RecursionError:
        raise MalformedInput("nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # integers past Python's digit limit
        raise MalformedInput(str(error)) from None


class Repeated(dict[str, Any]):
    """An object in which `name` is written twice. Readers disagree on which one counts, so nothing can be judged by it."""

    name: str


def repeated_name(value: object) -> str | None:
    """A name that is written twice in one object anywhere below; None if there is none."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Repeated):
            return each.name
        stack += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    names = [name for name, _ in pairs]
    repeated = Repeated(pairs)
    repeated.name = next(each for each in names if names.count(each) > 1)
    return repeated


def _no_constant(name: str) -> NoReturn:
    raise MalformedInput(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


# From arguments to text


def _files(argument: str) -> Iterator[str | Unreadable]:
    if argument == STDIN or not Path(argument).is_dir():
        yield argument
        return
    found: list[str] = []
    refused: list[Unreadable] = []
    for folder, _, names in Path(argument).walk(on_error=lambda error: refused.append(_closed_folder(argument, error))):
        # A device or a pipe named like a file would never end.
        found += [str(folder / each) for each in names if each.endswith((".json", ".json.gz")) and (folder / each).is_file()]
    yield from refused
    if not found and not refused:
        yield Unreadable(argument, None, "no .json or .json.gz file in this folder or below it")
    yield from sorted(found)


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


def _read_file(file: str, account: str | None) -> Iterator[Subject | Unreadable]:
    try:
        text = read_text(file)
        if text.lstrip()[:3].upper() == "%7B":  # a document as IAM's API gives it
            text = unquote(text)
    except MalformedInput as error:
        yield Unreadable(file, None, str(error))
        return
    start, number = _next(text, 0), 0
    if start == len(text):
        yield Unreadable(file, None, f"empty; expected {_EXPECTED}")
    while start < len(text):
        number += 1
        position = _position(text, start) if number > 1 else None
        source = file if number == 1 else f"{file}#{number}"
        try:
            value, end = parse_json(text, start)
        except json.JSONDecodeError as error:
            yield Unreadable(file, f"line {error.lineno}, column {error.colno}", _no_json(text, error))
            return
        except MalformedInput as error:
            yield Unreadable(file, _position(text, start), f"not usable JSON: {error}")
            return
        yield from _recognise(value, text[start:end], _Place(file, source, position, account))
        start = _next(text, end)


@dataclass(frozen=True, slots=True)
class _Place:
    file: str
    source: str
    position: str | None
    account: str | None

    def unreadable(self, reason: str, inside: str | None = None) -> Unreadable:
        return Unreadable(self.file, ", ".join(each for each in (self.position, inside) if each) or None, reason)


def _recognise(value: Any, text: str | None, place: _Place) -> Iterator[Subject | Unreadable]:
    """`text` None: the value stands inside another, so that its own text is gone."""
    if isinstance(value, list):
        found = [
            each for index, element in enumerate(value) for each in _recognise_element(element, index, place, outermost=text is not None)
        ]
        if any(isinstance(each, Subject) for each in found):
            yield from found
        else:  # one line, not one for each element of some other list
            yield place.unreadable(f"not recognised; expected {_EXPECTED}")
        return
    if not isinstance(value, dict):
        yield place.unreadable(f"not recognised; expected {_EXPECTED}")
    elif isinstance(value.get("Role"), dict):
        yield _role(value["Role"], place, "Role")
    elif isinstance(value.get("Roles"), list) or isinstance(value.get("RoleDetailList"), list):
        name = "Roles" if isinstance(value.get("Roles"), list) else "RoleDetailList"
        for index, each in enumerate(value[name]):
            yield _role(each, place, f"{name}[{index}]")
    elif "AssumeRolePolicyDocument" in value:
        yield _role(value, place, None)
    elif "Statement" in value or (value and _POLICY_ELEMENTS.issuperset(value)):
        repeated = repeated_name(value) if text is None else None
        yield Subject(
            place.source,
            json.dumps(value) if text is None else text,
            account=place.account,
            flaw=None if repeated is None else f"{json.dumps(repeated)} is written twice in one object; keep one",
        )
    elif not _DETAIL_LISTS.intersection(value):  # such a dump without roles: nothing to judge in it
        yield place.unreadable(_unsupported(value) or f"not recognised; expected {_EXPECTED}")


def _recognise_element(value: Any, index: int, place: _Place, *, outermost: bool) -> Iterator[Subject | Unreadable]:
    position = ", ".join(each for each in (place.position, f"[{index}]") if each)
    if isinstance(value, dict) and "AssumeRolePolicyDocument" in value:  # what --query Roles leaves
        yield _role(value, _Place(place.file, place.source, position, place.account), None)
    elif outermost and not isinstance(value, list):
        yield from _recognise(value, None, _Place(place.file, f"{place.source}#{index + 1}", position, place.account))
    else:
        yield Unreadable(place.file, position, f"not recognised; expected {_EXPECTED}")


def _role(raw: Any, place: _Place, inside: str | None) -> Subject | Unreadable:
    if not isinstance(raw, dict):
        return place.unreadable("not a role", inside)
    document = raw.get("AssumeRolePolicyDocument")
    if not isinstance(document, str | dict):
        return place.unreadable("no AssumeRolePolicyDocument, so there is no trust policy to judge", inside)
    name, path = _text(raw.get("RoleName")), _text(raw.get("Path")) or "/"
    stated = _text(raw.get("Arn"))
    arn = parse_arn(stated)
    if arn is not None and is_account_id(arn.account_id):
        account: str | None = arn.account_id
        name = name or arn.name
    else:
        account = place.account
        stated = role_arn(account, name, path) if account and name else ""
    repeated = repeated_name(raw)
    return Subject(
        source=f"{place.source}#{name}" if name else place.source,
        trust_policy=document if isinstance(document, str) else json.dumps(document),
        arn=stated or None,
        account=account,
        name=name,
        path=path,
        role_id=_text(raw.get("RoleId")),
        max_session_duration_seconds=_seconds(raw.get("MaxSessionDuration")),
        tags=_tags(raw.get("Tags")),
        flaw=None if repeated is None else f"{json.dumps(repeated)} is written twice in one object; keep one",
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _DEFAULT_SESSION_SECONDS


def _tags(value: Any) -> dict[str, str]:
    tags = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return {_text(each.get("Key")): _text(each.get("Value")) for each in tags}


def _unsupported(value: dict[str, Any]) -> str | None:
    if "AWSTemplateFormatVersion" in value or isinstance(value.get("Resources"), dict):
        return "a CloudFormation or SAM template: not read by this version; check the deployed roles instead"
    if "terraform_version" in value or "planned_values" in value or "format_version" in value:
        return "a Terraform plan or state: not read by this version; check the deployed roles instead"
    if "Records" in value or "eventVersion" in value or "detail-type" in value:
        return "CloudTrail records: not read by this version"
    return None


def _no_json(text: str, error: json.JSONDecodeError) -> str:
    if _TEMPLATE_LINE.search(text):
        return "a CloudFormation or SAM template: not read by this version; check the deployed roles instead"
    if _TERRAFORM_LINE.search(text):
        return "Terraform source: not read by this version; check the deployed roles instead"
    return f"not JSON: {error.msg}; expected {_EXPECTED}"


def _next(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _position(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - (text.rfind(chr(10), 0, at) + 1) + 1}"
