"""Measures every fault alone, all and none on one database, and prints the tables of docs/example-application.md.

    scripts/app.sh measure [--seconds 45] [--scale 1] [--peak 14] [--seed 1] [--only NAMES] [--base-port 21500]

Every turn has the same requests from the same seed. Indexes are changed between turns; rows that a turn writes stay.
"""

import argparse
import asyncio
import json
import re
import signal
import sys
import tempfile
from pathlib import Path

from datasets.app import faults, report
from datasets.app.export import database
from datasets.app.export.loops import repetitions
from datasets.app.run import Run
from datasets.app.schema import build

# The kinds of requests that a fault slows down.
KINDS = {"GET /api/calendar/events": "month", "GET /api/tasks": "tasks", "GET /api/notifications": "notifications",
         "GET /api/dashboard": "dashboard", "GET /api/admin/tasks": "admin_tasks", "GET /api/tasks/search": "search",
         "POST /api/auth/refresh": "refresh", "GET /api/admin/overdue": "overdue", "POST /api/auth/login": "login",
         "POST /api/calendar/events": "create_event"}


def arguments(argv=None):
    """Returns the arguments, as a run needs them."""
    parser = argparse.ArgumentParser(prog="datasets.app.measure", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=45.0, help="length of a turn [45]")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--peak", type=float, default=14.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="names of faults with commas; all and none are always measured")
    parser.add_argument("--base-port", type=int, default=21500)
    parser.set_defaults(faults="none", traces=None, copy=False, record=False, minutes=1.0)
    return parser.parse_args(argv)


class Measurement(Run):
    """Turns with different faults on one database."""

    def set_indexes(self, active):
        """Creates and drops indexes so that those of this set of faults exist."""
        wanted, present = faults.indexes(active), faults.indexes(self.active)
        changes = [f"DROP INDEX {name}" for name in present if name not in wanted]
        changes += [sql for name, sql in wanted.items() if name not in present]
        build.psql(self.port["postgres"], build.DATABASE, *(part for sql in [*changes, "VACUUM ANALYZE"] for part in ("-c", sql)))
        self.active = active

    async def turn(self, active):
        """Runs one day of load with these faults and returns its figures."""
        await asyncio.to_thread(self.set_indexes, active)
        spans = self.out / "spans.jsonl"
        begin = spans.stat().st_size if spans.exists() else 0
        build.psql(self.port["postgres"], "postgres", "-c", "CHECKPOINT")
        self.flush_cache()
        self.start_service()
        await self.wait_healthy()
        build.reset_statistics(self.port["postgres"])
        results = await self.load(self.options.seconds)
        figures = {"load": results, "statements": database.statements(self.port["postgres"]), "metrics": self.metrics(),
                   "connections": int(build.psql(self.port["postgres"], build.DATABASE, "-At", "-c",
                                                 "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('api', 'worker')"))}
        for name in ("worker", "api", "load"):
            await asyncio.to_thread(self.children.stop, name)
        with open(spans) as file:
            file.seek(begin)
            figures["loops"] = repetitions(file)
        return figures

    def flush_cache(self):
        """Empties Redis, so that every turn begins with cold caches."""
        import redis
        redis.Redis(port=self.port["redis"]).flushall()

    async def measure(self, names):
        """Measures none, all and each of `names`; returns name -> figures."""
        await self.prepare()
        figures = {}
        for name in ["none", "all", *names]:
            figures[name] = await self.turn(faults.parse(name))
            self.say(f"{name}: {statement_seconds(figures[name]):.2f} s of statements")
            (self.out / "figures.json").write_text(json.dumps({k: {**v, "loops": [[*key, *n] for key, n in v["loops"].items()]}
                                                               for k, v in figures.items()}))
        return figures


def statement_seconds(figures):
    """Returns the time of all statements of a turn in seconds."""
    return sum(s["total_exec_time"] for s in figures["statements"]) / 1000


def own_statements(pattern, figures):
    """Returns (calls, mean in milliseconds) of the statements that a pattern finds, or None."""
    found = [s for s in figures["statements"] if pattern and re.search(pattern, s["query"], re.S)]
    calls = sum(s["calls"] for s in found)
    return (calls, sum(s["total_exec_time"] for s in found) / calls) if calls else None


def pool_p95(figures, process, pool, name):
    """Returns the upper bound in milliseconds of the bucket of the 95th percentile of a pool's histogram."""
    bound = report.histogram_quantile(figures["metrics"][process], f"db_pool_{name}_seconds", f'pool="{pool}"', 0.95)
    return "–" if bound is None else f"{1000 * bound:g}"


