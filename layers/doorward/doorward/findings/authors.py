"""Who made the change that an event of ours tells of, and whether he is told before anybody else: read from the top.

| the event                                                  | the author                     | is told |
|------------------------------------------------------------|--------------------------------|---------|
| is not about a trust policy that was judged                | nobody: no change is looked at | no      |
| hides what it changed                                      | may be hiding: an intruder     | no      |
| carries another policy than the one that stands            | is not the one who is named    | no      |
| names nobody (a sweep, changed facts)                      | is not known                   | no      |
| names an AWS service                                       | is no person                   | no      |
| names the root user                                        | may be anybody who has the key | no      |
| names a caller of an account that is not ours              | is a stranger                  | no      |
| names one of Doorward's own roles                          | is Doorward, or has its rights | no      |
| names one of ours whom no entry of `authors` fits          | cannot be reached              | no      |
| names one of ours, or a pipeline's owner, by an entry      | is known                       | yes     |

Whoever acts with stolen keys reads none of this: what is told goes to where organization.yaml says that the owner of the keys is reached.
A session's name counts only of Identity Center, which sets it; anywhere else the caller chooses it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from doorward.iam.arns import parse_role_arn
from doorward.iam.matching import matches_glob
from doorward.organization.installation import ROLE_PATH
from doorward.organization.model import Author, Contact, Organization
from doorward.values import NamedTuple

TOLD_TO_AUTHORS: Final = frozenset(
    {"TrustViolationFound", "TrustPolicyUndecidable", "TrustPolicyReverted", "TrustRemedyFailed", "TrustViolationEnded"}
)
_IDENTITY_CENTER: Final = re.compile(
    r"arn:aws[a-z-]*:iam::[0-9]{12}:role/aws-reserved/sso\.amazonaws\.com/(?:[^/]+/)?AWSReservedSSO_(.+)_[0-9a-f]{16}"
)


class WhoWrote(NamedTuple):
    """`contact` None: he is not told, and `because` says why, as the end of a sentence. `name` is how he is called, "" if unknown."""

    contact: Contact | None
    name: str = ""
    because: str = ""


def who_wrote(detail_type: str, detail: Mapping[str, Any], organization: Organization) -> WhoWrote | None:
    """The table above for the detail of an event on our bus. None: the event asks for no author."""
    if detail_type not in TOLD_TO_AUTHORS:
        return None
    actor: Mapping[str, Any] = detail.get("actor") or {}
    refused = _not_told_because(actor, detail, organization)
    if refused:
        return WhoWrote(None, because=refused)
    found = _entry_for(actor, organization)
    if found is None:
        return WhoWrote(None, because="no entry of `authors` in organization.yaml says how to reach him")
    return WhoWrote(found.contact, found.name or found.owner)


def _not_told_because(actor: Mapping[str, Any], detail: Mapping[str, Any], organization: Organization) -> str:
    arn, account_id = actor.get("arn"), actor.get("account_id")
    if (detail.get("event") or {}).get("parameters_hidden"):
        return "the call hid what it changed, and whoever hides is not told how he was found"
    if actor.get("wrote_what_stands") is False:
        return "what stands is not what this call wrote, and nobody knows yet who did"
    if actor.get("kind") == "Root":
        return "it was the root user, who can be anybody who has its keys"
    if actor.get("kind") in {"AWSService", "AWSAccount"} or not isinstance(arn, str):
        return "no event names a person or a role"
    ours = {(detail.get("account") or {}).get("id"), *(each.id for each in organization.accounts)}
    if account_id not in ours:
        return "the caller is of no account of the organization"
    role = parse_role_arn(arn)
    if role is not None and role.path.startswith(ROLE_PATH):
        return "it was one of Doorward's own roles"
    return ""


def _entry_for(actor: Mapping[str, Any], organization: Organization) -> Author | None:
    """The first that fits; organization.yaml says so."""
    arn, session = str(actor.get("arn")), actor.get("session_name")
    owners = {each.owner for each in organization.pipelines if each.role == arn}
    permission_set = _IDENTITY_CENTER.fullmatch(arn)
    for each in organization.authors:
        if each.owner:
            fits = each.owner in owners
        elif each.principal:
            fits = matches_glob(each.principal, arn)
        else:
            fits = (
                permission_set is not None
                and isinstance(session, str)
                and matches_glob(each.permission_set, permission_set[1])
                and matches_glob(each.session, session)
            )
        if fits:
            return each
    return None
