"""What is told of a change whatever the roles that it touches are judged to be."""

from typing import Final

from doorward.events.hints import EVENT_NAME
from doorward.events.model import AccountTarget, Actor, Cause, Change, ProviderTarget
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity
from doorward.iam.arns import parse_role_arn
from doorward.organization.model import Organization
from doorward.people.sigv4 import RESERVED_PROVIDER

OMITTED: Final = "omitted-parameters"
PROVIDER: Final = "provider-changed"
RECREATED: Final = "role-recreated"
IDENTITY: Final = "identity-suspended"
_IDENTITY_CENTER: Final = ("/aws-service-role/sso.amazonaws.com/", "AWSServiceRoleForSSO")
_MOST_NAMED: Final = 5


def parameters_hidden(change: Change) -> Alert | None:
    """An event that does not say what it changed: CloudTrail leaves out parameters over 100 KB, and no policy needs as much.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """
    if not isinstance(change.target, AccountTarget) or change.event_name == EVENT_NAME:
        return None
    return _alert(
        change,
        OMITTED,
        Severity.CRITICAL if change.cause is Cause.TRUST else Severity.HIGH,
        "a change hides what it changed",
        f"{change.actor.name_for_people} called {change.event_name} in {change.account_id}, and the event does not say on what: its"
        " parameters were padded over what CloudTrail records, or left out.",
        "What must have changed has been looked at, and a sweep looks at every other role of the account. "
        "Ask the caller why; if nobody can say, take the access away.",
    )


def provider_changed(change: Change, trusting: list[str], organization: Organization) -> Alert | None:
    """Who changes an identity provider changes who comes in by it. Known pipelines and Identity Center itself do so by trade.

    Of Roles Anywhere that is whatever certificates are taken by: anchors, revocation lists, profiles and what is made of a subject.
    """
    actor = change.actor
    if change.cause not in {Cause.PROVIDER, Cause.ROLES_ANYWHERE} or change.event_name == EVENT_NAME:
        return None
    if organization.is_pipeline(actor.arn) or _is_identity_center(actor):
        return None
    named = ", ".join(trusting[:_MOST_NAMED]) + (f" and {len(trusting) - _MOST_NAMED} more" if len(trusting) > _MOST_NAMED else "")
    whom = f"Roles that trust it: {named}." if trusting else "No role trusts it yet."
    provider = change.target.provider_arn if isinstance(change.target, ProviderTarget) else "IAM Roles Anywhere"
    return _alert(
        change,
        PROVIDER,
        Severity.HIGH if trusting else Severity.MEDIUM,
        "an identity provider was changed",
        f"{actor.name_for_people} called {change.event_name} on {provider}. {whom}",
        "See that its issuer, audiences, certificates and metadata are those that you expect; whoever sets them decides who can sign in.",
    )


def identity_in_doubt(change: Change, identity_accounts: frozenset[str]) -> Alert | None:
    """Who changes Identity Center's SAML provider in an account can pass for everybody there. The first line that fits counts.

    | change of a SAML provider                                             | identity is |
    |-----------------------------------------------------------------------|-------------|
    | in an account that is no identity account                             | as it was   |
    | by Identity Center's own service-linked role, which makes and renews it | as it was |
    | of one that is not called `AWSSSO_…`                                  | as it was   |
    | of `AWSSSO_…`, whoever did it: known pipelines have no business there | in doubt    |
    | that does not say of which: its parameters were padded, or left out   | in doubt    |
    """
    if change.account_id not in identity_accounts or not change.event_name.endswith("SAMLProvider"):
        return None
    actor = change.actor
    if _is_identity_center(actor):
        return None
    provider = "a SAML provider that the event does not name"
    if isinstance(change.target, ProviderTarget):
        provider = change.target.provider_arn
        if not provider.partition(":saml-provider/")[2].startswith(RESERVED_PROVIDER):
            return None
    return _alert(
        change,
        IDENTITY,
        Severity.CRITICAL,
        "nobody is recognized by Identity Center's roles of an account",
        f"{actor.name_for_people} called {change.event_name} on {provider}. Whoever sets it decides who signs in as whom, so nobody from"
        f" {change.account_id} can approve anything now.",
        "See that the provider's metadata is Identity Center's own; then end the suspension, as its runbook says.",
    )


def role_recreated(change: Change, arn: str, before: str, now: str, organization: Organization) -> Alert:
    """A role of a known name with another unique id: policies that named the old one by id do not mean it, and its history is not its own.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    """
    is_known = organization.is_pipeline(change.actor.arn)
    alert = _alert(
        change,
        RECREATED,
        Severity.LOW if is_known else Severity.MEDIUM,
        "a role was made anew under an old name",
        f"{arn} is another role than before: its unique id is {now}, and was {before}.",
        "See that whoever relies on the name means the new role; its accepted trust policy counts no more.",
        key=f"{arn}/{now}",
    )
    from copy import replace

    return replace(alert, role=arn)


def _is_identity_center(actor: Actor) -> bool:
    """Its service-linked role: nobody else can make one under that path."""
    role = parse_role_arn(actor.arn)
    return role is not None and (role.path, role.name) == _IDENTITY_CENTER


def _alert(  # noqa: PLR0917 - everything that one says
    change: Change, detection: str, severity: Severity, title: str, because: str, what_to_do: str, *, key: str = ""
) -> Alert:
    return Alert(
        detection=detection,
        key=key or f"{change.account_id}/{change.event_id}",
        severity=severity,
        title=title,
        because=because,
        what_to_do=what_to_do,
        account_id=change.account_id,
        at=change.event_time,
        region=change.region or None,
        principal=change.actor.arn or change.actor.principal_id,
        events=(AlertEvent(change.event_id, change.event_name, change.event_time),),
    )
