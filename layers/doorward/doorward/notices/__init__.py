"""How much people are told: what goes together, what waits, and where each thing is told."""
