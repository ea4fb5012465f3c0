"""What an installation must be like, requirement by requirement: each kept, broken with its cure, or not to be seen.

Pure: what stands is read elsewhere (`doorward.ports.installation`) and judged here.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from doorward.organization.installation import IAM_REGION_RULES, RULES

ENABLED: Final = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
DEAF_TO_READS: Final = "ENABLED"
"""Enough for a schedule. On CloudTrail's events it leaves out the calls that only read; EnableRule sets it.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""
OLDEST_FACTS: Final = timedelta(days=2)
"""The organization is read every day."""
_MOST_NAMED: Final = 3


class State(StrEnum):
    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Check(NamedTuple):
    """One requirement. `account_id` and `region` are "" where none is meant; `cure` is "" only where the state is ok."""

    id: str
    account_id: str
    region: str
    state: State
    says: str
    cure: str = ""


class Trail(NamedTuple):
    """`reads`, `writes`: whether it logs management events of that kind; None where this account may not see it. EventBridge needs both."""

    arn: str
    is_logging: bool
    reads: bool | None
    writes: bool | None


class RegionSeen(NamedTuple):
    """One region of an account. `rules`: the state of each of ours by name, None where it does not exist."""

    region: str
    trails: tuple[Trail, ...]
    rules: Mapping[str, str | None]


class AccountSeen(NamedTuple):
    """`refused`: why doorward-read could not be assumed there, else None. Without it nothing else was seen."""

    account_id: str
    is_management: bool
    refused: str | None
    regions: tuple[RegionSeen, ...] = ()


class QueueSeen(NamedTuple):
    """`waiting`: messages in it, None where it does not exist. `is_dead_letters`: where nothing should ever lie."""

    name: str
    waiting: int | None
    is_dead_letters: bool


class StackSetSeen(NamedTuple):
    """`outdated`: instances that are not current, as `account/region: status`. `exists` False: nobody deployed it."""

    name: str
    exists: bool
    is_automatic: bool
    instances: int
    outdated: tuple[str, ...]


class HubSeen(NamedTuple):
    """Rules and `sources` (what brings messages to a function) by name, with their state. `facts_read_at` None: never.

    `listening`: the rules on CloudTrail's events; `other_rules`: schedules, and that on what Doorward itself says.
    """

    account_id: str
    listening: dict[str, str | None]
    other_rules: dict[str, str | None]
    sources: Mapping[str, str]
    queues: tuple[QueueSeen, ...]
    facts_read_at: datetime | None
    stack_sets: tuple[StackSetSeen, ...] | None


class _At(NamedTuple):
    """Where checks are about."""

    account_id: str
    region: str = ""

    def ok(self, check: str, says: str) -> Check:
        return Check(check, self.account_id, self.region, State.OK, says)

    def broken(self, check: str, says: str, cure: str) -> Check:
        return Check(check, self.account_id, self.region, State.BROKEN, says, cure)

    def unknown(self, check: str, says: str, cure: str) -> Check:
        return Check(check, self.account_id, self.region, State.UNKNOWN, says, cure)


def check_account(seen: AccountSeen, iam_region: str) -> tuple[Check, ...]:
    at = _At(seen.account_id)
    if seen.refused is not None:
        template = "accounts/management.yaml" if seen.is_management else "accounts/member.yaml"
        cure = f"Deploy {template} into {seen.account_id} with this hub's account id and external ID; an SCP may also stand in the way."
        return (at.broken("role-assumable", f"doorward-read cannot be assumed: {seen.refused}", cure),)
    checks = [at.ok("role-assumable", "doorward-read can be assumed.")]
    for region in seen.regions:
        there = _At(seen.account_id, region.region)
        checks.append(_trail(there, region.trails))
        checks += _rules(there, region, is_management=seen.is_management, is_iam_region=region.region == iam_region)
    return tuple(checks)


def _trail(at: _At, trails: tuple[Trail, ...]) -> Check:
    logging = [each for each in trails if each.is_logging]
    if any(each.reads and each.writes for each in logging):
        return at.ok("trail-present", "A trail logs management events, reads and writes.")
    if any(each.reads is None for each in logging):
        cure = "See in the account that owns the trail that it logs management events, reads and writes."
        return at.unknown("trail-present", "A trail logs here; what it logs, this account may not see.", cure)
    cure = "EventBridge hears what a trail logs: make one of the organization, in all regions, for management events, reads and writes."
    if any(each.writes for each in logging):
        return at.broken("trail-present", "The trail logs no reads, so nobody who assumes a role is heard.", cure)
    if logging:
        return at.broken("trail-present", "The trail does not log what is written, so no change is heard.", cure)
    return at.broken("trail-present", "No trail logs here.", cure)


