"""What importing the engine adds to a function that has boto3 and the Powertools Logger: CPU and memory, in fresh processes."""

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
print(json.dumps([(time.process_time() - before) * 1e3, (resident() - pages) / 2**20]))
"""


def measure(extent: Extent) -> list[Row]:
    measured: list[list[float]] = []
    for number in range(extent.starts + 1):
        say(f"start {number} of {extent.starts}")
        once = json.loads(run([sys.executable, "-I", "-c", _IMPORT]))
        if number:  # the first fills the file cache and writes the .pyc
            measured.append(once)
    say("")
    cpu_ms, megabytes = (sorted(each) for each in zip(*measured, strict=True))
    print(f"  {extent.starts} starts: {cpu_ms[0]:.1f} to {cpu_ms[-1]:.1f} ms of CPU, {megabytes[0]:.1f} to {megabytes[-1]:.1f} MB")
    return [
        Row("import of the engine on top of boto3 and the Logger: CPU", statistics.median(cpu_ms), "ms", _CPU_MS, is_floor=False),
        Row("import of the engine on top of boto3 and the Logger: RSS", statistics.median(megabytes), "MB", _RSS_MB, is_floor=False),
    ]
