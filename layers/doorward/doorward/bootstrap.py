"""The composition root: the only module that knows every concrete class. Nothing is built before it is needed.

Settings come from the environment that template.yaml gives each function.
"""

import json
import os
from collections.abc import Callable
from copy import replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from doorward.aws.clock import SystemClock
from doorward.aws.ledger import DynamoLedger
from doorward.errors import Misconfigured

if TYPE_CHECKING:
    from doorward.aws.announcing import EventBridgeBus
    from doorward.aws.audit import DynamoAudit
    from doorward.aws.customer_functions import CustomerFunction
    from doorward.aws.inventory import DynamoInventory
    from doorward.aws.members import Members
    from doorward.aws.questions import DynamoQuestions
    from doorward.aws.sessions import DynamoSessions
    from doorward.decisions.model import Question, Ways
    from doorward.events.model import Change
    from doorward.grants.model import Entitlements
    from doorward.guard.signing_secret import SigningSecret
    from doorward.guardrails.model import Guardrails, Role
    from doorward.organization.model import Contact, Identity, Organization
    from doorward.people.model import Caller, Person, Refusal
    from doorward.ports.announcing import Channel, DeadLetters
    from doorward.ports.audit import Seals
    from doorward.ports.beats import Beats
    from doorward.ports.brakes import BrakesStore
    from doorward.ports.containment import Containment
    from doorward.ports.cuts import Cuts
    from doorward.ports.evidence import Evidence
    from doorward.ports.facts import RolePages
    from doorward.ports.grant_roles import GrantRoles
    from doorward.ports.grants import Broker, Executions, Grants, TokenSeals
    from doorward.ports.hints import Hints
    from doorward.ports.on_call import OnCall
    from doorward.ports.organization import OrganizationStore, Refreshes
    from doorward.ports.people import SigningKeys
    from doorward.ports.rates import Rates
    from doorward.ports.repeats import Repeats
    from doorward.ports.reporting import Reporter
    from doorward.ports.slack import Links
    from doorward.ports.suspensions import Suspensions
    from doorward.ports.sweeps import Sweeps
    from doorward.ports.tickets import Tickets
    from doorward.slack.web import SlackWeb
    from doorward.usecases import (
        answer_slack,
        check_installation,
        decide,
        grant_facts,
        grant_standing,
        identify_caller,
        issue_credentials,
        link_slack,
        list_entitlements,
        list_findings,
        mint_credentials,
        notify_people,
        receive_slack,
        reconcile_grants,
        refresh_organization,
        report_grants,
        send_heartbeats,
        sweep_account,
        watch_guard,
        watch_session,
    )
    from doorward.usecases.known_organization import KnownOrganization
    from doorward.usecases.reaction import Tools


def reaction_tools() -> "Tools":
    """For react_to_change, with the organization as it is known now."""
    from doorward.usecases.membership import admit

    organization = known_organization().organization()
    return replace(
        _reaction_tools(),
        organization=organization,
        admit=lambda change: admit(change, organization, organization_store(), refreshes()),
    )


@cache
def _reaction_tools() -> "Tools":
    from doorward.aws.roles import StsRoles
    from doorward.usecases.reaction import Tools

    organization = configured_organization()
    clock = SystemClock()
    return Tools(
        roles=StsRoles(members(organization.partition)),
        ledger=ledger(),
        clock=clock,
        organization=organization,
        guardrails=_guardrails(),
        organization_hash=_organization_hash(),
        read_delays_seconds=_seconds("READ_DELAYS_SECONDS"),
        events_take=timedelta(seconds=int(_setting("EVENTS_TAKE_SECONDS"))),
        beats=beats,
        sweeps=sweeps,
        hints=hints,
        brakes=_brakes,
        cuts=lambda: _cuts(organization.partition),
        edges=lambda role_ref: _sessions().edges(role_ref),
        calls=_sessions,
        containment=lambda: _containment(organization),
        questions=questions,
        admit=lambda _change: None,
        suspend=lambda change: _suspend_identity(change, organization),
        confirm=_confirm,
    )


