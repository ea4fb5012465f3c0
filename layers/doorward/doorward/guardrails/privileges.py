"""What makes a role privileged: ways (`escalations`) by which whoever holds its session can do what nobody gave him.

The role's policies, less its permissions boundary, are asked by the evaluator for calls on things that no policy has in mind: a role, a
user, a policy, a function of the account with a name of ours. So a permission that is bound to what it names is none of these, and
neither is one that a Deny takes away.

| of one way, each call is                                                   | the role is |
|----------------------------------------------------------------------------|-------------|
| allowed                                                                    | privileged  |
| allowed once it has taken its own boundary off, and that is allowed        | privileged  |
| allowed by a policy that it may attach to itself, within its boundary      | privileged  |
| allowed where a condition is met that is not decided                       | unsure      |
| allowed, if a policy that was not read, or another version of one, does so | unsure      |
| else                                                                       | not         |

What is sure hangs on nothing but what every such request says (`certainty`). Who is sure of nothing has shown nothing to be safe.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final

from doorward.errors import MalformedInput
from doorward.guardrails import escalations
from doorward.guardrails.certainty import ATTACHED, PASSED_TO, Certainty, said_of
from doorward.guardrails.escalations import Calls, action_of, may_be_of_a_way, resource_of
from doorward.guardrails.model import Permissions, Role
from doorward.guardrails.policies_of_aws import DEPENDING, is_whole, name_of_aws, text_of_aws
from doorward.guardrails.protected import RESERVED_PATH, SERVICE_LINKED_PATH
from doorward.iam.arns import IAM_REGIONS, is_of_aws, parse_arn
from doorward.iam.conditions import FoldedContext
from doorward.iam.documents import Document, parse_document
from doorward.iam.evaluate import CompiledPolicies, Policies, Request, compile_policies
from doorward.iam.wording import shortened
from doorward.values import NamedTuple

_EVERYTHING, _AS_ROLES, _TO_OTHERS = (
    "do whatever the account can",
    "act as other roles of the account",
    "give users of the account whatever permission it likes",
)


class Step(NamedTuple):
    """Requests, all of which are allowed, and in words on what."""

    requests: tuple[Request, ...]
    on: str

    @property
    def calls(self) -> Calls:
        return tuple(dict.fromkeys(each.action for each in self.requests))


class Power(NamedTuple):
    """What follows, as what the role may do; the steps that it takes, in order; the policy that allows the first of them."""

    follows: str
    steps: tuple[Step, ...]
    policy: str

    @property
    def calls(self) -> Calls:
        return tuple(dict.fromkeys(call for step in self.steps for call in step.calls))

    @property
    def alone(self) -> bool:
        """Whether it needs nobody else's role for whatever the account can do."""
        return self.follows == _EVERYTHING


class Unsure(NamedTuple):
    """On what it depends, and a clause that says why that is not decided."""

    construct: str
    because: str


class _Call(NamedTuple):
    """What is asked for. `passed_to`: the service to which a role is passed."""

    action: str
    resource: str
    region: str
    passed_to: str | None = None


class _Way(NamedTuple):
    follows: str
    calls: tuple[_Call, ...]
    on: str


class _Held(NamedTuple):
    """Policies by name, and what limits them; the `steps` that it took to hold them, and the policy that allowed the first."""

    named: tuple[tuple[str, Document], ...]
    boundary: Document | None
    steps: tuple[Step, ...] = ()
    policy: str = ""

    @property
    def resources(self) -> tuple[str, ...]:
        return tuple(each for _, document in self.named for statement in document.statements for each in statement.resources or ())


_REGION_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]", re.ASCII)
_MOST_REGIONS: Final = 40  # more than there are
_MOST_NAMES: Final = 8
_ARN_COLONS: Final = 5
_NAME_ENDS: Final = re.compile("[/:]")


