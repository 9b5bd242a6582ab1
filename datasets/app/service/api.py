"""The API: FastAPI with `/metrics` beside it. Start: `python3 -m datasets.app.service.api`."""

from contextlib import asynccontextmanager

import asyncpg
import sqlalchemy.exc
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from datasets.app.service import caches, metrics, settings, telemetry
from datasets.app.service.cachelog import CacheLog
from datasets.app.service.compression import Measured
from datasets.app.service.db import Batches, Orm, Raw
from datasets.app.service.routes import admin, auth, calendar, dashboard, notifications, tasks
from datasets.app.service.state import State

UNAVAILABLE = (asyncpg.PostgresError, sqlalchemy.exc.SQLAlchemyError, TimeoutError, *caches.REDIS_ERRORS)


@asynccontextmanager
async def lifespan(app):
    """Opens pools and caches, and closes them at the end."""
    client, orm = caches.client(), Orm()
    telemetry.instrument_engine(orm.engine)
    state = State(orm, await Raw.open("api", settings.POOLS["api"][0]), caches.Caches(client, CacheLog("api", settings.LOG_DIR)),
                  Batches("api"), client)
    app.state.parts = state
    yield
    await state.raw.close()
    await orm.close()
    await client.aclose()
    state.caches.log.close()
    state.batches.close()
    telemetry.stop()


def create():
    """Returns the application."""
    metrics.clean_registry()
    telemetry.start("api")
    app = FastAPI(lifespan=lifespan)
    for part in (calendar, tasks, auth, dashboard, notifications, admin):
        app.include_router(part.router)

    @app.get("/api/health")
    async def health(request: Request):
        await request.app.state.parts.raw.fetch("SELECT 1")
        return {"status": "ok"}

    @app.get("/metrics")
    async def exposition(request: Request):
        try:
            metrics.QUEUE_DEPTH.set(await request.app.state.parts.redis.llen("queue:jobs"))
        except caches.REDIS_ERRORS:
            pass  # the gauge keeps its last value
        body, kind = metrics.exposition()
        return Response(body, headers={"Content-Type": kind})

    for error in UNAVAILABLE:
        app.add_exception_handler(error, _unavailable)
    app.add_middleware(Measured)
    telemetry.instrument_app(app)
    return app


async def _unavailable(_request, error):
    return JSONResponse({"error": type(error).__name__}, status_code=503)


if __name__ == "__main__":
    import uvicorn
    uvicorn.run(create(), host="127.0.0.1", port=settings.PORT, log_level="warning", access_log=False, loop="uvloop", http="httptools",
                timeout_graceful_shutdown=3)