def _confirm(question: "Question") -> "Question":
    from doorward.usecases.decide import looked_at_again

    return looked_at_again(question, decision_tools())


def _suspend_identity(change: "Change", organization: "Organization") -> bool:
    from doorward.usecases.suspend_identity import suspend_identity

    return suspend_identity(change, organization, _setting("HUB_ACCOUNT"), suspensions(), ledger(), SystemClock())


def token_tools() -> "tuple[Identity, SigningKeys, datetime]":
    """For authorize_token. Whose tokens count stands in the file alone."""
    return configured_organization().identity, _signing_keys(), clock().now()


@cache
def _signing_keys() -> "SigningKeys":
    from doorward.web.signing_keys import HttpsSigningKeys

    return HttpsSigningKeys(clock())


def identify_tools() -> "identify_caller.Tools":
    """For identify_caller, with the organization as it is known now."""
    from doorward.aws.people import IdentityStoreDirectory
    from doorward.aws.roles import StsRoles
    from doorward.usecases.identify_caller import Tools

    organization = known_organization().organization()
    entering, identity = members(organization.partition), organization.identity
    directory = IdentityStoreDirectory(
        lambda: entering.reader("identitystore", organization.management_account or "", identity.region), identity.store
    )
    return Tools(organization, _setting("HUB_ACCOUNT"), StsRoles(entering), directory, suspensions(), clock())


def admit(context: object) -> "Caller | Refusal":
    """For serve_api: who calls. Raises TooOften, Unavailable, Misconfigured."""
    from doorward.usecases.serve_api import admit_caller

    return admit_caller(context, identify_tools(), _rates())


@cache
def _rates() -> "Rates":
    from doorward.aws.rates import DynamoRates

    return DynamoRates(client("dynamodb"), _setting("LEDGER_TABLE"), clock())


def issue_tools() -> "issue_credentials.Tools":
    """For serve_api. What stands of a grant is looked up each time."""
    from doorward.usecases.grant_standing import agreement_now
    from doorward.usecases.issue_credentials import Tools

    granting = grant_tools()
    return Tools(
        grants=granting.grants,
        broker=_broker(),
        rates=_rates(),
        found=lambda grant: agreement_now(grant, granting),
        new_id=granting.new_id,
        clock=granting.clock,
    )


@cache
def _broker() -> "Broker":
    import boto3

    from doorward.aws.broker import ASKED_ONCE, LambdaBroker

    return LambdaBroker(boto3.client("lambda", config=ASKED_ONCE), _setting("BROKER"))


@cache
def mint_tools() -> "mint_credentials.Tools":
    """For mint_credentials."""
    import boto3

    from doorward.aws.broker import IN_TIME, StsGrantSessions
    from doorward.aws.sign_in import SignInEndpoint
    from doorward.usecases.mint_credentials import Tools

    sessions = StsGrantSessions(boto3.client("sts", config=IN_TIME), _external_id(), SignInEndpoint(_setting("FEDERATION_URL")))
    return Tools(grants(), sessions, entitlements(), clock())


def fact_tools() -> "grant_facts.Tools":
    """What is asked for grants is judged by, with the organization as it is known now."""
    from doorward.usecases.grant_facts import Tools

    people = identify_tools()
    return Tools(
        organization=people.organization,
        entitlements=entitlements(),
        directory=people.directory,
        roles=people.roles,
        clock=people.clock,
        on_call=_on_call(),
        tickets=_tickets(),
        unknown=_told_unknown,
    )


def grant_tools() -> "grant_standing.Tools":
    """For whatever has to do with grants, with the organization as it is known now. People, roles and rosters are looked up each time."""
    from doorward.aws.metrics import emit
    from doorward.usecases.grant_facts import asker_of, facts_of, voter_of
    from doorward.usecases.grant_standing import Tools

    known = fact_tools()

    def account_name(account_id: str) -> str | None:
        account = known.organization.account(account_id)
        return None if account is None else account.name

    return Tools(
        grants=grants(),
        questions=questions(),
        entitlements=known.entitlements,
        asker=lambda user_id: asker_of(user_id, known),
        voter=lambda user_id: voter_of(user_id, known),
        facts=lambda request, asker: facts_of(request, asker, known),
        ways=lambda: _ways(known.organization),
        account_name=account_name,
        announce=ledger().announce,
        new_id=new_grant_id,
        rates=_rates(),
        clock=known.clock,
        measure=emit,
    )


