"""The search for a witness beside cvc5: which strangers does a trust policy let in? Both answer the same questions and must agree.

The strangers are those of the oracle (tests/oracle): AWS principals of one form, or GitHub's tokens, that are neither ours nor trusted.
cvc5 is asked in its own terms, which `tests/oracle/encode.py` writes; making them is part of its time, as reading the policy is of ours.
Only policies that both decide count for the ratio: a cvc5 that gives up has cost its limit and nothing else.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from bench import policies
from bench.runner import Extent, Row, alternate, forget, settle
from doorward.iam.documents import parse_document
from doorward.iam.search import Doubt, Found
from tests.oracle.draw import Json, draw_case
from tests.oracle.encode import GITHUB, PROVIDER, Oracle, World
from tests.oracle.run import SEED, search

_LIMIT: Final = 60_000  # of cvc5's units of work, about a second
_P99_MS: Final = 5
_BUDGET_MS: Final = 50
_FORMS: Final = (World("aws"), World("aws", form="user"))
_GITHUB_PROVIDER: Final = re.compile(rf"arn:aws:iam::[0-9]{{12}}:oidc-provider/{re.escape(GITHUB)}")

type Case = tuple[Json, World]


def measure(extent: Extent) -> list[Row]:
    typical, drawn = _typical(extent.searched), [draw_case(SEED, number) for number in range(extent.searched)]
    beside, times = _beside_cvc5("typical policies", typical, extent)
    hard_beside, hard_times = _beside_cvc5("policies drawn to be hard", drawn, extent)
    return [
        Row("witness search, typical policies, cold: x cvc5", beside, "x", 40),
        Row("witness search, typical policies: p99", _p99(times), "ms", _P99_MS, is_floor=False),
        Row("witness search, policies drawn to be hard, cold: x cvc5", hard_beside, "x"),
        Row("witness search, policies drawn to be hard: p99", _p99(hard_times), "ms"),
        Row("witness search, both: the longest of all", max(*times, *hard_times), "ms", _BUDGET_MS, is_floor=False),
    ]


def _typical(count: int) -> list[Case]:
    """Policies as organizations have them, each before the kind of stranger that it could let in."""
    texts = [_GITHUB_PROVIDER.sub(PROVIDER, each) for each in policies.corpus(count)]
    return [(json.loads(each), World("github") if PROVIDER in each else _FORMS[number % 2]) for number, each in enumerate(texts)]


def _beside_cvc5(name: str, cases: list[Case], extent: Extent) -> tuple[float, list[float]]:
    """The ratio, and how many milliseconds of ours each policy took in each round."""
    rounds: dict[str, list[list[float]]] = {"doorward": [], "cvc5": []}
    answers: dict[str, list[str]] = {}

    def ours() -> float:
        forget()
        return timed("doorward", lambda policy, world: _ours(search(policy, world)))

    def theirs() -> float:
        oracle = Oracle(limit=_LIMIT)
        return timed("cvc5", lambda policy, world: _told(oracle, policy, world))

    def timed(who: str, answer: Callable[[Json, World], str]) -> float:
        settle()
        taken, answers[who] = [], []
        for policy, world in cases:
            before = time.process_time()
            answers[who].append(answer(policy, world))
            taken.append(time.process_time() - before)
        rounds[who].append(taken)
        return sum(taken)

    alternate(extent.rounds, {"doorward": ours, "cvc5": theirs})
    told = list(zip(answers["doorward"], answers["cvc5"], strict=True))
    both = [index for index, pair in enumerate(told) if "undecided" not in pair and "gave up" not in pair]
    seconds = {who: sorted(sum(taken[index] for index in both) for taken in measured) for who, measured in rounds.items()}
    middle = {who: measured[len(measured) // 2] for who, measured in seconds.items()}
    pairs = "; ".join(f"{count} {our} / {their}" for (our, their), count in Counter(told).most_common())
    print(f"  {name}: {len(both) / middle['doorward']:,.0f} a second, cvc5 {len(both) / middle['cvc5']:,.0f}; ours / cvc5's: {pairs}")
    return middle["cvc5"] / middle["doorward"], [each * 1e3 for taken in rounds["doorward"] for each in taken]


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def _ours(answer: Found | Doubt | None) -> str:
    return "found" if isinstance(answer, Found) else "none" if answer is None else "undecided"


def _told(oracle: Oracle, policy: Json, world: World) -> str:
    allowed = oracle.is_allowed(parse_document(policy), world)
    return "gave up" if allowed is None else "found" if allowed else "none"
