"""Adapters to whoever is neither AWS nor Slack."""
