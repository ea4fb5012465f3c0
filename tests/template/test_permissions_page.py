"""docs/permissions.md says what the templates say."""

import pytest

from tests.template.conftest import TEMPLATES, source
from tests.template.permissions_page import PAGE, page, reasons


def test_the_page_of_permissions_is_what_the_templates_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.template.permissions_page"


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_statement_on_the_page_has_a_reason(name: str) -> None:
    assert all(reasons(source(name)).values())


def test_a_statement_without_a_reason_is_seen() -> None:
    assert reasons("  R:\n    # Why: so.\n    - Sid: A\n    - Sid: B\n") == {("R", "A"): "So.", ("R", "B"): ""}
