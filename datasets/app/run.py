"""One run: servers, database, API, worker and load; then the report and the exports."""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import aiohttp

from datasets.app import faults, report
from datasets.app.export import database
from datasets.app.export.pack import pack
from datasets.app.export.scrapes import Containers, Recording, scrape_all
from datasets.app.schema import build
from datasets.app.servers import packages, ports, programs
from datasets.app.servers.children import Children

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("caddy", "api", "worker", "postgres", "redis", "caddy_admin", "spans", "node", "redis_exporter", "postgres_exporter")
SCRAPE_SECONDS = 5
WARMUP_SECONDS = 3.0


class Run:
    """A run of the application; `options` are the parsed arguments of the command line."""

    def __init__(self, options):
        self.options, self.active = options, faults.parse(options.faults)
        self.port = {name: options.base_port + i for i, name in enumerate(PORTS)}
        self.directory = Path(tempfile.mkdtemp(prefix="almanac-app-"))
        self.directory.chmod(0o755)
        self.out = options.out
        self.children = Children(self.directory)
        self.dsn = f"postgresql://postgres@127.0.0.1:{self.port['postgres']}/{build.DATABASE}"
        self.rows, self.reserved = {}, []
        self.now = None  # present time of the requests as ISO 8601; None: the clock's

    def say(self, text):
        print(f"app: {text}", file=sys.stderr, flush=True)

    async def prepare(self):
        """Installs what is missing, starts the servers and fills the database."""
        self.reserved = ports.reserve(self.port)
        packages.install(packages.missing({**packages.BASE, **(packages.EXPORTERS if self.options.record else {})}))
        if self.options.copy:
            packages.install([name for name in [packages.hypopg_package()] if name])
        programs.start_postgres(self.children, self.port["postgres"], build.SETTINGS)
        programs.start_redis(self.children, self.port["redis"])
        programs.start_caddy(self.children, self.port["caddy"], self.port["caddy_admin"], self.port["api"])
        await asyncio.to_thread(build.wait_ready, self.port["postgres"])
        began = time.monotonic()
        self.say(f"makes {sum(build.rows(self.options.scale).values()):,} rows from seed {self.options.seed}")
        self.rows = await asyncio.to_thread(build.build, self.port["postgres"], self.options.scale, self.options.seed, self.active)
        self.say(f"rows and indexes took {time.monotonic() - began:.0f} s")
        if self.options.copy:
            await asyncio.to_thread(build.make_copy, self.port["postgres"])
        if self.options.record:
            programs.start_exporters(self.children, self.port, self.dsn)

    def start_service(self):
        """Starts API and worker, and the receiver of spans if the run is exported."""
        otlp = [self.options.traces] if self.options.traces else []
        if self.out and "spans" not in self.children.children:
            self._python("spans", "datasets.app.export.spans", {}, str(self.port["spans"]), str(self.out / "spans.jsonl"))
        if self.out:
            otlp.append(f"http://127.0.0.1:{self.port['spans']}/v1/traces")
        for name in ("api", "worker"):
            self._python(name, f"datasets.app.service.{name}", {
                "APP_DSN": self.dsn, "APP_REDIS_PORT": str(self.port["redis"]), "APP_PORT": str(self.port[name]),
                "APP_SEED": str(self.options.seed), "APP_LOG_DIR": str(self.out or self.directory), "APP_OTLP": ",".join(otlp),
                "APP_FAULTS": ",".join(sorted(self.active)) or "none"})

    def _python(self, name, module, env, *args):
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.children.start(name, [sys.executable, "-m", module, *args], env={"PYTHONPATH": path, **env}, cwd=self.directory)

    async def wait_healthy(self, seconds=120):
        """Waits until the API answers through Caddy, and the worker and the receiver of spans take connections."""
        deadline = time.monotonic() + seconds
        url = f"http://127.0.0.1:{self.port['caddy']}/api/health"
        await self._wait(deadline, f"the API does not answer at {url}", lambda: urllib.request.urlopen(url, timeout=2).close())
        for name in ("worker", "spans"):
            if name in self.children.children:
                address = ("127.0.0.1", self.port[name])
                await self._wait(deadline, f"{name} does not answer on port {address[1]}",
                                 lambda address=address: socket.create_connection(address, 2).close())

    async def _wait(self, deadline, failure, probe):
        """Probes until there is no OSError; RuntimeError after the deadline or when a server has ended."""
        while True:
            self.check_children()
            try:
                return await asyncio.to_thread(probe)
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(failure) from None
                await asyncio.sleep(0.2)

    def check_children(self):
        """Raises RuntimeError with the last lines of the log of a server that ended by itself."""
        for name in self.children.dead():
            if name != "load":
                log = self.directory / f"{name}.log"
                tail = log.read_text(errors="replace").strip().splitlines()[-3:] if log.exists() else []
                raise RuntimeError(f"{name} ended by itself: {' | '.join(tail) or 'no output'}")

    async def load(self, seconds):
        """Drives one day of load in this many seconds and returns its report."""
        results = self.directory / "load.json"
        self._python("load", "datasets.app.load.drive", {}, json.dumps({
            "front": f"http://127.0.0.1:{self.port['caddy']}", "midnight": time.time() + WARMUP_SECONDS, "seconds": seconds,
            "day_seconds": seconds, "peak": self.options.peak, "seed": self.options.seed, "rows": self.rows, "out": str(results),
            "now": self.now}))
        child = self.children.children["load"]
        while child.poll() is None:
            self.check_children()
            await asyncio.sleep(0.5)
        if child.returncode:
            raise RuntimeError("the load generator failed: " + (self.directory / "load.log").read_text(errors="replace")[-500:])
        return json.loads(results.read_text())

    async def execute(self):
        """Does the whole run."""
        try:
            await self._execute()
        except asyncio.CancelledError:
            self.children.stop_all()  # ends a psql that still fills tables, and with it the thread that waits for it
            raise

    async def _execute(self):
        await self.prepare()
        self.start_service()
        await self.wait_healthy()
        build.reset_statistics(self.port["postgres"])
        print(report.addresses(self), flush=True)
        started = time.time()
        recorder = asyncio.create_task(self.record()) if self.options.record else None
        results = await self.load(self.options.minutes * 60)
        if recorder and not recorder.cancel():
            recorder.result()  # it ended by itself: raises what ended it
        await asyncio.to_thread(self.finish, started, results)

    async def record(self):
        """Records a scrape of every target each SCRAPE_SECONDS until it is cancelled."""
        recording, containers, targets = Recording(self.out), Containers(self.children), programs.targets(self.port)
        async with aiohttp.ClientSession() as session:
            while True:
                at = (int(time.time()) // SCRAPE_SECONDS + 1) * SCRAPE_SECONDS
                await asyncio.sleep(at - time.time())
                await scrape_all(session, recording, containers, targets, at * 1000, 0.8 * SCRAPE_SECONDS)

    def metrics(self):
        """Returns process -> text of its `/metrics`."""
        return {name: urllib.request.urlopen(f"http://127.0.0.1:{self.port[name]}/metrics", timeout=5).read().decode()
                for name in ("api", "worker")}

    def finish(self, started, results):
        """Prints the report, and writes the exports if there is a folder for them."""
        metrics = self.metrics()
        statements = database.statements(self.port["postgres"])
        print(report.report(results, statements, metrics), flush=True)
        for name in ("worker", "api", "spans"):
            self.children.stop(name)
        if not self.out:
            return
        database.export(self.port["postgres"], self.directory / "postgres.log", self.out)
        for name, text in metrics.items():
            (self.out / f"metrics.{name}.txt").write_text(text)
        (self.out / "load.json").write_text(json.dumps(results, indent=1) + "\n")
        (self.out / "truth.json").write_text(json.dumps(faults.truth(self.active), indent=1) + "\n")
        (self.out / "manifest.json").write_text(json.dumps({
            "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": round(time.time() - started, 1),
            "faults": sorted(self.active), "seed": self.options.seed, "scale": self.options.scale, "rows": self.rows,
            "peak_requests_per_second": self.options.peak,
            "servers": {"postgresql": packages.version(packages.postgres_bin("postgres"), "--version"),
                        "redis": packages.version("redis-server", "--version"), "caddy": packages.version("caddy", "version"),
                        "python": sys.version.split()[0]}}, indent=1) + "\n")
        if self.options.record:
            pack(self.out)
        self.say(f"exports are in {self.out}")

    def close(self, keep_logs):
        """Stops the children and removes their folder; `keep_logs`: all of it but the database."""
        self.children.stop_all()
        shutil.rmtree(self.directory / "postgres" if keep_logs else self.directory, ignore_errors=True)
        if keep_logs and any(self.directory.iterdir()):
            self.say(f"logs are in {self.directory}")
        elif keep_logs:
            self.directory.rmdir()  # it ended before it started anything
