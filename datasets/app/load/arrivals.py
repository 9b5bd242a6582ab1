"""Open-loop arrivals: a Poisson process with the rate of `shape`, shared by the load generators of application and recorder."""

import asyncio
import time

from datasets.app.load import shape


async def arrivals(rng, midnight, seconds, day_seconds, peak, begin=None):
    """Yields the seconds since midnight at each arrival, in time; a slow answer does not delay the next arrival.

    `midnight`: epoch seconds of the day's begin; `peak`: requests a second at the daily peak; `begin`: first second, by default now.
    With a `begin` the sequence depends on `rng` alone.
    """
    noise, factor, next_noise = shape.Noise(rng), 1.0, 0.0
    at = time.time() - midnight if begin is None else begin
    while at < seconds:
        while next_noise <= at:
            factor, next_noise = noise.step(), next_noise + 1.0 if next_noise > 0 else at + 1.0
        at += rng.expovariate(max(0.2, shape.rate(max(at, 0.0), day_seconds, peak) * factor))
        pause = midnight + at - time.time()
        if pause > 0:
            await asyncio.sleep(pause)
        yield at
