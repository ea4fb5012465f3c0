"""Documents in the shape that nearly all of them have, read quickly.

`parse_document` is the one reader of the grammar and says what is wrong where. What is read here it would read the same
(a property holds it); what is not in this shape is None, and goes to `parse_document`.
"""

from typing import Any, TypeGuard

from doorward.iam.documents import VERSION_2012, Condition, Document, Principal, Statement

# A NamedTuple's own constructor costs three times as much.
_new = tuple.__new__
_ACCOUNT_ID_DIGITS = 12
_EVERYONE = (Principal("*", "*"),)


def read_plain_document(raw: dict[str, Any]) -> Document | None:
    """A decoded document with only Version 2012-10-17 and statements of text and lists of text; else None."""
    given = raw.get("Statement")
    if len(raw) != 2 or raw.get("Version") != VERSION_2012:  # noqa: PLR2004 - these two
        return None
    if given.__class__ is dict:
        given = (given,)
    elif given.__class__ is not list:
        return None
    statements: list[Statement] = []
    for position, each in enumerate(given):
        statement = _statement(position, each) if each.__class__ is dict else None
        if statement is None:
            return None
        statements.append(statement)
    return _new(Document, (VERSION_2012, None, tuple(statements)))


def _statement(position: int, raw: dict[str, Any]) -> Statement | None:
    get = raw.get
    effect, actions = get("Effect"), get("Action")
    read = 2
    if effect != "Allow" and effect != "Deny":  # noqa: PLR1714 - a set would hash any value
        return None
    not_actions = None
    if actions is None:
        not_actions = get("NotAction")
        if not_actions.__class__ is str:
            not_actions = (not_actions,)
        elif _is_texts(not_actions):
            not_actions = tuple(not_actions)
        else:
            return None
    elif actions.__class__ is str:
        actions = (actions,)
    elif _is_texts(actions):
        actions = tuple(actions)
    else:
        return None
    principals, resources, not_resources = get("Principal"), get("Resource"), None
    if principals is not None:
        read += 1
        principals = _principals(principals)
        if principals is None:
            return None
    if resources is not None:
        read += 1
        if resources.__class__ is str:
            resources = (resources,)
        elif _is_texts(resources):
            resources = tuple(resources)
        else:
            return None
    sid, block = get("Sid"), get("Condition")
    if sid is not None:
        read += 1
        if sid.__class__ is not str:
            return None
    conditions: tuple[Condition, ...] | None = ()
    if block is not None:
        read += 1
        conditions = _conditions(block)
        if conditions is None:
            return None
    if read != len(raw):
        return None  # another element, or null somewhere
    return _new(Statement, (position, sid, effect, principals, None, actions, not_actions, resources, not_resources, conditions))


def _is_texts(value: Any) -> TypeGuard[list[str]]:
    if value.__class__ is not list:
        return False
    for each in value:  # noqa: SIM110 - a generator costs more than the look
        if each.__class__ is not str:
            return False
    return True


def _principals(value: Any) -> tuple[Principal, ...] | None:
    if value.__class__ is not dict:
        return _EVERYONE if value == "*" else None
    found: tuple[Principal, ...] = ()
    for kind, entries in value.items():
        if kind != "AWS" and kind != "Service" and kind != "Federated":  # noqa: PLR1714 - the kind may be anything
            return None
        if entries.__class__ is str:
            entries = (entries,)  # noqa: PLW2901
        elif not _is_texts(entries):
            return None
        for text in entries:
            if len(text) < _ACCOUNT_ID_DIGITS and kind == "AWS" and text.isdigit():
                return None  # an account id without its leading zeros
            found += (_new(Principal, (kind, text)),)
    return found


def _conditions(block: Any) -> tuple[Condition, ...] | None:
    if block.__class__ is not dict:
        return None
    found: tuple[Condition, ...] = ()
    for operator, keys in block.items():
        if keys.__class__ is not dict or operator.__class__ is not str:
            return None
        for key, values in keys.items():
            if values.__class__ is str:
                values = (values,)  # noqa: PLW2901
            elif _is_texts(values):
                values = tuple(values)  # noqa: PLW2901
            else:
                return None
            if key.__class__ is not str:
                return None
            found += (_new(Condition, (operator, key, values)),)
    return found
