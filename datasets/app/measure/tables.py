"""The tables of docs/example-application.md as Markdown, from the figures of `measure`. Pure: figures in, text out.

Figures of a turn: `load` (report of the load generator), `statements`, `metrics` (process -> exposition), `connections`, `indexes`
(name -> bytes and scans), `loops` (see `repetitions`).
"""

import re

from datasets.app import faults, report

# The kinds of requests by route.
KINDS = {"GET /api/calendar/events": "month", "GET /api/tasks": "tasks", "GET /api/notifications": "notifications",
         "GET /api/dashboard": "dashboard", "GET /api/admin/tasks": "admin_tasks", "GET /api/tasks/search": "search",
         "POST /api/auth/refresh": "refresh", "GET /api/admin/overdue": "overdue", "POST /api/auth/login": "login",
         "POST /api/calendar/events": "create_event"}


def statement_seconds(figures):
    """Returns the time of all statements of a turn in seconds."""
    return sum(s["total_exec_time"] for s in figures["statements"]) / 1000


def own_statements(pattern, figures):
    """Returns calls and mean milliseconds of the statements that a pattern finds, as text."""
    found = [s for s in figures["statements"] if pattern and re.search(pattern, s["query"], re.S)]
    calls = sum(s["calls"] for s in found)
    return f"{calls} × {sum(s['total_exec_time'] for s in found) / calls:.2f}" if calls else "–"


def latency(none, every):
    """Returns the table of latency by kind of request."""
    lines = ["| kind of request | requests | p50, p95, p99 in ms with none | with all |", "|---|---|---|---|"]
    for kind, r in none["load"]["routes"].items():
        other = every["load"]["routes"].get(kind, r)
        cells = [", ".join(f"{x[q]:.0f}" for q in ("p50_ms", "p95_ms", "p99_ms")) for x in (r, other)]
        lines.append(f"| {kind} | {r['requests']} | {cells[0]} | {cells[1]} |")
    return lines


def heaviest(figures):
    """Returns the table of the ten heaviest statements."""
    lines = ["| s | calls | mean ms | statement |", "|---|---|---|---|"]
    for s in figures["statements"][:10]:
        text = report.one_line(s["query"], 110).replace("|", "\\|")
        lines.append(f"| {s['total_exec_time'] / 1000:.2f} | {s['calls']} | {s['mean_exec_time']:.2f} | `{text}` |")
    return lines


def each_alone(figures):
    """Returns the table of the faults, each alone; `figures`: name -> figures, with `none`."""
    none = figures["none"]
    lines = ["| fault | all statements s | its statements: calls × mean ms | good form: calls × mean ms | p95 of its requests ms, without → with "
             "| calls in one request: median, most |", "|---|---|---|---|---|---|"]
    for name, one in figures.items():
        if name not in faults.FAULTS:
            continue
        fault = faults.FAULTS[name]
        routes = [part.strip() for part in re.split("[,;]", fault.where)]
        p95 = ", ".join(f"{kind} {none['load']['routes'][kind]['p95_ms']:.0f} → {one['load']['routes'][kind]['p95_ms']:.0f}"
                        for route, kind in KINDS.items()
                        if route in routes and kind in none["load"]["routes"] and kind in one["load"]["routes"])
        loops = "; ".join(f"{median}, {most}" for (_, text), (_, median, most) in one["loops"].items()
                          if fault.statement and re.search(fault.statement, text, re.S))
        lines.append(f"| `{name}` | {statement_seconds(one):.2f} | {own_statements(fault.statement, one)} "
                     f"| {own_statements(fault.healthy or fault.statement, none)} | {p95 or '–'} | {loops or '–'} |")
    return lines


def _pool(figures, name, metric):
    bound = report.histogram_quantile(figures["metrics"]["api"], f"db_pool_{metric}_seconds", f'pool="{name}"', 0.95)
    return "no sample" if bound is None else f"p95 at most {1000 * bound:g} ms"


def _compression(figures):
    text = figures["metrics"]["api"]
    size = {direction: report.samples(text, "http_compression_bytes_total").get(f'direction="{direction}"', 0) for direction in ("in", "out")}
    count, seconds = (sum(report.samples(text, f"http_compression_seconds_{part}").values()) for part in ("count", "sum"))
    return f"{count:g} bodies, {size['in'] / 1000:.0f} → {size['out'] / 1000:.0f} kB, {1000 * seconds:.0f} ms of processor time"


def hits(figures):
    """Returns the hit ratio of each cache as text."""
    counts = {}
    for labels, value in report.samples(figures["metrics"]["api"], "cache_requests_total").items():
        cache, result = (re.search(rf'{name}="(\w+)"', labels).group(1) for name in ("cache", "result"))
        counts.setdefault(cache, {})[result] = value
    return ", ".join(f"{cache} {100 * n.get('hit', 0) / sum(n.values()):.0f} %" for cache, n in sorted(counts.items()))


def _batch(figures):
    total, count = (sum(report.samples(figures["metrics"]["worker"], f"db_batch_rows_{part}").values()) for part in ("sum", "count"))
    return f"{total / count:.0f}" if count else "–"


def _index(figures, name):
    use = figures.get("indexes", {}).get(name)
    return f"{use['bytes'] / 1e6:.1f} MB, {use['scans']} scans" if use else "–"


def elsewhere(figures):
    """Returns the table of what shows elsewhere than in statements."""
    rows = (("pool_too_small", "wait for the pool `orm`", lambda f: _pool(f, "orm", "wait")),
            ("pool_too_large", "connections", lambda f: str(f["connections"])),
            ("transaction_over_call", "hold time of the pool `api`", lambda f: _pool(f, "api", "hold")),
            ("row_by_row_inserts", "rows an inserting statement of the worker", _batch),
            ("redundant_index", "index `tasks_owner`", lambda f: _index(f, "tasks_owner")),
            ("unused_index", "index `calendar_events_updated`", lambda f: _index(f, "calendar_events_updated")),
            ("one_ttl", "hits", hits), ("compress_everything", "compression", _compression), ("compress_nothing", "compression", _compression))
    lines = ["| fault | figure | without | with |", "|---|---|---|---|"]
    return lines + [f"| `{name}` | {what} | {of(figures['none'])} | {of(figures[name])} |" for name, what, of in rows if name in figures]


def document(figures):
    """Returns all tables; `figures`: name -> figures, with `none` and `all`."""
    parts = [latency(figures["none"], figures["all"])]
    for name in ("all", "none"):
        parts.append([f"`FAULTS={name}`: {statement_seconds(figures[name]):.1f} s of statements; the ten heaviest:"])
        parts.append(heaviest(figures[name]))
    parts += [each_alone(figures), elsewhere(figures)]
    return "\n\n".join("\n".join(part) for part in parts)
