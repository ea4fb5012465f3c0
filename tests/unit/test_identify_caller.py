"""Who called: each line of the tables of doorward/people/sigv4.py and tokens.py, and that nothing else ever makes a person."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.guardrails.model import Role
from doorward.organization.model import Account, Group, Identity, Organization, TokenIssuer
from doorward.people.model import Caller, Machine, Person, Refusal, Suspension, User, Via
from doorward.people.sigv4 import RESERVED_PATH
from doorward.usecases.identify_caller import Tools, groups_now, identify_signed, identify_token
from tests.fakes import START, FakeClock, FakeDirectory, FakeRoles, FakeSuspensions

HUB, PROD, STRANGER = "111122223333", "777788889999", "999988887777"
ORG = "o-a1b2c3d4e5"
JANE = Person("9067-jane", "jane@acme.example", "Jane Doe", "jane@acme.example")
JOE = Person("9067-joe", "joe", "Joe", None)
OFF = Person("9067-off", "off@acme.example", "Once Here", None)
RESERVED = "AWSReservedSSO_Operator_0123456789abcdef"
RESERVED_ID, BOT_ID = "AROAIDENTITYCENTER01", "AROADEPLOYINGROLE001"
BOT = f"arn:aws:iam::{PROD}:role/deploy/DeployRole"
BOT_USER = f"arn:aws:iam::{PROD}:user/robots/bot"
PROVIDER = f"arn:aws:iam::{HUB}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"
ISSUER = "https://login.acme.example"
CLAIMS: dict[str, object] = {"iss": ISSUER, "aud": "doorward", "sub": "00u1jane", "exp": START.timestamp() + 300}


def trust(principal: object = None, **more: object) -> str:
    federated = {"Federated": PROVIDER} if principal is None else principal
    statement = {"Effect": "Allow", "Principal": federated, "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"], **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def reserved(**changes: Any) -> Role:
    path = changes.pop("path", f"{RESERVED_PATH}eu-central-1/")
    account_id = changes.pop("account_id", HUB)
    arn = f"arn:aws:iam::{account_id}:role{path}{RESERVED}"
    return Role(account_id, RESERVED, path, arn, RESERVED_ID, changes.get("trust_policy", trust()))


class World:
    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.roles = FakeRoles()
        self.roles.put(reserved())
        self.roles.put(Role(PROD, "DeployRole", "/deploy/", BOT, BOT_ID, "{}"))
        self.directory = FakeDirectory([User(JANE), User(JOE), User(OFF, enabled=False)])
        self.suspensions = FakeSuspensions()
        people = {"00u1jane": JANE.user_name, "00u1off": OFF.user_name, "x": "nobody"}
        token = TokenIssuer(ISSUER, f"{ISSUER}/keys", "doorward", people, ("bot",))
        identity = Identity("d-1", "eu-central-1", machines=(BOT, BOT_USER), tokens=(token,))
        organization = Organization(ORG, "123456789012", accounts=(Account(HUB, "hub"), Account(PROD, "prod")), identity=identity)
        self.tools = Tools(
            organization._replace(identity=identity._replace(**settings)), HUB, self.roles, self.directory, self.suspensions, self.clock
        )

    def signed(self, **changes: Any) -> Caller | Refusal:
        return identify_signed(session(**changes), self.tools)

    def token(self, **changes: Any) -> Caller | Refusal:
        claims = {**CLAIMS, **changes}
        return identify_token({name: value for name, value in claims.items() if value is not None}, self.tools)


def session(
    name: Any = JANE.user_name, role: str = RESERVED, role_id: str = RESERVED_ID, account: str = HUB, organization: str | None = ORG
) -> dict[str, Any]:
    """What API Gateway says of a role's session."""
    return {
        "accountId": account,
        "caller": f"{role_id}:{name}",
        "user": f"{role_id}:{name}",
        "userArn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        "principalOrgId": organization,
        "accessKey": "ASIAEXAMPLE",
        "sourceIp": "192.0.2.1",
        "cognitoIdentityId": None,
    }


def user(arn: str = BOT_USER, account: str = PROD) -> dict[str, Any]:
    return {"accountId": account, "caller": "AIDAROBOT00000000001", "userArn": arn, "principalOrgId": ORG}


