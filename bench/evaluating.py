"""The concrete evaluator beside @cloud-copilot/iam-simulate, on the same generated requests.

Cold is from the JSON text of a request and all its policies to the decision, with nothing kept from an earlier one. Compiled is a decision
with the policies read before and the request as a value: what a caller pays who asks the same policies again. The peer has no such
form, so both are set against its one call (`JSON.parse` and `runSimulation`). The decisions of the two are compared one by one.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.generated_requests import SEED, generate
from bench.runner import SIMULATE, Extent, Row, alternate, rates, ratio, run

_OUTCOMES: Final = {"Allowed": "allowed", "ImplicitlyDenied": "implicitly_denied", "ExplicitlyDenied": "explicitly_denied"}


class Corpus(NamedTuple):
    name: str
    six_layers: bool
    cold_target: float
    compiled_target: float


CORPORA: Final = (
    Corpus("trust + one identity policy", False, 15, 150),
    Corpus("six layers", True, 8, 80),
)

# Runs in a process of its own: nothing of the bench is in memory, and nothing is kept between the repetitions of cold.
_OURS: Final = """
import gc, json, sys, time
from doorward.iam import evaluate
from doorward.iam.requests import evaluate_json, parse_question
lines = [line for line in open(sys.argv[1], encoding="utf-8") if line.strip()]
decisions = [evaluate_json(json.loads(line))["decision"] for line in lines]
evaluate.forget()
gc.collect(); gc.freeze()
before = time.process_time()
for line in lines:
    evaluate.forget()
    evaluate_json(json.loads(line))
cold = time.process_time() - before
compiled = [(evaluate.compile_policies(each.policies).decide, each.request) for each in map(parse_question, map(json.loads, lines))]
for decide, request in compiled:
    decide(request)
gc.collect(); gc.freeze()
before = time.process_time()
for decide, request in compiled:
    decide(request)
print(json.dumps({"decisions": decisions, "cold": cold, "compiled": time.process_time() - before}))
"""


def measure(extent: Extent) -> list[Row]:
    return [row for corpus in CORPORA for row in _beside_the_peer(corpus, extent)]


def _beside_the_peer(corpus: Corpus, extent: Extent) -> list[Row]:
    requests = generate(six_layers=corpus.six_layers, count=extent.requests)
    compiled: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests.jsonl"
        file.write_text("".join(f"{json.dumps(each)}\n" for each in requests))
        answers: dict[str, list[str]] = {}

        def ours() -> float:
            answer = json.loads(run([sys.executable, "-I", "-c", _OURS, str(file)]))
            answers["ours"] = answer["decisions"]
            compiled.append(answer["compiled"])
            return float(answer["cold"])

        def theirs() -> float:
            answer = json.loads(run(["node", str(SIMULATE), str(file), "1"]))
            answers["theirs"] = answer["decisions"]
            return float(answer["seconds"][0])

        seconds = alternate(extent.rounds, {"iam-simulate": theirs, "doorward, cold": ours}) | {"doorward, compiled": compiled}
    for name, measured in seconds.items():
        print(f"  {corpus.name}, {name:20}{rates(extent.requests, measured)}")
    print(f"  {extent.requests} requests of seed {SEED}: {_compared(requests, answers['ours'], answers['theirs'])}")
    theirs_cpu, cold = seconds["iam-simulate"], seconds["doorward, cold"]
    return [
        Row(f"evaluate, {corpus.name}, cold: x iam-simulate", ratio(theirs_cpu, cold), "x", corpus.cold_target),
        Row(f"evaluate, {corpus.name}, compiled: x iam-simulate", ratio(theirs_cpu, compiled), "x", corpus.compiled_target),
    ]


def _compared(requests: list[dict[str, Any]], ours: list[str], theirs: list[str]) -> str:
    different = Counter(
        (our, _OUTCOMES.get(their, their[:60]), _cause(request))
        for request, our, their in zip(requests, ours, theirs, strict=True)
        if our != _OUTCOMES.get(their)
    )
    return f"{len(requests) - different.total()} decided alike" + "".join(
        f"\n    {count:4} x {our}, the peer {their}: {cause}" for (our, their, cause), count in different.items()
    )


def _cause(question: dict[str, Any]) -> str:
    """Why the two differ on a request, as docs/performance.md explains it; "not explained" is a fault to look into."""
    request, policies = question["request"], question["policies"]
    if request.get("principal_type") == "Federated":
        return "the provider's ARN as the caller"
    if request.get("principal_type") == "Service":
        return 'a Deny of {"AWS": "*"} and a service'
    if request["principal"].split(":")[4] != request["resource_account"]:
        return "not explained"
    named = [value for each in policies["resource"]["Statement"] if each["Effect"] == "Allow" for value in _named(each)]
    if (policies.get("session") or policies.get("permissions_boundary")) and {"*", request["principal"]} & set(named):
        return "named by session ARN or * in the same account, and limited by boundary or session policy"
    arn = request["context"].get("aws:PrincipalArn", "")
    if any(each != arn and each.rpartition("/")[2] == arn.rpartition("/")[2] for each in named):
        return "a role of the same name and another path"
    return "not explained"


def _named(statement: dict[str, Any]) -> list[str]:
    named = statement["Principal"].get("AWS", [])
    return [named] if isinstance(named, str) else named
