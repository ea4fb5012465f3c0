"""The decision table of guardrails/decide.py, row by row and then as properties over all of it."""

from copy import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from doorward.decisions.model import Terms
from doorward.events.model import Actor, Cause
from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict, Witness
from doorward.guardrails.authors import Author, author_of
from doorward.guardrails.brakes import BUDGET, MOST_WRITES, Brake, Brakes, Braking, Stop, Write, brake_of, budget_of, scopes_of
from doorward.guardrails.decide import Action, Circumstances, Rungs, Use, decide
from doorward.guardrails.model import Guardrails, Mode, Role, Rule, Scope, Undecidable
from doorward.organization.model import Account, Match, Organization, Pipeline
from tests.fakes import START

ROLE = Role("777788889999", "payments", "/", "arn:aws:iam::777788889999:role/payments", "AROAX", "{}")
PROD = Account("777788889999", "prod", ou="/workloads/prod", tags={"environment": "prod"})
WITNESS = Witness("arn:aws:iam::999988887777:role/any", "AWS", "sts:AssumeRole", {}, ())
FINDING = Finding("external-account", "world", Severity.HIGH, "t", StatementRef(0, None), WITNESS, "because")
CRITICAL = replace(FINDING, rule="world-assumable", severity=Severity.CRITICAL)
UNDECIDED = Undecided("external-account", StatementRef(0, None), "c", "because")
NOW = Circumstances(Cause.TRUST)
ALONE = Terms(frozenset())
"""What a hold takes: anybody."""


def judged(*findings: Finding) -> Judgement:
    return Judgement(Verdict.VIOLATING, findings)


