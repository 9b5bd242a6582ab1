"""The servers of a recording: what datasets/app/servers starts, with the recorder's settings, its API, worker and load."""

import asyncio
import os
import sys
import time
from pathlib import Path

from datasets.app.servers import packages, ports, programs
from datasets.app.servers.children import Children

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PORTS = ("api", "postgres", "redis", "caddy", "caddy_admin", "node", "redis_exporter", "postgres_exporter", "worker")
SETTINGS = {"shared_buffers": "64MB", "max_connections": 40, "synchronous_commit": "off", "autovacuum_naptime": "15s",
            "checkpoint_timeout": "60s", "log_min_messages": "fatal"}


def ensure_packages():
    """Installs missing packages through apt."""
    packages.install(packages.missing({**packages.BASE, **packages.EXPORTERS}))


def versions():
    """Returns program -> version of everything that takes part in a recording."""
    version = packages.version
    return {
        "postgresql": version(packages.postgres_bin("postgres"), "--version"), "redis": version("redis-server", "--version"),
        "caddy": version("caddy", "version"), "node_exporter": version("prometheus-node-exporter", "--version"),
        "redis_exporter": version("prometheus-redis-exporter", "--version"),
        "postgres_exporter": version("prometheus-postgres-exporter", "--version"), "python": sys.version.split()[0],
    }


class Servers(Children):
    """All child processes of a recording."""

    def __init__(self, directory, base_port, ttl_scale, seed, out):
        super().__init__(directory)
        self.out, self.ttl_scale, self.seed, self.reserved = out, ttl_scale, seed, []
        self.port = {name: base_port + i for i, name in enumerate(PORTS)}
        self.dsn = f"postgresql://postgres@127.0.0.1:{self.port['postgres']}/postgres"

    def start_postgres(self):
        """Reserves all ports and starts PostgreSQL with an empty cluster."""
        self.reserved = ports.reserve(self.port)
        programs.start_postgres(self, self.port["postgres"], SETTINGS)

    def start_others(self):
        """Starts Redis, Caddy and the exporters."""
        programs.start_redis(self, self.port["redis"])
        programs.start_caddy(self, self.port["caddy"], self.port["caddy_admin"], self.port["api"])
        programs.start_exporters(self, self.port, self.dsn)

    def start_app(self, name, app_version="1.0"):
        env = {"APP_DSN": self.dsn, "APP_REDIS_PORT": str(self.port["redis"]), "APP_PORT": str(self.port[name]),
               "APP_LOG_DIR": str(self.out), "APP_SEED": str(self.seed), "APP_TTL_SCALE": str(self.ttl_scale),
               "APP_VERSION": app_version, "PYTHONPATH": str(ROOT)}
        child = self.start(name, [sys.executable, str(HERE / ("app.py" if name == "api" else "worker.py"))], env=env)
        os.sched_setaffinity(child.pid, {0})  # one core, so that a processor hog slows it down

    def start_load(self, midnight, seconds, day_seconds, peak):
        front = f"http://127.0.0.1:{self.port['caddy']}"
        self.start("load", [sys.executable, str(HERE / "load.py"), front, repr(midnight), str(seconds),
                            str(day_seconds), str(peak), str(self.seed)], env={"PYTHONPATH": str(ROOT)})

    def targets(self):
        """Returns (job, URL) of all scrape targets."""
        return programs.targets(self.port)


SCHEMA = """
CREATE TABLE users (id int PRIMARY KEY, name text, version int DEFAULT 1, refreshed_at timestamptz);
CREATE TABLE events (id bigserial PRIMARY KEY, user_id int, month text, day int);
CREATE TABLE tasks (id bigserial PRIMARY KEY, user_id int, title text, status int DEFAULT 0);
INSERT INTO users (id, name) SELECT i, 'user ' || i FROM generate_series(1, {users}) i;
INSERT INTO events (user_id, month, day) SELECT 1 + i % {users}, (ARRAY['last','this','next'])[1 + i % 3], 1 + i % 28
  FROM generate_series(1, {users} * 40) i;
INSERT INTO tasks (user_id, title) SELECT 1 + i % {users}, 'task ' || i FROM generate_series(1, {users} * 20) i;
CREATE INDEX ON events (user_id, month);
CREATE INDEX ON tasks (user_id);
ANALYZE;
"""


async def create_schema(dsn, users):
    """Waits for PostgreSQL (at most 30 s) and fills the tables."""
    import asyncpg
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = await asyncpg.connect(dsn)
            break
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
    await connection.execute(SCHEMA.format(users=users))
    await connection.close()
