"""Is every call allowed by what the templates give, and is nothing given that no call needs? Judged by our own evaluator.

A call is one request in IAM's words; what is given is the policies as they were deployed. A permission is what can be taken out of a
statement that allows: one of its actions, one of several resources, principals, or values of a condition. Of each permission there is one
mutant, the same policies without it: it is needed if a call that was allowed is then refused. Statements that deny are left alone.
"""

import copy
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from doorward.iam.documents import Document, parse_document
from doorward.iam.evaluate import Decision, Policies, Request, evaluate

SESSION: Final = "session"
"""The name of every role session here: no policy of ours looks at one."""


class Call(NamedTuple):
    """`role`: the ARN of the caller's role, or `service`: the service that asks without one. `context`: sorted; a tuple is multivalued."""

    action: str
    resource: str
    context: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    role: str | None = None
    service: str | None = None
    session_policy: str | None = None

    def __str__(self) -> str:
        hidden = {"sts:externalid"}
        shown = [f"{key}={'…' if key.lower() in hidden else value}" for key, value in self.context]
        return f"{self.role or self.service}: {self.action} on {self.resource} ({', '.join(shown)})"


class Place(NamedTuple):
    """Where a policy is written: a template, a logical id in it, and which of its policies. One place, however many accounts."""

    template: str
    logical_id: str
    policy: str

    def __str__(self) -> str:
        return f"{self.template}, {self.logical_id}, {self.policy}"


class Given(NamedTuple):
    """A deployed policy: of the role or resource with this ARN; `kind` is identity, trust or resource.

    `shared`: by Sid, the statements that another policy has word for word, and that a test of the templates keeps so: one permission.
    """

    place: Place
    kind: str
    owner: str
    document: Mapping[str, Any]
    shared: Mapping[str, Place] = MappingProxyType({})

    def place_of(self, sid: str | None) -> Place:
        return self.shared.get(str(sid), self.place)


class Permission(NamedTuple):
    """What can be taken away: `element` is Action, Resource, Principal or the key of a condition; `index` its place in the list."""

    place: Place
    sid: str
    element: str
    index: int  # type: ignore[assignment]  # nobody searches a Permission
    value: str

    def __str__(self) -> str:
        return f"{self.place}, {self.sid}: {self.element} {self.value}"


class Verdict(NamedTuple):
    refused: tuple[Call, ...]
    permissions: tuple[Permission, ...]
    unneeded: tuple[Permission, ...]


def call(action: str, resource: str, *, role: str | None = None, service: str | None = None, **context: Any) -> Call:
    """One call; keys of its context as they are spelled, with `__` for the colon."""
    return Call(action, resource, _sorted({key.replace("__", ":"): value for key, value in context.items()}), role, service)


def call_of_record(record: Mapping[str, Any]) -> Call:
    """What `local.cloud.calls` kept."""
    policies = record["session_policies"] or {}
    if policies.get("PolicyArns"):
        raise NotImplementedError("sessions under managed policies: local/cloud/calls.py does not keep what these say yet")
    return Call(record["action"], record["resource"], _sorted(record["context"]), record["role"], None, policies.get("Policy"))


def judge(calls: frozenset[Call], given: tuple[Given, ...]) -> Verdict:
    """Every call that is refused, every permission there is, and those that no call needs."""
    policies = _Deployed(given)
    citing: defaultdict[tuple[Place, str | None], list[Call]] = defaultdict(list)
    refused = []
    for each in sorted(calls, key=str):
        decision = policies.decide(each)
        if decision.outcome != "allowed":
            refused.append(each)
            continue
        for place_and_sid in policies.cited(each, decision):
            citing[place_and_sid].append(each)
    permissions = tuple(dict.fromkeys(permission for each in given for permission in permissions_of(each)))
    unneeded = tuple(each for each in permissions if not _is_needed(each, citing[each.place, each.sid], given))
    return Verdict(tuple(refused), permissions, unneeded)


def permissions_of(given: Given) -> Iterator[Permission]:
    """Every permission of the policy. A list of one is no list: without it the statement has no meaning, and its actions stand for it."""
    for statement in _statements(given.document):
        if statement["Effect"] != "Allow":
            continue
        place, sid = given.place_of(statement["Sid"]), statement["Sid"]
        for index, action in enumerate(_as_list(statement["Action"])):
            yield Permission(place, sid, "Action", index, action)
        lists: dict[str, Any] = {"Resource": statement.get("Resource", [])}
        if isinstance(statement.get("Principal"), dict):
            lists |= {f"Principal {kind}": values for kind, values in statement["Principal"].items()}
        for operator, keys in statement.get("Condition", {}).items():
            lists |= {f"{operator} {key}": values for key, values in keys.items()}
        for element, values in lists.items():
            if len(_as_list(values)) > 1:
                for index, value in enumerate(values):
                    yield Permission(place, sid, element, index, _VARIES.sub("…", str(value)))


