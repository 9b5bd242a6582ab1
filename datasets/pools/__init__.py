"""Waits at real connection pools, measured over a sweep of sizes, for docs/measured/pools.md."""
