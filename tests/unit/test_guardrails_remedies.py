import json
from copy import replace
from typing import Any

import pytest

from doorward.findings.model import Remedy
from doorward.guardrails.accepted import give_back, restore_accepted, roles_named_in
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.remedies import QUARANTINE, propose, suggest
from doorward.organization.model import Organization
from tests.unit.test_guardrails_judge import EVERYBODY, KNOWN, OURS, STRANGER, allow, document
from tests.unit.test_guardrails_rules import GITHUB, NOW, ORGANIZATIONS, role, waived

SUB, AUD = f"{GITHUB}:sub", f"{GITHUB}:aud"
OUR_ACCOUNT = "777788889999"
GITHUB_PROVIDER, WITH_TOKEN = f"arn:aws:iam::{OUR_ACCOUNT}:oidc-provider/{GITHUB}", "sts:AssumeRoleWithWebIdentity"
OUR_ORGANIZATION, ANOTHER = "o-a1b2c3d4e5", "o-zzzz999988"


def github(condition: Any) -> dict[str, Any]:
    return allow({"Federated": GITHUB_PROVIDER}, condition, WITH_TOKEN)


def pinned(subjects: Any, audience: Any = "sts.amazonaws.com") -> dict[str, Any]:
    return github({"StringEquals": {AUD: audience}, "StringLike": {SUB: subjects}})


def ladder(
    *statements: Any,
    baseline: Any = None,
    organization: Organization = KNOWN,
    guardrails: Guardrails = Guardrails(),  # noqa: B008 - a constant
    closing: tuple[str, int] | None = None,
    of_source: bool = False,
) -> tuple[Remedy, ...]:
    """`closing`: a rule and a statement's index; None: all that counts. `of_source`: as whoever owns the source is told."""
    door = role(document(*statements))
    accepted = baseline if baseline is None or isinstance(baseline, str) else json.dumps(baseline)
    found = judge(door, organization, guardrails, now=NOW, strict=True)
    closed = [each for each in found.counting if closing in {None, (each.rule, each.statement.index)}]
    if of_source:
        return tuple(suggest(door, found, organization, guardrails, closing=closed, now=NOW))
    return tuple(propose(door, found, accepted, organization, guardrails, closing=closed, now=NOW))


def first(*statements: Any, **others: Any) -> tuple[str, Any]:
    remedy = ladder(*statements, **others)[0]
    return remedy.kind, remedy.trust_policy["Statement"]


def test_only_the_offending_principal_goes() -> None:
    assert first(allow({"AWS": [OURS, STRANGER]}, Sid="Both")) == ("drop", [allow({"AWS": OURS}, Sid="Both")])


def test_only_the_offending_value_of_a_list_goes() -> None:
    both = allow(EVERYBODY, {"StringEquals": {"aws:PrincipalOrgID": [OUR_ORGANIZATION, ANOTHER]}})
    ours = allow(EVERYBODY, {"StringEquals": {"aws:PrincipalOrgID": OUR_ORGANIZATION}})
    assert first(both) == ("drop", [ours])


def test_the_offending_statement_goes_where_another_allow_stays() -> None:
    deny = {"Effect": "Deny", "Principal": {"AWS": STRANGER}, "Action": "sts:TagSession"}
    assert first(allow(EVERYBODY), deny, allow({"AWS": OURS})) == ("drop", [deny, allow({"AWS": OURS})])


def test_where_nothing_would_stay_nothing_is_dropped() -> None:
    assert [each.kind for each in ladder(allow({"AWS": STRANGER}))] == ["quarantine"]


