"""Open-loop load of the recorded application: one task for each arrival, so that a slow answer does not delay other requests.

Arguments: URL of the proxy, epoch seconds of the first midnight, seconds to run, day_seconds, peak rate, seed.
"""

import asyncio
import itertools
import random
import sys

import aiohttp

from datasets.app.load import shape
from datasets.app.load.arrivals import arrivals

OUTSTANDING_MAX = 2000


async def send(session, method, url, counts):
    try:
        async with session.request(method, url) as response:
            await response.read()
            counts["ok" if response.status < 500 else "failed"] += 1
    except (aiohttp.ClientError, asyncio.TimeoutError):
        counts["failed"] += 1


async def main(front, midnight, seconds, day_seconds, peak, seed):
    rng = random.Random(f"{seed} load")
    users = list(itertools.accumulate(shape.zipf_weights(shape.USERS)))
    ids = list(range(1, shape.USERS + 1))
    months, month_weights = zip(*shape.MONTHS)
    counts = {"ok": 0, "failed": 0, "dropped": 0}
    tasks = set()
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        async for at in arrivals(rng, midnight, seconds, day_seconds, peak):
            kinds, weights = zip(*shape.mix(at / day_seconds))
            kind = rng.choices(kinds, weights)[0]
            user = rng.choices(ids, cum_weights=users)[0]
            month = rng.choices(months, month_weights)[0]
            write = rng.random()
            method, path = {
                "calendar": ("POST" if write < 0.12 else "GET", f"/api/calendar/events?user={user}&month={month}"),
                "tasks": ("POST" if write < 0.15 else "GET", f"/api/tasks?user={user}"),
                "auth": ("POST", f"/api/auth/refresh?user={user}"),
                "health": ("GET", "/api/health"),
            }[kind]
            if len(tasks) >= OUTSTANDING_MAX:
                counts["dropped"] += 1
                continue
            task = asyncio.create_task(send(session, method, front + path, counts))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    print(counts, flush=True)


if __name__ == "__main__":
    import uvloop
    uvloop.install()
    url, *numbers, seed_text = sys.argv[1:]
    asyncio.run(main(url, *map(float, numbers), seed_text))
