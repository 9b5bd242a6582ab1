"""The recorded application: an API in front of PostgreSQL and Redis, one process, `/metrics` beside it.

Real storage is slower than tables of a few thousand rows in memory. Each query therefore adds `pg_sleep` of a lognormal time
with a fixed mean (simple 15 ms, join 85 ms, aggregation 140 ms). Everything else is real: queueing for the pool, Redis, locks,
processor time.
"""

import asyncio
import os
import random
import time

import asyncpg
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from common import Cache, QUERY_SECONDS, clean_registry, delay, query, redis_client, REDIS_ERRORS
from datasets.app.service.cachelog import CacheLog

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
REQUESTS = Counter("http_requests", "Requests answered.", ["handler", "method", "status"])
DURATION = Histogram("http_request_duration_seconds", "Time to answer.", ["handler"], buckets=BUCKETS)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being answered.")
POOL_SIZE = Gauge("db_pool_size", "Connections of the pool.")
POOL_IN_USE = Gauge("db_pool_in_use", "Connections of the pool in use.")
POOL_WAITING = Gauge("db_pool_waiting", "Requests waiting for a connection.")
QUEUE_DEPTH = Gauge("queue_depth", "Jobs waiting in the queue.")
EVENTS_CREATED = Counter("calendar_events_created", "Calendar events created.")
TASKS_DONE = Counter("tasks_completed", "Tasks set to done.")
BUILD = Gauge("app_build_info", "Version that runs.", ["version"])

POOL = 3


class Api:
    def __init__(self, pool, redis, log, ttl_scale, rng, fast):
        self.pool, self.redis, self.rng, self.fast = pool, redis, rng, fast
        self.cache = Cache(redis, log, ttl_scale)
        self.waiting = 0

    async def db(self, kind, sql, *args):
        """Runs one query on a pooled connection; the wait for the pool is part of the request, not of the query."""
        self.waiting += 1
        try:
            connection = await self.pool.acquire(timeout=3.0)
        finally:
            self.waiting -= 1
        try:
            factor = 0.8 if self.fast and kind == "aggregation" else 1.0
            return await query(connection, kind, self.rng, sql, *args, factor=factor)
        finally:
            await self.pool.release(connection)

    async def health(self, request):
        await self.db("simple", "SELECT 1")
        return web.json_response({"status": "ok"})

    async def profile(self, user):
        async def load():
            return await self.db("simple", "SELECT name, version FROM users WHERE id = $1", user)
        return await self.cache.get("user_profile", f"u{user}", load, 320)

    async def calendar(self, request):
        user, month = int(request.query["user"]), request.query["month"]
        await self.profile(user)

        async def load():
            return await self.db(
                "aggregation",
                "SELECT day, count(*), max(id) FROM events WHERE user_id = $1 AND month = $2 GROUP BY day ORDER BY day",
                user, month)
        await self.cache.get("calendar_monthly", f"u{user}:{month}", load, 4200)
        if self.rng.random() < 0.3:
            await self.enqueue(f"sync:{user}:{month}")
        return web.json_response({"user": user, "month": month})

    async def calendar_create(self, request):
        user, month = int(request.query["user"]), request.query["month"]
        await self.db("simple", "INSERT INTO events (user_id, month, day) VALUES ($1, $2, $3)",
                      user, month, self.rng.randrange(1, 29))
        EVENTS_CREATED.inc()
        await self.cache.invalidate("calendar_monthly", f"u{user}:{month}")
        await self.enqueue(f"notify:{user}:{month}")
        return web.json_response({"created": True}, status=201)

    async def tasks(self, request):
        user = int(request.query["user"])

        async def load():
            return await self.db(
                "join",
                "SELECT t.status, count(*) FROM tasks t JOIN users u ON u.id = t.user_id WHERE u.id = $1 GROUP BY 1", user)
        await self.cache.get("task_counters", f"u{user}", load, 90)
        await self.db("simple", "SELECT id, title, status FROM tasks WHERE user_id = $1 ORDER BY id DESC LIMIT 20", user)
        return web.json_response({"user": user})

    async def task_status(self, request):
        user = int(request.query["user"])
        await self.db(
            "simple",
            "UPDATE tasks SET status = 1 - status WHERE id = (SELECT id FROM tasks WHERE user_id = $1 ORDER BY random() LIMIT 1)",
            user)
        TASKS_DONE.inc()
        await self.cache.invalidate("task_counters", f"u{user}")
        await self.enqueue(f"notify:{user}:this")
        return web.json_response({"updated": True})

    async def auth_refresh(self, request):
        user = int(request.query["user"])

        async def load():  # the external identity provider, simulated by its duration
            return await asyncio.sleep(delay(self.rng, 0.09), result=b"userinfo")
        await self.cache.get("oauth_userinfo", f"u{user}", load, 700)
        await self.db("simple", "UPDATE users SET refreshed_at = now() WHERE id = $1", user)
        if self.rng.random() < 0.05:
            await self.cache.invalidate("oauth_userinfo", f"u{user}")
        if self.rng.random() < 0.03:
            await self.enqueue(f"profile:{user}:this")
        return web.json_response({"refreshed": True})

    async def enqueue(self, job):
        await self.redis.lpush("queue:jobs", job)

    async def metrics(self, request):
        POOL_SIZE.set(self.pool.get_max_size())
        POOL_IN_USE.set(self.pool.get_size() - self.pool.get_idle_size())
        POOL_WAITING.set(self.waiting)
        try:
            QUEUE_DEPTH.set(await self.redis.llen("queue:jobs"))
        except REDIS_ERRORS:
            pass  # the gauge keeps its last value, as in real exporters of this kind
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@web.middleware
async def measured(request, handler):
    if request.path == "/metrics":
        return await handler(request)
    start, status = time.perf_counter(), 500
    IN_FLIGHT.inc()
    try:
        response = await handler(request)
        status = response.status
        return response
    except (asyncpg.PostgresError, asyncio.TimeoutError, *REDIS_ERRORS) as error:
        status = 503
        return web.json_response({"error": type(error).__name__}, status=503)
    finally:
        IN_FLIGHT.dec()
        DURATION.labels(request.path).observe(time.perf_counter() - start)
        REQUESTS.labels(request.path, request.method, str(status)).inc()


