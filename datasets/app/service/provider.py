"""The external provider (identity, calendar), simulated by its duration: lognormal waits."""

import asyncio
import math
import random

from datasets.app.service import settings

SIGMA = 0.45
_rng = random.Random(f"{settings.SEED} provider")


async def call(mean_seconds):
    """Waits as long as a call with this mean lasts."""
    await asyncio.sleep(math.exp(_rng.gauss(math.log(mean_seconds) - SIGMA * SIGMA / 2.0, SIGMA)))
    return {"provider": "example"}
