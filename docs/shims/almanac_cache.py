"""Cache-aside over redis-py that reports reads and writes to Almanac. Standard library only; Python 3.8 or later."""

import atexit
import collections
import json
import os
import threading
import time
import urllib.error
import urllib.request


class Reporter:
    """Sends events in the background; never blocks or fails its caller. Create one per process.

    url: address of Almanac; sample: report one key in this many, chosen by its hash; capacity: largest number of waiting events,
    beyond it the oldest are dropped; interval: seconds between two requests.
    """

    BATCH = 5_000

    def __init__(self, url, sample=1, capacity=20_000, interval=1.0, token=None):
        self._url = url.rstrip("/") + "/v1/events"
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._bound = 2**32 // max(1, int(sample))
        self._interval = interval
        self._events = collections.deque(maxlen=capacity)
        self._batch = []  # being sent; kept until it is acknowledged
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)
        atexit.register(self.close)

    def report(self, cache, key, op, **more):
        if _hash(key) < self._bound:
            now = time.time_ns() // 1_000_000
            self._events.append({"type": "cache", "timestamp": now, "cache": cache, "key": key, "op": op, **more})

    def close(self):
        """Sends the waiting events, without retries, and stops."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _start(self):
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="almanac", daemon=True)
        self._thread.start()

    def _forked(self):
        self._events.clear()  # the parent process sends these
        self._batch = []
        self._start()

    def _run(self):
        while not self._ended.wait(self._interval):
            self._flush()
        self._flush()

    def _flush(self):
        while True:
            while self._events and len(self._batch) < self.BATCH:
                self._batch.append(self._events.popleft())
            if not self._batch or not self._send(json.dumps(self._batch).encode()):
                return
            self._batch = []

    def _send(self, body):
        """Returns whether the batch is done: stored, or rejected for good. The same batch sent twice counts once."""
        try:
            urllib.request.urlopen(urllib.request.Request(self._url, body, self._headers), timeout=5).close()
            return True
        except urllib.error.HTTPError as error:
            return 400 <= error.code < 500 and error.code not in (408, 429)
        except Exception:
            return False


class Cache:
    """Cache-aside. redis: a redis-py client; name: as in `[[cache]]`; ttl: time-to-live in seconds; values are bytes or text."""

    def __init__(self, redis, name, ttl, reporter):
        self._redis, self._name, self._ttl, self._reporter = redis, name, ttl, reporter

    def get(self, key, load):
        """Returns the value of `key`, a str; `load(key)` reads it from the origin on a miss."""
        value = self._redis.get(f"{self._name}:{key}")
        if value is not None:
            self._reporter.report(self._name, key, "get")
            return value
        started = time.perf_counter()
        try:
            value = load(key)
        finally:
            cost = round(1e3 * (time.perf_counter() - started), 3)
            self._reporter.report(self._name, key, "get", miss_cost_ms=cost)
        self._redis.set(f"{self._name}:{key}", value, px=int(1e3 * self._ttl))
        return value

    def written(self, key, drop=False):
        """Call this after the origin's value of `key` has changed; `drop` drops the copy too."""
        self._reporter.report(self._name, key, "write")
        if drop:
            self._redis.delete(f"{self._name}:{key}")
            self._reporter.report(self._name, key, "delete")


def _hash(key):
    """FNV-1a over UTF-8 with the finalizer of MurmurHash3, 32 bits: the same in every language."""
    h = 0x811C9DC5
    for byte in key.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16
