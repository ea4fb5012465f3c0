"""An author who breaks guardrails faster than it makes sense to undo: people are told, with what would stop him.

What is offered is a service control policy for him alone, to be attached by a person. Only where somebody has opted into it, Doorward asks
the management account's function to do the same (docs/adr/0079), and then for few:

| brake       | who wrote what stands                          | contained             |
|-------------|------------------------------------------------|-----------------------|
| his budget  | somebody, told by this very event              | yes, in his account   |
| his budget  | a pipeline, an AWS service, a break-glass role | no                    |
| his budget  | an event told before, or nobody knows          | no                    |
| his budget  | somebody of another account than the role's    | no                    |
| the role's  | whoever                                        | no                    |

Whom the function itself refuses besides stands in accounts/management.yaml.
"""

import json
from datetime import datetime
from typing import Any, Final

from doorward.events.model import Actor, Change
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity
from doorward.guardrails.authors import Author
from doorward.guardrails.brakes import Braking, hour_of
from doorward.guardrails.model import Role
from doorward.iam.arns import account_of_principal
from doorward.organization.installation import CONTAINED_POLICY
from doorward.organization.model import Organization

PING_PONG: Final = "remedy-ping-pong"
STORM: Final = "remedy-storm"
CONTAINED: Final = "author-contained"
_TITLES: Final = {
    PING_PONG: "a role is opened again and again",
    STORM: "one author breaks guardrails again and again",
}


def containment_policy(author: str) -> dict[str, Any]:
    """A service control policy that denies one principal everything; sessions of a role go by the role's ARN.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    only = {"ArnEquals": {"aws:PrincipalArn": author}}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "DoorwardContain", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": only}],
    }


def to_be_contained(braking: Braking, author: Author, actor: Actor, account_id: str) -> str | None:
    """The ARN of whom to contain. `actor`: of the event that told of exactly what stands. `account_id`: the role's."""
    if braking is not Braking.BUDGET_SPENT or author is not Author.SOMEBODY or actor.arn is None:
        return None
    return actor.arn if account_of_principal(actor.arn) == account_id else None


def what_came_of_it(author: str, refused: str | None, account_id: str, now: datetime) -> Alert:
    """What came of asking the function. `refused`: why not, None where he is contained. Told once an hour for each author."""
    if refused is None:
        title, because = "an author is denied everything", f"{author} can do nothing in account {account_id} any more."
        what_to_do = (
            f"Find out whether it was code or an attacker, and take his access away at its source. To let him work again, take his ARN out"
            f" of the service control policy {CONTAINED_POLICY}, as docs/runbooks/breaker.md shows; Doorward does not do that."
        )
    else:
        title, because = "an author could not be contained", f"{author} is NOT contained: {refused}"
        what_to_do = f"Contain him by hand: the message of {STORM} has the service control policy."
    return Alert(
        detection=CONTAINED,
        key=f"{author}/{hour_of(now)}",
        severity=Severity.CRITICAL,
        title=title,
        because=because,
        what_to_do=what_to_do,
        account_id=account_id,
        at=now,
        principal=author,
    )


def author_to_contain(  # noqa: PLR0917 - what braked, and whom it is about
    braking: Braking, because: str, author: str, role: Role, change: Change, organization: Organization, now: datetime
) -> Alert | None:
    """Told once a day for each author, or role. None where nothing braked that an author is to be contained for."""
    if braking not in {Braking.WRITTEN_TOO_OFTEN, Braking.BUDGET_SPENT}:
        return None
    detection = PING_PONG if braking is Braking.WRITTEN_TOO_OFTEN else STORM
    about = role.ref if detection == PING_PONG else author or "nobody known"
    return Alert(
        detection=detection,
        key=f"{about}/{now.date()}",
        severity=Severity.CRITICAL,
        title=_TITLES[detection],
        because=f"{because} Role: {role.arn}. Author: {author or 'not known'}.",
        what_to_do=_what_to_do(author, organization),
        account_id=role.account_id,
        at=now,
        role=role.arn,
        principal=author or None,
        events=(AlertEvent(change.event_id, change.event_name, change.event_time),),
    )


def _what_to_do(author: str, organization: Organization) -> str:
    account_id = account_of_principal(author)
    if account_id is None:
        return "Find out who does it from CloudTrail's events of the role, and take the access to IAM away from there."
    if account_id == organization.management_account:
        return (
            "No service control policy binds the management account: sign in there, and take the access away from this author"
            " by his own permissions."
        )
    policy = json.dumps(containment_policy(author), separators=(",", ":"))
    return (
        "If it is code, stop it and change it at its source. If it is an attacker, attach this service control policy to account"
        f" {account_id}; it stops this author alone: {policy}"
    )
