"""Worlds, rules, judging a role's trust policy, deciding what to do about it, and the remedies."""
