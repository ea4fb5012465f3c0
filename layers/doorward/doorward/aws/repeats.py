"""Answers that are given once, by Powertools' idempotency over DynamoDB.

Ledger table, `pk` / `sk`:
    REPEAT   REPEAT#<SHA-256 of caller and key>   status, data (the answer), validation (SHA-256 of what was asked), in_progress_expiration

https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.ports.repeats import AskedOtherwise, Given, InProgress

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_FOR: Final = timedelta(hours=24)
LONGEST_CALL: Final = timedelta(seconds=28)
"""Whoever has not answered by then never will: the function's Timeout."""
_PREFIX: Final = "REPEAT"


class DynamoRepeats:
    """The Repeats port. Built once per execution environment, for each adds handlers to its client."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._store = DynamoDBPersistenceLayer(
            table, key_attr="pk", sort_key_attr="sk", static_pk_value=_PREFIX, expiry_attr="ttl", boto3_client=dynamodb
        )
        self._config = IdempotencyConfig(
            event_key_jmespath="[who, key]",
            payload_validation_jmespath="asked",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=int(KEPT_FOR.total_seconds()),
            hash_function="sha256",
            lambda_context=_Remaining(),  # type: ignore[arg-type]
        )

    def once(self, who: str, key: str, asked: str, answer: Callable[[], Given]) -> Given:
        once: Any = idempotent_function(
            data_keyword_argument="call", persistence_store=self._store, config=self._config, key_prefix=_PREFIX
        )

        @once  # type: ignore[untyped-decorator]
        def answered(*, call: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG001 - the library hashes it
            return dict(answer())

        doing = "keeping the answer to a call"
        try:
            kept: Given = answered(call={"who": who, "key": key, "asked": asked})
        except IdempotencyAlreadyInProgressError:
            raise InProgress from None
        except IdempotencyValidationError:
            raise AskedOtherwise from None
        except IdempotencyInconsistentStateError:
            raise Unavailable(f"{doing}: it changed under our hands") from None
        except IdempotencyPersistenceLayerError as error:
            with translated(doing):
                raise error.__cause__ or error from None
        return kept


class _Remaining:
    """What the library asks of Lambda's context: how long an answer may take yet. At most so long, whenever it is asked."""

    def get_remaining_time_in_millis(self) -> int:
        return int(LONGEST_CALL.total_seconds() * 1000)
