"""Gap: `*` and `?` of a policy match every character but a line feed. On AWS they match that, too.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import re
from functools import lru_cache

from ministack.core import iam_evaluator

READ_AGAINST = {"ministack.core.iam_evaluator:_fnmatch_compile": "c95d90f11ae7"}


def install() -> None:
    inner = iam_evaluator._fnmatch_compile

    @lru_cache(4096)
    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        whole = inner(pattern, ignore_case)
        return re.compile(whole.pattern.removesuffix("$") + r"\Z", whole.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compiled
