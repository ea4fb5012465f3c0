"""`doorward grants configure`: a profile for AWS's tools whose credentials are a grant's."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from doorward.errors import MalformedInput
from doorward.values import NamedTuple
from doorward_cli import aws_profiles, granting
from doorward_cli.api import Api, Refused
from doorward_cli.grant_credentials import Wanted, active_grant

_FROM_THE_ENVIRONMENT = "env"


class Signing(NamedTuple):
    """How the API is called, as far as it was said."""

    api: str
    profile: str | None
    region: str | None


class Planned(NamedTuple):
    """`replaces`: the `credential_process` that the profile has. `region`: that it gets, None: it stays as it is."""

    profile: str
    command: str
    region: str | None
    replaces: str | None
    warnings: Sequence[str]


def plan(api: Api, wanted: Wanted, profile_name: str, signing: Signing, region: str | None) -> Planned:
    """`region`: that the profile is to work in. Raises MalformedInput, and as Api.call."""
    aws_profiles.check_name(profile_name)
    warnings = _about(api, wanted)
    signer = signing.profile or _signer(api)
    if profile_name == signer:
        raise MalformedInput(f"--profile-name {profile_name}: is the profile that you sign in with; name another")
    standing = aws_profiles.standing(profile_name) or {}
    stronger = aws_profiles.stronger(standing)
    if stronger:
        file = aws_profiles.config_file()
        raise MalformedInput(
            f"--profile-name {profile_name}: has {', '.join(stronger)} in {file}, which AWS's tools take first; name another"
        )
    if aws_profiles.shadowed(profile_name):
        file = aws_profiles.credentials_file()
        warnings.append(f"{file} has keys for {profile_name}, which AWS's tools take first: take [{profile_name}] out of it")
    options = ["--api", signing.api, *_option("--profile", signer), *_option("--region", signing.region)]
    command = aws_profiles.command_line([*_program(), "grants", "credentials", *wanted.options, *options])
    replaces = standing.get(aws_profiles.PROCESS)
    return Planned(profile_name, command, region, None if replaces in {None, command} else replaces, warnings)


def _option(name: str, value: str | None) -> tuple[str, ...]:
    return (name, value) if value else ()


def carry_out(planned: Planned) -> Path:
    """Which file was written. Raises MalformedInput."""
    aws_profiles.write(planned.profile, planned.command, planned.region)
    return aws_profiles.config_file()


def _about(api: Api, wanted: Wanted) -> list[str]:
    """What to know about the grant. Raises Refused where nothing will ever come of it."""
    if wanted.grant_id is None:
        try:
            active_grant(api, wanted)
        except Refused as refused:
            return [str(refused)]
        return []
    grant = granting.one(api, wanted.grant_id)
    if grant["state"] in granting.OVER:
        raise Refused(f"{grant['title']}. {grant['what_to_do']}")
    return [] if grant["state"] == "active" else [f"{grant['title']}. {grant['what_to_do']}"]


def _signer(api: Api) -> str | None:
    """The profile that signs where none was named; None where keys in the environment do, as they do then."""
    session = api.session()
    credentials = session.get_credentials()
    return None if credentials is None or credentials.method == _FROM_THE_ENVIRONMENT else str(session.profile_name)


def _program() -> tuple[str, ...]:
    """What runs here, by a path that counts from any folder and with any PATH."""
    called = Path(sys.argv[0])
    if called.stem == "doorward" and called.is_file():
        return (str(called.absolute()),)
    found = shutil.which("doorward")
    return (found,) if found else (sys.executable, "-m", "doorward_cli.main")