def refused(answer: Caller | Refusal, because: str) -> None:
    assert isinstance(answer, Refusal), answer
    assert because in answer.because
    assert answer.cure.endswith(".")
    assert len(answer.cure) > 20


# People by SigV4


def test_a_session_of_identity_centers_own_role_is_exactly_the_user_whom_it_is_named_after() -> None:
    assert World().signed() == Caller(JANE, Via.SIGV4)
    assert World().signed(name="joe") == Caller(JOE, Via.SIGV4)


@pytest.mark.parametrize("organization", [None, "", "o-stranger00", "o-A1B2C3D4E5", 1])
def test_nobody_of_another_organization_or_of_none(organization: Any) -> None:
    refused(World().signed(organization=organization), "not of this organization")


def test_without_an_organization_only_listed_accounts_are_ours() -> None:
    world = World()
    world.tools = Tools(world.tools.organization._replace(id=None), HUB, world.roles, world.directory, world.suspensions, world.clock)
    assert world.signed(organization=None) == Caller(JANE, Via.SIGV4)
    refused(world.signed(account=STRANGER, organization=None), "not of this organization")
    refused(world.signed(account=STRANGER, organization=ORG), "not of this organization")


def test_only_the_roles_of_identity_accounts_make_people_and_by_default_those_are_the_hubs() -> None:
    world = World()
    world.roles.put(reserved(account_id=PROD, trust_policy=trust({"Federated": PROVIDER.replace(HUB, PROD)})))
    refused(world.signed(account=PROD), "no identity account")
    assert world.directory.looked_up == []
    named = World(accounts=(PROD,))
    named.roles.put(reserved(account_id=PROD, trust_policy=trust({"Federated": PROVIDER.replace(HUB, PROD)})))
    assert named.signed(account=PROD) == Caller(JANE, Via.SIGV4)
    refused(named.signed(), "no identity account")


def test_nobody_comes_from_an_account_from_which_identity_is_suspended() -> None:
    world = World()
    change = Suspension(HUB, "2026-11-24T09:00:00 e-1", "mallory", "mallory called UpdateSAMLProvider.", START)
    world.suspensions.suspend(change)
    answer = world.signed()
    refused(answer, "is suspended: mallory called UpdateSAMLProvider.")
    assert isinstance(answer, Refusal)
    assert "docs/runbooks/identity-suspended.md" in answer.cure
    world.suspensions.ended.add(change.change)
    assert world.signed() == Caller(JANE, Via.SIGV4)


def test_a_name_of_64_characters_may_have_been_cut_off() -> None:
    world = World()
    for length in (63, 64):
        world.directory.users.append(User(Person(f"9067-{length}", "j" * length, "J", None)))
    assert isinstance(world.signed(name="j" * 63), Caller)
    refused(world.signed(name="j" * 64), "64 characters")


def test_a_role_that_is_gone_or_was_made_anew_is_nobodys() -> None:
    world = World()
    refused(world.signed(role_id="AROAANOTHERROLE00001"), "made anew")
    refused(world.signed(role="AWSReservedSSO_Gone_0123456789abcdef"), "gone")


@pytest.mark.parametrize("path", ["/", "/aws-reserved/", "/aws-reserved/sso.amazonaws.com.evil/", "/x/aws-reserved/sso.amazonaws.com/"])
def test_whoever_calls_a_role_like_identity_centers_is_nobody(path: str) -> None:
    world = World()
    world.roles.put(reserved(path=path))
    refused(world.signed(), "is none")


@pytest.mark.parametrize(
    "policy",
    [
        trust({"AWS": f"arn:aws:iam::{HUB}:root"}, Action="sts:AssumeRole"),
        trust({"AWS": "*", "Federated": PROVIDER}),
        trust({"AWS": PROVIDER}),
        trust({"Federated": [PROVIDER, f"arn:aws:iam::{HUB}:saml-provider/mine"]}),
        trust({"Federated": f"arn:aws:iam::{PROD}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"}),
        trust({"Federated": f"arn:aws:iam::{HUB}:oidc-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"}),
        trust("*"),
        json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "sts:AssumeRole"}]}),
        '{"Version": "2012-10-17", "Statement": []}',
        "{}",
        "",
        "no policy",
    ],
)
def test_a_role_that_lets_in_others_than_identity_center_names_nobody(policy: str) -> None:
    world = World()
    world.roles.put(reserved(trust_policy=policy))
    refused(world.signed(), "is none")