def offer_tools() -> "list_entitlements.Tools":
    """For serve_api and answer_slack: what somebody may ask for."""
    from doorward.usecases.list_entitlements import Tools

    return Tools(fact_tools(), grant_roles())


def report_tools() -> "report_grants.Tools":
    """For serve_api."""
    from doorward.usecases.report_grants import Tools

    people = identify_tools().directory

    def name_of(user_id: str) -> str | None:
        person = people.user(user_id)
        return None if person is None else person.user_name

    return Tools(grant_tools(), name_of, _setting("AWS_REGION"))


def reconcile_tools(within: timedelta) -> "reconcile_grants.Tools":
    """For reconcile_grants, with the organization as it is known now. `within`: how long there is to look at grants."""
    from doorward.aws.grant_roles import IamGrantRoles
    from doorward.aws.wakes import SqsWakes
    from doorward.guardrails.grant_roles import grant_role_drift
    from doorward.guardrails.rules import GRANT_ROLE_DRIFT
    from doorward.guardrails.setting import setting_of
    from doorward.usecases.reconcile_grants import Tools

    tools, organization, guardrails = grant_tools(), known_organization().organization(), _guardrails()

    def drift(role: "Role") -> str:
        if not guardrails.is_enabled(GRANT_ROLE_DRIFT.id):
            return ""
        found = grant_role_drift(setting_of(role, organization, guardrails, strict=False), role)
        return "" if found is None else found.because

    return Tools(
        grants=tools,
        organization=organization,
        executions=executions(),
        wakes=SqsWakes(client("sqs"), _setting("GRANT_QUEUE_URL")),
        accounts=IamGrantRoles(members(organization.partition)),
        known=grant_roles(),
        hints=hints(),
        drift=drift,
        ledger=ledger(),
        until=tools.clock.now() + within,
    )


@cache
def grant_roles() -> "GrantRoles":
    from doorward.aws.grant_roles import DynamoGrantRoles

    return DynamoGrantRoles(client("dynamodb"), _setting("FACTS_TABLE"))


def new_grant_id() -> str:
    import secrets

    from doorward.grants.names import grant_id_of

    return grant_id_of(clock().now(), secrets.token_bytes(10))


@cache
def grants() -> "Grants":
    from doorward.aws.grants import DynamoGrants

    return DynamoGrants(client("dynamodb"), _setting("GRANTS_TABLE"), questions(), ledger(), audit())


@cache
def token_seals() -> "TokenSeals":
    """For keep_token, which only seals, and wake_grant, which only opens."""
    from doorward.aws.grants import KmsTokenSeals

    return KmsTokenSeals(client("kms"), _setting("GRANTS_KEY"))


@cache
def executions() -> "Executions":
    """For wake_grant and reconcile_grants."""
    from doorward.aws.grants import StepFunctionsExecutions

    return StepFunctionsExecutions(client("stepfunctions"), _setting("GRANT_STATE_MACHINE"))


@cache
def entitlements() -> "Entitlements":
    from doorward.grants.parsing import entitlements_from

    return entitlements_from(configuration("entitlements"))


@cache
def _on_call() -> "OnCall | None":
    from doorward.aws.customer_functions import FunctionOnCall

    function = _customer_function("ON_CALL_FUNCTION")
    return None if function is None else FunctionOnCall(function)


@cache
def _tickets() -> "Tickets | None":
    from doorward.aws.customer_functions import FunctionTickets

    function = _customer_function("TICKET_FUNCTION")
    return None if function is None else FunctionTickets(function)


def _customer_function(name: str) -> "CustomerFunction | None":
    """None where this installation has none."""
    import boto3

    from doorward.aws.customer_functions import AT_ONCE, CustomerFunction, region_of

    arn = os.environ.get(name, "")
    if not arn:
        return None
    return CustomerFunction(boto3.client("lambda", region_name=region_of(arn, _setting("AWS_REGION")), config=AT_ONCE), arn)


