#!/usr/bin/env python3
"""Records telemetry of real servers under a shaped load, with labelled incidents. See README.md.

    python3 record.py --out DIR [--days 7] [--day-seconds 600] [--step 5] [--seed 1] [--peak 48]
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = Path(os.environ.get("ALMANAC_RECORDER_VENV", Path.home() / ".cache/almanac/recorder-venv"))

# Metrics unrelated to the application: runtimes of the exporters, settings, the scrape itself.
DROP = re.compile(
    r"(go_|promhttp_|scrape_|python_|pg_settings|pg_exporter|postgres_exporter|redis_exporter|node_exporter|node_scrape"
    r"|node_netstat|node_network_(?!(receive|transmit)_bytes)|node_disk_(?!(read|written)_bytes|io_time|.*_completed)"
    r"|node_memory_(?!MemAvailable|MemFree|Cached|Dirty|Active_bytes)|node_vmstat_(?!pgmajfault|pgpg)|caddy_admin|caddy_config"
    r"|redis_commands_latencies|redis_latency|redis_latencies|redis_start|redis_exporter|pg_stat_bgwriter_stats_reset"
    r"|node_cpu_guest|node_cooling|caddy_http_response_size|caddy_http_request_size|.*_created\b)")
DROP_LABELS = re.compile(r'device="(lo|loop|ram|sr|dm|veth|docker|br)[^"]*"|datname="template|cmd="(config|client|info|latency|slowlog|command|ping)')
EXPORTERS = {"node", "redis", "postgres", "caddy"}


def reexec_in_venv():
    """Creates the venv of the pinned requirements if it does not exist, and restarts in it."""
    python = VENV / "bin/python"
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    wanted = (HERE / "requirements.txt").read_text()
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")], check=True)
        stamp.write_text(wanted)
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


class Recording:
    """CSV files that are appended to: new series, samples of each scrape, incidents and deploys."""

    def __init__(self, out):
        self.series, self.ids, self.raw = open(out / "series.csv", "w"), {}, {}
        self.samples = open(out / "samples.csv", "w")
        self.events = open(out / "events.csv", "w")
        self.previous = {}

    def series_id(self, job, raw):
        """Returns the number of a series of this job by its raw text; None for a dropped series."""
        key = (job, raw)
        if key not in self.raw:
            name, _, labels = raw.partition("{")
            drop = DROP.match(name) or DROP_LABELS.search(labels) or (job in EXPORTERS and name.startswith("process_"))
            if drop:
                self.raw[key] = None
            else:
                inner = labels.rstrip("}").rstrip(",")
                full = f'{name}{{job="{job}"{"," + inner if inner else ""}}}'
                self.raw[key] = self.ids.setdefault(full, len(self.ids))
                self.series.write(f"{self.raw[key]}\t{full}\n")
        return self.raw[key]

    def scrape(self, job, at_ms, text):
        """Records one answer (None: it failed) at the scrape's planned time; vanished series get a stale marker."""
        seen, lines = set(), []
        for line in text.splitlines() if text else ():
            if line and line[0] != "#":
                raw, _, value = line.rpartition(" ")
                number = self.series_id(job, raw)
                if number is not None and number not in seen:
                    seen.add(number)
                    lines.append(f"{number},{at_ms},{value}\n")
        for number in self.previous.get(job, set()) - seen:
            lines.append(f"{number},{at_ms},\n")
        self.previous[job] = seen
        lines.append(f"{self.series_id(job, 'up')},{at_ms},{int(text is not None)}\n")
        self.samples.write("".join(lines))

    def event(self, kind, started_ms, ended_ms, title, target):
        self.events.write(json.dumps({"kind": kind, "started_at": started_ms, "ended_at": ended_ms, "title": title,
                                      "target": target}) + "\n")
        self.events.flush()

    def flush(self):
        for file in (self.series, self.samples):
            file.flush()