def test_further_allows_count_and_denies_do_not() -> None:
    world = World()
    both = json.loads(trust())
    both["Statement"].append({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"})
    world.roles.put(reserved(trust_policy=json.dumps(both)))
    assert world.signed() == Caller(JANE, Via.SIGV4)
    both["Statement"].append({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HUB}:user/mallory"}, "Action": "sts:AssumeRole"})
    world.roles.put(reserved(trust_policy=json.dumps(both)))
    refused(world.signed(), "is none")


def test_none_several_and_switched_off_users_are_nobody() -> None:
    world = World()
    refused(world.signed(name="nobody@acme.example"), "exactly this user name")
    refused(world.signed(name=OFF.user_name), "switched off")
    world.directory.users.append(User(JANE._replace(user_id="9067-jane2")))
    refused(world.signed(), "Several users")


def test_a_user_whom_identity_center_forgives_a_letter_is_still_nobody() -> None:
    class Forgiving(FakeDirectory):
        def users_named(self, user_name: str) -> tuple[User, ...]:
            folded = unicodedata.normalize("NFKC", user_name).casefold().strip()
            return tuple(each for each in self.users if each.person.user_name.casefold() == folded)

    world = World()
    forgiving = Forgiving(list(world.directory.users))
    world.tools = Tools(world.tools.organization, HUB, world.roles, forgiving, world.suspensions, world.clock)
    assert world.signed() == Caller(JANE, Via.SIGV4)
    refused(world.signed(name="Jane@acme.example"), "exactly this user name")


# Machines by SigV4, and nobody


def test_a_named_role_and_a_named_user_are_machines_whatever_the_session_is_called() -> None:
    world = World()
    for name in ("run-7", JANE.user_name):
        assert world.signed(role="DeployRole", role_id=BOT_ID, account=PROD, name=name) == Caller(Machine(BOT), Via.SIGV4)
    assert identify_signed(user(), world.tools) == Caller(Machine(BOT_USER), Via.SIGV4)
    assert world.directory.looked_up == []


def test_a_role_or_user_that_nobody_named_is_nobody() -> None:
    world = World()
    world.roles.put(Role(PROD, "Admin", "/", f"arn:aws:iam::{PROD}:role/Admin", "AROAADMINADMIN000001", "{}"))
    refused(world.signed(role="Admin", role_id="AROAADMINADMIN000001", account=PROD), "says nothing about who opened it")
    for arn in (BOT_USER.replace("/robots", ""), BOT_USER + "2", BOT_USER.upper(), f"arn:aws:iam::{PROD}:user/jane@acme.example"):
        assert isinstance(identify_signed(user(arn), world.tools), Refusal)


def test_a_machine_is_the_very_role_that_is_named() -> None:
    world = World()
    refused(world.signed(role="DeployRole", role_id="AROAANOTHERROLE00001", account=PROD), "made anew")
    world.roles.put(Role(PROD, "DeployRole", "/", f"arn:aws:iam::{PROD}:role/DeployRole", BOT_ID, "{}"))  # of another path
    refused(world.signed(role="DeployRole", role_id=BOT_ID, account=PROD), "says nothing about who opened it")
    refused(world.signed(role="DeployRole", role_id=BOT_ID, account=HUB), "says nothing about who opened it")


def test_no_role_of_identity_center_is_ever_a_machine() -> None:
    world = World(machines=(reserved().arn,))
    assert world.signed() == Caller(JANE, Via.SIGV4)
    refused(world.signed(name="nobody"), "exactly this user name")


@pytest.mark.parametrize(
    "identity",
    [
        None,
        [],
        "x",
        {},
        {**session(), "accountId": None},
        {**session(), "accountId": "\uff11" * 12},
        {**session(), "caller": 7},
        {**session(), "caller": ""},
        {**session(), "userArn": None},
        {**session(), "userArn": "arn:aws:sts"},
        {**session(), "userArn": "x" * 5000},
        {**session(), "accountId": PROD},  # of another account than the ARN
        {**session(account=STRANGER), "accountId": HUB},
        {**user(), "userArn": f"{BOT_USER}{'x' * 3000}"},
        {**session(), "caller": f"{RESERVED_ID}:joe"},  # another session than the ARN's
        {**session(), "caller": RESERVED_ID},
        {**session(), "caller": f"AIDAIDENTITYCENTER01:{JANE.user_name}"},
        {**session(), "caller": f"aroaidentitycenter01:{JANE.user_name}"},
        {**session(), "caller": f":{JANE.user_name}"},
        session(name=""),
        session(name="a/b"),
        session(name="jane@acme.example/x"),
        session(name="jane:acme"),
        session(name="jane doe"),
        session(name="x" * 65),
        session(role=""),
        {**session(), "caller": f"AROA:{JANE.user_name}"},
        session(role="a*"),
    ],
)
def test_what_does_not_fit_together_is_nobody(identity: Any) -> None:
    world = World()
    refused(identify_signed(identity, world.tools), "cannot be made out")
    assert (world.directory.looked_up, world.roles.reads) == ([], 0)


@pytest.mark.parametrize(
    ("arn", "caller"),
    [
        (f"arn:aws:iam::{HUB}:root", HUB),
        (f"arn:aws:sts::{HUB}:federated-user/jane@acme.example", f"{HUB}:jane@acme.example"),
        (f"arn:aws:iam::{HUB}:role/{RESERVED}", RESERVED_ID),
        (f"arn:aws:s3::{HUB}:user/x", "AIDAROBOT00000000001"),
        (f"arn:aws:iam::{HUB}:user/x", "AIDAROBOT00000000001:jane"),
        (f"arn:aws:iam::{HUB}:user/x", BOT_ID),
        (f"arn:aws:iam::{HUB}:user/x", "AIDA"),
        (f"arn:aws:iam::{HUB}:user/x", "AKIAROBOT00000000001"),
    ],
)
def test_root_and_federated_users_are_nobody(arn: str, caller: str) -> None:
    identity = {"accountId": HUB, "caller": caller, "userArn": arn, "principalOrgId": ORG}
    assert isinstance(identify_signed(identity, World(machines=(arn,)).tools), Refusal)


@pytest.mark.parametrize("failure", [Unavailable("later"), Misconfigured("never")])
@pytest.mark.parametrize("where", ["roles", "directory"])
def test_what_cannot_be_read_makes_nobody_somebody(failure: DoorwardError, where: str) -> None:
    world = World()
    (world.roles if where == "roles" else world.directory).fail_next.append(failure)
    with pytest.raises(type(failure)):
        world.signed()


# Tokens


def test_a_token_of_a_mapped_subject_is_that_user_and_of_a_named_machine_that_machine() -> None:
    world = World()
    assert world.token() == Caller(JANE, Via.JWT)
    assert world.token(aud=["doorward"]) == Caller(JANE, Via.JWT)
    assert world.token(sub="bot") == Caller(Machine(f"{ISSUER} bot"), Via.JWT)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"iss": None}, "no issuer"),
        ({"iss": ISSUER + "/"}, "no issuer"),
        ({"iss": ISSUER.upper()}, "no issuer"),
        ({"iss": [ISSUER]}, "no issuer"),
        ({"aud": None}, "another audience"),
        ({"aud": "doorward2"}, "another audience"),
        ({"aud": "Doorward"}, "another audience"),
        ({"aud": ["doorward", "another"]}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": {"doorward": 1}}, "another audience"),
        ({"exp": None}, "expired"),
        ({"exp": "4102444800"}, "expired"),
        ({"exp": True}, "expired"),
        ({"exp": float("nan")}, "expired"),
        ({"exp": float("inf")}, "expired"),
        ({"exp": START.timestamp() - 60}, "expired"),
        ({"nbf": START.timestamp() + 61}, "not valid yet"),
        ({"nbf": "now"}, "not valid yet"),
        ({"nbf": True}, "not valid yet"),
        ({"sub": None}, "whose it is"),
        ({"sub": ""}, "whose it is"),
        ({"sub": ["00u1jane"]}, "whose it is"),
        ({"sub": "jane@acme.example", "email": "jane@acme.example"}, "nobody whom Doorward knows"),
        ({"sub": "00U1JANE"}, "nobody whom Doorward knows"),
        ({"sub": "00u1jane "}, "nobody whom Doorward knows"),
        ({"sub": "x"}, "exactly this user name"),
        ({"sub": "00u1off"}, "switched off"),
    ],
)
def test_a_token_that_is_not_for_us_now_of_somebody_known_is_nobodys(changes: dict[str, object], because: str) -> None:
    refused(World().token(**changes), because)


