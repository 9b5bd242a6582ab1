"""The load generator of the application. Writes requests, failures and latency by route as JSON.

Arguments: one JSON object with `front`, `midnight`, `seconds`, `day_seconds`, `peak`, `seed`, `rows`, `out`, and
optionally `now`: the present time of the requests in ISO 8601; the same seed and `now` give the same requests.
"""

import asyncio
import json
import random
import signal
import sys
import time
from datetime import datetime

import aiohttp

from datasets.app.load.arrivals import arrivals
from datasets.app.load.requests import Requests, utc_now

OUTSTANDING_MAX = 2000
TIMEOUT_SECONDS = 15


def quantile(ordered, share):
    """Returns the quantile of ordered values by the nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Results:
    """Latencies and failures by kind of request."""

    def __init__(self):
        self.seconds, self.failed, self.dropped = {}, {}, 0

    def add(self, kind, seconds, ok):
        self.seconds.setdefault(kind, []).append(seconds)
        self.failed[kind] = self.failed.get(kind, 0) + (not ok)

    def report(self):
        """Returns totals and, by kind, requests, failures and latency in milliseconds."""
        routes = {}
        for kind, values in sorted(self.seconds.items()):
            ordered = sorted(values)
            routes[kind] = {"requests": len(ordered), "failed": self.failed[kind], "mean_ms": round(1000 * sum(ordered) / len(ordered), 1),
                            **{f"p{int(q * 100)}_ms": round(1000 * quantile(ordered, q), 1) for q in (0.5, 0.95, 0.99)}}
        return {"requests": sum(len(v) for v in self.seconds.values()), "failed": sum(self.failed.values()), "dropped": self.dropped,
                "routes": routes}


async def send(session, kind, method, url, results):
    """Sends a request; a failure is no answer in time or a status of 500 or above."""
    start = time.perf_counter()
    try:
        async with session.request(method, url) as response:
            await response.read()
            ok = response.status < 500
    except (aiohttp.ClientError, asyncio.TimeoutError):
        ok = False
    results.add(kind, time.perf_counter() - start, ok)


async def main(front, midnight, seconds, day_seconds, peak, seed, rows, out, now=None):
    rng = random.Random(f"{seed} load")
    requests, results, tasks = Requests(rng, rows, seed, datetime.fromisoformat(now) if now else utc_now()), Results(), set()
    ended = asyncio.Event()
    for how in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(how, ended.set)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        async for at in arrivals(rng, midnight, seconds, day_seconds, peak, begin=0.0):
            if ended.is_set():
                break
            kind, method, path = requests.draw(at / day_seconds)
            if len(tasks) >= OUTSTANDING_MAX:
                results.dropped += 1
                continue
            task = asyncio.create_task(send(session, kind, method, front + path, results))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    with open(out, "w") as file:
        json.dump(results.report(), file, indent=1)


if __name__ == "__main__":
    import uvloop
    uvloop.run(main(**json.loads(sys.argv[1])))
