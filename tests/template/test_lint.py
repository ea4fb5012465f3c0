"""What CloudFormation itself would refuse, or warn of: cfn-lint, on every template."""

import subprocess
import sys
from pathlib import Path

from tests.template.conftest import REPOSITORY, TEMPLATES


def test_cfn_lint_has_nothing_against_any_template() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), *TEMPLATES]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