@pytest.mark.parametrize(
    ("found", "narrowed"),
    [
        (pinned("repo:acme*"), pinned("repo:acme/*")),
        (pinned("*"), pinned("repo:acme/*")),
        (pinned("repo:*:ref:refs/heads/main"), pinned("repo:acme/*:ref:refs/heads/main")),
        (github({"StringEquals": {AUD: "sts.amazonaws.com"}}), pinned("repo:acme/*")),
        (
            github({"StringLike": {SUB: "repo:acme/*"}}),
            github({"StringLike": {SUB: "repo:acme/*"}, "StringEquals": {AUD: "sts.amazonaws.com"}}),
        ),
        (github(None), github({"StringLike": {SUB: "repo:acme/*"}, "StringEquals": {AUD: "sts.amazonaws.com"}})),
    ],
)
def test_subjects_and_audiences_are_narrowed_to_what_is_trusted(found: Any, narrowed: Any) -> None:
    kind, statements = first(found, of_source=True)
    assert (kind, statements) == ("tighten", [narrowed])
    assert [narrowed] in [each.trust_policy["Statement"] for each in ladder(found) if each.kind == "tighten"]


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (pinned(["repo:acme/app:*", "repo:acme*"]), pinned("repo:acme/app:*")),
        (pinned("repo:acme/*", ["sts.amazonaws.com", "https://github.com/acme"]), pinned("repo:acme/*")),
    ],
)
@pytest.mark.parametrize("of_source", [False, True])
def test_of_several_subjects_and_audiences_the_offending_ones_go(found: Any, left: Any, of_source: bool) -> None:
    assert first(found, of_source=of_source) == ("drop", [left])


def test_another_issuers_subjects_are_narrowed_to_what_is_trusted_of_it() -> None:
    provider = {"Federated": "arn:aws:iam::777788889999:oidc-provider/gitlab.com"}
    found = allow(provider, {"StringLike": {"gitlab.com:sub": "project_path:*"}}, action="sts:AssumeRoleWithWebIdentity")
    narrowed = allow(provider, {"StringLike": {"gitlab.com:sub": "project_path:acme/*"}}, action="sts:AssumeRoleWithWebIdentity")
    assert first(found, organization=ORGANIZATIONS["gitlab-listed"], of_source=True) == ("tighten", [narrowed])
    assert [each.kind for each in ladder(found)] == ["quarantine"]


def test_without_trusted_subjects_an_open_list_keeps_its_closed_values() -> None:
    found = pinned(["repo:acme/app:*", "repo:*"])
    assert first(found, organization=ORGANIZATIONS["github-unlisted"]) == ("drop", [pinned("repo:acme/app:*")])
    open_only = pinned("repo:*")
    assert [each.kind for each in ladder(open_only, organization=ORGANIZATIONS["github-unlisted"])] == ["quarantine"]


def test_the_accepted_baseline_is_restored_exactly_as_it_was() -> None:
    baseline = json.dumps({"Version": "2012-10-17", "Statement": allow({"AWS": "777788889999"})}, indent=4)
    remedies = ladder(allow(EVERYBODY), baseline=baseline)
    assert remedies[0].trust_policy == json.loads(baseline)
    assert [each.kind for each in remedies] == ["restore", "deny", "tighten", "quarantine"]


def test_a_drop_that_gives_the_baseline_is_called_restoring_and_keeps_its_text() -> None:
    baseline = {"Version": "2012-10-17", "Statement": allow({"AWS": OURS})}
    remedies = ladder(allow({"AWS": [OURS, STRANGER]}), baseline=baseline)
    assert [each.kind for each in remedies] == ["restore", "quarantine"]
    assert remedies[0].trust_policy == baseline


def test_whoever_is_gone_is_left_out_of_the_baseline_that_is_restored() -> None:
    """IAM shows the unique id of a role that was deleted, and refuses a policy that names it."""
    gone = "AROAEXAMPLE123456789A"
    baseline = document(allow({"AWS": [gone, OURS]}), allow({"AWS": gone}), allow({"AWS": OURS}, action="sts:TagSession"))
    everybody = allow(EVERYBODY, action=["sts:AssumeRole", "sts:TagSession"])
    restored = next(each for each in ladder(everybody, baseline=baseline) if each.kind == "restore")
    assert restored.trust_policy == document(allow({"AWS": OURS}), allow({"AWS": OURS}, action="sts:TagSession"))


@pytest.mark.parametrize(
    "baseline",
    [
        document(allow({"AWS": "AROAEXAMPLE123456789A"})),
        document(allow({"AWS": STRANGER})),
        document(allow(EVERYBODY, {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}})),
        "not a document",
        document(allow({"AWS": OURS}, action="s3:*")),
    ],
)
def test_a_baseline_that_iam_would_refuse_or_that_is_not_compliant_today_is_not_restored(baseline: Any) -> None:
    assert [each.kind for each in ladder(allow(EVERYBODY), baseline=baseline)] == ["deny", "tighten", "quarantine"]


