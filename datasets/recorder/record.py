#!/usr/bin/env python3
"""Records telemetry of real servers under a shaped load, with labelled incidents. See README.md.

    python3 record.py --out DIR [--days 7] [--day-seconds 600] [--step 5] [--seed 1] [--peak 48]
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))


def reexec_in_venv():
    """Creates the Python environment of the application if it does not exist, and restarts in it."""
    python = subprocess.run([str(ROOT / "scripts/python-venv.sh"), "app", str(ROOT / "datasets/app/requirements.txt")],
                            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if Path(sys.prefix).resolve() != Path(python).parents[1].resolve():
        os.execv(python, [python, __file__, *sys.argv[1:]])


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
    from datasets.app.export.scrapes import Containers, Recording, scrape_all
    from datasets.app.load import shape
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
    from datasets.app.load import shape
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
    from datasets.app.command import carry_out
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

    def close(failed):
        servers.stop_all()
        # The cluster takes memory where the folder is in /dev/shm.
        shutil.rmtree(directory / "postgres" if failed else directory, ignore_errors=True)
        if failed:
            print(f"logs of the servers: {directory}", file=sys.stderr)

    complete = carry_out("record", lambda: run(args, out, servers), close)
    if not complete:
        print("the recording so far is kept", file=sys.stderr)
    if (out / "manifest.json").exists():
        from datasets.app.export.pack import pack
        pack(out)
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    main()
