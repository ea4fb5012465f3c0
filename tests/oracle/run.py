"""`make oracle`: policies drawn from a seed, decided by the search and by cvc5, and asked of the judge by requests drawn at random.

A disagreement is one of these, and each is shrunk to a small policy and written down:

* `missed`: cvc5 has a request, and the search claims to have proved that there is none;
* `invented`: the search has a request, and cvc5 has proved that there is none;
* `another witness`: cvc5 agrees that there is a request, but the search's is none;
* `passed`: the evaluator lets a stranger in, and the judge says neither violating nor undecidable.

A Doubt of the search is no answer and counts as none; so does cvc5 where it gives up.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from doorward.findings.model import Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.iam.callers import (
    CALLER,
    NO_ORGANIZATION,
    ORGANIZATION,
    TIME,
    Accounts,
    Resource,
    aws_callers,
    one_organization,
    organizations_other_than,
)
from doorward.iam.callers import (
    PROVIDER as PROVIDER_DIMENSION,
)
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import evaluate_trust_policy
from doorward.iam.github import github_callers
from doorward.iam.search import Callers, Doubt, Found, find_request, ignoring_case
from doorward.iam.sets import Budget, OutOfBudget, Wild, literal, pattern
from doorward.iam.spans import network
from doorward.iam.tokens import Tokens
from doorward.organization.parsing import organization_from
from tests.oracle.draw import Json, draw_case, draw_request
from tests.oracle.encode import (
    GITHUB,
    ONE_ORGANIZATION,
    OUR_ADDRESSES,
    OUR_AUDIENCE,
    OUR_ORGANIZATION,
    OUR_OWNER,
    OURS,
    PROVIDER,
    TRUSTED,
    Content,
    Oracle,
    World,
)

SEED: Final = 20261125
_BATCH: Final = 250
_REQUESTS: Final = 12
_STEPS: Final = 1_500_000
_NOW: Final = datetime(2026, 11, 25, tzinfo=UTC)
_ROLE_ARN: Final = f"arn:aws:iam::{OURS[0]}:role/x"
_ORGANIZATION: Final = organization_from(
    {
        "organization": OUR_ORGANIZATION,
        "management_account": OURS[0],
        "partition": "aws",
        "accounts": [{"id": each, "name": f"account-{each}"} for each in OURS],
        "networks": {"cidrs": [OUR_ADDRESSES]},
        "trusted": {
            "accounts": [{"id": each, "name": f"vendor-{each}", "external_id_required": True} for each in TRUSTED],
            "oidc": [{"issuer": GITHUB, "subjects": [f"repo:{OUR_OWNER}/*"], "audiences": [OUR_AUDIENCE]}],
        },
    }
)
_OURS_ON_THE_NETWORK: Final = tuple(each for each in (network(OUR_ADDRESSES),) if each is not None)
_RESOURCE: Final = Resource("aws", OURS[0], OUR_ORGANIZATION, _OURS_ON_THE_NETWORK)


class Disagreement(NamedTuple):
    kind: str
    policy: Json
    world: World
    told: str

    def as_json(self) -> Json:
        return {"kind": self.kind, "world": self.world._asdict(), "told": self.told, "policy": self.policy}


class Tally(NamedTuple):
    answers: Counter[str]
    doubts: Counter[str]
    disagreements: list[Disagreement]

    def add(self, other: "Tally") -> None:
        self.answers.update(other.answers)
        self.doubts.update(other.doubts)
        self.disagreements.extend(other.disagreements)


def callers_of(world: World) -> Callers:
    """The engine's own description of the world that `encode` describes anew."""
    if world.kind == "aws":
        organizations = {
            "other": organizations_other_than(OUR_ORGANIZATION),
            "none": NO_ORGANIZATION,
            "one": one_organization(ONE_ORGANIZATION),
        }[world.organization]
        accounts = Accounts(world.only, frozenset() if world.only else frozenset((*OURS, *TRUSTED)), ("999988887777",))
        return aws_callers(_RESOURCE, world.form, organizations, accounts)
    tokens = Tokens(
        subjects_excluded=(pattern((*"repo:", *ignoring_case(OUR_OWNER), "/", Wild(many=True))),) if world.by_name else (),
        audiences_excluded=(literal(OUR_AUDIENCE),) if world.strange_audience else (),
        owners_excluded=(OUR_OWNER,),
    )
    return github_callers(_RESOURCE, PROVIDER, tokens, by_name=world.by_name)


def search(policy: Json, world: World) -> Found | Doubt | None:
    """What the search says of the whole policy: somebody, or a proof that there is nobody, or on what it depends."""
    document = parse_document(policy)
    callers = callers_of(world)
    doubts: list[str] = []
    for statement in document.statements:
        for principal in (statement.principals or ()) if statement.effect == "Allow" else ():
            try:
                answer = find_request(document, statement, principal, callers, Budget(_STEPS))
            except OutOfBudget:
                answer = Doubt(("the budget",))
            if isinstance(answer, Found):
                return answer
            if answer is not None:
                doubts += answer.constructs
    return Doubt(tuple(dict.fromkeys(doubts))) if doubts else None


def witness_of(found: Found) -> dict[str, Content]:
    """By condition key, as far as one key alone tells its dimension."""
    known = {
        CALLER: "aws:principalarn",
        ORGANIZATION: "aws:principalorgpaths",
        TIME: "aws:epochtime",
        PROVIDER_DIMENSION: "aws:federatedprovider",
    }
    named = {known.get(dimension, dimension): content for dimension, content in found.values.items()}
    return {name: content for name, content in named.items() if ":" in name}


