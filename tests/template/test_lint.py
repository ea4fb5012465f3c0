"""What CloudFormation itself would refuse, or warn of: cfn-lint, on every template."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template.conftest import REPOSITORY, TEMPLATES


def test_cfn_lint_has_nothing_against_any_template() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), *TEMPLATES]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("name", "state", "field", "wrong"),
    [("sweep", "Accounts", "MaxConcurrency", "many"), ("grant", "Pause", "Seconds", "a while")],
)
def test_cfn_lint_has_nothing_against_a_state_machine_s_definition(tmp_path: Path, name: str, state: str, field: str, wrong: str) -> None:
    """It looks at a definition only where it stands in a template."""
    text = (REPOSITORY / "statemachines" / f"{name}.asl.json").read_text("utf-8")
    definition = json.loads(text.replace("${Partition}", "aws"))
    assert _of_definition(definition, tmp_path) == ""
    definition["States"][state][field] = wrong
    assert "E3601" in _of_definition(definition, tmp_path)


def _of_definition(definition: object, folder: Path) -> str:
    role = "arn:aws:iam::111122223333:role/doorward/doorward-sweep"
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": role, "Definition": definition}}
    template = folder / "template.json"
    template.write_text(json.dumps({"Resources": {"Sweep": machine}}), "utf-8")
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(template)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
