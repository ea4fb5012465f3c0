"""`doorward evaluate`: one result a request, in order, whatever the lines hold."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward_cli.main import main

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/cases/cli"
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs/schemas/doorward.evaluate.1.json").read_text()))


def results(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    main(["evaluate", *map(str, arguments)])
    found = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    for each in found:
        SCHEMA.validate(each)
    return found


def test_a_request_is_decided_and_its_id_echoed(capsys: pytest.CaptureFixture[str]) -> None:
    [allowed] = results(capsys, CASES / "request-allowed.json")
    assert (allowed["id"], allowed["decision"]) == ("ours", "allowed")
    assert {"policy": "resource", "level": None, "index": 0, "statement": 0, "sid": "In", "effect": "Allow"} in allowed["because"]
    [denied] = results(capsys, CASES / "request-denied.json")
    assert denied["decision"] == "implicitly_denied"


def test_lines_are_answered_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    found = results(capsys, CASES / "requests.jsonl")
    assert [(each["id"], each["decision"]) for each in found] == [
        ("first", "allowed"), ("second", "implicitly_denied"), ("third", "allowed"),
    ]  # fmt: skip


def test_a_bad_line_is_answered_by_its_error_and_the_rest_decided(capsys: pytest.CaptureFixture[str]) -> None:
    found = results(capsys, CASES / "requests-bad.jsonl")
    assert [(each["id"], "error" in each) for each in found] == [
        ("first", False), ("no-request", True), ("second", False), (None, True), ("third", False),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["request-allowed.json", "requests.jsonl"])
def test_standard_input_is_recognised_by_content(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = results(capsys, CASES / name)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((CASES / name).read_bytes())))
    assert results(capsys, "-") == by_name


def test_a_name_written_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "twice.json"
    file.write_text((CASES / "request-denied.json").read_text().replace('"Effect": "Allow"', '"Effect": "Deny", "Effect": "Allow"'))
    [result] = results(capsys, file)
    assert "twice" in result["error"]


def test_explaining_speaks_on_stderr_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "--explain", str(CASES / "requests.jsonl")])
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == len(shown.err.splitlines()) == 3
    assert "first: allowed: " in shown.err
    assert 'statement 0 "In" of resource policy' in shown.err


def layered(**policies: Any) -> dict[str, Any]:
    return {
        "request": {
            "principal": "arn:aws:sts::111122223333:assumed-role/ci/run-1",
            "action": "s3:GetObject",
            "resource": "arn:aws:s3:::data/x",
            "resource_account": "111122223333",
        },
        "policies": policies,
    }


ALL = {"Statement": {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}}
NOTHING: dict[str, Any] = {"Statement": []}
IMPLICITLY = "implicitly denied: nothing denies it, but"
REFUSED = ", and what nobody allows there is refused"
LIMIT = "the most the caller may ever do"
SCP_LIMIT = "service control policy: the most the caller's account may do"
ENOUGH = "nothing denies it and no other Allow is needed (all counted from 0)"


@pytest.mark.parametrize(
    ("policies", "status", "words"),
    [
        (
            {"identity": [NOTHING, ALL]},
            0,
            f'allowed: statement 0 "All" of identity policy 1 allows it (of the caller); {ENOUGH}',
        ),
        (
            {"identity": [ALL], "permissions_boundary": ALL, "service_control_policies": [[NOTHING, ALL]]},
            0,
            f"""allowed: statement 0 "All" of SCP 1 at level 0, the organization's root, allows it ({SCP_LIMIT}); \
statement 0 "All" of identity policy 0 allows it (of the caller); \
statement 0 "All" of permissions boundary allows it ({LIMIT}); {ENOUGH}""",
        ),
        ({"identity": [NOTHING]}, 1, f"{IMPLICITLY} no identity policy allows it (of the caller){REFUSED}"),
        (
            {"identity": [ALL], "session": NOTHING},
            1,
            f"{IMPLICITLY} no session policy allows it (the most the caller's session may do){REFUSED}",
        ),
        ({"identity": [ALL], "permissions_boundary": NOTHING}, 1, f"{IMPLICITLY} no permissions boundary allows it ({LIMIT}){REFUSED}"),
        (
            {"identity": [ALL], "service_control_policies": [[ALL], []]},
            1,
            f"{IMPLICITLY} no SCP at level 1 below the organization's root allows it ({SCP_LIMIT}){REFUSED}",
        ),
        (
            {
                "identity": [ALL],
                "resource_control_policies": [[{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}}]],
            },
            1,
            """explicitly denied: statement 0 of RCP 0 at level 0, the organization's root, denies it \
(resource control policy: the most anybody may do in the resource's account); a Deny outweighs every Allow (all counted from 0)""",
        ),
    ],
)
def test_a_decision_is_explained_by_its_statements(
    policies: dict[str, Any], status: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(layered(**policies)))
    assert main(["evaluate", str(file), "--explain"]) == status
    shown = capsys.readouterr()
    SCHEMA.validate(json.loads(shown.out))
    assert shown.err == f"doorward: {words}\n"


def test_the_root_user_is_explained_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = layered(identity=[])
    asked["request"]["principal"] = "arn:aws:iam::111122223333:root"
    file = tmp_path / "request.json"
    file.write_text(json.dumps(asked))
    assert main(["evaluate", str(file), "--explain"]) == 0
    assert "allowed: the root user of an account needs no policy for it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["[]", "3", "null", "NaN", '"x"', "{", '{"id": "\\ud800"}', '{"id": {"a": []}}', "1" * 5000, "[" * 100_000, '{"request": {}}', "\x00"],
)
def test_any_line_is_answered_by_one_line(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text(f"{line}\n{(CASES / 'requests.jsonl').read_text()}")
    found = results(capsys, file)
    assert len(found) == 4
    assert found[0]["error"]
    assert "a bug in doorward" not in found[0]["error"]
