"""An event as it came, without what opens anything: fit to be kept for years and read by auditors.

Taken out are credentials, by the name of their key and by their shape, at any depth, also inside of JSON that is text inside of JSON
(policies travel so) and percent-encoded. External IDs are masked too. Names and shapes overlap on purpose: a name is enough where the
shape is new, a shape where the name is. What is taken out in excess is lost to the reader; what is left is lost to everybody.

Kept are ids of long-lived access keys: they open nothing, and are how a leaked key is found. Those of temporary credentials go.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

REDACTED: Final = "***"
LARGEST: Final = 200_000
"""Characters of ASCII. DynamoDB takes 400 KB an item, names and all else of it included."""
_DEEPEST: Final = 32
_MOST_LAYERS: Final = 6  # of JSON or percent-encoding inside of text
_SHORTEST: Final = 16  # cutting further leaves nothing to read

# Names as `_plain_name` gives them: what credentials of AWS, of its federation, of OAuth and of Slack are called.
_NAMES: Final = frozenset(
    {
        "accesscode",
        "assertion",
        "authenticationcode1",
        "authenticationcode2",
        "authorization",
        "authorizationcode",
        "base32stringseed",
        "codeverifier",
        "consoleurl",
        "cookie",
        "credential",
        "credentials",
        "devicecode",
        "externalid",
        "externalids",
        "federationurl",
        "loginurl",
        "qrcodepng",
        "secretaccesskey",
        "secretbinary",
        "secretkey",
        "secretstring",
        "setcookie",
        "signinurl",
        "signingkey",
        "stsexternalid",
        "tokencode",
        "xamzcredential",
        "xamzsignature",
    }
)
_ENDINGS: Final = (
    "token",
    "tokens",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passphrase",
    "privatekey",
    "assertion",
    "signingsecret",
)
# They end like credentials, page through lists or make calls idempotent, and open nothing.
_HARMLESS: Final = frozenset({"clienttoken", "clientrequesttoken", "continuationtoken", "nexttoken", "paginationtoken", "starttoken"})

_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]")
_WORDS: Final = (
    r"(?:secret[_-]?access[_-]?key|(?:session|security|signin|task|web[_-]?identity|access|refresh|id|bearer)[_-]?token"
    r"|saml[_-]?assertion|client[_-]?secret|signing[_-]?secret|external[_-]?id|password|x-amz-(?:security-token|signature|credential))"
)
_SHAPES: Final = (
    # A name and its value in text: a query, a header, JSON that was cut.
    (re.compile(rf"({_WORDS}\\*[\"']?\s*(?:[:=]|%3[aAdD])\s*\\*[\"']?)[^\s\"'&,;\\}}]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"https://hooks\.slack\.com/[^\s\"'\\]+", re.IGNORECASE), REDACTED),
    (re.compile(r"""\b(?:xox[a-z]|xapp|xwfp)-[^\s"'\\]{6,}""", re.IGNORECASE), REDACTED),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    # JWTs: OIDC tokens of web identities.
    (re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{4,}(?:\.[\w-]*)?"), REDACTED),
    # What session tokens of STS and task tokens of Step Functions have begun with, and base64 of SAML's XML.
    (re.compile(r"(?:IQoJ|FwoG|FQoG|AQoD|AQoE|IQoD|AgoJ)(?:[\w+/=-]|%2[bBfF]|%3[dD]){16,}"), REDACTED),
    (re.compile(r"(?:AAAAKgAAAA|AQC[A-Za-z0-9])[\w+/=-]{60,}"), REDACTED),
    (re.compile(r"(?:PHNhbWx|PD94bWwg|PFJlc3Bvbn)(?:[\w+/=-]|%2[bBfF]|%3[dD]){16,}"), REDACTED),
    # Ids of temporary credentials.
    (re.compile(r"\bASIA[A-Z0-9]{12,}\b"), REDACTED),
    # Whatever else is as long as a token and has no gap: nothing that is read in an event is.
    (re.compile(r"(?<![\w+/=-])(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])[\w+/=-]{300,}"), REDACTED),
)
# A console's address signs in whoever opens it.
_URL: Final = re.compile(r"https?://[^\s\"'\\]+", re.IGNORECASE)
_SIGNS_IN: Final = re.compile(r"signin|federation", re.IGNORECASE)
# A secret access key is 40 characters of base64: both cases, a digit or sign, and not 40 hex digits as thumbprints and hashes are.
_SECRET_KEY: Final = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
_HEX: Final = re.compile(r"[0-9a-f]{40}|[0-9A-F]{40}")


