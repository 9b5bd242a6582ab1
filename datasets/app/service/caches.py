"""Cache-aside over Redis with JSON values, measured, with a log of operations for the time-to-live advisor."""

import asyncio
import json
import time

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from datasets.app.service import metrics, settings

REDIS_ERRORS = (redis.exceptions.RedisError, asyncio.TimeoutError, OSError)


def client():
    """Returns a client of the application's Redis that gives up after half a second."""
    return redis.asyncio.Redis(host="127.0.0.1", port=settings.REDIS_PORT, max_connections=64, socket_timeout=0.5,
                               socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0))


class Caches:
    """The four caches of the application."""

    def __init__(self, redis_client, log):
        self.redis, self.log = redis_client, log

    async def get(self, cache, key, load):
        """Returns the cached value, or loads and caches it. Without Redis the origin answers alone."""
        text, broken = None, False
        try:
            text = await self.redis.get(f"{cache}:{key}")
        except REDIS_ERRORS:
            broken = True
        if text is not None:
            self._hit(cache, key, text)
            return json.loads(text)
        metrics.CACHE.labels(cache, "error" if broken else "miss").inc()
        start = time.perf_counter()
        value = await load()
        text = json.dumps(value, default=str)
        self._miss(cache, key, text, time.perf_counter() - start)
        if not broken:
            await self._fill(cache, {key: text})
        return value

    async def get_many(self, cache, keys, load):
        """Returns key -> value of all keys with one MGET; `load(missing)` returns key -> value of those that are not cached."""
        if not keys:
            return {}
        try:
            texts = await self.redis.mget([f"{cache}:{key}" for key in keys])
        except REDIS_ERRORS:
            texts = [None] * len(keys)
        found = {}
        for key, text in zip(keys, texts):
            if text is not None:
                self._hit(cache, key, text)
                found[key] = json.loads(text)
        missing = [key for key in keys if key not in found]
        if missing:
            start = time.perf_counter()
            loaded = await load(missing)
            each = (time.perf_counter() - start) / len(missing)
            filled = {key: json.dumps(value, default=str) for key, value in loaded.items()}
            for key, text in filled.items():
                metrics.CACHE.labels(cache, "miss").inc()
                self._miss(cache, key, text, each)
            await self._fill(cache, filled)
            found.update(loaded)
        return found

    async def invalidate(self, cache, key):
        """Drops the copy after this client changed the origin."""
        self.log.write(cache, key, "write")
        metrics.CACHE_INVALIDATED.labels(cache).inc()
        try:
            await self.redis.delete(f"{cache}:{key}")
        except REDIS_ERRORS:
            return
        self.log.write(cache, key, "delete")

    def changed_elsewhere(self, cache, key):
        """Logs a change of the origin that does not invalidate: the copy is stale until it expires."""
        self.log.write(cache, key, "write")

    def _hit(self, cache, key, text):
        metrics.CACHE.labels(cache, "hit").inc()
        self.log.write(cache, key, "get", 1, len(text))

    def _miss(self, cache, key, text, seconds):
        self.log.write(cache, key, "get", 0, len(text), f"{seconds * 1000:.1f}")

    async def _fill(self, cache, texts):
        """Caches key -> text, in one round trip."""
        pipeline = self.redis.pipeline(transaction=False)
        for key, text in texts.items():
            pipeline.set(f"{cache}:{key}", text, px=int(settings.ttl_seconds(cache) * 1000))
        try:
            await pipeline.execute()
        except REDIS_ERRORS:
            pass  # an unfilled cache costs a miss, not an error
