"""Counts how often a statement repeats below one server span, in the OTLP JSON lines of a run. Pure: lines in, counts out."""

import json
from collections import Counter, defaultdict

SERVER = 2
# What asyncpg runs when a connection goes back to its pool.
RESET = "SELECT pg_advisory_unlock_all"


def repetitions(lines, least=5):
    """Returns (route, statement) -> (requests, median, maximum) of the statements with at least `least` calls in some request."""
    routes, calls = {}, defaultdict(Counter)
    for line in lines:
        for resource in json.loads(line).get("resourceSpans", []):
            for scope in resource.get("scopeSpans", []):
                for span in scope.get("spans", []):
                    attributes = {a["key"]: next(iter(a["value"].values()), None) for a in span.get("attributes", [])}
                    if span.get("kind") == SERVER:
                        routes[span["traceId"]] = span["name"]
                    statement = attributes.get("db.statement") or attributes.get("db.query.text")
                    if statement and "sql" in attributes.get("db.system", attributes.get("db.system.name", "")):
                        calls[span["traceId"]][" ".join(statement.split())] += 1
    counts = defaultdict(list)
    for trace, route in routes.items():
        for statement, n in calls[trace].items():
            if not statement.startswith(RESET):
                counts[route, statement].append(n)
    return {key: (len(n), sorted(n)[len(n) // 2], max(n)) for key, n in counts.items() if max(n) >= least}
