"""The reaction on fakes: events twice, late, forged or never; reads that are stale; deaths in between; refusals."""

import json
import re
from copy import replace
from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any
from unittest.mock import patch

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import DoorwardError, MalformedInput, Misconfigured, Throttled, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.findings.model import Severity
from doorward.guard.heartbeats import IAM_EVENTS, Spot
from doorward.guardrails.looks import Look, trust_hash_of
from doorward.guardrails.model import Guardrails, Mode, Role, Rule, Scope, Undecidable, Waiver
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Account, Match, Organization, Pipeline, TrustedAccount, TrustedIssuer
from doorward.ports.ledger import Case, CaseStatus
from doorward.ports.roles import Refused
from doorward.usecases.keep_baseline import as_it_means_today
from doorward.usecases.react_to_change import react_to_change
from doorward.usecases.reaction import Tools
from doorward.usecases.suspend_identity import suspend_identity
from tests.fakes import (
    START,
    FakeBeats,
    FakeBrakes,
    FakeClock,
    FakeContainment,
    FakeCuts,
    FakeHints,
    FakeLedger,
    FakeQuestions,
    FakeRoles,
    FakeSessions,
    FakeSuspensions,
    FakeSweeps,
)
from tests.template.conftest import REPOSITORY

HUB, PROD, SHARED, STRANGER, VENDOR = "111122223333", "777788889999", "444455556666", "999988887777", "555566667777"
PIPELINE = f"arn:aws:iam::{PROD}:role/deploy/DeployRole"
ORGANIZATION = Organization(
    id="o-a1b2c3d4e5",
    management_account="123456789012",
    accounts=(Account(PROD, "prod", "/workloads/prod"), Account(SHARED, "shared-services", "/infrastructure")),
    trusted_accounts=(TrustedAccount(VENDOR, "vendor"),),
    oidc=(TrustedIssuer("token.actions.githubusercontent.com", ("repo:acme/*",), ("sts.amazonaws.com",)),),
    pipelines=(Pipeline(PIPELINE, "platform"),),
)
ENFORCE = Guardrails(mode=Mode.ENFORCE, hash="cafe")
GOOD_PRINCIPAL = f"arn:aws:iam::{SHARED}:role/batch"


def trusting(*principals: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole"}],
        }
    )


GOOD = trusting(GOOD_PRINCIPAL)
BAD = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{STRANGER}:root")
ALL_BAD = trusting("*")


def role(trust: str, name: str = "payments", path: str = "/", role_id: str = "AROAPAYMENTS0000001") -> Role:
    return Role(PROD, name, path, f"arn:aws:iam::{PROD}:role{path}{name}", role_id, trust)


def event(
    name: str = "UpdateAssumeRolePolicy",
    document: str | None = BAD,
    *,
    event_id: str = "e-1",
    by: str = f"arn:aws:iam::{PROD}:user/jane",
    at: datetime = START,
    role_name: str = "payments",
    account: str = PROD,
    **detail: Any,
) -> str:
    parameters: dict[str, Any] = {"roleName": role_name}
    if document is not None:
        parameters["assumeRolePolicyDocument" if name == "CreateRole" else "policyDocument"] = document
    identity: dict[str, Any] = {"type": "IAMUser", "arn": by, "accountId": PROD, "userName": "jane", "principalId": "AIDAJANE000000000001"}
    if ":role/" in by:
        issuer = {"type": "Role", "arn": by, "accountId": PROD, "userName": by.rsplit("/", 1)[-1], "principalId": "AROADEPLOY0000000001"}
        session = by.replace(":iam:", ":sts:").replace(":role/deploy/", ":assumed-role/") + "/run-1"
        identity = {"type": "AssumedRole", "arn": session, "accountId": PROD, "sessionContext": {"sessionIssuer": issuer}}
    return json.dumps(
        {
            "version": "0",
            "id": "00000000-0000-0000-0000-000000000001",
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.iam",
            "account": account,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [],
            "detail": {
                "eventVersion": "1.11",
                "userIdentity": identity,
                "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "eventSource": "iam.amazonaws.com",
                "eventName": name,
                "awsRegion": "us-east-1",
                "sourceIPAddress": "203.0.113.7",
                "userAgent": "aws-cli",
                "requestParameters": parameters,
                "responseElements": None,
                "eventID": event_id,
                "readOnly": False,
                "eventType": "AwsApiCall",
                "managementEvent": True,
                "recipientAccountId": account,
                **detail,
            },
        }
    )


class World:
    """The use case on fakes."""

    def __init__(self, guardrails: Guardrails = ENFORCE, organization: Organization = ORGANIZATION) -> None:
        self.clock = FakeClock()
        self.roles = FakeRoles()
        self.ledger = FakeLedger(self.clock)
        self.beats = FakeBeats()
        self.sweeps, self.hints = FakeSweeps(), FakeHints()
        self.cuts = FakeCuts()
        self.brakes, self.sessions = FakeBrakes(self.clock), FakeSessions()
        self.containment: FakeContainment | None = None
        self.questions = FakeQuestions()
        self.suspensions = FakeSuspensions()
        self.tools = Tools(
            self.roles,
            self.ledger,
            self.clock,
            organization,
            guardrails,
            "",
            (1.0, 2.0, 4.0),
            timedelta(minutes=15),
            lambda: self.beats,
            lambda: self.sweeps,
            lambda: self.hints,
            lambda: self.brakes,
            lambda: self.cuts,
            self.sessions.edges,
            lambda: self.sessions,
            lambda: self.containment,
            lambda: self.questions,
            lambda _change: None,
            lambda change: suspend_identity(change, organization, HUB, self.suspensions, self.ledger, self.clock),
            lambda question: question,
        )

    def react(self, message: str) -> list[str]:
        self.clock.time += timedelta(milliseconds=700)
        return [outcome.outcome for outcome in react_to_change(message, self.tools)]

    def follow_up(self) -> list[str]:
        """What the reaction put off about its own writes arrives, each in its time; what came of it."""
        waiting = [(each, after) for each, after in zip(self.hints.sent, self.hints.after, strict=True) if each.follows is not None]
        outcomes: list[str] = []
        for each, after in waiting:
            self.clock.time = max(self.clock.time, each.at + timedelta(seconds=after))
            outcomes += self.react(hint_as_text(each))
        self.handed_on = [each for each in self.hints.sent if each.follows is None]
        self.hints.sent, self.hints.after = [], []
        return outcomes

    def accepted(self, trust: str = GOOD) -> None:
        """The pipeline wrote `trust`, and it became the baseline."""
        self.roles.put(role(trust))
        assert self.react(event(document=trust, by=PIPELINE, event_id="e-0")) == ["accepted"]

    def stands(self) -> str:
        return self.roles.roles[f"{PROD}/payments"].trust_policy

    def announced(self) -> list[str]:
        """Of what was found and done."""
        return [each.detail_type for each in self.ledger.outbox.values() if each.detail_type != "TrustBaselineAccepted"]

    def statuses(self) -> list[CaseStatus]:
        return [case.status for case in self.ledger.cases.values()]


