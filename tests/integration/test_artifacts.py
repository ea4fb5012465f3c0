"""What was built runs with its layers and the runtime's packages alone, and starts from compiled code."""

import importlib.util
import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from local import artifact
from local.build import build
from tests.template.conftest import REPOSITORY

pytestmark = [pytest.mark.xdist_group("stack")]  # builds what the stack deploys, so not at the same time

FUNCTIONS = sorted(each.parent.name for each in (REPOSITORY / "functions").glob("*/handler.py"))

NO_FACTS = "bootstrap.organization_store().load = lambda: None"
"""No DynamoDB is asked: the file alone counts."""


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    build(quiet=True)


def logical_id(function: str) -> str:
    return "".join(word.capitalize() for word in function.split("_")) + "Function"


def run(function: str, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command, environment = artifact.command(logical_id(function), code, folder)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


STARTED_DIRECTLY = {
    "send_heartbeats": "bootstrap.heartbeat_tools()",
    "seal_audit": "bootstrap.seals()",
    "finish_started": "bootstrap.ledger(), bootstrap.bus(), bootstrap.hints()",
    "check_installation": "bootstrap.installation_tools()",
    "plan_sweep": "assert handler.handler({}, None)['accounts']",
    "sweep_account": "bootstrap.sweep_tools()",
    "serve_api": "bootstrap.identify_tools(), bootstrap.finding_tools(), bootstrap.repeats(), bootstrap.decision_tools()",
    "receive_slack": "assert handler.handler({'resource': '/slack/commands'}, None)['statusCode'] == 401",
    "advance_grant": "bootstrap.grant_tools()",
    "keep_token": "bootstrap.grants(), bootstrap.questions(), bootstrap.token_seals()",
    "mint_credentials": "assert handler.handler({'grant_id': 'x'}, None)['refused']['because']",
    "reconcile_grants": "import datetime; bootstrap.reconcile_tools(datetime.timedelta(seconds=60))",
    "authorize_token": "assert handler.handler({'methodArn': 'arn', 'authorizationToken': 'x'}, None)['principalId'] == 'nobody'",
}
"""By a schedule, a state machine, API Gateway or a person, and what each can do without AWS; the others take batches of a queue."""


@pytest.mark.parametrize("function", [each for each in FUNCTIONS if each not in STARTED_DIRECTLY])
def test_a_built_function_imports_with_its_layers_and_the_runtimes_packages_alone(function: str, tmp_path: Path) -> None:
    done = run(function, "import handler; print(handler.handler({'Records': []}, None))", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.replace("'", '"')) == {"batchItemFailures": []}


@pytest.mark.parametrize("function", STARTED_DIRECTLY)
def test_a_function_that_no_queue_starts_has_what_it_works_with(function: str, tmp_path: Path) -> None:
    done = run(function, f"import handler; from doorward import bootstrap; {NO_FACTS}; {STARTED_DIRECTLY[function]}", tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_organization_can_be_read_with_what_the_layers_bring(tmp_path: Path) -> None:
    done = run("refresh_organization", "import handler; handler.bootstrap.refresh_tools()", tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_package_that_no_layer_brings_is_missed(tmp_path: Path) -> None:
    assert importlib.util.find_spec("yaml") is not None
    assert "No module named 'yaml'" in run(FUNCTIONS[0], "import yaml", tmp_path).stderr


def test_the_configuration_is_in_the_layer(tmp_path: Path) -> None:
    code = f"from doorward import bootstrap; {NO_FACTS}; t = bootstrap.reaction_tools(); "
    code += "print(len(t.organization.accounts), t.guardrails.hash)"
    done = run("react_to_change", code, tmp_path)
    assert done.returncode == 0, done.stderr
    accounts, guardrails_hash = done.stdout.split()
    assert int(accounts) >= 1
    assert len(guardrails_hash) == 64


def test_time_zones_are_in_the_layers_so_that_hours_of_a_grant_are_known_wherever_they_run(tmp_path: Path) -> None:
    code = "import zoneinfo; zoneinfo.reset_tzpath(to=()); from doorward.grants.parsing import entitlements_from; "
    code += "from doorward import bootstrap; print(entitlements_from(bootstrap.configuration('entitlements')).hash, "
    code += "zoneinfo.ZoneInfo('Europe/Berlin'))"
    done = run("serve_api", code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "Europe/Berlin"


@pytest.mark.parametrize("layer", artifact.LAYERS)
def test_every_module_of_a_layer_is_compiled_so_that_its_date_does_not_matter(layer: str) -> None:
    modules = list((artifact.BUILD / layer / "python").rglob("*.py"))
    assert modules
    for module in modules:
        compiled = Path(importlib.util.cache_from_source(str(module)))
        assert compiled.is_file(), module
        # PEP 552: flags 0b01 is a hash-based .pyc that is not checked against the source.
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", module


def test_no_layer_holds_a_native_file_so_that_the_architecture_is_a_parameter() -> None:
    for layer in artifact.LAYERS:
        native = [each for each in (artifact.BUILD / layer).rglob("*") if each.suffix in {".so", ".pyd", ".dylib"}]
        assert native == []


def test_nothing_that_only_a_violation_needs_is_imported_at_the_start(tmp_path: Path) -> None:
    code = f"from doorward import bootstrap; import handler, sys; {NO_FACTS}; handler.bootstrap.reaction_tools(); print(*sys.modules)"
    done = run("react_to_change", code, tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"doorward.usecases.react_to_change", "boto3"} <= loaded
    for later in (
        "difflib",
        "doorward.guardrails.accepted",
        "doorward.guardrails.remedies",
        "doorward.guardrails.searching",
        "doorward.iam.search",
        "doorward.aws.announcing",
        "doorward.slack.cards",
        "aws_xray_sdk",
        "pydantic",
    ):
        assert later not in loaded


def test_the_locked_requirements_of_the_layer_are_those_of_the_lock() -> None:
    """uv.lock is what is reviewed; layers/dependencies/requirements.txt is exported from it."""
    lock = tomllib.loads((REPOSITORY / "uv.lock").read_text("utf-8"))
    versions = {package["name"]: package["version"] for package in lock["package"]}
    lines = (REPOSITORY / "layers/dependencies/requirements.txt").read_text("utf-8").splitlines()
    pinned = dict(line.removesuffix(" \\").split("==") for line in lines if "==" in line and not line.startswith("#"))
    assert pinned
    for name, version in pinned.items():
        assert versions[name] == version
    assert sum("--hash=sha256:" in line for line in lines) >= len(pinned)
