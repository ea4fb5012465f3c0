"""What changed about the organization between two reads, and which roles that touches.

A module of its own: only refresh_organization compares, while every function knows the facts.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from doorward.organization.facts import AccountFacts, OrganizationFacts


class ChangeKind(StrEnum):
    """What can change, most telling first."""

    MANAGEMENT_CHANGED = "management-changed"
    POLICY_TYPE_DISABLED = "policy-type-disabled"
    POLICY_TYPE_ENABLED = "policy-type-enabled"
    ACCOUNT_LEFT = "account-left"
    ACCOUNT_CLOSED = "account-closed"
    ACCOUNT_JOINED = "account-joined"
    ACCOUNT_REOPENED = "account-reopened"
    ACCOUNT_MOVED = "account-moved"
    ACCOUNT_RETAGGED = "account-retagged"
    ACCOUNT_RENAMED = "account-renamed"
    POLICY_CHANGED = "policy-changed"


class FactChange(NamedTuple):
    """One thing that changed between two reads, and what it touches.

    `judged_anew`: accounts whose every role is to be judged anew. `names`: so is a role of any account whose trust policy has one of these
    texts in it. Trust is judged without SCPs and RCPs, so a policy touches accounts (`bears_on`) and no judgement.
    """

    kind: ChangeKind
    subject: str
    """The id of the account, of the policy, or the policy type."""
    says: str
    judged_anew: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    bears_on: tuple[str, ...] = ()


def changes(before: OrganizationFacts, after: OrganizationFacts) -> tuple[FactChange, ...]:
    """From one read to a later one. Empty where both say the same, whenever they were read."""
    found = [*_of_organization(before, after), *_of_accounts(before, after), *_of_policies(before, after)]
    order = list(ChangeKind)
    return tuple(sorted(found, key=lambda each: (order.index(each.kind), each.subject)))


def _of_organization(before: OrganizationFacts, after: OrganizationFacts) -> Iterator[FactChange]:
    everybody = tuple(each.id for each in after.accounts if each.is_active)
    if (before.id, before.management_account) != (after.id, after.management_account):
        yield FactChange(
            ChangeKind.MANAGEMENT_CHANGED,
            after.management_account,
            f"The organization was {before.id} under {before.management_account}, and is {after.id} under {after.management_account} now.",
            judged_anew=everybody,
            bears_on=everybody,
        )
    for kind in sorted(set(before.policy_types) - set(after.policy_types)):
        says = f"Policies of type {kind} bind nobody any more: the type was disabled."
        yield FactChange(ChangeKind.POLICY_TYPE_DISABLED, kind, says, bears_on=everybody)
    for kind in sorted(set(after.policy_types) - set(before.policy_types)):
        says = f"Policies of type {kind} can bind accounts now: the type was enabled."
        yield FactChange(ChangeKind.POLICY_TYPE_ENABLED, kind, says, bears_on=everybody)


def _of_accounts(before: OrganizationFacts, after: OrganizationFacts) -> Iterator[FactChange]:
    old = {each.id: each for each in before.accounts}
    new = {each.id: each for each in after.accounts}
    for account_id in sorted(old.keys() - new.keys()):
        gone = old[account_id]
        says = f"Account {account_id} ({gone.name}), until now in {gone.ou}, has left the organization: it is an outsider now."
        yield FactChange(ChangeKind.ACCOUNT_LEFT, account_id, says, names=(account_id, *gone.units), bears_on=(account_id,))
    for account_id in sorted(new.keys() - old.keys()):
        come = new[account_id]
        how = "was invited and has joined" if come.joined == "INVITED" else "was created in"
        says = f"Account {account_id} ({come.name}) {how} the organization, in {come.ou}: whatever admits the organization admits it now."
        touched = (account_id,) if come.is_active else ()
        yield FactChange(ChangeKind.ACCOUNT_JOINED, account_id, says, touched, (account_id, *come.units), (account_id,))
    for account_id in sorted(old.keys() & new.keys()):
        yield from _of_account(old[account_id], new[account_id])


def _of_account(old: AccountFacts, new: AccountFacts) -> Iterator[FactChange]:
    who = f"Account {new.id} ({new.name})"
    anew = (new.id,) if new.is_active else ()
    if old.is_active and not new.is_active:
        says = f"{who} in {new.ou} is not active any more: its status is {new.status}."
        yield FactChange(ChangeKind.ACCOUNT_CLOSED, new.id, says, bears_on=(new.id,))
    if new.is_active and not old.is_active:
        says = f"{who} in {new.ou} is active again: its status was {old.status}."
        yield FactChange(ChangeKind.ACCOUNT_REOPENED, new.id, says, anew, (), (new.id,))
    if (old.ou, old.org_path) != (new.ou, new.org_path):
        how = "moved" if old.org_path != new.org_path else "has its organizational unit renamed"
        says = f"{who} {how}, from {old.ou} to {new.ou}: other policies bind it, and other guardrails may count."
        units = set(old.units) ^ set(new.units)
        yield FactChange(ChangeKind.ACCOUNT_MOVED, new.id, says, anew, tuple(sorted(units)), (new.id,))
    if dict(old.tags) != dict(new.tags):
        keys = sorted(key for key in old.tags.keys() | new.tags.keys() if old.tags.get(key) != new.tags.get(key))
        says = f"{who} has other tags ({', '.join(keys)}): other guardrails may count."
        yield FactChange(ChangeKind.ACCOUNT_RETAGGED, new.id, says, anew, (), (new.id,))
    if old.name != new.name:
        yield FactChange(ChangeKind.ACCOUNT_RENAMED, new.id, f"{who} was called {old.name}.", (), (), (new.id,))


def _of_policies(before: OrganizationFacts, after: OrganizationFacts) -> Iterator[FactChange]:
    """What a policy type's switching on or off, or an account's coming and going, brings with it is told with that."""
    types = set(before.policy_types) & set(after.policy_types)
    standing = _places(before) & _places(after)
    old = {each.id: each for each in before.policies if each.type in types}
    new = {each.id: each for each in after.policies if each.type in types}
    for policy_id in sorted(old.keys() | new.keys()):
        was, now = old.get(policy_id), new.get(policy_id)
        targets_before, targets_now = (set(each.targets) & standing if each is not None else set[str]() for each in (was, now))
        parts = []
        if was is not None and now is not None and was.hash != now.hash and targets_now:
            parts.append("has another text")
        parts += [f"was attached to {each}" for each in sorted(targets_now - targets_before)]
        parts += [f"was detached from {each}" for each in sorted(targets_before - targets_now)]
        if not parts:
            continue
        known = now or was
        assert known is not None  # noqa: S101 - the id is of one of the two
        bears_on = _below(targets_before, before) | _below(targets_now, after)
        says = f"{known.type} {policy_id} ({known.name}) {', '.join(parts)}: it bears on {len(bears_on)} accounts."
        yield FactChange(ChangeKind.POLICY_CHANGED, policy_id, says, bears_on=tuple(sorted(bears_on)))


def _places(facts: OrganizationFacts) -> set[str]:
    return {facts.root, *(each.id for each in facts.units), *(each.id for each in facts.accounts)}


def _below(targets: Iterable[str], facts: OrganizationFacts) -> set[str]:
    wanted = set(targets)
    return {each.id for each in facts.accounts if each.id in wanted or facts.root in wanted or wanted & set(each.units)}
