"""Starts and stops the servers of a recording: each is a child of this process, on loopback, in its own directory."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = {  # Debian package -> a program of it
    "postgresql": "postgres", "redis-server": "redis-server", "caddy": "caddy",
    "prometheus-node-exporter": "prometheus-node-exporter", "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
}
PORTS = ("api", "postgres", "redis", "caddy", "caddy_admin", "node", "redis_exporter", "postgres_exporter", "worker")


def postgres_bin(program):
    """Returns the path of a PostgreSQL program: Debian has them outside of PATH, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else shutil.which(program)


def missing_packages():
    return [p for p, program in PACKAGES.items()
            if not (postgres_bin(program) if p == "postgresql" else shutil.which(program))]


def ensure_packages():
    """Installs missing packages through apt. The packages' own services are neither started nor used."""
    absent = missing_packages()
    if absent:
        if os.geteuid() != 0:
            sys.exit(f"missing: {', '.join(absent)}; run as root or: apt-get install {' '.join(absent)}")
        policy = Path("/usr/sbin/policy-rc.d")
        ours = not policy.exists()
        if ours:  # apt would otherwise start the services on their usual ports
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
            subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *absent], check=True,
                           stdout=sys.stderr, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        finally:
            if ours:
                policy.unlink()


def version(*command):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return run.stdout.strip().splitlines()[0]


def versions():
    return {
        "postgresql": version(postgres_bin("postgres"), "--version"), "redis": version("redis-server", "--version"),
        "caddy": version("caddy", "version"), "node_exporter": version("prometheus-node-exporter", "--version"),
        "redis_exporter": version("prometheus-redis-exporter", "--version"),
        "postgres_exporter": version("prometheus-postgres-exporter", "--version"), "python": sys.version.split()[0],
    }


class Servers:
    """All child processes of a recording, stopped in the reverse order of their start."""

    def __init__(self, directory, base_port, ttl_scale, seed, out):
        self.directory, self.out, self.ttl_scale, self.seed = directory, out, ttl_scale, seed
        self.port = {name: base_port + i for i, name in enumerate(PORTS)}
        self.children = {}
        self.dsn = f"postgresql://postgres@127.0.0.1:{self.port['postgres']}/postgres"

    def start(self, name, command, env=None, **options):
        log = open(self.directory / f"{name}.log", "ab")
        self.children[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               env={**os.environ, **(env or {})}, start_new_session=True, **options)
        log.close()
        return self.children[name]

    def stop(self, name, how=signal.SIGTERM, patience=10.0):
        child = self.children.pop(name, None)
        if child is None or child.poll() is not None:
            return
        child.send_signal(how)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def stop_all(self):
        for name in reversed(list(self.children)):
            self.stop(name, signal.SIGINT if name == "postgres" else signal.SIGTERM)

    def dead(self):
        return [name for name, child in self.children.items() if child.poll() is not None]

    def start_postgres(self):
        data = self.directory / "postgres"
        account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        data.mkdir()
        if account:
            shutil.chown(data, "postgres", "postgres")
        subprocess.run([postgres_bin("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
        settings = {"port": self.port["postgres"], "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                    "shared_buffers": "64MB", "max_connections": 40, "synchronous_commit": "off",
                    "autovacuum_naptime": "15s", "checkpoint_timeout": "60s", "log_min_messages": "fatal"}
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self.start("postgres", [postgres_bin("postgres"), "-D", str(data), *flags], cwd="/", **account)

    def start_others(self):
        port = self.port
        self.start("redis", ["redis-server", "--port", str(port["redis"]), "--bind", "127.0.0.1", "--save", "",
                             "--appendonly", "no", "--maxmemory", "64mb", "--dir", str(self.directory)])
        caddyfile = self.directory / "Caddyfile"
        caddyfile.write_text(
            f"{{\n\tadmin 127.0.0.1:{port['caddy_admin']}\n\tauto_https off\n"
            f"\tservers {{\n\t\tmetrics\n\t}}\n}}\n"
            f"http://127.0.0.1:{port['caddy']} {{\n\tbind 127.0.0.1\n\treverse_proxy 127.0.0.1:{port['api']}\n}}\n")
        self.start("caddy", ["caddy", "run", "--config", str(caddyfile), "--adapter", "caddyfile"],
                   env={"XDG_DATA_HOME": str(self.directory), "XDG_CONFIG_HOME": str(self.directory)})
        self.start("node", ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port['node']}",
                            "--collector.disable-defaults", "--collector.cpu", "--collector.loadavg",
                            "--collector.meminfo", "--collector.diskstats", "--collector.netdev", "--collector.stat",
                            "--collector.pressure", "--collector.vmstat"])
        self.start("redis_exporter", ["prometheus-redis-exporter", f"-web.listen-address=127.0.0.1:{port['redis_exporter']}",
                                      f"-redis.addr=redis://127.0.0.1:{port['redis']}", "-connection-timeout=3s"])
        self.start("postgres_exporter", ["prometheus-postgres-exporter",
                                         f"--web.listen-address=127.0.0.1:{port['postgres_exporter']}",
                                         "--disable-settings-metrics"],
                   env={"DATA_SOURCE_NAME": f"{self.dsn}?sslmode=disable"})

    def start_app(self, name, app_version="1.0"):
        env = {"APP_DSN": self.dsn, "APP_REDIS_PORT": str(self.port["redis"]), "APP_PORT": str(self.port[name]),
               "APP_LOG_DIR": str(self.out), "APP_SEED": str(self.seed), "APP_TTL_SCALE": str(self.ttl_scale),
               "APP_VERSION": app_version}
        child = self.start(name, [sys.executable, str(HERE / ("app.py" if name == "api" else "worker.py"))], env=env)
        os.sched_setaffinity(child.pid, {0})  # one core, so that a processor hog slows it down

    def start_load(self, midnight, seconds, day_seconds, peak):
        front = f"http://127.0.0.1:{self.port['caddy']}"
        self.start("load", [sys.executable, str(HERE / "load.py"), front, repr(midnight), str(seconds),
                            str(day_seconds), str(peak), str(self.seed)])

    def targets(self):
        """Returns (job, URL) of all scrape targets."""
        url = "http://127.0.0.1:{}/metrics"
        return [("api", url.format(self.port["api"])), ("worker", url.format(self.port["worker"])),
                ("caddy", url.format(self.port["caddy_admin"])), ("node", url.format(self.port["node"])),
                ("redis", url.format(self.port["redis_exporter"])),
                ("postgres", url.format(self.port["postgres_exporter"]))]


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
