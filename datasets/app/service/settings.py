"""Settings of the API and the worker, from environment variables that `datasets.app.run` sets."""

import os

from datasets.app import faults
from datasets.app.load.shape import CACHE_TTL_SECONDS

# Times-to-live are those of a real day, divided by TTL_SCALE, since a run lasts minutes.
ONE_TTL_SECONDS = 600
TTL_SCALE = 20.0

DSN = os.environ.get("APP_DSN", "")
REDIS_PORT = int(os.environ.get("APP_REDIS_PORT", "0"))
PORT = int(os.environ.get("APP_PORT", "0"))
SEED = int(os.environ.get("APP_SEED", "1"))
LOG_DIR = os.environ.get("APP_LOG_DIR", "")
OTLP = [url for url in os.environ.get("APP_OTLP", "").split(",") if url]
FAULTS = faults.parse(os.environ.get("APP_FAULTS", "none"))

PAGE = 20
ADMIN_PAGE = 50
WORKER_JOBS = 3


def pools(active):
    """Returns pool -> (size, overflow) with these faults: `orm` and `api` of the API, and `worker`."""
    return {"orm": (1, 0) if "pool_too_small" in active else (6, 4), "api": (6, 0), "worker": (40, 0) if "pool_too_large" in active else (4, 0)}


POOLS = pools(FAULTS)
WORKER_IDLE = 40 if "pool_too_large" in FAULTS else 2
BATCH_ROWS = 500
COMPRESS_FROM, COMPRESS_LEVEL = (0, 9) if "compress_everything" in FAULTS else (1000, 5)


def ttl_seconds(cache):
    """Returns the time-to-live of a cache in seconds of the run."""
    return (ONE_TTL_SECONDS if "one_ttl" in FAULTS else CACHE_TTL_SECONDS[cache]) / TTL_SCALE


def on(fault):
    """Returns whether the fault is switched on. Raises KeyError for an unknown name, so that a typing error cannot pass."""
    return faults.FAULTS[fault].name in FAULTS