def _rules(at: _At, region: RegionSeen, *, is_management: bool, is_iam_region: bool) -> Iterator[Check]:
    template = "accounts/member-region.yaml"
    if is_iam_region:
        template = "accounts/management.yaml" if is_management else "accounts/member.yaml"
    for name in sorted(IAM_REGION_RULES if is_iam_region else RULES):
        state = region.rules.get(name)
        if state == ENABLED:
            yield at.ok("rule-enabled", f"Rule {name} is enabled.")
        elif state is None:
            yield at.broken("rule-enabled", f"Rule {name} does not exist.", f"Deploy {template} into this account and region.")
        else:
            cure = f"Deploy {template} again, and find out who changed the rule: its events are {_lost(state)}."
            yield at.broken("rule-enabled", f"Rule {name} is {state}.", cure)


def _lost(state: str | None) -> str:
    return "heard without those that only read, AssumeRole among them" if state == DEAF_TO_READS else "not heard at all"


def check_grant_roles(account_id: str, wrong: Mapping[str, str]) -> tuple[Check, ...]:
    """`wrong`: of each role that people are granted sessions of, by name, what is wrong with it, as a clause; empty where nothing is."""
    at, cure = _At(account_id), "Deploy the stack that made it again, and find out who changed it."
    return tuple(
        at.broken("grant-role-right", f"Of role {name}, {clause}.", cure)
        if clause
        else at.ok("grant-role-right", f"Role {name} is as it must be to be granted.")
        for name, clause in sorted(wrong.items())
    )


def check_hub(seen: HubSeen, now: datetime) -> tuple[Check, ...]:
    at = _At(seen.account_id)
    again = "Deploy the hub stack again, and find out who changed it."
    checks = []
    for name, state in sorted((seen.listening | seen.other_rules).items()):
        if state == ENABLED or (state == DEAF_TO_READS and name in seen.other_rules):
            checks.append(at.ok("rule-enabled", f"Rule {name} is enabled."))
        else:
            lost = f" Its events are {_lost(state)}." if name in seen.listening else ""
            checks.append(at.broken("rule-enabled", f"Rule {name} is {state or 'gone'}.", again + lost))
    for name, source in sorted(seen.sources.items()):
        is_fed = source == "Enabled"
        says = f"{name} gets its messages." if is_fed else f"{name} gets no messages: {source}."
        checks.append(at.ok("function-fed", says) if is_fed else at.broken("function-fed", says, again))
    for queue in seen.queues:
        if queue.waiting is None:
            checks.append(at.broken("queue-present", f"{queue.name} is gone.", f"{again} What came since is lost: start a sweep."))
        elif queue.is_dead_letters:
            checks.append(_dead_letters(at, queue.name, queue.waiting))
        else:
            checks.append(at.ok("queue-present", f"{queue.name} is there."))
    checks.append(_facts(at, seen.facts_read_at, now))
    return (*checks, *_stack_sets(at, seen.stack_sets))


def _dead_letters(at: _At, name: str, waiting: int) -> Check:
    if waiting == 0:
        return at.ok("dead-letters-empty", f"Nothing lies in {name}.")
    says = f"{waiting} {'message lies' if waiting == 1 else 'messages lie'} in {name}."
    return at.broken("dead-letters-empty", says, "Read the reason in each one's attributes, mend it, then send them again.")


def _facts(at: _At, read_at: datetime | None, now: datetime) -> Check:
    if read_at is None:
        cure = "Deploy accounts/management.yaml; then start refresh_organization by hand and read its log group."
        return at.broken("organization-known", "The organization was never read; only config/organization.yaml is known.", cure)
    says = f"The organization was read at {read_at:%Y-%m-%d %H:%M} UTC."
    if now - read_at > OLDEST_FACTS:
        return at.broken("organization-known", says, "That is too long ago: read the log group of refresh_organization.")
    return at.ok("organization-known", says)


def _stack_sets(at: _At, stack_sets: tuple[StackSetSeen, ...] | None) -> Iterator[Check]:
    if stack_sets is None:
        cure = "Deploy accounts/management.yaml; its doorward-read role may read the StackSets."
        yield at.unknown("stack-set-current", "The StackSets cannot be read.", cure)
    for each in stack_sets or ():
        if not each.exists:
            cure = "Deploy accounts/stacksets.yaml in the management account, unless every account gets its stacks in another way."
            yield at.unknown("stack-set-current", f"There is no StackSet {each.name}.", cure)
        elif each.outdated:
            more = len(each.outdated) - _MOST_NAMED
            first = "; ".join(each.outdated[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            says = f"{len(each.outdated)} of {each.instances} stacks of {each.name} are not current: {first}."
            yield at.broken("stack-set-current", says, "Read why in the StackSet's operations, and retry.")
        elif not each.is_automatic:
            cure = "Turn on automatic deployment: an account that joins is not watched without it."
            yield at.broken("stack-set-current", f"{each.name} does not deploy into accounts that join.", cure)
        else:
            yield at.ok("stack-set-current", f"All {each.instances} stacks of {each.name} are current.")


def check_as_json(check: Check) -> dict[str, str | None]:
    return {
        "check": check.id,
        "account": check.account_id or None,
        "region": check.region or None,
        "state": str(check.state),
        "says": check.says,
        "cure": check.cure or None,
    }
