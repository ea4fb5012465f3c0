"""`doorward adopt`: the first day with an account. What breaks a guardrail there, grouped; accepted in bulk, by somebody, until a day.

What is accepted becomes waivers, and what is adopted a list of accounts, in `adopted.yaml` of the configuration folder: reviewed and
deployed like the rest of it. Nothing here writes into AWS.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from doorward.errors import MalformedInput
from doorward.findings.escaping import for_terminal
from doorward.findings.model import Finding, Severity
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Mode, Role, Waiver, Where
from doorward.guardrails.rules import WAIVER_EXPIRED, WAIVER_UNUSED, WORLD_ASSUMABLE
from doorward.iam.arns import account_of_principal
from doorward.iam.documents import Principal
from doorward.organization.model import Organization
from doorward_cli.checking import role_of_subject
from doorward_cli.configuration import ADOPTED_FILE, InvalidConfiguration, load_folder
from doorward_cli.inputs import Subject
from doorward_cli.tables import print_lines

FORMAT = "doorward.adopt/1"
EVERYBODY = "*"
ALL = "all"
# A trust policy has at most 4,096 characters, so at most some hundred principals: of each round at least one is new.
_MOST_ROUNDS = 100
_NOT_ACCEPTED = {WAIVER_EXPIRED.id, WAIVER_UNUSED.id}


@dataclass(frozen=True, slots=True)
class Broken:
    """One guardrail that one role breaks for one principal. `accepted_until`: None where nobody has accepted it."""

    role: Role
    finding: Finding
    principal: str
    accepted_until: date | None

    @property
    def group(self) -> str:
        """How `--accept` calls it."""
        return f"{self.finding.rule}={self.principal}"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What stands before, and what `--accept` and `--take` made of it. `undecided`: roles that could not be judged."""

    broken: tuple[Broken, ...]
    accounts: dict[str, str]
    adopted: frozenset[str] | None
    undecided: tuple[str, ...]
    written: str | None = None

    @property
    def open(self) -> list[Broken]:
        return [each for each in self.broken if each.accepted_until is None]

    def is_adopted(self, account_id: str) -> bool:
        return self.adopted is None or account_id in self.adopted


def survey(subjects: Iterable[Subject], organization: Organization, guardrails: Guardrails, *, now: datetime) -> Adoption:
    """Everything that is broken: a search shows one request a rule, so each is asked again outside of what it has shown."""
    broken: list[Broken] = []
    undecided: list[str] = []
    seen: set[str] = set()
    for subject in subjects:
        seen.add(subject.owner)
        role = role_of_subject(subject)
        try:
            found, left = _all_broken(role, organization, guardrails, now)
        except MalformedInput:
            found, left = [], True
        broken += found
        if left or subject.unresolved or subject.flaw is not None:
            undecided.append(role.ref)
    names = {each.id: each.name for each in organization.accounts}
    accounts = {each: names.get(each, "") for each in sorted(seen)}
    return Adoption(tuple(broken), accounts, guardrails.adopted, tuple(undecided))


def _all_broken(role: Role, organization: Organization, guardrails: Guardrails, now: datetime) -> tuple[list[Broken], bool]:
    """(what is broken, whether something is undecided)."""
    found: dict[tuple[str, str], Broken] = {}
    beside = guardrails
    undecided = False
    for _ in range(_MOST_ROUNDS):
        judgement = judge(role, organization, beside, now=now)
        undecided = undecided or bool(judgement.undecidable) or judgement.because is not None
        new = []
        for finding in judgement.findings:
            if finding.severity is Severity.INFO or finding.rule in _NOT_ACCEPTED:
                continue
            if finding.waiver is not None and finding.waiver.owner == _OURS:
                continue
            principal = principal_of(finding)
            until = None if finding.waiver is None else date.fromisoformat(finding.waiver.until)
            if (finding.rule, principal) not in found:
                new.append(found.setdefault((finding.rule, principal), Broken(role, finding, principal, until)))
        new = [each for each in new if each.accepted_until is None and each.finding.witness is not None]
        if not new:
            return list(found.values()), undecided
        beside = beside._replace(waivers=(*beside.waivers, *(_aside(each, now) for each in new)))
    return list(found.values()), True


