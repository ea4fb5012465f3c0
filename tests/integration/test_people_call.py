"""People of several accounts call one REST API of the hub, and its function knows who they are: what the emulator's gaps are closed for.

On an empty cloud, with echo-api.yaml instead of Doorward's own API.
"""

import json
from collections.abc import Iterator

import pytest

from doorward.aws.people import IdentityStoreDirectory
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.people.sigv4 import Admitted, Facts, LiveRole, caller_of, read_signed
from local import identity_center
from local.cloud.identity_store import STORE
from local.stack import Stack
from local.world import ANN, HUB, JANE, JOE, MANAGEMENT, ORGANIZATION, ORGANIZATION_ID, PROD, STRANGER
from tests.integration.emulated import EchoApi, allowing, echo_api, invoking, role, root_keys, root_of, trusting, user

OWN_ORGANIZATION = invoking("Allow", StringEquals={"aws:PrincipalOrgID": ORGANIZATION_ID})
EVERYBODY = invoking("Allow", "execute-api:/*/POST/open")
HUBS_APIS = f"arn:aws:execute-api:*:{HUB.id}:*"
MAY_INVOKE = allowing("execute-api:Invoke", HUBS_APIS)


@pytest.fixture(scope="module")
def api() -> Iterator[EchoApi]:
    with Stack() as stack:
        identity_center.found(stack)
        yield echo_api(stack, HUB.id, OWN_ORGANIZATION, EVERYBODY)


def who_is(api: EchoApi, keys: dict[str, str]) -> Caller | Refusal:
    """Whom Doorward takes a caller of the API for, by what API Gateway, IAM and Identity Center say of him."""
    status, answer = api.call("/signed/findings", keys)
    assert status == 200, answer
    assert f":{HUB.id}:function:" in answer["function_arn"]
    signed = read_signed(answer["event"]["requestContext"]["identity"])
    assert not isinstance(signed, Refusal), signed

    def as_it_stands(account_id: str, name: str) -> LiveRole:
        found = api.stack.client("iam", account_id).get_role(RoleName=name)["Role"]
        return LiveRole(found["Arn"], found["Path"], found["RoleId"], json.dumps(found["AssumeRolePolicyDocument"]))

    directory = IdentityStoreDirectory(lambda: api.stack.client("identitystore", MANAGEMENT.id), STORE)
    admitted = Admitted(ORGANIZATION_ID, frozenset(each.id for each in ORGANIZATION), frozenset({HUB.id}), frozenset())
    return caller_of(signed, admitted, Facts(lambda _account_id: None, as_it_stands, directory.users_named))


def test_a_person_whom_identity_center_signed_in_is_recognized(api: EchoApi) -> None:
    for person in (ANN, JANE):
        caller = who_is(api, identity_center.sign_in(api.stack, person))
        assert isinstance(caller, Caller)
        assert isinstance(caller.who, Person)
        assert (caller.who.user_name, caller.who.display_name, caller.via) == (person.user_name, person.display_name, Via.SIGV4)


def test_a_person_who_was_switched_off_is_nobody_though_his_session_goes_on(api: EchoApi) -> None:
    keys = identity_center.sign_in(api.stack, JOE)
    assert isinstance(who_is(api, keys), Caller)
    center = api.stack.client("identitystore", MANAGEMENT.id)
    named = [{"AttributePath": "UserName", "AttributeValue": JOE.user_name}]
    (joe,) = center.list_users(IdentityStoreId=STORE, Filters=named)["Users"]
    switch_off = [{"AttributePath": "UserStatus", "AttributeValue": "DISABLED"}]
    center.update_user(IdentityStoreId=STORE, UserId=joe["UserId"], Operations=switch_off)
    assert isinstance(who_is(api, keys), Refusal)


def test_whoever_only_calls_himself_so_is_nobody(api: EchoApi) -> None:
    """A session of any name, of a role called like Identity Center's; and Identity Center's own, of no identity account."""
    trust = trusting(root_of(HUB.id))
    lookalike = role(api.stack, HUB.id, trust, MAY_INVOKE, path="/aws-reserved/sso.amazonaws.com/", name="AWSReservedSSO_Security_f")
    assert isinstance(who_is(api, api.stack.assume(HUB.id, lookalike, RoleSessionName=ANN.user_name)), Refusal)
    identity_center.connect(api.stack, PROD)
    identity_center.assign(api.stack, PROD, "Developer", "execute-api:Invoke", HUBS_APIS)
    refused = who_is(api, identity_center.sign_in(api.stack, ANN, PROD, "Developer"))
    assert isinstance(refused, Refusal)
    assert "no identity account" in refused.because


def test_an_iam_user_of_another_account_calls_with_both_permissions_and_is_no_person(api: EchoApi) -> None:
    assert isinstance(who_is(api, user(api.stack, PROD.id, MAY_INVOKE)), Refusal)
    assert api.call("/signed/findings", user(api.stack, PROD.id))[0] == 403


def test_a_stranger_reaches_the_open_route_alone(api: EchoApi) -> None:
    everything = allowing("*", "*")
    named_so = role(api.stack, STRANGER.id, trusting(root_of(STRANGER.id)), everything)
    session = api.stack.assume(STRANGER.id, named_so, RoleSessionName=ANN.user_name)
    for keys in (session, user(api.stack, STRANGER.id, everything), root_keys(STRANGER.id)):
        status, answer = api.call("/signed/findings", keys)
        assert (status, "is not authorized to perform: execute-api:Invoke" in answer["Message"]) == (403, True)
    assert api.call("/signed/findings")[0] == 403
    assert api.call("/open", method="POST")[0] == 200
