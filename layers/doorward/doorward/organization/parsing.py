"""The organization file as values: from JSON data that the build wrote, or that the command line read from YAML.

Lambda has neither a YAML parser nor jsonschema, so this is complete by itself: what the JSON Schema refuses is refused here, too, at the
first fault. `doorward_cli.configuration` says all faults at once, with file and line.
"""

import json
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NoReturn

from doorward.errors import Misconfigured
from doorward.iam.arns import is_account_id
from doorward.organization.model import (
    EVERYBODY,
    ON_CALL,
    Account,
    Author,
    Contact,
    Group,
    Identity,
    Match,
    Networks,
    Notifications,
    Organization,
    Owner,
    Pipeline,
    Route,
    TokenIssuer,
    TrustedAccount,
    TrustedIssuer,
)

MANAGEMENT_NAME = "management"
"""What the management account is called where the file lists it nowhere among `accounts`."""

# The same patterns as in schemas/organization.schema.json.
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9]{1,32}")
_ORG_PATH = re.compile(r"o-[a-z0-9]{1,32}/r-[0-9a-z]{1,32}/(?:ou-[0-9a-z-]+/)*")
_OU = re.compile(r"/.*", re.DOTALL)
_ISSUER = re.compile(r"(?![a-zA-Z]+://)\S+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+")
_SAML_PROVIDER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:saml-provider/.+")
_SLACK = re.compile(r"[CDGUW][A-Z0-9]{8,20}")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:doorward-people-[A-Za-z0-9_-]+")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|\*):(?:user|role)/.+")
_MACHINE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(?:user|role)/(?!.*AWSReservedSSO_)[^*?]+")
_STORE = re.compile(r"d-[0-9a-f]{10}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]")
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?")
_SEVERITIES = ("critical", "high", "medium", "low", "info")
_DIGESTED_BELOW = ("high", "medium", "low", "info")
_MOST_GROUP_MINUTES = 24 * 60
_OF_AN_AUTHOR = ("owner", "principal", "permission_set")
_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"})


def organization_from(data: object) -> Organization:
    """Read the org file's form (docs/contracts.md, "Org file"). An empty object: nothing is ours.

    The management account belongs to the organization whether it is listed or not. Raises Misconfigured, naming the field.
    """
    fields = Fields(data, "")
    accounts = fields.objects("accounts", _account)
    trusted = fields.object("trusted")
    networks = fields.object("networks")
    organization = Organization(
        id=fields.matching("organization", _ORGANIZATION_ID, "the organization's id, o-…") or None,
        management_account=fields.account_or_none("management_account"),
        partition=fields.text("partition", "aws"),
        accounts=accounts,
        trusted_accounts=trusted.objects("accounts", _trusted_account),
        oidc=trusted.objects("oidc", _issuer),
        saml=trusted.objects("saml", _saml_provider),
        services=trusted.texts("services"),
        cognito=trusted.texts("cognito"),
        roles_anywhere=trusted.texts("roles_anywhere"),
        pipelines=fields.objects("pipelines", _pipeline),
        authors=fields.objects("authors", _author),
        networks=Networks(networks.texts("cidrs"), networks.texts("vpcs"), networks.texts("vpce")),
        break_glass=fields.texts("break_glass"),
        identity=_identity(fields.object("identity")),
        notifications=_notifications(fields.object("notifications")),
    )
    for each in (networks, trusted, fields):
        each.refuse_others()
    if organization.partition not in _PARTITIONS:
        fields.refuse("partition", f"must be one of {', '.join(sorted(_PARTITIONS))}")
    if not all(map(_ROLE.fullmatch, organization.break_glass)):
        fields.refuse("break_glass", "must be a list of ARNs of roles, arn:aws:iam::ACCOUNT:role/NAME")
    return _with_management(_consistent(organization))


def _account(fields: "Fields") -> Account:
    return Account(
        id=fields.account("id"),
        name=fields.text("name", ""),
        ou=fields.matching("ou", _OU, "a path of OU names from the root, /workloads/prod"),
        org_path=fields.matching("org_path", _ORG_PATH, "a path as in aws:PrincipalOrgPaths, with the last slash"),
        tags=fields.mapping("tags", Fields.text_or_empty),
        owner=_owner(fields),
    )


