"""Profiles of AWS's configuration file whose credentials `doorward grants credentials` gives.

| what the file has of the profile                                   | what is done                                                      |
|--------------------------------------------------------------------|-------------------------------------------------------------------|
| nothing                                                            | a section at its end                                              |
| a section without `credential_process`                             | the line is put under its heading                                 |
| a section with `credential_process`                                | the line is replaced, with the lines that go on from it           |
| a section that gets credentials otherwise, too (`sso_…`, `role_…`) | refused: AWS's tools would take those                             |
| more than one section, or the file cannot be read by AWS's tools   | refused                                                           |

Everything else of the file stays as it is, to the byte; and before it is replaced, as a whole, AWS's own reader has to find in it what
was there before, and the line. What AWS's tools take for a profile: environment (unless the profile is named by an option), role, SSO,
~/.aws/credentials, credential_process, and last keys in the configuration file
(https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-authentication.html#cli-chap-authentication-precedence).
"""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.values import NamedTuple

PROCESS: Final = "credential_process"
_STRONGER: Final = ("role_arn", "source_profile", "credential_source", "web_identity_token_file")
_STRONGER_BEGINNING: Final = "sso_"
_NAME: Final = re.compile(r"[A-Za-z0-9_.@/:+=,-][A-Za-z0-9_.@/:+=, -]{0,100}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@+=,-]+")
_QUOTED: Final = re.compile(r"[A-Za-z0-9_./:@+=,~() -]+")
_HEADING: Final = re.compile(rb"\[(?P<name>[^\]]+)\]")


class Ours(NamedTuple):
    """A profile that `grants credentials` gives credentials to. `options`: of its command line, by name with the dashes; "" its grant."""

    profile: str
    command: Sequence[str]
    options: Mapping[str, str]

    @property
    def wanted(self) -> str:
        """A grant's id, or how it is chosen."""
        return self.options.get("") or " ".join(f"{each} {self.options[each]}" for each in ("--role", "--template") if each in self.options)


def config_file() -> Path:
    return Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()


def credentials_file() -> Path:
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def command_line(parts: Sequence[str]) -> str:
    """As each of AWS's tools takes it apart, by itself or by a shell. Raises MalformedInput for what they would read differently."""
    return " ".join(map(_quoted, parts))


def _quoted(part: str) -> str:
    allowed = part.replace("\\", "/") if sys.platform == "win32" else part
    if _PLAIN.fullmatch(allowed) is not None:
        return part
    if _QUOTED.fullmatch(allowed) is not None:
        return f'"{part}"'
    raise MalformedInput(f"{part}: has a character that a shell would read otherwise; no {PROCESS} can have it")


def check_name(profile: str) -> None:
    """Raises MalformedInput."""
    if _NAME.fullmatch(profile) is None or profile.endswith(" "):
        raise MalformedInput(f"--profile-name {profile}: must be letters, digits, and any of _ . @ / : + = , - and spaces")


def standing(profile: str) -> dict[str, Any] | None:
    """What the configuration file has of it; None where it has nothing. Raises MalformedInput where it cannot be read."""
    found: dict[str, Any] | None = _profiles(config_file()).get(profile)
    return found


def stronger(settings: Mapping[str, Any]) -> list[str]:
    """Settings of a profile that count before a `credential_process`."""
    return sorted(each for each in settings if each in _STRONGER or each.startswith(_STRONGER_BEGINNING))


def shadowed(profile: str) -> bool:
    """Whether ~/.aws/credentials has keys for it, which count before a `credential_process`. Raises MalformedInput if it cannot be read."""
    return "aws_access_key_id" in _sections(credentials_file()).get(profile, {})


def ours() -> list[Ours]:
    """Raises MalformedInput where the file cannot be read."""
    found = []
    for profile, settings in _profiles(config_file()).items():
        command = settings.get(PROCESS)
        parts = _taken_apart(command) if isinstance(command, str) else []
        if "grants" in parts and parts[parts.index("grants") :][1:2] == ["credentials"]:
            found.append(Ours(profile, parts, _options(parts[parts.index("grants") + 2 :])))
    return found


