"""The worker of the recorded application: three jobs at a time from a Redis list, `/metrics` beside it.

Some of its writes do not invalidate the caches (a provider's sync, an import, an administrator's change), which makes
copies stale.
"""

import asyncio
import os
import random
import time

import asyncpg
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from common import REDIS_ERRORS, Cache, clean_registry, delay, query, redis_client
from datasets.app.service.cachelog import CacheLog

JOBS = Counter("worker_jobs", "Jobs finished.", ["kind", "result"])
JOB_SECONDS = Histogram("worker_job_duration_seconds", "Time of a job.",
                        buckets=(0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0))
BUSY = Gauge("worker_busy", "Jobs being worked on.")
CONCURRENCY = 3


async def work(job, rng, pool, cache):
    kind, user, month = job.decode().split(":")
    user = int(user)
    async with pool.acquire() as connection:
        if kind == "sync":
            await asyncio.sleep(delay(rng, 0.36))  # the external calendar provider
            if rng.random() < 0.04:
                await query(connection, "simple", rng, "INSERT INTO events (user_id, month, day) VALUES ($1, $2, 1)",
                            user, month)
                cache.changed_elsewhere("calendar_monthly", f"u{user}:{month}")
            if rng.random() < 0.05:
                await query(connection, "simple", rng, "UPDATE tasks SET status = 1 - status WHERE id = "
                            "(SELECT id FROM tasks WHERE user_id = $1 LIMIT 1)", user)
                cache.changed_elsewhere("task_counters", f"u{user}")
        elif kind == "profile":
            await query(connection, "simple", rng, "UPDATE users SET version = version + 1 WHERE id = $1", user)
            if rng.random() < 0.5:
                await cache.invalidate("user_profile", f"u{user}")
            else:
                cache.changed_elsewhere("user_profile", f"u{user}")
            if rng.random() < 0.3:
                cache.changed_elsewhere("oauth_userinfo", f"u{user}")
        else:
            await asyncio.sleep(delay(rng, 0.12))
            await query(connection, "simple", rng, "SELECT count(*) FROM tasks WHERE user_id = $1", user)
    return kind


async def loop(rng, client, pool, cache):
    while True:
        try:
            item = await client.brpop("queue:jobs", timeout=0.4)
        except REDIS_ERRORS:
            await asyncio.sleep(0.2)
            continue
        if item is None:
            continue
        start, result, kind = time.perf_counter(), "ok", item[1].decode().split(":")[0]
        BUSY.inc()
        try:
            await work(item[1], rng, pool, cache)
        except (asyncpg.PostgresError, asyncio.TimeoutError, *REDIS_ERRORS):
            result = "failed"
        finally:
            BUSY.dec()
            JOB_SECONDS.observe(time.perf_counter() - start)
            JOBS.labels(kind, result).inc()


async def metrics(_):
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def build():
    clean_registry()
    pool = await asyncpg.create_pool(os.environ["APP_DSN"], min_size=CONCURRENCY, max_size=CONCURRENCY,
                                     server_settings={"statement_timeout": "2500", "application_name": "worker"})
    client = redis_client()
    cache = Cache(client, CacheLog("worker", os.environ["APP_LOG_DIR"]), float(os.environ["APP_TTL_SCALE"]))
    rng = random.Random(f"{os.environ['APP_SEED']} worker")
    tasks = [asyncio.create_task(loop(rng, client, pool, cache)) for _ in range(CONCURRENCY)]
    app = web.Application()
    app.add_routes([web.get("/metrics", metrics)])

    async def close(_):
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pool.close()
        cache.log.close()
    app.on_cleanup.append(close)
    return app


if __name__ == "__main__":
    import uvloop
    uvloop.install()
    web.run_app(build(), host="127.0.0.1", port=int(os.environ["APP_PORT"]), access_log=None, print=None,
                shutdown_timeout=2.0)
