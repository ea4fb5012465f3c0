"""Chromium for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, Tab, driven, program


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(program(), tmp_path)


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    with driven(program(), tmp_path) as running:
        yield running
