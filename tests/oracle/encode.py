"""A trust policy and a world of callers as a formula for cvc5: satisfiable if, and only if, some request of that world is allowed.

Written from AWS's pages and not from `doorward.iam.search`: nothing of the search, its sets or its callers is used here, so that an error
in one of the two shows. Strings and regular expressions are cvc5's, as are integers for addresses, numbers and dates; presence is a
boolean. What AWS does not document is a free boolean: both readings are tried.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache, cached_property, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from typing import Any, Final, Literal, NamedTuple

import cvc5
from cvc5 import Kind

from doorward.iam.documents import Condition, Document, Principal, Statement

Form = Literal["role", "user", "federated-user"]
GITHUB: Final = "token.actions.githubusercontent.com"
OURS: Final = ("111122223333", "777788889999")
TRUSTED: Final = ("555566667777",)
OUR_ORGANIZATION: Final = "o-a1b2c3d4e5"
ONE_ORGANIZATION: Final = "o-q7w8e9rq7w"
OUR_ADDRESSES: Final = "203.0.113.0/24"
OUR_OWNER: Final = "acme"
OUR_AUDIENCE: Final = "sts.amazonaws.com"
PROVIDER: Final = f"arn:aws:iam::{OURS[0]}:oidc-provider/{GITHUB}"
_TYPES: Final = {"role": "AssumedRole", "user": "User", "federated-user": "FederatedUser"}
_FREE_CLAIMS: Final = (
    "actor",
    "actor_id",
    "base_ref",
    "environment",
    "event_name",
    "head_ref",
    "job_workflow_ref",
    "job_workflow_sha",
    "ref",
    "ref_type",
    "repository_visibility",
    "run_attempt",
    "run_id",
    "run_number",
    "runner_environment",
    "sha",
    "workflow",
    "workflow_ref",
    "workflow_sha",
)
_LAST_SECOND: Final = 253_402_300_799
_NEVER: Final = ("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "aws:principalservicename")
_ONLY_PRINCIPALS: Final = [
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principaltype",
    "aws:userid",
    "aws:username",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:tokenissuetime",
    "sts:externalid",
]
_RESERVED: Final = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
]
_MULTIVALUED: Final = ("aws:tagkeys", "sts:transitivetagkeys")
# The last one of SMT-LIB's strings.
_LAST_CHARACTER: Final = "\U0002ffff"
_TOKEN: Final = re.compile(r"\$\{([*?$])\}|\$\{([^{}$*?,']+)(?:,\s*'([^']*)'\s*)?\}")
_RELATIONS: Final = {
    "equals": Kind.EQUAL,
    "notequals": Kind.EQUAL,
    "lessthan": Kind.LT,
    "lessthanequals": Kind.LEQ,
    "greaterthan": Kind.GT,
    "greaterthanequals": Kind.GEQ,
}
_ARN_COLONS: Final = 5


type Content = str | int | tuple[str, ...] | None
"""A key's value in a request; None: it is absent. A number for addresses, numbers and seconds since 1970."""


class World(NamedTuple):
    """Strangers. `kind` aws: of one form, in one account (`only`) or any that is neither ours nor trusted; else GitHub's tokens."""

    kind: Literal["aws", "github"]
    form: Form = "role"
    only: str | None = None
    organization: Literal["other", "none", "one"] = "other"
    by_name: bool = True
    strange_audience: bool = False


class Key(NamedTuple):
    """What a condition key can be: `present` or not, and its values (several for a multivalued one).

    An address is two terms, whether it is IPv6 and its number. `open`: nobody documents what the key is.
    """

    present: cvc5.Term
    values: tuple[Any, ...]
    kind: Literal["text", "number", "instant", "address", "open"] = "text"
    several: bool = False


