"""The judge with all its rules beside parliament's full lint, from policy text to findings.

Cold: every cache of the engine is emptied before a pass over distinct policies. Again: the same texts a second time. parliament was not
made for trust policies (it stops at a missing Resource), so it is given the same policies without Principal and with a Resource.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import policies
from bench.runner import PARLIAMENT, Extent, Row, alternate, ask, forget, rates, ratio, settle
from doorward.findings.model import Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.organization.parsing import organization_from

_ACCOUNT = policies.ACCOUNTS[-1]
_NOW = datetime(2026, 11, 25, tzinfo=UTC)
_LINT = [str(PARLIAMENT), "-I", str(Path(__file__).parent / "peers" / "lint.py")]


def measure(extent: Extent) -> list[Row]:
    texts = policies.corpus(extent.policies)
    organization = organization_from(policies.organization())
    roles = [Role(_ACCOUNT, "x", "/", f"arn:aws:iam::{_ACCOUNT}:role/x", "AROAX", each) for each in texts]
    guardrails = Guardrails()
    verdicts = [judge(each, organization, guardrails, now=_NOW).verdict for each in roles]
    groups = {
        "compliant": [each for each, verdict in zip(roles, verdicts, strict=True) if verdict is Verdict.COMPLIANT],
        "violating": [each for each, verdict in zip(roles, verdicts, strict=True) if verdict is Verdict.VIOLATING],
        "all": roles,
    }

    def ours(group: list[Role], *, cold: bool) -> float:
        if cold:
            forget()
        settle()
        before = time.process_time()
        for each in group:
            judge(each, organization, guardrails, now=_NOW)
        return time.process_time() - before

    def theirs(group: list[str]) -> float:
        return float(ask(_LINT, group)["seconds"])

    contestants: dict[str, Callable[[], float]] = {}
    for name, group in groups.items():
        contestants[f"parliament, {name}"] = partial(theirs, [lintable(each.trust_policy) for each in group])
        contestants[f"cold, {name}"] = partial(ours, group, cold=True)
    contestants["again, all"] = partial(ours, roles, cold=False)  # after the cold pass over the same ones
    seconds = alternate(extent.rounds, contestants)
    counts = {name: len(group) for name, group in groups.items()}
    for name in contestants:
        print(f"  {name:24}{rates(counts[name.rpartition(', ')[2]], seconds[name])}")
    print(f"  {counts['all']} policies of seed {policies.SEED}: {counts['compliant']} compliant, {counts['violating']} violating")

    def beside(pass_: str, group: str) -> float:
        return ratio(seconds[f"parliament, {group}"], seconds[f"{pass_}, {group}"])

    return [
        Row("judge, cold, compliant policies: x parliament", beside("cold", "compliant"), "x", 20),
        Row("judge, cold, violating, witness included: x parliament", beside("cold", "violating"), "x", 2),
        Row("judge, cold, the whole mix: x parliament", beside("cold", "all"), "x"),
        Row("judge, unchanged texts again: x parliament", beside("again", "all"), "x", 300),
    ]


def lintable(text: str) -> str:
    """The policy as parliament reads policies: without Principal, and about every resource."""
    document: dict[str, Any] = json.loads(text)
    for statement in document["Statement"]:
        del statement["Principal"]
        statement["Resource"] = "*"
    return json.dumps(document)