def power_of(role: Role) -> Power | Unsure | None:
    """The gravest power that the role's policies give, as far as they are known; None: they give none."""
    permissions = role.permissions
    if permissions is None:
        return None
    known: list[tuple[str, Document]] = []
    unread: list[tuple[str, Document]] = []
    for name, text in permissions.policies:
        document = _read(name, text)
        if document is not None:
            known.append((name, document))
        if document is None or (text is None and not is_whole(name)):
            unread.append((name, _at_worst(name)))
    asking, certainty = _Asking(role, _regions(role, known)), Certainty(role.arn, role.account_id)
    boundary = _boundary_of(role)
    most = [(name, certainty.at_most(each)) for name, each in known]
    if isinstance(boundary, Unsure):
        # What it leaves of the rest is not known; without it, there is the most that there can be.
        return None if asking.gravest([*most, *unread], None) is None else boundary
    sure = asking.gravest([(name, certainty.at_least(each)) for name, each in known], boundary and certainty.at_least(boundary))
    return sure or _unsure(asking, most, boundary and certainty.at_most(boundary), unread, _not_read(permissions))


def _unsure(
    asking: "_Asking",
    most: list[tuple[str, Document]],
    limit: Document | None,
    unread: list[tuple[str, Document]],
    because: str,
) -> Unsure | None:
    """Why it is not known that the role has no power; None: it is. `because`: why policies were not read."""
    possible = asking.gravest(most, limit)
    if possible is not None:
        by = " and ".join(possible.calls)
        return Unsure(f"conditions of policy {shortened(possible.policy)}", f"it allows {by} under conditions that are not decided")
    other = asking.other_version(most, limit)
    if other is not None:
        return Unsure(f"the versions of policy {shortened(other)}", "it may make another of them count, and what they allow was not read")
    for each in unread:
        if asking.gravest([*most, each], limit) is not None:
            return Unsure(f"policy {shortened(each[0])}", because)
    return Unsure("its policies", "they name more regions, or more kinds of names, than are looked at") if asking.is_cut else None


def _regions(role: Role, known: Iterable[tuple[str, Document]]) -> list[str]:
    """Where calls are asked for: where IAM is at home first, then wherever a policy speaks of."""
    home = IAM_REGIONS.get(_partition(role), IAM_REGIONS["aws"])
    statements = [each for _, document in known for each in document.statements]
    texts = [
        *(text for each in statements for text in (*(each.resources or ()), *(each.not_resources or ()))),
        *(f":::{value}:" for each in statements for condition in each.conditions for value in condition.values),
    ]
    named = {part for text in texts for part in text.split(":")[3:4] if _REGION_NAME.fullmatch(part)}
    return [home, *sorted(named - {home})]


def _not_read(permissions: Permissions) -> str:
    return f"what it allows was not read ({permissions.unread_because or 'its text is not known'})"


def _read(name: str, text: str | None) -> Document | None:
    """What is known of a policy; None where that is nothing."""
    text = text_of_aws(name) if text is None else text
    try:
        return None if text is None else _of_ways(parse_document(text))
    except MalformedInput:
        return None


def _of_ways(document: Document) -> Document:
    """Without actions that no way goes by: AWS's own policies have thousands."""
    kept = (
        each if each.actions is None else each._replace(actions=tuple(filter(may_be_of_a_way, each.actions)))
        for each in document.statements
    )
    return document._replace(statements=tuple(each for each in kept if each.actions != ()))


def _at_worst(name: str) -> Document:
    """What a policy may allow whose text is not known. One of AWS's own that is not among those known by name is no way by itself."""
    return _HALVES if is_of_aws(name) and name_of_aws(name) not in DEPENDING else _ALL[1]


def _boundary_of(role: Role) -> Document | Unsure | None:
    """None: there is none."""
    arn = role.permissions_boundary
    if arn is None:
        return Unsure("the permissions boundary", "whether the role has one is not known")
    if not arn:
        return None
    text = None if role.permissions is None else role.permissions.boundary
    document = None if text is None and not is_whole(arn) else _read(arn, text)
    return document or Unsure(f"the permissions boundary {shortened(arn)}", "what it allows was not read")


def _partition(role: Role) -> str:
    arn = parse_arn(role.arn)
    return "aws" if arn is None else arn.partition


