"""The shape of a day, and the load generator."""
