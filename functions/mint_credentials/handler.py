"""The broker, asked by serve_api alone, to `mint_credentials`. Neither what is asked nor what is answered is logged, traced or kept.

Lambda writes a failure into the log as it is. So none but Doorward's own goes on: the words of another might be those of a secret.
"""

from typing import Any, NoReturn

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import DoorwardError, where_of
from doorward.people.model import Refusal
from doorward.usecases.mint_credentials import mint_credentials, minted_as_json

logger = Logger()


def handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    try:
        minted = mint_credentials(event, bootstrap.mint_tools())
    except DoorwardError:
        raise
    except Exception as error:  # noqa: BLE001 - it goes on, without its words
        _met_a_bug(error)
    if isinstance(minted, Refusal):
        logger.info("Refused to mint", because=minted.because)
    else:
        logger.info("Minted", kind=type(minted).__name__)
    return minted_as_json(minted)


def _met_a_bug(error: Exception) -> NoReturn:
    logger.error("Met a bug", error_type=type(error).__name__, where=where_of(error))
    raise RuntimeError("a bug: the line of the log before says where") from None
