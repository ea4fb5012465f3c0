"""`doorward diff`: two trust policies, and what the second newly lets in."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.text import Text

from doorward.errors import MalformedInput
from doorward.findings.as_json import witness_as_json
from doorward.findings.escaping import for_terminal
from doorward.findings.wording import witness_in_words
from doorward.guardrails.diff import Change, Difference, compare
from doorward.guardrails.model import Role
from doorward.iam.documents import Document, parse_document
from doorward.organization.model import Organization
from doorward_cli.inputs import Subject, Unreadable, read_inputs
from doorward_cli.tables import print_lines

FORMAT = "doorward.diff/1"


def diff_files(old: str, new: str, account: str | None, organization: Organization, *, now: datetime) -> Difference:
    """Raises MalformedInput, naming the file, for what is not one trust policy."""
    before, after = (_only_policy(each, account) for each in (old, new))
    owner = after[1]
    role = Role(owner.owner, owner.name, owner.path, owner.arn or "", owner.role_id, "")
    return compare(before[0], after[0], role, organization, now=now)


def _only_policy(path: str, account: str | None) -> tuple[Document, Subject]:
    found = list(read_inputs([path], account))
    for each in found:
        if isinstance(each, Unreadable):
            raise MalformedInput(str(each))
    subjects = [each for each in found if isinstance(each, Subject)]
    if len(subjects) != 1:
        raise MalformedInput(f"{path}: holds {len(subjects)} trust policies; give a file with one")
    [subject] = subjects
    if subject.flaw is not None or subject.unresolved:
        raise MalformedInput(f"{path}: its trust policy is not known in full; give the policy as it is deployed")
    try:
        return parse_document(subject.trust_policy), subject
    except MalformedInput as error:
        raise MalformedInput(f"{path}: {error}") from None


def as_json(difference: Difference) -> dict[str, Any]:
    gained, lost = difference
    because = gained.because or lost.because
    shown: dict[str, Any] = {
        "format": FORMAT,
        "new_access": gained.is_there,
        "witness": _witness(gained),
        "lost_access": lost.is_there,
        "lost_witness": _witness(lost),
    }
    return shown if because is None else shown | {"because": because}


def print_table(difference: Difference) -> None:
    print_lines(_lines(difference))


def _lines(difference: Difference) -> Iterator[tuple[int, Text]]:
    gained, lost = difference
    yield 0, _line("New access", gained, "the new policy lets nobody in whom the old one kept out", "red")
    yield from _shown(gained, "It is new that")
    yield 0, _line("Lost access", lost, "whoever the old policy lets in comes in by the new one", "yellow")
    yield from _shown(lost, "Not any more:")


def _line(name: str, change: Change, nothing: str, colour: str) -> Text:
    if change.is_there:
        return Text.assemble((f"{name}: yes", colour))
    return Text(f"{name}: {'not decided' if change.is_there is None else f'none; {nothing}'}")


def _shown(change: Change, lead: str) -> Iterator[tuple[int, Text]]:
    if change.witness is not None:
        yield 2, Text(for_terminal(f"{lead} {witness_in_words(witness_as_json(change.witness))}"))
    if change.because is not None:
        yield 2, Text(for_terminal(f"{change.because} A person should read both policies."))


def _witness(change: Change) -> dict[str, Any] | None:
    return None if change.witness is None else witness_as_json(change.witness)
