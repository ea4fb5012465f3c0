"""Benchmarks: what docs/performance.md states, measured side by side in one run."""
