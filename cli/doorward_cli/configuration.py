"""Policy files as people write them: YAML, checked as a whole, every fault named with file, line, field and what to do.

What passes here is JSON data that the parsers of `doorward.organization`, `doorward.guardrails` and `doorward.grants` accept;
`build_package_data` writes it for Lambda, which reads no YAML.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from doorward.errors import Misconfigured
from doorward.grants.model import Entitlements
from doorward.grants.parsing import entitlements_from
from doorward.guardrails.model import Guardrails
from doorward.guardrails.parsing import guardrails_from
from doorward.organization.model import Organization
from doorward.organization.parsing import configuration_hash, organization_from

ORGANIZATION_FILE = "organization.yaml"
GUARDRAILS_FILE = "guardrails.yaml"
ENTITLEMENTS_FILE = "entitlements.yaml"
"""Not needed: without it nobody may ask for anything."""
ADOPTED_FILE = "adopted.yaml"
"""Written by `doorward adopt`, and not needed: which accounts are adopted, and what was accepted there."""
_OF_ADOPTED = ("adopted", "waivers")

# Ours, far above any real organization: an account is a line of about 100 bytes, and an organization has at most 10 000 by default quota.
_LARGEST_BYTES = 4 * 1024 * 1024
_MOST_VALUES = 300_000
_DEEPEST = 32

type FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `line` counts from 1; None where the file as a whole is meant. `field` is "" for the whole file."""

    file: Path
    line: int | None
    field: str
    what: str

    def __str__(self) -> str:
        where = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.field}: {self.what}" if self.field else f"{where}: {self.what}"


