"""What every capability can say: findings, verdicts, and how attacker-written text is shown safely."""
