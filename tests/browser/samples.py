"""Snapshots to look at: an ordinary day, and one whose every text was chosen by an attacker. Both come out of the product's own code."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from doorward.events.model import Actor, Cause, Change, RoleTarget
from doorward.findings.model import Finding, Judgement, Remedy, Severity, StatementRef, Undecided, Verdict, Witness
from doorward.findings.wording import witness_in_words
from doorward.guardrails.announcements import describe_case, with_remedy
from doorward.guardrails.decide import Action, Decision
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.organization.model import Account, Organization
from doorward.slack.cards import render_card
from doorward.usecases.compose_message import compose_message
from local.slack import SlackMessage
from local.snapshot import ShownAlert, ShownCase, ShownEvent, ShownLetter, ShownRule, Snapshot

START = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)

# What an attacker would like some place to obey. IAM's own character set keeps it out of role names, and out of nothing else.
PAYLOADS = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</pre></style><svg onload=document.title='owned'>",
    "<!channel>",
    "<@U0123ABCD>",
    "<https://evil.example|the console>",
    ":rotating_light:",
    "*bold* _italic_ ~struck~",
    "> quoted",
    "`code` ```fence```",
    '=HYPERLINK("https://evil.example","open")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\x1b[2J\x1b[31m",
    "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "\x9b2J",
    "\u202egnp.exe\u2066\u2069",
    "zero\u200bwidth\u2800",
    "first\nsecond\x0bthird",
    "one\u2028two\u2029three\x85four",
    "Subject: x\r\nBcc: all@evil.example\r\n\r\n",
    "[red]not red[/red] [link=https://evil.example]x[/link]",
    "![x](https://evil.example/x.png) [y](https://evil.example)",
    "| cell | # heading @octocat www.evil.example",
    "\ud800",
    "\\n is no newline",
)
HARMLESS = "harmless"


ALL_AT_ONCE = " ".join(PAYLOADS)


def hostile(payload: str = ALL_AT_ONCE) -> Callable[[], str]:
    """Every text of the record is this."""
    return lambda: payload


def harmless() -> str:
    return HARMLESS


@dataclass(frozen=True, slots=True)
class Record:
    """One bad policy in which whatever somebody could choose was chosen by `text`, on its way through the product."""

    role: Role
    judgement: Judgement
    remedy: Remedy
    detail: dict[str, Any]


def record(text: Callable[[], str]) -> Record:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": text(),
                "Effect": "Allow",
                "Principal": {"AWS": text()},
                "Action": "sts:AssumeRole",
                "Condition": {"StringLike": {"aws:PrincipalTag/team": text(), "sts:ExternalId": "never-shown"}},
            },
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }
    role = Role(
        account_id="777788889999",
        name="payments",
        path="/",
        arn="arn:aws:iam::777788889999:role/payments",
        role_id="AROAEXAMPLE000000001",
        trust_policy=json.dumps(document),
        tags={text(): text()},
    )
    statement = StatementRef(0, text())
    witness = Witness(text(), "AWS", "sts:AssumeRole", {"aws:PrincipalTag/team": text(), "sts:ExternalId": "never-shown"}, (text(),))
    judgement = Judgement(
        Verdict.VIOLATING,
        (Finding("external-account", "world", Severity.CRITICAL, text(), statement, witness, text()),),
        (Undecided("broad-condition", statement, text(), text()),),
    )
    actor = Actor("AssumedRole", text(), "777788889999", "AROAEXAMPLE000000002:x", text(), None, text(), text())
    change = Change(
        event_id="6f0e0b52-0000-4000-8000-000000000001",
        event_name="UpdateAssumeRolePolicy",
        event_time=START,
        account_id="777788889999",
        region="us-east-1",
        actor=actor,
        cause=Cause.TRUST,
        target=RoleTarget("777788889999", "payments"),
        document=None,
        error_code=None,
        error_message=None,
        shared_event_id=None,
        replay_name=None,
    )
    organization = Organization(id="o-a1b2c3d4e5", accounts=(Account("777788889999", text(), "/workloads/prod"),))
    decision = Decision(Action.WRITE, Mode.ENFORCE, text())
    found = describe_case("dw-0123456789abcdef0001", role, judgement, decision, change, organization, Guardrails(), "hash", wrote=None)
    remedy = Remedy("drop", {**document, "Statement": document["Statement"][1:]}, proved=True)
    return Record(role, judgement, remedy, with_remedy(found, remedy, role.trust_policy, 3.25))


def envelope(detail: dict[str, Any], detail_type: str = "TrustPolicyReverted") -> str:
    announced = {"announcement_id": "dw-0123456789abcdef0001-reverted", **detail}
    return json.dumps({"source": "doorward.guardrails", "detail-type": detail_type, "detail": announced})


def card(detail: dict[str, Any], detail_type: str = "TrustPolicyReverted") -> dict[str, Any]:
    return render_card(compose_message(envelope(detail, detail_type)))


def snapshot_of(text: Callable[[], str]) -> Snapshot:
    """A snapshot of the record, with the same texts wherever else a snapshot holds one."""
    detail = record(text).detail
    case = ShownCase(
        finding_id=detail["finding_id"],
        role_ref=text(),
        account_id="777788889999",
        account_name=text(),
        severity="critical",
        rules=(*_rules(detail), ShownRule(text(), text(), text())),
        status="remedied",
        action="write",
        opened_at=START,
        closed_at=START + timedelta(seconds=3.25),
        seconds=3.25,
        remedy_kind="drop",
        because=text(),
        failed_because=None,
        actor=text(),
        event_name=text(),
        diff=(*detail["diff"], " " + text(), "+" + text(), "-" + text()),
        witness=witness_in_words(detail["findings"][0]["witness"]),
    )
    return Snapshot(
        taken_at=START + timedelta(minutes=1),
        events=(ShownEvent(START, "777788889999", text(), text(), f"777788889999/{text()}", text(), text(), text()),),
        cases=(case,),
        alerts=(ShownAlert(START, text(), "critical", text(), text(), text(), text()),),
        messages=(_posted(detail, START + timedelta(seconds=4)),),
        dead_letters=(ShownLetter(START, text(), text(), text(), is_cut=True),),
    )


def ordinary() -> Snapshot:
    """A day with one of everything."""
    events = (
        _event(0, "prod", "777788889999", "UpdateAssumeRolePolicy", "payments", "reverted", f"{_STRANGER} Closed by: tighten."),
        _event(21, "staging", "222233334444", "CreateRole", "ci-runner", "alerted", f"{_SUBJECT} Not written: a known pipeline made it."),
        _event(34, "shared-services", "444455556666", "UpdateAssumeRolePolicy", "deploy", "accepted", "This is the baseline now."),
        _event(55, "prod", "777788889999", "DeleteRolePolicy", "", "skipped", "For a later part of Doorward."),
        _event(70, "prod", "777788889999", "CreateRole", "Vendor-Access-With-A-Long-Name-As-People-Give", "remedy-failed", "Not closed."),
    )
    cases = (
        _case(1, "777788889999/payments", "prod", "critical", "external-account", _STRANGER, "remedied"),
        _case(22, "222233334444/ci-runner", "staging", "high", "oidc-unscoped-subject", _SUBJECT, "standing"),
        _case(
            71,
            "777788889999/Vendor-Access-With-A-Long-Name-As-People-Give",
            "prod",
            "medium",
            "missing-external-id",
            _VENDOR,
            "intended",
        ),
        _case(75, "444455556666/audit", "shared-services", "low", "broad-service", "Any service may come in.", "ended"),
    )
    details = [_announced(case) for case in cases]
    messages = tuple(
        _posted(detail, case.opened_at + timedelta(seconds=2), kind) for case, (kind, detail) in zip(cases[:3], details, strict=False)
    )
    letter = ShownLetter(
        START + timedelta(seconds=80),
        "changes",
        "$.detail.recipientAccountId is 777788889999, not the envelope's account 222233334444: the event is forged.",
        '{"version": "0", "id": "6f0e0b52-0000-4000-8000-00000000000f", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam"',
        is_cut=True,
    )
    return Snapshot(START + timedelta(seconds=90), events, cases, _ALERTS, messages, (letter,), more_letters=0)


_ALERTS = (
    ShownAlert(
        START + timedelta(seconds=3),
        "opened-door-used",
        "critical",
        "a door was used just after it was opened",
        "arn:aws:iam::777788889999:role/payments",
        "999988887777 has opened a session of arn:aws:iam::777788889999:role/payments 1 s after the change that let him in.",
        "Ask who made the change.",
    ),
    ShownAlert(
        START + timedelta(seconds=64),
        "heartbeat-missed",
        "high",
        "an account has gone silent",
        "staging",
        "No heartbeat has come back from account 222233334444 (staging), region us-east-1, since 2026-11-24 09:00 UTC.",
        "Look for who stopped its trail.",
    ),
)
_STRANGER = "Account 999988887777, which is not of this organization and nobody's vendor, may come in."
_SUBJECT = "Any repository on GitHub may come in: the subject is not limited."
_VENDOR = "Vendor 555566667777 may come in for anybody: no external ID is asked for."
_DIFF = (
    "@@ -5,7 +5,6 @@",
    '       "Effect": "Allow",',
    '       "Principal": {',
    '         "AWS": [',
    '-          "arn:aws:iam::999988887777:root",',
    '           "arn:aws:iam::444455556666:role/ci/deployer"',
    "         ]",
    "       },",
)


def _rules(detail: dict[str, Any]) -> tuple[ShownRule, ...]:
    found = [ShownRule(each["rule"], each["severity"], each["because"]) for each in detail["findings"]]
    return (*found, *(ShownRule(each["rule"], "undecided", each["because"]) for each in detail["undecidable"]))


def _event(  # noqa: PLR0917 - a table of them stands above
    second: int, account_name: str, account_id: str, name: str, role: str, outcome: str, because: str
) -> ShownEvent:
    role_ref = f"{account_id}/{role}" if role else ""
    return ShownEvent(START + timedelta(seconds=second), account_id, account_name, name, role_ref, outcome, because, f"e-{second}")


def _case(  # noqa: PLR0917 - the same
    second: int, role_ref: str, account_name: str, severity: str, rule: str, because: str, status: str
) -> ShownCase:
    closed = {"remedied": START + timedelta(seconds=second + 3.2), "ended": START + timedelta(seconds=second + 10)}.get(status)
    return ShownCase(
        finding_id=f"dw-{second:020x}",
        role_ref=role_ref,
        account_id=role_ref[:12],
        account_name=account_name,
        severity=severity,
        rules=(ShownRule(rule, severity, because),),
        status=status,
        action="alert" if status in {"standing", "ended"} else "write",
        opened_at=START + timedelta(seconds=second),
        closed_at=closed,
        seconds=3.2 if status == "remedied" else None,
        remedy_kind="drop" if status == "remedied" else None,
        because="The mode for this role is alert: people are told, nothing is written." if status == "standing" else "The mode is enforce.",
        failed_because="Doorward could not close this: tighten: IAM refused it. A person has to." if status == "intended" else None,
        actor="arn:aws:iam::777788889999:user/jane",
        event_name="UpdateAssumeRolePolicy",
        diff=_DIFF if status == "remedied" else (),
        witness="arn:aws:iam::999988887777:role/any may call sts:AssumeRole with aws:PrincipalAccount = 999988887777.",
    )


def _announced(case: ShownCase) -> tuple[str, dict[str, Any]]:
    detail = {
        "finding_id": case.finding_id,
        "role_ref": case.role_ref,
        "account": {"id": case.account_id, "name": case.account_name},
        "severity": case.severity,
        "because": case.failed_because or case.because,
        "findings": [{"rule": each.rule, "severity": each.severity, "because": each.because} for each in case.rules],
        "undecidable": [],
        "actor": {"kind": "IAMUser", "arn": case.actor},
        "event": {"name": case.event_name, "time": case.opened_at.isoformat()},
        "remedy": {"kind": case.remedy_kind} if case.remedy_kind else None,
        "diff": list(case.diff),
        "seconds": case.seconds,
    }
    kind = {"remedied": "TrustPolicyReverted", "intended": "TrustRemedyFailed"}.get(case.status, "TrustViolationFound")
    return kind, detail


def _posted(detail: dict[str, Any], at: datetime, kind: str = "TrustPolicyReverted") -> SlackMessage:
    posted = card(detail, kind)
    return SlackMessage(at, "C0123456789", f"{at.timestamp():.6f}", posted["text"], tuple(posted["blocks"]))