def _told_unknown(error: Exception) -> None:
    from aws_lambda_powertools import Logger

    Logger().warning("A fact could not be looked up", reason=str(error))


@cache
def repeats() -> "Repeats":
    """For serve_api."""
    from doorward.aws.repeats import DynamoRepeats

    return DynamoRepeats(client("dynamodb"), _setting("LEDGER_TABLE"))


def groups_now() -> "Callable[[Person], frozenset[str] | None]":
    """For serve_api: the groups that somebody is in at this moment."""
    from doorward.usecases.identify_caller import groups_now

    tools = identify_tools()
    return lambda person: groups_now(person, tools)


def finding_tools() -> "list_findings.Tools":
    """For serve_api, with the organization as it is known now."""
    from doorward.usecases.list_findings import Tools

    return Tools(ledger(), questions(), known_organization().organization())


def role_by_ref() -> "Callable[[str], Role | None]":
    """For serve_api: a role of an account of ours, as it stands."""
    people = identify_tools()

    def read(role_ref: str) -> "Role | None":
        account_id, _, name = role_ref.partition("/")
        return None if people.organization.account(account_id) is None else people.roles.read(account_id, name)

    return read


def decision_tools() -> "decide.Tools":
    """For serve_api and answer_slack. People are looked up anew for each decision."""
    from doorward.usecases.decide import Standing, Tools
    from doorward.usecases.identify_caller import configured_groups
    from doorward.usecases.who_is_behind import who_is_behind

    people = identify_tools()

    def standing(user_id: str) -> Standing | None:
        person = people.directory.user(user_id)
        return None if person is None else Standing(person.user_name, configured_groups(person, people.organization, people.directory))

    return Tools(
        ledger=ledger(),
        questions=questions(),
        hints=hints(),
        clock=clock(),
        organization=people.organization,
        guardrails=_guardrails(),
        standing=standing,
        behind=lambda actor: who_is_behind(actor, people.organization, people.directory),
        ways=lambda: _ways(people.organization),
    )


def _ways(organization: "Organization") -> "Ways":
    """By Slack where its calls can be verified. What was said before the last suspension, somebody else may have said."""
    from doorward.decisions.model import EVER
    from doorward.people.model import BY_SLACK, Via

    suspended = (suspensions().last(each) for each in organization.identity.accounts_of(_setting("HUB_ACCOUNT")))
    ways = {Via.SIGV4: max((each.at for each in suspended if each is not None), default=EVER)}
    if organization.identity.tokens:
        ways[Via.JWT] = EVER
    if os.environ.get("DECIDE_BY_SLACK") == "true":
        last = suspensions().last(BY_SLACK)
        if last is None or not last.stands:
            ways[Via.SLACK] = EVER if last is None else last.at
    return ways


def link_tools() -> "link_slack.Tools":
    """For serve_api and answer_slack."""
    import secrets

    from doorward.people.model import Via
    from doorward.usecases.link_slack import Tools

    people = identify_tools()
    return Tools(
        links=_slack_links(),
        person=people.directory.user,
        new_code=lambda: secrets.token_hex(16),
        counts=lambda: Via.SLACK in _ways(people.organization),
        clock=clock(),
        hub_account=_setting("HUB_ACCOUNT"),
    )


@cache
def _slack_links() -> "Links":
    from doorward.aws.slack_links import DynamoSlackLinks

    return DynamoSlackLinks(client("dynamodb"), _setting("LEDGER_TABLE"), ledger(), audit())


def _slack_users(person_id: str) -> "tuple[str, ...]":
    """None where nobody can be linked."""
    if os.environ.get("DECIDE_BY_SLACK") != "true":
        return ()
    return tuple(each.user.user_id for each in _slack_links().links_of(person_id))


