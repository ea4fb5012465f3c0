"""The management account's function that contains an author: asked by the one role that may, and its answer read.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
from typing import TYPE_CHECKING

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.organization.installation import CONTAIN_FUNCTION, CONTAIN_ROLE

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from doorward.aws.members import Members


class LambdaContainment:
    """The Containment port."""

    def __init__(self, members: "Members", management_account: str) -> None:
        self._members = members
        self._management_account = management_account

    def contain(self, author: str, *, finding_id: str) -> str | None:
        function: LambdaClient = self._members.client("lambda", self._management_account, CONTAIN_ROLE, finding_id)
        with translated(f"asking {CONTAIN_FUNCTION} of account {self._management_account} to contain {author}"):
            answer = function.invoke(FunctionName=CONTAIN_FUNCTION, Payload=json.dumps({"author": author}).encode())
            said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or not isinstance(said, dict) or "contained" not in said:
            raise Unavailable(f"{CONTAIN_FUNCTION} of account {self._management_account} failed; its log group says why")
        return None if said["contained"] is True else str(said.get("because"))
