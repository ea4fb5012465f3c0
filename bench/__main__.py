"""`make bench`: what docs/performance.md states, beside the peers that it is stated against.

One core, CPU time, contestants in turn, the median of five rounds. The exit status is 1 where a target was missed.
"""

import argparse
import importlib
import sys
import time
from typing import Final

from bench.runner import FULL, QUICK, Row, on_one_core

ROWS: Final = (
    "cold_start",
    "receiving",
    "importing",
    "judging",
    "evaluating",
    "searching",
    "containing",
    "sweeping",
    "reacting",
    "loading",
)
SLOW: Final = ("stack_rate", "issuing")
"""Only where it is asked for."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "rows",
        nargs="*",
        choices=[*ROWS, *SLOW, []],
        metavar="NAME",
        help=f"only these: {', '.join(ROWS)}; or {', '.join(SLOW)}, left out otherwise",
    )
    parser.add_argument("--quick", action="store_true", help="smaller corpora and fewer rounds: to see that it runs, not to state figures")
    arguments = parser.parse_args()
    extent = QUICK if arguments.quick else FULL
    on_one_core()
    measured: list[Row] = []
    for name in arguments.rows or ROWS:
        began = time.perf_counter()
        print(f"{name}", flush=True)
        measured += importlib.import_module(f"bench.{name}").measure(extent)
        print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
    print("\nIn one run, on one core, CPU time, medians (stack_rate, issuing: wall clock, every core):")
    for row in measured:
        print(row)
    return 0 if all(row.is_met for row in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