def redacted_record(message: str, *, largest: int = LARGEST) -> str:
    """JSON text, ASCII, at most `largest` characters, of a message that is JSON text. Never raises.

    What is cut for its length says so where it stood: `{"cut": "…", "characters": 12345}`.
    """
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        value = message
    value = redacted(value)
    return within(value, largest)


def redacted(value: Any) -> Any:
    """A copy of JSON data without credentials. What is nested deeper than any record is taken out whole."""
    return _redacted(value, 0, 0)


def within(value: Any, largest: int) -> str:
    """JSON text of at most `largest` characters: long texts and lists are cut, the longest first. At least 100 must be allowed."""
    text = json.dumps(value)
    longest = largest
    while len(text) > largest and longest > _SHORTEST:
        longest //= 4
        text = json.dumps(_cut(value, longest))
    return text if len(text) <= largest else json.dumps({"cut": "the whole, too long even without its long parts", "characters": len(text)})


def _cut(value: Any, longest: int) -> Any:
    """Texts to `longest` characters, lists and objects to as many members."""
    match value:
        case str() if len(value) > longest:
            return {"cut": value[:longest], "characters": len(value)}
        case list():
            kept = [_cut(each, longest) for each in value[:longest]]
            return kept if len(value) <= longest else [*kept, {"cut": "the rest of the list", "members": len(value)}]
        case dict():
            names = list(value)[:longest]
            cut = {str(name)[:longest]: _cut(value[name], longest) for name in names}
            return cut if len(value) <= longest else {**cut, "cut": "the rest of the object", "members": len(value)}
        case _:
            return value


def _redacted(value: Any, depth: int, layers: int) -> Any:
    if depth > _DEEPEST:
        return REDACTED
    match value:
        case dict():
            return {_text(str(name), layers): _named(name, inner, depth, layers) for name, inner in value.items()}
        case list():
            return [_redacted(each, depth + 1, layers) for each in value]
        case str():
            return _text(value, layers)
        case _:
            return value


def _named(name: object, value: Any, depth: int, layers: int) -> Any:
    if not isinstance(name, str) or not _is_secret(name):
        return _redacted(value, depth + 1, layers)
    if value is None or isinstance(value, bool) or value == "":
        return value
    return [REDACTED] * len(value) if isinstance(value, list) else REDACTED


def _is_secret(name: str) -> bool:
    plain = _NOT_A_NAME.sub("", name.lower())
    return plain in _NAMES or (plain.endswith(_ENDINGS) and plain not in _HARMLESS)


def _text(text: str, layers: int) -> str:
    """JSON inside is looked through as such; it stays as it came, to the letter, where nothing is to be taken out."""
    if "%" in text:
        plain = unquote(text)
        if plain != text:
            if layers >= _MOST_LAYERS:
                return REDACTED
            clean = _text(plain, layers + 1)
            if clean != plain:
                return clean
    if text.lstrip()[:1] in {"{", "[", '"'}:
        twice: list[str] = []
        try:
            value = json.loads(text, object_pairs_hook=lambda pairs: _one_of_each(pairs, twice))
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict | list | str) and value != text:
            if layers >= _MOST_LAYERS:
                return REDACTED
            clean = _redacted(value, 0, layers + 1)
            if clean != value or twice:
                return json.dumps(clean)
    text = _URL.sub(lambda url: REDACTED if _SIGNS_IN.search(url.group()) and "=" in url.group() else url.group(), text)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return _SECRET_KEY.sub(_unless_it_is_no_key, text)


def _one_of_each(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    """What stands twice is read once: the other must not stay in the text, unread."""
    value = dict(pairs)
    if len(value) != len(pairs):
        twice.append("")
    return value


def _looks_random(text: str) -> bool:
    tests: tuple[Callable[[str], bool], ...] = (str.islower, str.isupper, lambda each: not each.isalpha())
    return all(any(test(each) for each in text) for test in tests) and _HEX.fullmatch(text) is None


def _unless_it_is_no_key(found: re.Match[str]) -> str:
    return REDACTED if _looks_random(found.group()) else found.group()
