"""Mutated records through the parser: nothing crashes, nothing is taken for another account's, no secret is kept.

`python -m tests.fuzz_records --records 100000` for the whole run; tests/property/test_events_fuzz.py makes a small one of the same seed.
"""

import argparse
import copy
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doorward.errors import MalformedInput
from doorward.events.hints import parse_message
from doorward.events.model import Change, PolicyTarget, ProviderTarget, RolesTarget, Skipped
from doorward.events.records import CHANGE_EVENTS, GUARD_EVENTS, ORGANIZATION_EVENTS, SESSION_EVENTS

SAMPLES = Path(__file__).resolve().parent.parent / "events"
SECRET = "wJalrEXAMPLEKEYEXAMPLESECRET"
PROD, OTHER = "777788889999", "999988887777"
_ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**30,
        "",
        " ",
        "x" * 5000,
        "\u0000",
        "\ud800",
        "٧٧٧٧٨٨٨٨٩٩٩٩",
        "\u202e",
        OTHER,
        f"arn:aws:iam::{OTHER}:role/x",
        f"arn:aws:iam::{OTHER}:policy/x",
        f"arn:aws:iam::{OTHER}:saml-provider/x",
    ),
    *([], {}, [[]], [None], {"": None}, {"omitted": True, "reason": "requestParameters too large", "originalSize": "149893"}),
    *("2026-11-25T12:00:00", "not a time", "../..", "*", "${aws:x}", "%00", "arn:aws:iam::", "r-", "ou-", "p-"),
)


def seeds() -> list[dict[str, Any]]:
    """Every sample, and a plain envelope of every event that some part reads."""
    found = []
    for path in sorted(SAMPLES.glob("*.json")):
        value = json.loads(path.read_text("utf-8"))
        if isinstance(value.get("detail"), dict):
            found.append(value)
    for part in (CHANGE_EVENTS, SESSION_EVENTS, ORGANIZATION_EVENTS, GUARD_EVENTS):
        for source, names in sorted(part.items()):
            found += [_envelope(source, name) for name in sorted(names)]
    return found


def _envelope(source: str, name: str) -> dict[str, Any]:
    role = f"arn:aws:iam::{PROD}:role/a/b"
    return {
        "source": f"aws.{source.partition('.')[0]}",
        "detail-type": "AWS API Call via CloudTrail",
        "account": PROD,
        "region": "eu-west-1",
        "detail": {
            "eventID": "0e1f2a3b-1111-2222-3333-444455556666",
            "eventTime": "2026-11-25T12:00:00Z",
            "eventName": name,
            "eventSource": source,
            "awsRegion": "eu-west-1",
            "recipientAccountId": PROD,
            "sharedEventID": "s-1",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAX:x",
                "accountId": PROD,
                "sessionContext": {"sessionIssuer": {"arn": role, "accountId": PROD}},
            },
            "requestParameters": {
                "roleName": "b",
                "roleArn": role,
                "roleArns": [role],
                "name": "doorward-x",
                "externalId": SECRET,
                "policyArn": f"arn:aws:iam::{PROD}:policy/p",
            },
            "responseElements": {
                "credentials": {"secretAccessKey": SECRET, "sessionToken": SECRET, "expiration": "Nov 25, 2026 1:00:00 PM"}
            },
            "additionalEventData": {"SwitchFrom": role},
            "serviceEventDetails": {"account_id": PROD},
            "errorMessage": f"is not authorized to perform: iam:x on resource: {role}",
        },
    }


def mutated(seed: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    value = copy.deepcopy(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        places = list(_places(value))
        if not places:
            break
        holder, key = chance.choice(places)
        what = chance.random()
        if what < 0.2:
            del holder[key]
        elif what < 0.3 and isinstance(holder[key], str) and holder[key]:
            at = chance.randrange(len(holder[key]))
            holder[key] = holder[key][:at] + chance.choice("\u0000:/*?% é") + holder[key][at + chance.randrange(2) :]
        elif what < 0.4:
            other, other_key = chance.choice(places)
            if SECRET not in json.dumps(other[other_key]):  # where it does not belong, nobody can know it for a secret
                holder[key] = copy.deepcopy(other[other_key])
        else:
            holder[key] = copy.deepcopy(chance.choice(_ODD))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    for key, each in entries:
        yield value, key
        yield from _places(each)


def run(records: int, seed: int = 20261125) -> Counter[str]:
    """How many were read as what. Raises AssertionError at the first that is wrong, with the record."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    all_seeds = seeds()
    counts: Counter[str] = Counter()
    for _ in range(records):
        value = mutated(chance.choice(all_seeds), chance)
        text = json.dumps(value)
        try:
            parsed = parse_message(text if chance.random() < 0.5 else value)
        except MalformedInput:
            counts["malformed"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error
        assert parsed.account_id == value.get("account"), text
        assert SECRET not in str([getattr(parsed, name) for name in type(parsed).__match_args__]), text
        if isinstance(parsed, Change) and not isinstance(parsed.target, RolesTarget):  # those can be of other accounts
            assert parsed.target.account_id == parsed.account_id, text
            if isinstance(parsed.target, ProviderTarget | PolicyTarget):
                arn = parsed.target.provider_arn if isinstance(parsed.target, ProviderTarget) else parsed.target.policy_arn
                assert arn.split(":")[4] == parsed.account_id, text
        counts["skipped" if isinstance(parsed, Skipped) else type(parsed).__name__] += 1
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    wanted = parser.parse_args().records
    began = time.monotonic()
    found = run(wanted)
    print(  # noqa: T201 - a command's answer
        f"{wanted} records in {time.monotonic() - began:.0f} s: " + ", ".join(f"{count} {name}" for name, count in found.most_common())
    )
