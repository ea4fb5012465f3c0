"""Credentials of grants, kept between two runs: in files that are the user's alone (docs/adr/0095 says why in no keyring).

| what stands there                                                      | what is done                                            |
|------------------------------------------------------------------------|---------------------------------------------------------|
| no folder                                                              | it is made, for its owner alone (0700)                  |
| a folder of somebody else, open to others, or behind a symbolic link   | refused, with what to do: nothing is read, nor kept     |
| a folder or disk that cannot be written                                | nothing is kept, and that is said                       |
| a file of somebody else, open to others, a link, or not of our form    | it does not count, and the next issue takes its place   |
| a file of ours (0600)                                                  | it counts as long as what it holds does                 |
| one of an older version of a grant than was just issued for            | it goes, by whatever key it was kept                    |

Files are replaced as a whole, and never written in place: whoever reads has the old one or the new one. Of several processes that
want the same credentials one asks for them, while the others wait at a lock that the system takes back from whoever dies.
"""

import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from doorward.errors import Misconfigured, Unavailable
from doorward.grants.names import LONGEST_SESSION
from doorward.values import NamedTuple
from doorward_cli.aws_profiles import config_file, credentials_file

EARLY: Final = timedelta(minutes=16)
"""What has less left is fetched anew: botocore asks from fifteen minutes before the end on, and has to be given something better."""
_ON_THE_WAY: Final = timedelta(minutes=1)
_LONGEST: Final = 65536
_MOST_SECONDS: Final = 45
"""Longer than whoever holds the lock may take for one call of the API."""
_TRY_EVERY: Final = 0.05
_OTHERS: Final = 0o077
_BEFORE_A_PROFILE: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""By these botocore may find who signs where no profile is named by an option. No secret is among them."""
_SIGN_INS: Final = ("~/.aws/sso/cache", "~/.aws/login/cache")
"""Where `aws sso login` and `aws login` leave who signed in."""


class Kept(NamedTuple):
    """Credentials, of which grant, and as of which of its versions. It does not show what it holds."""

    grant_id: str
    generation: int
    issued_at: datetime
    expiration: datetime
    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return f"Kept({self.grant_id}, …)"

    @property
    def expires(self) -> str:
        """The expiration as AWS's tools read it."""
        return f"{self.expiration.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def is_good(self, now: datetime) -> bool:
        """Whether it is handed out once more. What ends with its grant gets no better by asking again."""
        left = self.expiration - now
        ends_with_its_grant = self.expiration - self.issued_at < LONGEST_SESSION - _ON_THE_WAY
        return left > EARLY or (ends_with_its_grant and left > timedelta())


class Cache:
    """`folder` None: the system's own place for such things. Raises Misconfigured where the folder is not the user's alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or place()
        self._made()

    def _made(self) -> None:
        """Raises Misconfigured, OSError."""
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        fault = folder_fault(self.folder)
        if fault is not None:
            raise Misconfigured(f"{self.folder}: {fault}")

    def read(self, key: str) -> Kept | None:
        return _read(self._file(key))

    def write(self, key: str, kept: Kept) -> None:
        """Of a grant nothing stays but what was issued as of its newest version, whoever asked for it. Raises OSError."""
        value = dict(zip(kept._fields, kept, strict=True)) | {
            "issued_at": kept.issued_at.isoformat(),
            "expiration": kept.expiration.isoformat(),
        }
        if not self._sweep(kept):
            return
        handle, name = tempfile.mkstemp(dir=self.folder, prefix="new-")  # 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(value, file)
            Path(name).replace(self._file(key))
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def forget(self, grant_id: str) -> None:
        """Whatever is kept of the grant, by whichever key."""
        for file in self._files():
            kept = _read(file)
            if kept is not None and kept.grant_id == grant_id:
                file.unlink(missing_ok=True)

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Raises Unavailable where another process does not let go, Misconfigured where the disk has no locks."""
        # As many locks as there are two hex digits: they stay there, and there are never more.
        file = self.folder / f"lock-{key[:2]}"
        until = time.monotonic() + _MOST_SECONDS
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise Misconfigured(f"{file}: cannot be opened: {error.strerror or error}") from None
        try:
            while not _locked(handle, file):
                if time.monotonic() > until:
                    raise Unavailable(f"{file}: another doorward has not let go of it for {_MOST_SECONDS} seconds; try again")
                time.sleep(_TRY_EVERY)
            yield
        finally:
            os.close(handle)  # and with it the lock

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))

    def _sweep(self, new: Kept) -> bool:
        """What is over goes, what an older version of the grant gave, and what somebody left who was killed while he wrote.

        False where what is kept of the grant is newer already.
        """
        is_newest = True
        for file in self._files():
            kept = _read(file)
            if kept is None or kept.expiration <= new.issued_at or (kept.grant_id == new.grant_id and kept.generation < new.generation):
                file.unlink(missing_ok=True)
            elif kept.grant_id == new.grant_id and kept.generation > new.generation:
                is_newest = False
        for file in self.folder.glob("new-*"):
            with suppress(OSError):
                if time.time() - file.lstat().st_mtime > _MOST_SECONDS:
                    file.unlink()
        return is_newest