def test_a_doubt_that_was_there_before_does_not_stop_a_remedy_and_a_new_one_does() -> None:
    undecided = allow(EVERYBODY, {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}})
    assert first(allow({"AWS": [OURS, STRANGER]}), undecided) == ("drop", [allow({"AWS": OURS}), undecided])
    either = allow(EVERYBODY, {"StringEquals": {"sts:RoleSessionName": ["${aws:username}", "deploy"]}})
    assert "restore" not in [each.kind for each in ladder(either)]


def test_nothing_is_proposed_where_nothing_is_wrong_or_nobody_can_write() -> None:
    assert ladder(allow({"AWS": OURS})) == ()
    door = role(document(allow(EVERYBODY)))
    found = judge(door, KNOWN, Guardrails(), now=NOW)
    untouchable = replace(door, path="/aws-reserved/x/")
    assert list(propose(untouchable, found, None, KNOWN, Guardrails(), closing=found.counting, now=NOW)) == []


# One finding

OPEN = github(None)


def test_a_findings_own_remedy_leaves_the_other_statements_as_they_are() -> None:
    stranger = allow({"AWS": [OURS, STRANGER]})
    assert first(stranger, OPEN, closing=("external-account", 0)) == ("drop", [allow({"AWS": OURS}), OPEN])
    kind, statements = first(stranger, OPEN, closing=("oidc-unscoped-audience", 1), of_source=True)
    assert (kind, statements[0]) == ("tighten", stranger)
    assert statements[1]["Condition"] == {"StringEquals": {AUD: "sts.amazonaws.com"}}


def test_of_two_findings_of_a_statement_each_remedy_closes_its_own() -> None:
    subject, audience = (first(OPEN, closing=(rule, 0), of_source=True) for rule in ("oidc-unscoped-subject", "oidc-unscoped-audience"))
    assert subject == ("tighten", [github({"StringLike": {SUB: "repo:acme/*"}})])
    assert audience == ("tighten", [github({"StringEquals": {AUD: "sts.amazonaws.com"}})])


def test_a_statement_that_moves_up_where_one_is_dropped_keeps_its_own_findings() -> None:
    [dropped, *_] = ladder(allow({"AWS": STRANGER}), allow({"AWS": STRANGER}, Sid="Again"), closing=("external-account", 0))
    assert dropped.kind == "drop"
    assert dropped.trust_policy["Statement"] == [allow({"AWS": STRANGER}, Sid="Again")]


def test_a_remedy_of_one_finding_brings_no_other() -> None:
    # Without `everybody`, an account of another organization would be named instead: not what the remedy is for.
    both = allow({"AWS": ["*", STRANGER]})
    for remedy in ladder(both, allow({"AWS": OURS}), closing=("world-assumable", 0)):
        left = judge(role(json.dumps(remedy.trust_policy)), KNOWN, Guardrails(), now=NOW, strict=True)
        assert left.counting == ()


def test_what_no_trust_policy_closes_stops_no_remedy() -> None:
    ended = waived("2026-01-01", "2026-02-01")
    assert first(allow({"AWS": [OURS, STRANGER]}), guardrails=ended) == ("drop", [allow({"AWS": OURS})])
    assert ladder(allow({"AWS": OURS}), guardrails=ended) == ()
    baseline = document(allow({"AWS": OURS}, Sid="Accepted"))
    assert ladder(allow(EVERYBODY), baseline=baseline, guardrails=ended)[0].kind == "restore"


# A Deny beside what stands

DENY_SID = "DoorwardDenyStrangers"
STRANGERS = {
    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    "Null": {"aws:PrincipalArn": "false"},
    "StringNotEqualsIfExists": {"aws:PrincipalOrgID": OUR_ORGANIZATION, "aws:PrincipalAccount": "666677778888"},
}


def deny(principal: Any, condition: Any, action: Any = "sts:AssumeRole", sid: str = DENY_SID) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Principal": principal, "Action": action, "Condition": condition}


def denied(*statements: Any, **others: Any) -> Any:
    return next(each.trust_policy["Statement"] for each in ladder(*statements, **others) if each.kind == "deny")