def test_clocks_may_differ_by_less_than_a_minute() -> None:
    now = START.timestamp()
    assert isinstance(World().token(exp=now - 59), Caller)
    assert isinstance(World().token(nbf=now + 60), Caller)


# Groups


def test_groups_are_read_as_they_stand_when_somebody_decides() -> None:
    groups = (Group("security", identity_center=True), Group("payments", (JANE.user_name,)), Group("audit", (JOE.user_name,)))
    world = World(groups=groups)
    world.directory.groups[JANE.user_id] = {"security", "audit", "another"}
    assert groups_now(JANE, world.tools) == frozenset({"security", "payments"})  # being in one called audit there joins nothing here
    world.directory.groups[JANE.user_id] = set()
    assert groups_now(JANE, world.tools) == frozenset({"payments"})
    world.directory.users = [User(JANE._replace(user_name="another"))]  # renamed since he was recognized
    assert groups_now(JANE, world.tools) == frozenset()
    world.directory.users = [User(JANE, enabled=False)]
    assert groups_now(JANE, world.tools) is None
    assert groups_now(JOE, world.tools) is None


# No other name is ever a person

LOOKALIKES = st.sampled_from(
    [
        JANE.user_name.upper(),
        "Jane@acme.example",
        "jane@acme.example ",
        " jane@acme.example",
        "jane@acme.example\n",
        "jane@acme.example\x00",
        "jane@acme.example\u200b",
        "jane@acme.example=01J",
        "jane@acme.example+x",
        "jane+x@acme.example",
        "jane%40acme.example",
        "j\u0430ne@acme.example",
        "\uff4aane@acme.example",
        "jane@acme\u3002example",
        "jane@acme.example.",
        "jane",
        "*",
        "jane@*",
        "?ane@acme.example",
        JANE.user_id,
        JANE.display_name,
        "joe@acme.example",
        "JOE",
        "jo",
        "",
    ]
)
NAMES = st.one_of(LOOKALIKES, st.text(max_size=70), st.text("jane@c.mpl=+,-", min_size=2, max_size=64))


