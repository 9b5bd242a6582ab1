"""One run of the application with a service beside it; then the tables of the service's store."""

import asyncio
import sys
import time

from datasets.app.recording.pack import QUERIES, pack
from datasets.app.run import PORTS, Run
from datasets.app.schema import build
from datasets.app.servers import packages
from datasets.app.service.settings import pools
from datasets.app.show.almanac import Service

# Time after the last request in which the worker ends its jobs, and in which the service reads the database once more.
SETTLE_SECONDS = 25.0


class ServiceRecording(Run):
    """Runs the application under load while a service watches it. `options.folder`: where the recording is written."""

    def __init__(self, options):
        super().__init__(options)
        self.port["almanac"] = options.base_port + len(PORTS)
        self.options.traces = f"http://127.0.0.1:{self.port['almanac']}/v1/traces"

    async def _execute(self):
        await self.prepare()
        log = self.directory / "postgres.log"
        service = Service(self.options.almanac, self.directory / "almanac", self.port, log, pools(self.active))
        build.reset_statistics(self.port["postgres"])
        await service.start(self.children)
        self.start_service()
        await self.wait_healthy()
        started = time.time()
        self.say(f"records {self.options.minutes:g} minutes with: {', '.join(sorted(self.active))}")
        results = await self.load(self.options.minutes * 60)
        await asyncio.sleep(SETTLE_SECONDS)
        for child in ("load", "worker", "api"):
            await asyncio.to_thread(self.children.stop, child)
        await asyncio.to_thread(self.children.stop, "almanac", patience=60.0)
        for name, query in QUERIES.items():
            with open(self.directory / f"{name}.parquet", "wb") as file:
                child = await asyncio.create_subprocess_exec(
                    self.options.almanac, "sql", "--config", "almanac.toml", "--format", "parquet", query,
                    cwd=service.folder, stdout=file, stderr=asyncio.subprocess.PIPE)
                _, err = await child.communicate()
            if child.returncode:
                raise RuntimeError(f"almanac sql {query!r} failed: {err.decode().strip()[-500:]}")
        await asyncio.to_thread(pack, self.directory, self.options.folder, self.manifest(started, results))
        self.say(f"{results['requests']} requests, {results['failed']} failed; the recording is in {self.options.folder}")

    def manifest(self, started, results):
        """Returns the description of the recording, without its files."""
        return {
            "recorded_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": round(60 * self.options.minutes, 1),
            "faults": sorted(self.active), "seed": self.options.seed, "scale": self.options.scale, "rows": self.rows,
            "peak_requests_per_second": self.options.peak, "requests": results["requests"], "failed": results["failed"],
            "pools": {name: {"size": size, "overflow": overflow} for name, (size, overflow) in pools(self.active).items()},
            "servers": {"postgresql": packages.version(packages.postgres_bin("postgres"), "--version"),
                        "redis": packages.version("redis-server", "--version"), "caddy": packages.version("caddy", "version"),
                        "python": sys.version.split()[0], "almanac": packages.version(str(self.options.almanac), "--version")},
            "notes": ["all rows are made by a function of the seed; names and texts are invented",
                      "the load makes one day, from midnight to midnight, in the seconds of the recording",
                      "statements have no literals: the service stores neither values of parameters nor of columns",
                      "series are those that the advisors on pools, batches and settings read; their job is \"app\"",
                      "settings that are paths are left out of the catalogue"]}
