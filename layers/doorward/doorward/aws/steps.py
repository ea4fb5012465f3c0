"""What a state machine is told of a failure: its kind. Whatever an error says would stand in the execution's history.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger

from doorward.errors import DoorwardError, where_of


class StepFailed(Exception):  # noqa: N818 - it never leaves the function but by its name
    """Its log says why."""


@contextmanager
def told_by_kind(logger: Logger, *known: type[Exception]) -> Iterator[None]:
    """`known`: what the state machine goes by, whose texts are nobody's. Raises them, and StepFailed for everything else.

    What a bug says is not logged either: it may hold what the step was given.
    """
    try:
        yield
    except known as error:
        raise type(error) from None
    except DoorwardError as error:
        logger.error(  # noqa: TRY400 - a trace says more than a kind
            "A step failed", error_type=type(error).__name__, because=str(error)
        )
        raise StepFailed(type(error).__name__) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its text goes no further
        logger.error(  # noqa: TRY400 - the same
            "A step met a bug", error_type=type(error).__name__, where=where_of(error)
        )
        raise StepFailed(type(error).__name__) from None
