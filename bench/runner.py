"""What every row of the bench shares: one core, CPU time, contestants in turn, medians, and a line that says whether the target was met."""

import gc
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

PEERS: Final = Path(__file__).parents[1] / ".tools" / "peers"
PARLIAMENT: Final = PEERS / "parliament" / "bin" / "python"
SIMULATE: Final = PEERS / "node" / "simulate.mjs"


class Extent(NamedTuple):
    """How much to measure."""

    rounds: int
    policies: int
    searched: int
    requests: int
    starts: int
    swept: int
    loaded: int


FULL: Final = Extent(rounds=5, policies=5_000, searched=200, requests=5_000, starts=15, swept=1_000, loaded=1_000_000)
QUICK: Final = Extent(rounds=3, policies=150, searched=40, requests=500, starts=5, swept=50, loaded=5_000)


class Row(NamedTuple):
    """One measured figure. `target` None: told, not promised. `is_floor`: the target is the least, else the most."""

    what: str
    measured: float
    unit: Literal["x", "ms", "min", "MB", "1/s"]
    target: float | None = None
    is_floor: bool = True
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.target is None or (self.measured >= self.target if self.is_floor else self.measured <= self.target)

    def __str__(self) -> str:
        target = "" if self.target is None else f"target {'>=' if self.is_floor else '<='} {self.target:g} {self.unit}"
        verdict = "" if self.target is None else "met" if self.is_met else "MISSED"
        return f"  {self.what:58}{_short(self.measured):>9} {self.unit:3} {target:20} {verdict:7} {self.note}".rstrip()


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:,.1f}" if figure >= 10 else f"{figure:,.2f}"  # noqa: PLR2004


def on_one_core() -> None:
    """Put this process, and all that it starts, on one core, so that CPU time is comparable."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@contextmanager
def every_core() -> Iterator[None]:
    """The other rows have one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def alternate(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """CPU seconds of each contestant, round by round: a busy machine is busy for all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, run in contestants.items():
            say(f"round {number + 1} of {rounds}: {name}")
            seconds[name].append(run())
    say("")
    return seconds


def say(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(theirs) / statistics.median(ours)


def rates(count: int, seconds: Iterable[float]) -> str:
    each = sorted(count / second for second in seconds)
    return f"{each[0]:,.0f} / {statistics.median(each):,.0f} / {each[-1]:,.0f} a second"


def run(command: list[str], given: str = "", *, environment: Mapping[str, str] | None = None) -> str:
    """What a program prints. Ends the bench with its complaint where it fails."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        raise SystemExit(f"bench: {command[0]} is missing: run `make peers`") from None
    if done.returncode:
        raise SystemExit(f"bench: {command[0]} failed: {done.stderr}")
    return done.stdout


def ask(command: list[str], lines: Iterable[Any]) -> Any:
    """The answer of a program that reads JSON lines and prints JSON."""
    return json.loads(run(command, "".join(f"{json.dumps(each)}\n" for each in lines)))


def settle() -> None:
    """Nothing that stands now is looked at by the collector again: what is measured pays for what it makes itself."""
    gc.collect()
    gc.freeze()


def forget() -> None:
    """Empty every cache of the engine: all that have `cache_clear`, and what a module keeps otherwise and drops by `forget()`."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "doorward" or module is None:
            continue
        for value in list(vars(module).values()):
            for each in (value, *vars(value).values()) if isinstance(value, type) else (value,):
                clear = getattr(each, "cache_clear", None)
                if callable(clear):
                    clear()
        drop = vars(module).get("forget")
        if callable(drop):
            drop()


def at(values: list[float], share: float) -> float:
    """`values`: the least first."""
    return values[min(len(values) - 1, int(share * len(values)))]