def test_the_ladder_has_one_order_and_whoever_owns_the_source_corrects_his_own_line_first() -> None:
    wide, beside = pinned("repo:acme*"), allow({"AWS": f"arn:aws:iam::{OUR_ACCOUNT}:role/a"})
    accepted = document(beside)
    assert [each.kind for each in ladder(wide, beside, baseline=accepted)] == ["deny", "tighten", "restore", "quarantine"]
    assert [each.kind for each in ladder(wide, beside)] == ["deny", "tighten", "drop", "quarantine"]
    assert [each.kind for each in ladder(wide, beside, of_source=True)] == ["tighten", "deny", "drop", "quarantine"]
    assert [each.kind for each in ladder(allow({"AWS": [OURS, STRANGER]}), beside)] == ["drop", "drop", "quarantine"]


@pytest.mark.parametrize(
    ("found", "conditions"),
    [
        (allow(EVERYBODY), [STRANGERS]),
        (allow(EVERYBODY, action=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]), [STRANGERS]),
        (pinned("repo:*"), [{"StringNotLike": {SUB: "repo:acme/*"}}]),
        (github({"StringLike": {SUB: "repo:acme/*"}}), [{"StringNotEquals": {AUD: "sts.amazonaws.com"}}]),
        (github(None), [{"StringNotEquals": {AUD: "sts.amazonaws.com"}}, {"StringNotLike": {SUB: "repo:acme/*"}}]),
        (
            allow({"Federated": GITHUB_PROVIDER}, {"StringEquals": {AUD: "sts.amazonaws.com"}}, [WITH_TOKEN, "sts:TagSession"]),
            [{"StringNotLike": {SUB: "repo:acme/*"}}],
        ),
    ],
)
def test_a_deny_is_of_the_very_calls_and_callers_that_must_not_come_in_and_the_statement_stays(found: Any, conditions: Any) -> None:
    offered = [each.trust_policy["Statement"] for each in ladder(found) if each.kind == "deny"]
    [[stays, *denies]] = offered
    assert stays == found
    assert [each["Condition"] for each in denies] == conditions
    for each in denies:
        assert (each["Effect"], each["Principal"], each["Action"]) == ("Deny", found["Principal"], found["Action"])
    assert [each["Sid"] for each in denies] == [DENY_SID, f"{DENY_SID}2"][: len(denies)]


@pytest.mark.parametrize("action", ["sts:*", ["sts:AssumeRole", "sts:AssumeRoleWithSAML"]])
def test_no_deny_of_everybody_is_relied_on_where_bearers_of_tokens_may_come_in_too(action: Any) -> None:
    """Whether it means them is not documented; the organization's id, which they do not have, is required instead."""
    assert [each.kind for each in ladder(allow(EVERYBODY, action=action), closing=("world-assumable", 0))] == ["tighten", "quarantine"]


