"""What importing the evaluator brings along: it runs in every cold start of the reaction."""

import subprocess
import sys

CODE = """
import json, sys
before = set(sys.modules)
import doorward.iam.evaluate
print(json.dumps(sorted(set(sys.modules) - before)))
"""
COSTLY = {"dataclasses", "inspect", "decimal", "datetime", "ipaddress", "hashlib", "urllib.parse", "base64", "pathlib", "logging"}


def test_the_evaluator_imports_nothing_costly_and_no_third_party() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", CODE], capture_output=True, text=True, timeout=60, check=True)
    imported = set(done.stdout.strip().strip("[]").replace('"', "").split(", "))
    assert not imported & COSTLY
    assert {each.partition(".")[0] for each in imported} <= {"doorward", *sys.stdlib_module_names}
