"""Things that people decide: about findings, and about grants."""
