"""docs/install.md names what there is."""

import re

from tests.template.conftest import REPOSITORY, TEMPLATES, parsed

PAGE = (REPOSITORY / "docs/install.md").read_text("utf-8")


def test_every_parameter_that_the_page_sets_is_one_of_a_template() -> None:
    known = {parameter for name in TEMPLATES for parameter in parsed(name)["Parameters"]}
    set_there = set(re.findall(r"\b([A-Z][a-z]\w+)=", PAGE))
    assert set_there
    assert set_there <= known


def test_every_template_is_installed_by_some_step() -> None:
    for name in TEMPLATES:
        assert name in PAGE or name == "accounts/member.yaml", name  # that one is a StackSet's


def test_every_template_that_needs_a_parameter_is_given_it() -> None:
    for name in TEMPLATES:
        needed = {each for each, definition in parsed(name)["Parameters"].items() if "Default" not in definition}
        assert all(f"{each}=" in PAGE for each in needed), name