def answer_tools() -> "answer_slack.Tools":
    """For answer_slack."""
    from doorward.slack.desk import SlackDesk
    from doorward.usecases import ask_by_slack
    from doorward.usecases.answer_slack import Tools
    from doorward.usecases.list_entitlements import all_offers

    desk = SlackDesk(_slack_web())
    asking = ask_by_slack.Tools(lambda person: all_offers(person.user_id, offer_tools()), grant_tools(), desk)
    return Tools(link_tools(), decision_tools(), role_by_ref(), desk, asking)


def receive_tools() -> "receive_slack.Tools":
    """For receive_slack."""
    from doorward.aws.slack import DynamoNonces, SqsInteractions
    from doorward.slack.forms import answer_to_call
    from doorward.slack.interactions import interaction_as_text, parse_call
    from doorward.usecases.receive_slack import Tools

    five_minutes = int(clock().now().timestamp()) // 300
    return Tools(
        secret=lambda: _read_signing_secret(five_minutes),
        teams=tuple(each for each in os.environ.get("SLACK_TEAMS", "").split(",") if each),
        parse=parse_call,
        answer=answer_to_call,
        nonces=DynamoNonces(client("dynamodb"), _setting("LEDGER_TABLE")),
        interactions=SqsInteractions(client("sqs"), _setting("SLACK_QUEUE_URL"), interaction_as_text),
        clock=clock(),
    )


@lru_cache(maxsize=1)
def _read_signing_secret(_five_minutes: int) -> str:
    """Read anew every five minutes, so that one that was made anew in Slack soon counts. "" where this installation has none."""
    from doorward.aws.secrets import secret_reader

    secret_id = os.environ.get("SLACK_SIGNING_SECRET", "")
    return secret_reader(lambda: client("secretsmanager"), secret_id)() if secret_id else ""


@cache
def suspensions() -> "Suspensions":
    from doorward.aws.suspensions import DynamoSuspensions

    return DynamoSuspensions(client("dynamodb"), _setting("LEDGER_TABLE"))


@cache
def _cuts(partition: str) -> "Cuts":
    from doorward.aws.cuts import IamCuts

    return IamCuts(members(partition))


@cache
def questions() -> "DynamoQuestions":
    from doorward.aws.questions import DynamoQuestions

    return DynamoQuestions(client("dynamodb"), _setting("LEDGER_TABLE"), ledger(), audit())


def _containment(organization: "Organization") -> "Containment | None":
    if _setting("CONTAIN_AUTHORS") != "true" or organization.management_account is None:
        return None
    from doorward.aws.containment import LambdaContainment

    return LambdaContainment(members(organization.partition), organization.management_account)


def tell_stop(scope: str, change_id: str) -> bool:
    """For publish_outbox, which sees the ledger's stream."""
    from doorward.usecases.tell_stop import tell_stop

    return tell_stop(scope, change_id, _brakes(), ledger(), SystemClock(), _setting("HUB_ACCOUNT"))


def tell_suspension_ended(scope: str, change_id: str) -> bool:
    """For publish_outbox, which sees the ledger's stream."""
    from doorward.usecases.tell_suspension_ended import tell_suspension_ended

    return tell_suspension_ended(scope, change_id, suspensions(), ledger(), SystemClock(), _setting("HUB_ACCOUNT"))


@cache
def _brakes() -> "BrakesStore":
    from doorward.aws.brakes import DynamoBrakes

    return DynamoBrakes(client("dynamodb"), _setting("LEDGER_TABLE"), SystemClock())


@cache
def members(partition: str) -> "Members":
    """The way into the accounts, for every function that enters them."""
    from doorward.aws.members import Members

    return Members(client("sts"), _external_id(), SystemClock(), partition)


@cache
def _external_id() -> "Callable[[], str]":
    from doorward.aws.secrets import secret_reader

    return secret_reader(lambda: client("secretsmanager"), _setting("EXTERNAL_ID_SECRET"))


@cache
def configured_organization() -> "Organization":
    """What config/organization.yaml says, and where this runs, as far as the function is told."""
    from doorward.organization.parsing import organization_from

    return organization_from(configuration("organization"))._replace(hub_account=os.environ.get("HUB_ACCOUNT"))


