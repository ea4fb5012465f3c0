"""The organization and the parties it trusts, as `config/organization.yaml` states them (docs/contracts.md, "Org file").

NamedTuples, not dataclasses: making their classes is part of every cold start, and a dataclass costs many times as much:
see docs/performance.md.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from doorward.iam.matching import matches_glob
from doorward.values import NamedTuple

if TYPE_CHECKING:
    from typing import Protocol

    class DescribedRole(Protocol):
        """What is known of a role wherever one is matched: `path` begins and ends with a slash, `tags` are its own."""

        @property
        def account_id(self) -> str: ...
        @property
        def name(self) -> str: ...
        @property
        def path(self) -> str: ...
        @property
        def tags(self) -> Mapping[str, str]: ...


class Contact(NamedTuple):
    """Where somebody is reached: one of a Slack id (of a user or a channel) and the ARN of an SNS topic of the hub."""

    slack: str = ""
    topic: str = ""


class Owner(NamedTuple):
    """Who answers for an account."""

    name: str
    contact: Contact


class Author(NamedTuple):
    """How whoever changes roles is reached. Known by one of `owner` (of pipelines), `principal`, and `permission_set` with `session`.

    `principal`: the ARN of an IAM user or role. `permission_set`, `session`: whoever comes by Identity Center under that name. In these
    three `*` and `?` are wildcards.
    """

    contact: Contact
    name: str = ""
    owner: str = ""
    principal: str = ""
    permission_set: str = ""
    session: str = ""


class Account(NamedTuple):
    """`ou` is a path of names from the root, "/workloads/prod"; `org_path` the ids as in `aws:PrincipalOrgPaths`; both "" if unknown.

    `listed` False: AWS Organizations names it, and organization.yaml does not: it is only observed until somebody adopts it.
    """

    id: str
    name: str
    ou: str = ""
    org_path: str = ""
    tags: Mapping[str, str] = MappingProxyType({})
    listed: bool = True
    owner: Owner | None = None


def covers_account(account_id: str, account: Account | None, accounts: tuple[str, ...], ou: str | None, tags: Mapping[str, str]) -> bool:
    """Whether an account fits every criterion that is given. `account` None: nobody described it, so nothing of it fits."""
    if accounts and account_id not in accounts:
        return False
    if account is None:
        return ou is None and not tags
    return (ou is None or account.ou == ou or account.ou.startswith(ou.rstrip("/") + "/")) and all(
        account.tags.get(key) == value for key, value in tags.items()
    )


class Match(NamedTuple):
    """Which roles. Every given criterion must hold; an `ou` includes those below it; `role_path` is a prefix, `role_name` a glob.

    `tags` are the account's, `role_tags` the role's own.
    """

    accounts: tuple[str, ...] = ()
    ou: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    role_path: str | None = None
    role_name: str | None = None
    role_tags: Mapping[str, str] = MappingProxyType({})

    def covers(self, role: "DescribedRole", account: Account | None) -> bool:
        """`account` None: nobody described it, so nothing of it fits."""
        return (
            covers_account(role.account_id, account, self.accounts, self.ou, self.tags)
            and (self.role_path is None or role.path.startswith(self.role_path))
            and (self.role_name is None or matches_glob(self.role_name, role.name))
            and all(role.tags.get(key) == value for key, value in self.role_tags.items())
        )

    def may_cover(self, role: "DescribedRole", account: Account) -> bool:
        """Whether it covers the role for all that is known: before AWS Organizations was asked, neither OU nor tags of an account are."""
        known = self if account.ou else self._replace(ou=None, tags={})
        return known.covers(role, account)


class TrustedAccount(NamedTuple):
    """An account outside the organization that may come in: a vendor, a partner."""

    id: str
    name: str
    external_id_required: bool = True


class TrustedIssuer(NamedTuple):
    """An OIDC issuer without `https://`. `subjects` are IAM-style globs; `claims` map a claim to its trusted values.

    A caller is trusted by a subject or by claims.
    """

    issuer: str
    subjects: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Pipeline(NamedTuple):
    """A role that may change trust policies by code: of `roles`, patterns of path and name (`/payments/*`); with none, of every role."""

    role: str
    owner: str
    roles: tuple[str, ...] = ()


class Networks(NamedTuple):
    cidrs: tuple[str, ...] = ()
    vpcs: tuple[str, ...] = ()
    vpce: tuple[str, ...] = ()


ON_CALL = "on-call:"
"""How the group of whoever is on call begins; the roster's name follows. No group of the file may be called so."""