class _Asking:
    """Which calls a role's session asks for, in each of the regions, of which IAM's is the first."""

    def __init__(self, role: Role, regions: list[str]) -> None:
        self._partition, self._account_id = _partition(role), role.account_id
        # Of the texts themselves, so that none of them can name what it will be asked for.
        texts = repr(role.permissions).encode("utf-8", "surrogatepass")
        self._whichever = f"whichever-{sha256(texts).hexdigest()[:12]}"
        name = role.name or self._whichever
        self._session = f"arn:{self._partition}:sts::{role.account_id}:assumed-role/{name}/outsider"
        self._itself = role.arn or f"arn:{self._partition}:iam::{role.account_id}:role/{name}"
        attached = () if role.permissions is None else (each.name for each in role.permissions.policies)
        self._attached = tuple(each for each in attached if _is_the_accounts(each))
        self._limit = role.permissions_boundary if role.permissions_boundary and _is_the_accounts(role.permissions_boundary) else None
        self._home, *_ = self._regions = regions
        self._contexts = {each: FoldedContext(said_of(self._itself, role.account_id, each)) for each in regions}
        # Whichever role it assumes trusts its account.
        trust = {"Effect": "Allow", "Principal": {"AWS": role.account_id}, "Action": "sts:AssumeRole"}
        self._trust = parse_document({"Version": "2012-10-17", "Statement": [trust]})
        self.is_cut = len(regions) > _MOST_REGIONS
        """Whether the policies name more than is asked for."""

    def gravest(self, named: Iterable[tuple[str, Document]], boundary: Document | None) -> Power | None:
        """What these policies give within that boundary, or by what of it the role may change."""
        asked: _Asked | None = self._asked(_Held(tuple(named), boundary))
        found: Power | None = None
        while asked is not None and not (found is not None and found.alone):
            found = asked.power(self._ways(asked)) or found
            wider = self._widened(asked)
            asked = wider and self._asked(wider)
        return found

    def other_version(self, named: list[tuple[str, Document]], boundary: Document | None) -> str | None:
        """The policy of which the role may make another version count, where that may give it more."""
        asked = self._asked(_Held(tuple(named), boundary))
        limit = () if self._limit is None or self.gravest(named, None) is None else (self._limit,)
        policies = (*self._attached, *limit)
        return next((each for each in policies if asked.allows(_Call(escalations.OLD_VERSION, each, self._home)) is not None), None)

    def _asked(self, held: "_Held") -> "_Asked":
        identity = tuple(document for _, document in held.named)
        policies = Policies(identity=identity, permissions_boundary=held.boundary, resource=self._trust)
        return _Asked(held, compile_policies(policies), self._request)

    def _ways(self, asked: "_Asked") -> Iterator[_Way]:
        """The gravest first. Calls of IAM have its one region."""
        if asked.held.boundary is None:
            for call, on in self._rewriting():
                yield _Way(_EVERYTHING, (call,), on)
        for calls in escalations.CHANGES:
            yield _Way(_EVERYTHING, self._calls(calls, self._home), _WHICHEVER)
        for kind, makings in escalations.MAKES.items():
            for calls in makings:
                for name in self._names(asked.held, calls[0]):
                    yield _Way(_EVERYTHING, self._calls(calls, self._home, name), f"a new {kind}")
        (passing,) = self._calls(("iam:PassRole",), self._home)
        passed = [
            (each, [(calls, self._names(asked.held, calls[0])) for calls in ways])
            for service, ways in escalations.RUNS_AS.items()
            for spelled in _spelled(service, self._partition)
            for each in [passing._replace(passed_to=spelled)]
            if asked.allows(each) is not None
        ]
        for region in self._regions[:_MOST_REGIONS]:
            for each, ways in passed:
                for calls, names in ways:
                    yield from (_Way(_AS_ROLES, (each, *self._calls(calls, region, name)), _WHICHEVER) for name in names)
            for calls in escalations.TAKES_OVER:
                yield _Way(_AS_ROLES, self._calls(calls, region), _WHICHEVER)
        for calls in escalations.GIVES:
            yield _Way(_TO_OTHERS, self._calls(calls, self._home), _WHICHEVER)

    def _rewriting(self) -> Iterator[tuple[_Call, str]]:
        for action in escalations.REWRITES:
            yield _Call(action, self._itself, self._home), "itself"
        for arn in self._attached:
            yield _Call(escalations.NEW_VERSION, arn, self._home), "a policy of its own"

    def _lifting(self) -> Iterator[tuple[_Call, str]]:
        for action in escalations.LIFTS:
            yield _Call(action, self._itself, self._home), "itself"
        if self._limit is not None:
            yield _Call(escalations.NEW_VERSION, self._limit, self._home), "its boundary"

    def _widened(self, asked: "_Asked") -> "_Held | None":
        """What the role holds once it has made use of what it may do to itself; None where that is no more."""
        held = asked.held
        if held.boundary is None:
            return None
        free = held._replace(boundary=None)
        # What its other policies deny, they still do.
        full = held._replace(named=(*held.named, _ALL))
        calls = [(free, self._lifting()), *([] if _ALL in held.named else [(full, self._rewriting())])]
        for wider, ways in calls:
            for call, on in ways:
                allowing = asked.allows(call)
                if allowing is not None:
                    steps = (*held.steps, Step((self._request(call),), on))
                    return wider._replace(steps=steps, policy=held.policy or allowing)
        return None

    def _names(self, held: "_Held", call: str) -> list[str]:
        """Of what is new: a name of ours, and such as fit the patterns of the policies."""
        before, _, after = resource_of(call, self._partition, self._account_id, self._home, "\n").partition("\n")
        *_, kind = parts = before.split(":", _ARN_COLONS)
        names = set[str]()
        for each in held.resources:
            written = each.split(":", _ARN_COLONS)
            name = written[-1].removeprefix(kind).removesuffix(after)
            if written[2:3] == parts[2:3] and written[-1].startswith(kind) and ("*" in name or "?" in name):
                names.add(name if call.startswith("iam:") else _NAME_ENDS.split(name, 1)[0])
        fitting = [
            each.replace("*", self._whichever).replace("?", "x")
            for each in sorted(names)
            if not f"/{each}".startswith((SERVICE_LINKED_PATH, RESERVED_PATH))
        ]
        self.is_cut = self.is_cut or len(fitting) > _MOST_NAMES
        return [self._whichever, *fitting[:_MOST_NAMES]]

    def _calls(self, calls: Calls, region: str, name: str | None = None) -> tuple[_Call, ...]:
        thing = self._partition, self._account_id, region, name or self._whichever
        return tuple(_Call(action_of(each), resource_of(each, *thing), region) for each in calls)

    def _request(self, call: _Call) -> Request:
        context = self._contexts[call.region]
        if call.passed_to is not None:
            context = FoldedContext(context | {PASSED_TO: call.passed_to})
        elif call.action in _ATTACHING:
            context = FoldedContext(context | {ATTACHED: f"arn:{self._partition}:iam::aws:policy/AdministratorAccess"})
        return Request(self._session, "AWS", call.action, context, call.resource, self._account_id)