def strangers_are_denied(trust_policy: str) -> bool:
    """Only ours come in by what stands."""
    deny = json.loads(trust_policy)["Statement"][-1]
    return bool(deny["Effect"] == "Deny" and deny["Condition"]["StringNotEqualsIfExists"]["aws:PrincipalOrgID"] == "o-a1b2c3d4e5")


@pytest.fixture
def world() -> World:
    return World()


class TestPassing:
    def test_a_compliant_change_by_a_person_is_seen_and_does_not_become_the_baseline(self, world: World) -> None:
        world.roles.put(role(GOOD))
        assert world.react(event(document=GOOD)) == ["passed"]
        assert world.roles.reads <= 2
        assert world.ledger.baseline(f"{PROD}/payments", role(GOOD).role_id) is None
        assert len(world.ledger.versions) == 1
        assert world.announced() == []

    def test_a_compliant_change_by_a_known_pipeline_becomes_the_baseline(self, world: World) -> None:
        world.accepted()
        baseline = world.ledger.baseline(f"{PROD}/payments", role(GOOD).role_id)
        assert baseline is not None
        assert (baseline.document, baseline.accepted_by) == (GOOD, PIPELINE)

    def test_what_somebody_else_wrote_after_the_pipeline_is_not_accepted_by_the_pipelines_event(self, world: World) -> None:
        """The pipeline's event carries another document than what stands by now."""
        other = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{SHARED}:root")
        world.roles.put(role(other))
        assert world.react(event(document=GOOD, by=PIPELINE)) == ["passed"]
        assert world.ledger.accepted == {}

    def test_a_session_that_calls_itself_like_the_pipeline_is_not_the_pipeline(self, world: World) -> None:
        world.roles.put(role(GOOD))
        assert world.react(event(document=GOOD, by=f"arn:aws:iam::{PROD}:role/other/DeployRole")) == ["passed"]
        assert world.ledger.accepted == {}

    def test_a_role_made_anew_under_an_old_name_has_no_baseline(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(ALL_BAD, role_id="AROAPAYMENTS0000002"))
        assert world.react(event("CreateRole", ALL_BAD)) == ["reverted"]
        # Only ours come in; nothing is restored from its predecessor.
        assert strangers_are_denied(world.stands())


