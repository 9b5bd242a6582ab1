"""The worker: three jobs at a time from a list in Redis, a clock that queues regular jobs, and `/metrics`."""

import asyncio
import signal
import time

import asyncpg
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from datasets.app.service import caches, jobs, metrics, settings, telemetry
from datasets.app.service.cachelog import CacheLog
from datasets.app.service.db import Batches, Raw
from datasets.app.service.state import State

# Seconds between the regular jobs.
EVERY = {"reminders": 5.0, "cleanup": 20.0, "broadcast": 12.0, "import": 15.0, "report": 5.0 if settings.on("spilling_report") else 600.0}


async def loop(state):
    """Takes and does jobs until it is cancelled."""
    tracer = trace.get_tracer("worker")
    while True:
        try:
            with suppress_instrumentation():  # an empty poll is no span
                item = await state.redis.brpop("queue:jobs", timeout=0.4)
        except caches.REDIS_ERRORS:
            await asyncio.sleep(0.2)
            continue
        if item is None:
            continue
        text = item[1].decode()
        kind, start, result = text.partition(":")[0], time.perf_counter(), "ok"
        try:
            with tracer.start_as_current_span(f"job {kind}", kind=trace.SpanKind.CONSUMER):
                await jobs.run(state, text)
        except (asyncpg.PostgresError, asyncio.TimeoutError, *caches.REDIS_ERRORS):
            result = "failed"
        finally:
            metrics.JOB_SECONDS.labels(kind).observe(time.perf_counter() - start)
            metrics.JOBS_DONE.labels(kind, result).inc()


async def clock(state, kind, seconds):
    """Queues a regular job, for another user each time."""
    number = 0
    while True:
        await asyncio.sleep(seconds)
        number += 1
        try:
            await state.enqueue(kind, *([1 + number * 37 % 600] if kind in ("broadcast", "import") else []))
        except caches.REDIS_ERRORS:
            pass  # the next turn queues it


async def main():
    """Serves until SIGTERM or SIGINT."""
    metrics.clean_registry()
    telemetry.start("worker")
    metrics.WORKERS.set(settings.WORKER_JOBS)
    client = caches.client()
    state = State(None, await Raw.open("worker", settings.WORKER_IDLE), caches.Caches(client, CacheLog("worker", settings.LOG_DIR)),
                  Batches("worker"), client)
    server = await asyncio.start_server(_answer, "127.0.0.1", settings.PORT)
    tasks = [asyncio.create_task(loop(state)) for _ in range(settings.WORKER_JOBS)]
    tasks += [asyncio.create_task(clock(state, kind, seconds)) for kind, seconds in EVERY.items()]
    ended = asyncio.Event()
    for how in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(how, ended.set)
    await ended.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    server.close()
    await state.raw.close()
    await client.aclose()
    state.caches.log.close()
    state.batches.close()
    telemetry.stop()


async def _answer(reader, writer):
    """Answers every request with the metrics."""
    try:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        body, kind = metrics.exposition()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, OSError):
        pass  # the client is gone or sent no request
    finally:
        writer.close()


if __name__ == "__main__":
    import uvloop
    uvloop.run(main())