_OURS = "doorward adopt"


def _aside(broken: Broken, now: datetime) -> Waiver:
    """What one round has shown, taken out of the next."""
    return Waiver(_OURS, "shown", now.date(), date.max, broken.role.ref, (broken.finding.rule,), None, Where(_principals(broken)))


def principal_of(finding: Finding) -> str:
    """Who a finding is about, as people group it: an account, a service, a provider, everybody; "-" where it is about the text."""
    witness = finding.witness
    if witness is None:
        return "-"
    if finding.rule == WORLD_ASSUMABLE.id or witness.principal_type == "Anonymous":
        return EVERYBODY
    if witness.principal_type == "AWS":
        return account_of_principal(witness.principal) or witness.principal
    # The same provider has another ARN in every account.
    return witness.principal.rpartition("-provider/")[2] if witness.principal_type == "Federated" else witness.principal


def _principals(broken: Broken) -> tuple[Principal, ...]:
    """Empty: every request, for what is about the text."""
    witness = broken.finding.witness
    if witness is None:
        return ()
    if broken.principal == EVERYBODY:
        return (Principal("AWS", EVERYBODY),)
    if witness.principal_type == "Federated":
        return (Principal("Federated", witness.principal),)
    return (Principal("AWS" if witness.principal_type == "Anonymous" else witness.principal_type, broken.principal),)


def accepting(groups: Sequence[str], adoption: Adoption, *, owner: str, reason: str, since: date, until: date) -> list[dict[str, Any]]:
    """Waivers, as `adopted.yaml` has them, for what is open in these groups. Raises ValueError, in one line, for an unknown group."""
    known = {each.group for each in adoption.open}
    wanted = set(known) if ALL in groups else set(groups)
    for each in sorted(wanted):
        if each not in known:
            raise ValueError(f"--accept {each}: no such group is open; known are {', '.join(sorted(known)) or 'none'}")
    return [_waiver(each, owner, reason, since, until) for each in adoption.open if each.group in wanted]


def _waiver(broken: Broken, owner: str, reason: str, since: date, until: date) -> dict[str, Any]:
    principals = [each.value for each in _principals(broken)]
    kind = next((each.type for each in _principals(broken)), None)
    return {
        "owner": owner,
        "reason": reason,
        "from": since.isoformat(),
        "until": until.isoformat(),
        "role": broken.role.ref,
        **({"role_id": broken.role.role_id} if broken.role.role_id else {}),
        "rules": [broken.finding.rule],
        **({"requests": {"principals": {kind: principals}}} if principals else {}),
    }


def write(folder: Path, waivers: list[dict[str, Any]], accounts: Iterable[str]) -> Path:
    """Add to the folder's `adopted.yaml`; what stood there stays. Raises OSError.

    Raises InvalidConfiguration where the folder would not be valid any more, and leaves it as it was.
    """
    import yaml

    path = folder / ADOPTED_FILE
    stood = path.read_text("utf-8") if path.exists() else None
    before: dict[str, Any] = {} if stood is None else yaml.safe_load(stood) or {}
    after = {
        "adopted": sorted({*before.get("adopted", ()), *accounts}),
        "waivers": [*before.get("waivers", ()), *waivers],
    }
    text = yaml.safe_dump({name: value for name, value in after.items() if value or name in before}, sort_keys=False, width=140)
    path.write_text(f"# Written by `doorward adopt`. Reviewed and deployed like the rest of this folder.\n{text}", "utf-8")
    try:
        load_folder(folder)
    except InvalidConfiguration:
        if stood is None:
            path.unlink()
        else:
            path.write_text(stood, "utf-8")
        raise
    return path