@given(NAMES, st.sampled_from([HUB, PROD, STRANGER]), st.sampled_from([RESERVED, "DeployRole", "AWSReservedSSO_Other"]))
def test_no_session_name_but_exactly_one_users_own_gives_a_person(name: str, account: str, role: str) -> None:
    world = World()
    answer = world.signed(name=name, account=account, role=role, role_id=BOT_ID if role == "DeployRole" else RESERVED_ID)
    if isinstance(answer, Caller) and isinstance(answer.who, Person):
        assert (answer.who.user_name, account, role) == (name, HUB, RESERVED)
        assert name in {JANE.user_name, JOE.user_name}


SUBJECTS = st.one_of(st.text(), LOOKALIKES, st.just("00u1jane"), st.none(), st.integers(), st.lists(st.text()))


@given(SUBJECTS, st.one_of(st.just(ISSUER), st.text()))
def test_no_claim_but_a_mapped_subject_gives_a_person(subject: Any, issuer: str) -> None:
    answer = World().token(sub=subject, iss=issuer, email=JANE.user_name, preferred_username=JANE.user_name)
    if isinstance(answer, Caller) and isinstance(answer.who, Person):
        assert (subject, issuer, answer.who) == ("00u1jane", ISSUER, JANE)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=5,
)


@given(st.one_of(JSON, st.fixed_dictionaries({}, optional={"accountId": JSON, "caller": JSON, "userArn": JSON, "principalOrgId": JSON})))
def test_whatever_stands_there_is_an_answer(identity: Any) -> None:
    assert isinstance(identify_signed(identity, World().tools), Refusal)


@given(st.sampled_from(["accountId", "caller", "userArn", "principalOrgId"]), JSON)
def test_no_field_can_be_replaced(name: str, value: Any) -> None:
    identity = session()
    answer = identify_signed({**identity, name: value}, World().tools)
    assert value == identity[name] or isinstance(answer, Refusal)