@cache
def organization_store() -> "OrganizationStore":
    from doorward.aws.organization_facts import DynamoOrganizationStore

    return DynamoOrganizationStore(client("dynamodb"), _setting("FACTS_TABLE"))


@cache
def known_organization() -> "KnownOrganization":
    """The file and what AWS Organizations says, for every function: ask it anew for each event."""
    from doorward.usecases.known_organization import KnownOrganization

    return KnownOrganization(configured_organization(), organization_store(), SystemClock())


def refresh_tools() -> "refresh_organization.Tools":
    """For refresh_organization."""
    from doorward.aws.directory import OrganizationsDirectory
    from doorward.usecases.refresh_organization import Tools

    configured = configured_organization()
    clock = SystemClock()
    return Tools(
        directory=OrganizationsDirectory(
            lambda: members(configured.partition).reader("organizations", configured.management_account or ""), clock
        ),
        store=organization_store(),
        refreshes=refreshes(),
        ledger=ledger(),
        clock=clock,
        configured=configured,
        hub_account=_setting("HUB_ACCOUNT"),
        hints=hints(),
        inventory=inventory(),
        sweeps=sweeps(),
    )


def heartbeat_tools() -> "send_heartbeats.Tools":
    """For send_heartbeats, with the organization as it is known now."""
    import secrets

    from doorward.aws.canaries import StsCanaries
    from doorward.usecases.send_heartbeats import Tools

    home = _setting("AWS_REGION")
    return Tools(
        beats=beats(),
        canaries=StsCanaries(_members_in, home),
        ledger=ledger(),
        sweeps=sweeps(),
        refreshes=refreshes(),
        clock=SystemClock(),
        organization=known_organization().organization(),
        facts=known_organization().facts(),
        hub_account=_setting("HUB_ACCOUNT"),
        home=home,
        every_seconds=60 * int(_setting("HEARTBEAT_MINUTES")),
        new_nonce=lambda: secrets.token_hex(8),
    )


@cache
def refreshes() -> "Refreshes":
    from doorward.aws.refreshes import SqsRefreshes

    return SqsRefreshes(client("sqs"), _setting("ORGANIZATION_QUEUE_URL"))


@cache
def hints() -> "Hints":
    from doorward.aws.hints import SqsHints

    return SqsHints(client("sqs"), _setting("HINT_QUEUE_URL"))


@cache
def sweeps() -> "Sweeps":
    from doorward.aws.sweeps import StepFunctionsSweeps

    return StepFunctionsSweeps(client("stepfunctions"), _setting("SWEEP_ARN"))


@cache
def inventory() -> "DynamoInventory":
    from doorward.aws.inventory import DynamoInventory

    return DynamoInventory(client("dynamodb"), _setting("FACTS_TABLE"))


def sweep_tools(request: object = None) -> "sweep_account.Tools":
    """For sweep_account, with the organization as it is known now, and with the account that is asked for, which may just have joined."""
    from doorward.usecases.sweep_account import Tools

    organization = known_organization().organization(request.get("account_id") if isinstance(request, dict) else None)
    return Tools(
        pages=_role_pages(organization.partition),
        inventory=inventory(),
        hints=hints(),
        expectations=_sessions(),
        clock=SystemClock(),
        organization=organization,
        ledger=ledger(),
        guardrails=_guardrails(),
        organization_hash=_organization_hash(),
    )


@cache
def _organization_hash() -> str:
    from doorward.organization.parsing import configuration_hash

    return configuration_hash(configuration("organization"))


@cache
def _guardrails() -> "Guardrails":
    from doorward.guardrails.parsing import guardrails_from

    return guardrails_from(configuration("guardrails"))


@cache
def _sessions() -> "DynamoSessions":
    from doorward.aws.sessions import DynamoSessions

    return DynamoSessions(client("dynamodb"), _setting("SESSIONS_TABLE"), SystemClock())


@cache
def _role_pages(partition: str) -> "RolePages":
    from doorward.aws.inventory import IamPages
    from doorward.aws.members import ONE_TRY, Members

    return IamPages(Members(client("sts"), _external_id(), SystemClock(), partition, ONE_TRY))


