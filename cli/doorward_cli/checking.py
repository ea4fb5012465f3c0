"""`doorward check`: each trust policy through the judge, and what the command says about it as a whole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from doorward.errors import MalformedInput
from doorward.findings.as_json import judgement_as_json, remedy_as_json
from doorward.findings.model import Finding, Judgement, Remedy, Severity, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.remedies import suggest
from doorward.iam.documents import parse_document
from doorward.iam.invalid import refused_when_written
from doorward.organization.model import Organization
from doorward_cli.inputs import Skipped, Subject, Unreadable
from doorward_cli.patch_hints import PatchHint, patch_hints, real_remedy
from doorward_cli.unresolved import with_unresolved

FORMAT = "doorward.check/1"
FOREIGN_BY_DEFAULT = (
    "Without --account, it is not known whose role a policy belongs to: every account it names that --org does not list counts as foreign."
)


class Proposed(NamedTuple):
    """`patch`: the remedy as edits of the source, where the input is one that people edit."""

    remedy: Remedy
    patch: tuple[PatchHint, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return remedy_as_json(self.remedy, [each._asdict() for each in self.patch])


@dataclass(frozen=True, slots=True)
class Checked:
    """`whole` closes every finding of the role at once; `own` has, for each finding in its order, what closes that one alone."""

    subject: Subject
    judgement: Judgement
    whole: Proposed | None = None
    own: tuple[Proposed | None, ...] = ()

    def own_of(self, finding: Finding) -> Proposed | None:
        return next((own for each, own in zip(self.judgement.findings, self.own, strict=False) if each is finding), None)

    def as_json(self) -> dict[str, Any]:
        """One entry of `roles`."""
        return judgement_as_json(
            self.subject.arn,
            self.subject.source,
            self.subject.account,
            self.judgement,
            [None if each is None else each.as_json() for each in self.own],
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found. `foreign_by_default`: some policy's own account is not known, so every named account counts as foreign."""

    roles: tuple[Checked, ...]
    errors: tuple[Unreadable, ...]
    foreign_by_default: bool
    skipped: tuple[Skipped, ...] = ()

    def errors_as_json(self) -> list[dict[str, Any]]:
        return [{"file": each.file, "position": each.position, "reason": each.reason} for each in self.errors]

    def summary(self) -> dict[str, int]:
        verdicts = [each.judgement.verdict for each in self.roles]
        return {"roles": len(verdicts)} | {str(each): verdicts.count(each) for each in Verdict}

    def is_to_be_reported(self, fail_on: Severity | None) -> bool:
        """Whether a finding reaches `fail_on`, or a verdict could not be had. `fail_on` None: never."""
        if fail_on is None:
            return False
        return any(
            each.judgement.verdict in {Verdict.UNDECIDABLE, Verdict.INVALID}
            or any(finding.waiver is None and finding.severity.rank >= fail_on.rank for finding in each.judgement.findings)
            for each in self.roles
        )


def check(
    subjects: Iterable[Subject],
    unreadable: Iterable[Unreadable],
    organization: Organization,
    guardrails: Guardrails,
    *,
    now: datetime,
    skipped: Iterable[Skipped] = (),
    told: Callable[[], None] = lambda: None,
) -> Report:
    """`told` is called after each policy."""
    checked: list[Checked] = []
    errors = list(unreadable)
    foreign = False
    for subject in subjects:
        foreign = foreign or subject.account is None
        try:
            checked.append(_check(subject, organization, guardrails, now))
        except Exception as error:  # noqa: BLE001 - a policy that trips a bug of ours must not hide the others; it is reported, exit 2
            errors.append(Unreadable(subject.source, None, f"a bug in doorward ({type(error).__name__}); this policy was not judged"))
        told()
    return Report(tuple(checked), tuple(errors), foreign, tuple(skipped))


def _check(subject: Subject, organization: Organization, guardrails: Guardrails, now: datetime) -> Checked:
    if subject.flaw is not None:
        return Checked(subject, Judgement(Verdict.INVALID, because=subject.flaw))
    if subject.unresolved and not subject.trust_policy:
        return Checked(subject, _as_it_is(subject, Judgement(Verdict.UNDECIDABLE)))
    role = role_of_subject(subject)
    try:
        found = judge(role, organization, guardrails, now=now)
    except MalformedInput as error:
        return Checked(subject, Judgement(Verdict.INVALID, because=str(error)))
    judgement = _as_it_is(subject, found)
    if judgement.verdict is not Verdict.VIOLATING:
        return Checked(subject, _as_written(subject, judgement))

    def proposed(closing: tuple[Finding, ...]) -> Proposed | None:
        for remedy in suggest(role, found, organization, guardrails, closing=closing, now=now):
            real = real_remedy(subject, closing, remedy)
            if real is not None:
                return Proposed(real, patch_hints(subject, remedy))
        return None

    whole = proposed(judgement.counting)
    alone = len(judgement.counting) == 1
    own = tuple((whole if alone else proposed((each,))) if each.counts else None for each in judgement.findings)
    return Checked(subject, _as_written(subject, judgement), whole, own)


def role_of_subject(subject: Subject) -> Role:
    return Role(
        account_id=subject.owner,
        name=subject.name,
        path=subject.path,
        arn=subject.arn or "",
        role_id=subject.role_id,
        trust_policy=subject.trust_policy,
        max_session_duration_seconds=subject.max_session_duration_seconds,
        tags=subject.tags,
        permissions=subject.permissions,
        permissions_boundary=subject.permissions_boundary,
    )


def _as_it_is(subject: Subject, judgement: Judgement) -> Judgement:
    return with_unresolved(judgement, subject.unresolved, subject.stand_ins, subject.unresolved_because)


def _as_written(subject: Subject, judgement: Judgement) -> Judgement:
    """IAM would refuse to write what it goes on holding where it stands. What is found of it stays told (docs/adr/0007)."""
    if not subject.is_to_be_written or judgement.verdict is Verdict.INVALID:
        return judgement
    document = parse_document(subject.trust_policy)
    real = document._replace(statements=tuple(each for each in document.statements if each.position not in subject.stand_ins))
    refused = refused_when_written(real)
    if refused is None:
        return judgement
    because = f"IAM would refuse to write this trust policy, though it keeps one of before 2025: {refused}."
    return judgement._replace(verdict=Verdict.INVALID, because=because)
