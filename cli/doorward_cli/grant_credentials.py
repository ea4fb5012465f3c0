"""Credentials of a grant, for whoever runs a command or has a profile of it.

| what is kept (credential_cache.py)      | what the API says               | what comes of it                                       |
|-----------------------------------------|---------------------------------|--------------------------------------------------------|
| good for long enough                    | is not asked                    | what is kept                                           |
| nothing, or good for too short          | credentials                     | these, and they are kept                               |
| nothing, or good for too short          | no: it ended, or is not his     | nothing, with why; what is kept of the grant goes      |
| good for a little yet                   | nothing, or: asked too often    | what is kept, and that is said                         |
| nothing that is good                    | nothing, or: asked too often    | nothing, with why                                      |

What is kept is handed out for its time also where the grant was ended early: what was issued works until then in any case. Whoever ends it
by this command line forgets it at once.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final, NoReturn

from doorward.errors import Unavailable
from doorward.values import NamedTuple
from doorward_cli.api import Api, Refused, every, refuse_to_sign_for_ourselves
from doorward_cli.aws_profiles import standing
from doorward_cli.credential_cache import Cache, Kept, key_of

_GONE: Final = frozenset({403, 404, 409, 410})
"""By these the API says that he does not get them; by the others, that it was asked badly or too often."""
_NOT_PASSED_ON: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
"""What some tool might take before, or beside, the credentials in the environment."""
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""Some tools read the one, some the other."""


class Wanted(NamedTuple):
    """A grant by its id, or whichever of his is active for a role (`ACCOUNT/NAME`), and a template where one is named."""

    grant_id: str | None = None
    role_ref: str | None = None
    template: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """As the command line has it."""
        if self.grant_id is not None:
            return (self.grant_id,)
        return ("--role", self.role_ref or "", *(() if self.template is None else ("--template", self.template)))


class Asked(NamedTuple):
    """Which API, as whom, and for what. `api` makes the client: what is kept is handed out without one."""

    url: str
    profile: str | None
    wanted: Wanted
    api: Callable[[], Api]

    @property
    def key(self) -> str:
        return key_of(self.url, self.profile, " ".join(self.wanted.options))


def obtain(asked: Asked, cache: Cache | None, told: Callable[[str], object]) -> Kept:
    """`cache` None: nothing is kept. `told` is told what a person should know. Raises Refused, Unavailable, Misconfigured."""
    refuse_to_sign_for_ourselves()
    key = asked.key  # as of now: whoever signs in meanwhile is another one
    kept = None if cache is None else cache.read(key)
    if kept is not None and kept.is_good(datetime.now(UTC)):
        return kept
    with nullcontext() if cache is None else cache.alone(key):
        kept = None if cache is None else cache.read(key)
        if kept is not None and kept.is_good(datetime.now(UTC)):
            return kept
        try:
            issued = _issued(asked)
        except (Refused, Unavailable) as error:
            if isinstance(error, Refused) and error.status in _GONE:
                if cache is not None and kept is not None:
                    cache.forget(kept.grant_id)
                raise
            if kept is None or kept.expiration <= datetime.now(UTC):
                raise
            told(f"{error}; what is kept is good until {kept.expiration.astimezone():%H:%M:%S}")
            return kept
        if cache is not None:
            try:
                cache.write(key, issued)
            except OSError as error:
                told(_not_kept(error))
        return issued


def open_cache(told: Callable[[str], object]) -> Cache | None:
    """None where nothing can be written there, which `told` is told. Raises Misconfigured where it is not the user's alone."""
    try:
        return Cache()
    except OSError as error:
        told(_not_kept(error))
        return None


def _not_kept(error: OSError) -> str:
    return f"{error.filename or 'the disk'}: {error.strerror or error}: the credentials are not kept, and the next run asks for new ones"


def forget(grant_id: str, told: Callable[[str], object]) -> None:
    """Raises Misconfigured."""
    cache = open_cache(told)
    if cache is not None:
        cache.forget(grant_id)


