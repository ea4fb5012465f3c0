"""Digests of the emulator's source: a gap module is only right for the code that it was written against."""

import hashlib
import importlib
import inspect
from typing import Any


def target(name: str) -> Any:
    """Return what `package.module:attribute` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def digest(name: str) -> str:
    """Return the first twelve hex digits of the SHA-256 of a function's source, or of a string constant."""
    value = target(name)
    text = value if isinstance(value, str) else inspect.getsource(value)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