def test_a_deny_of_services_and_of_assertions_asks_what_the_statement_misses() -> None:
    bucket = {"StringLike": {"aws:SourceArn": "arn:aws:sns:*:*:topic"}}
    service = allow({"Service": ["sns.amazonaws.com", "lambda.amazonaws.com"]}, bucket)
    [_, deny_of_services] = denied(service)
    assert deny_of_services["Condition"] == {"StringNotEquals": {"aws:SourceAccount": OUR_ACCOUNT}}
    provider = {"Federated": f"arn:aws:iam::{OUR_ACCOUNT}:saml-provider/corp"}
    [_, deny_of_assertions] = denied(allow(provider, action="sts:AssumeRoleWithSAML"), closing=("saml-unscoped-audience", 0))
    assert deny_of_assertions["Principal"] == provider
    assert deny_of_assertions["Condition"] == {"StringNotEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}


def test_no_deny_is_written_of_which_nothing_is_left_nor_one_that_does_not_fit() -> None:
    assert "deny" not in [each.kind for each in ladder(pinned("repo:evil/*"))]
    assert "deny" not in [each.kind for each in ladder(allow({"AWS": STRANGER}))]
    full = [allow({"AWS": f"arn:aws:iam::{OUR_ACCOUNT}:role/{'r' * 52}-{number}"}) for number in range(10)]
    assert len(json.dumps(document(pinned("repo:*"), *full)).replace(" ", "")) < 2048
    assert "deny" not in [each.kind for each in ladder(pinned("repo:*"), *full)]


def test_a_deny_that_doorward_wrote_is_replaced_and_never_added_to() -> None:
    everybody = allow(EVERYBODY)
    [_, first_deny] = denied(everybody)
    weakened = {**first_deny, "Condition": first_deny["Condition"] | {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    assert denied(everybody, weakened) == [everybody, first_deny]
    [_, subjects] = denied(pinned("repo:*"))
    again = denied(everybody, first_deny, pinned("repo:*"))
    assert again == [everybody, pinned("repo:*"), first_deny, {**subjects, "Sid": f"{DENY_SID}2"}]


def test_a_deny_that_would_let_somebody_in_by_taking_another_s_place_is_not_offered() -> None:
    """Whoever wrote it under that name: it keeps out one of ours, whom the new one lets in."""
    theirs = deny({"AWS": f"arn:aws:iam::{OUR_ACCOUNT}:role/a"}, {"Bool": {"aws:SecureTransport": "true"}})
    assert "deny" not in [each.kind for each in ladder(allow(EVERYBODY), theirs)]


def test_a_deny_takes_a_name_that_is_free() -> None:
    named = allow(EVERYBODY, Sid=DENY_SID)
    assert [each["Sid"] for each in denied(named)] == [DENY_SID, f"{DENY_SID}2"]


def test_what_of_an_offending_statement_was_accepted_stays_in_its_place() -> None:
    beside = allow({"AWS": f"arn:aws:iam::{OUR_ACCOUNT}:role/new"})
    app = pinned("repo:acme/app:*")
    assert first(pinned("repo:acme*"), beside, baseline=document(app)) == ("drop", [app, beside])
    assert first(pinned("repo:acme*"), baseline=document(app)) == ("restore", [app])


def test_restoring_lets_nobody_in_who_is_kept_out_now() -> None:
    other = document(allow({"AWS": f"arn:aws:iam::{OUR_ACCOUNT}:role/a"}), allow({"AWS": OURS}, action="sts:TagSession"))
    assert "restore" not in [each.kind for each in ladder(allow(EVERYBODY), baseline=other)]


def test_whoever_is_gone_is_left_out_of_whatever_is_written() -> None:
    gone = "AROAEXAMPLE123456789A"
    assert first(allow({"AWS": [OURS, STRANGER]}), allow({"AWS": [gone, OURS]}, Sid="B"))[1] == [
        allow({"AWS": OURS}),
        allow({"AWS": OURS}, Sid="B"),
    ]


# Giving back

A, B = (f"arn:aws:iam::{OUR_ACCOUNT}:role/{each}" for each in "ab")


def given_back(stands: Any, accepted: Any, organization: Organization = KNOWN) -> Any:
    door = role(stands)
    remedy = give_back(door, accepted if isinstance(accepted, str) else json.dumps(accepted), organization, Guardrails(), now=NOW)
    return remedy and (remedy.kind, remedy.proved, remedy.trust_policy)


def test_what_was_swapped_as_a_whole_is_closed_and_then_given_back_exactly() -> None:
    accepted = document(allow({"AWS": A}, Sid="Batch"))
    for closed in ladder(allow({"AWS": STRANGER}), baseline=accepted):
        assert given_back(dict(closed.trust_policy), accepted) == ("restore", True, accepted)


def test_nothing_is_given_back_where_nothing_is_lost() -> None:
    accepted = document(allow({"AWS": A}))
    assert given_back(accepted, accepted) is None
    assert given_back(document(allow({"AWS": [A, B]})), accepted) is None
    assert given_back(document(allow(EVERYBODY), deny({"AWS": "*"}, STRANGERS)), accepted) is None


def test_what_is_given_back_takes_nothing_away_that_stands() -> None:
    stands, accepted = allow({"AWS": B}, Sid="One"), allow({"AWS": A}, Sid="One")
    assert given_back(document(stands), document(accepted)) == ("restore", True, document(stands, allow({"AWS": A})))


def test_a_deny_that_was_accepted_comes_with_what_it_limits() -> None:
    limits = deny({"AWS": A}, {"StringNotLike": {"sts:RoleSessionName": "run-*"}}, sid="Limits")
    accepted = [allow({"AWS": A}), limits]
    assert given_back(document(allow({"AWS": B})), document(*accepted)) == ("restore", True, document(allow({"AWS": B}), *accepted))


@pytest.mark.parametrize(
    "accepted",
    [
        "not a document",
        document(allow({"AWS": STRANGER})),
        document(allow({"AWS": "AROAEXAMPLE123456789A"})),
        document(allow(EVERYBODY, {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}})),
        {"Version": "2008-10-17", "Statement": [allow({"AWS": A})]},
    ],
)
def test_what_breaks_a_guardrail_or_is_in_doubt_today_is_not_given_back(accepted: Any) -> None:
    assert given_back(document(allow({"AWS": B})), accepted) is None


def test_whom_the_organization_trusts_no_more_is_not_let_in_again() -> None:
    vendor = document(allow({"AWS": "arn:aws:iam::666677778888:root"}))
    assert given_back(document(allow({"AWS": A})), vendor) is not None
    assert given_back(document(allow({"AWS": A})), vendor, KNOWN._replace(trusted_accounts=())) is None


def test_nothing_is_given_back_that_does_not_fit() -> None:
    stands = document(*(allow({"AWS": f"{B}-{'r' * 50}-{number}"}) for number in range(8)))
    lost = document(*(allow({"AWS": f"{A}-{'r' * 50}-{number}"}) for number in range(8)))
    assert given_back(stands, lost) is None


def test_a_policy_that_nobody_can_judge_is_replaced_by_the_accepted_one() -> None:
    gone = "AROAEXAMPLE123456789A"
    hard = role(document(allow(EVERYBODY, {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}})))
    accepted = document(allow({"AWS": A}))

    def restored(door: Role, text: Any) -> Any:
        remedy = restore_accepted(door, text if isinstance(text, str) else json.dumps(text), KNOWN, Guardrails(), now=NOW)
        return remedy and (remedy.kind, remedy.proved, remedy.trust_policy)

    assert restored(hard, accepted) == ("restore", True, accepted)
    assert restored(hard, document(allow({"AWS": [gone, A]}), allow({"AWS": gone}))) == ("restore", True, accepted)
    assert restored(role("neither JSON nor a policy"), accepted) == ("restore", True, accepted)
    assert restored(role(accepted), json.dumps(accepted, indent=4)) is None  # it stands
    assert restored(hard, document(allow({"AWS": STRANGER}))) is None
    assert restored(hard, hard.trust_policy) is None


@pytest.mark.parametrize(
    ("path", "name"), [("/aws-reserved/x/", "door"), ("/", "OrganizationAccountAccessRole"), ("/doorward/", "doorward-read")]
)
def test_nothing_is_offered_for_a_role_that_must_not_be_edited(path: str, name: str) -> None:
    door = role(document(allow(EVERYBODY)))._replace(path=path, name=name)
    found = judge(role(document(allow(EVERYBODY))), KNOWN, Guardrails(), now=NOW)
    accepted = json.dumps(document(allow({"AWS": A})))
    assert list(propose(door, found, accepted, KNOWN, Guardrails(), closing=found.counting, now=NOW)) == []
    quarantined = replace(door, trust_policy=json.dumps(QUARANTINE))
    assert give_back(quarantined, accepted, KNOWN, Guardrails(), now=NOW) is None
    assert restore_accepted(door, accepted, KNOWN, Guardrails(), now=NOW) is None


def test_a_deny_that_goes_is_missed_by_no_statement_beside_it() -> None:
    """What stands under Doorward's name keeps out one of those whom another statement lets in."""
    theirs = deny({"AWS": A}, {"Bool": {"aws:SecureTransport": "true"}})
    kinds = [each.kind for each in ladder(pinned("repo:*"), allow({"AWS": OURS}), theirs)]
    assert kinds == ["tighten", "drop", "quarantine"]


def test_nothing_is_given_back_beside_what_still_breaks_a_guardrail_or_what_keeps_it_out() -> None:
    accepted = document(allow({"AWS": A}))
    assert given_back(document(allow({"AWS": STRANGER})), accepted) is None
    kept_out = deny({"AWS": A}, {"Bool": {"aws:SecureTransport": "true"}}, sid="Out")
    assert given_back(document(allow({"AWS": B}), kept_out), accepted) is None


def test_a_user_whose_path_reads_like_a_roles_is_no_role_that_a_policy_names() -> None:
    named = [f"arn:aws:iam::777788889999:{each}" for each in ("role/ci/deployer", "role/x:user/any", "user/x:role/jane", "root")]
    statement = {"Effect": "Allow", "Principal": {"AWS": named}, "Action": "sts:AssumeRole"}
    assert roles_named_in(json.dumps({"Version": "2012-10-17", "Statement": [statement]})) == tuple(named[:2])
