"""How PostgreSQL, Redis, Caddy and the exporters are started: on loopback, each in its own directory."""

import os
import shutil
import subprocess

from datasets.app.servers.packages import postgres_bin


def start_postgres(children, port, settings):
    """Creates a cluster in `children.directory` and starts PostgreSQL; `settings`: name -> value beside port and address."""
    data = children.directory / "postgres"
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    data.mkdir()
    if account:
        shutil.chown(data, "postgres", "postgres")
    subprocess.run([postgres_bin("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"],
                   check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **settings}
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    children.start("postgres", [postgres_bin("postgres"), "-D", str(data), *flags], cwd="/", **account)


def start_redis(children, port):
    """Starts Redis without persistence."""
    children.start("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                             "--appendonly", "no", "--maxmemory", "64mb", "--dir", str(children.directory)])


def start_caddy(children, port, admin_port, upstream_port):
    """Starts Caddy as a proxy in front of the API."""
    caddyfile = children.directory / "Caddyfile"
    caddyfile.write_text(
        f"{{\n\tadmin 127.0.0.1:{admin_port}\n\tauto_https off\n\tservers {{\n\t\tmetrics\n\t}}\n}}\n"
        f"http://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\treverse_proxy 127.0.0.1:{upstream_port}\n}}\n")
    children.start("caddy", ["caddy", "run", "--config", str(caddyfile), "--adapter", "caddyfile"],
                   env={"XDG_DATA_HOME": str(children.directory), "XDG_CONFIG_HOME": str(children.directory)})


def start_exporters(children, port, dsn):
    """Starts the exporters of node, Redis and PostgreSQL; `port`: name -> port."""
    children.start("node", ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port['node']}",
                            "--collector.disable-defaults", "--collector.cpu", "--collector.loadavg",
                            "--collector.meminfo", "--collector.diskstats", "--collector.netdev", "--collector.stat",
                            "--collector.pressure", "--collector.vmstat"])
    children.start("redis_exporter", ["prometheus-redis-exporter", f"-web.listen-address=127.0.0.1:{port['redis_exporter']}",
                                      f"-redis.addr=redis://127.0.0.1:{port['redis']}", "-connection-timeout=3s"])
    children.start("postgres_exporter", ["prometheus-postgres-exporter", f"--web.listen-address=127.0.0.1:{port['postgres_exporter']}",
                                         "--disable-settings-metrics"], env={"DATA_SOURCE_NAME": f"{dsn}?sslmode=disable"})


def targets(port):
    """Returns (job, URL) of all scrape targets; `port`: name -> port."""
    names = {"api": "api", "worker": "worker", "caddy": "caddy_admin", "node": "node", "redis": "redis_exporter", "postgres": "postgres_exporter"}
    return [(job, f"http://127.0.0.1:{port[name]}/metrics") for job, name in names.items()]