class InvalidConfiguration(Misconfigured):
    """All faults of a file, in the order of its lines: one a line as text."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda each: (str(each.file), each.line or 0)))
        super().__init__("\n".join(str(each) for each in self.problems))


@dataclass(slots=True)
class _Source:
    """A file as JSON data, with where each field stands and how its scalar is spelled. `data` None: it could not be read at all."""

    file: Path
    data: Any = None
    lines: dict[FieldPath, int] = field(default_factory=dict)
    spelled: dict[FieldPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: FieldPath, what: str, line: int | None = None) -> None:
        problem = Problem(self.file, line or self._line(path), _shown_path(path), what)
        if problem not in self.problems:
            self.problems.append(problem)

    def _line(self, path: FieldPath) -> int | None:
        return next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)


def load_organization(path: Path) -> Organization:
    """Read an org file. Raises InvalidConfiguration with every fault."""
    return organization_from(_organization_source(path).data)


def load_guardrails(path: Path) -> Guardrails:
    """Read a guardrails file. Raises InvalidConfiguration with every fault."""
    return guardrails_from(_guardrails_source(path).data)


def load_folder(config_dir: Path) -> tuple[Organization, Guardrails]:
    """Two files of a folder; all that are there are checked, against each other, too. Raises InvalidConfiguration with every fault."""
    organization, guardrails, _ = _folder_sources(config_dir)
    return organization_from(organization.data), guardrails_from(guardrails.data)


def load_entitlements(config_dir: Path) -> Entitlements:
    """The third; empty where there is none. Raises InvalidConfiguration with every fault of the folder."""
    _, _, entitlements = _folder_sources(config_dir)
    return entitlements_from(entitlements.data)


def build_package_data(config_dir: Path, target_dir: Path) -> None:
    """Write `organization.json`, `guardrails.json` and `entitlements.json` (the two with their `hash`) into `target_dir`, made if missing.

    The same input gives the same bytes. Nothing is written unless all files are right. Raises InvalidConfiguration with every fault.
    """
    organization, *hashed = _folder_sources(config_dir)
    guardrails, entitlements = ({"hash": configuration_hash(each.data), **each.data} for each in hashed)
    target_dir.mkdir(parents=True, exist_ok=True)
    for name, data in (
        ("organization.json", organization.data),
        ("guardrails.json", guardrails),
        ("entitlements.json", entitlements),
    ):
        (target_dir / name).write_text(json.dumps(data, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def _organization_source(path: Path) -> _Source:
    source = _read(path)
    if source.data is not None:
        _check_schema(source, "doorward.organization", "organization.schema.json")
        _check_organization(source)
        _check_trust_is_bounded(source)
        _check_pipelines_are_spelled_out(source)
        _check_people_can_be_reached(source)
        _check_identity(source)
        _check_matches_name_accounts(source, source)
        _check_matches_reach_accounts(source, source)
    return _complete(source, organization_from)


def _guardrails_source(path: Path) -> _Source:
    source = _read(path)
    if source.data is not None:
        _check_schema(source, "doorward.guardrails", "guardrails.schema.json")
        _check_scope_names(source)
    return _complete(source, guardrails_from)


def _entitlements_source(path: Path) -> _Source:
    if not path.exists():
        return _Source(path, {})
    source = _read(path)
    if source.data is not None:
        _check_schema(source, "doorward.grants", "entitlements.schema.json")
        _refuse_repeated(source, dict(_each(source.data, ("rules",), "id")), "a rule's id stands in grants and must be its own")
    return _complete(source, entitlements_from)


def _adopted_source(path: Path) -> _Source:
    """The two parts of a guardrails file that are a file of their own, because a program writes them."""
    source = _read(path)
    if source.data is not None:
        _check_schema(source, "doorward.guardrails", "guardrails.schema.json")
        for name in source.data if isinstance(source.data, dict) else ():
            if name not in _OF_ADOPTED:
                source.refuse((name,), f"belongs into {GUARDRAILS_FILE}; here stand only {' and '.join(_OF_ADOPTED)}")
    return source


def _complete(source: _Source, parse: Any) -> _Source:
    _parse(source, parse)
    if source.problems:
        raise InvalidConfiguration(source.problems)
    return source


def _parse(source: _Source, parse: Any) -> None:
    """For the rules that only the parser knows."""
    if not source.problems:
        try:
            parse(source.data)
        except Misconfigured as error:
            source.refuse(*_placed(str(error)))


def _placed(error: str) -> tuple[FieldPath, str]:
    """A parser's sentence, as the field that it begins with and what is wrong there."""
    field, _, what = error.partition(": ")
    if re.fullmatch(r"[\w-]+(?:\.[\w-]+|\[[0-9]+\])*", field, re.ASCII) is None:
        return (), error
    return tuple(int(each[1:-1]) if each.startswith("[") else each for each in re.findall(r"[\w-]+|\[[0-9]+\]", field)), what


def _with_adopted(guardrails: dict[str, Any], adopted: dict[str, Any]) -> dict[str, Any]:
    accounts = dict.fromkeys((*guardrails.get("adopted", ()), *adopted.get("adopted", ())))
    waivers = [*guardrails.get("waivers", ()), *adopted.get("waivers", ())]
    merged = {**guardrails, "waivers": waivers}
    return {**merged, "adopted": list(accounts)} if "adopted" in guardrails or "adopted" in adopted else merged


def _check_adopted_are_accounts(organization: _Source, adopted: _Source) -> None:
    known = _account_ids(organization)
    for position, account_id in _texts(adopted.data, ("adopted",)):
        if account_id not in known:
            adopted.refuse(("adopted", position), f"{account_id} is no account of {organization.file.name}; describe it there first")


def _account_ids(organization: _Source) -> set[str]:
    management = _at(organization.data, ("management_account",))
    listed = {each for _, each in _each(organization.data, ("accounts",), "id")}
    return listed | {management} if isinstance(management, str) else listed


