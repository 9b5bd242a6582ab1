"""The two pools of a process, measured: SQLAlchemy's for the ORM, asyncpg's for plain SQL; and inserts in batches."""

import os
import time
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from datasets.app.service import metrics, settings


class Orm:
    """An engine with its pool; `session()` gives a session that has its connection."""

    def __init__(self, name="orm"):
        self.name = name
        size, overflow = settings.POOLS[name]
        self.engine = create_async_engine(
            settings.DSN.replace("postgresql://", "postgresql+asyncpg://"), pool_size=size, max_overflow=overflow,
            pool_timeout=30, pool_recycle=3600, connect_args={"server_settings": {"application_name": "api"}})
        self.make = async_sessionmaker(self.engine, expire_on_commit=False)
        metrics.POOL_SIZE.labels(name).set(size)
        in_use, checkouts = metrics.POOL_IN_USE.labels(name), metrics.POOL_CHECKOUTS.labels(name)
        hold, seconds = metrics.POOL_HOLD.labels(name), metrics.QUERY_SECONDS.labels("orm")

        @event.listens_for(self.engine.sync_engine, "checkout")
        def _(_connection, record, _proxy):
            record.info["since"] = time.perf_counter()
            checkouts.inc()
            in_use.inc()

        @event.listens_for(self.engine.sync_engine, "checkin")
        def _(_connection, record):
            hold.observe(time.perf_counter() - record.info.pop("since", time.perf_counter()))
            in_use.dec()

        @event.listens_for(self.engine.sync_engine, "before_cursor_execute")
        def _(connection, *_):
            connection.info["began"] = time.perf_counter()

        @event.listens_for(self.engine.sync_engine, "after_cursor_execute")
        def _(connection, *_):
            seconds.observe(time.perf_counter() - connection.info["began"])

    @asynccontextmanager
    async def session(self):
        """Gives an `AsyncSession`; the wait for the pool is measured."""
        async with self.make() as session:
            start = time.perf_counter()
            await session.connection()
            metrics.POOL_WAIT.labels(self.name).observe(time.perf_counter() - start)
            yield session

    async def close(self):
        await self.engine.dispose()


class Raw:
    """A pool of asyncpg for plain SQL."""

    def __init__(self, pool, name):
        self.pool, self.name = pool, name

    @classmethod
    async def open(cls, name, smallest):
        """Opens a pool with at least `smallest` and at most the connections of its setting."""
        largest, _ = settings.POOLS[name]
        pool = await asyncpg.create_pool(settings.DSN, min_size=smallest, max_size=largest,
                                         server_settings={"application_name": name})
        metrics.POOL_SIZE.labels(name).set(largest)
        return cls(pool, name)

    @asynccontextmanager
    async def connection(self):
        """Gives a connection; wait and hold times are measured."""
        start = time.perf_counter()
        async with self.pool.acquire(timeout=30) as connection:
            taken = time.perf_counter()
            metrics.POOL_WAIT.labels(self.name).observe(taken - start)
            metrics.POOL_CHECKOUTS.labels(self.name).inc()
            metrics.POOL_IN_USE.labels(self.name).inc()
            try:
                yield connection
            finally:
                metrics.POOL_IN_USE.labels(self.name).dec()
                metrics.POOL_HOLD.labels(self.name).observe(time.perf_counter() - taken)

    async def fetch(self, sql, *args):
        """Runs one statement on a connection of the pool and returns its rows."""
        async with self.connection() as connection:
            with metrics.QUERY_SECONDS.labels("raw").time():
                return await connection.fetch(sql, *args)

    async def close(self):
        await self.pool.close()


class Batches:
    """Inserts rows and keeps (rows, seconds) of each statement, in metrics and in `batches.PROCESS.csv`."""

    def __init__(self, process):
        self.log = None
        if settings.LOG_DIR:
            self.log = open(os.path.join(settings.LOG_DIR, f"batches.{process}.csv"), "a", buffering=1 << 16)

    async def insert(self, connection, table, columns, rows, most=None):
        """Inserts `rows` (tuples); `columns`: name -> type, `most`: rows of a statement. Without `most` the fault makes a statement of each row."""
        names = ", ".join(columns)
        if settings.on("row_by_row_inserts") and most is None:
            marks = ", ".join(f"${i + 1}" for i in range(len(columns)))
            for row in rows:
                await self._timed(connection, table, 1, f"INSERT INTO {table} ({names}) VALUES ({marks})", *row)
            return
        arrays = ", ".join(f"${i + 1}::{kind}[]" for i, kind in enumerate(columns.values()))
        sql = f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"
        most = most or settings.BATCH_ROWS
        for at in range(0, len(rows), most):
            part = rows[at:at + most]
            await self._timed(connection, table, len(part), sql, *(list(column) for column in zip(*part)))

    async def _timed(self, connection, table, rows, sql, *args):
        start = time.perf_counter()
        await connection.execute(sql, *args)
        seconds = time.perf_counter() - start
        metrics.BATCH_ROWS.labels(table).observe(rows)
        metrics.BATCH_SECONDS.labels(table).observe(seconds)
        if self.log:
            self.log.write(f"{time.time_ns() // 1_000_000},{table},{rows},{seconds:.6f}\n")

    def close(self):
        if self.log:
            self.log.close()


