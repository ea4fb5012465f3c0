"""Who signed a call with AWS's keys, by what API Gateway says of him (`requestContext.identity` of a REST API under `AWS_IAM`).

The first line that fits counts. `role`: as read just now, by the name that the session's ARN has. `users`: those whom Identity Center has
under exactly the session's name.

| who called                                                                    | is                            |
|-------------------------------------------------------------------------------|-------------------------------|
| nobody that can be made out: a field is missing, malformed, or contradicts    | refused                       |
| of another organization, or of none; without ours known, of an unlisted account | refused                     |
| root, a federated user, anything but a role's session or an IAM user          | refused                       |
| a session of `AWSReservedSSO_*`, in an account that is no identity account    | refused                       |
| … in one from which identity is suspended                                     | refused                       |
| … of 64 characters: AWS allows no more, so that it may have been cut off      | refused                       |
| … where there is no such role, or it has another unique id                    | refused: it was made anew     |
| … whose path does not begin with /aws-reserved/sso.amazonaws.com/             | refused: anybody can make one |
| … whose trust policy lets in anybody but Identity Center's SAML provider      | refused: he chose the name    |
| … of none or several users, or of one who is spelled otherwise                | refused                       |
| … of one who is switched off                                                  | refused                       |
| … of exactly one                                                              | that Person                   |
| another role's session, where the role is named, and has this unique id       | that Machine                  |
| an IAM user, where his ARN is named                                           | that Machine                  |
| any other                                                                     | refused                       |

A session's name is whatever whoever opened it wrote. Only of Identity Center's own roles it is what Identity Center wrote: the user name.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from doorward.errors import MalformedInput
from doorward.iam.arns import is_account_id, is_unique_id, parse_arn
from doorward.iam.documents import parse_document
from doorward.people.model import Caller, Machine, Refusal, Suspension, User, Via
from doorward.people.users import person_of
from doorward.values import NamedTuple

RESERVED_NAME: Final = "AWSReservedSSO_"
RESERVED_PATH: Final = "/aws-reserved/sso.amazonaws.com/"
RESERVED_PROVIDER: Final = "AWSSSO_"
"""How the SAML provider is called that Identity Center makes in an account: `AWSSSO_0123456789abcdef_DO_NOT_DELETE`."""
_LONGEST_SESSION: Final = 64
_LONGEST_FIELD: Final = 2048
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ROLE: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_FIELDS: Final = ("accountId", "caller", "userArn")


class Kind(StrEnum):
    SESSION = "session"
    USER = "user"


class Signed(NamedTuple):
    """A role's session or an IAM user. `name`: of the role, without its path; of a user nothing. `session_name` "": of a user."""

    kind: Kind
    account_id: str
    arn: str
    unique_id: str
    organization_id: str
    name: str = ""
    session_name: str = ""

    @property
    def is_of_identity_center(self) -> bool:
        return self.name.startswith(RESERVED_NAME)


class LiveRole(NamedTuple):
    """A role as it stands now."""

    arn: str
    path: str
    role_id: str
    trust_policy: str


class Admitted(NamedTuple):
    """Whom we let speak. `organization_id` None: only what is of `accounts` is ours. `machines` are ARNs."""

    organization_id: str | None
    accounts: frozenset[str]
    identity_accounts: frozenset[str]
    machines: frozenset[str]


class Facts(NamedTuple):
    """What is asked about a caller, each only where it matters."""

    suspension: Callable[[str], Suspension | None]
    role: Callable[[str, str], LiveRole | None]
    users_named: Callable[[str], Sequence[User]]


def read_signed(identity: object) -> Signed | Refusal:
    """What API Gateway says of a caller. It is AWS's word, and yet nothing is taken for granted: what does not fit together is nobody."""
    if not isinstance(identity, Mapping):
        return _unreadable("there is nothing about who called")
    texts: dict[str, str] = {}
    for name in _FIELDS:
        value = identity.get(name)
        if not isinstance(value, str) or not value or len(value) > _LONGEST_FIELD:
            return _unreadable(f"{name} is missing or no text")
        texts[name] = value
    organization = identity.get("principalOrgId")
    account_id, caller, user_arn = texts.values()
    arn = parse_arn(user_arn)
    if arn is None or not is_account_id(account_id) or arn.account_id != account_id:
        return _unreadable("account and ARN do not fit together")
    unique_id, colon, session_name = caller.partition(":")
    service, kind, rest = arn.service, *_split(arn.resource)
    organization_id = organization if isinstance(organization, str) else ""
    if (service, kind) == ("iam", "user") and unique_id.startswith("AIDA") and is_unique_id(unique_id) and not colon:
        return Signed(Kind.USER, account_id, user_arn, unique_id, organization_id)
    if (service, kind) == ("sts", "assumed-role"):
        name, slash, named = rest.partition("/")
        fits = unique_id.startswith("AROA") and is_unique_id(unique_id) and slash and named == session_name
        if not fits or _ROLE.fullmatch(name) is None or _SESSION.fullmatch(session_name) is None:
            return _unreadable("role, session and unique id do not fit together")
        return Signed(Kind.SESSION, account_id, user_arn, unique_id, organization_id, name, session_name)
    return Refusal(
        f"{user_arn} is neither a role's session nor an IAM user: root and federated users are nobody to Doorward.",
        "Sign in by Identity Center, and call with the credentials of the role that it gives you.",
    )


