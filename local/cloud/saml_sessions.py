"""Gap: MiniStack has no AssumeRoleWithSAML, by which Identity Center opens every session of its roles.

Here the assertion must be of the issuer that the account's SAML provider names, and the role's trust policy must let the provider in
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html). Not emulated: the assertion's signature and times, so
that whoever reaches the local cloud may assert anything; session tags, session policies and the source identity.
"""

import base64
import binascii
import hashlib
import json
import time
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_region
from ministack.services import iam, sts

from local.cloud import iam_entities

READ_AGAINST = {
    "ministack.services.sts:handle_request": "f2d7c72d01d6",
    "ministack.services.sts:register_session": "a84ec986ec01",
}

ACTION: Final = "AssumeRoleWithSAML"
AUDIENCE: Final = "https://signin.aws.amazon.com/saml"
ATTRIBUTES: Final = "https://aws.amazon.com/SAML/Attributes/"
_IN: Final = {"a": "urn:oasis:names:tc:SAML:2.0:assertion"}
_DEFAULT_SECONDS: Final = 3600


class _Assertion(NamedTuple):
    issuer: str
    subject: str
    subject_type: str
    audience: str
    roles: tuple[str, ...]
    """`<role ARN>,<provider ARN>`, in any order."""
    role_session_name: str

    def name_qualifier(self, provider_arn: str) -> str:
        """What STS calls the pair of issuer and provider."""
        account_id, name = provider_arn.split(":")[4], provider_arn.partition("/")[2]
        hashed = hashlib.sha1(f"{self.issuer}{account_id}/{name}".encode(), usedforsecurity=False)
        return base64.b64encode(hashed.digest()).decode()


def install() -> None:
    inner = sts.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        given = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if given.get("Action") != ACTION:
            return await inner(method, path, headers, body, query)
        return _answer(given)

    sts.handle_request = handle_request


def _answer(given: dict[str, str]) -> Any:
    role_arn, provider_arn = given.get("RoleArn", ""), given.get("PrincipalArn", "")
    try:
        assertion = _read(given.get("SAMLAssertion", ""))
    except (ValueError, ET.ParseError, AttributeError) as error:
        return _refused(400, "InvalidIdentityToken", f"Your request included an invalid SAML response: {error}")
    session_arn, malformed = sts._assumed_role_arn(role_arn, assertion.role_session_name)
    if malformed:
        return malformed
    account_id = role_arn.split(":")[4]
    if _issuer_of(account_id, provider_arn) != assertion.issuer:
        return _refused(400, "InvalidIdentityToken", "Issuer not present in specified provider")
    if not any({role_arn, provider_arn} == set(each.split(",")) for each in assertion.roles):
        return _refused(403, "AccessDenied", f"Not authorized to perform sts:{ACTION}")
    role = iam_entities.role(account_id, role_arn.rpartition("/")[2])
    if role is None or role["Arn"] != role_arn or not _lets_in(role, provider_arn, assertion):
        return _refused(403, "AccessDenied", f"Not authorized to perform sts:{ACTION}")
    return _session(role, str(session_arn), provider_arn, assertion, int(given.get("DurationSeconds", _DEFAULT_SECONDS)))


def _read(encoded: str) -> _Assertion:
    try:
        root = ET.fromstring(base64.b64decode(encoded, validate=True))  # noqa: S314 - of whoever may reach this machine's loopback
    except binascii.Error as error:
        raise ValueError("no base64") from error

    def text(path: str) -> str:
        return (root.findtext(f".//a:{path}", namespaces=_IN) or "").strip()

    def attribute(name: str) -> tuple[str, ...]:
        values = root.findall(f".//a:Attribute[@Name='{ATTRIBUTES}{name}']/a:AttributeValue", _IN)
        return tuple((each.text or "").strip() for each in values)

    name_id = root.find(".//a:NameID", _IN)
    names = attribute("RoleSessionName")
    if len(names) != 1 or name_id is None:
        raise ValueError("RoleSessionName or NameID is missing")
    subject_type = name_id.get("Format", "").rpartition(":")[2]
    return _Assertion(text("Issuer"), text("NameID"), subject_type, text("Audience"), attribute("Role"), names[0])


def _issuer_of(account_id: str, provider_arn: str) -> str | None:
    provider = iam._saml_providers.get_scoped(account_id, None, provider_arn)
    if provider is None:
        return None
    return ET.fromstring(provider["SAMLMetadataDocument"]).get("entityID")  # noqa: S314 - as above


def _lets_in(role: dict[str, Any], provider_arn: str, assertion: _Assertion) -> bool:
    document = role["AssumeRolePolicyDocument"]
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    about_him = [
        {**each, "Resource": "*"} for each in (statements if isinstance(statements, list) else [statements]) if _names(each, provider_arn)
    ]
    account_id = role["Arn"].split(":")[4]
    keys = {
        "saml:aud": assertion.audience,
        "saml:iss": assertion.issuer,
        "saml:sub": assertion.subject,
        "saml:sub_type": assertion.subject_type,
        "saml:namequalifier": assertion.name_qualifier(provider_arn),
    }
    context = EvalContext(
        provider_arn, "SAMLUser", account_id, f"sts:{ACTION}", role["Arn"], get_region(), service_context=keys
    )  # fmt: skip
    return bool(iam_evaluator.evaluate(context, [iam_evaluator.parse_policy_document({"Statement": about_him})]).decision == "Allow")


def _names(statement: dict[str, Any], provider_arn: str) -> bool:
    principal = statement.get("Principal")
    federated = principal.get("Federated", []) if isinstance(principal, dict) else []
    return principal == "*" or provider_arn in ([federated] if isinstance(federated, str) else federated)


def _session(role: dict[str, Any], session_arn: str, provider_arn: str, assertion: _Assertion, seconds: int) -> Any:
    key, secret, token = iam._gen_session_access_key(), iam._gen_secret(), iam._gen_session_token()
    assumed_role_id = f"{role['RoleId']}:{assertion.role_session_name}"
    sts.register_session(
        key,
        {
            "Arn": session_arn,
            "UserId": assumed_role_id,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + seconds,
            "AccountId": session_arn.split(":")[4],
            "PrincipalType": "AssumedRole",
        },
    )
    credentials = {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token, "Expiration": iam._future(seconds)}
    result = {
        "Credentials": _elements(credentials),
        "AssumedRoleUser": _elements({"AssumedRoleId": assumed_role_id, "Arn": session_arn}),
        **{name: escape(value) for name, value in (("Subject", assertion.subject), ("SubjectType", assertion.subject_type))},
        "Issuer": escape(assertion.issuer),
        "Audience": escape(assertion.audience),
        "NameQualifier": assertion.name_qualifier(provider_arn),
    }
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in result.items())
    return iam._xml(200, f"{ACTION}Response", f"<{ACTION}Result>{inside}</{ACTION}Result>", ns="sts")


def _elements(values: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _refused(status: int, code: str, message: str) -> Any:
    return iam._error(status, code, escape(message), ns="sts")
