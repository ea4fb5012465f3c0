"""AWS error codes become our errors in this one place.

Codes: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and each operation's own list.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from doorward.errors import Conflict, DoorwardError, Misconfigured, Throttled, Unavailable
from doorward.ports.roles import Refused

_REFUSED = frozenset({"MalformedPolicyDocument", "LimitExceeded", "UnmodifiableEntity", "InvalidInput"})
_CONFLICT = frozenset(
    {
        "NoSuchEntity",
        "ConcurrentModification",
        "ConditionalCheckFailedException",
        "ExecutionAlreadyExists",
        "TransactionConflictException",
    }
)
# Why a transaction was cancelled, where its conditions did not hold or another one was at the same items.
_LOST = frozenset({"ConditionalCheckFailed", "TransactionConflict"})
_THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"})
_MISCONFIGURED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "InvalidAccessException",
        "InvalidClientTokenId",
        "KMSAccessDeniedException",
        "NotFound",
        "QueueDoesNotExist",
        "AWSOrganizationsNotInUseException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "ValidationError",
        "ValidationException",
    }
)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def translate(error: ClientError | BotoCoreError, doing: str) -> DoorwardError:
    """`doing` says what was tried, where: "reading role 777788889999/x". AWS's own message is kept; it names no secret of ours."""
    if isinstance(error, BotoCoreError):
        return Unavailable(f"{doing}: {error}")
    code = code_of(error)
    if code == "TransactionCanceledException" and _LOST & {each.get("Code") for each in error.response.get("CancellationReasons", [])}:
        return Conflict(f"{doing}: somebody else was there first")
    sentence = f"{doing}: {code}: {error.response.get('Error', {}).get('Message', '')}"
    if code in _REFUSED:
        return Refused(sentence)
    if code in _CONFLICT:
        return Conflict(sentence)
    if code in _MISCONFIGURED:
        return Misconfigured(sentence)
    if code in _THROTTLED:
        return Throttled(sentence)
    return Unavailable(sentence)


def condition_held(doing: str, write: Callable[[], object]) -> bool:
    """False where the condition of a conditional write to DynamoDB did not hold. Other errors are translated."""
    try:
        write()
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) == "ConditionalCheckFailedException":
            return False
        raise translate(error, doing) from error
    return True


@contextmanager
def translated(doing: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translate(error, doing) from error