class Containers:
    """Container metrics from /proc: processor time, run delay and memory by part of the application.

    A part is its first process, that process's session and children. The processor time of a processor hog counts as the API's, since
    it runs in the API's container; its run delay does not, since that metric is the API's own wait for a processor.
    """

    def __init__(self, servers):
        self.servers, self.cpu, self.delay = servers, {}, {}
        self.tick, self.page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

    def text(self):
        part_of = {child.pid: name for name, child in self.servers.children.items()}
        memory = {}
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                with open(f"/proc/{entry.name}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                part = part_of.get(int(fields[3])) or part_of.get(int(fields[1]))  # PostgreSQL's leave the session
                if part in (None, "load"):
                    continue
                with open(f"/proc/{entry.name}/schedstat") as file:
                    run_delay = int(file.read().split()[1]) / 1e9
            except (OSError, IndexError):
                continue  # it ended meanwhile
            if part.startswith("hog"):
                part = "api"
            else:
                self.delay[part, entry.name, fields[19]] = run_delay
            self.cpu[part, entry.name, fields[19]] = (int(fields[11]) + int(fields[12])) / self.tick
            memory[part] = memory.get(part, 0) + int(fields[21]) * self.page
        lines = [f'container_memory_rss_bytes{{container="{part}"}} {rss}' for part, rss in memory.items()]
        for name, by_process in (("container_cpu_usage_seconds_total", self.cpu),
                                 ("container_cpu_run_delay_seconds_total", self.delay)):
            sums = {}
            for (part, *_), seconds in by_process.items():  # ended processes keep their last value: a counter
                sums[part] = sums.get(part, 0.0) + seconds
            lines += [f'{name}{{container="{part}"}} {total:.6f}' for part, total in sums.items()]
        return "\n".join(lines)


async def scrape_all(session, recording, containers, targets, at_ms, timeout):
    import aiohttp

    async def one(job, url):
        try:
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=timeout)) as response:
                return job, (await response.text() if response.status == 200 else None)
        except (aiohttp.ClientError, asyncio.TimeoutError):
            return job, None
    for job, text in await asyncio.gather(*(one(*target) for target in targets)):
        recording.scrape(job, at_ms, text)
    recording.scrape("containers", at_ms, containers.text())
    recording.flush()


def now_ms():
    return time.time_ns() // 1_000_000


async def cpu_hog(servers, seconds):
    """Three spinning processes on the core of the API, at the same priority as it has."""
    names = [f"hog{i}" for i in range(3)]
    for name in names:
        child = servers.start(name, [sys.executable, "-c", "while True: pass"])
        os.sched_setaffinity(child.pid, {0})
    try:
        await asyncio.sleep(seconds)
    finally:
        for name in names:
            servers.stop(name, signal.SIGKILL)