def _owner(fields: "Fields") -> Owner | None:
    owner = fields.object("owner")
    if "owner" not in fields.names:
        return None
    found = Owner(owner.text("name"), _contact(owner))
    owner.refuse_others()
    return found


def _contact(fields: "Fields") -> Contact:
    slack = fields.matching("slack", _SLACK, "a Slack id of a channel (C…, G…) or a user (U…, W…)")
    topic = fields.matching("topic", _TOPIC, "the ARN of a topic of the hub account, named doorward-people-…")
    if bool(slack) is bool(topic):
        fields.refuse("slack", "needs this or `topic`, and not both")
    return Contact(slack, topic)


def _author(fields: "Fields") -> Author:
    author = Author(
        _contact(fields),
        fields.text("name", ""),
        fields.text("owner", ""),
        fields.matching("principal", _PRINCIPAL, "the ARN of an IAM user or role, its account spelled out or *"),
        fields.text("permission_set", ""),
        fields.text("session", ""),
    )
    if sum(bool(getattr(author, each)) for each in _OF_AN_AUTHOR) != 1:
        fields.refuse("owner", f"needs exactly one of {', '.join(_OF_AN_AUTHOR)}")
    if bool(author.permission_set) is not bool(author.session):
        fields.refuse("session", "goes with permission_set: elsewhere whoever comes chooses the session's name")
    return author


def _trusted_account(fields: "Fields") -> TrustedAccount:
    return TrustedAccount(fields.account("id"), fields.text("name", ""), fields.boolean("external_id_required", default=True))


def _issuer(fields: "Fields") -> TrustedIssuer:
    issuer = fields.matching("issuer", _ISSUER, "an issuer without https://, as IAM writes it", required=True)
    return TrustedIssuer(issuer, fields.texts("subjects"), fields.texts("audiences"), fields.mapping("claims", Fields.texts))


def _saml_provider(fields: "Fields") -> str:
    return fields.matching("provider", _SAML_PROVIDER, "the ARN of a SAML provider", required=True)


def _pipeline(fields: "Fields") -> Pipeline:
    role = fields.matching("role", _ROLE, "the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME", required=True)
    return Pipeline(role, fields.text("owner"), fields.texts("roles"))


def _identity(fields: "Fields") -> Identity:
    identity = Identity(
        store=fields.matching("store", _STORE, "the id of Identity Center's identity store, d-…"),
        region=fields.matching("region", _REGION, "the region of Identity Center, eu-central-1"),
        accounts=fields.accounts("accounts"),
        machines=fields.texts("machines"),
        groups=tuple(fields.mapping("groups", _group).values()),
        tokens=fields.objects("tokens", _token_issuer),
        aliases=tuple((user, arn) for user, arns in fields.mapping("aliases", Fields.texts).items() for arn in arns),
    )
    fields.refuse_others()
    if not all(_MACHINE.fullmatch(arn) for _, arn in identity.aliases):
        fields.refuse("aliases", "must be, by user name, lists of ARNs of roles and IAM users without wildcards")
    if bool(identity.store) is not bool(identity.region):
        fields.refuse("store", "goes with region, the one that Identity Center is in")
    if not all(map(_MACHINE.fullmatch, identity.machines)):
        fields.refuse("machines", "must be a list of ARNs of roles and IAM users without wildcards; people come by Identity Center's roles")
    return identity


def _group(groups: "Fields", name: str) -> Group:
    fields = groups.object(name)
    group = Group(name, fields.texts("users"), fields.boolean("identity_center", default=False))
    fields.refuse_others()
    if name.startswith(ON_CALL):
        groups.refuse(name, f"must not begin with {ON_CALL}, as the groups of whoever is on call do")
    if bool(group.user_names) is group.identity_center:
        groups.refuse(name, "needs either `users` or `identity_center: true`")
    return group


def _token_issuer(fields: "Fields") -> TokenIssuer:
    issuer = TokenIssuer(
        fields.matching("issuer", _HTTPS, "an issuer as its tokens name it, https://…", required=True),
        fields.matching("keys", _HTTPS, "the address of the issuer's key set, https://…", required=True),
        fields.text("audience"),
        fields.mapping("people", Fields.text),
        fields.texts("machines"),
    )
    if any(each in issuer.people for each in issuer.machines):
        fields.refuse("machines", "names a subject that is a person, too; nobody is both")
    return issuer


