"""Calls about the secret with which Slack signs: whoever knows it can say yes in anybody's name.

| what                                     | by                           | went through | decisions by Slack | told              |
|------------------------------------------|------------------------------|--------------|--------------------|-------------------|
| read                                     | the function that checks     |              | count              | to nobody         |
| read                                     | anybody else                 | yes          | suspended          | critical          |
| written, or copied to another region     | anybody                      | yes          | suspended          | critical          |
| read                                     | anybody else                 | no           | count              | medium            |
| written, or copied                       | anybody                      | no           | count              | by guard-tampered |

Whoever writes it knows it; in another region it could be read unseen. Reading several at once (BatchGetSecretValue) is recorded as reading
each. A session of the function carries the function's name, which Lambda gives it, and nobody else opens one: the role trusts Lambda alone.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
"""

from typing import Final, NamedTuple

from doorward.events.guard import SECRET_READS
from doorward.events.model import GuardEvent
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity

DETECTION: Final = "slack-suspended"
READS: Final = SECRET_READS["secretsmanager.amazonaws.com"]
_TELLS: Final = READS | {"PutSecretValue", "ReplicateSecretToRegions", "RotateSecret", "UpdateSecret", "UpdateSecretVersionStage"}
_SERVICE: Final = "secretsmanager.amazonaws.com"
_SUFFIX: Final = len("-AbCdEf")
"""Secrets Manager puts it after the name in the ARN. https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html"""


class SigningSecret(NamedTuple):
    """`arn`: its own. `reader_role`, an ARN, and `reader`, the name of the function whose sessions may read it."""

    arn: str
    reader_role: str
    reader: str


def exposure(event: GuardEvent, secret: SigningSecret | None) -> Alert | None:
    """What is told of a call; None where it is about something else. Whether it suspends: `suspends`. `secret` None: there is no Slack."""
    if secret is None or event.event_source != _SERVICE or event.event_name not in _TELLS or not _is_about(event, secret):
        return None
    reads = event.event_name in READS
    if (reads and _is_the_reader(event, secret)) or (event.failed and not reads):
        return None
    who = event.actor.name_for_people
    ended = (
        "decisions by Slack count for nothing now, and what Slack alone said yes to is not enough" if suspends(event) else "it was refused"
    )
    return Alert(
        detection=DETECTION,
        key=f"{event.account_id}/{event.event_id}",
        severity=Severity.CRITICAL if suspends(event) else Severity.MEDIUM,
        title="decisions by Slack are suspended" if suspends(event) else "somebody tried to read Slack's signing secret",
        because=f"{who} called {event.event_name} on Slack's signing secret ({event.region}): {ended}.",
        what_to_do="If nobody of your team is setting Slack up at this moment, take the caller's access away; then have Slack make a new"
        " secret, store it, and end the suspension, as its runbook says.",
        account_id=event.account_id,
        at=event.event_time,
        region=event.region,
        principal=event.actor.arn or event.actor.principal_id or event.actor.account_id,
        events=(AlertEvent(event.event_id, event.event_name, event.event_time),),
    )


def suspends(event: GuardEvent) -> bool:
    """Of a call that is told."""
    return not event.failed


def _is_about(event: GuardEvent, secret: SigningSecret) -> bool:
    """By its ARN or its name, each also without what Secrets Manager adds; or hidden, and then it may be."""
    if event.parameters_omitted and not event.names:
        return True
    name = secret.arn.partition(":secret:")[2]
    return not {secret.arn, secret.arn[:-_SUFFIX], name, name[:-_SUFFIX]}.isdisjoint(event.names)


def _is_the_reader(event: GuardEvent, secret: SigningSecret) -> bool:
    return (event.actor.arn, event.actor.session_name) == (secret.reader_role, secret.reader)
