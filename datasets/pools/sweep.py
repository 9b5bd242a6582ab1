"""Measures waits for a connection at real pools over a sweep of sizes; writes a JSON object a run to FILE.

    python -m datasets.pools.sweep FILE [--seconds 90] [--pools pgbench,sqlalchemy] [--repeat 1] [--seed 1]

A PostgreSQL server of its own runs on loopback in a temporary directory and is removed at the end. Two pools are measured:

- `pgbench --rate`: c clients take transactions from one Poisson schedule; the schedule lag is the wait for a free client.
- SQLAlchemy's asynchronous pool with asyncpg: tasks of a Poisson process check a connection out; the wait is that of the checkout.

Each transaction sleeps in the server (`pg_sleep`), nine of ten for 4 to 120 ms (truncated exponential), one for 80 to 240 ms, so that
the figures hardly depend on the processor. On a busy machine start it with `chrt -f 5`: a queue that stalls as a whole is no queue. A run has its waits, and what a metrics endpoint would show of it: arrivals by 5 s, and
the hold times in buckets of the example application.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from pathlib import Path

INTERVAL = 5.0
# Upper bounds of the application's histogram `db_pool_hold_seconds` (datasets/app/service/metrics.py).
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
SHORT = "\\set us random_exponential(4000, 120000, 5)\nSELECT pg_sleep(:us / 1000000.0);\n"
LONG = "\\set us random(80000, 240000)\nSELECT pg_sleep(:us / 1000000.0);\n"
# Pool -> (arrivals per second, sizes). The mean hold time is some 40 ms.
SWEEPS = {"pgbench": (200.0, (9, 10, 11, 12, 14)), "sqlalchemy": (75.0, (4, 5, 6))}


def program(name):
    """Returns the path of a program of PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = str(found[-1]) if found else shutil.which(name)
    if not path:
        raise SystemExit(f"{name} is missing: install postgresql")
    return path


