"""Profiles in AWS's configuration file: what is written is what AWS's tools read, and everything else stays as it was."""

import shlex
import stat
from pathlib import Path

import pytest
from botocore.configloader import load_config
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward_cli import aws_profiles

COMMAND = "/usr/bin/doorward grants credentials 01JZ1M5T0000000000000ABCDE --api https://x.example/v1 --profile hub"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws/config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws/credentials"))
    (tmp_path / "aws").mkdir()
    return tmp_path / "aws/config"


def test_into_nothing_a_file_of_the_user_alone_is_written(config: Path) -> None:
    config.parent.rmdir()
    aws_profiles.write("orders", COMMAND, "eu-central-1")
    assert config.read_text() == f"[profile orders]\ncredential_process = {COMMAND}\nregion = eu-central-1\n"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700


OTHERS = b"# mine\n[default]\nregion=us-east-1\ns3 =\n  addressing_style = path\n  region = x\n\n[sso-session corp]\nsso_region = x\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OTHERS, OTHERS + b"\n[profile orders]\nNEW\n"),
        (b"[profile a]\nx = y", b"[profile a]\nx = y\n\n[profile orders]\nNEW\n"),
        (b"[profile orders]", b"[profile orders]\nNEW\n"),
        (b"[profile orders]\noutput = json\n" + OTHERS, b"[profile orders]\nNEW\noutput = json\n" + OTHERS),
        (b"[profile orders]\r\noutput = json\r\n", b"[profile orders]\r\nNEW\r\noutput = json\r\n"),
        (
            b"[profile orders]\n# why\ncredential_process = old\n  and on\n  # a note\noutput = json\n\n[profile b]\n",
            b"[profile orders]\nNEW\n# why\n  # a note\noutput = json\n\n[profile b]\n",
        ),
        (b"[profile orders]\nCredential_Process: old\noutput = json\n", b"[profile orders]\nNEW\noutput = json\n"),
        (b'[profile "orders"]\noutput = json\n', b'[profile "orders"]\nNEW\noutput = json\n'),
        (b"[profile  orders ]\noutput = json\n", b"[profile  orders ]\nNEW\noutput = json\n"),
    ],
)
def test_everything_else_stays_to_the_byte(config: Path, before: bytes, after: bytes) -> None:
    config.write_bytes(before)
    aws_profiles.write("orders", COMMAND)
    assert config.read_bytes() == after.replace(b"NEW", f"credential_process = {COMMAND}".encode())
    assert load_config(str(config))["profiles"]["orders"]["credential_process"] == COMMAND


def test_a_region_is_replaced_only_where_one_is_given_and_never_a_nested_one(config: Path) -> None:
    config.write_text("[profile orders]\nregion = a\ns3 =\n  region = b\n")
    aws_profiles.write("orders", COMMAND)
    assert "region = a" in config.read_text()
    aws_profiles.write("orders", COMMAND, "c")
    assert config.read_text() == f"[profile orders]\ncredential_process = {COMMAND}\nregion = c\ns3 =\n  region = b\n"


@pytest.mark.parametrize(
    "before",
    [
        "[profile orders]\n[profile orders]\n",
        "[profile orders]\n[profile 'orders']\n",
        "[profile orders]\nx = 1\nx = 2\n",
        "no section\n",
        "[profile orders]\n credential_process = old\n",
        "[profile orders]\ncredential_process = old\n\n  and on\n",
    ],
)
def test_a_file_of_a_form_that_is_not_known_is_left_as_it_is(config: Path, before: str) -> None:
    config.write_text(before)
    with pytest.raises(MalformedInput, match=str(config)):
        aws_profiles.write("orders", COMMAND)
    assert config.read_text() == before
    assert [each.name for each in config.parent.iterdir()] == ["config"]


