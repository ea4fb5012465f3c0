"""`make bench-evaluate`: the concrete evaluator beside @cloud-copilot/iam-simulate, on the same generated requests.

Cold is from the JSON text of a request and all its policies to the decision, with nothing kept from an earlier one. Compiled is a decision
with the policies read before and the request as a value: what a caller pays who asks the same policies again. The peer has no such
form, so both are set against its one call (`JSON.parse` and `runSimulation`). Processes run alternately, one at a time, CPU time of each;
the ratio of medians is what counts. The decisions of the two are compared one by one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.generated_requests import COUNT, SEED, generate

_PEERS: Final = Path(__file__).parent / "peers"
_OUTCOMES: Final = {"Allowed": "allowed", "ImplicitlyDenied": "implicitly_denied", "ExplicitlyDenied": "explicitly_denied"}
_IMPORT_TARGET_MS: Final = 15.0


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
_IMPORT: Final = (
    "import sys, time, json; before = time.process_time(); import doorward.iam.evaluate; print((time.process_time() - before) * 1000)"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-evaluate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--differences", action="store_true", help="print every request that the two decide differently")
    arguments = parser.parse_args()
    install_peers()
    missed = measure_import() > _IMPORT_TARGET_MS
    for corpus in CORPORA:
        missed = not measure(corpus, arguments.rounds, show=arguments.differences) or missed
    return 1 if missed else 0


def install_peers() -> None:
    """`npm ci` into bench/peers/node_modules, once."""
    if (_PEERS / "node_modules" / ".package-lock.json").exists():
        return
    print("bench: npm ci in bench/peers", file=sys.stderr)
    if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=_PEERS, check=False).returncode:
        raise SystemExit("bench: npm ci failed in bench/peers; Node 20 or later and access to an npm registry are needed")


def measure_import() -> float:
    measured = sorted(float(_run([sys.executable, "-I", "-c", _IMPORT])) for _ in range(15))
    print(f"import of doorward.iam.evaluate on top of json: {median(measured):.1f} ms CPU (target {_IMPORT_TARGET_MS:.0f})")
    return median(measured)


def measure(corpus: Corpus, rounds: int, *, show: bool) -> bool:
    requests = generate(six_layers=corpus.six_layers)
    theirs: list[float] = []
    cold: list[float] = []
    compiled: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests.jsonl"
        file.write_text("".join(f"{json.dumps(each)}\n" for each in requests))
        for number in range(rounds):
            print(f"\r{corpus.name}: round {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
            ours = json.loads(_run([sys.executable, "-I", "-c", _OURS, str(file)]))
            peer = json.loads(_run(["node", str(_PEERS / "simulate.mjs"), str(file), "1"]))
            cold.append(ours["cold"])
            compiled.append(ours["compiled"])
            theirs += peer["seconds"]
    print(file=sys.stderr)
    print(f"{corpus.name}: {COUNT} requests of seed {SEED}, decisions a second, min / median / max of {rounds}")
    for name, seconds in (("iam-simulate", theirs), ("doorward, cold", cold), ("doorward, compiled", compiled)):
        rates = sorted(COUNT / each for each in seconds)
        print(f"  {name:20}{rates[0]:10,.0f} / {median(rates):10,.0f} / {rates[-1]:10,.0f}")
    ratios = median(theirs) / median(cold), median(theirs) / median(compiled)
    print(
        f"  cold {ratios[0]:.1f} x iam-simulate (target {corpus.cold_target:.0f}), "
        f"compiled {ratios[1]:.0f} x (target {corpus.compiled_target:.0f})"
    )
    _compare(requests, ours["decisions"], peer["decisions"], show=show)
    return ratios[0] >= corpus.cold_target and ratios[1] >= corpus.compiled_target


def _compare(requests: list[dict[str, Any]], ours: list[str], theirs: list[str], *, show: bool) -> None:
    print(f"  decisions: {dict(Counter(ours))}")
    different = [(each, our, their) for each, our, their in zip(requests, ours, theirs, strict=True) if our != _OUTCOMES.get(their)]
    print(
        f"  {COUNT - len(different)} of {COUNT} decided alike; different: {dict(Counter((our, their[:60]) for _, our, their in different))}"
    )
    if show:
        for each, our, their in different:
            print(json.dumps({"ours": our, "theirs": their, **each}))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
