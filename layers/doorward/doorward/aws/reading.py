"""Many items of a table by their keys. DynamoDB gives at most a hundred at once, and names those that it left out, to be asked for again.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_AT_ONCE: Final = 100
_AGAIN_SECONDS: Final = 0.2


def read_many(
    dynamodb: "DynamoDBClient", clock: Clock, table: str, keys: Iterable[Mapping[str, Any]], doing: str, *, tries: int, consistent: bool
) -> Iterator[Mapping[str, Any]]:
    """Those that are there, in no order. No key comes twice. Raises Unavailable, also where some are left out `tries` times."""
    for some in batched(keys, _AT_ONCE, strict=False):
        left: Any = {table: {"Keys": list(some), "ConsistentRead": consistent}}
        for _ in range(tries):
            with translated(doing):
                answer = dynamodb.batch_get_item(RequestItems=left)
            yield from answer["Responses"].get(table, [])
            left = answer.get("UnprocessedKeys")
            if not left:
                break
            clock.sleep(_AGAIN_SECONDS)
        else:
            raise Unavailable(f"{doing}: DynamoDB gives no more; trying again later")