class Group(NamedTuple):
    """Who may decide. Either the user names that the file lists, or whoever is in the group of this name in Identity Center."""

    name: str
    user_names: tuple[str, ...] = ()
    identity_center: bool = False


class TokenIssuer(NamedTuple):
    """Whose tokens say who calls. `issuer` as in the claim `iss`; `keys` is the address of its key set (JWKS).

    `people` map a token's `sub` to a user name of Identity Center; `machines` are the `sub` of those that are none. Compared exactly.
    """

    issuer: str
    keys: str
    audience: str
    people: Mapping[str, str] = MappingProxyType({})
    machines: tuple[str, ...] = ()


class Identity(NamedTuple):
    """Who may speak to Doorward. `store` and `region` are Identity Center's; "": nobody is a person.

    `accounts`: by whose Identity Center roles people are recognized; empty: the hub's own. `machines`: ARNs of roles and IAM users.
    `aliases`: as whom else somebody works: pairs of a user name and the ARN of an IAM user or a role. By an alias nobody speaks; whoever
    did something under one does not decide about it.
    """

    store: str = ""
    region: str = ""
    accounts: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    tokens: tuple[TokenIssuer, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    def accounts_of(self, hub_account: str) -> frozenset[str]:
        return frozenset(self.accounts or (hub_account,))

    def issuer(self, issuer: str) -> TokenIssuer | None:
        return next((each for each in self.tokens if each.issuer == issuer), None)


EVERYBODY: Final = "everybody"
"""Among the channels of a route: the topic and the channel of the installation."""


class Route(NamedTuple):
    """Who is told of what is found in some accounts, from a severity on. `channels`: Slack ids, ARNs of topics, and EVERYBODY.

    Every given criterion must hold; an `ou` includes those below it; `tags` are the account's. None given: of every account.
    """

    channels: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    ou: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    severity_from: str = "info"


class Notifications(NamedTuple):
    """How much people are told. What is less severe than `digest_below` is told once a day.

    `group_minutes`: for how long what is found alike goes into the thread of the first. `most_per_minute`: messages to one channel.
    """

    routes: tuple[Route, ...] = ()
    digest_below: str = "medium"
    group_minutes: int = 15
    most_per_minute: int = 60


class Organization(NamedTuple):
    """`id` is None in one-account mode: then only `accounts` are ours.

    `services` may act for whomever; `cognito` are ids of identity pools, `roles_anywhere` ARNs of trust anchors. `break_glass` are ARNs of
    sealed roles for emergencies: they are never written to, and what they change is asked about. `hub_account`: where Doorward runs, which
    no file says; None where it is not known: any account of ours may be it.
    """

    id: str | None = None
    management_account: str | None = None
    partition: str = "aws"
    accounts: tuple[Account, ...] = ()
    trusted_accounts: tuple[TrustedAccount, ...] = ()
    oidc: tuple[TrustedIssuer, ...] = ()
    saml: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    cognito: tuple[str, ...] = ()
    roles_anywhere: tuple[str, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    authors: tuple[Author, ...] = ()
    networks: Networks = Networks()
    break_glass: tuple[str, ...] = ()
    identity: Identity = Identity()
    notifications: Notifications = Notifications()
    hub_account: str | None = None

    def account(self, account_id: str) -> Account | None:
        return next((each for each in self.accounts if each.id == account_id), None)

    def trusted_account(self, account_id: str) -> TrustedAccount | None:
        return next((each for each in self.trusted_accounts if each.id == account_id), None)

    def issuer(self, issuer: str) -> TrustedIssuer | None:
        return next((each for each in self.oidc if each.issuer == issuer), None)

    def is_pipeline(self, role_arn: str | None, changing: str | None = None) -> bool:
        """`changing`: path and name of the role whose trust policy it changes (`/payments/export`), None where that is not it."""
        return any(
            each.role == role_arn and (changing is None or not each.roles or any(matches_glob(pattern, changing) for pattern in each.roles))
            for each in self.pipelines
        )
