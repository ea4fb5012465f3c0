import json
from copy import replace
from typing import Any

import pytest

from doorward.findings.model import Remedy
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails
from doorward.guardrails.remedies import propose
from doorward.organization.model import Organization
from tests.unit.test_guardrails_judge import EVERYBODY, KNOWN, OURS, STRANGER, allow, document
from tests.unit.test_guardrails_rules import GITHUB, NOW, ORGANIZATIONS, role, waived

SUB, AUD = f"{GITHUB}:sub", f"{GITHUB}:aud"
OUR_ORGANIZATION, ANOTHER = "o-a1b2c3d4e5", "o-zzzz999988"


def github(condition: Any) -> dict[str, Any]:
    return allow({"Federated": f"arn:aws:iam::777788889999:oidc-provider/{GITHUB}"}, condition, "sts:AssumeRoleWithWebIdentity")


def pinned(subjects: Any, audience: Any = "sts.amazonaws.com") -> dict[str, Any]:
    return github({"StringEquals": {AUD: audience}, "StringLike": {SUB: subjects}})


def ladder(
    *statements: Any,
    baseline: Any = None,
    organization: Organization = KNOWN,
    guardrails: Guardrails = Guardrails(),  # noqa: B008 - a constant
    closing: tuple[str, int] | None = None,
) -> tuple[Remedy, ...]:
    """`closing`: a rule and a statement's index; None: all that counts."""
    door = role(document(*statements))
    accepted = baseline if baseline is None or isinstance(baseline, str) else json.dumps(baseline)
    found = judge(door, organization, guardrails, now=NOW, strict=True)
    closed = [each for each in found.counting if closing in {None, (each.rule, each.statement.index)}]
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
        (pinned(["repo:acme/app:*", "repo:acme*"]), pinned("repo:acme/app:*")),
        (pinned("repo:acme*"), pinned("repo:acme/*")),
        (pinned("*"), pinned("repo:acme/*")),
        (pinned("repo:*:ref:refs/heads/main"), pinned("repo:acme/*:ref:refs/heads/main")),
        (github({"StringEquals": {AUD: "sts.amazonaws.com"}}), pinned("repo:acme/*")),
        (
            github({"StringLike": {SUB: "repo:acme/*"}}),
            github({"StringLike": {SUB: "repo:acme/*"}, "StringEquals": {AUD: "sts.amazonaws.com"}}),
        ),
        (pinned("repo:acme/*", ["sts.amazonaws.com", "https://github.com/acme"]), pinned("repo:acme/*")),
        (github(None), github({"StringLike": {SUB: "repo:acme/*"}, "StringEquals": {AUD: "sts.amazonaws.com"}})),
    ],
)
def test_subjects_and_audiences_are_narrowed_to_what_is_trusted(found: Any, narrowed: Any) -> None:
    kind, statements = first(found)
    assert (kind, statements) == ("tighten", [narrowed])


def test_another_issuers_subjects_are_narrowed_to_what_is_trusted_of_it() -> None:
    provider = {"Federated": "arn:aws:iam::777788889999:oidc-provider/gitlab.com"}
    found = allow(provider, {"StringLike": {"gitlab.com:sub": "project_path:*"}}, action="sts:AssumeRoleWithWebIdentity")
    narrowed = allow(provider, {"StringLike": {"gitlab.com:sub": "project_path:acme/*"}}, action="sts:AssumeRoleWithWebIdentity")
    assert first(found, organization=ORGANIZATIONS["gitlab-listed"]) == ("tighten", [narrowed])
    assert [each.kind for each in ladder(found)] == ["quarantine"]


def test_without_trusted_subjects_an_open_list_keeps_its_closed_values() -> None:
    found = pinned(["repo:acme/app:*", "repo:*"])
    assert first(found, organization=ORGANIZATIONS["github-unlisted"]) == ("tighten", [pinned("repo:acme/app:*")])
    open_only = pinned("repo:*")
    assert [each.kind for each in ladder(open_only, organization=ORGANIZATIONS["github-unlisted"])] == ["quarantine"]


def test_the_accepted_baseline_is_restored_exactly_as_it_was() -> None:
    baseline = json.dumps({"Version": "2012-10-17", "Statement": allow({"AWS": "777788889999"})}, indent=4)
    remedies = ladder(allow(EVERYBODY), baseline=baseline)
    assert remedies[0].trust_policy == json.loads(baseline)
    assert [each.kind for each in remedies] == ["restore", "tighten", "deny", "quarantine"]


def test_a_drop_that_gives_the_baseline_is_called_restoring_and_keeps_its_text() -> None:
    baseline = {"Version": "2012-10-17", "Statement": allow({"AWS": OURS})}
    remedies = ladder(allow({"AWS": [OURS, STRANGER]}), baseline=baseline)
    assert [each.kind for each in remedies] == ["restore", "quarantine"]
    assert remedies[0].trust_policy == baseline


def test_whoever_is_gone_is_left_out_of_the_baseline_that_is_restored() -> None:
    """IAM shows the unique id of a role that was deleted, and refuses a policy that names it."""
    gone = "AROAEXAMPLE123456789A"
    baseline = document(allow({"AWS": [gone, OURS]}), allow({"AWS": gone}), allow({"AWS": OURS}, action="sts:TagSession"))
    restored = next(each for each in ladder(allow(EVERYBODY), baseline=baseline) if each.kind == "restore")
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
    assert [each.kind for each in ladder(allow(EVERYBODY), baseline=baseline)] == ["tighten", "deny", "quarantine"]


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
    kind, statements = first(stranger, OPEN, closing=("oidc-unscoped-audience", 1))
    assert (kind, statements[0]) == ("tighten", stranger)
    assert statements[1]["Condition"] == {"StringEquals": {AUD: "sts.amazonaws.com"}}


def test_of_two_findings_of_a_statement_each_remedy_closes_its_own() -> None:
    assert first(OPEN, closing=("oidc-unscoped-subject", 0)) == ("tighten", [github({"StringLike": {SUB: "repo:acme/*"}})])
    assert first(OPEN, closing=("oidc-unscoped-audience", 0)) == ("tighten", [github({"StringEquals": {AUD: "sts.amazonaws.com"}})])


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
