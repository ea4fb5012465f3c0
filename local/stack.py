"""The local stack as a context manager: the emulator in its own process, clients of every account, the real `sam deploy`.

Whatever happens to the process that holds a Stack (an exception, Ctrl-C, kill -9), the emulator and the functions that it runs end with it.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from local.world import HUB, REGION

ROOT: Final = Path(__file__).resolve().parent.parent
HUB_STACK: Final = "doorward"
BUILT_TEMPLATE: Final = Path(".aws-sam/build/template.yaml")

_START_SECONDS: Final = 30.0
_ATTEMPTS: Final = 3  # somebody may take the port between our choosing it and the emulator's binding it
_DEPLOY_SECONDS: Final = 120.0
_LOG_LINES: Final = 15
_POLL_SECONDS: Final = 0.02
_ARTIFACTS: Final = "doorward-artifacts"


class StackError(Exception):
    """The local stack did not do what was asked; the message ends with the last lines of the log that says why."""


class Stack:
    """One emulated AWS of its own port and folder. Several may run at once.

    `folder` keeps the logs after the end; without one they lie in a temporary folder that goes with the stack.
    `bare` is for the tests of the emulator's gaps: it leaves them open.
    """

    def __init__(
        self,
        *,
        progress: Callable[[str], None] | None = None,
        folder: Path | None = None,
        cloudtrail_delay_seconds: float | None = None,
        bare: bool = False,
    ) -> None:
        self._progress = progress or (lambda _line: None)
        self._keep = folder is not None
        self._folder = folder
        self._delay = cloudtrail_delay_seconds
        self._bare = bare
        self._process: subprocess.Popen[bytes] | None = None
        self._session = _session()
        self.port = 0

    # -- life ----------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the emulator and wait until it answers; raise StackError with its log if it does not."""
        began = time.monotonic()
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="doorward-local-"))
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        try:
            if not any(self._try_to_start() for _ in range(_ATTEMPTS)):
                self._raise_not_started()
            if self._delay is not None:
                self.set_cloudtrail_delay(self._delay)
        except BaseException:
            self.stop()
            raise
        self._progress(f"the local cloud answers on {self.url} ({time.monotonic() - began:.1f} s)")

    def stop(self) -> None:
        """End the emulator and its functions; harmless when nothing runs."""
        self._kill()
        if self._folder and not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise StackError("the stack is not running: use it in a with statement")
        return self._folder

    @property
    def log_path(self) -> Path:
        """The emulator's log, with the functions' output in it."""
        return self.folder / "cloud.log"

    def log_tail(self, lines: int = _LOG_LINES) -> str:
        return _tail(self.log_path, lines)

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def require_alive(self) -> None:
        """Raise StackError with the log's end if the emulator has died."""
        if self._process is None or self._process.poll() is not None:
            raise StackError(f"the emulator has ended; its last lines were:\n{self.log_tail()}")

    # -- AWS -----------------------------------------------------------------

    def client(self, service: str, account_id: str, *, region: str = REGION, **credentials: str) -> Any:
        """Return a boto3 client of this cloud, as the account's root, or with the credentials given (`aws_access_key_id`, …)."""
        keys = credentials or {"aws_access_key_id": account_id, "aws_secret_access_key": "test"}
        # One attempt: a refusal or a dead emulator should be seen at once, not after retries.
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)
        make: Any = self._session.client
        client = make(service, endpoint_url=self.url, region_name=region, config=config, **keys)
        client.meta.events.register("before-send", _connecting_anew)
        return client

    def assume(self, account_id: str, role_arn: str, *, credentials: Mapping[str, str] | None = None, **request: Any) -> dict[str, str]:
        """Assume the role as the account's root or with `credentials`; return the session's, as `client` takes them.

        `request` are further parameters of AssumeRole (`RoleSessionName`, `ExternalId`, `Policy`, …). Raises botocore's ClientError.
        """
        sts = self.client("sts", account_id, **(credentials or {}))
        answer = sts.assume_role(**{"RoleArn": role_arn, "RoleSessionName": "local", **request})["Credentials"]
        return {
            "aws_access_key_id": answer["AccessKeyId"],
            "aws_secret_access_key": answer["SecretAccessKey"],
            "aws_session_token": answer["SessionToken"],
        }

    def deploy_hub(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Deploy what `python -m local.build` built into the hub account with the real `sam deploy`; return the stack's outputs."""
        self.require_alive()
        if not (ROOT / BUILT_TEMPLATE).exists():
            raise StackError(f"{BUILT_TEMPLATE} does not exist: run `python -m local.build` first")
        began = time.monotonic()
        with contextlib.suppress(ClientError):  # it exists when the stack is deployed again
            self.client("s3", HUB.id).create_bucket(Bucket=_ARTIFACTS)
        settings = self.folder / "samconfig.toml"  # not the repository's, which is for real accounts
        settings.write_text("version = 0.1\n")
        overrides = [f"{name}={_quoted(value)}" for name, value in parameters.items()]
        command = [str(Path(sys.executable).with_name("sam")), "deploy"]
        command += ["--template-file", str(BUILT_TEMPLATE), "--stack-name", HUB_STACK, "--region", REGION, "--s3-bucket", _ARTIFACTS]
        command += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
        command += ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar", "--config-file", str(settings)]
        command += ["--parameter-overrides", *overrides] if overrides else []
        log = self.folder / "sam-deploy.log"
        environment = _clean_environment(self.folder) | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": HUB.id,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "1",  # seconds; its default of 5 is most of a deployment here
        }
        with log.open("wb") as output:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            self.require_alive()
            raise StackError(
                f"`{shlex.join(command[:2])}` of {HUB_STACK} failed:\n{_tail(log)}\n{self._failed_resources(HUB.id, HUB_STACK)}"
            )
        self._progress(f"{HUB_STACK} is deployed into the hub account {HUB.id} ({time.monotonic() - began:.1f} s)")
        return self.outputs(HUB.id, HUB_STACK)

    def deploy_stack(
        self, account_id: str, name: str, template: Path, parameters: Mapping[str, str], *, region: str = REGION
    ) -> dict[str, str]:
        """Create or update a stack from a plain template through CloudFormation; return its outputs."""
        self.require_alive()
        began = time.monotonic()
        cloudformation = self.client("cloudformation", account_id, region=region)
        request = {
            "StackName": name,
            "TemplateBody": template.read_text(),
            "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        }
        try:
            try:
                cloudformation.create_stack(**request)
            except cloudformation.exceptions.AlreadyExistsException:
                cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise StackError(f"CloudFormation refused {template.name} for {account_id}: {error}") from error
        status = ""
        deadline = time.monotonic() + _DEPLOY_SECONDS
        while not status or status.endswith("_IN_PROGRESS"):
            if time.monotonic() > deadline:
                raise StackError(f"stack {name} in {account_id} is still {status} after {_DEPLOY_SECONDS:.0f} s:\n{self.log_tail()}")
            self.require_alive()
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            time.sleep(_POLL_SECONDS)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(f"stack {name} in {account_id} ended as {status}:\n{self._failed_resources(account_id, name, region)}")
        self._progress(f"{name} is deployed into {account_id} ({time.monotonic() - began:.1f} s)")
        return self.outputs(account_id, name, region=region)

    def outputs(self, account_id: str, name: str, *, region: str = REGION) -> dict[str, str]:
        stack = self.client("cloudformation", account_id, region=region).describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def rest_api_url(self, api_id: str, stage_name: str) -> str:
        """Where a stage of a REST API answers; AWS's host name leads nowhere here."""
        return f"{self.url}/_aws/execute-api/{api_id}/{stage_name}"

    @property
    def federation_url(self) -> str:
        """In the place of https://signin.aws.amazon.com/federation: `local.cloud.signin`."""
        return f"{self.url}/federation"

    # -- the additions to the emulator -----------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what CloudTrail has emitted and failed to, which deliveries were refused, and what the emulator logged as a problem."""
        return self._control(None)

    def calls(self) -> list[dict[str, Any]]:
        """Return every call that a role of Doorward has made, each once: `local.cloud.calls`."""
        with urllib.request.urlopen(f"{self.url}/_local/calls", timeout=60) as answer:
            calls: list[dict[str, Any]] = json.load(answer)
        return calls

    def set_cloudtrail_delay(self, seconds: float) -> None:
        self._control({"cloudtrail_delay_seconds": seconds})

    @contextlib.contextmanager
    def holding(self, *event_names: str) -> Iterator[None]:
        """Within it, CloudTrail's events of these names do not come; after it, those that were kept back do."""
        self._control({"cloudtrail_holds": event_names})
        try:
            yield
        finally:
            self._control({"cloudtrail_holds": []})

    def fail(self, *failures: Mapping[str, str]) -> None:
        """Have calls of Doorward's fail, each failure once: `local.cloud.failures`. What is left of those set before is forgotten."""
        self._control({"failures": failures})

    def until[T](self, condition: Callable[[], T], what: str, *, seconds: float = 30.0) -> T:
        """Return the condition's first true value; raise StackError, saying `what` was awaited, when it stays false."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            self.require_alive()
            if time.monotonic() > deadline:
                observed = json.dumps(self.state(), indent=1)
                raise StackError(f"waited {seconds:.0f} s in vain for {what}; the cloud's state:\n{observed}\nits log:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)
        return value

    # -- inside --------------------------------------------------------------

    def _control(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        body = None if settings is None else json.dumps(settings).encode()
        request = urllib.request.Request(f"{self.url}/_local/state", data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                state: dict[str, Any] = json.load(answer)
        except OSError as error:
            self.require_alive()
            raise StackError(f"the emulator did not answer: {error}\n{self.log_tail()}") from error
        return state

    def _try_to_start(self) -> bool:
        self.port = _free_port()
        self._spawn()
        if self._answers():
            return True
        self._kill()
        return False

    def _raise_not_started(self) -> NoReturn:
        raise StackError(f"the emulator did not start; it said:\n{self.log_tail()}")

    def _spawn(self) -> None:
        environment = _clean_environment(self.folder) | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",  # would listen on every interface
            "MINISTACK_ACCOUNT_ID": HUB.id,
            "LOG_LEVEL": "INFO",
        }
        command = [sys.executable, "-m", "local.cloud", *(["--bare"] if self._bare else [])]
        command += [] if self._keep else ["--temporary", str(self.folder)]
        with self.log_path.open("ab") as log:
            # Its own session, so that one signal reaches the functions too and Ctrl-C does not; standard input is its lifeline.
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _answers(self) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1):
                    return self._process.poll() is None
            except OSError:
                time.sleep(_POLL_SECONDS)
        return False

    def _kill(self) -> None:
        if self._process is None:
            return
        # No grace: there is no state to save, and its temporary folder is ours to remove.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._process = None

    def _failed_resources(self, account_id: str, name: str, region: str = REGION) -> str:
        try:
            events = self.client("cloudformation", account_id, region=region).describe_stack_events(StackName=name)["StackEvents"]
        except ClientError as error:
            return str(error)
        failed = [
            f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in events if e["ResourceStatus"].endswith("_FAILED")
        ]
        return "\n".join(failed) or self.log_tail()


def _session() -> boto3.Session:
    """Return a session that the user's own AWS settings do not reach."""
    # (name in the configuration, environment variable, default, conversion)
    nowhere = (None, None, os.devnull, None)
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere})
    return boto3.Session(botocore_session=core)


def _clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment without the user's AWS settings, with a home and a temporary folder inside the stack's."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "PATH", "SSL_CERT_FILE") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quoted(value: str) -> str:
    """Quote a value of --parameter-overrides, which sam splits at spaces."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tail(path: Path, lines: int = _LOG_LINES) -> str:
    if not path.exists():
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _connecting_anew(request: Any, **_: Any) -> None:
    """The emulator ends a connection that was idle for 75 seconds, perhaps in the moment of the next call; and there is but one attempt."""
    request.headers["Connection"] = "close"


@contextlib.contextmanager
def rules_off(events: Any, *rules: str) -> Iterator[None]:
    """Within it these rules are disabled; after it they are as they were. EnableRule would leave them deaf to reads, such as AssumeRole.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html
    """
    before = [events.describe_rule(Name=each) for each in rules]
    for each in rules:
        events.disable_rule(Name=each)
    try:
        yield
    finally:
        for each in before:
            events.put_rule(Name=each["Name"], EventPattern=each["EventPattern"], State=each["State"])
