"""Gap: StartExecution takes any name, and refuses one that is taken even where AWS repeats its answer.

    the same name, the same input, still running   the first answer again
    the same name else                             ExecutionAlreadyExists
    more than 80 characters, or one of those that a name must not have   InvalidName

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html. Not emulated: a name is free again after 90 days.
"""

import json
import re
from typing import Any, Final

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions as sfn

READ_AGAINST = {"ministack.services.stepfunctions:_start_execution": "9923282fc76c"}

_NAME: Final = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")


def install() -> None:
    inner = sfn._start_execution

    def start_execution(data: dict[str, Any]) -> Any:
        name = data.get("name")
        if name is not None and not _NAME.fullmatch(name):
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        answer = inner(data)
        refusal = json.loads(answer[2])
        if answer[0] == 200 or not str(refusal.get("__type", "")).endswith("ExecutionAlreadyExists"):  # noqa: PLR2004 - HTTP
            return answer
        taken = sfn._executions[str(refusal["message"]).split("'")[1]]
        if taken["status"] != "RUNNING" or taken["input"] != data.get("input", "{}"):
            return answer
        return json_response({"executionArn": taken["executionArn"], "startDate": taken["startDate"]})

    sfn._start_execution = start_execution
