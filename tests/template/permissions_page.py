"""docs/permissions.md, written from the templates: `python -m tests.template.permissions_page` after a statement was changed.

The page is for whoever has to approve Doorward: every role, who may assume it, what it may do, on what, under which condition, and why,
in the words that stand above the statement in the template.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.template.conftest import REPOSITORY, TEMPLATES, as_list, parsed, source

PAGE: Final = REPOSITORY / "docs/permissions.md"

_HEAD: Final = """# Every permission, and why

What each role of Doorward may do, and who may assume it; then what its queues, topics, keys, its bucket and its bus admit. Names in
`code` are resources of the same stack, or its parameters. This page is written from the templates
(`python -m tests.template.permissions_page`); a test fails where the two differ.

Only `doorward-remedy` and `doorward-cut` may change what somebody else made in an account; they exist only where `AllowRemedies=true`, and
never in the management account. `doorward-canary` may put one tag on itself. Only where `AllowContainment=true`, one function in the
management account may put a principal into one service control policy ([how it is bounded](adr/0079-containment.md)). All else in the
accounts reads, or forwards to the hub's bus ([why two roles](adr/0002-two-roles-in-a-member-account.md),
[why these reads](adr/0032-what-the-hub-may-read.md)).

People are granted sessions of the roles under `/doorward/grants/`, where `AllowGrants=true`; never in the hub account. By
`doorward-grant-operate` they may change what they were granted ([why so](adr/0093-roles-that-people-are-granted.md)).

Nothing here is more than Doorward needs, as far as a local stack can show: these statements allow every call that it makes in the
integration tests, and every call that AWS documents to make for it; and without any one action, resource, principal or value of a
condition, one of those calls is refused ([how](adr/0074-least-privilege-is-measured.md),
[what it cannot show](limits.md#what-the-check-of-permissions-does-not-show)).
"""
_TABLE: Final = "| Statement | May | On | Only where | Why |\n|---|---|---|---|---|\n"
_DOCUMENTS: Final = {
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
}


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(f"## {name}\n\n{''.join(_sections(name))}" for name in TEMPLATES if _sections(name))])


def reasons(text: str) -> dict[tuple[str, str], str]:
    """What is said above each statement, by logical id and Sid; empty where it does not begin with `Why:`."""
    found: dict[tuple[str, str], str] = {}
    logical_id, comment = "", list[str]()
    for line in text.splitlines():
        if resource := re.fullmatch(r"  (\w+):", line):
            logical_id = resource[1]
        if said := re.fullmatch(r"\s+# (.*)", line):
            comment.append(said[1])
            continue
        if sid := re.fullmatch(r"\s+(?:- Sid|StatementId): (\w+)", line):
            why = " ".join(comment).partition("Why: ")[2]
            found[logical_id, sid[1]] = why[:1].upper() + why[1:]
        comment = []
    return found


def _sections(name: str) -> list[str]:
    template, why = parsed(name), reasons(source(name))
    resources: Mapping[str, Any] = template["Resources"]
    roles = [each for each, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"]
    return [
        *(_role(each, resources[each], why) for each in roles),
        *(
            f"### {each} ({_kind(resource)})\n\n{_TABLE}{''.join(_rows(each, document, why))}\n"
            for each, resource in resources.items()
            if (document := _document_of(resource)) is not None
        ),
    ]


def _role(logical_id: str, role: Mapping[str, Any], why: Mapping[tuple[str, str], str]) -> str:
    properties = role["Properties"]
    only = f" Exists only under the condition `{role['Condition']}`." if "Condition" in role else ""
    only += "".join(f" Has the managed policy {_shown(each)}." for each in properties.get("ManagedPolicyArns", ()))
    only += f" May never more than {_shown(properties['PermissionsBoundary'])} says." if "PermissionsBoundary" in properties else ""
    documents = [properties["AssumeRolePolicyDocument"], *(each["PolicyDocument"] for each in properties.get("Policies", []))]
    rows = "".join(row for document in documents for row in _rows(logical_id, document, why))
    return f"### {properties['RoleName']}\n\n`{logical_id}`.{only}\n\n{_TABLE}{rows}\n"


def _document_of(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if resource["Type"] == "AWS::Events::EventBusPolicy":
        properties = resource["Properties"]
        return {"Statement": [{"Sid": properties["StatementId"], **properties["Statement"]}]}
    key = _DOCUMENTS.get(resource["Type"])
    return resource["Properties"][key] if key else None


def _kind(resource: Mapping[str, Any]) -> str:
    return {
        "AWS::KMS::Key": "key policy",
        "AWS::Events::EventBusPolicy": "policy of the bus",
        "AWS::IAM::ManagedPolicy": "managed policy",
    }.get(resource["Type"], "resource policy")


def _rows(logical_id: str, document: Mapping[str, Any], why: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for statement in as_list(document["Statement"]):
        may = ", ".join(_shown(each) for each in as_list(statement["Action"]))
        if statement["Effect"] == "Deny":
            may = f"**never** {may}"
        if "Principal" in statement:
            may = f"{_principal(statement['Principal'])}: {may}"
        on = "<br>".join(_shown(each) for each in as_list(statement.get("Resource", "this role")))
        only = "<br>".join(_conditions(statement.get("Condition", {})))
        reason = why.get((logical_id, statement["Sid"]), "")
        yield f"| {statement['Sid']} | {may} | {on} | {only} | {reason.replace('|', '&#124;')} |\n"


def _principal(principal: Any) -> str:
    if principal == "*":
        return "anybody"
    return ", ".join(_shown(each) for kind in principal.values() for each in as_list(kind))


def _conditions(condition: Mapping[str, Any]) -> Iterator[str]:
    if "Fn::If" in condition:
        name, then, otherwise = condition["Fn::If"]
        yield f"under `{name}`: {'; '.join(_conditions(then))}" + (
            "" if "Ref" in otherwise else f"; else {'; '.join(_conditions(otherwise))}"
        )
        return
    for operator, keys in condition.items():
        for key, values in keys.items():
            yield f"{operator} {key} = {', '.join(_shown(each) for each in as_list(values))}"


def _shown(value: Any) -> str:
    """An intrinsic function as a person reads it."""
    match value:
        case str():
            return f"`{value}`" if "*" in value or ":" in value else value
        case {"Ref": name}:
            return f"`{name}`"
        case {"Fn::GetAtt": [name, "Arn"]} | {"Fn::GetAtt": [name, _]}:
            return f"`{name}`"
        case {"Fn::Sub": [text, _]} | {"Fn::Sub": text}:
            return f"`{text.replace('.Arn}', '}').replace('arn:${AWS::Partition}', 'arn:aws')}`"
        case {"Fn::If": [name, then, {"Ref": "AWS::NoValue"}]}:
            return f"{_shown(then)} (under `{name}`)"
        case {"Fn::If": [name, then, otherwise]}:
            return f"{_shown(then)} (under `{name}`, else {_shown(otherwise)})"
        case _:
            return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
