"""Exports of a run: what an analyst would write by hand with psql, and spans."""
