"""A page that shows what happened on the local stack: server-rendered, without a script, on 127.0.0.1 only."""

from local.page.server import serve

__all__ = ["serve"]