class Oracle:
    """One per process and batch: terms that do not depend on the policy are kept between questions.

    `limit`: when cvc5 gives a question up, in its own units of work (10,000 are about 0.1 s), so that every machine gives up the same.
    """

    def __init__(self, *, limit: int = 10_000) -> None:
        self._tm = cvc5.TermManager()
        self._limit = limit
        self._kept: dict[str, cvc5.Term] = {}
        self._counter = 0
        self._string = self._tm.getStringSort()
        self._all = self._tm.mkTerm(Kind.REGEXP_ALL)
        self._char = self._tm.mkTerm(Kind.REGEXP_ALLCHAR)

    def is_allowed(self, document: Document, world: World, witness: Mapping[str, Content] | None = None) -> bool | None:
        """None where cvc5 gave up. A `witness` gives keys their values, and only such requests are asked about: a quicker question."""
        solver = cvc5.Solver(self._tm)
        solver.setOption("strings-exp", "true")
        solver.setOption("strings-eager-reg", "false")  # a fifth quicker on what is drawn here
        solver.setOption("rlimit-per", str(self._limit))
        solver.setLogic("QF_SLIA")
        for each in _Question(self, document, world).formula(witness or {}):
            solver.assertFormula(each)
        result = solver.checkSat()
        return None if result.isUnknown() else bool(result.isSat())

    # Terms

    def term(self, kind: Kind, *parts: cvc5.Term) -> cvc5.Term:
        return self._tm.mkTerm(kind, *parts)

    def all_of(self, parts: Iterable[cvc5.Term]) -> cvc5.Term:
        given = list(parts)
        return given[0] if len(given) == 1 else self.term(Kind.AND, *given) if given else self._tm.mkTrue()

    def any_of(self, parts: Iterable[cvc5.Term]) -> cvc5.Term:
        given = list(parts)
        return given[0] if len(given) == 1 else self.term(Kind.OR, *given) if given else self._tm.mkFalse()

    def no(self, part: cvc5.Term) -> cvc5.Term:
        return self.term(Kind.NOT, part)

    def constant(self, *, holds: bool) -> cvc5.Term:
        return self._tm.mkBoolean(holds)

    def text(self, text: str) -> cvc5.Term:
        return self._tm.mkString(text)

    def number(self, number: int) -> cvc5.Term:
        return self._tm.mkInteger(str(number))

    def variable(self, sort: Literal["text", "number", "bool"], name: str) -> cvc5.Term:
        self._counter += 1
        sorts = {"text": self._string, "number": self._tm.getIntegerSort(), "bool": self._tm.getBooleanSort()}
        return self._tm.mkConst(sorts[sort], f"{name}#{self._counter}")

    def same(self, one: cvc5.Term, other: cvc5.Term | str) -> cvc5.Term:
        return self.term(Kind.EQUAL, one, self.text(other) if isinstance(other, str) else other)

    def joined(self, *parts: cvc5.Term | str) -> cvc5.Term:
        terms = [self.text(each) if isinstance(each, str) else each for each in parts]
        return terms[0] if len(terms) == 1 else self.term(Kind.STRING_CONCAT, *terms)

    def fits(self, text: cvc5.Term, expression: cvc5.Term) -> cvc5.Term:
        return self.term(Kind.STRING_IN_REGEXP, text, expression)

    # Regular expressions

    def grammar(self, source: str) -> cvc5.Term:
        """Of a regular expression in Python's syntax: literals, classes, groups, `|`, `*`, `+`, `?`, `{n}` and `{n,}`."""
        known = self._kept.get(source)
        if known is None:
            known = self._kept[source] = _Reader(self, source).read()
        return known

    def sequence(self, parts: Sequence[cvc5.Term]) -> cvc5.Term:
        if not parts:
            return self.literal("")
        return parts[0] if len(parts) == 1 else self.term(Kind.REGEXP_CONCAT, *parts)

    def either(self, parts: Sequence[cvc5.Term]) -> cvc5.Term:
        return parts[0] if len(parts) == 1 else self.term(Kind.REGEXP_UNION, *parts)

    def literal(self, text: str) -> cvc5.Term:
        return self.term(Kind.STRING_TO_REGEXP, self.text(text))

    def one_of(self, ranges: Iterable[tuple[str, str]], *, negated: bool = False) -> cvc5.Term:
        """A character of these ranges, or of none of them (then the ranges between: cvc5 is quicker with them than with a difference)."""
        given = sorted(ranges)
        if negated:
            starts = ["\0", *(chr(ord(high) + 1) for _, high in given)]
            ends = [*(chr(ord(low) - 1) for low, _ in given), _LAST_CHARACTER]
            given = [each for each in zip(starts, ends, strict=True) if each[0] <= each[1]]
        return self.either([self.term(Kind.REGEXP_RANGE, self.text(low), self.text(high)) for low, high in given])

    def any_char(self, barred: str = "") -> cvc5.Term:
        return self.one_of([(each, each) for each in barred], negated=True) if barred else self._char

    def any_text(self, barred: str = "") -> cvc5.Term:
        return self.term(Kind.REGEXP_STAR, self.any_char(barred)) if barred else self._all