_WHICHEVER: Final = "whichever there is"
_ALL: Final = (
    "a policy that it attaches",
    parse_document({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
)
# What a policy of AWS's own may add, if it is none that is known by name.
_HALVES: Final = parse_document(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": sorted({call for ways in escalations.RUNS_AS.values() for calls in ways for call in calls}),
                "Resource": "*",
            }
        ],
    }
)
# Calls that say which policy they attach: the gravest, if it likes.
_ATTACHING: Final = frozenset(("iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:AttachGroupPolicy"))


class _Asked:
    """What is allowed to the role while it holds these policies. Each call is asked once."""

    def __init__(self, held: _Held, policies: CompiledPolicies, request: Callable[[_Call], Request]) -> None:
        self.held = held
        self._policies, self._request = policies, request
        self._known: dict[_Call, str | None] = {}

    def power(self, ways: Iterable[_Way]) -> Power | None:
        for follows, calls, on in ways:
            first = self.allows(calls[0])
            if first is not None and all(self.allows(each) is not None for each in calls[1:]):
                step = Step(tuple(self._request(each) for each in calls), on)
                return Power(follows, (*self.held.steps, step), self.held.policy or first)
        return None

    def allows(self, call: _Call) -> str | None:
        """The policy that does."""
        if call not in self._known:
            decision = self._policies.decide(self._request(call))
            index = next((each.index for each in decision.because if each.policy == "identity"), 0)
            self._known[call] = self.held.named[index][0] if decision.outcome == "allowed" else None
        return self._known[call]


def _is_the_accounts(policy: str) -> bool:
    """Whether this is the ARN of a managed policy that is not AWS's own, so that somebody may write it."""
    arn = parse_arn(policy)
    return arn is not None and arn.service == "iam" and arn.resource.startswith("policy/") and not is_of_aws(policy)


def _spelled(service: str, partition: str) -> tuple[str, ...]:
    """A service's principal: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html."""
    return (service, f"{service}.cn") if partition == "aws-cn" else (service,)
