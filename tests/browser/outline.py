"""What a document consists of besides its text."""

from html.parser import HTMLParser

type Outline = list[tuple[str, tuple[tuple[str, str | None], ...]]]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outline: Outline = []
        self.texts: list[str] = []
        self.title = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outline.append((tag, tuple(attrs)))
        self._in_title = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self.outline.append((f"/{tag}", ()))
        self._in_title = False

    def handle_comment(self, data: str) -> None:
        self.outline.append(("comment", (("text", data),)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_title:
            self.title += data


def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def outline(html: str) -> Outline:
    """Every start tag with its attributes, every end tag and comment, in order."""
    return read(html).outline


def title(html: str) -> str:
    return read(html).title


def text(html: str) -> str:
    return "".join(read(html).texts)