class Server:
    """A PostgreSQL server in a temporary directory."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pools-"))
        account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if account:
            shutil.chown(self.folder, "postgres", "postgres")
        data = str(self.folder / "data")
        subprocess.run([program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        flags = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off"}
        flags = [part for key, value in flags.items() for part in ("-c", f"{key}={value}")]
        self.process = subprocess.Popen([program("postgres"), "-D", data, *flags], cwd="/", stderr=subprocess.DEVNULL, **account)
        for _ in range(600):
            if subprocess.run([program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                return self
            time.sleep(0.05)
        self.__exit__()
        raise SystemExit("PostgreSQL does not start")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def figures(pool, size, rate, seconds, checkouts, ends):
    """Returns a run as a dictionary. `checkouts`: (arrival, wait), `ends`: (end, hold), both in seconds from the start."""
    # The first interval fills the pool.
    kept = [checkout for checkout in checkouts if INTERVAL <= checkout[0] < seconds]
    waits = sorted(wait for _, wait in kept)
    holds = sorted(hold for at, hold in ends if INTERVAL <= at < seconds)
    counts = [0] * (len(SECONDS) + 1)
    for hold in holds:
        counts[bisect_left(SECONDS, hold)] += 1
    arrivals = [0] * (round(seconds / INTERVAL) - 1)
    for at, _ in kept:
        arrivals[min(int(at / INTERVAL) - 1, len(arrivals) - 1)] += 1
    mean = sum(holds) / len(holds)

    def quantile(p):
        return waits[min(int(p * len(waits)), len(waits) - 1)]
    return {"pool": pool, "size": size, "rate": rate, "interval": INTERVAL, "arrivals": arrivals,
            "wait": {"mean": sum(waits) / len(waits), "p50": quantile(0.5), "p95": quantile(0.95), "p99": quantile(0.99)},
            "hold": {"bounds": SECONDS, "counts": counts, "sum": sum(holds), "mean": mean,
                     "variation": (sum((hold - mean) ** 2 for hold in holds) / len(holds)) ** 0.5 / mean,
                     "quantiles": [holds[int(p * len(holds))] for p in (0.5, 0.95, 0.99)]}}


def by_pgbench(server, size, rate, seconds, seed):
    """Measures one size with pgbench."""
    folder = server.folder / f"run-{size}-{seed}"
    folder.mkdir()
    (folder / "short.sql").write_text(SHORT)
    (folder / "long.sql").write_text(LONG)
    subprocess.run([program("pgbench"), "-n", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-c", str(size), "-j", "1",
                    "-M", "prepared", "--rate", str(rate), "-T", str(int(seconds)), "--random-seed", str(seed), "-l", "--log-prefix",
                    str(folder / "log"), "-f", f"{folder / 'short.sql'}@9", "-f", f"{folder / 'long.sql'}@1", "postgres"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkouts, ends = [], []
    for path in folder.glob("log.*"):
        for line in path.read_text().splitlines():
            # client, transaction, latency with the lag (µs), script, end (s, µs), lag (µs)
            _, _, latency, _, end, end_us, lag = line.split()
            latency, lag = int(latency) / 1e6, int(lag) / 1e6
            end = int(end) + int(end_us) / 1e6
            checkouts.append((end - latency, lag))
            ends.append((end, latency - lag))
    shutil.rmtree(folder)
    start = min(checkouts)[0]
    return figures("pgbench", size, rate, seconds, [(at - start, wait) for at, wait in checkouts], [(at - start, hold) for at, hold in ends])


async def by_sqlalchemy(server, size, rate, seconds, seed):
    """Measures one size with SQLAlchemy's pool: half of it as `pool_size`, half as `max_overflow`."""
    from sqlalchemy import event, text
    from sqlalchemy.ext.asyncio import create_async_engine
    engine = create_async_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{server.port}/postgres",
                                 pool_size=size - size // 4, max_overflow=size // 4, pool_timeout=30)
    generator, checkouts, ends, errors = random.Random(seed), [], [], []

    @event.listens_for(engine.sync_engine, "checkout")
    def _(_connection, record, _proxy):
        record.info["since"] = time.perf_counter()

    @event.listens_for(engine.sync_engine, "checkin")
    def _(_connection, record):
        now = time.perf_counter()
        ends.append((now - start, now - record.info["since"]))

    async def transaction(at, sleep):
        arrived = time.perf_counter()
        try:
            async with engine.connect() as connection:
                wait = time.perf_counter() - arrived
                await connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": sleep})
        except Exception as error:  # pylint: disable=broad-exception-caught
            errors.append(error)
            return
        checkouts.append((at, wait))

    tasks, start, at = set(), time.perf_counter(), 0.0
    while at < seconds:
        delay = start + at - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        sleep = generator.uniform(0.08, 0.24) if generator.random() < 0.1 else 0.004 + min(generator.expovariate(5 / 0.116), 0.116)
        task = asyncio.create_task(transaction(at, sleep))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        at += generator.expovariate(rate)
    await asyncio.gather(*tasks)
    await engine.dispose()
    # Without a steady state there is nothing to compare.
    if errors:
        raise SystemExit(f"sqlalchemy {size}: {len(errors)} checkouts failed, such as {errors[0]!r}")
    return figures("sqlalchemy", size, rate, seconds, checkouts, ends)


def main():
    parser = argparse.ArgumentParser(prog="datasets.pools.sweep", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0, help="length of a run [90]")
    parser.add_argument("--pools", default=",".join(SWEEPS), help="names with commas")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each size")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not 15 <= options.seconds <= 600 or not 1 <= options.repeat <= 20:
        parser.error("--seconds is between 15 and 600, --repeat between 1 and 20")
    unknown = set(options.pools.split(",")) - set(SWEEPS)
    if unknown:
        parser.error(f"unknown pool {', '.join(sorted(unknown))}: known are {', '.join(SWEEPS)}")
    # The server ends with the sweep.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Server() as server, open(options.file, "w") as out:
        for turn in range(options.repeat):
            for pool in options.pools.split(","):
                rate, sizes = SWEEPS[pool]
                for size in sizes:
                    seed = options.seed + 1000 * turn + size
                    if pool == "pgbench":
                        run = by_pgbench(server, size, rate, options.seconds, seed)
                    else:
                        run = asyncio.run(by_sqlalchemy(server, size, rate, options.seconds, seed))
                    print(f"{pool} {size}: p95 wait {1e3 * run['wait']['p95']:.2f} ms, mean hold {1e3 * run['hold']['mean']:.2f} ms", flush=True)
                    out.write(json.dumps(run) + "\n")
                    out.flush()


if __name__ == "__main__":
    main()
