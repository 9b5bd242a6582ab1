"""Open-loop load: Poisson arrivals at the rate of `shape`, one task each, so that a slow answer does not delay other requests.

Arguments: URL of the proxy, epoch seconds of the first midnight, seconds to run, day_seconds, peak rate, seed.
"""

import asyncio
import itertools
import random
import sys
import time

import aiohttp

import shape

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
    noise, factor, next_noise = shape.Noise(rng), 1.0, 0.0
    counts = {"ok": 0, "failed": 0, "dropped": 0}
    tasks = set()
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        at = time.time() - midnight
        while at < seconds:
            while next_noise <= at:
                factor, next_noise = noise.step(), next_noise + 1.0 if next_noise > 0 else at + 1.0
            at += rng.expovariate(max(0.2, shape.rate(max(at, 0.0), day_seconds, peak) * factor))
            pause = midnight + at - time.time()
            if pause > 0:
                await asyncio.sleep(pause)
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
