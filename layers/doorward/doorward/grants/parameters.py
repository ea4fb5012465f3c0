r"""What stands for `<name>` in a template: typed text that can only mean the one thing it names.

| type            | is                                                          |
|-----------------|-------------------------------------------------------------|
| account-id      | 12 digits                                                   |
| region          | a region's name, eu-central-1                               |
| s3-bucket       | a bucket's name                                             |
| s3-prefix       | the beginning of object keys, with a slash at its end       |
| dynamodb-table  | a table's name                                              |
| sqs-queue       | a queue's name                                              |
| sns-topic       | a topic's name                                              |
| lambda-function | a function's name                                           |
| log-group       | a log group's name                                          |
| secret          | a secret's name, without the six characters that AWS adds   |
| ssm-parameter   | a parameter's name with its path, from the first slash      |
| ec2-instance    | an instance's id, i-…                                       |
| rds-instance    | a DB instance's identifier                                  |
| kms-key         | a key's id, not an alias                                    |

Every type is narrower than AWS's own grammar where that allows what a policy reads otherwise than as itself. None has a blank, two dots
in a row, or one of `* ? $ { } < > " ' \ :`, so that no value widens a pattern, begins a variable, leaves its path, or ends its part of an
ARN.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html
"""

import re
from collections.abc import Mapping
from typing import Final

from doorward.grants.model import Template
from doorward.iam.matching import matches_glob
from doorward.people.model import Refusal

_LONGEST: Final = 512
"""Ours, below what AWS allows of keys and parameters: a session policy has no room for more."""
_GRAMMARS: Final[Mapping[str, tuple[str, str]]] = {
    "account-id": (r"[0-9]{12}", "an account id of 12 digits"),
    "region": (r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}", "the name of a region, eu-central-1"),
    "s3-bucket": (r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket"),
    "s3-prefix": (r"(?:[A-Za-z0-9!_.()=+@,-]+/)+", "the beginning of object keys, with a slash at its end and none before it"),
    "dynamodb-table": (r"[A-Za-z0-9_.-]{3,255}", "the name of a table"),
    "sqs-queue": (r"[A-Za-z0-9_-]{1,75}(?:\.fifo)?", "the name of a queue"),
    "sns-topic": (r"[A-Za-z0-9_-]{1,251}(?:\.fifo)?", "the name of a topic"),
    "lambda-function": (r"[A-Za-z0-9_-]{1,64}", "the name of a function"),
    "log-group": (r"[A-Za-z0-9_/.#-]{1,512}", "the name of a log group"),
    "secret": (r"[A-Za-z0-9/_+=.@-]{1,512}", "the name of a secret"),
    "ssm-parameter": (r"(?:/[A-Za-z0-9_.-]+)+", "the name of a parameter with its path, from the first slash"),
    "ec2-instance": (r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", "the id of an instance, i-…"),
    "rds-instance": (r"[a-z](?:-?[a-z0-9]){0,62}", "the identifier of a DB instance"),
    "kms-key": (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}", "the id of a key"),
}
TYPES: Final = tuple(_GRAMMARS)


def is_of_type(value: str, name: str) -> bool:
    pattern, _ = _GRAMMARS[name]
    steps = value.split("/")
    return len(value) <= _LONGEST and ".." not in value and "." not in steps and re.fullmatch(pattern, value, re.ASCII) is not None


def refused_parameters(template: Template, given: Mapping[str, str]) -> Refusal | None:
    """None where each parameter of the template is given, of its type, and within what the template allows, and nothing else is."""
    for name in given:
        if name not in template.parameters:
            return Refusal(f"The template {template.name} has no such parameter.", f"Give {_names(template)}.")
    for name, parameter in template.parameters.items():
        value = given.get(name)
        if value is None:
            return Refusal(f"The template {template.name} needs {name}.", f"Give {_names(template)}.")
        if not is_of_type(value, parameter.type):
            return Refusal(f"What was given as {name} cannot be used.", f"It must be {_GRAMMARS[parameter.type][1]}, spelled out.")
        if parameter.like and not any(matches_glob(each, value) for each in parameter.like):
            return Refusal(f"{name} is outside of what the template {template.name} is for.", f"It is for {' or '.join(parameter.like)}.")
    return None


def _names(template: Template) -> str:
    return ", ".join(template.parameters) or "none"
