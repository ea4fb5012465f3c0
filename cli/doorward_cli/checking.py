"""`doorward check`: each trust policy through the judge, and what the command says about it as a whole."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from doorward.errors import MalformedInput
from doorward.findings.as_json import judgement_as_json
from doorward.findings.model import Judgement, Remedy, Severity, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.remedies import propose
from doorward.organization.model import Organization
from doorward_cli.inputs import Subject, Unreadable

FORMAT = "doorward.check/1"
FOREIGN_BY_DEFAULT = (
    "Without --account, it is not known whose role a policy belongs to: every account it names that --org does not list counts as foreign."
)


@dataclass(frozen=True, slots=True)
class Checked:
    subject: Subject
    judgement: Judgement
    remedy: Remedy | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found. `foreign_by_default`: some policy's own account is not known, so every named account counts as foreign."""

    roles: tuple[Checked, ...]
    errors: tuple[Unreadable, ...]
    foreign_by_default: bool

    def as_json(self) -> dict[str, Any]:
        """The document of `doorward.check/1`."""
        return {
            "format": FORMAT,
            "roles": [
                judgement_as_json(each.subject.arn, each.subject.source, each.subject.account, each.judgement, each.remedy)
                for each in self.roles
            ],
            "errors": [{"file": each.file, "position": each.position, "reason": each.reason} for each in self.errors],
            "summary": self.summary(),
        }

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
    subjects: list[Subject], unreadable: list[Unreadable], organization: Organization, guardrails: Guardrails, *, now: datetime
) -> Report:
    checked: list[Checked] = []
    errors = list(unreadable)
    for subject in subjects:
        try:
            checked.append(_check(subject, organization, guardrails, now))
        except Exception as error:  # noqa: BLE001 - a policy that trips a bug of ours must not hide the others; it is reported, exit 2
            errors.append(Unreadable(subject.source, None, f"a bug in doorward ({type(error).__name__}); this policy was not judged"))
    foreign = any(each.account is None for each in subjects)
    return Report(tuple(checked), tuple(errors), foreign)


def _check(subject: Subject, organization: Organization, guardrails: Guardrails, now: datetime) -> Checked:
    if subject.flaw is not None:
        return Checked(subject, Judgement(Verdict.INVALID, because=subject.flaw), None)
    role = Role(
        account_id=subject.account or "",
        name=subject.name,
        path=subject.path,
        arn=subject.arn or "",
        role_id=subject.role_id,
        trust_policy=subject.trust_policy,
        max_session_duration_seconds=subject.max_session_duration_seconds,
        tags=subject.tags,
    )
    try:
        judgement = judge(role, organization, guardrails, now=now)
    except MalformedInput as error:
        return Checked(subject, Judgement(Verdict.INVALID, because=str(error)), None)
    remedies = propose(role, judgement, None, organization, guardrails, now=now) if judgement.verdict is Verdict.VIOLATING else ()
    return Checked(subject, judgement, remedies[0] if remedies else None)


def pretty_json(report: Report) -> str:
    """ASCII only: no terminal reads it as anything else, and no locale fails to write it."""
    return json.dumps(report.as_json(), indent=2, ensure_ascii=True)
