"""People, roles, templates and rules of grants, for the tests of all that they go through."""

from datetime import UTC, datetime, timedelta
from typing import Any

from doorward.grants.entitled import rule_on
from doorward.grants.grant import Grant
from doorward.grants.lifecycle import Checked, advance
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest, Target
from doorward.grants.parsing import entitlements_from
from doorward.grants.session_policy import compile_policy
from doorward.organization.model import Account
from doorward.people.model import Person

START = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)  # a Wednesday
JANE, JOE, ANN, EVE = (Person(f"906-{name}", f"{name}@acme.example", name.title()) for name in ("jane", "joe", "ann", "eve"))
PEOPLE = (JANE, JOE, ANN, EVE)
PROD = Account("777788889999", "prod", "/workloads/prod", tags={"environment": "prod"})
STAGING = Account("222233334444", "staging", "/workloads/staging", tags={"environment": "staging"})
ORDERS = Target(PROD.id, "orders", "/doorward/grants/", {"team": "payments"})
GRANT_ID = "01JZ1M5T0000000000000ABCDE"

READ_BUCKET: dict[str, Any] = {
    "risk": "low",
    "parameters": {"bucket": {"type": "s3-bucket", "like": ["acme-*"]}},
    "statements": [
        {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::<bucket>/*"]},
        {"actions": ["s3:ListBucket"], "resources": ["arn:aws:s3:::<bucket>"]},
    ],
}
RULE: dict[str, Any] = {
    "id": "payments",
    "who": {"groups": ["payments"]},
    "match": {"ou": "/workloads"},
    "templates": ["read-bucket"],
    "minutes": 60,
    "approve": {"groups": ["security"]},
}
DENY: dict[str, Any] = {"id": "never", "effect": "deny"}


def entitlements(*rules: dict[str, Any], **templates: dict[str, Any]) -> Entitlements:
    return entitlements_from({"templates": {"read-bucket": READ_BUCKET} | templates, "rules": list(rules), "revokers": ["security"]})


def rule(identifier: str = "payments", **changed: Any) -> dict[str, Any]:
    """RULE with some fields otherwise; None leaves one out."""
    return {name: value for name, value in {**RULE, "id": identifier, **changed}.items() if value is not None}


def asker(person: Person = JANE, *groups: str, **known: Any) -> Asker:
    return Asker(person, frozenset(groups or ("payments",)), known.get("attributes", {}), known.get("on_call", frozenset()))


def facts(who: Asker | None = None, **known: Any) -> Facts:
    return Facts(who or asker(), known.get("target", ORDERS), known.get("account", PROD), known.get("ticket"))


def request(**changed: Any) -> GrantRequest:
    usual: dict[str, Any] = {
        "role_ref": ORDERS.ref,
        "template": "read-bucket",
        "parameters": {"bucket": "acme-orders"},
        "minutes": 60,
        "reason": "Order 4711 is lost.",
        "asked_at": START,
    }
    return GrantRequest(**{**usual, **changed})


def checked_grant(rules: Entitlements | None = None, grant_id: str = GRANT_ID, **asked: Any) -> Grant:
    """Jane's, as the rules leave it: pending by RULE, approved where nobody has to agree."""
    rules, wanted = rules or entitlements(RULE), request(**asked)
    policy = compile_policy(rules.templates[wanted.template], wanted.parameters, ORDERS, START)
    found = advance(Grant(grant_id, JANE, wanted), Checked(rule_on(rules, wanted, facts()), policy, ORDERS))
    assert isinstance(found, Grant)
    return found


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)