@cache
def beats() -> "Beats":
    from doorward.aws.beats import DynamoBeats

    return DynamoBeats(client("dynamodb"), _setting("FACTS_TABLE"), SystemClock())


@cache
def _members_in(region: str) -> "Members":
    """The way in by the STS endpoint of a region: an event of the session arises there."""
    import boto3

    from doorward.aws.members import Members

    return Members(boto3.client("sts", region_name=region), _external_id(), SystemClock(), configured_organization().partition)


def guard_tools() -> "watch_guard.Tools":
    """For watch_guard, with the organization as it is known now."""
    return replace(_guard_tools(), organization=known_organization().organization())


@cache
def _guard_tools() -> "watch_guard.Tools":
    from doorward.guard.ours import Ours
    from doorward.usecases.watch_guard import Tools

    identifiers = frozenset(each for each in os.environ.get("GUARDED_IDENTIFIERS", "").split(",") if each)
    return Tools(
        ledger=ledger(),
        clock=SystemClock(),
        organization=configured_organization(),
        ours=Ours(_setting("HUB_ACCOUNT"), _setting("HUB_STACK"), identifiers),
        suspensions=suspensions(),
        secret=_signing_secret(),
    )


def _signing_secret() -> "SigningSecret | None":
    from doorward.guard.signing_secret import SigningSecret

    arn = os.environ.get("SLACK_SIGNING_SECRET", "")
    return SigningSecret(arn, _setting("SLACK_READER_ROLE"), _setting("SLACK_READER")) if arn else None


def session_tools() -> "watch_session.Tools":
    """For watch_session, with the organization as it is known now."""
    return replace(_session_tools(), organization=known_organization().organization())


@cache
def _session_tools() -> "watch_session.Tools":
    from doorward.sessions.model import Hub
    from doorward.usecases.watch_session import Tools

    named = (each.split("=", 1) for each in _setting("ENTERING_ROLES").split(","))
    return Tools(
        sessions=_sessions(),
        ledger=ledger(),
        beats=beats(),
        clock=SystemClock(),
        organization=configured_organization(),
        store=organization_store(),
        refreshes=refreshes(),
        hub=Hub(_setting("HUB_ACCOUNT"), {role_id: name for name, role_id in named}),
    )


def installation_tools() -> "check_installation.Tools":
    """For check_installation, with the organization as it is known now."""
    from doorward.aws.installation import AwsInstallation
    from doorward.aws.roles import StsRoles
    from doorward.iam.arns import IAM_REGIONS
    from doorward.usecases.check_installation import Tools

    organization, facts = known_organization().organization(), known_organization().facts()
    installation = AwsInstallation(
        members(organization.partition),
        (client("events"), client("lambda"), client("sqs")),
        _setting("HUB_ACCOUNT"),
        organization.management_account,
        IAM_REGIONS[organization.partition],
        _setting("HUB_STACK"),
        tuple(_setting("LISTENING_RULES").split(",")),
        tuple(_setting("OTHER_RULES").split(",")),
        dict(each.split("=", 1) for each in _setting("QUEUES").split(",")),
        lambda: None if facts is None else facts.read_at,
    )
    return Tools(installation, StsRoles(members(organization.partition)), organization, SystemClock())


@cache
def ledger() -> DynamoLedger:
    return DynamoLedger(client("dynamodb"), _setting("LEDGER_TABLE"), _setting("BASELINES_TABLE"), SystemClock())


@cache
def evidence() -> "Evidence":
    from doorward.aws.evidence import S3Evidence

    return S3Evidence(client("s3"), _setting("EVIDENCE_BUCKET"), client("dynamodb"), _setting("LEDGER_TABLE"), clock())


@cache
def audit() -> "DynamoAudit":
    from doorward.aws.audit import DynamoAudit

    return DynamoAudit(client("dynamodb"), _setting("AUDIT_TABLE"))