def other_figures(figures):
    """Returns what shows elsewhere than in statements: pools, connections, compression, caches, as one text."""
    api = figures["metrics"]["api"]
    packed = {k: v for k, v in report.samples(api, "http_compression_bytes_total").items()}
    ratio = {}
    for labels, value in report.samples(api, "cache_requests_total").items():
        cache, result = re.search(r'cache="(\w+)"', labels).group(1), re.search(r'result="(\w+)"', labels).group(1)
        ratio.setdefault(cache, {})[result] = value
    hits = ", ".join(f"{cache} {n.get('hit', 0) / sum(n.values()):.0%}" for cache, n in sorted(ratio.items()))
    count = sum(report.samples(api, "http_compression_seconds_count").values())
    return (f"wait p95 ≤ {pool_p95(figures, 'api', 'orm', 'wait')} ms (ORM), ≤ {pool_p95(figures, 'api', 'api', 'wait')} ms (plain); hold p95 ≤ "
            f"{pool_p95(figures, 'api', 'api', 'hold')} ms (plain); connections {figures['connections']}; bodies compressed {count:g}, "
            f"{packed.get('direction=' + chr(34) + 'in' + chr(34), 0) / 1000:.0f} → {packed.get('direction=' + chr(34) + 'out' + chr(34), 0) / 1000:.0f} kB; hits: {hits}")


def tables(figures):
    """Returns the tables as Markdown."""
    none, lines = figures["none"], []
    lines += ["| route | none: requests, p50, p95, p99 in ms | all: requests, p50, p95, p99 in ms |", "|---|---|---|"]
    for kind, r in none["load"]["routes"].items():
        cells = [f"{x['requests']}: {x['p50_ms']}, {x['p95_ms']}, {x['p99_ms']}" for x in (r, figures["all"]["load"]["routes"].get(kind, r))]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    for name in ("none", "all"):
        lines += ["", f"`--faults {name}`: {statement_seconds(figures[name]):.2f} s of statements.", "", "| s | calls | mean ms | statement |", "|---|---|---|---|"]
        for s in figures[name]["statements"][:10]:
            text = report.one_line(s["query"], 110).replace("|", "\\|")
            lines.append(f"| {s['total_exec_time'] / 1000:.2f} | {s['calls']} | {s['mean_exec_time']:.2f} | `{text}` |")
    lines += ["", "| fault | statements s | its statements: calls × mean ms | without it | p95 of its routes ms, without → with | calls in one request |",
              "|---|---|---|---|---|---|"]
    for name, one in figures.items():
        if name in ("none", "all"):
            continue
        fault = faults.FAULTS[name]
        own, before = own_statements(fault.statement, one), own_statements(fault.healthy or fault.statement, none)
        kinds = [kind for route, kind in KINDS.items() if route in [part.strip() for part in re.split("[,;]", fault.where)]]
        p95 = ", ".join(f"{kind} {none['load']['routes'][kind]['p95_ms']:g} → {one['load']['routes'][kind]['p95_ms']:g}"
                        for kind in kinds if kind in none["load"]["routes"] and kind in one["load"]["routes"])
        loops = "; ".join(f"{median}, at most {most}" for (_, text), (_, median, most) in one["loops"].items()
                          if fault.statement and re.search(fault.statement, text, re.S))
        cell = ["–" if x is None else f"{x[0]} × {x[1]:.2f}" for x in (own, before)]
        lines.append(f"| `{name}` | {statement_seconds(one):.2f} | {cell[0]} | {cell[1]} | {p95 or '–'} | {loops or '–'} |")
    lines += ["", "| turn | pools, bodies, caches |", "|---|---|"]
    for name in ("none", "all", "pool_too_small", "pool_too_large", "transaction_over_call", "one_ttl", "compress_everything", "compress_nothing"):
        if name in figures:
            lines.append(f"| `{name}` | {other_figures(figures[name])} |")
    return "\n".join(lines)


def main():
    """Measures and prints; returns the exit status."""
    options = arguments()
    names = sorted(faults.parse(options.only), key=list(faults.FAULTS).index) if options.only else list(faults.FAULTS)
    options.out = Path(tempfile.mkdtemp(prefix="almanac-app-measure-"))
    run, complete = Measurement(options), False

    async def guarded():
        task = asyncio.current_task()
        for how in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(how, task.cancel)
        return await run.measure(names)
    try:
        print(tables(asyncio.run(guarded())))
        complete = True
    except asyncio.CancelledError:
        print("measure: interrupted", file=sys.stderr)
    finally:
        run.close(complete)
        run.say(f"figures and spans are in {options.out}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
