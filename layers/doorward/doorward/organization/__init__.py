"""Who belongs to us and whom we trust: the org file as values."""