def _folder_sources(config_dir: Path) -> tuple[_Source, _Source, _Source]:
    sources: list[_Source] = []
    problems: list[Problem] = []
    for name, load in (
        (ORGANIZATION_FILE, _organization_source),
        (GUARDRAILS_FILE, _guardrails_source),
        (ENTITLEMENTS_FILE, _entitlements_source),
    ):
        try:
            sources.append(load(config_dir / name))
        except InvalidConfiguration as error:
            problems += error.problems
    if not problems and (config_dir / ADOPTED_FILE).exists():
        adopted = _adopted_source(config_dir / ADOPTED_FILE)
        if not adopted.problems:
            adopted.data = _with_adopted(sources[1].data, adopted.data)
            _check_adopted_are_accounts(sources[0], adopted)
            _parse(adopted, guardrails_from)
            sources[1].data = adopted.data
        problems += adopted.problems
    if not problems:
        organization, *others = sources
        for each in others:
            _check_matches_name_accounts(organization, each)
            _check_matches_reach_accounts(organization, each)
            _check_groups_are_there(organization, each)
            problems += each.problems
    if problems:
        raise InvalidConfiguration(problems)
    return sources[0], sources[1], sources[2]


# Reading YAML


def _read(path: Path) -> _Source:
    source = _Source(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        source.refuse((), f"cannot be read: {error.strerror or error}")
        return source
    except UnicodeDecodeError as error:
        source.refuse((), "not UTF-8 text; save it as UTF-8", line=raw.count(b"\n", 0, error.start) + 1)
        return source
    if len(raw) > _LARGEST_BYTES:
        source.refuse((), f"larger than {_LARGEST_BYTES // 1024 // 1024} MiB, which no policy file needs")
        return source
    # JSON is YAML but for tabs between tokens; a JSON text holds no tab anywhere else.
    _read_yaml(source, text.replace("\t", " ") if text.lstrip()[:1] == "{" else text)
    return source


def _read_yaml(source: _Source, text: str) -> None:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        # By events first: the C composer overflows its stack on deep nesting.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                source.refuse((), f"nested more than {_DEEPEST} deep", line=None if event.start_mark is None else event.start_mark.line + 1)
                return
        node = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
        line = None if mark is None else mark.line + 1
        position = getattr(error, "position", None)  # of a character that YAML does not allow
        if line is None and isinstance(position, int):
            line = text.count("\n", 0, position) + 1
        source.refuse((), f"not YAML: {what}", line=line)
        return
    if node is None:
        source.refuse((), "empty; see docs/contracts.md for its form")
        return
    reader = _Reader(source)
    data = reader.value(node, (), 0)
    source.data = None if reader.gave_up else data


class _Reader:
    """YAML nodes to JSON values. Anchors and `<<` work; a name written twice is refused; what they expand to is counted."""

    def __init__(self, source: _Source) -> None:
        import yaml

        self._yaml = yaml
        self._loader = yaml.SafeLoader("")
        self._source = source
        self._count = 0
        self.gave_up = False

    def value(self, node: Any, path: FieldPath, depth: int) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        self._source.lines.setdefault(path, line)
        if self._count > _MOST_VALUES or depth > _DEEPEST:
            if not self.gave_up:
                self._source.refuse((), "anchors expand to more than any policy file needs; write the values out", line=line)
            self.gave_up = True
            return None
        if isinstance(node, self._yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, self._yaml.SequenceNode):
            return [self.value(each, (*path, position), depth + 1) for position, each in enumerate(node.value)]
        self._source.spelled[path] = node.value
        if node.tag.rsplit(":", 1)[-1] not in {"str", "int", "float", "bool", "null"}:
            self._source.refuse(
                path, f'{_short(node.value)} is read by YAML as another type; write it in quotes: "{_short(node.value)}"', line=line
            )
            return node.value
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError, self._yaml.YAMLError):
            self._source.refuse(path, f"{_short(node.value)} cannot be read; write it in quotes", line=line)
            return None

    def _mapping(self, node: Any, path: FieldPath, depth: int) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                self._source.refuse((*path, name), "written twice; keep one", line=key.start_mark.line + 1)
            seen.add(name)
        try:
            self._loader.flatten_mapping(node)
        except (self._yaml.YAMLError, RecursionError):
            self._source.refuse(path, "<< must name a mapping", line=node.start_mark.line + 1)
            return {}
        result: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, self._yaml.ScalarNode):
                self._source.refuse(path, "a name must be plain text", line=line)
                continue
            inner = (*path, key.value)
            self._source.lines[inner] = line
            result[key.value] = self.value(value, inner, depth + 1)
        return result


