"""The accepted trust policy of a role, as it can be put back today, and what is given back of it after a hole is closed.

| what stands           | allows, compared with the accepted one | what is given back                                      |
|-----------------------|----------------------------------------|---------------------------------------------------------|
| after a closing write | all of it                              | nothing                                                 |
| after a closing write | less, and nothing else                 | the accepted one, exactly                               |
| after a closing write | less, and something else               | its statements, beside those that stand                 |
| what is not decided   |                                        | the accepted one, exactly, where the setting is restore |

Closing never waits for it: this is a write of its own. Nothing is given back that the accepted policy did not allow, or that would break
a guardrail or be in doubt today.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from doorward.errors import MalformedInput
from doorward.findings.model import Remedy, Verdict
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.protected import protected_because
from doorward.guardrails.rules import is_of_trust_policy
from doorward.iam.arns import is_unique_id, parse_role_arn
from doorward.iam.documents import Document, Statement, canonical_hash, hash_of_text, load_json, parse_document, render_document
from doorward.organization.model import Organization
from doorward.values import NamedTuple

# The quota that no account has to ask for; white space does not count.
LONGEST_CANDIDATE = 2048
_WHITE_SPACE = re.compile(r"\s+")


class Accepted(NamedTuple):
    """`text` is what would be written; `hash` is that of what was accepted, with whoever is gone since."""

    text: str
    document: Document
    hash: str


def give_back(role: Role, accepted: str, organization: Organization, guardrails: Guardrails, *, now: datetime) -> Remedy | None:
    """What the accepted policy allowed and `role.trust_policy`, which closed a hole, does not. None where nothing is to be given back.

    The lost access may have been taken by the change or by the remedy. What stands stays where it allows more than the accepted one.
    """
    back = _to_be_put_back(role, accepted, organization, guardrails, now)
    if back is None:
        return None
    stands = parse_document(role.trust_policy)
    if newly_allowed(stands, back.document, role, organization, now=now).is_there is False:
        return None
    if newly_allowed(back.document, stands, role, organization, now=now).is_there is False:
        return Remedy("restore", load_json(back.text), proved=True)
    if stands.version != back.document.version:
        return None  # in which the same text may mean another thing
    # Each request that both let in together is let in by an Allow of one of them, and kept out by no Deny of that one.
    both = stands._replace(statements=(*stands.statements, *added_to(stands.statements, back.document)))
    text = json.dumps(render_document(both))
    if size(text) > longest_candidate(role) or not breaks_nothing(role, text, organization, guardrails, now):
        return None
    if newly_allowed(stands, parse_document(text), role, organization, now=now).is_there is False:
        return None
    return Remedy("restore", load_json(text), proved=True)


def restore_accepted(role: Role, accepted: str, organization: Organization, guardrails: Guardrails, *, now: datetime) -> Remedy | None:
    """The accepted policy in place of one that nobody can judge. None where it stands already, or must not be written today."""
    back = _to_be_put_back(role, accepted, organization, guardrails, now)
    if back is None or hash_of_text(back.text) == hash_of_text(role.trust_policy):
        return None
    return Remedy("restore", load_json(back.text), proved=True)


def accepted_today(role: Role, accepted: str | None, organization: Organization, guardrails: Guardrails, now: datetime) -> Accepted | None:
    """Without whom IAM has forgotten. None where there is none, or none that breaks nothing today."""
    if accepted is None:
        return None
    try:
        document = parse_document(accepted)
    except MalformedInput:
        return None
    kept = without_the_gone(document)
    text = accepted if kept == document else json.dumps(render_document(kept))
    if not breaks_nothing(role, text, organization, guardrails, now):
        return None
    return Accepted(text, kept, canonical_hash(document))


def without_the_gone(document: Document) -> Document:
    """Without roles and users that are gone, and without statements that name nobody else.

    IAM shows their unique ids, which let nobody in and keep nobody out, and refuses a policy that names one.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    return _without(document, is_unique_id)


def text_without_the_gone(document: str) -> str:
    """The same of a text, which stays as it is where it names none of them. Raises MalformedInput."""
    policy = parse_document(document)
    kept = without_the_gone(policy)
    return document if kept == policy else json.dumps(render_document(kept))


def without_other_roles(document: str, others: Collection[str]) -> str:
    """Without roles of which another one, or none, has the ARN by now, and without statements that name nobody else.

    The text as it is where it names none of them. Raises MalformedInput.
    """
    policy = parse_document(document)
    kept = _without(policy, lambda value: value in others)
    return document if kept == policy else json.dumps(render_document(kept))


def _without(document: Document, is_out: Callable[[str], bool]) -> Document:
    """Without these `AWS` principals, and without statements that name nobody else."""
    kept: list[Statement] = []
    for each in document.statements:
        left = each.principals and tuple(one for one in each.principals if one.type != "AWS" or not is_out(one.value))
        if left or not each.principals:
            kept.append(each._replace(principals=left))
    return document._replace(statements=tuple(kept))


def is_same_but_for_the_gone(told: str, stands: str) -> bool:
    """Whether a policy stands as it was written, but that roles and users which are gone since show as their unique ids."""
    try:
        written, shown = parse_document(told), parse_document(stands)
    except MalformedInput:
        return False
    if written.version != shown.version or len(written.statements) != len(shown.statements):
        return False
    return all(map(_is_same_but_for_the_gone, written.statements, shown.statements))


def _is_same_but_for_the_gone(written: Statement, shown: Statement) -> bool:
    if written._replace(principals=None) != shown._replace(principals=None):
        return False
    left = {each for each in shown.principals or () if each.type != "AWS" or not is_unique_id(each.value)}
    named, gone = set(written.principals or ()), len(set(shown.principals or ())) - len(left)
    missing = named - left
    return left <= named and len(missing) == gone and all(":role/" in each.value or ":user/" in each.value for each in missing)


def roles_named_in(document: str) -> tuple[str, ...]:
    """ARNs of roles that the policy names; none where it cannot be read."""
    try:
        statements = parse_document(document).statements
    except MalformedInput:
        return ()
    named = (one.value for each in statements for one in each.principals or () if one.type == "AWS")
    return tuple(dict.fromkeys(each for each in named if parse_role_arn(each) is not None))


def added_to(statements: Sequence[Statement], accepted: Document) -> tuple[Statement, ...]:
    """The accepted statements that are not among these, each under a name that is free."""
    known = {each[2:] for each in statements}
    names = {each.sid for each in statements}
    missing = (each for each in accepted.statements if each[2:] not in known)
    return tuple(each._replace(sid=None) if each.sid in names else each for each in missing)


def size(text: str) -> int:
    """As IAM counts it."""
    return len(_WHITE_SPACE.sub("", text))


def longest_candidate(role: Role) -> int:
    """What the account's quota allows for sure: what stands has met it."""
    return max(LONGEST_CANDIDATE, size(json.dumps(load_json(role.trust_policy))))


def _to_be_put_back(role: Role, accepted: str, organization: Organization, guardrails: Guardrails, now: datetime) -> Accepted | None:
    return None if protected_because(role, organization) is not None else accepted_today(role, accepted, organization, guardrails, now)


def breaks_nothing(role: Role, text: str, organization: Organization, guardrails: Guardrails, now: datetime) -> bool:
    """Whether the role could have this trust policy today, as far as guardrails are concerned."""
    # What the role may do is no matter of its trust policy.
    door = role._replace(trust_policy=text, permissions=None, permissions_boundary=None)
    judged = judge(door, organization, guardrails, now=now)
    return judged.verdict is not Verdict.INVALID and not judged.undecidable and not any(map(is_of_trust_policy, judged.counting))