async def build():
    version = os.environ["APP_VERSION"]
    clean_registry()
    BUILD.labels(version).set(1)
    pool = await asyncpg.create_pool(os.environ["APP_DSN"], min_size=POOL, max_size=POOL,
                                     server_settings={"statement_timeout": "2500", "application_name": "api"})
    rng = random.Random(f"{os.environ['APP_SEED']} api {version}")
    api = Api(pool, redis_client(), CacheLog("api", os.environ["APP_LOG_DIR"]), float(os.environ["APP_TTL_SCALE"]), rng, version >= "1.2")
    for kind in QUERY_SECONDS_KINDS:
        QUERY_SECONDS.labels(kind)
    app = web.Application(middlewares=[measured])
    app.add_routes([
        web.get("/api/health", api.health),
        web.get("/api/calendar/events", api.calendar), web.post("/api/calendar/events", api.calendar_create),
        web.get("/api/tasks", api.tasks), web.post("/api/tasks", api.task_status),
        web.post("/api/auth/refresh", api.auth_refresh), web.get("/metrics", api.metrics),
    ])

    async def close(_):
        await pool.close()
        api.cache.log.close()
    app.on_cleanup.append(close)
    return app


QUERY_SECONDS_KINDS = ("simple", "join", "aggregation")

if __name__ == "__main__":
    import uvloop
    uvloop.install()
    web.run_app(build(), host="127.0.0.1", port=int(os.environ["APP_PORT"]), access_log=None, print=None,
                shutdown_timeout=2.0)