# Checking


def _check_schema(source: _Source, package: str, name: str) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((resources.files(package) / "schemas" / name).read_text(encoding="utf-8"))
    for error in Draft202012Validator(schema).iter_errors(source.data):
        path: FieldPath = tuple(error.absolute_path)
        for inner, what in _explain(error, source.spelled.get(path)):
            source.refuse((*path, *inner), what)


def _explain(error: Any, spelled: str | None) -> Iterator[tuple[FieldPath, str]]:
    given, schema = error.instance, error.schema
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            for name in given:
                if name not in known:
                    yield (name,), f"unknown; {_suggestion(name, known)}"
        case "required":
            for name in error.validator_value:
                if name not in given:
                    yield (name,), "missing"
        case "enum":
            allowed = error.validator_value
            yield (), f"must be one of {', '.join(allowed)}, not {_shown(given, spelled)}{_did_you_mean(given, allowed)}"
        case "type" if error.validator_value in {"object", "array"}:
            wanted = "a list" if error.validator_value == "array" else "an object of named fields"
            cure = "; leave it out where there is nothing to say" if given is None else ""
            yield (), f"must be {wanted}, not {_shown(given, spelled)}{cure}"
        case "type" if error.validator_value == "string" and isinstance(given, int | float):  # also true and false
            scalar = _short(spelled or str(given))
            yield (), f'must be {schema.get("description", "text")}; {scalar} is no text to YAML, so quote it: "{scalar}"'
        case _:
            yield (), f"must be {schema.get('description', 'of another form')}, not {_shown(given, spelled)}"


def _suggestion(name: str, known: list[str]) -> str:
    meant = _did_you_mean(name, known)
    return meant.removeprefix("; ") if meant else f"known are {', '.join(known)}"


def _did_you_mean(given: object, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(given, known, n=1) if isinstance(given, str) else []
    return f"; did you mean {close[0]}?" if close else ""


def _shown(given: object, spelled: str | None) -> str:
    if isinstance(given, dict):
        return "an object" if given else "an empty object"
    if isinstance(given, list):
        return "a list" if given else "an empty list"
    if given is None:
        return "nothing"
    return f'"{_short(given)}"' if isinstance(given, str) else _short(spelled or str(given))


def _short(text: str) -> str:
    longest = 60
    return text if len(text) <= longest else f"{text[:longest]}…"


def _shown_path(path: FieldPath) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path).removeprefix(".")


def _check_organization(source: _Source) -> None:
    accounts = dict(_each(source.data, ("accounts",), "id"))
    vendors = dict(_each(source.data, ("trusted", "accounts"), "id"))
    for listed in (accounts, vendors, dict(_each(source.data, ("trusted", "oidc"), "issuer"))):
        _refuse_repeated(source, listed, "keep one")
    ours = _account_ids(source)
    for path, account_id in vendors.items():
        if account_id in ours:
            source.refuse(path, f"{account_id} is an account of the organization; remove it here or there")
    organization_id = _at(source.data, ("organization",))
    for path, org_path in _each(source.data, ("accounts",), "org_path"):
        if isinstance(organization_id, str) and not org_path.startswith(f"{organization_id}/"):
            source.refuse(path, f"must begin with {organization_id}/, the organization named above")
    for position, cidr in enumerate(_listed(source.data, ("networks", "cidrs"))):
        try:
            ip_network(str(cidr))
        except ValueError as error:
            source.refuse(("networks", "cidrs", position), f"no network in CIDR form: {error}")


