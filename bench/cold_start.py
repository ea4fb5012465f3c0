"""The cold starts of the reaction and the API beside the bare SDK they cannot do without, as Lambda sees the built artifact.

Needs `make build`.
"""

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
_REACTION: Final = "ReactToChangeFunction"
_API: Final = "ServeApiFunction"
_REACTING: Final = (
    "import handler\n"
    "handler.bootstrap.organization_store().load = lambda: None\n"  # a read of DynamoDB, which is no CPU of ours
    "handler.bootstrap.reaction_tools()\n"
    "handler.bootstrap.client('secretsmanager')\n"
    "import boto3; boto3.client('iam')"  # made per member account, at its first event
)
_ASKED: Final = (
    "import handler\n"
    "handler.bootstrap.organization_store().load = lambda: None\n"
    "handler.bootstrap.identify_tools(); handler.bootstrap.decision_tools()\n"
    "import boto3; boto3.client('identitystore'); boto3.client('iam')"
)
_PROGRAMS: Final = {
    "interpreter": (_REACTION, "pass"),
    "bare boto3": (_REACTION, f"import boto3\nfor name in {_CLIENTS!r}: boto3.client(name)"),
    "react_to_change": (_REACTION, _REACTING),
    "serve_api": (_API, _ASKED),
    "with a key": (_API, f"{_ASKED}\nhandler.bootstrap.repeats()"),  # a call with an Idempotency-Key
}


def measure(extent: Extent) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        contestants = {name: partial(_start, *program, Path(folder)) for name, program in _PROGRAMS.items()}
        alternate(1, contestants)  # warms the file cache
        seconds = alternate(extent.starts, contestants)
    for name, measured in seconds.items():
        least, *_, most = sorted(measured)
        print(f"  {name:16} {least * 1e3:.0f} to {most * 1e3:.0f} ms of CPU")
    beside = ratio(seconds["react_to_change"], seconds["bare boto3"])
    return [
        Row("cold start of the reaction: x bare boto3", beside, "x", _TARGET, is_floor=False),
        Row("cold start of the API: x bare boto3", ratio(seconds["serve_api"], seconds["bare boto3"]), "x"),
        Row("the same, for a call with an Idempotency-Key", ratio(seconds["with a key"], seconds["bare boto3"]), "x"),
    ]


def _start(function: str, code: str, folder: Path) -> float:
    command, environment = artifact.command(function, code, folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command, environment=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
