"""Shared by the API and the worker: queries with simulated durations, and a cache client that logs its operations."""

import asyncio
import math
import os
import time

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, REGISTRY, Counter, Histogram

from datasets.app.load.shape import CACHE_TTL_SECONDS

REDIS_ERRORS = (redis.exceptions.RedisError, asyncio.TimeoutError, OSError)
REDIS_TIMEOUT_SECONDS = 0.5
MEAN_SECONDS = {"simple": 0.015, "join": 0.085, "aggregation": 0.140}
SIGMA = 0.45

QUERY_SECONDS = Histogram(
    "db_query_duration_seconds", "Time of a query once it has a connection.", ["query"],
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0))
REDIS_SECONDS = Histogram(
    "redis_command_duration_seconds", "Time of a command of the cache client.", ["command"],
    buckets=(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0))
CACHE = Counter("cache_requests", "Reads of a cache.", ["cache", "result"])
CACHE_INVALIDATED = Counter("cache_invalidations", "Copies dropped because the origin changed.", ["cache"])


def clean_registry():
    """Removes the collectors of the Python interpreter; process metrics and the application's own metrics stay."""
    REGISTRY.unregister(GC_COLLECTOR)
    REGISTRY.unregister(PLATFORM_COLLECTOR)


def delay(rng, mean):
    """Returns a lognormal time with this mean, in seconds."""
    return math.exp(rng.gauss(math.log(mean) - SIGMA * SIGMA / 2.0, SIGMA))


async def query(connection, kind, rng, sql, *args, factor=1.0):
    """Runs the query after the simulated delay, both on the connection, and measures them together."""
    start = time.perf_counter()
    try:
        await connection.execute(f"SELECT pg_sleep({delay(rng, MEAN_SECONDS[kind] * factor):.6f})")
        return await connection.fetch(sql, *args)
    finally:
        QUERY_SECONDS.labels(kind).observe(time.perf_counter() - start)


def redis_client():
    return redis.asyncio.Redis(host="127.0.0.1", port=int(os.environ["APP_REDIS_PORT"]), max_connections=64,
                               socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
                               retry=Retry(NoBackoff(), 0))  # the default retries for ten seconds


class Cache:
    """Cache-aside over Redis with one time-to-live per cache."""

    def __init__(self, client, log, ttl_scale):
        self.client, self.log = client, log
        self.ttl_ms = {name: int(ttl * 1000 / ttl_scale) for name, ttl in CACHE_TTL_SECONDS.items()}

    async def command(self, name, awaitable):
        start = time.perf_counter()
        try:
            return await awaitable
        finally:
            REDIS_SECONDS.labels(name).observe(time.perf_counter() - start)

    async def get(self, cache, key, load, size):
        """Returns the cached copy, or loads the origin's value and caches it. Without Redis the origin answers alone."""
        value, broken = None, False
        try:
            value = await self.command("get", self.client.get(f"{cache}:{key}"))
        except REDIS_ERRORS:
            broken = True
        if value is not None:
            CACHE.labels(cache, "hit").inc()
            self.log.write(cache, key, "get", 1, size)
            return value
        CACHE.labels(cache, "error" if broken else "miss").inc()
        start = time.perf_counter()
        try:
            await load()
        finally:
            self.log.write(cache, key, "get", 0, size, f"{(time.perf_counter() - start) * 1000:.0f}")
        if not broken:
            try:
                await self.command("set", self.client.set(f"{cache}:{key}", b"x" * size, px=self.ttl_ms[cache]))
            except REDIS_ERRORS:
                pass  # an unfilled cache costs a miss, not an error
        return None

    async def invalidate(self, cache, key):
        """Drops the copy after this client changed the origin."""
        self.log.write(cache, key, "write")
        CACHE_INVALIDATED.labels(cache).inc()
        await self.command("delete", self.client.delete(f"{cache}:{key}"))
        self.log.write(cache, key, "delete")

    def changed_elsewhere(self, cache, key):
        """Logs a change of the origin that does not invalidate: the copy is stale until it expires."""
        self.log.write(cache, key, "write")
