"""Rules that the text of one Allow statement decides, without any request: each gives what offends and the sentence, or nothing."""

from collections.abc import Callable, Iterator

from doorward.guardrails.rules import (
    ACTION_WILDCARD,
    CONSTANT_CONDITION,
    DANGLING_PRINCIPAL,
    LITERAL_WILDCARD,
    MIXED_CALLERS,
    PROVIDER_OF_ANOTHER_ACCOUNT,
    UNUSABLE_ACTION,
    WEAK_EXTERNAL_ID,
    RuleText,
)
from doorward.guardrails.setting import Ground
from doorward.guardrails.written import is_guessable, is_open, is_saml, issuer_of
from doorward.iam.arns import account_of_principal, is_account_id, is_unique_id, parse_arn
from doorward.iam.documents import Statement
from doorward.iam.names import ASSUME_ROLE, COGNITO, CONSTANT_KEYS, EXTERNAL_ID, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.operators import read_operator
from doorward.iam.search import matches_action
from doorward.iam.wording import shortened

_CALLS = (ASSUME_ROLE, WITH_SAML, WITH_WEB_IDENTITY)
_EXACT = frozenset({"stringequals", "stringnotequals", "stringequalsignorecase", "stringnotequalsignorecase"})

type _Check = Callable[[Statement, Ground], str | None]


def offences(statement: Statement, ground: Ground) -> Iterator[tuple[RuleText, str]]:
    """Each rule that the statement breaks, with what follows `Statement 0 (…)` in the sentence."""
    for rule, check in _CHECKS:
        because = check(statement, ground)
        if because is not None:
            yield rule, because


def _wildcard(statement: Statement, _: Ground) -> str | None:
    if statement.not_actions is not None:
        return "allows every action of STS but some; name those that are meant, sts:AssumeRole for one."
    for each in statement.actions or ():
        if is_open(each):
            return (
                f"allows {shortened(each)}; name the actions that are meant, sts:AssumeRole for one, "
                "so that no later action of STS is allowed unseen."
            )
    return None


def _weak_external_id(statement: Statement, ground: Ground) -> str | None:
    for condition in statement.conditions:
        if condition.key.lower() != EXTERNAL_ID:
            continue
        operator = read_operator(condition.operator)
        if operator is None or operator.name not in {"stringequals", "stringequalsignorecase", "stringlike"}:
            continue
        principals = [value for kind, value in statement.principals or () if kind in {"AWS", "*"}]
        if all(account_of_principal(each) in ground.ours for each in principals):
            return None  # nobody of these acts for other customers
        for value in condition.values:
            if any(each in value for each in "*?$"):
                continue
            if is_account_id(value):
                return "asks for an external ID that is an account id, which others know; have the vendor generate one."
            if is_guessable(value):
                return (
                    "asks for an external ID that can be guessed: it is short, repeats itself, or is one that many would choose; have the "
                    "vendor generate one, a UUID for instance."
                )
    return None


def _foreign_provider(statement: Statement, ground: Ground) -> str | None:
    for principal in statement.principals or ():
        arn = parse_arn(principal.value) if principal.type == "Federated" else None
        if arn is not None and is_account_id(arn.account_id) and arn.account_id != ground.account_id:
            return (
                f"names {shortened(principal.value)}, a provider of account {arn.account_id}: only providers of the role's own account let "
                "anybody in; name the provider of this account, or remove it."
            )
    return None


def _dangling(statement: Statement, _: Ground) -> str | None:
    for kind, value in statement.principals or ():
        if kind == "AWS" and is_unique_id(value):
            return (
                f"names {shortened(value)}, a role or user that was deleted: "
                "it lets nobody in, and IAM refuses to store it again; remove it."
            )
    return None


def _literal_wildcard(statement: Statement, _: Ground) -> str | None:
    for written, key, values in statement.conditions:
        value = next((each for each in values if is_open(each) and is_open(each.replace("${*}", "").replace("${?}", ""))), None)
        if value is None or key.lower() == EXTERNAL_ID:
            continue
        operator = read_operator(written)
        if operator is not None and operator.name in _EXACT:
            return (
                f"compares {shortened(key)} with {shortened(value)} under {written}, where * and ? are plain "
                "characters; use the Like form if it is meant as a wildcard."
            )
    return None


def _constant(statement: Statement, _: Ground) -> str | None:
    for _operator, key, values in statement.conditions:
        # A variable compares it with what the caller is: that does keep somebody out.
        if key.lower() in CONSTANT_KEYS and not any("${" in each for each in values):
            return f"has a condition on {shortened(key)}, which is the same whoever calls: it keeps nobody out."
    return None


def _unusable(statement: Statement, _: Ground) -> str | None:
    """Each kind of caller makes one call: https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html."""
    for principal in statement.principals or ():
        if principal.type == "Federated":
            wanted = WITH_SAML if is_saml(principal) else WITH_WEB_IDENTITY
            if matches_action(statement, wanted) or principal.value == COGNITO:
                continue
            known = wanted == WITH_SAML or issuer_of(principal) is not None
            if known and any(matches_action(statement, each) for each in _CALLS):
                return f"lets {shortened(principal.value)} in, and allows no {wanted}, the one call that its users can make."
        elif principal.type in {"AWS", "Service"} and not matches_action(statement, ASSUME_ROLE):
            wanted_one = any(matches_action(statement, each) for each in (WITH_SAML, WITH_WEB_IDENTITY))
            if wanted_one and principal.value != "*":
                return f"lets {shortened(principal.value)} in, and allows no {ASSUME_ROLE}, the one call that it can make."
    return None


def _mixed(statement: Statement, _: Ground) -> str | None:
    kinds = {each.type for each in statement.principals or ()}
    if "Service" in kinds and kinds & {"AWS", "Federated"}:
        return "lets people and services in by the same conditions; a statement for each says what is meant, and narrows better."
    return None


_CHECKS: tuple[tuple[RuleText, _Check], ...] = (
    (ACTION_WILDCARD, _wildcard),
    (WEAK_EXTERNAL_ID, _weak_external_id),
    (PROVIDER_OF_ANOTHER_ACCOUNT, _foreign_provider),
    (DANGLING_PRINCIPAL, _dangling),
    (LITERAL_WILDCARD, _literal_wildcard),
    (CONSTANT_CONDITION, _constant),
    (UNUSABLE_ACTION, _unusable),
    (MIXED_CALLERS, _mixed),
)