def _check_people_can_be_reached(source: _Source) -> None:
    """What the schema does not say of owners and authors: one way to each, and one thing to know an author by."""
    owners = [owner for _, owner in _each(source.data, ("pipelines",), "owner")]
    people: list[tuple[FieldPath, Any]] = [
        (("authors", position), each) for position, each in enumerate(_listed(source.data, ("authors",)))
    ]
    for position, account in enumerate(_listed(source.data, ("accounts",))):
        if isinstance(account, dict) and "owner" in account:
            people.append((("accounts", position, "owner"), account["owner"]))
    for path, each in people:
        if not isinstance(each, dict):
            continue
        if ("slack" in each) is ("topic" in each):
            source.refuse(path, "needs one of `slack` and `topic`, and not both")
        if path[0] != "authors":
            continue
        if sum(name in each for name in ("owner", "principal", "permission_set")) != 1:
            source.refuse(path, "needs exactly one of owner, principal, permission_set")
        if ("permission_set" in each) is not ("session" in each):
            source.refuse(path, "`session` goes with `permission_set`: elsewhere whoever comes chooses the session's name")
        if "owner" in each and each["owner"] not in owners:
            source.refuse((*path, "owner"), f"{each['owner']} owns no pipeline; write the owner as it stands there")


def _check_identity(source: _Source) -> None:
    """What the schema does not say of who may speak to Doorward."""
    identity = _at(source.data, ("identity",))
    if not isinstance(identity, dict):
        return
    if ("store" in identity) is not ("region" in identity):
        source.refuse(("identity",), "needs `store` and `region` together: where Identity Center is, and which it is")
    groups = identity.get("groups")
    for name, group in groups.items() if isinstance(groups, dict) else ():
        if isinstance(group, dict) and bool(group.get("users")) is (group.get("identity_center") is True):
            source.refuse(("identity", "groups", name), "needs either `users` or `identity_center: true`")
    for index, each in enumerate(_listed(source.data, ("identity", "tokens"))):
        people = _at(each, ("people",))
        for position, subject in _texts(each, ("machines",)):
            if isinstance(people, dict) and subject in people:
                source.refuse(("identity", "tokens", index, "machines", position), f"{subject} is a person, too; nobody is both")
    _refuse_repeated(source, dict(_each(source.data, ("identity", "tokens"), "issuer")), "an issuer has one key set and one audience")


# How a subject of GitHub begins that tells its owner, besides `repo`.
_OTHER_SUBJECTS = frozenset({"repository_owner", "repository", "repository_owner_id", "repository_id"})


def _check_scope_names(source: _Source) -> None:
    _refuse_repeated(source, dict(_each(source.data, ("scopes",), "name")), "a scope's name stands in findings and must be its own")