def _notifications(fields: "Fields") -> Notifications:
    usual = Notifications()
    notifications = Notifications(
        fields.objects("routes", _route),
        fields.one_of("digest_below", _DIGESTED_BELOW, usual.digest_below),
        fields.whole_number("group_minutes", usual.group_minutes),
        fields.whole_number("most_per_minute", usual.most_per_minute),
    )
    fields.refuse_others()
    if notifications.group_minutes > _MOST_GROUP_MINUTES:
        fields.refuse("group_minutes", f"must be at most {_MOST_GROUP_MINUTES}, a day")
    return notifications


def _route(fields: "Fields") -> Route:
    match = fields.object("match")
    accounts, ou, tags = account_criteria(match)
    match.refuse_others()
    if "match" in fields.names and not match.names:
        fields.refuse("match", "says nothing; leave it out where every account is meant")
    channels = fields.texts("channels")
    if not channels or not all(each == EVERYBODY or _SLACK.fullmatch(each) or _TOPIC.fullmatch(each) for each in channels):
        what = f"Slack ids, ARNs of topics of the hub account named doorward-people-…, or {EVERYBODY}"
        fields.refuse("channels", f"must be a list of at least one of: {what}")
    return Route(channels, accounts, ou, tags, fields.one_of("severity_from", _SEVERITIES, "info"))


def account_criteria(fields: "Fields") -> tuple[tuple[str, ...], str | None, Mapping[str, str]]:
    """`accounts`, `ou` and `tags` of a `match`, for `covers_account`. What is there says something."""
    accounts, ou, tags = fields.accounts("accounts"), fields.text_or_none("ou"), fields.mapping("tags", Fields.text)
    for name, value in (("accounts", accounts), ("tags", tags)):
        if name in fields.names and not value:
            fields.refuse(name, "is empty, so it would cover everything; leave it out or fill it")
    if ou is not None and not ou.startswith("/"):
        fields.refuse("ou", "must begin with a slash")
    return accounts, ou, tags


def _consistent(organization: Organization) -> Organization:
    for where, ids in (
        ("accounts", [each.id for each in organization.accounts]),
        ("trusted.accounts", [each.id for each in organization.trusted_accounts]),
        ("trusted.oidc", [each.issuer for each in organization.oidc]),
        ("identity.tokens", [each.issuer for each in organization.identity.tokens]),
    ):
        for position, each in enumerate(ids):
            if each in ids[:position]:
                raise Misconfigured(f"{where}[{position}]: {each} is listed twice; keep one")
    owners = {each.owner for each in organization.pipelines}
    for position, author in enumerate(organization.authors):
        if author.owner and author.owner not in owners:
            raise Misconfigured(f"authors[{position}].owner: {author.owner} owns no pipeline; write the owner as it stands there")
    for position, vendor in enumerate(organization.trusted_accounts):
        if organization.account(vendor.id) is not None or vendor.id == organization.management_account:
            raise Misconfigured(f"trusted.accounts[{position}].id: {vendor.id} is an account of the organization; remove it here or there")
    return organization


def _with_management(organization: Organization) -> Organization:
    management = organization.management_account
    if management is None or organization.account(management) is not None:
        return organization
    from copy import replace

    return replace(organization, accounts=(*organization.accounts, Account(management, MANAGEMENT_NAME, ou="/")))


