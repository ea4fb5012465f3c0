"""events/redaction.py: whatever credential stands wherever in a record, nothing of it is left; and what is no credential is."""

import json
import pathlib
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.events.redaction import LARGEST, REDACTED, redacted, redacted_record
from tests.template.conftest import REPOSITORY

SHARED = REPOSITORY.parent / "shared" / "cloudtrail"
SAMPLES = sorted((REPOSITORY / "events").glob("*.json"))
RECORDS = [json.loads(each.read_text("utf-8")) for each in (*SAMPLES, *sorted(SHARED.glob("*.json")))]

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def drawn(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


# What cannot be told by its shape alone is found by the name of its key.
BY_NAME = st.tuples(
    st.sampled_from(
        [
            "sessionToken",
            "SessionToken",
            "secretAccessKey",
            "SecretAccessKey",
            "securityToken",
            "X-Amz-Security-Token",
            "SigninToken",
            "signinToken",
            "sAMLAssertion",
            "SAMLAssertion",
            "webIdentityToken",
            "taskToken",
            "task_token",
            "clientSecret",
            "signingSecret",
            "slackToken",
            "bot_token",
            "password",
            "newPassword",
            "externalId",
            "ExternalId",
            "sts:ExternalId",
            "external_id",
            "credentials",
            "consoleUrl",
            "privateKey",
            "subjectToken",
        ]
    ),
    drawn(BASE64, 12, 60).map(lambda text: f"Zq{text}"),
)
BY_SHAPE = st.one_of(
    drawn("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, 16).map(lambda text: f"ASIA{text}"),
    drawn(BASE64, 37, 37).map(lambda text: f"aA1{text}"),
    drawn(BASE64, 100, 800).map(lambda text: f"IQoJb3JpZ2luX2VjE{text}=="),
    drawn(BASE64, 100, 400).map(lambda text: f"FwoGZXIvYXdzE{text}"),
    st.tuples(drawn(BASE64[:62], 20, 80), drawn(BASE64[:62], 20, 80), drawn(BASE64[:62], 20, 80)).map(lambda each: f"eyJ{'.'.join(each)}"),
    drawn(BASE64[:62], 10, 30).map(lambda text: f"xoxb-2410-{text}"),
    drawn(BASE64[:62], 24, 24).map(lambda text: f"https://hooks.slack.com/services/T0/B0/{text}"),
    drawn(BASE64[:62], 60, 200).map(
        lambda text: f"https://signin.aws.amazon.com/federation?Action=login&Destination=https%3A%2F%2F&SigninToken={text}"
    ),
    drawn(BASE64[:62], 60, 200).map(lambda text: f"https://us-east-1.signin.aws.amazon.com/oauth?Action=login&SigninToken={text}"),
    drawn(BASE64, 200, 900).map(lambda text: f"PHNhbWxwOlJlc3BvbnNl{text}"),
    drawn(BASE64, 200, 600).map(lambda text: f"AAAAKgAAAAIAAAAAAAAAA{text}"),
    drawn(BASE64, 300, 700).map(lambda text: f"aB{text}"),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of every object and list in it."""
    found = [at] if isinstance(value, dict | list) else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [each for key, below in inner for each in places(below, (*at, key))]


def plant(record: Any, at: tuple[Any, ...], name: str, value: Any) -> Any:
    copy = json.loads(json.dumps(record))
    spot = copy
    for key in at:
        spot = spot[key]
    if isinstance(spot, list):
        spot.append({name: value})
    else:
        spot[name] = value
    return copy


WRAPPED = st.sampled_from(
    [
        lambda name, value: (name, value),
        lambda name, value: (name, [value]),
        lambda name, value: (name, {"value": value}),
        lambda name, value: ("document", json.dumps({name: value})),
        lambda name, value: ("document", json.dumps(json.dumps({"a": [{name: value}]}))),
        lambda name, value: ("document", quote(json.dumps({"Statement": [{"Condition": {"StringEquals": {name: value}}}]}))),
        lambda name, value: ("errorMessage", f'refused: {{"{name}": "{value}", and so on'),
    ]
)


def left(record: Any, secret: str, came: Any) -> bool:
    """Whether any eight characters in a row of what is secret about it, and of nothing that came, are still there."""
    shown = redacted_record(json.dumps(record), largest=10_000_000)
    without = json.dumps(came, ensure_ascii=False)
    text = json.dumps(json.loads(shown), ensure_ascii=False)
    core = secret.rpartition("=")[2] if "://" in secret else secret
    core = core.rpartition("/services/")[2] if "/services/" in core else core
    pieces = {core[start : start + 8] for start in range(max(len(core) - 8, 1))}
    return any(piece in text for piece in pieces if piece not in without)


@settings(max_examples=150)
@given(st.data())
def test_nothing_is_left_of_a_credential_that_its_name_tells(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(RECORDS))
    name, value = data.draw(BY_NAME)
    wrap = data.draw(WRAPPED)
    if "refused" in str(wrap("a", "b")[1]) and name in {"credentials", "consoleUrl", "privateKey", "subjectToken", "newPassword"}:
        return  # in running text only the names of the most dangerous are looked for; JSON is looked through for all
    if "refused" in str(wrap("a", "b")[1]) and name in {"slackToken", "bot_token"}:
        value = f"xoxb-{value}"
    planted = plant(record, data.draw(st.sampled_from(places(record))), *wrap(name, value))
    assert not left(planted, value, record)


@settings(max_examples=150)
@given(st.data())
def test_nothing_is_left_of_a_credential_that_its_shape_tells_wherever_it_stands(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(RECORDS))
    value = data.draw(BY_SHAPE)
    name, planted = data.draw(WRAPPED)("whatever", value)
    if data.draw(st.booleans()) and isinstance(planted, str):
        planted = f"before {planted} after"
    assert not left(plant(record, data.draw(st.sampled_from(places(record))), name, planted), value, record)


def test_the_name_of_a_key_is_looked_at_as_well() -> None:
    token = "IQoJb3JpZ2luX2VjEA" + "x9K" * 20
    assert token not in redacted_record(json.dumps({"tags": {token: 1}}))


def paths(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {path: leaf for key, inner in value.items() for path, leaf in paths(inner, f"{at}.{key}").items()}
    if isinstance(value, list):
        return {path: leaf for index, inner in enumerate(value) for path, leaf in paths(inner, f"{at}[{index}]").items()}
    return {at: value}


TAKEN = ("accessKeyId", "credentials", "externalId", "policyDocument", "sAMLMetadataDocument", "body")
"""What the samples carry that is taken out, or of which something is: ids of temporary keys, external IDs, a certificate in one line."""


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_what_is_no_credential_stays_as_it_came(sample: pathlib.Path) -> None:
    came = json.loads(sample.read_text("utf-8"))
    kept = redacted(came)
    before, after = paths(came), paths(kept)
    changed = [path for path, value in after.items() if before.get(path) != value]
    assert all(path.rpartition(".")[2].partition("[")[0] in TAKEN for path in changed), changed


def test_the_policy_of_a_vendor_keeps_all_but_the_external_id() -> None:
    sample = json.loads((REPOSITORY / "events/iam.UpdateAssumeRolePolicy.vendor.json").read_text("utf-8"))
    document = json.loads(redacted(sample)["detail"]["requestParameters"]["policyDocument"])
    statement = document["Statement"][0]
    assert statement["Condition"]["StringEquals"]["sts:ExternalId"] == REDACTED
    assert statement["Principal"]["AWS"].startswith("arn:aws:iam::555566667777:")


def test_ids_that_open_nothing_stay() -> None:
    kept = {
        "accessKeyId": "AKIAEXAMPLEEXAMPLE00",
        "principalId": "AROAEXAMPLEEXAMPLE000:release-42",
        "nextToken": "page-2",
        "clientRequestToken": "3ed945ec-476d-44cb-b60c-2973ee3f5bfe",
        "thumbprintList": ["6938fd4d98bab03faadb97b34396831e3780aea1", "6938FD4D98BAB03FAADB97B34396831E3780AEA1"],
        "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-01-02T03:04:05Z"}},
        "sessionCredentialFromConsole": "true",
        "enableGlobalEndpointToken": True,
        "userAgent": "Boto3/1.43 (https://aws.amazon.com/console?x=1)",
    }
    assert redacted(kept) == kept


def test_a_document_with_a_name_twice_keeps_neither() -> None:
    text = '{"apiSecret": "kept-nowhere", "apiSecret": null}'
    assert "kept-nowhere" not in redacted_record(json.dumps({"document": text}))


@pytest.mark.parametrize(
    "padded",
    [
        {"detail": {"requestParameters": {"policyDocument": " " * 240_000}}},
        {"detail": {"list": ["x y"] * 80_000}},
        {"detail": {f"name{number}": number for number in range(30_000)}},
        {"a": {"b" * 150_000: "c d " * 30_000}},
        {"text": "\u202e" * 60_000},
        {"a": [[["x y z"] * 60] * 60] * 60},
    ],
)
def test_what_is_too_long_is_cut_and_says_so(padded: Any) -> None:
    text = redacted_record(json.dumps({"id": "e-1", **padded}))
    assert len(text) <= LARGEST
    assert text.isascii()
    assert '"cut"' in text
    assert json.loads(text).get("id", "e-1") == "e-1"


def test_what_is_short_enough_is_whole() -> None:
    assert json.loads(redacted_record('{"a": "' + "x " * 50_000 + '"}')) == {"a": "x " * 50_000}


@given(st.text(max_size=200))
def test_any_text_at_all_becomes_json(text: str) -> None:
    json.loads(redacted_record(text))


@pytest.mark.parametrize(
    "hostile",
    [
        "eyJ-" * 60_000,
        "https://signin" * 18_000,
        "password\\" * 28_000,
        "-----BEGIN A" * 20_000,
        "IQoJ " * 50_000,
        "%25" * 80_000,
        "[" * 250_000,
        "externalId= " * 20_000,
        "aB" * 125_000,
    ],
)
def test_no_text_makes_it_slow(hostile: str) -> None:
    began = time.process_time()
    redacted_record(json.dumps({"detail": {"userAgent": hostile}}))
    assert time.process_time() - began < 2.0
