"""Measures every fault alone, all and none on one database, and prints the tables of docs/example-application.md.

    scripts/app.sh measure [--seconds 45] [--scale 1] [--peak 14] [--seed 1] [--only NAMES] [--base-port 21500]

Every turn has the same requests from the same seed. Indexes are changed between turns; rows that a turn writes stay.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from datasets.app import command, faults
from datasets.app.export import database
from datasets.app.export.loops import repetitions
from datasets.app.measure import tables
from datasets.app.run import Run
from datasets.app.schema import build

BOUNDS = (("seconds", 5, 3600), ("scale", 0.001, 20), ("peak", 0.1, 500), ("base_port", 1024, 65000), ("seed", 0, 10**6))


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
    options = parser.parse_args(argv)
    command.check_bounds(parser, options, BOUNDS)
    try:
        faults.parse(options.only or "none")
    except ValueError as error:
        parser.error(str(error))
    return options


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
                   "indexes": database.index_use(self.port["postgres"]),
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
            self.say(f"{name}: {tables.statement_seconds(figures[name]):.2f} s of statements")
            (self.out / "figures.json").write_text(json.dumps({k: {**v, "loops": [[*key, *n] for key, n in v["loops"].items()]}
                                                               for k, v in figures.items()}))
        return figures


def main():
    """Measures and prints; returns the exit status."""
    options = arguments()
    names = sorted(faults.parse(options.only), key=list(faults.FAULTS).index) if options.only else list(faults.FAULTS)
    options.out = Path(tempfile.mkdtemp(prefix="almanac-app-measure-"))
    run = Measurement(options)

    async def work():
        print(tables.document(await run.measure(names)))

    def close(failed):
        run.close(failed)
        run.say(f"figures and spans are in {options.out}")

    return 0 if command.carry_out("measure", work, close) else 1


if __name__ == "__main__":
    sys.exit(main())
