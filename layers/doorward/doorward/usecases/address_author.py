"""The same event for the one who made the change: what happened, why it matters, what proves it, how to do it right. It blames nobody."""

from collections.abc import Iterator, Mapping
from copy import replace
from typing import Any, Final

from doorward.findings.cures import CURES, UNDECIDED
from doorward.findings.escaping import as_text
from doorward.findings.wording import closed_by, witness_in_words
from doorward.ports.announcing import Message

_HAPPENED: Final = {
    "TrustViolationFound": "your change of a role lets more in than our guardrails allow",
    "TrustPolicyUndecidable": "whether your change of a role keeps to our guardrails could not be decided",
    "TrustPolicyReverted": "your change of a role let more in than our guardrails allow, and Doorward has mended it",
    "TrustRemedyFailed": "your change of a role lets more in than our guardrails allow, and Doorward could not close it: please do",
    "TrustViolationEnded": "what your change of a role let in is over: nothing is left to do",
}


def address_author(message: Message, name: str) -> Message:
    """`message` as composed for everybody; `name`: how he is called, "" where that is not known."""
    happened = _HAPPENED[message.detail_type]
    letter = tuple(_paragraphs(message.detail, name, happened, is_over=message.detail_type == "TrustViolationEnded"))
    lines = [line for paragraph in letter for line in (*paragraph, "")]
    return replace(
        message,
        headline=happened,
        subject=f"Doorward: {happened}: {message.detail.get('role_ref')}",
        text=as_text(lines[:-1]),
        letter=letter,
    )


def _paragraphs(detail: Mapping[str, Any], name: str, happened: str, *, is_over: bool) -> Iterator[tuple[str, ...]]:
    account, event = detail.get("account") or {}, detail.get("event") or {}
    yield (
        f"Hello{f' {name}' if name else ''}, {happened}.",
        f"Role {detail.get('role_ref')} in {account.get('name') or account.get('id')}, by {event.get('name')} at {event.get('time')}.",
    )
    if not is_over:
        yield from _reasons(detail)
        yield tuple(_cures(detail))
    yield (_what_happens(detail),)
    if detail.get("diff"):
        yield ("What stands now, against what you wrote:", *(line for line in detail["diff"] if not line.startswith("@@")))
    not_his = "If you did not make this change, say so at once: somebody has used your access."
    yield (f"{not_his} Finding {detail.get('finding_id')}, event {event.get('id')}.",)


def _reasons(detail: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for each in detail.get("findings", []):
        lines = [f"Why: {each.get('because')}"]
        if each.get("witness"):
            lines.append(f"The request that proves it: {witness_in_words(each['witness'])}")
        yield tuple(lines)
    for each in detail.get("undecidable", []):
        yield (f"Why: {each.get('because')}",)


def _cures(detail: Mapping[str, Any]) -> Iterator[str]:
    yield "How to do it right:"
    for rule in dict.fromkeys(str(each.get("rule")) for each in detail.get("findings", [])):
        cure = CURES.get(rule)
        yield f"- {cure} More: docs/rules/{rule}.md" if cure else f"- As said above: this is a rule of our own, {rule}."
    if detail.get("undecidable"):
        yield f"- {UNDECIDED}"
    if (detail.get("actor") or {}).get("pipeline"):
        yield "- Change it where the pipeline takes it from: what only stands in AWS comes back with its next run."


def _what_happens(detail: Mapping[str, Any]) -> str:
    remedy = detail.get("remedy")
    if remedy:
        return f"What was done: the trust policy was {closed_by(str(remedy.get('kind')))}. The owner of the account is told, too."
    return f"What happens now: {detail.get('because')} The owner of the account is told, too."
