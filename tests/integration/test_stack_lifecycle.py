"""A stack's processes end with it, however it ends, and its failures say why."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from local import stack as local_stack
from local.stack import Stack, StackError
from local.world import HUB, STAGING
from tests.integration.emulated import function, unique

BAD_TEMPLATE = (
    '{"Resources": {"B": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": "arn:aws:events:eu-west-1:1:event-bus/x"}}}}'
)


def alive(process_id: int) -> bool:
    """Whether the process runs; one that was killed and not yet waited for does not."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def group(leader: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, ProcessLookupError):
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == leader and alive(int(entry.name)):
                members.append(int(entry.name))
    return members


linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@linux_only
def test_nothing_is_left_of_a_stack_that_was_left_by_an_exception() -> None:
    leader, folder = 0, Path()

    def use() -> None:
        nonlocal leader, folder
        with Stack() as stack:
            leader, folder = stack.process_id or 0, stack.folder
            name = function(stack, HUB.id, "def handler(event, context):\n    return 1\n")
            stack.client("lambda", HUB.id).invoke(FunctionName=name)
            assert len(group(leader)) > 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert group(leader) == []
    assert not folder.exists()


@linux_only
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_emulator_ends_with_whoever_started_it(by: signal.Signals) -> None:
    program = "import signal, sys, time; from pathlib import Path; from local.stack import Stack\n"
    program += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored by whoever is started in the background
    program += "s = Stack(); s.start(); print(s.process_id, s.folder, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as starter:
        assert starter.stdout
        process_id, folder = starter.stdout.readline().decode().split()
        emulator = int(process_id)
        assert alive(emulator)
        assert Path(folder).exists()
        starter.send_signal(by)
        starter.wait(timeout=60)
    deadline = time.monotonic() + 5
    while group(emulator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert group(emulator) == []
    assert not Path(folder).exists()


def test_a_port_that_somebody_took_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        choose = local_stack._free_port
        monkeypatch.setattr(local_stack, "_free_port", lambda: next(ports, 0) or choose())
        with Stack() as stack:
            assert stack.port != taken.getsockname()[1]
            assert stack.client("sts", HUB.id).get_caller_identity()["Account"] == HUB.id


def test_a_stack_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(local_stack, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(StackError, match=r"(?s)did not start.*is already in use"):
            Stack().start()


def test_a_dead_emulator_is_reported_with_its_last_words() -> None:
    with Stack() as stack:
        assert stack.process_id
        os.killpg(stack.process_id, signal.SIGKILL)
        with pytest.raises(StackError, match="the emulator has ended"):
            stack.until(lambda: stack.process_id is None, "nothing")
        with pytest.raises(StackError, match="the emulator has ended"):
            stack.state()


def test_two_stacks_run_side_by_side_and_share_nothing(cloud: Stack) -> None:
    name = unique("bucket")
    cloud.client("s3", HUB.id).create_bucket(Bucket=name)
    with Stack() as other:
        assert other.port != cloud.port
        assert other.client("s3", HUB.id).list_buckets()["Buckets"] == []


def test_the_users_aws_settings_do_not_reach_the_stack(cloud: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    with Stack() as stack:
        assert stack.client("sts", STAGING.id).get_caller_identity()["Account"] == STAGING.id


def test_no_connection_is_kept_that_the_emulator_could_end_in_the_moment_of_the_next_call(cloud: Stack) -> None:
    answer = cloud.client("sts", HUB.id).get_caller_identity()
    assert answer["ResponseMetadata"]["HTTPHeaders"]["connection"] == "close"


def test_a_stack_that_fails_to_deploy_names_the_resource(cloud: Stack, tmp_path: Path) -> None:
    template = tmp_path / "bad.json"
    template.write_text(BAD_TEMPLATE)
    with pytest.raises(StackError, match=r"B: .*EventBusName"):
        cloud.deploy_stack(STAGING.id, unique("stack"), template, {})


def test_a_stack_is_deployed_updated_and_left_as_it_is(cloud: Stack, tmp_path: Path) -> None:
    template = tmp_path / "queue.json"
    template.write_text(
        '{"Parameters": {"Name": {"Type": "String"}},'
        ' "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}}}},'
        ' "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Q", "QueueName"]}}}}'
    )
    name = unique("stack")
    for queue_name in ("one", "two", "two"):
        assert cloud.deploy_stack(STAGING.id, name, template, {"Name": queue_name}) == {"Name": queue_name}


def test_the_state_is_answered_without_credentials(cloud: Stack) -> None:
    with urllib.request.urlopen(f"{cloud.url}/_local/state", timeout=5) as answer:
        assert answer.status == 200
