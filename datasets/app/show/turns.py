"""Turns of load on one server: each begins with the same rows and cold caches, gets the same requests, and is watched by Almanac."""

import asyncio
import json
import time
from datetime import datetime, timezone

from datasets.app import faults
from datasets.app.export import database
from datasets.app.run import PORTS, Run
from datasets.app.schema import build
from datasets.app.service.settings import pools
from datasets.app.show.almanac import Service, review
from datasets.app.show.cost import Processors

BASE = "app_base"
# Time after the last request in which the worker ends its jobs.
SETTLE_SECONDS = 5.0


class Turns(Run):
    """Turns with different faults and indexes. `options.results`: folder for the exports, one subfolder for each turn."""

    def __init__(self, options):
        super().__init__(options)
        self.port["almanac"] = options.base_port + len(PORTS)
        self.planted = self.active
        self.options.traces = f"http://127.0.0.1:{self.port['almanac']}/v1/traces"

    async def open(self):
        """Makes the rows with the indexes of the planted faults, the copy for `verify`, and the base of the turns."""
        await self.prepare()
        self.now = datetime.now(timezone.utc).isoformat()
        await asyncio.to_thread(build.psql, self.port["postgres"], "postgres", "-c",
                                f"CREATE DATABASE {BASE} TEMPLATE {build.DATABASE} STRATEGY file_copy")

    def restore(self, script):
        """Makes the database anew from the base and runs a script on it."""
        port = self.port["postgres"]
        build.psql(port, "postgres", "-c", f"DROP DATABASE {build.DATABASE} WITH (FORCE)",
                   "-c", f"CREATE DATABASE {build.DATABASE} TEMPLATE {BASE} STRATEGY file_copy")
        build.psql(port, build.DATABASE, "-f", "-", text=script)
        build.psql(port, build.DATABASE, "-c", "VACUUM ANALYZE", "-c", "CHECKPOINT")

    def handmade(self, active):
        """Returns the script that changes the indexes of the planted faults to those of other faults."""
        wanted, present = faults.indexes(active), faults.indexes(self.planted)
        return "\n".join([*(f"DROP INDEX {name};" for name in present if name not in wanted),
                          *(f"{sql};" for name, sql in wanted.items() if name not in present)])

    def flush_cache(self):
        """Empties Redis."""
        import redis
        redis.Redis(port=self.port["redis"]).flushall()

    async def turn(self, name, active, script, seconds, ways=("review", "service")):
        """Runs one day of load and returns its figures.

        `active`: faults of the code; `script`: SQL that changes the indexes of the planted faults; `ways`: who is asked for advice; a service needs
        five minutes of observation. Figures: `statements`, `indexes` (name -> bytes and scans), `load`, `cost` (see `Processors.seconds`),
        `elapsed` seconds, `review` and `advice` (rows of the two ways, empty if not asked).
        """
        self.say(f"turn {name}: {', '.join(sorted(active)) or 'no fault'}")
        self.active, self.out = active, self.options.results / name
        self.out.mkdir()
        log = self.directory / "postgres.log"
        await asyncio.to_thread(self.restore, script)
        begin = log.stat().st_size
        self.flush_cache()
        service = Service(self.options.almanac, self.out / "almanac", self.port, log, pools(active))
        build.reset_statistics(self.port["postgres"])
        await service.start(self.children)
        self.start_service()
        await self.wait_healthy()
        cost, started = Processors(self.children.children["postgres"].pid, "almanac"), time.monotonic()
        cost.look()
        following = asyncio.create_task(cost.follow())
        load = await self.load(seconds)
        await asyncio.sleep(SETTLE_SECONDS)
        following.cancel()
        cost.look()
        figures = {"name": name, "faults": sorted(active), "seconds": seconds, "load": load, "elapsed": time.monotonic() - started,
                   "cost": cost.seconds(), "statements": database.statements(self.port["postgres"]), "indexes": database.index_use(self.port["postgres"]),
                   "review": [], "advice": []}
        await asyncio.to_thread(self.export, log, begin)
        for child in ("load", "worker", "api", "spans"):
            await asyncio.to_thread(self.children.stop, child)
        if "service" in ways:
            await asyncio.sleep(service.lacks())
        await asyncio.to_thread(self.children.stop, "almanac", patience=60.0)
        if "review" in ways:
            figures["review"] = await review(self.options.almanac, self.out, seconds)
        if "service" in ways:
            figures["advice"] = await service.advice()
        (self.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
        total = sum(s["total_exec_time"] for s in figures["statements"]) / 1000
        self.say(f"turn {name}: {load['requests']} requests, {load['failed']} failed, {total:.2f} s of statements")
        return figures

    def export(self, log, begin):
        """Writes the exports of a turn; `begin`: where the server's log had its end before it."""
        part = self.directory / "turn.log"
        with open(log, "rb") as file:
            file.seek(begin)
            part.write_bytes(file.read())
        database.export(self.port["postgres"], part, self.out)
        (self.out / "truth.json").write_text(json.dumps(faults.truth(self.active), indent=1) + "\n")