class _Reader:
    """Reads the few regular expressions that are written in this module."""

    def __init__(self, oracle: Oracle, source: str) -> None:
        self._oracle = oracle
        self._source = source
        self._at = 0

    def read(self) -> cvc5.Term:
        branches: list[cvc5.Term] = []
        parts: list[cvc5.Term] = []
        while self._at < len(self._source) and self._source[self._at] != ")":
            char = self._next()
            if char == "|":
                branches.append(self._oracle.sequence(parts))
                parts = []
                continue
            parts.append(self._repeated(self._atom(char)))
        return self._oracle.either([*branches, self._oracle.sequence(parts)])

    def _next(self) -> str:
        self._at += 1
        return self._source[self._at - 1]

    def _atom(self, char: str) -> cvc5.Term:
        if char == "(":
            inner = self.read()
            self._at += 1  # the closing bracket
            return inner
        if char == "[":
            return self._class()
        if char == ".":
            return self._oracle.any_char()
        return self._oracle.literal(self._next() if char == "\\" else char)

    def _class(self) -> cvc5.Term:
        end = self._source.index("]", self._at)
        inside, self._at = self._source[self._at : end], end + 1
        negated = inside.startswith("^")
        found = re.findall(r"(.)-(.)|(.)", inside.removeprefix("^"))
        return self._oracle.one_of([(low or single, high or single) for low, high, single in found], negated=negated)

    def _repeated(self, atom: cvc5.Term) -> cvc5.Term:
        term = self._oracle.term
        follows = self._source[self._at : self._at + 1]
        if follows in {"*", "+", "?"} and follows:
            self._at += 1
            return term({"*": Kind.REGEXP_STAR, "+": Kind.REGEXP_PLUS, "?": Kind.REGEXP_OPT}[follows], atom)
        if follows == "{":
            end = self._source.index("}", self._at)
            least, comma, _ = self._source[self._at + 1 : end].partition(",")
            self._at = end + 1
            exactly = [atom] * int(least)
            return self._oracle.sequence([*exactly, term(Kind.REGEXP_STAR, atom)] if comma else exactly)
        return atom


_NAME: Final = "[A-Za-z0-9_+=,.@-]+"
_SESSION: Final = "[A-Za-z0-9_+=,.@-]{2,}"
_OWNER: Final = "[A-Za-z0-9]([-_]?[A-Za-z0-9])*"
_REPOSITORY: Final = "[A-Za-z0-9._-]+"
_CLAIM: Final = (
    f"((({'|'.join(_FREE_CLAIMS)}):[^:]+)|(repository:{_OWNER}/{_REPOSITORY})|(repository_owner:{_OWNER})"
    "|((repository_id|repository_owner_id|enterprise_id):[1-9][0-9]*))"
)
_CONTEXT: Final = f"(:pull_request|(:{_CLAIM})+)"
_WITH_IDS: Final = f"((repo:{_OWNER}@[1-9][0-9]*/{_REPOSITORY}@[1-9][0-9]*{_CONTEXT})|({_CLAIM}(:{_CLAIM})*(:pull_request)?))"
_ACCOUNT: Final = "[0-9]{12}"
_ORGANIZATION_TAIL: Final = "r-[a-z0-9]{4,}/(ou-[a-z0-9]{4,}-[a-z0-9]{8,}/)*"


