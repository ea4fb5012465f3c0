"""`python -m local.build`: build the functions and layers of template.yaml, quickly when nothing has changed.

`sam build` gives every file a date of 1980, which makes ordinary .pyc stale, so the built layers are compiled afterwards with unchecked
hashes: a cold start then loads them as they are, in Lambda and here.
"""

import compileall
import contextlib
import fcntl
import hashlib
import os
import py_compile
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from doorward.errors import DoorwardError
from doorward_cli.configuration import build_package_data

ROOT: Final = Path(__file__).resolve().parent.parent
_SOURCES: Final = ("template.yaml", "samconfig.toml", "config", "functions", "layers", "statemachines")
_OUTPUT: Final = Path(".aws-sam/build")
_STAMP: Final = Path(".aws-sam/built-from.sha256")
_LAYER_MOUNT: Final = "/opt"


class BuildError(Exception):
    """The build failed; the message says what to do or ends with sam's own words."""


def build(root: Path = ROOT, *, quiet: bool = False) -> bool:
    """Build if a source changed since the last build; return whether it was necessary. Raises BuildError."""
    if not (root / "template.yaml").exists():
        raise BuildError(f"there is no template.yaml in {root}")
    with _alone(root):
        return _build(root, quiet=quiet)


def _build(root: Path, *, quiet: bool) -> bool:
    began = time.monotonic()
    write_package_data(root)
    sources, stamp = digest(root), root / _STAMP
    if (root / _OUTPUT / "template.yaml").exists() and stamp.exists() and stamp.read_text() == sources:
        _say("build: nothing has changed", quiet=quiet)
        return False
    stamp.unlink(missing_ok=True)  # an interrupted build must not look finished
    _say("build: sam build", quiet=quiet)
    _sam_build(root)
    layers = compile_layers(root / _OUTPUT)
    stamp.write_text(sources)
    _say(f"build: done in {time.monotonic() - began:.1f} s ({', '.join(layers) or 'no layers'} compiled)", quiet=quiet)
    return True


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One build at a time: sam's cache does not survive two. The second waits, and finds that nothing has changed."""
    folder = root / _OUTPUT.parent
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_package_data(root: Path) -> None:
    """Validate `config/` and write it as the layer's package data. Raises BuildError, naming file, line and field."""
    try:
        build_package_data(root / "config", root / "layers" / "doorward" / "doorward" / "configuration")
    except DoorwardError as error:
        raise BuildError(str(error)) from None


def digest(root: Path) -> str:
    """Return the SHA-256 of everything that a build depends on: the sources' names and contents, this Python, this file."""
    total = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes())
    for path in _files(root):
        total.update(str(path.relative_to(root)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def compile_layers(output: Path) -> list[str]:
    """Compile every built layer in place and return their names. Tracebacks name files as Lambda mounts them, under /opt."""
    layers = sorted(path for path in output.glob("*Layer") if path.is_dir())
    for layer in layers:
        compiled = compileall.compile_dir(
            layer,
            quiet=2,
            force=True,
            stripdir=str(layer),
            prependdir=_LAYER_MOUNT,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not compiled:
            raise BuildError(f"a module of {layer} does not compile: python -m compileall {layer}")
    return [layer.name for layer in layers]


def _sam_build(root: Path) -> None:
    beside = Path(sys.executable).parent
    command = [str(beside / "sam"), "build", "--cached", "--parallel"]
    # sam looks for the runtime's python3.13, with pip, on PATH.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("AWS_")}
    environment |= {
        "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError(f"{command[0]} does not exist: run `make setup`") from None
    if done.returncode:
        raise BuildError(f"`sam build` failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _files(root: Path) -> Iterator[Path]:
    for source in _SOURCES:
        path = root / source
        if path.is_file():
            yield path
        else:
            yield from sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc" and ".aws-sam" not in p.parts)


def _say(line: str, *, quiet: bool) -> None:
    if not quiet:
        print(line, flush=True)


def main() -> int:
    try:
        build()
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