@cache
def seals() -> "Seals":
    from doorward.aws.audit import AwsSeals

    clients = (client("dynamodb"), client("s3"), client("kms"))
    return AwsSeals(clients, _setting("AUDIT_TABLE"), _setting("EVIDENCE_BUCKET"), _setting("AUDIT_KEY"))


@cache
def clock() -> SystemClock:
    return SystemClock()


@cache
def reporters() -> "tuple[Reporter, ...]":
    """OCSF on the bus always; Security Hub where that is asked for."""
    from doorward.aws.reporting import OcsfOnTheBus, SecurityHubFindings
    from doorward.findings.asff import Hub

    region = _setting("AWS_REGION")
    on_the_bus = OcsfOnTheBus(bus(), region)
    if _setting("SECURITY_HUB") != "true":
        return (on_the_bus,)
    return (on_the_bus, SecurityHubFindings(client("securityhub"), Hub(_setting("HUB_ACCOUNT"), region, _setting("PARTITION"))))


@cache
def bus() -> "EventBridgeBus":
    from doorward.aws.announcing import EventBridgeBus

    return EventBridgeBus(client("events"), _setting("BUS_NAME"))


def notify_tools() -> "notify_people.Tools":
    """For notify_people, with the organization as it is known now.

    Everybody is told by SNS always, and by Slack where a channel and the secret with its token are set.
    """
    return replace(_notify_tools(), organization=known_organization().organization())


@cache
def _notify_tools() -> "notify_people.Tools":
    from doorward.aws.announcing import SnsTopic
    from doorward.aws.notices import DynamoNotices
    from doorward.usecases.notify_people import Tools

    slack_channel = os.environ.get("SLACK_CHANNEL", "")
    topic = SnsTopic(client("sns"), _setting("TOPIC_ARN"), "sns")
    return Tools(
        channels=(topic, _slack(slack_channel, "slack")) if slack_channel else (topic,),
        reach=_reach,
        organization=configured_organization(),
        outbox=ledger(),
        notices=DynamoNotices(client("dynamodb"), _setting("LEDGER_TABLE"), clock()),
        clock=clock(),
        slack_users=_slack_users,
    )


def _reach(contact: "Contact") -> "Channel":
    from doorward.aws.announcing import SnsTopic

    if contact.topic:
        return SnsTopic(client("sns"), contact.topic)
    if not os.environ.get("SLACK_CHANNEL"):
        raise Misconfigured(f"{contact.slack} is a Slack id, and this installation has no Slack: set SlackChannel and SlackTokenSecretArn")
    return _slack(contact.slack)


def _slack(channel: str, name: str = "") -> "Channel":
    from doorward.slack.channel import SlackChannel

    return SlackChannel(_slack_web(), channel, name, decides=os.environ.get("DECIDE_BY_SLACK") == "true")


@cache
def _slack_web() -> "SlackWeb":
    from doorward.aws.secrets import secret_reader
    from doorward.slack.web import SlackWeb

    token = secret_reader(lambda: client("secretsmanager"), _setting("SLACK_TOKEN_SECRET"))
    return SlackWeb(_setting("SLACK_API_URL").rstrip("/"), token)


@cache
def dead_letters() -> "DeadLetters":
    from doorward.aws.announcing import SqsDeadLetters

    return SqsDeadLetters(client("sqs"), _setting("DEAD_LETTERS_URL"))


@cache
def client(service: str) -> Any:
    """A client of this function's own role, made once per execution environment."""
    import boto3

    return boto3.client(service)  # type: ignore[call-overload]


def configuration(name: str) -> Any:
    """The reviewed policy files, put beside this module as JSON when the layer was built (`make build`).

    Raises Misconfigured where they are not there.
    """
    resource = files("doorward") / "configuration" / f"{name}.json"
    try:
        return json.loads(resource.read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"configuration/{name}.json is not in the layer: build with `make build`, then deploy again") from None


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Misconfigured(f"the environment variable {name} is not set: deploy template.yaml as it is")
    return value


def _seconds(name: str) -> tuple[float, ...]:
    text = _setting(name)
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise Misconfigured(f"{name} must be seconds separated by commas, such as 1,2,4, not {text!r}") from None