class _Question:
    """One policy before one world."""

    def __init__(self, oracle: Oracle, document: Document, world: World) -> None:
        self._o = oracle
        self._document = document
        self._world = world
        self._asserted: list[cvc5.Term] = []
        self._keys: dict[str, Key] = {}
        # Made when first asked for: what no condition asks about only costs cvc5 time.
        self._described: dict[str, Callable[[], Key]] = {}
        self._has_variables = document.version == "2012-10-17"
        asked = [each.key.lower() for statement in document.statements for each in statement.conditions]
        self._elements = {name: max(1, asked.count(name)) for name in _MULTIVALUED}
        self._never = oracle.constant(holds=False)
        self._always = oracle.constant(holds=True)
        if world.kind == "aws":
            self._aws_caller()
        else:
            self._token()

    def formula(self, witness: Mapping[str, Content]) -> list[cvc5.Term]:
        given = [self._is(name, content) for name, content in witness.items()]
        allows = [self._covers(each) for each in self._document.statements if each.effect == "Allow"]
        denies = [self._covers(each) for each in self._document.statements if each.effect == "Deny"]
        return [*self._asserted, *given, self._o.any_of(allows), *(self._o.no(each) for each in denies)]

    def _is(self, name: str, content: Content) -> cvc5.Term:
        o, before = self._o, len(self._asserted)
        key = self._key(name)
        if content is None:
            del self._asserted[before:]  # what values it could have costs cvc5 time, and it has none
            return o.no(key.present)
        if isinstance(content, tuple):
            one_of = [o.any_of(o.same(each, text) for text in content) for each in key.values]
            return o.all_of([key.present, *one_of, *(o.any_of(o.same(each, text) for each in key.values) for text in content)])
        if isinstance(content, str):
            return o.all_of([key.present, *(o.same(each, content) for each in key.values)])
        if key.kind == "address":
            (address,) = key.values
            return o.all_of([key.present, self._in_block(address, ip_network(_written(content)))])
        return o.all_of([key.present, *(o.same(each, o.number(content)) for each in key.values)])

    # The caller

    def _text(self, name: str, grammar: str) -> cvc5.Term:
        variable = self._o.variable("text", name)
        self._asserted.append(self._o.fits(variable, self._o.grammar(grammar)))
        return variable

    def _between(self, name: str, low: int, high: int) -> cvc5.Term:
        variable = self._o.variable("number", name)
        self._asserted += [
            self._o.term(Kind.GEQ, variable, self._o.number(low)),
            self._o.term(Kind.LEQ, variable, self._o.number(high)),
        ]
        return variable

    def _maybe(self, name: str) -> cvc5.Term:
        return self._o.variable("bool", f"has {name}")

    @cached_property
    def _account(self) -> cvc5.Term:
        if self._world.only is not None:
            return self._o.text(self._world.only)
        account = self._text("account", _ACCOUNT)
        self._asserted += [self._o.no(self._o.same(account, each)) for each in (*OURS, *TRUSTED)]
        return account

    @cached_property
    def _name(self) -> cvc5.Term:
        return self._text("name", _NAME)

    @cached_property
    def _session(self) -> cvc5.Term:
        return self._text("session", _SESSION)

    @cached_property
    def _arn(self) -> cvc5.Term:
        form = self._world.form
        service = "sts" if form == "federated-user" else "iam"
        path: cvc5.Term | str = "/" if form == "federated-user" else self._text("path", "/([!-~]+/)?")
        return self._o.joined(f"arn:aws:{service}::", self._account, f":{form}", path, self._name)

    def _aws_caller(self) -> None:
        o, world = self._o, self._world
        organization = cache(self._organization)
        always = self._always

        def sometimes(name: str) -> cvc5.Term:
            return self._maybe(name) if world.form == "user" else always

        self._described |= {
            "aws:principalarn": lambda: Key(always, (self._arn,)),
            "aws:principalaccount": lambda: Key(always, (self._account,)),
            "aws:userid": lambda: Key(always, (self._user_id(),)),
            "aws:principalorgid": lambda: organization()[0],
            "aws:principalorgpaths": lambda: organization()[1],
            "aws:principaltype": lambda: Key(always, (o.text(_TYPES[world.form]),)),
            "aws:username": lambda: Key(always if world.form == "user" else self._never, (self._name,)),
            "aws:multifactorauthpresent": lambda: Key(sometimes("MFA"), (self._text("MFA", "true|false"),)),
            "aws:multifactorauthage": lambda: Key(self._maybe("MFA age"), (self._between("MFA age", 0, 129_600),), "number"),
            "aws:tokenissuetime": lambda: Key(sometimes("token"), (self._between("issued", 0, _LAST_SECOND),), "instant"),
            "sts:externalid": lambda: Key(self._maybe("external id"), (self._text("external id", "[A-Za-z0-9_+=,.@:/-]{2,}"),)),
            "aws:sourceidentity": lambda: Key(self._maybe("identity"), (self._text("identity", _SESSION),)),
        }
        self._common()

    def _user_id(self) -> cvc5.Term:
        if self._world.form == "role":
            return self._o.joined(self._text("role id", "AROA[A-Z0-9]{17}"), ":", self._session)
        return self._text("user id", "AIDA[A-Z0-9]{17}") if self._world.form == "user" else self._o.joined(self._account, ":", self._name)

    def _organization(self) -> tuple[Key, Key]:
        """Its id, and the path in it: made together, as they belong together."""
        o, kind = self._o, self._world.organization
        if kind == "none":
            present, org_id, path = self._never, o.text(""), o.text("")
        elif kind == "one":
            root = f"{ONE_ORGANIZATION}/r-q7w8/"
            present, org_id = self._always, o.text(ONE_ORGANIZATION)
            path = self._text("org path", f"{root}(ou-q7w8-q7w8q7w8/)?")
        else:
            present = self._maybe("organization")
            org_id = self._text("organization", "o-[a-z0-9]{10,}")
            self._asserted.append(o.no(o.same(org_id, OUR_ORGANIZATION)))
            path = o.joined(org_id, "/", self._text("org path", _ORGANIZATION_TAIL))
        return Key(present, (org_id,)), Key(present, (path,), several=True)

    def _token(self) -> None:
        o = self._o
        token = cache(self._subject)
        self._described |= {
            f"{GITHUB}:sub": lambda: Key(self._always, (token()[0],)),
            f"{GITHUB}:aud": self._audience,
            f"{GITHUB}:repository": lambda: Key(self._maybe("repository"), (token()[1],)),
            f"{GITHUB}:repository_owner": lambda: Key(self._maybe("owner"), (token()[2],)),
            f"{GITHUB}:repository_id": lambda: Key(self._maybe("repository id"), (self._text("repository id", "[1-9][0-9]*"),)),
            **{f"{GITHUB}:{each}": partial(self._claim, each) for each in ("environment", "ref", "actor")},
            **dict.fromkeys(_ONLY_PRINCIPALS, self._absent),
            "aws:federatedprovider": lambda: Key(self._always, (o.text(PROVIDER),)),
        }
        self._common()

    def _audience(self) -> Key:
        audience = self._text("audience", ".+")
        if self._world.strange_audience:
            self._asserted.append(self._o.no(self._o.same(audience, OUR_AUDIENCE)))
        return Key(self._always, (audience,))

    def _subject(self) -> tuple[cvc5.Term, cvc5.Term, cvc5.Term]:
        """The subject, `repository` and `repository_owner`: parts of it in a subject by name, else claims of their own."""
        o = self._o
        ours = self._spelled(OUR_OWNER, ignore_case=True)
        if self._world.by_name:
            owner, repository = self._text("owner", _OWNER), self._text("repository", _REPOSITORY)
            self._asserted.append(o.no(o.fits(owner, ours)))
            subject = o.joined("repo:", owner, "/", repository, self._text("context", _CONTEXT))
            return subject, o.joined(owner, "/", repository), owner
        subject = self._text("subject", _WITH_IDS)
        owner, full = self._text("owner", _OWNER), self._text("repository", f"{_OWNER}/{_REPOSITORY}")
        theirs = o.sequence([ours, o.literal("/"), o.any_text()])
        self._asserted += [o.no(o.fits(owner, ours)), o.no(o.fits(full, theirs))]
        return subject, full, owner

    def _common(self) -> None:
        o = self._o
        now = cache(lambda: self._between("now", 0, _LAST_SECOND))
        ours = [ip_network(OUR_ADDRESSES)]
        self._described |= {
            "aws:securetransport": lambda: Key(self._always, (o.text("true"),)),
            "aws:principalisawsservice": lambda: Key(self._always, (o.text("false"),)),
            "aws:resourceaccount": lambda: Key(self._always, (o.text(OURS[0]),)),
            "aws:resourceorgid": lambda: Key(self._always, (o.text(OUR_ORGANIZATION),)),
            "aws:currenttime": lambda: Key(self._always, (now(),), "instant"),
            "aws:epochtime": lambda: Key(self._always, (now(),), "instant"),
            "aws:useragent": lambda: Key(self._maybe("agent"), (self._o.variable("text", "agent"),)),
            "aws:requestedregion": lambda: Key(self._always, (self._text("region", "[a-z]+(-[a-z]+)+-[0-9]+"),)),
            "aws:sourceip": lambda: self._address("source", [*map(ip_network, _RESERVED), *ours], public=True),
            "aws:vpcsourceip": lambda: self._address("inner source", [], public=False),
            "sts:durationseconds": lambda: Key(self._maybe("duration"), (self._between("duration", 900, 43_200),), "number"),
            "sts:rolesessionname": lambda: Key(self._always, (self._text("session name", _SESSION),)),
            "sts:sourceidentity": lambda: Key(self._maybe("source identity"), (self._text("source identity", _SESSION),)),
            **dict.fromkeys(_NEVER, self._absent),
            **{each: partial(self._several, each) for each in _MULTIVALUED},
        }

    def _absent(self) -> Key:
        return Key(self._never, (self._o.text(""),))

    def _claim(self, name: str) -> Key:
        return Key(self._maybe(name), (self._text(name, ".+"),))

    def _several(self, name: str) -> Key:
        """As many values as there are conditions on the key: more tell no policy apart."""
        return Key(self._maybe(name), tuple(self._text(name, ".+") for _ in range(self._elements[name])), several=True)

    def _address(self, name: str, shut_out: list[Any], *, public: bool) -> Key:
        o = self._o
        is_v6, number = o.variable("bool", f"{name} is IPv6"), o.variable("number", name)
        six = (0x2000 << 112, (0x4000 << 112) - 1) if public else (0, (1 << 128) - 1)
        within = o.term(Kind.ITE, is_v6, self._in_range(number, *six), self._in_range(number, 0, (1 << 32) - 1))
        self._asserted += [within, *(o.no(self._in_block((is_v6, number), each)) for each in shut_out)]
        return Key(self._maybe(name), ((is_v6, number),), "address")

    def _in_range(self, number: cvc5.Term, low: int, high: int) -> cvc5.Term:
        o = self._o
        return o.all_of([o.term(Kind.GEQ, number, o.number(low)), o.term(Kind.LEQ, number, o.number(high))])

    def _in_block(self, address: tuple[cvc5.Term, cvc5.Term], block: Any) -> cvc5.Term:
        is_v6, number = address
        family = self._o.no(is_v6) if isinstance(block, IPv4Network) else is_v6
        return self._o.all_of([family, self._in_range(number, int(block[0]), int(block[-1]))])

    # Statements

    def _covers(self, statement: Statement) -> cvc5.Term:
        action = "sts:assumerole" if self._world.kind == "aws" else "sts:assumerolewithwebidentity"
        if not _names_action(statement, action):
            return self._never
        principals = self._o.any_of(self._names(each) for each in statement.principals or ())
        return self._o.all_of([principals, *map(self._holds, statement.conditions)])

    def _names(self, principal: Principal) -> cvc5.Term:
        if principal.type == "*":
            return self._always
        return self._names_principal(principal) if self._world.kind == "aws" else self._names_provider(principal)

    def _names_provider(self, principal: Principal) -> cvc5.Term:
        if principal == Principal("AWS", "*"):
            return self._free()  # whether it means the bearers of tokens is not documented
        return self._o.constant(holds=principal == Principal("Federated", PROVIDER))

    def _names_principal(self, principal: Principal) -> cvc5.Term:
        o, form, value = self._o, self._world.form, principal.value
        if principal.type != "AWS" or value.startswith(("AROA", "AIDA")):
            return self._never
        if value == "*":
            return self._always
        if value.isdigit() or value.endswith(":root"):
            return o.same(self._account, value if value.isdigit() else value.split(":")[4])
        kind, _, rest = value.split(":")[5].partition("/")
        if kind == "assumed-role" and form == "role":
            role, _, session = rest.partition("/")
            return o.all_of([o.same(self._account, value.split(":")[4]), o.same(self._name, role), o.same(self._session, session)])
        return o.same(self._arn, value) if kind == form else self._never

    def _free(self) -> cvc5.Term:
        return self._o.variable("bool", "undocumented")

    # Conditions

    def _key(self, written: str) -> Key:
        name = written.lower()
        if name not in self._keys:
            if name in self._described:
                known = self._described[name]()
            elif name.startswith(("aws:principaltag/", "aws:requesttag/")) and self._world.kind == "aws":
                known = Key(self._maybe(name), (self._o.variable("text", name),))
            else:
                known = Key(self._free(), (self._o.variable("text", name),), "open")
            self._keys[name] = known
        return self._keys[name]

    def _holds(self, condition: Condition) -> cvc5.Term:
        o = self._o
        qualifier, _, operator = condition.operator.lower().rpartition(":")
        if_exists, operator = operator.endswith("ifexists"), operator.removesuffix("ifexists")
        key = self._key(condition.key)
        if operator == "null":
            return self._null(qualifier, condition.values, key)
        negated = "not" in operator
        absent = if_exists or qualifier == "forallvalues" or (negated and qualifier != "foranyvalue")
        answers = [self._fits(operator, value, condition.values, key) for value in key.values]
        if negated:
            answers = [o.no(each) for each in answers]
        if qualifier == "forallvalues":
            present = o.all_of(answers)
        elif key.several and not qualifier:
            present = o.all_of([self._free(), o.any_of(answers)])  # no reading says yes where no value fits
        else:
            present = o.any_of(answers)
        return o.term(Kind.ITE, key.present, present, o.constant(holds=absent))

    def _null(self, qualifier: str, values: tuple[str, ...], key: Key) -> cvc5.Term:
        if qualifier:  # a constant
            return self._o.constant(holds=qualifier == "forallvalues")
        wanted = {each.lower() for each in values}
        return self._o.any_of([*([self._o.no(key.present)] if "true" in wanted else []), *([key.present] if "false" in wanted else [])])

    def _fits(self, operator: str, value: Any, wanted: tuple[str, ...], key: Key) -> cvc5.Term:
        reader = self._reader(operator, key)
        return self._free() if reader is None else self._o.any_of(reader(value, each) for each in wanted)

    def _reader(self, operator: str, key: Key) -> Callable[[Any, str], cvc5.Term] | None:
        """None where AWS does not say how such an operator compares such a key."""
        if key.kind == "open":
            return None
        if operator.startswith(("string", "arn", "bool")):
            if key.kind != "text":
                return None
            if operator == "bool":
                return lambda value, each: self._o.fits(value, self._spelled(each, ignore_case=True))
            if operator.startswith("arn"):
                return self._fits_arn
            return lambda value, each: self._fits_text(operator, value, each)
        if operator in {"ipaddress", "notipaddress"} and key.kind == "address":
            return lambda value, each: self._in_block(value, ip_network(each, strict=False))
        family = operator[:4] if operator.startswith("date") else operator[:7] if operator.startswith("numeric") else ""
        if (family == "numeric" and key.kind in {"number", "instant"}) or (family == "date" and key.kind == "instant"):
            read = _instant if family == "date" else Fraction
            return lambda value, each: self._compared(operator.removeprefix(family), value, read(each))
        return None

    def _compared(self, relation: str, value: cvc5.Term, bound: Fraction) -> cvc5.Term:
        o = self._o
        scaled = value if bound.denominator == 1 else o.term(Kind.MULT, o.number(bound.denominator), value)
        return o.term(_RELATIONS[relation], scaled, o.number(bound.numerator))

    def _fits_text(self, operator: str, value: cvc5.Term, wanted: str) -> cvc5.Term:
        ignore_case, like = "ignorecase" in operator, "like" in operator
        pieces = self._pieces(wanted)
        if any(isinstance(each, tuple) for each in pieces):
            return self._fits_filled(value, pieces, is_free=ignore_case or like)
        if like:
            return self._o.fits(value, self._glob(pieces))
        plain = "".join(each[-1] for each in pieces)  # type: ignore[misc]  # a variable was sorted out before
        return self._o.fits(value, self._spelled(plain, ignore_case=True)) if ignore_case else self._o.same(value, plain)

    def _fits_filled(self, value: cvc5.Term, pieces: list[str | tuple[str, str | None]], *, is_free: bool) -> cvc5.Term:
        """A variable of an absent key has its default; without one the text fits nothing. `is_free`: else it may fit or not."""
        o, parts, conditions = self._o, [], []
        for each in pieces:
            if isinstance(each, str):
                parts.append(o.text(each[-1]))
                continue
            name, default = each
            key = self._key(name)
            if key.kind != "text" or key.several:
                return self._free()
            if default is None:
                conditions.append(key.present)
                parts.append(key.values[0])
            else:
                parts.append(o.term(Kind.ITE, key.present, key.values[0], o.text(default)))
        return o.all_of([*conditions, self._free() if is_free else o.same(value, o.joined(*parts))])

    def _pieces(self, text: str) -> list[str | tuple[str, str | None]]:
        r"""Characters; `\*` is an escaped one; a pair is a variable with its default."""
        pieces: list[str | tuple[str, str | None]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at) if self._has_variables else None
            if found is None:
                pieces.append(text[at])
                at += 1
                continue
            pieces.append(f"\\{found[1]}" if found[1] else (found[2].strip(), found[3]))
            at = found.end()
        return pieces

    def _fits_arn(self, value: cvc5.Term, wanted: str) -> cvc5.Term:
        if wanted.count(":") < _ARN_COLONS:
            return self._free()
        pieces = self._pieces(wanted)
        if any(isinstance(each, tuple) for each in pieces):
            return self._free()
        return self._o.fits(value, self._glob(pieces, is_arn=True))

    def _glob(self, pieces: Iterable[str | tuple[str, str | None]], *, is_arn: bool = False) -> cvc5.Term:
        o, colons = self._o, 0
        parts: list[cvc5.Term] = []
        run = ""
        for each in pieces:
            if each in {"*", "?"}:
                if run:
                    parts.append(o.literal(run))
                    run = ""
                barred = ":" if is_arn and colons < _ARN_COLONS else ""
                parts.append(o.any_text(barred) if each == "*" else o.any_char(barred))
                continue
            colons += each == ":"
            run += each[-1]  # type: ignore[operator]  # a variable was sorted out before
        return o.sequence([*parts, o.literal(run)] if run else parts)

    def _spelled(self, text: str, *, ignore_case: bool) -> cvc5.Term:
        o = self._o
        if not ignore_case or not text:
            return o.literal(text)
        return o.sequence([o.either([o.literal(each) for each in dict.fromkeys((char.lower(), char.upper()))]) for char in text])


def _written(number: int) -> str:
    """The engine counts addresses of IPv6 from 2**64 on."""
    return str(IPv4Address(number) if number < 1 << 32 else IPv6Address(number - (1 << 64)))


def _names_action(statement: Statement, action: str) -> bool:
    named = statement.actions if statement.actions is not None else statement.not_actions or ()
    expressions = ("".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in each) for each in named)
    covered = any(re.fullmatch(each, action, re.IGNORECASE | re.DOTALL) for each in expressions)
    return covered is (statement.actions is not None)


def _instant(text: str) -> Fraction:
    if text.lstrip("-").isdigit() and len(text) != len("2026"):
        return Fraction(int(text))
    read = datetime.fromisoformat({len("2026"): f"{text}-01-01", len("2026-11"): f"{text}-01"}.get(len(text), text))
    since = (read if read.tzinfo is not None else read.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return Fraction(since.days * 86_400 + since.seconds) + Fraction(since.microseconds, 1_000_000)
