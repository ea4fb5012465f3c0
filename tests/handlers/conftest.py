"""Somebody who types `doorward grants`, and the API that he speaks to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grants_api import GrantsApi, at_home


@pytest.fixture
def api() -> Iterator[GrantsApi]:
    with GrantsApi().listening() as listening:
        yield listening


@pytest.fixture
def home(api: GrantsApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [each for each in os.environ if each.startswith(("AWS_", "DOORWARD_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in at_home(tmp_path, api).items():
        monkeypatch.setenv(name, value)
    return tmp_path