def _issued(asked: Asked) -> Kept:
    api = asked.api()
    grant_id = asked.wanted.grant_id or active_grant(api, asked.wanted)
    said = api.call("POST", f"/grants/{grant_id}/credentials")
    now = datetime.now(UTC) + timedelta(seconds=api.behind or 0)
    try:
        expiration = datetime.fromisoformat(said["expiration"]).astimezone(UTC)
        secrets = (said["access_key_id"], said["secret_access_key"], said["session_token"])
        issued = Kept(said["grant_id"], int(said["generation"]), now, expiration, *secrets)
    except (KeyError, TypeError, ValueError):
        raise Unavailable("the API's answer has another form than this doorward knows; is there a newer one?") from None
    if issued.expiration <= now:
        raise Refused("The grant is over. Ask for a new one: doorward grants request.", 409)
    return issued


def active_grant(api: Api, wanted: Wanted) -> str:
    """Its id. Raises Refused where there is none, or more than one; else as Api.call."""
    himself = api.call("GET", "/me")["id"]
    his = [each for each in every_grant(api) if each["person"]["id"] == himself and each["role"] == wanted.role_ref]
    standing = [each for each in his if wanted.template in {None, each["template"]}]
    active = [each["grant_id"] for each in standing if each["state"] == "active"]
    if len(active) == 1:
        return str(active[0])
    if active:
        raise Refused(f"Several of your grants for {wanted.role_ref} are active. Name one: {', '.join(active)}; or by --template.", 409)
    coming = [f"{each['grant_id']} is {each['state']}" for each in standing]
    if coming:
        raise Refused(f"None of your grants for {wanted.role_ref} is active. Wait for one: {', '.join(coming)}.", 409)
    raise Refused(f"You have no grant for {wanted.role_ref}. Ask for one: doorward grants request {wanted.role_ref}.", 404)


def every_grant(api: Api, *, with_over: bool = False) -> Iterator[dict[str, Any]]:
    """All that stand and that he sees, and where asked for his own that are over, too. Raises as Api.call."""
    return every(api, "/grants", "grants", **({} if with_over else {"standing": "true"}))


def write_process_output(kept: Kept, stream: IO[str]) -> None:
    """Version 1 of what AWS's tools read: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html ."""
    value = {
        "Version": 1,
        "AccessKeyId": kept.access_key_id,
        "SecretAccessKey": kept.secret_access_key,
        "SessionToken": kept.session_token,
        "Expiration": kept.expires,
    }
    stream.write(json.dumps(value) + "\n")


def region_of(profile: str | None, before: Mapping[str, str]) -> str | None:
    """Of the profile that signs; None where it has none, or the environment has one. Raises MalformedInput if it cannot be read."""
    if any(before.get(each) for each in _REGIONS):
        return None
    named = profile or before.get("AWS_PROFILE") or before.get("AWS_DEFAULT_PROFILE") or "default"
    return (standing(named) or {}).get("region")


def environment_of(kept: Kept, before: Mapping[str, str], region: str | None = None) -> dict[str, str]:
    """The environment with the credentials in it, and nothing that would be taken in their place.

    `region`: that the command works in where it names none. The profile that had one is not passed on.
    """
    environment = {name: value for name, value in before.items() if name not in _NOT_PASSED_ON}
    if region is not None:
        environment |= dict.fromkeys(_REGIONS, region)
    return environment | {
        "AWS_ACCESS_KEY_ID": kept.access_key_id,
        "AWS_SECRET_ACCESS_KEY": kept.secret_access_key,
        "AWS_SESSION_TOKEN": kept.session_token,
        "AWS_CREDENTIAL_EXPIRATION": kept.expires,
        "DOORWARD_GRANT": kept.grant_id,
    }


def become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Run it in this process' place, so that its exit status and its signals are its own. Raises OSError where it cannot be started."""
    import signal
    import subprocess
    import sys

    if sys.platform == "win32":  # which starts another process and ends this one: whoever waits would not wait for it
        raise SystemExit(subprocess.run(command, env=dict(environment), check=False).returncode)  # noqa: S603 - the user's own command
    # Python ignores these for itself, and what is ignored stays so in whatever takes its place.
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    os.execvpe(command[0], command, environment)  # noqa: S606 - the user's own command
