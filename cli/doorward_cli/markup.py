"""HTML that is safe by the way it is put together: whatever is not `Html` is text, and is escaped."""

from doorward.findings.escaping import for_html

_VOID = frozenset({"br", "hr", "input", "link", "meta"})


class Html(str):
    """Markup that we wrote. Make it by `tag` and `join`; a literal only where no value goes in."""

    __slots__ = ()


def tag(name: str, /, *inside: "Html | str | None", **attributes: str | None) -> Html:
    """One element. None is left out; `class_` is `class`, and `aria_label` is `aria-label`."""
    given = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{for_html(value)}"' for key, value in attributes.items() if value is not None
    )
    return Html(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{join(*inside)}</{name}>")


def join(*parts: "Html | str | None") -> Html:
    return Html("".join(each if isinstance(each, Html) else for_html(each) for each in parts if each is not None))