def caller_of(signed: Signed, admitted: Admitted, facts: Facts) -> Caller | Refusal:
    """The table above, from its second line. Raises what `facts` raise."""
    if not _is_ours(signed, admitted):
        return Refusal(
            f"Account {signed.account_id} is not of this organization.",
            "Call with credentials of an account of the organization that Doorward serves.",
        )
    if signed.kind is Kind.USER:
        return _machine(signed.arn, signed, admitted)
    if signed.is_of_identity_center:
        return _person(signed, admitted, facts)
    if not any(_may_be(machine, signed) for machine in admitted.machines):
        return _machine("", signed, admitted)
    role = facts.role(signed.account_id, signed.name)
    if role is None or role.role_id != signed.unique_id:
        return _made_anew(signed)
    return _machine(role.arn, signed, admitted)


def _is_ours(signed: Signed, admitted: Admitted) -> bool:
    if admitted.organization_id is None:
        return signed.account_id in admitted.accounts
    return signed.organization_id == admitted.organization_id


def _person(signed: Signed, admitted: Admitted, facts: Facts) -> Caller | Refusal:
    account_id = signed.account_id
    if account_id not in admitted.identity_accounts:
        accounts = ", ".join(sorted(admitted.identity_accounts))
        return Refusal(
            f"Account {account_id} is no identity account: nobody is recognized by its roles of Identity Center.",
            f"Use a role that Identity Center gives you in {accounts}, or have the account named under identity.accounts.",
        )
    suspension = facts.suspension(account_id)
    if suspension is not None:
        return Refusal(
            f"Identity from account {account_id} is suspended: {suspension.because}",
            "Have an operator look into it by docs/runbooks/identity-suspended.md, and end the suspension.",
        )
    if len(signed.session_name) >= _LONGEST_SESSION:
        return Refusal(
            f"The session's name has {_LONGEST_SESSION} characters, the most that AWS allows: it may be cut off.",
            "Have the user name in Identity Center shortened to 63 characters, and sign in again.",
        )
    role = facts.role(account_id, signed.name)
    if role is None or role.role_id != signed.unique_id:
        return _made_anew(signed)
    if not role.path.startswith(RESERVED_PATH) or not _lets_in_identity_center_alone(role, account_id):
        return Refusal(
            f"{role.arn} is called like a role of Identity Center and is none: whoever opens its sessions chooses their names.",
            "Sign in by Identity Center. Have an operator find out who made this role: it may have been made to pass for somebody else.",
        )
    found = person_of(signed.session_name, facts.users_named(signed.session_name))
    return found if isinstance(found, Refusal) else Caller(found, Via.SIGV4)


def _lets_in_identity_center_alone(role: LiveRole, account_id: str) -> bool:
    """Whether each Allow of its trust policy is for Identity Center's SAML provider in the role's own account, and nobody else."""
    try:
        policy = parse_document(role.trust_policy)
    except MalformedInput:
        return False
    provider = f"{role.arn.partition(':iam:')[0]}:iam::{account_id}:saml-provider/{RESERVED_PROVIDER}"
    allowed = [each.principals or () for each in policy.statements if each.effect == "Allow"]
    return bool(allowed) and all(
        principals and all(each.type == "Federated" and each.value.startswith(provider) for each in principals) for principals in allowed
    )


def _may_be(machine: str, signed: Signed) -> bool:
    """Whether a session can be of this: its ARN lacks the role's path, so that the role has to be read to know."""
    arn = parse_arn(machine)
    return arn is not None and (arn.account_id, arn.name) == (signed.account_id, signed.name)


def _machine(arn: str, signed: Signed, admitted: Admitted) -> Caller | Refusal:
    if arn and arn in admitted.machines:
        return Caller(Machine(arn), Via.SIGV4)
    return Refusal(
        f"{signed.arn} is nobody to Doorward: a session's name says nothing about who opened it.",
        "People sign in by Identity Center. Have a machine's role or IAM user named under identity.machines of config/organization.yaml.",
    )


def _made_anew(signed: Signed) -> Refusal:
    return Refusal(
        f"Role {signed.account_id}/{signed.name} is gone, or was made anew since this session was opened.",
        "Sign in again, and call with the new credentials.",
    )


def _unreadable(why: str) -> Refusal:
    return Refusal(f"Who called cannot be made out: {why}.", "Sign the call with SigV4, with credentials of AWS.")


def _split(resource: str) -> tuple[str, str]:
    kind, _, rest = resource.partition("/")
    return kind, rest
