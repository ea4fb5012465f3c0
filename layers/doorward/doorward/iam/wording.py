"""How sentences name a statement, and what others wrote in it. Raw text: whoever shows it escapes it."""

LONGEST_QUOTE = 80


def shortened(text: str) -> str:
    """At a length that a sentence can carry."""
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"


def statement_in_words(index: int, sid: str | None) -> str:
    """`Statement 0 ("AllowCI")`, counted from 0 as in findings."""
    return f"Statement {index}" + ("" if sid is None else f' ("{shortened(sid)}")')
