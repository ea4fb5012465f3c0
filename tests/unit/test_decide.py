"""The decision table of guardrails/decide.py, row by row and then as properties over all of it."""

from copy import replace
from itertools import product

import pytest

from doorward.events.model import Cause
from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict, Witness
from doorward.guardrails.decide import Action, Circumstances, decide
from doorward.guardrails.model import Guardrails, Match, Mode, Role, Rule, Scope
from doorward.organization.model import Account

ROLE = Role("777788889999", "payments", "/", "arn:aws:iam::777788889999:role/payments", "AROAX", "{}")
PROD = Account("777788889999", "prod", ou="/workloads/prod", tags={"environment": "prod"})
WITNESS = Witness("arn:aws:iam::999988887777:role/any", "AWS", "sts:AssumeRole", {}, ())
FINDING = Finding("external-account", "world", Severity.HIGH, "t", StatementRef(0, None), WITNESS, "because")
CRITICAL = replace(FINDING, rule="world-assumable", severity=Severity.CRITICAL)
UNDECIDED = Undecided("external-account", StatementRef(0, None), "c", "because")
NOW = Circumstances(Cause.TRUST, cause_known=True, by_pipeline=False, protected_because=None)


def judged(*findings: Finding) -> Judgement:
    return Judgement(Verdict.VIOLATING, findings)


def act(
    judgement: Judgement, mode: Mode, circumstances: Circumstances = NOW, account: Account | None = PROD, undecidable: Mode = Mode.ALERT
) -> Action:
    return decide(judgement, ROLE, account, Guardrails(mode=mode, undecidable=undecidable), circumstances).action


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("verdict", [Verdict.COMPLIANT, Verdict.WAIVED])
def test_a_policy_without_a_finding_passes_in_every_mode(verdict: Verdict, mode: Mode) -> None:
    assert act(Judgement(verdict), mode) is Action.PASS


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("verdict", [Verdict.UNDECIDABLE, Verdict.INVALID])
@pytest.mark.parametrize(("setting", "action"), [(Mode.ALERT, Action.ALERT), (Mode.APPROVE, Action.ASK)])
def test_what_cannot_be_decided_follows_its_own_setting_is_never_passed_and_never_written(
    verdict: Verdict, mode: Mode, setting: Mode, action: Action
) -> None:
    assert act(Judgement(verdict, undecidable=(UNDECIDED,)), mode, undecidable=setting) is action


@pytest.mark.parametrize(
    ("mode", "action"),
    [(Mode.OBSERVE, Action.OBSERVE), (Mode.ALERT, Action.ALERT), (Mode.APPROVE, Action.ASK), (Mode.ENFORCE, Action.WRITE)],
)
def test_a_violation_is_met_as_the_mode_says(mode: Mode, action: Action) -> None:
    assert act(judged(FINDING), mode) is action


def test_a_role_that_must_not_be_edited_is_alerted() -> None:
    assert act(judged(CRITICAL), Mode.ENFORCE, replace(NOW, protected_because="it is Control Tower's")) is Action.ALERT


@pytest.mark.parametrize("cause", [Cause.PERMISSIONS, Cause.SESSION_LENGTH])
def test_a_change_that_did_not_touch_who_may_come_in_never_writes(cause: Cause) -> None:
    assert act(judged(CRITICAL), Mode.ENFORCE, replace(NOW, cause=cause)) is Action.ALERT


def test_a_change_of_a_trusted_provider_may_write() -> None:
    assert act(judged(CRITICAL), Mode.ENFORCE, replace(NOW, cause=Cause.PROVIDER)) is Action.WRITE


def test_a_role_whose_trust_may_always_have_been_so_is_alerted() -> None:
    assert act(judged(CRITICAL), Mode.ENFORCE, replace(NOW, cause_known=False)) is Action.ALERT


def test_a_known_pipeline_is_alerted_and_asked_about_what_is_critical() -> None:
    assert act(judged(FINDING), Mode.ENFORCE, replace(NOW, by_pipeline=True)) is Action.ALERT
    assert act(judged(CRITICAL), Mode.ENFORCE, replace(NOW, by_pipeline=True)) is Action.ASK


