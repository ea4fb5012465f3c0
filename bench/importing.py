"""What importing the engine adds to a function that has boto3 and the Powertools Logger: CPU and memory, in fresh processes.

And what it is with a first policy judged, since what only the search needs is imported when a policy needs it.
"""

import json
import statistics
import sys
from typing import Final

from bench.runner import Extent, Row, run, say

_CPU_MS: Final = 15
_RSS_MB: Final = 5
# Statm's second field is resident pages, of now; ru_maxrss would be the highest so far.
_IMPORT: Final = """
import json, resource, time
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
import boto3
from aws_lambda_powertools import Logger
pages, before = resident(), time.process_time()
import doorward.guardrails.judge
imported, grown = time.process_time(), resident() - pages

from datetime import UTC, datetime
from doorward.guardrails.model import Guardrails, Role
from doorward.organization.model import Organization

def judge(principal):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]}
    role = Role("777788889999", "x", "/", "arn:aws:iam::777788889999:role/x", "AROAX", json.dumps(document))
    began = time.process_time()
    verdict = doorward.guardrails.judge.judge(role, organization, guardrails, now=datetime(2026, 11, 25, tzinfo=UTC)).verdict
    return time.process_time() - began, verdict

organization, guardrails = Organization(None, None), Guardrails()
first, compliant = judge("arn:aws:iam::777788889999:role/deploy")
second, violating = judge("999988887777")
assert (compliant, violating) == ("compliant", "violating")
print(json.dumps([(imported - before) * 1e3, grown / 2**20, (imported - before + first) * 1e3, (imported - before + first + second) * 1e3]))
"""


def measure(extent: Extent) -> list[Row]:
    measured: list[list[float]] = []
    for number in range(extent.starts + 1):
        say(f"start {number} of {extent.starts}")
        once = json.loads(run([sys.executable, "-I", "-c", _IMPORT]))
        if number:  # the first fills the file cache and writes the .pyc
            measured.append(once)
    say("")
    cpu_ms, megabytes, compliant_ms, violating_ms = (sorted(each) for each in zip(*measured, strict=True))
    print(f"  {extent.starts} starts: {cpu_ms[0]:.1f} to {cpu_ms[-1]:.1f} ms of CPU, {megabytes[0]:.1f} to {megabytes[-1]:.1f} MB")
    return [
        Row("import of the engine on top of boto3 and the Logger: CPU", statistics.median(cpu_ms), "ms", _CPU_MS, is_floor=False),
        Row("import of the engine on top of boto3 and the Logger: RSS", statistics.median(megabytes), "MB", _RSS_MB, is_floor=False),
        Row("import, and one compliant policy: CPU", statistics.median(compliant_ms), "ms"),
        Row("import, one compliant and one violating policy: CPU", statistics.median(violating_ms), "ms"),
    ]
