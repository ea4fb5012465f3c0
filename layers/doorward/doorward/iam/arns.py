"""Account ids, ARNs and unique ids, as IAM writes them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from functools import lru_cache

from doorward.values import NamedTuple

_ACCOUNT_ID_DIGITS = 12
_UNIQUE_ID_KINDS = ("AROA", "AIDA", "ACCA", "AGPA", "ANPA", "AIPA")
_UNIQUE_ID_LENGTHS = range(16, 129)
_ARN_PARTS = 6
IAM_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""By partition: where IAM and its events are at home, and where the hub stands."""


class Arn(NamedTuple):
    """`arn:partition:service:region:account_id:resource`; the resource keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"

    @property
    def name(self) -> str:
        """The last segment: a role's name without its path, a session's name."""
        return self.resource.rsplit("/", 1)[-1]


class RoleArn(NamedTuple):
    """`arn:partition:iam::account_id:role<path><name>`; `path` begins and ends with a slash."""

    partition: str
    account_id: str
    path: str
    name: str


@lru_cache(maxsize=4096)
def parse_arn(text: str) -> Arn | None:
    """None where the text has not the six parts of an ARN."""
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[0] != "arn":
        return None
    return tuple.__new__(Arn, parts[1:])  # its own constructor costs three times as much


def parse_role_arn(text: str | None) -> RoleArn | None:
    """None where this is no role's ARN. The path is whatever stands after the account: people may write `:role/` into one, `/x:role/y/`.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    arn = parse_arn(text or "")
    if arn is None or (arn.service, arn.region) != ("iam", "") or not is_account_id(arn.account_id):
        return None
    kind, slash, name = arn.resource.rpartition("/")
    if not name or not f"{kind}{slash}".startswith("role/"):
        return None
    return RoleArn(arn.partition, arn.account_id, f"{kind}{slash}".removeprefix("role"), name)


def is_account_id(text: str) -> bool:
    return len(text) == _ACCOUNT_ID_DIGITS and text.isascii() and text.isdigit()


def is_visible(text: str) -> bool:
    """Whether it is of characters that a path or a name of IAM can have: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html."""
    return text.isascii() and text.isprintable() and " " not in text


def is_unique_id(text: str) -> bool:
    """Whether this is an id as IAM gives it, of a principal that may be gone: `AROA…`, `AIDA…`."""
    return (
        text.startswith(_UNIQUE_ID_KINDS) and len(text) in _UNIQUE_ID_LENGTHS and text.isascii() and text.isalnum() and text == text.upper()
    )


def session_of(role_arn: str, session_name: str) -> str:
    """The ARN of a role's session, which lacks the role's path.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    """
    account = role_arn.replace(":iam:", ":sts:").partition(":role/")[0]
    return f"{account}:assumed-role/{role_arn.rpartition('/')[2]}/{session_name}"


def account_of_principal(value: str) -> str | None:
    """The account that an `AWS` principal of a policy names: a bare id, or the account part of an ARN. None for `*` and unique ids."""
    if is_account_id(value):
        return value
    arn = parse_arn(value)
    return arn.account_id if arn is not None and is_account_id(arn.account_id) else None


def role_arn(account_id: str, name: str, path: str = "/", partition: str = "aws") -> str:
    """`path` begins and ends with a slash."""
    return f"arn:{partition}:iam::{account_id}:role{path}{name}"


def is_of_aws(policy_arn: str) -> bool:
    """Whether a managed policy is AWS's own, the same in every account."""
    arn = parse_arn(policy_arn)
    return arn is not None and (arn.service, arn.account_id) == ("iam", "aws") and arn.resource.startswith("policy/")
