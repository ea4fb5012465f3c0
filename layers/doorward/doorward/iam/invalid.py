"""What IAM itself would refuse to store as a trust policy: its grammar and the quota.

Checks that need IAM are not made (does the principal exist?). What it stored before and would refuse today is apart
(`refused_when_written`): such a policy stands, and is judged. So is `Principal: "*"`, which IAM refuses in favour of `{"AWS": "*"}`, as the
everybody that it means.
Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
Shared issuers: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
Errors of trust policies: https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
"""

from collections.abc import Callable, Sequence

from doorward.iam.arns import is_account_id, is_unique_id, is_visible, parse_arn
from doorward.iam.documents import Document, PlainDocument, PlainStatement, Statement
from doorward.iam.matching import matches_glob
from doorward.iam.names import COGNITO, GITHUB, WITH_WEB_IDENTITY
from doorward.iam.operators import read_operator
from doorward.iam.wording import shortened, statement_in_words

# The quota for a trust policy is 2048 characters and can be raised to 4096; white space does not count.
LONGEST_TRUST_POLICY = 4096


def refused_because(document: PlainDocument, text: str, unseen: Sequence[PlainStatement] | None = None) -> str | None:
    """Why IAM would refuse the document as a trust policy, without a full stop; None where nothing known speaks against it.

    `unseen`: the statements to look at, where the others are known to be stored.
    """
    if len(text) > LONGEST_TRUST_POLICY and len("".join(text.split())) > LONGEST_TRUST_POLICY:
        return f"it has more than {LONGEST_TRUST_POLICY} characters, white space not counted"
    _, _, statements = document
    if not statements:
        return "it has no statement"
    if len(statements) > 1:
        sids = [each[1] for each in statements if each[1]]
        if len(sids) != len(set(sids)):
            doubled = next(each for each in sids if sids.count(each) > 1)
            return f'Sid "{shortened(doubled)}" is used twice'
    for each in statements if unseen is None else unseen:
        for check in _CHECKS:
            reason = check(each)
            if reason is not None:
                return f"{statement_in_words(each[0], each[1])} {reason}"
    return None


# By issuer with tokens for anybody: the key that tells for whom, which IAM asks for in what is written. It may know more.
_SENTINEL = "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d"
_BY_SUBJECT = (
    "agent.buildkite.com",
    "app.terraform.io",
    "gitlab.com",
    "oidc-configuration.audit-log.githubusercontent.com",
    "oidc.codefresh.io",
    "proidc.upbound.io",
    "scalr.io",
    "studio.datachain.ai/api",
    GITHUB,
    "tokens.cloud.shisho.dev",
    "vstoken.actions.githubusercontent.com",
)
_BY_AUDIENCE = ("api.pulumi.com/oidc", COGNITO, "oidc.vercel.com", "sandboxes.cloud")
_TENANT_KEYS = {
    **{each: f"{each}:sub" for each in _BY_SUBJECT},
    **{each: f"{each}:aud" for each in _BY_AUDIENCE},
    _SENTINEL: "sts:RoleSessionName",
}


def refused_when_written(document: Document) -> str | None:
    """Why IAM, which may hold this trust policy, would refuse to write it today, without a full stop; None: nothing known is against it.

    IAM asks of shared issuers, since 2025, that a condition looks at the claim that tells their tenants apart. Which values it would not
    take is not known, so that any condition on it counts, a Deny's too.
    """
    looked_at = {each.key.lower() for statement in document.statements for each in statement.conditions if statement.effect == "Deny"}
    for statement in document.statements:
        if statement.effect != "Allow" or not _takes_tokens(statement):
            continue
        keys = looked_at | {each.key.lower() for each in statement.conditions}
        for kind, value in statement.principals or ():
            issuer = value.partition(":oidc-provider/")[2] or value
            asked = _TENANT_KEYS.get(issuer) if kind == "Federated" else None
            if asked is not None and asked.lower() not in keys:
                return f"{statement_in_words(statement.position, statement.sid)} lets {issuer} in without a condition on {asked}"
    return None


def _takes_tokens(statement: Statement) -> bool:
    if statement.actions is None:
        return not any(matches_glob(each.lower(), WITH_WEB_IDENTITY.lower()) for each in statement.not_actions or ())
    return any(matches_glob(each.lower(), WITH_WEB_IDENTITY.lower()) for each in statement.actions)


def _principals_refused(statement: PlainStatement) -> str | None:
    _, _, _, principals, not_principals, _, _, _, _, _ = statement
    if not_principals is not None:
        return "uses NotPrincipal, which a trust policy cannot have"
    if not principals:
        return "names no Principal"
    for kind, value in principals:
        if kind == "CanonicalUser":
            return "names a CanonicalUser, which a trust policy cannot have"
        if kind == "Service" and ("*" in value or "?" in value):
            return f"names {shortened(value)}, which is no service (services are named one by one)"
        if kind == "Federated" and ("*" in value or "?" in value):
            return f"names {shortened(value)}, which is no identity provider (providers are named one by one)"
        if kind == "AWS" and not is_visible(value):
            return f'names "{shortened(value)}"; no principal has a space or a letter with an accent in it'
        if kind == "AWS" and value != "*" and not _is_aws_principal(value):
            return f"names {shortened(value)}, which is no AWS principal (a wildcard stands only alone)"
    return None


def _is_aws_principal(value: str) -> bool:
    if "*" in value or "?" in value:
        return False
    if is_account_id(value) or is_unique_id(value):
        return True
    arn = parse_arn(value)
    if arn is None or not is_account_id(arn.account_id) or arn.region:
        return False
    kind, _, rest = arn.resource.partition("/")
    return arn.resource == "root" or (bool(rest) and (arn.service, kind) in AWS_PRINCIPAL_KINDS)


AWS_PRINCIPAL_KINDS = {("iam", "role"), ("iam", "user"), ("sts", "assumed-role"), ("sts", "federated-user")}


def _resources_refused(statement: PlainStatement) -> str | None:
    _, _, _, _, _, _, _, resources, not_resources, _ = statement
    has_resource = resources is not None or not_resources is not None
    return "has a Resource, which a trust policy cannot have" if has_resource else None


def _actions_refused(statement: PlainStatement) -> str | None:
    _, _, _, _, _, actions, not_actions, _, _, _ = statement
    if actions is None:
        actions = not_actions
    if not actions:
        return "names no Action"
    for each in actions:
        if not each.lower().startswith("sts:"):
            return f"names {shortened(each)}; a trust policy may only name actions of sts"
    return None


def _conditions_refused(statement: PlainStatement) -> str | None:
    for operator, _, _ in statement[-1]:
        if not _is_operator(operator):
            return f"uses {shortened(operator)}, which is no condition operator"
    return None


def _is_operator(text: str) -> bool:
    """`IfExists` ends every operator's name but Null's."""
    operator = read_operator(text)
    return operator is not None and not (operator.name == "null" and operator.if_exists)


type _Check = Callable[[PlainStatement], str | None]
_CHECKS: tuple[_Check, ...] = (_principals_refused, _resources_refused, _actions_refused, _conditions_refused)
