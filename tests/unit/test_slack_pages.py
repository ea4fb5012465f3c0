"""The app's manifest asks for no more than is used, and its addresses are routes that there are."""

import re

import yaml

from tests.template.conftest import REPOSITORY, parsed, resources_of

MANIFEST = yaml.safe_load((REPOSITORY / "docs/slack/manifest.yaml").read_text("utf-8"))
PAGE = (REPOSITORY / "docs/slack/README.md").read_text("utf-8")
SOURCES = "".join(each.read_text("utf-8") for each in (REPOSITORY / "layers/doorward/doorward/slack").glob("*.py"))
SCOPE_OF = {"chat.postMessage": "chat:write", "chat.update": "chat:write", "views.open": None, "views.update": None}
"""https://docs.slack.dev/reference/methods: opening a form needs none."""


def test_the_manifest_asks_for_the_scopes_that_are_used_and_no_other() -> None:
    called = set(re.findall(r'"((?:chat|views|users|conversations)\.\w+)"', SOURCES))
    assert {"chat.postMessage", "views.open"} <= called <= SCOPE_OF.keys()
    needed = {scope for method in called if (scope := SCOPE_OF[method])}
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == needed | {"commands"}
    assert "user" not in MANIFEST["oauth_config"]["scopes"]
    assert "event_subscriptions" not in MANIFEST["settings"]


def test_the_manifests_addresses_are_the_routes_of_the_function_that_receives() -> None:
    events = resources_of(parsed("template.yaml"), "AWS::Serverless::Function")["ReceiveSlackFunction"]["Properties"]["Events"]
    (command,) = MANIFEST["features"]["slash_commands"]
    named = {command["url"], MANIFEST["settings"]["interactivity"]["request_url"]}
    assert named == {f"https://API{each['Properties']['Path']}" for each in events.values()}


def test_the_page_names_every_parameter() -> None:
    parameters = {each for each in parsed("template.yaml")["Parameters"] if each.startswith("Slack")}
    assert {each for each in parameters if each not in PAGE} == {"SlackApiUrl"}
