"""What AWS Organizations says of the organization: accounts, organizational units, policies in force.

AWS Organizations is right about who belongs to the organization and where an account stands; `config/organization.yaml` about whom it
trusts. Where the two disagree about an account, `combine` follows AWS Organizations and says so.

Facts are read as a whole or not at all, so that an account that is missing here has left.
https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from doorward.errors import MalformedInput
from doorward.organization.model import Account, Organization

FORMAT: Final = "doorward.organization/1"
ACTIVE: Final = "ACTIVE"


class AccountFacts(NamedTuple):
    """`ou` is a path of names, "/" for the root; `org_path` the ids as in `aws:PrincipalOrgPaths`. `joined` is `INVITED` or `CREATED`."""

    id: str
    name: str
    status: str
    joined: str
    ou: str
    org_path: str
    tags: Mapping[str, str] = MappingProxyType({})

    @property
    def is_active(self) -> bool:
        """A closed account stays in the organization for 90 days; nobody can call anything from it."""
        return self.status == ACTIVE

    @property
    def units(self) -> tuple[str, ...]:
        """Ids of the organizational units above it, the outermost first."""
        return tuple(each for each in self.org_path.split("/") if each.startswith("ou-"))


class UnitFacts(NamedTuple):
    id: str
    ou: str
    org_path: str


class PolicyFacts(NamedTuple):
    """`hash` is hex SHA-256 of `text`. `targets` are ids of the root, of units and of accounts that it is attached to, sorted."""

    id: str
    name: str
    type: str
    hash: str
    text: str
    targets: tuple[str, ...]


class OrganizationFacts(NamedTuple):
    """One read, begun at `read_at` (aware, UTC). `policy_types` are those in force, sorted; everything else is sorted by id."""

    id: str
    management_account: str
    root: str
    policy_types: tuple[str, ...]
    accounts: tuple[AccountFacts, ...]
    units: tuple[UnitFacts, ...]
    policies: tuple[PolicyFacts, ...]
    read_at: datetime

    def account(self, account_id: str) -> AccountFacts | None:
        return next((each for each in self.accounts if each.id == account_id), None)


def facts_as_json(facts: OrganizationFacts) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": facts.id,
        "management_account": facts.management_account,
        "root": facts.root,
        "policy_types": list(facts.policy_types),
        "accounts": [{**each._asdict(), "tags": dict(each.tags)} for each in facts.accounts],
        "units": [each._asdict() for each in facts.units],
        "policies": [each._asdict() for each in facts.policies],
        "read_at": facts.read_at.isoformat(),
    }


def facts_from_json(data: Mapping[str, Any]) -> OrganizationFacts:
    """What `facts_as_json` wrote. Raises MalformedInput for anything else."""
    if data.get("format") != FORMAT:
        raise MalformedInput(f"the organization's facts: the format is {data.get('format')}, not {FORMAT}; read the organization anew")
    try:
        return OrganizationFacts(
            id=data["id"],
            management_account=data["management_account"],
            root=data["root"],
            policy_types=tuple(data["policy_types"]),
            accounts=tuple(AccountFacts(**each) for each in data["accounts"]),
            units=tuple(UnitFacts(**each) for each in data["units"]),
            policies=tuple(PolicyFacts(**{**each, "targets": tuple(each["targets"])}) for each in data["policies"]),
            read_at=datetime.fromisoformat(data["read_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedInput(f"the organization's facts: {error!r}; read the organization anew") from None


class Combined(NamedTuple):
    """`contradictions`: a sentence for each thing that the file says and AWS Organizations does not."""

    organization: Organization
    contradictions: tuple[str, ...] = ()


def combine(configured: Organization, facts: OrganizationFacts | None) -> Combined:
    """Whom we trust, and who answers for an account, by the file; who belongs to us by AWS Organizations.

    Without facts the file alone counts, as it does where they are another organization's.
    """
    if facts is None:
        return Combined(configured)
    if configured.id not in {None, facts.id}:
        return Combined(
            configured, (f"organization.yaml names {configured.id}, and AWS Organizations is {facts.id}: nothing of it is used.",)
        )
    members = {each.id for each in facts.accounts}
    vendors = tuple(each for each in configured.trusted_accounts if each.id not in members)
    listed = {each.id: each for each in configured.accounts}
    accounts = tuple(
        Account(
            each.id,
            each.name,
            each.ou,
            each.org_path,
            each.tags,
            listed=each.id in listed,
            owner=listed[each.id].owner if each.id in listed else None,
        )
        for each in facts.accounts
    )
    organization = configured._replace(
        id=facts.id, management_account=facts.management_account, accounts=accounts, trusted_accounts=vendors
    )
    return Combined(organization, tuple(_contradictions(configured, facts)))


def active_accounts(configured: Organization, facts: OrganizationFacts | None) -> tuple[str, ...]:
    """Ids of those that can be entered, as far as is known. Without facts the file's."""
    return tuple(each.id for each in configured.accounts) if facts is None else tuple(each.id for each in facts.accounts if each.is_active)


def _contradictions(configured: Organization, facts: OrganizationFacts) -> Iterator[str]:
    if configured.management_account not in {None, facts.management_account}:
        yield f"organization.yaml calls {configured.management_account} the management account; it is {facts.management_account}."
    for listed in configured.accounts:
        found = facts.account(listed.id)
        if found is None:
            yield f"organization.yaml lists {listed.id} ({listed.name}), which is no account of the organization."
            continue
        if listed.ou and listed.ou != found.ou:
            yield f"organization.yaml has {listed.id} ({listed.name}) in {listed.ou}; it is in {found.ou}."
        if listed.org_path and listed.org_path != found.org_path:
            yield f"organization.yaml has {listed.id} ({listed.name}) under {listed.org_path}; it is under {found.org_path}."
        differing = sorted(key for key, value in listed.tags.items() if found.tags.get(key) != value)
        if differing:
            yield f"organization.yaml tags {listed.id} ({listed.name}) otherwise than AWS Organizations: {', '.join(differing)}."
    for vendor in configured.trusted_accounts:
        if facts.account(vendor.id) is not None:
            yield f"organization.yaml trusts {vendor.id} ({vendor.name}) as an outsider; it is an account of the organization."