def key_of(api: str, profile: str | None, wanted: str) -> str:
    """`profile`: as an option names it. `wanted`: a grant's id, or how it is chosen. Hex."""
    return sha256(json.dumps([api.rstrip("/"), _signer(profile), wanted]).encode()).hexdigest()[:40]


def _signer(profile: str | None) -> list[Any]:
    """Something else for whoever signs by something else. Nobody is asked who he is, and botocore is not loaded: that is what it saves.

    By which profile, by which key where the environment has one, and what stands in the files that say whose the profile is. A file that
    was written anew without need, as when a sign-in is refreshed, costs one more issue.
    """
    environment = {each: os.environ[each] for each in _BEFORE_A_PROFILE if profile is None and each in os.environ}
    named = profile or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE") or ""
    sign_ins = sorted(file for each in _SIGN_INS for file in Path(each).expanduser().glob("*.json"))
    return [named, environment, [_standing(each) for each in (config_file(), credentials_file(), *sign_ins)]]


def _standing(file: Path) -> list[str | int]:
    """Something else after each change of the file."""
    try:
        found = file.stat()
    except OSError:
        return [str(file)]
    return [str(file), found.st_ino, found.st_size, found.st_mtime_ns]


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a system keeps what can be made anew, and does not put it into backups."""
    if sys.platform == "win32":
        home = environment.get("LOCALAPPDATA") or str(Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        home = str(Path.home() / "Library/Caches")
    else:
        home = environment.get("XDG_CACHE_HOME", "")
        if not Path(home).is_absolute():  # "" as well: the specification says to pass over what is relative
            home = str(Path.home() / ".cache")
    return Path(home) / "doorward" / "grants"


def folder_fault(folder: Path) -> str | None:
    """What is wrong with who may read or write there, and what to do. Raises OSError."""
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        return "must be a folder, and is a link or a file; remove it"
    return _fault(found, f"chmod 700 {folder}")


def file_fault(file: Path) -> str | None:
    """As `folder_fault`."""
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        return "must be a file of its own, and is a link; remove it"
    return _fault(found, f"chmod 600 {file}")


def _fault(found: os.stat_result, cure: str) -> str | None:
    if sys.platform == "win32":  # the profile's folder is its owner's by its access list, which these bits do not show
        return None
    if found.st_uid != os.geteuid():
        return "belongs to somebody else; remove it, or have it removed"
    if found.st_mode & _OTHERS:
        return f"others can read or write it; {cure}, if you trust whoever could"
    return None


def _read(file: Path) -> Kept | None:
    """None for what is not there, not ours, or not of our form."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as opened:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size > _LONGEST or _fault(found, "") is not None:
            return None
        try:
            return _kept(json.loads(opened.read()))
        except (ValueError, KeyError, TypeError):
            return None


def _kept(value: Any) -> Kept:
    issued_at, expiration = (datetime.fromisoformat(value[each]).astimezone(UTC) for each in ("issued_at", "expiration"))
    texts = [value[each] for each in ("grant_id", "access_key_id", "secret_access_key", "session_token")]
    if not all(isinstance(each, str) for each in texts) or not isinstance(value["generation"], int):
        raise TypeError
    grant_id, access_key_id, secret_access_key, session_token = texts
    return Kept(grant_id, value["generation"], issued_at, expiration, access_key_id, secret_access_key, session_token)


if sys.platform == "win32":
    import msvcrt

    def _locked(handle: int, _file: Path) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(handle: int, file: Path) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Misconfigured(f"{file}: cannot be locked: {error.strerror or error}; have XDG_CACHE_HOME name a local disk") from None
        return True
