"""Who changed a role, as far as it matters for what is done about it.

Decided by who signed the call and which service made it, never by a name that the caller chose: see doorward/events/model.py, Actor.

| the call was                                              | author      |
|-----------------------------------------------------------|-------------|
| signed by a break-glass role of organization.yaml          | break-glass |
| signed by a pipeline that organization.yaml names for this | pipeline    |
| made by an AWS service, for itself or for somebody         | service     |
| anything else, Doorward's own roles too                    | somebody    |

Doorward's own roles have no row: what they write is judged like everything else, for whoever gets into one could say that he is us.
"""

from enum import StrEnum
from typing import Final

from doorward.events.model import Actor
from doorward.organization.model import Organization

# What CloudTrail says of calls that people make in the console. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
_CONSOLE: Final = "AWS Internal"


class Author(StrEnum):
    SOMEBODY = "somebody"
    PIPELINE = "pipeline"
    SERVICE = "service"
    BREAK_GLASS = "break-glass"


def author_of(actor: Actor, organization: Organization, changing: str) -> Author:
    """`changing`: path and name of the role whose trust policy changed."""
    if actor.arn is not None and actor.arn in organization.break_glass:
        return Author.BREAK_GLASS
    if organization.is_pipeline(actor.arn, changing):
        return Author.PIPELINE
    if actor.kind == "AWSService" or actor.invoked_by not in {None, "", _CONSOLE}:
        return Author.SERVICE
    return Author.SOMEBODY