async def table_lock(servers, seconds):
    """An exclusive lock on `tasks`, as a careless migration takes it."""
    import asyncpg
    connection = await asyncpg.connect(servers.dsn)
    try:
        await connection.execute("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(seconds)
    finally:
        await connection.close()


async def redis_pause(servers, seconds):
    """Redis does not answer, as while a slow command or a fork blocks it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.port["redis"])
    writer.write(f"CLIENT PAUSE {int(seconds * 1000)} ALL\r\n".encode())
    await reader.readline()
    writer.close()
    await asyncio.sleep(seconds)


async def deploy(servers, at_version):
    """Restarts the API in its next version; Caddy answers 502 meanwhile."""
    await asyncio.to_thread(servers.stop, "api")
    servers.start_app("api", at_version)

INCIDENTS = {"cpu_hog": (cpu_hog, "processor hog", "api"), "table_lock": (table_lock, "lock held on tasks", "postgres"),
             "redis_pause": (redis_pause, "Redis paused", "redis")}


async def provoke(servers, recording, plan, midnight):
    """Executes the plan of incidents and deploys in order."""
    deployed = 0
    for kind, start, seconds in plan:
        await asyncio.sleep(max(0.0, midnight + start - time.time()))
        began = now_ms()
        if kind == "deploy":
            deployed += 1
            await deploy(servers, f"1.{deployed}")
            recording.event("deploy", began, now_ms(), f"1.{deployed}", "api")
        else:
            act, title, target = INCIDENTS[kind]
            await act(servers, seconds)
            recording.event(kind, began, now_ms(), title, target)
        print(f"{time.strftime('%H:%M:%S')} {kind} {seconds:.0f} s", file=sys.stderr, flush=True)


async def run(args, out, servers):
    import aiohttp
    import shape
    from servers import create_schema
    servers.start_postgres()
    servers.start_others()
    await create_schema(servers.dsn, shape.USERS)
    servers.start_app("api")
    servers.start_app("worker")
    recording = Recording(out)
    warmup = min(30.0, args.day_seconds / 10)
    midnight = (int(time.time() + warmup + 5) // args.step + 1) * args.step
    seconds = args.days * args.day_seconds
    plan = shape.incident_plan(args.days, args.day_seconds, args.seed)
    manifest(args, out, midnight, plan)
    servers.start_load(midnight, seconds, args.day_seconds, args.peak)
    actor = asyncio.create_task(provoke(servers, recording, plan, midnight))
    started, containers = time.process_time(), Containers(servers)
    async with aiohttp.ClientSession() as session:
        for tick in range(int(seconds / args.step) + 1):
            at = midnight + tick * args.step
            await asyncio.sleep(max(0.0, at - time.time()))
            if actor.done() and actor.exception():
                raise actor.exception()
            dead = [name for name in servers.dead() if name != "load"]
            if dead:
                raise RuntimeError(f"ended by themselves: {', '.join(dead)}; see the logs in {servers.directory}")
            await scrape_all(session, recording, containers, servers.targets(), int(at * 1000), args.step * 0.8)
            if tick % 60 == 0:
                print(f"{time.strftime('%H:%M:%S')} scrape {tick}, {len(recording.ids)} series, recorder used "
                      f"{time.process_time() - started:.1f} s of processor time", file=sys.stderr, flush=True)
    await actor


def manifest(args, out, midnight, plan):
    from servers import versions
    import shape
    (out / "manifest.json").write_text(json.dumps({
        "recorded_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(midnight)), "first_midnight_ms": int(midnight * 1000),
        "days": args.days, "day_seconds": args.day_seconds, "step_seconds": args.step, "seed": args.seed,
        "peak_requests_per_second": args.peak, "growth_per_day": shape.GROWTH_PER_DAY, "profile": shape.PROFILE,
        "users": shape.USERS, "zipf_exponent": shape.ZIPF_EXPONENT,
        "ttl_seconds": {k: v * args.day_seconds / 86400 for k, v in shape.CACHE_TTL_SECONDS.items()},
        "pool_size": 3, "worker_concurrency": 3, "servers": versions(),
        "notes": ["servers, application and load ran at real-time priority; niced work of other processes is in mode=\"nice\"",
                  "API and worker run on core 0; a processor hog takes that core, in the API's container",
                  "container_* come from /proc by part of the application, without other processes of the machine",
                  "queries add pg_sleep with fixed means; provider calls are waits",
                  "a sample without a value is a stale marker"],
        "planned": [{"kind": k, "start_s": round(s, 1), "seconds": round(d, 1)} for k, s, d in plan],
    }, indent=1) + "\n")


def outrank_the_rest():
    """Sets real-time round robin for this process and its children, so that other work on the machine has no effect.

    At nice -10 alone, ten compilers at nice 19 tripled the API's p95, because a woken process waits for the end of a time slice.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("no right to raise the priority; other work on this machine will affect the data", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="directory of the recording (created; must be empty)")
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--day-seconds", type=float, default=600.0)
    parser.add_argument("--step", type=float, default=5.0, help="seconds between scrapes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peak", type=float, default=48.0, help="requests a second at the daily peak")
    parser.add_argument("--base-port", type=int, default=21300)
    args = parser.parse_args()
    if not (0 < args.days <= 60 and 10 <= args.day_seconds <= 86400 and 1 <= args.step <= 60 and 0 < args.peak <= 500):
        parser.error("out of bounds: 0 < days <= 60, 10 <= day-seconds <= 86400, 1 <= step <= 60, 0 < peak <= 500")
    reexec_in_venv()
    from servers import Servers, ensure_packages
    ensure_packages()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        parser.error(f"{out} is not empty")
    outrank_the_rest()
    random.seed(args.seed)
    directory = Path(tempfile.mkdtemp(prefix="almanac-recorder-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    directory.chmod(0o755)
    servers = Servers(directory, args.base_port, 86400 / args.day_seconds, args.seed, out)

    async def guarded():
        task = asyncio.current_task()
        for how in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(how, task.cancel)
        await run(args, out, servers)
    complete = False
    try:
        asyncio.run(guarded())
        complete = True
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("interrupted: the recording so far is kept", file=sys.stderr)
    finally:
        servers.stop_all()
        if complete:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"logs of the servers: {directory}", file=sys.stderr)
    if (out / "manifest.json").exists():
        import pack
        pack.pack(out)
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    main()