def without(permission: Permission, given: Given) -> Given:
    """The policy without the permission."""
    if given.place_of(permission.sid) != permission.place:
        return given
    document = copy.deepcopy(dict(given.document))
    statements = _statements(document)
    statement = next((each for each in statements if each["Sid"] == permission.sid), None)
    if statement is None:
        return given
    element, _, inner = permission.element.partition(" ")
    holder, key = statement, element
    if element == "Principal":
        holder, key = statement["Principal"], inner
    elif inner:
        holder, key = statement["Condition"][element], inner
    left = [each for index, each in enumerate(_as_list(holder[key])) if index != permission.index]
    holder[key] = left
    if not left:
        statements.remove(statement)
    document["Statement"] = statements
    return given._replace(document=document)


def _is_needed(permission: Permission, citing: list[Call], given: tuple[Given, ...]) -> bool:
    mutant = _Deployed(tuple(without(permission, each) for each in given)) if citing else None
    return mutant is not None and any(mutant.decide(each).outcome != "allowed" for each in citing)


class _Deployed:
    """Policies by whom they are of, parsed when they are first asked."""

    def __init__(self, given: tuple[Given, ...]) -> None:
        self._identity: defaultdict[str, list[Given]] = defaultdict(list)
        self._resource: dict[str, Given] = {}
        for each in given:
            if each.kind == "identity":
                self._identity[each.owner].append(each)
            elif each.owner in self._resource:
                raise AssertionError(f"two policies of {each.owner}: {each.place} and {self._resource[each.owner].place}")
            else:
                self._resource[each.owner] = each
        self._parsed: dict[int, Document] = {}

    def decide(self, asked: Call) -> Decision:
        principal = _session_of(asked.role) if asked.role else str(asked.service)
        request = Request(
            principal,
            "AWS" if asked.role else "Service",
            asked.action,
            dict(asked.context),
            asked.resource,
            _owner(asked),
        )
        resource = self._resource.get(_bearer(asked.resource))
        return evaluate(
            Policies(
                identity=tuple(map(self._parse, self._identity[asked.role])) if asked.role else None,
                resource=self._parse(resource) if resource else None,
                session=parse_document(asked.session_policy) if asked.session_policy else None,
            ),
            request,
        )

    def cited(self, asked: Call, decision: Decision) -> Iterator[tuple[Place, str | None]]:
        """The statements that let the call through."""
        for because in decision.because:
            if because.policy == "identity":
                yield self._identity[str(asked.role)][because.index].place_of(because.sid), because.sid
            elif because.policy == "resource":
                yield self._resource[_bearer(asked.resource)].place_of(because.sid), because.sid

    def _parse(self, given: Given) -> Document:
        key = id(given)
        if key not in self._parsed:
            self._parsed[key] = parse_document(dict(given.document))
        return self._parsed[key]


def _session_of(role_arn: str) -> str:
    account_id, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    return f"arn:aws:sts::{account_id}:assumed-role/{name}/{SESSION}"


def _bearer(resource: str) -> str:
    """Whose policy counts for the resource: an object has its bucket's."""
    return resource.partition("/")[0] if resource.startswith("arn:aws:s3:::") else resource


def _owner(asked: Call) -> str | None:
    """The account that the resource is of: the caller's where its ARN names none, such as a bucket's or that of a policy of AWS."""
    named = asked.resource.split(":")[4] if asked.resource.count(":") > 4 else ""
    return named if named.isdigit() else asked.role.split(":")[4] if asked.role else None


def _statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(_as_list(document["Statement"]))


_VARIES: Final = re.compile(r"(?<=:)[0-9]{12}(?=:)|(?<=-)[0-9A-F]{13}$")
"""The account that a template is deployed into, and the end of a name that CloudFormation makes up: what is taken away is the same."""


def _sorted(context: Mapping[str, Any]) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    return tuple(sorted((key, tuple(value) if isinstance(value, list | tuple) else str(value)) for key, value in context.items()))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