def test_a_file_that_somebody_changes_meanwhile_is_left_to_him(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[profile a]\n")
    made = aws_profiles._with

    def while_somebody_writes(*arguments: object) -> bytes:
        config.write_text("[profile a]\nregion = mine\n")
        return made(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(aws_profiles, "_with", while_somebody_writes)
    with pytest.raises(MalformedInput, match="changed meanwhile"):
        aws_profiles.write("orders", COMMAND)
    assert config.read_text() == "[profile a]\nregion = mine\n"


def test_a_link_to_where_somebody_keeps_such_files_stays_one_and_the_mode_stays(config: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    kept.write_text("[profile a]\n")
    kept.chmod(0o640)
    config.symlink_to(kept)
    aws_profiles.write("orders", COMMAND)
    assert config.is_symlink()
    assert b"[profile orders]" in kept.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


NAMES = st.text("ab_.@/:+=, -", min_size=1, max_size=12).filter(lambda name: name[0] != " " and name[-1] != " ")
VALUES = st.text("abc /#;=[]:%\"'", min_size=1, max_size=20).map(str.strip).filter(lambda value: value and "\n" not in value)
SECTIONS = st.lists(
    st.tuples(
        st.sampled_from(["profile a", "profile b", "default", "sso-session c", "services d", "preview"]),
        st.dictionaries(st.sampled_from(["region", "output", "x", "credential_process"]), VALUES, max_size=3),
        st.sampled_from(["", "# note\n", "\n", "; note\n"]),
    ),
    max_size=5,
    unique_by=lambda each: each[0],
)


@given(SECTIONS, NAMES, st.sampled_from(["\n", "\r\n"]), st.none() | st.sampled_from(["eu-central-1"]))
def test_what_awss_reader_finds_afterwards_is_what_was_there_and_the_profile(
    tmp_path_factory: pytest.TempPathFactory, sections: list[tuple[str, dict[str, str], str]], name: str, ends: str, region: str | None
) -> None:
    file = tmp_path_factory.getbasetemp() / "config"
    text = "".join(
        f"[{heading}]\n{note}{''.join(f'{key} = {value}\n' for key, value in settings.items())}" for heading, settings, note in sections
    )
    file.write_bytes(text.replace("\n", ends).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", str(file))
        before = load_config(str(file))
        aws_profiles.check_name(name)
        aws_profiles.write(name, COMMAND, region)
        once = file.read_bytes()
        aws_profiles.write(name, COMMAND, region)
    assert file.read_bytes() == once
    after = load_config(str(file))
    wanted = {**before["profiles"].get(name, {}), "credential_process": COMMAND, **({} if region is None else {"region": region})}
    assert after == {**before, "profiles": {**before["profiles"], name: wanted}}


@given(st.lists(st.text("aZ0 ._/:@+=,~()-", min_size=1, max_size=10), min_size=1, max_size=5))
def test_a_command_line_is_taken_apart_as_it_was_put_together(parts: list[str]) -> None:
    assert shlex.split(aws_profiles.command_line(parts)) == parts


@pytest.mark.parametrize("part", ["$HOME", "`x`", 'a"b', "a'b", "a\\b", "a;b", "a&b", "a|b", "a\nb", "%PATH%", "#x", "a*", "", "!x", "é"])
def test_what_a_shell_would_read_otherwise_is_refused(part: str) -> None:
    with pytest.raises(MalformedInput, match="no credential_process can have it"):
        aws_profiles.command_line(["doorward", part])


@pytest.mark.parametrize("name", ["", " a", "a ", "a]", "[a", "a\nb", 'a"b', "a'b", "a#b", "x" * 102])
def test_what_is_no_name_of_a_profile_is_refused(name: str) -> None:
    with pytest.raises(MalformedInput, match="--profile-name"):
        aws_profiles.check_name(name)


@pytest.mark.usefixtures("config")
def test_ours_are_found_with_how_each_is_called(config: Path) -> None:
    role = "doorward grants credentials --role 777788889999/orders --template read-bucket --api=https://x"
    config.write_text(
        f"[profile a]\ncredential_process = {COMMAND}\n[profile b]\ncredential_process = {role}\n"
        "[profile c]\ncredential_process = other grants\n[profile d]\ncredential_process = 'broken\n[profile e]\nregion = x\n"
    )
    by_id, by_role = aws_profiles.ours()
    assert (by_id.profile, by_id.wanted, by_id.options["--profile"]) == ("a", "01JZ1M5T0000000000000ABCDE", "hub")
    assert (by_role.profile, by_role.wanted) == ("b", "--role 777788889999/orders --template read-bucket")
    assert by_role.options["--api"] == "https://x"
