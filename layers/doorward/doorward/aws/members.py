"""The way into accounts: sessions of the roles that accounts/*.yaml make there, under Doorward's external ID.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config

from doorward.aws.errors import translated
from doorward.iam.arns import role_arn
from doorward.organization.installation import READ_ROLE, ROLE_PATH
from doorward.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

# The least that STS grants.
_SESSION_SECONDS = 900
# Credentials are not used up to their last moment: a call under way must still end in time.
_EXPIRY_MARGIN = timedelta(seconds=60)
# IAM's rates are low and not raisable; whoever calls waits rather than fails.
PATIENT = Config(retries={"mode": "adaptive", "max_attempts": 6}, connect_timeout=3, read_timeout=10)
# boto3 makes clients in one thread at a time.
_MAKING = Lock()
# For the sweep: what IAM refuses is left to reactions, not asked for again at once.
ONE_TRY = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


class _Session(NamedTuple):
    credentials: dict[str, str]
    expires_at: datetime


class Members:
    """`external_id` is asked for at the first assumption, and kept in memory only. Sessions of the read role are kept until they end."""

    def __init__(
        self, sts: "STSClient", external_id: Callable[[], str], clock: Clock, partition: str = "aws", config: Config = PATIENT
    ) -> None:
        self._sts = sts
        self._external_id = external_id
        self._clock = clock
        self._partition = partition
        self._config = config
        self._sessions: dict[str, _Session] = {}
        self._readers: dict[tuple[str, str, str | None], tuple[Any, datetime]] = {}

    def reader(self, service: str, account_id: str, region: str | None = None) -> Any:
        """A client of doorward-read in the account. `region` None: the function's own. Raises Unavailable, Misconfigured."""
        key = (service, account_id, region)
        kept = self._readers.get(key)
        if kept is None or not self._is_fresh(kept[1]):
            session = self._sessions.get(account_id)
            if session is None or not self._is_fresh(session.expires_at):
                session = self._sessions[account_id] = self._assume(account_id, READ_ROLE, "doorward")
            kept = self._readers[key] = (_client(service, session, account_id, region, self._config), session.expires_at)
        return kept[0]

    def client(self, service: str, account_id: str, role_name: str, session_name: str, **assumption: Any) -> Any:
        """A client under a session of its own, which nobody keeps. `assumption`: further parameters of AssumeRole."""
        return _client(service, self._assume(account_id, role_name, session_name, **assumption), account_id, None, self._config)

    def knock(self, account_id: str, role_name: str, session_name: str) -> None:
        """Assume a role for the event that it makes, and do nothing with the session. Raises Unavailable, Misconfigured."""
        self._assume(account_id, role_name, session_name)

    def _is_fresh(self, expires_at: datetime) -> bool:
        return expires_at - _EXPIRY_MARGIN > self._clock.now()

    def _assume(self, account_id: str, role_name: str, session_name: str, **assumption: Any) -> _Session:
        arn = role_arn(account_id, role_name, ROLE_PATH, self._partition)
        external_id = self._external_id()
        with translated(f"assuming {arn} (deploy accounts/member.yaml into account {account_id}, with the hub's external ID)"):
            answer = self._sts.assume_role(
                RoleArn=arn, RoleSessionName=session_name, ExternalId=external_id, DurationSeconds=_SESSION_SECONDS, **assumption
            )
        credentials = answer["Credentials"]
        keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
        return _Session(keys, credentials["Expiration"])


def _client(service: str, session: _Session, account_id: str, region: str | None, config: Config) -> Any:
    make: Any = boto3.client
    with translated(f"preparing to call {service} in account {account_id}"), _MAKING:
        return make(service, region_name=region, config=config, **session.credentials)
