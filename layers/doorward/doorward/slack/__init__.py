"""The ports on Slack."""
