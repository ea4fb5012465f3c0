"""Whatever a folder of policy files holds, `doorward config check` reads it or says what is wrong."""

import json
import shutil
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward_cli.configuration import InvalidConfiguration, load_folder
from tests.mutations import paths, put
from tests.unit.test_configuration import CONFIG, CONTRACT

TOKENS = {
    "issuer": "https://login.example",
    "keys": "https://login.example/keys",
    "audience": "a",
    "people": {"u": "jane"},
    "machines": ["bot"],
}
IDENTITY = {"store": "d-1234567890", "region": "us-east-1", "groups": {"security": {"users": ["jane"]}}, "tokens": [TOKENS]}
AUTHORS = [{"owner": "platform", "slack": "C0PLATFORM1"}, {"principal": "arn:aws:iam::777788889999:user/jane", "slack": "U0JANEDOE1"}]
ORGANIZATION: Any = {**yaml.safe_load(CONTRACT), "identity": IDENTITY, "authors": AUTHORS}
GUARDRAILS: Any = yaml.safe_load((CONFIG / "guardrails.yaml").read_text())
BASE = [("organization.yaml", ORGANIZATION), ("guardrails.yaml", GUARDRAILS)]
ANYTHING: Any = st.sampled_from([None, True, 7, 1.5, "", "x", "*", "10.0.0.0/99", [], {}, [[]], [{}], [["x"]], {"x": []}, {"id": {}}])


PLACES = [(index, path) for index, (_, data) in enumerate(BASE) for path in paths(data)]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
def test_a_mutated_folder_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[int, tuple[Any, ...]], new: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated-folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for index, (name, data) in enumerate(BASE):
        (folder / name).write_text(json.dumps(put(data, place[1], new) if index == place[0] else data))
    with suppress(InvalidConfiguration):
        load_folder(folder)
