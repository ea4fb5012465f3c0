"""What was built, as Lambda would see it: the function's folder, its layers, the runtime's own packages, and nothing else.

The emulator runs functions with its own site-packages in reach, which hides a forgotten requirement; this does not.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Final

from local.stack import ROOT

BUILD: Final = ROOT / ".aws-sam" / "build"
LAYERS: Final = ("DependenciesLayer", "DoorwardLayer")
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html: the runtime brings boto3 with what boto3 needs.
RUNTIME_PACKAGES: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


def command(function: str, code: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """A command and its environment that run `code` as in the function; `folder` is for links to the runtime's packages.

    As in Lambda, a layer's module comes before the runtime's of the same name.
    """
    path = [BUILD / function, *(BUILD / layer / "python" for layer in LAYERS), runtime_packages(folder)]
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(str(each) for each in path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "POWERTOOLS_SERVICE_NAME": function,
        "LEDGER_TABLE": "ledger",
        "BASELINES_TABLE": "baselines",
        "AUDIT_TABLE": "audit",
        "AUDIT_KEY": "arn:aws:kms:us-east-1:111122223333:key/audit",
        "EVIDENCE_BUCKET": "evidence",
        "FACTS_TABLE": "facts",
        "EXTERNAL_ID_SECRET": "secret",
        "DEAD_LETTERS_URL": "http://127.0.0.1/queue",
        "READ_DELAYS_SECONDS": "1,2,4",
        "EVENTS_TAKE_SECONDS": "900",
        "CONTAIN_AUTHORS": "false",
        "BUS_NAME": "doorward",
        "HINT_QUEUE_URL": "http://127.0.0.1/hints",
        "SESSIONS_TABLE": "sessions",
        "SLACK_QUEUE_URL": "http://127.0.0.1/slack",
        "ORGANIZATION_QUEUE_URL": "http://127.0.0.1/organization",
        "GRANTS_TABLE": "grants",
        "GRANTS_KEY": "arn:aws:kms:us-east-1:111122223333:key/grants",
        "GRANT_QUEUE_URL": "http://127.0.0.1/grants",
        "GRANT_STATE_MACHINE": "arn:aws:states:us-east-1:111122223333:stateMachine:doorward-grant",
        "FEDERATION_URL": "https://signin.aws.amazon.com/federation",
        "HUB_ACCOUNT": "111122223333",
        "ENTERING_ROLES": "doorward-react-to-change=AROAREACTION",
        "HEARTBEAT_MINUTES": "5",
        "HUB_STACK": "doorward",
        "LISTENING_RULES": "doorward-doors",
        "OTHER_RULES": "doorward-daily",
        "QUEUES": "ChangeQueue=http://127.0.0.1/changes",
        "SWEEP_ARN": "arn:aws:states:us-east-1:111122223333:stateMachine:doorward-sweep",
        "TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:topic",
    }
    # -S: no site-packages; -s and no user folder either.
    return [sys.executable, "-S", "-s", "-c", code], environment


def runtime_packages(folder: Path) -> Path:
    """A folder with links to exactly the packages that the runtime brings."""
    target = folder / "runtime"
    target.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise LookupError(f"the development environment has no {name}: run `make setup`")
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        link = target / source.name
        if not link.exists():
            link.symlink_to(source)
    return target
