"""`doorward grants doctor`: why credentials of a grant do not come, seen from the machine of whoever asks for them.

| what is seen                                                             | check that is broken |
|--------------------------------------------------------------------------|----------------------|
| no credentials to sign with, or AWS says that they are over              | signed-in            |
| no answer                                                                | api-answers          |
| signed for another region than the API's                                 | region-right         |
| AWS: may not call execute-api:Invoke                                     | may-call             |
| the API: he is nobody to it                                              | known-to-doorward    |
| the clock is more than a minute off, or AWS says so                      | clock-right          |
| folder or files of the cache are not the user's alone                    | cache-own            |
| a profile whose grant is over or unknown, which signs with itself, whose | profile-works        |
| program is gone, or whose credentials AWS's tools take from elsewhere    |                      |
| keys in the environment, which count before AWS_PROFILE                  | environment-quiet    |

What cannot be looked at because something before it is broken is unknown.
"""

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from doorward.errors import MalformedInput, Misconfigured, Unavailable
from doorward_cli import aws_profiles, credential_cache
from doorward_cli.api import Api, Refused
from doorward_cli.aws_profiles import Ours
from doorward_cli.doctoring import Diagnosis
from doorward_cli.granting import OVER

FORMAT: Final = "doorward.grants-doctor/1"
_MOST_SECONDS: Final = 60
_BY_WHAT_AWS_SAYS: Final = (
    (re.compile(r"Signature (?:expired|not yet current)", re.IGNORECASE), "clock-right", "Set the clock of this machine by the network."),
    (
        re.compile(r"scoped to a valid region", re.IGNORECASE),
        "region-right",
        "Name the region that stands in the API's address by --region.",
    ),
    (
        re.compile(r"not authorized to perform", re.IGNORECASE),
        "may-call",
        "Have whoever runs Doorward let the role that you sign in with call execute-api:Invoke on this API.",
    ),
    (re.compile(r"security token|token .*expired|UnrecognizedClient", re.IGNORECASE), "signed-in", "Sign in anew: aws sso login."),
)
_SIGN_IN: Final = "Sign in (aws sso login), and name the profile by --profile or AWS_PROFILE."


def diagnose(api: Api, url: str) -> Diagnosis:
    """`url`: the API's, as profiles have it."""
    checks = [*_of_the_api(api), *_of_the_cache(), *_of_profiles(api, url)]
    return Diagnosis(tuple(checks))


def _check(check: str, says: str, cure: str | None = None, *, state: str | None = None) -> dict[str, Any]:
    return {
        "check": check,
        "account": None,
        "region": None,
        "state": state or ("ok" if cure is None else "broken"),
        "says": says,
        "cure": cure,
    }


def _of_the_api(api: Api) -> Iterator[dict[str, Any]]:
    try:
        me = api.call("GET", "/me")
    except Misconfigured as error:
        yield _check("signed-in", str(error), _SIGN_IN)
        return
    except Unavailable as error:
        yield _check("api-answers", str(error), "Compare --api with the hub stack's output ApiUrl; look for a proxy or a VPN.")
        return
    except Refused as refused:
        yield _refused(str(refused))
        yield from _of_the_clock(api)
        return
    yield _check("known-to-doorward", f"you are {me.get('user_name') or me['id']}, in {', '.join(me['groups']) or 'no group'}")
    yield from _of_the_clock(api)
    yield _of_slack(api)


def _refused(said: str) -> dict[str, Any]:
    for pattern, check, cure in _BY_WHAT_AWS_SAYS:
        if pattern.search(said):
            return _check(check, said, cure)
    return _check("known-to-doorward", said, "Sign in by Identity Center, in an account that Doorward takes people from, and look again.")


def _of_the_clock(api: Api) -> Iterator[dict[str, Any]]:
    if api.behind is None:
        return
    seconds = round(abs(api.behind))
    which = "behind" if api.behind > 0 else "ahead of"
    if seconds <= _MOST_SECONDS:
        yield _check("clock-right", f"this machine's clock and the API's are {seconds} seconds apart")
    else:
        yield _check(
            "clock-right",
            f"this machine's clock is {seconds} seconds {which} the API's; from five minutes on AWS refuses what is signed",
            "Set the clock of this machine by the network.",
        )


