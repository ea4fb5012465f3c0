"""The broker, as whoever serves people asks it; and what it asks STS for.

What goes through here is secret, and an error is written into logs: so none of them has a word of what was sent or answered, not even
AWS's own message, which may repeat a parameter.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from doorward.aws.errors import code_of, translate
from doorward.aws.sign_in import SignInEndpoint
from doorward.errors import DoorwardError, Misconfigured, Throttled, Unavailable
from doorward.grants.issuing import Issue
from doorward.people.model import Refusal
from doorward.ports.grants import Credentials, Issued, Opened, SignIn

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sts import STSClient

ASKED_ONCE: Final = Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=22)
"""To invoke the broker with: an issue is used up by the first call, and the broker itself takes twenty seconds at most."""
IN_TIME: Final = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=5)
"""To ask STS with: somebody waits."""
_REFUSED: Final[Mapping[str, Refusal]] = {
    "PackedPolicyTooLarge": Refusal(
        "What the session may do, and its tags, are more than STS packs into one. It is never opened with less of it.",
        "Ask for less at a time, or have the template of config/entitlements.yaml made shorter.",
    ),
    "MalformedPolicyDocument": Refusal(
        "STS does not take the policy that the session would get.", "Have the template of config/entitlements.yaml looked at."
    ),
}
_FAILURES: Final[Mapping[str, type[DoorwardError]]] = {each.__name__: each for each in (Unavailable, Throttled, Misconfigured)}


class LambdaBroker:
    """The Broker port, for whoever serves people. `lambda_` is made with ASKED_ONCE."""

    def __init__(self, lambda_: "LambdaClient", function_name: str) -> None:
        self._lambda = lambda_
        self._function_name = function_name

    def credentials(self, issued: Issued) -> Credentials | Refusal:
        return self._asked(Credentials, {"grant_id": issued.grant_id, "issue_id": issued.id})

    def console(self, issued: Issued, destination: str) -> SignIn | Refusal:
        return self._asked(SignIn, {"grant_id": issued.grant_id, "issue_id": issued.id, "destination": destination})

    def _asked[T](self, wanted: type[T], call: Mapping[str, str]) -> T | Refusal:
        doing = f"asking the broker for issue {call['issue_id']}"
        try:
            answer = self._lambda.invoke(FunctionName=self._function_name, Payload=json.dumps(call).encode())
            said = json.loads(answer["Payload"].read())
        except (ClientError, BotoCoreError) as error:
            raise _without_words(error, doing) from None
        except ValueError:
            raise Unavailable(f"{doing}: it answered with something else than JSON") from None
        if "FunctionError" in answer:
            raise _failure(said, doing)
        minted = minted_from(said)
        if not isinstance(minted, wanted | Refusal):
            raise Unavailable(f"{doing}: it answered with something else")
        return minted


def minted_from(said: object) -> Credentials | SignIn | Refusal | None:
    """What `minted_as_json` of usecases/mint_credentials.py wrote; None where it is anything else."""
    try:
        match said:
            case {"credentials": values}:
                return Credentials(**{**values, "expiration": datetime.fromisoformat(values["expiration"])})
            case {"console": values}:
                return SignIn(**{**values, "expires_at": datetime.fromisoformat(values["expires_at"])})
            case {"refused": values}:
                return Refusal(**values)
    except (TypeError, ValueError, KeyError):
        return None
    return None


def _failure(said: object, doing: str) -> DoorwardError:
    """The broker's own failures keep their kind and their sentence; of anything else nothing is known here."""
    kind = _FAILURES.get(str(said.get("errorType"))) if isinstance(said, Mapping) else None
    if kind is None or not isinstance(said, Mapping):
        return Unavailable(f"{doing}: it failed; its log group says why")
    return kind(str(said.get("errorMessage")))


class StsGrantSessions:
    """The GrantSessions port. `sts` is made with IN_TIME. `external_id` is asked for at the first session, and kept in memory only."""

    def __init__(self, sts: "STSClient", external_id: Callable[[], str], sign_in: SignInEndpoint) -> None:
        self._sts = sts
        self._external_id = external_id
        self._sign_in = sign_in

    def open(self, asked: Issue) -> Opened | Refusal:
        external_id = self._external_id()
        duration: Any = {} if asked.duration_seconds is None else {"DurationSeconds": asked.duration_seconds}
        try:
            answer = self._sts.assume_role(
                RoleArn=asked.role_arn,
                RoleSessionName=asked.session_name,
                SourceIdentity=asked.session_name,
                ExternalId=external_id,
                Policy=asked.policy,
                Tags=[{"Key": name, "Value": value} for name, value in asked.tags.items()],
                TransitiveTagKeys=list(asked.tags),
                **duration,
            )
        except (ClientError, BotoCoreError) as error:
            refusal = _REFUSED.get(code_of(error)) if isinstance(error, ClientError) else None
            if refusal is not None:
                return refusal
            raise _without_words(error, f"opening {asked.role_arn} (deploy accounts/member.yaml there with AllowGrants=true)") from None
        given = answer["Credentials"]
        credentials = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"])
        return Opened(credentials, answer.get("PackedPolicySize"))

    def console(self, credentials: Credentials, destination: str) -> str:
        return self._sign_in.link(credentials, destination)


def _without_words(error: ClientError | BotoCoreError, doing: str) -> DoorwardError:
    """What kind of failure it is, with nothing of what was sent."""
    if isinstance(error, ClientError):
        return translate(ClientError({"Error": {"Code": code_of(error), "Message": "its words are left out"}}, error.operation_name), doing)
    return Unavailable(f"{doing}: {type(error).__name__}")
