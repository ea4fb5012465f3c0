"""The frame of a local page: one document that needs nothing from elsewhere and runs no script."""

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from doorward_cli.markup import Html, join, tag

FRAME: Final = Path(__file__).parent / "frame.css"


@cache
def style_sheet(*files: Path) -> Html:
    """The frame's own style sheet, and these. It stands in the page, so that a saved page looks the same."""
    return join(*(Html(each.read_text(encoding="utf-8")) for each in (FRAME, *files)))


def content_security_policy(style: Html, *, forms: str = "'none'") -> str:
    """Nothing but this style sheet, by its hash: no script, image or frame, whatever the page would say. `forms`: where they may go."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"


def document(title: str, style: Html, *body: Html | str | None, name: str | None = None) -> str:
    """`name`: the class of the body."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body, class_=name), lang='en')}\n"


def time_tag(time: datetime, shown: str | None = None) -> Html:
    """A moment, in UTC; `shown` None: by day and clock."""
    return tag("time", shown or time.astimezone(UTC).strftime("%d %b, %H:%M:%S"), datetime=time.isoformat(timespec="milliseconds"))