def write(profile: str, command: str, region: str | None = None) -> None:
    """Raises MalformedInput where the file cannot be read or written, or has been changed meanwhile."""
    file = config_file().resolve()  # a link to where somebody keeps such files stays one
    try:
        before, old = _profiles(file), file.read_bytes() if file.exists() else b""
        if len(_headings(old, profile)) > 1:
            raise MalformedInput(f"{file}: has the profile {profile} more than once; make one of them")
        after = {**before, profile: {**before.get(profile, {}), PROCESS: command, **({"region": region} if region else {})}}
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
        try:
            with os.fdopen(handle, "wb") as written:
                written.write(_with(old, profile, command, region))
            if file.exists():
                Path(name).chmod(file.stat().st_mode & 0o7777)
            if not _reads(Path(name), after) or (file.read_bytes() if file.exists() else b"") != old:
                raise MalformedInput(f"{file}: is left as it is; it was changed meanwhile, or has a form that is not known here")
            Path(name).replace(file)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise MalformedInput(f"{file}: cannot be written: {error.strerror or error}") from None


def _reads(file: Path, expected: dict[str, Any]) -> bool:
    try:
        return _profiles(file) == expected
    except MalformedInput:
        return False


def _with(old: bytes, profile: str, command: str, region: str | None) -> bytes:
    ends = b"\r\n" if b"\r\n" in old else b"\n"
    settings = [f"{PROCESS} = {command}".encode(), *([] if region is None else [f"region = {region}".encode()])]
    new = b"".join(each + ends for each in settings)
    places = _headings(old, profile)
    if not places:
        gap = b"" if not old else ends if old.endswith((b"\n", b"\r")) else ends + ends
        heading = profile if profile == "default" else f'profile "{profile}"' if " " in profile else f"profile {profile}"
        return old + gap + f"[{heading}]".encode() + ends + new
    lines = old.splitlines(keepends=True)
    first = places[0] + 1
    if not lines[first - 1].endswith((b"\n", b"\r")):
        lines[first - 1] += ends
    last = next((number for number in range(first, len(lines)) if _HEADING.match(lines[number])), len(lines))
    replaced = [b"credential_process"] if region is None else [b"credential_process", b"region"]
    kept, goes = [], False
    for line in lines[first:last]:
        is_comment = line.lstrip().startswith((b"#", b";"))
        # A line that begins with a space goes on with the value before it.
        if not is_comment and (line[:1] not in {b" ", b"\t"} or not line.strip()):
            goes = re.split(rb"[=:]", line, maxsplit=1)[0].strip().lower() in replaced
        if is_comment or not goes:
            kept.append(line)
    return b"".join([*lines[:first], new, *kept, *lines[last:]])


def _headings(content: bytes, profile: str) -> list[int]:
    """The lines that begin a section of the profile, as AWS's reader takes them."""
    return [
        number
        for number, line in enumerate(content.splitlines(keepends=True))
        if (found := _HEADING.match(line)) is not None and _profile_of(found["name"].decode("utf-8", "replace")) == profile
    ]


def _profile_of(heading: str) -> str | None:
    if heading == "default":
        return heading
    try:
        parts = shlex.split(heading)
    except ValueError:
        return None
    return parts[1] if heading.startswith("profile") and len(parts) == 2 else None  # noqa: PLR2004 - the word, and the name


def _profiles(file: Path) -> dict[str, Any]:
    from botocore.configloader import build_profile_map

    found: dict[str, Any] = build_profile_map(_sections(file))["profiles"]
    return found


def _sections(file: Path) -> dict[str, Any]:
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    try:
        found: dict[str, Any] = raw_config_parse(str(file))
    except ConfigNotFound:
        return {}
    except (ConfigParseError, OSError) as error:
        raise MalformedInput(f"{file}: AWS's tools cannot read it: {' '.join(str(error).split())}") from None
    return found


def _taken_apart(command: str) -> list[str]:
    from botocore.compat import compat_shell_split

    try:
        return list(compat_shell_split(command))
    except ValueError:
        return []


def _options(parts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = iter(parts)
    for part in waiting:
        name, equals, value = part.partition("=")
        if part.startswith("--"):
            found[name] = value if equals else next(waiting, "")
        else:
            found[""] = part
    return found