def as_json(adoption: Adoption) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "groups": [_group_as_json(group, each) for group, each in _groups(adoption)],
        "burn_down": [{"until": day.isoformat(), "accepted": count} for day, count in _burn_down(adoption)],
        "accounts": [
            {
                "id": account_id,
                "name": name or None,
                "adopted": adoption.is_adopted(account_id),
                "open": sum(each.role.account_id == account_id for each in adoption.open),
                "accepted": sum(each.role.account_id == account_id and each.accepted_until is not None for each in adoption.broken),
            }
            for account_id, name in adoption.accounts.items()
        ],
        "undecided": list(adoption.undecided),
        "written": adoption.written,
    }


def _group_as_json(group: str, members: list[Broken]) -> dict[str, Any]:
    return {
        "group": group,
        "rule": members[0].finding.rule,
        "principal": members[0].principal,
        "severity": str(_worst(members)),
        "roles": [each.role.ref for each in members],
        "open": sum(each.accepted_until is None for each in members),
        "accepted": sum(each.accepted_until is not None for each in members),
        "because": members[0].finding.because,
    }


def _groups(adoption: Adoption) -> list[tuple[str, list[Broken]]]:
    """The worst and the largest first."""
    groups: dict[str, list[Broken]] = {}
    for each in adoption.broken:
        groups.setdefault(each.group, []).append(each)
    return sorted(groups.items(), key=lambda item: (-_worst(item[1]).rank, -len(item[1]), item[0]))


def _worst(members: list[Broken]) -> Severity:
    return max((each.finding.severity for each in members), key=lambda each: each.rank)


def _burn_down(adoption: Adoption) -> list[tuple[date, int]]:
    """On which day how much of what is accepted ends."""
    return sorted(Counter(each.accepted_until for each in adoption.broken if each.accepted_until is not None).items())


def print_table(adoption: Adoption, *, is_whole: bool) -> None:
    """`is_whole`: everything that was given could be read. Else nobody can say that nothing is broken."""
    print_lines(_lines(adoption, is_whole=is_whole))


def _lines(adoption: Adoption, *, is_whole: bool) -> Iterator[tuple[int, Text]]:
    for account_id, name in adoption.accounts.items():
        mode = "adopted" if adoption.is_adopted(account_id) else f"only observed: {Mode.OBSERVE} counts there until it is adopted"
        yield 0, Text().append(f"{account_id} {name}".rstrip(), style="bold").append(f"  {mode}")
    yield 0, Text()
    for group, members in _groups(adoption):
        left = sum(each.accepted_until is None for each in members)
        counted = f"{_roles(len(members))}, {left} open, {len(members) - left} accepted"
        yield 0, Text().append(for_terminal(group), style="bold" if left else "dim").append(f"  {_worst(members)}  {counted}")
        yield 4, Text(for_terminal(members[0].finding.because), style="dim")
        refs = ", ".join(each.role.ref for each in members[:_MOST_NAMED])
        yield 4, Text(for_terminal(refs + (f" and {len(members) - _MOST_NAMED} more" if len(members) > _MOST_NAMED else "")), style="dim")
    if not adoption.broken and is_whole:
        yield 0, Text("Nothing is broken.", style="green")
    ends = _burn_down(adoption)
    if ends:
        yield 0, Text()
        yield 0, Text("What is accepted ends:", style="bold")
        left = sum(count for _, count in ends)
        for day, count in ends:
            left -= count
            yield 4, Text(f"{day.isoformat()}  {count} of them, {left} left after it")
    for each in adoption.undecided:
        yield 0, Text(f"not decided: {for_terminal(each)}; doorward check says why", style="yellow")


_MOST_NAMED = 5


def _roles(count: int) -> str:
    return f"{count} {'role' if count == 1 else 'roles'}"