def test_no_write_without_a_request_that_proves_it() -> None:
    text = replace(FINDING, kind="text", witness=None)
    assert act(judged(text), Mode.ENFORCE) is Action.ALERT
    assert act(judged(text, FINDING), Mode.ENFORCE) is Action.WRITE


def test_an_account_that_nobody_described_is_only_observed() -> None:
    assert act(judged(CRITICAL), Mode.ENFORCE, account=None) is Action.OBSERVE


def test_the_strongest_mode_among_the_findings_counts() -> None:
    guardrails = Guardrails(mode=Mode.ENFORCE, rules={"external-account": Rule("external-account", Severity.HIGH, mode=Mode.ALERT)})
    assert decide(judged(FINDING), ROLE, PROD, guardrails, NOW).action is Action.ALERT
    assert decide(judged(FINDING, CRITICAL), ROLE, PROD, guardrails, NOW).action is Action.WRITE


def test_a_rule_that_only_alerts_does_not_write_by_its_severity() -> None:
    """The critical finding is in mode alert, the enforced one is high: a pipeline is not asked about, only alerted."""
    guardrails = Guardrails(mode=Mode.ENFORCE, rules={"world-assumable": Rule("world-assumable", Severity.CRITICAL, mode=Mode.ALERT)})
    assert decide(judged(FINDING, CRITICAL), ROLE, PROD, guardrails, replace(NOW, by_pipeline=True)).action is Action.ALERT


@pytest.mark.parametrize(
    ("scope", "mode"),
    [
        (Scope("s", Mode.ENFORCE, Match(ou="/workloads")), Mode.ENFORCE),
        (Scope("s", Mode.ENFORCE, Match(ou="/workloads/prod")), Mode.ENFORCE),
        (Scope("s", Mode.ENFORCE, Match(ou="/workloads/pro")), Mode.ALERT),
        (Scope("s", Mode.ENFORCE, Match(ou="/")), Mode.ENFORCE),
        (Scope("s", Mode.ENFORCE, Match(accounts=("777788889999",))), Mode.ENFORCE),
        (Scope("s", Mode.ENFORCE, Match(accounts=("222233334444",))), Mode.ALERT),
        (Scope("s", Mode.ENFORCE, Match(tags={"environment": "prod"})), Mode.ENFORCE),
        (Scope("s", Mode.ENFORCE, Match(tags={"environment": "prod", "tier": "1"})), Mode.ALERT),
        (Scope("s", Mode.ENFORCE, Match(role_path="/ci/")), Mode.ALERT),
        (Scope("s", Mode.ENFORCE, Match(role_path="/")), Mode.ENFORCE),
        (Scope("s", Mode.ALERT, Match(), rules={"external-account": Mode.APPROVE}), Mode.APPROVE),
    ],
)
def test_a_scope_covers_what_fulfils_all_of_its_criteria(scope: Scope, mode: Mode) -> None:
    assert Guardrails(scopes=(scope,)).mode_for("external-account", ROLE, PROD) is mode


def test_the_first_scope_that_covers_the_role_decides() -> None:
    scopes = (Scope("one", Mode.OBSERVE, Match()), Scope("two", Mode.ENFORCE, Match()))
    assert Guardrails(scopes=scopes).mode_for("external-account", ROLE, PROD) is Mode.OBSERVE


def test_nothing_but_a_proved_fresh_violation_by_nobody_known_in_enforce_is_ever_written() -> None:
    for verdict, mode, undecidable, cause, known, pipeline, protected, finding in product(
        Verdict, Mode, [Mode.ALERT, Mode.APPROVE], Cause, [True, False], [True, False], [None, "x"], [FINDING, CRITICAL]
    ):
        judgement = Judgement(verdict, (finding,) if verdict is Verdict.VIOLATING else (), (UNDECIDED,), None)
        circumstances = Circumstances(cause, cause_known=known, by_pipeline=pipeline, protected_because=protected)
        action = act(judgement, mode, circumstances, undecidable=undecidable)
        allowed = (
            verdict is Verdict.VIOLATING
            and mode is Mode.ENFORCE
            and cause in {Cause.TRUST, Cause.PROVIDER}
            and known
            and not pipeline
            and protected is None
        )
        assert (action is Action.WRITE) == allowed
        assert (action is Action.PASS) == (verdict in {Verdict.COMPLIANT, Verdict.WAIVED})
