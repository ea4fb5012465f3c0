"""`python -m bench.judging`: how long the judge takes on a drawn corpus of trust policies, by verdict, CPU microseconds."""

import argparse
import json
import time
from collections import defaultdict
from datetime import UTC, datetime

from bench import policies
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.iam.documents import parse_document
from doorward.organization.parsing import organization_from

_ACCOUNT = policies.ACCOUNTS[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=1000)
    count = parser.parse_args().policies
    texts = policies.corpus(count)
    organization, now = organization_from(policies.organization()), datetime.now(UTC)
    for name, read in (("json.loads", json.loads), ("parse_document", parse_document)):
        began = time.process_time()
        for text in texts:
            read(text)
        print(f"{name:15} mean {(time.process_time() - began) / count * 1e6:6.0f}")
    taken: dict[str, list[float]] = defaultdict(list)
    for text in texts:
        role = Role(_ACCOUNT, "x", "/", f"arn:aws:iam::{_ACCOUNT}:role/x", "AROAX", text)
        began = time.process_time()
        verdict = judge(role, organization, Guardrails(), now=now).verdict
        taken[verdict.value].append((time.process_time() - began) * 1e6)
    for name, times in sorted(taken.items()):
        times.sort()
        median, late = times[len(times) // 2], times[int(len(times) * 0.99)]
        print(
            f"{name:15} mean {sum(times) / len(times):6.0f}   p50 {median:6.0f}   p99 {late:6.0f}   max {times[-1]:6.0f}   n {len(times)}"
        )


if __name__ == "__main__":
    main()
