"""`make bench`: the cold start of the reaction beside the bare SDK it cannot do without.

Each pair of processes runs alternately, so that a busy machine is busy for both; the ratio of medians is what counts.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from local import artifact

# What the reaction needs of AWS before it can judge a role: enter the account, read the role, keep the ledger, know its external ID.
_CLIENTS: Final = ("sts", "dynamodb", "secretsmanager", "iam")
_TARGET: Final = 1.2

_BARE: Final = f"import boto3\nfor name in {_CLIENTS!r}: boto3.client(name)"
_REACTION: Final = (
    "import handler\n"
    "handler.bootstrap.reaction_tools()\n"
    "handler.bootstrap.client('secretsmanager')\n"
    "import boto3; boto3.client('iam')"  # made per member account, at its first event
)


class Cost(NamedTuple):
    cpu_ms: float
    wall_ms: float


def measure(code: str, folder: Path) -> Cost:
    command, environment = artifact.command("ReactToChangeFunction", code, folder)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr}")
    return Cost((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000, wall * 1000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    costs: dict[str, list[Cost]] = {"interpreter": [], "bare boto3": [], "react_to_change": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            print(f"\rround {number} of {rounds}", end="", file=sys.stderr, flush=True)
            for name, code in (("interpreter", "pass"), ("bare boto3", _BARE), ("react_to_change", _REACTION)):
                cost = measure(code, Path(folder))
                if number:  # the first round warms the file cache
                    costs[name].append(cost)
    print(file=sys.stderr)
    print(f"cold start, {rounds} rounds, CPU ms and wall ms, min / median / max (clients: {', '.join(_CLIENTS)})")
    medians = {}
    for name, measured in costs.items():
        cpu, wall = (sorted(each) for each in zip(*measured, strict=True))
        medians[name] = Cost(statistics.median(cpu), statistics.median(wall))
        figures = [f"{each[0]:6.0f} / {statistics.median(each):6.0f} / {each[-1]:6.0f}" for each in (cpu, wall)]
        print(f"  {name:16} cpu {figures[0]}   wall {figures[1]}")
    ratio = medians["react_to_change"].cpu_ms / medians["bare boto3"].cpu_ms
    wall_ratio = medians["react_to_change"].wall_ms / medians["bare boto3"].wall_ms
    print(f"react_to_change is {ratio:.2f} x bare boto3 with the same clients by CPU, {wall_ratio:.2f} x by wall (target {_TARGET})")
    return 0 if ratio <= _TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