def _of_slack(api: Api) -> dict[str, Any]:
    try:
        linked = api.call("GET", "/me/slack")["linked"]
    except (Refused, Unavailable) as error:
        return _check("slack-linked", str(error), "Look again later, if your team decides in Slack.", state="unknown")
    if linked:
        return _check("slack-linked", f"{len(linked)} Slack user{'s' if len(linked) > 1 else ''} linked to you")
    return _check("slack-linked", "no Slack user is linked to you; if your team decides in Slack, link yours: doorward grants link")


def _of_the_cache() -> Iterator[dict[str, Any]]:
    folder = credential_cache.place()
    try:
        fault = credential_cache.folder_fault(folder)
        faults = {folder: fault} if fault else {each: credential_cache.file_fault(each) for each in sorted(folder.iterdir())}
    except FileNotFoundError:
        yield _check("cache-own", f"nothing is kept yet in {folder}")
        return
    except OSError as error:
        yield _check("cache-own", f"{folder}: {error.strerror or error}", "Have the folder belong to you, with mode 0700.")
        return
    for path, found in faults.items():
        if found:
            says, _, cure = found.partition("; ")
            yield _check("cache-own", f"{path}: {says}", f"{cure[:1].upper()}{cure[1:]}.")
    if not any(faults.values()):
        yield _check("cache-own", f"{folder} is yours alone")


def _of_profiles(api: Api, url: str) -> Iterator[dict[str, Any]]:
    try:
        found = aws_profiles.ours()
        for each in found:
            yield _of_profile(each, {other.profile for other in found}, api, url)
    except MalformedInput as error:
        yield _check("profile-works", str(error), "Mend the file.")
        return
    if not found:
        yield _check("profile-works", f"no profile of {aws_profiles.config_file()} has its credentials from grants")
    elif os.environ.get("AWS_ACCESS_KEY_ID") and not os.environ.get("DOORWARD_GRANT"):
        yield _check(
            "environment-quiet",
            "AWS_ACCESS_KEY_ID is set: AWS's tools take those keys, whatever AWS_PROFILE says",
            "Unset it, or name the profile with each command by --profile.",
        )


def _of_profile(each: Ours, all_of_ours: set[str], api: Api, url: str) -> dict[str, Any]:
    """Raises MalformedInput."""
    name, check, anew = each.profile, "profile-works", f"doorward grants configure … --profile-name {each.profile}"
    stronger = aws_profiles.stronger(aws_profiles.standing(name) or {})
    signer = each.options.get("--profile")
    if aws_profiles.shadowed(name):
        file = aws_profiles.credentials_file()
        return _check(check, f"{name}: {file} has keys for it, which count first", f"Take [{name}] out of {file}.")
    if stronger:
        return _check(check, f"{name}: {', '.join(stronger)} count first", f"Take them out of {aws_profiles.config_file()}.")
    if signer in all_of_ours:
        return _check(check, f"{name}: {signer}, which is to sign, has its own credentials from grants", f"{anew} --profile …")
    if shutil.which(each.command[0]) is None:
        return _check(check, f"{name}: {each.command[0]} is not there any more", anew)
    other = each.options.get("--api", url)
    if other.rstrip("/") != url.rstrip("/"):
        return _check(check, f"{name}: is of another API, which was not asked", f"doorward grants doctor --api {other}", state="unknown")
    return _of_grant(each, api, anew)


def _of_grant(each: Ours, api: Api, anew: str) -> dict[str, Any]:
    grant_id, check = each.options.get(""), "profile-works"
    if grant_id is None:
        return _check(check, f"{each.profile}: whichever of your grants is active for {each.wanted.removeprefix('--role ')}")
    try:
        grant = api.call("GET", f"/grants/{grant_id}")
    except (Misconfigured, Unavailable) as error:
        return _check(check, f"{each.profile}: {error}", "Mend what is broken above, and look again.", state="unknown")
    except Refused as refused:
        return _check(check, f"{each.profile}: {refused}", f"Take [profile {each.profile}] out of {aws_profiles.config_file()}, or: {anew}")
    over = grant["state"] in OVER or (grant["ends_at"] and datetime.fromisoformat(grant["ends_at"]) <= datetime.now(UTC))
    if over:
        cure = f"Ask anew (doorward grants request {grant['role']} --template {grant['template']} …), then: {anew}"
        return _check(check, f"{each.profile}: grant {grant_id} is {grant['state']}", cure)
    return _check(check, f"{each.profile}: grant {grant_id} is {grant['state']}")