class TestPuttingBack:
    def test_an_opened_role_is_put_back_to_its_baseline_and_announced_before_and_after(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        assert world.react(event()) == ["reverted"]
        assert world.stands() == GOOD
        assert world.announced() == ["TrustViolationFound", "TrustPolicyReverted"]
        assert world.statuses() == [CaseStatus.REMEDIED]
        ((ref, _, finding_id),) = world.roles.writes
        assert ref == f"{PROD}/payments"
        assert finding_id.startswith("dw-")

    def test_the_intent_is_recorded_before_the_write(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        seen: list[CaseStatus] = []
        write = world.roles.write_trust_policy

        def watched(role: Role, trust_policy: str, *, finding_id: str) -> None:
            seen.extend(world.statuses())
            write(role, trust_policy, finding_id=finding_id)

        world.roles.write_trust_policy = watched  # type: ignore[method-assign]
        world.react(event())
        assert seen == [CaseStatus.INTENDED]

    def test_the_same_event_three_times_makes_one_remedy(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        assert [world.react(event()) for _ in range(3)] == [["reverted"], ["passed"], ["passed"]]
        assert len(world.roles.writes) == 1
        assert len(world.announced()) == 2

    def test_the_same_attack_three_times_is_closed_three_times(self, world: World) -> None:
        world.accepted()
        for number in range(3):
            world.roles.put(role(BAD))
            assert world.react(event(event_id=f"e-{number}", at=START + timedelta(seconds=10 * number))) == ["reverted"]
            assert world.stands() == GOOD
        assert world.statuses() == [CaseStatus.REMEDIED] * 3
        assert world.announced() == ["TrustViolationFound", "TrustPolicyReverted"] * 3

    def test_our_own_write_comes_back_as_an_event_and_ends_there(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.react(event())
        own = f"arn:aws:iam::{PROD}:role/doorward/doorward-remedy"
        assert world.react(event(document=GOOD, by=own, event_id="own")) == ["passed"]
        assert len(world.roles.writes) == 1

    def test_an_attacker_who_acts_as_our_remedy_role_is_put_back_all_the_same(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        own = f"arn:aws:iam::{PROD}:role/doorward/doorward-remedy"
        assert world.react(event(document=BAD, by=own)) == ["reverted"]

    def test_any_order_of_the_events_ends_in_the_same_state(self) -> None:
        events = [
            event("CreateRole", GOOD, event_id="e-0", by=PIPELINE, at=START - timedelta(seconds=30)),
            event(document=BAD, event_id="e-1"),
            event("PutRolePolicy", "{}", event_id="e-2"),
            event(document=GOOD, event_id="e-0", by=PIPELINE, at=START - timedelta(seconds=20)),
        ]
        for order in permutations(events):
            world = World()
            world.accepted()
            world.roles.put(role(BAD))
            for message in order:
                world.react(message)
            assert world.stands() == GOOD

    def test_without_a_baseline_only_the_offender_is_dropped(self, world: World) -> None:
        world.roles.put(role(BAD))
        assert world.react(event()) == ["reverted"]
        assert STRANGER not in world.stands()
        assert GOOD_PRINCIPAL in world.stands()

    def test_without_a_baseline_an_open_door_stays_open_for_ours_alone(self, world: World) -> None:
        world.roles.put(role(ALL_BAD))
        assert world.react(event(document=ALL_BAD)) == ["reverted"]
        assert strangers_are_denied(world.stands())

    def test_without_anything_to_keep_the_role_is_closed(self, world: World) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "sts:AssumeRole"}
        strangers_only = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        world.roles.put(role(strangers_only))
        assert world.react(event(document=strangers_only)) == ["reverted"]
        assert "Allow" not in world.stands()

    def test_only_the_role_that_the_change_is_about_is_written(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.roles.put(role(BAD, name="neighbour", role_id="AROANEIGHBOUR00001"))
        world.react(event())
        assert [ref for ref, _, _ in world.roles.writes] == [f"{PROD}/payments"]


class TestReading:
    def test_a_stale_read_is_looked_at_again_until_it_shows_what_the_event_tells(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.roles.stale = [role(GOOD), role(GOOD)]
        assert world.react(event()) == ["reverted"]
        assert world.clock.slept[:2] == [1.0, 2.0]

    def test_a_role_that_does_not_exist_yet_is_waited_for(self, world: World) -> None:
        world.roles.put(role(BAD))
        world.roles.stale = [None]
        assert world.react(event("CreateRole")) == ["reverted"]

    def test_a_role_that_never_appears_is_recorded_as_such(self, world: World) -> None:
        assert world.react(event("CreateRole")) == ["no-such-role"]
        assert world.ledger.outcomes[-1].outcome == "no-such-role"

    def test_an_old_event_is_not_waited_for(self, world: World) -> None:
        world.accepted()
        world.clock.time += timedelta(hours=1)
        assert world.react(event()) == ["passed"]
        assert world.clock.slept == []

    def test_an_event_older_than_our_own_write_is_not_waited_for(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.react(event())
        world.clock.sleep(2)
        world.clock.slept.clear()
        assert world.react(event()) == ["passed"]
        assert world.clock.slept == []

    def test_what_changes_between_judging_and_writing_is_judged_again_and_not_overwritten(self, world: World) -> None:
        """A person mends it himself in the very moment: his policy stands."""
        world.accepted()
        world.roles.put(role(BAD))
        mended = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{SHARED}:role/auditor")
        read = world.roles.read
        calls = 0

        def read_and_mend(account_id: str, role_name: str) -> Role | None:
            nonlocal calls
            calls += 1
            if calls == 2:
                world.roles.put(role(mended))
            return read(account_id, role_name)

        world.roles.read = read_and_mend  # type: ignore[method-assign]
        assert world.react(event()) == ["passed"]
        assert world.stands() == mended
        assert world.roles.writes == []
        assert world.statuses() == [CaseStatus.ENDED]


SWAPPED = trusting(f"arn:aws:iam::{STRANGER}:root")


class TestGivingBack:
    """Whoever swaps the whole policy also takes the role from those who had it."""

    def test_closing_comes_first_and_what_was_accepted_is_given_back_by_a_write_of_its_own(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(SWAPPED))
        assert world.react(event(document=SWAPPED)) == ["reverted"]
        first, second = [json.loads(document) for _, document, _ in world.roles.writes]
        assert not any(each["Effect"] == "Allow" for each in first["Statement"])
        assert second == json.loads(GOOD)
        assert world.announced() == ["TrustViolationFound", "TrustPolicyReverted", "TrustAccessGivenBack"]
        assert world.follow_up() == ["stands", "stands", "verified"]
        assert world.ledger.heads[f"{PROD}/payments"].judged_hash == hash_of_text(GOOD)

    def test_it_is_given_back_by_the_first_look_where_iam_did_not_show_the_closing_write_yet(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(SWAPPED))
        read = world.roles.read
        reads = iter([None, None, role(SWAPPED)])  # the third look, right after the write, is stale

        def stale(account_id: str, role_name: str) -> Role | None:
            return next(reads, None) or read(account_id, role_name)

        world.roles.read = stale  # type: ignore[method-assign]
        world.react(event(document=SWAPPED))
        assert len(world.roles.writes) == 1
        assert world.follow_up() == ["stands", "stands", "verified"]
        assert world.stands() == GOOD

    def test_who_dies_between_the_two_leaves_it_to_the_next_look(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(SWAPPED))
        write = world.roles.write_trust_policy

        def once(a_role: Role, trust_policy: str, *, finding_id: str) -> None:
            if world.roles.writes:
                raise Unavailable("died")
            write(a_role, trust_policy, finding_id=finding_id)

        world.roles.write_trust_policy = once  # type: ignore[assignment, method-assign]
        with pytest.raises(Unavailable):
            world.react(event(document=SWAPPED))
        assert world.statuses() == [CaseStatus.REMEDIED]  # it is closed, and was told of
        world.roles.write_trust_policy = write  # type: ignore[method-assign]
        assert world.follow_up() == ["stands", "stands", "verified"]
        assert world.stands() == GOOD

    def test_a_refusal_leaves_the_role_closed_and_is_the_end_of_it(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(SWAPPED))
        write = world.roles.write_trust_policy

        def once(a_role: Role, trust_policy: str, *, finding_id: str) -> None:
            if world.roles.writes:
                raise Refused("MalformedPolicyDocument")
            write(a_role, trust_policy, finding_id=finding_id)

        world.roles.write_trust_policy = once  # type: ignore[assignment, method-assign]
        assert world.react(event(document=SWAPPED)) == ["reverted"]
        assert world.follow_up() == ["stands", "stands", "verified"]
        assert STRANGER not in world.stands()

    def test_somebody_who_changes_it_in_between_is_not_written_over(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(SWAPPED))
        write = world.roles.write_trust_policy
        theirs = trusting(f"arn:aws:iam::{PROD}:role/app")

        def then_changed(a_role: Role, trust_policy: str, *, finding_id: str) -> None:
            write(a_role, trust_policy, finding_id=finding_id)
            world.roles.put(role(theirs))

        world.roles.write_trust_policy = then_changed  # type: ignore[assignment, method-assign]
        world.react(event(document=SWAPPED))
        world.follow_up()
        assert world.stands() == theirs

    def test_nothing_is_given_back_that_breaks_a_guardrail_today(self, world: World) -> None:
        world.accepted()
        (kept,) = world.ledger.accepted.items()
        world.ledger.accepted[kept[0]] = replace(kept[1], document=trusting("arn:aws:iam::123123123123:root"))
        world.roles.put(role(SWAPPED))
        world.react(event(document=SWAPPED))
        assert len(world.roles.writes) == 1


class TestAcceptedRolesThatAreMadeAnew:
    """An ARN means whoever has it now; the accepted policy meant the role that had it then."""

    BATCH_ROLE = Role(SHARED, "batch", "/", GOOD_PRINCIPAL, "AROABATCH00000000001", trusting(f"arn:aws:iam::{SHARED}:root"))

    def known(self, world: World, role_id: str) -> None:
        made = replace(self.BATCH_ROLE, role_id=role_id)
        world.roles.put(made)
        change = event("CreateRole", made.trust_policy, event_id=role_id, role_name="batch", account=SHARED, at=world.clock.now())
        world.react(change)

    def test_their_ids_are_kept_beside_the_accepted_policy(self, world: World) -> None:
        self.known(world, "AROABATCH00000000001")
        world.accepted()
        (kept,) = world.ledger.accepted.values()
        assert kept.ids == {GOOD_PRINCIPAL: "AROABATCH00000000001"}

    @pytest.mark.parametrize(("role_id", "comes_back"), [("AROABATCH00000000001", True), ("AROABATCH00000000002", False)])
    def test_another_role_under_the_same_arn_is_not_let_in_again(self, world: World, role_id: str, comes_back: bool) -> None:
        self.known(world, "AROABATCH00000000001")
        world.accepted()
        self.known(world, role_id)
        world.roles.put(role(SWAPPED))
        assert world.react(event(document=SWAPPED)) == ["reverted"]
        world.follow_up()
        assert (GOOD_PRINCIPAL in world.stands()) is comes_back
        assert STRANGER not in world.stands()

    def test_one_that_is_deleted_is_left_out_where_iam_refuses_to_name_it(self, world: World) -> None:
        app = f"arn:aws:iam::{PROD}:role/app"
        world.roles.put(replace(role(trusting(f"arn:aws:iam::{PROD}:root"), "app"), role_id="AROAAPP000000000001"))
        world.accepted(trusting(GOOD_PRINCIPAL, app))
        world.roles.put(role(SWAPPED))
        write = world.roles.write_trust_policy

        def refusing(a_role: Role, trust_policy: str, *, finding_id: str) -> None:
            if GOOD_PRINCIPAL in trust_policy:  # which is not among the roles: deleted
                raise Refused("MalformedPolicyDocument: Invalid principal in policy")
            write(a_role, trust_policy, finding_id=finding_id)

        world.roles.write_trust_policy = refusing  # type: ignore[assignment, method-assign]
        assert world.react(event(document=SWAPPED)) == ["reverted"]
        assert world.follow_up() == ["stands", "stands", "verified"]
        assert app in world.stands()
        assert GOOD_PRINCIPAL not in world.stands()

    def test_a_policy_that_names_another_role_lets_in_somebody_new(self, world: World) -> None:
        """What stands is the accepted text, and a finding of today: it is not excused by having been accepted of another role."""
        self.known(world, "AROABATCH00000000001")
        world.accepted()
        self.known(world, "AROABATCH00000000002")
        (accepted,) = world.ledger.accepted.values()
        assert GOOD_PRINCIPAL not in as_it_means_today(accepted, world.ledger).document


class TestUndecided:
    """A policy that is made too hard to judge is not a way in, where the setting is restore."""

    HARD = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"NoSuchOperator": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
                }
            ],
        }
    )
    RESTORE = Guardrails(mode=Mode.ENFORCE, undecidable=Undecidable.RESTORE, hash="cafe")

    def test_the_accepted_policy_is_put_back(self) -> None:
        world = World(self.RESTORE)
        world.accepted()
        world.roles.put(role(self.HARD))
        assert world.react(event(document=self.HARD)) == ["reverted"]
        assert world.stands() == GOOD
        assert world.follow_up() == ["stands", "stands", "verified"]

    def test_where_nothing_was_accepted_a_person_decides(self) -> None:
        world = World(self.RESTORE)
        world.roles.put(role(self.HARD))
        assert world.react(event("CreateRole", self.HARD)) == ["asked"]
        assert world.roles.writes == []

    @pytest.mark.parametrize("setting", [Undecidable.ALERT, Undecidable.APPROVE])
    def test_it_is_written_by_no_other_setting(self, setting: Undecidable) -> None:
        world = World(Guardrails(mode=Mode.ENFORCE, undecidable=setting, hash="cafe"))
        world.accepted()
        world.roles.put(role(self.HARD))
        assert world.react(event(document=self.HARD)) in (["alerted"], ["asked"])
        assert world.roles.writes == []

    def test_a_known_pipeline_is_told(self) -> None:
        world = World(self.RESTORE)
        world.accepted()
        world.roles.put(role(self.HARD))
        assert world.react(event(document=self.HARD, by=PIPELINE)) == ["alerted"]


class TestTheLastRung:
    def test_where_iam_refuses_every_trust_policy_the_role_may_do_nothing_and_the_page_says_that_the_door_is_open(self) -> None:
        world = World()
        world.roles.put(role(ALL_BAD))
        world.roles.write_trust_policy = _refusing  # type: ignore[method-assign]
        assert world.react(event("CreateRole", ALL_BAD)) == ["remedy-failed"]
        assert [ref for ref, _ in world.roles.quarantined] == [f"{PROD}/payments"]
        (failed,) = [each.detail for each in world.ledger.outbox.values() if each.detail_type == "TrustRemedyFailed"]
        assert failed["door_open"] is True
        assert "behind it nothing is permitted" in failed["because"]

    def test_what_is_not_critical_is_never_taken_all_it_may_do(self) -> None:
        world = World()
        world.roles.put(role(BAD))
        world.roles.write_trust_policy = _refusing  # type: ignore[method-assign]
        assert world.react(event("CreateRole", BAD)) == ["remedy-failed"]
        assert world.roles.quarantined == []


def _refusing(*_: Any, **__: Any) -> None:
    raise Refused("MalformedPolicyDocument")


class TestFollowingUp:
    def test_what_was_written_is_looked_at_three_times_and_then_told_to_stand(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.react(event())
        assert world.hints.after == [5, 30, 120]
        reads = world.roles.reads
        assert world.follow_up() == ["stands", "stands", "verified"]
        assert world.roles.reads == reads + 3
        assert world.announced() == ["TrustViolationFound", "TrustPolicyReverted", "TrustRemedyVerified"]
        (case,) = world.ledger.cases.values()
        assert case.due_at == case.steps["verified"] + world.tools.events_take  # events of sessions may still come
        assert list(case.steps) == ["received", "decided", "intended", "written", "looked-at-1", "looked-at-2", "looked-at-3", "verified"]

    def test_a_stale_read_after_the_write_is_no_violation(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.react(event())
        world.roles.stale = [role(BAD), role(BAD)]
        assert world.follow_up() == ["stale", "stale", "verified"]
        assert len(world.roles.writes) == 1

    def test_what_still_stands_after_two_minutes_was_put_back_and_is_looked_at_anew(self) -> None:
        world = World(ENFORCE, replace(ORGANIZATION, pipelines=()))
        world.roles.put(role(BAD))
        world.react(event())
        world.roles.put(role(BAD))  # and no event tells of it
        sent = len(world.hints.sent)
        assert world.follow_up() == ["stale", "stale", "handed-on"]
        assert sent == 3
        (anew,) = world.handed_on
        assert world.react(hint_as_text(anew)) == ["reverted"]
        assert world.stands() != BAD

    def test_a_verification_that_comes_twice_or_late_changes_nothing(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.react(event())
        again = [hint_as_text(each) for each in world.hints.sent]
        world.follow_up()
        told = world.announced()
        assert [world.react(each) for each in again] == [["known"]] * 3
        assert world.announced() == told

    def test_a_role_that_is_gone_is_nothing_to_verify(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.react(event())
        world.roles.roles.clear()
        assert world.follow_up() == ["no-such-role", "known", "known"]

    def test_an_intent_that_was_cut_off_is_finished_without_its_event(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        write = world.roles.write_trust_policy
        world.roles.write_trust_policy = _failing  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            world.react(event())
        assert world.statuses() == [CaseStatus.INTENDED]
        world.roles.write_trust_policy = write  # type: ignore[method-assign]
        (due,) = [each for each in world.ledger.due(world.clock.now() + timedelta(seconds=61), 9) if each.role_ref]
        follow = Hint(PROD, Cause.TRUST, "due", "f-1", world.clock.now(), role_name="payments", follows=due.id)
        assert world.react(hint_as_text(follow)) == ["reverted"]
        assert world.stands() == GOOD
        reverted = [each for each in world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
        assert [each.detail["actor"]["arn"] for each in reverted] == [f"arn:aws:iam::{PROD}:user/jane"]

    def test_an_intent_whose_policy_is_gone_writes_nothing(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.roles.write_trust_policy = _failing  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            world.react(event())
        (case,) = world.ledger.cases.values()
        world.roles.put(role(ALL_BAD))
        follow = Hint(PROD, Cause.TRUST, "due", "f-1", world.clock.now(), role_name="payments", follows=case.id)
        assert world.react(hint_as_text(follow)) == ["handed-on"]
        (anew,) = world.hints.sent
        assert (anew.look is not None, anew.cause) == (True, Cause.TRUST)


def _failing(*_: Any, **__: Any) -> None:
    raise Unavailable("IAM does not answer")


class TestDying:
    def test_after_a_death_between_intent_and_write_the_same_case_goes_on(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        intend = world.ledger.intend

        def die(*arguments: Any) -> None:
            intend(*arguments)
            raise KeyboardInterrupt

        world.ledger.intend = die  # type: ignore[assignment, method-assign]
        with pytest.raises(KeyboardInterrupt):
            world.react(event())
        world.ledger.intend = intend  # type: ignore[method-assign]
        world.clock.sleep(100)  # the dead lose their lock
        assert world.react(event()) == ["reverted"]
        assert world.statuses() == [CaseStatus.REMEDIED]
        assert world.announced() == ["TrustViolationFound", "TrustPolicyReverted"]

    def test_whoever_holds_the_role_is_waited_for_and_not_left_to_it(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.ledger.lock(f"{PROD}/payments")
        with pytest.raises(Unavailable):
            world.react(event())
        world.clock.sleep(100)
        assert world.react(event()) == ["reverted"]

    def test_a_failure_of_iam_leaves_no_lock_behind(self, world: World) -> None:
        world.roles.fail_next = [Unavailable("throttled")]
        with pytest.raises(Unavailable):
            world.react(event())
        world.ledger.lock(f"{PROD}/payments")

    def test_a_change_that_is_not_looked_at_because_iam_throttles_is_told(self, world: World) -> None:
        world.roles.put(role(BAD))
        world.roles.fail_next = [Throttled("reading role: Throttling: Rate exceeded")]
        with pytest.raises(Throttled):
            world.react(event())
        assert [(each.detail_type, each.detail["detection"]) for each in world.ledger.outbox.values()] == [
            ("GuardProblemFound", "guard-starved")
        ]


class TestRefusals:
    def test_each_refusal_moves_one_rung_on(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(ALL_BAD))
        world.roles.refuse = ["restore refused: dangling id"]
        assert world.react(event(document=ALL_BAD)) == ["reverted"]
        assert strangers_are_denied(world.stands())

    def test_where_every_remedy_is_refused_people_are_told_that_the_hole_stands(self, world: World) -> None:
        world.roles.put(role(BAD))
        world.roles.refuse = ["no"] * 10
        assert world.react(event()) == ["remedy-failed"]
        assert world.announced() == ["TrustViolationFound", "TrustRemedyFailed"]
        assert "TrustRemedyFailed" in world.announced()
        assert world.stands() == BAD


class TestTelling:
    @pytest.mark.parametrize(("mode", "outcome"), [(Mode.OBSERVE, "observed"), (Mode.ALERT, "alerted"), (Mode.APPROVE, "asked")])
    def test_without_enforce_nothing_is_written_and_it_is_announced_once(self, mode: Mode, outcome: str) -> None:
        world = World(Guardrails(mode=mode))
        world.roles.put(role(BAD))
        assert [world.react(event()) for _ in range(3)] == [[outcome]] * 3
        assert world.announced() == ["TrustViolationFound"]
        assert world.roles.writes == []

    def test_approve_says_that_a_person_has_to_decide_and_shows_about_what(self) -> None:
        world = World(Guardrails(mode=Mode.APPROVE))
        world.roles.put(role(BAD))
        world.react(event())
        (announcement,) = world.ledger.outbox.values()
        assert "a person has to decide" in announcement.detail["because"]
        assert announcement.detail["proposal"]["diff"]

    def test_what_was_only_alerted_is_put_back_when_a_change_of_trust_brings_the_same_policy(self, world: World) -> None:
        world.roles.put(role(BAD))
        assert world.react(event("AttachRolePolicy", None)) == ["alerted"]
        assert world.react(event()) == ["reverted"]
        assert world.announced() == ["TrustViolationFound", "TrustPolicyReverted"]

    def test_what_cannot_be_decided_is_announced_and_never_written(self, world: World) -> None:
        odd = json.loads(GOOD)
        odd["Statement"][0]["Principal"] = {"AWS": "*"}
        odd["Statement"][0]["Condition"] = {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}, "StringEquals": {"aws:Mystery": "x"}}
        text = json.dumps(odd)
        world.roles.put(role(text))
        (outcome,) = world.react(event(document=text))
        assert outcome in {"alerted", "reverted"}  # part 2 of the plan may decide it
        if outcome == "alerted":
            assert world.announced() == ["TrustPolicyUndecidable"]
            assert world.roles.writes == []

    def test_an_account_that_nobody_described_is_only_observed(self, world: World) -> None:
        unknown = "222233334444"
        world.roles.put(replace(role(BAD), account_id=unknown, arn=f"arn:aws:iam::{unknown}:role/payments"))
        assert world.react(event(account=unknown)) == ["observed"]

    def test_a_role_of_the_landing_zone_is_told_and_never_written(self, world: World) -> None:
        world.roles.put(role(BAD, name="AWSControlTowerExecution"))
        assert world.react(event(role_name="AWSControlTowerExecution")) == ["alerted"]
        assert world.roles.writes == []

    def test_a_service_linked_role_is_quiet(self, world: World) -> None:
        world.roles.put(role(BAD, name="AWSServiceRoleForX", path="/aws-service-role/x.amazonaws.com/"))
        assert world.react(event(role_name="AWSServiceRoleForX")) == ["passed"]

    def test_an_external_id_of_a_customer_never_leaves_in_an_announcement(self, world: World) -> None:
        bad = json.loads(BAD)
        bad["Statement"].append(
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "customer-external-id-123"}},
            }
        )
        world.roles.put(role(json.dumps(bad)))
        assert world.react(event(document=json.dumps(bad))) == ["reverted"]
        assert "customer-external-id-123" in world.stands()  # the vendor keeps his door
        said = json.dumps([each.detail for each in world.ledger.outbox.values()])
        assert "customer-external-id-123" not in said

    def test_doorwards_own_roles_leave_no_document_behind(self, world: World) -> None:
        own = json.loads(trusting("arn:aws:iam::111122223333:root"))
        own["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "doorwards-own-external-id"}}
        for text in (json.dumps(own), json.dumps({**own, "Statement": [own["Statement"][0], json.loads(ALL_BAD)["Statement"][0]]})):
            world.roles.put(role(text, name="doorward-read", path="/doorward/"))
            world.react(event(role_name="doorward-read", document=text, by=PIPELINE))
        remembered = json.dumps(
            [repr(world.ledger.cases), repr(world.ledger.versions), repr(world.ledger.accepted), repr(world.ledger.outbox)]
        )
        assert "doorwards-own-external-id" not in remembered
        assert world.roles.writes == []

    def test_everything_announced_keeps_to_its_published_schema(self) -> None:
        schema = json.loads((REPOSITORY / "docs" / "schemas" / "doorward.guardrails.1.json").read_text("utf-8"))
        validator = Draft202012Validator(schema)
        said: set[str] = set()
        for mode in Mode:
            world = World(Guardrails(mode=mode, hash="cafe"))
            for number, trust in enumerate((BAD, "nonsense", GOOD, ALL_BAD)):
                world.clock.sleep(60)
                world.roles.put(role(trust))
                world.react(event(document=trust, event_id=f"e-{number}", at=world.clock.now()))
            world.follow_up()
            world.clock.sleep(60)
            world.roles.put(role(GOOD))
            world.react(event(document=GOOD, by=PIPELINE, event_id="e-10", at=world.clock.now()))
            world.clock.sleep(86_400)
            swapped = trusting(f"arn:aws:iam::{STRANGER}:root")
            world.roles.put(role(swapped))
            world.react(event(document=swapped, event_id="e-11", at=world.clock.now()))
            world.roles.put(role(BAD))
            world.roles.refuse = ["no"] * 9
            world.react(event(event_id="e-refused", at=world.clock.now()))
            world.roles.fail_next = [Misconfigured("no")]
            with pytest.raises(Misconfigured):
                world.react(event(event_id="e-unread"))
            for announcement in world.ledger.outbox.values():
                if announcement.detail_type == "TrustBaselineAccepted":
                    continue  # of a form of its own
                validator.validate(json.loads(json.dumps(announcement.detail)))
                assert announcement.detail_type in schema["description"]
                said.add(announcement.detail_type)
        assert said | {"TrustRemedyUndone"} == set(re.findall(r"Trust\w+", schema["description"]))  # that: test_undo_remedy.py

    def test_what_was_only_recorded_is_told_once_the_mode_is_alert(self, world: World) -> None:
        world.roles.put(role(BAD))
        world.tools = replace(world.tools, guardrails=Guardrails(mode=Mode.OBSERVE, hash="cafe"))
        assert world.react(event()) == ["observed"]
        world.tools = replace(world.tools, guardrails=Guardrails(mode=Mode.ALERT, hash="beef"))
        assert world.react(event(event_id="e-2")) == ["alerted"]
        assert world.react(event(event_id="e-3")) == ["alerted"]
        told = [each.detail for each in world.ledger.outbox.values() if each.detail["mode"] == "alert"]
        assert len(told) == 1

    def test_where_no_role_that_could_write_exists_people_are_told_that_the_hole_stands(self, world: World) -> None:
        world.roles.put(role(BAD))
        world.roles.unwritable = True
        assert world.react(event()) == ["remedy-failed"]
        assert world.announced() == ["TrustViolationFound", "TrustRemedyFailed"]
        failed = next(each for each in world.ledger.outbox.values() if each.detail_type == "TrustRemedyFailed")
        assert "AllowRemedies" in failed.detail["because"]


class TestWhoWroteWhatStands:
    """Jane changes the role harmlessly, then the pipeline opens it; or Jane opens it. Events come in any order, and twice."""

    HARMLESS = event(document=GOOD, event_id="e-1")
    BY_PIPELINE = event(document=BAD, event_id="e-2", by=PIPELINE)
    BY_JANE = event(document=BAD, event_id="e-2")

    @pytest.mark.parametrize("order", [*permutations((0, 1)), (0, 1, 0), (1, 0, 1), (0, 0, 1), (1, 1, 0)])
    def test_what_the_pipeline_wrote_is_never_put_back_on_the_word_of_an_event_about_another_policy(self, order: tuple[int, ...]) -> None:
        world = World()
        world.roles.put(role(BAD))
        for index in order:
            world.react((self.HARMLESS, self.BY_PIPELINE)[index])
        assert world.stands() == BAD
        assert world.announced() == ["TrustViolationFound"]

    @pytest.mark.parametrize("order", [*permutations((0, 1)), (0, 1, 0), (1, 0, 1), (0, 0, 1), (1, 1, 0)])
    def test_what_jane_wrote_is_put_back_in_any_order(self, order: tuple[int, ...]) -> None:
        world = World()
        world.roles.put(role(BAD))
        for index in order:
            world.react((self.HARMLESS, self.BY_JANE)[index])
        assert STRANGER not in world.stands()
        assert len(world.roles.writes) == 1

    def test_an_event_from_before_our_write_does_not_put_back_what_the_pipeline_wrote_after_it(self, world: World) -> None:
        world.roles.put(role(BAD))
        assert world.react(self.BY_JANE) == ["reverted"]
        world.clock.time += timedelta(seconds=30)
        world.roles.put(role(BAD))
        assert world.react(event(document=BAD, event_id="e-3", by=PIPELINE, at=world.clock.now())) == ["alerted"]
        assert world.react(self.BY_JANE) == ["alerted"]
        assert world.stands() == BAD

    def test_an_event_from_before_our_write_does_not_say_who_wrote_the_same_after_it(self, world: World) -> None:
        world.roles.put(role(BAD))
        assert world.react(self.BY_JANE) == ["reverted"]
        world.clock.time += timedelta(seconds=30)
        world.roles.put(role(BAD))
        world.react(self.BY_JANE)
        world.react(event("AttachRolePolicy", document=None, event_id="e-3", at=world.clock.now()))
        wrote = [case.detail["actor"]["wrote_what_stands"] for case in world.ledger.cases.values()]
        assert wrote == [True, False]


class TestWhoIsKeptFromDeciding:
    """Who wrote what stands is told by his own event, whenever it comes; whoever was taken for him before stays beside him."""

    BOB, EVE = f"arn:aws:iam::{PROD}:user/bob", f"arn:aws:iam::{PROD}:user/eve"
    LOOK = Look(trust_hash_of(role(BAD).role_id, hash_of_text(BAD)), "", "", "", "", "", "")
    SEEN = hint_as_text(Hint(PROD, Cause.TRUST, "A sweep saw it.", "sweep-1", START, role_name="payments", look=str(LOOK)))
    OLDER = event(document=GOOD, by=BOB, event_id="e-bob", at=START - timedelta(seconds=3))
    ATTACHED = event("AttachRolePolicy", document=None, by=BOB, event_id="e-bob")
    BY_EVE = event(document=BAD, by=EVE, event_id="e-eve")

    @pytest.fixture
    def world(self) -> World:
        world = World(ENFORCE._replace(mode=Mode.APPROVE))
        world.accepted()
        world.roles.put(role(BAD))
        return world

    @staticmethod
    def case(world: World) -> Case:
        (case,) = world.ledger.cases.values()
        return case

    @pytest.mark.parametrize(("first", "beside"), [(SEEN, []), (OLDER, [BOB]), (ATTACHED, [BOB])])
    def test_who_wrote_it_is_named_although_another_event_or_a_sweep_came_first(self, world: World, first: str, beside: list[str]) -> None:
        world.react(first)
        before, told = self.case(world), world.announced()
        assert before.detail["actor"]["wrote_what_stands"] is not True
        for _ in range(2):
            world.clock.sleep(2)
            assert world.react(self.BY_EVE) == ["asked"]
            case = self.case(world)
            assert (case.detail["actor"]["arn"], case.detail["actor"]["wrote_what_stands"]) == (self.EVE, True)
            assert (case.detail["event"]["id"], case.event_id) == ("e-eve", "e-eve")
            assert [each["arn"] for each in case.others] == beside
        assert world.announced() == told

    def test_whoever_writes_the_same_again_is_beside_who_wrote_it_first(self, world: World) -> None:
        world.react(self.BY_EVE)
        world.clock.sleep(5)
        world.react(event(document=BAD, by=self.BOB, event_id="e-bob", at=world.clock.now()))
        case = self.case(world)
        assert (case.detail["actor"]["arn"], case.detail["event"]["id"]) == (self.EVE, "e-eve")
        assert [(each["arn"], each["wrote_what_stands"]) for each in case.others] == [(self.BOB, True)]
        world.react(self.OLDER)
        world.react(self.SEEN)
        assert self.case(world).others == case.others

    def test_who_makes_it_graver_is_beside_who_wrote_it(self, world: World) -> None:
        world.react(self.BY_EVE)
        world.react(self.ATTACHED)
        assert self.case(world).others == ()
        graver = {"external-account": Rule("external-account", Severity.CRITICAL)}
        world.tools = replace(world.tools, guardrails=world.tools.guardrails._replace(rules=graver))
        world.react(self.ATTACHED)
        assert [each["arn"] for each in self.case(world).others] == [self.BOB]

    def test_of_more_than_are_kept_nobody_knows_who_they_are(self, world: World) -> None:
        for number in range(30):
            world.react(event(document=BAD, by=f"{self.EVE}{number}", event_id=f"e-{number}"))
        others = self.case(world).others
        assert len(others) == 20
        assert [each["arn"] for each in others[:19]] == [f"{self.EVE}{number}" for number in range(1, 20)]
        assert others[19] == {"arn": None, "wrote_what_stands": True}


class TestProvidersAndHiddenRoles:
    PROVIDER = f"arn:aws:iam::{PROD}:oidc-provider/token.actions.githubusercontent.com"

    def github(self, subject: str) -> str:
        issuer = "token.actions.githubusercontent.com"
        return json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": self.PROVIDER},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": {"StringLike": {f"{issuer}:sub": subject}, "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}},
                    }
                ],
            }
        )

    def provider_event(self) -> str:
        message = json.loads(event("CreateOpenIDConnectProvider", None))
        message["detail"]["requestParameters"] = {"url": "https://token.actions.githubusercontent.com", "clientIDList": ["x"]}
        message["detail"]["responseElements"] = {"openIDConnectProviderArn": self.PROVIDER}
        return json.dumps(message)

    def test_a_changed_provider_leads_to_every_role_that_trusts_it_and_to_no_other(self, world: World) -> None:
        world.roles.put(role(self.github("repo:acme/x:*"), name="fine", role_id="AROAFINE"))
        world.roles.put(role(self.github("repo:*"), name="open", role_id="AROAOPEN"))
        world.roles.put(role(BAD, name="other", role_id="AROAOTHER"))
        assert sorted(world.react(self.provider_event())) == ["passed", "reverted"]
        assert [ref for ref, _, _ in world.roles.writes] == [f"{PROD}/open"]

    def test_a_provider_that_nobody_trusts_is_recorded(self, world: World) -> None:
        assert world.react(self.provider_event()) == ["no-role"]
        assert world.ledger.outcomes[-1].outcome == "no-role"

    def test_an_event_that_hides_its_role_behind_padding_finds_the_role_that_changed(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        message = json.loads(event())
        message["detail"]["requestParameters"] = {"reason": "requestParameters too large", "omitted": True, "originalSize": "149893"}
        world.react(json.dumps(message))
        assert world.stands() == GOOD
        outcomes = {outcome.role_ref: outcome.outcome for outcome in world.ledger.outcomes[1:]}
        assert outcomes == {f"{PROD}/payments": "reverted"}
        ((accounts, because),) = world.sweeps.started
        assert accounts == (PROD,)
        assert because == "UpdateAssumeRolePolicy e-1 hides its role."

    def padded(self, name: str = "UpdateAssumeRolePolicy", event_id: str = "e-hidden", at: datetime = START) -> str:
        return event(name, None, event_id=event_id, at=at, requestParameters=None, requestParametersOmitted=True)

    def test_another_event_about_the_role_does_not_cover_a_hidden_change(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        assert world.react(event("UpdateRoleDescription", None, event_id="e-description")) == ["alerted"]
        assert world.react(self.padded()) == ["reverted"]
        assert world.stands() == GOOD

    def test_an_event_about_an_earlier_policy_does_not_cover_a_hidden_change(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        assert world.react(event(document=trusting(f"arn:aws:iam::{SHARED}:role/audit"), event_id="e-1")) == ["alerted"]
        assert world.react(self.padded()) == ["reverted"]

    def test_a_role_made_anew_with_the_old_policy_is_seen(self) -> None:
        world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
        world.roles.put(role(BAD))
        assert world.react(event()) == ["alerted"]
        world.roles.put(role(BAD, role_id="AROAPAYMENTS0000002"))
        assert world.react(self.padded("CreateRole")) == ["alerted"]
        assert world.announced().count("TrustViolationFound") == 2

    def test_a_role_as_new_as_the_event_that_hides_it_is_put_back(self, world: World) -> None:
        world.roles.put(replace(role(BAD), created_at=START))
        assert world.react(self.padded("CreateRole")) == ["reverted"]

    def test_old_roles_of_which_no_event_ever_told_are_the_sweeps(self, world: World) -> None:
        world.roles.put(replace(role(BAD), created_at=START - timedelta(days=400)))
        world.clock.time += timedelta(minutes=2)
        assert world.react(self.padded()) == ["no-role"]
        assert [accounts for accounts, _ in world.sweeps.started] == [(PROD,)]

    def test_without_a_sweep_what_can_be_found_is_put_back_and_the_event_comes_again(self, world: World) -> None:
        world.accepted()
        world.roles.put(role(BAD))
        world.sweeps.fail_next = [Unavailable("Step Functions is away")]
        with pytest.raises(Unavailable, match="Step Functions"):
            world.react(self.padded())
        assert world.stands() == GOOD

    def test_lists_that_lag_behind_are_read_again_and_then_the_event_comes_again(self, world: World) -> None:
        world.accepted()
        world.roles.stale_lists = [[role(GOOD)]]
        world.roles.put(role(BAD))
        assert world.react(self.padded()) == ["reverted"]
        world.roles.stale_lists = [[role(GOOD)]] * 9
        with pytest.raises(Unavailable, match="looking again later"):
            world.react(self.padded(event_id="e-2", at=world.clock.now()))

    def test_a_change_that_touches_more_roles_than_there_is_time_for_becomes_a_hint_for_each(self, world: World) -> None:
        names = [f"r{number:02}" for number in range(30)]
        for name in names:
            world.roles.put(role(self.github("repo:*"), name=name, role_id=f"AROA{name.upper()}0000000000000"))
        provider = event("CreateOpenIDConnectProvider", None, responseElements={"openIDConnectProviderArn": self.PROVIDER})
        assert world.react(provider) == ["handed-on"]
        assert (world.roles.writes, [each.role_name for each in world.hints.sent]) == ([], names)
        for hint in world.hints.sent:
            world.react(hint_as_text(hint))
        assert {ref for ref, _, _ in world.roles.writes} == {f"{PROD}/{name}" for name in names}

    def test_what_a_pipeline_did_to_many_roles_is_handed_on_as_nothing_to_write_upon(self, world: World) -> None:
        for number in range(30):
            world.roles.put(role(self.github("repo:*"), name=f"r{number}", role_id=f"AROAR{number:02}0000000000000"))
        world.react(event("CreateOpenIDConnectProvider", None, by=PIPELINE, responseElements={"openIDConnectProviderArn": self.PROVIDER}))
        assert {each.cause for each in world.hints.sent} == {Cause.FACTS}

    @pytest.mark.parametrize("error", [Unavailable("ServiceFailure"), Throttled("Throttling"), Misconfigured("AccessDenied")])
    def test_whoever_makes_permissions_hard_to_read_keeps_no_open_door_from_being_closed(self, world: World, error: DoorwardError) -> None:
        world.accepted()
        world.roles.put(role(ALL_BAD))
        with patch.object(world.roles, "permissions_of", side_effect=error), pytest.raises(type(error)):
            world.react(event(document=ALL_BAD))
        assert world.stands() == GOOD

    def test_a_role_that_cannot_be_dealt_with_hides_no_other(self, world: World) -> None:
        for name in ("aaa", "bbb", "ccc"):
            world.roles.put(role(self.github("repo:*"), name=name, role_id=f"AROA{name.upper()}0000000000000"))
        world.roles.fail_next = [None, Unavailable("no")]  # the list, then the first role
        with pytest.raises(Unavailable):
            world.react(event("CreateOpenIDConnectProvider", None, responseElements={"openIDConnectProviderArn": self.PROVIDER}))
        assert {ref for ref, _, _ in world.roles.writes} == {f"{PROD}/bbb", f"{PROD}/ccc"}


class TestInputsThatAreNothingToReactTo:
    @pytest.mark.parametrize(
        "message",
        ["", "null", "[]", "{", "17", '"x"', "[" * 50_000, json.dumps({"source": "aws.iam"}), "\ud800", '{"a": NaN}', "9" * 5000],
    )
    def test_malformed_input_is_named_so_and_touches_nothing(self, world: World, message: str) -> None:
        with pytest.raises(MalformedInput) as caught:
            world.react(message)
        assert str(caught.value)
        assert world.roles.reads == 0

    def test_a_forged_source_is_malformed(self, world: World) -> None:
        forged = json.loads(event())
        forged["source"] = "my.app"
        with pytest.raises(MalformedInput, match="forged"):
            world.react(json.dumps(forged))

    def test_a_failed_call_changed_nothing_and_is_recorded(self, world: World) -> None:
        world.roles.put(role(BAD))
        assert world.react(event(errorCode="AccessDenied", errorMessage="no", requestParameters=None)) == ["skipped"]
        assert world.roles.reads == 0

    def test_an_account_that_cannot_be_entered_is_announced_once(self, world: World) -> None:
        for _ in range(2):
            world.roles.fail_next = [Misconfigured("deploy accounts/member.yaml")]
            with pytest.raises(Misconfigured):
                world.react(event())
        assert world.announced() == ["TrustChangeUnread"]

    @pytest.mark.parametrize(
        "document", ["", "{}", "[]", "nonsense", "{" * 1000, json.dumps({"Version": "2012-10-17", "Statement": "x" * 140_000})]
    )
    def test_a_role_whose_policy_nobody_can_read_is_told_and_never_written(self, world: World, document: str) -> None:
        world.roles.put(role(document))
        assert world.react(event(document=document)) == ["alerted"]
        assert world.roles.writes == []
        assert world.announced() == ["TrustPolicyUndecidable"]


def test_a_rules_own_mode_and_scope_reach_the_reaction() -> None:
    guardrails = Guardrails(
        mode=Mode.ENFORCE,
        rules={"external-account": Rule("external-account", Severity.LOW, mode=Mode.ALERT)},
        scopes=(Scope("quiet", Mode.OBSERVE, Match(role_path="/quiet/")),),
    )
    world = World(guardrails)
    world.roles.put(role(BAD))
    assert world.react(event()) == ["alerted"]
    (case,) = world.ledger.cases.values()
    assert case.detail["severity"] == "low"
    world.roles.put(role(BAD, path="/quiet/", role_id="AROAQUIET"))
    assert world.react(event(event_id="e-9")) == ["observed"]


def test_a_waiver_that_has_ended_keeps_no_door_open() -> None:
    """That it has ended, no trust policy mends: it must not count as left by every remedy."""
    ended = Waiver("jane@acme.example", "CHANGE-1", date(2025, 1, 1), date(2025, 2, 1), f"{PROD}/payments", ("external-account",))
    world = World(ENFORCE._replace(waivers=(ended,)))
    world.roles.put(role(BAD))
    assert world.react(event()) == ["reverted"]
    assert json.loads(world.stands())["Statement"][0]["Principal"] == {"AWS": GOOD_PRINCIPAL}


class TestHintsOfChangedFacts:
    """The account moved, or has just been seen: its roles are as they were, and what counts for them may not be."""

    @staticmethod
    def hint(cause: Cause) -> str:
        return hint_as_text(Hint(PROD, cause, "The account moved.", f"facts-{cause}", START))

    @pytest.mark.parametrize("cause", [Cause.FACTS, Cause.FIRST_SEEN])
    def test_every_role_of_the_account_is_judged_anew_and_none_is_written(self, world: World, cause: Cause) -> None:
        world.accepted()
        world.roles.put(role(BAD, name="open", role_id="AROAOPEN"))
        assert sorted(world.react(self.hint(cause))) == ["asked", "passed"]
        assert world.roles.writes == []

    def test_a_role_that_was_judged_before_is_judged_by_what_counts_now(self, world: World) -> None:
        world.tools = replace(world.tools, guardrails=Guardrails(mode=Mode.OBSERVE))
        world.roles.put(role(BAD))
        assert world.react(event(document=BAD)) == ["observed"]
        world.tools = replace(world.tools, guardrails=ENFORCE)
        assert world.react(self.hint(Cause.FACTS)) == ["asked"]
        assert world.roles.writes == []


class TestHeartbeats:
    """The canary role tags itself once an hour, so that it shows whether changes of roles arrive."""

    CANARY = f"arn:aws:iam::{PROD}:role/doorward/doorward-canary"

    def tagged(self, session: str = "hb-0a1b", role_name: str = "doorward-canary", by: str = CANARY) -> str:
        message = json.loads(event("TagRole", None, by=by, role_name=role_name))
        message["detail"]["userIdentity"] = {
            "type": "AssumedRole",
            "principalId": f"AROACANARY0000000001:{session}",
            "arn": f"arn:aws:sts::{PROD}:assumed-role/doorward-canary/{session}",
            "accountId": PROD,
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": by, "accountId": PROD, "userName": "doorward-canary"}},
        }
        return json.dumps(message)

    def test_a_beat_is_seen_and_leads_to_no_judgement(self, world: World) -> None:
        assert world.react(self.tagged()) == ["heartbeat"]
        assert world.beats.back == {(Spot(PROD, IAM_EVENTS), "0a1b")}
        assert world.roles.reads == 0

    @pytest.mark.parametrize(
        "changed",
        [
            {"session": "jane"},
            {"role_name": "payments"},
            {"by": f"arn:aws:iam::{PROD}:role/doorward-canary"},
            {"by": f"arn:aws:iam::{STRANGER}:role/doorward/doorward-canary"},
        ],
    )
    def test_whatever_only_looks_like_a_beat_is_a_change_like_any_other(self, world: World, changed: dict[str, str]) -> None:
        assert world.react(self.tagged(**changed)) != ["heartbeat"]
        assert world.beats.back == set()
