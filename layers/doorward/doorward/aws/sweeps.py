"""Sweeps, started before their hour.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.errors import Conflict

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsSweeps:
    """The Sweeps port."""

    def __init__(self, states: "SFNClient", state_machine_arn: str) -> None:
        self._states = states
        self._state_machine_arn = state_machine_arn

    def start(self, account_ids: Sequence[str], because: str, *, once: str | None = None) -> None:
        if not account_ids:
            return
        name = {} if once is None else {"name": sha256(once.encode()).hexdigest()}
        try:
            with translated(f"starting a sweep of {len(account_ids)} accounts"):
                self._states.start_execution(
                    stateMachineArn=self._state_machine_arn, input=json.dumps({"accounts": list(account_ids), "because": because}), **name
                )
        except Conflict:
            return  # it was started under this name before
