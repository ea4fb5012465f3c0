"""What a trust policy itself spells out: whose provider a principal is, and which values its conditions name."""

from collections.abc import Iterable, Iterator

from doorward.iam.arns import is_account_id, parse_arn
from doorward.iam.documents import VERSION_2012, Document, Principal, Statement
from doorward.iam.names import TIME_KEYS
from doorward.iam.operators import read_operator
from doorward.iam.wording import statement_in_words

_FEWEST_CHARACTERS = 8
_FEWEST_DIFFERENT = 4
# What samples have, and vendors' own names, without what is neither letter nor digit.
_OFTEN_CHOSEN = frozenset(
    {
        *("changeme", "customerid", "example", "exampleid", "externalid", "myexternalid", "mysecret", "password", "secretid", "someid"),
        *("testexternalid", "uniqueid", "uniqueidassignedbyexamplecorp", "yourexternalid"),
        *("cloudhealth", "crowdstrike", "databricks", "datadog", "dynatrace", "fivetran", "lacework", "newrelic", "orcasecurity"),
        *("paloalto", "prismacloud", "snowflake", "splunk", "sumologic", "terraform", "wizsecurity"),
    }
)
_DIGITS_IN_ORDER = "0123456789" * 2 + "9876543210" * 2
_OIDC_PROVIDER = "oidc-provider/"
_SAML_PROVIDER = "saml-provider/"
_WEB_IDENTITY_NAMES = frozenset({"cognito-identity.amazonaws.com", "accounts.google.com", "www.amazon.com", "graph.facebook.com"})
_POSITIVE = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})
_NEGATED = frozenset({"stringnotequals", "stringnotequalsignorecase", "stringnotlike", "arnnotequals", "arnnotlike"})


def issuer_of(principal: Principal) -> str | None:
    """The issuer of a web identity provider, without `https://`; None for anything else, SAML providers too."""
    if principal.type != "Federated":
        return None
    if principal.value in _WEB_IDENTITY_NAMES:
        return principal.value
    arn = parse_arn(principal.value)
    if arn is None or arn.service != "iam" or not arn.resource.startswith(_OIDC_PROVIDER):
        return None
    return arn.resource.removeprefix(_OIDC_PROVIDER)


def is_saml(principal: Principal) -> bool:
    arn = parse_arn(principal.value) if principal.type == "Federated" else None
    return arn is not None and arn.service == "iam" and arn.resource.startswith(_SAML_PROVIDER)


def positive_values(statement: Statement, document: Document) -> Iterator[tuple[str, str]]:
    """Values that a caller must have one of, by key in lower case: asked for by the statement, or spared by a Deny."""
    for each in document.statements:
        if each.effect == "Allow" and each is not statement:
            continue
        names = _POSITIVE if each.effect == "Allow" else _NEGATED
        for condition in each.conditions:
            operator = read_operator(condition.operator)
            if operator is None or operator.name not in names:
                continue
            for value in condition.values:
                if document.version != VERSION_2012 or "${" not in value:
                    yield condition.key.lower(), value


def spelled_out(statement: Statement, document: Document, key: str) -> tuple[str, ...]:
    return tuple(value for name, value in positive_values(statement, document) if name == key.lower() and not is_open(value))


def is_open(text: str) -> bool:
    return "*" in text or "?" in text


def asks_for_time(statements: Iterable[Statement]) -> bool:
    """Whether what they allow may change with the time."""
    for statement in statements:
        for _, key, values in statement.conditions:
            if key.lower() in TIME_KEYS or any("time}" in each.lower() for each in values if "${" in each):
                return True
    return False


def is_guessable(external_id: str) -> bool:
    if len(external_id) < _FEWEST_CHARACTERS or len(set(external_id)) < _FEWEST_DIFFERENT or is_account_id(external_id):
        return True
    plain = "".join(filter(str.isalnum, external_id.lower()))
    return plain in _OFTEN_CHOSEN or plain in _DIGITS_IN_ORDER


def named(statement: Statement) -> str:
    """`Statement 0 ("AllowCI")`, counted from 0 as in findings."""
    return statement_in_words(statement.position, statement.sid)
