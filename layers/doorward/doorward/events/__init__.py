"""CloudTrail records and EventBridge envelopes as typed values."""
