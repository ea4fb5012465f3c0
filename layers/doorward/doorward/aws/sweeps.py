"""Sweeps, started before their hour.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from doorward.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsSweeps:
    """The Sweeps port."""

    def __init__(self, states: "SFNClient", state_machine_arn: str) -> None:
        self._states = states
        self._state_machine_arn = state_machine_arn

    def start(self, account_ids: Sequence[str], because: str) -> None:
        if not account_ids:
            return
        with translated(f"starting a sweep of {len(account_ids)} accounts"):
            self._states.start_execution(
                stateMachineArn=self._state_machine_arn, input=json.dumps({"accounts": list(account_ids), "because": because})
            )