def compare(oracle: Oracle, policy: Json, world: World) -> tuple[str, tuple[str, ...]]:
    """What came of it, a word of the report; and the constructs of a doubt. A request of the search is tried as it is before any other."""
    told, document = search(policy, world), parse_document(policy)
    if isinstance(told, Doubt):
        return "undecided", told.constructs
    as_found = None if told is None else oracle.is_allowed(document, world, witness_of(told))
    allowed = as_found or oracle.is_allowed(document, world)
    if allowed is None:
        return "gave up", ()
    if told is None:
        return ("missed" if allowed else "agreed: none"), ()
    return ("invented" if not allowed else "another witness" if as_found is False else "agreed: found"), ()


def passed(policy: Json, *, is_aws: bool, seed: str, requests: int = _REQUESTS) -> str | None:
    """A request of a stranger that the evaluator allows although the judge is content; else None."""
    luck, document = random.Random(seed), parse_document(policy)  # noqa: S311 - not for secrets
    for _ in range(requests):
        request = draw_request(luck, policy, is_aws=is_aws, resource=_ROLE_ARN)
        if evaluate_trust_policy(document, request).outcome == "allowed":
            role = Role(OURS[0], "x", "/", _ROLE_ARN, "AROAX", json.dumps(policy))
            verdict = judge(role, _ORGANIZATION, Guardrails(), now=_NOW).verdict
            return str(request) if verdict is Verdict.COMPLIANT else None
    return None


def batch(seed: int, numbers: range, *, limit: int = 10_000) -> Tally:
    """One question after the other, by one cvc5."""
    oracle = Oracle(limit=limit)
    tally = Tally(Counter(), Counter(), [])
    for number in numbers:
        policy, world = draw_case(seed, number)
        outcome, constructs = compare(oracle, policy, world)
        tally.answers[outcome] += 1
        tally.doubts.update(constructs)
        if outcome in {"missed", "invented", "another witness"}:
            small = smallest(policy, lambda each: compare(oracle, each, world)[0] == outcome)  # noqa: B023 - used at once
            tally.disagreements.append(Disagreement(outcome, small, world, f"policy {number} of seed {seed}"))
        sampled = partial(passed, is_aws=world.kind == "aws", seed=f"{seed}-{number}")
        let_in = sampled(policy)
        if let_in is not None:
            tally.answers["passed"] += 1
            small = smallest(policy, lambda each: sampled(each) is not None)  # noqa: B023 - used at once
            tally.disagreements.append(Disagreement("passed", small, world, sampled(small) or let_in))
    return tally


# Shrinking


def smallest(policy: Json, still: Callable[[Json], bool]) -> Json:
    """The policy with everything taken out that does not matter."""
    shrunk = True
    while shrunk:
        shrunk = False
        for each in _smaller(policy):
            if still(each):
                policy, shrunk = each, True
                break
    return policy


def _smaller(policy: Json) -> Iterator[Json]:
    statements = policy["Statement"]
    for index, statement in enumerate(statements):
        rest = [*statements[:index], *statements[index + 1 :]]
        if rest:
            yield policy | {"Statement": rest}
        for each in _smaller_statements(statement):
            yield policy | {"Statement": [*statements[:index], each, *statements[index + 1 :]]}


def _smaller_statements(statement: Json) -> Iterator[Json]:
    block = statement.get("Condition", {})
    for operator, keys in block.items():
        for key, values in keys.items():
            others = {name: each for name, each in keys.items() if name != key}
            left = {name: others if name == operator else each for name, each in block.items()}
            yield statement | {"Condition": {name: each for name, each in left.items() if each}}
            if isinstance(values, list):
                for fewer in _fewer(values):
                    yield statement | {"Condition": block | {operator: keys | {key: fewer}}}
    for kind, values in statement["Principal"].items():
        if isinstance(values, list):
            for fewer in _fewer(values):
                yield statement | {"Principal": {kind: fewer}}


def _fewer(values: list[Any]) -> Iterator[Any]:
    for index in range(len(values)):
        left = [*values[:index], *values[index + 1 :]]
        if left:
            yield left[0] if len(left) == 1 else left


# The command


def main() -> int:
    parser = argparse.ArgumentParser(prog="make oracle", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--policies", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first policy")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=int, default=10_000, help="when cvc5 gives a policy up; more decides more")
    parser.add_argument("--write", type=Path, default=Path("oracle-disagreements.json"))
    arguments = parser.parse_args()
    last = arguments.first + arguments.policies
    batches = [range(start, min(start + _BATCH, last)) for start in range(arguments.first, last, _BATCH)]
    total, began, done = Tally(Counter(), Counter(), []), time.perf_counter(), 0
    with multiprocessing.get_context("spawn").Pool(arguments.workers, maxtasksperchild=8) as pool:
        for tally in pool.imap_unordered(partial(batch, arguments.seed, limit=arguments.limit), batches):
            total.add(tally)
            done += 1
            if sys.stderr.isatty() or done % 40 == 0:
                print(f"{min(done * _BATCH, arguments.policies)} policies, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return report(total, arguments.policies, time.perf_counter() - began, arguments.write)


def report(total: Tally, policies: int, seconds: float, file: Path) -> int:
    print(f"{policies} policies in {seconds:.0f} s")
    for name, count in sorted(total.answers.items()):
        print(f"  {count:8} {name}")
    print("  no answer of the search, by what it depends on (a policy may have several):")
    for construct, count in total.doubts.most_common(40):
        print(f"  {count:8} {construct}")
    if not total.disagreements:
        print("no disagreement")
        return 0
    file.write_text(json.dumps([each.as_json() for each in total.disagreements], indent=2) + "\n")
    print(f"{len(total.disagreements)} disagreements, the smallest policy that shows each in {file}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
