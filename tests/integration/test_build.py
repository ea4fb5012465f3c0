"""`python -m local.build`, on a template of one function and one layer."""

import importlib.util
import marshal
from pathlib import Path

import pytest

from local import build

TEMPLATE = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  ThingsLayer:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.13}
    Properties: {ContentUri: layers/things, CompatibleRuntimes: [python3.13]}
  Function:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, Handler: handler.handler, CodeUri: functions/it, Layers: [!Ref ThingsLayer]}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without configuration: writing that has tests of its own."""
    monkeypatch.setattr(build, "write_package_data", lambda _root: None)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    for name, text in {
        "functions/it/handler.py": "import things\n\ndef handler(event, context): return things.ANSWER\n",
        "functions/it/requirements.txt": "",
        "layers/things/things/__init__.py": "ANSWER = 42\n",
        "layers/things/requirements.txt": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_build_compiles_the_layers_and_is_not_repeated(repository: Path) -> None:
    assert build.build(repository, quiet=True)
    (compiled,) = (repository / ".aws-sam/build/ThingsLayer").rglob("*.pyc")
    content = compiled.read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert content[4:8] == b"\x01\x00\x00\x00", "hash-based, unchecked (PEP 552): valid whatever date the file has"
    assert marshal.loads(content[16:]).co_filename == "/opt/python/things/__init__.py"  # noqa: S302 - we have just compiled it
    assert not build.build(repository, quiet=True)


@pytest.mark.parametrize("path", ["template.yaml", "layers/things/things/__init__.py", "functions/it/new.py", "config/new.yaml"])
def test_a_changed_or_added_source_is_seen(repository: Path, path: str) -> None:
    before, changed = build.digest(repository), repository / path
    changed.parent.mkdir(exist_ok=True)
    changed.write_text("x = 1\n")
    assert build.digest(repository) != before


def test_compiled_and_built_files_are_no_sources(repository: Path) -> None:
    before = build.digest(repository)
    for path in ("layers/things/__pycache__/x.pyc", ".aws-sam/build/y.py", "README.md"):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text("x")
    assert build.digest(repository) == before


def test_a_failed_build_says_why_and_is_repeated(repository: Path) -> None:
    assert build.build(repository, quiet=True)
    (repository / "template.yaml").write_text("Resources: [")
    with pytest.raises(build.BuildError, match="sam build"):
        build.build(repository, quiet=True)
    assert not (repository / ".aws-sam/built-from.sha256").exists()


def test_a_wrong_configuration_fails_the_build(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(build.BuildError, match="config"):
        build.build(repository, quiet=True)


def test_a_folder_without_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(build.BuildError, match=r"no template\.yaml"):
        build.build(tmp_path, quiet=True)
