"""The cold start of the reaction beside the bare SDK it cannot do without, as Lambda sees the built artifact (needs `make build`)."""

import resource
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from bench.runner import Extent, Row, alternate, ratio, run
from local import artifact

# What the reaction needs of AWS before it can judge a role: enter the account, read the role, keep the ledger, know its external ID.
_CLIENTS: Final = ("sts", "dynamodb", "secretsmanager", "iam")
_TARGET: Final = 1.2
_PROGRAMS: Final = {
    "interpreter": "pass",
    "bare boto3": f"import boto3\nfor name in {_CLIENTS!r}: boto3.client(name)",
    "react_to_change": (
        "import handler\n"
        "handler.bootstrap.organization_store().load = lambda: None\n"  # a read of DynamoDB, which is no CPU of ours
        "handler.bootstrap.reaction_tools()\n"
        "handler.bootstrap.client('secretsmanager')\n"
        "import boto3; boto3.client('iam')"  # made per member account, at its first event
    ),
}


def measure(extent: Extent) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        contestants = {name: partial(_start, code, Path(folder)) for name, code in _PROGRAMS.items()}
        alternate(1, contestants)  # warms the file cache
        seconds = alternate(extent.starts, contestants)
    for name, measured in seconds.items():
        least, *_, most = sorted(measured)
        print(f"  {name:16} {least * 1e3:.0f} to {most * 1e3:.0f} ms of CPU")
    beside = ratio(seconds["react_to_change"], seconds["bare boto3"])
    return [Row("cold start of the reaction: x bare boto3", beside, "x", _TARGET, is_floor=False)]


def _start(code: str, folder: Path) -> float:
    command, environment = artifact.command("ReactToChangeFunction", code, folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command, environment=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
