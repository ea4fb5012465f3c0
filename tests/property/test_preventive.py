"""Whatever the organization, its preventive twins are proved, fit AWS's sizes, and never stop what they must let through."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.guardrails.model import Guardrails
from doorward.guardrails.preventive import LONGEST_POLICY, Choice, compact, default_deployers, documents, twins
from doorward.guardrails.preventive_proof import prove
from doorward.organization.model import Account, Organization, Pipeline, TrustedAccount, TrustedIssuer

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
GITHUB = "token.actions.githubusercontent.com"
NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8).map(lambda each: f"a{each}z".replace("--", "-"))
ACCOUNT_ID = st.integers(0, 10**12 - 1).map(lambda each: f"{each:012}")
PARTITION = st.sampled_from(["aws", "aws-cn", "aws-us-gov"])


@st.composite
def github(draw: st.DrawFn) -> TrustedIssuer:
    repositories = st.sampled_from(["*", "app", "app:ref:refs/heads/main", "app:environment:*", "a?p*"])
    subjects = draw(st.lists(st.tuples(NAME, repositories).map("/".join).map("repo:{}".format), min_size=1, max_size=3, unique=True))
    claims = draw(st.dictionaries(st.sampled_from(["repository_owner_id", "enterprise_id"]), st.just(("123456",)), max_size=2))
    audiences = draw(st.sampled_from([(), ("sts.amazonaws.com",), ("https://deploy.acme.example", "sts.amazonaws.com")]))
    return TrustedIssuer(GITHUB, tuple(subjects), audiences, claims)


@st.composite
def other_issuer(draw: st.DrawFn) -> TrustedIssuer:
    subjects = draw(st.lists(st.tuples(NAME, st.sampled_from(["*", "${x}:*", "?"])).map(":".join), min_size=1, max_size=2))
    return TrustedIssuer(f"{draw(NAME)}.example", tuple(subjects), draw(st.sampled_from([(), ("one",)])))


@st.composite
def organizations(draw: st.DrawFn) -> Organization:
    ids = draw(st.lists(ACCOUNT_ID, min_size=4, max_size=8, unique=True))
    partition = draw(PARTITION)
    issuers = draw(st.lists(other_issuer(), max_size=2, unique_by=lambda each: each.issuer)) + draw(st.lists(github(), max_size=1))
    return Organization(
        id=draw(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=10, max_size=12).map("o-{}".format)),
        management_account=ids[0],
        partition=partition,
        accounts=tuple(Account(each, each) for each in ids[:3]),
        trusted_accounts=tuple(TrustedAccount(each, "", draw(st.booleans())) for each in ids[3:]),
        oidc=tuple(issuers),
        saml=(f"arn:{partition}:iam::{ids[1]}:saml-provider/corp",),
        pipelines=tuple(
            Pipeline(f"arn:{partition}:iam::{each}:role/deploy/Deploy", "platform") for each in ids[1 : draw(st.integers(1, 3))]
        ),
    )


@settings(max_examples=60, deadline=None)
@given(organizations(), st.booleans())
def test_the_twins_of_any_organization_are_proved(organization: Organization, unlisted: bool) -> None:
    deployers = default_deployers(organization.partition)
    choice = Choice(frozenset({"oidc-unlisted-issuer"} if unlisted else ()), frozenset(), scp=True, deployers=deployers)
    found = twins(organization, Guardrails(), choice)
    proofs = prove(found, organization, deployers, now=NOW)
    assert {rule: proof.faults for rule, proof in proofs.items() if not proof.is_proved} == {}
    assert all(proofs[rule].closed for rule in ("world-assumable", "external-account", "outside-organization"))
    assert all((each.because is None) is bool(each.statements) for each in found)
    for policy in ("rcp", "scp"):
        assert all(len(compact(each)) <= LONGEST_POLICY for each in documents(found, policy))
