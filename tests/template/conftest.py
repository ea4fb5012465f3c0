"""The templates as CloudFormation gets them: SAM resources translated, intrinsic functions as they stand."""

import json
import os
import pathlib
from collections.abc import Mapping
from functools import cache
from typing import Any, cast
from unittest.mock import patch

import pytest
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class _NoManagedPolicies:
    def load(self) -> Mapping[str, str]:
        return {}


TEMPLATES = ("template.yaml", *sorted(f"accounts/{each.name}" for each in (REPOSITORY / "accounts").glob("*.yaml")))
"""Every template, by its path."""


def source(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


def parsed(name: str) -> dict[str, Any]:
    """A template as it is written: SAM's resources as they stand, intrinsic functions in their long form. The caller may change it."""
    return in_long_form(source(name))


def in_long_form(text: str) -> dict[str, Any]:
    """A template, or a part of one, with intrinsic functions in their long form. The caller may change it."""
    return cast("dict[str, Any]", json.loads(_as_json(text)))


@cache
def _as_json(text: str) -> str:
    from samcli.yamlhelper import yaml_parse  # here and below: tests that only want REPOSITORY need not wait for it

    # It teaches yaml.SafeLoader itself CloudFormation's tags and ordered mappings, for everybody who loads YAML afterwards.
    with (
        patch.object(yaml.SafeLoader, "yaml_constructors", {**yaml.SafeLoader.yaml_constructors}),
        patch.object(yaml.SafeLoader, "yaml_multi_constructors", {**yaml.SafeLoader.yaml_multi_constructors}),
    ):
        return json.dumps(yaml_parse(text))


@pytest.fixture(scope="session")
def hub_source() -> dict[str, Any]:
    return parsed("template.yaml")


@pytest.fixture(scope="session")
def hub(hub_source: dict[str, Any]) -> dict[str, Any]:
    """The hub template, translated by SAM's own translator."""
    from samtranslator.translator.transform import transform

    fragment = parsed("template.yaml")
    for resource in fragment["Resources"].values():
        for key in ("CodeUri", "ContentUri", "DefinitionUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = "s3://bucket/key"  # sam package puts the real one
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}):
        return cast("dict[str, Any]", transform(fragment, {}, _NoManagedPolicies()))


@pytest.fixture(scope="session")
def member() -> dict[str, Any]:
    return parsed("accounts/member.yaml")


@pytest.fixture(scope="session")
def member_region() -> dict[str, Any]:
    return parsed("accounts/member-region.yaml")


@pytest.fixture(scope="session")
def management() -> dict[str, Any]:
    return parsed("accounts/management.yaml")


@pytest.fixture(scope="session")
def stacksets() -> dict[str, Any]:
    return parsed("accounts/stacksets.yaml")


def resources_of(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Properties"].get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]


def events_of(pattern: Mapping[str, Any]) -> dict[str, set[str]]:
    """The event names that a rule's pattern asks for, by source; a prefix as `prefix*`."""
    found: dict[str, set[str]] = {}
    for branch in pattern.get("$or", [pattern]):
        asked = branch.get("detail", {}).get("eventName", [])
        names = {each if isinstance(each, str) else f"{each['prefix']}*" for each in asked if "anything-but" not in each}
        for each in branch["source"]:
            found.setdefault(each, set()).update(names)
    return found
