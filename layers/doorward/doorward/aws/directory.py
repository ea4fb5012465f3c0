"""The organization as AWS Organizations tells it, read through doorward-read of the management account.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.errors import Unavailable
from doorward.organization.facts import AccountFacts, OrganizationFacts, PolicyFacts, UnitFacts
from doorward.ports.clock import Clock

POLICY_TYPES = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY", "DECLARATIVE_POLICY_EC2")
"""What can keep somebody from doing something. The rest (tags, backups, …) opens and closes no door."""


class _Place(NamedTuple):
    ou: str
    org_path: str


class OrganizationsDirectory:
    """The Directory port. `client` enters the management account and gives a client of Organizations there, at each read anew.

    The rates of Organizations are a few calls a second, shared with everybody in the management account: the client must wait rather than
    press (adaptive retries). https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
    """

    def __init__(self, client: Callable[[], Any], clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def read(self) -> OrganizationFacts:
        read_at = self._clock.now()
        organizations = self._client()
        with translated("reading the organization from AWS Organizations"):
            about = organizations.describe_organization()["Organization"]
            root = next(iter(_pages(organizations, "list_roots", "Roots")))
            types = sorted(each["Type"] for each in root["PolicyTypes"] if each["Status"] == "ENABLED")
            places: dict[str, _Place] = {}
            units: list[UnitFacts] = []
            _walk(organizations, root["Id"], _Place("/", f"{about['Id']}/{root['Id']}/"), places, units)
            accounts = [
                _account(
                    each, places.get(each["Id"]) or _looked_up(organizations, each["Id"], units, root["Id"], about["Id"]), organizations
                )
                for each in _pages(organizations, "list_accounts", "Accounts")
            ]
            policies = [policy for kind in POLICY_TYPES if kind in types for policy in _policies(organizations, kind)]
        if about["MasterAccountId"] not in {each.id for each in accounts}:
            raise Unavailable("reading the organization: the management account is not among its accounts, so the answer is not whole")
        return OrganizationFacts(
            about["Id"],
            about["MasterAccountId"],
            root["Id"],
            tuple(types),
            tuple(sorted(accounts)),
            tuple(sorted(units)),
            tuple(sorted(policies)),
            read_at,
        )


def _walk(organizations: Any, parent: str, place: _Place, places: dict[str, _Place], units: list[UnitFacts]) -> None:
    """Down from one root or unit. Units lie at most five deep."""
    for account in _pages(organizations, "list_accounts_for_parent", "Accounts", ParentId=parent):
        places[account["Id"]] = place
    for unit in _pages(organizations, "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent):
        # A unit may have a slash in its name: it must not look like two units, of which one may be a guardrail's scope.
        below = _Place(f"{place.ou.rstrip('/')}/{unit['Name'].replace('/', '%2F')}", f"{place.org_path}{unit['Id']}/")
        units.append(UnitFacts(unit["Id"], below.ou, below.org_path))
        _walk(organizations, unit["Id"], below, places, units)


def _looked_up(organizations: Any, account_id: str, units: list[UnitFacts], root: str, organization: str) -> _Place:
    """Where an account stands that the walk did not meet, because it moved meanwhile."""
    parent = organizations.list_parents(ChildId=account_id)["Parents"][0]["Id"]
    if parent == root:
        return _Place("/", f"{organization}/{root}/")
    unit = next((each for each in units if each.id == parent), None)
    if unit is None:
        raise Unavailable(f"reading the organization: account {account_id} moved while it was read; reading again later")
    return _Place(unit.ou, unit.org_path)


def _account(raw: Mapping[str, Any], place: _Place, organizations: Any) -> AccountFacts:
    tags = {each["Key"]: each["Value"] for each in _pages(organizations, "list_tags_for_resource", "Tags", ResourceId=raw["Id"])}
    # `State` takes the place of `Status`. https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
    status = raw.get("State") or raw.get("Status") or "UNKNOWN"
    return AccountFacts(raw["Id"], raw.get("Name", ""), status, raw.get("JoinedMethod", ""), place.ou, place.org_path, tags)


def _policies(organizations: Any, kind: str) -> Iterator[PolicyFacts]:
    for summary in _pages(organizations, "list_policies", "Policies", Filter=kind):
        try:
            text = organizations.describe_policy(PolicyId=summary["Id"])["Policy"]["Content"]
            targets = sorted(
                each["TargetId"] for each in _pages(organizations, "list_targets_for_policy", "Targets", PolicyId=summary["Id"])
            )
        except ClientError as error:
            if code_of(error) == "PolicyNotFoundException":  # deleted since it was listed
                continue
            raise
        yield PolicyFacts(summary["Id"], summary["Name"], kind, sha256(text.encode()).hexdigest(), text, tuple(targets))


def _pages(organizations: Any, operation: str, member: str, **request: Any) -> Iterator[Any]:
    """Every page: Organizations may hand out empty ones before the last."""
    for page in organizations.get_paginator(operation).paginate(**request):
        yield from page[member]