def _matching(source: _Source) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Parts that say for which roles or accounts they count, each with its place."""
    for part in (("scopes",), ("boundaries",), ("deciders",), ("rules",), ("notifications", "routes")):
        for position, each in enumerate(_listed(source.data, part)):
            yield (*part, position), each


def _check_matches_name_accounts(organization: _Source, source: _Source) -> None:
    known = _account_ids(organization)
    for place, scope in _matching(source):
        for index, account_id in _texts(scope, ("match", "accounts")):
            if account_id not in known:
                source.refuse(
                    (*place, "match", "accounts", index),
                    f"{account_id} is no account of {organization.file.name}; add it there, or remove it here",
                )


def _check_matches_reach_accounts(organization: _Source, source: _Source) -> None:
    """A scope for nobody is a typing error that switches a mode off, asks nobody for a boundary, or tells nobody."""
    accounts = [each for each in _listed(organization.data, ("accounts",)) if isinstance(each, dict)]
    units = sorted({str(each.get("ou")) for each in accounts if each.get("ou")})
    for place, scope in _matching(source):
        unit = _at(scope, ("match", "ou"))
        if isinstance(unit, str) and not any(each == unit or each.startswith(unit.rstrip("/") + "/") for each in units):
            cure = _did_you_mean(unit, units)
            source.refuse((*place, "match", "ou"), f"no account of {organization.file.name} lies in {_short(unit)}{cure}")
        tags = _at(scope, ("match", "tags"))
        for key, value in (tags if isinstance(tags, dict) else {}).items():
            if not any(_at(each, ("tags", key)) == value for each in accounts):
                source.refuse((*place, "match", "tags", key), f"no account of {organization.file.name} has the tag {_short(str(value))}")


def _check_groups_are_there(organization: _Source, source: _Source) -> None:
    """Nobody is in a group that is not there, so nobody could ever decide, or ask."""
    groups = sorted(_at(organization.data, ("identity", "groups")) or {})
    for path, name in _groups_named(source):
        if name not in groups:
            cure = _did_you_mean(str(name), groups)
            source.refuse(path, f"{_short(str(name))} is no group of {organization.file.name}, identity.groups{cure}")


def _groups_named(source: _Source) -> Iterator[tuple[FieldPath, Any]]:
    lists: list[FieldPath] = [("revokers",), ("auditors",)]
    for part, inner in (
        ("deciders", (("approvers",), ("escalate_to",))),
        ("rules", (("who", "groups"), ("approve", "groups"), ("approve", "escalate_to"))),
    ):
        for position in range(len(_listed(source.data, (part,)))):
            lists += [(part, position, *each) for each in inner]
    for path in lists:
        for index, name in enumerate(_listed(source.data, path)):
            yield (*path, index), name


def _check_trust_is_bounded(source: _Source) -> None:
    """Trusting every subject of an issuer that everybody can use trusts everybody."""
    from doorward.iam.issuers import TENANTS
    from doorward.iam.names import COGNITO, GITHUB

    for position, each in enumerate(_listed(source.data, ("trusted", "oidc"))):
        path: FieldPath = ("trusted", "oidc", position)
        issuer = str(_at(each, ("issuer",)))
        if issuer == COGNITO:
            source.refuse((*path, "issuer"), f"{COGNITO} is the same for everybody's pools; list the ids of yours under trusted.cognito")
        tenants = TENANTS.get(issuer)
        for index, subject in enumerate(map(str, _listed(each, ("subjects",)))):
            if issuer == GITHUB and not _names_owner(subject):
                source.refuse(
                    (*path, "subjects", index),
                    f"{_short(subject)} names no owner to the letter, so strangers' repositories are trusted too; write repo:OWNER/*",
                )
            if tenants is not None and not tenants.tenant_of(subject):
                source.refuse(
                    (*path, "subjects", index),
                    f"{_short(subject)} names no tenant to the letter, so strangers at {issuer} are trusted too; "
                    f"spell out whose tokens they are, up to the separator, as in {tenants.samples[0]}",
                )


def _names_owner(subject: str) -> bool:
    head, _, rest = subject.partition(":")
    owner = re.split("[/:]", rest, maxsplit=1)[0]
    is_whole = bool(owner) and not any(each in owner for each in "*?")
    return is_whole and (head in _OTHER_SUBJECTS or (head == "repo" and rest.startswith(f"{owner}/")))


def _check_pipelines_are_spelled_out(source: _Source) -> None:
    for path, role in _each(source.data, ("pipelines",), "role"):
        if any(each in role for each in "*?"):
            source.refuse(path, f"{_short(role)} is compared to the letter; list each role by its own ARN")


def _refuse_repeated(source: _Source, listed: dict[FieldPath, str], cure: str) -> None:
    first: dict[str, FieldPath] = {}
    for path, value in listed.items():
        if first.setdefault(value, path) != path:
            source.refuse(path, f"{_short(value)} is listed twice; {cure}")


# These read what the schema may have refused already: whatever has not the form that it asks for is told there, and passed over here.


def _each(data: Any, path: FieldPath, name: str) -> Iterator[tuple[FieldPath, str]]:
    """The texts of one field of a list's objects."""
    for position, each in enumerate(_listed(data, path)):
        if isinstance(text := _at(each, (name,)), str):
            yield (*path, position, name), text


def _texts(data: Any, path: FieldPath) -> Iterator[tuple[int, str]]:
    return ((position, each) for position, each in enumerate(_listed(data, path)) if isinstance(each, str))


def _listed(data: Any, path: FieldPath) -> list[Any]:
    value = _at(data, path)
    return value if isinstance(value, list) else []


def _at(data: Any, path: FieldPath) -> Any:
    for each in path:
        if isinstance(each, int):
            data = data[each] if isinstance(data, list) and each < len(data) else None
        else:
            data = data.get(each) if isinstance(data, dict) else None
    return data
