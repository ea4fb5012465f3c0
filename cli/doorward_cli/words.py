"""What every format of `doorward check` says in the same words. Raw text: each format escapes it for itself."""

import json
from collections.abc import Iterable
from typing import Any

from doorward.findings.as_json import waiver_as_json, witness_as_json
from doorward.findings.model import Finding, Remedy, Severity, StatementRef
from doorward.findings.wording import witness_in_words
from doorward.guardrails.announcements import diff_documents
from doorward.iam.documents import load_json
from doorward_cli.checking import Checked, Report
from doorward_cli.inputs import TemplateOrigin
from doorward_cli.patch_hints import PatchHint

_SHORTEST_EXTERNAL_ID = 2  # to STS; one character alone would mask half of a text
_REMEDY_SAYS = {
    "drop": "take the statement, or the part of it, out",
    "deny": "add a statement that denies it",
    "tighten": "add the missing condition",
    "restore": "put the accepted policy back",
    "quarantine": "let nobody in until a person has looked",
}


def page(rule: str) -> str:
    """The page of a rule, in Doorward's repository. Rule ids are ours, never an input's text."""
    return f"docs/rules/{rule}.md"


def where(statement: StatementRef) -> str:
    return f"statement {statement.index}" if statement.sid is None else f'statement {statement.index} "{statement.sid}"'


def who(checked: Checked) -> str:
    return checked.subject.arn or "trust policy"


def witness(finding: Finding) -> str | None:
    return None if finding.witness is None else witness_in_words(witness_as_json(finding.witness))


def waiver(finding: Finding) -> str | None:
    given = waiver_as_json(finding.waiver)
    return None if given is None else f"waived by {given['owner']} until {given['until']}: {given['reason']}"


def remedy(proposed: Remedy) -> str:
    """What closes all findings of a role."""
    return _offered(proposed, "nothing is left")


def own_remedy(checked: Checked, finding: Finding) -> str | None:
    """What closes this finding, whatever becomes of the others."""
    own = checked.own_of(finding)
    return None if own is None else _offered(own.remedy, "this is closed")


def own_remedy_if_another(checked: Checked, finding: Finding) -> str | None:
    """None, too, where it is the remedy of the role."""
    return None if checked.own_of(finding) == checked.whole else own_remedy(checked, finding)


def _offered(proposed: Remedy, shown: str) -> str:
    proved = f"proved: judged again, {shown}" if proposed.proved else "not proved; read it with care"
    return f"{proposed.kind}: {_REMEDY_SAYS[proposed.kind]} ({proved})"


def remedy_diff(checked: Checked) -> list[str]:
    """Lines of a diff from the policy to its remedy, external IDs masked. Empty without a remedy."""
    if checked.whole is None:
        return []
    return diff_documents(json.dumps(_as_written(checked)), json.dumps(checked.whole.remedy.trust_policy))


def _as_written(checked: Checked) -> Any:
    """As JSON data, also where it came percent-encoded; where parts are not known, with the functions that stand for them."""
    origin = checked.subject.origin
    if checked.subject.unresolved and isinstance(origin, TemplateOrigin):
        return origin.raw
    return load_json(checked.subject.trust_policy)


def patch_place(hint: PatchHint) -> str:
    line = "" if hint.line is None else f", line {hint.line}"
    return f"{hint.file}{line}: {hint.place}"


def patch_diff(checked: Checked, hint: PatchHint) -> list[str]:
    """Lines of a diff of what the hint says, external IDs masked."""
    from difflib import unified_diff

    before, after = hint.replace.rstrip("\n").split("\n"), hint.by.rstrip("\n").split("\n") if hint.by else []
    lines = [each for each in unified_diff(before, after, lineterm="", n=2) if not each.startswith("@@")][2:]
    for secret in _external_ids([load_json(checked.subject.trust_policy), _as_written(checked)]):
        lines = [each.replace(secret, "***") for each in lines]
    return lines


def _external_ids(documents: list[Any]) -> list[str]:
    """The longest first. What a function gives does not stand in the source, so that its arguments are left alone."""
    found: set[str] = set()
    stack: list[tuple[bool, object]] = [(False, documents)]
    while stack:
        is_secret, each = stack.pop()
        if isinstance(each, dict) and not is_secret:
            stack += [(key.strip().lower() == "sts:externalid", inner) for key, inner in each.items()]
        elif isinstance(each, list):
            stack += [(is_secret, inner) for inner in each]
        elif is_secret and isinstance(each, str | int) and len(str(each)) >= _SHORTEST_EXTERNAL_ID:
            found.add(str(each))
    return sorted(found, key=len, reverse=True)


def worst(findings: Iterable[Finding]) -> Severity | None:
    return max((each.severity for each in findings if each.waiver is None), key=lambda severity: severity.rank, default=None)


def summary(report: Report) -> str:
    counts = report.summary()
    roles = counts.pop("roles")
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    return f"{roles} {'role' if roles == 1 else 'roles'}: {', '.join(parts) or 'nothing to judge'}"
