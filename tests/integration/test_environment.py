"""The development environment is the one that docs/adr/0001 describes."""

import re
import subprocess
import sys


def test_one_pin_is_overridden_and_no_other() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, timeout=60, check=False)
    mismatches = re.findall(r"^(\S+) \S+ has requirement (\w+)", done.stdout, re.MULTILINE)
    assert mismatches == [("ministack", "botocore")], done.stdout + done.stderr
