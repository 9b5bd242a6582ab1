"""Tables, rows from a seed, and the indexes that a set of faults leaves."""
