"""The AWS CLI from PyPI, in an environment of its own under .tools, made when it is first asked for: a client that is nobody's but AWS's.

It needs uv, which `make setup` sees to, and PyPI. What it is made from is pinned with hashes (local/requirements-aws-cli.txt).
"""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from local.stack import ROOT, StackError

_PINS: Final = ROOT / "local" / "requirements-aws-cli.txt"
_TOOLS: Final = ROOT / ".tools"
_HOME: Final = _TOOLS / "aws-cli"
_STAMP: Final = _HOME / "made-from.sha256"
_SECONDS: Final = 300


def aws_cli() -> Path:
    """The command `aws`. Raises StackError where it cannot be installed."""
    pins = hashlib.sha256(_PINS.read_bytes()).hexdigest()
    command = _HOME / "bin" / "aws"
    with _alone():
        if not _STAMP.exists() or _STAMP.read_text() != pins:
            _install()
            _STAMP.write_text(pins)
    return command


def _install() -> None:
    uv = shutil.which("uv") or str(_TOOLS / "uv" / "bin" / "uv")
    # --no-config: the pins are complete, and the overrides of pyproject.toml are not for them.
    _run(uv, "venv", "--no-config", "--quiet", "--clear", "--python", sys.executable, str(_HOME))
    python = str(_HOME / "bin" / "python")
    _run(uv, "pip", "install", "--no-config", "--quiet", "--python", python, "--require-hashes", "-r", str(_PINS))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{command[0]} did not install the AWS CLI ({type(error).__name__}): run `make setup`, which sees to uv") from None
    if done.returncode:
        raise StackError(f"the AWS CLI could not be installed from PyPI:\n{done.stderr.strip()}")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One at a time makes it; the next finds it made."""
    _TOOLS.mkdir(exist_ok=True)
    with (_TOOLS / "aws-cli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