def act(
    judgement: Judgement,
    mode: Mode,
    circumstances: Circumstances = NOW,
    account: Account | None = PROD,
    undecidable: Undecidable = Undecidable.ALERT,
) -> Action:
    return decide(judgement, ROLE, account, Guardrails(mode=mode, undecidable=undecidable), circumstances).action


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("verdict", [Verdict.COMPLIANT, Verdict.WAIVED])
def test_a_policy_without_a_finding_passes_in_every_mode(verdict: Verdict, mode: Mode) -> None:
    assert act(Judgement(verdict), mode) is Action.PASS


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("verdict", [Verdict.UNDECIDABLE, Verdict.INVALID])
@pytest.mark.parametrize(("setting", "action"), [(Undecidable.ALERT, Action.ALERT), (Undecidable.APPROVE, Action.ASK)])
def test_what_cannot_be_decided_follows_its_own_setting_is_never_passed_and_never_written(
    verdict: Verdict, mode: Mode, setting: Undecidable, action: Action
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
    assert act(judged(FINDING), Mode.ENFORCE, replace(NOW, author=Author.PIPELINE)) is Action.ALERT
    assert act(judged(CRITICAL), Mode.ENFORCE, replace(NOW, author=Author.PIPELINE)) is Action.ASK


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
    assert decide(judged(FINDING, CRITICAL), ROLE, PROD, guardrails, replace(NOW, author=Author.PIPELINE)).action is Action.ALERT


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


# Of decide.py's table: what holds, and what is done about it where it is critical and where it is not.
ROWS = [
    ("nothing", NOW, (Action.WRITE, Rungs.ALL), (Action.WRITE, Rungs.ALL)),
    ("break-glass", replace(NOW, author=Author.BREAK_GLASS), (Action.ASK, None), (Action.ASK, None)),
    ("a pipeline", replace(NOW, author=Author.PIPELINE), (Action.ASK, None), (Action.ALERT, None)),
    ("a service", replace(NOW, author=Author.SERVICE), (Action.WRITE, Rungs.ALL), (Action.ASK, None)),
    ("stopped", replace(NOW, brake=lambda: Brake(Braking.STOPPED, "x")), (Action.ASK, None), (Action.ASK, None)),
    (
        "written too often",
        replace(NOW, brake=lambda: Brake(Braking.WRITTEN_TOO_OFTEN, "x"), use=lambda: Use.PROTECTS),
        (Action.WRITE, Rungs.QUARANTINE),
        (Action.ASK, None),
    ),
    ("budget", replace(NOW, brake=lambda: Brake(Braking.BUDGET_SPENT, "x")), (Action.WRITE, Rungs.CLOSING), (Action.ASK, None)),
    ("used", replace(NOW, use=lambda: Use.PROTECTS), (Action.ASK, None), (Action.ASK, None)),
    ("use unknown", replace(NOW, use=lambda: Use.UNKNOWN), (Action.WRITE, Rungs.ALL), (Action.ASK, None)),
    ("author may come", replace(NOW, author_may_come=True), (Action.WAIT, None), (Action.WAIT, None)),
    ("baseline allows it", replace(NOW, widens=False), (Action.ALERT, None), (Action.ALERT, None)),
]


@pytest.mark.parametrize(("_name", "circumstances", "critical", "otherwise"), ROWS, ids=[row[0] for row in ROWS])
def test_the_rows_of_enforce(
    _name: str, circumstances: Circumstances, critical: tuple[Action, Rungs | None], otherwise: tuple[Action, Rungs | None]
) -> None:
    for finding, (action, rungs) in ((CRITICAL, critical), (FINDING, otherwise)):
        decision = decide(judged(finding), ROLE, PROD, Guardrails(mode=Mode.ENFORCE), circumstances)
        assert (decision.action, decision.rungs if decision.action is Action.WRITE else None) == (action, rungs)
        assert decision.door_open == (finding is CRITICAL and action is not Action.WRITE)


def test_neither_brakes_nor_use_are_asked_where_nothing_would_be_written() -> None:
    def never() -> Any:
        raise AssertionError

    asked = replace(NOW, brake=never, use=never)
    for circumstances in (replace(asked, author=Author.PIPELINE), replace(asked, cause=Cause.FACTS), replace(asked, author_may_come=True)):
        act(judged(CRITICAL), Mode.ENFORCE, circumstances)
    for mode in (Mode.OBSERVE, Mode.ALERT, Mode.APPROVE):
        act(judged(CRITICAL), mode, asked)


def test_nothing_but_a_proved_fresh_violation_by_nobody_known_in_enforce_is_ever_written() -> None:
    for verdict, mode, undecidable, cause, known, author, protected, finding, brake, use in product(
        Verdict,
        Mode,
        Undecidable,
        Cause,
        [True, False],
        Author,
        [None, "x"],
        [FINDING, CRITICAL],
        Braking,
        Use,
    ):
        judgement = Judgement(verdict, (finding,) if verdict is Verdict.VIOLATING else (), (UNDECIDED,), None)
        circumstances = Circumstances(cause, known, author, protected, brake=lambda kind=brake: Brake(kind, "x"), use=lambda used=use: used)  # type: ignore[misc]
        action = act(judgement, mode, circumstances, undecidable=undecidable)
        critical = finding is CRITICAL
        allowed = (
            verdict is Verdict.VIOLATING
            and mode is Mode.ENFORCE
            and cause in {Cause.TRUST, Cause.PROVIDER}
            and known
            and author in ({Author.SOMEBODY, Author.SERVICE} if critical else {Author.SOMEBODY})
            and protected is None
            and brake in (set(Braking) - {Braking.STOPPED} if critical else {Braking.NONE})
            and (brake is Braking.WRITTEN_TOO_OFTEN or use in ({Use.FREE, Use.UNKNOWN} if critical else {Use.FREE}))
        )
        assert (action is Action.WRITE) == allowed
        assert (action is Action.PASS) == (verdict in {Verdict.COMPLIANT, Verdict.WAIVED})


def actor(arn: str | None = None, kind: str = "IAMUser", invoked_by: str | None = None) -> Actor:
    return Actor(kind, arn, None, None, None, invoked_by, None, None)


def test_an_author_is_known_by_who_signed_the_call() -> None:
    deploy, emergency = "arn:aws:iam::777788889999:role/deploy", "arn:aws:iam::777788889999:role/emergency"
    organization = Organization(pipelines=(Pipeline(deploy, "platform", ("/payments/*",)),), break_glass=(emergency,))
    assert author_of(actor(deploy), organization, "/payments/export") is Author.PIPELINE
    assert author_of(actor(deploy), organization, "/other/export") is Author.SOMEBODY
    assert author_of(actor(emergency), organization, "/payments/export") is Author.BREAK_GLASS
    assert author_of(actor("arn:aws:iam::777788889999:user/jane"), organization, "/x") is Author.SOMEBODY
    assert author_of(actor("arn:aws:iam::777788889999:user/jane", invoked_by="AWS Internal"), organization, "/x") is Author.SOMEBODY
    assert author_of(actor("arn:aws:iam::777788889999:user/jane", invoked_by="cloudformation.amazonaws.com"), organization, "/x") is (
        Author.SERVICE
    )
    assert author_of(actor(kind="AWSService"), organization, "/x") is Author.SERVICE


def test_a_role_that_was_written_three_times_within_a_day_is_braked_and_forgotten_after_it() -> None:
    writes = [Write(START + timedelta(hours=each), "bad", "jane") for each in range(MOST_WRITES)]
    now = START + timedelta(hours=10)
    assert brake_of(Brakes(), (), writes[1:], "bad", "jane", now, ALONE).kind is Braking.NONE
    brake = brake_of(Brakes(), (), writes, "bad", "jane", now, ALONE)
    assert brake.kind is Braking.WRITTEN_TOO_OFTEN
    assert "its own source" in str(brake.because)
    assert "its own source" not in str(brake_of(Brakes(), (), writes, "other", "jane", now, ALONE).because)
    assert brake_of(Brakes(), (), writes, "bad", "jane", START + timedelta(hours=24), ALONE).kind is Braking.NONE


def test_budgets_are_of_an_author_a_severity_and_privileged_roles_by_themselves() -> None:
    budgets = {
        budget_of(author, [finding], privileged=privileged)
        for author, finding, privileged in product(["jane", "mallory", ""], [FINDING, CRITICAL], [True, False])
    }
    assert len(budgets) == 3 * 2 * 2
    assert brake_of(Brakes(spent=BUDGET - 1), (), (), "bad", "jane", START, ALONE).kind is Braking.NONE
    assert brake_of(Brakes(spent=BUDGET), (), (), "bad", "jane", START, ALONE).kind is Braking.BUDGET_SPENT


def test_what_a_person_has_set_counts_until_its_end_and_before_everything_else() -> None:
    stop = Stop("account 777788889999", "jane", "an incident", START, START + timedelta(hours=1))
    assert brake_of(Brakes((stop,), BUDGET), (), (), "bad", "jane", START, ALONE).kind is Braking.STOPPED
    assert brake_of(Brakes((stop,)), (), (), "bad", "jane", START + timedelta(hours=1), ALONE).kind is Braking.NONE
    assert scopes_of("777788889999/payments", ("external-account",)) == (
        "organization",
        "account 777788889999",
        "rule external-account",
        "role 777788889999/payments",
    )


@pytest.mark.parametrize("quorum", [1, 2, 3])
@pytest.mark.parametrize("by_sigv4", [True, False])
@pytest.mark.parametrize("agreed", [None, 1, 2, 3])
@pytest.mark.parametrize("signed", [True, False])
def test_a_hold_stops_what_so_many_may_hold_and_whatever_else_is_said_to_go_on_in_spite_of_it(
    quorum: int, by_sigv4: bool, agreed: int | None, signed: bool
) -> None:
    hold = Stop("role 777788889999/payments", "jane", "a release", START, START + timedelta(hours=4), agreed, signed)
    brake = brake_of(Brakes((hold,)), (), (), "bad", "jane", START, Terms(frozenset(), quorum, by_sigv4=by_sigv4))
    holds = agreed is None or (agreed >= quorum and (signed or not by_sigv4))
    assert brake.kind is (Braking.STOPPED if holds else Braking.NONE)
    assert brake.until == (hold.until if holds else None)
    decision = decide(judged(CRITICAL), ROLE, PROD, Guardrails(mode=Mode.ENFORCE), NOW._replace(brake=lambda: brake))
    assert decision.action is (Action.ASK if holds else Action.WRITE)
    assert ("jane held" in decision.because) is not holds


def test_a_hold_that_is_too_little_does_not_hide_a_stop_that_counts() -> None:
    hold = Stop("role 777788889999/payments", "jane", "a release", START, START + timedelta(hours=4), 1)
    stop = Stop("organization", "joe", "an incident", START)
    brake = brake_of(Brakes((hold, stop)), (), (), "bad", "jane", START, Terms(frozenset(), 2))
    assert (brake.kind, brake.until, brake.despite) == (Braking.STOPPED, None, None)
    assert "joe has stopped" in str(brake.because)
