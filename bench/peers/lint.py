"""Runs parliament's full lint over policies, in parliament's own environment (`make peers`).

Standard input: one policy a line, as a JSON string of its text. Standard output: the CPU seconds of the pass, and how many findings it had.
"""

import json
import sys
import time

import parliament


def main() -> None:
    texts = [json.loads(line) for line in sys.stdin]
    parliament.analyze_policy_string(texts[0])  # what it loads once is no part of the pass
    before = time.process_time()
    findings = sum(len(parliament.analyze_policy_string(each).findings) for each in texts)
    print(json.dumps({"seconds": time.process_time() - before, "findings": findings}))


if __name__ == "__main__":
    main()
