"""Where credentials of grants are kept: by and for their owner alone, replaced as a whole."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import Misconfigured
from doorward_cli import credential_cache
from doorward_cli.credential_cache import EARLY, Cache, Kept, place

NOW = datetime.now(UTC)
KEY = "0a" * 20
KEPT = Kept("01JZ1M5T0000000000000ABCDE", 4, NOW, NOW + timedelta(minutes=40), "ASIA1", "canary-secret", "canary-token")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "grants")


def file_of(cache: Cache, key: str = KEY) -> Path:
    return cache.folder / f"{key}.json"


def test_what_is_written_is_read_and_shows_nothing_of_itself(cache: Cache) -> None:
    cache.write(KEY, KEPT)
    assert cache.read(KEY) == KEPT
    assert cache.read("0b" * 20) is None
    assert "canary" not in repr(KEPT)


def test_a_file_is_replaced_and_never_written_in_place(cache: Cache) -> None:
    cache.write(KEY, KEPT)
    before = file_of(cache).open()
    cache.write(KEY, KEPT._replace(generation=5))
    assert json.load(before)["generation"] == 4
    before.close()
    assert [each.name for each in cache.folder.iterdir()] == [f"{KEY}.json"]


def test_what_cannot_be_written_leaves_nothing_behind(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("json.dump", fails)
    with pytest.raises(OSError, match="No space"):
        cache.write(KEY, KEPT)
    assert list(cache.folder.iterdir()) == []


def test_what_is_over_goes_and_what_was_left_half_written(cache: Cache) -> None:
    cache.write("0b" * 20, KEPT._replace(expiration=NOW - timedelta(seconds=1)))
    (cache.folder / "new-left").write_text("half")
    (cache.folder / "new-now").write_text("half")
    os.utime(cache.folder / "new-left", (0, 0))
    cache.write(KEY, KEPT)
    assert sorted(each.name for each in cache.folder.iterdir()) == [f"{KEY}.json", "new-now"]


def test_a_grant_is_forgotten_by_whatever_key_it_was_kept(cache: Cache) -> None:
    for key, kept in ((KEY, KEPT), ("0b" * 20, KEPT), ("0c" * 20, KEPT._replace(grant_id="01JZ1M5T0000000000000ABCDF"))):
        cache.write(key, kept)
    cache.forget(KEPT.grant_id)
    assert [each.name for each in cache.folder.iterdir()] == [f"{'0c' * 20}.json"]


def test_of_a_grant_nothing_stays_but_what_its_newest_version_gave(cache: Cache) -> None:
    other = "01JZ1M5T0000000000000ABCDF"
    cache.write("0b" * 20, KEPT)
    cache.write("0c" * 20, KEPT._replace(grant_id=other, generation=3))
    cache.write(KEY, KEPT._replace(generation=5))
    assert cache.read("0b" * 20) is None
    cache.write("0d" * 20, KEPT)  # whoever was answered late
    assert cache.read("0d" * 20) is None
    assert [each.generation for each in map(cache.read, (KEY, "0c" * 20)) if each is not None] == [5, 3]
    cache.write("0b" * 20, KEPT._replace(generation=5))
    assert cache.read("0b" * 20) == cache.read(KEY)


# Whose it is


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_can_touch_does_not_count(cache: Cache, mode: int) -> None:
    cache.write(KEY, KEPT)
    file_of(cache).chmod(mode)
    assert cache.read(KEY) is None
    assert "chmod 600" in str(credential_cache.file_fault(file_of(cache)))
    cache.write(KEY, KEPT)
    assert cache.read(KEY) == KEPT


def test_links_do_not_count_and_are_not_written_through(cache: Cache, tmp_path: Path) -> None:
    cache.write(KEY, KEPT)
    elsewhere = tmp_path / "elsewhere"
    file_of(cache).rename(elsewhere)
    file_of(cache).symlink_to(elsewhere)
    assert cache.read(KEY) is None
    assert credential_cache.file_fault(file_of(cache)) is not None
    cache.write(KEY, KEPT._replace(generation=9))
    assert json.loads(elsewhere.read_text())["generation"] == 4
    file_of(cache).unlink()
    os.link(elsewhere, file_of(cache))
    assert cache.read(KEY) is None


def test_what_belongs_to_somebody_else_does_not_count(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write(KEY, KEPT)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert cache.read(KEY) is None
    with pytest.raises(Misconfigured, match="belongs to somebody else"):
        Cache(cache.folder)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_enter_is_refused_with_its_cure(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "grants"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(Misconfigured, match=f"chmod 700 {folder}"):
        Cache(folder)


def test_a_folder_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "grants").symlink_to(tmp_path / "real")
    with pytest.raises(Misconfigured, match="is a link"):
        Cache(tmp_path / "grants")


def test_a_lock_behind_a_link_is_refused(cache: Cache, tmp_path: Path) -> None:
    (cache.folder / "lock-0a").symlink_to(tmp_path / "somebodys")
    with pytest.raises(Misconfigured, match="lock-0a"), cache.alone(KEY):
        pass
    assert not (tmp_path / "somebodys").exists()


VALUES = st.none() | st.text() | st.integers()


@given(st.binary(max_size=300) | st.dictionaries(st.sampled_from(Kept._fields), VALUES).map(lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_a_file_is_read_or_passed_over(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    cache = Cache(tmp_path_factory.getbasetemp() / "whatever")
    file_of(cache).write_bytes(content)
    file_of(cache).chmod(0o600)
    assert cache.read(KEY) is None


# For how long


@given(
    lasts=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    passed=st.timedeltas(timedelta(), timedelta(hours=2)),
)
def test_what_is_handed_out_again_is_good_and_botocore_is_content_unless_nothing_better_can_come(
    lasts: timedelta, passed: timedelta
) -> None:
    kept = KEPT._replace(expiration=NOW + lasts)
    if kept.is_good(NOW + passed):
        left = lasts - passed
        assert left > timedelta()
        assert left > EARLY or lasts < timedelta(minutes=59)
    elif lasts < timedelta(minutes=59):
        assert passed >= lasts


# Where


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/doorward/grants"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "~/.cache/doorward/grants"),
        ("linux", {}, "~/.cache/doorward/grants"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "~/Library/Caches/doorward/grants"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/doorward/grants"),
        ("win32", {}, "~/AppData/Local/doorward/grants"),
    ],
)
def test_it_stands_where_the_system_keeps_such_things(
    platform: str, environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert place(environment) == Path(folder).expanduser()
