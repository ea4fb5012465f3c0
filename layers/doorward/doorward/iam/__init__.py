"""The IAM policy language as values: ARNs, documents, conditions; evaluation; the search for a witness. No third-party import."""