class Fields:
    """One object of the configuration, read field by field. Raises Misconfigured with the field's path."""

    def __init__(self, data: object, path: str) -> None:
        if not isinstance(data, Mapping):
            raise Misconfigured(f"{path or 'the file'}: must be an object of named fields")
        self._data: Mapping[Any, Any] = data
        self._path = path
        self._asked: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(each) for each in self._data)

    def take(self, *names: str) -> None:
        """Accepted, and not read."""
        self._asked.update(names)

    def text(self, name: str, default: str | None = None) -> str:
        """Not empty where it is present."""
        value = self._get(name, default)
        if not isinstance(value, str) or (not value and name in self._data):
            self.refuse(name, "must be text; write it in quotes")
        return value

    def text_or_empty(self, name: str) -> str:
        value = self._get(name, None)
        if not isinstance(value, str):
            self.refuse(name, "must be text; write it in quotes")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], what: str, *, required: bool = False) -> str:
        """Text that `pattern` matches as a whole; "" where it is absent and not required."""
        value = self.text(name, None if required else "")
        if name in self._data and pattern.fullmatch(value) is None:
            self.refuse(name, f"must be {what}")
        return value

    def text_or_none(self, name: str) -> str | None:
        self.take(name)
        return self.text(name) if name in self._data else None

    def account(self, name: str) -> str:
        value = self._get(name, None)
        if not isinstance(value, str) or not is_account_id(value):
            self.refuse(name, 'must be an account id of 12 digits in quotes, "111122223333"')
        return value

    def account_or_none(self, name: str) -> str | None:
        self.take(name)
        return self.account(name) if name in self._data else None

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return value

    def whole_number(self, name: str, default: int | None = None) -> int:
        """From 1; `default` where it is absent."""
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or (value < 1 and name in self._data):
            self.refuse(name, "must be a whole number from 1")
        return value

    def one_of(self, name: str, words: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in words:
            self.refuse(name, f"must be one of {', '.join(words)}")
        return value

    def value(self, name: str) -> Any:
        """As it stands."""
        return self._get(name, None)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where absent."""
        value = self._get(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
            self.refuse(name, "must be a list of texts")
        return tuple(value)

    def accounts(self, name: str) -> tuple[str, ...]:
        value = self.texts(name)
        if not all(is_account_id(each) for each in value):
            self.refuse(name, 'must be a list of account ids of 12 digits in quotes, "111122223333"')
        return value

    def object(self, name: str) -> "Fields":
        """Empty where absent."""
        return Fields(self._get(name, {}), self._at(name))

    def objects[T](self, name: str, read: Callable[["Fields"], T]) -> tuple[T, ...]:
        """A list of objects, each read by `read`; empty where absent."""
        value = self._get(name, [])
        if not isinstance(value, list | tuple):
            self.refuse(name, "must be a list")
        found: list[T] = []
        for position, each in enumerate(value):
            fields = Fields(each, f"{self._at(name)}[{position}]")
            found.append(read(fields))
            fields.refuse_others()
        return tuple(found)

    def mapping[T](self, name: str, read: Callable[["Fields", str], T]) -> dict[str, T]:
        """An object whose names are free; empty where absent."""
        fields = self.object(name)
        return {each: read(fields, each) for each in fields.names}

    def refuse_others(self) -> None:
        for name in self._data:
            if name not in self._asked:
                known = ", ".join(sorted(self._asked))
                self.refuse(str(name), f"unknown; known are {known}")

    def refuse(self, name: str, why: str) -> NoReturn:
        raise Misconfigured(f"{self._at(name)}: {why}")

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _get(self, name: str, default: Any) -> Any:
        self._asked.add(name)
        if name not in self._data and default is None:
            self.refuse(name, "missing")
        return self._data.get(name, default)


def match_from(fields: "Fields") -> Match:
    accounts, ou, tags = account_criteria(fields)
    match = Match(
        accounts,
        ou,
        tags,
        role_path=fields.text_or_none("role_path"),
        role_name=fields.text_or_none("role_name"),
        role_tags=fields.mapping("role_tags", Fields.text),
    )
    fields.refuse_others()
    if "role_tags" in fields.names and not match.role_tags:
        fields.refuse("role_tags", "is empty, so it would cover everything; leave it out or fill it")
    if match.role_path is not None and not match.role_path.startswith("/"):
        fields.refuse("role_path", "must begin with a slash")
    return match


def some_match_from(fields: "Fields", otherwise: str) -> Match:
    match = match_from(fields)
    if match == Match():
        fields.refuse("role_path", f"or another criterion is missing; without any, {otherwise}")
    return match


def configuration_hash(data: Mapping[str, object]) -> str:
    """Hex SHA-256 of the data as canonical JSON, without `hash` itself: comments and order of keys do not count, order of scopes does."""
    rest = {key: value for key, value in data.items() if key != "hash"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
