"""One module a verb: fetch facts, let the core decide, act."""
